//! Damaged, missing and foreign WAL on the way: a server is never promoted short of the plan, the
//! user is told where it ends, and the data from before is still there.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pgdeck_tests::{Finished, Major, Repository, StopMode, TestInstance};
use serde_json::Value;

/// What is wrong with one segment of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Missing,
    Truncated,
    Flipped,
    Foreign,
    WrongSize,
    Unreadable,
}

/// A chain of which the segment with marker 3 is faulty.
struct Scene {
    repository: Repository,
    /// Targets before the fault, each with the markers that must be there.
    before: Vec<(Vec<String>, &'static str)>,
    /// Targets behind it.
    behind: Vec<Vec<String>>,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn mark(repository: &Repository, number: u32) {
    // Two commands: in one the restore point would come before the commit.
    let sql = |text: &str| repository.instance.sql("postgres", text);
    sql(&format!("insert into marker values ({number})"));
    sql(&format!("select pg_create_restore_point('after {number}')"));
}

fn when(repository: &Repository, number: u32) -> String {
    let text = format!(
        "select to_char(pg_xact_commit_timestamp(xmin) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || 'Z'
           from marker where n = {number}"
    );
    repository.instance.query_one_text("postgres", &text)
}

fn xid(repository: &Repository, number: u32) -> String {
    let text = format!("select xmin from marker where n = {number}");
    repository.instance.query_one_text("postgres", &text)
}

impl Scene {
    fn new(fault: Fault) -> Self {
        let builder = TestInstance::builder(Major::V16)
            .initdb_option("--wal-segsize=1")
            .setting("track_commit_timestamp", "on")
            .setting("autovacuum", "off");
        let repository = Repository::start_with(builder);
        let instance = &repository.instance;
        instance.sql("postgres", "create table marker (n int)");
        repository.backup(&["--type", "full"]);
        mark(&repository, 1);
        mark(&repository, 2);
        repository.archive();
        mark(&repository, 3);
        let segment =
            instance.query_one_text("postgres", "select pg_walfile_name(pg_current_wal_lsn())");
        repository.archive();
        mark(&repository, 4);
        let lsn = instance.query_one_text("postgres", "select pg_current_wal_lsn()");
        mark(&repository, 5);
        repository.archive();
        mark(&repository, 6);
        let before = vec![
            (words(&["-e", &when(&repository, 1)]), "1"),
            (words(&["-n", "after 1"]), "1"),
            (words(&["--xid", &xid(&repository, 2)]), "1 2"),
            (words(&["--immediate"]), ""),
        ];
        let behind = vec![
            words(&["-e", &when(&repository, 4)]),
            words(&["-n", "after 5"]),
            words(&["--xid", &xid(&repository, 5)]),
            words(&["--lsn", &lsn]),
        ];
        // No segment of the past in pg_wal: only the archive has it.
        instance.sql("postgres", "checkpoint");
        instance.sql("postgres", "select pg_switch_wal()");
        instance.sql("postgres", "checkpoint");
        instance.stop(StopMode::Fast);
        let old = instance.data_directory().join("pg_wal").join(&segment);
        if old.exists() {
            // A clean stop needs none but that of its checkpoint.
            fs::remove_file(&old).unwrap();
        }
        damage(&stored(&repository, &segment), fault);
        Self { repository, before, behind }
    }

    fn markers(&self) -> String {
        let text = "select string_agg(n::text, ' ' order by n) from marker";
        self.repository.instance.query_one_text("postgres", text)
    }
}

/// The file of a segment in the archive.
fn stored(repository: &Repository, segment: &str) -> PathBuf {
    let archive = repository.destination().join("archived_wal");
    let entries = fs::read_dir(&archive).unwrap().flatten().map(|entry| entry.path());
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name == segment || name == format!("{segment}.zst") || name == format!("{segment}.lz4")
    };
    entries.into_iter().find(is_it).unwrap_or_else(|| panic!("{segment} is not in the archive"))
}

fn damage(path: &Path, fault: Fault) {
    let bytes = fs::read(path).unwrap();
    let uid_is_kept = |content: &[u8]| fs::write(path, content).unwrap();
    match fault {
        Fault::Missing => fs::remove_file(path).unwrap(),
        Fault::Truncated => uid_is_kept(&bytes[..bytes.len() / 2]),
        Fault::Flipped => {
            let mut bytes = bytes;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            uid_is_kept(&bytes);
        }
        Fault::Foreign => uid_is_kept(&foreign(path)),
        Fault::WrongSize => uid_is_kept(&[&bytes[..], &bytes[..]].concat()),
        Fault::Unreadable => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        }
    }
}

