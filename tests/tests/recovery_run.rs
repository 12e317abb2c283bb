//! Recoveries carried out: files, settings, replay, what happens at the target, undoing, and
//! what a kill at each step leaves.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

#[path = "recovery/mod.rs"]
mod recovery;

use std::fs;

use pgdeck_engine::api::{OldData, RecoveryAction, RecoveryRole};
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

#[test]
fn what_differs_is_rewritten() {
    let scene = Scene::new(Major::V17);
    scene.sql("create table extra as select generate_series(1, 1000) as g");
    scene.stop();
    let mut plan = scene.plan();
    plan.old_data = OldData::Rewrite;
    fs::write(scene.data().join("base/stray"), "x").unwrap();
    scene.recover(&plan).ok();
    assert_eq!(scene.markers(), "a b");
    assert!(!scene.data().join("base/stray").exists());
    assert_eq!(scene.sql("select count(*) from pg_class where relname = 'extra'"), "0");
    scene.step("promote").ok();
    scene.repository.instance.sql("postgres", "vacuum freeze");
}

/// `pg_wal` and a tablespace outside: they stay where they were, and their old content comes
/// back with the rest.
#[test]
fn other_directories_are_moved_aside_and_back() {
    let scene = Scene::elsewhere(Major::V16);
    scene.stop();
    let plan = scene.plan();
    let space = plan.tablespaces[0].directory.clone();
    let wal = plan.wal_directory.clone().unwrap();
    scene.recover(&plan).ok();
    assert_eq!(scene.sql("select count(*) from elsewhere"), "1000");
    assert_eq!(fs::read_link(scene.data().join("pg_wal")).unwrap(), wal);
    for place in [scene.data(), &space, &wal] {
        assert!(place.join("pgdeck_recovery/kept").exists(), "{}", place.display());
    }
    scene.step("undo").ok();
    for place in [scene.data(), &space, &wal] {
        assert!(!place.join("pgdeck_recovery").exists(), "{}", place.display());
    }
    scene.start();
    assert_eq!(
        (scene.markers().as_str(), scene.sql("select count(*) from elsewhere").as_str()),
        ("a b c", "1000")
    );
}

/// A tablespace and `pg_wal` move to other directories; the old ones stay until they are
/// removed for good.
#[test]
fn a_tablespace_moves() {
    let scene = Scene::elsewhere(Major::V15);
    scene.stop();
    let mut plan = scene.plan();
    let old_space = plan.tablespaces[0].directory.clone();
    let old_wal = plan.wal_directory.clone().unwrap();
    let root = scene.repository.instance.directory().to_path_buf();
    plan.tablespaces[0].directory = root.join("it's \"there\" $HOME");
    plan.wal_directory = None;
    plan.action = RecoveryAction::Promote;
    scene.recover(&plan).ok();
    assert_eq!(scene.sql("select count(*) from elsewhere"), "1000");
    let place =
        scene.sql("select pg_tablespace_location(oid) from pg_tablespace where spcname = 'space'");
    assert_eq!(std::path::Path::new(&place), plan.tablespaces[0].directory);
    assert!(fs::symlink_metadata(scene.data().join("pg_wal")).unwrap().is_dir());
    assert!(
        fs::read_dir(&old_space).unwrap().count() > 0
            && fs::read_dir(&old_wal).unwrap().count() > 0
    );
    scene.step("discard").ok();
    let left = |path: &std::path::Path| fs::read_dir(path).map_or(0, Iterator::count);
    assert_eq!((left(&old_space), left(&old_wal)), (0, 0));
}

/// The last segment was never archived: it is saved from the old data, and archived after the
/// promotion.
#[test]
fn wal_that_is_nowhere_else_is_saved() {
    let scene = Scene::new(Major::V15);
    let last = scene.unarchived("late");
    let mut plan = scene.plan_to(last);
    plan.old_data = OldData::Discard;
    let said = scene.recover(&plan).ok();
    assert!(said.contains("waits"), "{said}");
    assert_eq!(scene.markers(), "a b c late");
    assert!(scene.data().join("pgdeck_recovery/wal").exists());
    scene.step("promote").ok();
    assert!(!scene.data().join("pgdeck_recovery").exists());
    let archived = pgdeck_tests::wal::archived(scene.repository.destination());
    let partial = archived.iter().any(|name| name.contains(".partial"));
    assert!(partial, "the saved segment was not full: {archived:?}");
}

/// Cancelled on the way: what it leaves is gone on with.
#[test]
fn a_cancelled_recovery_goes_on() {
    let scene = Scene::new(Major::V16);
    scene.stop();
    let plan = scene.plan();
    for phase in ["moving the old data aside", "restoring", "replaying WAL"] {
        let said = scene.cancelled_in(&plan, phase).err();
        assert!(said.starts_with("cancelled"), "{phase}: {said}");
        assert!(!scene.repository.instance.is_running(), "{phase}");
    }
    scene.recover(&plan).ok();
    assert_eq!(scene.markers(), "a b");
    // Again, while its server waits; and after that was stopped.
    scene.recover(&plan).ok();
    scene.stop();
    scene.recover(&plan).ok();
    assert_eq!(scene.sql("select pg_is_in_recovery()"), "t");
    let other = scene.plan_to("0/7777777".parse().unwrap());
    let said = scene.recover(&other).err();
    assert!(said.starts_with("recovery_unfinished"), "{said}");
    scene.step("promote").ok();
    let said = scene.recover(&plan).err();
    assert!(said.starts_with("recovery_unfinished") && said.contains("discard"), "{said}");
}

/// Beside a cluster that runs: a standby with a port of its own.
#[test]
fn a_standby_is_built_in_another_directory() {
    let scene = Scene::new(Major::V17);
    let mut plan = scene.plan();
    let port = scene.repository.instance.port() + 20_000;
    plan.directory = scene.repository.instance.directory().join("copy's place");
    plan.replaced = None;
    plan.port = Some(port);
    plan.role = RecoveryRole::Standby(Some(scene.repository.instance.conninfo()));
    let said = scene.recover(&plan).ok();
    assert!(said.contains("is a standby"), "{said}");
    let received = "select count(*) from pg_stat_replication where state = 'streaming'";
    let streams = || scene.sql(received) == "1";
    assert!(pgdeck_tests::proc::wait_for(std::time::Duration::from_secs(60), streams));
    let conf = fs::read_to_string(plan.directory.join("postgresql.auto.conf")).unwrap();
    assert!(conf.contains("archive_mode = 'off'") && conf.contains("primary_conninfo"), "{conf}");
    assert!(plan.directory.join("standby.signal").exists());
    assert_eq!(scene.sql("select pg_is_in_recovery()"), "f", "the instance itself");
}
