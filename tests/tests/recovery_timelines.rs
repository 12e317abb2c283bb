//! Several timelines: to the past, promoted, worked on, backed up; then to before and behind the
//! fork on either branch. "Latest" follows the history in use, not the highest number.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use pgdeck_tests::spread::columns;
use pgdeck_tests::{Major, Repository, StopMode, TestInstance};

/// Timeline 1 with the markers 1 to 3, timeline 2 from behind 1 with 11 and 12, a backup on each.
fn branches(major: Major) -> Repository {
    let builder = TestInstance::builder(major).initdb_option("--wal-segsize=1");
    let repository = Repository::start_with(builder);
    repository.instance.sql("postgres", "create table marker (n int)");
    repository.backup(&["--type", "full"]);
    for number in 1..=3 {
        repository.mark(number);
    }
    repository.archive();
    repository.instance.stop(StopMode::Fast);
    let recovered = repository.recovered_in_place(&["-n", "after 1", "--action", "promote"]);
    assert_eq!(recovered.markers(), "1");
    let timeline = recovered.query("select timeline_id from pg_control_checkpoint()");
    assert_eq!(timeline, "2");
    repository.recover(&["discard", "--yes"]).finish().expect_code(0);
    repository.mark(11);
    repository.backup(&["--type", "full"]);
    repository.mark(12);
    repository.archive();
    repository.instance.stop(StopMode::Fast);
    repository
}

/// Recovers beside the instance; these markers must be there, on a timeline of its own.
#[track_caller]
fn assert_markers(repository: &Repository, options: &[&str], markers: &str) {
    let options: Vec<&str> = options.iter().copied().chain(["--action", "promote"]).collect();
    let recovered = repository.recovered(&options);
    assert_eq!(recovered.markers(), markers, "{options:?}");
    let timeline = recovered.query("select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)");
    assert_eq!(timeline, "00000003", "a number that is taken is not used again");
}

/// Targets with the markers that must be there.
const CASES: [(&[&str], &str); 5] = [
    // In use is timeline 2: its history goes through 1 up to the fork.
    (&[], "1 11 12"),
    (&["-n", "after 11"], "1 11"),
    (&["-n", "after 1"], "1"),
    // The other branch goes on behind the fork.
    (&["-n", "after 2", "--timeline", "1"], "1 2"),
    (&["--timeline", "1"], "1 2 3"),
];

fn either_branch(major: Major) {
    let repository = branches(major);
    // Each is carried out on two majors, and planned on all.
    for (options, markers) in columns(major, 0, CASES.len(), 2).into_iter().map(|at| CASES[at]) {
        assert_markers(&repository, options, markers);
    }

    let plan = repository.dry_run::<&str>(&[]);
    assert_eq!(plan["stop"]["timeline"], 2);
    let parent = repository.dry_run(&["-n", "after 1"]);
    assert_eq!(parent["stop"]["timeline"], 1, "where the point is: {parent:#}");
    let own = repository.dry_run(&["--timeline", "1", "-n", "after 3"]);
    assert_eq!(own["stop"]["timeline"], 1);

    // Behind the fork a point of the other branch is not on the way.
    let refusal = repository.dry_run_refused(&["-n", "after 2"]);
    assert!(
        refusal.detail.contains("timeline 1") && refusal.detail.contains("fork"),
        "{refusal:?}"
    );
    assert!(refusal.hint.contains("--timeline 1"), "{refusal:?}");
    let refusal = repository.dry_run_refused(&["-n", "after 12", "--timeline", "1"]);
    assert!(refusal.detail.contains("timeline 2"), "{refusal:?}");
    // A backup of timeline 2 leads nowhere on timeline 1.
    let label = repository.backups().last().unwrap()["label"].as_str().unwrap().to_owned();
    let refusal = repository.dry_run_refused(&["--timeline", "1", "--backup", &label]);
    assert!(
        refusal.fact.contains("timeline 1") || refusal.detail.contains("timeline"),
        "{refusal:?}"
    );

    let drawn = repository.recover(&["--map"]).finish().expect_code(0).stdout;
    assert!(drawn.contains("timeline 2, left timeline 1 at"), "{drawn}");
    assert!(drawn.contains("restore point  after 12"), "{drawn}");
}

pgdeck_tests::for_every_major! { either_branch }

/// A recovery elsewhere must not change what "latest" means here.
#[test]
fn a_higher_number_in_the_archive_is_not_followed() {
    let repository = branches(Major::V15);
    let archive = repository.destination().join("archived_wal");
    // As a copy would leave it that went on by itself from marker 1; the owner is kept.
    let mut copy = std::process::Command::new("cp");
    copy.arg("-a").arg(archive.join("00000002.history")).arg(archive.join("00000003.history"));
    assert!(copy.status().unwrap().success());
    let plan = repository.dry_run::<&str>(&[]);
    assert_eq!(plan["stop"]["timeline"], 2, "{plan:#}");
    let recovered = repository.recovered(&["--action", "promote"]);
    assert_eq!(recovered.markers(), "1 11 12");
}

/// Removes the history of timeline 2 from a directory, in whichever form it is stored.
fn remove_history(directory: &Path) {
    let entries = fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path());
    let is_it = |path: &PathBuf| path.to_string_lossy().contains("00000002.history");
    let found: Vec<PathBuf> = entries.filter(is_it).collect();
    assert!(!found.is_empty(), "no history in {}", directory.display());
    found.iter().for_each(|path| fs::remove_file(path).unwrap());
}

#[test]
fn a_history_that_is_missing() {
    let repository = branches(Major::V16);
    remove_history(&repository.destination().join("archived_wal"));
    // The old pg_wal has it: nothing is missing, for the plan and for the server.
    assert_markers(&repository, &["-n", "after 11"], "1 11");
    // With that one gone nothing says where timeline 2 comes from, but a backup is on it.
    remove_history(&repository.instance.data_directory().join("pg_wal"));
    assert_markers(&repository, &[], "1 11 12");
    let refusal = repository.dry_run_refused(&["-n", "after 1"]);
    assert!(refusal.hint.contains("--timeline 1"), "{refusal:?}");
    let parent = repository.dry_run(&["-n", "after 1", "--timeline", "1"]);
    assert_eq!(parent["stop"]["timeline"], 1);
    let warnings = parent["warnings"].to_string();
    assert!(warnings.contains("takes the number 2 again"), "{parent:#}");
    let child = repository.dry_run::<&str>(&[])["warnings"].to_string();
    assert!(!child.contains("takes the number"), "nobody has left WAL of timeline 3: {child}");
}
