//! The part of a monitor that looks at files: state of the instance, its destinations.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::backup_watch::BackupWatch;
use super::memory::Memory;
use super::recovery_watch::RecoveryWatch;
use super::storage_watch::{StorageWatch, Wanted};
use crate::api::{
    Destination, Error, ErrorCode, InstanceState, InstanceStatus, Interest, Limits, Protection,
    RecoveryState, Result, Snapshot,
};
use crate::instance::binaries::BinaryFinder;
use crate::instance::classify::classify;
use crate::instance::facts;
use crate::instance::lifecycle::Site;
use crate::instance::lifecycle::start::StartPlan;
use crate::instance::target::LocalTarget;
use crate::jobs::journal::SeenDestination;
use crate::sys::clock;
use crate::sys::credentials::Credentials;
use crate::sys::deadline::Guard;
use crate::sys::file;

const LOOK_LIMIT: Duration = Duration::from_secs(3);
/// Server programs are searched for this often when they were not found.
const SEARCH_EVERY: Duration = Duration::from_secs(30);
const DESTINATIONS_EVERY: Duration = Duration::from_secs(10);
/// The configuration of a server that is down is read this often.
const CONF_EVERY: Duration = Duration::from_secs(30);

/// Who owns a cluster when nothing else says so.
const USUAL_OWNER: &str = "postgres";

/// A local instance's files.
#[derive(Debug)]
pub struct LocalWatch {
    /// The instance.
    pub target: LocalTarget,
    run_as: Option<String>,
    finder: Arc<Mutex<BinaryFinder>>,
    found: Option<(u32, PathBuf)>,
    searched_at: Option<Instant>,
    guard: Guard,
    storage: StorageWatch,
    backups: BackupWatch,
    recovery: RecoveryWatch,
    storage_at: Option<Instant>,
    storage_backup: Option<PathBuf>,
    /// The last destination that was known, for when the data directory is gone with its files.
    last_destination: Option<SeenDestination>,
    conf: ConfFacts,
    conf_at: Option<Instant>,
    /// Names of tablespaces by OID.
    pub tablespace_names: HashMap<String, String>,
}

/// What the configuration files say while no server can be asked.
#[derive(Clone, Debug, Default)]
struct ConfFacts {
    port: Option<u16>,
    backup_destination: Option<PathBuf>,
}

impl LocalWatch {
    /// A watch on a local instance.
    #[must_use]
    pub fn new(
        target: LocalTarget,
        bin_directory: Option<PathBuf>,
        run_as: Option<String>,
    ) -> Self {
        Self {
            target,
            run_as,
            finder: Arc::new(Mutex::new(BinaryFinder::new(bin_directory.as_deref()))),
            found: None,
            searched_at: None,
            guard: Guard::default(),
            storage: StorageWatch::default(),
            backups: BackupWatch::default(),
            recovery: RecoveryWatch::default(),
            storage_at: None,
            storage_backup: None,
            last_destination: None,
            conf: ConfFacts::default(),
            conf_at: None,
            tablespace_names: HashMap::new(),
        }
    }

    /// Everything is looked at anew at the next look.
    pub fn look_again(&mut self) {
        self.storage_at = None;
        self.conf_at = None;
        self.searched_at = None;
        self.backups.look_again();
        self.recovery.look_again();
    }

    /// Looks at the state. A disk that hangs gives `unreachable` after a few seconds.
    pub async fn look(&mut self) -> InstanceStatus {
        let target = self.target.clone();
        let is_search_due = self.searched_at.is_none_or(|at| at.elapsed() >= SEARCH_EVERY);
        let known = self.found.clone();
        let finder = Arc::clone(&self.finder);
        let search = known.is_none() && is_search_due;
        if search {
            self.searched_at = Some(Instant::now());
        }
        let run_as = self.run_as.as_deref().and_then(|name| Credentials::of_name(name).ok());
        let work = move || {
            let run_as = run_as.map(|user| user.uid());
            // A search runs `postgres --version`: not at every look.
            let mut finder = search.then(|| finder.lock().ok()).flatten();
            let mut facts = facts::gather(&target, finder.as_deref_mut(), run_as);
            if let Some((_, directory)) = known {
                facts.bin_directory = Some(directory);
            }
            classify(&facts)
        };
        let Ok(mut status) = self.guard.run(LOOK_LIMIT, work).await else {
            return hanging(&self.target);
        };
        if let (Some(major), Some(directory)) = (status.major, &status.bin_directory) {
            self.found = Some((major, directory.clone()));
        }
        self.tend_conf(&status).await;
        status.start_command = self.start_command(&status);
        status.port = status.port.or(self.conf.port);
        status
    }

    /// As the plan has it that a start would carry out.
    fn start_command(&self, status: &InstanceStatus) -> Option<String> {
        if !matches!(status.state, InstanceState::Stopped | InstanceState::Crashed) {
            return None;
        }
        let site = Site::new(self.target.clone(), None, self.run_as.as_deref()).ok()?;
        StartPlan::new(&site, status).ok().map(|plan| plan.command_line())
    }

    async fn tend_conf(&mut self, status: &InstanceStatus) {
        let is_due = self.conf_at.is_none_or(|at| at.elapsed() >= CONF_EVERY);
        if status.state == InstanceState::Started || !is_due {
            return;
        }
        self.conf_at = Some(Instant::now());
        let target = self.target.clone();
        let read = tokio::task::spawn_blocking(move || {
            let conf = target.load_conf().ok()?;
            let backup = conf.value("pgx.backup_destination").filter(|text| !text.is_empty());
            Some(ConfFacts {
                port: conf.value("port").and_then(|text| text.parse().ok()),
                backup_destination: backup.map(PathBuf::from),
            })
        });
        if let Ok(Ok(Some(facts))) = tokio::time::timeout(LOOK_LIMIT, read).await {
            self.conf = facts;
        }
    }

