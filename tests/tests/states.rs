//! The state of a local instance that runs, or seems to, and the promises of `status`.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use pgdeck_engine::api::InstanceState;
use pgdeck_tests::proc::{self, ProcessState};
use pgdeck_tests::{Deck, Major, Signal, Status, StopMode, TestInstance, Watcher};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

/// A deck that does not mind how full the machine's disk is.
fn deck(instance: &TestInstance) -> Deck {
    let deck = Deck::of(instance);
    let file = deck.home().write("pgdeck.toml", "[limits]\ndestination_percent = 100\n");
    deck.option("--config", file)
}

fn expect(status: &Status, state: &str, code: i32, messages: &[&str]) {
    assert_eq!((status.state(), status.code), (state, code), "{:#}", status.instance);
    for message in messages {
        assert!(status.has(message), "{message}: {:#}", status.instance);
    }
}

#[test]
fn started_then_stopped_then_crashed() {
    let instance = TestInstance::builder(Major::V15).initdb_option("--data-checksums").start();
    let deck = deck(&instance);
    let status = deck.status();
    expect(&status, "started", 0, &[]);
    assert_eq!(status.codes(), Vec::<&str>::new());

    instance.stop(StopMode::Fast);
    let status = deck.status();
    expect(&status, "stopped", 2, &["instance_stopped"]);
    assert_eq!(status.message("instance_stopped").solution, "Start the instance.");
    assert!(status.message("instance_stopped").detail.contains("shut down"));
    assert_eq!(status.instance["pid"], Value::Null);
    assert_eq!(status.instance["uptime_seconds"], Value::Null);

    instance.start();
    instance.kill9();
    let status = deck.status();
    expect(&status, "crashed", 2, &["instance_crashed", "stale_pid_file"]);
    assert!(status.message("instance_crashed").detail.contains("in production"));
    assert_eq!(status.message("stale_pid_file").severity, "warning");

    instance.start();
    expect(&deck.status(), "started", 0, &[]);
}

#[test]
fn status_has_the_keys_that_were_promised() {
    let instance = TestInstance::start_plain(Major::V18);
    instance.sql(
        "postgres",
        "create table t (a int); begin; insert into t values (1); prepare transaction 'one'",
    );
    let deck = deck(&instance);
    let status = deck.status();
    let json = status.instance.as_object().unwrap();
    for key in ["name", "state", "data_directory", "port", "version", "role", "timeline"] {
        assert!(json.get(key).is_some_and(|value| !value.is_null()), "{key}: {json:#?}");
    }
    assert!(json["uptime_seconds"].is_u64() && json["prepared"] == 1, "{json:#?}");
    assert!(json["connections"]["used"].is_u64() && json["connections"]["max"].is_u64());
    let destination = &json["destinations"][0];
    assert_eq!(destination["kind"], "data");
    assert_eq!(destination["path"], instance.data_directory().to_str().unwrap());
    assert_eq!(destination["status"], "normal", "{destination:#}");
    assert!(destination["used_bytes"].is_u64() && destination["free_bytes"].is_u64());
    assert!(destination["reason"].is_string());

    let sessions = deck.json(&["connections", "--json"]);
    assert!(sessions.is_array());
    let prepared = &deck.json(&["prepared", "--json"])[0];
    for key in ["gid", "database", "owner", "prepared_at"] {
        assert!(prepared[key].is_string(), "{key}: {prepared:#}");
    }
    assert!(prepared["transaction"].is_u64() && prepared["age_seconds"].is_f64());
    assert!(prepared["locks"].is_array() && prepared["blocked"].is_array());

    instance.stop(StopMode::Fast);
    let message = &deck.status().instance["messages"][0];
    for key in ["severity", "code", "text", "detail", "solution"] {
        assert!(message[key].is_string(), "{key}: {message:#}");
    }
}

#[test]
fn starting_while_the_server_is_not_ready() {
    let instance = TestInstance::builder(Major::V17).create();
    let go = instance.directory().join("go");
    // Before it touches anything, a recovery asks the archive for timeline 2.
    let wait = format!("while ! test -e {}; do sleep 0.1; done; false", go.display());
    instance.set("restore_command", &wait);
    instance.set("recovery_target_action", "promote");
    instance.write_empty("recovery.signal");
    let deck = deck(&instance);
    let starting = deck.run(["instance", "start"]).start();
    let status = deck.wait_status(|status| status.state() == "starting");
    assert_ne!(status.instance["pid"], Value::Null);
    std::fs::write(&go, "").unwrap();
    let done = starting.finish().expect_code(0);
    assert!(done.stdout.starts_with("started in "), "{}", done.stdout);
    assert_eq!(deck.status().state(), "started");
}

