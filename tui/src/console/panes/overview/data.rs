//! What an instance keeps, where, and what it may not throw away: destinations, databases, what
//! holds back xmin and WAL.

use pgdeck_engine::api::{
    DatabaseStatus, Destination, DestinationHealth, Forecast, Holder, HolderKind, Snapshot,
};

use super::block::{Block, Room};
use super::figures::minutes;
use crate::console::look::health_role;
use crate::console::panes::{Context, stale_text};
use crate::text;
use crate::theme::Role;

/// Rows of each kind on wide screens; more are counted.
const ROWS_MAX: usize = 8;
/// Databases named on narrow ones.
const DATABASES_NARROW: usize = 3;
/// Transaction ids are compared in a circle: this many are "older".
///
/// Source: "Preventing Transaction ID Wraparound Failures" in the PostgreSQL manual.
const XID_CIRCLE_HALF: u64 = 1 << 31;

/// One answer to "what holds back xmin and WAL".
#[must_use]
pub(super) fn held(snapshot: &Snapshot, context: &Context<'_>, room: Room) -> Block {
    let mut block = Block::new("Held back", stale_text(&snapshot.holders, context.now));
    let holders = snapshot.holders.get().map(Vec::as_slice).unwrap_or_default();
    let oldest = holders.iter().find(|holder| holder.xmin_age.is_some());
    let keeps = |holder: &&Holder| holder.wal_bytes.is_some_and(|bytes| bytes > 0);
    let most = holders.iter().filter(keeps).max_by_key(|holder| holder.wal_bytes);
    let kept = most.map_or_else(|| "nothing".to_owned(), kept_text);
    let xid = xid_text(snapshot);
    block.text("xmin by", oldest.map_or_else(|| "nothing".to_owned(), xmin_text));
    match (room, xid) {
        (Room::Narrow, xid) => {
            let xid = xid.map_or_else(String::new, |xid| format!("; oldest xid age {xid}"));
            block.text("WAL by", format!("{kept}{xid}"));
        }
        (Room::Wide, xid) => {
            let more = holders.iter().filter(|one| one.xmin_age.is_some()).skip(1);
            for holder in more.take(ROWS_MAX / 2) {
                block.text("", xmin_text(holder));
            }
            block.text("WAL by", kept);
            block.text("xid age", xid.unwrap_or_else(|| "?".to_owned()));
            let prepared = snapshot.prepared.get().map_or(0, Vec::len);
            block.text("Prepared", text::plural(prepared, "transaction"));
        }
    }
    block
}

fn xmin_text(holder: &Holder) -> String {
    let database = holder.database.as_deref().map(|name| format!(" in {name}"));
    let age = holder.age_seconds.map(|seconds| format!(", {}", minutes(seconds)));
    format!(
        "{} {}{}{}, {} transactions back",
        holder.kind.word(),
        holder.name,
        database.unwrap_or_default(),
        age.unwrap_or_default(),
        holder.xmin_age.unwrap_or(0),
    )
}

fn kept_text(holder: &Holder) -> String {
    let bytes = text::bytes(holder.wal_bytes.unwrap_or(0));
    match holder.kind {
        HolderKind::Archiver => format!("the archiver, {bytes} to archive"),
        _ => format!("{} {}, {bytes}", holder.kind.word(), holder.name),
    }
}

fn xid_text(snapshot: &Snapshot) -> Option<String> {
    let databases = snapshot.databases.get()?;
    let oldest = databases.iter().max_by_key(|database| database.xid_age)?;
    let percent = u64::from(oldest.xid_age) * 100 / XID_CIRCLE_HALF;
    Some(format!("{} in {}, {percent}% of wraparound", oldest.xid_age, oldest.name))
}

