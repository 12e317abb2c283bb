//! Every query of the monitor on every major version, and what the monitor makes of the rows:
//! as a superuser, as a member of `pg_monitor` and as a role without any privilege.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use pgdeck_engine::api::{HolderKind, InstanceState};
use pgdeck_engine::pg::query::sql;
use pgdeck_tests::{Deck, Major, Session, TestInstance, Watcher, for_every_major, proc};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

for_every_major! { prepares_and_decodes }

/// A server with something of everything, and sessions that wait.
struct Busy {
    instance: TestInstance,
    /// Holds a lock on `t`, idle in its transaction.
    holder: Session,
    /// Waits for the holder.
    waiter: Session,
    /// Waits for the prepared transaction `it's`.
    waiter_of_prepared: Session,
}

fn busy(major: Major) -> Busy {
    let builder = TestInstance::builder(major)
        .allow_log("archiving write-ahead log file")
        .setting("cluster_name", "busy one")
        .setting("wal_level", "logical")
        .setting("max_replication_slots", "4")
        .setting("archive_mode", "on")
        .setting("archive_command", "false")
        .wal_elsewhere();
    let instance = builder.start();
    let space = instance.make_directory("space");
    instance.sql("postgres", "create database app");
    let space = format!("create tablespace fast location '{}'", space.display());
    instance.sql("postgres", &space);
    instance.sql(
        "app",
        "create table t (a int); create table u (a int); insert into u values (1);
         create table in_space (a int) tablespace fast;
         select pg_create_physical_replication_slot('standby1', true);
         create role watcher login; grant pg_monitor to watcher; create role stranger login",
    );
    instance.sql("app", "begin; update u set a = 2; prepare transaction 'it''s'");
    let holder = instance.session("app");
    holder.run("begin; lock table t");
    let waiter = instance.session("app");
    drop(waiter.begin("insert into t values (1)"));
    let waiter_of_prepared = instance.session("app");
    drop(waiter_of_prepared.begin("update u set a = 3"));
    instance.sql("postgres", "select pg_switch_wal()");
    let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
    assert!(proc::wait_for(SOON, || instance.query_one_text("postgres", waiting) == "2"));
    let failed = "select failed_count > 0 from pg_stat_archiver";
    assert!(proc::wait_for(SOON, || instance.query_one_text("postgres", failed) == "t"));
    Busy { instance, holder, waiter, waiter_of_prepared }
}

fn prepares_and_decodes(major: Major) {
    let busy = busy(major);
    every_query_can_be_prepared(&busy.instance);
    let deck = Deck::of(&busy.instance);
    a_superuser_sees_everything(&busy, &deck);
    whole_snapshot(&busy, &deck);
    a_monitor_sees_everything(&busy);
    a_stranger_sees_what_there_is_and_why_not_more(&busy);
    busy.instance.finish().unwrap();
}

fn every_query_can_be_prepared(instance: &TestInstance) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = instance.connect("app").await;
        for query in sql::ALL {
            let text = query.text_for(instance.major().number());
            let text = text.unwrap_or_else(|| panic!("{} has no text", query.name));
            let prepared = client.prepare(text).await;
            let prepared = prepared.unwrap_or_else(|error| panic!("{}: {error:?}", query.name));
            assert!(!prepared.columns().is_empty(), "{}", query.name);
        }
    });
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

fn by_pid(sessions: &Value, pid: i32) -> &Value {
    let found = array(sessions).iter().find(|one| one["pid"] == pid);
    found.unwrap_or_else(|| panic!("no session {pid}: {sessions:#}"))
}

