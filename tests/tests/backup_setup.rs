//! The one-shot set-up of the archive, the check of it, and the schedule, on real servers.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pgdeck_engine::api::ErrorCode;
use pgdeck_tests::{Deck, InstanceBuilder, Major, Repository, TestInstance};

/// What PostgreSQL says while archiving is on and goes nowhere yet.
const NOWHERE: &str = "archive_mode enabled, yet";
/// How a server that is ended at once treats the command that runs at this moment.
const CUT_OFF: &str = "archive command was terminated by signal 3";

fn archiving(major: Major) -> InstanceBuilder {
    TestInstance::builder(major)
        .setting("wal_level", "replica")
        .setting("archive_mode", "on")
        .allow_log(NOWHERE)
        .allow_log(CUT_OFF)
}

fn private(instance: &TestInstance, name: &str) -> PathBuf {
    let path = instance.make_directory(name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

fn conf(instance: &TestInstance) -> PathBuf {
    instance.data_directory().join("postgresql.conf")
}

/// `backup setup` into this destination, with these options.
fn set_up<'a>(destination: &'a Path, options: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["backup", "setup", "-B", destination.to_str().unwrap()];
    words.extend(options);
    words
}

#[test]
fn a_dry_run_and_a_set_up_nobody_confirmed_change_nothing() {
    let instance = archiving(Major::V15).start();
    let destination = private(&instance, "backup");
    let deck = Deck::of(&instance);
    let before = fs::read(conf(&instance)).unwrap();
    let shown = deck.ok(&set_up(&destination, &["--dry-run"]));
    assert!(shown.contains("+pgx.backup_destination"), "{shown}");
    assert!(shown.contains("wal-push \"%p\""), "{shown}");
    let refusal = deck.refused(&set_up(&destination, &[]));
    assert_eq!(refusal.fact, "the set-up is not confirmed");
    assert_eq!(refusal.detail, "nothing was changed");
    assert_eq!(fs::read(conf(&instance)).unwrap(), before);
    assert_eq!(fs::read_dir(&destination).unwrap().count(), 0);
    // The plan that is shown and the plan as JSON are the same.
    let plan = deck.json(&set_up(&destination, &["--dry-run", "--json"]));
    assert_eq!(plan["then"], "reload");
    let diff = plan["diff"].as_str().unwrap();
    // On the screen tabs become blanks.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&shown).contains(&words(diff)), "{diff}\n{shown}");
}

#[test]
fn what_cannot_be_a_destination_is_refused_with_the_reason() {
    let instance = archiving(Major::V15).start();
    let deck = Deck::of(&instance);
    let inside = instance.data_directory().join("backup");
    let open = instance.make_directory("open");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    let full = private(&instance, "full");
    fs::write(full.join("thesis.odt"), "years of work").unwrap();
    let missing = instance.directory().join("missing");
    let file = instance.directory().join("file");
    fs::write(&file, "").unwrap();
    for path in [&inside, &open, &full, &missing, &file] {
        let refusal = deck.refused(&set_up(path, &["--yes"]));
        assert!(refusal.fact.contains("cannot be a backup destination"), "{refusal:?}");
        assert!(!refusal.detail.is_empty(), "{refusal:?}");
    }
    assert!(!missing.exists());
    let text = fs::read_to_string(conf(&instance)).unwrap();
    assert!(!text.contains("pgx.backup_destination"));
}

#[test]
fn after_a_reload_a_segment_is_proven_to_arrive() {
    for major in [Major::V13, Major::V18] {
        let instance = archiving(major).start();
        let destination = instance.directory().join("made");
        // The directory around it belongs to whoever may make it there.
        let destination = match Deck::of(&instance)
            .run(set_up(&destination, &["--yes", "--create", "--dry-run"]))
            .finish()
            .code()
        {
            Some(0) => destination,
            _ => private(&instance, "backup"),
        };
        let deck = Deck::of(&instance);
        let told = deck.ok(&set_up(&destination, &["--yes", "--create"]));
        assert!(told.contains("arrived after"), "{told}");
        let archived = fs::read_dir(destination.join("archived_wal")).unwrap().count();
        assert!(archived > 0);
        let mode = fs::metadata(&destination).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
        // Again: nothing is left to change, and nobody has to confirm that.
        let again = deck.ok(&set_up(&destination, &[]));
        assert!(again.contains("every setting is right already"), "{again}");
        let checked = deck.run(["check"]).finish().expect_code(0);
        assert!(checked.stdout.starts_with("OK - "), "{}", checked.stdout);
    }
}

#[test]
fn archive_mode_needs_a_restart_and_until_then_the_check_says_so() {
    let instance =
        TestInstance::builder(Major::V16).setting("archive_mode", "off").allow_log(CUT_OFF).start();
    let destination = private(&instance, "backup");
    let deck = Deck::of(&instance);
    let before = deck.run(["check"]).finish().expect_code(2);
    assert!(before.stdout.contains("archive_mode is off"), "{}", before.stdout);
    let done = deck.run(set_up(&destination, &["--yes"])).finish().expect_code(0);
    assert!(done.stderr.contains("pgdeck instance restart"), "{}", done.stderr);
    let pending = deck.run(["check"]).finish().expect_code(2);
    assert!(pending.stdout.starts_with("CRITICAL - "), "{}", pending.stdout);
    assert!(pending.stdout.contains("Restart"), "{}", pending.stdout);
    instance.restart();
    let checked = deck.run(["check"]).finish().expect_code(0);
    assert!(checked.stdout.contains("arrived after"), "{}", checked.stdout);
}

#[test]
fn a_check_that_cannot_look_is_unknown() {
    let instance = archiving(Major::V15).create();
    let checked = Deck::of(&instance).run(["check"]).finish().expect_code(3);
    assert!(checked.stdout.starts_with("UNKNOWN - "), "{}", checked.stdout);
}

#[test]
fn without_a_destination_the_next_step_is_named() {
    let instance = TestInstance::start_plain(Major::V15);
    let refusal = Deck::of(&instance).refused(&["verify"]);
    assert!(refusal.fact.contains("has no backup destination"), "{refusal:?}");
    assert_eq!(refusal.hint, ErrorCode::BackupDestinationUnset.default_hint());
}

#[test]
fn comments_and_everything_else_in_the_file_survive() {
    let instance = archiving(Major::V17).start();
    let destination = private(&instance, "backup");
    let note = "\n# touched by hand: ask Ines before changing\nwork_mem = 5MB  # measured\n";
    let text = fs::read_to_string(conf(&instance)).unwrap() + note;
    fs::write(conf(&instance), &text).unwrap();
    Deck::of(&instance).ok(&set_up(&destination, &["--yes"]));
    let after = fs::read_to_string(conf(&instance)).unwrap();
    assert!(after.contains(note), "{after}");
    let lost: Vec<&str> = text.lines().filter(|line| !after.contains(*line)).collect();
    assert_eq!(lost, Vec::<&str>::new(), "every line is still there");
    assert_eq!(instance.query_one_text("postgres", "show work_mem"), "5MB");
}

#[test]
fn files_the_server_refuses_are_put_back() {
    let instance = archiving(Major::V15).allow_log("invalid value for parameter").start();
    let instance_log = "configuration file";
    let destination = private(&instance, "backup");
    // Right in form, wrong for the server only.
    let text = fs::read_to_string(conf(&instance)).unwrap() + "work_mem = 'plenty'\n";
    fs::write(conf(&instance), &text).unwrap();
    let refusal = Deck::of(&instance).refused(&set_up(&destination, &["--yes"]));
    assert!(!refusal.detail.is_empty(), "{instance_log}: {refusal:?}");
    assert_eq!(fs::read_to_string(conf(&instance)).unwrap(), text);
}

#[test]
fn a_schedule_names_instance_time_and_owner() {
    let instance = archiving(Major::V15).start();
    let deck = Deck::of(&instance);
    let cron = deck.ok(&["schedule", "--kind", "cron", "--at", "03:40"]);
    let line = cron.lines().find(|line| !line.starts_with('#')).unwrap();
    assert!(line.starts_with("40 3 * * * "), "{cron}");
    let data = instance.data_directory().display().to_string();
    assert!(line.ends_with(&format!("backup -D '{data}'")), "{cron}");
    let timer = deck.ok(&["schedule", "--kind", "systemd"]);
    assert!(timer.contains("OnCalendar=*-*-* ") && timer.contains("ExecStart="), "{timer}");
    assert!(timer.contains(&data), "{timer}");
    let wrong = deck.run(["schedule", "--kind", "cron", "--at", "25:00"]).finish();
    assert!(wrong.stderr.contains("\"25:00\" is not a time of day"), "{}", wrong.stderr);
    assert_eq!((wrong.code(), wrong.stdout.as_str()), (Some(64), ""));
}

#[test]
fn the_status_tells_what_can_be_recovered() {
    let repository = Repository::start(Major::V15);
    let deck = Deck::of(&repository.instance);
    let before = deck.status();
    assert!(before.instance["backups"]["newest_complete"].is_null(), "{:?}", before.instance);
    repository.instance.sql("postgres", "create table t as select 1");
    let label = repository.backup(&[]);
    repository.instance.sql("postgres", "insert into t values (2)");
    repository.instance.switch_and_wait_archived();
    let status = deck.wait_status(|one| !one.instance["backups"]["durable_commit_at"].is_null());
    let backups = &status.instance["backups"];
    assert_eq!(backups["destination"], repository.destination().to_str().unwrap());
    assert_eq!(backups["newest_complete"]["label"], label.as_str());
    assert_eq!(backups["newest_complete"]["type"], "full");
    assert_eq!(backups["gaps"].as_array().unwrap().len(), 0);
    assert!(backups["error"].is_null());
    for field in ["recoverable_from", "recoverable_to"] {
        assert!(backups[field].is_string(), "{field}: {backups}");
    }
}
