//! The three lines everything begins with: is it healthy, is my data safe, what do I press next.

use pgdeck_engine::api::{
    DestinationHealth, InstanceState, MessageCode, RecoveryPhase, Severity, Snapshot,
};

use super::block::Block;
use crate::console::dialogs::stand::{self, Work};
use crate::console::look::state_role;
use crate::console::panes::Context;
use crate::console::zone::Zone;
use crate::text::plural;
use crate::theme::Role;

/// The three lines.
#[must_use]
pub(super) fn head(snapshot: &Snapshot, context: &Context<'_>) -> Block {
    let mut block = Block::new("", None);
    block.add("Health", health(snapshot));
    block.add("Data", safety(snapshot));
    if let Some(banner) = recovery(snapshot, context.zone, context.recovery_work()) {
        block.add("Recovery", vec![banner]);
    }
    block.add("Next", vec![(next(snapshot), Role::Key)]);
    block
}

/// A recovery that wants a decision.
fn recovery(snapshot: &Snapshot, zone: Zone, work: Work) -> Option<(String, Role)> {
    snapshot.recovery.get().and_then(|state| stand::banner(state, zone, work))
}

/// Lines of the head.
#[must_use]
pub(super) fn height(snapshot: Option<&Snapshot>) -> u16 {
    let has_banner = snapshot.is_some_and(|one| recovery(one, Zone::Utc, Work::None).is_some());
    3 + u16::from(has_banner)
}

fn health(snapshot: &Snapshot) -> Vec<(String, Role)> {
    let count = |severity| snapshot.messages.iter().filter(|m| m.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let (text, role) = match (errors, warnings) {
        (0, 0) => ("healthy".to_owned(), Role::Ok),
        (0, warnings) => (plural(warnings, "warning"), Role::Warn),
        (errors, 0) => (plural(errors, "error"), Role::Error),
        (errors, warnings) => {
            (format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")), Role::Error)
        }
    };
    let state = snapshot.status.state;
    let mut pieces = vec![(format!("{} ", state.word()), state_role(state))];
    if !snapshot.status.detail.is_empty() {
        pieces.push((format!("({}), ", snapshot.status.detail), Role::Dim));
    }
    match snapshot.is_settled {
        true => pieces.push((text, role)),
        false => pieces.push(("looking ...".to_owned(), Role::Dim)),
    }
    pieces
}

/// Is my data safe? What of the answer is known today.
fn safety(snapshot: &Snapshot) -> Vec<(String, Role)> {
    let mut pieces: Vec<(String, Role)> = Vec::new();
    let checksums = match (snapshot.server.get(), &snapshot.status.control) {
        (Some(server), _) => Some(server.data_checksums),
        (None, Some(control)) => Some(control.data_checksums),
        (None, None) => None,
    };
    match checksums {
        Some(true) => pieces.push(("checksums on".to_owned(), Role::Ok)),
        Some(false) => pieces.push(("checksums off".to_owned(), Role::Warn)),
        None => pieces.push(("checksums not known".to_owned(), Role::Dim)),
    }
    let archiver = snapshot.wal.get().map(|wal| wal.archiver.as_ref());
    match archiver {
        Some(Some(archiver)) if archiver.is_failing() => {
            pieces.push((", archiving fails".to_owned(), Role::Error));
        }
        Some(Some(_)) => pieces.push((", WAL is archived".to_owned(), Role::Ok)),
        Some(None) => pieces.push((", WAL is not archived".to_owned(), Role::Warn)),
        None => {}
    }
    let destinations = snapshot.destinations.get().map(Vec::as_slice).unwrap_or_default();
    let count = |health| destinations.iter().filter(|one| one.health == health).count();
    let (bad, doubtful) = (count(DestinationHealth::Error), count(DestinationHealth::Warning));
    if bad > 0 {
        pieces.push((format!(", {} in error", plural(bad, "destination")), Role::Error));
    }
    if doubtful > 0 {
        pieces.push((format!(", {} with a warning", plural(doubtful, "destination")), Role::Warn));
    }
    if bad + doubtful == 0 && !destinations.is_empty() {
        let all = plural(destinations.len(), "destination");
        pieces.push((format!(", {all} in order"), Role::Ok));
    }
    pieces
}

/// Whether a recovery is half done.
fn is_half_done(phase: Option<RecoveryPhase>) -> bool {
    let settled = [RecoveryPhase::Paused, RecoveryPhase::Promoted, RecoveryPhase::Standby];
    phase.is_some_and(|phase| !settled.contains(&phase))
}

fn next(snapshot: &Snapshot) -> String {
    let phase = snapshot.recovery.get().map(|state| state.phase);
    let by_state = match snapshot.status.state {
        InstanceState::Stopped => Some("s starts it"),
        InstanceState::DataDirectoryMissing | InstanceState::NotACluster => {
            Some("o recovers it from its backups; only unmounted? mount it, then R")
        }
        _ if phase == Some(RecoveryPhase::Paused) => {
            Some("8, then R: p promotes, f goes further, e earlier target, u undo")
        }
        _ if is_half_done(phase) => Some("8, then R: run the recovery again, or undo it"),
        InstanceState::Crashed => Some("6 reads the log, s starts it: it recovers by itself"),
        _ => None,
    };
    let text = match (by_state, snapshot.messages.first()) {
        (Some(text), _) => text,
        (None, None) => "nothing to do; ? shows all keys",
        (None, Some(message)) if message.severity == Severity::Info => {
            "nothing urgent; Enter reads a message, ? shows all keys"
        }
        (None, Some(message)) if message.code == MessageCode::InstanceUnreachable => {
            "Enter reads why it does not answer, R looks again"
        }
        (None, Some(_)) => "Enter reads the message below, o goes to its solution",
    };
    text.to_owned()
}
