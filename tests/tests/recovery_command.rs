//! `pgdeck recover` and `pgx_rcvall` as people and scripts use them: what is asked, what is
//! refused and why, the steps after the pause, and the names of the operations guide.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use pgdeck_engine::api::ErrorCode;
use pgdeck_tests::deck::Refusal;
use pgdeck_tests::{Console, Finished, Major, Repository, Run, StopMode, TestInstance};
use serde_json::Value;

const MARKERS: &str = "select string_agg(n::text, ' ' order by n) from marker";

fn mark(repository: &Repository, number: u32) {
    let sql = |text: &str| repository.instance.sql("postgres", text);
    sql(&format!("insert into marker values ({number})"));
    sql(&format!("select pg_create_restore_point('after {number}')"));
}

/// Markers 1 to 3 behind a full backup; the instance is stopped.
fn stopped() -> Repository {
    let repository = Repository::start_with(
        TestInstance::builder(Major::V15).initdb_option("--wal-segsize=1").name("inst1"),
    );
    repository.instance.sql("postgres", "create table marker (n int)");
    repository.backup(&["--type", "full"]);
    (1..=3).for_each(|number| mark(&repository, number));
    repository.instance.stop(StopMode::Fast);
    repository
}

#[track_caller]
fn refused(repository: &Repository, options: &[&str]) -> Refusal {
    Refusal::of(&repository.recover(options).finish().expect_code(2))
}

/// Everything in a directory with its size, to see that nothing was touched.
fn everything(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let (path, data) = (entry.path(), fs::symlink_metadata(entry.path()).unwrap());
        if data.is_dir() {
            found.extend(everything(&path));
        } else {
            found.push((path, data.len()));
        }
    }
    found.sort();
    found
}

#[track_caller]
fn hint_of(code: ErrorCode) -> &'static str {
    code.default_hint()
}

#[test]
fn what_cannot_be_is_refused_and_nothing_is_touched() {
    let repository = stopped();
    let data = repository.instance.data_directory().to_owned();
    let before = everything(&data);
    let refusal = refused(&repository, &[]);
    assert_eq!(refusal.fact, "the recovery is not confirmed");
    assert_eq!(refusal.detail, "nothing was touched");
    let refusal = refused(&repository, &["-n", "never made", "--yes"]);
    assert!(refusal.fact.contains("cannot be reached"), "{refusal:?}");
    let refusal = refused(&repository, &["-e", "2100-01-01 00:00:00Z", "--yes"]);
    assert!(refusal.fact.contains("cannot be reached"), "{refusal:?}");
    let refusal = refused(&repository, &["-e", "2001-01-01 00:00:00Z", "--dry-run"]);
    assert!(refusal.hint.contains("--immediate"), "{refusal:?}");
    let refusal = refused(&repository, &["--backup", "2001-01-01_00-00-00", "--dry-run"]);
    assert!(refusal.fact.contains("2001-01-01_00-00-00"), "{refusal:?}");
    let taken = repository.instance.directory().display().to_string();
    let refusal = refused(&repository, &["--to", &taken, "--dry-run"]);
    assert_eq!(refusal.hint, hint_of(ErrorCode::RecoveryPlace), "{refusal:?}");
    for step in
        [&["status"][..], &["promote"], &["further"], &["undo", "--yes"], &["discard", "--yes"]]
    {
        let refusal = refused(&repository, step);
        assert!(refusal.fact.starts_with("there is no recovery of"), "{step:?} {refusal:?}");
    }
    let refusal = refused(&repository, &["undo"]);
    assert_eq!(refusal.fact, "this is not confirmed");
    assert_eq!(everything(&data), before);

    repository.instance.start();
    let refusal = refused(&repository, &["--yes"]);
    assert_eq!(refusal.hint, hint_of(ErrorCode::RecoveryRunning), "{refusal:?}");
    assert_eq!(repository.instance.query_one_text("postgres", MARKERS), "1 2 3");
    repository.instance.finish().unwrap();
}

