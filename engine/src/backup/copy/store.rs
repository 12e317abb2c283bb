//! Storing a file: all of it, or the blocks that have changed.

use std::io;
use std::sync::atomic::Ordering;

use super::reading::Reading;
use super::worker::{Before, Worker, member};
use super::{Shared, no_thread, not_written};
use crate::api::Result;
use crate::backup::codec::{FRAME_BYTES, FRAME_EXTRA_BYTES};
use crate::backup::filelist::{Content, FileEntry, Place, Run};
use crate::backup::layout::DELTA_DIRECTORY;
use crate::backup::pack::PackWriter;
use crate::backup::tar::{self, Kind};

impl Worker<'_> {
    /// Stores all of a file; or nothing, when it is short and equal to the parent's.
    pub(super) fn whole(
        &mut self,
        mut reading: Reading<'_>,
        before: Option<&Before>,
    ) -> Result<FileEntry> {
        let size = reading.stamp.size;
        let is_short = size <= u64::try_from(FRAME_BYTES).unwrap_or(0);
        let mut headers = Vec::new();
        member(reading.path, Kind::File, &reading.stamp, size).write(&mut headers);
        let mut at = 0;
        let mut has_begun = false;
        loop {
            let start = if at == 0 { headers.len() } else { 0 };
            if at == 0 {
                let buffer = self.buffers.writable();
                buffer.clear();
                buffer.extend_from_slice(&headers);
            }
            let count = self.read_chunk(&mut reading, at, start)?;
            at += count;
            if at == size {
                let buffer = self.buffers.writable();
                buffer.resize(buffer.len() + tar::padding(size), 0);
            }
            self.digest_chunk(&mut reading, start, count, at);
            if is_short
                && let Some(before) = before
                && before.entry.stamp.size == size
                && reading.digest.so_far() == Some(before.entry.sha256)
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
        let stored = self.writer.frame(&self.buffers.current)?;
        self.shared.work.progress.stored_bytes.fetch_add(stored, Ordering::Relaxed);
        Ok(())
    }

    /// Stores the blocks that are not as in the parent.
    pub(super) fn delta(
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
            let count = self.read_chunk(&mut reading, at, 0)?;
            at += count;
            self.digest_chunk(&mut reading, 0, count, at);
            for (block, number) in self.buffers.current.chunks(unit).zip(first..) {
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
        let sha256 = reading.digest.finish().map_err(|error| no_thread(&error))?;
        let entry =
            FileEntry { path: reading.path.into(), stamp: reading.stamp, sha256, content, blocks };
        if is_promised {
            self.writer.end(&entry).map_err(|error| not_written("a pack's journal", &error))?;
        }
        Ok(entry)
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
