//! The list of backups: columns and cells.

use chrono::{DateTime, Utc};
use pgdeck_engine::api::{BackupInfo, BackupKind, BackupStatus, VerifyState};

use crate::console::widgets::table::Column;
use crate::console::widgets::whole;
use crate::text;
use crate::theme::Role;

/// Columns.
pub(super) const COLUMNS: [Column; 10] = [
    Column::text("backup", 19),
    Column::text("status", 10),
    Column::text("type", 6),
    Column::number("size", 7),
    Column::number("stored", 7),
    Column::number("ratio", 5),
    Column::number("took", 5),
    Column::text("verified", 13),
    Column::number("bad pages", 9),
    Column::text("based on", 20),
];

/// Backups a chain can have before its links are taken for a circle.
const CHAIN_MAX: usize = 1_000;

/// The labels it is based on, the nearest first.
pub(super) fn parents<'a>(one: &'a BackupInfo, all: &'a [BackupInfo]) -> Vec<&'a str> {
    let mut chain = Vec::new();
    let mut parent = one.parent.as_deref();
    while let Some(label) = parent.filter(|_| chain.len() < CHAIN_MAX) {
        chain.push(label);
        parent = all.iter().find(|other| other.label == label).and_then(|it| it.parent.as_deref());
    }
    chain
}

/// The cells of a backup.
pub(super) fn cells(one: &BackupInfo, all: &[BackupInfo], now: DateTime<Utc>) -> Vec<String> {
    let bytes = |count: Option<u64>| count.map(text::bytes).unwrap_or_default();
    vec![
        one.label.clone(),
        one.status.word().to_owned(),
        kind(one, all),
        bytes(one.size_bytes),
        bytes(one.stored_bytes),
        ratio(one),
        one.duration_seconds.map(|seconds| text::age(whole(seconds))).unwrap_or_default(),
        verified(one, now),
        one.checksum_failures.map(|count| count.to_string()).unwrap_or_default(),
        one.parent.clone().unwrap_or_default(),
    ]
}

/// `full`, or `incr 2`: the second above its full one.
fn kind(one: &BackupInfo, all: &[BackupInfo]) -> String {
    match one.kind {
        Some(BackupKind::Full) => "full".to_owned(),
        Some(BackupKind::Incremental) => format!("incr {}", parents(one, all).len()),
        None => String::new(),
    }
}

/// How many times smaller it is stored.
pub(super) fn ratio(one: &BackupInfo) -> String {
    let (Some(size), Some(stored)) = (one.size_bytes, one.stored_bytes) else {
        return String::new();
    };
    let tenths = (u128::from(size) * 10).checked_div(u128::from(stored)).unwrap_or(0);
    match tenths {
        0 => String::new(),
        1..1000 => format!("{}.{}", tenths / 10, tenths % 10),
        _ => format!("{}", (tenths / 10).min(99_999)),
    }
}

/// `sound 2h05`: what the last verification said, and how long ago.
pub(super) fn verified(one: &BackupInfo, now: DateTime<Utc>) -> String {
    let since = one.verified_at.map(|at| text::age(seconds_between(at, now)));
    let since = since.unwrap_or_default();
    match one.verification {
        VerifyState::NotVerified if one.status != BackupStatus::Complete => String::new(),
        VerifyState::NotVerified => "no".to_owned(),
        VerifyState::Sound => format!("sound {since}"),
        VerifyState::Damaged => format!("DAMAGED {since}"),
    }
    .trim_end()
    .to_owned()
}

/// Whole seconds from one moment to the next, none when the clock went back.
pub(super) fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> u64 {
    u64::try_from((to - from).num_seconds()).unwrap_or(0)
}

/// How its row looks.
pub(super) fn role(one: &BackupInfo) -> Role {
    match (one.status, one.verification) {
        (BackupStatus::Damaged, _) | (_, VerifyState::Damaged) => Role::Error,
        (BackupStatus::Incomplete, _) => Role::Warn,
        (BackupStatus::Running, _) => Role::Info,
        (BackupStatus::Complete, _) if one.checksum_failures.unwrap_or(0) > 0 => Role::Warn,
        (BackupStatus::Complete, _) => Role::Text,
    }
}
