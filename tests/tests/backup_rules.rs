//! What a backup needs and refuses, who may take one, what is kept, and how the commands of
//! the operations guide answer.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use pgdeck_engine::api::ErrorCode;
use pgdeck_tests::{Finished, Major, Repository, Run, TestInstance, bin, proc};

fn slow_rows(repository: &Repository) {
    repository.instance.sql(
        "postgres",
        "create table rows as select g as id, md5(g::text) as b from generate_series(1, 200000) g",
    );
}

#[track_caller]
fn refused(done: &Finished, words: &[&str]) {
    assert_eq!(done.code(), Some(2), "{}{}", done.stdout, done.stderr);
    for word in words {
        assert!(done.stderr.contains(word), "{word} is not in {}", done.stderr);
    }
}

/// An error is known by its hint, which it has from its code.
#[track_caller]
fn has_hint(said: &str, code: ErrorCode) {
    assert!(said.contains(code.default_hint()), "not {code}: {said}");
}

fn is_copying(destination: &Path) -> bool {
    let entries = fs::read_dir(destination).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.join("in-progress.json").exists())
}

#[test]
fn a_second_backup_is_told_who_runs_the_first() {
    let repository = Repository::start(Major::V13);
    slow_rows(&repository);
    let elsewhere = repository.instance.make_directory("elsewhere");
    let mut first = repository.spawn(&["backup", "--rate", "8MB"]);
    let begun = proc::wait_for(Duration::from_secs(60), || is_copying(repository.destination()));
    assert!(begun, "the first backup does not begin");
    let pid = first.id().to_string();
    let status = &repository.backups()[0]["status"];
    assert_eq!(status, "RUNNING");
    refused(
        &repository.run(&["backup"]).finish(),
        &["another operation", &format!("process {pid}")],
    );
    let destination = elsewhere.to_str().unwrap();
    let other = repository.run(&["backup", "-B", destination]).finish();
    has_hint(&other.stderr, ErrorCode::BackupRunning);
    refused(&other, &["another backup of this instance", &format!("pid {pid}")]);
    assert!(first.wait().unwrap().success());
    assert_eq!(repository.backups()[0]["status"], "COMPLETE");
}

#[test]
fn a_lost_session_ends_the_backup_and_the_next_one_goes_on() {
    let repository = Repository::start(Major::V18);
    slow_rows(&repository);
    repository.instance.allow_log("terminating connection due to administrator command");
    repository.instance.allow_log("aborting backup due to backend exiting");
    let first = repository.spawn(&["backup", "--rate", "8MB"]);
    let begun = proc::wait_for(Duration::from_secs(60), || is_copying(repository.destination()));
    assert!(begun, "the backup does not begin");
    let terminate = "select pg_terminate_backend(pid) from pg_stat_activity
         where application_name like 'pgdeck backup%'";
    assert_eq!(repository.instance.query_one_text("postgres", terminate), "t");
    let ended = first.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("the session that holds the backup open was lost"), "{said}");
    has_hint(&said, ErrorCode::BackupAbandoned);
    assert!(said.contains("INCOMPLETE"), "{said}");
    let label = repository.backup(&[]);
    assert_eq!(repository.backups().len(), 1);
    assert_eq!(repository.verify(&[]).code(), Some(0));
    drop(label);
}

#[test]
fn cancelling_leaves_a_sound_destination() {
    let repository = Repository::start(Major::V15);
    slow_rows(&repository);
    let first = repository.spawn(&["backup", "--rate", "8MB"]);
    let begun = proc::wait_for(Duration::from_secs(60), || is_copying(repository.destination()));
    assert!(begun, "the backup does not begin");
    proc::signal(i32::try_from(first.id()).unwrap(), pgdeck_tests::Signal::INT);
    let ended = first.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("cancelled") && said.contains("HINT"), "{said}");
    // The server was told: nothing about an aborted backup stands in its log.
    assert!(!repository.instance.log_text().contains("aborting backup"));
    assert_eq!(repository.backups()[0]["status"], "INCOMPLETE");
    repository.backup(&[]);
}

#[test]
fn what_is_missing_is_named() {
    let plain = TestInstance::builder(Major::V16).start();
    let state = plain.make_directory("state");
    let destination = plain.make_directory("backup");
    let run = |arguments: &[&str]| {
        Run::pgdeck()
            .args(arguments)
            .arg("-D")
            .arg(plain.data_directory())
            .arg("--state-dir")
            .arg(&state)
            .finish()
    };
    refused(&run(&["backup"]), &["has no backup destination", "pgx.backup_destination"]);
    has_hint(&run(&["backup"]).stderr, ErrorCode::BackupDestinationUnset);
    has_hint(
        &run(&["backup", "-B", destination.to_str().unwrap()]).stderr,
        ErrorCode::BackupNotPossible,
    );
    let file = run(&["backup", "-B", "/etc/hosts"]);
    refused(&file, &["is no directory"]);
    has_hint(&file.stderr, ErrorCode::RepositoryUnreadable);
    refused(&run(&["backup", "-B", "/nowhere/at/all"]), &["is missing", "HINT"]);
    let place = destination.to_str().unwrap();
    refused(
        &run(&["backup", "-B", place]),
        &["not set up", "archive_mode is off", "archive_command"],
    );
    let usage = run(&["backup", "-B", place, "--compress", "gzip"]);
    assert_eq!(usage.code(), Some(64), "{}", usage.stderr);
    refused(&run(&["backup", "-B", place, "--type", "incremental"]), &["no complete backup yet"]);
    assert!(!destination.join("pgdeck-repository.json").exists(), "nothing was begun");
}

