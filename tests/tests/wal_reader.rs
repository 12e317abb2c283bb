//! Our reader of WAL against `pg_waldump`, record by record, and against what servers of
//! every major version say of their own WAL.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pgdeck_engine::pg::wal::{
    Meaning, Record, Scan, Segment, SegmentName, SegmentSize, Step, Stop, TransactionOutcome,
};
use pgdeck_tests::{Major, Run, StopMode, TestInstance};

/// A record as both readers describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    manager: String,
    bytes: usize,
    xid: u32,
    lsn: String,
    previous: u64,
    commit_at: Option<String>,
}

fn segments(directory: &Path) -> Vec<(SegmentName, PathBuf)> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            Some((SegmentName::parse(&entry.file_name().to_string_lossy())?, entry.path()))
        })
        .collect();
    found.sort();
    found
}

/// Reads segments one after the other up to where nothing more was written.
fn read_all(
    directory: &Path,
    size: SegmentSize,
    mut each: impl FnMut(&Record<'_>),
) -> (SegmentName, Stop) {
    let mut carry = None;
    let mut last = None;
    for (name, path) in segments(directory) {
        let bytes = fs::read(path).unwrap();
        let Ok(segment) = Segment::open(&bytes, name, size) else { break };
        let mut scan = Scan::new(segment, carry.take()).unwrap();
        let stop = loop {
            match scan.next_record() {
                Step::Record(record) => each(&record),
                Step::Stop(stop) => break stop,
            }
        };
        last = Some((name, stop));
        if !matches!(stop, Stop::SegmentEnd | Stop::Switch) {
            break;
        }
        carry = scan.into_carry();
    }
    last.unwrap()
}

fn our_line(record: &Record<'_>) -> Line {
    let commit_at = match record.meaning() {
        Meaning::Transaction(end) if end.outcome.is_commit() => {
            end.at.map(|at| at.format("%Y-%m-%d %H:%M:%S%.6f UTC").to_string())
        }
        Meaning::Unreadable => panic!("{record:?} cannot be read"),
        _ => None,
    };
    assert!(record.blocks().is_some(), "{record:?}");
    Line {
        manager: record.resource_manager().name().unwrap().to_owned(),
        bytes: record.bytes_total(),
        xid: record.xid().as_u32(),
        lsn: record.lsn().unwrap().to_string(),
        previous: record.previous_byte(),
        commit_at,
    }
}

/// `rmgr: Heap  len (rec/tot):  59/  8255, tx:  736, lsn: 0/015A3B28, prev 0/015A3AF0, desc: …`
fn waldump_line(line: &str) -> Option<Line> {
    let (_, rest) = line.split_once("rmgr: ")?;
    let (manager, rest) = rest.split_once(" len (rec/tot):")?;
    let (lengths, rest) = rest.split_once(", tx:")?;
    let (xid, rest) = rest.split_once(", lsn: ")?;
    let (lsn, rest) = rest.split_once(", prev ")?;
    let (previous, description) = rest.split_once(", desc: ")?;
    let position = |text: &str| {
        let (high, low) = text.split_once('/').unwrap();
        u64::from_str_radix(high, 16).unwrap() << 32 | u64::from_str_radix(low, 16).unwrap()
    };
    let lsn = position(lsn);
    let manager = manager.trim();
    let is_commit = manager == "Transaction" && description.starts_with("COMMIT");
    let commit_at = is_commit.then(|| {
        let text = description.trim_start_matches("COMMIT_PREPARED").trim_start_matches("COMMIT");
        let text = text.split_once(": ").map_or(text, |(before, after)| {
            // COMMIT_PREPARED 742: 2026-…
            if before.trim().chars().all(|c| c.is_ascii_digit()) { after } else { text }
        });
        text.split(';').next().unwrap().trim().to_owned()
    });
    Some(Line {
        manager: manager.to_owned(),
        bytes: lengths.split_once('/').unwrap().1.trim().parse().unwrap(),
        xid: xid.trim().parse().unwrap(),
        lsn: format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF),
        previous: position(previous),
        commit_at,
    })
}

const LOAD: &str = "
    create table t (a int primary key, b text);
    insert into t select i, repeat('x', 500) from generate_series(1, 20000) i;
    create table huge (b bytea);
    alter table huge alter b set storage external;
    insert into huge select decode(repeat('ab', 3000000), 'hex');
    create index on t (b);
    checkpoint;
    update t set b = b || 'y' where a % 3 = 0;
    delete from t where a % 5 = 0;
    begin; savepoint a; insert into t values (-1); savepoint b; insert into t values (-2); commit;
    begin; insert into t values (-3); rollback;
    create table gone (a int); insert into gone values (1); drop table gone;
    truncate huge;
    vacuum t;
    create sequence s; select nextval('s');
    select pg_create_restore_point('before the storm');
    create database other; drop database other;
    begin; insert into t values (-4); prepare transaction 'gid one'; commit prepared 'gid one';
    begin; insert into t values (-5); prepare transaction 'gid two'; rollback prepared 'gid two';
    select pg_logical_emit_message(false, 'prefix', repeat('m', 3000000));
    ";

