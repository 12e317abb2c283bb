//! What each command does.

use pgdeck_engine::api::{
    BackupKind, Command, PreparedOutcome, Remedy, Severity, SignalKind, VerifyDepth,
};

use super::actions::Action;
use super::ask;
use super::ask_backups;
use super::ask_recovery;
use super::commands::{self, CommandId, CommandSpec, Need, Scope};
use super::dialogs::Dialog;
use super::dialogs::finder::{Entry, Finder, Kind as FinderKind};
use super::dialogs::input::{Input, Purpose};
use super::dialogs::pick::{Kind as PickKind, Pick};
use super::dialogs::stop;
use super::dialogs::text_view::TextView;
use super::needs;
use super::panes::PaneId;
use super::state::{Cmd, Frozen, Pending, State};

/// Refresh intervals to step through, in milliseconds.
const INTERVALS_MS: [u32; 7] = [250, 500, 1_000, 2_000, 5_000, 10_000, 60_000];

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
        CommandId::GoBackups => PaneId::Backups,
        _ => return None,
    })
}

/// Commands that change an instance, and those of the pane.
fn act(state: &mut State, command: CommandId) -> Vec<Cmd> {
    match command {
        CommandId::StartInstance => {
            ask::confirm_instance(state, |instance| Action::Start { instance })
        }
        CommandId::ReloadInstance => {
            ask::confirm_instance(state, |instance| Action::Reload { instance })
        }
        CommandId::StopInstance => ask::stop_menu(state, stop::Purpose::Stop),
        CommandId::RestartInstance => ask::stop_menu(state, stop::Purpose::Restart),
        CommandId::CancelQuery => ask::confirm_signal(state, SignalKind::Cancel),
        CommandId::TerminateSession => ask::confirm_signal(state, SignalKind::Terminate),
        CommandId::CommitPrepared => ask::confirm_resolve(state, PreparedOutcome::Commit),
        CommandId::RollbackPrepared => ask::confirm_resolve(state, PreparedOutcome::Rollback),
        _ => act_on_backups(state, command),
    }
}

/// Those of the Backups pane.
fn act_on_backups(state: &mut State, command: CommandId) -> Vec<Cmd> {
    match command {
        CommandId::BackupNow => ask_backups::plan_backup(state, None),
        CommandId::BackupFull => ask_backups::plan_backup(state, Some(BackupKind::Full)),
        CommandId::VerifyBackups => ask_backups::confirm_verify(state, VerifyDepth::Full),
        CommandId::VerifyQuick => ask_backups::confirm_verify(state, VerifyDepth::Quick),
        CommandId::DeleteBackup => ask_backups::confirm_delete(state),
        CommandId::CheckArchive => ask_backups::confirm_check(state),
        CommandId::RestorePoint => ask_backups::ask_line(state, Purpose::RestorePoint),
        CommandId::SetUpArchive => ask_backups::ask_line(state, Purpose::Destination),
        CommandId::Recover => ask_recovery::recover(state),
        CommandId::RecoveryMap => ask_recovery::show_map(state),
        CommandId::Rehearse => ask_recovery::rehearse(state),
        CommandId::RestorePoints => ask_backups::show_restore_points(state),
        _ => {
            state.run_in_pane(command);
            Vec::new()
        }
    }
}

fn finder(state: &mut State, kind: FinderKind) {
    let mut entries: Vec<Entry> = commands::TABLE
        .iter()
        .map(|spec| {
            let is_here = spec.applies_to(state.pane);
            let disabled = match is_here {
                true => needs::reason(spec, state),
                false => needs::reason_elsewhere(spec, state),
            };
            Entry { spec, disabled, is_here }
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
        None => Some(Frozen { fleet: state.fleet.clone(), at: state.now }),
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
    if let Some(next) = instances.get(next).map(|one| one.identity.id.clone()) {
        state.choose(next);
    }
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
    let view = match state.panes.get(state.pane).list().selected_name() {
        Some(name) => view.leading_to(name, leads(state.pane)),
        None => view,
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

/// What can be done with a row that is being read about.
fn leads(pane: PaneId) -> Vec<&'static CommandSpec> {
    let concerns_a_row = |spec: &&CommandSpec| {
        spec.id == CommandId::Solve
            || spec
                .needs
                .iter()
                .any(|need| matches!(need, Need::Session | Need::Prepared | Need::Backup))
    };
    let own = |spec: &&CommandSpec| matches!(spec.scope, Scope::Panes(_)) && spec.applies_to(pane);
    commands::TABLE.iter().filter(own).filter(concerns_a_row).collect()
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
        Remedy::Recover | Remedy::ShowRecovery => {
            return in_backups(state, CommandId::Recover);
        }
        Remedy::Rehearse => return in_backups(state, CommandId::Rehearse),
        Remedy::ShowStorage => state.pane = PaneId::Storage,
        Remedy::ShowConnections => state.pane = PaneId::Connections,
        Remedy::ShowLocks => state.pane = PaneId::Locks,
        Remedy::ShowBackups => state.pane = PaneId::Backups,
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

/// Runs a command of the Backups pane there.
fn in_backups(state: &mut State, command: CommandId) -> Vec<Cmd> {
    state.pane = PaneId::Backups;
    state.settle();
    checked(state, command)
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
