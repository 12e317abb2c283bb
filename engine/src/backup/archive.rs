//! Waiting until WAL is in the archive.

use std::path::Path;
use std::time::{Duration, Instant};

use super::session::BackupSession;
use super::site::BackupSite;
use crate::api::{Error, ErrorCode, Lsn, Result, TimelineId};
use crate::pg::wal::{SegmentName, SegmentSize, WalFileName};
use crate::wal::archive::Archive;

/// The first pause between two looks; each is twice the one before, up to the longest. A segment
/// is often there within milliseconds, and a small backup is mostly waiting.
const LOOK_AFTER: Duration = Duration::from_millis(5);
const LOOK_EVERY_MAX: Duration = Duration::from_millis(80);
const PING_EVERY: Duration = Duration::from_secs(5);

/// What is waited for.
pub(super) struct Wait<'a> {
    pub(super) site: &'a BackupSite,
    pub(super) session: &'a BackupSession,
    pub(super) destination: &'a Path,
    pub(super) size: SegmentSize,
    pub(super) timeline: TimelineId,
    /// The segments of these positions and all between; the last one up to the byte before.
    pub(super) from: Lsn,
    pub(super) to: Lsn,
    /// How long one segment may take.
    pub(super) limit: Duration,
    pub(super) is_standby: bool,
}

impl Wait<'_> {
    /// Waits for each segment in order.
    ///
    /// # Errors
    /// `ArchiveStuck` when one does not arrive in time, `RepositoryUnreadable`,
    /// `BackupAbandoned` when the session is lost meanwhile.
    pub(super) async fn run(&self, tell: impl Fn(String)) -> Result<()> {
        let first = self.size.number_of(self.from);
        for number in first..=self.size.number_before(self.to).max(first) {
            let Some(name) = SegmentName::new(self.timeline, number, self.size) else { break };
            tell(format!("waiting for WAL segment {name} to arrive in the archive"));
            self.wait_for(name).await?;
        }
        Ok(())
    }

    async fn wait_for(&self, name: SegmentName) -> Result<()> {
        let began = Instant::now();
        let mut pinged = began;
        let mut pause = LOOK_AFTER;
        loop {
            if self.is_there(name).await? {
                return Ok(());
            }
            if began.elapsed() >= self.limit {
                return Err(self.stuck(name).await);
            }
            if pinged.elapsed() >= PING_EVERY {
                self.session.ping().await?;
                pinged = Instant::now();
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_EVERY_MAX);
        }
    }

    /// An archive that is not there yet is made by the first segment.
    async fn is_there(&self, name: SegmentName) -> Result<bool> {
        let destination = self.destination.to_path_buf();
        self.site
            .as_owner(move |site| {
                let archive = Archive::open_if_there(&site.disk, &destination)?;
                let find = |archive: Archive| archive.find(WalFileName::Segment(name));
                Ok(archive.map(find).transpose()?.is_some_and(|found| !found.is_empty()))
            })
            .await
    }

    async fn stuck(&self, name: SegmentName) -> Error {
        let archiver = self.session.archiver().await;
        let fact = format!(
            "WAL segment {name} did not arrive in {} within {} s",
            self.destination.display(),
            self.limit.as_secs()
        );
        let error = Error::new(ErrorCode::ArchiveStuck, fact).detail(archiver);
        if self.is_standby {
            return error.hint(
                "The segment is archived when the primary ends it: SELECT pg_switch_wal() there. Its archive_command, or this standby's with archive_mode = always, must push into the same destination.",
            );
        }
        error
    }
}
