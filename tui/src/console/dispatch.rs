//! What each command does.

use pgdeck_engine::api::{
    BackendTarget, Command, JobId, PreparedOutcome, PreparedTarget, Remedy, Severity, SignalKind,
    Snapshot, StopMode,
};

use super::actions::Action;
use super::commands::{self, CommandId, Scope};
use super::dialogs::Dialog;
use super::dialogs::confirm::Confirm;
use super::dialogs::finder::{Entry, Finder, Kind as FinderKind};
use super::dialogs::input::{Input, Purpose};
use super::dialogs::pick::{Kind as PickKind, Pick};
use super::dialogs::stop::{self, StopMenu};
use super::dialogs::text_view::TextView;
use super::dialogs::typed::Typed;
use super::needs;
use super::panes::PaneId;
use super::state::{Cmd, Pending, State};

/// Refresh intervals to step through, in milliseconds.
const INTERVALS_MS: [u32; 7] = [250, 500, 1_000, 2_000, 5_000, 10_000, 60_000];
/// Targets listed in a confirmation; more are counted.
const TARGETS_SHOWN_MAX: usize = 6;

/// Runs a command whose needs are met.
pub fn run(state: &mut State, command: CommandId) -> Vec<Cmd> {
    if let Some(pane) = pane_of(state, command) {
        state.pane = pane;
        return Vec::new();
    }
    match command {
        CommandId::Help => finder(state, FinderKind::Help),
        CommandId::Palette => finder(state, FinderKind::Palette),
        CommandId::Filter => {
            let text = state.panes.get(state.pane).list().filter_text().to_owned();
            state.dialogs.push(Dialog::Input(Input::new(Purpose::Filter, &text)));
        }
        CommandId::IdleMinutes => {
            let minutes = state.panes.connections.idle_minutes().to_string();
            state.dialogs.push(Dialog::Input(Input::new(Purpose::IdleMinutes, &minutes)));
        }
        CommandId::Back => back(state),
        CommandId::Pause => pause(state),
        CommandId::Faster => return interval(state, false),
        CommandId::Slower => return interval(state, true),
        CommandId::Repaint => return vec![Cmd::Repaint],
        CommandId::Suspend => return vec![Cmd::Suspend],
        CommandId::Recheck => return recheck(state),
        CommandId::Instances => state.dialogs.push(Dialog::Pick(Pick::new(PickKind::Instances))),
        CommandId::Jobs => state.dialogs.push(Dialog::Pick(Pick::new(PickKind::Jobs))),
        CommandId::NextInstance => next_instance(state),
        CommandId::Operations => return fetch_operations(state),
        CommandId::Quit => return quit(state),
        CommandId::Open => return open(state),
        CommandId::Copy => return copy(state),
        CommandId::Solve => return solve(state),
        CommandId::MarkIdle => mark_idle(state),
        _ => return act(state, command),
    }
    Vec::new()
}

fn pane_of(state: &State, command: CommandId) -> Option<PaneId> {
    Some(match command {
        CommandId::NextPane => state.pane.step(1),
        CommandId::PreviousPane => state.pane.step(PaneId::ALL.len() - 1),
        CommandId::GoOverview => PaneId::Overview,
        CommandId::GoStorage => PaneId::Storage,
        CommandId::GoConnections => PaneId::Connections,
        CommandId::GoLocks => PaneId::Locks,
        CommandId::GoPrepared => PaneId::Prepared,
        CommandId::GoLogs => PaneId::Logs,
        CommandId::GoMessages => PaneId::Messages,
        _ => return None,
    })
}

/// Commands that change an instance, and those of the pane.
fn act(state: &mut State, command: CommandId) -> Vec<Cmd> {
    match command {
        CommandId::StartInstance => confirm_instance(state, |instance| Action::Start { instance }),
        CommandId::ReloadInstance => {
            confirm_instance(state, |instance| Action::Reload { instance })
        }
        CommandId::StopInstance => stop_menu(state, stop::Purpose::Stop),
        CommandId::RestartInstance => stop_menu(state, stop::Purpose::Restart),
        CommandId::CancelQuery => confirm_signal(state, SignalKind::Cancel),
        CommandId::TerminateSession => confirm_signal(state, SignalKind::Terminate),
        CommandId::CommitPrepared => confirm_resolve(state, PreparedOutcome::Commit),
        CommandId::RollbackPrepared => confirm_resolve(state, PreparedOutcome::Rollback),
        _ => {
            state.run_in_pane(command);
            Vec::new()
        }
    }
}

