//! Reading a file that is to be archived; a segment is compressed while it is read.
//!
//! The server waits for the push, and half of the time would go into reading: memory nobody has
//! touched costs more than the copy. So one thread reads, and the other compresses what is there.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use crate::api::{Error, ErrorCode, Result, WalCompression};
use crate::pg::wal::SegmentSize;
use crate::sys::disk::{Disk, DiskFile};

use super::store::{CONTENT_BYTES_MAX, Encoder};

/// Bytes that are read at once, and compressed at once.
const PIECE_BYTES: usize = 1 << 20;

/// A file that is open and not yet read.
#[derive(Debug)]
pub(super) struct Source<'a> {
    path: &'a Path,
    file: DiskFile,
    bytes: usize,
}

/// A file's content, and the compressor when it has begun.
pub(super) type Read = (Vec<u8>, Option<Encoder>);

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
        let is_segment =
            u32::try_from(self.bytes).is_ok_and(|b| SegmentSize::from_bytes(b).is_some());
        let encoder = compression
            .filter(|compression| is_segment && *compression != WalCompression::None)
            // Without a compressor now, the failure is told where it is needed.
            .and_then(|compression| Encoder::new(compression, self.bytes).ok());
        let mut content = vec![0; self.bytes];
        let outcome = match encoder {
            Some(encoder) => self.read_and_compress(&mut content, encoder),
            None => self.read_into(&mut content, None).map(|count| (count, None)),
        };
        let (count, encoder) = outcome.map_err(|error| not_read(self.path, &error))?;
        content.truncate(count);
        Ok((content, encoder))
    }

    /// Compresses pieces as they come, until everything is read.
    fn read_and_compress(
        &self,
        content: &mut [u8],
        mut encoder: Encoder,
    ) -> io::Result<(usize, Option<Encoder>)> {
        let (sender, receiver) = mpsc::channel();
        let is_read = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = std::thread::Builder::new().name("wal-read".to_owned());
            let reader = reader.spawn_scoped(scope, move || {
                let count = self.read_into(content, Some(sender));
                is_read.store(true, Ordering::Release);
                count
            })?;
            let compressed = compress(&receiver, is_read, &mut encoder);
            let count =
                reader.join().map_err(|_| io::Error::other("the reading thread panicked"))??;
            Ok((count, compressed.ok().map(|()| encoder)))
        })
    }

    /// Reads piece by piece and hands each on; how many bytes there were.
    fn read_into<'c>(
        &self,
        content: &'c mut [u8],
        to: Option<Sender<&'c [u8]>>,
    ) -> io::Result<usize> {
        let mut count = 0;
        for piece in content.chunks_mut(PIECE_BYTES) {
            let at = u64::try_from(count).map_err(io::Error::other)?;
            let read = self.file.read_at(piece, at)?;
            count += read;
            let is_whole = read == piece.len();
            if let Some(to) = &to {
                // Nobody takes it any more when compressing failed.
                let _ = to.send(&piece[..read]);
            }
            if !is_whole {
                break;
            }
        }
        Ok(count)
    }
}

/// What is not compressed when everything is read, is compressed beside the index.
fn compress(
    pieces: &Receiver<&[u8]>,
    is_read: &AtomicBool,
    encoder: &mut Encoder,
) -> io::Result<()> {
    while let Ok(piece) = pieces.recv() {
        if is_read.load(Ordering::Acquire) {
            break;
        }
        encoder.write(piece)?;
    }
    Ok(())
}

fn not_read(path: &Path, error: &io::Error) -> Error {
    let fact = format!("WAL file \"{}\" cannot be read", path.display());
    Error::new(ErrorCode::WalInvalid, fact).detail(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::store::{self, StoredForm};
    use super::*;

    #[test]
    fn what_is_compressed_while_it_is_read_is_the_whole_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let content: Vec<u8> = (0..1_u32 << 19).flat_map(|n| (n / 5).to_le_bytes()).collect();
        for length in [content.len(), content.len() / 2, 1000, 0] {
            std::fs::write(&path, &content[..length]).unwrap();
            for compression in [WalCompression::Zstd(1), WalCompression::Lz4] {
                let source = Source::open(&Disk::real(), &path).unwrap();
                let (read, encoder) = source.read(Some(compression)).unwrap();
                assert!(read == content[..length], "{length} {compression:?}");
                assert_eq!(encoder.is_some(), length >= 1 << 20);
                let Some(encoder) = encoder else { continue };
                let (form, stored) = encoder.finish(&read).unwrap();
                assert_ne!(form, StoredForm::Plain);
                assert!(store::decode(form, stored.into_owned()).unwrap() == read, "{form:?}");
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
