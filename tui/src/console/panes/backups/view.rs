//! The lines above the list: how well the data is protected.

use pgdeck_engine::api::{
    ArchiverStatus, BackupStatus, Holder, HolderKind, Locality, Protection, RehearsalRecord,
    Snapshot,
};

use super::Throughput;
use super::rows::seconds_between;
use crate::console::dialogs::recovery::words;
use crate::console::dialogs::stand::{self, Work};
use crate::console::panes::{Context, stale_text};
use crate::console::widgets::age;
use crate::console::zone::Zone;
use crate::text;
use crate::theme::Role;

/// A line: its label and pieces of text.
pub(super) type HeadLine = (&'static str, Vec<(String, Role)>);

/// The head lines.
pub(super) fn head(
    snapshot: &Snapshot,
    context: &Context<'_>,
    throughput: &Throughput,
    filter: &str,
) -> Vec<HeadLine> {
    if snapshot.identity.locality == Locality::Remote {
        let text = "Its backups are on another machine: run pgdeck there.".to_owned();
        return vec![("Destination", vec![(text, Role::Dim)])];
    }
    let mut lines = Vec::new();
    let state = snapshot.recovery.get();
    let work = context.recovery_work();
    let banner = |it| stand::banner(it, context.zone, work);
    if let Some((state, banner)) = state.and_then(|it| Some((it, banner(it)?))) {
        let mut pieces = vec![banner];
        if work == Work::None {
            pieces.push((stand::decision(state).to_owned(), Role::Key));
        }
        lines.push(("Recovery", pieces));
    }
    lines.push(("Destination", destination(snapshot, context)));
    if let Some(stale) = stale_text(&snapshot.protection, context.now) {
        lines.push(("", vec![(stale, Role::Stale)]));
    }
    if let Some(error) = &snapshot.protection.error {
        let detail = text::clean(&error.detail).into_owned();
        lines.push(("", vec![(detail, Role::Text)]));
        lines.push(("Next", vec![(text::clean(&error.hint).into_owned(), Role::Key)]));
    }
    lines.push(("Archive", archive(snapshot, context, throughput)));
    let protection = snapshot.protection.get().filter(|one| one.destination.is_some());
    let Some(protection) = protection else { return lines };
    lines.push(("RPO now", rpo(protection, context)));
    lines.push(("Backups", backups(protection, context, filter)));
    if let Some(window) = window(protection, context) {
        lines.push(("Recoverable", window));
    }
    lines.push(("Proof", proven(protection, context)));
    if !protection.gaps.is_empty() {
        lines.push(("Gaps", gaps(protection)));
    }
    lines
}

fn destination(snapshot: &Snapshot, context: &Context<'_>) -> Vec<(String, Role)> {
    let set = crate::console::needs::destination(snapshot);
    let panel = &snapshot.protection;
    match (set, panel.get()) {
        (Some(path), protection) => {
            let segments = protection.map(|one| format!("  {} WAL segments", one.segments));
            let mut pieces =
                vec![(text::clean(&path.display().to_string()).into_owned(), Role::Text)];
            if let Some(at) = protection.and_then(|one| one.remembered_at) {
                let seen = context.zone.date_time(at);
                pieces.push((format!("  (seen last {seen})"), Role::Warn));
            }
            pieces.push((segments.unwrap_or_default(), Role::Dim));
            pieces
        }
        (None, Some(_)) => {
            vec![("no backup destination: press S to set one up".to_owned(), Role::Warn)]
        }
        (None, None) if panel.error.is_some() => vec![("not known".to_owned(), Role::Stale)],
        (None, None) => vec![("looking ...".to_owned(), Role::Dim)],
    }
}

fn archive(
    snapshot: &Snapshot,
    context: &Context<'_>,
    throughput: &Throughput,
) -> Vec<(String, Role)> {
    let Some(wal) = snapshot.wal.get() else {
        return vec![("not known: the server does not answer".to_owned(), Role::Dim)];
    };
    let mode = snapshot.server.get().map(|server| server.archive_mode.as_str());
    let Some(archiver) = wal.archiver.as_ref().filter(|_| mode != Some("off")) else {
        return vec![("WAL is not archived: archive_mode is off".to_owned(), Role::Warn)];
    };
    let mut pieces = vec![last_archived(archiver, context)];
    pieces.push(waiting(snapshot));
    pieces.push(if archiver.is_failing() {
        let failed = archiver.last_failed.as_deref().unwrap_or("a segment");
        (format!(", FAILING at {failed}"), Role::Error)
    } else {
        (format!(", {} failed", archiver.failed_count), Role::Text)
    });
    if let Some(rate) = throughput.per_minute() {
        pieces.push((format!(", {rate:.1}/min"), Role::Dim));
    }
    if let Some(stale) = stale_text(&snapshot.wal, context.now) {
        pieces.push((format!("  {stale}"), Role::Stale));
    }
    pieces
}

fn last_archived(archiver: &ArchiverStatus, context: &Context<'_>) -> (String, Role) {
    match (&archiver.last_archived, archiver.last_archived_at) {
        (Some(name), Some(at)) => {
            let since = text::age(seconds_between(at, context.now));
            (format!("{name} {since} ago"), Role::Text)
        }
        _ => ("nothing archived yet".to_owned(), Role::Warn),
    }
}

/// What waits for the archiver (`archive_status/*.ready`).
fn waiting(snapshot: &Snapshot) -> (String, Role) {
    let holders = snapshot.holders.get().into_iter().flatten();
    let mut archivers = holders.filter(|holder| holder.kind == HolderKind::Archiver);
    match archivers.next() {
        Some(Holder { wal_bytes: Some(bytes), age_seconds, .. }) if *bytes > 0 => {
            let oldest = age_seconds.map(|seconds| format!(", oldest {}", age(Some(seconds))));
            let oldest = oldest.unwrap_or_default();
            (format!(", {} wait{oldest}", text::bytes(*bytes)), Role::Warn)
        }
        _ => (", none wait".to_owned(), Role::Text),
    }
}

/// What would be lost with the data disk.
fn rpo(protection: &Protection, context: &Context<'_>) -> Vec<(String, Role)> {
    if protection.newest_complete().is_none() {
        return vec![(
            "everything would be lost: there is no complete backup".to_owned(),
            Role::Error,
        )];
    }
    match protection.durable_commit_at {
        Some(at) => {
            let since = text::age(seconds_between(at, context.now));
            let role = if protection.gaps.is_empty() { Role::Text } else { Role::Error };
            vec![
                (since, role),
                (
                    format!(": commits up to {} are safe in it", context.zone.date_time(at)),
                    Role::Text,
                ),
            ]
        }
        None if protection.windows.is_empty() => {
            vec![("no backup can be recovered: WAL it needs is missing".to_owned(), Role::Error)]
        }
        None => vec![("no commit since the newest backup is archived yet".to_owned(), Role::Text)],
    }
}

fn backups(protection: &Protection, context: &Context<'_>, filter: &str) -> Vec<(String, Role)> {
    let count = |status| protection.backups.iter().filter(|one| one.status == status).count();
    let mut pieces = vec![match protection.newest_complete() {
        Some(newest) => {
            let since = text::age(seconds_between(newest.started_at, context.now));
            let complete = count(BackupStatus::Complete);
            (format!("{complete} complete, the newest {since} old"), Role::Text)
        }
        None => ("none complete: b takes one".to_owned(), Role::Error),
    }];
    let mut add = |status, word: &str, role| {
        let count = count(status);
        if count > 0 {
            pieces.push((format!(", {count} {word}"), role));
        }
    };
    add(BackupStatus::Running, "running", Role::Info);
    add(BackupStatus::Incomplete, "incomplete", Role::Warn);
    add(BackupStatus::Damaged, "damaged", Role::Error);
    let points = protection.restore_points.len();
    pieces.push((format!(", {} (P)", text::plural(points, "restore point")), Role::Dim));
    if !filter.is_empty() {
        pieces.push((format!("  filter: {}", text::clean(filter)), Role::Info));
    }
    pieces
}

fn window(protection: &Protection, context: &Context<'_>) -> Option<Vec<(String, Role)>> {
    let from = protection.windows.iter().map(|window| window.from_at).min()?;
    let ends = protection.windows.iter().map(|window| window.to_at.unwrap_or(window.from_at));
    let to = ends.max()?.max(from);
    let zone = context.zone;
    let span = text::age(seconds_between(from, to));
    let gaps = if protection.gaps.is_empty() { ", no gap" } else { "" };
    let text = format!("{} to {} ({span}){gaps}", zone.date_time(from), zone.date_time(to));
    Some(vec![(text, Role::Text)])
}

/// When it was last proven that recovery works, and how long it took.
fn proven(protection: &Protection, context: &Context<'_>) -> Vec<(String, Role)> {
    let Some(last) = &protection.rehearsal else {
        let role = if protection.newest_complete().is_some() { Role::Warn } else { Role::Dim };
        return vec![("never rehearsed: T does it and measures the RTO".to_owned(), role)];
    };
    let since = text::age(seconds_between(last.at, context.now));
    if !last.ok {
        let error = last.error.as_deref().unwrap_or("a check failed");
        return vec![(format!("FAILED {since} ago: {}", text::clean(error)), Role::Error)];
    }
    let (restore, replay) = (last.restore_seconds, last.replay_seconds);
    vec![
        (format!("RTO {}", words::duration(restore + replay)), Role::Ok),
        (
            format!(
                " measured {since} ago (restore {}, replay {})",
                words::duration(restore),
                words::duration(replay)
            ),
            Role::Text,
        ),
    ]
}

/// The last rehearsal in one sentence.
pub(in crate::console) fn proof(last: &RehearsalRecord, zone: Zone) -> String {
    let at = zone.date_time(last.at);
    match &last.error {
        None if last.ok => format!(
            "{at}: {} restored in {}, {} of WAL replayed in {}",
            text::bytes(last.restore_bytes),
            words::duration(last.restore_seconds),
            text::bytes(last.replay_bytes),
            words::duration(last.replay_seconds)
        ),
        error => format!("{at}: FAILED: {}", error.as_deref().unwrap_or("a check failed")),
    }
}

fn gaps(protection: &Protection) -> Vec<(String, Role)> {
    let missing: u64 = protection.gaps.iter().map(|gap| gap.segments).sum();
    let count = usize::try_from(missing).unwrap_or(usize::MAX);
    let gaps = text::plural(protection.gaps.len(), "gap");
    let first = protection.gaps.first().map(|gap| match gap.segments {
        1 => format!(": {}", gap.first),
        _ => format!(": {} to {}", gap.first, gap.last),
    });
    let more = if protection.gaps.len() > 1 { ", ..." } else { "" };
    let missing = text::plural(count, "WAL segment");
    vec![(format!("{gaps}, {missing} missing{}{more}", first.unwrap_or_default()), Role::Error)]
}
