//! Programs run as the owner of the clusters, and what they cost, seen from outside.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, User};
use pgdeck_tests::proc;

/// How often the peak of memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// An orphan that works longer than this behind its command does not belong to it.
const ORPHAN_LIMIT: Duration = Duration::from_secs(5);
/// `sysconf(_SC_CLK_TCK)` of Linux on every machine it runs on today.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one run of a program cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Took {
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Seconds of processor time, children included.
    pub(crate) cpu: f64,
    /// Bytes: the sum over its processes of each one's `VmHWM`.
    pub(crate) peak: u64,
}

/// The user and group that clusters belong to; `None` for those of this process.
pub(crate) fn owner() -> Option<(Uid, Gid)> {
    if !Uid::effective().is_root() {
        return None;
    }
    let user = User::from_name("postgres").ok().flatten()?;
    Some((user.uid, user.gid))
}

/// A command of the owner, in the C locale, with nothing else inherited.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C");
    command.env("TZ", "UTC").env("HOME", "/").current_dir("/").stdin(Stdio::null());
    if let Some((uid, gid)) = owner() {
        command.uid(uid.as_raw()).gid(gid.as_raw());
    }
    command
}

/// A directory of the owner, 0700, with nothing in it.
pub(crate) fn empty_directory(path: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if path.exists() {
        fs::remove_dir_all(path).map_err(failed)?;
    }
    fs::create_dir_all(path).map_err(failed)?;
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .map_err(failed)?;
    give(path)
}

/// Gives a path to the owner.
pub(crate) fn give(path: &Path) -> Result<(), String> {
    let Some((uid, gid)) = owner() else { return Ok(()) };
    let given = std::os::unix::fs::chown(path, Some(uid.as_raw()), Some(gid.as_raw()));
    given.map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = if said.trim().is_empty() { String::from_utf8_lossy(&output.stdout) } else { said };
    let program = command.get_program().display();
    Err(format!("{program} ended with {}: {}", output.status, said.trim().replace('\n', "; ")))
}

/// Runs a command that must succeed and measures it, with nothing waiting to be written by the
/// kernel for others.
pub(crate) fn measure(command: &mut Command) -> Result<Took, String> {
    rustix::fs::sync();
    measure_unsynced(command)
}

/// The same as it comes. One at a time: processor time is that of all children of this process
/// that have ended meanwhile.
pub(crate) fn measure_unsynced(command: &mut Command) -> Result<Took, String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // What a command leaves to itself for its last moments is its work, too.
    prctl::set_child_subreaper(true).map_err(|error| error.to_string())?;
    let there = children();
    let before = children_cpu()?;
    let began = Instant::now();
    let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let pid = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    let has_ended = AtomicBool::new(false);
    let (output, wall, peak) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch_peak(pid, &has_ended));
        let output = child.wait_with_output();
        let wall = began.elapsed().as_secs_f64();
        has_ended.store(true, Ordering::Release);
        (output, wall, watch.join().unwrap_or(0))
    });
    let output = output.map_err(|error| error.to_string())?;
    reap(&there);
    let cpu = children_cpu()? - before;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        let program = command.get_program().display();
        let stdout = String::from_utf8_lossy(&output.stdout).trim().replace('\n', "; ");
        return Err(format!("{program} ended with {}: {said} {stdout}", output.status));
    }
    Ok(Took { wall, cpu, peak })
}

/// Processes that this one has to wait for: its own, and those whose parents have ended.
fn children() -> Vec<Pid> {
    let own = std::process::id();
    let text = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|one| one.parse().ok()).map(Pid::from_raw).collect()
}

/// Waits for the orphans of a command, which are those that were not there before. One that does not
/// end is left: it is no part of the work.
fn reap(there: &[Pid]) {
    let until = Instant::now() + ORPHAN_LIMIT;
    for orphan in children().into_iter().filter(|one| !there.contains(one)) {
        while matches!(waitpid(orphan, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive))
            && Instant::now() < until
        {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// The same for a command that is over in milliseconds: seconds only.
pub(crate) fn wall(command: &mut Command) -> Result<f64, String> {
    let began = Instant::now();
    run(command)?;
    Ok(began.elapsed().as_secs_f64())
}

fn children_cpu() -> Result<f64, String> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| error.to_string())?;
    let seconds = |time: TimeVal| {
        let whole = u32::try_from(time.tv_sec()).unwrap_or(0);
        let rest = u32::try_from(time.tv_usec()).unwrap_or(0);
        f64::from(whole) + f64::from(rest) / 1e6
    };
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// The highest sum of `VmHWM` over a process and its descendants, until it has ended.
fn watch_peak(pid: i32, has_ended: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !has_ended.load(Ordering::Acquire) {
        peak = peak.max(high_water(pid));
        std::thread::sleep(LOOK_EVERY);
    }
    peak
}

/// The sum of `VmHWM` over a process and its descendants now, in bytes.
pub(crate) fn high_water(pid: i32) -> u64 {
    let own = fs::read_to_string(format!("/proc/{pid}/status")).ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    let tasks = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let below: u64 =
        tasks.split_whitespace().filter_map(|child| child.parse().ok()).map(high_water).sum();
    own.unwrap_or(0) * 1024 + below
}

/// Seconds of processor time of a server's processes that have ended, and of those it has waited
/// for: what sessions have used.
pub(crate) fn sessions_cpu(postmaster: i32) -> f64 {
    // `cutime` and `cstime`, fields 16 and 17 of proc(5).
    processor_time(postmaster, 13, 2)
}

/// Seconds of processor time of a process so far, and of children it has waited for.
pub(crate) fn cpu_so_far(pid: i32) -> f64 {
    // `utime`, `stime` and those of children, fields 14 to 17.
    processor_time(pid, 11, 4)
}

/// The sum of some fields of `/proc/PID/stat`, counted from the state on.
fn processor_time(pid: i32, first: usize, count: usize) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0.0 };
    let ticks = fields.split_whitespace().skip(first).take(count);
    let ticks = ticks.filter_map(|one| one.parse::<u32>().ok());
    ticks.map(f64::from).sum::<f64>() / TICKS_PER_SECOND
}

/// Bytes of all files below a directory, as long as they are.
pub(crate) fn stored_bytes(path: &Path) -> Result<u64, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = 0;
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let data = entry.metadata().map_err(failed)?;
        bytes += match data.is_dir() {
            true => stored_bytes(&entry.path())?,
            false if data.is_file() => data.len(),
            false => 0,
        };
    }
    Ok(bytes)
}

/// Whether somebody has this process id.
pub(crate) fn is_alive(pid: i32) -> bool {
    !proc::is_gone(pid)
}

/// Millions of bytes.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1_000).unwrap_or(u32::MAX)) / 1_000.0
}

/// Bytes in units of 2^20.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1_024).unwrap_or(u32::MAX)) / 1_024.0
}
