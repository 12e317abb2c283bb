//! A backup destination as plain values, the same in every test.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use pgdeck_engine::api::*;

use super::sample::now;

fn hours_ago(hours: i64) -> DateTime<Utc> {
    now() - TimeDelta::hours(hours)
}

fn lsn(number: u64) -> Lsn {
    Lsn::from_u64(number).unwrap()
}

/// A complete backup begun so many hours ago, and what it is based on.
fn backup(hours: i64, parent: Option<i64>) -> BackupInfo {
    let label = |hours| hours_ago(hours).format("%Y-%m-%d_%H-%M-%S").to_string();
    BackupInfo {
        label: label(hours),
        started_at: hours_ago(hours),
        directory: PathBuf::from(format!("/backup/main/{}", label(hours))),
        status: BackupStatus::Complete,
        reason: None,
        kind: Some(match parent {
            Some(_) => BackupKind::Incremental,
            None => BackupKind::Full,
        }),
        parent: parent.map(label),
        size_bytes: Some(12 << 30),
        stored_bytes: Some(if parent.is_some() { 3 << 20 } else { 3 << 30 }),
        start_lsn: Some("1/3C000028".to_owned()),
        stop_lsn: Some("1/3C000158".to_owned()),
        timeline: Some(3),
        duration_seconds: Some(if parent.is_some() { 9.0 } else { 190.0 }),
        checksum_failures: Some(0),
        verification: VerifyState::NotVerified,
        verified_at: None,
        keystore_fingerprint: None,
    }
}

/// WAL before now, a megabyte for each hour.
fn hours_between(backup: &BackupInfo) -> u64 {
    u64::try_from((now() - backup.started_at).num_hours()).unwrap() << 20
}

fn window(backup: &BackupInfo, to_hours: i64, ends_at_gap: bool) -> RecoveryWindow {
    RecoveryWindow {
        backup: backup.label.clone(),
        timeline: TimelineId::from_u32(3).unwrap(),
        from_lsn: lsn(0x1_4900_0000 - hours_between(backup)),
        from_at: backup.started_at + TimeDelta::seconds(9),
        to_lsn: if ends_at_gap { lsn(0x1_4900_0000 - (60 << 20)) } else { lsn(0x1_4A00_0000) },
        to_at: Some(hours_ago(to_hours)),
        ends_at_gap,
    }
}

/// Two chains with a gap in WAL between them, one backup that was interrupted, restore points.
pub(super) fn protection() -> Protection {
    let verified = BackupInfo {
        verification: VerifyState::Sound,
        verified_at: Some(hours_ago(20)),
        ..backup(96, None)
    };
    let damaged = BackupInfo {
        verification: VerifyState::Damaged,
        verified_at: Some(hours_ago(20)),
        checksum_failures: Some(2),
        ..backup(72, Some(96))
    };
    let interrupted = BackupInfo {
        status: BackupStatus::Incomplete,
        reason: Some("its process was killed; 4 GB are copied".to_owned()),
        kind: None,
        size_bytes: None,
        stored_bytes: Some(1 << 30),
        duration_seconds: None,
        checksum_failures: None,
        ..backup(1, None)
    };
    let (newer, newest) = (backup(48, None), backup(24, Some(48)));
    let point = |name: &str, hours| RestorePointInfo {
        name: name.to_owned(),
        lsn: "1/44000090".to_owned(),
        timeline: 3,
        created_at: hours_ago(hours),
    };
    let windows = vec![
        window(&verified, 60, true),
        window(&damaged, 60, true),
        window(&newer, 0, false),
        window(&newest, 0, false),
    ];
    Protection {
        remembered_at: None,
        destination: Some(PathBuf::from("/backup/main")),
        backups: vec![interrupted, newest, newer, damaged, verified],
        restore_points: vec![point("before-upgrade", 5), point("month-end", 50)],
        windows,
        gaps: vec![WalGap {
            first: "00000003000000010000003A".to_owned(),
            last: "00000003000000010000003B".to_owned(),
            segments: 2,
        }],
        segments: 220,
        newest_segment: Some("00000003000000010000004A".to_owned()),
        durable_commit_at: Some(now() - TimeDelta::seconds(277)),
        durable_lsn: Some(lsn(0x1_4A00_0000)),
        rehearsal: Some(rehearsal()),
    }
}

/// A rehearsal of three days ago that went well.
pub(super) fn rehearsal() -> RehearsalRecord {
    RehearsalRecord {
        at: hours_ago(75),
        ok: true,
        target: "the latest position".to_owned(),
        backup: backup(96, None).label,
        reached: Some(lsn(0x1_4900_0000)),
        last_commit_at: Some(hours_ago(75)),
        restore_seconds: 190.0,
        restore_bytes: 12 << 30,
        replay_seconds: 65.0,
        replay_bytes: 3 << 30,
        checks: vec!["pg_amcheck: 412 relations are sound".to_owned()],
        error: None,
    }
}

/// The plan of a set-up that needs a restart.
pub(super) fn setup_plan() -> SetupPlan {
    let change = |name: &str, old: &str, new: &str| SettingChange {
        name: name.to_owned(),
        old: Some(old.to_owned()),
        new: new.to_owned(),
        file: "postgresql.conf".to_owned(),
        takes_effect: TakesEffect::Restart,
    };
    let push = "/usr/local/bin/pgdeck wal-push \"%p\" \"/backup/main/archived_wal/%f\"";
    SetupPlan {
        destination: PathBuf::from("/backup/main"),
        creates_destination: true,
        changes: vec![change("archive_mode", "off", "on"), change("archive_command", "", push)],
        diff: format!(
            "--- /data/main/postgresql.conf\n+++ /data/main/postgresql.conf\n\
             @@ -240,3 +240,3 @@\n # - Archiving -\n-#archive_mode = off # comment\n\
             +archive_mode = on # comment\n-#archive_command = ''\n+archive_command = '{push}'\n"
        ),
        warnings: vec!["the destination is on the same device as the data".to_owned()],
        then: SetupThen::Restart,
        fingerprint: 77,
    }
}