fn finder(state: &mut State, kind: FinderKind) {
    let mut entries: Vec<Entry> = commands::TABLE
        .iter()
        .map(|spec| Entry {
            spec,
            disabled: needs::reason(spec, state),
            is_here: spec.applies_to(state.pane),
        })
        .collect();
    // What belongs to the pane first, then what is general, then other panes' commands.
    entries.sort_by_key(|entry| match (entry.spec.scope, entry.is_here) {
        (Scope::Panes(_), true) => 0,
        (Scope::Global | Scope::List, _) => 1,
        (Scope::Panes(_), false) => 2,
    });
    state.dialogs.push(Dialog::Finder(Finder::new(kind, entries)));
}

fn back(state: &mut State) {
    let list = state.panes.get_mut(state.pane).list_mut();
    if !list.filter_text().is_empty() {
        list.set_filter("");
    } else if !list.clear_marks() {
        state.notice = None;
    }
}

fn pause(state: &mut State) {
    state.frozen = match state.frozen {
        Some(_) => None,
        None => Some(state.fleet.clone()),
    };
}

fn interval(state: &mut State, is_slower: bool) -> Vec<Cmd> {
    let now = state.interval_ms;
    let next = if is_slower {
        INTERVALS_MS.iter().find(|ms| **ms > now)
    } else {
        INTERVALS_MS.iter().rev().find(|ms| **ms < now)
    };
    let Some(interval_ms) = next.copied() else { return Vec::new() };
    state.interval_ms = interval_ms;
    state.say(Severity::Info, format!("refresh every {} ms", interval_ms));
    vec![state.request(Command::SetInterval { interval_ms }, Pending::Silent)]
}

fn recheck(state: &mut State) -> Vec<Cmd> {
    let Some(instance) = state.selected.clone() else { return Vec::new() };
    state.say(Severity::Info, "looking at everything again");
    vec![state.request(Command::Recheck { instance }, Pending::Silent)]
}

fn next_instance(state: &mut State) {
    let instances = &state.fleet.instances;
    let here = state
        .selected
        .as_ref()
        .and_then(|id| instances.iter().position(|one| one.identity.id == *id));
    let next = here.map_or(0, |here| (here + 1) % instances.len().max(1));
    state.selected = instances.get(next).map(|one| one.identity.id.clone());
}

fn fetch_operations(state: &mut State) -> Vec<Cmd> {
    let Some(instance) = state.selected.clone() else { return Vec::new() };
    vec![state.request(Command::FetchOperations { instance }, Pending::Operations)]
}

fn quit(state: &mut State) -> Vec<Cmd> {
    if state.own_running_jobs().is_empty() {
        return vec![Cmd::Quit];
    }
    state.dialogs.push(Dialog::Pick(Pick::new(PickKind::Quit)));
    Vec::new()
}

fn open(state: &mut State) -> Vec<Cmd> {
    let Some(view) = state.panes.get(state.pane).detail(&state.context()) else {
        return Vec::new();
    };
    let awaited = view.awaited();
    state.dialogs.push(Dialog::Text(view));
    match (awaited, state.selected.clone()) {
        (Some(target), Some(instance)) => {
            let command = Command::FetchQuery { instance, target };
            vec![state.request(command, Pending::Query(target))]
        }
        _ => Vec::new(),
    }
}

fn copy(state: &mut State) -> Vec<Cmd> {
    let Some(text) = state.panes.get(state.pane).copy(&state.context()) else { return Vec::new() };
    copied(state, text)
}

