//! Conditions of a running server that become messages, with thresholds of `pgdeck.toml`.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use pgdeck_engine::api::ErrorCode;
use pgdeck_tests::{Deck, Major, TestInstance};

fn with(deck: &Deck, name: &str, limits: &str) -> Deck {
    let file = deck.home().write(name, &format!("[limits]\n{limits}\n"));
    deck.clone().option("--config", file)
}

#[test]
fn slots_ages_and_replication_slots() {
    let instance = TestInstance::builder(Major::V17).setting("max_connections", "10").start();
    instance.sql("postgres", "select pg_create_physical_replication_slot('lost', true)");
    instance.sql("postgres", "select pg_switch_wal()");
    let deck = Deck::of(&instance);
    let codes = deck.status();
    for code in ["connections_nearly_used", "xid_age", "slot_holds_wal"] {
        assert!(!codes.has(code), "{code}: {:?}", codes.codes());
    }
    let strict = with(&deck, "a.toml", "connections_percent = 10\nxid_age = 1\nslot_wal_bytes = 1");
    let status = strict.status();
    let message = status.message("connections_nearly_used");
    assert_eq!(message.severity, "warning");
    assert!(message.text.ends_with("of 10 connection slots are in use"), "{message:?}");
    assert_eq!(status.message("xid_age").severity, "warning");
    let message = status.message("slot_holds_wal");
    assert_eq!((message.severity.as_str(), message.subject.as_str()), ("warning", "lost"));
    assert!(message.solution.contains("pg_drop_replication_slot"), "{message:?}");
    instance.sql("postgres", "select pg_drop_replication_slot('lost')");
    assert!(!strict.status().has("slot_holds_wal"));
}

#[test]
fn an_archiver_that_fails_and_recovers() {
    let instance = TestInstance::builder(Major::V15)
        .setting("archive_mode", "on")
        .setting("archive_command", "false")
        .allow_log("archiving write-ahead log file")
        .start();
    instance.sql("postgres", "create table t (a int); select pg_switch_wal()");
    let deck = Deck::of(&instance);
    let status = deck.wait_status(|status| status.has("archiver_failing"));
    assert_eq!((status.message("archiver_failing").severity.as_str(), status.code), ("error", 2));
    assert!(status.message("archiver_failing").detail.contains("segment 0000"));
    instance.set("archive_command", "true");
    instance.reload();
    let status = deck.wait_status(|status| !status.has("archiver_failing"));
    assert_eq!(status.instance["archiver"]["failing"], false);
}

#[test]
fn a_configuration_that_cannot_be_read() {
    let instance = TestInstance::builder(Major::V18).create();
    let deck = Deck::of(&instance);
    for (text, wanted) in [
        ("[limits]\ndestination_percent = 101", "1 to 100"),
        ("[limit]", "limit"),
        ("[[instance]]\nname = \"a\"", "neither data_directory nor connection"),
        ("nonsense", "line 1"),
    ] {
        let file = deck.home().write("bad.toml", text);
        let deck = deck.clone().option("--config", file);
        let refusal = deck.refused(&["status"]);
        assert_eq!(refusal.hint, ErrorCode::ConfigInvalid.default_hint());
        assert!(refusal.detail.contains(wanted), "{refusal:?}");
    }
}

#[test]
fn which_instance_is_meant() {
    let one = TestInstance::builder(Major::V14).name("first").create();
    let two = TestInstance::builder(Major::V16).name("second").create();
    let deck = Deck::nowhere();
    let entry = |name: &str, instance: &TestInstance| {
        let place = instance.data_directory().display();
        format!("[[instance]]\nname = \"{name}\"\ndata_directory = \"{place}\"\n")
    };
    let text = entry("left", &one) + &entry("right", &two);
    let file = deck.home().write("pgdeck.toml", &text);
    let deck = deck.option("--config", file);
    let listed = deck.json(&["instance", "list", "--json"]);
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert!(names.len() >= 2 && names[0] == "left" && names[1] == "right", "{listed:#}");
    let refusal = deck.refused(&["instance", "start"]);
    assert_eq!(refusal.fact, "several instances are known");
    assert_eq!(refusal.hint, ErrorCode::InstanceAmbiguous.default_hint());
    assert!(refusal.detail.contains("left, right"), "{refusal:?}");
    let chosen = deck.clone().option("--instance", "right");
    assert_eq!(chosen.status().instance["data_directory"], two.data_directory().to_str().unwrap());
    let refusal = deck.option("--instance", "middle").refused(&["status"]);
    assert_eq!(refusal.hint, ErrorCode::InstanceNotFound.default_hint());
    let by_variable = Deck::nowhere().env("PGDATA", one.data_directory());
    assert_eq!(by_variable.status().state(), "stopped");
}
