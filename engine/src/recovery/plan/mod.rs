//! What a recovery will do, proven before anything is touched. Blocking; as the owner.

mod enlarged;
mod estimate;
mod explain;
mod lost;
mod old;
mod place;
mod running;
mod settings;
mod space;
mod target;

use std::path::{Path, PathBuf};

use super::site::RecoverySite;
use super::sources::WalSources;
use super::way::{Leg, Way};
use crate::api::{
    Error, ErrorCode, RecoveryPlan, RecoveryRequest, RecoveryRole, RecoveryTarget, Result,
    SettingNeed, StopPoint, TargetBound, WalRun, WalSource,
};
use crate::backup::catalog::{self, CatalogEntry};
use crate::backup::document::BackupDocument;
use crate::pg::types::{Lsn, SystemIdentifier};
use crate::pg::wal::{SegmentSize, TimelineHistory};
use crate::sys::memory;
use crate::wal::identity;
use crate::wal::inspect::Expected;

pub(crate) use estimate::speeds;
pub use estimate::{Wanted, last_rehearsal};
pub use old::{OldCluster, server_of_removed};
pub(crate) use target::{in_use, on_history};

/// Threads that restore unless the request says otherwise, and at most.
const JOBS_DEFAULT_MAX: u32 = 8;
const JOBS_MAX: u32 = 64;

/// A destination as recovery reads it.
#[derive(Debug)]
pub struct Known {
    /// The destination.
    pub destination: PathBuf,
    /// Its backups.
    pub entries: Vec<CatalogEntry>,
    /// What stands in the data directory.
    pub old: OldCluster,
    /// All WAL.
    pub sources: WalSources,
}

impl Known {
    /// Reads a destination and what is left of the instance.
    ///
    /// # Errors
    /// `RepositoryUnreadable`, `RepositoryDamaged`, `RecoveryPlace` when the data directory is
    /// another cluster's.
    pub fn read(site: &RecoverySite, destination: &Path) -> Result<Self> {
        let disk = &site.backup.disk;
        let entries = catalog::read(disk, destination)?;
        let expected = expected(site, destination, &entries)?;
        let newest = entries.iter().rev().find_map(CatalogEntry::complete);
        let recorded = newest.and_then(|newest| newest.wal_location.as_deref());
        let old = OldCluster::look(&site.backup.target, recorded);
        old.check_cluster(expected.system_identifier)?;
        let sources = WalSources::open(disk, destination, &old.wal_directories, expected)?;
        Ok(Self { destination: destination.to_path_buf(), entries, old, sources })
    }

    /// Complete backups, oldest first.
    pub fn backups(&self) -> impl DoubleEndedIterator<Item = &BackupDocument> {
        self.entries.iter().filter_map(CatalogEntry::complete)
    }
}

/// Whose WAL it must be: by the destination's identity, else by its newest backup.
fn expected(site: &RecoverySite, destination: &Path, entries: &[CatalogEntry]) -> Result<Expected> {
    if let Some(identity) = identity::load(&site.backup.disk, destination)? {
        return Ok(Expected {
            system_identifier: Some(identity.system_identifier),
            major: Some(identity.major),
            segment_size: SegmentSize::from_bytes(identity.wal_segment_bytes),
        });
    }
    let newest = entries.iter().rev().find_map(CatalogEntry::complete);
    let Some(cluster) = newest.map(|newest| &newest.cluster) else {
        return Ok(Expected::default());
    };
    Ok(Expected {
        system_identifier: cluster.system_identifier.parse().ok().map(SystemIdentifier::from_u64),
        major: Some(cluster.server_version_num / 10_000),
        segment_size: SegmentSize::from_bytes(cluster.wal_segment_bytes),
    })
}

/// Plans a recovery. Touches nothing. The plan of an instance that runs can only be looked at: it
/// says what runs.
///
/// # Errors
/// `TargetUnreachable` with the reason and the nearest point, `BackupNotFound`, `RecoveryPlace`, `RecoveryNoSpace`, `UsageInvalid`;
/// `BackupDestinationUnset`, `RepositoryUnreadable` and `RepositoryDamaged` for the destination.
pub fn plan(site: &RecoverySite, request: &RecoveryRequest) -> Result<RecoveryPlan> {
    let jobs = jobs(request)?;
    let destination = site.backup.destination(request.destination.as_deref())?;
    let known = Known::read(site, &destination)?;
    let chosen = target::choose(&known, request)?;
    let place = place::decide(site, &known, request, &destination, chosen.backup)?;
    let label = &chosen.backup.label;
    let mut chain: Vec<String> =
        catalog::chain(&known.entries, label).iter().map(ToString::to_string).collect();
    chain.reverse();
    let wal = runs(&chosen.legs);
    let replay_bytes = chosen.stop.reached.bytes_since(chosen.start);
    let restore_bytes = chosen.backup.sizes.cluster_bytes;
    let estimate = estimate::estimate(site, &destination, chosen.backup, jobs, replay_bytes);
    let conf = settings::restored_conf(site, &chosen, &place.directory)?;
    let settings = settings::needed(site, &chosen, conf.as_ref());
    let mut warnings = chosen.stop.notes.clone();
    warnings.extend(place.warnings.iter().cloned());
    warnings.extend(target::warnings(&known, request, &chosen));
    let needs = space::needs(site, &known, request, &chosen, &place)?;
    space::check(&needs)?;
    let sizes = enlarged::Sizes {
        cluster: restore_bytes,
        replay: replay_bytes,
        memory: memory::available(),
    };
    Ok(RecoveryPlan {
        directory: place.directory,
        wal_directory: place.wal_directory,
        tablespaces: place.tablespaces,
        port: request.port,
        target: request.target.clone(),
        stop: stop_point(request, &chosen),
        chain,
        major: chosen.backup.cluster.server_version_num / 10_000,
        wal,
        lost: lost::lost(&known.sources, &chosen)?,
        replaced: place.replaced,
        running: running::running(&known, request, &chosen),
        old_data: request.old_data,
        action: request.action,
        role: request.role.clone(),
        space: needs,
        new_directories: place.new_directories,
        owner: site.backup.credentials.name().to_owned(),
        settings,
        enlarged: enlarged::decide(site, &request.role, conf.as_ref(), sizes),
        keystore_fingerprint: chosen.backup.keystore_fingerprint.clone(),
        files: chosen.backup.sizes.files,
        restore_bytes,
        replay_bytes,
        estimate,
        jobs,
        warnings,
        destination,
    })
}

