//! Reading a file piece by piece: pages checked, blocks and file hashed.

use std::sync::Arc;
use std::time::Instant;

use super::digest::FileDigest;
use super::pages::PageCheck;
use super::worker::Worker;
use crate::api::Result;
use crate::backup::blockmap;
use crate::backup::codec::{FRAME_BYTES, FRAME_EXTRA_BYTES};
use crate::backup::document::ChecksumFailure;
use crate::backup::listing::unreadable;
use crate::sys::source::{FileStamp, SourceFile};

/// A file that is being read.
pub(super) struct Reading<'a> {
    pub(super) source: SourceFile,
    pub(super) path: &'a str,
    pub(super) stamp: FileStamp,
    /// Of a relation: its first block over all segments.
    pub(super) first_block: Option<u32>,
    pub(super) digest: FileDigest,
    pub(super) hashes: Vec<u64>,
    pub(super) failure: Option<ChecksumFailure>,
}

/// Buffers of a thread: one is filled while another thread may still read those before.
pub(super) struct Buffers {
    /// File data, with room before it for headers and after it for padding.
    pub(super) current: Arc<Vec<u8>>,
    others: Vec<Arc<Vec<u8>>>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { current: Self::one(), others: Vec::new() }
    }

    fn one() -> Arc<Vec<u8>> {
        Arc::new(Vec::with_capacity(FRAME_BYTES + FRAME_EXTRA_BYTES))
    }

    /// One that nobody else reads becomes the current one.
    pub(super) fn writable(&mut self) -> &mut Vec<u8> {
        if Arc::get_mut(&mut self.current).is_none() {
            let free = self.others.iter_mut().position(|one| Arc::get_mut(one).is_some());
            let next = free.map_or_else(Self::one, |at| self.others.swap_remove(at));
            self.others.push(std::mem::replace(&mut self.current, next));
        }
        Arc::make_mut(&mut self.current)
    }
}

impl Worker<'_> {
    /// Puts the next piece of the file into the buffer from `start` on, its pages
    /// checked and its blocks hashed; [`Self::digest_chunk`] hashes the file. What
    /// the file has lost since its size was taken is zeros, as in `sendFile()` of
    /// `basebackup.c`.
    pub(super) fn read_chunk(
        &mut self,
        reading: &mut Reading<'_>,
        at: u64,
        start: usize,
    ) -> Result<u64> {
        self.heed_stop()?;
        let work = &self.shared.work;
        let unit = usize::try_from(work.block_bytes).unwrap_or(8192);
        let left = usize::try_from(reading.stamp.size - at).unwrap_or(usize::MAX);
        let length = left.min(FRAME_BYTES);
        // What is in it from the piece before is overwritten; only a longer one is filled anew.
        let buffer = self.buffers.writable();
        buffer.resize(start + length, 0);
        let bytes = &mut buffer[start..];
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
        let count = u64::try_from(length).unwrap_or(0);
        self.progress(count, count);
        if let Some(rate) = &work.rate {
            std::thread::sleep(rate.take(count, Instant::now()));
        }
        Ok(count)
    }

    /// Hashes what [`Self::read_chunk`] has put into the buffer from `start` on, up to `at` in
    /// the file. Nothing is written into the buffer afterwards.
    pub(super) fn digest_chunk(
        &self,
        reading: &mut Reading<'_>,
        start: usize,
        count: u64,
        at: u64,
    ) {
        let length = usize::try_from(count).unwrap_or(0);
        let piece = (Arc::clone(&self.buffers.current), start, length);
        reading.digest.update(piece, reading.stamp.size - at, &self.shared.helpers);
    }
}
