//! Starting, stopping and mistreating an instance.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pgdeck_engine::api::StopMode;
use rustix::process::Signal;

use super::TestInstance;
use crate::proc::{self, ProcessState};
use crate::{account, place, server_log};

/// Seconds that `pg_ctl` waits.
const PG_CTL_WAIT: &str = "60";

const SIGNAL_WAIT: Duration = Duration::from_secs(10);

impl TestInstance {
    /// Starts it and waits until it takes connections.
    ///
    /// # Panics
    /// When it does not start, with its log.
    pub fn start(&self) {
        self.try_start().unwrap_or_else(|error| panic!("{error}"));
    }

    /// The same for a start that may fail.
    ///
    /// # Errors
    /// What `pg_ctl` said and the end of the log.
    pub fn try_start(&self) -> Result<(), String> {
        if let Some(pid) = self.noted_pid().filter(|&pid| proc::is_gone(pid)) {
            self.wait_reaped(pid);
        }
        let mut command = self.pg_ctl(&["start", "-w", "-t", PG_CTL_WAIT, "-l"]);
        command.arg(self.log_file());
        if self.configuration != self.data {
            let file = self.configuration.join("postgresql.conf");
            command.arg("-o").arg(format!("-c config_file={}", file.display()));
        }
        account::output_of(command).map(|_| ()).map_err(|error| {
            let log = server_log::read(&self.log_file());
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(20)..].join("\n");
            format!("{error}\nits log ends with\n{tail}")
        })
    }

    /// Stops it and waits until it is gone. [`StopMode::Kill`] is [`Self::kill9`].
    ///
    /// # Panics
    /// When it is not gone after a minute: a smart stop waits for every client.
    pub fn stop(&self, mode: StopMode) {
        if mode == StopMode::Kill {
            self.kill9();
            return;
        }
        self.request_stop_and(mode, &["-w", "-t", PG_CTL_WAIT]);
        let ended = proc::wait_for(SIGNAL_WAIT, || place::server_processes(&self.data).is_empty());
        assert!(ended, "processes of {} outlive its postmaster", self.data.display());
    }

    /// Asks it to stop and does not wait: smart, fast or immediate.
    pub fn request_stop(&self, mode: StopMode) {
        self.request_stop_and(mode, &["-W"]);
    }

    /// Stops it in fast mode and starts it.
    pub fn restart(&self) {
        self.stop(StopMode::Fast);
        self.start();
    }

    /// Has it read its configuration files and waits until its log says so.
    pub fn reload(&self) {
        let said = || self.log_text().matches("received SIGHUP, reloading").count();
        let before = said();
        account::output_of(self.pg_ctl(&["reload"])).unwrap_or_else(|error| panic!("{error}"));
        let reloaded = proc::wait_for(SIGNAL_WAIT, || said() > before);
        assert!(reloaded, "{} does not reload", self.data.display());
    }

    /// Kills the postmaster with SIGKILL and waits until every process of the server is
    /// gone: the others notice, and are killed if they do not within two seconds.
    ///
    /// It also waits until init has counted the dead postmaster: for PostgreSQL a zombie is
    /// a process that still holds the data directory (`CreateLockFile`), and some
    /// containers' init takes seconds.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill9(&self) {
        let postmaster = self.expect_pid();
        self.expect_crash();
        proc::signal(postmaster, Signal::KILL);
        assert!(proc::wait_gone(postmaster, SIGNAL_WAIT), "the postmaster survives SIGKILL");
        let alone = || place::server_processes(&self.data).is_empty();
        if !proc::wait_for(Duration::from_secs(2), alone) {
            place::kill_processes(&self.data);
        }
        self.wait_reaped(postmaster);
    }

    /// Ends a server whose data directory was removed under it, at once: nothing names it any
    /// more but its processes' working directory. SIGQUIT, so that it frees its shared memory.
    ///
    /// # Panics
    /// When it survives.
    pub fn end_orphan(&self) {
        self.expect_crash();
        let removed = format!("{} (deleted)", self.data.display());
        let ended = proc::wait_for(SIGNAL_WAIT, || {
            let left = proc::working_in(Path::new(&removed));
            let is_postmaster =
                |pid: &i32| !proc::parent(*pid).is_some_and(|parent| left.contains(&parent));
            for &pid in left.iter().filter(|pid| is_postmaster(pid)) {
                proc::signal(pid, Signal::QUIT);
            }
            left.is_empty()
        });
        assert!(ended, "a server in {removed} survives SIGKILL");
    }

    /// Stops the postmaster with SIGSTOP: connections open but nobody answers; sessions
    /// that exist go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn sigstop(&self) {
        let pid = self.expect_pid();
        proc::signal(pid, Signal::STOP);
        let stopped = proc::wait_state(pid, ProcessState::Stopped, SIGNAL_WAIT);
        assert!(stopped, "the postmaster ignores SIGSTOP");
    }

    /// Stops every process of the server with SIGSTOP: it hangs as on a dead disk.
    ///
    /// # Panics
    /// When it does not run.
    pub fn sigstop_all(&self) {
        self.sigstop();
        for pid in place::server_processes(&self.data) {
            proc::signal(pid, Signal::STOP);
            let stopped = proc::wait_state(pid, ProcessState::Stopped, SIGNAL_WAIT);
            assert!(stopped || proc::is_gone(pid), "process {pid} ignores SIGSTOP");
        }
    }

    /// Lets every stopped process of the server go on.
    pub fn sigcont(&self) {
        for pid in place::server_processes(&self.data) {
            proc::signal(pid, Signal::CONT);
        }
    }

    /// The postmaster's pid while it runs.
    #[must_use]
    pub fn postmaster_pid(&self) -> Option<i32> {
        self.noted_pid().filter(|pid| place::server_processes(&self.data).contains(pid))
    }

    /// Whether its postmaster runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.postmaster_pid().is_some()
    }

    /// Every process of the server.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        place::server_processes(&self.data)
    }

    /// Appends a setting to `postgresql.conf`; the last one of a name wins. It takes effect
    /// with [`Self::reload`] or [`Self::restart`].
    pub fn set(&self, name: &str, value: &str) {
        let line = format!("{name} = '{}'\n", value.replace('\'', "''"));
        let mut file = fs::File::options()
            .append(true)
            .open(self.configuration.join("postgresql.conf"))
            .expect("postgresql.conf can be opened");
        file.write_all(line.as_bytes()).expect("postgresql.conf can be written");
    }

    /// Replaces `pg_hba.conf`. It takes effect with [`Self::reload`] or a start.
    pub fn set_hba(&self, text: &str) {
        fs::write(self.configuration.join("pg_hba.conf"), text)
            .expect("pg_hba.conf can be written");
    }

    /// Makes an empty file in the data directory, such as `standby.signal`.
    pub fn write_empty(&self, name: &str) {
        let path = self.data.join(name);
        fs::write(&path, "").expect("the data directory can be written");
        account::give(&path);
    }

    /// Makes a directory beside the data directory that the server may write.
    #[must_use]
    pub fn make_directory(&self, name: &str) -> std::path::PathBuf {
        let path = self.directory.join(name);
        fs::create_dir(&path).expect("a directory can be made beside the data directory");
        account::give(&path);
        path
    }

    /// Ends the server, whatever state it is in, and frees what it leaves in the kernel.
    pub(super) fn end(&self) {
        if self.is_running() {
            self.expect_crash();
            self.sigcont();
            let mut stop = self.pg_ctl(&["stop", "-m", "immediate", "-w", "-t", "10"]);
            // A server that does not obey is killed below.
            let _ = stop.output();
        }
        place::end_processes(&self.data);
    }

    fn request_stop_and(&self, mode: StopMode, options: &[&str]) {
        if mode == StopMode::Immediate {
            self.expect_crash();
        }
        let mut command = self.pg_ctl(&["stop", "-m", mode.word()]);
        command.args(options);
        account::output_of(command).unwrap_or_else(|error| panic!("{error}"));
    }

    /// What a server says when it is ended without a chance to shut down is no finding.
    fn expect_crash(&self) {
        for text in server_log::AFTER_CRASH {
            self.allow_log(text);
        }
    }

    /// The pid in `postmaster.pid`, whoever has it.
    fn noted_pid(&self) -> Option<i32> {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    fn wait_reaped(&self, pid: i32) {
        let reaped = proc::wait_for(SIGNAL_WAIT, || proc::state(pid).is_none());
        assert!(reaped, "nobody reaps the dead postmaster {pid} of {}", self.data.display());
    }

    fn expect_pid(&self) -> i32 {
        self.postmaster_pid().unwrap_or_else(|| panic!("{} does not run", self.data.display()))
    }

    fn pg_ctl(&self, arguments: &[&str]) -> Command {
        let mut command = account::command(self.major.program("pg_ctl"));
        command.arg("-D").arg::<&Path>(&self.data).args(arguments);
        command
    }
}
