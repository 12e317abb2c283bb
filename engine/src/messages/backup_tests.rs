//! Every condition of backups and archive, triggered once.

use super::recovery_tests::rehearsal;
use super::samples::{check, healthy, messages_of, now, wal};
use crate::api::*;

pub(super) fn backup(label: &str, status: BackupStatus, hours_ago: i64) -> BackupInfo {
    BackupInfo {
        label: label.into(),
        started_at: now() - chrono::Duration::hours(hours_ago),
        directory: format!("/backup/{label}").into(),
        status,
        reason: Some("it was interrupted".into()),
        kind: Some(BackupKind::Full),
        parent: None,
        size_bytes: None,
        stored_bytes: None,
        start_lsn: None,
        stop_lsn: None,
        timeline: None,
        duration_seconds: None,
        checksum_failures: None,
        verification: VerifyState::NotVerified,
        verified_at: None,
        keystore_fingerprint: None,
    }
}

/// A destination with these backups, and a rehearsal of late.
pub(super) fn protected(backups: Vec<BackupInfo>) -> Protection {
    Protection {
        destination: Some("/backup".into()),
        backups,
        rehearsal: Some(rehearsal(1, true)),
        ..Protection::default()
    }
}

#[test]
fn a_fresh_backup_and_no_destination_are_quiet() {
    let mut snapshot = healthy();
    snapshot.protection.set(Protection::default(), now());
    assert_eq!(messages_of(&snapshot), []);
    let fresh = vec![backup("b", BackupStatus::Complete, 2)];
    snapshot.protection.set(protected(fresh), now());
    assert_eq!(messages_of(&snapshot), []);
    let running =
        vec![backup("c", BackupStatus::Running, 0), backup("b", BackupStatus::Complete, 2)];
    snapshot.protection.set(protected(running), now());
    assert_eq!(messages_of(&snapshot), []);
}

#[test]
fn no_backup_at_all() {
    check(MessageCode::BackupMissing, Severity::Error, |snapshot| {
        snapshot.protection.set(protected(Vec::new()), now());
    });
}

#[test]
fn an_old_backup() {
    check(MessageCode::BackupOld, Severity::Warning, |snapshot| {
        snapshot.protection.set(protected(vec![backup("b", BackupStatus::Complete, 27)]), now());
    });
}

#[test]
fn an_interrupted_backup() {
    check(MessageCode::BackupFailed, Severity::Error, |snapshot| {
        let backups =
            vec![backup("c", BackupStatus::Incomplete, 1), backup("b", BackupStatus::Complete, 2)];
        snapshot.protection.set(protected(backups), now());
    });
}

#[test]
fn a_gap_in_the_archive() {
    check(MessageCode::ArchiveGap, Severity::Error, |snapshot| {
        let gap = WalGap { first: "3".into(), last: "4".into(), segments: 2 };
        let protection = protected(vec![backup("b", BackupStatus::Complete, 2)]);
        snapshot.protection.set(Protection { gaps: vec![gap], ..protection }, now());
    });
}

#[test]
fn a_destination_that_cannot_be_read() {
    check(MessageCode::BackupDestinationUnreadable, Severity::Error, |snapshot| {
        let error = Error::new(ErrorCode::RepositoryUnreadable, "\"/backup\" cannot be read");
        snapshot.protection.fail(error);
    });
}

#[test]
fn a_segment_that_waits_too_long() {
    let archiver = ArchiverStatus {
        archived_count: 3,
        last_archived: Some("000000010000000000000003".into()),
        last_archived_at: Some(now()),
        failed_count: 0,
        last_failed: None,
        last_failed_at: None,
    };
    let wal = wal(archiver);
    let waits = |seconds: f64| Holder {
        kind: HolderKind::Archiver,
        name: "archiver".into(),
        xmin_age: None,
        wal_bytes: Some(16 << 20),
        age_seconds: Some(seconds),
        database: None,
    };
    check(MessageCode::ArchiverStuck, Severity::Warning, |snapshot| {
        snapshot.wal.set(wal.clone(), now());
        snapshot.holders.set(vec![waits(601.0)], now());
    });
    let mut snapshot = healthy();
    snapshot.wal.set(wal, now());
    snapshot.holders.set(vec![waits(5.0)], now());
    assert_eq!(messages_of(&snapshot), []);
}