#[test]
fn a_standby_with_and_without_hot_standby() {
    let instance = TestInstance::builder(Major::V16)
        .setting("hot_standby", "off")
        .allow_log("specified neither primary_conninfo nor restore_command")
        .allow_log("the database system is not accepting connections")
        .create();
    instance.write_empty("standby.signal");
    instance.start();
    let deck = deck(&instance);
    let status = deck.status();
    expect(&status, "in recovery", 0, &[]);
    assert!(status.instance["detail"].as_str().unwrap().contains("hot_standby = off"));
    instance.stop(StopMode::Fast);
    expect(&deck.status(), "stopped", 2, &["instance_stopped"]);

    instance.set("hot_standby", "on");
    instance.start();
    let status = deck.status();
    expect(&status, "started", 0, &[]);
    assert_eq!(status.instance["role"], "standby");
    assert_eq!(status.instance["timeline"], 1);
    assert!(status.instance["transactions_per_second"].is_number(), "{:#}", status.instance);
}

#[test]
fn stopping_while_a_smart_stop_waits() {
    let instance = TestInstance::start_plain(Major::V14);
    let session = instance.session("postgres");
    let deck = deck(&instance);
    let watcher = Watcher::of(&instance, &deck);
    watcher.wait("a connection", |one| one.sessions.get().is_some_and(|all| all.len() > 1));
    instance.request_stop(StopMode::Smart);
    watcher.wait("stopping", |one| one.status.state == InstanceState::Stopping);
    expect(&deck.status(), "stopping", 0, &[]);
    assert!(!session.is_closed());
    drop(session);
    // The watcher's own connection must not hold it up.
    watcher.wait("stopped", |one| one.status.state == InstanceState::Stopped);
    assert!(!instance.is_running());
}

#[test]
fn a_server_that_hangs_looks_stale_and_recovers() {
    let instance = TestInstance::start_plain(Major::V18);
    let deck = deck(&instance);
    let watcher = Watcher::of(&instance, &deck);
    watcher.wait("a full look", |one| one.sessions.get().is_some() && one.rates.get().is_some());
    instance.sigstop_all();
    let snapshot = watcher.wait("the hang", |one| {
        one.status.state == InstanceState::Suspended && one.sessions.is_stale()
    });
    assert!(snapshot.server.is_stale() && snapshot.rates.is_stale());
    assert!(snapshot.destinations.error.is_none(), "the disks are not concerned");
    let began = std::time::Instant::now();
    let status = deck.status();
    assert!(began.elapsed() < Duration::from_secs(15), "a hanging server holds up status");
    expect(&status, "suspended", 2, &["instance_suspended"]);
    let pid = instance.postmaster_pid().unwrap();
    let solution = status.message("instance_suspended").solution;
    assert!(solution.contains(&format!("kill -CONT {pid}")), "{solution}");
    instance.sigcont();
    watcher.wait("the recovery", |one| {
        one.status.state == InstanceState::Started
            && one.connected
            && !one.sessions.is_stale()
            && !one.rates.is_stale()
    });
}

#[test]
fn a_crash_is_seen_and_its_end_too() {
    let instance = TestInstance::start_plain(Major::V13);
    let deck = deck(&instance);
    let watcher = Watcher::of(&instance, &deck);
    watcher.wait("a connection", |one| one.connected);
    instance.kill9();
    let snapshot = watcher.wait("the crash", |one| one.status.state == InstanceState::Crashed);
    assert!(!snapshot.connected && snapshot.sessions.get().is_none());
    assert!(snapshot.status.start_command.as_ref().unwrap().contains("pg_ctl start"));
    instance.start();
    watcher.wait("a new connection", |one| one.connected && one.sessions.get().is_some());
    instance.restart();
    watcher.wait("the connection after a restart", |one| {
        one.connected && one.server.get().is_some_and(|server| server.uptime_seconds < 60)
    });
}

#[test]
fn a_zombie_is_told_from_a_server() {
    let instance = TestInstance::builder(Major::V18).create();
    let owner = std::fs::metadata(instance.data_directory()).unwrap();
    let log = std::fs::File::create(instance.log_file()).unwrap();
    let mut command = Command::new(instance.major().program("postgres"));
    command.arg("-D").arg(instance.data_directory()).current_dir("/").env_clear();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    if nix::unistd::Uid::effective().is_root() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    // Nobody waits for this child, as some containers' init does not.
    let mut child = command.spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let deck = deck(&instance);
    deck.wait_status(|status| status.state() == "started");
    for text in ["postmaster exited", "unexpected postmaster exit"] {
        instance.allow_log(text);
    }
    proc::signal(pid, Signal::KILL);
    assert!(proc::wait_state(pid, ProcessState::Zombie, SOON));
    expect(&deck.status(), "zombie", 2, &["instance_zombie"]);
    child.wait().unwrap();
    expect(&deck.status(), "crashed", 2, &["instance_crashed", "stale_pid_file"]);
}
