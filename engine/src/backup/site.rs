//! The instance that is backed up: where it is, whose it is, and what its files say.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::ClusterFacts;
use super::retention::Policy;
use crate::api::{BackupRequest, Error, ErrorCode, Result};
use crate::instance::access::Access;
use crate::instance::target::LocalTarget;
use crate::pg::control_file::{self, CONTROL_FILE_PATH, ControlFile};
use crate::sys::credentials::Credentials;
use crate::sys::disk::Disk;
use crate::sys::file;
use crate::wal::identity::RepositoryIdentity;

/// The server writes the control file in one call; a reader beside it may see half of it.
const CONTROL_READS: u32 = 20;
const CONTROL_PAUSE: Duration = Duration::from_millis(10);
const CONTROL_BYTES_MAX: u64 = 1 << 16;

/// An instance with what is needed to back it up. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BackupSite {
    /// The instance.
    pub target: LocalTarget,
    /// The way to its server.
    pub access: Access,
    /// Whom files are read and written as.
    pub credentials: Credentials,
    /// The door to the destination.
    pub disk: Disk,
}

/// What a data directory says of its cluster.
#[derive(Clone, Debug)]
pub struct ClusterState {
    /// What is recorded in a backup.
    pub facts: ClusterFacts,
    /// The timeline of its latest checkpoint.
    pub timeline: u32,
    /// The directory of this version in a tablespace.
    pub version_directory: String,
    /// Who may use a repository.
    pub identity: RepositoryIdentity,
}

impl BackupSite {
    /// Runs blocking work with the owner's credentials, away from the engine's thread.
    ///
    /// # Errors
    /// Those of the work; `DataDirectoryAccess` when the credentials cannot be taken.
    pub async fn as_owner<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let site = self.clone();
        let failed = |reason: String| {
            Error::new(ErrorCode::DataDirectoryAccess, "the work cannot be done as the owner")
                .detail(reason)
        };
        let task = tokio::task::spawn_blocking(move || {
            let credentials = site.credentials.clone();
            credentials.run(|| work(&site))
        });
        match task.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// The destination: the one asked for, or the setting's.
    ///
    /// # Errors
    /// `BackupDestinationUnset`; `RepositoryUnreadable` when it is no directory.
    pub fn destination(&self, asked: Option<&Path>) -> Result<PathBuf> {
        let path = match asked {
            Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()),
            None => configured_destination(&self.target).ok_or_else(|| {
                let fact = format!("\"{}\" has no backup destination", self.target.name);
                Error::new(ErrorCode::BackupDestinationUnset, fact)
                    .detail("neither -B nor pgx.backup_destination names one")
            })?,
        };
        let shown = path.display();
        match self.disk.stat(&path) {
            Ok(Some(stat)) if stat.is_directory => Ok(path),
            Ok(Some(_)) => Err(Error::new(
                ErrorCode::RepositoryUnreadable,
                format!("the backup destination \"{shown}\" is no directory"),
            )),
            Ok(None) => Err(Error::new(
                ErrorCode::RepositoryUnreadable,
                format!("the backup destination \"{shown}\" is missing"),
            )
            .hint("Mount its disk, or make the directory with mode 0700 and the owner of the data directory.")),
            Err(error) => Err(crate::wal::identity::unreadable(&path, &error)),
        }
    }

    /// What is kept after a backup.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let days = setting(&self.target, "pgx.backup_keep_days");
        let generations = setting(&self.target, "pgx.backup_keep_generations");
        Policy::from_settings(days.as_deref(), generations.as_deref())
    }

    /// Reads what the data directory says of its cluster.
    ///
    /// # Errors
    /// `NotACluster`, `ControlFileDamaged`, `DataDirectoryAccess`.
    pub fn cluster(&self) -> Result<ClusterState> {
        let data = &self.target.data_directory;
        let version = file::read_text(&data.join("PG_VERSION"), 64)
            .map_err(|error| super::listing::unreadable(&data.join("PG_VERSION"), &error))?;
        let major: u32 = version.trim().parse().map_err(|_| {
            Error::new(ErrorCode::NotACluster, format!("\"{}\" is no cluster", data.display()))
                .detail(format!("PG_VERSION says {:?}", version.trim()))
        })?;
        let (_, control) = read_control(data)?;
        let build = &control.build;
        let timeline = control.checkpoint_copy.timeline.map_or(1, |one| one.as_u32());
        Ok(ClusterState {
            facts: ClusterFacts {
                system_identifier: control.system_identifier.to_string(),
                server_version_num: major * 10_000,
                catalog_version: control.catalog_version,
                block_bytes: build.block_bytes,
                segment_blocks: build.relation_segment_blocks,
                wal_segment_bytes: build.wal_segment_bytes,
                data_checksums: control.data_checksums(),
                data_directory: data.clone(),
                host: super::host_name(),
            },
            timeline,
            version_directory: format!("PG_{major}_{}", control.catalog_version),
            identity: RepositoryIdentity::new(
                control.system_identifier,
                major,
                build.wal_segment_bytes,
            ),
        })
    }
}

