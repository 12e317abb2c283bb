//! What comes before copying: whether a backup is possible, the lock, the directory, the work.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::adopt::{self, Adopted};
use super::blockmap::MapWriter;
use super::chain::Chain;
use super::copy::rate::RateLimit;
use super::copy::{self, CopyProgress, CopyWork};
use super::document::{self, FORMAT, ProgressDocument};
use super::layout::{self, Label};
use super::listing::Listing;
use super::pack::PackPlace;
use super::plan::Plan;
use super::session::ServerFacts;
use super::site::BackupSite;
use crate::api::{Error, ErrorCode, Result};
use crate::sys::lock::{Attempt, LockFile};
use crate::sys::{clock, process};

/// A second backup of the same second waits for the next one.
const LABEL_ATTEMPTS: u32 = 30;

/// Whether the server is set up for backups.
pub(super) fn possible(facts: &ServerFacts, plan: &Plan) -> Result<()> {
    let refuse = |detail: String| {
        let fact = "the server is not set up for backups";
        Err(Error::new(ErrorCode::BackupNotPossible, fact).detail(detail))
    };
    if facts.system_identifier.to_string() != plan.cluster.system_identifier {
        let place = plan.cluster.data_directory.display();
        return refuse(format!("the server that answers does not run in {place}"));
    }
    match (facts.wal_level.as_str(), facts.archive_mode.as_str()) {
        ("minimal", _) => refuse("wal_level is minimal".to_owned()),
        (_, "off") if !facts.in_recovery => refuse("archive_mode is off".to_owned()),
        _ => Ok(()),
    }
}

/// Locks the destination for whoever changes backups in it.
///
/// # Errors
/// `BackupRunning` with who has it, `RepositoryWrite`.
pub async fn lock(
    site: &BackupSite,
    destination: &std::path::Path,
    what: &str,
) -> Result<LockFile> {
    let path: PathBuf = destination.join(layout::LOCK_FILE);
    let note = format!(
        "{what} by process {} on {} since {}",
        std::process::id(),
        super::host_name(),
        clock::now().format("%Y-%m-%d %H:%M:%S UTC")
    );
    site.as_owner(move |_| match LockFile::try_take(&path, &note) {
        Ok(Attempt::Held(lock)) => Ok(lock),
        Ok(Attempt::Taken(by)) => {
            let fact = "another operation works on the backup destination";
            Err(Error::new(ErrorCode::BackupRunning, fact).detail(by))
        }
        Err(error) => {
            let fact = format!("the backup destination cannot be locked ({})", path.display());
            Err(Error::new(ErrorCode::RepositoryWrite, fact).detail(error.to_string()))
        }
    })
    .await
}

/// Makes the directory, or gives an interrupted one the new name and looks through it.
pub(super) fn prepare(
    site: &BackupSite,
    plan: &Plan,
    started_at: DateTime<Utc>,
    timeline: u32,
) -> Result<(Label, Adopted)> {
    let disk = &site.disk;
    let failed = |error: std::io::Error| copy::not_written("the backup's directory", &error);
    let label = new_label(site, plan)?;
    let directory = label.directory(&plan.destination);
    let mut adopted = Adopted::default();
    match &plan.resume {
        Some(old) => {
            disk.replace(&old.directory(&plan.destination), &directory).map_err(failed)?;
        }
        None => disk.make_directory(&directory).map_err(failed)?,
    }
    let pid = std::process::id();
    let own = process::info(i32::try_from(pid).unwrap_or(0));
    let progress = ProgressDocument {
        format: FORMAT,
        kind: plan.kind,
        parent: plan.parent.clone(),
        started_at,
        cluster: plan.cluster.clone(),
        timeline,
        pid,
        pid_start_ticks: own.map_or(0, |info| info.start_ticks),
        host: super::host_name(),
    };
    let text = document::to_text(&progress);
    document::store(disk, &directory, layout::PROGRESS_FILE, &text).map_err(failed)?;
    if plan.resume.is_some() {
        adopted = adopt::adopt(disk, &directory, plan.cluster.block_bytes).map_err(failed)?;
    }
    disk.sync_directory(&plan.destination).map_err(failed)?;
    Ok((label, adopted))
}

/// A name that is later than that of every backup there is.
fn new_label(site: &BackupSite, plan: &Plan) -> Result<Label> {
    for _ in 0..LABEL_ATTEMPTS {
        let label = Label::at(clock::now());
        let entries = site.disk.list(&plan.destination);
        let entries =
            entries.map_err(|error| crate::wal::identity::unreadable(&plan.destination, &error))?;
        let newest = entries.iter().filter_map(|entry| entry.name.parse::<Label>().ok()).max();
        if newest.is_none_or(|newest| newest < label) {
            return Ok(label);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Err(Error::new(ErrorCode::BackupAbandoned, "the backup finds no name")
        .detail("the newest backup is from the future")
        .hint("Correct the clock, or wait until its time has come."))
}

pub(super) fn copy_work(
    site: &BackupSite,
    plan: &Plan,
    label: &Label,
    adopted: Adopted,
    progress: Arc<CopyProgress>,
) -> Result<CopyWork> {
    let directory = label.directory(&plan.destination);
    let data = &site.target.data_directory;
    let version =
        format!("PG_{}_{}", plan.cluster.server_version_num / 10_000, plan.cluster.catalog_version);
    let listing = Listing::read(data, &version)?;
    let base = match &plan.parent {
        Some(parent) => Some(Chain::load(&site.disk, &plan.destination, parent)?),
        None => None,
    };
    let map = MapWriter::create(&site.disk, &directory.join(layout::MAP_FILE))
        .map_err(|error| copy::not_written(layout::MAP_FILE, &error))?;
    let packs = PackPlace {
        disk: site.disk.clone(),
        directory,
        codec: plan.codec,
        last_number: Arc::new(AtomicU32::new(adopted.last_number)),
    };
    Ok(CopyWork {
        data_directory: data.clone(),
        listing,
        packs,
        map,
        base,
        adopted,
        block_bytes: plan.cluster.block_bytes,
        segment_blocks: plan.cluster.segment_blocks,
        data_checksums: plan.cluster.data_checksums,
        jobs: plan.jobs,
        rate: plan.rate_bytes.map(RateLimit::new),
        credentials: site.credentials.clone(),
        progress,
    })
}