#[test]
fn a_running_instance_is_planned_and_not_touched() {
    let repository = stopped();
    let instance = &repository.instance;
    instance.start();
    let ask = |query: &str| instance.query_one_text("postgres", query);
    instance.switch_and_wait_archived();
    mark(&repository, 4);
    let open = ask("select pg_walfile_name(pg_current_wal_lsn())");
    let flushed = ask("select pg_current_wal_flush_lsn()::text");
    let plan = repository.dry_run::<&str>(&[]);
    let running = &plan["running"];
    let pid = instance.postmaster_pid().unwrap();
    assert_eq!(running["detail"], format!("process {pid}"), "{plan:#}");
    let unarchived = running["unarchived"].as_array().unwrap();
    assert_eq!(unarchived.last().unwrap()["last"], open, "{plan:#}");
    assert!(unarchived.iter().all(|run| run["source"] == "old_wal"), "{plan:#}");
    let reaches = |end: &Value| {
        let end = end.as_str().unwrap();
        ask(&format!("select '{end}'::pg_lsn >= '{flushed}'::pg_lsn")) == "t"
    };
    assert!(reaches(&running["wal_end"]) && reaches(&plan["stop"]["reached"]), "{plan:#}");
    assert_eq!(plan["replaced"]["state"], "it runs");
    let text = repository.recover(&["--dry-run"]).finish().expect_code(0).stdout;
    let said = format!("RUNS         process {pid}: it must be stopped before this can be done");
    assert!(text.starts_with(&said), "{text}");
    // Beside it nothing has to be stopped.
    let beside = instance.directory().join("beside").display().to_string();
    let plan = repository.dry_run(&["--to", &beside]);
    assert_eq!(plan["running"], Value::Null, "{plan:#}");
    // Nothing but the dry run is possible, and the server has not noticed.
    let refusal = refused(&repository, &["--yes"]);
    assert_eq!(refusal.hint, hint_of(ErrorCode::RecoveryRunning), "{refusal:?}");
    assert_eq!(instance.postmaster_pid(), Some(pid));
    assert_eq!(ask(MARKERS), "1 2 3 4");
    assert!(!instance.data_directory().join("pgdeck_recovery").exists());
    // Stopped, the same plan is carried out.
    instance.stop(StopMode::Fast);
    assert_eq!(repository.dry_run::<&str>(&[])["running"], Value::Null);
    assert_eq!(repository.recovered_in_place::<&str>(&[]).markers(), "1 2 3 4");
}

#[test]
fn a_time_is_read_in_the_time_zone_of_the_machine() {
    let repository = stopped();
    let zone = "CET-1CEST,M3.5.0,M10.5.0/3";
    let plan = |time: &str| repository.recover(&["--dry-run", "-e", time]).env("TZ", zone).finish();
    let of = |time: &str| plan(time).expect_code(2).stderr;
    assert!(of("2026-07-01 10:00:00").contains("2026-07-01T08:00:00Z cannot be reached"));
    assert!(of("2026-01-01 10:00:00").contains("2026-01-01T09:00:00Z cannot be reached"));
    assert!(of("2026-01-01 10:00:00+05:30").contains("2026-01-01T04:30:00Z cannot be reached"));
    for (time, why) in [("2026-03-29 02:30:00", "put forward"), ("2026-10-25 02:30:00", "twice")] {
        let done = plan(time).expect_code(64);
        assert!(done.stderr.contains(why), "{}", done.stderr);
    }
    // The plan prints what was asked with its offset.
    let commit = repository.dry_run(&["-n", "after 2"])["stop"]["last_commit_at"].clone();
    let shown = repository.recover(&["--dry-run", "-e", commit.as_str().unwrap()]).finish();
    let shown = shown.expect_code(0).stdout;
    assert!(shown.contains("time asked for: 20") && shown.contains("+00:00"), "{shown}");
}