#[test]
fn an_archive_that_stands_still_is_explained() {
    let repository = Repository::start(Major::V14);
    repository.instance.allow_log("archive command failed");
    repository.instance.allow_log("archiving write-ahead log file");
    repository.instance.set("archive_command", "/bin/false");
    repository.instance.reload();
    let done = repository.run(&["backup", "--archive-timeout", "3"]).finish();
    refused(&done, &["did not arrive", "archive_command fails for 0000", "HINT"]);
    has_hint(&done.stderr, ErrorCode::ArchiveStuck);
    assert!(repository.backups().is_empty(), "nothing was begun");
}

#[test]
fn another_clusters_destination_is_refused() {
    let one = Repository::start(Major::V15);
    one.backup(&[]);
    let two = Repository::start(Major::V15);
    let place = one.destination().to_str().unwrap();
    let done = two.run(&["backup", "-B", place]).finish();
    refused(&done, &["belongs to another database cluster", "system identifier"]);
}

#[test]
fn a_role_with_the_documented_grants_is_enough() {
    for (major, start, stop) in [
        (Major::V14, "pg_start_backup(text, boolean, boolean)", "pg_stop_backup(boolean, boolean)"),
        (Major::V18, "pg_backup_start(text, boolean)", "pg_backup_stop(boolean)"),
    ] {
        let repository = Repository::start(major);
        repository.instance.sql("postgres", "create role keeper login");
        repository.instance.allow_log("permission denied for function");
        let keeper =
            |arguments: &[&str]| repository.run(arguments).env("PGUSER", "keeper").finish();
        refused(&keeper(&["backup"]), &["permission denied", "grant EXECUTE"]);
        repository.instance.sql(
            "postgres",
            &format!(
                "grant execute on function {start}, {stop}, pg_switch_wal(), pg_create_restore_point(text) to keeper"
            ),
        );
        let done = keeper(&["backup"]).expect_code(0);
        assert!(done.stdout.contains("is complete"), "{}", done.stdout);
        keeper(&["restore-point", "by_keeper"]).expect_code(0);
    }
}

#[test]
fn two_generations_are_kept_and_old_wal_goes() {
    let repository = Repository::start(Major::V17);
    let archive = repository.destination().join("archived_wal");
    let mut labels = Vec::new();
    for kind in ["full", "incremental", "full", "incremental", "full"] {
        labels.push(repository.backup(&["--type", kind]));
        repository
            .instance
            .sql("postgres", "create table if not exists t (a int); insert into t values (1)");
    }
    let kept: Vec<_> =
        repository.backups().iter().map(|one| one["label"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kept, labels[2..]);
    let start = repository.document(&labels[2])["start_lsn"].as_str().unwrap().to_owned();
    let first = repository
        .instance
        .query_one_text("postgres", &format!("select pg_walfile_name('{start}')"));
    let mut names: Vec<_> = fs::read_dir(&archive)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("0000"))
        .collect();
    names.sort();
    assert!(names[0].starts_with(&first), "{names:?} begins before {first}");
    assert_eq!(repository.verify(&[]).code(), Some(0));

    // Deleting by hand: never what others are based on, and only when confirmed.
    let done = repository.run(&["backup", "delete", &labels[2], "--yes"]).finish();
    refused(&done, &["needed by others", &labels[3]]);
    has_hint(&done.stderr, ErrorCode::BackupNeeded);
    refused(&repository.run(&["backup", "delete", &labels[3]]).finish(), &["not confirmed"]);
    repository.run(&["backup", "delete", &labels[3], "--yes"]).finish().expect_code(0);
    repository.run(&["backup", "delete", &labels[2], "--yes"]).finish().expect_code(0);
    refused(
        &repository.run(&["backup", "delete", &labels[2], "--yes"]).finish(),
        &["there is no backup"],
    );
    assert_eq!(repository.backups().len(), 1);
    assert_eq!(repository.verify(&[]).code(), Some(0));
}

