//! WAL of the old cluster that is nowhere else: copied before anything is moved.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::facts;
use super::layout::{DIRECTORY, KEPT_DIRECTORY, WAL_DIRECTORY};
use super::restore::Progress;
use super::sources::MIRROR_DIRECTORY;
use crate::api::{Error, ErrorCode, RecoveryPlan, Result, WalSource};
use crate::backup::chain::Chain;
use crate::backup::site::BackupSite;
use crate::pg::types::SystemIdentifier;
use crate::pg::wal::{SegmentName, SegmentSize, WalFileName};
use crate::sys::file;
use crate::wal::archive::{Archive, Inventory};
use crate::wal::inspect::{self, Expected};
use crate::wal::store::CONTENT_BYTES_MAX;

/// Names looked at in `pg_wal` at most.
const NAMES_MAX: usize = 1_000_000;

/// Where rescued WAL of a data directory is.
#[must_use]
pub(super) fn directory(data_directory: &Path) -> PathBuf {
    data_directory.join(DIRECTORY).join(WAL_DIRECTORY)
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rescued {
    pub(super) files: u64,
}

/// Copies every file of the old `pg_wal` that is sound and not in the archive, and every
/// segment that the plan takes from there. Durable when it returns. Runs as the owner.
///
/// # Errors
/// `RestoreFailed` when a segment that the plan needs is not there any more, or cannot be
/// copied; `Cancelled`.
pub(super) fn run(
    site: &BackupSite,
    plan: &RecoveryPlan,
    chain: &Chain,
    progress: &Progress,
) -> Result<Rescued> {
    let target = directory(&plan.directory);
    let archived = Archive::open(&site.disk, &plan.destination)
        .and_then(|archive| archive.list())
        .unwrap_or_default();
    let expected = expected(chain);
    let mut rescued = Rescued::default();
    let mirror = plan.destination.join(MIRROR_DIRECTORY);
    let old = old_directories(site, plan, chain).into_iter().map(|path| (path, WalSource::OldWal));
    for (source, kind) in old.chain([(mirror, WalSource::Mirror)]) {
        let names = match file::list(&source, NAMES_MAX) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(&source, &error)),
        };
        for name in names.iter().filter_map(|name| WalFileName::parse(name)) {
            if progress.stop.load(std::sync::atomic::Ordering::Acquire) {
                return Err(super::restore::cancelled());
            }
            let job = Job { site, plan, archived: &archived, expected: &expected, target: &target };
            rescued.files += u64::from(job.rescue(&source, kind, name)?);
        }
    }
    check_complete(site, plan, &target)?;
    // Also what was copied by a run that was killed before this.
    if rescued.files > 0 || matches!(site.disk.stat(&target), Ok(Some(_))) {
        site.disk.sync_directory(&target).map_err(|error| failed(&target, &error))?;
        let own = plan.directory.join(DIRECTORY);
        site.disk.sync_directory(&own).map_err(|error| failed(&own, &error))?;
    }
    Ok(rescued)
}

fn expected(chain: &Chain) -> Expected {
    let Some(head) = chain.head() else { return Expected::default() };
    let cluster = &head.document.cluster;
    let number = cluster.system_identifier.parse().ok();
    Expected {
        system_identifier: number.map(SystemIdentifier::from_u64),
        major: Some(cluster.server_version_num / 10_000),
        segment_size: SegmentSize::from_bytes(cluster.wal_segment_bytes),
    }
}

/// Where the old `pg_wal` may be: in the instance's data directory; where the plan or the
/// backup say that it lies outside, which a lost data directory leaves behind.
fn old_directories(site: &BackupSite, plan: &RecoveryPlan, chain: &Chain) -> Vec<PathBuf> {
    let kept = |directory: &Path| directory.join(DIRECTORY).join(KEPT_DIRECTORY);
    let inside = [&site.target.data_directory, &plan.directory]
        .into_iter()
        .flat_map(|data| [data.join("pg_wal"), kept(data).join("pg_wal")]);
    let recorded = chain.head().and_then(|head| head.document.wal_location.clone());
    let outside = plan.wal_directory.iter().chain(&recorded);
    let outside = outside.flat_map(|wal| [wal.clone(), kept(wal)]);
    let mut found: Vec<PathBuf> = Vec::new();
    for path in inside.chain(outside) {
        if let Ok(path) = file::canonical(&path)
            && !found.contains(&path)
        {
            found.push(path);
        }
    }
    found
}

