//! Starting an instance with `pg_ctl`, as the data directory's owner.
//!
//! `pg_ctl -w` is the child that notices a postmaster which ends early; meanwhile the state is
//! looked at, so that a long recovery shows how far it is.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{LOOK_INTERVAL, Site, refuse_to_start};
use crate::api::{Error, ErrorCode, InstanceState, InstanceStatus, JobProgress, Result, StopMode};
use crate::jobs::runner::{JobContext, JobControl};
use crate::logs::{
    FileBytes, Follower, LogSettings, ParserSettings, Prefix, locate, observe, triage,
};
use crate::sys::file;
use crate::sys::process::{self, Program, Signal};

/// Crash recovery may take hours; `pg_ctl` is told to wait as long as this.
const WAIT_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Where a server's output goes, in the data directory.
pub const LOG_FILE: &str = "pgdeck-start.log";
/// Of the log, what is read for the cause of a failure.
const LOG_END_BYTES: u64 = 64 << 10;

/// What a start will do.
#[derive(Clone, Debug)]
pub struct StartPlan {
    program: Program,
    log_file: PathBuf,
    name: String,
}

impl StartPlan {
    /// Plans the start of an instance that looks like `status`.
    ///
    /// # Errors
    /// `AlreadyRunning`, `DataDirectoryMissing`, `NotACluster`, `DataDirectoryAccess`,
    /// `DataDirectoryOwner`, `ControlFileDamaged`, `BinariesMissing`, `VersionUnsupported`.
    pub fn new(site: &Site, status: &InstanceStatus) -> Result<Self> {
        refuse_to_start(&site.target.name, status)?;
        let Some(bin_directory) = &status.bin_directory else {
            return Err(Error::new(ErrorCode::BinariesMissing, "no server programs were found"));
        };
        let log_file = log_file(site);
        let mut args: Vec<OsString> = vec!["start".into(), "-w".into(), "-s".into(), "-t".into()];
        args.push(WAIT_MAX.as_secs().to_string().into());
        args.extend(["-D".into(), site.target.data_directory.clone().into_os_string()]);
        args.extend(["-l".into(), log_file.clone().into_os_string()]);
        if site.target.config_directory.is_some() {
            // The file may name another data directory than the one that is meant.
            let option = format!(
                "-c config_file={} -c data_directory={}",
                shell_quoted(&site.target.config_file()),
                shell_quoted(&site.target.data_directory)
            );
            args.extend(["-o".into(), option.into()]);
        }
        let program = Program {
            path: bin_directory.join("pg_ctl"),
            args,
            env: Vec::new(),
            credentials: site.credentials.clone(),
            limit: WAIT_MAX,
        };
        Ok(Self { program, log_file, name: site.target.name.clone() })
    }

    /// Carries the plan out on the calling thread, without progress: for a server that starts
    /// at once, such as a demo's.
    ///
    /// # Errors
    /// `StartFailed` with the cause, `ProgramFailed`.
    pub fn run_blocking(&self, site: &Site) -> Result<()> {
        let log_before = log_size(&self.log_file);
        let ended = self.program.run().map_err(|error| could_not_run(self, &error.to_string()))?;
        match ended.code {
            Some(0) => Ok(()),
            _ => Err(failure(site, self, log_before, &ended.output)),
        }
    }

    /// The program that starts the server and waits until it takes connections.
    #[must_use]
    pub(crate) fn program(&self) -> Program {
        self.program.clone()
    }

    /// Where the server's output goes until its own collector takes over.
    #[must_use]
    pub(crate) fn log_file(&self) -> &std::path::Path {
        &self.log_file
    }

    /// The command, as it is shown and logged.
    #[must_use]
    pub fn command_line(&self) -> String {
        let args: Vec<String> =
            self.program.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let command = format!("{} {}", self.program.path.display(), args.join(" "));
        if self.program.credentials.is_current() {
            command
        } else {
            format!("{command} (as {})", self.program.credentials.name())
        }
    }
}

/// `pg_ctl` hands its `-o` to a shell.
fn shell_quoted(path: &std::path::Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Where the server's output goes until (and unless) its own collector takes over: what
/// `pgdeck.toml` or the distribution says, else a file in the data directory.
fn log_file(site: &Site) -> PathBuf {
    let named = site.target.log_file.clone();
    named.unwrap_or_else(|| site.target.data_directory.join(LOG_FILE))
}

/// Carries out a plan.
///
/// # Errors
/// `StartFailed` with the cause found in the log, `ProgramFailed` when `pg_ctl` cannot be run,
/// `Cancelled` after the server was told to stop again.
pub async fn run(site: &Site, plan: &StartPlan, context: &mut JobContext) -> Result<String> {
    let began = Instant::now();
    context.report(progress("starting the server program", began));
    let log_before = log_size(&plan.log_file);
    let program = plan.program.clone();
    let mut pg_ctl = tokio::task::spawn_blocking(move || program.run());
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    let mut is_cancelled = false;
    let ended = loop {
        tokio::select! {
            ended = &mut pg_ctl => break ended,
            _ = look.tick() => {
                let status = site.look_async().await;
                context.report(progress(&phase_of(&status).await, began));
                if is_cancelled { tell_to_stop(site, &status); }
            }
            order = context.order() => if order == JobControl::Cancel {
                is_cancelled = true;
                // At once: a server that gets ready before the next look would stay.
                tell_to_stop(site, &site.look_async().await);
            },
        }
    };
    let ended = ended
        .map_err(|error| error.to_string())
        .and_then(|ended| ended.map_err(|error| error.to_string()))
        .map_err(|reason| could_not_run(plan, &reason))?;
    let status = site.look_async().await;
    match (ended.code, is_cancelled) {
        (Some(0), false) => Ok(format!(
            "started in {:.1} s, process {}",
            began.elapsed().as_secs_f64(),
            status.pid.unwrap_or_default()
        )),
        (_, true) => Err(Error::new(ErrorCode::Cancelled, "the start was cancelled")
            .detail(format!("the instance is {}", status.state.word()))),
        _ => Err(failed(site, plan, log_before, ended.output).await),
    }
}

/// Reading logs may wait for a disk: not on the engine's thread.
async fn failed(site: &Site, plan: &StartPlan, log_before: u64, output: String) -> Error {
    let (site, plan) = (site.clone(), plan.clone());
    let name = plan.name.clone();
    let work = move || failure(&site, &plan, log_before, &output);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Error::new(ErrorCode::StartFailed, format!("instance \"{name}\" did not start"))
            .detail(error.to_string())
    })
}

