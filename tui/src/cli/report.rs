//! The JSON documents of `--json`. Documented in `docs/FORMATS.md`; fields are only ever added.

use chrono::{DateTime, Utc};
use pgdeck_engine::api::{
    BackupKind, ConnectionSlots, Destination, DestinationHealth, DestinationKind, Error, HeldLock,
    Message, MessageCode, PreparedTransaction, Protection, Session, SessionState, Severity,
    Snapshot, WalGap,
};
use serde::Serialize;

/// `pgdeck status --json`.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    /// When it was made.
    pub at: DateTime<Utc>,
    /// The instances.
    pub instances: Vec<InstanceReport>,
}

/// One instance.
#[derive(Debug, Serialize)]
pub struct InstanceReport {
    name: String,
    state: String,
    detail: String,
    host: String,
    locality: pgdeck_engine::api::Locality,
    data_directory: Option<String>,
    port: Option<u16>,
    pid: Option<i32>,
    version: Option<String>,
    role: Option<pgdeck_engine::api::Role>,
    timeline: Option<u32>,
    system_identifier: Option<String>,
    uptime_seconds: Option<u64>,
    connections: Option<ConnectionSlots>,
    transactions_per_second: Option<f64>,
    cache_hit_ratio: Option<f64>,
    wal_bytes_per_second: Option<f64>,
    prepared: Option<usize>,
    lock_waits: Option<usize>,
    archiver: Option<ArchiverReport>,
    connect_error: Option<Error>,
    databases: Vec<DatabaseReport>,
    destinations: Vec<DestinationReport>,
    backups: Option<BackupsReport>,
    messages: Vec<MessageReport>,
}

/// What the backup destination holds and what can be recovered from it.
#[derive(Debug, Serialize)]
struct BackupsReport {
    destination: Option<String>,
    newest_complete: Option<NewestBackup>,
    recoverable_from: Option<DateTime<Utc>>,
    recoverable_to: Option<DateTime<Utc>>,
    gaps: Vec<WalGap>,
    durable_commit_at: Option<DateTime<Utc>>,
    error: Option<Error>,
}

/// The newest backup that is complete.
#[derive(Debug, Serialize)]
struct NewestBackup {
    label: String,
    started_at: DateTime<Utc>,
    #[serde(rename = "type")]
    kind: Option<BackupKind>,
}

/// The archiver.
#[derive(Debug, Serialize)]
struct ArchiverReport {
    failing: bool,
    last_archived: Option<String>,
    last_archived_at: Option<DateTime<Utc>>,
    failed_count: u64,
}

/// One database.
#[derive(Debug, Serialize)]
struct DatabaseReport {
    name: String,
    size_bytes: Option<u64>,
    sessions: u32,
    xid_age: u32,
}

/// One destination.
#[derive(Debug, Serialize)]
struct DestinationReport {
    kind: DestinationKind,
    name: String,
    path: String,
    status: DestinationHealth,
    used_bytes: Option<u64>,
    free_bytes: Option<u64>,
    used_percent: Option<u8>,
    device: Option<String>,
    mount_point: Option<String>,
    reason: String,
}

/// One message.
#[derive(Debug, Serialize)]
struct MessageReport {
    severity: Severity,
    code: MessageCode,
    subject: String,
    text: String,
    detail: String,
    solution: String,
    since: Option<DateTime<Utc>>,
}

impl InstanceReport {
    /// The report of one instance.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let identity = &snapshot.identity;
        let status = &snapshot.status;
        let server = snapshot.server.get();
        let rates = snapshot.rates.get();
        let control = status.control.as_ref();
        Self {
            name: identity.name.clone(),
            state: status.state.word().to_owned(),
            detail: status.detail.clone(),
            host: identity.host.clone(),
            locality: identity.locality,
            data_directory: identity
                .data_directory
                .clone()
                .or_else(|| server.and_then(|server| server.data_directory.clone()))
                .map(|path| path.display().to_string()),
            port: server.and_then(|server| server.port).or(status.port),
            pid: status.pid,
            version: server
                .map(|server| server.version.to_string())
                .or_else(|| status.major.map(|major| major.to_string())),
            role: server.map(|server| server.role),
            timeline: server
                .and_then(|server| server.timeline)
                .or_else(|| control.and_then(|control| control.timeline))
                .map(|timeline| timeline.as_u32()),
            system_identifier: server
                .and_then(|server| server.system_identifier)
                .or_else(|| control.map(|control| control.system_identifier))
                .map(|identifier| identifier.to_string()),
            uptime_seconds: server.map(|server| server.uptime_seconds),
            connections: server.map(|server| server.connections),
            transactions_per_second: rates.map(|rates| rates.transactions),
            cache_hit_ratio: rates.and_then(|rates| rates.cache_hit),
            wal_bytes_per_second: rates.map(|rates| rates.wal_bytes),
            prepared: snapshot.prepared.get().map(Vec::len),
            lock_waits: snapshot.locks.get().map(|forest| forest.waiting),
            archiver: archiver(snapshot),
            connect_error: status.connect_error.clone(),
            databases: databases(snapshot),
            destinations: destinations(snapshot),
            backups: backups(snapshot),
            messages: snapshot.messages.iter().map(message).collect(),
        }
    }
}

fn archiver(snapshot: &Snapshot) -> Option<ArchiverReport> {
    let archiver = snapshot.wal.get()?.archiver.as_ref()?;
    Some(ArchiverReport {
        failing: archiver.is_failing(),
        last_archived: archiver.last_archived.clone(),
        last_archived_at: archiver.last_archived_at,
        failed_count: archiver.failed_count,
    })
}

