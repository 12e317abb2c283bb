//! Prepared transactions: seen in all databases, resolved in their own, and the truth told
//! about the result, whatever happens on the way.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use pgdeck_engine::api::{
    Command, Error, ErrorCode, Event, HolderKind, PreparedOutcome, PreparedTarget, RequestId,
    TransactionId,
};
use pgdeck_tests::{Deck, Major, StopMode, TestInstance, Watcher, for_every_major, proc};

const SOON: Duration = Duration::from_secs(30);
const DATABASES: [&str; 3] = ["postgres", "one", "it's \"two\""];

fn literal(text: &str) -> String {
    // As the server's quote_literal() has it.
    let doubled = text.replace('\'', "''");
    match doubled.contains('\\') {
        true => format!("E'{}'", doubled.replace('\\', "\\\\")),
        false => format!("'{doubled}'"),
    }
}

fn prepare(instance: &TestInstance, database: &str, gid: &str, value: usize) {
    let gid = literal(gid);
    let commands = format!("begin; insert into t values ({value}); prepare transaction {gid}");
    instance.sql(database, &commands);
}

fn gid(number: usize) -> String {
    match number {
        0 => "it's 'quoted'".to_owned(),
        1 => r"back\slash \'; drop table t; --".to_owned(),
        2 => "gr\u{fc}\u{df}e \u{4e16}\u{754c} \u{202e}".to_owned(),
        // The longest there is: GIDSIZE is 200 with the final zero byte (`xact.h`).
        3 => "x".repeat(199),
        4 => "  ".to_owned(),
        5 => "\u{1b}[31mred\n".to_owned(),
        _ => format!("374cc221-f6dc-4b73-9d62-{number:012}"),
    }
}

fn resolve(watcher: &Watcher, target: &PreparedTarget, outcome: PreparedOutcome) -> Command {
    Command::ResolvePrepared { instance: watcher.id(), target: target.clone(), outcome }
}

fn done(outcome: Result<Event, Error>) -> String {
    match outcome.unwrap() {
        Event::Done { text, .. } => text,
        event => panic!("{event:?}"),
    }
}

#[test]
fn fifty_in_three_databases() {
    let instance = TestInstance::start_plain(Major::V18);
    instance.sql("postgres", "create database one");
    instance.sql("postgres", "create database \"it's \"\"two\"\"\"");
    for database in DATABASES {
        instance.sql(database, "create table t (a int)");
    }
    for number in 0..50 {
        prepare(&instance, DATABASES[number % 3], &gid(number), number);
    }
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    let snapshot = watcher
        .wait("all fifty", |one| one.prepared.get().is_some_and(|prepared| prepared.len() == 50));
    let prepared = snapshot.prepared.get().unwrap();
    for number in 0..50 {
        let one = prepared.iter().find(|one| one.gid == gid(number));
        let one = one.unwrap_or_else(|| panic!("{:?} is missing", gid(number)));
        assert_eq!(one.database, DATABASES[number % 3]);
        let outcome = match number % 2 {
            0 => PreparedOutcome::Commit,
            _ => PreparedOutcome::Rollback,
        };
        let said = done(watcher.ask(resolve(&watcher, &one.target(), outcome)));
        let truth = if number % 2 == 0 { "is committed" } else { "is rolled back" };
        assert!(said.ends_with(truth) && said.contains(&one.database), "{said}");
    }
    for (index, database) in DATABASES.iter().enumerate() {
        let rows = instance.query_texts(database, "select a::text from t order by t.a");
        let expected: Vec<_> =
            (0..50).filter(|n| n % 3 == index && n % 2 == 0).map(|n| n.to_string()).collect();
        assert_eq!(rows, expected, "{database}");
    }
    watcher.wait("none left", |one| one.prepared.get().is_some_and(Vec::is_empty));
}

