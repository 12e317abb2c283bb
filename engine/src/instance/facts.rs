//! What the machine says about an instance's data directory and process. Blocking: files of a
//! dead disk may hang, so the monitor runs this behind a time limit.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::binaries::BinaryFinder;
use super::target::LocalTarget;
use crate::pg::control_file::{self, CONTROL_FILE_PATH, ControlFile};
use crate::pg::postmaster_pid::{self, PostmasterPid};
use crate::sys::credentials::Credentials;
use crate::sys::{file, process};

const SMALL_FILE_BYTES_MAX: u64 = 64 << 10;
const CONTROL_FILE_READS_MAX: usize = 5;

/// The data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryFact {
    /// There is nothing.
    Missing,
    /// There is something else.
    NotADirectory,
    /// It may not be looked into.
    Denied,
    /// It is there.
    Present {
        /// Owner's number.
        uid: u32,
        /// Owner's name.
        owner: String,
        /// Permission bits.
        mode: u32,
    },
    /// Some other trouble.
    Failed(String),
}

/// `postmaster.pid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PidFileFact {
    /// There is none.
    Absent,
    /// It cannot be read or made sense of.
    Unreadable(String),
    /// Its content.
    Present(PostmasterPid),
}

/// The process `postmaster.pid` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessFact {
    /// No pid is known.
    None,
    /// There is no such process.
    Gone,
    /// There is one, and it is another program or another server.
    Other,
    /// It has ended and is not collected.
    Zombie,
    /// It is stopped by a signal.
    Suspended,
    /// It runs.
    Alive,
}

/// `global/pg_control`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlFact {
    /// There is none.
    Absent,
    /// It cannot be read.
    Unreadable(String),
    /// It cannot be trusted.
    Damaged(String),
    /// Its content.
    Read(Box<ControlFile>),
}

/// Everything the state is told from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The data directory.
    pub directory: DirectoryFact,
    /// The first line of `PG_VERSION`.
    pub version: Option<String>,
    /// `postmaster.pid`.
    pub pid_file: PidFileFact,
    /// Its process.
    pub process: ProcessFact,
    /// The control file.
    pub control: ControlFact,
    /// Server programs of the cluster's major version.
    pub bin_directory: Option<PathBuf>,
    /// Other owners that matter: of the files inside, and `--run-as`.
    pub other_uids: Vec<u32>,
}

/// Looks at everything; for server programs only with a finder, which may run them.
#[must_use]
pub fn gather(
    target: &LocalTarget,
    finder: Option<&mut BinaryFinder>,
    run_as: Option<u32>,
) -> Facts {
    let data_directory = target.data_directory.as_path();
    let directory = directory_fact(data_directory);
    let DirectoryFact::Present { .. } = directory else {
        return Facts {
            directory,
            version: None,
            pid_file: PidFileFact::Absent,
            process: ProcessFact::None,
            control: ControlFact::Absent,
            bin_directory: None,
            other_uids: Vec::new(),
        };
    };
    let version = file::read_text(&data_directory.join("PG_VERSION"), SMALL_FILE_BYTES_MAX)
        .ok()
        .map(|text| text.trim().to_owned());
    let pid_file = pid_file_fact(data_directory);
    let process = match &pid_file {
        PidFileFact::Present(content) => process_fact(content.pid, data_directory),
        _ => ProcessFact::None,
    };
    let major = version.as_deref().and_then(|text| text.parse().ok());
    let hint = target.bin_directory.as_deref();
    let inside = file::stat(&data_directory.join(CONTROL_FILE_PATH)).ok().map(|stat| stat.uid);
    Facts {
        directory,
        bin_directory: major.zip(finder).and_then(|(major, finder)| finder.find(major, hint)),
        version,
        pid_file,
        process,
        control: control_fact(data_directory),
        other_uids: inside.into_iter().chain(run_as).collect(),
    }
}

