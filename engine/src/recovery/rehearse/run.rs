//! Carrying out a rehearsal.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::checks::{self, Checked};
use super::private;
use super::scratch::{self, Scratch};
use super::{pages, record};
use crate::api::{
    Error, ErrorCode, JobProgress, OldData, RecoveryAction, RecoveryPlan, RecoveryRequest,
    RecoveryRole, RecoveryTarget, RehearsalRecord, RehearsalRequest, Result, ServerVersion,
};
use crate::backup::document;
use crate::instance::access::Access;
use crate::instance::binaries::BinaryFinder;
use crate::instance::lifecycle::Site;
use crate::jobs::runner::{JobContext, JobControl, Reporter};
use crate::pg::conf::AUTO_CONF_FILE;
use crate::recovery::diagnose::{self, Said};
use crate::recovery::plan;
use crate::recovery::run::{Asked, Finished};
use crate::recovery::server::{self, Session};
use crate::recovery::site::{Private, RecoverySite};
use crate::sys::disk::Disk;
use crate::sys::{clock, file};

const CONF_BYTES_MAX: u64 = 16 << 20;
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What a rehearsal needs besides its request.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// Whose recovery.
    pub site: RecoverySite,
    /// What.
    pub request: RehearsalRequest,
    /// This program, for `restore_command`; absolute.
    pub program: PathBuf,
}

/// Rehearses, writes the evidence, and removes everything it has made. The record tells whether
/// it went well.
///
/// # Errors
/// What keeps it from being begun: `BackupDestinationUnset`, `RepositoryUnreadable`,
/// `RecoveryPlace`, `TargetUnreachable` for a target that was named, and what planning gives.
/// `Cancelled`. `RepositoryWrite` when the evidence cannot be written.
pub async fn run(work: &Rehearsal, context: &mut JobContext) -> Result<RehearsalRecord> {
    let asked = work.request.recovery.destination.clone();
    let destination =
        work.site.as_owner(move |site| site.backup.destination(asked.as_deref())).await?;
    let scratch = make(work).await?;
    let mut record = empty(&work.request);
    let outcome = Course { work, scratch: &scratch }.run(&mut record, context).await;
    phase(&context.reporter(), "removing the scratch directory");
    let removed = work.site.as_owner(move |_| Ok(scratch.remove())).await;
    let left = removed.unwrap_or_else(|error| Some(error.fact));
    if let Err(error) = &outcome {
        if error.code == ErrorCode::Cancelled {
            return Err(error.clone());
        }
        // A target that cannot be planned says nothing about the backups, the latest does.
        if record.backup.is_empty() && work.request.recovery.target != RecoveryTarget::Latest {
            return Err(error.clone());
        }
        record.error = Some(error.to_string());
    }
    record.ok = outcome.is_ok();
    record.at = clock::now();
    record.checks.extend(left.map(|left| format!("tidying up: {left}")));
    keep(work, destination, record).await
}

async fn make(work: &Rehearsal) -> Result<Scratch> {
    let asked = work.request.scratch.clone();
    work.site
        .as_owner(move |site| {
            let (disk, data) = (&site.backup.disk, &site.backup.target.data_directory);
            let parent = scratch::parent(disk, asked.as_deref(), data);
            Scratch::make(disk, &parent, data)
        })
        .await
}

async fn keep(
    work: &Rehearsal,
    destination: PathBuf,
    record: RehearsalRecord,
) -> Result<RehearsalRecord> {
    work.site
        .as_owner(move |site| {
            record::append(&site.backup.disk, &destination, &record).map_err(|error| {
                let fact = "the evidence of the rehearsal cannot be written";
                Error::new(ErrorCode::RepositoryWrite, fact)
                    .detail(format!("{}: {error}", destination.join(record::FILE).display()))
            })?;
            Ok(record)
        })
        .await
}

fn empty(request: &RehearsalRequest) -> RehearsalRecord {
    RehearsalRecord {
        at: clock::now(),
        ok: false,
        target: request.recovery.target.describe(),
        backup: String::new(),
        reached: None,
        last_commit_at: None,
        restore_seconds: 0.0,
        restore_bytes: 0,
        replay_seconds: 0.0,
        replay_bytes: 0,
        checks: Vec::new(),
        error: None,
    }
}

