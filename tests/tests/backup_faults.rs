//! Backups whose disk fails at any operation, in every way a disk fails: each failure is told,
//! and leaves nothing that claims to be complete and is not.

// Operations fail on demand in debug builds only.
#![cfg(debug_assertions)]
// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "the runner shows it with the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use pgdeck_engine::api::{BackupKind, BackupStatus, Error, VerifyDepth};
use pgdeck_engine::backup::retention::Policy;
use pgdeck_engine::backup::{catalog, expire};
use pgdeck_engine::sys::clock;
use pgdeck_engine::sys::disk::Disk;
use pgdeck_engine::sys::faults::{Fault, Plan, Spell};
use pgdeck_tests::{Major, Repository, Run};

/// In turn: operation 1 fails in the first way, operation 2 in the second, and so on.
const WAYS: [(Fault, Spell); 7] = [
    (Fault::Eio, Spell::Once),
    (Fault::Enospc, Spell::Once),
    (Fault::ShortWrite, Spell::Once),
    (Fault::Sync, Spell::Once),
    (Fault::Enospc, Spell::FromThenOn),
    (Fault::Sync, Spell::FromThenOn),
    (Fault::Eio, Spell::FromThenOn),
];

/// The directories of the catalog with their states.
fn states(repository: &Repository) -> Vec<(PathBuf, BackupStatus)> {
    let entries = catalog::read(&Disk::real(), repository.destination()).unwrap();
    entries.iter().map(|entry| (entry.directory.clone(), catalog::info(entry).status)).collect()
}

/// What has to hold after an attempt, failed or not.
fn judge(repository: &Repository, what: &str, outcome: Result<(), &Error>) {
    let states = states(repository);
    for (directory, status) in &states {
        let name = directory.file_name().unwrap().to_str().unwrap();
        let has_label = directory.join("backup.json").exists();
        assert_eq!(*status == BackupStatus::Complete, has_label, "{what}: {name} is {status:?}");
        assert_ne!(*status, BackupStatus::Damaged, "{what}: {name}");
        if let Err(error) = outcome
            && error.detail.contains(&format!("{name} is INCOMPLETE"))
        {
            assert!(!has_label, "{what}: {name} is complete, but told was: {error}");
        }
    }
    if let Err(error) = outcome {
        assert!(!error.fact.is_empty() && !error.detail.is_empty(), "{what}: {error}");
    }
    // Every byte of what is new. A failed attempt has not touched the others.
    if outcome.is_ok() {
        let report = repository.verify_inside(VerifyDepth::Full).unwrap();
        assert_eq!(report.damages, Vec::<String>::new(), "{what}");
    }
}

/// What is left of an attempt besides the first backup.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leavings {
    /// Goes: the next attempt begins anew.
    Removed,
    /// Stays: the next attempt goes on with it.
    Kept,
}

/// Clears up after a failure. A backup that was interrupted gets an old name: a new one is of
/// the next second, and there are hundreds of attempts.
fn clean(base: &Path, repository: &Repository, leavings: Leavings) {
    for (directory, _) in states(repository) {
        let old = repository.destination().join("2001-01-01_00-00-00");
        if leavings == Leavings::Removed && directory != base {
            fs::remove_dir_all(&directory).unwrap();
        } else if directory != base && directory != old {
            // One that could not be gone on with may be there beside it.
            let _ = fs::remove_dir_all(&old);
            fs::rename(&directory, old).unwrap();
        }
    }
}

/// Whether verifying reads more WAL than backups.
fn has_much_wal(repository: &Repository) -> bool {
    fs::read_dir(repository.destination().join("archived_wal")).unwrap().count() > 100
}

/// Takes a full backup and removes all before it, with the WAL that only they needed.
fn renew(repository: &Repository) -> PathBuf {
    let label = repository.backup_inside(BackupKind::Full, &Plan::default()).unwrap();
    let label = label.document.label;
    for (directory, _) in states(repository).iter().rev() {
        let other = directory.file_name().unwrap().to_str().unwrap();
        if other != label.as_str() {
            expire::delete(&Disk::real(), repository.destination(), other).unwrap();
        }
    }
    label.directory(repository.destination())
}

