//! Starting and stopping: plans as values, state machines that are pure, and one `run` each.
//!
//! A plan can be shown before it is carried out; the command or signal it shows is the one used.

pub mod start;
pub mod stop;
mod waiters;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::{Error, ErrorCode, InstanceProblem, InstanceState, InstanceStatus, Result};
use crate::instance::binaries::BinaryFinder;
use crate::instance::classify::classify;
use crate::instance::facts;
use crate::instance::target::LocalTarget;
use crate::sys::credentials::Credentials;

/// How often a running start or stop looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// A process that has ended is collected within this, or its parent is broken.
const ZOMBIE_LIMIT: Duration = Duration::from_secs(10);

/// An instance to operate, with what is needed to do so.
#[derive(Clone, Debug)]
pub struct Site {
    /// The instance.
    pub target: LocalTarget,
    /// `--bin-dir`.
    pub bin_directory: Option<PathBuf>,
    /// Whom server programs run as.
    pub credentials: Credentials,
}

impl Site {
    /// The owner of the data directory when this is root (or `--run-as`), this user otherwise.
    ///
    /// # Errors
    /// `DataDirectoryMissing`, `DataDirectoryOwner` when the server would run as root, `DataDirectoryAccess` when this
    /// user is neither root nor the owner, `UsageInvalid` for an unknown `--run-as`.
    pub fn new(
        target: LocalTarget,
        bin_directory: Option<&Path>,
        run_as: Option<&str>,
    ) -> Result<Self> {
        let credentials = credentials_for(&target.data_directory, run_as)?;
        Ok(Self { target, bin_directory: bin_directory.map(PathBuf::from), credentials })
    }

    /// Looks at the instance now. Blocking.
    #[must_use]
    pub fn look(&self) -> InstanceStatus {
        let mut finder = BinaryFinder::new(self.bin_directory.as_deref());
        classify(&facts::gather(&self.target, Some(&mut finder), None))
    }

    /// The same on a thread for blocking work.
    pub async fn look_async(&self) -> InstanceStatus {
        let site = self.clone();
        let looked = tokio::task::spawn_blocking(move || site.look()).await;
        looked.unwrap_or_else(|_| InstanceStatus::bare(InstanceState::Unknown))
    }
}

fn credentials_for(data_directory: &Path, run_as: Option<&str>) -> Result<Credentials> {
    let me = Credentials::current();
    let place = data_directory.display();
    let owner = crate::sys::file::stat(data_directory).map(|stat| Credentials::of_uid(stat.uid));
    let wanted = match (run_as, owner) {
        (Some(name), _) => Credentials::of_name(name).map_err(|error| {
            Error::new(ErrorCode::UsageInvalid, format!("there is no user \"{name}\""))
                .detail(error.to_string())
                .hint("Name an existing user with --run-as.")
        })?,
        (None, Ok(owner)) => owner,
        // Without a directory there is no owner to act as, and nothing to operate.
        (None, Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::new(
                ErrorCode::DataDirectoryMissing,
                format!("the data directory {place} is missing"),
            )
            .detail(error.to_string()));
        }
        (None, Err(_)) => me.clone(),
    };
    if wanted.is_root() {
        return Err(Error::new(
            ErrorCode::DataDirectoryOwner,
            format!("the data directory {place} belongs to root"),
        )
        .detail("PostgreSQL refuses to run as root"));
    }
    if !me.is_root() && me.uid() != wanted.uid() {
        return Err(Error::new(
            ErrorCode::DataDirectoryAccess,
            format!("the instance in {place} is not yours to operate"),
        )
        .detail(format!("it belongs to {}, you are {}", wanted.name(), me.name())));
    }
    Ok(wanted)
}

/// Waits a few seconds for a server process that has ended to be collected by its parent:
/// until then PostgreSQL takes it for running (`kill(pid, 0)` in `CreateLockFile()`).
pub async fn wait_for_zombie(site: &Site, status: &mut InstanceStatus) {
    let deadline = tokio::time::Instant::now() + ZOMBIE_LIMIT;
    while status.state == InstanceState::Zombie && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(LOOK_INTERVAL).await;
        *status = site.look_async().await;
    }
}

/// What stands in the way of starting.
fn refuse_to_start(name: &str, status: &InstanceStatus) -> Result<()> {
    let refuse = |code, fact: String| Err(Error::new(code, fact).detail(status.detail.clone()));
    match status.state {
        InstanceState::Stopped | InstanceState::Crashed => {}
        InstanceState::DataDirectoryMissing => {
            return refuse(
                ErrorCode::DataDirectoryMissing,
                format!("the data directory of \"{name}\" is missing"),
            );
        }
        InstanceState::NotACluster => {
            return refuse(
                ErrorCode::NotACluster,
                format!("the data directory of \"{name}\" holds no cluster"),
            );
        }
        InstanceState::AccessDenied | InstanceState::Unreachable | InstanceState::Unknown => {
            return refuse(
                ErrorCode::DataDirectoryAccess,
                format!("the data directory of \"{name}\" cannot be read"),
            );
        }
        InstanceState::Zombie => {
            return refuse(
                ErrorCode::AlreadyRunning,
                format!(
                    "the old server process of \"{name}\" is a zombie and still counts as running"
                ),
            );
        }
        _ => {
            return refuse(
                ErrorCode::AlreadyRunning,
                format!("instance \"{name}\" is {}", status.state.word()),
            );
        }
    }
    status.problems.iter().find_map(problem_error).map_or(Ok(()), Err)
}

fn problem_error(problem: &InstanceProblem) -> Option<Error> {
    match problem {
        InstanceProblem::NoBinaries { major } => Some(
            Error::new(
                ErrorCode::BinariesMissing,
                format!("no server programs of PostgreSQL {major} were found"),
            )
            .detail(format!("the cluster was made by major version {major}")),
        ),
        InstanceProblem::ControlFile { reason } => Some(
            Error::new(ErrorCode::ControlFileDamaged, "the control file cannot be trusted")
                .detail(reason.clone()),
        ),
        InstanceProblem::WrongOwner { owner } => Some(
            Error::new(ErrorCode::DataDirectoryOwner, "the data directory has the wrong owner")
                .detail(format!("it belongs to {owner}, or holds files of another user")),
        ),
        InstanceProblem::WrongMode { mode } => Some(
            Error::new(ErrorCode::DataDirectoryOwner, "the data directory is open to others")
                .detail(format!("its mode is {mode:04o}")),
        ),
        InstanceProblem::UnsupportedVersion { version } => Some(
            Error::new(
                ErrorCode::VersionUnsupported,
                format!("PostgreSQL {version} is not supported"),
            )
            .detail("PG_VERSION says so"),
        ),
        InstanceProblem::StalePidFile { .. } => None,
    }
}
