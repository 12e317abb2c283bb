//! Processes as `/proc` shows them (`proc(5)`).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// What a process is doing: the third field of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// Runs or is ready to run (`R`).
    Running,
    /// Sleeps, interruptible or not (`S`, `D`, `I`).
    Sleeping,
    /// Stopped by a signal or a tracer (`T`, `t`).
    Stopped,
    /// Ended, and nobody has asked for its exit status (`Z`, `X`).
    Zombie,
}

/// The state of a process; `None` when there is no such process.
#[must_use]
pub fn state(pid: i32) -> Option<ProcessState> {
    let fields = stat_fields(pid)?;
    Some(match fields.first()?.as_str() {
        "R" => ProcessState::Running,
        "T" | "t" => ProcessState::Stopped,
        "Z" | "X" | "x" => ProcessState::Zombie,
        _ => ProcessState::Sleeping,
    })
}

/// Whether the process has ended. A zombie has: it only waits to be counted.
#[must_use]
pub fn is_gone(pid: i32) -> bool {
    matches!(state(pid), None | Some(ProcessState::Zombie))
}

/// Waits until the process has ended; whether it has, in that time.
#[must_use]
pub fn wait_gone(pid: i32, timeout: Duration) -> bool {
    wait_for(timeout, || is_gone(pid))
}

/// Waits until the process is in this state; whether it is, in that time.
#[must_use]
pub fn wait_state(pid: i32, wanted: ProcessState, timeout: Duration) -> bool {
    wait_for(timeout, || state(pid) == Some(wanted))
}

/// Asks again and again until the answer is yes or the time is over; the last answer.
#[must_use]
pub fn wait_for(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() >= timeout {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// When the process started, in clock ticks since boot: with the pid it names it for good.
#[must_use]
pub fn start_ticks(pid: i32) -> Option<u64> {
    stat_fields(pid)?.get(19)?.parse().ok()
}

/// The parent's pid.
#[must_use]
pub fn parent(pid: i32) -> Option<i32> {
    stat_fields(pid)?.get(1)?.parse().ok()
}

/// Processor time the process has used, user and system, in seconds.
#[must_use]
pub fn cpu_seconds(pid: i32) -> Option<f64> {
    seconds_of(pid, 11..=12)
}

/// The same with its children: those it has waited for, and those that live, with theirs.
#[must_use]
pub fn cpu_seconds_with_children(pid: i32) -> f64 {
    let own = seconds_of(pid, 11..=14).unwrap_or_default();
    own + children(pid).into_iter().map(cpu_seconds_with_children).sum::<f64>()
}

/// `utime`, `stime`, `cutime` and `cstime` are the fields 11 to 14 after the state.
fn seconds_of(pid: i32, columns: std::ops::RangeInclusive<usize>) -> Option<f64> {
    let fields = stat_fields(pid)?;
    let ticks = fields.get(columns)?.iter().filter_map(|field| field.parse::<u32>().ok());
    let per_second = u32::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    Some(f64::from(ticks.sum::<u32>()) / f64::from(per_second))
}

/// Resident memory in bytes.
#[must_use]
pub fn rss_bytes(pid: i32) -> Option<u64> {
    kilobytes(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// The process's share of memory in bytes. Only for processes that may be traced.
#[must_use]
pub fn pss_bytes(pid: i32) -> Option<u64> {
    kilobytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

fn kilobytes(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Direct children.
#[must_use]
pub fn children(pid: i32) -> Vec<i32> {
    all().into_iter().filter(|&other| parent(other) == Some(pid)).collect()
}

/// Every live process whose working directory is this one. A server's processes all sit in
/// its data directory, also when their postmaster is gone.
#[must_use]
pub fn working_in(directory: &Path) -> Vec<i32> {
    // That of a removed directory is its name with ` (deleted)` behind it.
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_path_buf());
    all()
        .into_iter()
        .filter(|pid| {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|place| place == directory)
        })
        .collect()
}

/// The program file it runs; with ` (deleted)` behind it when that was replaced.
#[must_use]
pub fn program(pid: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// Sends a signal; whether there was a process to take it.
pub fn signal(pid: i32, signal: Signal) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
}

fn all() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The fields of `/proc/PID/stat` after the program's name, which may itself hold blanks
/// and parentheses: `[0]` is the state, field 3 of `proc(5)`.
fn stat_fields(pid: i32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_pid() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }

    #[test]
    fn tells_about_itself() {
        let pid = own_pid();
        assert!(matches!(state(pid), Some(ProcessState::Running | ProcessState::Sleeping)));
        assert!(!is_gone(pid));
        assert!(start_ticks(pid).unwrap() > 0);
        assert!(rss_bytes(pid).unwrap() > 100_000);
        assert!(cpu_seconds(pid).unwrap() >= 0.0);
        assert!(working_in(&std::env::current_dir().unwrap()).contains(&pid));
    }

    #[test]
    fn stopped_then_zombie_then_nothing() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert_eq!(parent(pid), Some(own_pid()));
        assert!(children(own_pid()).contains(&pid));
        assert!(signal(pid, Signal::STOP));
        assert!(wait_state(pid, ProcessState::Stopped, Duration::from_secs(5)));
        assert!(signal(pid, Signal::KILL));
        assert!(wait_state(pid, ProcessState::Zombie, Duration::from_secs(5)));
        assert!(is_gone(pid));
        child.wait().unwrap();
        assert_eq!(state(pid), None);
    }
}
