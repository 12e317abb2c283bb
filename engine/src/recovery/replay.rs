//! Watching a server replay: how far it is, and where it comes to stand.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::diagnose;
use super::machine::{Reached, Standing};
use super::server::{self, Replayed, Session, Starting};
use crate::api::{
    Error, ErrorCode, InstanceState, InstanceStatus, JobProgress, Lsn, RecoveryPlan, RecoveryRole,
    Result, TimelineId,
};
use crate::backup::chain::Chain;
use crate::instance::lifecycle::Site;
use crate::instance::lifecycle::start::startup_title;
use crate::jobs::runner::Reporter;
use crate::pg::wal::{SegmentName, SegmentSize, TimelineHistory, WalFileName};
use crate::sys::file;

const HISTORY_BYTES_MAX: u64 = 1 << 20;
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// A server that takes connections and refuses ours is not waited for longer than this.
const REFUSED_LIMIT: Duration = Duration::from_secs(15);

/// What is watched.
pub(super) struct Watch<'a> {
    pub(super) server: &'a Site,
    pub(super) plan: &'a RecoveryPlan,
    /// Where replay begins, and bytes of a segment.
    pub(super) from: Lsn,
    pub(super) segment_size: SegmentSize,
    pub(super) reporter: &'a Reporter,
    pub(super) stop: &'a AtomicBool,
}