    /// Whom things are done as on this instance's behalf: `--run-as`, or the owner of its data
    /// directory when this process is root, or this user.
    #[must_use]
    pub fn owner(&self, status: &InstanceStatus) -> Option<Credentials> {
        let me = Credentials::current();
        if let Some(name) = &self.run_as {
            return Credentials::of_name(name).ok();
        }
        if !me.is_root() {
            // The default role is the owner's name, even for another user on a trusted socket.
            let owner = status.owner.as_deref().and_then(|name| Credentials::of_name(name).ok());
            return owner.filter(Credentials::is_current).or(Some(me));
        }
        match file::stat(&self.target.data_directory) {
            Ok(stat) => (stat.uid != 0).then(|| Credentials::of_uid(stat.uid)),
            Err(_) => owner_of_lost(&self.target.data_directory),
        }
    }

    /// Destinations, when it is time to look at them.
    pub async fn destinations(
        &mut self,
        snapshot: &Snapshot,
        interest: Interest,
        limits: &Limits,
        memory: &mut Memory,
    ) -> Option<Vec<Destination>> {
        let backup = self.backup_destination(snapshot);
        // The server tells of it after the first look: that one must not stand for long.
        let is_news = backup != self.storage_backup;
        let is_due = self.storage_at.is_none_or(|at| at.elapsed() >= DESTINATIONS_EVERY);
        if !is_due && !is_news {
            return None;
        }
        self.storage_at = Some(Instant::now());
        self.storage_backup.clone_from(&backup);
        let wanted = Wanted {
            data_directory: &self.target.data_directory,
            backup_destination: backup.as_deref(),
            tablespace_names: &self.tablespace_names,
            percent_max: limits.destination_percent,
            sizes: interest.sizes,
            state: snapshot.status.state,
        };
        Some(self.storage.look(&wanted, memory).await)
    }

    /// Where backups go, as the server or its files say.
    fn backup_destination(&self, snapshot: &Snapshot) -> Option<PathBuf> {
        let configured = snapshot.server.get().and_then(|server| server.backup_destination.clone());
        configured.or_else(|| self.conf.backup_destination.clone())
    }

    /// Where backups went before the data directory was lost: as this process saw it, or one
    /// before it.
    async fn remembered(
        &mut self,
        snapshot: &Snapshot,
        memory: &mut Memory,
    ) -> Option<SeenDestination> {
        let is_lost = matches!(
            snapshot.status.state,
            InstanceState::DataDirectoryMissing | InstanceState::NotACluster
        );
        if !is_lost {
            return None;
        }
        if self.last_destination.is_none() {
            self.last_destination = memory.last_destination().await;
        }
        self.last_destination.clone()
    }

    /// Backups, when it is time to look at them.
    pub async fn protection(
        &mut self,
        snapshot: &Snapshot,
        owner: &Credentials,
        interest: Interest,
        memory: &mut Memory,
    ) -> Option<Result<Protection>> {
        // While a server starts or is not yet asked, what its files say may not be known.
        let is_known = snapshot.server.get().is_some() || !snapshot.status.state.has_process();
        if !is_known {
            return None;
        }
        let set = self.backup_destination(snapshot);
        let remembered = match set {
            Some(_) => None,
            None => self.remembered(snapshot, memory).await,
        };
        let destination = set.as_ref().or(remembered.as_ref().map(|one| &one.path));
        let looked = self.backups.look(destination.map(PathBuf::as_path), owner, interest.backups);
        let mut looked = looked.await?;
        match (&mut looked, set) {
            (Ok(protection), None) => protection.remembered_at = remembered.map(|one| one.at),
            (Ok(_), Some(path)) => {
                memory.see_destination(&path).await;
                self.last_destination = Some(SeenDestination { path, at: clock::now() });
            }
            (Err(_), _) => {}
        }
        Some(looked)
    }

    /// How a recovery of the data directory stands, when it is time to look.
    pub async fn recovery(&mut self, owner: &Credentials) -> Option<Result<Option<RecoveryState>>> {
        self.recovery.look(&self.target.data_directory, owner).await
    }

    /// Destinations are looked at again at the next look: somebody opened their pane.
    pub fn destinations_due(&mut self) {
        self.storage_at = None;
    }
}

/// Whose a data directory probably was that is lost: he has the journal that remembers it.
fn owner_of_lost(directory: &Path) -> Option<Credentials> {
    let left = directory.ancestors().skip(1).find_map(|path| file::stat(path).ok());
    match left {
        Some(stat) if stat.uid != 0 => Some(Credentials::of_uid(stat.uid)),
        _ => Credentials::of_name(USUAL_OWNER).ok(),
    }
}

fn hanging(target: &LocalTarget) -> InstanceStatus {
    let place = target.data_directory.display();
    let error = Error::new(ErrorCode::FileAccess, format!("{place} does not answer"))
        .detail("looking at the data directory takes longer than 3 s")
        .hint("Check the disk or network file system it is on.");
    InstanceStatus {
        detail: error.fact.clone(),
        connect_error: Some(error),
        ..InstanceStatus::bare(InstanceState::Unreachable)
    }
}
