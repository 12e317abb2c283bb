//! One file: written from its backups, the oldest first, or compared with what is there.
//!
//! A file of a relation is verified by the hashes of its blocks while they are written; others
//! by their SHA-256. Only when a hash does not fit is the file read again: then its SHA-256
//! tells whether the file or the map of hashes is wrong.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sha2::{Digest, Sha256};

use super::{Existing, Progress};
use crate::backup::blockmap;
use crate::backup::chain::Chain;
use crate::backup::codec::{Codec, FRAME_BYTES};
use crate::backup::filelist::{Content, FileEntry, Run};
use crate::backup::layout;
use crate::backup::stream::ContentStream;
use crate::sys::disk::{Disk, DiskFile};

/// Restores files, one after the other, with the same buffers.
pub(super) struct FileRestorer<'a> {
    disk: &'a Disk,
    chain: &'a Chain,
    progress: &'a Progress,
    block_bytes: u64,
    streams: Vec<(Codec, ContentStream<'a>)>,
    packs: HashMap<(usize, u32), (Codec, Arc<DiskFile>)>,
    buffer: Vec<u8>,
}

/// Which blocks of a file have to be written.
enum Wanted {
    All,
    Only(Vec<bool>),
}

impl Wanted {
    fn has(&self, block: usize) -> bool {
        match self {
            Self::All => true,
            Self::Only(blocks) => blocks.get(block).copied().unwrap_or(false),
        }
    }
}

impl<'a> FileRestorer<'a> {
    pub(super) fn new(disk: &'a Disk, chain: &'a Chain, progress: &'a Progress) -> Self {
        let block = chain.head().map_or(8192, |head| head.document.cluster.block_bytes.max(512));
        Self {
            disk,
            chain,
            progress,
            block_bytes: u64::from(block),
            streams: Vec::new(),
            packs: HashMap::new(),
            buffer: Vec::new(),
        }
    }

    /// Makes the file at `path` what it was in the newest backup.
    ///
    /// # Errors
    /// `InvalidData` when what is stored is not what was backed up; as reading and writing files.
    pub(super) fn restore(
        &mut self,
        entry: &'a FileEntry,
        path: &Path,
        existing: Existing,
    ) -> io::Result<()> {
        let hashes = self.chain.block_hashes(&entry.path, self.block_bytes)?;
        if existing == Existing::Compared
            && let Some(file) = self.open_existing(path)?
        {
            if file.mode()? != entry.stamp.mode {
                file.set_mode(entry.stamp.mode)?;
            }
            return self.update(entry, &file, hashes.as_deref());
        }
        let file = self.disk.create_with_mode(path, entry.stamp.mode)?;
        self.write(entry, &file, &Wanted::All, hashes.as_deref())
    }

    /// What is at the path, when it is a plain file. Something else is removed.
    fn open_existing(&self, path: &Path) -> io::Result<Option<DiskFile>> {
        match self.disk.open_for_update(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // A link, a directory, or a file without the right to write it.
            Err(_) => self.disk.remove_tree(path).map(|()| None),
        }
    }

    /// Writes what differs.
    fn update(
        &mut self,
        entry: &'a FileEntry,
        file: &DiskFile,
        hashes: Option<&[u64]>,
    ) -> io::Result<()> {
        let size = entry.stamp.size;
        let Some(hashes) = hashes else {
            if file.size()? == size && self.sha256_of(file)? == entry.sha256 {
                self.progress.done_bytes.fetch_add(size, Ordering::Relaxed);
                return Ok(());
            }
            return self.write(entry, file, &Wanted::All, None);
        };
        let wanted = self.differing(file, hashes, size)?;
        let count = wanted.iter().filter(|differs| **differs).count();
        let right = u64::try_from(wanted.len() - count).unwrap_or(0) * self.block_bytes;
        self.progress.done_bytes.fetch_add(right.min(size), Ordering::Relaxed);
        if count > 0 {
            return self.write(entry, file, &Wanted::Only(wanted), Some(hashes));
        }
        if file.size()? != size { file.set_size(size) } else { Ok(()) }
    }

