//! What a plan makes of two timelines: which one is followed, and what is on which.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

#[path = "planned/mod.rs"]
mod planned;

use pgdeck_engine::api::{ErrorCode, Lsn, Reach, RecoveryRequest};
use pgdeck_tests::{Major, proc};
use planned::{insert, lines_fit, map_of, on, point, refused, timeline, with_backup, without_data};

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
