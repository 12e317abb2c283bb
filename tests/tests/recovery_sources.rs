//! What a plan makes of what is there: WAL that was never archived, timelines, gaps, and places
//! that cannot be recovered to.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]
// A plan is for people: whoever runs these tests can read some.
#![allow(clippy::print_stdout)]

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use pgdeck_engine::api::{
    Error, ErrorCode, Lsn, MistakeKind, MistakeQuery, OldData, Reach, RecoveryMap, RecoveryPlan,
    RecoveryRequest, RecoveryTarget, TablespaceMove, TargetBound, TimelineId, WalSource,
};
use pgdeck_engine::pg::wal::{Segment, SegmentName, SegmentSize};
use pgdeck_engine::recovery::{facts, map, mistakes, plan};
use pgdeck_engine::wal::index::{SegmentIndex, SegmentTail};
use pgdeck_tests::planning::{as_owner, site};
use pgdeck_tests::{Major, Repository, StopMode, TestInstance, proc};

fn insert(instance: &TestInstance, name: &str) {
    instance.sql("postgres", &format!("insert into marker values ('{name}')"));
}

/// An instance with a table and a backup of it.
fn with_backup(major: Major) -> (Repository, String) {
    let repository = Repository::start(major);
    repository.instance.sql("postgres", "create table marker (name text)");
    let label = repository.backup(&[]);
    (repository, label)
}

fn to(target: RecoveryTarget) -> RecoveryRequest {
    RecoveryRequest { target, ..RecoveryRequest::default() }
}

fn point(name: &str) -> RecoveryRequest {
    to(RecoveryTarget::RestorePoint(name.to_owned()))
}

fn timeline(number: u32) -> TimelineId {
    TimelineId::from_u32(number).unwrap()
}

fn on(number: u32, request: RecoveryRequest) -> RecoveryRequest {
    RecoveryRequest { timeline: Some(timeline(number)), ..request }
}

/// A plan for a data directory that is gone.
fn without_data(repository: &Repository, request: &RecoveryRequest) -> Result<RecoveryPlan, Error> {
    let gone = repository.instance.directory().join("gone");
    let site = site(&gone, repository.destination());
    let destination = Some(repository.destination().to_path_buf());
    let request = RecoveryRequest { destination, ..request.clone() };
    as_owner(&site, |site| plan::plan(site, &request))
}

fn map_of(repository: &Repository) -> RecoveryMap {
    let destination = repository.destination().to_path_buf();
    as_owner(&repository.site(), |site| map::map(site, Some(&destination))).unwrap()
}

#[track_caller]
fn refused(outcome: Result<RecoveryPlan, Error>, code: ErrorCode, words: &str) -> Error {
    let error = outcome.expect_err("it is refused");
    assert_eq!(error.code, code, "{error}");
    assert!(error.to_string().contains(words), "{error}\n\nlacks {words:?}");
    error
}

