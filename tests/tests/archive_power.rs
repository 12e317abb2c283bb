//! The power is cut while a backup is taken or a segment is archived: what claims to be complete
//! can be verified, what was told to be archived is there, and the next one succeeds.

// Power is cut on demand in debug builds only.
#![cfg(debug_assertions)]
// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use pgdeck_engine::api::{BackupKind, VerifyDepth, WalCompression, WalPlace, WalPush};
use pgdeck_engine::pg::wal::WalFileName;
use pgdeck_engine::sys::disk::Disk;
use pgdeck_engine::sys::faults::{Fault, Loss, Plan, Spell};
use pgdeck_engine::wal::archive::Archive;
use pgdeck_engine::wal::push::push;
use pgdeck_tests::wal::WalSite as Site;
use pgdeck_tests::{Major, Repository};

/// A cut that the test survives: no change is made after it.
fn cut(number: u64, loss: Loss) -> Plan {
    Plan::new(number, Fault::Power(loss), Spell::FromThenOn)
}

fn losses(seeds: u64) -> impl Iterator<Item = Loss> {
    std::iter::once(Loss::Everything).chain((0..seeds).map(Loss::Part))
}

fn request(site: &Site, destination: &Path) -> WalPush {
    WalPush {
        source: site.segment(0),
        place: WalPlace::Destination(destination.to_owned()),
        compression: WalCompression::default(),
        data_directory: Some(site.instance.data_directory().to_owned()),
    }
}

#[test]
fn what_was_told_to_be_archived_is_there_after_the_cut() {
    let site = Site::new("--wal-segsize=1");
    let name = WalFileName::parse(&site.names[0]).unwrap();
    let content = fs::read(site.segment(0)).unwrap();
    let mut done = 0;
    for loss in losses(4) {
        for number in 1.. {
            done += 1;
            let what = format!("{loss:?}, sync {number}");
            let destination = site.destination(&format!("backup-{done}"));
            let plan = cut(number, loss);
            let told = push(&Disk::with_plan(plan.clone()), &request(&site, &destination));
            plan.lose().unwrap();
            check(&destination, name, &content, told.is_ok(), &what);
            let again = push(&Disk::real(), &request(&site, &destination));
            assert!(again.is_ok(), "{what}: {again:?}");
            check(&destination, name, &content, true, &what);
            if !plan.has_struck() {
                assert!(number > 4, "{number} syncs are too few to be all");
                break;
            }
        }
    }
    site.instance.finish().unwrap();
}

/// What has a final name is whole; what was told to be there is.
#[track_caller]
fn check(destination: &Path, name: WalFileName, content: &[u8], was_told: bool, what: &str) {
    let archive = match Archive::open_if_there(&Disk::real(), destination) {
        Ok(Some(archive)) => archive,
        other => return assert!(!was_told, "{what}: {other:?}"),
    };
    let found = archive.find(name).unwrap();
    assert!(found.len() == 1 || (!was_told && found.is_empty()), "{what}: {found:?}");
    for file in found {
        assert!(archive.read(&file).unwrap()[..] == content[..], "{what}: {file:?}");
    }
    let _ = archive.identity().unwrap();
}

/// Every STEPth sync with `PGDECK_TEST_STEP`.
#[test]
fn what_claims_to_be_complete_can_be_verified_after_the_cut() {
    let step = std::env::var("PGDECK_TEST_STEP").ok().and_then(|text| text.parse().ok());
    let step: u64 = step.unwrap_or(4);
    let repository = Repository::start_small(Major::V17);
    repository.instance.allow_log("could not send data to client");
    repository.backup(&[]);
    let counted = cut(u64::MAX, Loss::Everything);
    repository.backup_inside(BackupKind::Full, &counted).unwrap();
    counted.lose().unwrap();
    let total = counted.syncs();
    assert!(total > 12, "{total} syncs are too few to be all");
    let seed = u64::from(std::process::id());
    for round in 0..=total / step {
        let number = 1 + seed % step + round * step;
        repository.instance.sql("postgres", "update rows set n = n + 1 where id % 50 = 0");
        let loss = if number % 4 < 2 { Loss::Everything } else { Loss::Part(seed + number) };
        let kind = if number % 3 == 2 { BackupKind::Incremental } else { BackupKind::Full };
        let plan = cut(number, loss);
        let told = repository.backup_inside(kind, &plan);
        plan.lose().unwrap();
        let what = format!("{kind:?}, {loss:?}, sync {number} of {total}");
        let after = complete(&repository, &what);
        if let Ok(finished) = &told {
            assert!(after.contains(&finished.document.label.to_string()), "{what}: {after:?}");
        }
    }
    let label = repository.backup(&["--type", "full"]);
    assert!(complete(&repository, "the last").contains(&label));
    repository.restore_by_hand(&[label]).verifybackup().unwrap();
}

/// The complete backups: at least one, and all can be verified.
#[track_caller]
fn complete(repository: &Repository, what: &str) -> Vec<String> {
    let report = repository.verify_inside(VerifyDepth::Full).unwrap();
    assert_eq!(report.damages, Vec::<String>::new(), "{what}");
    let backups = repository.backups();
    let complete = backups.iter().filter(|one| one["status"] == "COMPLETE");
    let complete: Vec<_> = complete.map(|one| one["label"].as_str().unwrap().to_owned()).collect();
    assert!(!complete.is_empty(), "{what}: {backups:?}");
    complete
}
