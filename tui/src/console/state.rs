//! The console's state, the messages that change it, and the effects a change asks for.
//! Plain data: nothing here reads, writes or waits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use crossterm::event::{KeyEvent, MouseEvent};
use pgdeck_engine::api::{
    BackendTarget, Command, Error, Event, Fleet, InstanceId, Interest, JobId, JobState, Limits,
    RequestId, SetupRequest, SetupThen, Severity, Snapshot,
};

use super::actions::Action;
use super::dialogs::Dialog;
use super::panes::{PaneId, Panes};
use super::zone::Zone;

/// What has happened.
#[derive(Debug)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was clicked or its wheel turned.
    Mouse(MouseEvent),
    /// Text was pasted, newlines already turned into spaces.
    Paste(String),
    /// The engine published.
    Fleet(Arc<Fleet>),
    /// The engine answered.
    Event(Event),
    /// The engine did not take a command.
    Refused(RequestId, Error),
    /// The terminal's size changed.
    Resize(u16, u16),
    /// Time has passed; sent once a second while something on the screen depends on it.
    Tick(DateTime<Utc>),
}

/// What is to be done, by `effects.rs` and nowhere else.
#[derive(Clone, Debug, PartialEq)]
pub enum Cmd {
    /// Give the engine a command.
    Send(RequestId, Command),
    /// Throw away keys typed before a dangerous dialog opened.
    DrainInput,
    /// Put text on the terminal's clipboard (OSC 52).
    Copy(String),
    /// Draw everything again.
    Repaint,
    /// Stop this process as Ctrl-Z does.
    Suspend,
    /// Leave the terminal and stay until running jobs are finished.
    Background,
    /// End.
    Quit,
}

/// The line above the hints: what became of the last action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How it went.
    pub severity: Severity,
    /// One line.
    pub text: String,
    /// When it was said.
    pub at: DateTime<Utc>,
}

/// Seconds for which something merely good to know is shown.
const NOTICE_SECONDS: i64 = 20;

impl Notice {
    /// Whether it has been shown long enough. Warnings and errors stay until Esc or the next.
    #[must_use]
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.severity == Severity::Info && (now - self.at).num_seconds() >= NOTICE_SECONDS
    }
}

/// What is on the screen while paused.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// What the engine had published.
    pub fleet: Arc<Fleet>,
    /// When; ages are counted up to this moment.
    pub at: DateTime<Utc>,
}

/// What a request was for, to explain its answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Pending {
    /// A confirmed action.
    Action(Action),
    /// The text of a query, for an open detail view.
    Query(BackendTarget),
    /// The operations log.
    Operations,
    /// What a backup would do, for an open plan.
    BackupPlan,
    /// What a set-up would change.
    SetupPlan(SetupRequest),
    /// Something for the recovery flow: its map, mistakes, its plan.
    Recovery,
    /// How the recovery of this instance stands, told by the job that was begun.
    RecoveryJob(InstanceId),
    /// Something whose answer needs no word.
    Silent,
}

/// Everything the console knows.
#[derive(Debug)]
pub struct State {
    /// What the engine published last.
    pub fleet: Arc<Fleet>,
    /// What is shown instead while paused.
    pub frozen: Option<Frozen>,
    /// The instance on the screen.
    pub selected: Option<InstanceId>,
    /// The pane on the screen.
    pub pane: PaneId,
    /// Their states.
    pub panes: Panes,
    /// Open dialogs, the topmost last.
    pub dialogs: Vec<Dialog>,
    /// The last result.
    pub notice: Option<Notice>,
    /// Requests waiting for an answer.
    pub pending: BTreeMap<RequestId, Pending>,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Milliseconds between refreshes.
    pub interval_ms: u32,
    /// Nothing may be changed.
    pub read_only: bool,
    /// Thresholds, for the rules shown in panes.
    pub limits: Limits,
    /// The time of the last tick.
    pub now: DateTime<Utc>,
    /// Whose time is shown.
    pub zone: Zone,
    /// What the engine was last told to watch.
    pub watched: Option<(InstanceId, Interest)>,
    /// The data directory to begin with, until it is found or another instance is chosen.
    pub preferred: Option<PathBuf>,
    /// Set-ups at work, and what is left to do after each.
    pub setups: BTreeMap<JobId, SetupThen>,
    /// Undos at work after which another recovery is to begin, with its backup destination.
    pub redone: BTreeMap<JobId, PathBuf>,
    /// This program's path, which an archive command names.
    pub program: PathBuf,
    /// Quit as soon as the jobs that were told to stop have done so.
    pub quits_after_jobs: bool,
    next_request: u64,
}

