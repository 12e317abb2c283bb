//! A program that goes on while the test does something else.

use std::io::{Read, Write};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{Finished, Run};
use crate::proc;

/// How long after its end somebody may still hold its output open.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);

/// A command that was started. Dropping it kills it with its process group.
pub struct Running {
    child: Child,
    run: Run,
    started: Instant,
    stdout: Collector,
    stderr: Collector,
}

impl Running {
    pub(super) fn new(run: Run) -> Self {
        let started = Instant::now();
        let mut child = run.spawn();
        let mut input = child.stdin.take().expect("standard input is a pipe");
        let text = run.input.clone();
        // A program that does not read its input must not make the test hang.
        std::thread::spawn(move || input.write_all(&text));
        let stdout = Collector::read(child.stdout.take().expect("standard output is a pipe"));
        let stderr = Collector::read(child.stderr.take().expect("standard error is a pipe"));
        Self { child, run, started, stdout, stderr }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids fit")
    }

    /// Whether it has not ended yet.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// What it has printed so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has said on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until it has printed this text; whether it has, in that time.
    #[must_use]
    pub fn wait_stdout(&self, text: &str, timeout: Duration) -> bool {
        proc::wait_for(timeout, || self.stdout().contains(text))
    }

    /// Kills it, and nothing that it has started.
    pub fn kill(&self) {
        proc::signal(self.pid(), Signal::KILL);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it takes too long, with what it has printed.
    #[track_caller]
    pub fn finish(self) -> Finished {
        self.try_finish().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same for a command that may take too long.
    ///
    /// # Errors
    /// It took too long and was killed, with its process group; what it has printed.
    pub fn try_finish(mut self) -> Result<Finished, String> {
        let Some(status) = self.wait() else {
            return Err(format!(
                "{} {:?} is not done after {:?}\nstdout:\n{}\nstderr:\n{}",
                self.run.program.display(),
                self.run.arguments,
                self.run.timeout,
                self.stdout(),
                self.stderr()
            ));
        };
        let took = self.started.elapsed();
        let is_read = || self.stdout.is_finished() && self.stderr.is_finished();
        let closed = proc::wait_for(OUTPUT_GRACE, is_read);
        Ok(Finished {
            status,
            stdout: self.stdout(),
            stderr: self.stderr(),
            output_held_open: !closed,
            took,
        })
    }

    /// Waits for the end of the child; `None` when it takes longer.
    fn wait(&mut self) -> Option<ExitStatus> {
        let timeout = self.run.timeout;
        let mut status = None;
        let ended = proc::wait_for(timeout, || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        if ended { status } else { None }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_running() {
            let group = Pid::from_raw(self.pid());
            // It may end by itself in this very moment.
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            let _ = self.child.wait();
        }
    }
}

/// Reads a stream on a thread, so that what has come is known before its end.
struct Collector {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Collector {
    fn read(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                lock(&sink).extend_from_slice(&buffer[..count]);
            }
        });
        Self { bytes, thread }
    }

    fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.bytes)).into_owned()
    }
}

fn lock(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}
