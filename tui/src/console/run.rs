//! The loop: keys, the engine, signals and time in; one frame out when something has changed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use pgdeck_engine::api::{Engine, Error, ErrorCode, Event, Fleet, JobState, Result, Severity};
use tokio::sync::{mpsc, watch};

use super::look::Look;
use super::state::{Cmd, Msg, Pending, Setup, State};
use super::terminal::input::{Input, Keys};
use super::terminal::policy::TerminalPolicy;
use super::terminal::screen::{Drawn, RETRY, Screen};
use super::terminal::signals::{Signal, Signals};
use super::terminal::symbols::Symbols;
use super::terminal::{Copied, Mouse, background, detach, install_hooks};
use super::update::update;
use super::view::view;
use super::zone::Zone;
use crate::theme::Theme;

/// How long to wait, without a terminal, for answers to commands already given.
const ANSWERS_LIMIT: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_secs(1);

/// What the command line and `pgdeck.toml` say about the console.
#[derive(Debug)]
pub struct Options {
    /// What may be sent to the terminal.
    pub policy: TerminalPolicy,
    /// The theme's name.
    pub theme: String,
    /// More themes.
    pub theme_directory: Option<std::path::PathBuf>,
    /// Mouse reports.
    pub mouse: Mouse,
    /// Between refreshes.
    pub interval: Duration,
    /// Nothing may be changed.
    pub read_only: bool,
    /// The data directory to begin with.
    pub preferred: Option<std::path::PathBuf>,
}

/// How the console ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Quit,
    Background,
    Hangup,
    Terminated,
}

/// Runs the console; the exit code.
///
/// # Errors
/// `TerminalUnsuitable` when the terminal cannot be used, `ConfigInvalid` for a theme.
pub fn run(engine: Engine, options: &Options) -> Result<u8> {
    let unsuitable = |error: io::Error| {
        Error::new(ErrorCode::TerminalUnsuitable, "the terminal cannot be used")
            .detail(error.to_string())
    };
    install_hooks(options.policy.charset).map_err(|error| {
        Error::new(ErrorCode::TerminalUnsuitable, "reports cannot be set up")
            .detail(error.to_string())
    })?;
    let theme = Theme::load(&options.theme, options.theme_directory.as_deref(), &options.policy)
        .map_err(|error| {
            Error::new(ErrorCode::ConfigInvalid, "the theme cannot be used")
                .detail(error.to_string())
                .hint("Themes are: default, mono, high-contrast, colorblind, light, and those of --theme-dir.")
        })?;
    let look = Look { theme, symbols: Symbols::of(&options.policy) };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unsuitable)?;
    runtime.block_on(async {
        let mut console = Console::new(engine, options, look).map_err(unsuitable)?;
        let end = match console.work().await {
            Ok(end) => end,
            // The terminal can fail before its signal arrives.
            Err(error) if error.raw_os_error().is_some() => End::Hangup,
            Err(error) => return Err(unsuitable(error)),
        };
        console.end(end).await.map_err(unsuitable)
    })
}

struct Console {
    engine: Engine,
    fleet: watch::Receiver<Arc<Fleet>>,
    events: mpsc::Receiver<Event>,
    state: State,
    look: Look,
    screen: Screen,
    keys: Keys,
    signals: Signals,
}

impl Console {
    fn new(mut engine: Engine, options: &Options, look: Look) -> io::Result<Self> {
        let signals = Signals::install()?;
        let screen = Screen::open(options.policy, options.mouse)?;
        let keys = Keys::start(&options.policy)?;
        let fleet = engine.fleet();
        let events = engine.take_events().ok_or_else(|| io::Error::other("no events"))?;
        let size = screen.size()?;
        let state = State::new(Setup {
            read_only: options.read_only,
            interval_ms: u32::try_from(options.interval.as_millis()).unwrap_or(1_000),
            limits: engine.limits().clone(),
            size: (size.width, size.height),
            now: Utc::now(),
            zone: Zone::Local,
            preferred: options.preferred.clone(),
        });
        Ok(Self { engine, fleet, events, state, look, screen, keys, signals })
    }

