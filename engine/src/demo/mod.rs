//! The demo: a throw-away instance that looks like one with users.
//!
//! Owns one directory, marked as its own, and nothing outside of it. Everything in it belongs to
//! the user the server runs as.

pub mod load;
mod make;

use std::io;
use std::path::{Path, PathBuf};

use crate::api::{Error, ErrorCode, InstanceState, Result};
use crate::instance::lifecycle::Site;
use crate::instance::target::LocalTarget;
use crate::jobs::journal::{directory_of, state_directory_of};
use crate::sys::credentials::Credentials;
use crate::sys::{file, process};

/// Marks a directory as a demo's; its content is the format's version.
const MARKER: &str = "pgdeck-demo";
const MARKER_TEXT: &str = "pgdeck demo 1\n";
/// The load's process: its pid and start time.
const LOAD_FILE: &str = "load.pid";
/// Its databases.
pub const DATABASES: [&str; 3] = ["shop", "bank", "analytics"];
/// Longest path of a Unix socket (`sun_path` in `sys/un.h`), its final zero taken off.
const SOCKET_PATH_MAX: usize = 107;

/// A demo's places.
#[derive(Clone, Debug)]
pub struct Demo {
    directory: PathBuf,
    owner: Credentials,
}

impl Demo {
    /// A demo in `directory`, or in the usual place. As root its server runs as `postgres`.
    ///
    /// # Errors
    /// `DemoFailed` when root has no user to run a server as, or the path is too long for a
    /// Unix socket.
    pub fn at(directory: Option<&Path>, run_as: Option<&str>) -> Result<Self> {
        let owner = owner(run_as)?;
        let directory = match directory {
            Some(directory) => {
                std::path::absolute(directory).unwrap_or_else(|_| directory.to_path_buf())
            }
            None => PathBuf::from(format!("/var/tmp/pgdeck-demo-{}", owner.name())),
        };
        let demo = Self { directory, owner };
        let socket = demo.socket_directory().join(format!(".s.PGSQL.{}", make::PORT));
        if socket.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(Error::new(ErrorCode::DemoFailed, "the demo's path is too long")
                .detail(format!("a Unix socket's path may have {SOCKET_PATH_MAX} bytes"))
                .hint("Choose a shorter --dir."));
        }
        Ok(demo)
    }

    /// The demo that is in a directory; it belongs to whoever owns that.
    ///
    /// # Errors
    /// `DemoFailed` when there is none.
    pub fn of_directory(directory: &Path) -> Result<Self> {
        let stat = file::stat(directory).map_err(|error| {
            failed(&format!("there is no demo in {}", directory.display()), &error)
        })?;
        Ok(Self { directory: directory.to_path_buf(), owner: Credentials::of_uid(stat.uid) })
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its data storage destination.
    #[must_use]
    pub fn data_directory(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Where its socket is.
    #[must_use]
    pub fn socket_directory(&self) -> PathBuf {
        self.directory.join("run")
    }

    /// Where its journal is.
    #[must_use]
    pub fn state_directory(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Its port, which names the socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        make::PORT
    }

    /// The role to connect as.
    #[must_use]
    pub fn role(&self) -> &str {
        self.owner.name()
    }

    fn site(&self) -> Result<Site> {
        let target = LocalTarget::from_directory(&self.data_directory());
        Site::new(target, None, Some(self.owner.name()))
    }

    fn marker(&self) -> PathBuf {
        self.directory.join(MARKER)
    }

    /// Whether a demo is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        file::read_text(&self.marker(), 100).is_ok_and(|text| text == MARKER_TEXT)
    }

    /// Makes the demo, or takes the one that is there; starts its server if it is down. `tell`
    /// hears what is done. Blocking, some seconds.
    ///
    /// # Errors
    /// `DemoFailed`, `BinariesMissing`, `StartFailed`.
    pub fn make_or_reuse(&self, tell: &mut dyn FnMut(&str)) -> Result<()> {
        if self.exists() {
            tell(&format!("taking the demo in {}", self.directory.display()));
        } else {
            make::make(self, tell)?;
        }
        make::start(self, tell)
    }

    /// Whether its load is at work.
    #[must_use]
    pub fn has_load(&self) -> bool {
        self.load_process().is_some()
    }

    fn load_process(&self) -> Option<i32> {
        let text = file::read_text(&self.directory.join(LOAD_FILE), 100).ok()?;
        let (pid, ticks) = text.trim().split_once(' ')?;
        let (pid, ticks): (i32, u64) = (pid.parse().ok()?, ticks.parse().ok()?);
        let info = process::info(pid)?;
        (info.start_ticks == ticks && !info.is_zombie()).then_some(pid)
    }

    /// Starts the load as a process of its own: `program demo-load --dir DIRECTORY`.
    ///
    /// # Errors
    /// `DemoFailed`.
    pub fn start_load(&self, program: &Path) -> Result<()> {
        if self.has_load() {
            return Ok(());
        }
        let args = ["demo-load".into(), "--dir".into(), self.directory.clone().into_os_string()];
        let started = process::spawn_daemon(program, &args);
        let pid = started.map_err(|error| failed("the sample load cannot be started", &error))?;
        let ticks = process::info(pid).map_or(0, |info| info.start_ticks);
        self.write(LOAD_FILE, format!("{pid} {ticks}\n").as_bytes())
    }

    /// Ends load and server and removes every trace: the directory, and the journal kept
    /// elsewhere by a console that was opened on it by its data directory. Whether there was one.
    ///
    /// # Errors
    /// `DemoFailed` when the directory is not a demo's, or the server does not end.
    pub fn remove(&self, tell: &mut dyn FnMut(&str)) -> Result<bool> {
        if !self.exists() {
            if !file::exists(&self.directory) {
                return Ok(false);
            }
            let place = self.directory.display();
            return Err(Error::new(ErrorCode::DemoFailed, format!("{place} is not a demo"))
                .detail(format!("it has no file {MARKER} made by 'pgdeck demo'"))
                .hint("Name the demo's directory with --dir; nothing was removed."));
        }
        if let Some(pid) = self.load_process() {
            tell("ending the sample load");
            let _ = process::send_signal(pid, process::Signal::TERM);
        }
        make::stop(self, tell)?;
        tell(&format!("removing {}", self.directory.display()));
        let journal = directory_of(
            &state_directory_of(&self.owner),
            &self.data_directory().to_string_lossy(),
        );
        let directory = self.directory.clone();
        let removed = self.owner.run(|| {
            if file::exists(&journal) {
                file::remove_tree(&journal)?;
            }
            file::remove_tree(&directory)
        });
        removed
            .and_then(|inner| inner)
            .map_err(|error| failed("the demo's directory cannot be removed", &error))?;
        Ok(true)
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.directory.join(name);
        self.owner
            .run(|| file::write_private(&path, content))
            .and_then(|inner| inner)
            .map_err(|error| failed(&format!("{} cannot be written", path.display()), &error))
    }

    fn state(&self) -> Result<InstanceState> {
        Ok(self.site()?.look().state)
    }
}

fn owner(run_as: Option<&str>) -> Result<Credentials> {
    let me = Credentials::current();
    match (run_as, me.is_root()) {
        (Some(name), _) => Credentials::of_name(name),
        (None, false) => Ok(me),
        (None, true) => {
            Credentials::of_name("postgres").or_else(|_| Credentials::of_name("nobody"))
        }
    }
    .map_err(|error| {
        failed("there is no user to run the server as", &error)
            .hint("PostgreSQL refuses root: name another user with --run-as.")
    })
}

fn failed(fact: &str, error: &io::Error) -> Error {
    Error::new(ErrorCode::DemoFailed, fact).detail(error.to_string())
}
