//! The directories of a test, and the removal of what killed test runs left behind.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use crate::{account, cache, proc};

/// Short, because a socket's path must fit into 107 bytes.
const PARENT: &str = "/tmp";
const PREFIX: &str = "pgt-";

/// Names the process that owns the directory: `PID START_TICKS`.
const OWNER: &str = "owner";

/// Marks the directory of a failing test.
const KEPT: &str = "kept";

/// How long the directory of a failing test is kept.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Below Linux's range for outgoing connections (32768 and up), so that no connection of
/// another test sits on the port of a stopped instance.
const PORTS: std::ops::Range<u16> = 20_000..24_000;

/// A port that no other instance of any test has while this value lives.
pub(crate) struct Port {
    pub(crate) number: u16,
    _lock: cache::Lock,
}

/// Reserves a port. Free now is not enough, a test may stop its server and start it again:
/// a lock per port keeps other tests away.
pub(crate) fn reserve_port() -> Port {
    let count = PORTS.end - PORTS.start;
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seed = seed.subsec_nanos().wrapping_add(std::process::id()) % u32::from(count);
    let first = u16::try_from(seed).expect("the remainder is below the count");
    for step in 0..count {
        let number = PORTS.start + (first + step) % count;
        let Some(lock) = cache::try_lock(&format!("port-{number}")) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
            return Port { number, _lock: lock };
        }
    }
    panic!("no port of {PORTS:?} is free");
}

/// Makes a directory, owned by the servers' user, and notes which process it belongs to.
pub(crate) fn make() -> PathBuf {
    sweep_once();
    let directory = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir_in(PARENT)
        .expect("a directory can be made in /tmp")
        .keep();
    let pid = own_pid();
    let owner = format!("{pid} {}", proc::start_ticks(pid).expect("this process runs"));
    fs::write(directory.join(OWNER), owner).expect("the owner can be noted");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("own directory");
    account::give(&directory);
    directory
}

/// Marks the directory as one to keep for a look.
pub(crate) fn keep(directory: &Path) {
    // A failed test already fails; what cannot be marked is removed by the next run.
    let _ = fs::write(directory.join(KEPT), "");
}

/// The processes of the server of this data directory. A developer's shell may sit there too.
pub(crate) fn server_processes(data: &Path) -> Vec<i32> {
    let is_server = |pid: &i32| {
        proc::program(*pid).is_some_and(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("postgres"))
        })
    };
    proc::working_in(data).into_iter().filter(is_server).collect()
}

/// Ends every process of a server and frees the shared memory its postmaster leaves.
pub(crate) fn end_processes(data: &Path) {
    kill_processes(data);
    free_shared_memory(data);
}

/// Kills every process of a server and waits until they are gone.
pub(crate) fn kill_processes(data: &Path) {
    let ended = proc::wait_for(Duration::from_secs(20), || {
        let processes = server_processes(data);
        for &pid in &processes {
            proc::signal(pid, rustix::process::Signal::KILL);
        }
        processes.is_empty()
    });
    assert!(ended, "the processes of {} survive SIGKILL", data.display());
}

/// Removes the System V segment that `postmaster.pid` names in line 7, as key and id: it
/// outlives a postmaster that was killed. Only for a server whose processes are all gone.
fn free_shared_memory(data: &Path) {
    let Ok(pid_file) = fs::read_to_string(data.join("postmaster.pid")) else { return };
    let segment = pid_file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1));
    if let Some(id) = segment {
        let mut ipcrm = account::command("ipcrm");
        ipcrm.arg("-m").arg(id);
        // It may be gone already, and then ipcrm complains.
        let _ = account::output_of(ipcrm);
    }
}

fn sweep_once() {
    static SWEPT: OnceLock<()> = OnceLock::new();
    SWEPT.get_or_init(|| {
        if let Some(_lock) = cache::try_lock("sweep") {
            sweep();
        }
    });
}

/// Removes the instances of test processes that are gone.
fn sweep() {
    let Ok(entries) = fs::read_dir(PARENT) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_abandoned(&path) {
            for data in data_directories(&path) {
                end_processes(&data);
            }
            // Another user's is left alone.
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Whether the process that made this directory is gone, and nobody wants to look at it.
fn is_abandoned(directory: &Path) -> bool {
    let Ok(owner) = fs::read_to_string(directory.join(OWNER)) else { return false };
    let mut words = owner.split_whitespace();
    let (Some(pid), Some(start)) = (words.next(), words.next()) else { return false };
    let runs = pid.parse().is_ok_and(|pid| {
        !proc::is_gone(pid)
            && proc::start_ticks(pid).is_some_and(|ticks| ticks.to_string() == start)
    });
    let kept_until = fs::metadata(directory.join(KEPT))
        .and_then(|metadata| metadata.modified())
        .map(|since| since + KEPT_FOR);
    !runs && kept_until.map_or(true, |until| until < SystemTime::now())
}

fn data_directories(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).expect("process ids fit")
}
