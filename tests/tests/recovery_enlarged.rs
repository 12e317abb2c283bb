//! A long replay has larger shared buffers than the server's own, where that is safe; with the next
//! start they are its own again.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;

use pgdeck_tests::wal::stored;
use pgdeck_tests::{Major, Repository, StopMode, TestInstance};
use serde_json::Value;

const BUFFERS: &str = "show shared_buffers";
const OWN: &str = "8MB";
/// Segments of 16 MB; replays of less than 256 MB are not worth it.
const MANY: u32 = 18;

/// A stopped instance with so many segments behind its backup, all of them in the archive alone.
fn behind_segments(major: Major, count: u32, setting: (&str, &str)) -> Repository {
    let builder = TestInstance::builder(major)
        .setting("shared_buffers", OWN)
        .setting(setting.0, setting.1)
        .setting("max_wal_size", "64MB")
        .setting("min_wal_size", "32MB");
    let repository = Repository::start_with(builder);
    repository.instance.sql("postgres", "create table marker (n int)");
    repository.backup(&["--type", "full"]);
    for number in 1..=count {
        repository.mark(number);
        match number {
            // Where nothing has been written since there is nothing to switch.
            last if last == count => repository.archive(),
            _ => repository.instance.sql("postgres", "select pg_switch_wal()"),
        }
    }
    repository.instance.stop(StopMode::Fast);
    repository
}

/// Megabytes that a plan gives a setting.
fn planned(plan: &Value, name: &str) -> Option<u64> {
    let mut all = plan["enlarged"].as_array().unwrap().iter();
    all.find(|one| one["name"] == name).map(|one| one["bytes"].as_u64().unwrap() >> 20)
}

fn is_none(plan: &Value) -> bool {
    plan["enlarged"].as_array().unwrap().is_empty()
}

/// The plan says it, the server has it while it replays and until it is started again.
fn raised_for_the_replay(major: Major) {
    let repository = behind_segments(major, MANY, ("huge_pages", "try"));
    let plan = repository.dry_run::<&str>(&[]);
    let buffers = planned(&plan, "shared_buffers").unwrap();
    assert!(buffers << 20 >= plan["restore_bytes"].as_u64().unwrap(), "{plan:#}");
    let standby = repository.dry_run(&["--standby"]);
    assert!(is_none(&standby), "it never stops replaying: {standby:#}");
    let text = repository.recover(&["--dry-run"]).finish().expect_code(0).stdout;
    let said =
        format!("raises       shared_buffers from 8192 kB to {buffers} MB for a faster replay");
    assert!(text.contains(&said), "{text}");

    let recovered = repository.recovered_in_place::<&str>(&[]);
    assert_eq!(recovered.query(BUFFERS), format!("{buffers}MB"));
    assert_eq!(recovered.markers().split(' ').count(), MANY as usize);
    let promoted = repository.recover(&["promote"]).finish().expect_code(0);
    let told = format!("shared_buffers is {buffers} MB until the server is started again");
    assert!(promoted.stdout.contains(&told), "{}", promoted.stdout);
    repository.instance.restart();
    assert_eq!(repository.instance.query_one_text("postgres", BUFFERS), OWN);
}

#[test]
fn raised_for_the_replay_on_13() {
    raised_for_the_replay(Major::V13);
}

#[test]
fn raised_for_the_replay_on_18() {
    raised_for_the_replay(Major::V18);
}

/// One that was stopped at its target has replayed: it is promoted with its own.
#[test]
fn not_raised_for_the_start_behind_the_replay() {
    let repository = behind_segments(Major::V17, MANY, ("huge_pages", "try"));
    let options = ["--action", "shutdown", "--yes"];
    let stopped = repository.recover(&options).finish().expect_code(0);
    assert!(stopped.stdout.contains("stopped there"), "{}", stopped.stdout);
    let promoted = repository.recover(&["promote"]).finish().expect_code(0);
    assert!(!promoted.stdout.contains("shared_buffers"), "{}", promoted.stdout);
    assert_eq!(repository.instance.query_one_text("postgres", BUFFERS), OWN);
}

/// A short replay, and memory that is set aside for what is configured.
#[test]
fn not_raised_without_need_or_against_the_configuration() {
    let repository = behind_segments(Major::V15, 3, ("huge_pages", "try"));
    assert!(is_none(&repository.dry_run::<&str>(&[])));
    assert_eq!(repository.recovered::<&str>(&[]).query(BUFFERS), OWN);

    let repository = behind_segments(Major::V15, MANY, ("shared_memory_type", "sysv"));
    assert!(is_none(&repository.dry_run::<&str>(&[])));
}

/// When a replay fails nobody knows whether it was for want of memory: the next try goes without.
#[test]
fn the_second_try_goes_with_its_own() {
    let repository = behind_segments(Major::V16, MANY, ("huge_pages", "try"));
    let path = stored(repository.destination(), "00000001000000000000000A");
    let bytes = fs::read(&path).unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 0x10;
    fs::write(&path, damaged).unwrap();
    let failed = repository.recover(&["--yes"]).finish().expect_code(2);
    assert!(failed.stderr.contains("replay ended"), "{}", failed.stderr);
    fs::write(&path, bytes).unwrap();
    let recovered = repository.recovered_in_place::<&str>(&[]);
    assert_eq!(recovered.markers().split(' ').count(), MANY as usize);
    assert_eq!(recovered.query(BUFFERS), OWN);
}