    /// The blocks that are not as their hashes say.
    fn differing(&mut self, file: &DiskFile, hashes: &[u64], size: u64) -> io::Result<Vec<bool>> {
        let mut differs = Vec::with_capacity(hashes.len());
        let mut at = 0;
        while at < size {
            self.progress.heed_stop()?;
            let read = self.read_chunk(file, at, size)?;
            let unit = usize::try_from(self.block_bytes).unwrap_or(8192);
            let whole = usize::try_from((size - at).min(FRAME_BYTES as u64)).unwrap_or(0);
            for (number, block) in self.buffer[..whole].chunks(unit).enumerate() {
                let is_there = number * unit + block.len() <= read;
                let expected = hashes.get(differs.len());
                differs.push(!is_there || expected != Some(&blockmap::hash(block)));
            }
            at += u64::try_from(whole).unwrap_or(0);
        }
        Ok(differs)
    }

    /// Reads a piece into the buffer; how much of it there was.
    fn read_chunk(&mut self, file: &DiskFile, at: u64, size: u64) -> io::Result<usize> {
        self.buffer.resize(FRAME_BYTES, 0);
        let length = usize::try_from(size - at).unwrap_or(usize::MAX).min(FRAME_BYTES);
        file.read_at(&mut self.buffer[..length], at)
    }

    fn sha256_of(&mut self, file: &DiskFile) -> io::Result<[u8; 32]> {
        let size = file.size()?;
        let mut digest = Sha256::new();
        let mut at = 0;
        while at < size {
            let read = self.read_chunk(file, at, size)?;
            if read == 0 {
                break;
            }
            digest.update(&self.buffer[..read]);
            at += u64::try_from(read).unwrap_or(0);
        }
        Ok(digest.finalize().into())
    }

    /// Writes blocks from every backup that stores some of them, the oldest first.
    fn write(
        &mut self,
        entry: &'a FileEntry,
        file: &DiskFile,
        wanted: &Wanted,
        expected: Option<&[u64]>,
    ) -> io::Result<()> {
        let mut layers = self.layers(entry)?;
        let is_one = layers.len() == 1;
        let mut check = Check::new(expected, self.block_bytes);
        while let Some((at, layer)) = layers.pop() {
            let done = self.write_layer(at, layer, file, wanted, &mut check)?;
            let size = layer.stamp.size;
            if matches!(layer.content, Content::Whole(_)) && done != size {
                return Err(invalid("its size is not what the list says"));
            }
            // What a file was longer in an older backup is gone in a newer one. But of a file
            // that was there already, blocks behind an older end may be right.
            if matches!(wanted, Wanted::All) && size < file.size()? {
                file.set_size(size)?;
            }
        }
        if file.size()? != entry.stamp.size {
            file.set_size(entry.stamp.size)?;
        }
        let is_right = match expected {
            Some(expected) => check.is_right(expected, wanted),
            None => is_one && check.digest() == entry.sha256,
        };
        if is_right || self.sha256_of(file)? == entry.sha256 {
            return Ok(());
        }
        Err(invalid("its content is not what was backed up"))
    }

    /// The backups that store a part of a file, the newest first, with their entries.
    fn layers(&self, entry: &'a FileEntry) -> io::Result<Vec<(usize, &'a FileEntry)>> {
        let unknown = || invalid("it is stored nowhere");
        let mut next = self.chain.stored(&entry.path).ok_or_else(unknown)?;
        let mut layers = vec![next];
        while !matches!(next.1.content, Content::Whole(_)) {
            next = self.chain.below(&entry.path, next.0).ok_or_else(unknown)?;
            layers.push(next);
        }
        Ok(layers)
    }

