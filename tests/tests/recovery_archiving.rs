//! `archive_mode = always`: a standby that archives what it receives beside its primary, and a
//! recovery, which must archive nothing before it is promoted.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use pgdeck_tests::wal::archived;
use pgdeck_tests::{Major, Repository, Restored, StopMode, TestInstance, proc};

const WAIT: Duration = Duration::from_secs(60);
const FAILURES: &str = "select failed_count from pg_stat_archiver";

/// An instance that would archive in recovery as well, with marker 1 behind its backup.
fn always(major: Major) -> Repository {
    let builder = TestInstance::builder(major).initdb_option("--wal-segsize=1");
    let repository = Repository::start_with(builder);
    repository.instance.set("archive_mode", "always");
    repository.instance.restart();
    repository.instance.sql("postgres", "create table marker (n int)");
    repository.backup(&["--type", "full"]);
    repository.mark(1);
    repository
}

/// Markers that are in the archive, and marker 3 in a segment that is in the old `pg_wal` only.
/// The instance has crashed.
fn crashed(major: Major) -> Repository {
    let repository = always(major);
    repository.mark(2);
    repository.archive();
    let instance = &repository.instance;
    instance.allow_log("archive command failed with exit code 1");
    instance.allow_log("archiving write-ahead log file");
    let command = instance.query_one_text("postgres", "show archive_command");
    instance.set("archive_command", "false");
    instance.reload();
    repository.mark(3);
    instance.stop(StopMode::Immediate);
    instance.set("archive_command", &command);
    repository
}

/// What was rescued comes into the archive with the promotion, and not while it can be undone:
/// its server, put back, archives the segment when it is full.
fn recovered_and_undone(major: Major) {
    let repository = crashed(major);
    let before = archived(repository.destination());
    let recovered = repository.recovered_in_place::<&str>(&[]);
    assert_eq!(recovered.markers(), "1 2 3");
    assert_eq!(recovered.query("select pg_is_in_recovery()"), "t");
    assert_eq!(archived(repository.destination()), before);
    repository.recover(&["undo", "--yes"]).finish().expect_code(0);
    repository.instance.start();
    assert_eq!(repository.markers(), "1 2 3");
    repository.mark(4);
    repository.archive();
    let failures = repository.instance.query_one_text("postgres", FAILURES);
    assert_eq!(failures, "0", "the archive takes the segments of the old server");

    let xid = repository.marked_by(3);
    repository.instance.stop(StopMode::Fast);

    let recovered = repository.recovered_in_place(&["--xid", &xid, "--action", "promote"]);
    assert_eq!(recovered.markers(), "1 2 3");
    // The new server archives from now on.
    recovered.session("postgres").run("insert into marker values (33); select pg_switch_wal()");
    let is_there =
        || archived(repository.destination()).iter().any(|name| name.starts_with("00000002000"));
    assert!(proc::wait_for(WAIT, is_there), "{:?}", archived(repository.destination()));
    assert_eq!(recovered.query(FAILURES), "0");
    repository.recover(&["discard", "--yes"]).finish().expect_code(0);
    repository.instance.restart();
    let mode = repository.instance.query_one_text("postgres", "show archive_mode");
    assert_eq!(mode, "always", "the setting is the instance's again");
}

#[test]
fn recovered_and_undone_on_13() {
    recovered_and_undone(Major::V13);
}

#[test]
fn recovered_and_undone_on_18() {
    recovered_and_undone(Major::V18);
}

/// Both push the same segments into one destination, in whichever order.
#[test]
fn a_standby_archives_beside_its_primary() {
    let repository = always(Major::V16);
    let label = repository.backups()[0]["label"].as_str().unwrap().to_owned();
    let mut standby: Restored = repository.restore_by_hand(std::slice::from_ref(&label));
    standby.start_standby(&repository.instance);
    for number in 2..=4 {
        repository.mark(number);
        let name = repository.instance.switch_and_wait_archived();
        let query =
            format!("select coalesce(last_archived_wal, '') >= '{name}' from pg_stat_archiver");
        assert!(proc::wait_for(WAIT, || standby.query(&query) == "t"), "{name} on the standby");
    }
    assert_eq!(standby.query(FAILURES), "0");
    assert_eq!(repository.instance.query_one_text("postgres", FAILURES), "0");
    standby.stop();
    repository.verify(&[]).expect_code(0);
    // A recovery of what both have archived.
    let recovered = repository.recovered(&["-n", "after 4", "--action", "promote"]);
    assert_eq!(recovered.markers(), "1 2 3 4");
}