#[test]
fn paused_then_further_then_undone_then_promoted() {
    let repository = stopped();
    let recovered = repository.recovered_in_place(&["-n", "after 1"]);
    assert_eq!(recovered.markers(), "1");
    assert_eq!(recovered.query("select pg_is_in_recovery()"), "t");
    let status = |option: &[&str]| {
        let words = [&["status"], option].concat();
        repository.recover(&words).finish().expect_code(0)
    };
    let text = status(&[]);
    assert!(text.stdout.contains("paused at the target"), "{}", text.stdout);
    assert!(text.stderr.contains("pgdeck recover promote -D "), "{}", text.stderr);
    let state: Value = serde_json::from_str(&status(&["--json"]).stdout).unwrap();
    assert_eq!(state["phase"], "paused");
    assert!(state["kept_bytes"].as_u64().unwrap() > 0, "{state:#}");

    // Earlier than here is not further.
    let refusal = refused(&repository, &["further", "-n", "after 1", "--exclusive"]);
    assert!(refusal.fact.contains("not behind") || refusal.detail.contains("0/"), "{refusal:?}");
    repository.recover(&["further", "-n", "after 2"]).finish().expect_code(0);
    assert_eq!(recovered.markers(), "1 2");
    repository.recover(&["undo", "--yes"]).finish().expect_code(0);
    assert!(!repository.instance.is_running());
    repository.instance.start();
    assert_eq!(repository.instance.query_one_text("postgres", MARKERS), "1 2 3");
    repository.instance.stop(StopMode::Fast);

    let recovered = repository.recovered_in_place(&["-n", "after 2"]);
    assert_eq!(recovered.markers(), "1 2");
    let done = repository.recover(&["promote"]).finish().expect_code(0);
    assert!(done.stderr.contains("pgdeck backup -D "), "{}", done.stderr);
    assert_eq!(recovered.query("select pg_is_in_recovery()"), "f");
    // Another one would bury the data that is kept.
    repository.instance.stop(StopMode::Fast);
    let refusal = refused(&repository, &["--yes"]);
    assert!(refusal.hint.contains("discard"), "{refusal:?}");
    repository.recover(&["discard", "--yes"]).finish().expect_code(0);
    assert!(!repository.instance.data_directory().join("pgdeck_recovery").exists());
    repository.recover(&["--action", "shutdown", "--yes"]).finish().expect_code(0);
    assert!(!repository.instance.is_running());
    repository.recover(&["undo", "--yes"]).finish().expect_code(0);
}

#[test]
fn on_a_terminal_the_instances_name_is_typed() {
    let repository = stopped();
    let begin = || {
        let state = repository.instance.directory().join("state");
        Console::pgdeck()
            .args(["recover", "-n", "after 2", "-D"])
            .arg(repository.instance.data_directory())
            .arg("--state-dir")
            .arg(state)
            .size(120, 50)
            .spawn()
    };
    let mut console = begin();
    console.wait_for("Type the instance's name, inst1, to recover:");
    assert!(console.find("after 2").is_some(), "{}", console.screen_text());
    console.send("y\r");
    assert_eq!(console.wait_exit().code(), Some(2));
    assert!(!repository.instance.data_directory().join("pgdeck_recovery").exists());
    console = begin();
    console.wait_for("Type the instance's name");
    console.send("inst1\r");
    assert_eq!(console.wait_exit().code(), Some(0), "{}", console.screen_text());
    assert_eq!(repository.instance.query_one_text("postgres", MARKERS), "1 2");
    repository.recover(&["undo", "--yes"]).finish().expect_code(0);
}

/// Calls the program by its name in the operations guide.
fn rcvall(repository: &Repository, options: &[&str]) -> Finished {
    let home = tempfile::tempdir().unwrap();
    let name = home.path().join("pgx_rcvall");
    std::os::unix::fs::symlink(pgdeck_tests::bin::pgdeck(), &name).unwrap();
    Run::program(&name)
        .args(["-D", repository.instance.data_directory().to_str().unwrap()])
        .args(["-B", repository.destination().to_str().unwrap()])
        .args(options)
        .arg("--state-dir")
        .arg(repository.instance.directory().join("state"))
        .finish()
}

