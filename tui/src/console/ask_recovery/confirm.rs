//! What is confirmed before a recovery or a rehearsal is begun.

use pgdeck_engine::api::{
    InstanceId, OldData, RecoveryPlan, RecoveryRequest, RecoveryTarget, RehearsalRequest, Severity,
    TargetBound,
};

use crate::console::actions::Action;
use crate::console::ask::{place_facts, push_danger};
use crate::console::commands::{self, CommandId};
use crate::console::dialogs::Dialog;
use crate::console::dialogs::plan::Plan;
use crate::console::dialogs::typed::Typed;
use crate::console::needs;
use crate::console::panes::backups::view;
use crate::console::state::{Cmd, State};

/// The plan was accepted: the instance's name has to be typed.
pub(in crate::console) fn confirm_recovery(state: &mut State, action: Action) -> Vec<Cmd> {
    let Action::Recover { instance, plan: Some(plan), request } = &action else {
        return Vec::new();
    };
    let Some(snapshot) = state.fleet.get(instance).cloned() else { return Vec::new() };
    let mut facts = place_facts(&snapshot);
    facts.push(("Writes to", plan.directory.display().to_string()));
    let before = if request.bound == TargetBound::Exclusive { "just before " } else { "" };
    facts.push(("Target", format!("{before}{}", plan.target.describe())));
    facts.push(("Backup", plan.chain.last().cloned().unwrap_or_default()));
    if let Some(old) = &plan.replaced {
        let size = crate::text::bytes(old.bytes);
        facts.push((
            "Replaces",
            format!("{} on {}, {size}, {}", old.path.display(), old.host, old.state),
        ));
    }
    let effect = match plan.old_data {
        OldData::Keep => "The old data is moved aside and can be put back.",
        OldData::Discard => "The old data is REMOVED. This cannot be taken back.",
        OldData::Rewrite => "The old data is rewritten in place. This cannot be taken back.",
    };
    facts.push(("Old data", effect.to_owned()));
    facts.push(("Command", command_line(plan, request)));
    let name = snapshot.identity.name.clone();
    let typed = Typed::new(action.clone(), facts, "the instance's name", name);
    push_danger(state, Dialog::Typed(typed))
}

/// The same on the command line.
fn command_line(plan: &RecoveryPlan, request: &RecoveryRequest) -> String {
    let mut words = vec![format!(
        "pgdeck recover -D {} -B {}",
        plan.directory.display(),
        plan.destination.display()
    )];
    words.push(match &request.target {
        RecoveryTarget::Latest => String::new(),
        RecoveryTarget::BackupEnd => "--immediate".to_owned(),
        RecoveryTarget::Time(at) => format!("-e '{}'", at.format("%Y-%m-%d %H:%M:%S%.f%:z")),
        RecoveryTarget::RestorePoint(name) => format!("-n '{name}'"),
        RecoveryTarget::Lsn(lsn) => format!("--lsn {lsn}"),
        RecoveryTarget::Xid(xid) => format!("--xid {xid}"),
    });
    if request.bound == TargetBound::Exclusive {
        words.push("--exclusive".to_owned());
    }
    if let Some(timeline) = request.timeline {
        words.push(format!("--timeline {}", timeline.as_u32()));
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// Asks to confirm a rehearsal.
pub(super) fn confirm_rehearsal(
    state: &mut State,
    instance: &InstanceId,
    request: RehearsalRequest,
) -> Vec<Cmd> {
    let Some(snapshot) = state.fleet.get(instance).cloned() else { return Vec::new() };
    if let Some(reason) = needs::reason(commands::spec(CommandId::Rehearse), state) {
        state.say(Severity::Info, format!("rehearse: {reason}"));
        return Vec::new();
    }
    let mut facts = place_facts(&snapshot);
    let destination =
        request.recovery.destination.clone().or_else(|| needs::destination(&snapshot));
    let destination = destination.map(|path| path.display().to_string()).unwrap_or_default();
    facts.push(("Destination", destination));
    let bound = request.recovery.bound;
    let before = if bound == TargetBound::Exclusive { "just before " } else { "" };
    facts.push(("Target", format!("{before}{}", request.recovery.target.describe())));
    if let Some(last) = snapshot.protection.get().and_then(|one| one.rehearsal.as_ref()) {
        facts.push(("Last time", view::proof(last, state.zone)));
    }
    let body = "1. The backup is restored into a scratch directory beside the data directory or below /var/tmp: it needs room for the whole cluster.\n\
        2. A server of its own starts there, with a private socket, no network port and archiving off, and replays WAL to the target.\n\
        3. pg_amcheck checks what it holds; then the directory is removed.\n\
        The seconds it took are recorded: they are your measured recovery time. The instance is not touched; reading takes disk and network bandwidth.";
    let action = Action::Rehearse { instance: instance.clone(), request: Box::new(request) };
    push_danger(state, Dialog::Plan(Plan::new(action, facts, body.to_owned())))
}

/// Asks to confirm a rehearsal of a recovery to the latest position.
pub(in crate::console) fn rehearse(state: &mut State) -> Vec<Cmd> {
    let Some(snapshot) = state.newest().cloned() else { return Vec::new() };
    let recovery = RecoveryRequest {
        destination: needs::destination(&snapshot),
        ..RecoveryRequest::default()
    };
    let request = RehearsalRequest { recovery, ..RehearsalRequest::default() };
    confirm_rehearsal(state, &snapshot.identity.id, request)
}