impl Watch<'_> {
    /// Watches until the server stands somewhere. `starting` is there when this process has
    /// started it.
    ///
    /// # Errors
    /// `ReplayFailed` or `ReplayShort` when it has ended, with the probable cause; `Cancelled`
    /// after it was stopped; what connecting gives when it lets nobody in.
    pub(super) async fn run(&self, mut starting: Option<Starting>) -> Result<Reached> {
        let began = Instant::now();
        let mut session = Session::new(self.server);
        let mut refused: Option<Instant> = None;
        let mut last = None;
        loop {
            if self.stop.load(Ordering::Acquire) {
                return Err(self.cancel(starting).await);
            }
            // pg_ctl knows first when a server ends early. It is asked before the look: a server
            // that comes up in between would seem to be gone.
            let is_over = starting.as_ref().is_none_or(|one| one.pg_ctl.is_finished());
            let status = self.server.look_async().await;
            if is_over && !status.state.has_process() {
                let output = self.output(starting.take()).await;
                return Err(diagnose::ended(self.server, self.plan, output, last).await);
            }
            match session.replayed(&status).await {
                Ok(replayed) => {
                    refused = None;
                    last = replayed.lsn.or(last);
                    self.tell(&replayed, began);
                    if let Some(reached) = self.stands(&replayed).await {
                        return Ok(reached);
                    }
                }
                Err(error) => {
                    self.tell_of_start(&status, began).await;
                    let is_up = status.state == InstanceState::Started;
                    if is_up && is_refusal(error.code) {
                        let since = *refused.get_or_insert_with(Instant::now);
                        if since.elapsed() > REFUSED_LIMIT {
                            return Err(error);
                        }
                    }
                }
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    async fn stands(&self, replayed: &Replayed) -> Option<Reached> {
        if !replayed.in_recovery {
            // One that was started again since says nothing, or where its crash recovery ended.
            let lsn = match replayed.lsn {
                Some(lsn) if lsn == self.plan.stop.reached => Some(lsn),
                other => self.fork().await.or(other),
            };
            return lsn.map(|lsn| Reached { lsn, how: Standing::Promoted });
        }
        let lsn = replayed.lsn?;
        if replayed.is_paused {
            return Some(Reached { lsn, how: Standing::Paused });
        }
        // A standby has no end; that it takes connections proves it consistent.
        let is_standby = matches!(self.plan.role, RecoveryRole::Standby(_));
        is_standby.then_some(Reached { lsn, how: Standing::Standby })
    }

    /// Where a server that was promoted left the plan's timeline.
    async fn fork(&self) -> Option<Lsn> {
        let (server, timeline) = (self.server.clone(), self.plan.stop.timeline);
        let look = move || {
            let data = &server.target.data_directory;
            server.credentials.run(|| fork_of(data, timeline)).ok().flatten()
        };
        tokio::task::spawn_blocking(look).await.ok().flatten()
    }

    async fn cancel(&self, starting: Option<Starting>) -> Error {
        let mut stopped = server::stop(self.server).await;
        // One that was just being started may not have been seen yet.
        while stopped.is_ok() && starting.as_ref().is_some_and(|one| !one.pg_ctl.is_finished()) {
            tokio::time::sleep(LOOK_INTERVAL).await;
            stopped = server::stop(self.server).await;
        }
        if stopped.is_ok() {
            stopped = server::stop(self.server).await;
        }
        let detail = match stopped {
            Ok(()) => "the server was stopped; what it has replayed stays replayed".to_owned(),
            Err(error) => error.fact,
        };
        Error::new(ErrorCode::Cancelled, "the recovery was cancelled")
            .detail(detail)
            .hint("Run it again to go on, or put the old data back with 'pgdeck recover undo'.")
    }

    /// What `pg_ctl` and the server said since the start.
    async fn output(&self, starting: Option<Starting>) -> diagnose::Said {
        let Some(starting) = starting else { return diagnose::Said::default() };
        let said = match starting.pg_ctl.await {
            Ok(Ok(ended)) => ended.output,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        diagnose::Said {
            pg_ctl: said,
            log_file: Some(starting.log_file),
            log_before: starting.log_before,
        }
    }

    fn tell(&self, replayed: &Replayed, began: Instant) {
        let mut lines = Vec::new();
        if let Some(lsn) = replayed.lsn {
            lines.push(format!("position {lsn} of {}", self.plan.stop.reached));
        }
        if let Some(at) = replayed.at {
            lines.push(format!("commits up to {}", at.format("%Y-%m-%d %H:%M:%S UTC")));
        }
        self.report(replayed.lsn, lines, began);
    }

    /// Before it takes connections the title of its startup process names a segment.
    async fn tell_of_start(&self, status: &InstanceStatus, began: Instant) {
        let Some(pid) = status.pid else {
            return self.report(None, vec!["waiting for the server process".to_owned()], began);
        };
        let title = tokio::task::spawn_blocking(move || startup_title(pid)).await.ok().flatten();
        let name = title.as_deref().and_then(|text| text.split_whitespace().last());
        let segment = name.and_then(SegmentName::parse);
        let at = segment.and_then(|name| name.start_byte(self.segment_size));
        let line = title.unwrap_or_else(|| "the server is starting".to_owned());
        self.report(at.and_then(Lsn::from_u64), vec![line], began);
    }

    fn report(&self, lsn: Option<Lsn>, lines: Vec<String>, began: Instant) {
        let total = self.plan.stop.reached.bytes_since(self.from);
        let done = lsn.map(|lsn| lsn.bytes_since(self.from).min(total));
        let (rate, eta_seconds) = super::telling::rate(done.unwrap_or(0), total, began.elapsed());
        self.reporter.report(JobProgress {
            phase: "replaying WAL".to_owned(),
            lines,
            done,
            total: Some(total),
            rate,
            eta_seconds,
            ..JobProgress::default()
        });
    }
}

/// Where replay begins, and how large segments are.
///
/// # Errors
/// `RepositoryDamaged` when the backup does not say.
pub(super) fn start(chain: &Chain) -> Result<(Lsn, SegmentSize)> {
    let unknown = || Error::new(ErrorCode::RepositoryDamaged, "the backup does not say its start");
    let head = chain.head().ok_or_else(unknown)?;
    let from = head.document.start_lsn.parse().map_err(|_| unknown())?;
    let bytes = head.document.cluster.wal_segment_bytes;
    Ok((from, SegmentSize::from_bytes(bytes).unwrap_or(SegmentSize::DEFAULT)))
}

/// Where a timeline ends in the history of the newest one in `pg_wal`. A promoted server's own is
/// the newest (`findNewestTimeLine()`), and says where replay ended (`writeTimeLineHistory()`).
fn fork_of(data_directory: &Path, timeline: TimelineId) -> Option<Lsn> {
    let wal = data_directory.join("pg_wal");
    let names = file::list(&wal, usize::MAX).ok()?;
    let histories = names.iter().filter_map(|name| match WalFileName::parse(name) {
        Some(WalFileName::History(newest)) => Some((newest, name)),
        _ => None,
    });
    let (newest, name) = histories.max()?;
    let text = file::read_text(&wal.join(name), HISTORY_BYTES_MAX).ok()?;
    TimelineHistory::parse(newest, &text).ok()?.end_of(timeline)
}

/// Errors that do not go away while the server gets ready.
fn is_refusal(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::ServerNotReady
            | ErrorCode::ConnectRefused
            | ErrorCode::ConnectTimeout
            | ErrorCode::ConnectionLost
            | ErrorCode::QueryTimeout
            | ErrorCode::NoConnectionSlots
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promoted_server_tells_where_replay_ended() {
        let root = tempfile::tempdir().unwrap();
        let wal = root.path().join("pg_wal");
        std::fs::create_dir(&wal).unwrap();
        let of = |number| fork_of(root.path(), TimelineId::from_u32(number).unwrap());
        assert_eq!(of(1), None);
        let older = "1\t0/2000000\tno recovery target specified\n";
        std::fs::write(wal.join("00000002.history"), older).unwrap();
        let own = "1\t0/2000000\tx\n\n2\t0/40000E8\tbefore LSN 0/40000E8\n";
        std::fs::write(wal.join("0000000A.history"), own).unwrap();
        assert_eq!((of(1), of(2)), ("0/2000000".parse().ok(), "0/40000E8".parse().ok()));
        assert_eq!(of(3), None);
    }
}
