//! A busy instance as plain values, the same in every test.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use pgdeck_engine::api::*;

/// The moment the sample was taken.
pub(super) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

pub(super) fn id(name: &str) -> InstanceId {
    InstanceId::new(format!("/data/{name}"))
}

pub(super) fn identity(name: &str) -> InstanceIdentity {
    InstanceIdentity {
        id: id(name),
        name: name.to_owned(),
        host: "db1".to_owned(),
        locality: Locality::Local,
        data_directory: Some(PathBuf::from(format!("/data/{name}"))),
        config_directory: None,
    }
}

fn panel<T>(value: T) -> Panel<T> {
    let mut panel = Panel::default();
    panel.set(value, now());
    panel
}

/// A client's backend; `pid` decides when it started.
pub(super) fn session(pid: i32, state: SessionState, xact_age: Option<f64>) -> Session {
    Session {
        pid,
        backend_start: Some(now() - TimeDelta::seconds(i64::from(pid))),
        backend_type: "client backend".to_owned(),
        database: Some("shop".to_owned()),
        user: Some("app".to_owned()),
        application: format!("web-{pid}"),
        client: "10.0.0.7:41822".to_owned(),
        state,
        wait_event_type: Some("Client".to_owned()),
        wait_event: Some("ClientRead".to_owned()),
        xact_age_seconds: xact_age,
        query_age_seconds: Some(12.0),
        state_age_seconds: xact_age.or(Some(5.0)),
        blocked_by: Vec::new(),
        blocked_by_prepared: Vec::new(),
        xmin_age: None,
        leader_pid: None,
        query: format!("SELECT {pid} FROM orders"),
        query_is_cut: false,
    }
}

fn sessions() -> Vec<Arc<Session>> {
    let waiting = |pid, blocker: i32| Session {
        wait_event_type: Some("Lock".to_owned()),
        wait_event: Some("transactionid".to_owned()),
        blocked_by: vec![blocker],
        ..session(pid, SessionState::Active, Some(90.0))
    };
    let behind_prepared =
        Session { blocked_by_prepared: vec!["transfer-7001".to_owned()], ..waiting(104, 0) };
    let background = Session {
        backend_type: "checkpointer".to_owned(),
        database: None,
        user: None,
        ..session(50, SessionState::Background, None)
    };
    let whole = vec![
        session(101, SessionState::IdleInTransaction, Some(7200.0)),
        waiting(102, 101),
        waiting(103, 102),
        behind_prepared,
        session(105, SessionState::Idle, None),
        Session { query_is_cut: true, ..session(106, SessionState::Active, Some(1.0)) },
        background,
    ];
    whole.into_iter().map(Arc::new).collect()
}

fn locks(sessions: &[Arc<Session>], prepared: &PreparedTransaction) -> LockForest {
    let node = |party, depth, branches: &[bool], blocks| LockNode {
        party,
        depth,
        branches: branches.to_vec(),
        waits_for: (depth > 0).then(|| LockWait {
            mode: "ShareLock".to_owned(),
            object: "transaction 771".to_owned(),
            seconds: Some(88.0),
        }),
        also_blocked_by: Vec::new(),
        blocks,
    };
    let party = |index: usize| LockParty::Session(Arc::clone(&sessions[index]));
    let root = LockParty::Prepared {
        gid: prepared.gid.clone(),
        database: prepared.database.clone(),
        age_seconds: prepared.age_seconds,
    };
    LockForest {
        nodes: vec![
            node(party(0), 0, &[], 2),
            node(party(1), 1, &[false], 1),
            node(party(2), 2, &[false, false], 0),
            node(root, 0, &[], 1),
            node(party(3), 1, &[false], 0),
        ],
        waiting: 3,
        depth_max: 2,
    }
}

pub(super) fn prepared(
    gid: &str,
    database: &str,
    transaction: u32,
    age: f64,
) -> PreparedTransaction {
    PreparedTransaction {
        gid: gid.to_owned(),
        transaction: TransactionId::from_u32(transaction),
        database: database.to_owned(),
        owner: "teller".to_owned(),
        prepared_at: now() - TimeDelta::minutes(25),
        age_seconds: age,
        locks: vec![HeldLock {
            kind: "relation".to_owned(),
            object: "public.accounts".to_owned(),
            mode: "RowExclusiveLock".to_owned(),
            relation: Oid::from_u32(16_400),
        }],
        blocked: if transaction == 771 { vec![104] } else { Vec::new() },
        xid_age: 4_000 + transaction,
        seen_checks: 12,
        restart_log_line: None,
    }
}

