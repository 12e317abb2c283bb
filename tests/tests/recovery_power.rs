//! The power is cut in the middle of a recovery, or of its undoing: what was not durable is lost,
//! wholly or in part. Half a cluster cannot be started; done again it converges, and undone
//! everything is as before.

// Power is cut on demand in debug builds only.
#![cfg(debug_assertions)]
// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

#[path = "recovery/mod.rs"]
mod recovery;

use std::fs;
use std::path::{Path, PathBuf};

use pgdeck_engine::api::{OldData, RecoveryPlan};
use pgdeck_tests::{Major, StopMode};
use recovery::driver::Outcome;
use recovery::scene::Scene;
use recovery::tree::{Tree, assert_same, tree};

/// Far behind the last operation: then the cut comes at the end.
const NEVER: u64 = 999_999_999;

/// Cuts before a sync, some with everything lost, some with a part. `count` of them, spread over
/// all; every STEPth with `PGDECK_TEST_STEP`, both ways.
fn cuts(total: u64, count: u64) -> Vec<String> {
    let seed = u64::from(std::process::id());
    if let Some(step) = std::env::var("PGDECK_TEST_STEP").ok().and_then(|text| text.parse().ok()) {
        let both = |at: u64| [format!("{at}:power"), format!("{at}:power:{}", seed + at)];
        return (1..=total + 1).step_by(step).flat_map(both).collect();
    }
    let at = |part: u64| 1 + (part * total + seed % total) / count;
    let spread = (0..count).map(|part| match part % 2 {
        0 => format!("{}:power", at(part)),
        _ => format!("{}:power:{}", at(part), seed + part),
    });
    spread.chain([format!("{NEVER}:power")]).collect()
}

/// A cluster with directories of its own elsewhere, and what they held before.
struct Before {
    scene: Scene,
    plan: RecoveryPlan,
    places: Vec<PathBuf>,
    old: Tree,
}

impl Before {
    fn new(major: Major) -> Self {
        let scene = Scene::elsewhere(major);
        allow_refusals(&scene);
        scene.stop();
        let plan = scene.plan();
        let places = vec![
            scene.data().to_path_buf(),
            plan.tablespaces[0].directory.clone(),
            plan.wal_directory.clone().unwrap(),
        ];
        let mut before = Self { scene, plan, places, old: Tree::new() };
        before.old = before.now();
        before
    }

    fn now(&self) -> Tree {
        tree(&self.places.iter().map(PathBuf::as_path).collect::<Vec<&Path>>())
    }

    /// Undoing works, or has nothing left to do, and the old data is back.
    fn assert_undone_after(&self, cut: &str) {
        let undone = self.scene.step("undo");
        let is_undone = undone.text.contains("OK: ") || undone.text.contains("recovery_none");
        assert!(is_undone, "{cut}: {}", undone.text);
        self.assert_as_before(cut);
    }

    #[track_caller]
    fn assert_as_before(&self, round: &str) {
        assert_same(&self.now(), &self.old, round);
    }
}

/// The server goes with the power. A cut that was reached has killed the process.
#[track_caller]
fn after_the_cut(scene: &Scene, struck: &Outcome, cut: &str) {
    let is_at_the_end = struck.text.contains("OK: ") && struck.text.contains("SYNCS: ");
    assert!(struck.is_killed || is_at_the_end, "{cut}: {}", struck.text);
    let instance = &scene.repository.instance;
    if instance.is_running() {
        instance.stop(StopMode::Immediate);
    }
}

/// Of half a cluster that is started, whatever the server looks at first.
fn allow_refusals(scene: &Scene) {
    for text in [
        "FATAL:  configuration file",
        "FATAL:  database files are incompatible with server",
        "is not a valid data directory",
        "FATAL:  could not ",
    ] {
        scene.repository.instance.allow_log(text);
    }
}

/// What plain `pg_ctl` starts is what was planned, whole; half of it is refused.
#[track_caller]
fn assert_refused_or_right(scene: &Scene, cut: &str) {
    let instance = &scene.repository.instance;
    let can_start = scene.data().join("global/pg_control").exists();
    match instance.try_start() {
        Ok(()) => {
            assert!(can_start, "{cut}");
            assert_eq!(scene.sql("select pg_is_in_recovery()"), "t", "{cut}");
            assert_eq!(scene.markers(), "a b", "{cut}");
            instance.stop(StopMode::Immediate);
        }
        Err(said) => assert!(!can_start, "{cut}: {said}"),
    }
}

