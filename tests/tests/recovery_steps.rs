//! The steps after the pause from the command line: further and past it, another recovery
//! meanwhile, and which ways lead back from where.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use pgdeck_tests::{Major, Recovered, Refusal, Repository, StopMode, TestInstance};

/// Markers 1 to 4 behind a backup; the instance is stopped.
fn stopped(major: Major) -> Repository {
    let builder = TestInstance::builder(major).initdb_option("--wal-segsize=1");
    Repository::stopped_behind_markers(builder)
}

#[track_caller]
fn refused(repository: &Repository, options: &[&str]) -> Refusal {
    Refusal::of(&repository.recover(options).finish().expect_code(2))
}

#[track_caller]
fn goes(repository: &Repository, options: &[&str]) {
    repository.recover(options).finish().expect_code(0);
}

#[track_caller]
fn assert_waits(recovered: &Recovered, markers: &str) {
    assert_eq!(recovered.markers(), markers);
    assert_eq!(recovered.query("select pg_is_in_recovery()"), "t");
}

#[test]
fn further_and_further_up_to_the_end() {
    let repository = stopped(Major::V14);
    let recovered = repository.recovered_in_place(&["-n", "after 1"]);
    assert_waits(&recovered, "1");
    // What cannot be reached leaves the server where it waits.
    for (target, words) in [
        (&["-n", "after 9"][..], "no restore point"),
        (&["--lsn", "F/0"], "behind the end of WAL"),
        (&["--xid", "4000000000"], "no transaction"),
        (&["-e", "2100-01-01 00:00:00Z"], "in the future"),
        (&["-n", "after 1", "--exclusive"], "the server is at"),
    ] {
        let refusal = refused(&repository, &[&["further"], target].concat());
        let text = format!("{}\n{}", refusal.fact, refusal.detail);
        assert!(text.contains(words), "{target:?}: {refusal:?}");
        assert_waits(&recovered, "1");
    }
    goes(&repository, &["further", "-n", "after 2"]);
    assert_waits(&recovered, "1 2");
    goes(&repository, &["further"]);
    assert_waits(&recovered, "1 2 3 4");
    // Past it: a server cannot go back.
    let refusal = refused(&repository, &["further", "-n", "after 3"]);
    assert!(refusal.detail.contains("the server is at"), "{refusal:?}");
    assert!(refusal.hint.starts_with("Undo the recovery"), "{refusal:?}");
    assert_waits(&recovered, "1 2 3 4");
    goes(&repository, &["promote"]);
    assert_eq!(recovered.query("select pg_is_in_recovery()"), "f");
}

/// The last record of an instance that was stopped is a checkpoint, and so is that of one which
/// was just promoted: a server that had replayed it would not see its target again.
#[test]
fn a_server_that_was_stopped_at_the_end_is_promoted() {
    let repository = stopped(Major::V15);
    let recovered = repository.recovered_in_place(&["--action", "shutdown"]);
    assert!(!recovered.is_running());
    goes(&repository, &["promote"]);
    assert_eq!(recovered.markers(), "1 2 3 4");
    goes(&repository, &["discard", "--yes"]);
    let rehearsed = repository.run(&["rehearse"]).arg("--bin-dir");
    rehearsed.arg(repository.instance.bin_directory()).finish().expect_code(0);
}

#[test]
fn another_recovery_while_one_waits() {
    let repository = stopped(Major::V18);
    let waits = repository.recovered_in_place(&["-n", "after 1"]);
    // In the same place there is no other, whatever its target is.
    for target in [&["-n", "after 3"][..], &[], &["-n", "after 3", "--discard-old"]] {
        let refusal = refused(&repository, &[target, &["--yes"]].concat());
        assert!(refusal.hint.contains("pgdeck recover undo"), "{refusal:?}");
        assert_waits(&waits, "1");
    }
    // Beside it there is, with all that the old data has.
    let beside = repository.recovered(&["-n", "after 3"]);
    assert_waits(&beside, "1 2 3");
    assert_waits(&waits, "1");
    drop(beside);
    // The same again is the one that waits.
    goes(&repository, &["-n", "after 1", "--yes"]);
    assert_waits(&waits, "1");
    goes(&repository, &["undo", "--yes"]);
    repository.instance.start();
    assert_eq!(repository.markers(), "1 2 3 4");
}

#[test]
fn the_ways_back_end_with_the_old_data() {
    let repository = stopped(Major::V13);
    let recovered = repository.recovered_in_place(&["-n", "after 2"]);
    let refusal = refused(&repository, &["discard", "--yes"]);
    assert!(refusal.hint.starts_with("Promote it first"), "{refusal:?}");
    goes(&repository, &["promote"]);
    recovered.session("postgres").run("insert into marker values (22)");
    for step in ["promote", "further"] {
        let refusal = refused(&repository, &[step]);
        assert!(refusal.detail.contains("promoted"), "{step}: {refusal:?}");
    }
    // Also behind a promotion, and with the server stopped or not.
    goes(&repository, &["undo", "--yes"]);
    assert!(!repository.instance.is_running());
    repository.instance.start();
    assert_eq!(repository.markers(), "1 2 3 4");
    repository.mark(5);
    repository.instance.stop(StopMode::Fast);

    let recovered = repository.recovered_in_place(&["-n", "after 5", "--action", "promote"]);
    assert_eq!(recovered.markers(), "1 2 3 4 5");
    goes(&repository, &["discard", "--yes"]);
    let refusal = refused(&repository, &["undo", "--yes"]);
    assert!(refusal.fact.starts_with("there is no recovery of"), "{refusal:?}");
    assert_eq!(recovered.markers(), "1 2 3 4 5");
    assert_eq!(recovered.query("select pg_is_in_recovery()"), "f");
}
