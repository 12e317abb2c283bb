//! Every condition of recoveries and their proof, triggered once.

use chrono::TimeDelta;

use super::samples::{check, healthy, messages_of, now};
use super::{Context, LogErrors, RecoveryJob, of};
use crate::api::*;

fn plan() -> RecoveryPlan {
    let lsn = Lsn::from_u64(0x300_0028).unwrap();
    RecoveryPlan {
        destination: "/backup".into(),
        directory: "/data".into(),
        wal_directory: None,
        tablespaces: Vec::new(),
        port: None,
        target: RecoveryTarget::Latest,
        stop: StopPoint {
            timeline: TimelineId::from_u32(1).unwrap(),
            record: Some(lsn),
            bound: TargetBound::Inclusive,
            reached: lsn,
            last_commit_at: Some(now()),
        },
        chain: vec!["b".into()],
        major: 15,
        wal: Vec::new(),
        lost: Lost::default(),
        replaced: None,
        old_data: OldData::Keep,
        running: None,
        action: RecoveryAction::Pause,
        role: RecoveryRole::Primary,
        space: Vec::new(),
        new_directories: Vec::new(),
        owner: "postgres".into(),
        settings: Vec::new(),
        keystore_fingerprint: None,
        files: 1,
        restore_bytes: 1,
        replay_bytes: 1,
        estimate: Estimate::default(),
        jobs: 1,
        warnings: Vec::new(),
    }
}

fn state(phase: RecoveryPhase, days: i64) -> RecoveryState {
    RecoveryState {
        started_at: now() - TimeDelta::days(days),
        phase,
        plan: plan(),
        kept_bytes: Some(12 << 30),
        restore_seconds: Some(9.0),
        replay_seconds: None,
    }
}

#[test]
fn a_recovery_that_nobody_works_on() {
    for phase in [
        RecoveryPhase::MovingAside,
        RecoveryPhase::Restoring,
        RecoveryPhase::Replaying,
        RecoveryPhase::Undoing,
    ] {
        check(MessageCode::RecoveryInterrupted, Severity::Error, |snapshot| {
            snapshot.recovery.set(state(phase, 0), now());
        });
    }
}

#[test]
fn one_that_waits() {
    check(MessageCode::RecoveryPaused, Severity::Warning, |snapshot| {
        snapshot.recovery.set(state(RecoveryPhase::Paused, 0), now());
    });
}

#[test]
fn a_job_at_work_speaks_for_itself() {
    let mut snapshot = healthy();
    snapshot.recovery.set(state(RecoveryPhase::Restoring, 0), now());
    let messages = of(&Context {
        snapshot: &snapshot,
        limits: &Limits::default(),
        log_errors: LogErrors::default(),
        journal_error: None,
        interrupted_jobs: &[],
        recovery_job: RecoveryJob::AtWork,
    });
    assert_eq!(messages, []);
}

#[test]
fn old_data_that_is_kept_for_long_is_told_with_its_size() {
    check(MessageCode::RecoveryDataKept, Severity::Warning, |snapshot| {
        snapshot.recovery.set(state(RecoveryPhase::Promoted, 8), now());
    });
    let mut snapshot = healthy();
    snapshot.recovery.set(state(RecoveryPhase::Standby, 8), now());
    assert!(messages_of(&snapshot)[0].text.contains("is kept: 12 GB for "));
    snapshot.recovery.set(state(RecoveryPhase::Promoted, 6), now());
    assert_eq!(messages_of(&snapshot), []);
    let gone = RecoveryState { kept_bytes: None, ..state(RecoveryPhase::Promoted, 60) };
    snapshot.recovery.set(gone, now());
    assert_eq!(messages_of(&snapshot), []);
}

#[test]
fn a_state_that_cannot_be_read() {
    check(MessageCode::RecoveryStateUnreadable, Severity::Error, |snapshot| {
        let error = Error::new(ErrorCode::RecoveryUnfinished, "the state cannot be read");
        snapshot.recovery.fail(error);
    });
}

/// A rehearsal so many days ago.
pub(super) fn rehearsal(days: i64, ok: bool) -> RehearsalRecord {
    RehearsalRecord {
        at: now() - TimeDelta::days(days),
        ok,
        target: "the latest position".into(),
        backup: "b".into(),
        reached: None,
        last_commit_at: None,
        restore_seconds: 10.0,
        restore_bytes: 1,
        replay_seconds: 5.0,
        replay_bytes: 1,
        checks: Vec::new(),
        error: (!ok).then(|| "pg_amcheck found damage".into()),
    }
}

#[test]
fn the_proof() {
    use super::backup_tests::{backup, protected};
    let with = |rehearsal: Option<RehearsalRecord>| {
        let protection = protected(vec![backup("b", BackupStatus::Complete, 2)]);
        Protection { rehearsal, ..protection }
    };
    for (record, code, severity) in [
        (None, MessageCode::RecoveryUnproven, Severity::Info),
        (Some(rehearsal(1, false)), MessageCode::RecoveryProofFailed, Severity::Warning),
        (Some(rehearsal(31, true)), MessageCode::RecoveryProofOld, Severity::Warning),
    ] {
        check(code, severity, |snapshot| snapshot.protection.set(with(record), now()));
    }
    let mut snapshot = healthy();
    snapshot.protection.set(with(Some(rehearsal(29, true))), now());
    assert_eq!(messages_of(&snapshot), []);
}
