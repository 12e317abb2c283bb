//! `pgdeck logs`.

use std::sync::Arc;

use pgdeck_engine::api::{Command, Interest, LogEntry, LogSeverity, LogSource, LogTail, Result};

use super::args::{GlobalArgs, LogsArgs, SeverityArg};
use super::oneshot::{OneShot, engine_config};
use super::output;
use crate::text;

/// Shows the newest entries, and goes on with `--follow`.
///
/// # Errors
/// `InstanceNotFound`, `InstanceAmbiguous`, `LogNotFound`, `LogUnreadable`.
pub async fn run(global: &GlobalArgs, args: &LogsArgs) -> Result<u8> {
    let mut engine = OneShot::start(engine_config(global))?;
    let snapshot = engine.only_instance().await?;
    if let Some(error) = &snapshot.log.error {
        return Err(error.as_ref().clone());
    }
    if let Some(LogTail { source: LogSource::Syslog { facility, ident }, .. }) = snapshot.log.get()
    {
        output::note(&format!(
            "the server logs to syslog only (facility {facility}, ident {ident}): try journalctl -t {ident}"
        ));
        return Ok(0);
    }
    let id = snapshot.identity.id.clone();
    let interest = Interest { is_shown: true, log: true, ..Interest::default() };
    engine.send(Command::Watch { instance: id.clone(), interest })?;
    let minimum = args.severity.map(severity);
    let entries: Vec<Arc<LogEntry>> =
        snapshot.log.get().map(|tail| tail.entries.clone()).unwrap_or_default();
    let wanted: Vec<_> = entries.iter().filter(|entry| is_wanted(entry, minimum)).collect();
    let skip = wanted.len().saturating_sub(args.lines);
    wanted.iter().skip(skip).for_each(|entry| print(entry, args.json));
    let mut seen = entries.last().map_or(0, |entry| entry.sequence);
    if !args.follow {
        return Ok(0);
    }
    while engine.fleet_mut().changed().await.is_ok() {
        let fleet = engine.fleet_mut().borrow_and_update().clone();
        let tail = fleet.get(&id).and_then(|snapshot| snapshot.log.value.clone());
        for entry in tail.iter().flat_map(|tail| &tail.entries) {
            if entry.sequence > seen {
                seen = entry.sequence;
                if is_wanted(entry, minimum) {
                    print(entry, args.json);
                }
            }
        }
    }
    Ok(0)
}

fn severity(arg: SeverityArg) -> LogSeverity {
    match arg {
        SeverityArg::Log => LogSeverity::Log,
        SeverityArg::Warning => LogSeverity::Warning,
        SeverityArg::Error => LogSeverity::Error,
        SeverityArg::Fatal => LogSeverity::Fatal,
        SeverityArg::Panic => LogSeverity::Panic,
    }
}

/// A line without a severity is shown only when everything is.
fn is_wanted(entry: &LogEntry, minimum: Option<LogSeverity>) -> bool {
    match (minimum, entry.severity) {
        (None, _) => true,
        (Some(minimum), Some(severity)) => severity >= minimum,
        (Some(_), None) => false,
    }
}

fn print(entry: &LogEntry, as_json: bool) {
    if as_json {
        if let Ok(line) = serde_json::to_string(entry) {
            output::line(&line);
        }
        return;
    }
    let at = entry.at.map_or_else(String::new, |at| {
        at.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S ").to_string()
    });
    let pid = entry.pid.map_or_else(String::new, |pid| format!("[{pid}] "));
    let severity = entry.severity.map_or("", LogSeverity::word);
    let benign = entry.benign.map_or_else(String::new, |why| format!("  (harmless: {why})"));
    output::line(&format!("{at}{pid}{severity}: {}{benign}", text::clean(&entry.message)));
    for (label, value) in [
        ("DETAIL", &entry.detail),
        ("HINT", &entry.hint),
        ("CONTEXT", &entry.context),
        ("STATEMENT", &entry.statement),
    ] {
        if let Some(value) = value {
            output::line(&format!("    {label}: {}", text::clean(value)));
        }
    }
}
