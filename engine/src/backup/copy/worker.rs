//! One copying thread: decides for each file what has to be stored, and stores it.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::pages::PageCheck;
use super::{Share, Shared, not_written};
use crate::api::{Error, ErrorCode, Result};
use crate::backup::blockmap;
use crate::backup::codec::{FRAME_BYTES, FRAME_EXTRA_BYTES};
use crate::backup::document::ChecksumFailure;
use crate::backup::exclude::{self, Fork};
use crate::backup::filelist::{Content, FileEntry, Place, Run};
use crate::backup::layout::{DELTA_DIRECTORY, Label};
use crate::backup::listing::{ListedFile, unreadable};
use crate::backup::pack::PackWriter;
use crate::backup::page::Checker;
use crate::backup::tar::{self, Kind, Member};
use crate::sys::clock;
use crate::sys::source::{FileStamp, SourceFile};

/// A file that was changed less than this before it was read may be changed again without its
/// times showing it: clocks of file systems are coarse.
const SETTLED_NS: i64 = 2_000_000_000;

/// A thread's state.
pub(super) struct Worker<'a> {
    shared: &'a Shared,
    writer: PackWriter,
    checker: Checker,
    /// File data, with room before it for headers and after it for padding.
    buffer: Vec<u8>,
    share: Share,
}

/// A file that is being read.
struct Reading<'a> {
    source: SourceFile,
    path: &'a str,
    stamp: FileStamp,
    /// Of a relation: its first block over all segments.
    first_block: Option<u32>,
    digest: Sha256,
    hashes: Vec<u64>,
    failure: Option<ChecksumFailure>,
}

