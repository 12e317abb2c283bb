//! The map of a backup: a 64-bit hash of every block of a relation that the backup stores.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use crate::sys::disk::{Disk, DiskFile};

/// The first bytes of a map.
pub const MAGIC: [u8; 16] = *b"pgdeck blocks 1\n";
const HASH_BYTES: u64 = 8;
/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1 << 16;

/// The hash of a block.
#[must_use]
pub fn hash(block: &[u8]) -> u64 {
    xxh3_64(block)
}

/// Hashes of the blocks of content that comes in pieces.
#[derive(Debug)]
pub struct BlockHashes {
    all: Vec<u64>,
    partial: Vec<u8>,
    unit: usize,
}

impl BlockHashes {
    /// For blocks of this size.
    #[must_use]
    pub fn new(block_bytes: u32) -> Self {
        let unit = usize::try_from(block_bytes).unwrap_or(8192).max(1);
        Self { all: Vec::new(), partial: Vec::new(), unit }
    }

    /// Takes the next piece.
    pub fn update(&mut self, mut bytes: &[u8]) {
        if self.partial.is_empty() {
            let whole = bytes.len() - bytes.len() % self.unit;
            self.all.extend(bytes[..whole].chunks_exact(self.unit).map(hash));
            bytes = &bytes[whole..];
        }
        while !bytes.is_empty() {
            let wanted = (self.unit - self.partial.len()).min(bytes.len());
            self.partial.extend_from_slice(&bytes[..wanted]);
            bytes = &bytes[wanted..];
            if self.partial.len() == self.unit {
                self.end();
            }
        }
    }

    /// The hashes; the last block may be shorter.
    #[must_use]
    pub fn finish(mut self) -> Vec<u64> {
        self.end();
        self.all
    }

    fn end(&mut self) {
        if !self.partial.is_empty() {
            self.all.push(hash(&self.partial));
            self.partial.clear();
        }
    }
}

/// Writes a map; threads share it.
#[derive(Debug)]
pub struct MapWriter {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: DiskFile,
    digest: Sha256,
    hashes: u64,
    /// Not written yet: most files of a cluster have a few blocks only.
    waiting: Vec<u8>,
}

impl Inner {
    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.waiting)?;
        self.digest.update(&self.waiting);
        self.waiting.clear();
        Ok(())
    }
}

impl MapWriter {
    /// Begins a map.
    ///
    /// # Errors
    /// As writing files.
    pub fn create(disk: &Disk, path: &Path) -> io::Result<Self> {
        let file = disk.create(path)?;
        let mut waiting = Vec::with_capacity(2 * WRITE_BYTES);
        waiting.extend_from_slice(&MAGIC);
        let inner = Inner { file, digest: Sha256::new(), hashes: 0, waiting };
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// Appends the hashes of one file; where they begin, counted in hashes.
    ///
    /// # Errors
    /// As writing files.
    pub fn append(&self, hashes: &[u64]) -> io::Result<u64> {
        let mut inner = self.inner.lock().map_err(|_| io::Error::other("a thread panicked"))?;
        inner.waiting.extend(hashes.iter().flat_map(|hash| hash.to_le_bytes()));
        if inner.waiting.len() >= WRITE_BYTES {
            inner.flush()?;
        }
        let first = inner.hashes;
        inner.hashes += u64::try_from(hashes.len()).unwrap_or(0);
        Ok(first)
    }

    /// Makes it durable; its bytes and SHA-256.
    ///
    /// # Errors
    /// As writing and syncing files.
    pub fn finish(self) -> io::Result<(u64, [u8; 32])> {
        let inner = self.inner.into_inner();
        let mut inner = inner.map_err(|_| io::Error::other("a thread panicked"))?;
        inner.flush()?;
        inner.file.sync()?;
        let bytes = 16 + inner.hashes * HASH_BYTES;
        Ok((bytes, inner.digest.finalize().into()))
    }
}

/// Reads a map.
#[derive(Debug)]
pub struct MapReader {
    file: DiskFile,
}

impl MapReader {
    /// Opens a map.
    ///
    /// # Errors
    /// As opening files; `InvalidData` when it is none.
    pub fn open(disk: &Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open(path)?;
        let mut magic = [0; 16];
        let read = file.read_at(&mut magic, 0)?;
        if read == magic.len() && magic == MAGIC {
            Ok(Self { file })
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is no map of blocks"))
        }
    }

    /// Hashes from `first` on.
    ///
    /// # Errors
    /// As reading files; `InvalidData` when the map is shorter.
    pub fn hashes(&self, first: u64, count: u64) -> io::Result<Vec<u64>> {
        let short = || io::Error::new(io::ErrorKind::InvalidData, "the map of blocks is cut");
        // A damaged list must not make us ask for all memory.
        if count > self.file.size()? / HASH_BYTES {
            return Err(short());
        }
        let length = count.checked_mul(HASH_BYTES).and_then(|bytes| usize::try_from(bytes).ok());
        let mut bytes = vec![0; length.ok_or_else(short)?];
        let at = first.checked_mul(HASH_BYTES).and_then(|at| at.checked_add(16));
        if self.file.read_at(&mut bytes, at.ok_or_else(short)?)? != bytes.len() {
            return Err(short());
        }
        let word = |chunk: &[u8]| <[u8; 8]>::try_from(chunk).map(u64::from_le_bytes);
        Ok(bytes.chunks_exact(8).filter_map(|chunk| word(chunk).ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_have_the_hashes_of_the_whole() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| at.to_le_bytes()[1]).collect();
        let expected: Vec<u64> = bytes.chunks(8192).map(hash).collect();
        for size in [1, 7, 8192, 8193, 50_000, 100_000] {
            let mut hashes = BlockHashes::new(8192);
            bytes.chunks(size).for_each(|piece| hashes.update(piece));
            assert_eq!(hashes.finish(), expected, "{size}");
        }
    }

    #[test]
    fn a_map_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blocks.map");
        let writer = MapWriter::create(&Disk::real(), &path).unwrap();
        assert_eq!(writer.append(&[1, 2, u64::MAX]).unwrap(), 0);
        assert_eq!(writer.append(&[4]).unwrap(), 3);
        let (bytes, digest) = writer.finish().unwrap();
        let content = std::fs::read(&path).unwrap();
        assert_eq!((bytes, digest), (48, Sha256::digest(&content).into()));
        let reader = MapReader::open(&Disk::real(), &path).unwrap();
        assert_eq!(reader.hashes(1, 3).unwrap(), [2, u64::MAX, 4]);
        assert!(reader.hashes(1, 4).is_err() && reader.hashes(u64::MAX, 1).is_err());
        std::fs::write(&path, "no map").unwrap();
        assert!(MapReader::open(&Disk::real(), &path).is_err());
    }
}
