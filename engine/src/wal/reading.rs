//! Reading a file that is to be archived; a segment is compressed while it is read.
//!
//! The server waits for the push, and compressing takes longest. So two threads read and compress
//! one half each, a piece at a time, while the piece is in the processor's cache. Two frames one
//! after the other are a valid file for `zstd` and `lz4`, too.

use std::io;
use std::path::Path;

use crate::api::{Error, ErrorCode, Result, WalCompression};
use crate::pg::wal::SegmentSize;
use crate::sys::disk::{Disk, DiskFile};
use crate::sys::memory::Memory;

use super::store::{CONTENT_BYTES_MAX, Encoder};

/// Bytes that are read at once, and compressed at once.
const PIECE_BYTES: usize = 256 << 10;

/// A file that is open and not yet read.
#[derive(Debug)]
pub(super) struct Source<'a> {
    path: &'a Path,
    file: DiskFile,
    bytes: usize,
}

/// A file's content, and its frames when it was compressed.
pub(super) type Read = (Memory, Option<Vec<Vec<u8>>>);

impl<'a> Source<'a> {
    /// Opens a file.
    ///
    /// # Errors
    /// `WalInvalid` when it cannot be opened, or is larger than the largest segment.
    pub(super) fn open(disk: &Disk, path: &'a Path) -> Result<Self> {
        let file = disk.open(path).map_err(|error| not_read(path, &error))?;
        let bytes = file.size().map_err(|error| not_read(path, &error))?;
        if bytes > CONTENT_BYTES_MAX {
            let text = format!("it has more than {CONTENT_BYTES_MAX} bytes");
            return Err(not_read(path, &io::Error::new(io::ErrorKind::FileTooLarge, text)));
        }
        let bytes =
            usize::try_from(bytes).map_err(|error| not_read(path, &io::Error::other(error)))?;
        Ok(Self { path, file, bytes })
    }

    /// Reads it. With a compression, what is as long as a segment is compressed meanwhile.
    ///
    /// # Errors
    /// `WalInvalid` when it cannot be read.
    pub(super) fn read(&self, compression: Option<WalCompression>) -> Result<Read> {
        let failed = |error: io::Error| not_read(self.path, &error);
        let is_segment =
            u32::try_from(self.bytes).is_ok_and(|b| SegmentSize::from_bytes(b).is_some());
        let compression = compression.filter(|codec| is_segment && *codec != WalCompression::None);
        let mut content = Memory::zeroed(self.bytes).map_err(failed)?;
        let half = self.bytes / 2;
        let (first, second) = content.split_at_mut(half);
        let halves = std::thread::scope(|scope| {
            let reader = std::thread::Builder::new().name("wal-read".to_owned());
            let other = reader.spawn_scoped(scope, || self.read_half(second, half, compression))?;
            let first = self.read_half(first, 0, compression)?;
            let second = other.join();
            Ok((first, second.map_err(|_| io::Error::other("the reading thread panicked"))??))
        });
        let (first, second) = halves.map_err(failed)?;
        // A file that is shorter than it was ends where it ends now.
        let count = if first.bytes < half { first.bytes } else { half + second.bytes };
        let is_whole = count == self.bytes;
        content.truncate(count);
        let frames = first.frame.zip(second.frame).filter(|_| is_whole);
        Ok((content, frames.map(|(first, second)| vec![first, second])))
    }

    /// Reads one half, piece by piece, and compresses it.
    fn read_half(
        &self,
        half: &mut [u8],
        begin: usize,
        compression: Option<WalCompression>,
    ) -> io::Result<Half> {
        // Without a compressor now, the failure is told where it is needed.
        let mut encoder = compression.and_then(|codec| Encoder::new(codec, half.len()).ok());
        let mut bytes = 0;
        for piece in half.chunks_mut(PIECE_BYTES) {
            let at = u64::try_from(begin + bytes).map_err(io::Error::other)?;
            let read = self.file.read_at(piece, at)?;
            bytes += read;
            if encoder.as_mut().is_some_and(|encoder| encoder.write(&piece[..read]).is_err()) {
                encoder = None;
            }
            if read < piece.len() {
                break;
            }
        }
        Ok(Half { bytes, frame: encoder.and_then(|encoder| encoder.end().ok()) })
    }
}

struct Half {
    /// Bytes there were.
    bytes: usize,
    frame: Option<Vec<u8>>,
}

fn not_read(path: &Path, error: &io::Error) -> Error {
    let fact = format!("WAL file \"{}\" cannot be read", path.display());
    Error::new(ErrorCode::WalInvalid, fact).detail(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::store::{self, StoredForm};
    use super::*;
    use crate::sys::memory::Scratch;

    #[test]
    fn what_is_compressed_while_it_is_read_is_the_whole_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let content: Vec<u8> = (0..1_u32 << 19).flat_map(|n| (n / 5).to_le_bytes()).collect();
        for length in [content.len(), content.len() / 2, 1000, 0] {
            std::fs::write(&path, &content[..length]).unwrap();
            for compression in [WalCompression::Zstd(1), WalCompression::Lz4] {
                let source = Source::open(&Disk::real(), &path).unwrap();
                let (read, frames) = source.read(Some(compression)).unwrap();
                assert!(*read == content[..length], "{length} {compression:?}");
                assert_eq!(frames.is_some(), length >= 1 << 20);
                let Some(frames) = frames else { continue };
                let form = StoredForm::of(compression);
                assert!(
                    *store::decode(form, frames.concat(), &Scratch::default()).unwrap() == *read,
                    "{form:?}"
                );
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let error = Source::open(&Disk::real(), &directory.path().join("none")).unwrap_err();
        assert_eq!(error.code, ErrorCode::WalInvalid);
        // A directory can be opened, but not read.
        let source = Source::open(&Disk::real(), directory.path()).unwrap();
        assert!(source.bytes == 0 || source.read(None).is_err());
    }
}
