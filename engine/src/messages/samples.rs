//! What tests of messages begin with: a healthy instance, and what may be wrong with one.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::*;
use crate::api::*;

pub(super) fn now() -> DateTime<Utc> {
    crate::sys::clock::now()
}

pub(super) fn server() -> ServerStatus {
    ServerStatus {
        version: ServerVersion::from_num(150_018),
        version_text: "15.18".into(),
        role: Role::Primary,
        timeline: TimelineId::from_u32(1),
        system_identifier: None,
        port: Some(5432),
        started_at: now(),
        uptime_seconds: 10,
        config_loaded_at: None,
        encoding: "UTF8".into(),
        wal_level: "replica".into(),
        data_checksums: true,
        archive_mode: "off".into(),
        backup_destination: None,
        data_directory: None,
        connections: ConnectionSlots { used: 5, max: 100, reserved: 3 },
        pending_restart: Vec::new(),
        monitor_role: "postgres".into(),
        monitor_sees_all: true,
    }
}

pub(super) fn healthy() -> Snapshot {
    let identity = InstanceIdentity {
        id: InstanceId::new("/data"),
        name: "inst1".into(),
        host: "here".into(),
        locality: Locality::Local,
        data_directory: Some("/data".into()),
        config_directory: None,
    };
    let mut snapshot = Snapshot::new(identity, now());
    snapshot.status = Arc::new(InstanceStatus::bare(InstanceState::Started));
    snapshot.server.set(server(), now());
    snapshot
}

pub(super) fn messages_of(snapshot: &Snapshot) -> Vec<Message> {
    of(&Context {
        snapshot,
        limits: &Limits::default(),
        log_errors: LogErrors::default(),
        journal_error: None,
        interrupted_jobs: &[],
        recovery_job: RecoveryJob::None,
    })
}

/// Changes a healthy snapshot and expects exactly one message, complete with a Solution.
pub(super) fn check(code: MessageCode, severity: Severity, change: impl FnOnce(&mut Snapshot)) {
    let mut snapshot = healthy();
    change(&mut snapshot);
    expect_one(&messages_of(&snapshot), code, severity);
}

pub(super) fn expect_one(messages: &[Message], code: MessageCode, severity: Severity) {
    let found: Vec<_> = messages.iter().map(|message| (message.code, message.severity)).collect();
    assert_eq!(found, [(code, severity)]);
    assert!(!messages[0].text.is_empty() && !messages[0].solution.is_empty(), "{messages:?}");
}

pub(super) fn status(state: InstanceState) -> Arc<InstanceStatus> {
    Arc::new(InstanceStatus { detail: "seen".into(), ..InstanceStatus::bare(state) })
}

pub(super) fn with_problem(problem: InstanceProblem) -> Arc<InstanceStatus> {
    Arc::new(InstanceStatus {
        problems: vec![problem],
        ..InstanceStatus::bare(InstanceState::Started)
    })
}

pub(super) fn destination(
    health: DestinationHealth,
    reason: &str,
    mount: MountState,
) -> Destination {
    Destination {
        kind: DestinationKind::Data,
        name: "data".into(),
        path: "/data".into(),
        health,
        reason: reason.into(),
        usage: None,
        mount,
        own_bytes: None,
        forecast: Forecast::Unknown,
        shares_device_with: Vec::new(),
    }
}

pub(super) fn session(state: SessionState, state_age_seconds: f64) -> Arc<Session> {
    Arc::new(Session {
        pid: 77,
        backend_start: None,
        backend_type: "client backend".into(),
        database: None,
        user: None,
        application: String::new(),
        client: String::new(),
        state,
        wait_event_type: None,
        wait_event: None,
        xact_age_seconds: Some(state_age_seconds),
        query_age_seconds: None,
        state_age_seconds: Some(state_age_seconds),
        blocked_by: Vec::new(),
        blocked_by_prepared: Vec::new(),
        xmin_age: None,
        leader_pid: None,
        query: String::new(),
        query_is_cut: false,
    })
}

/// WAL of a server of which nothing is known but its archiver.
pub(super) fn wal(archiver: ArchiverStatus) -> WalStatus {
    WalStatus {
        position: None,
        received: None,
        replay_delay_seconds: None,
        checkpoint_at: None,
        checkpoint_age_seconds: None,
        since_checkpoint_bytes: None,
        checkpoints_timed: 0,
        checkpoints_requested: 0,
        archiver: Some(archiver),
    }
}
