//! Packs: archives that hold the content of files, written by one thread each.
//!
//! Beside a pack that is being written lies a journal with a line for each finished member, so
//! that an interrupted backup can keep what it has. See `docs/FORMATS.md`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use super::codec::{Codec, Encoder};
use super::filelist::{FileEntry, Place};
use super::{layout, tar};
use crate::sys::disk::{Disk, DiskFile};

/// Stored bytes after which a pack takes no further member.
const PACK_BYTES: u64 = 256 << 20;
/// Compressed bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// A finished pack, as the label lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct PackRecord {
    /// File name.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// XXH3 (64 bits, seed 0) of the bytes, in hexadecimal.
    pub xxh3: String,
}

/// Where packs are made; shared by the threads of a backup.
#[derive(Clone, Debug)]
pub struct PackPlace {
    /// The file system.
    pub disk: Disk,
    /// The backup's directory.
    pub directory: PathBuf,
    /// Their compression.
    pub codec: Codec,
    /// The number of the last pack.
    pub last_number: Arc<AtomicU32>,
}

/// Writes packs, one after the other.
pub struct PackWriter {
    place: PackPlace,
    encoder: Encoder,
    open: Option<OpenPack>,
    finished: Vec<PackRecord>,
}

struct OpenPack {
    number: u32,
    name: String,
    file: DiskFile,
    journal: DiskFile,
    digest: Box<Xxh3Default>,
    member_digest: Box<Xxh3Default>,
    member_offset: u64,
    offset: u64,
    buffer: Vec<u8>,
    lines: String,
}

impl PackWriter {
    /// A writer that begins its first pack with its first member.
    ///
    /// # Errors
    /// When zstd has no memory.
    pub fn new(place: PackPlace) -> io::Result<Self> {
        let encoder = Encoder::new(place.codec)?;
        Ok(Self { place, encoder, open: None, finished: Vec::new() })
    }

    /// Begins a member, in a new pack when the one at hand is full.
    ///
    /// # Errors
    /// As writing files.
    pub fn begin(&mut self) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|open| open.offset >= PACK_BYTES) {
            self.close()?;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => OpenPack::create(&self.place)?,
        };
        let open = self.open.insert(open);
        open.member_offset = open.offset;
        open.member_digest.reset();
        Ok(())
    }

    /// Writes a piece of the member that was begun.
    ///
    /// # Errors
    /// As writing files.
    pub fn frame(&mut self, content: &[u8]) -> io::Result<u64> {
        let Some(open) = &mut self.open else {
            return Err(io::Error::other("no member was begun"));
        };
        let stored = self.encoder.frame(content)?;
        open.member_digest.update(stored);
        open.append(stored)?;
        Ok(u64::try_from(stored.len()).unwrap_or(0))
    }

    /// Where the member that was begun is, with all its pieces.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let open = self.open.as_ref()?;
        let stored = open.offset - open.member_offset;
        Some(Place { pack: open.number, offset: open.member_offset, stored })
    }

    /// Ends the member: notes it in the journal.
    ///
    /// # Errors
    /// As writing files.
    pub fn end(&mut self, entry: &FileEntry) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let mut line = String::new();
        entry.write(&mut line);
        let line = line.trim_end_matches('\n');
        let digest = open.member_digest.digest();
        let checked = format!("{line}\t{digest:016x}");
        let sum = crc32c::crc32c(checked.as_bytes());
        open.lines.push_str(&format!("{checked}\t{sum:08x}\n"));
        Ok(())
    }

    /// Ends the last pack and makes all of them durable.
    ///
    /// # Errors
    /// As writing and syncing files.
    pub fn finish(mut self) -> io::Result<Vec<PackRecord>> {
        self.close()?;
        Ok(self.finished)
    }

    fn close(&mut self) -> io::Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let end = self.encoder.frame(&tar::END)?;
        open.append(end)?;
        open.flush()?;
        open.file.sync()?;
        self.finished.push(PackRecord {
            name: open.name,
            bytes: open.offset,
            xxh3: format!("{:016x}", open.digest.digest()),
        });
        Ok(())
    }
}

