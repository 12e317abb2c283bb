//! Jobs: escalated and cancelled from this process and from another, seen in the journal, and
//! left in a sound state by a process that was killed.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;

use pgdeck_engine::api::{
    Command, ErrorCode, Event, InstanceState, JobId, JobKind, JobState, JobStatus, StopMode,
};
use pgdeck_tests::{Deck, Major, TestInstance, Watcher};

/// Begins a smart stop that waits for a session, and waits until it is seen to wait.
fn waiting_stop(watcher: &mut Watcher) -> JobId {
    watcher.wait("a connection", |one| one.connected);
    let instance = watcher.id();
    let accepted = watcher.ask(Command::Stop { instance, mode: StopMode::Smart }).unwrap();
    let Event::Accepted { job, .. } = accepted else { panic!("{accepted:?}") };
    watcher.wait_job("the waiting stop", |status| status.id == job && is_waiting(status));
    job
}

fn is_waiting(status: &JobStatus) -> bool {
    status.state == JobState::Running
        && status.progress.phase.starts_with("waits for 1 client")
        && status.progress.stop_mode == Some(StopMode::Smart)
}

#[test]
fn a_smart_stop_tells_who_it_waits_for_and_is_escalated() {
    let instance = TestInstance::start_plain(Major::V18);
    let session = instance.session("postgres");
    session.run("begin; create table t (a int)");
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    let job = waiting_stop(&mut watcher);
    let status = watcher.wait_job("its clients", |one| !one.progress.lines.is_empty());
    assert_eq!((status.kind, status.is_own), (JobKind::Stop, true));
    let line = &status.progress.lines[0];
    assert!(line.contains(&format!("pid {}: postgres on postgres", session.pid())), "{line}");
    assert!(line.contains("idle in transaction, transaction open for"), "{line}");
    watcher.ask(Command::Escalate { job: job.clone(), mode: StopMode::Fast }).unwrap();
    let said = watcher.job_end(&job).unwrap();
    assert!(said.starts_with("stopped cleanly") && said.contains("fast mode"), "{said}");
    let status = watcher.wait_job("its end", |one| one.id == job && one.state == JobState::Done);
    assert_eq!(status.result, said);
    // Nothing is left to escalate.
    let error = watcher.ask(Command::Escalate { job, mode: StopMode::Kill }).unwrap_err();
    assert_eq!(error.code, ErrorCode::JobNotFound);
}

#[test]
fn another_process_sees_the_stop_and_escalates_it() {
    let instance = TestInstance::start_plain(Major::V15);
    let _session = instance.session("postgres");
    let deck = Deck::of(&instance);
    let mut command = deck.run(["instance", "stop", "-m", "smart"]).start();
    // A console that is opened while the command waits.
    let mut watcher = Watcher::of(&instance, &deck);
    let status = watcher.wait_job("the other's stop", is_waiting);
    assert!(!status.is_own && status.owner_pid == u32::try_from(command.pid()).unwrap());
    assert!(command.is_running());
    // Nobody else works on the instance meanwhile.
    let id = watcher.id();
    let restart = Command::Restart { instance: id, mode: StopMode::Fast };
    let error = watcher.ask(restart).unwrap_err();
    assert_eq!(error.code, ErrorCode::OperationRunning);
    assert!(error.detail.contains(&format!("stop by pid {}", command.pid())), "{error}");
    watcher.ask(Command::Escalate { job: status.id.clone(), mode: StopMode::Fast }).unwrap();
    let done = command.finish().expect_code(0);
    assert!(done.stdout.contains("fast mode"), "{}", done.stdout);
    watcher.wait_job("its end", |one| one.id == status.id && one.state == JobState::Done);
    assert!(!instance.is_running());
}

#[test]
fn a_stop_that_is_no_longer_watched_goes_on() {
    let instance = TestInstance::start_plain(Major::V16);
    let session = instance.session("postgres");
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    let job = waiting_stop(&mut watcher);
    let id = watcher.id();
    let error = watcher.ask(Command::Start { instance: id }).unwrap_err();
    assert_eq!(error.code, ErrorCode::OperationRunning);
    watcher.ask(Command::CancelJob { job: job.clone() }).unwrap();
    let error = watcher.job_end(&job).unwrap_err();
    assert_eq!(error.code, ErrorCode::Cancelled);
    assert!(error.detail.contains("the server goes on with its smart shutdown"), "{error}");
    watcher.wait_job("its end", |one| one.state == JobState::Cancelled);
    assert!(instance.is_running());
    let error = watcher.ask(Command::CancelJob { job }).unwrap_err();
    assert_eq!(error.code, ErrorCode::JobNotFound);
    drop(session);
    watcher.wait("stopped", |one| one.status.state == InstanceState::Stopped);
}