/// `None` when the destination was not looked at: on another machine, or not yet.
fn backups(snapshot: &Snapshot) -> Option<BackupsReport> {
    let panel = &snapshot.protection;
    let error = panel.error.as_deref().cloned();
    let Some(protection) = panel.get() else {
        let report =
            BackupsReport { error: Some(error?), ..BackupsReport::of(&Protection::default()) };
        return Some(report);
    };
    Some(BackupsReport { error, ..BackupsReport::of(protection) })
}

impl BackupsReport {
    fn of(protection: &Protection) -> Self {
        let windows = &protection.windows;
        let ends = windows.iter().map(|window| window.to_at.unwrap_or(window.from_at));
        Self {
            destination: protection.destination.as_ref().map(|path| path.display().to_string()),
            newest_complete: protection.newest_complete().map(|one| NewestBackup {
                label: one.label.clone(),
                started_at: one.started_at,
                kind: one.kind,
            }),
            recoverable_from: windows.iter().map(|window| window.from_at).min(),
            recoverable_to: ends.max(),
            gaps: protection.gaps.clone(),
            durable_commit_at: protection.durable_commit_at,
            error: None,
        }
    }
}

fn databases(snapshot: &Snapshot) -> Vec<DatabaseReport> {
    let databases = snapshot.databases.get().into_iter().flatten();
    databases
        .map(|database| DatabaseReport {
            name: database.name.clone(),
            size_bytes: database.size_bytes,
            sessions: database.sessions,
            xid_age: database.xid_age,
        })
        .collect()
}

fn destinations(snapshot: &Snapshot) -> Vec<DestinationReport> {
    snapshot.destinations.get().into_iter().flatten().map(destination).collect()
}

fn destination(destination: &Destination) -> DestinationReport {
    let usage = destination.usage.as_ref();
    DestinationReport {
        kind: destination.kind,
        name: destination.name.clone(),
        path: destination.path.display().to_string(),
        status: destination.health,
        used_bytes: usage.map(|usage| usage.used_bytes),
        free_bytes: usage.map(|usage| usage.free_bytes),
        used_percent: usage.map(pgdeck_engine::api::FileSystemUsage::used_percent),
        device: usage.map(|usage| usage.device.clone()),
        mount_point: usage.map(|usage| usage.mount_point.display().to_string()),
        reason: destination.reason.clone(),
    }
}

fn message(message: &Message) -> MessageReport {
    MessageReport {
        severity: message.severity,
        code: message.code,
        subject: message.subject.clone(),
        text: message.text.clone(),
        detail: message.detail.clone(),
        solution: message.solution.clone(),
        since: message.since,
    }
}

/// One element of `pgdeck connections --json`.
#[derive(Debug, Serialize)]
pub struct SessionReport {
    pid: i32,
    database: Option<String>,
    user: Option<String>,
    application: String,
    client: String,
    backend_type: String,
    state: SessionState,
    wait_event_type: Option<String>,
    wait_event: Option<String>,
    backend_start: Option<DateTime<Utc>>,
    xact_age_seconds: Option<f64>,
    query_age_seconds: Option<f64>,
    state_age_seconds: Option<f64>,
    blocked_by: Vec<i32>,
    blocked_by_prepared: Vec<String>,
    query: String,
    query_is_cut: bool,
}

impl SessionReport {
    /// The report of one session; `query` is its whole text where it was fetched.
    #[must_use]
    pub fn of(session: &Session, query: Option<String>) -> Self {
        Self {
            pid: session.pid,
            database: session.database.clone(),
            user: session.user.clone(),
            application: session.application.clone(),
            client: session.client.clone(),
            backend_type: session.backend_type.clone(),
            state: session.state,
            wait_event_type: session.wait_event_type.clone(),
            wait_event: session.wait_event.clone(),
            backend_start: session.backend_start,
            xact_age_seconds: session.xact_age_seconds,
            query_age_seconds: session.query_age_seconds,
            state_age_seconds: session.state_age_seconds,
            blocked_by: session.blocked_by.clone(),
            blocked_by_prepared: session.blocked_by_prepared.clone(),
            query_is_cut: session.query_is_cut && query.is_none(),
            query: query.unwrap_or_else(|| session.query.clone()),
        }
    }
}

/// One element of `pgdeck prepared --json`.
#[derive(Debug, Serialize)]
pub struct PreparedReport {
    gid: String,
    transaction: u32,
    database: String,
    owner: String,
    prepared_at: DateTime<Utc>,
    age_seconds: f64,
    locks: Vec<HeldLock>,
    blocked: Vec<i32>,
    xid_age: u32,
    seen_checks: u32,
    restart_log_line: Option<String>,
}

impl PreparedReport {
    /// The report of one prepared transaction.
    #[must_use]
    pub fn of(one: &PreparedTransaction) -> Self {
        Self {
            gid: one.gid.clone(),
            transaction: one.transaction.as_u32(),
            database: one.database.clone(),
            owner: one.owner.clone(),
            prepared_at: one.prepared_at,
            age_seconds: one.age_seconds,
            locks: one.locks.clone(),
            blocked: one.blocked.clone(),
            xid_age: one.xid_age,
            seen_checks: one.seen_checks,
            restart_log_line: one.restart_log_line.clone(),
        }
    }
}
