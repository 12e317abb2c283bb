//! Connection strings, and every reason for which a server lets nobody in: its code, on the
//! screen as a state with a next step.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;

use pgdeck_engine::api::{ErrorCode, InstanceState};
use pgdeck_tests::{Deck, Major, Session, Status, TestInstance, Watcher};

const HBA: &str = "\
local all peered peer
local all all trust
host all secret 127.0.0.1/32 scram-sha-256
host all hashed 127.0.0.1/32 md5
hostssl all sealed 127.0.0.1/32 trust
host all watcher,locked,absent,limited 127.0.0.1/32 trust
";

const ROLES: &str = "
    create role secret login password 'right one'; create role hashed login password 'right one';
    create role sealed login; create role peered login; create role watcher login;
    create role locked nologin; create role limited login connection limit 0;
    grant pg_monitor to secret, watcher;
    create database closed; alter database closed allow_connections false;
    create database full_up; alter database full_up connection limit 0;
    create database private; revoke connect on database private from public;";

fn server(major: Major) -> TestInstance {
    let instance = TestInstance::builder(major)
        .setting("password_encryption", "scram-sha-256")
        .hba(HBA)
        .allow_log("FATAL:  ")
        .start();
    for command in ROLES.split_terminator(';') {
        instance.sql("postgres", command);
    }
    instance
}

fn dsn(instance: &TestInstance, rest: &str) -> String {
    format!("host=127.0.0.1 port={} {rest}", instance.port())
}

/// A status that tells why nobody gets in.
fn refused(deck: &Deck, code: ErrorCode) -> Status {
    let status = deck.status();
    let error = &status.instance["connect_error"];
    assert_eq!(error["code"], code.as_str(), "{:#}", status.instance);
    assert_eq!((status.state(), status.code), ("unreachable", 2), "{:#}", status.instance);
    let message = status.message("instance_unreachable");
    assert_eq!(message.text, error["fact"].as_str().unwrap());
    assert!(!message.solution.is_empty());
    status
}

#[test]
fn every_refusal_has_its_code() {
    use ErrorCode::*;
    let instance = server(Major::V17);
    for (rest, code) in [
        ("user=secret dbname=postgres password=wrong", PasswordWrong),
        ("user=hashed dbname=postgres password=wrong", PasswordWrong),
        ("user=secret dbname=postgres", PasswordMissing),
        ("user=nobody_listed dbname=postgres", AuthenticationRefused),
        ("user=sealed dbname=postgres sslmode=disable", AuthenticationRefused),
        ("user=absent dbname=postgres", RoleUnknown),
        ("user=locked dbname=postgres", RoleUnknown),
        ("user=watcher dbname=absent", DatabaseUnknown),
        ("user=watcher dbname=closed", DatabaseUnknown),
        ("user=watcher dbname=private", PermissionDenied),
        ("user=watcher dbname=full_up", NoConnectionSlots),
        ("user=limited dbname=postgres", NoConnectionSlots),
        ("user=watcher dbname=postgres sslmode=require", TlsFailed),
        ("user=watcher dbname=postgres options='-c no_such_setting=1'", ConnectionStringInvalid),
    ] {
        refused(&Deck::dsn(&dsn(&instance, rest)), code);
    }
    let peered = instance.conninfo().replace("user=postgres", "user=peered");
    let status = refused(&Deck::dsn(&peered), AuthenticationRefused);
    assert!(status.message("instance_unreachable").solution.contains("run pgdeck as that"));
    // A command that needs the server says the same.
    let deck = Deck::dsn(&dsn(&instance, "user=watcher dbname=absent"));
    let refusal = deck.refused(&["connections"]);
    assert!(refusal.detail.contains("database \"absent\" does not exist"), "{refusal:?}");
}