/// Runs each command in a transaction of its own.
fn run_load(instance: &TestInstance) {
    let session = instance.session("postgres");
    for command in LOAD.split(";\n").map(str::trim).filter(|text| !text.is_empty()) {
        for part in command.split("; ") {
            session.run(part);
        }
    }
}

fn compare_with_waldump(name: &str, initdb: &str, size_bytes: u32, settings: &[(&str, &str)]) {
    let mut builder = TestInstance::builder(Major::V15).name(name).initdb_option(initdb);
    for (setting, value) in settings {
        builder = builder.setting(setting, value);
    }
    let instance = builder.setting("wal_keep_size", "1GB").start();
    run_load(&instance);
    instance.sql("postgres", "select pg_switch_wal()");
    run_load_again(&instance);
    instance.stop(StopMode::Fast);

    let directory = instance.data_directory().join("pg_wal");
    let mut ours = Vec::new();
    let size = SegmentSize::from_bytes(size_bytes).unwrap();
    let (last, stop) = read_all(&directory, size, |record| ours.push(our_line(record)));
    assert!(matches!(stop, Stop::Unwritten(_) | Stop::Switch | Stop::SegmentEnd), "{stop:?}");

    let first = segments(&directory)[0].0;
    let dump = Run::program("/usr/lib/postgresql/15/bin/pg_waldump")
        .arg("-p")
        .arg(&directory)
        .arg(first.to_string())
        .arg(last.to_string())
        .finish();
    let theirs: Vec<Line> = dump.stdout.lines().filter_map(waldump_line).collect();
    assert!(theirs.len() > 20_000, "pg_waldump said {}\n{}", theirs.len(), dump.stderr);
    for (our, their) in ours.iter().zip(&theirs) {
        assert_eq!(our, their);
    }
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.iter().filter(|line| line.commit_at.is_some()).count() > 10);
    instance.finish().unwrap();
}

fn run_load_again(instance: &TestInstance) {
    for command in ["update t set b = 'again'", "vacuum full t", "checkpoint"] {
        instance.sql("postgres", command);
    }
}

#[test]
fn agrees_with_pg_waldump() {
    compare_with_waldump("plain", "--wal-segsize=16", 16 << 20, &[("wal_level", "logical")]);
}

#[test]
fn agrees_with_pg_waldump_on_small_segments_with_compressed_images() {
    let settings = [("wal_compression", "lz4"), ("full_page_writes", "on")];
    compare_with_waldump("small", "--wal-segsize=1", 1 << 20, &settings);
}

#[test]
fn agrees_with_pg_waldump_on_large_segments() {
    let settings = [("wal_level", "replica"), ("wal_compression", "on")];
    compare_with_waldump("large", "--wal-segsize=64", 64 << 20, &settings);
}

/// What `pg_walinspect` says of every record; servers before 15 have none.
fn inspect(instance: &TestInstance) -> Option<Vec<String>> {
    if instance.major() < Major::V15 {
        return None;
    }
    instance.sql("postgres", "create extension pg_walinspect");
    // What is not flushed yet cannot be read.
    instance.sql("postgres", "create table flushed (a int)");
    let name = segments(&instance.data_directory().join("pg_wal"))[0].0;
    let start = name.start_byte(SegmentSize::DEFAULT).unwrap() + 40;
    let query = format!(
        "select concat_ws(' ', start_lsn - '0/0', end_lsn - '0/0', prev_lsn - '0/0', xid, \
             resource_manager, record_length, octet_length(coalesce(block_ref, '')) > 0) \
             from pg_get_wal_records_info('{:X}/{:X}', pg_current_wal_flush_lsn())",
        start >> 32,
        start & 0xFFFF_FFFF
    );
    Some(instance.query_texts("postgres", &query))
}

fn our_inspection(record: &Record<'_>) -> String {
    format!(
        "{} {} {} {} {} {} {}",
        record.lsn().unwrap().as_u64(),
        record.end().unwrap().as_u64(),
        record.previous_byte(),
        record.xid(),
        record.resource_manager().name().unwrap(),
        record.bytes_total(),
        if record.blocks().unwrap().is_empty() { "f" } else { "t" },
    )
}

/// What a server knows of its own WAL.
struct Known {
    restore_point: String,
    commits: BTreeMap<u32, String>,
}

