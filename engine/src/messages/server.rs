//! Conditions of a running server.

use super::{Context, Draft, plural, span};
use crate::api::{HolderKind, LogSource, Message, MessageCode, Remedy, Severity, bytes};

/// Connection slots nearly used up.
pub(super) fn slots(context: &Context<'_>, messages: &mut Vec<Message>) {
    let Some(server) = context.snapshot.server.get() else { return };
    let slots = server.connections;
    let open = slots.max.saturating_sub(slots.reserved).max(1);
    let percent = u64::from(slots.used) * 100 / u64::from(open);
    if percent < u64::from(context.limits.connections_percent) {
        return;
    }
    let severity = if slots.used >= open { Severity::Error } else { Severity::Warning };
    let text = format!("{} of {} connection slots are in use", slots.used, slots.max);
    messages.push(Draft::new(MessageCode::ConnectionsNearlyUsed, severity, text).solved_by(
        format!("{} slots are kept back for superusers and reserved roles", slots.reserved),
        "End idle sessions, use a connection pool, or raise max_connections and restart.",
        Remedy::ShowConnections,
    ));
}

/// Sessions idle in a transaction for longer than the rule allows.
pub(super) fn sessions(context: &Context<'_>, messages: &mut Vec<Message>) {
    let Some(sessions) = context.snapshot.sessions.get() else { return };
    let minutes = context.limits.idle_in_transaction_minutes;
    let limit = f64::from(minutes) * 60.0;
    let idle: Vec<_> = sessions
        .iter()
        .filter(|one| one.state.is_idle_in_transaction())
        .filter(|one| one.state_age_seconds.is_some_and(|age| age >= limit))
        .collect();
    if let Some(oldest) =
        idle.iter().max_by(|a, b| age(a.state_age_seconds).total_cmp(&age(b.state_age_seconds)))
    {
        let text = format!(
            "{} idle in a transaction for over {minutes} min",
            plural(idle.len(), "session")
        );
        messages.push(Draft::new(MessageCode::IdleInTransaction, Severity::Warning, text).solved_by(
            format!("the longest is pid {}, for {}", oldest.pid, span(age(oldest.state_age_seconds))),
            "Mark them in the Connections pane and terminate them; mend the application, or set idle_in_transaction_session_timeout.",
            Remedy::MarkIdleInTransaction,
        ));
    }
}

fn age(seconds: Option<f64>) -> f64 {
    seconds.unwrap_or(0.0)
}

/// Sessions that have waited for a lock for long.
pub(super) fn lock_waits(context: &Context<'_>, messages: &mut Vec<Message>) {
    let Some(forest) = context.snapshot.locks.get() else { return };
    let waits = forest.nodes.iter().filter_map(|node| node.waits_for.as_ref()?.seconds);
    let longest = waits.fold(0.0_f64, f64::max);
    if longest < f64::from(context.limits.lock_wait_seconds) {
        return;
    }
    let text = format!("{} waiting for locks", plural(forest.waiting, "session"));
    messages.push(Draft::new(MessageCode::LockWaits, Severity::Warning, text).solved_by(
        format!("the longest has waited {}", span(longest)),
        "See in the Locks pane who stands at the root; end that session or resolve that prepared transaction.",
        Remedy::ShowLocks,
    ));
}

/// Prepared transactions that are older than the limit.
pub(super) fn prepared(context: &Context<'_>, messages: &mut Vec<Message>) {
    let minutes = context.limits.prepared_minutes;
    for one in context.snapshot.prepared.get().into_iter().flatten() {
        if one.age_seconds < f64::from(minutes) * 60.0 {
            continue;
        }
        let blocked = one.blocked.len();
        let severity = if blocked > 0 { Severity::Error } else { Severity::Warning };
        let text = format!("transaction {} is prepared for {}", one.gid, span(one.age_seconds));
        let draft = Draft::new(MessageCode::PreparedOld, severity, text).about(one.gid.clone());
        messages.push(draft.solved_by(
            format!(
                "in database {}, by {}; {} behind it; it holds back VACUUM by {} transactions, seen on {} checks",
                one.database,
                one.owner,
                plural(blocked, "session"),
                one.xid_age,
                one.seen_checks
            ),
            "Ask its coordinator; if that is gone for good, commit or roll it back in the Prepared pane.",
            Remedy::ShowPrepared { target: one.target() },
        ));
    }
}

/// An archiver whose last attempt failed.
pub(super) fn archiver(context: &Context<'_>, messages: &mut Vec<Message>) {
    let archiver = context.snapshot.wal.get().and_then(|wal| wal.archiver.as_ref());
    let Some(archiver) = archiver.filter(|archiver| archiver.is_failing()) else { return };
    let segment = archiver.last_failed.clone().unwrap_or_default();
    let waiting = context.snapshot.holders.get().into_iter().flatten();
    let waiting = waiting.filter(|holder| holder.kind == HolderKind::Archiver);
    let kept: u64 = waiting.filter_map(|holder| holder.wal_bytes).sum();
    messages.push(
        Draft::new(MessageCode::ArchiverFailing, Severity::Error, "WAL archiving fails").solved_by(
            format!(
                "segment {segment}, {} failures so far, {} of WAL wait",
                archiver.failed_count,
                bytes(kept)
            ),
            "Read the log for the archive command's own message; check that its destination is mounted and has space. Until it succeeds WAL piles up in pg_wal and recovery cannot go beyond the last archived segment.",
            Remedy::ShowLogs,
        ),
    );
}

