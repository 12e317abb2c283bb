//! Conditions of the backups and the archive.

use super::{Context, Draft, plural, span};
use crate::api::{BackupStatus, HolderKind, Message, MessageCode, Protection, Remedy, Severity};

/// A destination is set and there is no usable backup, or the newest attempt failed.
pub(super) fn backups(context: &Context<'_>, messages: &mut Vec<Message>) {
    let Some(protection) = context.snapshot.protection.get() else { return };
    if protection.destination.is_none() {
        return;
    }
    let Some(newest) = protection.newest_complete() else {
        let draft = Draft::new(MessageCode::BackupMissing, Severity::Error, "there is no backup");
        messages.push(draft.solved_by(
            "the backup destination holds none that is complete",
            "Take one in the Backups pane, or: pgdeck backup.",
            Remedy::ShowBackups,
        ));
        return failed(protection, messages);
    };
    let age = (context.snapshot.checked_at - newest.started_at).num_seconds();
    let hours = context.limits.backup_hours;
    if age > i64::from(hours) * 3_600 {
        let age = f64::from(i32::try_from(age).unwrap_or(i32::MAX));
        let text = format!("the newest backup is {} old", span(age));
        messages.push(Draft::new(MessageCode::BackupOld, Severity::Warning, text).solved_by(
            format!("{} was the last complete one; the cycle is {hours} h", newest.label),
            "Take one, and see why the scheduled one did not run (systemctl list-timers, cron's log).",
            Remedy::ShowBackups,
        ));
    }
    failed(protection, messages);
}

/// The newest entry is no backup and nobody takes it.
fn failed(protection: &Protection, messages: &mut Vec<Message>) {
    let Some(newest) = protection.backups.first() else { return };
    if !matches!(newest.status, BackupStatus::Incomplete | BackupStatus::Damaged) {
        return;
    }
    let text = format!("backup {} is {}", newest.label, newest.status.word().to_lowercase());
    let draft = Draft::new(MessageCode::BackupFailed, Severity::Error, text);
    messages.push(draft.about(newest.label.clone()).solved_by(
        newest.reason.clone().unwrap_or_default(),
        "Take a backup: it uses what an interrupted one has copied. Remove a damaged one when a newer is complete.",
        Remedy::ShowBackups,
    ));
}

/// WAL between the oldest backup and now is missing.
pub(super) fn gaps(context: &Context<'_>, messages: &mut Vec<Message>) {
    let Some(protection) = context.snapshot.protection.get() else { return };
    let Some(first) = protection.gaps.first() else { return };
    let missing: u64 = protection.gaps.iter().map(|gap| gap.segments).sum();
    let count = usize::try_from(missing).unwrap_or(usize::MAX);
    let text = format!("the archive misses {}", plural(count, "WAL segment"));
    let draft = Draft::new(MessageCode::ArchiveGap, Severity::Error, text);
    messages.push(draft.about(first.first.clone()).solved_by(
        format!("first {}; recovery from before it cannot go beyond it", first.first),
        "If the segments are still in pg_wal or elsewhere, push them with pgdeck wal-push. Take a backup now: recovery from then on does not need them.",
        Remedy::ShowBackups,
    ));
}

/// Segments wait for the archiver for long though it reports no failure.
pub(super) fn waiting(context: &Context<'_>, messages: &mut Vec<Message>) {
    let archiver = context.snapshot.wal.get().and_then(|wal| wal.archiver.as_ref());
    let Some(archiver) = archiver.filter(|archiver| !archiver.is_failing()) else { return };
    let holders = context.snapshot.holders.get().into_iter().flatten();
    let age = holders
        .filter(|holder| holder.kind == HolderKind::Archiver)
        .filter_map(|holder| holder.age_seconds)
        .fold(0.0_f64, f64::max);
    let limit = f64::from(context.limits.archive_wait_seconds);
    if age < limit {
        return;
    }
    let text = format!("a WAL segment has waited {} for the archiver", span(age));
    let last = archiver.last_archived.clone().unwrap_or_else(|| "none".to_owned());
    messages.push(Draft::new(MessageCode::ArchiverStuck, Severity::Warning, text).solved_by(
        format!("archived last: {last}; no failure is reported"),
        "The archive command hangs or is too slow: look at its process, and at the disk or network of the backup destination.",
        Remedy::ShowLogs,
    ));
}

/// The destination is set but cannot be looked into.
pub(super) fn unreadable(context: &Context<'_>, messages: &mut Vec<Message>) {
    let Some(error) = &context.snapshot.protection.error else { return };
    let draft =
        Draft::new(MessageCode::BackupDestinationUnreadable, Severity::Error, error.fact.clone());
    messages.push(draft.solved_by(error.detail.clone(), error.hint.clone(), Remedy::ShowStorage));
}
