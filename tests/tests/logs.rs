//! The server log in every format, near and far, rotated, unreadable and missing.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use pgdeck_engine::api::ErrorCode;
use pgdeck_tests::{Deck, Major, Run, Status, TestInstance, Watcher, bin, proc};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);
const DIVISION: &str = "division by zero";

fn divide(instance: &TestInstance) {
    instance.allow_log(DIVISION);
    instance.try_sql("postgres", "select 1/0").unwrap_err();
}

/// What `pgdeck logs` and the messages tell of an error in this format.
fn is_told_of(major: Major, destination: &str) {
    let instance = TestInstance::builder(major).logging_collector(destination).start();
    divide(&instance);
    let deck = Deck::of(&instance);
    let text = deck.ok(&["logs", "--severity", "error"]);
    assert!(text.contains("ERROR: division by zero"), "{text}");
    assert!(text.contains("    STATEMENT: select 1/0"), "{text}");
    assert!(!text.contains("ready to accept"), "{text}");
    let lines = deck.ok(&["logs", "--json", "-n", "100"]);
    let entries: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let entry = entries.iter().find(|entry| entry["message"] == DIVISION);
    let entry = entry.unwrap_or_else(|| panic!("{lines}"));
    assert!(entry["severity"].as_str().unwrap().eq_ignore_ascii_case("error"), "{entry:#}");
    assert!(entry["pid"].is_i64() && entry["at"].is_string(), "{entry:#}");
    assert!(entries.iter().any(|entry| entry["message"].as_str().unwrap().contains("ready to")));
    let message = deck.status().message("log_errors");
    assert_eq!(
        (message.severity.as_str(), message.text.as_str()),
        ("warning", "the server log has 1 new error")
    );
    assert!(message.detail.starts_with("1 ERROR, 0 FATAL, 0 PANIC"), "{message:?}");
}

#[test]
fn stderr() {
    is_told_of(Major::V13, "stderr");
}

#[test]
fn csvlog() {
    is_told_of(Major::V14, "csvlog");
}

#[test]
fn jsonlog() {
    is_told_of(Major::V18, "jsonlog");
}

#[test]
fn a_rotation_is_followed() {
    let instance = TestInstance::builder(Major::V17).logging_collector("stderr").start();
    let deck = Deck::of(&instance);
    let follow = deck.run(["logs", "--follow"]).timeout(Duration::from_secs(90)).start();
    assert!(follow.wait_stdout("ready to accept connections", SOON), "{}", follow.stderr());
    divide(&instance);
    assert!(follow.wait_stdout(DIVISION, SOON), "{}", follow.stdout());
    let file = || instance.query_one_text("postgres", "select pg_current_logfile()");
    let before = file();
    // Its name has the second in it.
    let rotated = proc::wait_for(SOON, || {
        let _ = instance.query_one_text("postgres", "select pg_rotate_logfile()");
        std::thread::sleep(Duration::from_millis(300));
        file() != before
    });
    assert!(rotated, "the server does not rotate its log");
    instance.allow_log("no_such_table");
    instance.try_sql("postgres", "select * from no_such_table").unwrap_err();
    assert!(follow.wait_stdout("no_such_table", SOON), "{}", follow.stdout());
    let told = follow.stdout();
    assert_eq!(told.matches("ERROR: division by zero").count(), 1, "nothing comes twice: {told}");
}

#[test]
fn a_log_on_another_machine() {
    let instance = TestInstance::builder(Major::V18).logging_collector("stderr").start();
    instance.sql("postgres", "create role watcher login; grant pg_monitor to watcher");
    divide(&instance);
    let superuser = Deck::dsn(&instance.tcp_conninfo());
    let text = superuser.ok(&["logs", "--severity", "error"]);
    assert!(text.contains("ERROR: division by zero"), "{text}");

    let place = instance.tcp_conninfo().replace("user=postgres", "user=watcher");
    let deck = Deck::dsn(&place);
    let refusal = deck.refused(&["logs"]);
    assert!(refusal.fact.contains("does not let this role read"), "{refusal:?}");
    assert_eq!(deck.status().message("log_unreadable").severity, "warning");
    // What the hint says helps.
    let grant =
        refusal.hint.strip_prefix("As a superuser: ").unwrap().replace("the role.", "watcher");
    instance.sql("postgres", &grant);
    let text = deck.ok(&["logs", "--severity", "error"]);
    assert!(text.contains("ERROR: division by zero"), "{text}");
    assert!(!deck.status().has("log_unreadable"));
}

#[test]
fn a_log_that_stays_on_its_machine() {
    let instance = TestInstance::start_plain(Major::V15);
    let deck = Deck::dsn(&instance.tcp_conninfo());
    let refusal = deck.refused(&["logs"]);
    assert!(refusal.hint.contains("logging_collector = on"), "{refusal:?}");
    let watcher = Watcher::remote(&instance.tcp_conninfo(), &deck);
    let snapshot = watcher.wait("the reason", |one| one.log.error.is_some());
    assert_eq!(snapshot.log.error.as_ref().unwrap().code, ErrorCode::LogNotFound);
}

#[test]
#[expect(clippy::print_stdout, reason = "the runner shows it with the test")]
fn a_log_that_may_not_be_read() {
    let instance = TestInstance::builder(Major::V16)
        .initdb_option("--allow-group-access")
        .logging_collector("stderr")
        .setting("log_file_mode", "0600")
        .start();
    let owner = fs::metadata(instance.data_directory()).unwrap();
    let deck = Deck::nowhere();
    let directory = instance.data_directory().to_str().unwrap();
    let run = |arguments: &[&str]| {
        let group = format!("--regid={}", owner.gid());
        let run = Run::program("setpriv").args(["--reuid=65534", &group, "--clear-groups"]);
        let run = run.arg(bin::pgdeck()).home(deck.home()).args(arguments);
        // Nobody can make a directory there.
        run.args(["-D", directory, "--state-dir", "/proc/nowhere"])
            .env("PGUSER", "postgres")
            .finish()
    };
    if !nix::unistd::Uid::effective().is_root() {
        println!("not root: another user cannot be taken on, nothing was tested");
        return;
    }
    let refused = run(&["logs"]).expect_code(2);
    assert!(refused.stderr.contains("may not be read by this user"), "{}", refused.stderr);
    assert!(refused.stderr.contains("mode 0600"), "{}", refused.stderr);
    let status = Status::of(&run(&["status", "--json"]));
    assert_eq!(status.state(), "started", "{:#}", status.instance);
    let message = status.message("log_unreadable");
    assert_eq!(message.severity, "warning");
    assert!(message.solution.contains("log_file_mode = 0640"), "{message:?}");
    // Without a place for its journal it goes on and says so.
    assert_eq!(status.message("journal_failed").severity, "warning");
    for file in instance.log_files().iter().skip(1) {
        fs::set_permissions(file, fs::Permissions::from_mode(0o640)).unwrap();
    }
    let read = run(&["logs"]).expect_code(0);
    assert!(read.stdout.contains("ready to accept connections"), "{}", read.stdout);
}
