//! Sessions: very many, long lock chains, hostile texts, and ending them.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use chrono::Utc;
use pgdeck_engine::api::{
    BackendTarget, Command, ErrorCode, Event, InstanceState, LockParty, SignalKind,
};
use pgdeck_tests::{Deck, Major, Session, TestInstance, Watcher, proc};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);
/// Just under the most a server keeps of a query (`track_activity_query_size`).
const LONG: usize = (1 << 20) - 100;

fn rows(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

fn by_pid(sessions: &Value, pid: i32) -> &Value {
    let found = rows(sessions).iter().find(|one| one["pid"] == pid);
    found.unwrap_or_else(|| panic!("no session {pid}: {sessions:#}"))
}

#[test]
fn five_hundred_idle_sessions() {
    let instance = TestInstance::builder(Major::V17)
        .setting("max_connections", "600")
        .setting("shared_buffers", "32MB")
        .start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let clients = runtime.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..500 {
            clients.push(instance.connect("postgres").await);
        }
        clients
    });
    let deck = Deck::of(&instance);
    let began = Instant::now();
    let sessions = deck.json(&["connections", "--json"]);
    let took = began.elapsed();
    assert_eq!(rows(&sessions).len(), 500);
    assert!(rows(&sessions).iter().all(|one| one["state"] == "idle"));
    // Generous: the machine may be busy. It takes well under a second.
    assert!(took < Duration::from_secs(10), "listing took {took:?}");
    let status = deck.status();
    assert_eq!(status.instance["connections"]["max"], 600);
    assert_eq!(status.message("connections_nearly_used").severity, "warning");
    let watcher = Watcher::of(&instance, &deck);
    watcher.wait("all of them", |one| one.sessions.get().is_some_and(|all| all.len() >= 500));
    drop(clients);
    runtime.shutdown_background();
    watcher.wait("none of them", |one| {
        one.sessions.get().is_some_and(|all| all.iter().filter(|one| one.is_client()).count() == 0)
    });
}

fn party(party: &LockParty) -> String {
    match party {
        LockParty::Session(session) => session.pid.to_string(),
        LockParty::Prepared { gid, .. } => gid.clone(),
        LockParty::Gone { pid } => format!("gone {pid}"),
    }
}

#[test]
fn a_lock_chain_of_twenty_behind_a_prepared_transaction() {
    const LINKS: usize = 20;
    let instance = TestInstance::start_plain(Major::V18);
    instance.sql("postgres", "create table t (a int primary key, b int)");
    instance.sql("postgres", "insert into t select i, 0 from generate_series(0, 30) i");
    instance
        .sql("postgres", "begin; update t set b = 1 where a = 0; prepare transaction 'the root'");
    let mut chain: Vec<Session> = Vec::new();
    for link in 0..LINKS {
        let session = instance.session("postgres");
        // Holds its own row, wants that of the one before.
        session.run(&format!("begin; update t set b = 2 where a = {}", link + 1));
        drop(session.begin(&format!("update t set b = 3 where a = {link}")));
        let waits =
            format!("select wait_event_type from pg_stat_activity where pid = {}", session.pid());
        assert!(proc::wait_for(SOON, || instance.query_one_text("postgres", &waits) == "Lock"));
        chain.push(session);
    }
    let deck = Deck::of(&instance);
    let sessions = deck.json(&["connections", "--json"]);
    let first = by_pid(&sessions, chain[0].pid());
    assert_eq!(first["blocked_by_prepared"], serde_json::json!(["the root"]));
    for pair in chain.windows(2) {
        let waiter = by_pid(&sessions, pair[1].pid());
        assert_eq!(waiter["blocked_by"], serde_json::json!([pair[0].pid()]));
    }
    let watcher = Watcher::of(&instance, &deck);
    let snapshot = watcher.wait("the whole tree", |one| {
        one.locks.get().is_some_and(|forest| forest.waiting == LINKS)
    });
    let forest = snapshot.locks.get().unwrap();
    assert_eq!((forest.nodes.len(), forest.depth_max), (LINKS + 1, LINKS));
    // Depth first, so a chain stands in its order.
    let order: Vec<_> = forest.nodes.iter().map(|node| party(&node.party)).collect();
    let pids = chain.iter().map(|session| session.pid().to_string());
    let expected: Vec<_> = std::iter::once("the root".to_owned()).chain(pids).collect();
    assert_eq!(order, expected);
    let prepared = deck.json(&["prepared", "--json"]);
    assert_eq!(prepared[0]["blocked"], serde_json::json!([chain[0].pid()]));
    deck.ok(&["prepared", "rollback", "the root", "--yes"]);
    watcher.wait("the next root", |one| {
        one.locks.get().is_some_and(|forest| forest.waiting == LINKS - 1)
    });
    instance.allow_log("canceling statement");
}

