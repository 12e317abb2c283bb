//! The spool of a recovery: segments that were fetched before the server asks for them, in a
//! directory beside the file it wants, so that giving one out is a rename.
//!
//! A spooled segment is whole and durable: it was checked and synced before it got its name.
//! What is not in the spool is fetched as if there were none, and whoever reads the archive
//! decides what is absent. `docs/FORMATS.md` lists the names.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::pg::wal::{SegmentName, WalFileName};
use crate::sys::disk::Disk;
use crate::sys::lock::{Attempt, LockFile};

use super::inspect::Expected;
use super::store::Content;

/// The spool's directory, beside the target: in `pg_wal`.
pub const SPOOL_DIRECTORY: &str = "pgdeck-prefetch";

/// The segment the server asked for last.
const ASKED: &str = "asked";
/// Held by the process that fetches.
const LOCK: &str = "lock";
/// What is being fetched.
const PART_SUFFIX: &str = ".part";
/// Longer than this nobody waits for a segment that is being fetched.
const COMING_MAX: Duration = Duration::from_secs(30);
/// Bytes that are written at once. With much at once ext4 takes much memory that nobody has used for
/// long, and that costs a virtual machine more than the copying.
const PIECE_BYTES: usize = 256 << 10;
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// The spool of one recovery.
#[derive(Clone, Debug)]
pub struct Spool<'a> {
    disk: &'a Disk,
    directory: PathBuf,
    /// Whose segments: those of another archive or cluster have other names.
    key: u32,
    /// Bytes of a segment, if known.
    bytes: Option<u64>,
}

impl<'a> Spool<'a> {
    /// The spool that belongs to a target such as `pg_wal/RECOVERYXLOG`, for one archive.
    #[must_use]
    pub fn beside(disk: &'a Disk, target: &Path, destination: &Path, expected: &Expected) -> Self {
        let cluster = expected.system_identifier.map(|own| own.to_string()).unwrap_or_default();
        let key = crc32c::crc32c(destination.as_os_str().as_encoded_bytes());
        Self {
            disk,
            directory: target.with_file_name(SPOOL_DIRECTORY),
            key: crc32c::crc32c_append(key, cluster.as_bytes()),
            bytes: expected.segment_size.map(|size| u64::from(size.bytes())),
        }
    }

    /// Gives a spooled segment to the server, if it is there: its path in the spool. One that is
    /// being fetched is waited for.
    #[must_use]
    pub fn take(&self, segment: SegmentName, target: &Path) -> Option<PathBuf> {
        let path = self.path(segment);
        if !self.holds(segment) {
            self.await_coming(segment);
        }
        if self.holds(segment) && self.disk.replace(&path, target).is_ok() {
            return Some(path);
        }
        None
    }

    /// Whether a whole segment is there.
    #[must_use]
    pub fn holds(&self, segment: SegmentName) -> bool {
        let stat = self.disk.stat(&self.path(segment));
        matches!(stat, Ok(Some(stat)) if self.bytes.is_none_or(|bytes| bytes == stat.size))
    }

