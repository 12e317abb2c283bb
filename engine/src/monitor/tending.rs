//! The monitor's one connection: when it is wanted, made, lost and given up.

use std::time::Instant;

use tokio::task::JoinHandle;

use super::link::Link;
use super::task::{Monitor, RECONNECT_MAX, RECONNECT_MIN};
use crate::api::{Error, ErrorCode, InstanceState, Result};
use crate::pg::conninfo::APPLICATION_NAME_DEFAULT;

impl Monitor {
    /// Drops a broken connection, or one a smart stop would wait for; begins a new one when due.
    pub(super) fn tend_link(&mut self) {
        let state = self.snapshot.status.state;
        if self.link.as_ref().is_some_and(Link::is_broken) {
            self.lose_link();
        }
        let is_local = self.local.is_some();
        if is_local && state == InstanceState::Stopping && self.only_pgdeck_is_left() {
            self.link = None;
        }
        if is_local && !state.has_process() {
            self.link = None;
        }
        let wants = if is_local {
            // Also while the state is only inferred from refused connections.
            matches!(
                state,
                InstanceState::Started | InstanceState::InRecovery | InstanceState::AccessDenied
            )
        } else {
            true
        };
        let is_due = self.connect_at.is_none_or(|at| Instant::now() >= at);
        if self.link.is_none() && self.connecting.is_none() && wants && is_due {
            let access = self.access.clone();
            let interval = self.interval;
            let open = async move { Link::open(&access, None, interval).await };
            self.connecting = Some(tokio::task::spawn_local(open));
        }
        self.snapshot.connected = self.link.is_some();
    }

    /// Whether a connection is wanted and its first attempt has not begun.
    pub(super) fn is_about_to_connect(&self) -> bool {
        let wants = self.local.is_none() || self.snapshot.status.state == InstanceState::Started;
        wants && self.link.is_none() && self.connect_error.is_none()
    }

    pub(super) fn only_pgdeck_is_left(&self) -> bool {
        let sessions = self.snapshot.sessions.get();
        sessions.is_none_or(|sessions| {
            !sessions
                .iter()
                .any(|one| one.is_client() && one.application != APPLICATION_NAME_DEFAULT)
        })
    }

    pub(super) fn lose_link(&mut self) {
        self.link = None;
        self.connect_at = Some(Instant::now() + RECONNECT_MIN);
        self.connect_error.get_or_insert_with(|| {
            Error::new(ErrorCode::ConnectionLost, "the connection to the server was lost")
                .detail("pgdeck connects again")
        });
    }

    pub(super) fn take_connection(&mut self, outcome: Result<Link>) {
        self.connecting = None;
        match outcome {
            Ok(link) => {
                self.link = Some(link);
                self.connect_error = None;
                self.backoff = RECONNECT_MIN;
                self.probes.all_due();
            }
            Err(error) => {
                self.mark_stale(&error);
                self.connect_error = Some(error);
                self.connect_at = Some(Instant::now() + self.backoff);
                self.backoff = (self.backoff * 2).min(RECONNECT_MAX);
            }
        }
    }
}

/// Waits for a connection that is being made; for ever when none is.
pub(super) async fn wait_for(connecting: &mut Option<JoinHandle<Result<Link>>>) -> Result<Link> {
    match connecting {
        Some(task) => task.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorCode::ConnectionLost, "the attempt to connect was given up")
                .detail(error.to_string()))
        }),
        None => std::future::pending().await,
    }
}
