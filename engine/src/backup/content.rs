//! The content of a file as it was in a backup, put together from the chain, in order and in
//! bounded memory.

use std::io;
use std::sync::Arc;

use super::chain::Chain;
use super::codec::Codec;
use super::filelist::{Content, FileEntry, Run};
use super::layout;
use super::stream::ContentStream;
use crate::sys::disk::Disk;

/// Reads one file of the newest backup of a chain, block by block.
pub struct ContentReader<'a> {
    /// The newest state first, the whole one last.
    layers: Vec<Layer<'a>>,
    size: u64,
    unit: u64,
    block: u64,
}

/// A state of the file that a backup of the chain stores.
struct Layer<'a> {
    stream: Option<ContentStream<'a>>,
    size: u64,
    /// The blocks that are stored; `None` when all are.
    runs: Option<std::slice::Iter<'a, Run>>,
    /// What is left of the run at hand.
    current: Option<Run>,
    /// Decoded bytes, from `used` on not yet given out.
    waiting: Vec<u8>,
    used: usize,
}

impl<'a> ContentReader<'a> {
    /// Opens a file.
    ///
    /// # Errors
    /// `InvalidData` when the chain does not fit together; as opening files.
    pub fn open(disk: &Disk, chain: &'a Chain, path: &str, block_bytes: u32) -> io::Result<Self> {
        let unknown =
            || io::Error::new(io::ErrorKind::InvalidData, format!("{path} is not stored"));
        let mut next = chain.stored(path).ok_or_else(unknown)?;
        let size = next.1.stamp.size;
        let mut layers = Vec::new();
        loop {
            let (at, entry) = next;
            layers.push(Layer::open(disk, chain, at, entry)?);
            if matches!(entry.content, Content::Whole(_)) {
                break;
            }
            next = chain.below(path, at).ok_or_else(unknown)?;
        }
        Ok(Self { layers, size, unit: u64::from(block_bytes.max(1)), block: 0 })
    }

    /// Appends the next block; false at the end.
    ///
    /// # Errors
    /// `InvalidData` when what is stored is not what the lists say; as reading files.
    pub fn next_block(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let offset = self.block * self.unit;
        if offset >= self.size {
            return self.check_end().map(|()| false);
        }
        let wanted = (self.size - offset).min(self.unit);
        let mut is_found = false;
        for layer in &mut self.layers {
            let length = layer.size.saturating_sub(offset).min(self.unit);
            if length == 0 || !layer.take_block(self.block) {
                continue;
            }
            // Older states are read along, so that every stored byte is looked at.
            let length = usize::try_from(length).unwrap_or(0);
            let bytes = layer.read(length)?;
            if !is_found {
                if u64::try_from(bytes.len()) != Ok(wanted) {
                    return Err(invalid("a block has the wrong length"));
                }
                out.extend_from_slice(bytes);
                is_found = true;
            }
            layer.used += length;
        }
        if !is_found {
            return Err(invalid("a block is stored nowhere"));
        }
        self.block += 1;
        Ok(true)
    }

    /// Nothing may be left over in the newest state. Older ones may have been longer.
    fn check_end(&mut self) -> io::Result<()> {
        let Some(newest) = self.layers.first_mut() else { return Ok(()) };
        let is_at_end = newest.used == newest.waiting.len()
            && newest.stream.as_mut().map_or(Ok(None), ContentStream::piece)?.is_none();
        if is_at_end { Ok(()) } else { Err(invalid("more is stored than the list says")) }
    }
}

impl<'a> Layer<'a> {
    fn open(disk: &Disk, chain: &'a Chain, at: usize, entry: &'a FileEntry) -> io::Result<Self> {
        let backup = &chain.backups[at];
        let runs = match &entry.content {
            Content::Delta(_, runs) => Some(runs.iter()),
            _ => None,
        };
        let stream = match entry.place().filter(|place| place.pack > 0) {
            Some(place) => {
                let pack = backup
                    .document
                    .packs
                    .iter()
                    .find(|pack| layout::pack_number(&pack.name) == Some(place.pack));
                let pack = pack.ok_or_else(|| invalid("its pack is not in the label"))?;
                let codec = Codec::of_pack(&pack.name).ok_or_else(|| invalid("unknown pack"))?;
                let file = Arc::new(disk.open(&backup.directory.join(&pack.name))?);
                Some(ContentStream::new(file, codec, entry, place)?)
            }
            None => None,
        };
        Ok(Self {
            stream,
            size: entry.stamp.size,
            runs,
            current: None,
            waiting: Vec::new(),
            used: 0,
        })
    }

    /// Whether this state stores the block, which is then the next to be read from it.
    fn take_block(&mut self, block: u64) -> bool {
        let Some(runs) = &mut self.runs else { return true };
        if self.current.is_none() {
            self.current = runs.next().copied();
        }
        match &mut self.current {
            Some(run) if u64::from(run.first) == block => {
                run.first += 1;
                run.count -= 1;
                if run.count == 0 {
                    self.current = None;
                }
                true
            }
            _ => false,
        }
    }

    fn read(&mut self, length: usize) -> io::Result<&[u8]> {
        while self.waiting.len() - self.used < length {
            // Once for each piece, not for each block: a piece holds a hundred and more of them.
            self.waiting.drain(..self.used);
            self.used = 0;
            let Some(stream) = &mut self.stream else { return Err(invalid("it is not stored")) };
            match stream.piece()? {
                Some(piece) => self.waiting.extend_from_slice(piece),
                None => return Err(invalid("less is stored than the list says")),
            }
        }
        Ok(&self.waiting[self.used..self.used + length])
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