    fn await_coming(&self, segment: SegmentName) {
        let part = self.part(segment);
        let until = Instant::now() + COMING_MAX;
        while matches!(self.disk.stat(&part), Ok(Some(_)))
            && matches!(self.lock(), Ok(Attempt::Taken(_)))
            && Instant::now() < until
        {
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Notes which segment the server asks for, and removes what it has passed.
    pub fn note_asked(&self, segment: SegmentName) {
        for (passed, path) in self.segments() {
            if passed.timeline() == segment.timeline() && passed < segment {
                let _ = self.disk.remove_file(&path);
            }
        }
        let temporary = self.directory.join(format!("{ASKED}.{}", std::process::id()));
        let written = self
            .disk
            .create(&temporary)
            .and_then(|mut file| file.write_all(segment.to_string().as_bytes()));
        // Without the note the process that looks ahead goes on from the one before.
        let named =
            written.and_then(|()| self.disk.replace(&temporary, &self.directory.join(ASKED)));
        if named.is_err() {
            let _ = self.disk.remove_file(&temporary);
        }
    }

    /// The segment the server asked for last; `None` when the spool was removed.
    #[must_use]
    pub fn last_asked(&self) -> Option<SegmentName> {
        let text = self.disk.read(&self.directory.join(ASKED), 64).ok()?;
        SegmentName::parse(std::str::from_utf8(&text).ok()?)
    }

    /// Puts a segment in, durably. `fetch` gives its content; whoever wants it meanwhile waits.
    ///
    /// # Errors
    /// As writing and syncing a file; `fetch`'s `None` is `NotFound`.
    pub fn put(
        &self,
        segment: SegmentName,
        fetch: impl FnOnce() -> Option<Content>,
    ) -> io::Result<()> {
        let part = self.part(segment);
        // One that was left by a kill is nobody's: there is one process that fetches.
        let _ = self.disk.remove_file(&part);
        let write = || {
            let mut file = self.disk.create(&part)?;
            let content = fetch().ok_or(io::ErrorKind::NotFound)?;
            content.chunks(PIECE_BYTES).try_for_each(|piece| file.write_all(piece))?;
            file.sync()?;
            self.disk.replace(&part, &self.path(segment))
        };
        let written = write();
        if written.is_err() {
            let _ = self.disk.remove_file(&part);
        }
        written
    }

    /// Whether there is a spool.
    #[must_use]
    pub fn is_there(&self) -> bool {
        matches!(self.disk.stat(&self.directory), Ok(Some(_)))
    }

    /// Tries to become the process that fetches; makes the spool.
    ///
    /// # Errors
    /// As making a directory and a file.
    pub fn lock(&self) -> io::Result<Attempt> {
        LockFile::try_take(&self.directory.join(LOCK), &std::process::id().to_string())
    }

    /// Removes the spool: the recovery is at its end.
    pub fn forget_all(&self) {
        let entries = self.disk.list(&self.directory).unwrap_or_default();
        for entry in &entries {
            let _ = self.disk.remove_file(&self.directory.join(&entry.name));
        }
        if self.is_there() {
            let _ = self.disk.remove_directory(&self.directory);
        }
    }

    /// Spooled segments, those of other archives included.
    fn segments(&self) -> Vec<(SegmentName, PathBuf)> {
        let entries = self.disk.list(&self.directory).unwrap_or_default();
        let segments = entries.iter().filter_map(|entry| {
            let (name, _) = entry.name.split_once('-')?;
            let segment = WalFileName::parse(name)?.segment()?;
            Some((segment, self.directory.join(&entry.name)))
        });
        segments.collect()
    }

    fn path(&self, segment: SegmentName) -> PathBuf {
        self.directory.join(format!("{segment}-{:08x}", self.key))
    }

    fn part(&self, segment: SegmentName) -> PathBuf {
        self.directory.join(format!("{segment}-{:08x}{PART_SUFFIX}", self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::wal::SegmentSize;

    fn segment() -> SegmentName {
        SegmentName::parse("000000010000000000000003").unwrap()
    }

    fn expected() -> Expected {
        Expected { segment_size: SegmentSize::from_bytes(1 << 20), ..Expected::default() }
    }

    #[test]
    fn what_was_put_in_is_given_out_once_and_not_for_another_archive() {
        let (directory, disk) = (tempfile::tempdir().unwrap(), Disk::real());
        let target = directory.path().join("RECOVERYXLOG");
        let of = |archive: &str| Spool::beside(&disk, &target, Path::new(archive), &expected());
        let (spool, other) = (of("/one"), of("/other"));
        let _lock = spool.lock().unwrap();
        spool.put(segment(), || Some(Content::Read(vec![7; 1 << 20]))).unwrap();
        assert!(spool.holds(segment()) && !other.holds(segment()));
        assert!(other.take(segment(), &target).is_none());
        assert!(spool.take(segment(), &target).is_some());
        assert_eq!(std::fs::read(&target).unwrap(), vec![7; 1 << 20]);
        assert!(spool.take(segment(), &target).is_none());
        spool.forget_all();
        assert!(!spool.is_there());
    }

    #[test]
    fn a_segment_that_cannot_be_fetched_leaves_nothing() {
        let (directory, disk) = (tempfile::tempdir().unwrap(), Disk::real());
        let target = directory.path().join("RECOVERYXLOG");
        let spool = Spool::beside(&disk, &target, Path::new("/one"), &expected());
        let _lock = spool.lock().unwrap();
        assert!(spool.put(segment(), || None).is_err());
        assert!(!spool.holds(segment()));
        let names: Vec<_> = disk.list(&spool.directory).unwrap();
        assert_eq!(names.len(), 1, "the lock alone: {names:?}");
    }

    #[test]
    fn a_part_is_waited_for_while_somebody_fetches_and_no_longer() {
        let (directory, disk) = (tempfile::tempdir().unwrap(), Disk::real());
        let target = directory.path().join("RECOVERYXLOG");
        let spool = Spool::beside(&disk, &target, Path::new("/one"), &expected());
        let lock = spool.lock().unwrap();
        std::fs::write(spool.part(segment()), b"half").unwrap();
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| spool.take(segment(), &target));
            std::thread::sleep(LOOK_AGAIN * 5);
            assert!(!asked.is_finished());
            std::fs::write(spool.part(segment()), vec![7; 1 << 20]).unwrap();
            disk.replace(&spool.part(segment()), &spool.path(segment())).unwrap();
            assert!(asked.join().unwrap().is_some());
        });
        // Left by a kill: nobody has the lock.
        std::fs::write(spool.part(segment()), b"half").unwrap();
        drop(lock);
        let began = Instant::now();
        assert!(spool.take(segment(), &target).is_none());
        assert!(began.elapsed() < COMING_MAX);
    }

    #[test]
    fn what_was_asked_for_is_noted_and_what_was_passed_is_removed() {
        let (directory, disk) = (tempfile::tempdir().unwrap(), Disk::real());
        let target = directory.path().join("RECOVERYXLOG");
        let spool = Spool::beside(&disk, &target, Path::new("/one"), &expected());
        assert_eq!(spool.last_asked(), None);
        let _lock = spool.lock().unwrap();
        spool.put(segment(), || Some(Content::Read(vec![7; 1 << 20]))).unwrap();
        spool.note_asked(segment());
        assert_eq!(spool.last_asked(), Some(segment()));
        assert!(spool.holds(segment()));
        let next = SegmentName::parse("000000010000000000000004").unwrap();
        spool.note_asked(next);
        assert!(!spool.holds(segment()));
        assert_eq!(spool.last_asked(), Some(next));
    }
}