    /// Writes what one backup stores; bytes of content it has.
    fn write_layer(
        &mut self,
        at: usize,
        layer: &'a FileEntry,
        file: &DiskFile,
        wanted: &Wanted,
        check: &mut Check,
    ) -> io::Result<u64> {
        let Some(place) = layer.place().filter(|place| place.pack > 0) else { return Ok(0) };
        let (codec, pack) = self.pack(at, place.pack)?;
        let mut stream = self.stream(codec, pack, layer)?;
        let mut blocks = Blocks::of(layer, self.block_bytes);
        let mut done = 0;
        loop {
            self.progress.heed_stop()?;
            // Without a wanted block a frame need not even be decoded.
            if let Some(passed) = stream.skip(|length| blocks.are_wanted(length, wanted))? {
                done += passed;
                blocks.passed += passed;
                continue;
            }
            let Some(piece) = stream.piece()? else { break };
            done += u64::try_from(piece.len()).unwrap_or(0);
            for part in blocks.parts(piece) {
                let (offset, bytes) = part?;
                let written = write_part(file, wanted, check, offset, bytes)?;
                self.progress.done_bytes.fetch_add(written, Ordering::Relaxed);
                self.progress.written_bytes.fetch_add(written, Ordering::Relaxed);
            }
        }
        self.streams.push((codec, stream));
        Ok(done)
    }

    fn stream(
        &mut self,
        codec: Codec,
        pack: Arc<DiskFile>,
        layer: &'a FileEntry,
    ) -> io::Result<ContentStream<'a>> {
        let place = layer.place().ok_or_else(|| invalid("it is stored nowhere"))?;
        match self.streams.iter().position(|(known, _)| *known == codec) {
            Some(at) => {
                let (_, mut stream) = self.streams.swap_remove(at);
                stream.reset(pack, layer, place);
                Ok(stream)
            }
            None => ContentStream::new(pack, codec, layer, place),
        }
    }

    fn pack(&mut self, at: usize, number: u32) -> io::Result<(Codec, Arc<DiskFile>)> {
        if let Some((codec, file)) = self.packs.get(&(at, number)) {
            return Ok((*codec, Arc::clone(file)));
        }
        let backup = &self.chain.backups[at];
        let named = |name: &str| layout::pack_number(name) == Some(number);
        let pack = backup.document.packs.iter().find(|pack| named(&pack.name));
        let pack = pack.ok_or_else(|| invalid("its pack is not in the label"))?;
        let codec = Codec::of_pack(&pack.name).ok_or_else(|| invalid("unknown pack"))?;
        let file = Arc::new(self.disk.open(&backup.directory.join(&pack.name))?);
        self.packs.insert((at, number), (codec, Arc::clone(&file)));
        Ok((codec, file))
    }
}

/// Writes the wanted blocks of consecutive bytes; how many bytes.
fn write_part(
    file: &DiskFile,
    wanted: &Wanted,
    check: &mut Check,
    offset: u64,
    bytes: &[u8],
) -> io::Result<u64> {
    check.take(offset, bytes);
    let Wanted::Only(_) = wanted else {
        file.write_at(bytes, offset)?;
        return Ok(u64::try_from(bytes.len()).unwrap_or(0));
    };
    let unit = usize::try_from(check.block_bytes).unwrap_or(8192);
    let first = usize::try_from(offset / check.block_bytes).map_err(io::Error::other)?;
    let count = bytes.len().div_ceil(unit);
    let (mut at, mut written) = (0, 0);
    while at < count {
        if !wanted.has(first + at) {
            at += 1;
            continue;
        }
        let length = (at..count).take_while(|number| wanted.has(first + number)).count();
        let run = &bytes[at * unit..bytes.len().min((at + length) * unit)];
        file.write_at(run, offset + u64::try_from(at * unit).unwrap_or(0))?;
        written += u64::try_from(run.len()).unwrap_or(0);
        at += length;
    }
    Ok(written)
}