/// Databases that approach transaction id wraparound.
pub(super) fn transaction_ids(context: &Context<'_>, messages: &mut Vec<Message>) {
    let databases = context.snapshot.databases.get().into_iter().flatten();
    let Some(oldest) = databases.max_by_key(|database| database.xid_age) else { return };
    if oldest.xid_age < context.limits.xid_age {
        return;
    }
    // The server refuses new transaction ids when about 3 million are left of 2^31
    // ("Preventing Transaction ID Wraparound Failures" in the manual).
    let left = 2_144_483_648_u32.saturating_sub(oldest.xid_age);
    let severity = if left < 500_000_000 { Severity::Error } else { Severity::Warning };
    let text = format!("database {} approaches transaction id wraparound", oldest.name);
    let draft = Draft::new(MessageCode::XidAge, severity, text).about(oldest.name.clone());
    messages.push(draft.solved_by(
        format!(
            "its oldest transaction id is {} transactions old, {left} are left",
            oldest.xid_age
        ),
        "Remove what holds back xmin (Overview shows it), then run VACUUM in that database.",
        Remedy::ShowConnections,
    ));
}

/// Replication slots that keep WAL from removal.
pub(super) fn slots_holding_wal(context: &Context<'_>, messages: &mut Vec<Message>) {
    for holder in context.snapshot.holders.get().into_iter().flatten() {
        let kept = holder.wal_bytes.unwrap_or(0);
        if holder.kind != HolderKind::Slot || kept < context.limits.slot_wal_bytes {
            continue;
        }
        let text = format!("replication slot {} keeps {} of WAL", holder.name, bytes(kept));
        let draft = Draft::new(MessageCode::SlotHoldsWal, Severity::Warning, text)
            .about(holder.name.clone());
        messages.push(draft.solved_by(
            "its consumer has not confirmed what it received",
            "Bring its consumer back, or drop the slot: SELECT pg_drop_replication_slot('NAME'). A cap is max_slot_wal_keep_size.",
            Remedy::ShowStorage,
        ));
    }
}

/// Settings that wait for a restart, missing checksums, missing privileges.
pub(super) fn settings(context: &Context<'_>, messages: &mut Vec<Message>) {
    let Some(server) = context.snapshot.server.get() else { return };
    if !server.pending_restart.is_empty() {
        let text = "changed settings wait for a restart";
        messages.push(Draft::new(MessageCode::PendingRestart, Severity::Info, text).solved_by(
            server.pending_restart.join(", "),
            "Restart the instance when it suits.",
            Remedy::RestartInstance,
        ));
    }
    if !server.data_checksums {
        let text = "data pages carry no checksums";
        messages.push(Draft::new(MessageCode::ChecksumsOff, Severity::Info, text).solved_by(
            "a damaged page is noticed only when it is read and makes no sense",
            "Stop the instance and run pg_checksums --enable; it takes as long as reading all data.",
            Remedy::Elsewhere,
        ));
    }
    if !server.monitor_sees_all {
        let text = format!("role {} does not see everything", server.monitor_role);
        messages.push(Draft::new(MessageCode::MonitorPrivileges, Severity::Info, text).solved_by(
            "queries and waits of other roles are hidden",
            format!("GRANT pg_monitor TO {};", server.monitor_role),
            Remedy::Elsewhere,
        ));
    }
}

/// New errors in the log, or no log at all.
pub(super) fn log(context: &Context<'_>, messages: &mut Vec<Message>) {
    let panel = &context.snapshot.log;
    if let Some(error) = &panel.error {
        let text = error.fact.clone();
        messages.push(Draft::new(MessageCode::LogUnreadable, Severity::Warning, text).solved_by(
            error.detail.clone(),
            error.hint.clone(),
            Remedy::Elsewhere,
        ));
    }
    let found = context.log_errors;
    let total = found.errors + found.fatals + found.panics;
    if total == 0 {
        return;
    }
    let severity = if found.panics > 0 { Severity::Error } else { Severity::Warning };
    let place = match panel.get().map(|tail| &tail.source) {
        Some(LogSource::File { path, .. }) => path.display().to_string(),
        Some(LogSource::Server { path, .. }) => path.clone(),
        _ => String::new(),
    };
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let text = format!("the server log has {}", plural(total, "new error"));
    messages.push(Draft::new(MessageCode::LogErrors, severity, text).solved_by(
        format!(
            "{} ERROR, {} FATAL, {} PANIC within ten minutes in {place}",
            found.errors, found.fatals, found.panics
        ),
        "Read them in the Logs pane.",
        Remedy::ShowLogs,
    ));
}