/// Where a recovery that waits would end for another target.
#[derive(Clone, Debug)]
pub struct Further {
    /// Where replay ends.
    pub stop: StopPoint,
    /// All WAL from the beginning of the backup on.
    pub wal: Vec<WalRun>,
    /// What is lost then.
    pub lost: crate::api::Lost,
    /// Bytes of WAL from the beginning of the backup on.
    pub replay_bytes: u64,
    /// Settings that must be raised to get there.
    pub settings: Vec<SettingNeed>,
}

/// Resolves another target for a recovery that waits in `directory`; its place is as it is.
/// Touches nothing.
///
/// # Errors
/// As [`plan`], without those of the place.
pub fn further(
    site: &RecoverySite,
    request: &RecoveryRequest,
    directory: &Path,
) -> Result<Further> {
    let destination = site.backup.destination(request.destination.as_deref())?;
    let known = Known::read(site, &destination)?;
    let chosen = target::choose(&known, request)?;
    let conf = settings::restored_conf(site, &chosen, directory)?;
    Ok(Further {
        stop: stop_point(request, &chosen),
        wal: runs(&chosen.legs),
        lost: lost::lost(&known.sources, &chosen)?,
        replay_bytes: chosen.stop.reached.bytes_since(chosen.start),
        settings: settings::needed(site, &chosen, conf.as_ref()),
    })
}

fn jobs(request: &RecoveryRequest) -> Result<u32> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processors = u32::try_from(processors).unwrap_or(1);
    let jobs = request.jobs.unwrap_or(processors.min(JOBS_DEFAULT_MAX)).max(1);
    if jobs > JOBS_MAX {
        let fact = format!("--jobs {jobs} is too much");
        return Err(Error::new(ErrorCode::UsageInvalid, fact)
            .detail(format!("at most {JOBS_MAX} threads can be used")));
    }
    Ok(jobs)
}

/// A target that was resolved, with the backup it is reached from.
#[derive(Debug)]
pub struct Chosen<'a> {
    /// The backup.
    pub backup: &'a BackupDocument,
    /// Its directory.
    pub backup_directory: PathBuf,
    /// Where its replay begins.
    pub start: Lsn,
    /// The end of the backup.
    pub consistent: Lsn,
    /// The history that was chosen, to whose tip what is lost is counted.
    pub history: TimelineHistory,
    /// The history the server is told to follow: where the stop lies before a fork, that of
    /// the ancestor.
    pub followed: TimelineHistory,
    /// All WAL there is along the chosen history.
    pub way: Way,
    /// The segments that are replayed.
    pub legs: Vec<Leg>,
    /// Where it ends.
    pub stop: super::resolve::Stop,
}

fn stop_point(request: &RecoveryRequest, chosen: &Chosen<'_>) -> StopPoint {
    let ends_by_itself = request.target == RecoveryTarget::BackupEnd
        || matches!(request.role, RecoveryRole::Standby(_));
    StopPoint {
        timeline: chosen.followed.timeline(),
        record: (!ends_by_itself).then_some(chosen.stop.record),
        bound: if ends_by_itself { TargetBound::Inclusive } else { chosen.stop.bound },
        reached: chosen.stop.reached,
        last_commit_at: chosen.stop.last_commit_at,
    }
}

/// Legs of one timeline and source, one after the other, become a run.
fn runs(legs: &[Leg]) -> Vec<WalRun> {
    let mut runs: Vec<WalRun> = Vec::new();
    let mut before: Option<(WalSource, &Leg)> = None;
    for leg in legs {
        let name = leg.found.segment.to_string();
        let goes_on = before.is_some_and(|(source, before)| {
            source == leg.found.source
                && before.found.segment.timeline() == leg.found.segment.timeline()
                && before.number + 1 == leg.number
        });
        match runs.last_mut() {
            Some(run) if goes_on => {
                run.last = name;
                run.segments += 1;
            }
            _ => runs.push(WalRun {
                source: leg.found.source,
                first: name.clone(),
                last: name,
                segments: 1,
            }),
        }
        before = Some((leg.found.source, leg));
    }
    runs
}
