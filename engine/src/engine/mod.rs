//! The engine as a front end holds it: a thread of its own with everything in it.
//!
//! Commands go in through a bounded queue (full means "engine busy", never a wait); the fleet
//! comes out through a `watch`, events through a bounded channel.

mod answering;
mod archive;
mod backups;
mod catalog;
mod job;
mod mistakes;
mod operate;
mod recoveries;
mod rehearsals;
mod supervisor;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::api::{
    Command, ConsoleSettings, EngineConfig, Error, ErrorCode, Event, Fleet, Limits, RequestId,
    Result,
};
use crate::instance::config_file::ConfigFile;
use crate::monitor::publisher::Publisher;

pub use crate::recovery::diagnose::log_end as recovery_log_end;
pub use archive::{wal_ahead, wal_get, wal_push};
pub use backups::data_directory_of;

pub use crate::demo::Demo;
pub use crate::demo::load::run as run_demo_load;

/// Commands that may wait.
const COMMANDS_MAX: usize = 64;
/// Events that may wait for the front end.
const EVENTS_MAX: usize = 256;
/// Threads for file system calls; a hanging disk holds at most one each.
const BLOCKING_THREADS_MAX: usize = 32;
/// How long a thread that is told to end is waited for.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// A running engine. Dropping it ends its thread; jobs at work end with the process.
#[derive(Debug)]
pub struct Engine {
    commands: Option<mpsc::Sender<(RequestId, Command)>>,
    fleet: watch::Receiver<Arc<Fleet>>,
    events: Option<mpsc::Receiver<Event>>,
    thread: Option<JoinHandle<()>>,
    /// Disconnected when the thread has ended.
    ended: std::sync::mpsc::Receiver<()>,
    limits: Limits,
}

impl Engine {
    /// Reads `pgdeck.toml` and starts the engine's thread.
    ///
    /// # Errors
    /// `ConfigInvalid`; `FileAccess` when no thread can be made.
    pub fn start(config: EngineConfig) -> Result<Self> {
        let (file, _) = ConfigFile::load(config.config_file.as_deref())?;
        let limits = config.limits.clone().unwrap_or_else(|| file.limits());
        let (commands, commands_receiver) = mpsc::channel(COMMANDS_MAX);
        let (events_sender, events) = mpsc::channel(EVENTS_MAX);
        let (fleet_sender, fleet) = std::sync::mpsc::sync_channel(1);
        let (ending, ended) = std::sync::mpsc::sync_channel(0);
        let thread = std::thread::Builder::new()
            .name("pgdeck-engine".into())
            .spawn(move || {
                run(config, file, commands_receiver, events_sender, &fleet_sender);
                drop(ending);
            })
            .map_err(|error| cannot_start(&error.to_string()))?;
        let fleet = fleet.recv().map_err(|_| cannot_start("its thread ended at once"))?;
        Ok(Self {
            commands: Some(commands),
            fleet,
            events: Some(events),
            thread: Some(thread),
            ended,
            limits,
        })
    }

    /// What `pgdeck.toml` says about thresholds and the console, without starting anything.
    ///
    /// # Errors
    /// `ConfigInvalid`.
    pub fn read_settings(config_file: Option<&Path>) -> Result<(Limits, ConsoleSettings)> {
        let (file, _) = ConfigFile::load(config_file)?;
        Ok((file.limits(), file.console_settings()))
    }

    /// The fleet as it changes.
    #[must_use]
    pub fn fleet(&self) -> watch::Receiver<Arc<Fleet>> {
        self.fleet.clone()
    }

    /// Gives a command. Its answer comes as an event with the same request.
    ///
    /// # Errors
    /// `EngineBusy` when the queue is full.
    pub fn send(&self, request: RequestId, command: Command) -> Result<()> {
        let sent = self.commands.as_ref().map(|commands| commands.try_send((request, command)));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(Error::new(ErrorCode::EngineBusy, "the engine takes no more commands now")),
        }
    }

    /// The events; `None` after the first call.
    pub fn take_events(&mut self) -> Option<mpsc::Receiver<Event>> {
        self.events.take()
    }

    /// The thresholds in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl Drop for Engine {
    /// Connections say goodbye; a thread that hangs in a dead disk is left behind.
    fn drop(&mut self) {
        self.commands = None;
        let Some(thread) = self.thread.take() else { return };
        // Nothing is ever sent: its other end is dropped with the thread, also when that panics.
        if self.ended.recv_timeout(CLOSE_LIMIT) == Err(RecvTimeoutError::Disconnected) {
            let _ = thread.join();
        }
    }
}

fn cannot_start(reason: &str) -> Error {
    Error::new(ErrorCode::FileAccess, "the engine cannot be started").detail(reason)
}

fn run(
    config: EngineConfig,
    file: ConfigFile,
    commands: mpsc::Receiver<(RequestId, Command)>,
    events: mpsc::Sender<Event>,
    fleet: &std::sync::mpsc::SyncSender<watch::Receiver<Arc<Fleet>>>,
) {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build();
    let Ok(runtime) = built else { return };
    let (publisher, receiver) = Publisher::new();
    if fleet.send(receiver).is_err() {
        return;
    }
    let local = tokio::task::LocalSet::new();
    let supervisor = supervisor::Supervisor::new(config, file, publisher, events);
    local.block_on(&runtime, supervisor.run(commands));
    drop(local);
    // Name look-ups and dead disks may hold blocking threads: do not wait for them.
    runtime.shutdown_background();
}