/// The segment of this name of another cluster, stored as pgdeck stores it.
fn foreign(path: &Path) -> Vec<u8> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let other =
        Repository::start_with(TestInstance::builder(Major::V16).initdb_option("--wal-segsize=1"));
    let wanted = other.destination().join("archived_wal").join(&name);
    for _ in 0..40 {
        other
            .instance
            .sql("postgres", "create table if not exists t (a int); insert into t values (1)");
        other.archive();
        if wanted.exists() {
            break;
        }
    }
    fs::read(&wanted).unwrap_or_else(|error| panic!("{}: {error}", wanted.display()))
}

/// It was refused or has failed, said so, and nothing that came of it is promoted.
#[track_caller]
fn assert_not_promoted(scene: &Scene, done: &Finished, recovered: &pgdeck_tests::Recovered) {
    assert_eq!(done.code(), Some(2), "{}\n{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("DETAIL: "), "{}", done.stderr);
    if recovered.is_running() {
        assert_eq!(recovered.query("select pg_is_in_recovery()"), "t");
    }
    let history = recovered.directory().join("pg_wal/00000002.history");
    assert!(!history.exists(), "it was promoted");
    let archive = scene.repository.destination().join("archived_wal/00000002.history");
    assert!(!archive.exists(), "it was promoted");
}

fn grid(fault: Fault) {
    let scene = Scene::new(fault);
    let repository = &scene.repository;
    for (options, markers) in &scene.before {
        let recovered =
            repository.recovered(&[&options[..], &words(&["--action", "promote"])].concat());
        assert_eq!(recovered.markers(), *markers, "{fault:?} {options:?}");
    }
    for options in &scene.behind {
        let beside = repository.beside();
        let options = [&options[..], &words(&["--action", "promote"])].concat();
        let done = repository.recover_beside(&beside, &options);
        let recovered = repository.at(beside, Value::Null);
        assert_not_promoted(&scene, &done, &recovered);
    }
    latest(&scene, fault);
    in_place(&scene);
}

/// "Latest" ends before the fault, which the plan says, or is refused.
fn latest(scene: &Scene, fault: Fault) {
    let repository = &scene.repository;
    let dry = repository.recover(&["--dry-run", "--json"]).finish();
    let beside = repository.beside();
    let done = repository.recover_beside(&beside, &["--action", "promote"]);
    if dry.code() == Some(0) && done.code() == Some(0) {
        let plan: Value = serde_json::from_str(&dry.stdout).unwrap();
        let recovered = repository.at(beside, Value::Null);
        let reached: Vec<_> = recovered.markers().split(' ').map(str::to_owned).collect();
        assert!(reached.starts_with(&words(&["1", "2"])), "{fault:?} {reached:?}");
        assert!(!reached.contains(&"4".to_owned()), "{fault:?} {reached:?}");
        let beyond = plan["lost"]["beyond"].as_str();
        assert!(beyond.is_some(), "{fault:?}: the plan says nothing of the fault: {plan:#}");
        return;
    }
    let recovered = repository.at(beside, Value::Null);
    assert_not_promoted(scene, &done, &recovered);
}

/// In its own place: what failed can be undone, and then everything is as it was.
fn in_place(scene: &Scene) {
    let repository = &scene.repository;
    let options = [&scene.behind[1][..], &words(&["--action", "promote", "--yes"])].concat();
    let done = repository.recover(&options).finish().expect_code(2);
    let status = repository.recover(&["status", "--json"]).finish();
    match status.code() {
        // It had begun: replay found what the plan could not see.
        Some(0) => {
            assert!(done.stderr.contains("recover undo"), "{}", done.stderr);
            repository.recover(&["undo", "--yes"]).finish().expect_code(0);
        }
        _ => assert!(status.stderr.contains("there is no recovery"), "{}", status.stderr),
    }
    assert!(!repository.instance.data_directory().join("pgdeck_recovery").exists());
    repository.instance.start();
    assert_eq!(scene.markers(), "1 2 3 4 5 6");
    repository.instance.stop(StopMode::Fast);
}

#[test]
fn a_missing_segment() {
    grid(Fault::Missing);
}

#[test]
fn a_truncated_segment() {
    grid(Fault::Truncated);
}

#[test]
fn a_flipped_bit() {
    grid(Fault::Flipped);
}

#[test]
fn a_foreign_segment() {
    grid(Fault::Foreign);
}

#[test]
fn a_segment_of_the_wrong_size() {
    grid(Fault::WrongSize);
}

#[test]
fn an_unreadable_segment() {
    grid(Fault::Unreadable);
}
