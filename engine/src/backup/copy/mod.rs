//! Copying: named threads take files from a list, largest first, and write packs.

mod digest;
mod pages;
pub mod rate;
mod reading;
mod store;
mod worker;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::adopt::Adopted;
use super::blockmap::MapWriter;
use super::chain::Chain;
use super::document::ChecksumFailure;
use super::filelist::FileEntry;
use super::listing::Listing;
use super::pack::{PackPlace, PackRecord};
use crate::api::{Error, ErrorCode, Result};
use crate::sys::credentials::Credentials;
use digest::Helpers;
use rate::RateLimit;
use worker::Worker;

/// How far the copying is. Read by whoever shows it.
#[derive(Debug, Default)]
pub struct CopyProgress {
    /// Bytes of the cluster that are dealt with.
    pub done_bytes: AtomicU64,
    /// Of these, bytes that were read.
    pub read_bytes: AtomicU64,
    /// Bytes of content put into packs.
    pub copied_bytes: AtomicU64,
    /// Bytes of packs.
    pub stored_bytes: AtomicU64,
    /// Set to end it early.
    pub stop: AtomicBool,
}

/// What to copy and how.
#[derive(Debug)]
pub struct CopyWork {
    /// The data directory.
    pub data_directory: PathBuf,
    /// What is in it.
    pub listing: Listing,
    /// Where packs go.
    pub packs: PackPlace,
    /// Where hashes of blocks go.
    pub map: MapWriter,
    /// What an incremental backup is based on.
    pub base: Option<Chain>,
    /// What an interrupted backup has already.
    pub adopted: Adopted,
    /// Bytes of a page.
    pub block_bytes: u32,
    /// Pages of one file of a relation.
    pub segment_blocks: u32,
    /// Whether pages carry checksums.
    pub data_checksums: bool,
    /// Threads.
    pub jobs: u32,
    /// The limit, when there is one.
    pub rate: Option<RateLimit>,
    /// Whom the threads act as.
    pub credentials: Credentials,
    /// Where they tell how far they are.
    pub progress: Arc<CopyProgress>,
}

/// What was copied.
#[derive(Debug)]
pub struct Copied {
    /// Every file of the backup.
    pub entries: Vec<FileEntry>,
    /// The packs.
    pub packs: Vec<PackRecord>,
    /// Pages whose checksum did not fit.
    pub checksum_failures: Vec<ChecksumFailure>,
    /// Bytes and SHA-256 of the map of blocks.
    pub map: (u64, [u8; 32]),
    /// Files taken over from an interrupted backup.
    pub adopted_files: u64,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    work: CopyWork,
    next: AtomicUsize,
    /// The first failure; the others stop.
    failure: Mutex<Option<Error>>,
    /// Threads for which no file is left.
    helpers: Helpers,
}

/// What one thread has done.
#[derive(Debug, Default)]
struct Share {
    entries: Vec<FileEntry>,
    packs: Vec<PackRecord>,
    checksum_failures: Vec<ChecksumFailure>,
    adopted_files: u64,
}

/// Copies everything, on threads of its own, and waits for them.
///
/// # Errors
/// `Cancelled` when it was told to stop, `DataDirectoryAccess`, `RepositoryWrite`,
/// `RepositoryDamaged` when the base does not fit together.
pub fn run(mut work: CopyWork) -> Result<Copied> {
    // The largest first, so that no thread sits on one at the end.
    work.listing.files.sort_by_key(|file| std::cmp::Reverse(file.stamp.size));
    let jobs = work.jobs.max(1);
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    let shared = Shared { work, next, failure, helpers: Helpers::new(jobs) };
    let shares = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=jobs)
            .filter_map(|number| {
                let thread = std::thread::Builder::new().name(format!("copy-{number}"));
                let shared = &shared;
                let spawned = thread.spawn_scoped(scope, move || thread_main(shared, number));
                let failed = |error: &std::io::Error| {
                    shared.fail(no_thread(error));
                    shared.helpers.leave();
                };
                spawned.inspect_err(failed).ok()
            })
            .collect();
        let ended = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.filter_map(std::result::Result::ok).flatten().collect::<Vec<_>>()
    });
    if let Some(error) = shared.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    if shares.len() != usize::try_from(jobs).unwrap_or(0) {
        return Err(Error::new(ErrorCode::BackupAbandoned, "a copying thread panicked"));
    }
    let mut copied = Copied {
        entries: Vec::new(),
        packs: shared.work.adopted.packs.clone(),
        checksum_failures: Vec::new(),
        map: shared.work.map.finish().map_err(|error| not_written("blocks.map", &error))?,
        adopted_files: 0,
    };
    for share in shares {
        copied.entries.extend(share.entries);
        copied.packs.extend(share.packs);
        copied.checksum_failures.extend(share.checksum_failures);
        copied.adopted_files += share.adopted_files;
    }
    copied.packs.sort_by(|a, b| a.name.cmp(&b.name));
    copied.checksum_failures.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(copied)
}

fn thread_main(shared: &Shared, number: u32) -> Option<Share> {
    let copying = Copying { shared };
    let outcome = shared
        .work
        .credentials
        .assume()
        .map_err(|error| no_thread(&error))
        .and_then(|()| Worker::new(shared)?.run(number));
    let share = outcome.map_err(|error| shared.fail(error)).ok();
    drop(copying);
    shared.helpers.help();
    share
}

/// A thread that copies; the others hear of its end even when it panics.
struct Copying<'a> {
    shared: &'a Shared,
}

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        self.shared.helpers.leave();
    }
}

impl Shared {
    fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        // Threads that were told to stop because of it must not hide the first failure.
        if failure.is_none() {
            *failure = Some(error);
        }
        self.work.progress.stop.store(true, Ordering::Release);
    }
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::new(ErrorCode::BackupAbandoned, "a copying thread cannot be made")
        .detail(error.to_string())
}

/// The error of something that could not be written into the destination.
pub(super) fn not_written(what: &str, error: &std::io::Error) -> Error {
    Error::new(ErrorCode::RepositoryWrite, format!("{what} cannot be written"))
        .detail(error.to_string())
}
