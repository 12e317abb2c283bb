//! A push that is interrupted: whatever is killed, fails or runs at once, nothing half-written
//! has a final name, and the next push succeeds.

// Operations fail on demand in debug builds only.
#![cfg(debug_assertions)]
// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgdeck_engine::api::{ErrorCode, WalCompression, WalPlace, WalPush};
use pgdeck_engine::pg::wal::WalFileName;
use pgdeck_engine::sys::disk::Disk;
use pgdeck_engine::sys::faults::{Fault, Plan, Spell};
use pgdeck_engine::wal::archive::Archive;
use pgdeck_engine::wal::push::push;
use pgdeck_tests::wal::{WalSite as Site, assert_refused};
use pgdeck_tests::{Run, bin};

fn request(site: &Site, index: usize, destination: &Path) -> WalPush {
    WalPush {
        source: site.segment(index),
        place: WalPlace::Destination(destination.to_owned()),
        compression: WalCompression::default(),
        data_directory: Some(site.instance.data_directory().to_owned()),
    }
}

/// Whatever fails, the archive is sound and the next push succeeds.
#[test]
fn whichever_operation_of_a_push_fails_the_archive_is_sound() {
    let site = Site::new("--wal-segsize=1");
    let name = WalFileName::parse(&site.names[0]).unwrap();
    let content = fs::read(site.segment(0)).unwrap();
    let mut done = 0;
    for (fault, spell) in [
        (Fault::Eio, Spell::Once),
        (Fault::Enospc, Spell::FromThenOn),
        (Fault::ShortWrite, Spell::Once),
    ] {
        for number in 1.. {
            done += 1;
            let destination = site.destination(&format!("backup-{done}"));
            let plan = Plan::new(number, fault, spell);
            let outcome = push(&Disk::with_plan(plan.clone()), &request(&site, 0, &destination));
            check_after_fault(&destination, name, &content, outcome.is_ok());
            if let Err(error) = &outcome {
                assert_ne!(error.code, ErrorCode::WalConflict, "{error}");
                assert!(!error.detail.is_empty(), "{error}");
            }
            let again = push(&Disk::real(), &request(&site, 0, &destination));
            assert!(again.is_ok(), "{fault:?} {number}: {again:?}");
            check_after_fault(&destination, name, &content, true);
            if !plan.has_struck() {
                assert!(number > 15, "{number} operations are too few to be all");
                break;
            }
        }
    }
    site.instance.finish().unwrap();
}

/// What has a final name is whole; after success it is there.
#[track_caller]
fn check_after_fault(destination: &Path, name: WalFileName, content: &[u8], success: bool) {
    let Ok(archive) = Archive::open(&Disk::real(), destination) else {
        assert!(!success, "there is no archive");
        return;
    };
    let found = archive.find(name).unwrap();
    assert!(found.len() == 1 || (!success && found.is_empty()), "{found:?}");
    for file in found {
        assert!(archive.read(&file).unwrap()[..] == content[..], "{file:?}");
    }
    assert_eq!(archive.list().unwrap().strangers, Vec::<PathBuf>::new());
    let _ = archive.identity().unwrap();
}

#[test]
fn a_push_killed_before_any_operation_leaves_nothing_half_written() {
    let site = Site::new("--wal-segsize=1");
    let name = WalFileName::parse(&site.names[0]).unwrap();
    let content = fs::read(site.segment(0)).unwrap();
    let destination = site.destination("backup");
    for number in 1.. {
        let run = Run::pgdeck().arg("wal-push").arg(site.segment(0)).arg(&destination);
        let finished = run.env("PGDECK_FAULT", format!("{number}:kill")).finish();
        check_after_fault(&destination, name, &content, finished.code() == Some(0));
        if finished.code() == Some(0) {
            break;
        }
        assert_eq!(finished.signal(), Some(9), "{finished:?}");
        assert!(number < 100, "it does not end");
    }
    site.push(&site.segment(0), &destination).expect_code(0);
    check_after_fault(&destination, name, &content, true);
    site.instance.finish().unwrap();
}