#[test]
fn one_shot_commands() {
    let instance = TestInstance::start_plain(Major::V13);
    instance.sql("postgres", "create table t (a int)");
    let deck = Deck::of(&instance);
    for number in [0, 1, 5] {
        prepare(&instance, "postgres", &gid(number), number);
    }
    let table = deck.ok(&["prepared"]);
    assert!(!table.contains('\u{1b}') && table.lines().count() == 4, "{table:?}");
    let refusal = deck.refused(&["prepared", "commit", &gid(0)]);
    assert_eq!(refusal.fact, "COMMIT PREPARED is not confirmed");
    let read_only = deck.clone().flag("--read-only");
    let refusal = read_only.refused(&["prepared", "commit", &gid(0), "--yes"]);
    assert_eq!(refusal.fact, "pgdeck runs read-only");
    let said = deck.ok(&["prepared", "commit", &gid(1), "--yes"]);
    assert!(said.ends_with("is committed\n"), "{said}");
    let said = deck.ok(&["prepared", "rollback", &gid(0), "--yes"]);
    assert!(said.ends_with("is rolled back\n"), "{said}");
    deck.ok(&["prepared", "commit", &gid(5), "--yes"]);
    assert_eq!(instance.query_texts("postgres", "select a::text from t order by t.a"), ["1", "5"]);
    let refusal = deck.refused(&["prepared", "commit", &gid(0), "--yes"]);
    assert!(refusal.fact.starts_with("there is no prepared transaction"), "{refusal:?}");
    assert_eq!(refusal.detail, "no transaction is prepared");
}

#[test]
fn the_wrong_one_is_never_resolved() {
    let instance = TestInstance::start_plain(Major::V15);
    instance.sql("postgres", "create table t (a int)");
    instance.sql("postgres", "create database one");
    prepare(&instance, "postgres", "same", 1);
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    let snapshot = watcher.wait("it", |one| one.prepared.get().is_some_and(|all| all.len() == 1));
    let target = snapshot.prepared.get().unwrap()[0].target();
    // Resolved elsewhere, and another one took its gid.
    instance.sql("postgres", "rollback prepared 'same'");
    prepare(&instance, "postgres", "same", 2);
    for wrong in [
        target.clone(),
        PreparedTarget { transaction: TransactionId::from_u32(3), ..target.clone() },
        PreparedTarget { database: "one".to_owned(), ..target.clone() },
        PreparedTarget { gid: "other".to_owned(), ..target },
    ] {
        let error = watcher.ask(resolve(&watcher, &wrong, PreparedOutcome::Commit)).unwrap_err();
        assert_eq!(error.code, ErrorCode::PreparedNotFound, "{wrong:?}: {error}");
    }
    let count = "select count(*) from pg_prepared_xacts";
    assert_eq!(instance.query_one_text("postgres", count), "1");
}

#[test]
fn a_refusal_says_that_it_is_still_prepared() {
    let instance = TestInstance::start_plain(Major::V16);
    instance.sql(
        "postgres",
        "create table t (a int); create role stranger login; grant pg_monitor to stranger",
    );
    instance.allow_log("permission denied to finish prepared transaction");
    prepare(&instance, "postgres", "not yours", 1);
    let place = instance.conninfo().replace("user=postgres", "user=stranger");
    let deck = Deck::dsn(&place);
    let mut watcher = Watcher::remote(&place, &deck);
    let snapshot = watcher.wait("it", |one| one.prepared.get().is_some_and(|all| all.len() == 1));
    let target = snapshot.prepared.get().unwrap()[0].target();
    let error = watcher.ask(resolve(&watcher, &target, PreparedOutcome::Commit)).unwrap_err();
    assert_eq!(error.code, ErrorCode::PreparedFailed, "{error}");
    assert!(error.fact.ends_with("was refused; it is still prepared"), "{error}");
    assert!(error.detail.contains("permission denied"), "{error}");
    assert!(error.hint.contains("superuser or the role that prepared it"), "{error}");
}

/// A commit that waits for a standby which does not exist; the backend that waits.
fn waiting_commit(instance: &TestInstance, watcher: &mut Watcher) -> (RequestId, i32) {
    let snapshot = watcher.wait("it", |one| one.prepared.get().is_some_and(|all| all.len() == 1));
    let target = snapshot.prepared.get().unwrap()[0].target();
    let request = watcher.send(resolve(watcher, &target, PreparedOutcome::Commit));
    let waiting = "select coalesce(max(pid), 0) from pg_stat_activity where wait_event = 'SyncRep'";
    let mut pid = 0;
    let waits = proc::wait_for(SOON, || {
        pid = instance.query_one_text("postgres", waiting).parse().unwrap();
        pid != 0
    });
    assert!(waits, "nobody waits for the standby");
    (request, pid)
}

fn with_an_absent_standby(major: Major) -> TestInstance {
    let instance = TestInstance::start_plain(major);
    instance.sql("postgres", "create table t (a int)");
    prepare(&instance, "postgres", "waits", 7);
    instance.set("synchronous_standby_names", "absent");
    instance.reload();
    instance.allow_log("canceling wait for synchronous replication");
    instance.allow_log("canceling the wait for synchronous replication");
    instance
}