fn directory_fact(path: &Path) -> DirectoryFact {
    let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    match file::stat(path) {
        Ok(stat) if !stat.is_directory => DirectoryFact::NotADirectory,
        Ok(stat) => match file::list(path, 1) {
            Err(error) if denied(&error) => DirectoryFact::Denied,
            Err(error) => DirectoryFact::Failed(error.to_string()),
            Ok(_) => DirectoryFact::Present {
                uid: stat.uid,
                owner: Credentials::of_uid(stat.uid).name().to_owned(),
                mode: stat.mode,
            },
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => DirectoryFact::Missing,
        Err(error) if denied(&error) => DirectoryFact::Denied,
        Err(error) => DirectoryFact::Failed(error.to_string()),
    }
}

fn pid_file_fact(data_directory: &Path) -> PidFileFact {
    let path = data_directory.join(postmaster_pid::PID_FILE);
    match file::read(&path, SMALL_FILE_BYTES_MAX) {
        Ok(content) => match postmaster_pid::parse_pid_file(&content) {
            Ok(parsed) => PidFileFact::Present(parsed),
            Err(error) => PidFileFact::Unreadable(error.to_string()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => PidFileFact::Absent,
        Err(error) => PidFileFact::Unreadable(error.to_string()),
    }
}

/// Whether a process is the postmaster of this data directory: its working directory is, as
/// the postmaster changes into it at start (`ChangeToDataDir()` in `miscinit.c`).
#[must_use]
pub fn process_fact(pid: i32, data_directory: &Path) -> ProcessFact {
    let Some(info) = process::info(pid) else { return ProcessFact::Gone };
    if info.is_zombie() {
        return if process::name(pid).is_some_and(|name| is_server_name(&name)) {
            ProcessFact::Zombie
        } else {
            ProcessFact::Other
        };
    }
    let is_ours = match process::working_directory(pid) {
        Ok(directory) => directory == data_directory,
        // Another user's process: only its name can be seen.
        Err(_) => process::name(pid).is_some_and(|name| is_server_name(&name)),
    };
    match (is_ours, info.is_suspended()) {
        (false, _) => ProcessFact::Other,
        (true, true) => ProcessFact::Suspended,
        (true, false) => ProcessFact::Alive,
    }
}

fn is_server_name(name: &str) -> bool {
    name == "postgres" || name == "postmaster"
}

fn control_fact(data_directory: &Path) -> ControlFact {
    let path = data_directory.join(CONTROL_FILE_PATH);
    let mut reads = 0;
    loop {
        reads += 1;
        let bytes = match file::read(&path, SMALL_FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return ControlFact::Absent,
            Err(error) => return ControlFact::Unreadable(error.to_string()),
        };
        match control_file::decode(&bytes) {
            Ok(control) => return ControlFact::Read(Box::new(control)),
            Err(error) if error.may_be_torn() && reads < CONTROL_FILE_READS_MAX => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return ControlFact::Damaged(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_a_search_runs_server_programs() {
        let place = tempfile::tempdir().unwrap();
        let bin = place.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for program in ["postgres", "pg_ctl"] {
            let path = bin.join(program);
            let ran = place.path().join("ran");
            let script = format!(
                "#!/bin/sh\necho run >>{}\necho 'postgres (PostgreSQL) 15.1'\n",
                ran.display()
            );
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(place.path().join("PG_VERSION"), "15\n").unwrap();
        let target = LocalTarget {
            name: "one".to_owned(),
            data_directory: place.path().to_path_buf(),
            config_directory: None,
            bin_directory: Some(bin.clone()),
            log_file: None,
            connection: None,
        };
        assert_eq!(gather(&target, None, None).bin_directory, None);
        assert!(!place.path().join("ran").exists());
        let mut finder = BinaryFinder::new(Some(&bin));
        assert_eq!(gather(&target, Some(&mut finder), None).bin_directory, Some(bin));
        assert!(place.path().join("ran").exists());
    }
}