#[test]
fn texts_that_would_harm_a_terminal() {
    let instance =
        TestInstance::builder(Major::V16).setting("track_activity_query_size", "1048576").start();
    let nasty = "\u{1b}[31mred\u{202e}dne\u{9b}2J\nnext\tline\u{7}";
    let session = instance.session("postgres");
    session.run(&format!("select $${nasty}$$"));
    let long = instance.session("postgres");
    let megabyte = "x".repeat(LONG);
    long.run(&format!("select '{megabyte}' is null"));
    let named = instance.session("postgres");
    named.run("set application_name = E'a\\x1b[7mb'");
    let deck = Deck::of(&instance);
    let sessions = deck.json(&["connections", "--json"]);
    let query = by_pid(&sessions, session.pid())["query"].as_str().unwrap();
    assert_eq!(query, format!("select $${nasty}$$"), "JSON has it as it is");
    let whole = by_pid(&sessions, long.pid());
    assert_eq!(whole["query"].as_str().unwrap().len(), LONG + "select '' is null".len());
    assert_eq!(whole["query_is_cut"], false);
    let table = deck.ok(&["connections"]);
    let is_harmful =
        |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!table.contains(is_harmful), "{table:?}");
    assert_eq!(table.lines().count(), 4, "one line each: {table}");
    assert!(table.lines().all(|line| line.len() < 1_000));
    // The engine cuts what lists show and fetches the rest when asked.
    let mut watcher = Watcher::of(&instance, &deck);
    let snapshot = watcher.wait("sessions", |one| one.sessions.get().is_some());
    let cut = snapshot.sessions.get().unwrap().iter().find(|one| one.pid == long.pid()).unwrap();
    assert!(cut.query_is_cut && cut.query.len() < 10_000);
    let fetch = Command::FetchQuery { instance: watcher.id(), target: cut.target() };
    let Event::QueryText { text, .. } = watcher.ask(fetch).unwrap() else { panic!("no text") };
    assert_eq!(text.len(), LONG + "select '' is null".len());
}

#[test]
fn texts_that_are_not_utf8() {
    let instance = TestInstance::start_plain(Major::V15);
    instance.sql("postgres", "create database raw encoding 'LATIN1' template template0");
    let session = instance.session("raw");
    // The server keeps it in the database's encoding and shows the bytes to everybody.
    session.run("select 'gr\u{fc}n'");
    for database in ["postgres", "raw"] {
        let place = instance.conninfo().replace("dbname=postgres", &format!("dbname={database}"));
        let sessions = Deck::dsn(&place).json(&["connections", "--json"]);
        let query = by_pid(&sessions, session.pid())["query"].as_str().unwrap();
        assert!(query.starts_with("select 'gr"), "{database}: {query}");
    }
}

#[test]
fn cancel_and_terminate() {
    let instance = TestInstance::start_plain(Major::V13);
    instance.allow_log("canceling statement due to user request");
    let sessions: Vec<Session> = (0..3).map(|_| instance.session("postgres")).collect();
    let pids: Vec<String> = sessions.iter().map(|one| one.pid().to_string()).collect();
    let running = sessions[0].begin("select pg_sleep(60)");
    let deck = Deck::of(&instance);
    let refusal = deck.refused(&["connections", "cancel", &pids[0]]);
    assert_eq!(refusal.fact, "cancel is not confirmed");
    assert!(refusal.detail.contains(&pids[0]), "{refusal:?}");
    let said = deck.ok(&["connections", "cancel", &pids[0], "--yes"]);
    assert_eq!(said, format!("{}: cancel sent\n", pids[0]));
    let error = running.wait().unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some("57014"));
    assert!(sessions.iter().all(|one| !one.is_closed()));

    let both = ["connections", "terminate", &pids[0], &pids[1], "--yes"];
    let said = deck.ok(&both);
    assert_eq!(said.lines().count(), 2);
    assert!(proc::wait_for(SOON, || sessions[0].is_closed() && sessions[1].is_closed()));
    assert!(!sessions[2].is_closed());
    // Gone by now, and one that still is there: each has its own answer.
    let done = deck.run(["connections", "terminate", &pids[0], &pids[2], "--yes"]).finish();
    let done = done.expect_code(2);
    assert!(done.stderr.contains(&format!("session {} has ended", pids[0])), "{}", done.stderr);
    assert_eq!(done.stdout, format!("{}: terminate sent\n", pids[2]));
    assert!(proc::wait_for(SOON, || sessions[2].is_closed()));
}

