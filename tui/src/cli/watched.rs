//! Running a job to its end: progress on a terminal, Ctrl-C cancels. Which instance is meant
//! when only a destination is named.

use std::path::Path;
use std::time::Duration;

use pgdeck_engine::api::{
    Command, Error, ErrorCode, Event, JobId, JobStatus, Result, Snapshot, data_directory_of,
};

use super::args::GlobalArgs;
use super::oneshot::OneShot;
use super::{moment, output};
use crate::text;

const SHOW_EVERY: Duration = Duration::from_millis(250);

/// Runs a job, shows how far it is, and hands on what it says. The first Ctrl-C cancels it.
///
/// # Errors
/// The refusal, or what the job gives.
pub async fn watched(
    engine: &mut OneShot,
    command: Command,
    mut said: impl FnMut(&Event),
) -> Result<String> {
    let job = match engine.ask(command).await? {
        Event::Accepted { job, .. } => job,
        Event::Done { text, .. } => return Ok(text),
        _ => return Err(Error::new(ErrorCode::EngineBusy, "the engine gave no answer")),
    };
    let mut is_cancelled = false;
    let outcome = loop {
        tokio::select! {
            event = engine.event() => match event? {
                Event::JobEnded { job: ended, outcome } if ended == job => break outcome,
                event => said(&event),
            },
            () = tokio::time::sleep(SHOW_EVERY) => show(engine, &job),
            signal = tokio::signal::ctrl_c(), if !is_cancelled => {
                is_cancelled = true;
                if signal.is_ok() {
                    engine.send(Command::CancelJob { job: job.clone() })?;
                }
            }
        }
    };
    output::progress_end();
    outcome
}

fn show(engine: &mut OneShot, job: &JobId) {
    let fleet = engine.fleet_mut().borrow().clone();
    if let Some(status) = fleet.jobs.iter().find(|status| status.id == *job) {
        output::progress(&progress_line(status));
    }
}

fn progress_line(status: &JobStatus) -> String {
    let progress = &status.progress;
    let mut line = format!("{}: {}", status.kind.word(), progress.phase);
    if let (Some(done), Some(total)) = (progress.done, progress.total) {
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        line.push_str(&format!(" {percent} % of {}", text::bytes(total)));
    }
    if let Some(rate) = progress.rate {
        line.push_str(&format!(", {:.0} MB/s", rate / 1e6));
    }
    if let Some(seconds) = progress.eta_seconds {
        line.push_str(&format!(", {seconds} s left"));
    }
    if let Some(first) = progress.lines.first() {
        line.push_str(&format!(" ({first})"));
    }
    line
}

/// The same error, with where the backups were seen last when nothing names them any more.
#[must_use]
pub fn with_last_seen(error: Error, asked: Option<&Path>, snapshot: &Snapshot) -> Error {
    let protection = snapshot.protection.get();
    let seen = protection.and_then(|one| Some((one.destination.as_ref()?, one.remembered_at?)));
    let (None, Some((destination, at))) = (asked, seen) else { return error };
    let (path, at) = (destination.display(), moment::local(at));
    error.hint(format!("Its backups were seen last in {path}, {at}: name them with -B {path}."))
}

/// Which instance is meant: without any name, the one whose backups are in the destination.
#[must_use]
pub fn named(global: &GlobalArgs, destination: Option<&Path>) -> GlobalArgs {
    let mut named = global.clone();
    let is_named = named.data_directory.is_some()
        || named.dsn.is_some()
        || named.instance.is_some()
        || std::env::var_os("PGDATA").is_some_and(|value| !value.is_empty());
    if let (false, Some(destination)) = (is_named, destination) {
        named.data_directory = data_directory_of(destination);
    }
    named
}