/// Sends text to the terminal's clipboard and shows it plainly: whether the terminal took it
/// cannot be told (tmux drops it by default).
pub fn copied(state: &mut State, text: String) -> Vec<Cmd> {
    state.say(Severity::Info, "sent to the terminal; if nothing arrives, copy it from here");
    state.dialogs.push(Dialog::Text(TextView::new("To copy", Vec::new(), text.clone())));
    vec![Cmd::Copy(text)]
}

fn mark_idle(state: &mut State) {
    let Some(snapshot) = state.snapshot().cloned() else { return };
    let count = state.panes.connections.mark_idle(&snapshot);
    let minutes = state.panes.connections.idle_minutes();
    let text =
        format!("{count} sessions idle in a transaction for {minutes} min or more are marked");
    state.say(Severity::Info, text);
}

/// Goes where the selected message is solved.
fn solve(state: &mut State) -> Vec<Cmd> {
    let Some(message) = state.panes.get(state.pane).message(&state.context()) else {
        state.say(Severity::Info, "no message selected");
        return Vec::new();
    };
    let Some(snapshot) = state.newest().cloned() else { return Vec::new() };
    match message.remedy {
        Remedy::Recheck => return recheck(state),
        Remedy::StartInstance => return checked(state, CommandId::StartInstance),
        Remedy::RestartInstance => return checked(state, CommandId::RestartInstance),
        Remedy::StopInstance => return checked(state, CommandId::StopInstance),
        Remedy::ShowStorage => state.pane = PaneId::Storage,
        Remedy::ShowConnections => state.pane = PaneId::Connections,
        Remedy::ShowLocks => state.pane = PaneId::Locks,
        Remedy::ShowBackups => state.pane = PaneId::Storage,
        Remedy::ShowLogs => state.pane = PaneId::Logs,
        Remedy::ShowSession { pid } => {
            state.pane = PaneId::Connections;
            state.panes.connections.select(pid, &snapshot);
        }
        Remedy::MarkIdleInTransaction => {
            state.pane = PaneId::Connections;
            mark_idle(state);
        }
        Remedy::ShowPrepared { target } => {
            state.pane = PaneId::Prepared;
            state.settle();
            state.panes.prepared.select(&target);
        }
        Remedy::Elsewhere => {
            state.say(Severity::Info, format!("outside pgdeck: {}", message.solution));
        }
    }
    Vec::new()
}

/// Runs a command if its needs are met, and says why not otherwise.
pub fn checked(state: &mut State, command: CommandId) -> Vec<Cmd> {
    let spec = commands::spec(command);
    match needs::reason(spec, state) {
        None => run(state, command),
        Some(reason) => {
            state.say(Severity::Info, format!("{}: {reason}", spec.name));
            Vec::new()
        }
    }
}

/// Opens a dangerous dialog; keys typed before it are thrown away.
fn push_danger(state: &mut State, dialog: Dialog) -> Vec<Cmd> {
    state.dialogs.push(dialog);
    vec![Cmd::DrainInput]
}

/// Host and instance, with which every confirmation begins.
fn place_facts(snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    let identity = &snapshot.identity;
    let place = identity.data_directory.as_ref().map(|path| format!(" ({})", path.display()));
    vec![
        ("Host", identity.host.clone()),
        ("Instance", format!("{}{}", identity.name, place.unwrap_or_default())),
    ]
}

fn confirm_instance(
    state: &mut State,
    action: impl FnOnce(pgdeck_engine::api::InstanceId) -> Action,
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

fn stop_menu(state: &mut State, purpose: stop::Purpose) -> Vec<Cmd> {
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
            (
                "Effect",
                "A start is taken back; of a stop only the watching ends, the server goes on shutting down.".to_owned(),
            ),
        ],
        None => Vec::new(),
    };
    push_danger(state, Dialog::Confirm(Confirm::new(Action::CancelJob { job }, facts)))
}

fn confirm_signal(state: &mut State, kind: SignalKind) -> Vec<Cmd> {
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

fn confirm_resolve(state: &mut State, outcome: PreparedOutcome) -> Vec<Cmd> {
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
