//! Real disks that are full or read-only: what is told, and what the destination holds then.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "the runner shows it with the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pgdeck_tests::{Major, Repository, Run, proc};

/// A file system of its own, unmounted at the end.
struct Mounted {
    place: PathBuf,
}

impl Mounted {
    /// `None`, with the reason, where nobody may mount.
    fn new(repository: &Repository, size: &str) -> Option<Self> {
        let place = repository.instance.make_directory("small");
        let options = format!("size={size},mode=0700,uid=postgres,gid=postgres");
        let mounted = Run::program("mount")
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(&place)
            .finish();
        if mounted.code() != Some(0) {
            println!("no file system can be mounted here: {}", mounted.stderr.trim());
            return None;
        }
        // WAL goes elsewhere, so that only the backup meets the trouble.
        let wal = repository.destination().join("archived_wal");
        std::os::unix::fs::symlink(wal, place.join("archived_wal")).unwrap();
        Some(Self { place })
    }

    fn remount(&self, option: &str) {
        let how = format!("remount,{option}");
        Run::program("mount").args(["-o", &how]).arg(&self.place).finish().expect_code(0);
    }

    fn path(&self) -> &str {
        self.place.to_str().unwrap()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The test has failed already when this does.
        let _ = Run::program("umount").arg("-l").arg(&self.place).try_finish();
    }
}

fn with_rows(major: Major) -> Repository {
    let repository = Repository::start(major);
    repository.instance.sql(
        "postgres",
        "create table rows as select g as id, md5(g::text) as b from generate_series(1, 200000) g",
    );
    repository
}

fn journal_bytes(destination: &Path) -> u64 {
    let entries = fs::read_dir(destination).into_iter().flatten().flatten();
    let inner = entries.filter_map(|entry| fs::read_dir(entry.path()).ok()).flatten().flatten();
    inner
        .filter(|file| file.path().extension().is_some_and(|end| end == "journal"))
        .filter_map(|file| file.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

#[test]
fn a_destination_that_fills_up_is_told_and_the_next_backup_goes_on() {
    let repository = with_rows(Major::V14);
    let Some(small) = Mounted::new(&repository, "100m") else { return };
    let child = repository.spawn(&["backup", "-B", small.path(), "--rate", "16MB", "--jobs", "2"]);
    let begun = proc::wait_for(Duration::from_secs(60), || journal_bytes(&small.place) > 500);
    assert!(begun, "nothing was copied");
    // Somebody else takes all that is left.
    let filler = small.place.join("filler");
    let full = Run::program("dd").arg("if=/dev/zero").arg(format!("of={}", filler.display()));
    assert!(full.args(["bs=64k", "status=none"]).finish().stderr.contains("No space left"));
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    for word in ["No space left on device", "DETAIL:", "HINT:", "is INCOMPLETE"] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    let listed = repository.run(&["backups", "-B", small.path()]).finish().expect_code(0).stdout;
    assert!(listed.contains("INCOMPLETE") && !listed.contains("  COMPLETE"), "{listed}");
    let refused = repository.run(&["backup", "-B", small.path()]).finish().expect_code(2);
    assert!(refused.stderr.contains("does not fit"), "{}", refused.stderr);
    fs::remove_file(filler).unwrap();
    repository.run(&["backup", "-B", small.path()]).finish().expect_code(0);
    repository.run(&["verify", "-B", small.path()]).finish().expect_code(0);
}

/// Makes the destination read-only, by its mount or, where nobody may mount, by its mode.
#[test]
fn a_read_only_destination_is_told_and_can_be_read() {
    let repository = Repository::start_small(Major::V16);
    let mounted = Mounted::new(&repository, "200m");
    let place = match &mounted {
        Some(small) => small.place.clone(),
        None => repository.instance.make_directory("closed"),
    };
    let destination = place.to_str().unwrap();
    repository.run(&["backup", "-B", destination]).finish().expect_code(0);
    let mode = |mode| fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
    match &mounted {
        Some(small) => small.remount("ro"),
        None => mode(0o500),
    }
    let failed = repository.run(&["backup", "-B", destination]).finish();
    let listed = repository.run(&["backups", "-B", destination]).finish();
    let verified = repository.run(&["verify", "-B", destination]).finish();
    match &mounted {
        Some(small) => small.remount("rw"),
        None => mode(0o700),
    }
    assert_eq!(failed.code(), Some(2), "{}{}", failed.stdout, failed.stderr);
    let why = if mounted.is_some() { "Read-only file system" } else { "Permission denied" };
    for word in [why, "DETAIL:", "HINT:"] {
        assert!(failed.stderr.contains(word), "{word} is not in {}", failed.stderr);
    }
    assert_eq!(listed.expect_code(0).stdout.matches("  COMPLETE").count(), 1);
    // What was found cannot be noted beside the backup, and need not be.
    assert_eq!(verified.code(), Some(0), "{}{}", verified.stdout, verified.stderr);
    repository.run(&["backup", "-B", destination]).finish().expect_code(0);
    repository.run(&["verify", "-B", destination]).finish().expect_code(0);
}