#[test]
fn the_truth_when_the_wait_for_a_standby_is_cancelled() {
    let instance = with_an_absent_standby(Major::V17);
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    let (request, pid) = waiting_commit(&instance, &mut watcher);
    let _ = instance.query_one_text("postgres", &format!("select pg_cancel_backend({pid})"));
    let said = done(watcher.answer(request));
    assert!(said.ends_with("is committed"), "{said}");
    assert_eq!(instance.query_texts("postgres", "select a::text from t"), ["7"]);
}

#[test]
fn the_truth_when_the_answer_is_lost() {
    let instance = with_an_absent_standby(Major::V14);
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    let (request, pid) = waiting_commit(&instance, &mut watcher);
    let _ = instance.query_one_text("postgres", &format!("select pg_terminate_backend({pid})"));
    let said = done(watcher.answer(request));
    assert!(said.contains("is committed (the answer was lost"), "{said}");
    assert_eq!(instance.query_texts("postgres", "select a::text from t"), ["7"]);
}

#[test]
fn no_truth_from_a_dead_server() {
    let instance = with_an_absent_standby(Major::V18);
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    let (request, _) = waiting_commit(&instance, &mut watcher);
    instance.kill9();
    let error = watcher.answer(request).unwrap_err();
    assert_eq!(error.code, ErrorCode::PreparedOutcomeUnknown, "{error}");
    assert!(error.hint.contains("pg_xact_status("), "{error}");
}

fn survives_a_crash(major: Major) {
    let instance = TestInstance::start_plain(major);
    instance.sql("postgres", "create table t (a int)");
    prepare(&instance, "postgres", "survivor", 1);
    // What begins after it grows older than it.
    for number in 0..5 {
        instance.sql("postgres", &format!("insert into t values ({number})"));
    }
    let deck = Deck::of(&instance);
    let before = deck.json(&["prepared", "--json"]);
    assert_eq!(before[0]["restart_log_line"], serde_json::Value::Null, "{before:#}");
    assert!(before[0]["xid_age"].as_u64().unwrap() >= 5, "{before:#}");
    instance.stop(StopMode::Kill);
    instance.start();
    let after = deck.json(&["prepared", "--json"]);
    assert_eq!(after[0]["transaction"], before[0]["transaction"]);
    let line = after[0]["restart_log_line"].as_str().unwrap();
    let xid = before[0]["transaction"].to_string();
    assert!(line.contains("LOG: recovering prepared transaction") && line.contains(&xid), "{line}");
    let watcher = Watcher::of(&instance, &deck);
    watcher.wait("what holds back xmin", |one| {
        let mut holders = one.holders.get().into_iter().flatten();
        holders.any(|holder| {
            holder.kind == HolderKind::Prepared
                && holder.name == "survivor"
                && holder.xmin_age.is_some_and(|age| age >= 5)
        })
    });
}

for_every_major! { survives_a_crash }

#[test]
fn checks_are_remembered_from_one_command_to_the_next() {
    let instance = TestInstance::start_plain(Major::V17);
    instance.sql("postgres", "create table t (a int)");
    prepare(&instance, "postgres", "seen", 1);
    let deck = Deck::of(&instance);
    let checks = || deck.json(&["prepared", "--json"])[0]["seen_checks"].as_u64().unwrap();
    assert_eq!(checks(), 1);
    // Looks that are close together are one check.
    assert!(proc::wait_for(SOON, || checks() == 2), "the second check never comes");
}

#[test]
fn an_old_one_is_told_of_and_worse_when_it_blocks() {
    let instance = TestInstance::start_plain(Major::V18);
    instance.sql("postgres", "create table t (a int); insert into t values (1)");
    instance.sql("postgres", "begin; update t set a = 2; prepare transaction 'old'");
    let deck = Deck::of(&instance);
    assert!(!deck.status().has("prepared_old"));
    let strict = deck.home().write(
        "strict.toml",
        "[limits]\nprepared_minutes = 0\nlock_wait_seconds = 0\ndestination_percent = 100\n",
    );
    let deck = deck.option("--config", strict);
    let message = deck.status().message("prepared_old");
    assert_eq!((message.severity.as_str(), message.subject.as_str()), ("warning", "old"));
    let session = instance.session("postgres");
    drop(session.begin("update t set a = 3"));
    let status = deck.wait_status(|status| status.has("lock_waits"));
    assert_eq!(status.message("prepared_old").severity, "error");
    assert!(status.message("prepared_old").detail.contains("1 session behind it"));
    assert_eq!(status.code, 2);
}
