//! A recovery, or its undoing, is killed before some operation of the file system, or that
//! operation fails: then again, and it converges; or it is undone, and everything is as before.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

#[path = "recovery/mod.rs"]
mod recovery;

use std::fs;
use std::path::Path;

use pgdeck_engine::api::{OldData, RecoveryPlan};
use pgdeck_tests::Major;
use recovery::scene::Scene;
use recovery::tree::{Tree, assert_same, tree};

/// Far behind the last operation.
const NEVER: &str = "999999999:eio";

/// Which operations are struck: the first and the last are of the most kinds. All of every
/// STEPth with `PGDECK_TEST_STEP`.
fn numbers(total: u64) -> Vec<u64> {
    if let Some(step) = std::env::var("PGDECK_TEST_STEP").ok().and_then(|text| text.parse().ok()) {
        return (1..=total).step_by(step).collect();
    }
    let seed = u64::from(std::process::id());
    let middle = (1..=2).map(|part| total * part / 3 + seed % 50);
    let ends = [7, 17, 25, 40].into_iter().map(|at| at + seed % 6);
    let last = [2, 9, 16, 30, 45].into_iter().map(|back| total - back - seed % 5);
    ends.chain(middle).chain(last).filter(|number| *number <= total).collect()
}

/// Ten more near the beginning, where the old data is moved: a recovery that ends there is short.
fn early() -> Vec<u64> {
    let seed = u64::from(std::process::id());
    let is_sampled = std::env::var_os("PGDECK_TEST_STEP").is_none();
    (0..10).filter(|_| is_sampled).map(|at| 3 + 7 * at + seed % 7).collect()
}

/// What can be started by plain `pg_ctl` is the old data, whole, or a finished restore.
fn assert_startable_or_not(scene: &Scene, old: &Tree, round: &str) {
    let data = scene.data();
    if !data.join("global/pg_control").exists() {
        return;
    }
    let is_old = !data.join("pgdeck_recovery/kept/base").exists()
        && old.keys().filter(|path| path.starts_with(data)).all(|path| path.exists());
    let is_restored = data.join("recovery.signal").exists() && data.join("PG_VERSION").exists();
    assert!(is_old || is_restored, "{round}: half a cluster can be started");
}

fn converges(scene: &Scene, plan: &RecoveryPlan, round: &str) {
    let again = scene.recover(plan);
    assert!(again.text.contains("OK: "), "{round}: {}", again.text);
    assert_eq!(scene.markers(), "a b", "{round}");
    assert_eq!(scene.sql("select pg_is_in_recovery()"), "t", "{round}");
}

#[test]
fn killed_on_the_way_there() {
    let scene = Scene::elsewhere(Major::V17);
    scene.stop();
    let plan = scene.plan();
    let (space, wal) = (plan.tablespaces[0].directory.clone(), plan.wal_directory.clone().unwrap());
    let places: [&Path; 3] = [scene.data(), &space, &wal];
    let old = tree(&places);
    let total = scene.recover_with(&plan, Some(NEVER)).operations();
    scene.step("undo").ok();
    assert_same(&tree(&places), &old, "undone");
    for (at, number) in numbers(total).into_iter().chain(early()).enumerate() {
        let fault = if at % 3 == 2 { "eio" } else { "kill" };
        let round = format!("{number} of {total}, {fault}");
        let struck = scene.recover_with(&plan, Some(&format!("{number}:{fault}")));
        assert_eq!(struck.is_killed, fault == "kill", "{round}: {}", struck.text);
        assert_startable_or_not(&scene, &old, &round);
        if at % 4 == 0 {
            converges(&scene, &plan, &round);
        }
        let undone = scene.step("undo");
        let is_undone = undone.text.contains("OK: ") || undone.text.contains("recovery_none");
        assert!(is_undone, "{round}: {}", undone.text);
        assert_same(&tree(&places), &old, &round);
    }
    scene.start();
    assert_eq!(scene.markers(), "a b c");
}

#[test]
fn killed_on_the_way_back() {
    let scene = Scene::elsewhere(Major::V15);
    scene.stop();
    let plan = scene.plan();
    let (space, wal) = (plan.tablespaces[0].directory.clone(), plan.wal_directory.clone().unwrap());
    let places: [&Path; 3] = [scene.data(), &space, &wal];
    let old = tree(&places);
    scene.recover(&plan).ok();
    let total = scene.step_with("undo", Some(NEVER)).operations();
    for number in numbers(total) {
        let round = format!("{number} of {total}");
        scene.recover(&plan).ok();
        let struck = scene.step_with("undo", Some(&format!("{number}:kill")));
        assert!(struck.is_killed, "{round}: {}", struck.text);
        let said = scene.recover(&plan).text;
        let is_refused = said.contains("ERR: recovery_unfinished") || said.contains("OK: ");
        assert!(is_refused, "{round}: {said}");
        scene.step("undo").ok();
        assert_same(&tree(&places), &old, &round);
    }
    scene.start();
    assert_eq!(scene.markers(), "a b c");
}

#[test]
fn killed_while_it_rewrites() {
    let scene = Scene::new(Major::V15);
    scene.stop();
    let mut plan = scene.plan();
    plan.old_data = OldData::Rewrite;
    let total = scene.recover_with(&plan, Some(NEVER)).operations();
    for number in numbers(total) {
        // From the beginning again: what was restored is the old data now.
        scene.stop();
        fs::remove_dir_all(scene.data().join("pgdeck_recovery")).unwrap();
        let _ = fs::remove_file(scene.data().join("recovery.signal"));
        let round = format!("{number} of {total}");
        // How many there are depends on what differs.
        let struck = scene.recover_with(&plan, Some(&format!("{number}:kill")));
        assert!(struck.is_killed || number + 40 > total, "{round}: {}", struck.text);
        converges(&scene, &plan, &round);
    }
    scene.step("promote").ok();
    assert_eq!(scene.markers(), "a b");
}