#[test]
fn another_backend_with_the_same_pid_is_left_alone() {
    let instance = TestInstance::start_plain(Major::V18);
    let session = instance.session("postgres");
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    watcher.wait("a connection", |one| one.connected);
    let instance_id = watcher.id();
    let mut outcome = |target| {
        let kind = SignalKind::Terminate;
        let command =
            Command::Signal { instance: instance_id.clone(), kind, targets: vec![target] };
        match watcher.ask(command).unwrap() {
            Event::Signalled { results, .. } => results[0].outcome.clone(),
            event => panic!("{event:?}"),
        }
    };
    let other = BackendTarget { pid: session.pid(), backend_start: Some(Utc::now()) };
    assert_eq!(outcome(other).unwrap_err().code, ErrorCode::SessionGone);
    let gone = BackendTarget { pid: 999_999_999, backend_start: None };
    assert_eq!(outcome(gone).unwrap_err().code, ErrorCode::SessionGone);
    assert!(!session.is_closed());
}

#[test]
fn ending_a_superusers_session_needs_one() {
    let instance = TestInstance::start_plain(Major::V14);
    instance.sql("postgres", "create role helper login; grant pg_monitor, pg_signal_backend to helper; create role plain login");
    instance.allow_log("must be a superuser");
    let session = instance.session("postgres");
    let deck = Deck::dsn(&instance.conninfo().replace("user=postgres", "user=helper"));
    let refusal = deck.refused(&["connections", "terminate", &session.pid().to_string(), "--yes"]);
    assert!(refusal.fact.contains("lacks a privilege"), "{refusal:?}");
    assert!(refusal.hint.contains("pg_signal_backend"), "{refusal:?}");
    assert!(!session.is_closed());
}

#[test]
fn the_rule_for_sessions_idle_in_a_transaction() {
    let instance = TestInstance::start_plain(Major::V18);
    let idle = instance.session("postgres");
    idle.run("begin; select 1");
    let other = instance.session("postgres");
    other.run("select 1");
    let plain = Deck::of(&instance);
    assert!(!plain.status().has("idle_in_transaction"));
    let by_rule = plain.json(&["connections", "--json", "--idle-in-transaction", "0"]);
    assert_eq!(rows(&by_rule).len(), 1, "{by_rule:#}");
    assert_eq!(by_rule[0]["pid"], idle.pid());
    let by_rule = plain.json(&["connections", "--json", "--idle-in-transaction", "60"]);
    assert_eq!(rows(&by_rule).len(), 0);
    let strict = plain.home().write("strict.toml", "[limits]\nidle_in_transaction_minutes = 0\n");
    let deck = plain.clone().option("--config", strict);
    let message = deck.status().message("idle_in_transaction");
    assert_eq!(message.severity, "warning");
    assert!(message.detail.contains(&format!("pid {}", idle.pid())), "{message:?}");
}

#[test]
fn a_backend_killed_takes_all_others_along() {
    let instance = TestInstance::start_plain(Major::V15);
    for text in ["terminating connection because of crash", "connection to client lost"] {
        instance.allow_log(text);
    }
    let session = instance.session("postgres");
    let deck = Deck::of(&instance);
    let watcher = Watcher::of(&instance, &deck);
    watcher.wait("a connection", |one| one.connected && one.sessions.get().is_some());
    proc::signal(session.pid(), pgdeck_tests::Signal::KILL);
    assert!(proc::wait_for(SOON, || session.is_closed()));
    watcher.wait("its new life", |one| {
        one.connected
            && one.status.state == InstanceState::Started
            && one.sessions.get().is_some_and(|all| all.iter().all(|one| one.pid != session.pid()))
    });
}
