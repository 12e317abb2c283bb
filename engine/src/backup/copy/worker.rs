//! One copying thread: decides for each file what has to be stored, and stores it.

use std::io;
use std::sync::atomic::Ordering;

use super::digest::FileDigest;
use super::reading::{Buffers, Reading};
use super::{Share, Shared, not_written};
use crate::api::{Error, ErrorCode, Result};
use crate::backup::codec::FRAME_BYTES;
use crate::backup::exclude::{self, Fork};
use crate::backup::filelist::{Content, FileEntry};
use crate::backup::layout::Label;
use crate::backup::listing::{ListedFile, unreadable};
use crate::backup::pack::PackWriter;
use crate::backup::page::Checker;
use crate::backup::tar::{Kind, Member};
use crate::sys::clock;
use crate::sys::source::{FileStamp, SourceFile};

/// A file that was changed less than this before it was read may be changed again without its
/// times showing it: clocks of file systems are coarse.
const SETTLED_NS: i64 = 2_000_000_000;

/// A thread's state.
pub(super) struct Worker<'a> {
    pub(super) shared: &'a Shared,
    pub(super) writer: PackWriter,
    pub(super) checker: Checker,
    pub(super) buffers: Buffers,
    pub(super) share: Share,
}

/// What of the parent is the same file.
pub(super) struct Before {
    pub(super) entry: FileEntry,
    /// The backup that stores its content.
    stored_in: Label,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared) -> Result<Self> {
        let writer = PackWriter::new(shared.work.packs.clone())
            .map_err(|error| not_written("a pack", &error))?;
        let (checker, buffers) = (Checker::default(), Buffers::new());
        Ok(Self { shared, writer, checker, buffers, share: Share::default() })
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

    pub(super) fn heed_stop(&self) -> Result<()> {
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
            digest: FileDigest::new(),
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

    pub(super) fn progress(&self, done: u64, read: u64) {
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

pub(super) fn member(path: &str, kind: Kind, stamp: &FileStamp, size: u64) -> Member {
    let modified = u64::try_from(stamp.modified_ns / 1_000_000_000).unwrap_or(0);
    Member { path: path.to_owned(), kind, size, mode: stamp.mode, modified }
}

impl Before {
    pub(super) fn same(&self, stamp: FileStamp) -> FileEntry {
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
