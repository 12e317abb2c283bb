//! The search for mistakes that a recovery flow has begun: a job that is shown in the flow.

use pgdeck_engine::api::{Error, JobId, RequestId};

use super::dialogs::Dialog;
use super::dialogs::recovery::Flow;
use super::state::State;
use super::update::one_line;

fn flow(state: &mut State, is_it: impl Fn(&Flow) -> bool) -> Option<&mut Flow> {
    state.dialogs.iter_mut().rev().find_map(|dialog| match dialog {
        Dialog::Recovery(flow) if is_it(flow) => Some(flow.as_mut()),
        _ => None,
    })
}

/// The engine has begun what a flow asked for; whether it is a search of one.
pub(super) fn begun(state: &mut State, request: RequestId, job: &JobId) -> bool {
    let flow = flow(state, |flow| flow.awaits_mistakes(request));
    flow.map(|flow| flow.search_begun(job.clone())).is_some()
}

/// A job has ended; whether it was the search of a flow, which tells it then.
pub(super) fn ended(state: &mut State, job: &JobId, outcome: Result<&str, &Error>) -> bool {
    let Some(flow) = flow(state, |flow| flow.searches(job)) else { return false };
    flow.search_ended(outcome.err().map(one_line));
    true
}
