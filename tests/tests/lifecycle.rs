//! Starting, stopping, restarting and reloading, by one-shot commands.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use pgdeck_engine::api::ErrorCode;
use pgdeck_tests::{Deck, Major, StopMode, TestInstance, proc};

const SOON: Duration = Duration::from_secs(30);

/// Stops in this mode with an idle session connected; what the command says.
fn stop_with_a_session(instance: &TestInstance, deck: &Deck, arguments: &[&str]) -> String {
    let session = instance.session("postgres");
    let said = deck.ok(&[&["instance", "stop"], arguments].concat());
    assert!(!instance.is_running());
    assert!(proc::wait_for(SOON, || session.is_closed()));
    said
}

fn starts_and_stops(major: Major) {
    let instance = TestInstance::builder(major).create();
    let deck = Deck::of(&instance);
    let said = deck.ok(&["instance", "start"]);
    let pid = instance.postmaster_pid().unwrap();
    assert!(said.starts_with("started in ") && said.contains(&format!("process {pid}")), "{said}");

    let said = deck.ok(&["instance", "stop", "-m", "smart"]);
    assert!(said.starts_with("stopped cleanly") && said.contains("smart mode"), "{said}");
    deck.ok(&["instance", "start"]);
    let said = stop_with_a_session(&instance, &deck, &[]);
    assert!(said.starts_with("stopped cleanly") && said.contains("fast mode"), "{said}");
    assert_eq!(deck.status().state(), "stopped");

    for text in ["terminating connection", "postmaster exit"] {
        instance.allow_log(text);
    }
    for mode in ["immediate", "kill"] {
        deck.ok(&["instance", "start"]);
        let said = stop_with_a_session(&instance, &deck, &["-m", mode, "--yes"]);
        assert!(said.contains("without a checkpoint"), "{said}");
        // The dead process may wait for its parent for some seconds.
        deck.wait_status(|status| status.state() == "crashed");
    }
    // The next start recovers.
    deck.ok(&["instance", "start"]);
    assert_eq!(deck.status().state(), "started");
}

#[test]
fn starts_and_stops_the_oldest() {
    starts_and_stops(Major::V13);
}

#[test]
fn starts_and_stops_the_newest() {
    starts_and_stops(Major::V18);
}

#[test]
fn restart_and_reload() {
    let instance = TestInstance::start_plain(Major::V15);
    let deck = Deck::of(&instance);
    let before = instance.postmaster_pid().unwrap();
    instance.set("work_mem", "7MB");
    let said = deck.ok(&["instance", "reload"]);
    assert!(said.starts_with("configuration loaded at "), "{said}");
    assert_eq!(instance.query_one_text("postgres", "show work_mem"), "7MB");

    instance.set("max_connections", "33");
    deck.ok(&["instance", "reload"]);
    let pending = deck.status().message("pending_restart");
    assert_eq!((pending.severity.as_str(), pending.detail.as_str()), ("info", "max_connections"));
    let said = deck.ok(&["instance", "restart"]);
    assert!(said.contains("stopped cleanly") && said.contains("; started in "), "{said}");
    assert_ne!(instance.postmaster_pid().unwrap(), before);
    assert_eq!(instance.query_one_text("postgres", "show max_connections"), "33");
    assert!(!deck.status().has("pending_restart"));
}

#[test]
fn reload_refuses_files_with_errors() {
    let instance = TestInstance::start_plain(Major::V18);
    let deck = Deck::of(&instance);
    let conf = instance.data_directory().join("postgresql.conf");
    let sound = fs::read_to_string(&conf).unwrap();
    let line = sound.lines().count() + 2;
    fs::write(&conf, format!("{sound}work_mem = 7MB\nwork_memo = 1\n")).unwrap();
    let refusal = deck.refused(&["instance", "reload"]);
    assert!(refusal.fact.contains("nothing was loaded"), "{refusal:?}");
    assert_eq!(refusal.hint, ErrorCode::ConfigurationErrors.default_hint());
    assert!(refusal.detail.contains(&format!("postgresql.conf:{line}: work_memo")), "{refusal:?}");
    assert_eq!(instance.query_one_text("postgres", "show work_mem"), "4MB");

    fs::write(&conf, &sound).unwrap();
    let hba = instance.data_directory().join("pg_hba.conf");
    let sound = fs::read_to_string(&hba).unwrap();
    let line = sound.lines().count() + 1;
    instance.set_hba(&format!("{sound}local all all tust\n"));
    let refusal = deck.refused(&["instance", "reload"]);
    assert!(refusal.detail.contains(&format!("pg_hba.conf:{line}: ")), "{refusal:?}");
    instance.set_hba(&sound);
    deck.ok(&["instance", "reload"]);
}

/// A start that must fail; detail and hint.
fn failed_start(deck: &Deck) -> (String, String) {
    let refusal = deck.refused(&["instance", "start"]);
    assert!(refusal.fact.ends_with("did not start"), "{refusal:?}");
    (refusal.detail, refusal.hint)
}