    /// Works until something ends it.
    async fn work(&mut self) -> io::Result<End> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let drawn = self.draw()?;
            let mut messages = tokio::select! {
                signal = self.signals.next() => match self.take_signal(signal)? {
                    Some(end) => return Ok(end),
                    None => Vec::new(),
                },
                input = self.keys.next() => match input {
                    Input::Hangup => return Ok(End::Hangup),
                    input => messages_of(input),
                },
                Ok(()) = self.fleet.changed() => self.fleet_messages(),
                Some(event) = self.events.recv() => vec![Msg::Event(event)],
                _ = tick.tick(), if needs_ticks(&self.state) => vec![Msg::Tick(Utc::now())],
                () = tokio::time::sleep(RETRY), if drawn == Drawn::Behind => Vec::new(),
            };
            self.drain(&mut messages);
            for message in messages {
                if let Some(end) = self.update(message)? {
                    return Ok(end);
                }
            }
            if let Some(end) = self.take_keys()? {
                return Ok(end);
            }
        }
    }

    fn draw(&mut self) -> io::Result<Drawn> {
        let (state, look) = (&self.state, &self.look);
        self.screen.draw(|frame| {
            let area = frame.area();
            if let Some(position) = view(state, look, area, frame.buffer_mut()) {
                frame.set_cursor_position(position);
            }
        })
    }

    fn fleet_messages(&mut self) -> Vec<Msg> {
        let fleet = self.fleet.borrow_and_update().clone();
        vec![Msg::Tick(Utc::now()), Msg::Fleet(fleet)]
    }

    /// Takes what else is waiting from the engine, so that it is drawn once.
    fn drain(&mut self, messages: &mut Vec<Msg>) {
        while let Ok(event) = self.events.try_recv() {
            messages.push(Msg::Event(event));
        }
        if self.fleet.has_changed().unwrap_or(false) {
            let more = self.fleet_messages();
            messages.extend(more);
        }
    }

    /// Takes what else was typed. One key at a time: what it opens may drain the rest.
    fn take_keys(&mut self) -> io::Result<Option<End>> {
        while let Some(input) = self.keys.try_next() {
            if input == Input::Hangup {
                return Ok(Some(End::Hangup));
            }
            for message in messages_of(input) {
                if let Some(end) = self.update(message)? {
                    return Ok(Some(end));
                }
            }
        }
        Ok(None)
    }

    fn take_signal(&mut self, signal: Signal) -> io::Result<Option<End>> {
        match signal {
            Signal::Hangup => return Ok(Some(End::Hangup)),
            Signal::Terminate | Signal::Interrupt => return Ok(Some(End::Terminated)),
            Signal::Resize => self.resized()?,
            Signal::Continue => {
                self.screen.continued()?;
                self.resized()?;
            }
        }
        Ok(None)
    }

    fn resized(&mut self) -> io::Result<()> {
        self.screen.repaint()?;
        let size = self.screen.size()?;
        update(&mut self.state, Msg::Resize(size.width, size.height));
        Ok(())
    }

    fn update(&mut self, message: Msg) -> io::Result<Option<End>> {
        for effect in update(&mut self.state, message) {
            match effect {
                Cmd::Send(request, command) => {
                    if let Err(error) = self.engine.send(request, command) {
                        update(&mut self.state, Msg::Refused(request, error));
                    }
                }
                Cmd::DrainInput => self.keys.drain(),
                Cmd::Copy(text) => {
                    if self.screen.copy(&text)? == Copied::Impossible {
                        self.state.say(
                            Severity::Info,
                            "this terminal has no clipboard; copy it from here",
                        );
                    }
                }
                Cmd::Repaint => self.screen.repaint()?,
                Cmd::Suspend => {
                    self.screen.suspend(&self.keys)?;
                    self.resized()?;
                }
                Cmd::Background => return Ok(Some(End::Background)),
                Cmd::Quit => return Ok(Some(End::Quit)),
            }
        }
        Ok(None)
    }

    /// Leaves the terminal; without one, stays until running jobs are finished.
    async fn end(self, end: End) -> io::Result<u8> {
        let Self { engine, mut fleet, mut events, state, screen, keys, .. } = self;
        let code = match end {
            End::Quit | End::Background => 0,
            // As a shell tells a program that a signal has ended.
            End::Hangup => 129,
            End::Terminated => 143,
        };
        drop(keys);
        match end {
            End::Quit | End::Terminated => drop(screen),
            End::Background => {
                drop(screen);
                background()?;
            }
            End::Hangup => {
                detach()?;
                drop(screen);
            }
        }
        if matches!(end, End::Background | End::Hangup) {
            wait_for_answers(&state, &mut events).await;
            let is_done = |fleet: &Arc<Fleet>| {
                !fleet.jobs.iter().any(|job| job.is_own && job.state == JobState::Running)
            };
            let events_go_on = async {
                while events.recv().await.is_some() {}
                std::future::pending::<()>().await;
            };
            tokio::select! {
                _ = fleet.wait_for(is_done) => {}
                () = events_go_on => {}
            }
        }
        drop(engine);
        Ok(code)
    }
}

/// A command given a moment ago may yet become a job.
async fn wait_for_answers(state: &State, events: &mut mpsc::Receiver<Event>) {
    let is_action = |pending: &&Pending| matches!(pending, Pending::Action(_));
    let mut waiting = state.pending.values().filter(is_action).count();
    let answers = async {
        while waiting > 0 {
            match events.recv().await {
                Some(
                    Event::Accepted { .. }
                    | Event::Refused { .. }
                    | Event::Done { .. }
                    | Event::Signalled { .. },
                ) => {
                    waiting -= 1;
                }
                Some(_) => {}
                None => return,
            }
        }
    };
    let _ = tokio::time::timeout(ANSWERS_LIMIT, answers).await;
}

/// pgdeck has no Alt keys: what arrives as one was Esc and a key typed right after it.
fn messages_of(input: Input) -> Vec<Msg> {
    match input {
        Input::Key(event) if event.modifiers.contains(KeyModifiers::ALT) => {
            let key = KeyEvent::new(event.code, event.modifiers - KeyModifiers::ALT);
            let escape = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
            vec![Msg::Key(escape), Msg::Key(key)]
        }
        Input::Key(event) => vec![Msg::Key(event)],
        Input::Paste(text) => vec![Msg::Paste(text)],
        Input::Mouse(event) => vec![Msg::Mouse(event)],
        Input::Hangup => Vec::new(),
    }
}

/// Whether something on the screen depends on the time alone: the age of stale data, a notice.
fn needs_ticks(state: &State) -> bool {
    state.quits_after_jobs
        || state.notice.as_ref().is_some_and(|notice| notice.severity == Severity::Info)
        || state.snapshot().is_some_and(|snapshot| {
            snapshot.sessions.is_stale() || snapshot.server.is_stale() || snapshot.rates.is_stale()
        })
}
