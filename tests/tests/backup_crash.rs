//! Backups that are killed: the destination stays sound, nothing claims to be complete that is
//! not, and the next backup uses what was copied.

// Operations fail on demand in debug builds only.
#![cfg(debug_assertions)]
// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use pgdeck_engine::api::{BackupKind, VerifyDepth};
use pgdeck_engine::sys::faults::{Fault, Plan, Spell};
use pgdeck_tests::{Major, Repository, proc};

/// Kills at any moment; more with `PGDECK_TEST_KILLS`.
const KILLS: u64 = 20;

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

/// A file that was taken over is not read again: damage that the first attempt saw must not be
/// forgotten with it.
#[test]
fn a_resumed_backup_knows_of_damaged_pages() {
    let repository = with_rows(Major::V18);
    repository.instance.allow_log("aborting backup due to backend exiting");
    repository.instance.sql("postgres", "checkpoint");
    let path =
        repository.instance.query_one_text("postgres", "select pg_relation_filepath('rows')");
    let file = repository.instance.data_directory().join(&path);
    let mut content = fs::read(&file).unwrap();
    content[5 * 8192 + 4000] ^= 1;
    fs::write(&file, content).unwrap();
    let mut child = repository.spawn(&["backup", "--rate", "12MB", "--jobs", "2"]);
    let begun =
        proc::wait_for(Duration::from_secs(60), || journal_lines(repository.destination()) > 12);
    assert!(begun, "nothing was copied");
    child.kill().unwrap();
    child.wait().unwrap();
    let done = repository.run(&["backup"]).finish();
    assert!(done.stdout.contains("is complete"), "{}{}", done.stdout, done.stderr);
    let label = repository.backups()[0]["label"].as_str().unwrap().to_owned();
    let document = repository.document(&label);
    assert!(document["sizes"]["adopted_files"].as_u64().unwrap() > 0, "nothing was taken over");
    let failures = &document["checksum_failures"];
    assert_eq!(failures[0]["path"], path, "{failures}");
    assert_eq!((&failures[0]["count"], &failures[0]["blocks"][0]), (&1.into(), &5.into()));
}

/// What an interrupted incremental backup stored and the next one finds as in the parent again
/// must not come back when the packs are unpacked by hand.
#[test]
fn a_resumed_incremental_backup_has_nothing_of_the_interrupted_one() {
    let repository = Repository::start_small(Major::V14);
    // Small files that are no relations are compared by their content.
    let hba = repository.instance.data_directory().join("pg_hba.conf");
    let first = fs::read(&hba).unwrap();
    let full = repository.backup(&[]);
    let changed = [first.as_slice(), b"# not for long\n"].concat();
    fs::write(&hba, &changed).unwrap();
    repository.instance.sql("postgres", "update rows set n = n + 1");
    // Ends when the pack is made durable: everything is in it.
    let fault = |number| Plan::new(number, Fault::Sync, Spell::FromThenOn);
    let mut ends = (25..).step_by(5).map(|number| {
        let ended = repository.backup_inside(BackupKind::Incremental, &fault(number));
        ended.unwrap_err().fact
    });
    assert!(ends.any(|fact| fact.contains("a pack")), "it never came to a pack");
    fs::write(&hba, &first).unwrap();
    let label = repository.backup(&["--type", "incremental"]);
    assert_sound(&repository);
    let restored = repository.restore_by_hand(&[full, label]);
    restored.verifybackup().unwrap();
    assert_eq!(fs::read(restored.directory().join("pg_hba.conf")).unwrap(), first);
}

/// Half of the kills come after a while, half before an operation of the disk, so that the short
/// steps at the end (stop, manifest, label, expiry) are met as often as they have operations.
#[test]
fn killed_at_any_moment() {
    let kills = std::env::var("PGDECK_TEST_KILLS").ok().and_then(|text| text.parse().ok());
    let repository = Repository::start_small(Major::V17);
    repository.instance.allow_log("could not send data to client");
    repository.backup(&[]);
    // Without a fault: how many operations there are, and how long they take.
    let counted = Plan::new(u64::MAX, Fault::Kill, Spell::Once);
    let began = Instant::now();
    repository.backup_inside(BackupKind::Full, &counted).unwrap();
    let whole = began.elapsed().as_millis().try_into().unwrap_or(2000).max(500);
    let mut seed = u64::from(std::process::id());
    let (kills, mut killed) = (kills.unwrap_or(KILLS), 0);
    for round in 0..kills {
        repository.instance.sql("postgres", "update rows set n = n + 1 where id % 50 = 0");
        let kind = if round % 3 == 2 { "incremental" } else { "full" };
        let random = next_random(&mut seed);
        let what = if round % 2 == 0 {
            let number =
                (random % (counted.operations() / kills)) + round * counted.operations() / kills;
            let plan = format!("{}:kill", number + 1);
            let run = repository.run(&["backup", "--type", kind]).env("PGDECK_FAULT", &plan);
            killed += u64::from(run.finish().signal() == Some(9));
            plan
        } else {
            let mut child = repository.spawn(&["backup", "--type", kind]);
            std::thread::sleep(Duration::from_millis(random % whole));
            child.kill().unwrap();
            killed += u64::from(child.wait().unwrap().code().is_none());
            format!("after {} of {whole} ms", random % whole)
        };
        assert_honest(&repository, &what);
    }
    assert!(killed > kills / 3, "only {killed} of {kills} were killed before they were done");
    repository.backup(&["--type", "full"]);
    assert_eq!(count(&repository, "INCOMPLETE"), 0, "what was overtaken is removed");
    assert_sound(&repository);
}

/// Complete is what has a label, and there is always one that was complete before.
#[track_caller]
fn assert_honest(repository: &Repository, what: &str) {
    let backups = repository.backups();
    assert!(backups.iter().any(|one| one["status"] == "COMPLETE"), "{what}: {backups:?}");
    for backup in &backups {
        let directory = Path::new(backup["directory"].as_str().unwrap());
        let has_label = directory.join("backup.json").exists();
        assert_eq!(backup["status"] == "COMPLETE", has_label, "{what}: {backup}");
        assert_ne!(backup["status"], "RUNNING", "{what}: nobody runs: {backup}");
    }
    let report = repository.verify_inside(VerifyDepth::Full).unwrap();
    assert_eq!(report.damages, Vec::<String>::new(), "{what}");
}

/// The next of a sequence (Knuth's MMIX): told with a failure, it can be had again.
fn next_random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}
