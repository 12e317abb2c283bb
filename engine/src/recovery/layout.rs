//! What a recovery keeps beside the cluster's own files, and the directories a cluster is made of.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::api::RecoveryPlan;
use crate::sys::disk::Disk;

/// The directory of a recovery, in the data directory and in each other place.
pub const DIRECTORY: &str = "pgdeck_recovery";
/// The state, in the data directory's.
pub const STATE_FILE: &str = "state.json";
/// Old data that can be put back.
pub const KEPT_DIRECTORY: &str = "kept";
/// WAL that is nowhere else, in the data directory's.
pub const WAL_DIRECTORY: &str = "wal";
/// Locked by whoever works on the recovery.
pub const LOCK_FILE: &str = "lock";
/// What a file system puts into its own root.
const FILE_SYSTEMS_OWN: &str = "lost+found";

/// What of a cluster lies in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceKind {
    /// The data directory.
    Data,
    /// `pg_wal`, outside of it.
    Wal,
    /// A tablespace: the directory of this version in it, such as `PG_15_202209061`.
    Tablespace(String),
}

/// A directory that holds a part of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub kind: PlaceKind,
}

impl Place {
    /// The places of the cluster that a plan makes, the data directory first.
    #[must_use]
    pub fn all(plan: &RecoveryPlan, version_directory: &str) -> Vec<Self> {
        let data = Self { path: plan.directory.clone(), kind: PlaceKind::Data };
        let wal = plan.wal_directory.clone().map(|path| Self { path, kind: PlaceKind::Wal });
        let spaces = plan.tablespaces.iter().map(|space| Self {
            path: space.directory.clone(),
            kind: PlaceKind::Tablespace(version_directory.to_owned()),
        });
        std::iter::once(data).chain(wal).chain(spaces).collect()
    }

    /// What the recovery keeps in it.
    #[must_use]
    pub fn own(&self) -> PathBuf {
        self.path.join(DIRECTORY)
    }

    /// Old data of it.
    #[must_use]
    pub fn kept(&self) -> PathBuf {
        self.own().join(KEPT_DIRECTORY)
    }

    /// Whether a name in it is the cluster's.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        match &self.kind {
            PlaceKind::Data | PlaceKind::Wal => name != DIRECTORY && name != FILE_SYSTEMS_OWN,
            PlaceKind::Tablespace(version) => name == version,
        }
    }

    /// The cluster's names in it, `global` first; none when it is not there.
    ///
    /// # Errors
    /// As listing directories.
    pub fn names(&self, disk: &Disk) -> io::Result<Vec<String>> {
        names_in(disk, &self.path).map(|mut names| {
            names.retain(|name| self.holds(name));
            names
        })
    }
}

/// Names in a directory, `global` first; none when it is not there.
///
/// # Errors
/// As listing directories.
pub fn names_in(disk: &Disk, path: &Path) -> io::Result<Vec<String>> {
    let entries = match disk.list(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
    names.sort_by_key(|name| name != "global");
    Ok(names)
}

/// Where each file of a backup goes.
#[derive(Clone, Debug)]
pub struct Placement {
    data: PathBuf,
    wal: Option<PathBuf>,
    spaces: HashMap<String, PathBuf>,
}

impl Placement {
    /// By a plan.
    #[must_use]
    pub fn of(plan: &RecoveryPlan) -> Self {
        let spaces = plan.tablespaces.iter();
        Self {
            data: plan.directory.clone(),
            wal: plan.wal_directory.clone(),
            spaces: spaces.map(|one| (one.oid.to_string(), one.directory.clone())).collect(),
        }
    }

    /// The place of a path of a backup. Links are not followed: they may not be there yet.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        if let Some(wal) = &self.wal
            && let Some(rest) = path.strip_prefix("pg_wal")
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return wal.join(rest.trim_start_matches('/'));
        }
        if let Some(rest) = path.strip_prefix("pg_tblspc/") {
            let (oid, rest) = rest.split_once('/').unwrap_or((rest, ""));
            if let Some(space) = self.spaces.get(oid) {
                return space.join(rest);
            }
        }
        self.data.join(path)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::api::{
        Estimate, Lost, OldData, RecoveryAction, RecoveryRole, RecoveryTarget, StopPoint,
        TablespacePlan, TargetBound, TimelineId,
    };

    /// A plan for a cluster with a tablespace and `pg_wal` elsewhere.
    pub(crate) fn plan(root: &Path) -> RecoveryPlan {
        let timeline = TimelineId::from_u32(1).unwrap();
        RecoveryPlan {
            destination: root.join("backup"),
            directory: root.join("data"),
            wal_directory: Some(root.join("wal")),
            tablespaces: vec![TablespacePlan {
                oid: 16400,
                source: "/space".into(),
                directory: root.join("space"),
            }],
            port: None,
            target: RecoveryTarget::Latest,
            stop: StopPoint {
                timeline,
                record: Some("0/3000100".parse().unwrap()),
                bound: TargetBound::Inclusive,
                reached: "0/3000148".parse().unwrap(),
                last_commit_at: None,
            },
            chain: vec!["2026-07-01_13-30-40".into()],
            major: 15,
            wal: Vec::new(),
            lost: Lost::default(),
            replaced: None,
            old_data: OldData::Keep,
            running: None,
            action: RecoveryAction::Pause,
            role: RecoveryRole::Primary,
            space: Vec::new(),
            new_directories: Vec::new(),
            owner: "postgres".into(),
            settings: Vec::new(),
            keystore_fingerprint: None,
            files: 0,
            restore_bytes: 0,
            replay_bytes: 0,
            estimate: Estimate::default(),
            jobs: 1,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn files_go_to_their_places() {
        let placement = Placement::of(&plan(Path::new("/r")));
        for (path, expected) in [
            ("base/5/1", "/r/data/base/5/1"),
            ("pg_wal", "/r/wal"),
            ("pg_wal/archive_status", "/r/wal/archive_status"),
            ("pg_walrus", "/r/data/pg_walrus"),
            ("pg_tblspc/16400/PG_15_202209061/5/1", "/r/space/PG_15_202209061/5/1"),
            ("pg_tblspc/16401/PG_15_202209061/5/1", "/r/data/pg_tblspc/16401/PG_15_202209061/5/1"),
            ("pg_tblspc", "/r/data/pg_tblspc"),
        ] {
            assert_eq!(placement.path(path), Path::new(expected).components().as_path(), "{path}");
        }
    }

    #[test]
    fn a_place_knows_what_is_the_clusters() {
        let places = Place::all(&plan(Path::new("/r")), "PG_15_202209061");
        let holds = |at: usize, name: &str| places[at].holds(name);
        assert!(holds(0, "global") && holds(0, "postmaster.pid"));
        assert!(!holds(0, DIRECTORY) && !holds(1, "lost+found"));
        assert!(holds(2, "PG_15_202209061") && !holds(2, "PG_14_202107181"));
        assert_eq!(places[1].kept(), Path::new("/r/wal/pgdeck_recovery/kept"));
    }
}
