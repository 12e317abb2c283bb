//! Destinations on file systems of their own: filling, full, read-only, unmounted, and well
//! again when the cause goes. Mounting needs root; without it these tests say so and end.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use pgdeck_tests::{Deck, Major, Status, TestInstance};
use serde_json::Value;

/// Bytes of a file system of a test.
const SIZE: usize = 48 << 20;

/// A file system in memory, taken away when dropped.
struct Mount {
    point: PathBuf,
}

impl Mount {
    /// Mounts one for the owner of that instance; `None`, said aloud, where that needs root.
    #[expect(clippy::print_stdout, reason = "the runner shows it with the test")]
    fn new(instance: &TestInstance, point: &Path) -> Option<Self> {
        if !nix::unistd::Uid::effective().is_root() {
            println!("not root: a file system cannot be mounted, nothing was tested");
            return None;
        }
        let mount = Self { point: point.to_owned() };
        mount.mount(instance);
        Some(mount)
    }

    fn mount(&self, instance: &TestInstance) {
        let owner = fs::metadata(instance.data_directory()).unwrap();
        let options = format!("size={SIZE},mode=0700,uid={},gid={}", owner.uid(), owner.gid());
        self.run("mount", &["-t", "tmpfs", "-o", &options, "pgdeck-test"]);
    }

    fn remount(&self, option: &str) {
        self.run("mount", &["-o", &format!("remount,{option}")]);
    }

    /// Also while the server has files open in it, as a disk that is pulled.
    fn unmount(&self) {
        self.run("umount", &["-l"]);
    }

    /// Makes it this full; 100 leaves not a byte.
    fn fill(&self, percent: usize) {
        let file = self.point.join("ballast");
        let _ = fs::remove_file(&file);
        let bytes = if percent == 100 { SIZE * 2 } else { SIZE / 100 * percent };
        // The last write of a full one fails.
        let written = fs::write(&file, vec![0; bytes]);
        assert_eq!(written.is_err(), percent == 100);
    }

    fn empty(&self) {
        fs::remove_file(self.point.join("ballast")).unwrap();
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let done = Command::new(program).args(arguments).arg(&self.point).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // It may be unmounted already.
        let _ = Command::new("umount").arg("-l").arg(&self.point).output();
    }
}

fn deck(instance: &TestInstance) -> Deck {
    Deck::of(instance)
}

#[track_caller]
fn health<'a>(status: &'a Status, name: &str, wanted: &str, reason: &str) -> &'a Value {
    let found = status.destination(name);
    assert_eq!((&found["status"], &found["reason"]), (&wanted.into(), &reason.into()), "{found:#}");
    found
}

#[test]
fn a_tablespace_that_fills_and_is_cleared() {
    let instance = TestInstance::start_plain(Major::V17);
    let point = instance.make_directory("space");
    let Some(mount) = Mount::new(&instance, &point) else { return };
    let create = format!("create tablespace fast location '{}'", point.display());
    instance.sql("postgres", &create);
    let deck = deck(&instance);
    let status = deck.status();
    let found = health(&status, "fast", "normal", "");
    assert_eq!(found["kind"], "tablespace");
    assert_eq!(found["mount_point"], point.to_str().unwrap());
    assert_eq!(found["device"], "pgdeck-test");
    assert!(found["free_bytes"].as_u64().unwrap() > 40 << 20);

    mount.fill(75);
    health(&deck.status(), "fast", "normal", "");
    // Rounded up, as df does.
    mount.fill(85);
    let status = deck.status();
    health(&status, "fast", "warning", "is 86 % full");
    let message = status.message("destination_filling");
    assert_eq!(message.severity, "warning");
    assert_eq!(message.text, "tablespace destination fast is 86 % full");
    assert_eq!(message.subject, point.to_str().unwrap());

    mount.fill(100);
    let status = deck.status();
    health(&status, "fast", "error", "is full");
    assert_eq!(status.message("destination_failed").severity, "error");
    assert_eq!((status.state(), status.code), ("started", 2));

    mount.empty();
    let status = deck.status();
    health(&status, "fast", "normal", "");
    assert!(!status.has("destination_failed") && !status.has("destination_filling"));
    drop(mount);
}

