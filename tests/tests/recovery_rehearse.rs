//! Rehearsals: the evidence, what is checked, and that nothing is left behind, whatever happens.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pgdeck_engine::api::ErrorCode;
use pgdeck_tests::deck::Refusal;
use pgdeck_tests::{Deck, Finished, Major, Repository, Run, Signal, TestInstance, proc};
use serde_json::Value;

fn rehearse(repository: &Repository, options: &[&str]) -> Run {
    let words: Vec<&str> = std::iter::once("rehearse").chain(options.iter().copied()).collect();
    repository.run(&words).arg("--bin-dir").arg(repository.instance.bin_directory())
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Scratch directories beside the data directory.
fn scratch(repository: &Repository) -> Vec<PathBuf> {
    let parent = repository.instance.directory();
    let is_scratch = |name: &String| name.starts_with("pgdeck-rehearsal-");
    names(parent).into_iter().filter(is_scratch).map(|name| parent.join(name)).collect()
}

/// Neither files nor servers nor sockets.
#[track_caller]
fn assert_nothing_left(repository: &Repository, before: &[String]) {
    assert_eq!(names(repository.instance.directory()), before);
    let sockets = names(Path::new("/tmp"));
    let own = |name: &&String| {
        let pid = name.strip_prefix("pgdeck-").and_then(|rest| rest.split('-').next());
        pid.and_then(|pid| pid.parse::<i32>().ok()).is_some_and(proc::is_gone)
    };
    let left: Vec<_> = sockets.iter().filter(own).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn records(repository: &Repository) -> Vec<Value> {
    let text = fs::read_to_string(repository.destination().join("rehearsals.jsonl"));
    let text = text.unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn report(done: &Finished) -> Value {
    serde_json::from_str(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", done.stdout, done.stderr))
}

#[track_caller]
fn has_check(report: &Value, beginning: &str) -> String {
    let checks: Vec<&str> =
        report["checks"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let found = checks.iter().find(|check| check.starts_with(beginning));
    (*found.unwrap_or_else(|| panic!("no {beginning:?} in {checks:#?}"))).to_owned()
}

/// An instance with a tablespace, `pg_wal` elsewhere, rows, and a backup.
fn prepared(major: Major) -> Repository {
    let repository = Repository::start_with(TestInstance::builder(major).wal_elsewhere());
    let instance = &repository.instance;
    let space = instance.make_directory("space");
    instance.sql("postgres", &format!("create tablespace space location '{}'", space.display()));
    instance.sql(
        "postgres",
        "create table rows (n int primary key, filler text) tablespace space;
         insert into rows select g, repeat(md5(g::text), 200) from generate_series(1, 500) g",
    );
    repository.backup(&["--type", "full"]);
    instance.sql("postgres", "create database shop");
    instance.sql("shop", "create table stock as select g from generate_series(1, 70) g");
    repository.archive();
    repository
}

/// While the instance runs: with `pg_amcheck` where there is one, and with queries.
fn goes_well(major: Major, amcheck: &str) {
    let repository = prepared(major);
    let queries = repository.instance.directory().join("checks.sql");
    fs::write(
        &queries,
        "-- what must be there\nselect count(*) from rows;\nselect n from rows where n < 4;\n\\c shop\nselect sum(g) from stock",
    )
    .unwrap();
    let before = names(repository.instance.directory());
    let option = ["--json", "--queries", queries.to_str().unwrap()];
    let done = rehearse(&repository, &option).finish().expect_code(0);
    let report = report(&done);
    assert_eq!((&report["ok"], &report["error"]), (&Value::Bool(true), &Value::Null), "{report:#}");
    assert!(has_check(&report, "pg_amcheck").starts_with(amcheck), "{report:#}");
    assert!(has_check(&report, "reading: ").contains("in 3 databases"), "{report:#}");
    assert!(has_check(&report, "page checksums: ").contains("all right"), "{report:#}");
    assert!(has_check(&report, "query 1: select count(*) from rows").ends_with(": 500"));
    assert!(has_check(&report, "query 2").ends_with(": 3 rows"));
    assert!(has_check(&report, "query 4: select sum(g) from stock").ends_with(": 2485"));
    assert!(report["restore_seconds"].as_f64().unwrap() > 0.0, "{report:#}");
    assert!(report["replay_seconds"].as_f64().unwrap() > 0.0, "{report:#}");
    assert_eq!(records(&repository), [report]);
    assert_nothing_left(&repository, &before);
    // It archived nothing, and made no timeline.
    let archive = names(&repository.destination().join("archived_wal"));
    assert!(!archive.iter().any(|name| name.starts_with("00000002")), "{archive:?}");
    assert!(repository.instance.is_running());
}

#[test]
fn goes_well_on_13_without_amcheck() {
    goes_well(Major::V13, "pg_amcheck: not done");
}

#[test]
fn goes_well_on_15_with_amcheck() {
    goes_well(Major::V15, "pg_amcheck: nothing found");
}

#[test]
fn goes_well_on_18() {
    goes_well(Major::V18, "pg_amcheck: not done");
}

/// A failing check makes it fail, and the status of the instance says so from then on.
#[test]
fn a_query_that_fails_is_evidence_too() {
    let repository = prepared(Major::V15);
    let before = names(repository.instance.directory());
    let home = tempfile::tempdir().unwrap();
    let queries = home.path().join("checks.sql");
    fs::write(&queries, "select 1; select n from nowhere; select 2").unwrap();
    open_to_all(home.path());
    let done = rehearse(&repository, &["--queries", queries.to_str().unwrap()]).finish();
    let done = done.expect_code(2);
    let refusal = Refusal::of(&done);
    assert_eq!(refusal.fact, "the rehearsal of the latest position failed");
    assert_eq!(refusal.hint, ErrorCode::RehearsalFailed.default_hint());
    assert!(done.stdout.contains("query 1: select 1: 1"), "{}", done.stdout);
    assert!(done.stdout.contains("query 2: select n from nowhere: FAILED"), "{}", done.stdout);
    assert!(!done.stdout.contains("query 3"), "{}", done.stdout);
    assert_eq!(records(&repository)[0]["ok"], false);
    assert_nothing_left(&repository, &before);

    let status =
        Deck::of(&repository.instance).wait_status(|status| status.has("recovery_proof_failed"));
    let said = status.message("recovery_proof_failed");
    assert!(said.detail.contains("nowhere"), "{said:?}");
    // The next one that goes well ends the message.
    rehearse(&repository, &[]).finish().expect_code(0);
    let map = repository.recover(&["--map", "--json"]).finish().expect_code(0);
    let map: Value = serde_json::from_str(&map.stdout).unwrap();
    assert_eq!(map["rehearsal"]["ok"], true);
    Deck::of(&repository.instance).wait_status(|status| !status.has("recovery_proof_failed"));
}

fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A damaged backup does not pass: that is what it is for.
#[test]
fn damage_in_the_backup_is_found() {
    let repository = prepared(Major::V16);
    let label = repository.backups()[0]["label"].as_str().unwrap().to_owned();
    let packs: Vec<PathBuf> = fs::read_dir(repository.directory(&label))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("pack-"))
        .collect();
    let pack = packs.iter().max_by_key(|path| fs::metadata(path).unwrap().len());
    let pack = pack.unwrap_or_else(|| panic!("{:?}", names(&repository.directory(&label))));
    let mut bytes = fs::read(pack).unwrap();
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 2_000] {
        *byte ^= 0x55;
    }
    fs::write(pack, bytes).unwrap();
    let before = names(repository.instance.directory());
    let done = rehearse(&repository, &["--json"]).finish().expect_code(2);
    let report = report(&done);
    assert_eq!(report["ok"], false);
    assert!(report["error"].as_str().unwrap().contains("could not be restored"), "{report:#}");
    assert_nothing_left(&repository, &before);
}

/// A target that does not exist is a mistake of who asks, not of the backups.
#[test]
fn a_target_that_cannot_be_planned_is_no_evidence() {
    let repository = prepared(Major::V15);
    let before = names(repository.instance.directory());
    let done = rehearse(&repository, &["-n", "never made"]).finish().expect_code(2);
    assert!(done.stderr.contains("cannot be reached"), "{}", done.stderr);
    assert_eq!(records(&repository), [] as [Value; 0]);
    assert_nothing_left(&repository, &before);
}

/// Killed and interrupted rehearsals: Ctrl-C leaves nothing, and what SIGKILL leaves is removed
/// by the next one, its server included.
#[test]
fn interrupted_rehearsals_leave_nothing() {
    let repository = prepared(Major::V15);
    let before = names(repository.instance.directory());
    let slow = repository.instance.directory().join("slow.sql");
    fs::write(&slow, "select pg_sleep(600)").unwrap();
    let before = [before, vec!["slow.sql".to_owned()]].concat();
    let mut before = before;
    before.sort();
    let slow = slow.to_str().unwrap();
    let server_of = |scratch: &Path| proc::working_in(&scratch.join("data"));
    let is_asked = || {
        scratch(&repository).first().is_some_and(|scratch| {
            server_of(scratch).iter().any(|pid| {
                let title = fs::read_to_string(format!("/proc/{pid}/cmdline"));
                title.is_ok_and(|title| title.contains("SELECT"))
            })
        })
    };

    let running = rehearse(&repository, &["--queries", slow]).start();
    assert!(proc::wait_for(Duration::from_secs(60), is_asked), "it never asks");
    proc::signal(running.pid(), Signal::INT);
    let done = running.finish().expect_code(2);
    assert!(done.stderr.contains("cancelled"), "{}", done.stderr);
    assert_nothing_left(&repository, &before);

    let running = rehearse(&repository, &["--queries", slow]).start();
    assert!(proc::wait_for(Duration::from_secs(60), is_asked), "it never asks");
    let left = scratch(&repository).remove(0);
    proc::signal(running.pid(), Signal::KILL);
    let _ = running.try_finish();
    assert!(left.exists() && !server_of(&left).is_empty(), "its server outlives it");
    rehearse(&repository, &[]).finish().expect_code(0);
    assert!(!left.exists() && server_of(&left).is_empty());
    assert_nothing_left(&repository, &before);
}
