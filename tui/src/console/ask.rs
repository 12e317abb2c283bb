//! Confirmations: the dialogs that stand before everything that changes an instance, with host,
//! instance, target, exact command and consequence.

use pgdeck_engine::api::{
    BackendTarget, InstanceId, JobId, JobKind, PreparedOutcome, PreparedTarget, SignalKind,
    Snapshot, StopMode,
};

use super::actions::Action;
use super::dialogs::Dialog;
use super::dialogs::confirm::Confirm;
use super::dialogs::stop::{self, StopMenu};
use super::dialogs::typed::Typed;
use super::state::{Cmd, State};

/// Targets listed in a confirmation; more are counted.
const TARGETS_SHOWN_MAX: usize = 6;

/// Opens a dangerous dialog; keys typed before it are thrown away.
pub(super) fn push_danger(state: &mut State, dialog: Dialog) -> Vec<Cmd> {
    state.dialogs.push(dialog);
    vec![Cmd::DrainInput]
}

/// Host and instance, with which every confirmation begins.
pub(super) fn place_facts(snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    let identity = &snapshot.identity;
    let place = identity.data_directory.as_ref().map(|path| format!(" ({})", path.display()));
    vec![
        ("Host", identity.host.clone()),
        ("Instance", format!("{}{}", identity.name, place.unwrap_or_default())),
    ]
}

pub(super) fn confirm_instance(
    state: &mut State,
    action: impl FnOnce(InstanceId) -> Action,
) -> Vec<Cmd> {
    let Some(snapshot) = state.newest().cloned() else { return Vec::new() };
    let action = action(snapshot.identity.id.clone());
    let mut facts = place_facts(&snapshot);
    match &action {
        Action::Start { .. } => {
            facts.push((
                "State",
                format!("{}: {}", snapshot.status.state.word(), snapshot.status.detail),
            ));
            let command = snapshot.status.start_command.clone();
            facts.push(("Command", command.unwrap_or_else(|| "not possible now".to_owned())));
        }
        _ => {
            facts.push(("Command", "SELECT pg_reload_conf()".to_owned()));
            facts.push((
                "Effect",
                "The files are checked first; with errors in them nothing is loaded.".to_owned(),
            ));
        }
    }
    push_danger(state, Dialog::Confirm(Confirm::new(action, facts)))
}

pub(super) fn stop_menu(state: &mut State, purpose: stop::Purpose) -> Vec<Cmd> {
    let Some(snapshot) = state.newest() else { return Vec::new() };
    let clients = snapshot
        .sessions
        .get()
        .map(|sessions| sessions.iter().filter(|session| session.is_client()).count());
    let menu = StopMenu::new(purpose, &snapshot.identity.name, clients);
    push_danger(state, Dialog::Stop(menu))
}

/// Asks to confirm a stop mode that was chosen.
pub fn confirm_stop(state: &mut State, mode: StopMode, purpose: &stop::Purpose) -> Vec<Cmd> {
    let Some(snapshot) = state.newest().cloned() else { return Vec::new() };
    let instance = snapshot.identity.id.clone();
    let action = match purpose {
        stop::Purpose::Stop => Action::Stop { instance, mode },
        stop::Purpose::Restart => Action::Restart { instance, mode },
    };
    let mut facts = place_facts(&snapshot);
    facts.extend(mode_facts(&snapshot, mode));
    push_danger(state, confirm_mode(&snapshot, action, facts, mode))
}

/// Asks to confirm a harsher mode for a stop at work.
pub fn confirm_escalation(state: &mut State, job: JobId, mode: StopMode) -> Vec<Cmd> {
    let Some(snapshot) = state.fleet.get(&job.instance).cloned() else { return Vec::new() };
    let mut facts = place_facts(&snapshot);
    facts.extend(mode_facts(&snapshot, mode));
    let dialog = confirm_mode(&snapshot, Action::Escalate { job, mode }, facts, mode);
    push_danger(state, dialog)
}

fn mode_facts(snapshot: &Snapshot, mode: StopMode) -> Vec<(&'static str, String)> {
    let command = snapshot.status.pid.map(|pid| mode.command_line(pid)).unwrap_or_default();
    vec![
        ("Mode", mode.word().to_owned()),
        ("Command", command),
        ("Effect", mode.consequence().to_owned()),
    ]
}