/// How a console begins.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Nothing may be changed.
    pub read_only: bool,
    /// Milliseconds between refreshes.
    pub interval_ms: u32,
    /// Thresholds.
    pub limits: Limits,
    /// Columns and rows.
    pub size: (u16, u16),
    /// The time.
    pub now: DateTime<Utc>,
    /// Whose time is shown.
    pub zone: Zone,
    /// The data directory to begin with, when it is found.
    pub preferred: Option<PathBuf>,
    /// This program's path.
    pub program: PathBuf,
}

impl State {
    /// A console before the first snapshot.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            fleet: Arc::default(),
            frozen: None,
            selected: None,
            pane: PaneId::Overview,
            panes: Panes::new(setup.limits.idle_in_transaction_minutes),
            dialogs: Vec::new(),
            notice: None,
            pending: BTreeMap::new(),
            size: setup.size,
            interval_ms: setup.interval_ms,
            read_only: setup.read_only,
            limits: setup.limits,
            now: setup.now,
            zone: setup.zone,
            watched: None,
            preferred: setup.preferred,
            setups: BTreeMap::new(),
            redone: BTreeMap::new(),
            program: setup.program,
            quits_after_jobs: false,
            next_request: 1,
        }
    }

    /// The fleet on the screen: the newest, or the frozen one.
    #[must_use]
    pub fn shown_fleet(&self) -> &Arc<Fleet> {
        self.frozen.as_ref().map_or(&self.fleet, |frozen| &frozen.fleet)
    }

    /// The moment up to which the screen counts ages.
    #[must_use]
    pub fn shown_now(&self) -> DateTime<Utc> {
        self.frozen.as_ref().map_or(self.now, |frozen| frozen.at)
    }

    /// Goes to another instance, as the user wishes.
    pub fn choose(&mut self, instance: InstanceId) {
        self.selected = Some(instance);
        self.preferred = None;
    }

    /// The snapshot on the screen.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.shown_fleet().get(self.selected.as_ref()?)
    }

    /// The newest snapshot of the instance on the screen, even while paused: actions are
    /// checked against it.
    #[must_use]
    pub fn newest(&self) -> Option<&Arc<Snapshot>> {
        self.fleet.get(self.selected.as_ref()?)
    }

    /// Makes a command into an effect and remembers what it is for.
    pub fn request(&mut self, command: Command, pending: Pending) -> Cmd {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        if pending != Pending::Silent {
            self.pending.insert(id, pending);
        }
        Cmd::Send(id, command)
    }

    /// Says what became of something.
    pub fn say(&mut self, severity: Severity, text: impl Into<String>) {
        self.notice = Some(Notice { severity, text: text.into(), at: self.now });
    }

    /// Jobs of this process that are at work.
    #[must_use]
    pub fn own_running_jobs(&self) -> Vec<JobId> {
        let jobs = self.fleet.jobs.iter();
        jobs.filter(|job| job.is_own && job.state == JobState::Running)
            .map(|job| job.id.clone())
            .collect()
    }

    /// Whether the screen is too small for anything but one line.
    #[must_use]
    pub fn is_too_small(&self) -> bool {
        self.size.0 < WIDTH_MIN || self.size.1 < HEIGHT_MIN
    }
}

/// Fewer columns than this show one line only.
pub const WIDTH_MIN: u16 = 60;
/// Fewer rows than this show one line only.
pub const HEIGHT_MIN: u16 = 20;
