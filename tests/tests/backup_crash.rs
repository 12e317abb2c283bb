//! Backups that are killed or whose disk fails: the destination stays sound, nothing claims to
//! be complete that is not, and the next backup uses what was copied.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use pgdeck_tests::{Major, Repository, proc};

/// Rounds of killing at any moment; more with `PGDECK_TEST_KILLS`.
const KILLS: u64 = 6;

fn with_rows(major: Major) -> Repository {
    let repository = Repository::start(major);
    repository.instance.sql(
        "postgres",
        "create table rows as select g as id, md5(g::text) as b, 0 as n from generate_series(1, 300000) g",
    );
    repository
}

/// What the catalog says, by status.
fn count(repository: &Repository, status: &str) -> usize {
    repository.backups().iter().filter(|backup| backup["status"] == status).count()
}

/// Nothing that is complete may be damaged; an interrupted one is worth a warning.
#[track_caller]
fn assert_sound(repository: &Repository) {
    let verified = repository.verify(&["--json"]);
    let report: serde_json::Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!(report["damages"].as_array().unwrap().len(), 0, "{report}");
    assert!(matches!(verified.code(), Some(0 | 1)));
}

fn journal_lines(destination: &Path) -> usize {
    let Ok(entries) = fs::read_dir(destination) else { return 0 };
    let directories = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    let files = directories.filter_map(|path| fs::read_dir(path).ok()).flatten().flatten();
    let journals = files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|end| end == "journal"));
    journals.map(|path| fs::read_to_string(path).unwrap_or_default().lines().count()).sum()
}

#[test]
fn an_interrupted_backup_is_resumed() {
    let repository = with_rows(Major::V16);
    repository.instance.allow_log("aborting backup due to backend exiting");
    let mut child = repository.spawn(&["backup", "--rate", "12MB", "--jobs", "2"]);
    // Largest files first: the table, which changes below, and a few that stay as they are.
    let begun =
        proc::wait_for(Duration::from_secs(60), || journal_lines(repository.destination()) > 12);
    assert!(begun, "nothing was copied");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((count(&repository, "COMPLETE"), count(&repository, "INCOMPLETE")), (0, 1));
    assert_eq!(repository.verify(&[]).code(), Some(1), "an interrupted backup is a warning");
    repository.instance.sql("postgres", "update rows set n = 1 where id = 77");

    let plan = repository.run(&["backup", "--dry-run"]).finish().expect_code(0).stdout;
    assert!(plan.contains("resumes"), "{plan}");
    let label = repository.backup(&[]);
    assert_eq!((count(&repository, "COMPLETE"), count(&repository, "INCOMPLETE")), (1, 0));
    let adopted = repository.document(&label)["sizes"]["adopted_files"].as_u64().unwrap();
    assert!(adopted > 0, "nothing was taken over");
    assert_sound(&repository);
    let mut restored = repository.restore_by_hand(&[label]);
    restored.verifybackup().unwrap();
    restored.start(&[]);
    assert_eq!(restored.query("select count(*) from rows where n = 1"), "1");
    restored.read_everything();
}

#[test]
fn killed_at_any_moment() {
    let kills = std::env::var("PGDECK_TEST_KILLS").ok().and_then(|text| text.parse().ok());
    let repository = with_rows(Major::V17);
    repository.instance.allow_log("aborting backup due to backend exiting");
    repository.instance.allow_log("could not send data to client");
    let first = repository.backup(&[]);
    let seed = u64::from(std::process::id());
    for round in 0..kills.unwrap_or(KILLS) {
        repository.instance.sql("postgres", "update rows set n = n + 1 where id % 50 = 0");
        let kind = if round % 2 == 0 { "full" } else { "incremental" };
        let mut child = repository.spawn(&["backup", "--type", kind, "--rate", "40MB"]);
        std::thread::sleep(Duration::from_millis((seed + round * 7919) % 2500));
        child.kill().unwrap();
        child.wait().unwrap();
        let backups = repository.backups();
        assert!(backups.iter().any(|one| one["label"] == first.as_str()));
        for backup in &backups {
            let has_label =
                Path::new(backup["directory"].as_str().unwrap()).join("backup.json").exists();
            assert_eq!(backup["status"] == "COMPLETE", has_label, "{backup}");
        }
        assert_sound(&repository);
    }
    repository.backup(&["--type", "full"]);
    assert_eq!(count(&repository, "INCOMPLETE"), 0, "what was overtaken is removed");
    assert_sound(&repository);
}

/// The file-system door fails operation N: each failure is told, and leaves nothing that
/// claims to be complete and is not.
#[test]
fn any_operation_of_the_disk_may_fail() {
    let repository = Repository::start(Major::V15);
    repository.backup(&[]);
    let mut failures = 0;
    for (number, fault) in [
        (5, "eio"),
        (30, "enospc"),
        (45, "eio"),
        (60, "enospc:on"),
        (75, "short"),
        (90, "eio:on"),
        (105, "kill"),
        (120, "eio"),
    ] {
        let plan = format!("{number}:{fault}");
        let done =
            repository.run(&["backup", "--type", "full"]).env("PGDECK_FAULT", &plan).finish();
        if fault == "kill" {
            repository.instance.allow_log("aborting backup due to backend exiting");
        }
        let is_short = fault == "short";
        if done.code() != Some(0) {
            failures += 1;
            assert!(fault == "kill" || done.stderr.contains("DETAIL:"), "{plan}: {}", done.stderr);
        }
        assert!(
            !is_short || done.code() == Some(0),
            "a short write is gone on with: {}",
            done.stderr
        );
        assert_sound(&repository);
    }
    assert!(failures >= 4, "only {failures} of the faults were met");
    repository.backup(&[]);
    assert_sound(&repository);
}

/// A full disk, really: only root can mount one.
#[test]
fn a_full_destination_is_told_and_stays_sound() {
    if !pgdeck_engine::sys::credentials::Credentials::current().is_root() {
        return;
    }
    let repository = with_rows(Major::V14);
    let place = repository.instance.make_directory("small");
    let mounted = pgdeck_tests::Run::program("mount")
        .args(["-t", "tmpfs", "-o", "size=24m,mode=0700,uid=postgres", "none"])
        .arg(&place)
        .finish();
    if mounted.code() != Some(0) {
        // A container without the privilege to mount.
        return;
    }
    let wal = place.join("archived_wal");
    std::os::unix::fs::symlink(repository.destination().join("archived_wal"), &wal).unwrap();
    let destination = place.to_str().unwrap();
    let refused = repository.run(&["backup", "--compress", "none", "-B", destination]).finish();
    assert_eq!(refused.code(), Some(2));
    assert!(refused.stderr.contains("does not fit"), "{}", refused.stderr);
    // One that was expected to fit: compressible by the assumed ratio only.
    repository.instance.sql(
        "postgres",
        "create table noise as select g, (select string_agg(md5(random()::text || g || i), '')
         from generate_series(1, 30) i) b from generate_series(1, 18000) g",
    );
    let failed = repository.run(&["backup", "-B", destination]).finish();
    let listed = repository.run(&["backups", "-B", destination]).finish();
    pgdeck_tests::Run::program("umount").arg(&place).finish().expect_code(0);
    assert_eq!(failed.code(), Some(2), "{}", failed.stdout);
    assert!(failed.stderr.contains("space") || failed.stderr.contains("fit"), "{}", failed.stderr);
    assert!(!listed.stdout.contains("  COMPLETE"), "{}", listed.stdout);
}