/// Where its bytes lie.
#[must_use]
pub(super) fn destinations(snapshot: &Snapshot, context: &Context<'_>, room: Room) -> Block {
    let all = snapshot.destinations.get().map(Vec::as_slice).unwrap_or_default();
    // On another machine there is nothing to be seen: that is no fault.
    let stale =
        (!all.is_empty()).then(|| stale_text(&snapshot.destinations, context.now)).flatten();
    let mut block = Block::new("Destinations", stale);
    match room {
        Room::Narrow => {
            let mut pieces = Vec::new();
            for one in all {
                let comma = if pieces.is_empty() { "" } else { ", " };
                let used = used_text(one).map(|used| format!(" {used}")).unwrap_or_default();
                pieces
                    .push((format!("{comma}{} {}{used}", one.name, one.health.word()), role(one)));
            }
            if !pieces.is_empty() {
                block.add("Storage", pieces);
            }
        }
        Room::Wide => {
            for one in all.iter().take(ROWS_MAX) {
                block.add(one.name.clone(), vec![(destination_text(one, context), role(one))]);
            }
            more(&mut block, all.len(), "destination");
        }
    }
    block
}

fn role(one: &Destination) -> Role {
    match one.health {
        DestinationHealth::Normal => Role::Text,
        health => health_role(health),
    }
}

fn used_text(one: &Destination) -> Option<String> {
    one.usage.as_ref().map(|usage| format!("{}%", usage.used_percent()))
}

fn destination_text(one: &Destination, context: &Context<'_>) -> String {
    let free = one.usage.as_ref().map(|usage| {
        format!(", {}% used, {} free", usage.used_percent(), text::bytes(usage.free_bytes))
    });
    let full = match &one.forecast {
        Forecast::FullAt { at, .. } => format!(", full on {}", context.zone.date(*at)),
        _ => String::new(),
    };
    let reason = match one.reason.is_empty() {
        true => String::new(),
        false => format!(": {}", one.reason),
    };
    format!("{}{}{full}{reason}", one.health.word(), free.unwrap_or_default())
}

/// Databases, the busiest first.
#[must_use]
pub(super) fn databases(snapshot: &Snapshot, context: &Context<'_>, room: Room) -> Block {
    let mut block = Block::new("Databases", stale_text(&snapshot.databases, context.now));
    let mut all: Vec<&DatabaseStatus> = snapshot.databases.get().into_iter().flatten().collect();
    // Not by their rates: rows must not jump.
    all.sort_by(|one, other| {
        other.sessions.cmp(&one.sessions).then_with(|| one.name.cmp(&other.name))
    });
    let sessions = |one: &DatabaseStatus| {
        text::plural(usize::try_from(one.sessions).unwrap_or(usize::MAX), "session")
    };
    match room {
        Room::Narrow => {
            let named = all.iter().take(DATABASES_NARROW);
            let named: Vec<String> =
                named.map(|one| format!("{} {}", one.name, sessions(one))).collect();
            if !named.is_empty() {
                let rest = match all.len().saturating_sub(DATABASES_NARROW) {
                    0 => String::new(),
                    rest => format!(" and {rest} more"),
                };
                block.text("Databases", format!("{}{rest}", named.join(", ")));
            }
        }
        Room::Wide => {
            for one in all.iter().take(ROWS_MAX) {
                let rate =
                    one.transactions_per_second.map(|rate| format!(", {} tx", text::rate(rate)));
                let size = one.size_bytes.map(|bytes| format!(", {}", text::bytes(bytes)));
                let (rate, size) = (rate.unwrap_or_default(), size.unwrap_or_default());
                let text = format!("{}{rate}{size}", sessions(one));
                block.text(one.name.clone(), text);
            }
            more(&mut block, all.len(), "database");
        }
    }
    block
}

fn more(block: &mut Block, count: usize, noun: &str) {
    if let Some(rest) = count.checked_sub(ROWS_MAX).filter(|rest| *rest > 0) {
        block.text("", format!("and {}; 2 shows all", text::plural(rest, noun)));
    }
}