fn server() -> ServerStatus {
    ServerStatus {
        version: ServerVersion::from_num(180_001),
        version_text: "18.1 (Debian 18.1-1)".to_owned(),
        role: Role::Primary,
        timeline: TimelineId::from_u32(3),
        system_identifier: None,
        port: Some(5432),
        started_at: now() - TimeDelta::hours(30),
        uptime_seconds: 30 * 3600,
        config_loaded_at: None,
        encoding: "UTF8".to_owned(),
        wal_level: "replica".to_owned(),
        data_checksums: true,
        archive_mode: "on".to_owned(),
        backup_destination: None,
        data_directory: None,
        connections: ConnectionSlots { used: 6, max: 100, reserved: 3 },
        pending_restart: Vec::new(),
        monitor_role: "postgres".to_owned(),
        monitor_sees_all: true,
    }
}

fn wal() -> WalStatus {
    WalStatus {
        position: Lsn::from_u64(0x1_4A00_0028),
        received: None,
        replay_delay_seconds: None,
        checkpoint_at: None,
        checkpoint_age_seconds: Some(190.0),
        since_checkpoint_bytes: Some(26 << 20),
        checkpoints_timed: 41,
        checkpoints_requested: 2,
        archiver: Some(ArchiverStatus {
            archived_count: 330,
            last_archived: Some("00000003000000010000004A".to_owned()),
            last_archived_at: Some(now() - TimeDelta::minutes(2)),
            failed_count: 0,
            last_failed: None,
            last_failed_at: None,
        }),
    }
}

fn database(name: &str, sessions: u32, size: u64) -> DatabaseStatus {
    DatabaseStatus {
        name: name.to_owned(),
        size_bytes: Some(size),
        sessions,
        transactions_per_second: Some(f64::from(sessions) * 7.0),
        cache_hit: Some(0.993),
        xid_age: 120_000,
        multixact_age: 7,
        temp_bytes: 0,
        deadlocks: 1,
    }
}

fn destination(kind: DestinationKind, path: &str, percent: u64) -> Destination {
    let is_full = percent >= 80;
    Destination {
        kind,
        name: kind.word().to_owned(),
        path: PathBuf::from(path),
        health: if is_full { DestinationHealth::Warning } else { DestinationHealth::Normal },
        reason: if is_full { format!("is {percent}% full") } else { String::new() },
        usage: Some(FileSystemUsage {
            device: "/dev/sda1".to_owned(),
            mount_point: PathBuf::from("/data"),
            fs_type: "ext4".to_owned(),
            total_bytes: 100 << 30,
            used_bytes: percent << 30,
            free_bytes: (100 - percent) << 30,
            free_inodes: None,
        }),
        mount: MountState::Mounted,
        own_bytes: Some(20 << 30),
        forecast: Forecast::FullAt { at: now() + TimeDelta::days(5), bytes_per_day: 1 << 30 },
        shares_device_with: Vec::new(),
    }
}

fn log() -> LogTail {
    let entry = |sequence: u64, severity, text: &str, benign| {
        Arc::new(LogEntry {
            sequence,
            at: Some(now() - TimeDelta::seconds(60 - i64::try_from(sequence).unwrap())),
            severity: Some(severity),
            pid: Some(106),
            message: text.to_owned(),
            statement: (severity == LogSeverity::Error).then(|| "SELECT 1/0".to_owned()),
            benign,
            ..LogEntry::default()
        })
    };
    LogTail {
        source: LogSource::File {
            path: PathBuf::from("/data/main/log/postgresql.log"),
            format: LogFormat::Stderr,
        },
        also_syslog: false,
        entries: vec![
            entry(1, LogSeverity::Log, "checkpoint starting: time", None),
            entry(2, LogSeverity::Error, "division by zero", None),
            entry(3, LogSeverity::Warning, "there is no transaction in progress", None),
            entry(
                4,
                LogSeverity::Error,
                "canceling statement due to user request",
                Some("a user asked for it"),
            ),
            entry(5, LogSeverity::Log, "checkpoint complete", None),
        ],
    }
}

pub(super) fn message(
    code: MessageCode,
    severity: Severity,
    text: &str,
    remedy: Remedy,
) -> Message {
    Message {
        code,
        subject: String::new(),
        severity,
        text: text.to_owned(),
        detail: format!("{text}: what was seen"),
        solution: "Do what the guide says.".to_owned(),
        remedy,
        since: Some(now() - TimeDelta::minutes(7)),
    }
}

