//! Damaged, missing and foreign WAL on the way, against every kind of target, spread over the
//! major versions: a server is never promoted short of the plan, the user is told where it ends,
//! and the data from before is still there.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]
// Which fault it was, with a failing test.
#![allow(clippy::print_stdout)]

use std::cell::OnceCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pgdeck_tests::spread::columns;
use pgdeck_tests::wal::stored;
use pgdeck_tests::{Finished, Major, Recovered, Repository, StopMode, TestInstance};
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

const FAULTS: [Fault; 6] = [
    Fault::Missing,
    Fault::Truncated,
    Fault::Flipped,
    Fault::Foreign,
    Fault::WrongSize,
    Fault::Unreadable,
];

/// A kind of target: options before the fault with the markers that must be there, and options
/// that lead behind it. The latest position has neither, it ends where the fault is.
struct Kind {
    before: Option<(Vec<String>, &'static str)>,
    behind: Option<Vec<String>>,
}

/// A chain of which the segment with marker 3 can be made faulty. The instance is stopped.
struct Scene {
    repository: Repository,
    kinds: Vec<Kind>,
    /// The file of that segment in the archive.
    stored: PathBuf,
    /// The same segment of another cluster, stored as pgdeck stores it.
    foreign: OnceCell<Vec<u8>>,
}

/// Cuts WAL into small segments, so that a fault hits few markers.
const SEGMENT_SIZE: &str = "--wal-segsize=1";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Scene {
    fn new(major: Major) -> Self {
        let builder = TestInstance::builder(major)
            .initdb_option(SEGMENT_SIZE)
            .setting("track_commit_timestamp", "on")
            .setting("autovacuum", "off");
        let repository = Repository::start_with(builder);
        let instance = &repository.instance;
        instance.sql("postgres", "create table marker (n int)");
        repository.backup(&["--type", "full"]);
        repository.mark(1);
        let before = repository.position();
        repository.mark(2);
        repository.archive();
        repository.mark(3);
        let segment =
            instance.query_one_text("postgres", "select pg_walfile_name(pg_current_wal_lsn())");
        repository.archive();
        repository.mark(4);
        let behind = repository.position();
        repository.mark(5);
        repository.archive();
        repository.mark(6);
        let kinds = kinds(&repository, &before, &behind);
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
        let stored = stored(repository.destination(), &segment);
        Self { repository, kinds, stored, foreign: OnceCell::new() }
    }

    /// Runs work while the segment is faulty.
    fn with(&self, fault: Fault, work: impl FnOnce(&Repository)) {
        let path = self.stored.as_path();
        let bytes = fs::read(path).unwrap();
        let mode = fs::metadata(path).unwrap().permissions();
        let aside = self.repository.instance.directory().join("aside");
        match fault {
            Fault::Missing => fs::rename(path, &aside).unwrap(),
            Fault::Truncated => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
            Fault::Flipped => {
                let mut bytes = bytes.clone();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x10;
                fs::write(path, bytes).unwrap();
            }
            Fault::Foreign => fs::write(path, self.foreign()).unwrap(),
            Fault::WrongSize => fs::write(path, [&bytes[..], &bytes[..]].concat()).unwrap(),
            Fault::Unreadable => {
                fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
            }
        }
        work(&self.repository);
        if aside.exists() {
            // Its owner is the server's.
            fs::rename(aside, path).unwrap();
        }
        fs::set_permissions(path, mode).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn foreign(&self) -> &[u8] {
        let major = self.repository.instance.major();
        self.foreign.get_or_init(|| foreign(major, self.stored.file_name().unwrap().as_ref()))
    }
}

/// Time, restore point, transaction, position, the end of the backup, and the latest position.
fn kinds(repository: &Repository, before: &str, behind: &str) -> Vec<Kind> {
    let kind = |before: &[&str], markers, behind: &[&str]| Kind {
        before: Some((words(before), markers)),
        behind: Some(words(behind)),
    };
    vec![
        kind(&["-e", &repository.marked_at(1)], "1", &["-e", &repository.marked_at(4)]),
        kind(&["-n", "after 1"], "1", &["-n", "after 5"]),
        kind(&["--xid", &repository.marked_by(2)], "1 2", &["--xid", &repository.marked_by(5)]),
        kind(&["--lsn", before], "1", &["--lsn", behind]),
        Kind { before: Some((words(&["--immediate"]), "")), behind: None },
        Kind { before: None, behind: None },
    ]
}

/// The archived file of this name of another cluster.
fn foreign(major: Major, name: &Path) -> Vec<u8> {
    let other = Repository::start_with(TestInstance::builder(major).initdb_option(SEGMENT_SIZE));
    let wanted = other.destination().join("archived_wal").join(name);
    other.instance.sql("postgres", "create table t (a int)");
    for _ in 0..40 {
        other.instance.sql("postgres", "insert into t values (1)");
        other.archive();
        if wanted.exists() {
            break;
        }
    }
    fs::read(&wanted).unwrap_or_else(|error| panic!("{}: {error}", wanted.display()))
}

/// It was refused or has failed, said so, and nothing that came of it is promoted.
#[track_caller]
fn assert_not_promoted(repository: &Repository, done: &Finished, recovered: &Recovered) {
    assert_eq!(done.code(), Some(2), "{}\n{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("DETAIL: "), "{}", done.stderr);
    if recovered.is_running() {
        assert_eq!(recovered.query("select pg_is_in_recovery()"), "t");
    }
    let history = recovered.directory().join("pg_wal/00000002.history");
    assert!(!history.exists(), "it was promoted");
    let archive = repository.destination().join("archived_wal/00000002.history");
    assert!(!archive.exists(), "it was promoted");
}

/// Every fault on this major, against the kinds of target that are its share. Each kind meets
/// each fault on two majors, and what lies before the fault is reached on one of them.
fn grid(major: Major) {
    let scene = Scene::new(major);
    for (row, fault) in FAULTS.into_iter().enumerate() {
        let own = columns(major, row, scene.kinds.len(), 1);
        scene.with(fault, |repository| {
            println!("{fault:?}, targets {own:?}");
            for (turn, kind) in own.iter().map(|column| &scene.kinds[*column]).enumerate() {
                if let Some((options, markers)) = kind.before.as_ref().filter(|_| turn == 0) {
                    before(repository, options, markers);
                }
                match &kind.behind {
                    Some(options) => behind(repository, options),
                    None if kind.before.is_none() => latest(repository),
                    None => {}
                }
            }
        });
    }
    // Of the faults one for each major; the instance is started for it, and its WAL grows.
    let own = columns(major, 0, FAULTS.len(), 1);
    for fault in own.into_iter().map(|at| FAULTS[at]) {
        scene.with(fault, |repository| in_place(repository, scene.kinds[1].behind.as_ref()));
    }
}

fn before(repository: &Repository, options: &[String], markers: &str) {
    let options = [options, &words(&["--action", "promote"])].concat();
    assert_eq!(repository.recovered(&options).markers(), markers, "{options:?}");
}

fn behind(repository: &Repository, options: &[String]) {
    let beside = repository.beside();
    let options = [options, &words(&["--action", "promote"])].concat();
    let done = repository.recover_beside(&beside, &options);
    let recovered = repository.at(beside, Value::Null);
    assert_not_promoted(repository, &done, &recovered);
}

/// "Latest" ends before the fault, which the plan says, or is refused.
fn latest(repository: &Repository) {
    let dry = repository.recover(&["--dry-run", "--json"]).finish();
    let beside = repository.beside();
    let done = repository.recover_beside(&beside, &["--action", "promote"]);
    let recovered = repository.at(beside, Value::Null);
    if dry.code() != Some(0) || done.code() != Some(0) {
        assert_not_promoted(repository, &done, &recovered);
        return;
    }
    let plan: Value = serde_json::from_str(&dry.stdout).unwrap();
    let reached: Vec<_> = recovered.markers().split(' ').map(str::to_owned).collect();
    assert!(reached.starts_with(&words(&["1", "2"])), "{reached:?}");
    assert!(!reached.contains(&"4".to_owned()), "{reached:?}");
    let beyond = plan["lost"]["beyond"].as_str();
    assert!(beyond.is_some(), "the plan says nothing of the fault: {plan:#}");
}

/// In its own place: what failed can be undone, and then everything is as it was.
fn in_place(repository: &Repository, behind: Option<&Vec<String>>) {
    let options = [&behind.unwrap()[..], &words(&["--action", "promote", "--yes"])].concat();
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
    assert_eq!(repository.markers(), "1 2 3 4 5 6");
    repository.instance.stop(StopMode::Fast);
}

pgdeck_tests::for_every_major! { grid }