/// A rehearsal under way.
struct Course<'a> {
    work: &'a Rehearsal,
    scratch: &'a Scratch,
}

impl Course<'_> {
    async fn run(&self, record: &mut RehearsalRecord, context: &mut JobContext) -> Result<()> {
        phase(&context.reporter(), "planning");
        let site = self.private_site().await?;
        let asked = self.asked(&site).await?;
        record.backup = asked.plan.chain.last().cloned().unwrap_or_default();
        let version_directory = asked.version_directory.clone();
        let finished = crate::recovery::run::run(&site, &asked, context).await?;
        note(record, &asked.plan, &finished);

        let server = server::site_of(&site, &asked.plan);
        let tell = context.reporter();
        let checked = async {
            let mut report = Vec::new();
            let outcome = self.check(&site, &server, &asked.plan, &tell, &mut report).await;
            (outcome, report)
        };
        let (outcome, report) = tokio::select! {
            checked = checked => checked,
            () = cancelled(context) => {
                let fact = "the rehearsal was cancelled";
                return Err(Error::new(ErrorCode::Cancelled, fact)
                    .detail("its scratch directory is removed"));
            }
        };
        record.checks = report;
        outcome?;
        phase(&tell, "checking pages");
        server::stop(&server).await?;
        let line = self.check_pages(version_directory).await;
        let (line, outcome) = match line {
            Ok(line) => (line, Ok(())),
            Err(error) => (format!("page checksums: FAILED: {}", error.detail), Err(error)),
        };
        record.checks.push(line);
        outcome
    }

    /// The instance, with a private place for what is made.
    async fn private_site(&self) -> Result<RecoverySite> {
        let (scratch, mut site) = (self.scratch.clone(), self.work.site.clone());
        self.work
            .site
            .as_owner(move |_| {
                let hba = scratch.write("pg_hba.conf", private::HBA)?;
                let ident = scratch.write("pg_ident.conf", "")?;
                let settings = private::settings(scratch.sockets(), &hba, &ident);
                site.private = Some(Private { root: scratch.root().to_path_buf(), settings });
                Ok(site)
            })
            .await
    }

    /// Plans, as a recovery does.
    async fn asked(&self, site: &RecoverySite) -> Result<Asked> {
        let request = RecoveryRequest {
            old_data: OldData::Keep,
            tablespaces: Vec::new(),
            wal_directory: None,
            to: Some(self.scratch.data()),
            port: Some(private::PORT),
            action: RecoveryAction::Shutdown,
            role: RecoveryRole::Primary,
            ..self.work.request.recovery.clone()
        };
        let (site, program) = (site.clone(), self.work.program.clone());
        self.work
            .site
            .as_owner(move |_| {
                let plan = plan::plan(&site, &request)?;
                let fingerprint = plan.fingerprint();
                Asked::new(&site, request, plan, fingerprint, program)
            })
            .await
    }

    /// Promotes the server, whose end is proven by now, and checks it.
    async fn check(
        &self,
        site: &RecoverySite,
        server: &Site,
        plan: &RecoveryPlan,
        tell: &Reporter,
        report: &mut Vec<String>,
    ) -> Result<()> {
        phase(tell, "promoting");
        let data = server.target.data_directory.clone();
        site.as_owner(move |site| add_settings(&site.backup.disk, &data)).await?;
        let seconds = promote(server, plan).await?;
        report.push(format!(
            "promotion: ready after {seconds:.1} s, replay from the last restart point included"
        ));
        let status = server.look_async().await;
        let access = Access::local(server.target.clone());
        access.learn(&status, Some(server.credentials.clone()));
        let checked = Checked {
            access,
            sockets: self.scratch.sockets().to_path_buf(),
            port: private::PORT,
            role: server.credentials.name().to_owned(),
            major: plan.major,
            programs: programs(server, plan.major).await,
            credentials: server.credentials.clone(),
        };
        checks::run(&checked, self.work.request.queries.as_deref(), tell, report).await
    }

    async fn check_pages(&self, version_directory: String) -> Result<String> {
        let data = self.scratch.data();
        let found =
            self.work.site.as_owner(move |_| pages::check(&data, &version_directory)).await?;
        match found {
            None => Ok("page checksums: off in this cluster".to_owned()),
            Some(pages) if pages.damaged == 0 => {
                Ok(format!("page checksums: {} pages, all right", pages.checked))
            }
            Some(pages) => {
                let fact = format!("{} pages are damaged", pages.damaged);
                let error = Error::new(ErrorCode::RehearsalFailed, fact);
                Err(error.detail(format!(
                    "{} of {}: {}",
                    pages.damaged,
                    pages.checked,
                    pages.first.join(", ")
                )))
            }
        }
    }
}

