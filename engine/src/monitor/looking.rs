//! What a monitor sees without asking the server: the state of the instance, its log, its disks,
//! the machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::task::{Monitor, RECONNECT_MIN};
use crate::api::{Error, ErrorCode, InstanceState, InstanceStatus, LogTail, Result, Snapshot};
use crate::sys::{clock, process_table};

/// The load of the machine is read this often.
const MACHINE_EVERY: Duration = Duration::from_secs(5);

impl Monitor {
    /// State of a local instance from its files; of a remote one from the connection.
    pub(super) async fn look_at_state(&mut self) {
        let mut status = match &mut self.local {
            Some(local) => {
                let status = local.look().await;
                let owner = local.owner(&status);
                self.access.learn(&status, owner.clone());
                if let Some(owner) = owner {
                    self.owner = owner;
                }
                status
            }
            None => self.remote_status(),
        };
        if status.state == InstanceState::Started
            && self.link.is_none()
            && let Some(error) = &self.connect_error
        {
            // The server is up and does not let anybody in: a backend crash is being repaired.
            if error.code == ErrorCode::ServerNotReady {
                status.state = InstanceState::InRecovery;
                status.detail = error.fact.clone();
            } else {
                status.connect_error = Some(error.clone());
            }
        }
        let was = self.snapshot.status.state;
        if was != status.state {
            self.state_changed(was, status.state);
        }
        self.snapshot.status = Arc::new(status);
    }

    fn state_changed(&mut self, was: InstanceState, now: InstanceState) {
        self.connect_at = None;
        self.backoff = RECONNECT_MIN;
        self.probes.all_due();
        if let Some(local) = &mut self.local {
            local.look_again();
        }
        if now.is_down() && was != InstanceState::Unknown {
            self.connect_error = None;
            forget_activity(&mut self.snapshot);
        }
    }

    fn remote_status(&self) -> InstanceStatus {
        let known = self.snapshot.status.as_ref();
        let state = match (&self.link, &self.connect_error) {
            (Some(_), _) => InstanceState::Started,
            (None, Some(error)) if error.code == ErrorCode::ServerNotReady => {
                InstanceState::InRecovery
            }
            (None, Some(_)) => InstanceState::Unreachable,
            (None, None) => InstanceState::Unknown,
        };
        let server = self.snapshot.server.get();
        InstanceStatus {
            detail: match (&self.link, &self.connect_error) {
                (Some(link), _) => link.connected().context.server.clone(),
                (None, Some(error)) => error.fact.clone(),
                (None, None) => "connecting".to_owned(),
            },
            port: server.and_then(|server| server.port).or(known.port),
            major: server.map(|server| server.version.major()).or(known.major),
            connect_error: self.connect_error.clone().filter(|_| self.link.is_none()),
            ..InstanceStatus::bare(state)
        }
    }

    pub(super) async fn look_at_files(&mut self) {
        let now = clock::now();
        let Some(local) = &mut self.local else {
            if let Some(link) = &self.link {
                let outcome = self.probes.log.look_remote(link, self.interest.log).await;
                self.take_log(outcome);
            }
            let remote = Error::new(ErrorCode::InstanceRemote, "its disks are on another machine")
                .detail(self.snapshot.identity.host.clone());
            self.snapshot.destinations.fail(remote);
            return;
        };
        let pid = self.snapshot.status.pid;
        let outcome = self.probes.log.look_local(&local.target, self.link.as_ref(), pid).await;
        self.take_log(outcome);
        if let Some(local) = &mut self.local
            && let Some(destinations) = local
                .destinations(&self.snapshot, self.interest, &self.limits, &mut self.memory)
                .await
        {
            self.snapshot.destinations.set(destinations, now);
        }
        if let Some(local) = &mut self.local
            && let Some(outcome) =
                local.protection(&self.snapshot, &self.owner, self.interest, &mut self.memory).await
        {
            self.snapshot.protection.update(outcome, now);
        }
        self.look_at_recovery().await;
        if self.interest.is_shown && self.machine_at.is_none_or(|at| at.elapsed() >= MACHINE_EVERY)
        {
            self.machine_at = Some(Instant::now());
            let load = process_table::machine_load().map_err(|error| {
                Error::new(ErrorCode::FileAccess, "the load of the machine cannot be read")
                    .detail(error.to_string())
            });
            self.snapshot.machine.update(load, now);
        }
    }

    /// A recovery of the data directory: under way, or with its old data still kept.
    async fn look_at_recovery(&mut self) {
        let Some(local) = &mut self.local else { return };
        match local.recovery(&self.owner).await {
            Some(Ok(Some(state))) => self.snapshot.recovery.set(state, clock::now()),
            Some(Ok(None)) => self.snapshot.recovery.clear(),
            Some(Err(error)) => self.snapshot.recovery.fail(error),
            None => {}
        }
    }

    fn take_log(&mut self, outcome: Result<Option<LogTail>>) {
        match outcome {
            Ok(Some(tail)) => {
                self.snapshot.log.set(tail, clock::now());
                self.log_has_grown();
            }
            Ok(None) => self.snapshot.log.error = None,
            Err(error) => self.snapshot.log.fail(error),
        }
    }
}

/// A server that is down has no sessions, locks or rates; what it had is no longer true.
fn forget_activity(snapshot: &mut Snapshot) {
    snapshot.server.clear();
    snapshot.rates.clear();
    snapshot.sessions.clear();
    snapshot.locks.clear();
    snapshot.prepared.clear();
    snapshot.holders.clear();
    snapshot.standbys.clear();
    snapshot.databases.clear();
    snapshot.wal.clear();
    snapshot.rate_history = Arc::default();
}
