//! The packs of a backup and the content of every file it stores.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::Xxh3Default;

use super::{Findings, VerifyProgress};
use crate::api::Result;
use crate::backup::blockmap::BlockHashes;
use crate::backup::chain::Chain;
use crate::backup::content::ContentReader;
use crate::backup::document::BackupDocument;
use crate::backup::filelist::{FileEntry, hex_text};
use crate::backup::pack::PackRecord;
use crate::backup::site::BackupSite;
use crate::sys::disk::Disk;

const READ_BYTES: usize = 1 << 20;
/// Damaged files that are named.
const NAMED_MAX: usize = 100;

/// A backup whose content is checked.
pub(super) struct Contents<'a> {
    pub(super) site: &'a BackupSite,
    pub(super) destination: &'a Path,
    pub(super) document: &'a BackupDocument,
    pub(super) jobs: u32,
}

/// One thing to check.
enum Task<'a> {
    Pack(&'a PackRecord),
    File(&'a FileEntry),
}

impl Contents<'_> {
    pub(super) fn check(&self, found: &mut Findings, progress: &VerifyProgress) -> Result<()> {
        let chain = match Chain::load(&self.site.disk, self.destination, &self.document.label) {
            Ok(chain) => chain,
            Err(error) => {
                found.damages.push(format!("{}: {}", error.fact, error.detail));
                return Ok(());
            }
        };
        let Some(head) = chain.head() else { return Ok(()) };
        let mut tasks: Vec<Task<'_>> = self.document.packs.iter().map(Task::Pack).collect();
        let stored = head.list.entries.iter().filter(|entry| entry.place().is_some());
        tasks.extend(stored.map(Task::File));
        let next = AtomicUsize::new(0);
        let damages = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for number in 1..=self.jobs {
                let thread = std::thread::Builder::new().name(format!("verify-{number}"));
                let (tasks, next, damages, chain) = (&tasks, &next, &damages, &chain);
                let work = move || self.work(tasks, next, damages, chain, progress);
                if let Err(error) = thread.spawn_scoped(scope, work) {
                    let text = format!("a thread cannot be made: {error}");
                    damages.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                }
            }
        });
        let mut damages = damages.into_inner().unwrap_or_else(PoisonError::into_inner);
        damages.sort();
        let left_out = damages.len().saturating_sub(NAMED_MAX);
        damages.truncate(NAMED_MAX);
        found.damages.extend(damages);
        if left_out > 0 {
            found.damages.push(format!("and {left_out} more"));
        }
        Ok(())
    }

    fn work(
        &self,
        tasks: &[Task<'_>],
        next: &AtomicUsize,
        damages: &Mutex<Vec<String>>,
        chain: &Chain,
        progress: &VerifyProgress,
    ) {
        let tell = |text: String| {
            damages.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        };
        // Threads take their credentials from the one that made them on Linux.
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::AcqRel)) {
            if progress.stop.load(Ordering::Acquire) {
                return;
            }
            match task {
                Task::Pack(pack) => match self.pack_digest(pack, progress) {
                    Ok(digest) if digest == pack.xxh3 => {}
                    Ok(_) => tell(format!("{} is damaged", pack.name)),
                    Err(error) => tell(format!("{}: {error}", pack.name)),
                },
                Task::File(entry) => {
                    if let Err(error) = self.file(chain, entry, progress) {
                        tell(format!("{}: {error}", entry.path));
                    }
                    progress.files.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn pack_digest(&self, pack: &PackRecord, progress: &VerifyProgress) -> io::Result<String> {
        let path = self.document.label.directory(self.destination).join(&pack.name);
        let mut digest = Box::new(Xxh3Default::new());
        read_all(&self.site.disk, &path, progress, |bytes| digest.update(bytes))?;
        Ok(format!("{:016x}", digest.digest()))
    }

    fn file(&self, chain: &Chain, entry: &FileEntry, progress: &VerifyProgress) -> io::Result<()> {
        let unit = self.document.cluster.block_bytes;
        let mut reader = ContentReader::open(&self.site.disk, chain, &entry.path, unit)?;
        let mut digest = Sha256::new();
        let mut hashes = entry.blocks.map(|_| BlockHashes::new(unit));
        let mut buffer = Vec::with_capacity(READ_BYTES);
        loop {
            buffer.clear();
            let mut is_end = false;
            while buffer.len() < READ_BYTES && !is_end {
                is_end = !reader.next_block(&mut buffer)?;
            }
            digest.update(&buffer);
            if let Some(hashes) = &mut hashes {
                hashes.update(&buffer);
            }
            let length = u64::try_from(buffer.len()).unwrap_or(0);
            progress.content_bytes.fetch_add(length, Ordering::Relaxed);
            if is_end {
                break;
            }
        }
        if digest.finalize().as_slice() != entry.sha256 {
            return Err(invalid("its content is not what was backed up"));
        }
        let Some(hashes) = hashes else { return Ok(()) };
        match chain.block_hashes(&entry.path, u64::from(unit))? {
            Some(expected) if expected == hashes.finish() => Ok(()),
            _ => Err(invalid("the map of its blocks is damaged")),
        }
    }
}

/// SHA-256 of a file in hexadecimal.
pub(super) fn sha256_of(disk: &Disk, path: &Path, progress: &VerifyProgress) -> io::Result<String> {
    let mut digest = Sha256::new();
    read_all(disk, path, progress, |bytes| digest.update(bytes))?;
    Ok(hex_text(&digest.finalize()))
}

fn read_all(
    disk: &Disk,
    path: &Path,
    progress: &VerifyProgress,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let file = disk.open(path)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut at = 0;
    loop {
        let read = file.read_at(&mut buffer, at)?;
        if read == 0 {
            return Ok(());
        }
        take(&buffer[..read]);
        let read = u64::try_from(read).unwrap_or(0);
        at += read;
        progress.stored_bytes.fetch_add(read, Ordering::Relaxed);
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