fn a_superuser_sees_everything(busy: &Busy, deck: &Deck) {
    let instance = &busy.instance;
    let status = deck.status();
    let json = &status.instance;
    assert_eq!(json["name"], "busy one");
    assert_eq!(status.state(), "started", "{json:#}");
    assert_eq!(json["data_directory"], instance.data_directory().to_str().unwrap());
    assert_eq!(json["port"], instance.port());
    assert_eq!(json["version"], instance.major().version().as_str());
    assert_eq!((&json["role"], &json["timeline"]), (&"primary".into(), &1.into()));
    let identifier = "select system_identifier::text from pg_control_system()";
    assert_eq!(json["system_identifier"], instance.query_one_text("postgres", identifier));
    assert!(json["uptime_seconds"].as_u64().unwrap() < 120);
    // Three of ours, and pgdeck's own.
    assert_eq!(json["connections"]["used"], 4, "{json:#}");
    assert_eq!(json["connections"]["max"], 100);
    assert_eq!((&json["prepared"], &json["lock_waits"]), (&1.into(), &2.into()));
    assert!(json["transactions_per_second"].is_number(), "{json:#}");
    assert_eq!(json["archiver"]["failing"], true);
    let databases: Vec<_> = array(&json["databases"]).iter().map(|one| &one["name"]).collect();
    assert_eq!(databases, ["app", "postgres", "template1"]);
    assert!(json["databases"][0]["size_bytes"].as_u64().unwrap() > 5_000_000);
    assert_eq!(json["databases"][0]["sessions"], 3);
    let kinds: Vec<_> = array(&json["destinations"])
        .iter()
        .map(|one| (one["kind"].as_str().unwrap(), one["name"].as_str().unwrap()))
        .collect();
    assert_eq!(kinds, [("data", "data"), ("wal", "wal"), ("tablespace", "fast")]);
    assert_eq!(status.message("archiver_failing").severity, "error");
    assert_eq!(status.code, 2);
    assert!(!status.has("monitor_privileges"), "{:?}", status.codes());

    let sessions = deck.json(&["connections", "--json"]);
    assert_eq!(array(&sessions).len(), 3, "{sessions:#}");
    let holder = by_pid(&sessions, busy.holder.pid());
    assert_eq!(holder["state"], "idle in transaction");
    assert_eq!((&holder["database"], &holder["user"]), (&"app".into(), &"postgres".into()));
    assert_eq!(holder["client"], "local");
    assert_eq!(holder["query"], "begin; lock table t");
    assert!(holder["xact_age_seconds"].as_f64().unwrap() < 120.0);
    assert_eq!(array(&holder["blocked_by"]).len(), 0);
    let waiter = by_pid(&sessions, busy.waiter.pid());
    assert_eq!(
        (&waiter["wait_event_type"], &waiter["wait_event"]),
        (&"Lock".into(), &"relation".into())
    );
    assert_eq!(waiter["blocked_by"], serde_json::json!([busy.holder.pid()]));
    let by_gid = by_pid(&sessions, busy.waiter_of_prepared.pid());
    assert_eq!(by_gid["blocked_by"], serde_json::json!([0]));
    assert_eq!(by_gid["blocked_by_prepared"], serde_json::json!(["it's"]));

    let prepared = deck.json(&["prepared", "--json"]);
    let one = &prepared[0];
    assert_eq!((&one["gid"], &one["database"]), (&"it's".into(), &"app".into()));
    assert_eq!(one["owner"], "postgres");
    let xid = "select transaction::text from pg_prepared_xacts";
    assert_eq!(one["transaction"].to_string(), instance.query_one_text("postgres", xid));
    assert_eq!(one["blocked"], serde_json::json!([busy.waiter_of_prepared.pid()]));
    let locks = array(&one["locks"]);
    assert!(
        locks.iter().any(|lock| lock["object"] == "u" || lock["object"] == "public.u"),
        "{one:#}"
    );
    assert!(one["seen_checks"].as_u64().unwrap() >= 1);
}

