//! Recovery: opening its flow, asking the engine on its behalf, and the confirmations before
//! anything is touched.

mod confirm;
mod stands;

use std::sync::Arc;

use pgdeck_engine::api::{
    Command, Error, InstanceId, InstanceProblem, InstanceState, Mistake, RecoveryMap, RecoveryPlan,
    RecoveryRequest, RequestId, Snapshot,
};

use super::actions::Action;
use super::ask::{place_facts, push_danger, stop_menu};
use super::dialogs::Dialog;
use super::dialogs::plan::Plan;
use super::dialogs::recovery::{Ask, Flow, Purpose, What};
use super::dialogs::stand::{self, Stand};
use super::dialogs::stop;
use super::layout;
use super::needs;
use super::state::{Cmd, Pending, State};
use super::update::one_line;
use super::widgets::window::Window;

use confirm::confirm_rehearsal;
pub(in crate::console) use confirm::{confirm_recovery, rehearse};
use stands::confirm_further;
pub(in crate::console) use stands::{begun, choose, ended, told};

fn flow_for(snapshot: &Snapshot) -> Flow {
    let identity = &snapshot.identity;
    let known = needs::destination(snapshot);
    let remembered = snapshot.protection.get().and_then(|one| one.remembered_at);
    let flow = Flow::new(identity.id.clone(), &identity.name);
    match (known, remembered) {
        (Some(path), Some(at)) => flow.with_remembered(&path, at),
        (Some(path), None) => flow.with_destination(&path),
        (None, _) => flow,
    }
}

/// Opens a flow, and asks for what it needs first.
fn open(state: &mut State, flow: Flow) -> Vec<Cmd> {
    let ask = flow.first_ask();
    state.dialogs.push(Dialog::Recovery(Box::new(flow)));
    ask.map(|ask| carry_out(state, ask)).unwrap_or_default()
}

/// How a recovery stands, if there is one; else the flow to begin one.
pub(in crate::console) fn recover(state: &mut State) -> Vec<Cmd> {
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
pub(in crate::console) fn show_map(state: &mut State) -> Vec<Cmd> {
    let Some(snapshot) = state.newest().cloned() else { return Vec::new() };
    open(state, flow_for(&snapshot).at_map(Purpose::Look))
}

/// Does what the flow on the stack asks for.
pub(in crate::console) fn carry_out(state: &mut State, ask: Ask) -> Vec<Cmd> {
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
    let runs = request.to.is_none() && snapshot.status.state.has_process();
    let facts = place_facts(&snapshot);
    let command =
        Command::PlanRecovery { instance: instance.clone(), request: Box::new(request.clone()) };
    let ask = state.request(command, Pending::Recovery);
    let Cmd::Send(id, _) = &ask else { return Vec::new() };
    let action =
        Action::Recover { instance: instance.clone(), request: Box::new(request), plan: None };
    let mut plan = Plan::awaited(action, facts, *id);
    if runs {
        plan = plan.of_running();
    }
    let dialog = Dialog::Plan(plan);
    let mut effects = push_danger(state, dialog);
    effects.push(ask);
    effects
}

/// Takes a plan that was asked for.
pub(in crate::console) fn planned(state: &mut State, request: RequestId, plan: &Arc<RecoveryPlan>) {
    let columns = Window::text_width(layout::body(state.size));
    let text = plan.describe_within(columns).join("\n");
    for dialog in &mut state.dialogs {
        if let Dialog::Plan(shown) = dialog {
            shown.complete_recovery(request, plan, &text);
        }
    }
}

/// An instance has stopped whose plan was made while it ran: it is made again.
pub(in crate::console) fn looked(state: &mut State) -> Vec<Cmd> {
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
pub(in crate::console) fn stop_first(state: &mut State) -> Vec<Cmd> {
    stop_menu(state, stop::Purpose::Stop)
}

/// Takes a map for the flow that asked for it.
pub(in crate::console) fn mapped(
    state: &mut State,
    request: RequestId,
    map: &Arc<RecoveryMap>,
) -> Vec<Cmd> {
    let ask = flow(state).and_then(|flow| flow.take_map(request, map));
    ask.map(|ask| carry_out(state, ask)).unwrap_or_default()
}

/// Takes mistakes for the flow that asked for them.
pub(in crate::console) fn found(state: &mut State, request: RequestId, found: &Arc<Vec<Mistake>>) {
    if let Some(flow) = flow(state) {
        flow.take_mistakes(request, found);
    }
}

/// Takes a refusal for the flow; whether it waited for it.
pub(in crate::console) fn refused(state: &mut State, request: RequestId, error: &Error) -> bool {
    let text = one_line(error);
    flow(state).is_some_and(|flow| flow.refuse(request, &text))
}
