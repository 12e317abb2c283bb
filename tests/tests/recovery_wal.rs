//! WAL that is not there, or not sound, when it is replayed: nothing is promoted short of the
//! plan, it is told where replay stopped and why, and the recovery goes on when it is mended.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

#[path = "recovery/mod.rs"]
mod recovery;

use std::fs;
use std::path::{Path, PathBuf};

use pgdeck_engine::api::RecoveryAction;
use pgdeck_tests::Major;
use recovery::scene::Scene;

const MARKERS: &str = "a b b c d0 d1 d2";

/// Where a segment is while it is missing.
fn hidden(path: &Path) -> PathBuf {
    path.parent().unwrap().with_file_name("hidden")
}

/// Breaks the WAL, recovers with promotion asked for, and mends it.
fn check(major: Major, broken: usize, code: &str, words: &[&str], break_it: fn(&Path)) {
    let (scene, names) = Scene::long(major);
    scene.stop();
    let mut plan = scene.plan();
    plan.action = RecoveryAction::Promote;
    let path = scene.archived(&names[broken]);
    let whole = fs::read(&path).unwrap();
    break_it(&path);
    let said = scene.recover(&plan).err();
    assert!(said.starts_with(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(said.contains("not promoted"), "{said}");
    assert!(!said.contains("starting up"), "harmless lines are hidden: {said}");
    assert!(scene.data().join("recovery.signal").exists(), "it was not promoted");
    assert!(scene.data().join("pgdeck_recovery/kept/base").exists());
    if path.exists() {
        // In place: it must stay the server's.
        fs::write(&path, whole).unwrap();
    } else {
        fs::rename(hidden(&path), &path).unwrap();
    }
    let said = scene.recover(&plan).ok();
    assert!(said.contains("promoted"), "{said}");
    assert_eq!(scene.markers(), MARKERS);
}

#[test]
fn a_segment_is_missing() {
    check(Major::V15, 1, "replay_failed", &["is missing from the WAL archive"], |path| {
        fs::rename(path, hidden(path)).unwrap();
    });
}

#[test]
fn a_segment_is_damaged() {
    check(Major::V17, 1, "replay_failed", &["is damaged"], |path| {
        let mut bytes = fs::read(path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 0x10;
        fs::write(path, bytes).unwrap();
    });
}

#[test]
fn a_segment_is_cut() {
    check(Major::V13, 2, "replay_failed", &["is damaged"], |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    });
}

/// Nothing proves that there is more: PostgreSQL itself must refuse.
#[test]
fn the_archive_ends_before_the_target() {
    let (scene, names) = Scene::long(Major::V15);
    scene.stop();
    let mut plan = scene.plan();
    plan.action = RecoveryAction::Promote;
    let aside = scene.repository.instance.make_directory("later");
    let archive = scene.repository.destination().join("archived_wal");
    for entry in fs::read_dir(&archive).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.as_str() >= names[2].as_str() && name != ".incoming" {
            fs::rename(entry.path(), aside.join(name)).unwrap();
        }
    }
    // Else it would be saved from there.
    fs::remove_dir_all(scene.data()).unwrap();
    plan.replaced = None;
    let said = scene.recover(&plan).err();
    assert!(said.starts_with("replay_short"), "{said}");
    assert!(said.contains("not promoted") && said.contains("before the target"), "{said}");
    assert!(scene.data().join("recovery.signal").exists(), "it was not promoted");
    for entry in fs::read_dir(&aside).unwrap().flatten() {
        fs::rename(entry.path(), archive.join(entry.file_name())).unwrap();
    }
    scene.recover(&plan).ok();
    assert_eq!(scene.markers(), MARKERS);
}
