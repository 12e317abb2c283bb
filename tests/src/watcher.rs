//! The engine as a console holds it: snapshots that follow each other, commands, events.

use std::path::Path;
use std::time::{Duration, Instant};

use pgdeck_engine::api::{
    Command, Engine, EngineConfig, Error, Event, InstanceId, JobId, JobStatus, RequestId, Scope,
    Snapshot,
};
use std::sync::Arc;

use crate::{Deck, TestInstance, proc};

/// How long something may take to show, unless the test says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running engine on one instance, asked from a test without an async runtime.
pub struct Watcher {
    engine: Engine,
    events: tokio::sync::mpsc::Receiver<Event>,
    /// Events that answered somebody else.
    seen: Vec<Event>,
    next_request: u64,
}

impl Watcher {
    /// Starts an engine.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(config: EngineConfig) -> Self {
        let mut engine = Engine::start(config).unwrap_or_else(|error| panic!("{error}"));
        let events = engine.take_events().expect("nobody took the events");
        Self { engine, events, seen: Vec::new(), next_request: 1 }
    }

    /// An engine on this instance, with the journal of that deck.
    #[must_use]
    pub fn of(instance: &TestInstance, deck: &Deck) -> Self {
        Self::start(EngineConfig {
            scope: Scope::DataDirectory(instance.data_directory().to_owned()),
            bin_directory: Some(instance.bin_directory()),
            ..Self::config(deck)
        })
    }

    /// An engine on a data directory, whatever is there, with the journal of that deck.
    #[must_use]
    pub fn of_directory(directory: &Path, deck: &Deck) -> Self {
        let scope = Scope::DataDirectory(directory.to_owned());
        Self::start(EngineConfig { scope, ..Self::config(deck) })
    }

    /// An engine on a connection string, with the journal of that deck.
    #[must_use]
    pub fn remote(connection: &str, deck: &Deck) -> Self {
        let scope = Scope::Connection(connection.to_owned());
        Self::start(EngineConfig { scope, ..Self::config(deck) })
    }

    /// The parts of a setup that keep a test from the developer's own files.
    #[must_use]
    pub fn config(deck: &Deck) -> EngineConfig {
        EngineConfig {
            interval: Some(Duration::from_millis(250)),
            config_file: Some(deck.home().write("pgdeck.toml", "")),
            state_directory: Some(deck.state_directory().to_owned()),
            ..EngineConfig::default()
        }
    }

    /// The snapshot of the only instance, now.
    ///
    /// # Panics
    /// When there is none after a while.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        let mut found = None;
        let _ = proc::wait_for(PATIENCE, || {
            found = self.engine.fleet().borrow().instances.first().cloned();
            found.is_some()
        });
        found.expect("the engine finds its instance")
    }

    /// The instance's key.
    #[must_use]
    pub fn id(&self) -> InstanceId {
        self.snapshot().identity.id.clone()
    }

    /// Waits for a snapshot as wanted.
    ///
    /// # Panics
    /// When none comes, with the last one.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut last = self.snapshot();
        let came = proc::wait_for(PATIENCE, || {
            last = self.snapshot();
            wanted(&last)
        });
        assert!(came, "{what} never comes: {:#?}", Brief::of(&last));
        last
    }

    /// The jobs on the board.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobStatus> {
        self.engine.fleet().borrow().jobs.to_vec()
    }

    /// Waits for a job as wanted.
    ///
    /// # Panics
    /// When there is none, with those there are.
    #[track_caller]
    pub fn wait_job(&self, what: &str, wanted: impl Fn(&JobStatus) -> bool) -> JobStatus {
        let mut found = None;
        let _ = proc::wait_for(PATIENCE, || {
            found = self.jobs().into_iter().find(&wanted);
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("{what} never comes: {:#?}", self.jobs()))
    }

    /// Gives a command and goes on.
    ///
    /// # Panics
    /// When the engine takes no commands.
    pub fn send(&mut self, command: Command) -> RequestId {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.engine.send(request, command).unwrap_or_else(|error| panic!("{error}"));
        request
    }

    /// Gives a command and waits for its first answer.
    ///
    /// # Errors
    /// The refusal.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn ask(&mut self, command: Command) -> Result<Event, Error> {
        let request = self.send(command);
        self.answer(request)
    }

    /// Waits for the first answer to a command that was given before.
    ///
    /// # Errors
    /// The refusal.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn answer(&mut self, request: RequestId) -> Result<Event, Error> {
        let event = self.event(PATIENCE, |event| event.request() == Some(request));
        match event {
            Event::Refused { error, .. } => Err(error),
            event => Ok(event),
        }
    }

    /// Waits for the end of a job.
    ///
    /// # Errors
    /// Why it failed.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn job_end(&mut self, job: &JobId) -> Result<String, Error> {
        let is_its =
            |event: &Event| matches!(event, Event::JobEnded { job: ended, .. } if ended == job);
        match self.event(PATIENCE * 2, is_its) {
            Event::JobEnded { outcome, .. } => outcome,
            event => panic!("{event:?}"),
        }
    }

    fn event(&mut self, limit: Duration, wanted: impl Fn(&Event) -> bool) -> Event {
        if let Some(at) = self.seen.iter().position(&wanted) {
            return self.seen.remove(at);
        }
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            match self.events.try_recv() {
                Ok(event) if wanted(&event) => return event,
                Ok(event) => self.seen.push(event),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        panic!("the event never comes; there were {:?}", self.seen);
    }
}

/// The part of a snapshot that a failing test shows.
#[derive(Debug)]
#[expect(dead_code, reason = "for the Debug form only")]
struct Brief {
    state: &'static str,
    detail: String,
    connected: bool,
    connect_error: Option<Error>,
    sessions: Option<usize>,
    sessions_error: Option<String>,
    messages: Vec<String>,
}

impl Brief {
    fn of(snapshot: &Snapshot) -> Self {
        let status = &snapshot.status;
        Self {
            state: status.state.word(),
            detail: status.detail.clone(),
            connected: snapshot.connected,
            connect_error: status.connect_error.clone(),
            sessions: snapshot.sessions.get().map(Vec::len),
            sessions_error: snapshot.sessions.error.as_ref().map(ToString::to_string),
            messages: snapshot.messages.iter().map(|message| message.text.clone()).collect(),
        }
    }
}