/// Panels that no command prints yet.
fn whole_snapshot(busy: &Busy, deck: &Deck) {
    let watcher = Watcher::of(&busy.instance, deck);
    let snapshot = watcher.wait("a full snapshot", |snapshot| {
        snapshot.rates.get().is_some() && snapshot.holders.get().is_some()
    });
    assert_eq!(snapshot.status.state, InstanceState::Started);
    for (name, error) in [
        ("server", &snapshot.server.error),
        ("rates", &snapshot.rates.error),
        ("wal", &snapshot.wal.error),
        ("databases", &snapshot.databases.error),
        ("holders", &snapshot.holders.error),
        ("standbys", &snapshot.standbys.error),
        ("destinations", &snapshot.destinations.error),
        ("sessions", &snapshot.sessions.error),
        ("locks", &snapshot.locks.error),
        ("prepared", &snapshot.prepared.error),
        ("log", &snapshot.log.error),
    ] {
        assert!(error.is_none(), "{name}: {error:?}");
    }
    let wal = snapshot.wal.get().unwrap();
    assert!(wal.position.is_some() && wal.checkpoint_at.is_some(), "{wal:?}");
    assert!(wal.since_checkpoint_bytes.is_some(), "{wal:?}");
    let holders = snapshot.holders.get().unwrap();
    let kind = |kind: HolderKind| holders.iter().find(|holder| holder.kind == kind);
    assert_eq!(kind(HolderKind::Prepared).unwrap().name, "it's", "{holders:?}");
    assert_eq!(kind(HolderKind::Slot).unwrap().name, "standby1", "{holders:?}");
    assert!(kind(HolderKind::Slot).unwrap().wal_bytes.is_some(), "{holders:?}");
    assert!(kind(HolderKind::Archiver).unwrap().wal_bytes.unwrap() > 0, "{holders:?}");
    assert!(kind(HolderKind::Session).is_some(), "{holders:?}");
    let locks = snapshot.locks.get().unwrap();
    assert_eq!((locks.waiting, locks.nodes.len(), locks.depth_max), (2, 4, 1), "{locks:#?}");
}

fn remote(busy: &Busy, role: &str) -> Deck {
    let place = busy.instance.socket_directory().display();
    let port = busy.instance.port();
    Deck::dsn(&format!("host={place} port={port} user={role} dbname=app"))
}

fn a_monitor_sees_everything(busy: &Busy) {
    let deck = remote(busy, "watcher");
    let status = deck.status();
    let json = &status.instance;
    assert_eq!(status.state(), "started", "{json:#}");
    assert!(!status.has("monitor_privileges"), "{:?}", status.codes());
    assert_eq!((&json["prepared"], &json["lock_waits"]), (&1.into(), &2.into()), "{json:#}");
    assert_eq!(json["data_directory"], busy.instance.data_directory().to_str().unwrap());
    let sessions = deck.json(&["connections", "--json"]);
    assert_eq!(by_pid(&sessions, busy.holder.pid())["query"], "begin; lock table t");
}

fn a_stranger_sees_what_there_is_and_why_not_more(busy: &Busy) {
    let deck = remote(busy, "stranger");
    let status = deck.status();
    let json = &status.instance;
    assert_eq!(status.state(), "started", "{json:#}");
    let message = status.message("monitor_privileges");
    assert_eq!(message.severity, "info");
    assert_eq!(message.solution, "GRANT pg_monitor TO stranger;");
    assert_eq!(json["version"], busy.instance.major().version().as_str());
    assert_eq!(json["data_directory"], Value::Null);
    let sessions = deck.json(&["connections", "--json"]);
    let holder = by_pid(&sessions, busy.holder.pid());
    assert_eq!(holder["query"], "<insufficient privilege>");
    let prepared = deck.json(&["prepared", "--json"]);
    assert_eq!(prepared[0]["gid"], "it's");
    // What is hidden must not end the panels beside it.
    let watcher = Watcher::remote(
        &format!(
            "host={} port={} user=stranger dbname=app",
            busy.instance.socket_directory().display(),
            busy.instance.port()
        ),
        &deck,
    );
    let snapshot = watcher.wait("rates of a stranger", |one| one.rates.get().is_some());
    assert!(snapshot.connected && snapshot.sessions.error.is_none());
    assert!(snapshot.holders.error.is_none(), "{:?}", snapshot.holders.error);
    assert!(snapshot.wal.error.is_none(), "{:?}", snapshot.wal.error);
}
