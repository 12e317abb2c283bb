//! Conditions of recoveries: one that is left half done, one that waits, what one has left
//! behind, and whether recovery was ever proven to work.

use super::{Context, Draft, RecoveryJob, span};
use crate::api::{Message, MessageCode, RecoveryPhase, RecoveryState, Remedy, Severity, bytes};

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// A recovery of the data directory, as far as it wants attention.
pub(super) fn state(context: &Context<'_>, messages: &mut Vec<Message>) {
    let Some(state) = context.snapshot.recovery.get() else { return };
    if context.recovery_job == RecoveryJob::AtWork {
        return;
    }
    match state.phase {
        RecoveryPhase::Paused => messages.push(paused(state)),
        RecoveryPhase::Promoted | RecoveryPhase::Standby => kept(context, state, messages),
        RecoveryPhase::MovingAside
        | RecoveryPhase::Restoring
        | RecoveryPhase::Replaying
        | RecoveryPhase::Undoing => messages.push(interrupted(state)),
    }
}

fn paused(state: &RecoveryState) -> Message {
    let at = state.plan.stop.last_commit_at;
    let at = at.map(|at| format!(", last commit {}", at.format("%Y-%m-%d %H:%M:%S UTC")));
    let text = "the recovery is paused at its target";
    Draft::new(MessageCode::RecoveryPaused, Severity::Warning, text).solved_by(
        format!("position {}{}", state.plan.stop.reached, at.unwrap_or_default()),
        "Look at the data: the server can be read. Then promote it, go further, choose an earlier target or undo.",
        Remedy::ShowRecovery,
    )
}

fn interrupted(state: &RecoveryState) -> Message {
    let text = format!("a recovery is unfinished: {}", state.phase.words());
    Draft::new(MessageCode::RecoveryInterrupted, Severity::Error, text).solved_by(
        format!("begun {}, nobody works on it", state.started_at.format("%Y-%m-%d %H:%M:%S UTC")),
        "Run it again, which goes on from where it is sound, or undo it. Do not start the server by other means.",
        Remedy::ShowRecovery,
    )
}

/// What is kept takes room, and WAL of the old history is of no use to the new one.
fn kept(context: &Context<'_>, state: &RecoveryState, messages: &mut Vec<Message>) {
    let Some(size) = state.kept_bytes else { return };
    let age = (context.snapshot.checked_at - state.started_at).num_seconds();
    if age <= i64::from(context.limits.kept_data_days) * DAY_SECONDS {
        return;
    }
    let text = format!(
        "data from before a recovery is kept: {} for {}",
        bytes(size),
        span(f64::from(i32::try_from(age).unwrap_or(i32::MAX)))
    );
    messages.push(Draft::new(MessageCode::RecoveryDataKept, Severity::Warning, text).solved_by(
        format!("recovered {}", state.started_at.format("%Y-%m-%d %H:%M:%S UTC")),
        "When the recovered data is right and backed up, discard the old data; until then the recovery can be undone.",
        Remedy::ShowRecovery,
    ));
}

/// The state of a recovery is there and cannot be read.
pub(super) fn unreadable(context: &Context<'_>, messages: &mut Vec<Message>) {
    let Some(error) = &context.snapshot.recovery.error else { return };
    let draft =
        Draft::new(MessageCode::RecoveryStateUnreadable, Severity::Error, error.fact.clone());
    messages.push(draft.solved_by(error.detail.clone(), error.hint.clone(), Remedy::ShowStorage));
}

/// When recovery was last proven to work.
pub(super) fn proof(context: &Context<'_>, messages: &mut Vec<Message>) {
    let Some(protection) = context.snapshot.protection.get() else { return };
    if protection.newest_complete().is_none() {
        return;
    }
    let solution = "Rehearse a recovery: it restores into a scratch directory, checks the result, measures the time and touches nothing else.";
    let Some(last) = &protection.rehearsal else {
        let text = "recovery has never been rehearsed";
        messages.push(Draft::new(MessageCode::RecoveryUnproven, Severity::Info, text).solved_by(
            "no rehearsal is recorded in the backup destination",
            solution,
            Remedy::Rehearse,
        ));
        return;
    };
    let at = last.at.format("%Y-%m-%d %H:%M:%S UTC");
    if !last.ok {
        let text = format!("the last rehearsal of a recovery failed, {at}");
        let error = last.error.clone().unwrap_or_else(|| last.checks.join("; "));
        messages.push(
            Draft::new(MessageCode::RecoveryProofFailed, Severity::Warning, text).solved_by(
                error,
                "Mend what failed, take a backup and rehearse again: until then it is not known that recovery works.",
                Remedy::Rehearse,
            ),
        );
        return;
    }
    let age = (context.snapshot.checked_at - last.at).num_seconds();
    if age > i64::from(context.limits.rehearsal_days) * DAY_SECONDS {
        let age = span(f64::from(i32::try_from(age).unwrap_or(i32::MAX)));
        let text = format!("the last proof that recovery works is {age} old");
        let detail = format!("rehearsed {at} from {}", last.backup);
        messages.push(
            Draft::new(MessageCode::RecoveryProofOld, Severity::Warning, text).solved_by(
                detail,
                solution,
                Remedy::Rehearse,
            ),
        );
    }
}
