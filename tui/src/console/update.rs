//! What a message changes. No input, no output, no waiting: effects are returned.

use chrono::{DateTime, Utc};
use crossterm::event::KeyEvent;
use pgdeck_engine::api::{Command, Fleet, JobState, Severity, Snapshot};
use std::sync::Arc;

use super::ask_recovery;
use super::commands;
use super::dialogs::Context as DialogContext;
use super::dispatch;
use super::events;
use super::keys::Key;
use super::layout;
use super::mouse;
use super::needs;
use super::outcome;
use super::panes::{Context, Pane};
use super::state::{Cmd, Msg, Pending, State};

/// Takes a message; what is to be done about it.
pub fn update(state: &mut State, msg: Msg) -> Vec<Cmd> {
    let mut effects = match msg {
        Msg::Key(event) => key(state, &event),
        Msg::Mouse(event) => mouse::take(state, &event),
        Msg::Paste(text) => paste(state, &text),
        Msg::Fleet(fleet) => {
            take_fleet(state, fleet);
            ask_recovery::looked(state)
        }
        Msg::Event(event) => events::take(state, event),
        Msg::Refused(request, error) => {
            state.pending.remove(&request);
            state.say(Severity::Error, one_line(&error));
            Vec::new()
        }
        Msg::Resize(columns, rows) => {
            state.size = (columns, rows);
            Vec::new()
        }
        Msg::Tick(now) => {
            tick(state, now);
            Vec::new()
        }
    };
    effects.extend(watch(state));
    state.settle();
    effects
}

impl State {
    /// What panes may look at.
    #[must_use]
    pub fn context(&self) -> Context<'_> {
        Context {
            snapshot: self.snapshot().map(AsRef::as_ref),
            limits: &self.limits,
            now: self.shown_now(),
            zone: self.zone,
            jobs: &self.fleet.jobs,
        }
    }

    /// Brings the pane on the screen in line with snapshot and size.
    pub fn settle(&mut self) {
        let height = layout::body(self.size).height;
        self.with_pane(|pane, context| pane.settle(context, usize::from(height)));
    }

    /// Runs a command of the pane on the screen; whether it was one.
    pub fn run_in_pane(&mut self, command: commands::CommandId) -> bool {
        self.with_pane(|pane, context| pane.run(command, context))
    }

    /// Lets the pane on the screen change while it looks at the rest of the state.
    fn with_pane<T>(&mut self, work: impl FnOnce(&mut dyn Pane, &Context<'_>) -> T) -> T {
        let fleet = Arc::clone(self.shown_fleet());
        let snapshot = self.selected.as_ref().and_then(|id| fleet.get(id));
        let context = Context {
            snapshot: snapshot.map(AsRef::as_ref),
            limits: &self.limits,
            now: self.shown_now(),
            zone: self.zone,
            jobs: &self.fleet.jobs,
        };
        work(self.panes.get_mut(self.pane), &context)
    }
}

/// An error on one line, for the notice.
#[must_use]
pub fn one_line(error: &pgdeck_engine::api::Error) -> String {
    let detail =
        if error.detail.is_empty() { String::new() } else { format!(": {}", error.detail) };
    format!("{}{detail}. {}", error.fact, error.hint)
}

/// Takes a key.
pub(super) fn key(state: &mut State, event: &KeyEvent) -> Vec<Cmd> {
    let Some(pressed) = Key::from_event(event) else { return Vec::new() };
    if state.is_too_small() {
        // Only what the one line says can be done.
        return match pressed {
            Key::Char('q') | Key::Ctrl('c') => dispatch::run(state, commands::CommandId::Quit),
            Key::Ctrl('z') => vec![Cmd::Suspend],
            Key::Ctrl('l') => vec![Cmd::Repaint],
            _ => Vec::new(),
        };
    }
    // These work even while a dialog is open.
    match pressed {
        Key::Ctrl('l') => return vec![Cmd::Repaint],
        Key::Ctrl('z') => return vec![Cmd::Suspend],
        _ => {}
    }
    if let Some(mut dialog) = state.dialogs.pop() {
        let fleet = Arc::clone(&state.fleet);
        let context = DialogContext {
            fleet: &fleet,
            body: layout::body(state.size),
            zone: state.zone,
            now: state.now,
        };
        let result = dialog.key(event, &context);
        return outcome::carry_out(state, dialog, result);
    }
    match commands::for_key(pressed, state.pane) {
        Some(spec) => match needs::reason(spec, state) {
            None => dispatch::run(state, spec.id),
            Some(reason) => {
                state.say(Severity::Info, format!("{}: {reason}", spec.name));
                Vec::new()
            }
        },
        None => Vec::new(),
    }
}

fn paste(state: &mut State, text: &str) -> Vec<Cmd> {
    match state.dialogs.pop() {
        Some(mut dialog) => {
            let result = dialog.paste(text);
            outcome::carry_out(state, dialog, result)
        }
        // Outside a field a paste would be a row of commands.
        None => Vec::new(),
    }
}

fn take_fleet(state: &mut State, fleet: Arc<Fleet>) {
    state.fleet = fleet;
    // The instance asked for may be found later than others.
    let preferred = state.preferred.clone().and_then(|path| {
        let instances = &state.fleet.instances;
        let is_it = |one: &&Arc<Snapshot>| one.identity.data_directory.as_ref() == Some(&path);
        instances.iter().find(is_it).map(|one| one.identity.id.clone())
    });
    if let Some(preferred) = preferred {
        state.choose(preferred);
    }
    let is_known = state.selected.as_ref().is_some_and(|id| state.fleet.get(id).is_some());
    if !is_known {
        state.selected = state.fleet.instances.first().map(|one| one.identity.id.clone());
    }
    if let Some(error) = &state.fleet.discovery_error {
        let text = one_line(error);
        if state.notice.as_ref().is_none_or(|notice| notice.text != text) {
            state.say(Severity::Error, text);
        }
    }
}

fn tick(state: &mut State, now: DateTime<Utc>) {
    state.now = now;
    state.notice.take_if(|notice| notice.is_over(now));
    // A quit that waits for jobs to be cancelled.
    if state.quits_after_jobs && state.own_running_jobs().is_empty() {
        state.dialogs.clear();
    }
}

/// Tells the engine which panes are open when that has changed.
fn watch(state: &mut State) -> Option<Cmd> {
    if state.quits_after_jobs && state.own_running_jobs().is_empty() {
        return Some(Cmd::Quit);
    }
    let instance = state.selected.clone()?;
    let wanted = (instance.clone(), state.pane.interest());
    if state.watched.as_ref() == Some(&wanted) {
        return None;
    }
    state.watched = Some(wanted);
    let command = Command::Watch { instance, interest: state.pane.interest() };
    Some(state.request(command, Pending::Silent))
}

/// Whether a job the console shows is at work, for the line above the hints.
#[must_use]
pub fn running_job(state: &State) -> Option<&pgdeck_engine::api::JobStatus> {
    state.fleet.jobs.iter().find(|job| job.state == JobState::Running)
}
