//! Recovery: opening its flow, asking the engine on its behalf, and the confirmations before
//! anything is touched.

use std::path::Path;
use std::sync::Arc;

use pgdeck_engine::api::{
    Command, Error, InstanceId, InstanceProblem, InstanceState, JobId, Mistake, OldData,
    RecoveryMap, RecoveryPlan, RecoveryRequest, RecoveryState, RecoveryStep, RecoveryTarget,
    RehearsalRequest, RequestId, Severity, Snapshot, TargetBound,
};

use super::actions::{Action, AfterStep};
use super::ask::{place_facts, push_danger, stop_menu};
use super::commands::{self, CommandId};
use super::dialogs::Dialog;
use super::dialogs::confirm::Confirm;
use super::dialogs::plan::Plan;
use super::dialogs::recovery::{Ask, Flow, Purpose, What};
use super::dialogs::stand::{self, Choice, Stand};
use super::dialogs::stop;
use super::dialogs::typed::Typed;
use super::needs;
use super::panes::PaneId;
use super::panes::backups::view;
use super::state::{Cmd, Pending, State};
use super::update::one_line;

fn flow_for(snapshot: &Snapshot) -> Flow {
    let identity = &snapshot.identity;
    Flow::new(identity.id.clone(), &identity.name, needs::destination(snapshot))
}

/// Opens a flow, and asks for what it needs first.
fn open(state: &mut State, flow: Flow) -> Vec<Cmd> {
    let ask = flow.first_ask();
    state.dialogs.push(Dialog::Recovery(Box::new(flow)));
    ask.map(|ask| carry_out(state, ask)).unwrap_or_default()
}

/// How a recovery stands, if there is one; else the flow to begin one.
pub(super) fn recover(state: &mut State) -> Vec<Cmd> {
    let Some(snapshot) = state.newest().cloned() else { return Vec::new() };
    // What is over and has left nothing is no recovery to decide about.
    let stands = snapshot.recovery.get().filter(|it| !stand::is_settled(it));
    match stands {
        Some(stands) => {
            let stand = Stand::new(snapshot.identity.id.clone(), stands.clone());
            state.dialogs.push(Dialog::Stand(Box::new(stand)));
            Vec::new()
        }
        None => open(state, flow_for(&snapshot).about(likely(&snapshot))),
    }
}

/// What has probably happened.
fn likely(snapshot: &Snapshot) -> What {
    match snapshot.status.state {
        InstanceState::DataDirectoryMissing | InstanceState::NotACluster => What::Lost,
        InstanceState::Crashed => What::Damaged,
        _ if snapshot.status.problems.iter().any(is_damage) => What::Damaged,
        InstanceState::Started => What::Wrong,
        _ => What::Lost,
    }
}

fn is_damage(problem: &InstanceProblem) -> bool {
    matches!(problem, InstanceProblem::ControlFile { .. })
}

/// The map, to look at.
pub(super) fn show_map(state: &mut State) -> Vec<Cmd> {
    let Some(snapshot) = state.newest().cloned() else { return Vec::new() };
    open(state, flow_for(&snapshot).at_map(Purpose::Look))
}

/// Does what the flow on the stack asks for.
pub(super) fn carry_out(state: &mut State, ask: Ask) -> Vec<Cmd> {
    let Some((instance, destination)) =
        flow(state).map(|flow| (flow.instance().clone(), flow.destination().cloned()))
    else {
        return Vec::new();
    };
    match ask {
        Ask::Map => {
            let command = Command::FetchRecoveryMap { instance, destination };
            send(state, command, |flow, id| flow.await_map(id))
        }
        Ask::Mistakes(query) => {
            let command = Command::FindMistakes { instance, query };
            send(state, command, |flow, id| flow.await_mistakes(id))
        }
        Ask::StopSearch(job) => vec![state.request(Command::CancelJob { job }, Pending::Silent)],
        Ask::Plan(request) => plan(state, &instance, *request),
        Ask::Rehearse(request) => confirm_rehearsal(state, &instance, *request),
        Ask::Further(target, bound) => confirm_further(state, &instance, target, bound),
    }
}

fn flow(state: &mut State) -> Option<&mut Flow> {
    state.dialogs.iter_mut().rev().find_map(|dialog| match dialog {
        Dialog::Recovery(flow) => Some(flow.as_mut()),
        _ => None,
    })
}

fn send(
    state: &mut State,
    command: Command,
    awaits: impl FnOnce(&mut Flow, RequestId),
) -> Vec<Cmd> {
    let ask = state.request(command, Pending::Recovery);
    if let (Cmd::Send(id, _), Some(flow)) = (&ask, flow(state)) {
        awaits(flow, *id);
    }
    vec![ask]
}

