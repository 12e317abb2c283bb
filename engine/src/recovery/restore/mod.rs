//! Restoring the files of a backup: threads take them from one list, largest first, and verify
//! each while it is written.

mod directories;
mod extras;
mod file;

use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::layout::{Place, Placement};
use crate::api::{Error, ErrorCode, RecoveryPlan, Result};
use crate::backup::chain::Chain;
use crate::backup::filelist::{Content, FileEntry};
use crate::backup::layout::{self, Label};
use crate::backup::site::BackupSite;

pub use directories::make as make_directories;
pub use directories::make_place;
use file::FileRestorer;

/// What may be in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Nothing: every file is made.
    Absent,
    /// Files that may be right already: they are compared, and only what differs is written.
    Compared,
}

/// How far it is, and the way to stop it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of content that are right now.
    pub done_bytes: AtomicU64,
    /// Bytes that were written.
    pub written_bytes: AtomicU64,
    /// Files that are right now.
    pub files: AtomicU64,
    /// Set to stop.
    pub stop: AtomicBool,
}

impl Progress {
    /// # Errors
    /// `Interrupted` when it is to stop.
    fn heed_stop(&self) -> io::Result<()> {
        if self.stop.load(Ordering::Acquire) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(())
    }
}

/// What was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Files.
    pub files: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Bytes that had to be written.
    pub written_bytes: u64,
    /// Files and directories that were removed because the backup has none of them.
    pub removed: u64,
}

/// Loads the chain of a plan and checks the lists it consists of.
///
/// # Errors
/// `BackupNotFound`, `RepositoryDamaged`, `RepositoryUnreadable`.
pub fn load_chain(site: &BackupSite, plan: &RecoveryPlan) -> Result<Chain> {
    let label = plan
        .chain
        .last()
        .and_then(|text| text.parse::<Label>().ok())
        .ok_or_else(|| Error::new(ErrorCode::BackupNotFound, "the plan names no backup"))?;
    let chain = Chain::load(&site.disk, &plan.destination, &label)?;
    for backup in &chain.backups {
        read_part(site, &backup.directory, &backup.document.parts, layout::LIST_FILE)?;
    }
    Ok(chain)
}

/// Reads a small file of a backup and compares it with its label.
///
/// # Errors
/// `RepositoryDamaged`, `RepositoryUnreadable`.
pub fn read_part(
    site: &BackupSite,
    directory: &std::path::Path,
    parts: &[crate::backup::document::Part],
    name: &str,
) -> Result<Vec<u8>> {
    let path = directory.join(name);
    let damaged = |what: &str| {
        let fact = format!("\"{}\" is damaged", path.display());
        Error::new(ErrorCode::RepositoryDamaged, fact).detail(what)
    };
    let known = parts.iter().find(|part| part.name == name);
    let known = known.ok_or_else(|| damaged("the label of the backup does not name it"))?;
    let content = site.disk.read(&path, known.bytes).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::FileTooLarge => damaged(&error.to_string()),
        _ => crate::wal::identity::unreadable(&path, &error),
    })?;
    let found = crate::backup::document::Part::of(name, &content);
    if found == *known { Ok(content) } else { Err(damaged("its checksum does not fit")) }
}

/// Restores every file of the newest backup of a chain, and removes what it does not have.
///
/// Directories must be there. Nothing is durable yet.
///
/// # Errors
/// `RestoreFailed` with the file; `Cancelled`.
pub fn run(
    site: &BackupSite,
    plan: &RecoveryPlan,
    chain: &Chain,
    existing: Existing,
    progress: &Progress,
) -> Result<Restored> {
    let Some(head) = chain.head() else { return Ok(Restored::default()) };
    let mut files: Vec<&FileEntry> = head
        .list
        .entries
        .iter()
        .filter(|entry| !matches!(entry.content, Content::Directory))
        .collect();
    files.sort_by_key(|entry| std::cmp::Reverse(entry.stamp.size));
    let work = Work {
        site,
        chain,
        placement: Placement::of(plan),
        existing,
        files: &files,
        next: AtomicUsize::new(0),
        failure: Mutex::new(None),
        progress,
    };
    work.run(plan.jobs);
    if let Some(error) = work.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let removed = match existing {
        Existing::Absent => 0,
        Existing::Compared => {
            let version = super::run::version_directory(&head.document.cluster);
            extras::remove(&site.disk, &Place::all(plan, &version), &head.list, &work.placement)
                .map_err(|(path, error)| failed(&path.display().to_string(), &error))?
        }
    };
    Ok(Restored {
        files: u64::try_from(files.len()).unwrap_or(0),
        bytes: files.iter().map(|entry| entry.stamp.size).sum(),
        written_bytes: progress.written_bytes.load(Ordering::Acquire),
        removed,
    })
}

/// What the threads share.
struct Work<'a> {
    site: &'a BackupSite,
    chain: &'a Chain,
    placement: Placement,
    existing: Existing,
    files: &'a [&'a FileEntry],
    next: AtomicUsize,
    failure: Mutex<Option<Error>>,
    progress: &'a Progress,
}

impl Work<'_> {
    fn run(&self, jobs: u32) {
        let jobs = NonZero::new(jobs).map_or(1, NonZero::get);
        std::thread::scope(|scope| {
            for number in 1..=jobs {
                // Threads take their credentials from the one that made them on Linux.
                let thread = std::thread::Builder::new().name(format!("restore-{number}"));
                if let Err(error) = thread.spawn_scoped(scope, || self.work()) {
                    self.fail(failed("a thread", &error));
                }
            }
        });
    }

    fn work(&self) {
        let mut restorer = FileRestorer::new(&self.site.disk, self.chain, self.progress);
        while let Some(entry) = self.files.get(self.next.fetch_add(1, Ordering::AcqRel)) {
            let path = self.placement.path(&entry.path);
            let outcome = self
                .progress
                .heed_stop()
                .and_then(|()| restorer.restore(entry, &path, self.existing));
            match outcome {
                Ok(()) => drop(self.progress.files.fetch_add(1, Ordering::Relaxed)),
                Err(error) => return self.fail(failed(&entry.path, &error)),
            }
        }
    }

    /// The first failure stops the others, and is the one that is told.
    fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        self.progress.stop.store(true, Ordering::Release);
        failure.get_or_insert(error);
    }
}

fn failed(what: &str, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::Interrupted {
        return cancelled();
    }
    let fact = format!("\"{what}\" could not be restored");
    Error::new(ErrorCode::RestoreFailed, fact).detail(error.to_string())
}

/// The error of a recovery that was told to stop while files are worked on.
pub(super) fn cancelled() -> Error {
    Error::new(ErrorCode::Cancelled, "the recovery was cancelled")
        .detail("what was restored is kept; the directory cannot be started")
        .hint("Run it again to go on, or put the old data back with 'pgdeck recover undo'.")
}