impl OpenPack {
    fn create(place: &PackPlace) -> io::Result<Self> {
        let number = place.last_number.fetch_add(1, Ordering::AcqRel) + 1;
        let name = layout::pack_name(number, place.codec.suffix());
        let file = place.disk.create(&place.directory.join(&name))?;
        let journal = place.disk.create(&place.directory.join(layout::journal_name(number)))?;
        Ok(Self {
            number,
            name,
            file,
            journal,
            digest: Box::default(),
            member_digest: Box::default(),
            member_offset: 0,
            offset: 0,
            buffer: Vec::with_capacity(2 * BUFFER_BYTES),
            lines: String::new(),
        })
    }

    fn append(&mut self, stored: &[u8]) -> io::Result<()> {
        self.digest.update(stored);
        self.offset += u64::try_from(stored.len()).unwrap_or(0);
        self.buffer.extend_from_slice(stored);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// The content goes before the lines that promise it.
    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        self.journal.write_all(self.lines.as_bytes())?;
        self.lines.clear();
        Ok(())
    }
}

/// A member of an interrupted backup, as its pack's journal tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLine {
    /// The file, with its place.
    pub entry: FileEntry,
    /// XXH3 of the member's stored bytes.
    pub xxh3: u64,
}

impl JournalLine {
    /// Reads a line; `None` when it is cut or damaged.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let (checked, sum) = line.rsplit_once('\t')?;
        if u32::from_str_radix(sum, 16).ok()? != crc32c::crc32c(checked.as_bytes()) {
            return None;
        }
        let (entry, digest) = checked.rsplit_once('\t')?;
        let xxh3 = u64::from_str_radix(digest, 16).ok()?;
        Some(Self { entry: FileEntry::read(entry)?, xxh3 })
    }
}

/// Writes a file of a backup: new, durable but for its directory.
///
/// # Errors
/// As writing and syncing files; `AlreadyExists`.
pub fn write_new(disk: &Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = disk.create(path)?;
    file.write_all(content)?;
    file.sync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::filelist::Content;
    use crate::sys::source::FileStamp;

    #[test]
    fn a_pack_is_an_archive_and_its_journal_tells_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let place = PackPlace {
            disk: Disk::real(),
            directory: directory.path().to_owned(),
            codec: Codec::None,
            last_number: Arc::default(),
        };
        let mut writer = PackWriter::new(place).unwrap();
        let mut entries = Vec::new();
        for path in ["one", "two"] {
            writer.begin().unwrap();
            writer.frame(&[7; 512]).unwrap();
            let entry = FileEntry {
                path: path.into(),
                stamp: FileStamp::default(),
                sha256: [1; 32],
                content: Content::Whole(writer.place().unwrap()),
                blocks: None,
            };
            writer.end(&entry).unwrap();
            entries.push(entry);
        }
        let packs = writer.finish().unwrap();
        assert_eq!((packs.len(), packs[0].bytes), (1, 2048));
        assert_eq!(entries[1].place().unwrap(), Place { pack: 1, offset: 512, stored: 512 });
        let journal = std::fs::read_to_string(directory.path().join("pack-0001.journal")).unwrap();
        let lines: Vec<_> = journal.lines().map(|line| JournalLine::read(line).unwrap()).collect();
        assert_eq!(
            lines.iter().map(|line| &line.entry).collect::<Vec<_>>(),
            [&entries[0], &entries[1]]
        );
        assert_eq!(lines[0].xxh3, xxhash_rust::xxh3::xxh3_64(&[7; 512]));
        let cut = journal.lines().next().unwrap();
        assert_eq!(JournalLine::read(&cut[..cut.len() - 1]), None);
    }
}
