//! Where a rehearsal takes place: a directory with a marker that tells whose it is, and a short
//! private one for the socket. What a killed rehearsal left is removed by the next. Blocking; as
//! the owner of the data.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::api::{Error, ErrorCode, Result};
use crate::pg::postmaster_pid::{PID_FILE, parse_pid_file};
use crate::sys::disk::{Disk, EntryKind};
use crate::sys::process::{self, Signal};
use crate::sys::{clock, file};

const PREFIX: &str = "pgdeck-rehearsal-";
const MARKER: &str = "pgdeck_rehearsal.json";
const MARKER_BYTES_MAX: u64 = 64 << 10;
/// The path of a Unix socket has room for 107 bytes (`sun_path` in `unix(7)`).
const SOCKET_PARENT: &str = "/tmp";
/// Where there is no better place.
const PARENT_DEFAULT: &str = "/var/tmp";
/// A server told to end at once does so within this, or is killed.
const QUIT_LIMIT: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The file that tells whose a scratch directory is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    pid: i32,
    start_ticks: u64,
    data_directory: PathBuf,
    sockets: PathBuf,
}

/// A scratch directory.
#[derive(Clone, Debug)]
pub(super) struct Scratch {
    root: PathBuf,
    sockets: PathBuf,
}

impl Scratch {
    /// Removes what killed rehearsals left in `parent`, and makes a new one there.
    ///
    /// # Errors
    /// `RecoveryPlace`.
    pub(super) fn make(disk: &Disk, parent: &Path, data_directory: &Path) -> Result<Self> {
        sweep(disk, parent);
        let pid = i32::try_from(std::process::id()).unwrap_or(0);
        let suffix = format!("{pid}-{}", clock::epoch_seconds());
        let scratch = Self {
            root: parent.join(format!("{PREFIX}{suffix}")),
            sockets: Path::new(SOCKET_PARENT).join(format!("pgdeck-{suffix}")),
        };
        let made = scratch.fill(disk, pid, data_directory);
        made.map(|()| scratch.clone()).map_err(|error| {
            scratch.remove();
            let fact = format!("\"{}\" cannot be made for the rehearsal", scratch.root.display());
            Error::new(ErrorCode::RecoveryPlace, fact)
                .detail(error.to_string())
                .hint("Name a directory the owner of the data may write to with --scratch.")
        })
    }

    fn fill(&self, disk: &Disk, pid: i32, data_directory: &Path) -> io::Result<()> {
        disk.make_directory(&self.root)?;
        let marker = Marker {
            pid,
            start_ticks: process::info(pid).map_or(0, |info| info.start_ticks),
            data_directory: data_directory.to_path_buf(),
            sockets: self.sockets.clone(),
        };
        let text = serde_json::to_vec(&marker).map_err(io::Error::other)?;
        file::write_private(&self.root.join(MARKER), &text)?;
        disk.make_directory(&self.sockets)
    }

    /// The data directory to be made.
    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Everything is in it.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of the socket.
    pub(super) fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// Writes a file beside the data directory; its path.
    ///
    /// # Errors
    /// `RecoveryPlace`.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        file::write_private(&path, text.as_bytes()).map_err(|error| {
            let fact = format!("\"{}\" cannot be written", path.display());
            Error::new(ErrorCode::RecoveryPlace, fact).detail(error.to_string())
        })?;
        Ok(path)
    }

    /// Ends the server, if it still runs, and removes everything; what could not be removed.
    pub(super) fn remove(&self) -> Option<String> {
        end_server(&self.data());
        let left = [&self.root, &self.sockets].map(|path| match file::remove_tree(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Some(format!("{} could not be removed: {error}", path.display()))
            }
            _ => None,
        });
        left.into_iter().flatten().next()
    }
}

/// Where a scratch directory goes: where it was asked for, beside the data directory, else
/// `/var/tmp`.
pub(super) fn parent(disk: &Disk, asked: Option<&Path>, data_directory: &Path) -> PathBuf {
    let beside = data_directory.parent();
    let is_writable = |parent: &&Path| {
        let probe = parent.join(format!(".pgdeck-probe-{}", std::process::id()));
        disk.make_directory(&probe).and_then(|()| disk.remove_directory(&probe)).is_ok()
    };
    match (asked, beside.filter(is_writable)) {
        (Some(asked), _) => asked.to_path_buf(),
        (None, Some(beside)) => beside.to_path_buf(),
        (None, None) => PathBuf::from(PARENT_DEFAULT),
    }
}

