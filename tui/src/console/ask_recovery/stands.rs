//! A recovery that stands: what is asked of it, what is confirmed, and what its jobs tell.

use std::path::Path;

use pgdeck_engine::api::{
    Command, InstanceId, JobId, RecoveryState, RecoveryStep, RecoveryTarget, Severity, Snapshot,
    TargetBound,
};

use super::{flow_for, is_recovery_plan, looked, open};
use crate::console::actions::{Action, AfterStep};
use crate::console::ask::{place_facts, push_danger};
use crate::console::commands::{self, CommandId};
use crate::console::dialogs::Dialog;
use crate::console::dialogs::confirm::Confirm;
use crate::console::dialogs::recovery::Purpose;
use crate::console::dialogs::stand::{self, Choice, Stand};
use crate::console::dialogs::typed::Typed;
use crate::console::needs;
use crate::console::panes::PaneId;
use crate::console::state::{Cmd, Pending, State};

/// What is asked of a recovery that stands; the dialog that tells of it stays below.
pub(in crate::console) fn choose(
    state: &mut State,
    choice: Choice,
    instance: &InstanceId,
) -> Vec<Cmd> {
    let Some(snapshot) = state.fleet.get(instance).cloned() else { return Vec::new() };
    if let Some(reason) = needs::reason(commands::spec(CommandId::Recover), state) {
        state.say(Severity::Info, format!("recover: {reason}"));
        return Vec::new();
    }
    let Some(stands) = stands(state, instance) else {
        state.say(Severity::Info, "there is no recovery any more");
        return Vec::new();
    };
    let mut step = |step, then| confirm_step(state, &snapshot, &stands, (step, then));
    match choice {
        Choice::Continue => step(RecoveryStep::Continue, AfterStep::Nothing),
        Choice::Promote => step(RecoveryStep::Promote, AfterStep::Nothing),
        Choice::Undo => step(RecoveryStep::Undo, AfterStep::Nothing),
        Choice::Discard => step(RecoveryStep::DiscardKept, AfterStep::Nothing),
        // What is kept must be back in its place before it can be moved aside again.
        Choice::Another if stands.kept_bytes.is_some() => {
            step(RecoveryStep::Undo, AfterStep::Recover)
        }
        Choice::Another => begin_anew(state, &snapshot, &stands.plan.destination),
        Choice::Further => {
            let (timeline, from) = (stands.plan.stop.timeline, stands.plan.stop.reached);
            let flow = flow_for(&snapshot).with_destination(&stands.plan.destination);
            open(state, flow.at_map(Purpose::Further { timeline, from }))
        }
        Choice::Backup => {
            state.dialogs.clear();
            state.pane = PaneId::Backups;
            state.settle();
            crate::console::dispatch::checked(state, CommandId::BackupNow)
        }
    }
}

/// How the recovery stands: as the open dialog was told, or as the engine published.
fn stands(state: &State, instance: &InstanceId) -> Option<RecoveryState> {
    let told = state.dialogs.iter().find_map(|dialog| match dialog {
        Dialog::Stand(stand) if stand.instance() == instance => {
            Some(stand.state(&state.fleet).clone())
        }
        _ => None,
    });
    told.or_else(|| state.fleet.get(instance)?.recovery.get().cloned())
}

/// Opens the flow with the map, for another recovery.
fn begin_anew(state: &mut State, snapshot: &Snapshot, destination: &Path) -> Vec<Cmd> {
    let flow = flow_for(snapshot).with_destination(destination);
    open(state, flow.at_map(Purpose::Recover))
}

pub(super) fn confirm_further(
    state: &mut State,
    instance: &InstanceId,
    target: RecoveryTarget,
    bound: TargetBound,
) -> Vec<Cmd> {
    let Some(snapshot) = state.fleet.get(instance).cloned() else { return Vec::new() };
    let Some(stands) = stands(state, instance) else {
        state.say(Severity::Info, "there is no recovery any more");
        return Vec::new();
    };
    let step = RecoveryStep::GoFurther(target, bound);
    confirm_step(state, &snapshot, &stands, (step, AfterStep::Nothing))
}