/// Asks for the plan; it is confirmed when it is there.
fn plan(state: &mut State, instance: &InstanceId, request: RecoveryRequest) -> Vec<Cmd> {
    let Some(snapshot) = state.fleet.get(instance).cloned() else { return Vec::new() };
    let mut facts = place_facts(&snapshot);
    if request.to.is_none() && snapshot.status.state.has_process() {
        let before = if request.bound == TargetBound::Exclusive { "just before " } else { "" };
        facts.push(("Target", format!("{before}{}", request.target.describe())));
        let body = "The instance runs, and has to be stopped before it can be recovered: only then is it known what its newest WAL holds.\n\nStop it first. The plan is made then and shown here; nothing is touched before you have read it and typed the instance's name. If you go no further, start the instance again: nothing has changed.";
        let (instance, request) = (instance.clone(), Box::new(request));
        let action = Action::Recover { instance, request, plan: None };
        return push_danger(state, Dialog::Plan(Plan::held(action, facts, body.to_owned())));
    }
    let command =
        Command::PlanRecovery { instance: instance.clone(), request: Box::new(request.clone()) };
    let ask = state.request(command, Pending::Recovery);
    let Cmd::Send(id, _) = &ask else { return Vec::new() };
    let action =
        Action::Recover { instance: instance.clone(), request: Box::new(request), plan: None };
    let dialog = Dialog::Plan(Plan::awaited(action, facts, *id));
    let mut effects = push_danger(state, dialog);
    effects.push(ask);
    effects
}

/// Takes a plan that was asked for.
pub(super) fn planned(state: &mut State, request: RequestId, plan: &Arc<RecoveryPlan>) {
    let text = plan.describe().join("\n");
    for dialog in &mut state.dialogs {
        if let Dialog::Plan(shown) = dialog {
            shown.complete_recovery(request, plan, &text);
        }
    }
}

/// An instance has stopped that a plan waits for: it is made now.
pub(super) fn looked(state: &mut State) -> Vec<Cmd> {
    let waiting = state.dialogs.iter().find_map(|dialog| match dialog {
        Dialog::Plan(plan) => plan.waits_for(),
        _ => None,
    });
    let Some(instance) = waiting.cloned() else { return Vec::new() };
    let runs = state.fleet.get(&instance).is_some_and(|one| one.status.state.has_process());
    if runs { Vec::new() } else { plan_again(state, &instance) }
}

/// Makes the plan of a recovery again that is open.
fn plan_again(state: &mut State, instance: &InstanceId) -> Vec<Cmd> {
    let found = state.dialogs.iter().find_map(|dialog| match dialog {
        Dialog::Plan(plan) => match plan.action() {
            Action::Recover { instance: whose, request, .. } if whose == instance => {
                Some(request.as_ref().clone())
            }
            _ => None,
        },
        _ => None,
    });
    let Some(request) = found else { return Vec::new() };
    state.dialogs.retain(|dialog| !is_recovery_plan(dialog));
    plan(state, instance, request)
}

fn is_recovery_plan(dialog: &Dialog) -> bool {
    matches!(dialog, Dialog::Plan(plan) if matches!(plan.action(), Action::Recover { .. }))
}

/// The instance runs: it has to be stopped before it can be recovered.
pub(super) fn stop_first(state: &mut State) -> Vec<Cmd> {
    stop_menu(state, stop::Purpose::Stop)
}

/// The plan was accepted: the instance's name has to be typed.
pub(super) fn confirm_recovery(state: &mut State, action: Action) -> Vec<Cmd> {
    let Action::Recover { instance, plan: Some(plan), request } = &action else {
        return Vec::new();
    };
    let Some(snapshot) = state.fleet.get(instance).cloned() else { return Vec::new() };
    let mut facts = place_facts(&snapshot);
    facts.push(("Writes to", plan.directory.display().to_string()));
    facts.push(("Target", plan.target.describe()));
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
fn confirm_rehearsal(
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
    facts.push(("Target", request.recovery.target.describe()));
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
pub(super) fn rehearse(state: &mut State) -> Vec<Cmd> {
    let Some(snapshot) = state.newest().cloned() else { return Vec::new() };
    let recovery = RecoveryRequest {
        destination: needs::destination(&snapshot),
        ..RecoveryRequest::default()
    };
    let request = RehearsalRequest { recovery, ..RehearsalRequest::default() };
    confirm_rehearsal(state, &snapshot.identity.id, request)
}

/// What is asked of a recovery that stands; the dialog that tells of it stays below.
pub(super) fn choose(state: &mut State, choice: Choice, instance: &InstanceId) -> Vec<Cmd> {
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
            super::dispatch::checked(state, CommandId::BackupNow)
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

fn confirm_further(
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
pub(super) fn begun(state: &mut State, action: &Action, job: &JobId) {
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
pub(super) fn told(state: &mut State, instance: InstanceId, stands: RecoveryState) -> Vec<Cmd> {
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
pub(super) fn ended(state: &mut State, job: &JobId) -> Vec<Cmd> {
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

/// Takes a map for the flow that asked for it.
pub(super) fn mapped(state: &mut State, request: RequestId, map: &Arc<RecoveryMap>) -> Vec<Cmd> {
    let ask = flow(state).and_then(|flow| flow.take_map(request, map));
    ask.map(|ask| carry_out(state, ask)).unwrap_or_default()
}

/// Takes mistakes for the flow that asked for them.
pub(super) fn found(state: &mut State, request: RequestId, found: &Arc<Vec<Mistake>>) {
    if let Some(flow) = flow(state) {
        flow.take_mistakes(request, found);
    }
}

/// Takes a refusal for the flow; whether it waited for it.
pub(super) fn refused(state: &mut State, request: RequestId, error: &Error) -> bool {
    let text = one_line(error);
    flow(state).is_some_and(|flow| flow.refuse(request, &text))
}
