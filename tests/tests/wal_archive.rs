//! Archiving and restoring by servers of every major version: every segment arrives, a stock
//! `restore_command` reaches the end, on the new timeline, too.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pgdeck_engine::pg::wal::WalFileName;
use pgdeck_engine::sys::disk::Disk;
use pgdeck_engine::wal::archive::Archive;
use pgdeck_engine::wal::continuity;
use pgdeck_engine::wal::index::SegmentTail;
use pgdeck_tests::{Major, StopMode, TestInstance, proc, wal};

/// How the server calls the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Own,
    /// The same with a restore that looks ahead.
    Ahead,
    Guide,
}

struct Site {
    instance: TestInstance,
    programs: PathBuf,
    destination: PathBuf,
    form: Form,
}

impl Site {
    fn new(major: Major, form: Form, segment_size: &str) -> Self {
        let instance = TestInstance::builder(major)
            .initdb_option(segment_size)
            .setting("wal_level", "logical")
            .setting("archive_mode", "on")
            .create();
        let programs = wal::place_program(&instance);
        let destination = instance.make_directory("backup");
        let site = Self { instance, programs, destination, form };
        site.instance.set("archive_command", &site.archive_command());
        site.instance.start();
        site
    }

    fn archive_command(&self) -> String {
        let (programs, destination) = (self.programs.display(), self.destination.display());
        match self.form {
            Form::Own | Form::Ahead => {
                format!("{programs}/pgdeck wal-push \"%p\" {destination}")
            }
            Form::Guide => {
                format!("{programs}/pgx_xlogcopy.cmd \"%p\" \"{destination}/archived_xlog/%f\"")
            }
        }
    }

    fn restore_command(&self) -> String {
        let (programs, destination) = (self.programs.display(), self.destination.display());
        match self.form {
            Form::Own => format!("{programs}/pgdeck wal-get %f \"%p\" -B {destination}"),
            Form::Ahead => {
                format!("{programs}/pgdeck wal-get %f \"%p\" -B {destination} --prefetch 4")
            }
            Form::Guide => {
                format!("{programs}/pgx_walcopy.cmd \"{destination}/archived_xlog/%f\" \"%p\"")
            }
        }
    }

    fn archive(&self) -> Archive {
        Archive::open(&Disk::real(), &self.destination).unwrap()
    }

    /// A second instance that recovers from `base` along the archive.
    fn recover(&self, base: &Path) -> TestInstance {
        let restored = TestInstance::builder(self.instance.major()).create();
        let settings = [
            ("restore_command", self.restore_command()),
            ("recovery_target_timeline", "latest".into()),
        ];
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        restored.recover_from(base, &settings);
        // The test ends it in immediate mode, and the archiver may be at work.
        restored.allow_log("archive command was terminated by signal 3");
        restored.start();
        restored.wait_promoted();
        restored
    }
}

fn load(instance: &TestInstance) {
    std::thread::scope(|scope| {
        for writer in 0..3 {
            scope.spawn(move || {
                let session = instance.session("postgres");
                for _ in 0..40 {
                    session.run(&format!(
                        "insert into t select {writer}, repeat('x', 500 + i % 300) \
                         from generate_series(1, 100) i"
                    ));
                }
            });
        }
    });
}

/// A base backup of the low-level kind leaves a `.backup` file in the archive.
fn leave_a_backup_history(instance: &TestInstance) {
    let session = instance.session("postgres");
    if instance.major() < Major::V15 {
        session.run("select pg_start_backup('label', true, false)");
        session.run("select pg_stop_backup(false, false)");
    } else {
        session.run("select pg_backup_start('label', true)");
        session.run("select pg_backup_stop(false)");
    }
}

fn archives_and_restores(major: Major, form: Form) {
    let site = Site::new(major, form, "--wal-segsize=1");
    let instance = &site.instance;
    instance.sql("postgres", "create table t (writer int, filler text)");
    instance.stop(StopMode::Fast);
    let base = instance.copy_data("base");
    instance.start();
    load(instance);
    leave_a_backup_history(instance);
    instance.sql("postgres", "select pg_create_restore_point('after the load')");
    let last = instance.switch_and_wait_archived();
    assert_eq!(
        instance.query_one_text("postgres", "select failed_count from pg_stat_archiver"),
        "0"
    );
    instance.sql("postgres", "insert into t values (99, 'not archived')");
    // The archiver may be at work.
    instance.allow_log("archive command was terminated by signal 3");
    instance.stop(StopMode::Immediate);
    check_archive(&site, &last);

    let restored = site.recover(&base);
    let rows = |server: &TestInstance| server.query_one_text("postgres", "select count(*) from t");
    assert_eq!(rows(&restored), "12000");
    assert!(!restored.data_directory().join("pg_wal/pgdeck-prefetch").exists());
    // It goes on archiving to the same place, on a timeline of its own.
    restored.sql("postgres", "insert into t values (7, 'on timeline 2')");
    let on_two = restored.switch_and_wait_archived();
    assert!(on_two.starts_with("00000002"), "{on_two}");
    restored.stop(StopMode::Fast);
    let second = site.recover(&base);
    assert_eq!(rows(&second), "12001");
    let inventory = site.archive().list().unwrap();
    assert!(inventory.names().any(|name| name.to_string() == "00000002.history"));
    assert_eq!(inventory.strangers, Vec::<PathBuf>::new());
    for server in [restored, second, site.instance] {
        server.finish().unwrap();
    }
}