/// Asks to confirm a step; what cannot be taken back has to be typed.
fn confirm_step(
    state: &mut State,
    snapshot: &Snapshot,
    stands: &RecoveryState,
    (step, then): (RecoveryStep, AfterStep),
) -> Vec<Cmd> {
    let mut facts = place_facts(snapshot);
    facts.extend(stand::facts(stands, state.zone));
    let effect = match &step {
        RecoveryStep::Continue => {
            "It goes on from where it is sound, to the same target: what is done stays done."
        }
        RecoveryStep::Undo if then == AfterStep::Recover => {
            "The server is stopped, everything that was restored is REMOVED, and the old data is put back. Then you choose the other target."
        }
        RecoveryStep::Promote => {
            "The server becomes a primary on a new timeline and takes changes. Replay cannot go on afterwards."
        }
        RecoveryStep::GoFurther(..) => {
            "The server is restarted and replays on to the later target. To come back here, it has to be restored again."
        }
        RecoveryStep::Undo => {
            "The server is stopped, everything that was restored and all changes since are REMOVED, and the old data is put back. The server is not started."
        }
        RecoveryStep::DiscardKept => {
            "The old data is REMOVED for good: the recovery cannot be undone any more."
        }
    };
    if let RecoveryStep::GoFurther(target, bound) = &step {
        let side = if *bound == TargetBound::Exclusive { "just before " } else { "" };
        facts.push(("Further to", format!("{side}{}", target.describe())));
    }
    facts.push(("Effect", effect.to_owned()));
    let needs_typing = matches!(step, RecoveryStep::Undo | RecoveryStep::DiscardKept);
    let action = Action::StepRecovery { instance: snapshot.identity.id.clone(), step, then };
    let dialog = if needs_typing {
        let name = snapshot.identity.name.clone();
        Dialog::Typed(Typed::new(action, facts, "the instance's name", name))
    } else {
        Dialog::Confirm(Confirm::new(action, facts))
    };
    push_danger(state, dialog)
}

/// A recovery's job has begun: what led to it is done with.
pub(in crate::console) fn begun(state: &mut State, action: &Action, job: &JobId) {
    if let Action::StepRecovery { instance, then: AfterStep::Recover, .. } = action
        && let Some(stands) = stands(state, instance)
    {
        state.redone.insert(job.clone(), stands.plan.destination);
    }
    state.dialogs.retain(|dialog| {
        !matches!(dialog, Dialog::Recovery(_) | Dialog::Stand(_)) && !is_recovery_plan(dialog)
    });
}

/// A job has told how the recovery stands: shown as soon as the job's view is closed.
pub(in crate::console) fn told(
    state: &mut State,
    instance: InstanceId,
    stands: RecoveryState,
) -> Vec<Cmd> {
    let own = state.fleet.get(&instance).and_then(|one| one.identity.data_directory.clone());
    if own.as_ref() != Some(&stands.plan.directory) {
        let directory = stands.plan.directory.display();
        state.say(Severity::Info, format!("recovered into {directory}: {}", stands.phase.words()));
        return Vec::new();
    }
    state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Stand(_)));
    let stand = Dialog::Stand(Box::new(Stand::new(instance.clone(), stands)));
    let top = state.dialogs.len().saturating_sub(1);
    match state.dialogs.last() {
        Some(Dialog::Job(_)) => state.dialogs.insert(top, stand),
        _ => state.dialogs.push(stand),
    }
    vec![state.request(Command::Recheck { instance }, Pending::Silent)]
}

/// A job has ended well: a view of it gives way to how its recovery stands, or to the plan that
/// waited for the instance to stop.
pub(in crate::console) fn ended(state: &mut State, job: &JobId) -> Vec<Cmd> {
    if let Some(destination) = state.redone.remove(job) {
        state.dialogs.clear();
        let snapshot = state.fleet.get(&job.instance).cloned();
        return snapshot.map(|one| begin_anew(state, &one, &destination)).unwrap_or_default();
    }
    let is_stand = state.dialogs.iter().any(|dialog| matches!(dialog, Dialog::Stand(_)));
    let is_planned = state.dialogs.iter().any(is_recovery_plan);
    if is_stand || is_planned {
        state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Job(view) if view.id() == job));
    }
    looked(state)
}
