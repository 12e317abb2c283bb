//! What a plan makes of WAL that is there and of WAL that is not: what was never archived, gaps,
//! and targets out of reach.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

#[path = "planned/mod.rs"]
mod planned;

use std::fs;

use pgdeck_engine::api::{
    ErrorCode, Lsn, RecoveryPlan, RecoveryRequest, RecoveryTarget, WalSource,
};
use pgdeck_engine::pg::wal::{Segment, SegmentName, SegmentSize};
use pgdeck_engine::recovery::facts;
use pgdeck_engine::wal::index::{SegmentIndex, SegmentTail};
use pgdeck_tests::{Major, Repository, TestInstance};
use planned::{insert, lines_fit, point, refused, to, with_backup, without_data};

#[test]
fn wal_that_was_never_archived_is_found_up_to_where_the_server_finds_it() {
    let (repository, label) = with_backup(Major::V16);
    let instance = &repository.instance;
    insert(instance, "archived");
    instance.switch_and_wait_archived();
    // Recycled segments with old content lie in pg_wal, as on every server.
    for _ in 0..3 {
        insert(instance, "more");
        instance.switch_and_wait_archived();
        instance.sql("postgres", "checkpoint");
    }
    instance.allow_log("archive command failed");
    instance.allow_log("The failed archive command was");
    instance.allow_log("archiving write-ahead log file");
    instance.set("archive_command", "false");
    instance.reload();
    // Several segments, with records over their borders.
    instance.sql(
        "postgres",
        "create table bulk as select g, repeat(md5(g::text), 20) as t from generate_series(1, 60000) g",
    );
    insert(instance, "last");
    let marker = instance.query_one_text("postgres", "select count(*)::text from marker");
    instance.kill9();

    let plan = repository.plan(RecoveryRequest::default()).unwrap();
    lines_fit(&plan);
    assert_eq!(plan.chain, [label]);
    let sources: Vec<WalSource> = plan.wal.iter().map(|run| run.source).collect();
    assert_eq!(sources, [WalSource::Archive, WalSource::OldWal]);
    assert!(plan.wal[1].segments >= 3, "{:?}", plan.wal);
    assert_eq!((plan.lost.commits, &plan.lost.beyond), (0, &None));
    let replaced = plan.replaced.as_ref().unwrap();
    assert_eq!(
        (replaced.state.as_str(), replaced.path.as_path()),
        ("crashed", instance.data_directory())
    );
    assert!(replaced.bytes > 20 << 20);

    check_torn_end(&repository, &plan);

    // Without it, so much would be lost, and the server would be told a gap.
    let before = without_data(&repository, &RecoveryRequest::default()).unwrap();
    assert!(before.stop.reached < plan.stop.reached);
    let shorter = RecoveryRequest {
        target: RecoveryTarget::Lsn(before.stop.record.unwrap()),
        ..RecoveryRequest::default()
    };
    let shorter = repository.plan(shorter).unwrap();
    assert_eq!(shorter.stop.reached, before.stop.reached);
    assert!(shorter.lost.commits >= 2, "{:?}", shorter.lost);

    // The server's own crash recovery finds the same end.
    instance.allow_log("database system was not properly shut down");
    instance.start();
    let log = instance.log_text();
    let (_, rest) = log.rsplit_once("redo done at ").unwrap();
    let redo_done: Lsn = rest.split_whitespace().next().unwrap().parse().unwrap();
    assert_eq!(plan.stop.record, Some(redo_done), "{:?}", plan.stop);
    assert_eq!(instance.query_one_text("postgres", "select count(*)::text from marker"), marker);
}

