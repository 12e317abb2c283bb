//! Backups as commands of a front end: jobs, the catalog, deletion, restore points.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::catalog::{Entry, Shared};
use super::job::{Answer, Subject};
use crate::api::{
    BackupRequest, Error, ErrorCode, Event, JobKind, RequestId, RestorePointInfo, Result,
    VerifyDepth, VerifyReport,
};
use crate::backup::plan::Plan;
use crate::backup::session::BackupSession;
use crate::backup::site::{self, BackupSite};
use crate::backup::{catalog, expire, prepare, restore_points, run, verify};
use crate::instance::lifecycle::Site;
use crate::jobs::runner::JobContext;
use crate::pg::wal::SegmentName;
use crate::sys::credentials::Credentials;
use crate::sys::disk::Disk;
use crate::sys::{clock, file};

/// An instance, for commands about its backups.
#[derive(Clone, Debug)]
pub(super) struct Backups {
    site: BackupSite,
    subject: Subject,
}

/// What to verify.
#[derive(Clone, Debug)]
pub(super) struct VerifyWork {
    pub(super) destination: Option<PathBuf>,
    pub(super) depth: VerifyDepth,
    pub(super) jobs: Option<u32>,
}

impl Backups {
    /// # Errors
    /// `InstanceRemote`, `DataDirectoryOwner`, `DataDirectoryAccess`, `UsageInvalid`.
    pub(super) fn new(
        entry: &Entry,
        shared: &Shared,
        destination: Option<&std::path::Path>,
    ) -> Result<Self> {
        let target = entry.local_target()?;
        let own = Site::new(target.clone(), None, shared.run_as.as_deref());
        let credentials = match own {
            Ok(site) => site.credentials,
            // With the data disk gone, the backups still have an owner.
            Err(error) if !file::exists(&target.data_directory) => {
                let destination = destination.map(std::path::Path::to_path_buf);
                let named = destination.or_else(|| site::configured_destination(target));
                let stat = named.and_then(|destination| file::stat(&destination).ok());
                Credentials::of_uid(stat.ok_or(error)?.uid)
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            site: BackupSite {
                target: target.clone(),
                access: entry.access.clone(),
                credentials,
                disk: Disk::real(),
            },
            subject: Subject::new(entry, shared),
        })
    }

    /// The instance and its way to files and server.
    pub(super) fn site(&self) -> &BackupSite {
        &self.site
    }

    /// Takes a backup, or tells what would be done.
    pub(super) async fn take(
        self,
        request: RequestId,
        what: BackupRequest,
        told: mpsc::Sender<Answer>,
    ) {
        let asked = what.clone();
        let planned = self.site.as_owner(move |site| site::plan(site, &asked)).await;
        let plan = match planned {
            Ok(plan) => plan,
            Err(error) => return drop(told.send(Answer::Refused(error)).await),
        };
        if what.dry_run {
            let text = plan.describe().join("\n");
            let answer = match plan.fits() {
                Ok(()) => Answer::Said(Box::new(Event::Done { request, text })),
                Err(error) => Answer::Refused(error),
            };
            return drop(told.send(answer).await);
        }
        let command = plan.describe().join("; ");
        let said = told.clone();
        let body =
            async |context: &mut JobContext| self.taken(&plan, request, &said, context).await;
        self.subject.run_job(JobKind::Backup, &command, &told, body).await;
    }

    async fn taken(
        &self,
        plan: &Plan,
        request: RequestId,
        told: &mpsc::Sender<Answer>,
        context: &mut JobContext,
    ) -> Result<String> {
        let finished = run::run(&self.site, plan, context).await?;
        let entry = catalog::CatalogEntry {
            label: finished.document.label.clone(),
            directory: finished.document.label.directory(&plan.destination),
            verified: None,
            state: catalog::EntryState::Complete(Box::new(finished.document.clone())),
        };
        let backup = Box::new(catalog::info(&entry));
        let event = Event::BackedUp { request, backup, warnings: finished.warnings };
        let _ = told.send(Answer::Said(Box::new(event))).await;
        Ok(finished.text)
    }

    /// Verifies a destination.
    pub(super) async fn verify(
        self,
        request: RequestId,
        what: VerifyWork,
        told: mpsc::Sender<Answer>,
    ) {
        let asked = what.destination.clone();
        let found = self.site.as_owner(move |site| site.destination(asked.as_deref())).await;
        let destination = match found {
            Ok(destination) => destination,
            Err(error) => return drop(told.send(Answer::Refused(error)).await),
        };
        let command = format!("verify {}", destination.display());
        let said = told.clone();
        let body = async |context: &mut JobContext| {
            let work = verify::VerifyRequest { destination, depth: what.depth, jobs: what.jobs };
            let report = verify::run(&self.site, work, context).await?;
            let text = summary(&report);
            let event = Event::Verified { request, report: Box::new(report) };
            let _ = said.send(Answer::Said(Box::new(event))).await;
            Ok(text)
        };
        self.subject.run_job(JobKind::Verify, &command, &told, body).await;
    }