fn note(record: &mut RehearsalRecord, plan: &RecoveryPlan, finished: &Finished) {
    record.reached = Some(finished.reached);
    record.last_commit_at = plan.stop.last_commit_at;
    record.restore_seconds = finished.state.restore_seconds.unwrap_or_default();
    record.replay_seconds = finished.state.replay_seconds.unwrap_or_default();
    record.restore_bytes = plan.restore_bytes;
    record.replay_bytes = plan.replay_bytes;
}

/// Blocking; as the owner.
fn add_settings(disk: &Disk, data: &Path) -> Result<()> {
    let path = data.join(AUTO_CONF_FILE);
    let failed = |error: std::io::Error| {
        let fact = format!("\"{}\" cannot be written", path.display());
        Error::new(ErrorCode::RehearsalFailed, fact).detail(error.to_string())
    };
    let text = disk.read(&path, CONF_BYTES_MAX).map_err(failed)?;
    let text = String::from_utf8_lossy(&text).into_owned() + private::PROMOTED;
    document::store(disk, data, AUTO_CONF_FILE, &text).map_err(failed)
}

/// Starts the server, which is promoted at its target; the seconds until it takes connections.
async fn promote(server: &Site, plan: &RecoveryPlan) -> Result<f64> {
    let began = Instant::now();
    let starting = server::start(server).await?;
    let (log_file, log_before) = (starting.log_file, starting.log_before);
    let output = match starting.pg_ctl.await {
        Ok(Ok(ended)) if ended.code == Some(0) => match out_of_recovery(server).await {
            Ok(()) => return Ok(began.elapsed().as_secs_f64()),
            Err(error) => error.to_string(),
        },
        Ok(Ok(ended)) => ended.output,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let said = Said { pg_ctl: output, log_file: Some(log_file), log_before };
    Err(diagnose::ended(server, plan, said, Some(plan.stop.reached)).await)
}

/// Waits for the end of recovery: `pg_ctl` is content with a server that takes no connections
/// yet. Whoever cannot wait drops this.
async fn out_of_recovery(server: &Site) -> Result<()> {
    let mut session = Session::new(server);
    loop {
        let status = server.look_async().await;
        if session.replayed(&status).await.is_ok_and(|replayed| !replayed.in_recovery) {
            return Ok(());
        }
        if !status.state.has_process() {
            let fact = "the server has ended while it was promoted";
            return Err(Error::new(ErrorCode::RehearsalFailed, fact).detail(status.detail));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Directories with programs of the cluster's major version, then of newer ones.
async fn programs(server: &Site, major: u32) -> Vec<PathBuf> {
    let server = server.clone();
    let find = move || {
        let mut finder = BinaryFinder::new(server.bin_directory.as_deref());
        let hint = server.target.bin_directory.as_deref();
        (major..=ServerVersion::MAJOR_MAX)
            .filter_map(|major| finder.find(major, hint))
            .flat_map(|found| [file::canonical(&found).unwrap_or_else(|_| found.clone()), found])
            .collect()
    };
    tokio::task::spawn_blocking(find).await.unwrap_or_default()
}

async fn cancelled(context: &mut JobContext) {
    while context.order().await != JobControl::Cancel {}
}

fn phase(tell: &Reporter, phase: &str) {
    tell.report(JobProgress { phase: phase.to_owned(), ..JobProgress::default() });
}