#[test]
fn pgx_rcvall_recovers_without_a_question_and_leaves_the_start_to_the_next_step() {
    let repository = stopped();
    let listed = rcvall(&repository, &["-l"]).expect_code(0).stdout;
    assert!(listed.contains("COMPLETE"), "{listed}");
    let done = rcvall(&repository, &["-n", "after 2", "--keystore-passphrase"]).expect_code(0);
    assert!(done.stderr.contains("has no keystore"), "{}", done.stderr);
    assert!(!repository.instance.is_running(), "the guide starts it next");
    repository.instance.start();
    assert_eq!(repository.instance.query_one_text("postgres", MARKERS), "1 2");
    assert_eq!(repository.instance.query_one_text("postgres", "select pg_is_in_recovery()"), "f");
    repository.instance.stop(StopMode::Fast);
    repository.recover(&["undo", "--yes"]).finish().expect_code(0);
}

#[test]
fn pgx_rcvall_fails_as_the_guide_says() {
    let repository = stopped();
    // A segment on the way is damaged behind its index's back: only replay finds it.
    let plan = repository.dry_run(&["-n", "after 3"]);
    let last = plan["wal"].as_array().unwrap().last().unwrap()["last"].as_str().unwrap().to_owned();
    repository.instance.start();
    for number in 4..=5 {
        repository.archive();
        mark(&repository, number);
        repository.instance.sql("postgres", "checkpoint");
    }
    repository.instance.stop(StopMode::Fast);
    let stored = repository.destination().join("archived_wal").join(format!("{last}.zst"));
    let mut bytes = fs::read(&stored).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&stored, bytes).unwrap();
    let old = repository.instance.data_directory().join("pg_wal").join(&last);
    if old.exists() {
        fs::remove_file(old).unwrap();
    }
    let done = rcvall(&repository, &["-n", "after 5"]).expect_code(2);
    let mut lines = done.stderr.lines();
    let begin = lines.find(|line| *line == "pgx_rcvall: an error occurred during recovery");
    assert!(begin.is_some(), "{}", done.stderr);
    let rest: Vec<&str> = lines.collect();
    let own = rest.iter().position(|line| line.starts_with("pgx_rcvall: "));
    let log = &rest[..own.unwrap_or_else(|| panic!("{}", done.stderr))];
    assert!(log.iter().any(|line| line.starts_with("FATAL: ")), "{}", done.stderr);
    assert!(log.len() <= 20, "the end, not all of it: {}", done.stderr);
    assert!(done.stderr.contains(&last) && done.stderr.contains("damaged"), "{}", done.stderr);
    assert!(!done.stderr.contains("the database system is starting"), "{}", done.stderr);
    assert!(!done.stderr.contains("not yet accepting"), "{}", done.stderr);
}

/// What the dry run has shown is what is done, or nothing is.
#[test]
fn mistakes_are_found_and_the_moment_before_them_is_a_target() {
    let repository = stopped();
    repository.instance.start();
    let instance = &repository.instance;
    instance.sql("postgres", "create table doomed as select g from generate_series(1, 3000) g");
    instance.sql("postgres", "create table precious as select g from generate_series(1, 30) g");
    mark(&repository, 4);
    instance.sql("postgres", "delete from doomed");
    instance.sql("postgres", "drop table precious");
    mark(&repository, 5);
    repository.archive();
    instance.stop(StopMode::Fast);
    let found = repository.recover(&["mistakes", "--json"]).finish().expect_code(0);
    let found: Vec<Value> = serde_json::from_str(&found.stdout).unwrap();
    let kinds: Vec<_> = found.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["drop", "delete"], "{found:#?}");
    assert_eq!(found[1]["rows"], 3000);
    let table = repository.recover(&["mistakes"]).finish().expect_code(0);
    assert!(table.stdout.contains("DROP") && table.stderr.contains("--exclusive"), "{table:?}");
    let few = repository.recover(&["mistakes", "--rows", "4000"]).finish().expect_code(0);
    assert!(!few.stdout.contains("DELETE"), "{}", few.stdout);
    let xid = found[1]["xid"].to_string();
    let recovered = repository.recovered(&["--xid", &xid, "--exclusive"]);
    assert_eq!(recovered.query("select count(*) from doomed"), "3000");
    assert_eq!(recovered.query("select count(*) from precious"), "30");
    assert_eq!(recovered.markers(), "1 2 3 4");
}
