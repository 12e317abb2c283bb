//! What stands in the data directory: a cluster, its WAL, a recovery that was interrupted.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::super::timelines;
use crate::api::{
    Error, ErrorCode, InstanceState, InstanceStatus, RecoveryPhase, Result, TimelineId,
};
use crate::instance::classify::classify;
use crate::instance::facts::{self, ControlFact};
use crate::instance::target::LocalTarget;
use crate::pg::control_file::ControlFile;
use crate::pg::types::SystemIdentifier;
use crate::sys::{file, process, process_table};

/// What a recovery leaves in a data directory.
pub(super) const RECOVERY_DIRECTORY: &str = "pgdeck_recovery";
/// Names looked at in a directory.
const NAMES_MAX: usize = 100_000;
const STATE_BYTES_MAX: u64 = 16 << 20;

/// Names by which a directory is known as a cluster's, whatever else of it is gone.
const CLUSTER_NAMES: [&str; 8] = [
    "PG_VERSION",
    "base",
    "global",
    "pg_wal",
    "pg_xact",
    "pg_tblspc",
    "postgresql.auto.conf",
    RECOVERY_DIRECTORY,
];

/// What stands in a data directory.
#[derive(Clone, Debug)]
pub struct OldCluster {
    /// The directory.
    pub directory: PathBuf,
    /// Names in it; `None` when it is not there.
    pub names: Option<Vec<String>>,
    /// How it stands.
    pub status: InstanceStatus,
    /// Its control file, when it can be read; that of the kept data while nothing has been
    /// restored yet.
    pub control: Option<ControlFile>,
    /// The timeline in use.
    pub timeline: Option<TimelineId>,
    /// Directories with WAL of it.
    pub wal_directories: Vec<PathBuf>,
    /// Where `pg_wal` points, when it is a link.
    pub wal_link: Option<PathBuf>,
    /// Its tablespaces: names of links, and where they point.
    pub tablespaces: Vec<(String, PathBuf)>,
    /// The recovery that is under way in it, or whose old data is kept.
    pub recovery: Option<OldRecovery>,
}

/// What is read of `pgdeck_recovery/state.json`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct OldRecovery {
    /// How far it is.
    pub phase: RecoveryPhase,
    plan: OldPlan,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct OldPlan {
    stop: OldStop,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct OldStop {
    timeline: TimelineId,
}

impl OldCluster {
    /// Looks. Blocking; what cannot be read counts as not there. `recorded` is where `pg_wal`
    /// was outside of the data directory by the newest backup: it may be all that is left.
    #[must_use]
    pub fn look(target: &LocalTarget, recorded: Option<&Path>) -> Self {
        let directory = target.data_directory.clone();
        let facts = facts::gather(target, None, None);
        let recovery = recovery_of(&directory);
        let kept = directory.join(RECOVERY_DIRECTORY).join("kept");
        let is_kept = recovery.is_some_and(|one| one.phase <= RecoveryPhase::Restoring);
        let control = match (&facts.control, is_kept) {
            (_, true) => control_of(&kept).or_else(|| control_of(&directory)),
            (ControlFact::Read(control), false) => Some((**control).clone()),
            (_, false) => None,
        };
        let own = control.as_ref().and_then(timelines::of_control);
        // While it replays, a control file still names the backup's timeline.
        let timeline = match recovery {
            Some(one) if one.phase != RecoveryPhase::Promoted => Some(one.plan.stop.timeline),
            _ => own,
        };
        Self {
            names: file::list(&directory, NAMES_MAX).ok(),
            status: classify(&facts),
            wal_directories: wal_directories(&directory, recorded),
            wal_link: file::link_target(&directory.join("pg_wal")).ok(),
            tablespaces: tablespaces(&directory),
            control,
            timeline,
            recovery,
            directory,
        }
    }

    /// Whether there is a cluster, or what is left of one.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        let names = self.names.iter().flatten();
        names.into_iter().any(|name| CLUSTER_NAMES.contains(&name.as_str()))
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.iter().flatten().all(|name| name == "lost+found")
    }

    /// Refuses another cluster's directory.
    ///
    /// # Errors
    /// `RecoveryPlace`.
    pub fn check_cluster(&self, own: Option<SystemIdentifier>) -> Result<()> {
        let (Some(control), Some(own)) = (&self.control, own) else { return Ok(()) };
        if control.system_identifier == own {
            return Ok(());
        }
        let place = self.directory.display();
        let fact = format!("\"{place}\" holds another database cluster than the backups");
        Err(Error::new(ErrorCode::RecoveryPlace, fact)
            .detail(format!(
                "its system identifier is {}, that of the backups is {own}",
                control.system_identifier
            ))
            .hint("Name the right data directory with -D, or the right destination with -B."))
    }

    /// What runs in the directory, in words; also a server whose directory was removed.
    #[must_use]
    pub fn runs(&self) -> Option<String> {
        if self.status.state.has_process() {
            return Some(self.status.detail.clone());
        }
        server_of_removed(&self.directory)
    }

    /// Its state in words.
    #[must_use]
    pub fn state_words(&self) -> String {
        if let Some(recovery) = self.recovery {
            return format!("a recovery is here: {}", recovery.phase.words());
        }
        match self.status.state {
            InstanceState::Stopped => "stopped".to_owned(),
            InstanceState::Crashed if self.control.is_none() => {
                "its control file cannot be read".to_owned()
            }
            InstanceState::Crashed => "crashed".to_owned(),
            InstanceState::NotACluster => format!("incomplete: {}", self.status.detail),
            state if state.has_process() => "it runs".to_owned(),
            _ => self.status.detail.clone(),
        }
    }

    /// How old it is: its last checkpoint.
    #[must_use]
    pub fn as_of(&self) -> Option<DateTime<Utc>> {
        let control = self.control.as_ref()?;
        control.checkpoint_copy.time.max(control.modified_at)
    }
}

