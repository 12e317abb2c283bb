//! Whether a command can be used now, and if not, why: the reason is shown beside the key.

use pgdeck_engine::api::{InstanceState, Locality};

use super::commands::{CommandSpec, Need};
use super::state::State;

/// Why the command cannot be used now; `None` when it can.
#[must_use]
pub fn reason(spec: &CommandSpec, state: &State) -> Option<String> {
    spec.needs.iter().find_map(|need| unmet(*need, state))
}

/// The same for a command of another pane, where another row is selected: whether it fits is
/// looked at there.
#[must_use]
pub fn reason_elsewhere(spec: &CommandSpec, state: &State) -> Option<String> {
    let is_of_a_row = |need: &&Need| matches!(need, Need::Session | Need::Prepared | Need::Row);
    spec.needs.iter().filter(|need| !is_of_a_row(need)).find_map(|need| unmet(*need, state))
}

fn unmet(need: Need, state: &State) -> Option<String> {
    // Actions are checked against the newest snapshot, not against a frozen one.
    let snapshot = state.newest();
    let instance_state = snapshot.map(|snapshot| snapshot.status.state);
    let context = state.context();
    let pane = state.panes.get(state.pane);
    let (holds, reason) = match need {
        Need::Writable => (!state.read_only, "pgdeck is read-only"),
        Need::Instance => (snapshot.is_some(), "no instance"),
        Need::Local => (
            snapshot.is_some_and(|one| one.identity.locality == Locality::Local),
            "it is on another machine",
        ),
        Need::Connected => (snapshot.is_some_and(|one| one.connected), "no connection"),
        Need::Down => (
            instance_state.is_some_and(|state| {
                matches!(
                    state,
                    InstanceState::Stopped | InstanceState::Crashed | InstanceState::Zombie
                )
            }),
            "it is not stopped",
        ),
        Need::Running => (
            instance_state.is_some_and(InstanceState::has_process)
                || snapshot.is_some_and(|one| one.connected),
            "it does not run",
        ),
        Need::Session => (!pane.sessions(&context).is_empty(), "no session selected"),
        Need::Prepared => (pane.prepared(&context).is_some(), "no prepared transaction selected"),
        Need::Row => (pane.list().has_selection(), "nothing selected"),
        Need::SeveralInstances => (state.fleet.instances.len() > 1, "there is one instance only"),
    };
    (!holds).then(|| reason.to_owned())
}