fn lines_fit(plan: &RecoveryPlan) {
    println!("{}\n", plan.describe().join("\n"));
    for line in plan.describe() {
        // A path or a name cannot be broken.
        let is_broken = line.chars().count() <= 80 || line.split_whitespace().count() <= 3;
        assert!(is_broken || line.contains('/'), "{line}");
    }
}

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
fn timelines_are_told_apart() {
    let (repository, label) = with_backup(Major::V17);
    let instance = &repository.instance;
    insert(instance, "a");
    instance.sql("postgres", "select pg_create_restore_point('point_a')");
    insert(instance, "b");
    instance.switch_and_wait_archived();
    // A copy is promoted behind the restore point and goes its own way.
    let mut copy = repository.restore_by_hand(std::slice::from_ref(&label));
    copy.start(&[("recovery_target_name", "point_a"), ("archive_mode", "on")]);
    let name = copy.query(
        "with one as (insert into marker values ('two') returning 1)
         select pg_walfile_name(pg_current_wal_insert_lsn()) from one",
    );
    for query in ["pg_create_restore_point('on_two')", "pg_switch_wal()"] {
        assert_ne!(copy.query(&format!("select {query}::text")), "");
    }
    let archived = repository.destination().join("archived_wal").join(format!("{name}.zst"));
    assert!(proc::wait_for(std::time::Duration::from_secs(60), || archived.exists()));
    assert!(name.starts_with("00000002"));
    copy.stop();
    // The instance goes on, and commits last.
    insert(instance, "c");
    instance.sql("postgres", "select pg_create_restore_point('behind')");
    instance.switch_and_wait_archived();

    let plan = repository.plan_beside(RecoveryRequest::default()).unwrap();
    lines_fit(&plan);
    assert_eq!(plan.stop.timeline, timeline(1));
    let gone = without_data(&repository, &RecoveryRequest::default()).unwrap();
    assert_eq!(gone.stop.timeline, timeline(1), "that of the newest commit, not the highest");

    // The other branch, where it ends, as the server sees it.
    let two = repository.plan_beside(on(2, RecoveryRequest::default())).unwrap();
    assert_eq!(two.stop.timeline, timeline(2));
    assert!(two.warnings.iter().any(|warning| warning.contains("timeline 2 is followed")));
    let record = two.stop.record.unwrap().to_string();
    let mut there = repository.restore_by_hand(std::slice::from_ref(&label));
    let settings = [("recovery_target_lsn", record.as_str()), ("recovery_target_timeline", "2")];
    assert_eq!(there.start_paused(&settings), two.stop.reached.to_string());
    let names = there.query("select string_agg(name, ' ' order by name) from marker");
    assert_eq!(names, "a two");
    there.stop();

    let on_two = repository.plan_beside(on(2, point("on_two"))).unwrap();
    assert_eq!(on_two.stop.timeline, timeline(2));
    let unreachable = ErrorCode::TargetUnreachable;
    let error = refused(repository.plan_beside(point("on_two")), unreachable, "is on timeline 2");
    assert!(error.hint.contains("--timeline 2"), "{error}");
    refused(repository.plan_beside(on(2, point("behind"))), unreachable, "behind the fork at");
    // Before the fork the server is told the timeline that the point is on.
    let before = repository.plan_beside(on(2, point("point_a"))).unwrap();
    assert_eq!(before.stop.timeline, timeline(1));
    assert!(before.wal.iter().all(|run| run.first.starts_with("00000001")), "{:?}", before.wal);
    assert_eq!(before.lost.commits, 1, "what timeline 2 did");
    refused(repository.plan_beside(on(9, RecoveryRequest::default())), unreachable, "timeline 9");

    let map = map_of(&repository);
    assert_eq!(map.current, Some(timeline(1)));
    assert_eq!(map.branches.len(), 2);
    let (parent, fork) = map.branches[1].fork.unwrap();
    assert_eq!(parent, timeline(1));
    assert!(map.restore_points.iter().any(|one| one.name == "on_two" && one.timeline == 2));
    assert_eq!(map.restore_points.iter().filter(|one| one.name == "point_a").count(), 1);
    for (number, plan) in [(1, &plan), (2, &two), (2, &before)] {
        let reach = map.reach(timeline(number), plan.stop.reached);
        assert!(matches!(&reach, Reach::Reachable { backup, .. } if *backup == label), "{reach:?}");
    }
    assert!(fork < two.stop.reached);
    let beyond = Lsn::from_u64(two.stop.reached.as_u64() + (1 << 30)).unwrap();
    assert!(matches!(map.reach(timeline(2), beyond), Reach::Unreachable { .. }));
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

#[test]
fn places_are_looked_at_before_anything_is_done() {
    let repository = Repository::start(Major::V16);
    let instance = &repository.instance;
    let space = instance.make_directory("space");
    instance.sql("postgres", &format!("create tablespace space location '{}'", space.display()));
    instance.sql("postgres", "create table elsewhere tablespace space as select 1 as a");
    repository.backup(&[]);
    let oid = instance
        .query_one_text("postgres", "select oid::text from pg_tablespace where spcname = 'space'");
    let oid: u32 = oid.parse().unwrap();
    let latest = RecoveryRequest::default;
    let place = ErrorCode::RecoveryPlace;
    // Of an instance that runs the plan can be looked at, and says so.
    let running = repository.plan(latest()).unwrap().running.expect("it runs");
    assert!(running.detail.starts_with("process "), "{running:?}");
    let beside = |to: &Path, tablespaces: Vec<TablespaceMove>| {
        repository.plan(RecoveryRequest { to: Some(to.to_path_buf()), tablespaces, ..latest() })
    };
    let root = instance.directory();
    let moved = |to: &str| vec![TablespaceMove { oid, directory: root.join(to) }];
    let option = format!("--tablespace {oid}=");
    refused(beside(&root.join("new"), Vec::new()), place, &option);
    let plan = beside(&root.join("new"), moved("moved")).unwrap();
    assert_eq!(plan.tablespaces[0].directory, root.join("moved"));
    assert_eq!(plan.new_directories, [root.join("new"), root.join("moved")]);
    assert_eq!(plan.replaced, None);
    let full = instance.make_directory("full");
    fs::write(full.join("notes"), "mine").unwrap();
    refused(beside(&full, moved("moved")), place, "notes");
    refused(beside(&repository.destination().join("in"), moved("moved")), place, "lies in");
    refused(beside(root, moved("moved")), place, "is not empty");
    refused(beside(Path::new("relative"), moved("moved")), ErrorCode::UsageInvalid, "relative");
    refused(beside(&root.join("new"), moved("new/inside")), place, "lies in");
    refused(beside(&root.join("new"), moved("full")), place, "notes");
    let unknown = vec![TablespaceMove { oid: 1, directory: root.join("moved") }];
    refused(beside(&root.join("new"), unknown), ErrorCode::UsageInvalid, "no tablespace 1");

    instance.stop(StopMode::Fast);
    let plan = repository.plan(latest()).unwrap();
    lines_fit(&plan);
    let replaced = plan.replaced.clone().unwrap();
    assert_eq!(replaced.state, "stopped");
    assert!(replaced.as_of.is_some());
    assert_eq!(plan.new_directories, Vec::<std::path::PathBuf>::new());
    assert_eq!(plan.fingerprint(), repository.plan(latest()).unwrap().fingerprint());
    let discard = RecoveryRequest { old_data: OldData::Discard, ..latest() };
    let discard = repository.plan(discard).unwrap();
    assert_ne!(plan.fingerprint(), discard.fingerprint());
    assert!(discard.space[0].free_bytes > plan.space[0].free_bytes);

    // Parts of the cluster are gone; then all of it, and something else is there.
    let data = instance.data_directory();
    let control = data.join("global/pg_control");
    let kept = fs::read(&control).unwrap();
    fs::write(&control, "").unwrap();
    let plan = repository.plan(latest()).unwrap();
    assert!(plan.replaced.unwrap().state.contains("control file"));
    fs::remove_dir_all(data.join("global")).unwrap();
    assert!(repository.plan(latest()).unwrap().replaced.unwrap().state.contains("incomplete"));
    fs::create_dir(data.join("global")).unwrap();
    let mut foreign = kept.clone();
    foreign[0] ^= 1;
    let crc_at = control_crc_at(&kept);
    let crc = crc32c::crc32c(&foreign[..crc_at]);
    foreign[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    fs::write(&control, &foreign).unwrap();
    refused(repository.plan(latest()), place, "another database cluster");
    fs::remove_dir_all(data).unwrap();
    let plan = repository.plan(latest()).unwrap();
    assert_eq!(plan.replaced, None);
    assert_eq!(plan.new_directories, [data.to_path_buf()]);
    fs::create_dir(data).unwrap();
    fs::write(data.join("letter.txt"), "mine").unwrap();
    refused(repository.plan(latest()), place, "letter.txt");
}

/// Where the checksum of a control file stands: behind what it is the checksum of.
fn control_crc_at(bytes: &[u8]) -> usize {
    let is_crc = |at: &usize| {
        let stored = u32::from_le_bytes(bytes[*at..*at + 4].try_into().unwrap());
        stored == crc32c::crc32c(&bytes[..*at])
    };
    (200..400).step_by(4).find(is_crc).unwrap()
}

#[test]
fn settings_that_were_raised_later_are_needed() {
    let (repository, _) = with_backup(Major::V18);
    let instance = &repository.instance;
    instance.set("max_connections", "150");
    instance.restart();
    insert(instance, "a");
    instance.switch_and_wait_archived();
    let plan = repository.plan_beside(RecoveryRequest::default()).unwrap();
    let raised: Vec<_> = plan.settings.iter().map(|one| (one.name.as_str(), one.needed)).collect();
    assert_eq!(raised, [("max_connections", 150)]);
    let end = repository.plan_beside(to(RecoveryTarget::BackupEnd)).unwrap();
    assert_eq!(end.settings, []);
}

#[test]
fn mistakes_are_found_with_the_moment_before_them() {
    let (repository, _) = with_backup(Major::V15);
    let instance = &repository.instance;
    let text = |query: &str| instance.query_one_text("postgres", query);
    instance.sql(
        "postgres",
        "create table big as select g from generate_series(1, 5000) g;
         create table small as select g from generate_series(1, 10) g;
         create table gone as select 1 as a",
    );
    let number = |name: &str| text(&format!("select pg_relation_filenode('{name}')::text"));
    let (big, gone) = (number("big"), number("gone"));
    instance.sql("postgres", "delete from small");
    instance.sql("postgres", "begin; savepoint one; delete from big; release one; commit");
    instance.sql("postgres", "begin; delete from big; rollback");
    instance.sql("postgres", "drop table gone");
    instance.switch_and_wait_archived();
    let search = |relation: Option<String>| {
        let query = MistakeQuery {
            destination: Some(repository.destination().to_path_buf()),
            relation,
            deleted_rows_min: 1000,
            ..MistakeQuery::default()
        };
        let stop = AtomicBool::new(false);
        let found = as_owner(&repository.site(), |site| {
            mistakes::find(site, &query, &stop, &mut |_, _| ())
        });
        found.unwrap()
    };
    let deleted = search(Some(big));
    assert_eq!(deleted.len(), 1, "{deleted:?}");
    assert_eq!((deleted[0].kind, deleted[0].rows), (MistakeKind::Delete, 5000));
    let dropped = search(Some(gone));
    assert_eq!(dropped.len(), 1, "{dropped:?}");
    assert_eq!(dropped[0].kind, MistakeKind::Drop);
    let all = search(None);
    assert!(all.len() >= 2 && all[0].commit_lsn >= all[1].commit_lsn, "{all:?}");
    // The moment before is a target.
    let request = RecoveryRequest {
        target: RecoveryTarget::Lsn(dropped[0].commit_lsn),
        bound: TargetBound::Exclusive,
        ..RecoveryRequest::default()
    };
    let plan = repository.plan_beside(request).unwrap();
    assert_eq!(plan.stop.record, Some(dropped[0].commit_lsn));
    let by_xid = RecoveryRequest {
        target: RecoveryTarget::Xid(dropped[0].xid),
        bound: TargetBound::Exclusive,
        ..RecoveryRequest::default()
    };
    assert_eq!(repository.plan_beside(by_xid).unwrap().stop, plan.stop);
}