/// Kill is grade 3: the instance's name has to be typed.
fn confirm_mode(
    snapshot: &Snapshot,
    action: Action,
    facts: Vec<(&'static str, String)>,
    mode: StopMode,
) -> Dialog {
    if mode == StopMode::Kill {
        let name = snapshot.identity.name.clone();
        Dialog::Typed(Typed::new(action, facts, "the instance's name", name))
    } else {
        Dialog::Confirm(Confirm::new(action, facts))
    }
}

/// Asks to confirm that a job is cancelled.
pub fn confirm_cancel_job(state: &mut State, job: JobId) -> Vec<Cmd> {
    let facts = match state.fleet.jobs.iter().find(|one| one.id == job) {
        Some(status) => vec![
            ("Instance", status.instance_name.clone()),
            ("Job", format!("{}: {}", status.kind.word(), status.progress.phase)),
            ("Effect", cancelled(status.kind).to_owned()),
        ],
        None => Vec::new(),
    };
    push_danger(state, Dialog::Confirm(Confirm::new(Action::CancelJob { job }, facts)))
}

/// What cancelling such a job does.
fn cancelled(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Start => "The start is taken back.",
        JobKind::Stop | JobKind::Restart => {
            "Only the watching ends, the server goes on shutting down."
        }
        JobKind::Setup => "It ends; files that are changed already stay changed.",
        JobKind::Backup => {
            "The backup ends incomplete; what it has copied stays and the next one uses it."
        }
        JobKind::Verify => "The verification ends; nothing is recorded.",
        JobKind::Recover => "The recovery stops where it is; run it again to go on, or undo it.",
        JobKind::Rehearse => "The rehearsal ends and its directory is removed.",
        JobKind::Undo => "It stops where it is; run it again to go on.",
        JobKind::FindMistakes => "The search ends; nothing was changed by it.",
    }
}

pub(super) fn confirm_signal(state: &mut State, kind: SignalKind) -> Vec<Cmd> {
    let targets = state.panes.get(state.pane).sessions(&state.context());
    let Some(snapshot) = state.newest().cloned() else { return Vec::new() };
    let mut facts = place_facts(&snapshot);
    facts.push(("Sessions", sessions_text(&snapshot, &targets)));
    let effect = match kind {
        SignalKind::Cancel => "The running query ends with an error; the session stays.",
        SignalKind::Terminate => "The session ends; its open transaction is rolled back.",
    };
    let shown = targets.iter().take(TARGETS_SHOWN_MAX);
    let mut commands: Vec<String> = shown.map(|target| kind.sql(target)).collect();
    if targets.len() > TARGETS_SHOWN_MAX {
        commands.push("...".to_owned());
    }
    facts.push(("Command", commands.join("; ")));
    facts.push(("Effect", effect.to_owned()));
    let instance = snapshot.identity.id.clone();
    let action = Action::Signal { instance, kind, targets };
    push_danger(state, Dialog::Confirm(Confirm::new(action, facts)))
}

fn sessions_text(snapshot: &Snapshot, targets: &[BackendTarget]) -> String {
    let describe = |target: &BackendTarget| {
        let sessions = snapshot.sessions.get().into_iter().flatten();
        match sessions.into_iter().find(|session| session.target() == *target) {
            Some(session) => format!(
                "{} {}@{} ({})",
                session.pid,
                session.user.as_deref().unwrap_or(""),
                session.database.as_deref().unwrap_or(""),
                session.state.word()
            ),
            None => format!("{} (ended)", target.pid),
        }
    };
    let mut text: Vec<String> = targets.iter().take(TARGETS_SHOWN_MAX).map(describe).collect();
    if targets.len() > TARGETS_SHOWN_MAX {
        text.push(format!("and {} more", targets.len() - TARGETS_SHOWN_MAX));
    }
    text.join(", ")
}

pub(super) fn confirm_resolve(state: &mut State, outcome: PreparedOutcome) -> Vec<Cmd> {
    let Some(target) = state.panes.get(state.pane).prepared(&state.context()) else {
        return Vec::new();
    };
    let Some(snapshot) = state.newest().cloned() else { return Vec::new() };
    let mut facts = place_facts(&snapshot);
    facts.extend(prepared_facts(&snapshot, &target));
    let command = outcome.sql(&target.gid).unwrap_or_else(|error| error.fact);
    facts.push(("Command", command));
    let effect = match outcome {
        PreparedOutcome::Commit => "Its changes become permanent. This cannot be taken back.",
        PreparedOutcome::Rollback => "Its changes are lost. This cannot be taken back.",
    };
    facts.push(("Effect", effect.to_owned()));
    let expected = Typed::end_of_gid(&target.gid);
    let instance = snapshot.identity.id.clone();
    let action = Action::Resolve { instance, target, outcome };
    let typed = Typed::new(action, facts, "the end of the gid", expected);
    push_danger(state, Dialog::Typed(typed))
}

fn prepared_facts(snapshot: &Snapshot, target: &PreparedTarget) -> Vec<(&'static str, String)> {
    let all = snapshot.prepared.get().into_iter().flatten();
    let one = all.into_iter().find(|one| one.target() == *target);
    let mut facts = vec![
        ("Gid", target.gid.clone()),
        ("Database", format!("{} (transaction {})", target.database, target.transaction)),
    ];
    if let Some(one) = one {
        facts.push((
            "Prepared",
            format!(
                "by {}, {} ago, {} behind it",
                one.owner,
                super::widgets::age(Some(one.age_seconds)),
                crate::text::plural(one.blocked.len(), "session")
            ),
        ));
    }
    facts
}