#[test]
fn a_start_that_is_cancelled_leaves_the_server_stopped() {
    let instance = TestInstance::builder(Major::V17).create();
    let never = instance.directory().join("never");
    let wait = format!("while ! test -e {}; do sleep 0.1; done; false", never.display());
    instance.set("restore_command", &wait);
    instance.write_empty("recovery.signal");
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    let id = watcher.id();
    let Event::Accepted { job, .. } = watcher.ask(Command::Start { instance: id }).unwrap() else {
        panic!("not accepted")
    };
    watcher.wait("starting", |one| one.status.state == InstanceState::Starting);
    watcher.ask(Command::CancelJob { job: job.clone() }).unwrap();
    // Told at once: it ends while its restore_command would wait for ever.
    watcher.wait("stopping", |one| one.status.state != InstanceState::Starting);
    instance.allow_log("could not restore file");
    instance.allow_log("terminating connection");
    instance.allow_log("startup process");
    fs::write(&never, "").unwrap();
    let error = watcher.job_end(&job).unwrap_err();
    assert_eq!(error.code, ErrorCode::Cancelled, "{error}");
    watcher.wait("stopped", |one| !one.status.state.has_process());
}

#[test]
fn a_killed_pgdeck_leaves_a_job_that_is_told_of() {
    let instance = TestInstance::start_plain(Major::V14);
    let session = instance.session("postgres");
    let deck = Deck::of(&instance);
    let command = deck.run(["instance", "stop", "-m", "smart"]).start();
    let mut watcher = Watcher::of(&instance, &deck);
    let status = watcher.wait_job("the stop", is_waiting);
    command.kill();
    drop(command.finish());
    watcher.wait_job("the interruption", |one| {
        one.id == status.id && one.state == JobState::Interrupted
    });
    watcher.wait("the message", |one| {
        one.messages.iter().any(|message| message.code.as_str() == "job_interrupted")
    });
    let status = deck.wait_status(|status| status.has("job_interrupted"));
    assert_eq!(status.state(), "stopping");
    assert!(status.message("job_interrupted").text.contains("stop begun"));
    // The lock went with the process: the next one may act.
    let id = watcher.id();
    let stop = Command::Stop { instance: id, mode: StopMode::Fast };
    let Event::Accepted { job, .. } = watcher.ask(stop).unwrap() else { panic!("not accepted") };
    watcher.job_end(&job).unwrap();
    drop(session);
    let said = deck.ok(&["instance", "start"]);
    assert!(said.starts_with("started in"), "{said}");
    let status = deck.status();
    assert_eq!(status.state(), "started");
    assert!(!status.has("job_interrupted"), "{:?}", status.codes());
}

#[test]
fn every_operation_is_logged_with_its_command_and_result() {
    let instance = TestInstance::start_plain(Major::V18);
    let deck = Deck::of(&instance);
    let pid = instance.postmaster_pid().unwrap();
    deck.ok(&["instance", "reload"]);
    deck.ok(&["instance", "stop"]);
    deck.ok(&["instance", "start"]);
    let mut watcher = Watcher::of(&instance, &deck);
    let id = watcher.id();
    let Event::Operations { records, .. } =
        watcher.ask(Command::FetchOperations { instance: id }).unwrap()
    else {
        panic!("no operations")
    };
    let told: Vec<_> = records.iter().map(|one| (one.action.as_str(), one.ok)).collect();
    let done = Some(true);
    assert_eq!(told, [("start", done), ("stop", done), ("reload", done)]);
    assert!(records[0].command.contains("pg_ctl start"), "{records:#?}");
    assert!(records[1].command.starts_with(&format!("kill -INT {pid}")), "{records:#?}");
    assert_eq!(records[2].command, "SELECT pg_reload_conf()");
    assert!(records.iter().all(|one| !one.who.is_empty() && one.result.is_some()));
}
