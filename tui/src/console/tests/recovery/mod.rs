//! The recovery flow: what each step shows, what its keys lead to, and what they never do.

mod flow;
mod plan;
mod screens;
mod stands;

use std::sync::Arc;

use chrono::TimeDelta;
use pgdeck_engine::api::*;

use super::{Driver, sample};
use crate::console::dialogs::recovery::sample as map_sample;
use crate::console::state::{Cmd, Msg};
use crate::console::update::update;

pub(super) fn tell(driver: &mut Driver, event: Event) -> Vec<Cmd> {
    update(&mut driver.state, Msg::Event(event))
}

fn map(driver: &mut Driver, request: RequestId) -> Vec<Cmd> {
    tell(driver, Event::RecoveryMapped { request, map: Arc::new(map_sample::map()) })
}

fn mistakes() -> Vec<Mistake> {
    let mistake = |kind, relation: &str, rows, xid, segment: u64| Mistake {
        kind,
        relations: vec![relation.to_owned()],
        rows,
        xid,
        committed_at: Some(map_sample::at(i64::try_from(segment).unwrap() + 70)),
        commit_lsn: map_sample::lsn(segment),
        timeline: map_sample::timeline(3),
    };
    vec![
        mistake(MistakeKind::Drop, "shop/16402", 0, 771, 140),
        mistake(MistakeKind::Delete, "orders", 81_000, 744, 130),
        mistake(MistakeKind::Truncate, "bank/16500", 0, 702, 112),
    ]
}

pub(super) fn plan() -> RecoveryPlan {
    let stop = map_sample::lsn(140);
    RecoveryPlan {
        destination: "/backup/main".into(),
        directory: "/data/main".into(),
        wal_directory: None,
        tablespaces: Vec::new(),
        port: None,
        target: RecoveryTarget::Lsn(stop),
        stop: StopPoint {
            timeline: map_sample::timeline(3),
            record: Some(stop),
            bound: TargetBound::Exclusive,
            reached: stop,
            last_commit_at: Some(map_sample::at(209)),
        },
        chain: vec!["2026-11-18_00-10-00".to_owned()],
        major: 18,
        wal: Vec::new(),
        lost: Lost { commits: 30, ..Lost::default() },
        replaced: Some(Replaced {
            host: "db1".to_owned(),
            path: "/data/main".into(),
            bytes: 12 << 30,
            as_of: None,
            state: "stopped".to_owned(),
        }),
        old_data: OldData::Keep,
        running: None,
        action: RecoveryAction::Pause,
        role: RecoveryRole::Primary,
        space: Vec::new(),
        new_directories: Vec::new(),
        owner: "postgres".to_owned(),
        settings: Vec::new(),
        enlarged: Vec::new(),
        keystore_fingerprint: None,
        files: 1_200,
        restore_bytes: 12 << 30,
        replay_bytes: 480 << 20,
        estimate: Estimate::default(),
        jobs: 4,
        warnings: Vec::new(),
    }
}

pub(super) fn stands(phase: RecoveryPhase) -> RecoveryState {
    RecoveryState {
        started_at: sample::now() - TimeDelta::minutes(9),
        phase,
        plan: plan(),
        kept_bytes: Some(12 << 30),
        restore_seconds: Some(190.0),
        replay_seconds: Some(20.0),
    }
}

fn with_recovery(phase: RecoveryPhase) -> Snapshot {
    let mut one = sample::busy("main");
    one.recovery.set(stands(phase), sample::now());
    one
}

/// The instance shut down, with its destination known.
fn down() -> Snapshot {
    let mut one = sample::stopped("main");
    one.protection.set(super::protected::protection(), sample::now());
    one
}

/// The flow at the map, by way of an answer.
fn at_map(one: Snapshot, size: (u16, u16), answer: &str) -> Driver {
    let mut driver = Driver::with(vec![one], size, false);
    driver.keys("8R");
    let request = Driver::request(&driver.keys(answer));
    map(&mut driver, request);
    driver
}

/// By way of "wrong operation" to the mistakes.
fn at_mistakes(one: Snapshot, size: (u16, u16)) -> Driver {
    let mut driver = Driver::with(vec![one], size, false);
    driver.keys("8Rkkkjj");
    let request = Driver::request(&driver.keys("<Enter>"));
    let effects = map(&mut driver, request);
    let request = Driver::request(&effects);
    let [Cmd::Send(_, Command::FindMistakes { query, .. }), ..] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(query.timeline, Some(map_sample::timeline(3)));
    tell(&mut driver, Event::MistakesFound { request, mistakes: Arc::new(mistakes()) });
    driver
}

/// The plan of the moment before the first mistake.
fn at_plan(one: Snapshot, size: (u16, u16)) -> Driver {
    let mut driver = at_mistakes(one, size);
    driver.keys("<Enter><Enter>");
    let effects = driver.keys("<Enter>");
    assert!(effects.contains(&Cmd::DrainInput));
    let request = Driver::request(&effects);
    tell(&mut driver, Event::RecoveryPlanned { request, plan: Arc::new(plan()) });
    driver
}
