//! Every condition is triggered once, from a snapshot of a healthy instance with one change.

use std::sync::Arc;

use super::samples::*;
use super::*;
use crate::api::*;

#[test]
fn a_healthy_instance_has_no_messages() {
    assert_eq!(messages_of(&healthy()), []);
}

#[test]
fn states() {
    for (state, code) in [
        (InstanceState::Crashed, MessageCode::InstanceCrashed),
        (InstanceState::Stopped, MessageCode::InstanceStopped),
        (InstanceState::Suspended, MessageCode::InstanceSuspended),
        (InstanceState::Zombie, MessageCode::InstanceZombie),
        (InstanceState::DataDirectoryMissing, MessageCode::DataDirectoryMissing),
        (InstanceState::NotACluster, MessageCode::NotACluster),
        (InstanceState::AccessDenied, MessageCode::AccessDenied),
    ] {
        check(code, Severity::Error, |snapshot| snapshot.status = status(state));
    }
}

#[test]
fn refused_connections() {
    for state in [InstanceState::Unreachable, InstanceState::Started] {
        check(MessageCode::InstanceUnreachable, Severity::Error, |snapshot| {
            let error = Error::new(ErrorCode::PasswordWrong, "the password of monitor is wrong");
            snapshot.status = Arc::new(InstanceStatus {
                connect_error: Some(error),
                ..InstanceStatus::bare(state)
            });
        });
    }
}

#[test]
fn problems_beside_the_state() {
    for (problem, code, severity) in [
        (InstanceProblem::StalePidFile { pid: 7 }, MessageCode::StalePidFile, Severity::Warning),
        (
            InstanceProblem::WrongOwner { owner: "root".into() },
            MessageCode::DataDirectoryOwner,
            Severity::Error,
        ),
        (
            InstanceProblem::WrongMode { mode: 0o755 },
            MessageCode::DataDirectoryOwner,
            Severity::Error,
        ),
        (InstanceProblem::NoBinaries { major: 14 }, MessageCode::BinariesMissing, Severity::Error),
        (
            InstanceProblem::ControlFile { reason: "checksum".into() },
            MessageCode::ControlFileDamaged,
            Severity::Error,
        ),
        (
            InstanceProblem::UnsupportedVersion { version: "12".into() },
            MessageCode::VersionUnsupported,
            Severity::Warning,
        ),
    ] {
        check(code, severity, |snapshot| snapshot.status = with_problem(problem));
    }
}

#[test]
fn destinations() {
    let unmounted = MountState::Unmounted { expected: "/data".into() };
    for (health, reason, mount, code, severity) in [
        (
            DestinationHealth::Warning,
            "is 81 % full",
            MountState::Mounted,
            MessageCode::DestinationFilling,
            Severity::Warning,
        ),
        (
            DestinationHealth::Error,
            "is full",
            MountState::Mounted,
            MessageCode::DestinationFailed,
            Severity::Error,
        ),
        (
            DestinationHealth::Error,
            "/data is not mounted",
            unmounted,
            MessageCode::DestinationUnmounted,
            Severity::Error,
        ),
        (
            DestinationHealth::Error,
            "is mounted read-only",
            MountState::ReadOnly,
            MessageCode::DestinationFailed,
            Severity::Error,
        ),
        (
            DestinationHealth::Warning,
            "is on the same device as data",
            MountState::Mounted,
            MessageCode::DestinationShared,
            Severity::Warning,
        ),
    ] {
        check(code, severity, |snapshot| {
            snapshot.destinations.set(vec![destination(health, reason, mount)], now());
        });
    }
}

#[test]
fn a_disk_full_within_days() {
    let filling = |days| Destination {
        forecast: Forecast::FullAt {
            at: now() + chrono::Duration::days(days),
            bytes_per_day: 1 << 30,
        },
        ..destination(DestinationHealth::Normal, "", MountState::Mounted)
    };
    check(MessageCode::DestinationForecast, Severity::Warning, |snapshot| {
        snapshot.destinations.set(vec![filling(3)], now());
    });
    let mut snapshot = healthy();
    snapshot.destinations.set(vec![filling(30)], now());
    assert_eq!(messages_of(&snapshot), []);
}

#[test]
fn connection_slots() {
    let used = |used| ServerStatus {
        connections: ConnectionSlots { used, max: 100, reserved: 3 },
        ..server()
    };
    for (count, severity) in [(80, Severity::Warning), (97, Severity::Error)] {
        check(MessageCode::ConnectionsNearlyUsed, severity, |snapshot| {
            snapshot.server.set(used(count), now());
        });
    }
}

#[test]
fn server_settings() {
    let pending = ServerStatus { pending_restart: vec!["shared_buffers".into()], ..server() };
    let plain = ServerStatus { data_checksums: false, ..server() };
    let blind = ServerStatus { monitor_sees_all: false, ..server() };
    for (status, code) in [
        (pending, MessageCode::PendingRestart),
        (plain, MessageCode::ChecksumsOff),
        (blind, MessageCode::MonitorPrivileges),
    ] {
        check(code, Severity::Info, |snapshot| snapshot.server.set(status, now()));
    }
}

