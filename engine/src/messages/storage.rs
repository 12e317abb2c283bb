//! Conditions of destinations.

use super::{Context, Draft};
use crate::api::{
    Destination, DestinationHealth, DestinationKind, Forecast, Message, MessageCode, MountState,
    Remedy, Severity, bytes,
};
use crate::sys::clock;

/// Full, filling, unmounted, read-only and shared destinations.
pub(super) fn destinations(context: &Context<'_>, messages: &mut Vec<Message>) {
    for destination in context.snapshot.destinations.get().into_iter().flatten() {
        if let Some(message) = health(destination) {
            messages.push(message);
        }
        if let Some(message) = forecast(destination, context.limits.forecast_days) {
            messages.push(message);
        }
    }
}

fn title(destination: &Destination) -> String {
    match destination.kind {
        DestinationKind::Tablespace => format!("tablespace destination {}", destination.name),
        DestinationKind::Data => "the data storage destination".to_owned(),
        DestinationKind::Wal => "the transaction log storage destination".to_owned(),
        DestinationKind::Backup => "the backup data storage destination".to_owned(),
    }
}

fn seen(destination: &Destination) -> String {
    let path = destination.path.display();
    match &destination.usage {
        Some(usage) => format!(
            "{path} on {} ({}): {} used, {} free",
            usage.mount_point.display(),
            usage.device,
            bytes(usage.used_bytes),
            bytes(usage.free_bytes)
        ),
        None => path.to_string(),
    }
}

fn health(destination: &Destination) -> Option<Message> {
    let severity = match destination.health {
        DestinationHealth::Normal => return None,
        DestinationHealth::Warning => Severity::Warning,
        DestinationHealth::Error => Severity::Error,
    };
    let (code, solution) = match (&destination.mount, destination.health) {
        (MountState::Unmounted { expected }, _) => (
            MessageCode::DestinationUnmounted,
            format!("Mount it: mount {}, then recheck the status.", expected.display()),
        ),
        (MountState::ReadOnly, _) => (
            MessageCode::DestinationFailed,
            "Look for disk errors in the kernel's log (dmesg), then mount it for writing again.".to_owned(),
        ),
        (MountState::Unknown, _) => (
            MessageCode::DestinationFailed,
            "Check that the disk is there, mounted and readable by the server's user, then recheck the status.".to_owned(),
        ),
        (MountState::Mounted, DestinationHealth::Error) => (
            MessageCode::DestinationFailed,
            "Free space now: delete files that do not belong to the database. Never delete files in pg_wal by hand.".to_owned(),
        ),
        (MountState::Mounted, _) if destination.reason.ends_with("% full") => (
            MessageCode::DestinationFilling,
            "Delete files that do not belong to the database, move tables to a tablespace on another disk, or change to a bigger disk.".to_owned(),
        ),
        (MountState::Mounted, _) => (
            MessageCode::DestinationShared,
            "Put the backup destination on another disk: a broken disk takes both.".to_owned(),
        ),
    };
    let text = format!("{} {}", title(destination), destination.reason);
    let draft = Draft::new(code, severity, text).about(destination.path.display().to_string());
    Some(draft.solved_by(seen(destination), solution, Remedy::ShowStorage))
}

fn forecast(destination: &Destination, days_max: u32) -> Option<Message> {
    let Forecast::FullAt { at, bytes_per_day } = destination.forecast else { return None };
    let days = (at - clock::now()).num_days();
    if days >= i64::from(days_max) {
        return None;
    }
    let text = format!("{} will be full in {} days", title(destination), days.max(0));
    let draft = Draft::new(MessageCode::DestinationForecast, Severity::Warning, text)
        .about(destination.path.display().to_string());
    Some(draft.solved_by(
        format!("{}; it grows by {} a day", seen(destination), bytes(bytes_per_day)),
        "Make room before then, or plan a bigger disk.",
        Remedy::ShowStorage,
    ))
}