/// The destination that an instance's configuration names.
#[must_use]
pub fn configured_destination(target: &LocalTarget) -> Option<PathBuf> {
    setting(target, "pgx.backup_destination").map(PathBuf::from)
}

fn setting(target: &LocalTarget, name: &str) -> Option<String> {
    let conf = target.load_conf().ok()?;
    conf.value(name).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// Reads the control file until its checksum fits.
///
/// # Errors
/// `ControlFileDamaged`, `DataDirectoryAccess`.
pub fn read_control(data_directory: &Path) -> Result<(Vec<u8>, ControlFile)> {
    let path = data_directory.join(CONTROL_FILE_PATH);
    let mut reads = 1;
    loop {
        let bytes = file::read(&path, CONTROL_BYTES_MAX).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let fact = format!("\"{}\" is missing", path.display());
                Error::new(ErrorCode::NotACluster, fact)
            }
            _ => super::listing::unreadable(&path, &error),
        })?;
        match control_file::decode(&bytes) {
            Ok(control) => return Ok((bytes, control)),
            Err(error) if error.may_be_torn() && reads < CONTROL_READS => {
                reads += 1;
                std::thread::sleep(CONTROL_PAUSE);
            }
            Err(error) => return Err(error.into_api(&path.display().to_string())),
        }
    }
}

/// What will be done for a request. Blocking; as the owner.
///
/// # Errors
/// As [`super::plan::Plan::decide`], [`BackupSite::destination`] and [`BackupSite::cluster`];
/// `RepositoryForeign` when the destination is another cluster's.
pub fn plan(site: &BackupSite, request: &BackupRequest) -> Result<super::plan::Plan> {
    let destination = site.destination(request.destination.as_deref())?;
    let cluster = site.cluster()?;
    if let Some(identity) = crate::wal::identity::load(&site.disk, &destination)? {
        identity.check(&destination, &cluster.identity)?;
    }
    let entries = super::catalog::read(&site.disk, &destination)?;
    let data = &site.target.data_directory;
    let listing = super::listing::Listing::read(data, &cluster.version_directory)?;
    let usage = crate::sys::device::usage(&destination)
        .map_err(|error| crate::wal::identity::unreadable(&destination, &error))?;
    let newest = entries.iter().rev().find(|entry| entry.complete().is_some());
    let changed_bytes = newest.and_then(|newest| {
        let list = super::chain::load_list(&site.disk, &newest.directory).ok()?;
        let has_changed = |file: &&super::listing::ListedFile| {
            list.get(&file.path).is_none_or(|entry| entry.stamp != file.stamp)
        };
        Some(listing.files.iter().filter(has_changed).map(|file| file.stamp.size).sum())
    });
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    super::plan::Plan::decide(&super::plan::PlanInput {
        request,
        destination: &destination,
        entries: &entries,
        cluster: &cluster.facts,
        timeline: cluster.timeline,
        files: u64::try_from(listing.files.len()).unwrap_or(0),
        cluster_bytes: listing.bytes(),
        changed_bytes,
        free_bytes: usage.free_bytes,
        processors: u32::try_from(processors).unwrap_or(1),
        policy: site.policy(),
    })
}