#[test]
fn the_sixty_minute_rule() {
    check(MessageCode::IdleInTransaction, Severity::Warning, |snapshot| {
        let sessions = vec![
            session(SessionState::IdleInTransaction, 3_600.0),
            session(SessionState::Active, 9_999.0),
            session(SessionState::IdleInTransaction, 3_599.0),
        ];
        snapshot.sessions.set(sessions, now());
    });
}

#[test]
fn long_lock_waits() {
    check(MessageCode::LockWaits, Severity::Warning, |snapshot| {
        let wait = LockWait {
            mode: "ShareLock".into(),
            object: "transaction 771".into(),
            seconds: Some(60.0),
        };
        let node = LockNode {
            party: LockParty::Gone { pid: 1 },
            depth: 1,
            branches: vec![false],
            waits_for: Some(wait),
            also_blocked_by: Vec::new(),
            blocks: 0,
        };
        snapshot.locks.set(LockForest { nodes: vec![node], waiting: 1, depth_max: 1 }, now());
    });
}

#[test]
fn old_prepared_transactions() {
    let prepared = |age_seconds, blocked| PreparedTransaction {
        gid: "g1".into(),
        transaction: TransactionId::from_u32(771),
        database: "app".into(),
        owner: "ann".into(),
        prepared_at: now(),
        age_seconds,
        locks: Vec::new(),
        blocked,
        xid_age: 5,
        seen_checks: 3,
        restart_log_line: None,
    };
    for (blocked, severity) in [(vec![], Severity::Warning), (vec![4], Severity::Error)] {
        check(MessageCode::PreparedOld, severity, |snapshot| {
            snapshot.prepared.set(vec![prepared(600.0, blocked), prepared(599.0, vec![])], now());
        });
    }
}

#[test]
fn a_failing_archiver() {
    check(MessageCode::ArchiverFailing, Severity::Error, |snapshot| {
        let archiver = ArchiverStatus {
            archived_count: 3,
            last_archived: None,
            last_archived_at: Some(now() - chrono::Duration::seconds(9)),
            failed_count: 2,
            last_failed: Some("000000010000000000000004".into()),
            last_failed_at: Some(now()),
        };
        snapshot.wal.set(wal(archiver), now());
    });
}

#[test]
fn transaction_id_wraparound() {
    let database = |xid_age| DatabaseStatus {
        name: "app".into(),
        size_bytes: None,
        sessions: 0,
        transactions_per_second: None,
        cache_hit: None,
        xid_age,
        multixact_age: 0,
        temp_bytes: 0,
        deadlocks: 0,
    };
    for (xid_age, severity) in [(500_000_000, Severity::Warning), (2_000_000_000, Severity::Error)]
    {
        check(MessageCode::XidAge, severity, |snapshot| {
            snapshot.databases.set(vec![database(10), database(xid_age)], now());
        });
    }
}

#[test]
fn a_slot_that_keeps_wal() {
    check(MessageCode::SlotHoldsWal, Severity::Warning, |snapshot| {
        let holder = Holder {
            kind: HolderKind::Slot,
            name: "sub1".into(),
            database: None,
            xmin_age: None,
            wal_bytes: Some(11 << 30),
            age_seconds: None,
        };
        snapshot.holders.set(vec![holder], now());
    });
}

#[test]
fn the_log() {
    check(MessageCode::LogUnreadable, Severity::Warning, |snapshot| {
        snapshot.log.fail(Error::new(ErrorCode::LogUnreadable, "cannot read the log"));
    });
    let snapshot = healthy();
    for (found, severity) in [
        (LogErrors { errors: 2, ..LogErrors::default() }, Severity::Warning),
        (LogErrors { panics: 1, ..LogErrors::default() }, Severity::Error),
    ] {
        let context = Context {
            snapshot: &snapshot,
            limits: &Limits::default(),
            log_errors: found,
            journal_error: None,
            interrupted_jobs: &[],
            recovery_job: RecoveryJob::None,
        };
        expect_one(&of(&context), MessageCode::LogErrors, severity);
    }
}

#[test]
fn the_journal() {
    let snapshot = healthy();
    let error = Error::new(ErrorCode::JournalFailed, "the journal cannot be used");
    let context = Context {
        snapshot: &snapshot,
        limits: &Limits::default(),
        log_errors: LogErrors::default(),
        journal_error: Some(&error),
        interrupted_jobs: &[],
        recovery_job: RecoveryJob::None,
    };
    expect_one(&of(&context), MessageCode::JournalFailed, Severity::Warning);
    let jobs = ["stop at 12:00".to_owned()];
    let context = Context { journal_error: None, interrupted_jobs: &jobs, ..context };
    expect_one(&of(&context), MessageCode::JobInterrupted, Severity::Warning);
}

#[test]
fn the_worst_comes_first() {
    let mut snapshot = healthy();
    snapshot.server.set(ServerStatus { data_checksums: false, ..server() }, now());
    let full = destination(DestinationHealth::Error, "is full", MountState::Mounted);
    snapshot.destinations.set(vec![full], now());
    let severities: Vec<_> = messages_of(&snapshot).iter().map(|m| m.severity).collect();
    assert_eq!(severities, [Severity::Error, Severity::Info]);
}