/// What of the parent is the same file.
struct Before {
    entry: FileEntry,
    /// The backup that stores its content.
    stored_in: Label,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared) -> Result<Self> {
        let writer = PackWriter::new(shared.work.packs.clone())
            .map_err(|error| not_written("a pack", &error))?;
        let buffer = Vec::with_capacity(FRAME_BYTES + FRAME_EXTRA_BYTES);
        Ok(Self { shared, writer, checker: Checker::default(), buffer, share: Share::default() })
    }

    /// Takes files from the list until it is empty.
    pub(super) fn run(mut self, number: u32) -> Result<Share> {
        if number == 1 {
            self.directories()?;
        }
        let files = &self.shared.work.listing.files;
        while let Some(file) = files.get(self.shared.next.fetch_add(1, Ordering::AcqRel)) {
            self.heed_stop()?;
            if let Some(entry) = self.file(file)? {
                self.share.entries.push(entry);
            }
        }
        let packs = self.writer.finish().map_err(|error| not_written("a pack", &error))?;
        self.share.packs = packs;
        Ok(self.share)
    }

    fn heed_stop(&self) -> Result<()> {
        if self.shared.work.progress.stop.load(Ordering::Acquire) {
            return Err(Error::new(ErrorCode::Cancelled, "the backup was cancelled")
                .detail("the destination shows it as INCOMPLETE")
                .hint("The next backup uses what was copied."));
        }
        Ok(())
    }

    /// All directories are one member group at the beginning of a pack.
    fn directories(&mut self) -> Result<()> {
        let directories = &self.shared.work.listing.directories;
        let failed = |error: io::Error| not_written("a pack", &error);
        self.writer.begin().map_err(failed)?;
        let mut headers = Vec::new();
        for (path, mode) in directories {
            let stamp = FileStamp { mode: *mode, ..FileStamp::default() };
            member(path, Kind::Directory, &stamp, 0).write(&mut headers);
            if headers.len() > FRAME_BYTES / 2 {
                self.writer.frame(&headers).map_err(failed)?;
                headers.clear();
            }
            self.share.entries.push(FileEntry {
                path: path.as_str().into(),
                stamp,
                sha256: [0; 32],
                content: Content::Directory,
                blocks: None,
            });
        }
        self.writer.frame(&headers).map_err(failed)?;
        Ok(())
    }

    /// Deals with one file; `None` when it is gone.
    fn file(&mut self, file: &ListedFile) -> Result<Option<FileEntry>> {
        let place = self.shared.work.data_directory.join(&file.path);
        let not_read = |error: io::Error| unreadable(&place, &error);
        let read_at_ns = clock::now().timestamp_nanos_opt().unwrap_or(0);
        let Some(source) = SourceFile::open(&place).map_err(not_read)? else { return Ok(None) };
        let mut stamp = source.stamp().map_err(not_read)?;
        let is_settled = stamp.changed_ns.saturating_add(SETTLED_NS) < read_at_ns;
        if let Some(entry) = self.adopt(&file.path, &stamp, is_settled)? {
            self.progress(stamp.size, 0);
            return Ok(Some(entry));
        }
        let before = self.before(&file.path)?;
        if let Some(before) = &before
            && is_settled
            && before.entry.stamp == stamp
        {
            self.progress(stamp.size, 0);
            return Ok(Some(before.same(stamp)));
        }
        if !is_settled {
            stamp.changed_ns = 0;
        }
        let reading = Reading {
            source,
            path: &file.path,
            stamp,
            first_block: self.first_block(&file.path),
            digest: Sha256::new(),
            hashes: Vec::new(),
            failure: None,
        };
        self.read_and_store(reading, before).map(Some)
    }

    fn read_and_store(
        &mut self,
        reading: Reading<'_>,
        before: Option<Before>,
    ) -> Result<FileEntry> {
        let unit = u64::from(self.shared.work.block_bytes);
        let old_hashes = match (&before, &self.shared.work.base, reading.first_block) {
            (Some(_), Some(base), Some(_)) => base
                .block_hashes(reading.path, unit)
                .map_err(|error| base_damaged(reading.path, &error))?,
            _ => None,
        };
        match (before, old_hashes) {
            (Some(before), Some(hashes)) => self.delta(reading, &before, &hashes),
            (before, _) => {
                // An older state of it may lie in a pack of the interrupted backup: whoever unpacks
                // that by hand must find the right one in a later pack.
                let is_resumed = !self.shared.work.adopted.packs.is_empty();
                self.whole(reading, before.as_ref().filter(|_| !is_resumed))
            }
        }
    }

    /// Stores all of a file; or nothing, when it is short and equal to the parent's.
    fn whole(&mut self, mut reading: Reading<'_>, before: Option<&Before>) -> Result<FileEntry> {
        let size = reading.stamp.size;
        let is_short = size <= u64::try_from(FRAME_BYTES).unwrap_or(0);
        let mut headers = Vec::new();
        member(reading.path, Kind::File, &reading.stamp, size).write(&mut headers);
        let mut at = 0;
        let mut has_begun = false;
        loop {
            let start = if at == 0 { headers.len() } else { 0 };
            if at == 0 {
                self.buffer.clear();
                self.buffer.extend_from_slice(&headers);
            }
            let count = self.read_chunk(&mut reading, at, start)?;
            at += count;
            if at == size {
                let padded = self.buffer.len() + tar::padding(size);
                self.buffer.resize(padded, 0);
            }
            if is_short
                && let Some(before) = before
                && before.entry.stamp.size == size
                && reading.digest.clone().finalize().as_slice() == before.entry.sha256
            {
                return Ok(before.same(reading.stamp));
            }
            let written = self.write_frame(&mut has_begun);
            written.map_err(|error| not_written("a pack", &error))?;
            self.shared.work.progress.copied_bytes.fetch_add(count, Ordering::Relaxed);
            if at == size {
                break;
            }
        }
        let place = self.writer.place().unwrap_or(NOWHERE);
        self.finish(reading, Content::Whole(place), None)
    }

    fn write_frame(&mut self, has_begun: &mut bool) -> io::Result<()> {
        if !std::mem::replace(has_begun, true) {
            self.writer.begin()?;
        }
        let stored = self.writer.frame(&self.buffer)?;
        self.shared.work.progress.stored_bytes.fetch_add(stored, Ordering::Relaxed);
        Ok(())
    }

    /// Stores the blocks that are not as in the parent.
    fn delta(
        &mut self,
        mut reading: Reading<'_>,
        before: &Before,
        old: &[u64],
    ) -> Result<FileEntry> {
        let size = reading.stamp.size;
        let unit = usize::try_from(self.shared.work.block_bytes).unwrap_or(8192);
        let mut changed = Changed::default();
        let mut at = 0;
        while at < size {
            let first = reading.hashes.len();
            at += self.read_chunk(&mut reading, at, 0)?;
            for (block, number) in self.buffer.chunks(unit).zip(first..) {
                if old.get(number) != reading.hashes.get(number) {
                    changed.push(number, block, reading.hashes[number]);
                    if changed.bytes.len() + unit > FRAME_BYTES {
                        store_delta(&mut self.writer, self.shared, &reading, &mut changed)?;
                    }
                }
            }
        }
        if changed.runs.is_empty() && size == before.entry.stamp.size {
            return Ok(before.same(reading.stamp));
        }
        if !changed.bytes.is_empty() {
            store_delta(&mut self.writer, self.shared, &reading, &mut changed)?;
        }
        let place = match changed.parts {
            0 => NOWHERE,
            _ => self.writer.place().unwrap_or(NOWHERE),
        };
        let Changed { runs, hashes, .. } = changed;
        self.finish(reading, Content::Delta(place, runs), Some(hashes))
    }

    /// Makes the entry of a file that was stored. `hashes` are those of a delta's blocks.
    fn finish(
        &mut self,
        reading: Reading<'_>,
        content: Content,
        hashes: Option<Vec<u64>>,
    ) -> Result<FileEntry> {
        let is_stored = !matches!(content, Content::Delta(place, _) if place == NOWHERE);
        // Whoever goes on reads a damaged file again: the label must name its pages.
        let is_promised = is_stored && reading.failure.is_none();
        let blocks = match reading.first_block {
            Some(_) => {
                let hashes = hashes.as_ref().unwrap_or(&reading.hashes);
                let appended = self.shared.work.map.append(hashes);
                Some(appended.map_err(|error| not_written("blocks.map", &error))?)
            }
            None => None,
        };
        if let Some(failure) = reading.failure {
            self.share.checksum_failures.push(failure);
        }
        let entry = FileEntry {
            path: reading.path.into(),
            stamp: reading.stamp,
            sha256: reading.digest.finalize().into(),
            content,
            blocks,
        };
        if is_promised {
            self.writer.end(&entry).map_err(|error| not_written("a pack's journal", &error))?;
        }
        Ok(entry)
    }

    /// Puts the next piece of the file into the buffer from `start` on, checked and hashed. What
    /// the file has lost since its size was taken is zeros, as in `sendFile()` of
    /// `basebackup.c`.
    fn read_chunk(&mut self, reading: &mut Reading<'_>, at: u64, start: usize) -> Result<u64> {
        self.heed_stop()?;
        let work = &self.shared.work;
        let unit = usize::try_from(work.block_bytes).unwrap_or(8192);
        let left = usize::try_from(reading.stamp.size - at).unwrap_or(usize::MAX);
        let length = left.min(FRAME_BYTES);
        // What is in it from the piece before is overwritten; only a longer one is filled anew.
        self.buffer.resize(start + length, 0);
        let bytes = &mut self.buffer[start..];
        let place = || work.data_directory.join(reading.path);
        let read = reading.source.read_at(bytes, at);
        let read = read.map_err(|error| unreadable(&place(), &error))?;
        if read < length {
            bytes[read..].fill(0);
        }
        if let Some(first_block) = reading.first_block {
            if work.data_checksums {
                let check = PageCheck {
                    checker: self.checker,
                    source: &reading.source,
                    path: reading.path,
                    first_block,
                    block_bytes: unit,
                };
                let whole = read - read % unit;
                let checked = check.check(&mut bytes[..whole], at, &mut reading.failure);
                checked.map_err(|error| unreadable(&place(), &error))?;
            }
            reading.hashes.extend(bytes.chunks(unit).map(blockmap::hash));
        }
        reading.digest.update(&*bytes);
        let count = u64::try_from(length).unwrap_or(0);
        self.progress(count, count);
        if let Some(rate) = &work.rate {
            std::thread::sleep(rate.take(count, Instant::now()));
        }
        Ok(count)
    }

    fn progress(&self, done: u64, read: u64) {
        self.shared.work.progress.done_bytes.fetch_add(done, Ordering::Relaxed);
        self.shared.work.progress.read_bytes.fetch_add(read, Ordering::Relaxed);
    }

    fn first_block(&self, path: &str) -> Option<u32> {
        let relation = exclude::relation(path)?;
        let blocks = self.shared.work.segment_blocks;
        // An `_init` fork is stored like any other.
        debug_assert!(relation.fork != Fork::Init || relation.segment == 0);
        Some(relation.segment.wrapping_mul(blocks))
    }

    fn before(&self, path: &str) -> Result<Option<Before>> {
        let Some(base) = &self.shared.work.base else { return Ok(None) };
        let Some(entry) = base.head().and_then(|head| head.list.get(path)) else {
            return Ok(None);
        };
        if matches!(entry.content, Content::Directory) {
            return Ok(None);
        }
        let (at, _) = base.stored(path).ok_or_else(|| {
            base_damaged(path, &io::Error::other("the backup that stores it does not list it"))
        })?;
        let stored_in = base.backups[at].document.label.clone();
        Ok(Some(Before { entry: entry.clone(), stored_in }))
    }

    /// Takes over what an interrupted backup has stored, when the file has not changed since.
    fn adopt(
        &mut self,
        path: &str,
        stamp: &FileStamp,
        is_settled: bool,
    ) -> Result<Option<FileEntry>> {
        let Some(kept) = self.shared.work.adopted.files.get(path) else { return Ok(None) };
        if !is_settled || kept.entry.stamp != *stamp {
            return Ok(None);
        }
        let mut entry = kept.entry.clone();
        if let Some(hashes) = &kept.hashes {
            let appended = self.shared.work.map.append(hashes);
            entry.blocks = Some(appended.map_err(|error| not_written("blocks.map", &error))?);
        }
        self.share.adopted_files += 1;
        Ok(Some(entry))
    }
}

