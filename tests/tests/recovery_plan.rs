//! Where a recovery will end, as the plan says beforehand, against the server's own judgement:
//! each target is given to a restored server as it was asked, and the position where it pauses
//! must be the one that the plan named.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use chrono::{DateTime, Utc};
use pgdeck_engine::api::{
    Lsn, RecoveryPlan, RecoveryRequest, RecoveryTarget, TargetBound, WalSource,
};
use pgdeck_tests::{Major, Repository, TestInstance};

/// A moment in the life of an instance.
struct Moment {
    before: Lsn,
    xid: u32,
    at: DateTime<Utc>,
    point: String,
    point_end: Lsn,
}

/// Commits a marker and makes a restore point behind it.
fn moment(instance: &TestInstance, name: &str) -> Moment {
    let text = |query: &str| instance.query_one_text("postgres", query);
    let before = text("select pg_current_wal_insert_lsn()::text").parse().unwrap();
    let xid = text(&format!(
        "with done as (insert into marker values ('{name}') returning 1)
         select txid_current()::text from done"
    ));
    // What is rolled back changes nothing, and is there.
    instance.sql("postgres", "begin; insert into marker values ('never'); rollback");
    let point = format!("point_{name}");
    let point_end = text(&format!("select pg_create_restore_point('{point}')::text"));
    let at = text(&format!(
        "select to_char(pg_xact_commit_timestamp('{xid}'::xid) at time zone 'UTC',
                        'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    ));
    Moment {
        before,
        xid: xid.parse().unwrap(),
        at: at.parse().unwrap(),
        point,
        point_end: point_end.parse().unwrap(),
    }
}

fn asked(target: RecoveryTarget, bound: TargetBound) -> RecoveryRequest {
    RecoveryRequest { target, bound, ..RecoveryRequest::default() }
}

/// The settings that ask the server for a target.
fn settings(target: &RecoveryTarget, bound: TargetBound) -> Vec<(&'static str, String)> {
    let (name, value) = match target {
        RecoveryTarget::Latest => return Vec::new(),
        RecoveryTarget::BackupEnd => ("recovery_target", "immediate".to_owned()),
        RecoveryTarget::Time(at) => {
            ("recovery_target_time", at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string())
        }
        RecoveryTarget::RestorePoint(name) => ("recovery_target_name", name.clone()),
        RecoveryTarget::Lsn(lsn) => ("recovery_target_lsn", lsn.to_string()),
        RecoveryTarget::Xid(xid) => ("recovery_target_xid", xid.to_string()),
    };
    let inclusive = if bound == TargetBound::Inclusive { "on" } else { "off" };
    vec![
        (name, value),
        ("recovery_target_inclusive", inclusive.to_owned()),
        ("recovery_target_timeline", "current".to_owned()),
    ]
}

/// The settings of a plan.
fn planned(plan: &RecoveryPlan) -> Vec<(&'static str, String)> {
    let inclusive = if plan.stop.bound == TargetBound::Inclusive { "on" } else { "off" };
    vec![
        ("recovery_target_lsn", plan.stop.record.unwrap().to_string()),
        ("recovery_target_inclusive", inclusive.to_owned()),
        ("recovery_target_timeline", plan.stop.timeline.decimal()),
    ]
}

/// What was done with an instance after its backup.
struct Story {
    moments: Vec<Moment>,
    prepared: u32,
}

fn lived(instance: &TestInstance) -> Story {
    let live = |name: &&str| {
        let moment = moment(instance, name);
        instance.sql("postgres", "select pg_switch_wal()");
        moment
    };
    let moments = ["a", "b", "c"].iter().map(live).collect();
    instance.sql("postgres", "begin; insert into marker values ('p'); prepare transaction 'p'");
    let prepared =
        instance.query_one_text("postgres", "select transaction::text from pg_prepared_xacts");
    instance.sql("postgres", "commit prepared 'p'");
    instance.sql("postgres", "insert into marker values ('z')");
    instance.switch_and_wait_archived();
    Story { moments, prepared: prepared.parse().unwrap() }
}

/// Targets with the markers that must be there. Each start of a server takes its time: the
/// moment in the middle stands for all.
fn cases(story: &Story) -> Vec<(RecoveryTarget, TargetBound, &'static str)> {
    let (inclusive, exclusive) = (TargetBound::Inclusive, TargetBound::Exclusive);
    let (one, without, with) = (&story.moments[1], "a", "a b");
    vec![
        (RecoveryTarget::BackupEnd, inclusive, ""),
        (RecoveryTarget::Lsn(one.before), exclusive, without),
        (RecoveryTarget::Time(one.at), exclusive, without),
        (RecoveryTarget::Xid(one.xid), exclusive, without),
        (RecoveryTarget::Xid(one.xid), inclusive, with),
        (RecoveryTarget::Time(one.at), inclusive, with),
        (RecoveryTarget::RestorePoint(one.point.clone()), exclusive, with),
        (RecoveryTarget::RestorePoint(one.point.clone()), inclusive, with),
        (RecoveryTarget::Lsn(one.point_end), inclusive, with),
        (RecoveryTarget::Xid(story.prepared), exclusive, "a b c"),
        (RecoveryTarget::Xid(story.prepared), inclusive, "a b c p"),
    ]
}

fn every_target(major: Major) {
    let builder = TestInstance::builder(major)
        .setting("track_commit_timestamp", "on")
        .setting("max_prepared_transactions", "5")
        .setting("autovacuum", "off");
    let repository = Repository::start_with(builder);
    let instance = &repository.instance;
    instance.sql("postgres", "create table marker (name text)");
    let label = repository.backup(&[]);
    let story = lived(instance);
    let mut restored = repository.restore_by_hand(std::slice::from_ref(&label));
    let markers = "select coalesce(string_agg(name, ' ' order by name), '') from marker";
    let mut before = None;
    let mut done = Vec::new();
    for (target, bound, expected) in cases(&story) {
        let plan = repository.plan_beside(asked(target.clone(), bound)).unwrap();
        assert_eq!(plan.chain, std::slice::from_ref(&label));
        assert!(plan.wal.iter().all(|run| run.source == WalSource::Archive));
        // A server goes on from where it was; it cannot go back.
        if before.is_some_and(|before| before > plan.stop.reached) {
            restored.stop();
            restored = repository.restore_by_hand(std::slice::from_ref(&label));
        }
        before = Some(plan.stop.reached);
        let what = format!("{target:?} {bound:?}");
        // The server itself knows no exclusive restore point.
        let is_ours =
            matches!(target, RecoveryTarget::RestorePoint(_)) && bound == TargetBound::Exclusive;
        let asked = if is_ours { planned(&plan) } else { settings(&target, bound) };
        let asked: Vec<(&str, &str)> =
            asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reached = restored.start_paused(&asked);
        assert_eq!(restored.query(markers), expected, "{what}");
        assert_eq!(reached, plan.stop.reached.to_string(), "{what}: {:?}", plan.stop);
        restored.stop();
        // As the plan says it, where that is something else.
        let is_other = matches!(target, RecoveryTarget::Time(_) | RecoveryTarget::Xid(_));
        let form = (std::mem::discriminant(&target), plan.stop.bound);
        if is_other && !done.contains(&form) {
            done.push(form);
            let own = planned(&plan);
            let own: Vec<(&str, &str)> =
                own.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let reached = restored.start_paused(&own);
            assert_eq!(reached, plan.stop.reached.to_string(), "{what} as planned");
            restored.stop();
        }
    }
}

#[test]
fn every_target_on_13() {
    every_target(Major::V13);
}

#[test]
fn every_target_on_15() {
    every_target(Major::V15);
}

#[test]
fn every_target_on_18() {
    every_target(Major::V18);
}