/// Removes scratch directories whose process is gone. What cannot be removed stays for the
/// next time; other users' cannot even be read.
fn sweep(disk: &Disk, parent: &Path) {
    for entry in disk.list(parent).unwrap_or_default() {
        if entry.kind != EntryKind::Directory || !entry.name.starts_with(PREFIX) {
            continue;
        }
        let root = parent.join(&entry.name);
        match marker(&root) {
            Some(marker) if !is_at_work(marker.pid, Some(marker.start_ticks)) => {
                let sockets = Path::new(SOCKET_PARENT);
                // The marker could name anything; only what a rehearsal makes is removed.
                if marker.sockets.parent() == Some(sockets) {
                    let scratch = Scratch { root, sockets: marker.sockets };
                    scratch.remove();
                }
            }
            Some(_) => {}
            // Killed before the marker was there: the directory is still empty.
            None => {
                let pid = entry.name[PREFIX.len()..].split('-').next();
                if pid.and_then(|pid| pid.parse().ok()).is_some_and(|pid| !is_at_work(pid, None)) {
                    let _ = disk.remove_directory(&root);
                }
            }
        }
    }
}

fn marker(root: &Path) -> Option<Marker> {
    serde_json::from_slice(&file::read(&root.join(MARKER), MARKER_BYTES_MAX).ok()?).ok()
}

/// Whether the process runs; with its start time it cannot be another of the same number.
fn is_at_work(pid: i32, start_ticks: Option<u64>) -> bool {
    process::info(pid).is_some_and(|info| {
        !info.is_zombie() && start_ticks.is_none_or(|ticks| info.start_ticks == ticks)
    })
}

/// Ends the server of a scratch data directory at once: nothing of it is needed.
fn end_server(data: &Path) {
    let Ok(text) = file::read(&data.join(PID_FILE), MARKER_BYTES_MAX) else { return };
    let Ok(pid) = parse_pid_file(&text).map(|found| found.pid) else { return };
    let is_its = || process::working_directory(pid).is_ok_and(|found| found == data);
    let began = Instant::now();
    let mut signal = Signal::QUIT;
    let mut sent = None;
    while is_its() {
        if began.elapsed() > QUIT_LIMIT {
            signal = Signal::KILL;
        }
        if sent != Some(signal) {
            let _ = process::send_signal(pid, signal);
            sent = Some(signal);
        }
        if began.elapsed() > QUIT_LIMIT * 2 {
            return;
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        file::list(path, 100).unwrap()
    }

    #[test]
    fn what_a_killed_rehearsal_left_is_removed_by_the_next() {
        let parent = tempfile::tempdir().unwrap();
        let disk = Disk::real();
        let own = Scratch::make(&disk, parent.path(), Path::new("/d")).unwrap();
        assert!(own.sockets().display().to_string().len() < 60);
        std::fs::create_dir(own.data()).unwrap();
        // This process lives: its directory stays.
        sweep(&disk, parent.path());
        assert!(own.data().exists());
        // A process of that number, but another one.
        let mut marker = marker(&own.root).unwrap();
        marker.start_ticks += 1;
        std::fs::write(own.root.join(MARKER), serde_json::to_vec(&marker).unwrap()).unwrap();
        // One that was killed before it had a marker, and what only looks like one.
        let gone = i32::MAX;
        std::fs::create_dir(parent.path().join(format!("{PREFIX}{gone}-1"))).unwrap();
        let full = parent.path().join(format!("{PREFIX}{gone}-2"));
        std::fs::create_dir(&full).unwrap();
        std::fs::write(full.join("precious"), "").unwrap();
        sweep(&disk, parent.path());
        assert_eq!(names(parent.path()), [format!("{PREFIX}{gone}-2")]);
        assert!(!own.sockets().exists());
    }

    #[test]
    fn a_marker_cannot_have_other_directories_removed() {
        let parent = tempfile::tempdir().unwrap();
        let precious = parent.path().join("precious");
        std::fs::create_dir(&precious).unwrap();
        let root = parent.path().join(format!("{PREFIX}1-1"));
        std::fs::create_dir(&root).unwrap();
        let marker = Marker {
            pid: i32::MAX,
            start_ticks: 1,
            data_directory: "/d".into(),
            sockets: precious.clone(),
        };
        std::fs::write(root.join(MARKER), serde_json::to_vec(&marker).unwrap()).unwrap();
        sweep(&Disk::real(), parent.path());
        assert!(precious.exists() && root.exists());
    }

    #[test]
    fn it_goes_beside_the_data_or_where_asked() {
        let place = tempfile::tempdir().unwrap();
        let disk = Disk::real();
        let data = place.path().join("data");
        assert_eq!(parent(&disk, None, &data), place.path());
        assert_eq!(parent(&disk, Some(Path::new("/x")), &data), Path::new("/x"));
        let gone = place.path().join("gone/data");
        assert_eq!(parent(&disk, None, &gone), Path::new(PARENT_DEFAULT));
        assert_eq!(names(place.path()), Vec::<String>::new());
    }
}