/// Where the stored bytes of a backup belong in the file.
struct Blocks<'a> {
    runs: Option<&'a [Run]>,
    block_bytes: u64,
    size: u64,
    /// Bytes of content passed: in the file, or in the run at hand.
    passed: u64,
}

impl<'a> Blocks<'a> {
    fn of(layer: &'a FileEntry, block_bytes: u64) -> Self {
        let runs = match &layer.content {
            Content::Delta(_, runs) => Some(runs.as_slice()),
            _ => None,
        };
        Self { runs, block_bytes, size: layer.stamp.size, passed: 0 }
    }

    /// Whether one of the blocks in the next bytes must be written. Of changed blocks there are
    /// few: they are read.
    fn are_wanted(&self, length: u64, wanted: &Wanted) -> bool {
        let first = usize::try_from(self.passed / self.block_bytes);
        let end = usize::try_from((self.passed + length).div_ceil(self.block_bytes));
        match (self.runs, wanted, first, end) {
            (None, Wanted::Only(_), Ok(first), Ok(end)) => {
                (first..end).any(|block| wanted.has(block))
            }
            _ => true,
        }
    }

    /// Divides the next piece into parts that are consecutive in the file, each with its offset.
    fn parts<'p>(&mut self, piece: &'p [u8]) -> Vec<io::Result<(u64, &'p [u8])>> {
        let Some(mut runs) = self.runs else {
            let offset = self.passed;
            self.passed += u64::try_from(piece.len()).unwrap_or(0);
            return vec![Ok((offset, piece))];
        };
        let mut parts = Vec::new();
        let mut rest = piece;
        while !rest.is_empty() {
            let Some((run, others)) = runs.split_first() else {
                parts.push(Err(invalid("more is stored than the list says")));
                break;
            };
            let from = u64::from(run.first) * self.block_bytes;
            let to = (from + u64::from(run.count) * self.block_bytes).min(self.size);
            let left = usize::try_from(to.saturating_sub(from + self.passed)).unwrap_or(0);
            let (bytes, behind) = rest.split_at(left.min(rest.len()));
            if !bytes.is_empty() {
                parts.push(Ok((from + self.passed, bytes)));
            }
            self.passed += u64::try_from(bytes.len()).unwrap_or(0);
            rest = behind;
            if bytes.len() == left {
                (runs, self.passed) = (others, 0);
            }
        }
        self.runs = Some(runs);
        parts
    }
}

/// Hashes of what was written.
struct Check {
    hashes: Option<Vec<u64>>,
    block_bytes: u64,
    sha256: Sha256,
}

impl Check {
    fn new(expected: Option<&[u64]>, block_bytes: u64) -> Self {
        let hashes = expected.map(|expected| vec![0; expected.len()]);
        Self { hashes, block_bytes, sha256: Sha256::new() }
    }

    /// Pieces begin at blocks: frames hold whole blocks, all but the last of a file.
    fn take(&mut self, offset: u64, bytes: &[u8]) {
        let Some(hashes) = &mut self.hashes else {
            self.sha256.update(bytes);
            return;
        };
        let unit = usize::try_from(self.block_bytes).unwrap_or(8192);
        let Ok(first) = usize::try_from(offset / self.block_bytes) else { return };
        let places = hashes.iter_mut().skip(first);
        for (place, block) in places.zip(bytes.chunks(unit)) {
            *place = blockmap::hash(block);
        }
    }

    fn is_right(&self, expected: &[u64], wanted: &Wanted) -> bool {
        self.hashes.as_ref().is_some_and(|hashes| {
            let mut pairs = hashes.iter().zip(expected).enumerate();
            pairs.all(|(block, (found, expected))| found == expected || !wanted.has(block))
        })
    }

    fn digest(&mut self) -> [u8; 32] {
        std::mem::take(&mut self.sha256).finalize().into()
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