#[test]
fn a_push_killed_at_a_random_moment_leaves_nothing_half_written() {
    let site = Site::new("--wal-segsize=16");
    let name = WalFileName::parse(&site.names[0]).unwrap();
    let content = fs::read(site.segment(0)).unwrap();
    let began = std::time::Instant::now();
    site.push(&site.segment(0), &site.destination("whole")).expect_code(0);
    let whole = began.elapsed();
    let mut killed = 0;
    for round in 0..25_u32 {
        let destination = site.destination(&format!("backup-{round}"));
        let mut command = Command::new(bin::pgdeck());
        command.arg("wal-push").arg(site.segment(0)).arg(&destination);
        command.stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().unwrap();
        // Spread over the time that a whole push takes.
        std::thread::sleep(whole * (round * 7 % 25) / 25);
        child.kill().unwrap();
        let success = child.wait().unwrap().success();
        killed += u32::from(!success);
        check_after_fault(&destination, name, &content, success);
        if round % 5 == 0 {
            site.push(&site.segment(0), &destination).expect_code(0);
            check_after_fault(&destination, name, &content, true);
        }
    }
    assert!(killed > 5, "only {killed} pushes were killed in time");
    site.instance.finish().unwrap();
}

#[test]
fn pushes_of_one_segment_at_once_agree() {
    let site = Site::new("--wal-segsize=16");
    let destination = site.destination("backup");
    let kinds = ["zstd", "lz4", "none", "zstd"];
    std::thread::scope(|scope| {
        for kind in kinds.iter().chain(&kinds) {
            let (site, destination) = (&site, &destination);
            scope.spawn(move || {
                let run = Run::pgdeck().arg("wal-push").arg(site.segment(0)).arg(destination);
                run.args(["--compress", kind]).finish().expect_code(0);
            });
        }
    });
    let archive = Archive::open(&Disk::real(), &destination).unwrap();
    let name = WalFileName::parse(&site.names[0]).unwrap();
    let content = fs::read(site.segment(0)).unwrap();
    for file in archive.find(name).unwrap() {
        assert!(archive.read(&file).unwrap()[..] == content[..], "{file:?}");
    }
    let incoming = destination.join("archived_wal/.incoming");
    assert_eq!(fs::read_dir(incoming).unwrap().count(), 0);
    site.instance.finish().unwrap();
}

/// A small file system of its own; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf, options: &str) -> Self {
        let run = Run::program("mount").args(["-t", "tmpfs", "-o", options, "pgdeck-test"]);
        run.arg(&path).finish().expect_code(0);
        Self(path)
    }

    fn remount(&self, options: &str) {
        let run = Run::program("mount").args(["-o", &format!("remount,{options}")]);
        run.arg(&self.0).finish().expect_code(0);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Run::program("umount").arg("-l").arg(&self.0).try_finish();
    }
}

/// Root alone can mount; as another user the same is shown with a directory that is closed.
#[test]
fn a_full_or_read_only_destination_is_named_and_recovers() {
    let site = Site::new("--wal-segsize=1");
    let destination = site.destination("backup");
    let name = WalFileName::parse(&site.names[1]).unwrap();
    let content = fs::read(site.segment(1)).unwrap();
    if !rustix::process::geteuid().is_root() {
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o500);
        fs::set_permissions(&destination, closed).unwrap();
        assert_refused(&site.push(&site.segment(1), &destination), "cannot be written to");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&destination, open).unwrap();
        site.instance.finish().unwrap();
        return;
    }
    let disk = SmallDisk::mount(destination.clone(), "size=64k");
    let finished = site.push(&site.segment(1), &destination);
    assert_refused(&finished, "cannot be written to");
    assert!(finished.stderr.contains("No space left on device"), "{}", finished.stderr);
    check_after_fault(&destination, name, &content, false);
    assert_eq!(fs::read_dir(destination.join("archived_wal/.incoming")).unwrap().count(), 0);
    disk.remount("size=8m,ro");
    let finished = site.push(&site.segment(1), &destination);
    assert_refused(&finished, "cannot be written to");
    assert!(finished.stderr.contains("Read-only file system"), "{}", finished.stderr);
    disk.remount("size=8m,rw");
    site.push(&site.segment(1), &destination).expect_code(0);
    check_after_fault(&destination, name, &content, true);
    disk.remount("size=8m,ro");
    // A get writes nothing there.
    assert_eq!(site.get(&site.names[1], &destination).0.code(), Some(0));
    assert_eq!(site.get(&site.names[2], &destination).0.code(), Some(1));
    drop(disk);
    // Not mounted any more: nothing is taken for absent.
    assert_eq!(site.get(&site.names[2], &destination).0.code(), Some(204));
    site.instance.finish().unwrap();
}