/// The busy instance.
pub(super) fn busy(name: &str) -> Snapshot {
    let mut one = Snapshot::new(identity(name), now());
    one.status = Arc::new(InstanceStatus {
        detail: "process 4711".to_owned(),
        pid: Some(4711),
        port: Some(5432),
        major: Some(18),
        ..InstanceStatus::bare(InstanceState::Started)
    });
    one.connected = true;
    one.is_settled = true;
    one.server = panel(server());
    one.rates = panel(Rates {
        window_seconds: 5.0,
        transactions: 123.0,
        rollbacks: 0.2,
        tuples_returned: 81_000.0,
        tuples_written: 44.0,
        cache_hit: Some(0.995),
        temp_bytes: 0.0,
        deadlocks: 0.0,
        wal_bytes: 350_000.0,
    });
    one.rate_history = Arc::new((0..30).map(|n| f64::from(n % 9) * 10.0).collect());
    one.wal = panel(wal());
    one.databases = panel(vec![database("shop", 5, 12 << 30), database("bank", 1, 300 << 20)]);
    one.holders = panel(vec![Holder {
        kind: HolderKind::Prepared,
        name: "transfer-7001".to_owned(),
        database: Some("bank".to_owned()),
        xmin_age: Some(4771),
        wal_bytes: None,
        age_seconds: Some(1500.0),
    }]);
    one.standbys = panel(Vec::new());
    one.destinations = panel(vec![
        destination(DestinationKind::Data, "/data/main", 41),
        destination(DestinationKind::Backup, "/backup/main", 88),
    ]);
    let sessions = sessions();
    let in_doubt = prepared("transfer-7001", "bank", 771, 1500.0);
    one.locks = panel(locks(&sessions, &in_doubt));
    one.sessions = panel(sessions);
    one.prepared = panel(vec![in_doubt, prepared("export-17", "shop", 772, 200.0)]);
    one.log = panel(log());
    one.machine = panel(MachineLoad {
        load_one: 0.7,
        load_fifteen: 1.2,
        processors: 4,
        memory_total: 16 << 30,
        memory_available: 9 << 30,
    });
    let target = one.prepared.get().unwrap()[0].target();
    one.messages = Arc::new(messages(target));
    one
}

fn messages(target: PreparedTarget) -> Vec<Message> {
    vec![
        message(
            MessageCode::PreparedOld,
            Severity::Error,
            "transaction transfer-7001 is prepared for 25 min",
            Remedy::ShowPrepared { target },
        ),
        message(
            MessageCode::DestinationFilling,
            Severity::Warning,
            "destination backup is 88% full",
            Remedy::ShowStorage,
        ),
        message(
            MessageCode::IdleInTransaction,
            Severity::Warning,
            "1 session is idle in a transaction for over 60 min",
            Remedy::MarkIdleInTransaction,
        ),
    ]
}

/// The same instance shut down.
pub(super) fn stopped(name: &str) -> Snapshot {
    let mut one = Snapshot::new(identity(name), now());
    one.is_settled = true;
    one.status = Arc::new(InstanceStatus {
        detail: "shut down cleanly".to_owned(),
        major: Some(18),
        owner: Some("postgres".to_owned()),
        bin_directory: Some(PathBuf::from("/usr/lib/postgresql/18/bin")),
        start_command: Some("pg_ctl start -D /data/main".to_owned()),
        control: Some(ControlSummary {
            system_identifier: SystemIdentifier::from_u64(7),
            state: "shut down",
            is_clean: true,
            modified_at: Some(now() - TimeDelta::hours(2)),
            timeline: TimelineId::from_u32(3),
            checkpoint: Lsn::from_u64(0x1_4A00_0028),
            checkpoint_at: None,
            data_checksums: true,
        }),
        ..InstanceStatus::bare(InstanceState::Stopped)
    });
    one.messages = Arc::new(vec![message(
        MessageCode::InstanceStopped,
        Severity::Error,
        "the instance is stopped",
        Remedy::StartInstance,
    )]);
    one
}

/// A smart stop that waits for two clients.
pub(super) fn smart_stop(is_own: bool) -> JobStatus {
    JobStatus {
        id: JobId { instance: id("main"), number: 4 },
        kind: JobKind::Stop,
        instance_name: "main".to_owned(),
        state: JobState::Running,
        progress: JobProgress {
            phase: "waiting for 2 clients, 14 s".to_owned(),
            lines: vec!["101 app@shop idle in transaction".to_owned()],
            stop_mode: Some(StopMode::Smart),
            ..JobProgress::default()
        },
        started_at: now() - TimeDelta::seconds(14),
        ended_at: None,
        result: String::new(),
        owner_pid: 99,
        is_own,
        cancel_requested: false,
    }
}
