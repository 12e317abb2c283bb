//! The server of a recovered directory: where it is, starting and stopping it, asking it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;

use super::site::RecoverySite;
use crate::api::{Error, ErrorCode, InstanceStatus, Lsn, RecoveryPlan, Result};
use crate::instance::access::Access;
use crate::instance::lifecycle::start::StartPlan;
use crate::instance::lifecycle::{self, Site};
use crate::instance::target::LocalTarget;
use crate::pg::connect::Connected;
use crate::pg::query::column;
use crate::pg::query::decode::LsnColumn;
use crate::pg::query::sql::{self, Query};
use crate::sys::file;
use crate::sys::process::{self, Ended, Signal};

/// A stop writes a restart point; longer than this it hangs.
const STOP_LIMIT: Duration = Duration::from_secs(600);
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
const QUERY_LIMIT: Duration = Duration::from_secs(10);

/// Whether a plan makes another directory than the instance's own.
pub(super) fn is_copy(site: &RecoverySite, plan: &RecoveryPlan) -> bool {
    let canonical = |path: &PathBuf| file::canonical(path).unwrap_or_else(|_| path.clone());
    canonical(&plan.directory) != canonical(&site.backup.target.data_directory)
}

/// The server that a plan makes.
pub(super) fn site_of(site: &RecoverySite, plan: &RecoveryPlan) -> Site {
    let own = &site.backup.target;
    let target = if is_copy(site, plan) {
        let copy = LocalTarget::from_directory(&plan.directory);
        // Debian keeps the configuration elsewhere: then the copy goes by the instance's. Named
        // in any case, so that the data directory is, too: a copied file may name the instance's.
        let has_own = file::exists(&copy.config_file());
        let elsewhere = own.config_directory.clone().filter(|_| !has_own);
        LocalTarget {
            bin_directory: own.bin_directory.clone(),
            config_directory: Some(elsewhere.unwrap_or_else(|| copy.data_directory.clone())),
            ..copy
        }
    } else {
        own.clone()
    };
    Site {
        target,
        bin_directory: site.bin_directory.clone(),
        credentials: site.backup.credentials.clone(),
    }
}

/// A server that is being started.
#[derive(Debug)]
pub(super) struct Starting {
    /// `pg_ctl`, until the server takes connections or has ended.
    pub(super) pg_ctl: JoinHandle<std::io::Result<Ended>>,
    /// Where its output goes.
    pub(super) log_file: PathBuf,
    /// Bytes there before.
    pub(super) log_before: u64,
}

/// Starts the server.
///
/// # Errors
/// As [`StartPlan::new`].
pub(super) async fn start(server: &Site) -> Result<Starting> {
    let mut status = server.look_async().await;
    lifecycle::wait_for_zombie(server, &mut status).await;
    let plan = StartPlan::new(server, &status)?;
    let log_file = plan.log_file().to_path_buf();
    let log_before = file::stat(&log_file).map_or(0, |stat| stat.size);
    let program = plan.program();
    let pg_ctl = tokio::task::spawn_blocking(move || program.run());
    Ok(Starting { pg_ctl, log_file, log_before })
}

/// Stops the server in fast mode and waits until it is gone. That none runs is no error.
///
/// # Errors
/// `FileAccess` when it may not be signalled, `StopTimeout`.
pub(super) async fn stop(server: &Site) -> Result<()> {
    let began = Instant::now();
    let mut told = None;
    loop {
        let mut status = server.look_async().await;
        lifecycle::wait_for_zombie(server, &mut status).await;
        let Some(pid) = status.pid.filter(|_| status.state.has_process()) else { return Ok(()) };
        if told != Some(pid) {
            tell_to_stop(server, pid)?;
            told = Some(pid);
        }
        if began.elapsed() > STOP_LIMIT {
            let fact = format!("the server (process {pid}) does not stop");
            return Err(Error::new(ErrorCode::StopTimeout, fact));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

fn tell_to_stop(server: &Site, pid: i32) -> Result<()> {
    let sent = server.credentials.run(|| process::send_signal(pid, Signal::INT));
    match sent.and_then(|inner| inner) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let fact = format!("process {pid} could not be signalled");
            Err(Error::new(ErrorCode::FileAccess, fact).detail(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// A connection to the server, made anew when it breaks.
#[derive(Debug)]
pub(super) struct Session {
    access: Access,
    server: Site,
    connected: Option<Connected>,
}

/// How far a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replayed {
    pub(super) in_recovery: bool,
    pub(super) lsn: Option<Lsn>,
    /// When the last replayed transaction ended.
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) is_paused: bool,
}

impl Session {
    pub(super) fn new(server: &Site) -> Self {
        let access = Access::local(server.target.clone());
        Self { access, server: server.clone(), connected: None }
    }

    /// Asks how far it is.
    ///
    /// # Errors
    /// What connecting and asking give; the next call connects again.
    pub(super) async fn replayed(&mut self, status: &InstanceStatus) -> Result<Replayed> {
        let row = self.row(status, &sql::REPLAY).await?;
        Ok(Replayed {
            in_recovery: column(&row, "in_recovery")?,
            lsn: column::<LsnColumn>(&row, "replayed")?.0,
            at: column(&row, "replayed_at")?,
            is_paused: column(&row, "is_paused")?,
        })
    }

    /// Lets replay go on.
    ///
    /// # Errors
    /// As [`Self::replayed`].
    pub(super) async fn resume(&mut self, status: &InstanceStatus) -> Result<()> {
        self.row(status, &sql::REPLAY_RESUME).await.map(drop)
    }

    async fn row(&mut self, status: &InstanceStatus, query: &Query) -> Result<tokio_postgres::Row> {
        let connected = match self.connected.take() {
            Some(connected) => connected,
            None => {
                self.access.learn(status, Some(self.server.credentials.clone()));
                self.access.connect(None).await?
            }
        };
        let text = query.text_for(connected.server.version.major()).unwrap_or_default();
        let answer = tokio::time::timeout(QUERY_LIMIT, connected.client.query_one(text, &[])).await;
        match answer {
            Ok(Ok(row)) => {
                self.connected = Some(connected);
                Ok(row)
            }
            Ok(Err(error)) => Err(connected.map_error(&error)),
            Err(_) => Err(connected.query_timed_out(QUERY_LIMIT)),
        }
    }
}
