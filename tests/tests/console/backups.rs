//! Backups by keys on a real server: set up, taken, marked, verified, deleted, and what the pane
//! shows when the destination goes away.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pgdeck_tests::pty::keys;
use pgdeck_tests::wal::place_program;
use pgdeck_tests::{Console, Major, TestInstance};

use crate::{PATIENCE, Stage, answer, escape, press, quit, ready};

/// An instance that archives nowhere yet, a place for its backups, and a console on it.
fn unprotected() -> (Stage, PathBuf, Console) {
    let instance = TestInstance::builder(Major::V15)
        .setting("wal_level", "replica")
        .setting("archive_mode", "on")
        .allow_log("archive_mode enabled, yet")
        .start();
    let program = place_program(&instance).join("pgdeck");
    let destination = instance.make_directory("backup");
    fs::set_permissions(&destination, fs::Permissions::from_mode(0o700)).unwrap();
    let stage = Stage::of(instance);
    let builder = Console::builder(program).args(stage.arguments());
    let console = ready(builder.size(120, 40).timeout(PATIENCE).spawn());
    (stage, destination, console)
}

/// Backups in the destination, oldest first.
fn labels(destination: &Path) -> Vec<String> {
    let names = fs::read_dir(destination).unwrap().flatten();
    let mut labels: Vec<String> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("20"))
        .collect();
    labels.sort();
    labels
}

fn set_up(console: &Console, destination: &Path) {
    press(console, "8", "no backup destination: press S to set one up");
    press(console, "S", "Backup destination (a directory):");
    press(console, &format!("{}\r", destination.display()), "Compression of WAL");
    press(console, "\r", "Keep (2 generations");
    press(console, "3\r", "+pgx.backup_destination");
    console.wait_for("+pgx.backup_keep_generations");
    answer(console, "y", "arrived after");
    escape(console, "arrived after");
    console.wait_for("backup setup");
    escape(console, "Esc closes");
    console.wait_for("none complete: b takes one");
}

fn take(console: &Console, key: &str) {
    press(console, key, "y does it");
    answer(console, "y", "is complete");
    console.wait_for("Esc closes");
    escape(console, "Esc closes");
}

#[test]
fn from_no_protection_to_a_verified_backup() {
    let (stage, destination, console) = unprotected();
    set_up(&console, &destination);
    let set = "show pgx.backup_destination";
    assert_eq!(stage.instance.query_one_text("postgres", set), destination.display().to_string());
    take(&console, "b");
    console.wait_for(" COMPLETE ");
    console.wait_for("1 complete");
    assert_eq!(labels(&destination).len(), 1);

    press(&console, "rbefore-upgrade\r", "SELECT pg_create_restore_point('before-upgrade')");
    answer(&console, "y", "restore point \"before-upgrade\" is at");
    console.wait_for("1 restore point (P)");

    press(&console, "v", "Every stored byte is read");
    answer(&console, "y", "1 backups, ");
    console.wait_for("Esc closes");
    escape(&console, "Esc closes");
    console.wait_for("sound ");

    take(&console, "B");
    console.wait_for("2 complete");
    let all = labels(&destination);
    assert_eq!(all.len(), 2);
    // The selection stayed on the first one.
    press(&console, "D", &format!("Backup       {}", all[0]));
    let end = &all[0][all[0].len() - 6..];
    answer(&console, "wrong\r", "that is not it");
    assert_eq!(labels(&destination).len(), 2);
    console.send(&keys::BACKSPACE.repeat(5));
    press(&console, &format!("{end}\r"), " removed");
    console.wait_for("1 complete");
    assert_eq!(labels(&destination), [all[1].clone()]);
    quit(&console);
}

#[test]
fn a_destination_that_goes_away_is_told_and_comes_back() {
    let (_stage, destination, console) = unprotected();
    set_up(&console, &destination);
    take(&console, "b");
    console.wait_for(" COMPLETE ");
    let away = destination.with_extension("away");
    fs::rename(&destination, &away).unwrap();
    console.wait_for("STALE");
    console.wait_for("cannot be read");
    console.wait_for(" Next ");
    assert!(console.find(" COMPLETE ").is_some(), "what was known stays");
    fs::rename(&away, &destination).unwrap();
    console.wait_gone("STALE");
    console.wait_for("1 complete");
    quit(&console);
}