fn progress(phase: &str, began: Instant) -> JobProgress {
    JobProgress {
        phase: format!("{phase} ({} s)", began.elapsed().as_secs()),
        ..JobProgress::default()
    }
}

/// What the server does, as its own process titles tell it.
async fn phase_of(status: &InstanceStatus) -> String {
    let Some(pid) = status.pid else { return "waiting for the server process".to_owned() };
    let title = tokio::task::spawn_blocking(move || startup_title(pid)).await.ok().flatten();
    match (status.state, title) {
        (InstanceState::Started, _) => "ready".to_owned(),
        (_, Some(title)) => title,
        (InstanceState::InRecovery, None) => "recovering".to_owned(),
        _ => "the server is starting".to_owned(),
    }
}

/// The startup process shows the segment it replays: `startup recovering 0000…`.
pub(crate) fn startup_title(postmaster: i32) -> Option<String> {
    let titles = process::children(postmaster).into_iter().filter_map(process::command_line);
    titles
        .filter_map(|title| {
            let (_, what) = title.split_once("startup")?;
            let segment = what.trim().strip_prefix("recovering")?.trim().to_owned();
            Some(format!("recovering, at WAL segment {segment}"))
        })
        .next()
}

/// A server that is not ready yet ends at SIGINT too; what it has recovered stays recovered.
fn tell_to_stop(site: &Site, status: &InstanceStatus) {
    let Some(pid) = status.pid.filter(|_| status.state.has_process()) else { return };
    let _ = site.credentials.run(|| process::send_signal(pid, signal_of(StopMode::Fast)));
}

/// The signal of a stop mode ("Shutting Down the Server" in the manual).
#[must_use]
pub fn signal_of(mode: StopMode) -> Signal {
    match mode {
        StopMode::Smart => Signal::TERM,
        StopMode::Fast => Signal::INT,
        StopMode::Immediate => Signal::QUIT,
        StopMode::Kill => Signal::KILL,
    }
}

fn log_size(path: &std::path::Path) -> u64 {
    file::stat(path).map_or(0, |stat| stat.size)
}

fn could_not_run(plan: &StartPlan, reason: &str) -> Error {
    let path = plan.program.path.display();
    Error::new(ErrorCode::ProgramFailed, format!("{path} could not be run")).detail(reason)
}

/// The cause: as `pg_ctl` or the server's first output tells it, or the end of its own log.
fn failure(site: &Site, plan: &StartPlan, log_before: u64, output: &str) -> Error {
    let grown = log_size(&plan.log_file).saturating_sub(log_before);
    let end = file::read_end(&plan.log_file, grown.min(LOG_END_BYTES)).unwrap_or_default();
    let conf = site.target.load_conf();
    let lookup = |name: &str| conf.as_ref().ok()?.value(name).map(str::to_owned);
    let settings = LogSettings::from_lookup(&site.target.data_directory, lookup);
    let lines = ParserSettings {
        prefix: Prefix::compile(&settings.log_line_prefix),
        zone: observe::zone(&settings.log_timezone),
    };
    let cause = triage::cause_in_output(output.as_bytes(), &lines)
        .or_else(|| triage::cause_in_output(&end, &lines))
        .or_else(|| cause_in_own_log(&settings, &lines));
    let failed =
        Error::new(ErrorCode::StartFailed, format!("instance \"{}\" did not start", plan.name));
    match cause {
        Some(cause) => {
            let more = cause.detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
            failed.detail(format!("{}{more}", cause.text)).hint(cause.solution)
        }
        None => {
            let said = String::from_utf8_lossy(&end).into_owned() + "\n" + output;
            let last = said.lines().rev().find(|line| !line.trim().is_empty());
            let log = plan.log_file.display();
            failed
                .detail(last.unwrap_or("the server said nothing").trim().to_owned())
                .hint(format!("Read {log}, remove the cause, then start again."))
        }
    }
}

/// With the collector on, the cause is in the collector's file.
fn cause_in_own_log(settings: &LogSettings, lines: &ParserSettings) -> Option<triage::Cause> {
    if !settings.logging_collector {
        return None;
    }
    let located = locate(settings, &observe(settings, None)).ok()?;
    let crate::api::LogSource::File { path, .. } = &located.source else { return None };
    let bytes = FileBytes::new(path);
    let mut follower = Follower::new(located.source.clone(), bytes, lines.clone());
    follower.poll().ok()?;
    triage::cause_of_failed_start(follower.entries().iter().map(std::convert::AsRef::as_ref))
}