fn agrees_with_its_server(major: Major) {
    let instance = TestInstance::builder(major)
        .setting("wal_level", "logical")
        .setting("track_commit_timestamp", "on")
        .setting("wal_compression", "on")
        .setting("wal_keep_size", "1GB")
        .start();
    run_load(&instance);
    let restore_point =
        instance.query_one_text("postgres", "select pg_create_restore_point('known')");
    let commits = instance.query_texts(
        "postgres",
        "select xmin || '=' || to_char(pg_xact_commit_timestamp(xmin) at time zone 'UTC', \
             'YYYY-MM-DD HH24:MI:SS.US') from (select distinct xmin from t) x order by 1",
    );
    let commits = commits.iter().map(|line| line.split_once('=').unwrap());
    let commits = commits.map(|(xid, at)| (xid.parse().unwrap(), at.to_owned())).collect();
    let known = Known { restore_point, commits };
    let end = instance.query_one_text("postgres", "select pg_current_wal_insert_lsn()");
    let inspected = inspect(&instance);
    instance.stop(StopMode::Fast);
    let mut ours = Vec::new();
    let _ = read_all(&instance.data_directory().join("pg_wal"), SegmentSize::DEFAULT, |record| {
        ours.push(our_inspection(record));
    });
    if let Some(inspected) = inspected {
        assert!(inspected.len() > 20_000, "{}", inspected.len());
        for (our, their) in ours.iter().zip(&inspected) {
            assert_eq!(our, their);
        }
        assert!(ours.len() >= inspected.len());
    }
    check_known(&instance, &known, &end);
    instance.finish().unwrap();
}

fn check_known(instance: &TestInstance, known: &Known, end: &str) {
    let mut commits = BTreeMap::new();
    let mut points = BTreeMap::new();
    let mut gids = Vec::new();
    let mut seen = (0, 0, 0, 0);
    let mut last = None;
    let mut checkpoints = Vec::new();
    let directory = instance.data_directory().join("pg_wal");
    let (_, stop) = read_all(&directory, SegmentSize::DEFAULT, |record| {
        let _ = our_line(record);
        assert_eq!(record.version().major(), instance.major().number());
        last = record.end();
        match record.meaning() {
            Meaning::RestorePoint { name, .. } => {
                points.insert(name, record.end().unwrap().to_string());
            }
            Meaning::Checkpoint(checkpoint) => checkpoints.push(checkpoint),
            Meaning::Delete => seen.0 += 1,
            Meaning::Truncate { relations, .. } => seen.1 += relations.len(),
            Meaning::FileTruncated { .. } => seen.2 += 1,
            Meaning::Transaction(end) => {
                seen.3 += end.dropped.len();
                if end.outcome.is_commit() {
                    let at = end.at.unwrap().format("%Y-%m-%d %H:%M:%S%.6f").to_string();
                    commits.insert(end.xid.as_u32(), at.clone());
                    for xid in &end.subtransactions {
                        commits.insert(xid.as_u32(), at.clone());
                    }
                }
                if end.outcome != TransactionOutcome::Committed {
                    gids.extend(end.gid.map(|gid| (end.outcome, gid)));
                }
            }
            _ => {}
        }
    });
    assert!(matches!(stop, Stop::Unwritten(_)), "{stop:?}");
    let stopped = format!("{stop:X?} after {last:X?}");
    assert!(last.unwrap() >= end.parse().unwrap(), "{stopped}, before {end}");
    assert_eq!(points.get("known"), Some(&known.restore_point));
    assert!(points.contains_key("before the storm"));
    assert!(known.commits.len() >= 3, "{:?}", known.commits);
    for (xid, at) in &known.commits {
        assert_eq!(commits.get(xid), Some(at), "transaction {xid}");
    }
    assert_eq!(
        gids,
        [
            (TransactionOutcome::Prepared, "gid one".to_owned()),
            (TransactionOutcome::CommittedPrepared, "gid one".to_owned()),
            (TransactionOutcome::Prepared, "gid two".to_owned()),
            (TransactionOutcome::AbortedPrepared, "gid two".to_owned()),
        ]
    );
    assert!(seen.0 >= 4000 && seen.1 == 1 && seen.3 >= 2, "{seen:?}");
    let timeline = checkpoints.last().unwrap().timeline.unwrap();
    assert_eq!(timeline.decimal(), "1");
    let age = chrono::Utc::now() - checkpoints.last().unwrap().at.unwrap();
    assert!((0..3600).contains(&age.num_seconds()), "{age:?}");
}

macro_rules! for_every_major {
    ($($name:ident = $major:ident;)*) => { $(
        #[test]
        fn $name() {
            agrees_with_its_server(Major::$major);
        }
    )* };
}

for_every_major! {
    major_13_agrees = V13;
    major_14_agrees = V14;
    major_15_agrees = V15;
    major_16_agrees = V16;
    major_17_agrees = V17;
    major_18_agrees = V18;
}
