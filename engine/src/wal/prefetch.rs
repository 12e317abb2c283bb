//! Looking ahead: while one segment is fetched for a recovery, the next ones are, too, each on
//! a thread of its own, into a spool directory beside the file the server asked for.
//!
//! Nothing here decides what is absent: what is not in the spool is fetched as if there were
//! none. A spooled file carries the checksum of its content in its name, because after a crash
//! of the machine a file may be there without all of its content.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::pg::wal::{SegmentName, WalFileName};
use crate::sys::disk::Disk;

use super::archive::Archive;
use super::get;
use super::inspect::{self, Expected};
use super::store::CONTENT_BYTES_MAX;

/// The spool's directory, beside the target: in `pg_wal`.
pub const SPOOL_DIRECTORY: &str = "pgdeck-prefetch";

/// More at once would only wait for each other's disk.
const AHEAD_MAX: u32 = 16;

/// The spool of one recovery.
#[derive(Clone, Copy, Debug)]
pub struct Prefetch<'a> {
    disk: &'a Disk,
    archive: &'a Archive,
    target: &'a Path,
    expected: &'a Expected,
}

impl<'a> Prefetch<'a> {
    /// The spool that belongs to a target such as `pg_wal/RECOVERYXLOG`.
    #[must_use]
    pub fn new(
        disk: &'a Disk,
        archive: &'a Archive,
        target: &'a Path,
        expected: &'a Expected,
    ) -> Self {
        Self { disk, archive, target, expected }
    }

    /// Gives a spooled file to the server, if it is there and whole: its path in the spool.
    #[must_use]
    pub fn take(&self, name: WalFileName, target: &Path) -> Option<PathBuf> {
        let spooled = self.spooled();
        // What was passed is not asked for again.
        for (other, path, _) in spooled.iter().filter(|(other, ..)| *other < name) {
            if other.segment().is_some() {
                let _ = self.disk.remove_file(path);
            }
        }
        let (_, path, crc) = spooled.into_iter().find(|(other, ..)| *other == name)?;
        let content = self.disk.read(&path, CONTENT_BYTES_MAX).ok()?;
        let is_whole = crc32c::crc32c(&content) == crc
            && inspect::check(name, &content, self.expected).is_ok();
        if is_whole && self.disk.replace(&path, target).is_ok() {
            return Some(path);
        }
        let _ = self.disk.remove_file(&path);
        None
    }

    /// Does `work` while the segments that follow `name` are fetched, and waits for all.
    pub fn while_fetching<T>(&self, name: WalFileName, count: u32, work: impl FnOnce() -> T) -> T {
        let next = self.following(name, count.min(AHEAD_MAX));
        std::thread::scope(|scope| {
            for segment in next {
                let thread = std::thread::Builder::new().name(format!("ahead-{segment}"));
                // Without a thread the segment is fetched when it is asked for.
                let _ = thread.spawn_scoped(scope, move || self.fetch(segment));
            }
            work()
        })
    }

    /// Removes the spool: the recovery is at its end.
    pub fn forget_all(&self) {
        for (_, path, _) in self.spooled() {
            let _ = self.disk.remove_file(&path);
        }
        let directory = self.directory();
        if matches!(self.disk.stat(&directory), Ok(Some(_))) {
            let _ = self.disk.remove_directory(&directory);
        }
    }

    fn directory(&self) -> PathBuf {
        self.target.with_file_name(SPOOL_DIRECTORY)
    }

    /// Spooled files with their checksums.
    fn spooled(&self) -> Vec<(WalFileName, PathBuf, u32)> {
        let directory = self.directory();
        let entries = self.disk.list(&directory).unwrap_or_default();
        let spooled = entries.iter().filter_map(|entry| {
            let (name, crc) = entry.name.split_once('-')?;
            let crc = u32::from_str_radix(crc, 16).ok()?;
            Some((WalFileName::parse(name)?, directory.join(&entry.name), crc))
        });
        spooled.collect()
    }

    /// The segments behind `name` that are not in the spool.
    fn following(&self, name: WalFileName, count: u32) -> Vec<SegmentName> {
        let (WalFileName::Segment(segment), Some(size), 1..) =
            (name, self.expected.segment_size, count)
        else {
            return Vec::new();
        };
        let Some(number) = segment.number(size) else { return Vec::new() };
        let spooled = self.spooled();
        (1..=u64::from(count))
            .filter_map(|step| {
                SegmentName::new(segment.timeline(), number.checked_add(step)?, size)
            })
            .filter(|next| !spooled.iter().any(|(name, ..)| *name == WalFileName::Segment(*next)))
            .collect()
    }

    /// Fetches one segment into the spool. Whatever goes wrong is found again, and told, when
    /// the segment is asked for.
    fn fetch(&self, segment: SegmentName) {
        let name = WalFileName::Segment(segment);
        if !self.archive.find(name).is_ok_and(|found| !found.is_empty()) {
            return;
        }
        let Ok((_, content)) = get::fetch(self.archive, name, self.expected) else { return };
        let directory = self.directory();
        let _ = self.disk.make_directory(&directory);
        let path = directory.join(format!("{name}-{:08x}", crc32c::crc32c(&content)));
        let temporary = directory.join(format!("{name}.{}", std::process::id()));
        let written = self.disk.create(&temporary).and_then(|mut file| file.write_all(&content));
        if written.and_then(|()| self.disk.replace(&temporary, &path)).is_err() {
            let _ = self.disk.remove_file(&temporary);
        }
    }
}