/// Lets operation N fail, for every N of `numbers` until there is no such operation.
fn every_operation(
    major: Major,
    kind: BackupKind,
    leavings: Leavings,
    numbers: impl Iterator<Item = u64>,
) {
    let began = Instant::now();
    let repository = Repository::start_small(major);
    repository.backup_inside(BackupKind::Full, &Plan::default()).unwrap();
    let mut base = renew(&repository);
    let (mut failures, mut last, mut misses) = (0, 0, 0);
    for number in numbers {
        let (fault, spell) = WAYS[usize::try_from(number).unwrap() % WAYS.len()];
        let plan = Plan::new(number, fault, spell);
        let outcome = repository.backup_inside(kind, &plan);
        let what = format!("operation {number}, {fault:?} {spell:?}");
        judge(&repository, &what, outcome.as_ref().map(|_| ()));
        match &outcome {
            Ok(_) if has_much_wal(&repository) => base = renew(&repository),
            Ok(_) => clean(&base, &repository, Leavings::Removed),
            Err(_) => clean(&base, &repository, leavings),
        }
        failures += u32::from(outcome.is_err());
        if plan.has_struck() {
            (last, misses) = (number, 0);
        } else {
            assert!(outcome.is_ok(), "{what}: nothing failed, and yet {:?}", outcome.err());
            misses += 1;
        }
        // One way may find nothing to strike at the end; when none does, it is the end.
        if misses == WAYS.len() {
            break;
        }
    }
    println!("{failures} failures of {last} operations in {:?}", began.elapsed());
    assert!(last > 60 && failures > 12, "{failures} of {last} operations failed");
    renew(&repository);
    repository.backup_inside(kind, &Plan::default()).unwrap();
    restored(&repository, kind);
}

/// The newest backup, restored, is what it should be.
fn restored(repository: &Repository, kind: BackupKind) {
    let backups = repository.backups();
    let label = |backup: &serde_json::Value| backup["label"].as_str().unwrap().to_owned();
    let labels: Vec<String> = backups.iter().map(label).collect();
    assert_eq!(labels.len(), 2, "nothing is left of the others");
    let chain = if kind == BackupKind::Full { &labels[1..] } else { &labels[..] };
    let mut restored = repository.restore_by_hand(chain);
    restored.verifybackup().unwrap();
    restored.start(&[]);
    assert_eq!(restored.query("select count(*) from rows"), "5000");
}

// Each takes a share of the operations, so that none takes long.
#[test]
fn a_full_backup_fails_at_operations_1_4_7_and_so_on() {
    every_operation(Major::V15, BackupKind::Full, Leavings::Removed, (1..).step_by(3));
}

#[test]
fn a_full_backup_fails_at_operations_2_5_8_and_so_on() {
    every_operation(Major::V18, BackupKind::Full, Leavings::Removed, (2..).step_by(3));
}

#[test]
fn a_full_backup_fails_at_operations_3_6_9_and_so_on() {
    every_operation(Major::V13, BackupKind::Full, Leavings::Removed, (3..).step_by(3));
}

#[test]
fn a_resumed_backup_fails_at_every_odd_operation() {
    every_operation(Major::V17, BackupKind::Incremental, Leavings::Kept, (1..).step_by(2));
}

#[test]
fn a_resumed_backup_fails_at_every_even_operation() {
    every_operation(Major::V14, BackupKind::Incremental, Leavings::Kept, (2..).step_by(2));
}

/// Names and sizes of the files of a backup.
fn files(directory: &Path) -> Vec<(String, u64)> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, entry.metadata().unwrap().len())
    };
    let mut files: Vec<_> = entries.map(file).collect();
    files.sort();
    files
}

/// Whatever fails while old backups are removed, the newest stays whole, what is half removed
/// does not count, and the next expiry removes the rest.
#[test]
fn expiry_fails_at_every_operation() {
    let repository = Repository::start_small(Major::V16);
    for _ in 0..3 {
        repository.backup_inside(BackupKind::Full, &Plan::default()).unwrap();
    }
    let newest = states(&repository).pop().unwrap().0;
    let (name, whole) = (newest.file_name().unwrap(), files(&newest));
    let expire = |destination: &Path, plan: &Plan| {
        let disk = Disk::with_plan(plan.clone());
        expire::expire(&disk, destination, Policy::Generations(1), clock::now())
    };
    let mut last = 0;
    for number in 1_u64.. {
        let copy = repository.instance.directory().join(format!("copy-{number}"));
        let copied = Run::program("cp").arg("-a").arg(repository.destination()).arg(&copy);
        copied.finish().expect_code(0);
        let (fault, spell) = WAYS[usize::try_from(number).unwrap() % WAYS.len()];
        let plan = Plan::new(number, fault, spell);
        let outcome = expire(&copy, &plan);
        let what = format!("operation {number}, {fault:?} {spell:?}");
        if let Err(error) = &outcome {
            assert!(!error.detail.is_empty(), "{what}: {error}");
        }
        for entry in catalog::read(&Disk::real(), &copy).unwrap() {
            let status = catalog::info(&entry).status;
            assert_ne!(status, BackupStatus::Damaged, "{what}: {}", entry.label);
            let is_newest = entry.directory.file_name() == Some(name);
            assert!(!is_newest || status == BackupStatus::Complete, "{what}: the newest is gone");
        }
        expire(&copy, &Plan::default()).unwrap();
        let left = catalog::read(&Disk::real(), &copy).unwrap();
        assert_eq!(left.len(), 1, "{what}: all but the newest go in the end");
        assert_eq!(files(&copy.join(name)), whole, "{what}");
        fs::remove_dir_all(&copy).unwrap();
        if plan.has_struck() {
            last = number;
        } else if number > last + u64::try_from(WAYS.len()).unwrap() {
            break;
        }
    }
    assert!(last > 20, "{last} operations are too few to be all");
}
