//! What a monitor does when it is told to: over its own connection, because when all slots are
//! taken there is no other.

use std::time::Duration;

use super::task::Monitor;
use crate::api::{BackendTarget, Error, ErrorCode, Result, SignalKind, SignalResult};
use crate::connections::actions;
use crate::sys::credentials;

impl Monitor {
    pub(super) async fn signal(
        &mut self,
        kind: SignalKind,
        targets: &[BackendTarget],
    ) -> Vec<SignalResult> {
        let who = credentials::operator();
        let host = self.snapshot.identity.host.clone();
        let mut results = Vec::with_capacity(targets.len());
        for target in targets {
            let command = kind.sql(target);
            let logged = match self.memory.handle() {
                Some(journal) => {
                    let action = kind.word().to_owned();
                    journal.begin_operation(who.clone(), host.clone(), action, command).await.ok()
                }
                None => None,
            };
            let outcome = self.signal_one(kind, target).await;
            if let (Some(journal), Some(id)) = (self.memory.handle(), logged) {
                let text =
                    outcome.as_ref().map_or_else(ToString::to_string, |()| "sent".to_owned());
                let _ = journal.end_operation(id, text, outcome.is_ok()).await;
            }
            results.push(SignalResult { pid: target.pid, outcome });
        }
        results
    }

    /// Over the monitor's own connection: when all slots are taken there is no other.
    pub(super) async fn signal_one(&self, kind: SignalKind, target: &BackendTarget) -> Result<()> {
        match &self.link {
            Some(link) => {
                let sent = actions::signal(link.connected(), kind, target);
                let limit = Duration::from_secs(5);
                match tokio::time::timeout(limit, sent).await {
                    Ok(outcome) => outcome,
                    Err(_) => Err(link.connected().query_timed_out(limit)),
                }
            }
            None => {
                let connected = self.access.connect(None).await?;
                actions::signal(&connected, kind, target).await
            }
        }
    }

    pub(super) async fn query_text(&self, target: &BackendTarget) -> Result<String> {
        match &self.link {
            Some(link) => actions::query_text(link.connected(), target).await,
            None => Err(self.connect_error.clone().unwrap_or_else(|| {
                Error::new(ErrorCode::NotRunning, "there is no connection to the server")
                    .detail(self.snapshot.status.state.word())
            })),
        }
    }
}