/// A power cut may leave a later page on the disk and an earlier one not: the end is the same,
/// and a copy without those remains is read strictly as well.
fn check_torn_end(repository: &Repository, plan: &RecoveryPlan) {
    let size = SegmentSize::DEFAULT;
    let name = SegmentName::parse(&plan.wal.last().unwrap().last).unwrap();
    let path = repository.instance.data_directory().join("pg_wal").join(name.to_string());
    let whole = fs::read(&path).unwrap();
    let end = plan.stop.reached.as_u64() - name.start_byte(size).unwrap();
    let page = (usize::try_from(end).unwrap() / 8192 + 3) * 8192;
    let mut torn = whole.clone();
    let header: Vec<u8> = whole[8192..8192 + 24].to_vec();
    torn[page..page + 24].copy_from_slice(&header);
    let address = name.start_byte(size).unwrap() + u64::try_from(page).unwrap();
    torn[page + 8..page + 16].copy_from_slice(&address.to_le_bytes());
    fs::write(&path, &torn).unwrap();
    let strict = |bytes: &[u8]| Segment::open(bytes, name, size).unwrap().written_pages().is_ok();
    assert!(strict(&whole) && !strict(&torn));
    let again = repository.plan(RecoveryRequest::default()).unwrap();
    assert_eq!(again.stop, plan.stop);
    let copy = facts::as_read(torn, name, size).unwrap();
    assert!(strict(&copy));
    let (index, _) = SegmentIndex::build(Segment::open(&copy, name, size).unwrap(), None);
    assert_eq!((index.tail, index.end_lsn), (SegmentTail::Unwritten, Some(plan.stop.reached)));
    fs::write(&path, &whole).unwrap();
}

/// Stops an instance at once, with WAL that is nowhere else.
fn crash_with_unarchived_wal(instance: &TestInstance) {
    instance.allow_log("archive command failed");
    instance.allow_log("The failed archive command was");
    instance.allow_log("archiving write-ahead log file");
    instance.set("archive_command", "false");
    instance.reload();
    insert(instance, "b");
    instance.sql("postgres", "select pg_switch_wal()");
    insert(instance, "c");
    instance.kill9();
}

#[test]
fn wal_is_found_after_a_recovery_that_was_interrupted() {
    let (repository, _) = with_backup(Major::V13);
    let instance = &repository.instance;
    insert(instance, "a");
    instance.switch_and_wait_archived();
    crash_with_unarchived_wal(instance);
    let before = repository.plan(RecoveryRequest::default()).unwrap();
    assert!(before.wal.iter().any(|run| run.source == WalSource::OldWal), "{:?}", before.wal);
    // As a recovery leaves it that was killed after it has moved the old data aside.
    let data = instance.data_directory();
    let recovery = data.join("pgdeck_recovery");
    fs::create_dir_all(recovery.join("kept")).unwrap();
    for name in ["global", "pg_wal", "base", "PG_VERSION", "postgresql.conf"] {
        fs::rename(data.join(name), recovery.join("kept").join(name)).unwrap();
    }
    let state = serde_json::json!({
        "started_at": "2026-01-01T00:00:00Z",
        "phase": "moving_aside",
        "plan": before,
        "kept_bytes": null,
        "restore_seconds": null,
        "replay_seconds": null,
    });
    fs::write(recovery.join("state.json"), state.to_string()).unwrap();
    let again = repository.plan(RecoveryRequest::default()).unwrap();
    assert_eq!((&again.stop, &again.wal), (&before.stop, &before.wal));
    assert_eq!(again.replaced.unwrap().state, "a recovery is here: moving the old data aside");
    // Later only what was saved is left.
    let saved = recovery.join("wal");
    fs::rename(recovery.join("kept/pg_wal"), &saved).unwrap();
    fs::remove_dir_all(recovery.join("kept")).unwrap();
    let again = repository.plan(RecoveryRequest::default()).unwrap();
    assert_eq!((&again.stop, &again.wal), (&before.stop, &before.wal));
}

#[test]
fn a_pg_wal_elsewhere_outlives_the_data_directory() {
    let repository = Repository::start_with(TestInstance::builder(Major::V18).wal_elsewhere());
    let instance = &repository.instance;
    instance.sql("postgres", "create table marker (name text)");
    repository.backup(&[]);
    insert(instance, "a");
    instance.switch_and_wait_archived();
    crash_with_unarchived_wal(instance);
    let before = repository.plan(RecoveryRequest::default()).unwrap();
    fs::remove_dir_all(instance.data_directory()).unwrap();
    let plan = repository.plan(RecoveryRequest::default()).unwrap();
    assert_eq!((&plan.stop, &plan.wal), (&before.stop, &before.wal));
    assert!(plan.wal.iter().any(|run| run.source == WalSource::OldWal), "{:?}", plan.wal);
    assert_eq!(plan.new_directories, [instance.data_directory().to_path_buf()]);
    assert_eq!(plan.wal_directory, before.wal_directory);
    assert!(plan.wal_directory.is_some());
}