    /// The catalog and the register.
    pub(super) async fn list(
        self,
        request: RequestId,
        destination: Option<PathBuf>,
    ) -> Result<Event> {
        self.site
            .as_owner(move |site| {
                let destination = site.destination(destination.as_deref())?;
                let entries = catalog::read(&site.disk, &destination)?;
                let points = restore_points::all(&site.disk, &destination)?;
                Ok(Event::Backups {
                    request,
                    destination,
                    backups: Arc::new(entries.iter().map(catalog::info).collect()),
                    restore_points: Arc::new(points),
                })
            })
            .await
    }

    /// Deletes a backup.
    pub(super) async fn delete(
        self,
        destination: Option<PathBuf>,
        label: String,
    ) -> Result<String> {
        let command = label.clone();
        self.subject.logged("delete backup", &command, self.deleted(destination, label)).await
    }

    async fn deleted(&self, destination: Option<PathBuf>, label: String) -> Result<String> {
        let destination =
            self.site.as_owner(move |site| site.destination(destination.as_deref())).await?;
        let _lock = prepare::lock(&self.site, &destination, "deletion").await?;
        let removed = self
            .site
            .as_owner(move |site| expire::delete(&site.disk, &destination, &label))
            .await?;
        Ok(removed.describe())
    }

    /// Makes a restore point.
    pub(super) async fn restore_point(
        self,
        destination: Option<PathBuf>,
        name: String,
    ) -> Result<String> {
        let command = name.clone();
        let work = self.restore_point_made(destination, name);
        self.subject.logged("restore point", &command, work).await
    }

    async fn restore_point_made(
        &self,
        destination: Option<PathBuf>,
        name: String,
    ) -> Result<String> {
        if name.is_empty() || name.len() > restore_points::NAME_BYTES_MAX {
            let fact = format!("a restore point cannot be called \"{name}\"");
            return Err(Error::new(ErrorCode::UsageInvalid, fact)
                .detail(format!("1 to {} bytes are possible", restore_points::NAME_BYTES_MAX)));
        }
        // The register must be there before the point is, or the point would be lost.
        let destination =
            self.site.as_owner(move |site| site.destination(destination.as_deref())).await?;
        let (session, facts) =
            BackupSession::open(&self.site.access, "pgdeck restore-point").await?;
        if facts.in_recovery {
            let fact = "a standby cannot make a restore point";
            return Err(Error::new(ErrorCode::BackupNotPossible, fact)
                .detail("it writes no WAL")
                .hint("Make it on the primary."));
        }
        let (lsn, wal_file) = session.restore_point(&name).await?;
        let timeline = SegmentName::parse(&wal_file).map(|segment| segment.timeline().as_u32());
        let point = RestorePointInfo {
            name: name.clone(),
            lsn: lsn.to_string(),
            timeline: timeline.unwrap_or(facts.timeline.as_u32()),
            created_at: clock::now(),
        };
        self.site
            .as_owner(move |site| {
                restore_points::register(&site.disk, &destination, &point).map_err(|error| {
                    let fact = "the restore point is made, but not in the register";
                    Error::new(ErrorCode::RepositoryWrite, fact).detail(error.to_string())
                })
            })
            .await?;
        Ok(format!("restore point \"{name}\" is at {lsn}"))
    }
}

/// The data directory of the newest backup in a destination, for a command that names only
/// the destination.
#[must_use]
pub fn data_directory_of(destination: &std::path::Path) -> Option<PathBuf> {
    let entries = catalog::read(&Disk::real(), destination).ok()?;
    let newest = entries.iter().rev().find_map(catalog::CatalogEntry::complete)?;
    Some(newest.cluster.data_directory.clone())
}

fn summary(report: &VerifyReport) -> String {
    let trouble = match (report.damages.first(), report.warnings.first()) {
        (Some(first), _) => format!("{} damages, the first: {first}", report.damages.len()),
        (None, Some(first)) => format!("{} warnings, the first: {first}", report.warnings.len()),
        (None, None) => "sound".to_owned(),
    };
    format!("{} backups, {} files: {trouble}", report.backups, report.files)
}
