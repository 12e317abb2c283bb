//! `pgdeck instance`.

use std::time::Duration;

use pgdeck_engine::api::{
    Command, Error, ErrorCode, Event, Fleet, JobId, Locality, Result, StopMode,
};
use serde::Serialize;

use super::args::GlobalArgs;
use super::instance_args::{InstanceAction, InstanceArgs, ModeArg, StopArgs};
use super::oneshot::{OneShot, engine_config};
use super::output::{self, Table};

/// Lists or operates instances.
///
/// # Errors
/// `InstanceNotFound`, `InstanceAmbiguous`, `NotConfirmed`, and what the operation gives.
pub async fn run(global: &GlobalArgs, args: &InstanceArgs) -> Result<u8> {
    match &args.action {
        InstanceAction::List { json } => list(global, *json).await,
        InstanceAction::Start(wait) => {
            let mut engine = OneShot::start(engine_config(global))?;
            let instance = engine.only_instance().await?.identity.id.clone();
            let late = ErrorCode::StartTimeout;
            operate(&mut engine, Command::Start { instance }, wait.timeout, late).await
        }
        InstanceAction::Stop(stop) => {
            let mode = confirmed(stop)?;
            let mut engine = OneShot::start(engine_config(global))?;
            let instance = engine.only_instance().await?.identity.id.clone();
            let command = Command::Stop { instance, mode };
            operate(&mut engine, command, stop.timeout, ErrorCode::StopTimeout).await
        }
        InstanceAction::Restart(stop) => {
            let mode = confirmed(stop)?;
            let mut engine = OneShot::start(engine_config(global))?;
            let instance = engine.only_instance().await?.identity.id.clone();
            let command = Command::Restart { instance, mode };
            operate(&mut engine, command, stop.timeout, ErrorCode::StopTimeout).await
        }
        InstanceAction::Reload => {
            let mut engine = OneShot::start(engine_config(global))?;
            let instance = engine.only_instance().await?.identity.id.clone();
            if let Event::Done { text, .. } = engine.ask(Command::Reload { instance }).await? {
                output::line(&text);
            }
            Ok(0)
        }
    }
}

fn confirmed(args: &StopArgs) -> Result<StopMode> {
    let mode = match args.mode {
        ModeArg::Smart => StopMode::Smart,
        ModeArg::Fast => StopMode::Fast,
        ModeArg::Immediate => StopMode::Immediate,
        ModeArg::Kill => StopMode::Kill,
    };
    if mode >= StopMode::Immediate && !args.yes {
        return Err(Error::new(
            ErrorCode::NotConfirmed,
            format!("stopping in {} mode is not confirmed", mode.word()),
        )
        .detail(mode.consequence()));
    }
    Ok(mode)
}

#[derive(Serialize)]
struct ListedInstance {
    name: String,
    state: String,
    locality: Locality,
    data_directory: Option<String>,
    host: String,
    port: Option<u16>,
    pid: Option<i32>,
    major_version: Option<u32>,
    owner: Option<String>,
}

async fn list(global: &GlobalArgs, as_json: bool) -> Result<u8> {
    let mut engine = OneShot::start(engine_config(global))?;
    let fleet = engine.settled().await?;
    let listed = listed(&fleet);
    if as_json {
        output::json(&listed);
        return Ok(0);
    }
    let mut table = Table::new(&["name", "state", "version", "port", "place"]);
    for one in &listed {
        table.row(&[
            &one.name,
            &one.state,
            &one.major_version.map_or_else(String::new, |major| major.to_string()),
            &one.port.map_or_else(String::new, |port| port.to_string()),
            one.data_directory.as_deref().unwrap_or(&one.host),
        ]);
    }
    if table.is_empty() {
        output::note("no instance was found");
    } else {
        table.print();
    }
    Ok(0)
}

fn listed(fleet: &Fleet) -> Vec<ListedInstance> {
    fleet
        .instances
        .iter()
        .map(|snapshot| ListedInstance {
            name: snapshot.identity.name.clone(),
            state: snapshot.status.state.word().to_owned(),
            locality: snapshot.identity.locality,
            data_directory: snapshot
                .identity
                .data_directory
                .as_ref()
                .map(|path| path.display().to_string()),
            host: snapshot.identity.host.clone(),
            port: snapshot.status.port,
            pid: snapshot.status.pid,
            major_version: snapshot.status.major,
            owner: snapshot.status.owner.clone(),
        })
        .collect()
}

/// Runs a job and shows how far it is.
///
/// # Errors
/// The refusal, what the job gives, and `late` when it takes longer than the time allowed.
pub async fn operate(
    engine: &mut OneShot,
    command: Command,
    timeout_seconds: Option<u64>,
    late: ErrorCode,
) -> Result<u8> {
    let Event::Accepted { job, .. } = engine.ask(command).await? else { return Ok(2) };
    let limit = timeout_seconds.map(Duration::from_secs);
    let deadline = limit.map(|limit| tokio::time::Instant::now() + limit);
    let outcome = loop {
        tokio::select! {
            event = engine.event() => if let Event::JobEnded { job: ended, outcome } = event?
                && ended == job { break outcome; },
            () = tokio::time::sleep(Duration::from_millis(200)) => show(engine, &job),
            () = until(deadline) => {
                output::progress_end();
                return Err(too_late(engine, &job, late, timeout_seconds.unwrap_or(0)));
            }
        }
    };
    output::progress_end();
    output::line(&outcome?);
    Ok(0)
}

async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn show(engine: &mut OneShot, job: &JobId) {
    let fleet = engine.fleet_mut().borrow().clone();
    if let Some(status) = fleet.jobs.iter().find(|status| status.id == *job) {
        output::progress(&format!("{}: {}", status.kind.word(), status.progress.phase));
    }
}

/// The job goes on in the server; only the watching ends.
fn too_late(engine: &mut OneShot, job: &JobId, code: ErrorCode, seconds: u64) -> Error {
    let fleet = engine.fleet_mut().borrow().clone();
    let status = fleet.jobs.iter().find(|status| status.id == *job);
    let mut detail = status.map_or_else(String::new, |status| status.progress.phase.clone());
    for line in status.iter().flat_map(|status| &status.progress.lines).take(5) {
        detail.push_str("; ");
        detail.push_str(line);
    }
    Error::new(code, format!("it was not done within {seconds} s")).detail(detail)
}
