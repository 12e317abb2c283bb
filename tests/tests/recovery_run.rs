//! Recoveries carried out: files, settings, replay, what happens at the target, undoing, and
//! what a kill at each step leaves.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

mod recovery {
    pub(crate) mod driver;
    pub(crate) mod scene;
}

use std::fs;

use pgdeck_engine::api::{OldData, RecoveryAction};
use pgdeck_tests::Major;
use recovery::scene::Scene;

/// Everything is gone but the backup: restored, replayed, paused, promoted.
fn after_loss(major: Major) {
    let scene = Scene::new(major);
    scene.stop();
    fs::remove_dir_all(scene.data()).unwrap();
    let plan = scene.plan();
    let said = scene.recover(&plan).ok();
    assert!(said.contains("waits, readable only"), "{said}");
    assert_eq!(scene.markers(), "a b");
    assert_eq!(scene.sql("select pg_is_in_recovery()"), "t");
    assert_eq!(scene.sql("select pg_last_wal_replay_lsn()"), plan.stop.reached.to_string());
    let said = scene.step("promote").ok();
    assert!(said.contains("promoted") && said.contains("pgdeck backup"), "{said}");
    assert_eq!(scene.sql("select pg_is_in_recovery()"), "f");
    scene.sql("insert into marker values ('after')");
    assert_eq!(scene.markers(), "a after b");
    let conf = fs::read_to_string(scene.data().join("postgresql.auto.conf")).unwrap();
    assert!(!conf.contains("pgdeck recovery") && !conf.contains("restore_command"), "{conf}");
    assert!(!scene.data().join("pgdeck_recovery").exists(), "nothing was kept");
}

#[test]
fn a_lost_data_directory_on_15() {
    after_loss(Major::V15);
}

#[test]
fn a_lost_data_directory_on_13() {
    after_loss(Major::V13);
}

#[test]
fn a_lost_data_directory_on_17() {
    after_loss(Major::V17);
}

#[test]
fn old_data_is_kept_and_comes_back() {
    let scene = Scene::new(Major::V17);
    scene.stop();
    let mut plan = scene.plan();
    plan.action = RecoveryAction::Promote;
    let said = scene.recover(&plan).ok();
    assert!(said.contains("old data is kept"), "{said}");
    assert_eq!(scene.markers(), "a b");
    scene.sql("insert into marker values ('lost')");
    let said = scene.step("undo").ok();
    assert!(said.contains("as it was"), "{said}");
    assert!(!scene.data().join("pgdeck_recovery").exists());
    scene.start();
    assert_eq!(scene.markers(), "a b c");
}

#[test]
fn kept_data_is_removed_when_told() {
    let scene = Scene::new(Major::V15);
    scene.stop();
    let mut plan = scene.plan();
    scene.recover(&plan).ok();
    let said = scene.step("discard").err();
    assert!(said.starts_with("recovery_unfinished"), "{said}");
    plan.action = RecoveryAction::Promote;
    scene.step("promote").ok();
    assert!(scene.data().join("pgdeck_recovery/kept/base").exists());
    scene.step("discard").ok();
    assert!(!scene.data().join("pgdeck_recovery").exists());
    let said = scene.step("undo").err();
    assert!(said.starts_with("recovery_none"), "{said}");
    assert_eq!(scene.markers(), "a b");
}

#[test]
fn old_data_is_discarded_when_told() {
    let scene = Scene::new(Major::V15);
    scene.stop();
    let mut plan = scene.plan();
    plan.old_data = OldData::Discard;
    scene.recover(&plan).ok();
    assert!(!scene.data().join("pgdeck_recovery/kept").exists());
    let said = scene.step("undo").err();
    assert!(said.starts_with("recovery_none"), "{said}");
    assert_eq!(scene.markers(), "a b");
}