#[test]
fn a_gap_is_told_and_what_lies_before_it_is_reachable() {
    let (repository, _) = with_backup(Major::V15);
    let instance = &repository.instance;
    let mut names = Vec::new();
    for name in ["a", "b", "c"] {
        insert(instance, name);
        instance.sql("postgres", &format!("select pg_create_restore_point('point_{name}')"));
        names.push(instance.switch_and_wait_archived());
    }
    let archive = repository.destination().join("archived_wal");
    let stored = archive.join(format!("{}.zst", names[1]));
    let aside = repository.instance.directory().join("aside");
    fs::rename(&stored, &aside).unwrap();
    let unreachable = ErrorCode::TargetUnreachable;
    let missing = format!("segment {} is missing", names[1]);
    let latest = RecoveryRequest::default();
    let error = refused(without_data(&repository, &latest), unreachable, &missing);
    // The hint is good.
    let (_, lsn) = error.hint.rsplit_once("--lsn ").unwrap();
    let nearest: Lsn = lsn.trim_end_matches('.').parse().unwrap();
    let plan = without_data(&repository, &to(RecoveryTarget::Lsn(nearest))).unwrap();
    assert_eq!(plan.lost.beyond.as_deref(), Some(missing.as_str()));
    assert!(plan.lost.commits >= 1);
    without_data(&repository, &point("point_a")).unwrap();
    refused(without_data(&repository, &point("point_b")), unreachable, &missing);
    refused(without_data(&repository, &point("point_c")), unreachable, &missing);
    // The instance's own pg_wal still has it.
    let plan = repository.plan_beside(latest.clone()).unwrap();
    let rescued: Vec<_> = plan.wal.iter().filter(|run| run.source == WalSource::OldWal).collect();
    assert!(rescued.iter().any(|run| run.first == names[1]), "{:?}", plan.wal);

    // A segment that is there and damaged, with and without an index.
    let mut bytes = fs::read(&aside).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    fs::write(&stored, &bytes).unwrap();
    fs::remove_file(archive.join(format!("{}.idx", names[1]))).unwrap();
    let damaged = format!("segment {} cannot be used", names[1]);
    refused(without_data(&repository, &latest), unreachable, &damaged);
    fs::write(&stored, "").unwrap();
    refused(without_data(&repository, &latest), unreachable, &damaged);
    fs::rename(&aside, &stored).unwrap();
    let plan = without_data(&repository, &latest).unwrap();
    assert_eq!(plan.lost.beyond, None);
}

#[test]
fn targets_out_of_reach_are_refused_with_the_nearest_one() {
    let (repository, label) = with_backup(Major::V14);
    let instance = &repository.instance;
    insert(instance, "a");
    instance.switch_and_wait_archived();
    let before: chrono::DateTime<chrono::Utc> = "2001-01-01T00:00:00Z".parse().unwrap();
    let future = chrono::DateTime::from_timestamp(4_000_000_000, 0).unwrap();
    let earliest = format!("--backup {label} --immediate");
    for (target, words) in [
        (RecoveryTarget::Time(before), earliest.as_str()),
        (RecoveryTarget::Time(future), "is in the future"),
        (RecoveryTarget::Lsn("0/1000028".parse().unwrap()), earliest.as_str()),
        (RecoveryTarget::Lsn("F/1000028".parse().unwrap()), "is behind the end of WAL"),
        (RecoveryTarget::Xid(4_000_000_000), "no transaction 4000000000"),
        (RecoveryTarget::RestorePoint("none".into()), "no restore point \"none\""),
    ] {
        refused(repository.plan_beside(to(target)), ErrorCode::TargetUnreachable, words);
    }
    let request = RecoveryRequest {
        backup: Some("2001-01-01_00-00-00".into()),
        ..to(RecoveryTarget::Latest)
    };
    refused(repository.plan_beside(request), ErrorCode::BackupNotFound, "2001-01-01_00-00-00");
    let request = RecoveryRequest { backup: Some(label), ..to(RecoveryTarget::BackupEnd) };
    let plan = repository.plan_beside(request).unwrap();
    assert_eq!(plan.stop.record, None);
    assert!(plan.lost.commits >= 1);
}