/// A server goes on for a while after its data directory was removed.
#[must_use]
pub fn server_of_removed(directory: &Path) -> Option<String> {
    let removed = format!("{} (deleted)", directory.display());
    let removed = Path::new(&removed);
    let servers = process_table::server_processes().unwrap_or_default();
    let pid = servers
        .iter()
        .map(|server| server.pid)
        .find(|pid| process::working_directory(*pid).is_ok_and(|found| found == removed))?;
    Some(format!("process {pid} still runs in the directory that was removed"))
}

fn control_of(directory: &Path) -> Option<ControlFile> {
    match facts::control_fact(directory) {
        ControlFact::Read(control) => Some(*control),
        _ => None,
    }
}

fn recovery_of(directory: &Path) -> Option<OldRecovery> {
    let path = directory.join(RECOVERY_DIRECTORY).join("state.json");
    serde_json::from_slice(&file::read(&path, STATE_BYTES_MAX).ok()?).ok()
}

/// Every directory that may hold old WAL. A recovery that was interrupted has moved it aside
/// within its own directory, and saved what is nowhere else.
fn wal_directories(directory: &Path, recorded: Option<&Path>) -> Vec<PathBuf> {
    let recovery = directory.join(RECOVERY_DIRECTORY);
    let kept = recovery.join("kept");
    let mut found: Vec<PathBuf> = Vec::new();
    let mut add = |path: PathBuf| {
        if let Ok(path) = file::canonical(&path)
            && !found.contains(&path)
        {
            found.push(path);
        }
    };
    let inside = [directory.join("pg_wal"), kept.join("pg_wal")];
    for wal in inside.into_iter().chain(recorded.map(Path::to_path_buf)) {
        add(wal.clone());
        add(wal.join(RECOVERY_DIRECTORY).join("kept"));
    }
    add(recovery.join("wal"));
    found
}

/// The links in `pg_tblspc`.
fn tablespaces(directory: &Path) -> Vec<(String, PathBuf)> {
    let kept = directory.join(RECOVERY_DIRECTORY).join("kept");
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for links in [directory.join("pg_tblspc"), kept.join("pg_tblspc")] {
        for name in file::list(&links, NAMES_MAX).unwrap_or_default() {
            let is_new = found.iter().all(|(known, _)| *known != name);
            if let Ok(place) = file::link_target(&links.join(&name))
                && is_new
            {
                found.push((name, place));
            }
        }
    }
    found
}
