//! Why a server could not replay: picked from what it said since it was started. Lines known to
//! be harmless count for nothing.

use std::path::{Path, PathBuf};

use crate::api::{Error, ErrorCode, LogEntry, LogFormat, LogSource, Lsn, RecoveryPlan};
use crate::instance::lifecycle::Site;
use crate::instance::lifecycle::start::LOG_FILE;
use crate::instance::target::LocalTarget;
use crate::logs::{LogSettings, ParserSettings, Prefix, locate, observe, parse, triage};
use crate::sys::file;

/// Of a log, what is read.
const LOG_END_BYTES: u64 = 256 << 10;
/// Lines of a log that are shown: the cause of a failure stands among the last fifteen or so.
const LOG_END_LINES: usize = 20;
/// What `wal-get` begins its first line with.
const OWN_MARK: &str = "pgdeck: ";
/// From 13 on a server ends so when the WAL ends before its target
/// (`"recovery ended before configured recovery target was reached"` in `xlogrecovery.c`).
const SHORT: &str = "recovery ended before configured recovery target was reached";

/// What was said since a start.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// By `pg_ctl`.
    pub pg_ctl: String,
    /// Where the server's output goes.
    pub log_file: Option<PathBuf>,
    /// Bytes there before the start.
    pub log_before: u64,
}

/// The error of a server that has ended instead of reaching its target.
pub(super) async fn ended(
    server: &Site,
    plan: &RecoveryPlan,
    said: Said,
    last: Option<Lsn>,
) -> Error {
    let (server, plan) = (server.clone(), plan.clone());
    // Reading logs may wait for a disk: not on the engine's thread.
    let work = move || explain(&server, &plan, &said, last);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Error::new(ErrorCode::ReplayFailed, "the server could not replay").detail(error.to_string())
    })
}

fn explain(server: &Site, plan: &RecoveryPlan, said: &Said, last: Option<Lsn>) -> Error {
    let lines = settings_of(&server.target);
    let text = texts(said, &lines.1);
    let cause = triage::cause_in_output(text.as_bytes(), &lines.0);
    let stopped = last.or_else(|| replayed_by_control(server));
    error(plan, &text, cause, stopped)
}

/// Puts the error together.
fn error(
    plan: &RecoveryPlan,
    text: &str,
    cause: Option<triage::Cause>,
    stopped: Option<Lsn>,
) -> Error {
    let is_short = text.contains(SHORT);
    let code = if is_short { ErrorCode::ReplayShort } else { ErrorCode::ReplayFailed };
    let goal = plan.stop.reached;
    let fact = match stopped {
        Some(at) => format!("replay ended at {at}, before the target at {goal}"),
        None => format!("replay ended before the target at {goal}"),
    };
    let fetched = fetching_failed(text);
    let mut detail: Vec<String> = Vec::new();
    detail.extend(fetched.clone());
    if let Some(cause) = &cause
        && (fetched.is_none() || !cause.text.contains("restore"))
    {
        let more = cause.detail.as_ref().map(|more| format!(" ({more})")).unwrap_or_default();
        detail.push(format!("{}{more}", cause.text));
    }
    if detail.is_empty() {
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        detail.push(last.unwrap_or("the server said nothing").trim().to_owned());
    }
    let again = "The server was not promoted. Run the recovery again when the cause is removed: it \
                 goes on from there; or put the old data back with 'pgdeck recover undo'.";
    let solution = cause.filter(|_| fetched.is_none() && !is_short).map(|cause| cause.solution);
    let hint = solution.map_or_else(|| again.to_owned(), |solution| format!("{solution} {again}"));
    Error::new(code, fact).detail(detail.join("; ")).hint(hint)
}

/// The last failure of our own `restore_command`, with its detail.
fn fetching_failed(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    // What is absent is the end of the archive, and told by the server's own words.
    let at = lines.iter().rposition(|line| {
        line.starts_with(OWN_MARK) && !line.contains("is not in the WAL archive")
    })?;
    let fact = lines[at].trim_start_matches(OWN_MARK);
    let detail = lines.get(at + 1).and_then(|line| line.strip_prefix("DETAIL: "));
    Some(detail.map_or_else(|| fact.to_owned(), |detail| format!("{fact} ({detail})")))
}

fn settings_of(target: &LocalTarget) -> (ParserSettings, LogSettings) {
    let conf = target.load_conf();
    let lookup = |name: &str| conf.as_ref().ok()?.value(name).map(str::to_owned);
    let settings = LogSettings::from_lookup(&target.data_directory, lookup);
    let lines = ParserSettings {
        prefix: Prefix::compile(&settings.log_line_prefix),
        zone: observe::zone(&settings.log_timezone),
    };
    (lines, settings)
}

/// What the server wrote since its start, and what its collector has.
fn texts(said: &Said, settings: &LogSettings) -> String {
    let mut text = String::new();
    if let Some(path) = &said.log_file {
        let size = file::stat(path).map_or(0, |stat| stat.size);
        let grown = size.saturating_sub(said.log_before).min(LOG_END_BYTES);
        let end = file::read_end(path, grown).unwrap_or_default();
        text.push_str(&String::from_utf8_lossy(&end));
    }
    if settings.logging_collector
        && let Ok(located) = locate(settings, &observe(settings, None))
        && let LogSource::File { path, .. } = &located.source
    {
        let end = file::read_end(path, LOG_END_BYTES).unwrap_or_default();
        text.push_str(&String::from_utf8_lossy(&end));
    }
    if text.trim().is_empty() { said.pg_ctl.clone() } else { text }
}

/// The end of the log of a data directory's last start, without lines that are part of any
/// recovery. Blocking.
#[must_use]
pub fn log_end(data_directory: &Path) -> Vec<String> {
    let (lines, settings) = settings_of(&LocalTarget::from_directory(data_directory));
    let said = Said { log_file: Some(data_directory.join(LOG_FILE)), ..Said::default() };
    let text = texts(&said, &settings);
    let entries = parse::parse_all(LogFormat::Stderr, lines, text.as_bytes());
    let begin = entries.iter().rposition(|one| one.message.starts_with("starting PostgreSQL"));
    let told = entries[begin.unwrap_or(0)..].iter().filter(|one| triage::benign(one).is_none());
    let told: Vec<String> = told.map(line_of).collect();
    told[told.len().saturating_sub(LOG_END_LINES)..].to_vec()
}

fn line_of(entry: &LogEntry) -> String {
    let severity = entry.severity.map_or_else(String::new, |one| format!("{}: ", one.word()));
    let detail = entry.detail.as_ref().map_or_else(String::new, |text| format!(" ({text})"));
    format!("{severity}{}{detail}", entry.message)
}

/// Where the control file says replay has come.
fn replayed_by_control(server: &Site) -> Option<Lsn> {
    let control = server.control_file().ok()?;
    control.min_recovery_point
}
