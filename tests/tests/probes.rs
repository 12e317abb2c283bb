//! Parts of the engine that fail alone: a probe that waits or is refused, a queue that is full,
//! a server program that cannot be run.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use pgdeck_engine::api::{
    Command, Engine, EngineConfig, Error, ErrorCode, Event, InstanceId, InstanceState, RequestId,
    Scope,
};
use pgdeck_tests::{Deck, Major, TestInstance, Watcher};

fn code(error: Option<&std::sync::Arc<Error>>) -> Option<ErrorCode> {
    error.map(|error| error.code)
}

#[test]
fn a_probe_that_waits_leaves_the_others_alone() {
    let instance = TestInstance::start_plain(Major::V17);
    instance.allow_log("canceling statement due to");
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    watcher.wait("a full look", |one| one.sessions.get().is_some() && one.rates.get().is_some());
    let holder = instance.session("postgres");
    holder.run("begin; lock table pg_catalog.pg_database in access exclusive mode");
    let snapshot = watcher.wait("the wait", |one| one.sessions.is_stale());
    assert_eq!(code(snapshot.sessions.error.as_ref()), Some(ErrorCode::QueryTimeout));
    assert_eq!(snapshot.status.state, InstanceState::Started);
    assert!(snapshot.connected, "one statement that waits does not end the connection");
    holder.run("rollback");
    watcher.wait("its end", |one| one.sessions.error.is_none() && !one.sessions.is_stale());
    let recheck = Command::Recheck { instance: watcher.id() };
    watcher.send(recheck);
    watcher
        .wait("every panel", |one| one.databases.error.is_none() && one.prepared.error.is_none());
}

#[test]
fn a_probe_that_is_refused_leaves_the_others_alone() {
    let instance = TestInstance::start_plain(Major::V15);
    instance.allow_log("does not exist");
    let rename = |from: &str, to: &str| {
        format!("set allow_system_table_mods = on; alter view pg_catalog.{from} rename to {to}")
    };
    instance.sql("postgres", &rename("pg_stat_replication", "lost"));
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    let snapshot = watcher.wait("the refusal", |one| one.standbys.error.is_some());
    assert_eq!(code(snapshot.standbys.error.as_ref()), Some(ErrorCode::QueryFailed));
    let snapshot = watcher.wait("the others", |one| {
        one.sessions.get().is_some()
            && one.databases.get().is_some()
            && one.prepared.get().is_some()
    });
    assert!(snapshot.connected && snapshot.prepared.error.is_none());
    instance.sql("postgres", &rename("lost", "pg_stat_replication"));
    let recheck = Command::Recheck { instance: watcher.id() };
    watcher.send(recheck);
    watcher.wait("the end of it", |one| one.standbys.error.is_none());
}

#[test]
fn a_full_queue_refuses_at_once() {
    let instance = TestInstance::builder(Major::V14).create();
    let deck = Deck::of(&instance);
    let scope = Scope::DataDirectory(instance.data_directory().to_owned());
    // Nobody takes its events, so that it waits with an answer.
    let engine = Engine::start(EngineConfig { scope, ..Watcher::config(&deck) }).unwrap();
    let unknown = InstanceId::new("/nowhere");
    let refused = (0..100_000).find_map(|number| {
        let command = Command::Recheck { instance: unknown.clone() };
        engine.send(RequestId(number), command).err()
    });
    assert_eq!(refused.unwrap().code, ErrorCode::EngineBusy);
}

/// Starts the instance; why it failed.
fn failed_start(watcher: &mut Watcher) -> Error {
    let instance = watcher.id();
    let event = watcher.ask(Command::Start { instance }).unwrap();
    let Event::Accepted { job, .. } = event else { panic!("{event:?}") };
    watcher.job_end(&job).unwrap_err()
}

#[test]
fn a_start_that_fails_and_one_that_cannot_be_tried() {
    let instance = TestInstance::builder(Major::V18).create();
    instance.set("shared_preload_libraries", "no_such_library");
    instance.allow_log("could not access file");
    let deck = Deck::of(&instance);
    let error = failed_start(&mut Watcher::of(&instance, &deck));
    assert_eq!(error.code, ErrorCode::StartFailed);
    assert!(error.detail.contains("no_such_library"), "{error}");

    // A program that is there and cannot be run.
    let broken = instance.make_directory("broken");
    symlink(instance.major().program("postgres"), broken.join("postgres")).unwrap();
    fs::write(broken.join("pg_ctl"), "#!/nonexistent/interpreter\n").unwrap();
    fs::set_permissions(broken.join("pg_ctl"), fs::Permissions::from_mode(0o755)).unwrap();
    let scope = Scope::DataDirectory(instance.data_directory().to_owned());
    let bin_directory = Some(broken);
    let config = EngineConfig { scope, bin_directory, ..Watcher::config(&deck) };
    let error = failed_start(&mut Watcher::start(config));
    assert_eq!(error.code, ErrorCode::ProgramFailed, "{error}");
    assert!(error.fact.contains("pg_ctl"), "{error}");
}
