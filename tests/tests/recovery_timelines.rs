//! Several timelines: to the past, promoted, worked on, backed up; then to before and behind the
//! fork on either branch. "Latest" follows the history in use, not the highest number.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use pgdeck_tests::{Major, Repository, StopMode, TestInstance};

fn mark(repository: &Repository, number: u32) {
    // Two commands: in one the restore point would come before the commit.
    let sql = |text: &str| repository.instance.sql("postgres", text);
    sql(&format!("insert into marker values ({number})"));
    sql(&format!("select pg_create_restore_point('after {number}')"));
}

/// Timeline 1 with the markers 1 to 3, timeline 2 from behind 1 with 11 and 12, a backup on each.
fn branches(major: Major) -> Repository {
    let builder = TestInstance::builder(major).initdb_option("--wal-segsize=1");
    let repository = Repository::start_with(builder);
    repository.instance.sql("postgres", "create table marker (n int)");
    repository.backup(&["--type", "full"]);
    for number in 1..=3 {
        mark(&repository, number);
    }
    repository.archive();
    repository.instance.stop(StopMode::Fast);
    let recovered = repository.recovered_in_place(&["-n", "after 1", "--action", "promote"]);
    assert_eq!(recovered.markers(), "1");
    let timeline = recovered.query("select timeline_id from pg_control_checkpoint()");
    assert_eq!(timeline, "2");
    repository.recover(&["discard", "--yes"]).finish().expect_code(0);
    mark(&repository, 11);
    repository.backup(&["--type", "full"]);
    mark(&repository, 12);
    repository.archive();
    repository.instance.stop(StopMode::Fast);
    repository
}

/// The markers after a recovery beside the instance, and the timeline that came of it.
#[track_caller]
fn markers(repository: &Repository, options: &[&str]) -> (String, String) {
    let options: Vec<&str> = options.iter().copied().chain(["--action", "promote"]).collect();
    let recovered = repository.recovered(&options);
    let timeline = recovered.query("select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)");
    (recovered.markers(), timeline)
}

fn either_branch(major: Major) {
    let repository = branches(major);
    // In use is timeline 2: its history goes through 1 up to the fork.
    assert_eq!(markers(&repository, &[]).0, "1 11 12");
    assert_eq!(markers(&repository, &["-n", "after 11"]).0, "1 11");
    assert_eq!(markers(&repository, &["-n", "after 1"]).0, "1");
    // The other branch goes on behind the fork.
    let (found, timeline) = markers(&repository, &["-n", "after 2", "--timeline", "1"]);
    assert_eq!(found, "1 2");
    assert_eq!(timeline, "00000003", "a number that is taken is not used again");
    assert_eq!(markers(&repository, &["--timeline", "1"]).0, "1 2 3");

    let plan = repository.dry_run::<&str>(&[]);
    assert_eq!(plan["stop"]["timeline"], 2);
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

#[test]
fn either_branch_on_13() {
    either_branch(Major::V13);
}

#[test]
fn either_branch_on_17() {
    either_branch(Major::V17);
}

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
    assert_eq!(markers(&repository, &[]).0, "1 11 12");
}
