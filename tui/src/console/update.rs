//! What a message changes. No input, no output, no waiting: effects are returned.

use chrono::{DateTime, Utc};
use crossterm::event::KeyEvent;
use pgdeck_engine::api::{
    Command, Event, Fleet, JobState, Severity, SignalKind, SignalResult, Snapshot, Soundness,
};
use std::sync::Arc;

use super::commands;
use super::dialogs::job::JobView;
use super::dialogs::text_view::TextView;
use super::dialogs::{Context as DialogContext, Dialog};
use super::dispatch;
use super::keys::Key;
use super::layout;
use super::mouse;
use super::needs;
use super::outcome;
use super::panes::Context;
use super::state::{Cmd, Msg, Pending, State};
use super::zone::Zone;
use crate::text::plural;

/// Takes a message; what is to be done about it.
pub fn update(state: &mut State, msg: Msg) -> Vec<Cmd> {
    let mut effects = match msg {
        Msg::Key(event) => key(state, &event),
        Msg::Mouse(event) => mouse::take(state, &event),
        Msg::Paste(text) => paste(state, &text),
        Msg::Fleet(fleet) => {
            take_fleet(state, fleet);
            Vec::new()
        }
        Msg::Event(event) => {
            take_event(state, event);
            Vec::new()
        }
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
        }
    }

    /// Brings the pane on the screen in line with snapshot and size.
    pub fn settle(&mut self) {
        let fleet = Arc::clone(self.shown_fleet());
        let snapshot = self.selected.as_ref().and_then(|id| fleet.get(id));
        let context = Context {
            snapshot: snapshot.map(AsRef::as_ref),
            limits: &self.limits,
            now: self.frozen.as_ref().map_or(self.now, |frozen| frozen.at),
            zone: self.zone,
        };
        let height = layout::body(self.size).height;
        self.panes.get_mut(self.pane).settle(&context, usize::from(height));
    }

    /// Runs a command of the pane on the screen; whether it was one.
    pub fn run_in_pane(&mut self, command: commands::CommandId) -> bool {
        let fleet = Arc::clone(self.shown_fleet());
        let snapshot = self.selected.as_ref().and_then(|id| fleet.get(id));
        let context = Context {
            snapshot: snapshot.map(AsRef::as_ref),
            limits: &self.limits,
            now: self.frozen.as_ref().map_or(self.now, |frozen| frozen.at),
            zone: self.zone,
        };
        self.panes.get_mut(self.pane).run(command, &context)
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
        let context =
            DialogContext { fleet: &fleet, body: layout::body(state.size), zone: state.zone };
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

fn take_event(state: &mut State, event: Event) {
    match event {
        Event::Accepted { request, job } => {
            state.pending.remove(&request);
            state.dialogs.push(Dialog::Job(JobView::new(job)));
        }
        Event::Refused { request, error } => {
            let what = title(state.pending.remove(&request));
            state.say(Severity::Error, format!("{what}{}", one_line(&error)));
        }
        Event::Done { request, text } => {
            let what = title(state.pending.remove(&request));
            state.say(Severity::Info, format!("{what}{text}"));
        }
        Event::Signalled { request, kind, results } => {
            state.pending.remove(&request);
            let (severity, text) = signalled(kind, &results);
            state.say(severity, text);
        }
        Event::QueryText { request, target, text } => {
            state.pending.remove(&request);
            for dialog in &mut state.dialogs {
                if let Dialog::Text(view) = dialog {
                    view.complete(&target, &text);
                }
            }
        }
        Event::Operations { request, records } => {
            state.pending.remove(&request);
            state.dialogs.push(Dialog::Text(operations(&records, state.zone)));
        }
        Event::Backups { request, .. } => drop(state.pending.remove(&request)),
        Event::BackedUp { warnings, .. } => {
            for warning in warnings {
                state.say(Severity::Warning, warning);
            }
        }
        Event::Verified { report, .. } => {
            let severity = match report.soundness {
                Soundness::Sound => return,
                Soundness::Warnings => Severity::Warning,
                Soundness::Damaged => Severity::Error,
            };
            let first = report.damages.iter().chain(&report.warnings).next();
            state.say(severity, first.cloned().unwrap_or_default());
        }
        Event::JobEnded { job, outcome } => {
            let is_shown = state
                .dialogs
                .iter()
                .any(|dialog| matches!(dialog, Dialog::Job(view) if *view.id() == job));
            match outcome {
                Ok(text) => state.say(Severity::Info, text),
                Err(error) if is_shown => state.say(Severity::Error, error.fact),
                Err(error) => state.say(Severity::Error, one_line(&error)),
            }
        }
    }
}

fn title(pending: Option<Pending>) -> String {
    match pending {
        Some(Pending::Action(action)) => format!("{}: ", action.title()),
        _ => String::new(),
    }
}

fn signalled(kind: SignalKind, results: &[SignalResult]) -> (Severity, String) {
    let sent = results.iter().filter(|result| result.outcome.is_ok()).count();
    let first = results.iter().find_map(|result| result.outcome.as_ref().err());
    match first {
        None => (Severity::Info, format!("{}: sent to {}", kind.word(), plural(sent, "session"))),
        Some(error) => (
            Severity::Warning,
            format!(
                "{}: sent to {sent} of {} sessions; {}",
                kind.word(),
                results.len(),
                one_line(error)
            ),
        ),
    }
}

fn operations(records: &[pgdeck_engine::api::OperationRecord], zone: Zone) -> TextView {
    let mut body = String::new();
    for record in records {
        let at = zone.date_time(record.at);
        let result = match (&record.result, record.ok) {
            (Some(result), Some(true)) => format!("ok: {result}"),
            (Some(result), _) => format!("FAILED: {result}"),
            (None, _) => "result not known".to_owned(),
        };
        body.push_str(&format!(
            "{at}  {}  {}\n    {}\n    {}\n",
            record.who,
            record.action,
            record.command,
            result.replace('\n', "\n    ")
        ));
    }
    if body.is_empty() {
        body.push_str("Nothing has been done to this instance with pgdeck yet.");
    }
    TextView::new("Operations log", Vec::new(), body)
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