/// Every segment from the first to `last` is there with its index, and nothing else.
fn check_archive(site: &Site, last: &str) {
    let archive = site.archive();
    let identity = archive.identity().unwrap().unwrap();
    assert_eq!(identity.wal_segment_bytes, 1 << 20);
    assert_eq!(identity.major, site.instance.major().number());
    let inventory = archive.list().unwrap();
    let size = archive.segment_size(&inventory).unwrap().unwrap();
    let timeline = inventory.timelines().into_iter().next().unwrap();
    assert_eq!(continuity::gaps_of_timeline(&inventory, timeline, size), []);
    assert!(inventory.newest(timeline).unwrap().to_string().as_str() >= last);
    assert!(inventory.names().any(|name| matches!(name, WalFileName::Backup { .. })));

    let (mut commits, mut points, mut end) = (0, BTreeSet::new(), None);
    for segment in inventory.segments(timeline) {
        let name = WalFileName::Segment(segment);
        let index = archive.index(name).unwrap().unwrap_or_else(|| panic!("{segment} has none"));
        assert!(matches!(index.tail, SegmentTail::Full | SegmentTail::Switch), "{index:?}");
        // A record may have begun before, or end after, and nothing is left out between.
        assert!(index.first_lsn.is_none() || index.first_lsn > end, "{index:?} after {end:?}");
        end = index.last_lsn.or(end);
        commits += index.commits;
        points.extend(index.restore_points.into_iter().map(|point| point.name));
        let stored = archive.find(name).unwrap();
        assert_eq!(stored.len(), 1);
        let content = archive.read(&stored[0]).unwrap();
        assert_eq!(crc32c::crc32c(&content), index.content_crc32c);
    }
    assert!(commits >= 120, "{commits}");
    assert_eq!(points.into_iter().collect::<Vec<_>>(), ["after the load"]);
    let incoming = match site.form {
        Form::Own | Form::Ahead => "archived_wal/.incoming",
        Form::Guide => "archived_xlog/.incoming",
    };
    let left = fs::read_dir(site.destination.join(incoming)).unwrap().count();
    assert_eq!(left, 0, "files under .incoming");
}

macro_rules! for_every_major {
    ($($name:ident = $major:ident, $form:ident;)*) => { $(
        #[test]
        fn $name() {
            archives_and_restores(Major::$major, Form::$form);
        }
    )* };
}

for_every_major! {
    major_13_archives_and_restores = V13, Own;
    major_14_archives_and_restores = V14, Ahead;
    major_15_archives_and_restores = V15, Guide;
    major_16_archives_and_restores = V16, Own;
    major_17_archives_and_restores = V17, Ahead;
    major_18_archives_and_restores = V18, Guide;
}

#[test]
fn a_damaged_segment_stops_a_recovery_instead_of_promoting() {
    let site = Site::new(Major::V16, Form::Own, "--wal-segsize=1");
    let instance = &site.instance;
    instance.sql("postgres", "create table t (writer int, filler text)");
    instance.stop(StopMode::Fast);
    let base = instance.copy_data("base");
    instance.start();
    let mut names = Vec::new();
    for number in 1..=6 {
        instance.sql("postgres", &format!("insert into t values ({number}, 'row')"));
        names.push(instance.switch_and_wait_archived());
    }
    instance.allow_log("archive command was terminated by signal 3");
    instance.stop(StopMode::Immediate);
    let damaged = site.destination.join("archived_wal").join(format!("{}.zst", names[3]));
    let mut bytes = fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, bytes).unwrap();

    for removed in [false, true] {
        if removed {
            fs::remove_file(&damaged).unwrap();
        }
        let restored = TestInstance::builder(Major::V16).create();
        restored.recover_from(&base, &[("restore_command", site.restore_command().as_str())]);
        // As a hot standby it may take connections before it comes upon the segment.
        let _ = restored.try_start();
        assert!(proc::wait_for(Duration::from_secs(30), || !restored.is_running()));
        let log = restored.log_text();
        let code = if removed { "exit code 202" } else { "exit code 201" };
        assert!(log.contains(code), "{log}");
        assert!(!log.contains("selected new timeline"), "{log}");
        let history = site.destination.join("archived_wal/00000002.history");
        assert!(!history.exists(), "it was promoted");
        restored.allow_log("could not restore file");
        restored.finish().unwrap();
    }
    site.instance.finish().unwrap();
}
