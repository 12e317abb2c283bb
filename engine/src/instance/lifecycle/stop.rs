//! Stopping an instance: the signal of a mode, then watching until the process is gone. The
//! mode can be made harsher on the way; nothing can make it gentler again.

use std::time::Instant;

use super::start::signal_of;
use super::{LOOK_INTERVAL, Site, waiters};
use crate::api::{Error, ErrorCode, InstanceState, InstanceStatus, JobProgress, Result, StopMode};
use crate::jobs::runner::{JobContext, JobControl};
use crate::pg::connect::Connected;
use crate::sys::process::{self, Signal};

/// A server process, proof against reuse of its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Postmaster {
    pid: i32,
    start_ticks: u64,
}

impl Postmaster {
    /// Ended, or ended and not collected yet.
    fn is_gone(self) -> bool {
        process::info(self.pid)
            .is_none_or(|info| info.start_ticks != self.start_ticks || info.is_zombie())
    }
}

/// What a stop will do.
#[derive(Clone, Debug)]
pub struct StopPlan {
    postmaster: Postmaster,
    is_suspended: bool,
    mode: StopMode,
}

impl StopPlan {
    /// Plans a stop of an instance that looks like `status`.
    ///
    /// # Errors
    /// `NotRunning` when there is no process, `ProcessChanged` when it ended meanwhile.
    pub fn new(site: &Site, status: &InstanceStatus, mode: StopMode) -> Result<Self> {
        let name = &site.target.name;
        let Some(pid) = status.pid.filter(|_| status.state.has_process()) else {
            return Err(Error::new(
                ErrorCode::NotRunning,
                format!("instance \"{name}\" does not run"),
            )
            .detail(status.detail.clone()));
        };
        let Some(info) = process::info(pid) else {
            return Err(Error::new(ErrorCode::ProcessChanged, format!("process {pid} has ended")));
        };
        Ok(Self {
            postmaster: Postmaster { pid, start_ticks: info.start_ticks },
            is_suspended: status.state == InstanceState::Suspended,
            mode,
        })
    }

    /// The command that does the same, as it is shown and logged.
    #[must_use]
    pub fn command_line(&self, mode: StopMode) -> String {
        mode.command_line(self.postmaster.pid)
    }
}

/// Carries out a plan. `observer` is a connection made before, to see who is waited for; it
/// is closed as soon as nobody else is left, because the server would wait for it too.
///
/// # Errors
/// `FileAccess` when the signal may not be sent; `Cancelled` when the watching was cancelled:
/// the server goes on shutting down, which cannot be taken back.
pub async fn run(
    site: &Site,
    plan: &StopPlan,
    mut observer: Option<Connected>,
    context: &mut JobContext,
) -> Result<String> {
    let began = Instant::now();
    let mut mode = plan.mode;
    send(site, plan, mode)?;
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    loop {
        tokio::select! {
            _ = look.tick() => {
                if plan.postmaster.is_gone() {
                    return Ok(report(site, mode, began).await);
                }
                let progress = progress(plan, mode, began, &mut observer).await;
                context.report(progress);
            }
            order = context.order() => match order {
                JobControl::Mode(harsher) if harsher > mode => {
                    mode = harsher;
                    send(site, plan, mode)?;
                }
                JobControl::Mode(_) => {}
                JobControl::Cancel => return Err(cancelled(mode)),
            }
        }
    }
}

fn cancelled(mode: StopMode) -> Error {
    Error::new(ErrorCode::Cancelled, "pgdeck no longer watches the stop")
        .detail(format!("the server goes on with its {} shutdown", mode.word()))
        .hint(
            "A shutdown cannot be taken back; look at the state, or stop again in a harsher mode.",
        )
}

fn send(site: &Site, plan: &StopPlan, mode: StopMode) -> Result<()> {
    let postmaster = plan.postmaster;
    if postmaster.is_gone() {
        return Ok(());
    }
    let sent = site.credentials.run(|| match mode {
        StopMode::Kill => kill_all(postmaster.pid),
        _ => {
            process::send_signal(postmaster.pid, signal_of(mode))?;
            // A stopped process takes the signal only when it runs again.
            if plan.is_suspended {
                process::send_signal(postmaster.pid, Signal::CONT)
            } else {
                Ok(())
            }
        }
    });
    sent.and_then(|inner| inner).map_err(|error| {
        Error::new(
            ErrorCode::FileAccess,
            format!("process {} could not be signalled", postmaster.pid),
        )
        .detail(error.to_string())
        .hint("Run pgdeck as the owner of the server process or as root.")
    })
}

/// The postmaster first, so that it cannot start new ones; then every child there was.
fn kill_all(postmaster: i32) -> std::io::Result<()> {
    let children = process::children(postmaster);
    process::send_signal(postmaster, Signal::KILL)?;
    for child in children {
        match process::send_signal(child, Signal::KILL) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

async fn progress(
    plan: &StopPlan,
    mode: StopMode,
    began: Instant,
    observer: &mut Option<Connected>,
) -> JobProgress {
    let seconds = began.elapsed().as_secs();
    let found = match observer {
        Some(connected) => {
            waiters::by_query(&connected.client, connected.server.version.major()).await
        }
        None => None,
    };
    let found = match found {
        Some(found) => found,
        None => {
            *observer = None;
            waiters::by_titles(plan.postmaster.pid).await
        }
    };
    if found.foreign == 0 {
        *observer = None;
    }
    let phase = match (mode, found.foreign) {
        (StopMode::Smart, 1) => format!("waits for 1 client to leave ({seconds} s)"),
        (StopMode::Smart, count) if count > 0 => {
            format!("waits for {count} clients to leave ({seconds} s)")
        }
        (StopMode::Smart | StopMode::Fast, _) => {
            format!("writes the shutdown checkpoint ({seconds} s)")
        }
        _ => format!("waits for the processes to end ({seconds} s)"),
    };
    let lines = if mode == StopMode::Smart { found.lines } else { Vec::new() };
    JobProgress { phase, lines, stop_mode: Some(mode), ..JobProgress::default() }
}

async fn report(site: &Site, mode: StopMode, began: Instant) -> String {
    let status = site.look_async().await;
    let seconds = began.elapsed().as_secs_f64();
    match status.control {
        Some(control) if control.is_clean => {
            format!("stopped cleanly in {seconds:.1} s ({} mode)", mode.word())
        }
        _ => format!(
            "stopped in {seconds:.1} s without a checkpoint ({} mode); the next start recovers",
            mode.word()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::target::LocalTarget;
    use crate::sys::credentials::Credentials;

    #[test]
    fn a_process_that_ended_meanwhile_is_not_signalled() {
        let site = Site {
            target: LocalTarget::from_directory(std::path::Path::new("/nowhere")),
            bin_directory: None,
            credentials: Credentials::current(),
        };
        // Above the largest pid there can be (PID_MAX_LIMIT is 2^22).
        let started =
            InstanceStatus { pid: Some(1 << 23), ..InstanceStatus::bare(InstanceState::Started) };
        let error = StopPlan::new(&site, &started, StopMode::Fast).unwrap_err();
        assert_eq!(error.code, ErrorCode::ProcessChanged);
        let stopped = InstanceStatus::bare(InstanceState::Stopped);
        let error = StopPlan::new(&site, &stopped, StopMode::Fast).unwrap_err();
        assert_eq!(error.code, ErrorCode::NotRunning);
    }
}