#[test]
fn passwords_come_from_the_file() {
    let instance = server(Major::V13);
    let place = dsn(&instance, "user=secret dbname=postgres");
    let line = |password: &str| format!("127.0.0.1:{}:*:secret:{password}\n", instance.port());

    let deck = Deck::dsn(&place);
    deck.home().write(".pgpass", &line("right one"));
    let status = deck.status();
    assert_eq!(status.state(), "started", "{:#}", status.instance);
    assert_eq!(status.instance["locality"], "remote");

    let file = deck.home().write(".pgpass", &line("mistaken one"));
    let status = refused(&deck, ErrorCode::PasswordWrong);
    let solution = status.message("instance_unreachable").solution;
    assert!(solution.contains(file.to_str().unwrap()), "{solution}");
    assert!(!format!("{:#}", status.instance).contains("mistaken one"), "it shows the password");

    // libpq ignores a file that others may read, and so does pgdeck.
    deck.home().write(".pgpass", &line("right one"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    refused(&deck, ErrorCode::PasswordMissing);

    let elsewhere = deck.home().write("elsewhere", &line("right one"));
    assert_eq!(deck.clone().env("PGPASSFILE", &elsewhere).status().state(), "started");
    assert_eq!(deck.env("PGPASSWORD", "right one").status().state(), "started");
}

#[test]
fn services_and_variables() {
    let instance = server(Major::V18);
    let service =
        format!("[mine]\n{}\n", dsn(&instance, "user=watcher dbname=postgres").replace(' ', "\n"));
    let deck = Deck::dsn("service=mine");
    deck.home().write(".pg_service.conf", &service);
    assert_eq!(deck.status().state(), "started");
    let file = deck.home().write("services", &service.replace("[mine]", "[other]"));
    // Instead of the one in the home directory.
    let deck = deck.env("PGSERVICEFILE", &file);
    refused(&deck, ErrorCode::ServiceNotFound);
    let other = Deck::dsn("").env("PGSERVICEFILE", &file).env("PGSERVICE", "other");
    assert_eq!(other.status().state(), "started");

    let lost = Deck::dsn("service=lost");
    lost.home().write(".pg_service.conf", &service);
    let status = refused(&lost, ErrorCode::ServiceNotFound);
    assert!(status.message("instance_unreachable").detail.contains(".pg_service.conf"));

    let by_variables = Deck::dsn("")
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", instance.port().to_string())
        .env("PGUSER", "watcher")
        .env("PGDATABASE", "postgres");
    assert_eq!(by_variables.status().state(), "started");
    let url = format!("postgresql://watcher@127.0.0.1:{}/postgres", instance.port());
    assert_eq!(Deck::dsn(&url).status().state(), "started");
}

#[test]
fn strings_that_cannot_be_read() {
    for text in ["hots=db1", "host=db1 port=none", "host='db1", "host=db1 sslmode=maybe"] {
        let deck = Deck::dsn(text);
        let status = refused(&deck, ErrorCode::ConnectionStringInvalid);
        let message = status.message("instance_unreachable");
        assert!(!message.detail.is_empty() || !message.text.is_empty(), "{message:?}");
    }
}

#[test]
fn all_slots_taken_and_free_again() {
    let instance = TestInstance::builder(Major::V16)
        .setting("max_connections", "6")
        .setting("superuser_reserved_connections", "2")
        .allow_log("remaining connection slots")
        .start();
    instance.sql("postgres", "create role watcher login; grant pg_monitor to watcher");
    let sessions: Vec<Session> = (0..4).map(|_| instance.session("postgres")).collect();
    let place = dsn(&instance, "user=watcher dbname=postgres");
    let deck = Deck::dsn(&place);
    refused(&deck, ErrorCode::NoConnectionSlots);
    let watcher = Watcher::remote(&place, &deck);
    watcher.wait("unreachable", |one| one.status.state == InstanceState::Unreachable);
    // A superuser still gets in and sees it.
    let local = Deck::of(&instance);
    let status = local.status();
    assert_eq!((status.state(), status.code), ("started", 2), "{:#}", status.instance);
    assert_eq!(status.message("connections_nearly_used").severity, "error");
    drop(sessions);
    watcher.wait("connected", |one| one.connected && one.sessions.get().is_some());
}

#[test]
fn nobody_acts_on_the_processes_of_another_machine() {
    let instance = server(Major::V15);
    let deck = Deck::dsn(&dsn(&instance, "user=watcher dbname=postgres"));
    for action in [["instance", "start"], ["instance", "stop"], ["instance", "restart"]] {
        let refusal = deck.refused(&action);
        assert!(refusal.fact.ends_with("is on another machine"), "{refusal:?}");
        assert_eq!(refusal.hint, ErrorCode::InstanceRemote.default_hint());
    }
    assert!(instance.is_running());
    let status = deck.status();
    assert_eq!(status.instance["destinations"], serde_json::json!([]));
    let refusal = deck.refused(&["instance", "reload"]);
    instance.allow_log("permission denied for");
    assert!(refusal.fact.contains("lacks a privilege"), "{refusal:?}");
}
