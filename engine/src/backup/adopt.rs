//! What an interrupted backup has copied: taken over by the next one after it was read again.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3Default;

use super::blockmap::BlockHashes;
use super::codec::{Codec, Encoder};
use super::exclude;
use super::filelist::{FileEntry, Place};
use super::layout;
use super::pack::{JournalLine, PackRecord};
use super::stream::ContentStream;
use super::tar;
use crate::sys::disk::{Disk, DiskFile};

/// Bytes of a journal at most.
const JOURNAL_BYTES_MAX: u64 = 1 << 30;
const READ_BYTES: usize = 1 << 20;

/// What is taken over.
#[derive(Clone, Debug, Default)]
pub struct Adopted {
    /// Files by path.
    pub files: HashMap<String, AdoptedFile>,
    /// The packs they are in, closed properly.
    pub packs: Vec<PackRecord>,
    /// The number of the last pack there is.
    pub last_number: u32,
}

/// A file whose content is in an adopted pack.
#[derive(Clone, Debug)]
pub struct AdoptedFile {
    /// Its entry.
    pub entry: FileEntry,
    /// Of a relation: the hashes of the blocks that are stored.
    pub hashes: Option<Vec<u64>>,
}

/// Reads what an interrupted backup left in `directory`. What is whole is kept, what is not is
/// cut off or removed; files that are made anew are removed.
///
/// # Errors
/// As reading and writing files.
pub fn adopt(disk: &Disk, directory: &Path, block_bytes: u32) -> io::Result<Adopted> {
    let mut adopted = Adopted::default();
    for entry in disk.list(directory)? {
        let path = directory.join(&entry.name);
        let Some(number) = layout::pack_number(&entry.name) else {
            // The document of the new attempt replaces the old one.
            if entry.name != layout::PROGRESS_FILE {
                disk.remove_file(&path)?;
            }
            continue;
        };
        // A journal without its pack takes the number, too: it may have stayed when the pack was
        // removed.
        adopted.last_number = adopted.last_number.max(number);
        let Some(codec) = Codec::of_pack(&entry.name) else { continue };
        let journal = directory.join(layout::journal_name(number));
        let lines = read_journal(disk, &journal)?;
        let packed = Pack { disk, path: &path, number, codec, block_bytes };
        match packed.adopt(&lines, &mut adopted.files)? {
            Some((bytes, digest)) => adopted.packs.push(PackRecord {
                name: entry.name,
                bytes,
                xxh3: format!("{digest:016x}"),
            }),
            None => {
                disk.remove_file(&path)?;
                remove_if_there(disk, &journal)?;
            }
        }
    }
    Ok(adopted)
}

fn remove_if_there(disk: &Disk, path: &Path) -> io::Result<()> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The lines up to the first that is cut or damaged.
fn read_journal(disk: &Disk, path: &Path) -> io::Result<Vec<JournalLine>> {
    let bytes = match disk.read(path, JOURNAL_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map_while(JournalLine::read).collect())
}

/// A pack of an interrupted backup.
struct Pack<'a> {
    disk: &'a Disk,
    path: &'a Path,
    number: u32,
    codec: Codec,
    block_bytes: u32,
}

impl Pack<'_> {
    /// Checks the members that the journal promises, cuts the pack after the last good one and
    /// closes it. Its bytes and digest; `None` when nothing in it is good.
    fn adopt(
        &self,
        lines: &[JournalLine],
        files: &mut HashMap<String, AdoptedFile>,
    ) -> io::Result<Option<(u64, u64)>> {
        let file = Arc::new(self.disk.open(self.path)?);
        let size = file.size()?;
        let mut end = 0;
        for line in lines {
            let Some(place) = line.entry.place() else { break };
            let is_next = place.pack == self.number && place.offset >= end;
            let is_whole = place.offset.checked_add(place.stored).is_some_and(|to| to <= size);
            if !is_next || !is_whole {
                break;
            }
            let Some(kept) = self.member(&file, line, place)? else { break };
            end = place.offset + place.stored;
            files.insert(line.entry.path.to_string(), kept);
        }
        if end == 0 {
            return Ok(None);
        }
        self.close(end).map(Some)
    }

    /// Reads a member again; `None` when it is not what the journal says.
    fn member(
        &self,
        file: &Arc<DiskFile>,
        line: &JournalLine,
        place: Place,
    ) -> io::Result<Option<AdoptedFile>> {
        let is_relation = exclude::relation(&line.entry.path).is_some();
        let mut hashes = BlockHashes::new(self.block_bytes);
        let mut stream = ContentStream::new(Arc::clone(file), self.codec, &line.entry, place)?;
        loop {
            match stream.piece() {
                Ok(Some(piece)) if is_relation => hashes.update(piece),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        if stream.digest() != line.xxh3 {
            return Ok(None);
        }
        let hashes = is_relation.then(|| hashes.finish());
        Ok(Some(AdoptedFile { entry: line.entry.clone(), hashes }))
    }

    fn close(&self, end: u64) -> io::Result<(u64, u64)> {
        use std::io::{Seek, SeekFrom, Write};
        let mut file = self.disk.open_for_update(self.path)?;
        file.set_size(end)?;
        file.seek(SeekFrom::Start(end))?;
        let mut encoder = Encoder::new(self.codec)?;
        file.write_all(encoder.frame(&tar::END)?)?;
        file.sync()?;
        let size = file.size()?;
        let mut digest = Box::new(Xxh3Default::new());
        let mut buffer = vec![0; READ_BYTES];
        let mut at = 0;
        while at < size {
            let read = file.read_at(&mut buffer, at)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            digest.update(&buffer[..read]);
            at += u64::try_from(read).unwrap_or(0);
        }
        Ok((size, digest.digest()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_journal_without_its_pack_is_not_given_again() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(layout::journal_name(3)), "").unwrap();
        let adopted = adopt(&Disk::real(), directory.path(), 8192).unwrap();
        assert_eq!(adopted.last_number, 3);
        assert!(adopted.packs.is_empty());
    }
}