#[test]
fn a_limit_of_its_own() {
    let instance = TestInstance::start_plain(Major::V15);
    let point = instance.make_directory("space");
    let Some(mount) = Mount::new(&instance, &point) else { return };
    let create = format!("create tablespace fast location '{}'", point.display());
    instance.sql("postgres", &create);
    mount.fill(50);
    let deck = deck(&instance);
    let file = deck.home().write("strict.toml", "[limits]\ndestination_percent = 40\n");
    health(&deck.option("--config", file).status(), "fast", "warning", "is 50 % full");
    drop(mount);
}

#[test]
fn a_disk_that_is_unmounted_and_mounted_again() {
    let instance = TestInstance::start_plain(Major::V18);
    let point = instance.make_directory("space");
    fs::set_permissions(&point, fs::Permissions::from_mode(0o700)).unwrap();
    let Some(mount) = Mount::new(&instance, &point) else { return };
    let create = format!("create tablespace fast location '{}'", point.display());
    instance.sql("postgres", &create);
    let deck = deck(&instance);
    health(&deck.status(), "fast", "normal", "");
    mount.unmount();
    // The empty directory below is still there; only memory knows of the mount.
    let status = deck.status();
    let reason = format!("{} is not mounted", point.display());
    health(&status, "fast", "error", &reason);
    let message = status.message("destination_unmounted");
    assert_eq!(message.severity, "error");
    assert!(message.solution.contains(&format!("mount {}", point.display())), "{message:?}");
    mount.mount(&instance);
    let status = deck.status();
    health(&status, "fast", "normal", "");
    assert!(!status.has("destination_unmounted"));
    drop(mount);
}

#[test]
fn wal_on_a_disk_of_its_own_that_turns_read_only() {
    let instance = TestInstance::builder(Major::V16).wal_elsewhere().create();
    let point = instance.make_directory("wal_disk");
    let Some(mount) = Mount::new(&instance, &point) else { return };
    let old = instance.directory().join("wal");
    let copied = Command::new("cp").arg("-a").arg(&old).arg(point.join("wal")).status().unwrap();
    assert!(copied.success());
    let link = instance.data_directory().join("pg_wal");
    fs::remove_file(&link).unwrap();
    symlink(point.join("wal"), &link).unwrap();
    instance.start();
    let deck = deck(&instance);
    let status = deck.status();
    let found = health(&status, "wal", "normal", "");
    assert_eq!(
        (&found["kind"], &found["path"]),
        (&"wal".into(), &point.join("wal").to_str().unwrap().into())
    );
    assert_ne!(found["device"], status.destination("data")["device"]);
    // As the kernel does after an error of the disk; a stopped server writes nothing there.
    instance.stop(pgdeck_tests::StopMode::Fast);
    mount.remount("ro");
    let status = deck.status();
    health(&status, "wal", "error", "is mounted read-only");
    assert!(status.message("destination_failed").text.contains("transaction log"));
    mount.remount("rw");
    instance.start();
    health(&deck.status(), "wal", "normal", "");
    instance.stop(pgdeck_tests::StopMode::Fast);
    drop(mount);
}

#[test]
fn a_backup_destination_beside_its_data_or_missing() {
    let instance = TestInstance::builder(Major::V14).create();
    let backup = instance.make_directory("backup");
    instance.set("pgx.backup_destination", backup.to_str().unwrap());
    instance.start();
    let deck = deck(&instance);
    let status = deck.status();
    let found = status.destination("backup");
    assert_eq!((&found["kind"], &found["status"]), (&"backup".into(), &"warning".into()));
    assert_eq!(found["reason"], "is on the same device as data");
    assert_eq!(status.message("destination_shared").severity, "warning");
    fs::remove_dir(&backup).unwrap();
    let status = deck.status();
    health(&status, "backup", "error", "does not exist");
    assert_eq!(status.message("destination_failed").subject, backup.to_str().unwrap());
    // A server that is down does not hide where its backups go.
    instance.stop(pgdeck_tests::StopMode::Fast);
    assert_eq!(deck.status().destination("backup")["reason"], "does not exist");
}
