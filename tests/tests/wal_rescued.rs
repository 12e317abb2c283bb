//! `wal-get --rescued`: what a recovery has saved makes up for what the archive does not have,
//! and the answers stay true.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use pgdeck_tests::wal::WalSite;
use pgdeck_tests::{Finished, Run};

struct Scene {
    site: WalSite,
    destination: PathBuf,
    saved: PathBuf,
}

impl Scene {
    /// The first segment is archived.
    fn new() -> Self {
        let site = WalSite::new("--wal-segsize=1");
        let destination = site.destination("backup");
        let saved = site.instance.make_directory("saved");
        site.push(&site.segment(0), &destination).expect_code(0);
        Self { site, destination, saved }
    }

    fn save(&self, index: usize, suffix: &str, change: fn(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.site.segment(index)).unwrap();
        change(&mut bytes);
        fs::write(self.saved.join(format!("{}{suffix}", self.site.names[index])), bytes).unwrap();
    }

    fn get(&self, index: usize) -> (Finished, Option<Vec<u8>>) {
        let target = self.site.instance.directory().join("RECOVERYXLOG");
        let _ = fs::remove_file(&target);
        let run = Run::pgdeck().arg("wal-get").arg(&self.site.names[index]).arg(&target);
        let run = run.arg("-B").arg(&self.destination).arg("--rescued").arg(&self.saved);
        let done = run.arg("-D").arg(self.site.instance.data_directory()).finish();
        (done, fs::read(&target).ok())
    }

    #[track_caller]
    fn assert_given(&self, index: usize) {
        let (done, content) = self.get(index);
        assert_eq!(done.code(), Some(0), "{}", done.stderr);
        assert!(content.unwrap() == fs::read(self.site.segment(index)).unwrap());
    }

    #[track_caller]
    fn assert_refused(&self, index: usize, code: i32) {
        let (done, content) = self.get(index);
        assert_eq!((done.code(), content), (Some(code), None), "{}", done.stderr);
    }

    fn stored(&self, index: usize) -> PathBuf {
        let name = format!("{}.zst", self.site.names[index]);
        Path::new(&self.destination).join("archived_wal").join(name)
    }
}

#[test]
fn what_was_saved_makes_up_for_what_is_absent_or_damaged() {
    let scene = Scene::new();
    scene.assert_given(0);
    scene.assert_refused(1, 1);
    scene.save(1, "", |_| {});
    scene.assert_given(1);
    // A segment that was not full is saved under this name by some.
    scene.save(2, ".partial", |_| {});
    scene.assert_given(2);
    let mut bytes = fs::read(scene.stored(0)).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 0x10;
    fs::write(scene.stored(0), bytes).unwrap();
    scene.assert_refused(0, 201);
    scene.save(0, "", |_| {});
    scene.assert_given(0);
}

#[test]
fn a_gap_before_what_was_saved_is_no_end() {
    let scene = Scene::new();
    scene.save(2, "", |_| {});
    scene.assert_refused(1, 202);
    scene.assert_given(2);
    scene.assert_refused(3, 1);
}

#[test]
fn a_saved_copy_that_is_not_sound_is_not_given() {
    let scene = Scene::new();
    for change in [
        |bytes: &mut Vec<u8>| bytes.truncate(5000),
        // Of another cluster.
        |bytes: &mut Vec<u8>| bytes[24] ^= 1,
        |bytes: &mut Vec<u8>| bytes[8192 * 3 + 100] ^= 0xFF,
    ] {
        scene.save(1, "", change);
        scene.assert_refused(1, 201);
    }
    // An archive that cannot be read may have more of it.
    scene.save(1, "", |_| {});
    let archive = scene.destination.join("archived_wal");
    fs::rename(&archive, scene.destination.join("gone")).unwrap();
    scene.assert_refused(1, 204);
}