#[test]
fn the_commands_of_the_guide() {
    let repository = Repository::start(Major::V15);
    let links = repository.instance.make_directory("bin");
    for name in ["pgx_dmpall", "pgx_rcvall"] {
        std::os::unix::fs::symlink(bin::pgdeck(), links.join(name)).unwrap();
    }
    let state = repository.instance.make_directory("guide");
    let guide = |name: &str, arguments: &[&str]| {
        Run::program(links.join(name))
            .args(arguments)
            .env("PGDATA", repository.instance.data_directory())
            .env("PGDECK_STATE_DIR", &state)
            .finish()
            .expect_code(0)
    };
    let data = repository.instance.data_directory().to_str().unwrap();
    assert!(guide("pgx_dmpall", &["-D", data]).stdout.starts_with("full backup 20"));
    let listed = guide("pgx_rcvall", &["-l"]).stdout;
    let label = repository.backups()[0]["label"].as_str().unwrap().to_owned();
    let date = label.replacen('_', " ", 1);
    let (day, time) = date.split_once(' ').unwrap();
    let expected = format!(
        "Date                 Status          Dir\n{day} {}  COMPLETE        {}\n",
        time.replace('-', ":"),
        repository.directory(&label).display()
    );
    assert_eq!(listed, expected);
}

#[test]
fn backups_are_listed_and_verified_when_the_data_disk_is_gone() {
    let repository = Repository::start(Major::V16);
    repository.backup(&[]);
    repository.instance.stop(pgdeck_tests::StopMode::Fast);
    let data = repository.instance.data_directory();
    let away = data.with_extension("away");
    fs::rename(data, &away).unwrap();
    let place = repository.destination().to_str().unwrap();
    // By both names, and by the destination alone.
    let listed = repository.run(&["backups", "-B", place]).finish();
    // Without a data directory the journal would be of whoever runs this.
    let state = repository.instance.directory().join("state");
    let alone =
        |command: &str| Run::pgdeck().args([command, "-B", place, "--state-dir"]).arg(&state);
    let (listed_alone, verified) = (alone("backups").finish(), alone("verify").finish());
    fs::rename(&away, data).unwrap();
    assert!(listed.expect_code(0).stdout.contains("COMPLETE"));
    assert!(listed_alone.expect_code(0).stdout.contains("COMPLETE"));
    verified.expect_code(0);
}

#[test]
fn restore_points_are_registered() {
    let repository = Repository::start(Major::V13);
    // WAL from before the first backup is of no use and not kept.
    repository.backup(&[]);
    let made = repository.run(&["restore-point", "batch_20260701_1"]).finish().expect_code(0);
    assert!(made.stdout.contains("is at 0/"), "{}", made.stdout);
    let too_long = repository.run(&["restore-point", &"x".repeat(64)]).finish();
    assert_eq!(too_long.code(), Some(64), "{}", too_long.stderr);
    // One made with psql is found in the archive, once its segment is there.
    repository.instance.sql("postgres", "select pg_create_restore_point('by psql')");
    repository.backup(&[]);
    let listed = repository.run(&["restore-point", "--json"]).finish().expect_code(0);
    let points: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(points.as_array().unwrap().len(), 2, "{points}");
    assert_eq!(points[1]["name"], "by psql");
    assert_eq!(points[0]["name"], "batch_20260701_1");
    let lsn = points[0]["lsn"].as_str().unwrap();
    assert!(made.stdout.contains(lsn), "{lsn}");
}

#[test]
fn a_destination_that_cannot_be_written_is_told() {
    let repository = Repository::start(Major::V16);
    repository.instance.allow_log("archive command failed");
    repository.instance.allow_log("archiving write-ahead log file");
    fs::set_permissions(repository.destination(), fs::Permissions::from_mode(0o500)).unwrap();
    let done = repository.run(&["backup"]).finish();
    fs::set_permissions(repository.destination(), fs::Permissions::from_mode(0o700)).unwrap();
    refused(&done, &["cannot be locked", "Permission denied"]);
    has_hint(&done.stderr, ErrorCode::RepositoryWrite);
    repository.backup(&[]);
}

#[test]
fn a_standby_can_be_backed_up() {
    let repository = Repository::start(Major::V16);
    let primary = &repository.instance;
    primary.sql("postgres", "create table rows as select g as id from generate_series(1, 5000) g");
    let label = repository.backup(&[]);
    let mut standby = repository.restore_by_hand(&[label]);
    standby.start_standby(primary);
    let state = primary.make_directory("standby-state");
    let directory = standby.directory().to_owned();
    let destination = repository.destination().to_owned();
    let backup = std::thread::spawn(move || {
        Run::pgdeck()
            .args(["backup", "--type", "full", "-B"])
            .arg(destination)
            .arg("-D")
            .arg(directory)
            .arg("--state-dir")
            .arg(state)
            .finish()
    });
    // A standby writes no WAL: the primary has to end the segments.
    while !backup.is_finished() {
        primary.sql("postgres", "insert into rows values (0)");
        primary.sql("postgres", "select pg_switch_wal(); checkpoint".split(';').next().unwrap());
        std::thread::sleep(Duration::from_millis(300));
    }
    let done = backup.join().unwrap().expect_code(0);
    let label = done.stdout.split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(repository.document(&label)["from_standby"], true);
    standby.stop();
    let mut restored = repository.restore_by_hand(&[label]);
    restored.verifybackup().unwrap();
    restored.start(&[]);
    let count: u64 = restored.query("select count(*) from rows where id > 0").parse().unwrap();
    assert_eq!(count, 5000);
    restored.read_everything();
}
