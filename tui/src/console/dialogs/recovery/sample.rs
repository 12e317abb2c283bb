//! A map as plain values, the same in every test: three timelines, two of which left the first
//! one, a gap, backups and restore points.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use pgdeck_engine::api::{
    BackupKind, Branch, Lsn, MapBackup, MapMark, MapSpan, RecoveryMap, RestorePointInfo,
    TimelineId, WalGap,
};

/// Bytes of a segment.
const SEGMENT: u64 = 16 << 20;

/// So many minutes after the beginning.
pub(in crate::console) fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_794_950_000, 0).unwrap() + TimeDelta::minutes(minute)
}

/// The position where a segment begins.
pub(in crate::console) fn lsn(segment: u64) -> Lsn {
    Lsn::from_u64(segment * SEGMENT).unwrap()
}

/// A timeline.
pub(in crate::console) fn timeline(number: u32) -> TimelineId {
    TimelineId::from_u32(number).unwrap()
}

/// WAL from one segment to another, a commit in each, a minute for each from `minute` on.
fn span(from: u64, to: u64, minute: i64) -> MapSpan {
    let marks: Vec<MapMark> = (from..to)
        .zip(minute..)
        .map(|(segment, minute)| MapMark {
            lsn: Lsn::from_u64(segment * SEGMENT + SEGMENT / 2).unwrap(),
            at: at(minute),
        })
        .collect();
    MapSpan {
        from_lsn: lsn(from),
        to_lsn: lsn(to),
        from_at: marks.first().map(|mark| mark.at),
        to_at: marks.last().map(|mark| mark.at),
        segments: to - from,
        marks,
    }
}

fn backup(label: &str, kind: BackupKind, number: u32, segment: u64, minute: i64) -> MapBackup {
    MapBackup {
        label: label.to_owned(),
        kind,
        timeline: timeline(number),
        start_lsn: lsn(segment),
        stop_lsn: lsn(segment + 2),
        ended_at: at(minute),
        bytes: 12 << 30,
    }
}

fn point(name: &str, number: u32, segment: u64, minute: i64) -> RestorePointInfo {
    RestorePointInfo {
        name: name.to_owned(),
        lsn: lsn(segment).to_string(),
        timeline: number,
        created_at: at(minute),
    }
}

/// Timeline 1 with a gap; 2 and 3 left it, 3 is in use.
pub(in crate::console) fn map() -> RecoveryMap {
    let gap = WalGap {
        first: "00000001000000000000003C".to_owned(),
        last: "000000010000000000000045".to_owned(),
        segments: 10,
    };
    let branch = |number: u32, fork: Option<u64>, spans: Vec<MapSpan>, gaps: Vec<WalGap>| Branch {
        timeline: timeline(number),
        fork: fork.map(|segment| (timeline(1), lsn(segment))),
        spans,
        gaps,
    };
    RecoveryMap {
        destination: PathBuf::from("/backup/main"),
        branches: vec![
            branch(1, None, vec![span(10, 60, 0), span(70, 120, 60)], vec![gap]),
            branch(2, Some(100), vec![span(100, 115, 130)], Vec::new()),
            branch(3, Some(90), vec![span(90, 170, 160)], Vec::new()),
        ],
        backups: vec![
            backup("2026-11-17_21-20-00", BackupKind::Full, 1, 12, 4),
            backup("2026-11-17_22-25-00", BackupKind::Full, 1, 74, 66),
            backup("2026-11-18_00-10-00", BackupKind::Incremental, 3, 110, 182),
        ],
        restore_points: vec![point("before-upgrade", 1, 85, 75), point("month-end", 3, 150, 220)],
        current: Some(timeline(3)),
        segment_bytes: SEGMENT,
        restore_bytes_per_second: 100_000_000.0,
        replay_bytes_per_second: 50_000_000.0,
        rehearsal: None,
    }
}