/// What one file is judged by.
struct Job<'a> {
    site: &'a BackupSite,
    plan: &'a RecoveryPlan,
    archived: &'a Inventory,
    expected: &'a Expected,
    target: &'a Path,
}

impl Job<'_> {
    /// Copies one file if it must be; whether it was.
    fn rescue(&self, source: &Path, kind: WalSource, name: WalFileName) -> Result<bool> {
        let is_needed = name.segment().is_some_and(|segment| is_planned(self.plan, kind, segment));
        // The mirror stays; of it only what is replayed is brought where wal-get looks.
        let is_left = kind == WalSource::Mirror
            || self.archived.contains(name)
            || matches!(name, WalFileName::Backup { .. });
        if !is_needed && is_left {
            return Ok(false);
        }
        let path = source.join(name.to_string());
        let there = self.target.join(name.to_string());
        let is_there = self.site.disk.stat(&there).map_err(|error| failed(&there, &error))?;
        if is_there.is_some() {
            return Ok(false);
        }
        let content = match self.site.disk.read(&path, CONTENT_BYTES_MAX) {
            Ok(content) => content,
            Err(error) if is_needed => return Err(failed(&path, &error)),
            Err(_) => return Ok(false),
        };
        let Some(content) = self.as_planned(name, content) else { return Ok(false) };
        // A segment that was made ready for reuse still holds what it held before.
        if inspect::check(name, &content, self.expected).is_err() {
            return Ok(false);
        }
        self.store(&there, &content).map_err(|error| failed(&there, &error))?;
        Ok(true)
    }

    /// A file as the plan has read it: of a segment only what comes before its end. What a power
    /// cut left behind the end is read strictly from here on, and would be refused as damage.
    fn as_planned(&self, name: WalFileName, content: Vec<u8>) -> Option<Vec<u8>> {
        let Some(segment) = name.segment() else { return Some(content) };
        let own = u32::try_from(content.len()).ok().and_then(SegmentSize::from_bytes);
        facts::as_read(content, segment, self.expected.segment_size.or(own)?)
    }

    /// Whole or not at all.
    fn store(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let disk = &self.site.disk;
        match disk.make_directory(self.target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let temporary = PathBuf::from(name);
        disk.remove_tree(&temporary)?;
        let mut file = disk.create(&temporary)?;
        file.write_all(content)?;
        file.sync()?;
        disk.replace(&temporary, path)
    }
}

fn is_planned(plan: &RecoveryPlan, kind: WalSource, segment: SegmentName) -> bool {
    let name = |text: &str| SegmentName::parse(text);
    plan.wal.iter().filter(|run| run.source == kind).any(|run| {
        let ends = name(&run.first).zip(name(&run.last));
        ends.is_some_and(|(first, last)| {
            segment.timeline() == first.timeline() && (first..=last).contains(&segment)
        })
    })
}

/// Nothing may be moved while a segment that the plan takes from the old WAL is not safe.
fn check_complete(site: &BackupSite, plan: &RecoveryPlan, target: &Path) -> Result<()> {
    for run in plan.wal.iter().filter(|run| run.source != WalSource::Archive) {
        for name in [&run.first, &run.last] {
            let path = target.join(name);
            let partial = target.join(format!("{name}.partial"));
            let is_there = [&path, &partial]
                .into_iter()
                .any(|path| matches!(site.disk.stat(path), Ok(Some(_))));
            if !is_there {
                let fact = format!("WAL segment {name} cannot be saved");
                return Err(Error::new(ErrorCode::RestoreFailed, fact)
                    .detail("the plan needs it, and neither old pg_wal nor mirror has it any more")
                    .hint("Plan again: the target may no longer be reachable."));
            }
        }
    }
    Ok(())
}

fn failed(path: &Path, error: &io::Error) -> Error {
    let fact = format!("old WAL cannot be saved: \"{}\"", path.display());
    Error::new(ErrorCode::RestoreFailed, fact)
        .detail(error.to_string())
        .hint("Nothing was moved yet. Remove the cause and run the recovery again.")
}