#[track_caller]
fn converges(scene: &Scene, plan: &RecoveryPlan, cut: &str) {
    let again = scene.recover(plan);
    assert!(again.text.contains("OK: "), "{cut}: {}", again.text);
    assert_eq!(scene.markers(), "a b", "{cut}");
    assert_eq!(scene.sql("select pg_is_in_recovery()"), "t", "{cut}");
}

#[test]
fn cut_on_the_way_there() {
    let before = Before::new(Major::V17);
    let (scene, plan) = (&before.scene, &before.plan);
    let total = scene.recover_with(plan, Some(&format!("{NEVER}:power"))).syncs();
    assert!(total > 20, "{total} syncs are too few to be all");
    scene.step("undo").ok();
    before.assert_as_before("undone");
    for (at, cut) in cuts(total, 5).iter().enumerate() {
        after_the_cut(scene, &scene.recover_with(plan, Some(cut)), cut);
        // The old data, untouched, may be started: that it is whole is what undoing shows.
        if scene.data().join("pgdeck_recovery/kept/global").exists() {
            assert_refused_or_right(scene, cut);
        } else if scene.data().join("global/pg_control").exists() {
            assert!(before.old.keys().all(|path| path.exists()), "{cut}: half the old data");
        }
        if at % 2 == 0 {
            converges(scene, plan, cut);
        }
        before.assert_undone_after(cut);
    }
    scene.start();
    assert_eq!(scene.markers(), "a b c");
}

#[test]
fn cut_on_the_way_back() {
    let before = Before::new(Major::V15);
    let (scene, plan) = (&before.scene, &before.plan);
    scene.recover(plan).ok();
    let total = scene.step_with("undo", Some(&format!("{NEVER}:power"))).syncs();
    before.assert_as_before("undone");
    for cut in &cuts(total, 3) {
        scene.recover(plan).ok();
        after_the_cut(scene, &scene.step_with("undo", Some(cut)), cut);
        let can_start = scene.data().join("global/pg_control").exists();
        let is_whole = before.old.keys().all(|path| path.exists());
        assert!(!can_start || is_whole || scene.data().join("recovery.signal").exists(), "{cut}");
        before.assert_undone_after(cut);
    }
    scene.start();
    assert_eq!(scene.markers(), "a b c");
}

#[test]
fn cut_while_it_rewrites_and_while_it_promotes() {
    let scene = Scene::new(Major::V15);
    allow_refusals(&scene);
    scene.stop();
    let mut plan = scene.plan();
    plan.old_data = OldData::Rewrite;
    let total = scene.recover_with(&plan, Some(&format!("{NEVER}:power"))).syncs();
    for cut in &cuts(total, 3) {
        scene.stop();
        // From the beginning again, with blocks of the server that ran and files of none.
        fs::remove_dir_all(scene.data().join("pgdeck_recovery")).unwrap();
        let _ = fs::remove_file(scene.data().join("recovery.signal"));
        after_the_cut(&scene, &scene.recover_with(&plan, Some(cut)), cut);
        if !scene.data().join("global/pg_control").exists() {
            assert_refused_or_right(&scene, cut);
        }
        converges(&scene, &plan, cut);
    }
    promotes(&scene, &plan);
}

/// A promotion that is cut off, and what is left when its server is gone, too.
fn promotes(scene: &Scene, plan: &RecoveryPlan) {
    let mut killed = 0;
    for number in (1..).step_by(3) {
        let cut = format!("{number}:power:{number}");
        let struck = scene.step_with("promote", Some(&cut));
        after_the_cut(scene, &struck, &cut);
        if !struck.is_killed {
            break;
        }
        killed += 1;
        // It has promoted, or does so now.
        let again = scene.step("promote");
        let is_done = again.text.contains("OK: ") || again.text.contains("It is done");
        assert!(is_done || again.text.contains("recovery_none"), "{cut}: {}", again.text);
        if scene.repository.instance.is_running() {
            scene.stop();
        }
        let _ = fs::remove_dir_all(scene.data().join("pgdeck_recovery"));
        scene.recover(plan).ok();
    }
    assert!(killed > 1, "{killed}");
    scene.start();
    assert_eq!(scene.markers(), "a b");
}