/// Content that is stored nowhere: a delta that only makes the file shorter.
const NOWHERE: Place = Place { pack: 0, offset: 0, stored: 0 };

/// Changed blocks on their way into a pack.
#[derive(Default)]
struct Changed {
    bytes: Vec<u8>,
    runs: Vec<Run>,
    hashes: Vec<u64>,
    /// Members written.
    parts: u32,
}

impl Changed {
    fn push(&mut self, number: usize, block: &[u8], hash: u64) {
        self.bytes.extend_from_slice(block);
        // A file of a relation has fewer blocks than that.
        Run::push(&mut self.runs, u32::try_from(number).unwrap_or(u32::MAX));
        self.hashes.push(hash);
    }
}

/// Writes the gathered blocks as the next member of the file's delta.
fn store_delta(
    writer: &mut PackWriter,
    shared: &Shared,
    reading: &Reading<'_>,
    changed: &mut Changed,
) -> Result<()> {
    let size = u64::try_from(changed.bytes.len()).unwrap_or(0);
    let path = format!("{DELTA_DIRECTORY}/{}/{:06}", reading.path, changed.parts);
    let mut frame = Vec::with_capacity(changed.bytes.len() + FRAME_EXTRA_BYTES);
    member(&path, Kind::File, &reading.stamp, size).write(&mut frame);
    frame.extend_from_slice(&changed.bytes);
    frame.resize(frame.len() + tar::padding(size), 0);
    let mut write = || {
        if changed.parts == 0 {
            writer.begin()?;
        }
        writer.frame(&frame)
    };
    let stored = write().map_err(|error| not_written("a pack", &error))?;
    changed.parts += 1;
    changed.bytes.clear();
    shared.work.progress.copied_bytes.fetch_add(size, Ordering::Relaxed);
    shared.work.progress.stored_bytes.fetch_add(stored, Ordering::Relaxed);
    Ok(())
}

fn member(path: &str, kind: Kind, stamp: &FileStamp, size: u64) -> Member {
    let modified = u64::try_from(stamp.modified_ns / 1_000_000_000).unwrap_or(0);
    Member { path: path.to_owned(), kind, size, mode: stamp.mode, modified }
}

impl Before {
    fn same(&self, stamp: FileStamp) -> FileEntry {
        FileEntry {
            path: self.entry.path.clone(),
            stamp,
            sha256: self.entry.sha256,
            content: Content::Same(self.stored_in.clone()),
            blocks: None,
        }
    }
}

fn base_damaged(path: &str, error: &io::Error) -> Error {
    let fact = format!("the base of the incremental backup is damaged at \"{path}\"");
    Error::new(ErrorCode::RepositoryDamaged, fact)
        .detail(error.to_string())
        .hint("Take a full backup: pgdeck backup --type full.")
}