#[test]
fn a_failed_start_shows_its_cause() {
    let neighbour = TestInstance::start_plain(Major::V16);
    let instance = TestInstance::builder(Major::V16).create();
    let deck = Deck::of(&instance);
    let conf = instance.data_directory().join("postgresql.conf");
    let sound = fs::read_to_string(&conf).unwrap();
    let with = |line: &str| fs::write(&conf, format!("{sound}{line}\n")).unwrap();

    let port = neighbour.port();
    with(&format!("port = {port}"));
    let (detail, hint) = failed_start(&deck);
    assert!(detail.contains("Address already in use"), "{detail}");
    assert!(hint.contains(&format!("listens on port {port}")), "{hint}");

    let line = sound.lines().count() + 1;
    with("shared_bufers = '16MB'");
    let (detail, hint) = failed_start(&deck);
    assert!(detail.contains("shared_bufers"), "{detail}\n{hint}");
    assert!(format!("{detail}{hint}").contains(&format!("line {line}")), "{detail}\n{hint}");

    with("shared_preload_libraries = 'no_such_library'");
    let (detail, _) = failed_start(&deck);
    assert!(detail.contains("no_such_library"), "{detail}");

    // With the collector on, the cause is in its file.
    with("logging_collector = on\nunix_socket_directories = '/nonexistent/place'");
    let (detail, hint) = failed_start(&deck);
    assert!(detail.contains("/nonexistent/place"), "{detail}\n{hint}");

    fs::remove_dir_all(instance.data_directory().join("pg_xact")).unwrap();
    with("");
    let (detail, hint) = failed_start(&deck);
    assert!(detail.contains("pg_xact"), "{detail}\n{hint}");
    for text in [
        "could not bind",
        "could not create any",
        "unrecognized",
        "configuration file",
        "could not access file",
        "lock file",
        "could not create",
        "could not open",
        "pg_xact",
        "could not access",
        "startup process",
    ] {
        instance.allow_log(text);
    }
}

#[test]
fn what_cannot_be_done_is_refused() {
    let instance = TestInstance::start_plain(Major::V17);
    let deck = Deck::of(&instance);
    let refusal = deck.refused(&["instance", "start"]);
    assert!(refusal.fact.ends_with("is started"), "{refusal:?}");
    for mode in ["immediate", "kill"] {
        let refusal = deck.refused(&["instance", "stop", "-m", mode]);
        assert_eq!(refusal.fact, format!("stopping in {mode} mode is not confirmed"));
        assert_eq!(refusal.hint, ErrorCode::NotConfirmed.default_hint());
    }
    let read_only = deck.clone().flag("--read-only");
    for arguments in [
        ["instance", "stop"].as_slice(),
        &["instance", "restart"],
        &["instance", "reload"],
        &["connections", "terminate", "1", "--yes"],
    ] {
        let refusal = read_only.refused(arguments);
        assert_eq!(refusal.fact, "pgdeck runs read-only", "{arguments:?}");
    }
    assert!(instance.is_running());
    instance.stop(StopMode::Fast);
    let refusal = deck.refused(&["instance", "stop"]);
    assert!(refusal.fact.ends_with("does not run"), "{refusal:?}");
    assert!(refusal.detail.contains("shut down"), "{refusal:?}");
    let refusal = deck.refused(&["instance", "reload"]);
    assert!(!refusal.hint.is_empty());
}

#[test]
fn a_stop_and_a_start_that_take_too_long() {
    let instance = TestInstance::builder(Major::V14).create();
    let go = instance.directory().join("go");
    let wait = format!("while ! test -e {}; do sleep 0.1; done; false", go.display());
    instance.set("restore_command", &wait);
    instance.set("recovery_target_action", "promote");
    instance.write_empty("recovery.signal");
    let deck = Deck::of(&instance);
    let refusal = deck.refused(&["instance", "start", "--timeout", "1"]);
    assert_eq!(refusal.fact, "it was not done within 1 s");
    assert_eq!(refusal.hint, ErrorCode::StartTimeout.default_hint());
    fs::write(&go, "").unwrap();
    deck.wait_status(|status| status.state() == "started");

    let session = instance.session("postgres");
    let refusal = deck.refused(&["instance", "stop", "-m", "smart", "--timeout", "1"]);
    assert!(refusal.detail.contains("waits for 1 client"), "{refusal:?}");
    let waiter = format!("pid {}: postgres on postgres, pgdeck-tests session", session.pid());
    assert!(refusal.detail.contains(&waiter), "{refusal:?}");
    assert_eq!(refusal.hint, ErrorCode::StopTimeout.default_hint());
    // It goes on; another command may be harsher.
    assert_eq!(deck.status().state(), "stopping");
    let said = deck.ok(&["instance", "stop", "-m", "fast"]);
    assert!(said.starts_with("stopped cleanly"), "{said}");
}
