//! A backup in words, and the restore points.

use pgdeck_engine::api::{BackupInfo, BackupKind, Protection, RestorePointInfo};

use super::rows;
use crate::console::dialogs::text_view::TextView;
use crate::console::panes::Context;
use crate::console::zone::Zone;
use crate::text;

/// Where it lies and how it stands, on one line.
pub(super) fn facts(one: &BackupInfo) -> String {
    let failures = match one.checksum_failures {
        None | Some(0) => String::new(),
        Some(count) => format!(", {count} pages with a wrong checksum"),
    };
    format!("{}{failures}", one.directory.display())
}

/// What it is based on and which WAL it needs.
pub(super) fn text(one: &BackupInfo, protection: &Protection) -> String {
    if let Some(reason) = &one.reason {
        return reason.clone();
    }
    let chain = match rows::parents(one, &protection.backups).as_slice() {
        [] => "based on nothing".to_owned(),
        [full] => format!("based on {full}"),
        [parent, between @ .., full] => {
            format!("based on {parent} and {} more down to {full}", between.len() + 1)
        }
    };
    format!("{chain}; {}", wal(one))
}

fn wal(one: &BackupInfo) -> String {
    match (&one.start_lsn, &one.stop_lsn, one.timeline) {
        (Some(start), Some(stop), Some(timeline)) => {
            format!("needs WAL from {start} to {stop} on timeline {timeline}")
        }
        _ => "the WAL it needs is not known".to_owned(),
    }
}

/// Everything about a backup.
pub(super) fn detail(one: &BackupInfo, protection: &Protection, context: &Context<'_>) -> TextView {
    let zone = context.zone;
    let window = protection.windows.iter().find(|window| window.backup == one.label);
    let reach = window.map(|window| {
        let to = window.to_at.map(|at| format!(" ({})", zone.date_time(at))).unwrap_or_default();
        let gap = if window.ends_at_gap { "; a gap in WAL ends it" } else { "" };
        format!("from {} to {}{to}{gap}", window.from_lsn, window.to_lsn)
    });
    let count = |number: Option<u64>| number.map(|it| it.to_string()).unwrap_or_default();
    let bytes = |number: Option<u64>| {
        number.map(|it| format!("{} ({it} bytes)", text::bytes(it))).unwrap_or_default()
    };
    let took = one.duration_seconds.map(|seconds| format!("{seconds:.1} s")).unwrap_or_default();
    let verified = match one.verified_at {
        Some(at) => format!("{} ago, {}", rows::verified(one, context.now), zone.full(at)),
        None => rows::verified(one, context.now),
    };
    let head = [
        ("backup", one.label.clone()),
        ("status", one.status.word().to_owned()),
        ("type", one.kind.map_or("", BackupKind::word).to_owned()),
        ("begun", zone.full(one.started_at)),
        ("took", took),
        ("directory", one.directory.display().to_string()),
        ("size", bytes(one.size_bytes)),
        ("stored", bytes(one.stored_bytes)),
        ("ratio", rows::ratio(one)),
        ("WAL", wal(one)),
        ("recoverable", reach.unwrap_or_else(|| "no: WAL it needs is missing".to_owned())),
        ("verified", verified),
        ("bad pages", count(one.checksum_failures)),
        ("keystore", one.keystore_fingerprint.clone().unwrap_or_else(|| "none".to_owned())),
    ];
    let head = head.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
    TextView::new("Backup", head, chain(one, protection))
}

/// Its reason, what it is based on, what is based on it.
fn chain(one: &BackupInfo, protection: &Protection) -> String {
    let mut lines = Vec::new();
    lines.extend(one.reason.clone());
    for parent in rows::parents(one, &protection.backups) {
        let found = protection.backups.iter().find(|other| other.label == parent);
        let status = found.map_or("MISSING", |other| other.status.word());
        lines.push(format!("based on   {parent}  {status}"));
    }
    let children = protection
        .backups
        .iter()
        .filter(|other| rows::parents(other, &protection.backups).contains(&one.label.as_str()));
    for child in children {
        lines.push(format!("needed by  {}  {}", child.label, child.status.word()));
    }
    if lines.is_empty() {
        lines.push("It is based on no other backup, and none is based on it.".to_owned());
    }
    lines.join("\n")
}

/// Every restore point, newest first.
pub(in crate::console) fn restore_points(points: &[RestorePointInfo], zone: Zone) -> TextView {
    let mut body = String::new();
    for point in points {
        body.push_str(&format!(
            "{}  {}  timeline {}  {}\n",
            zone.date_time(point.created_at),
            point.lsn,
            point.timeline,
            point.name
        ));
    }
    if body.is_empty() {
        body.push_str("There is no restore point. r makes one.");
    }
    TextView::new("Restore points", Vec::new(), body)
}
