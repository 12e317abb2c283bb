//! Targets against ways in which every record is written down.

use super::super::facts::{Carried, RecordKind, SegmentFacts};
use super::super::sources::FoundSegment;
use super::super::way::Leg;
use super::*;
use crate::pg::types::TimelineId;
use crate::pg::wal::{SegmentName, SegmentSize, TimelineHistory};
use crate::wal::details::IndexDetails;
use crate::wal::index::{RestorePoint, SegmentIndex, SegmentTail};

const SIZE: SegmentSize = SegmentSize::DEFAULT;
const RECORD: u64 = 0x100;

fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
}

/// Where record `at` of segment `number` begins.
fn lsn(number: u64, at: u64) -> Lsn {
    Lsn::from_u64(number * u64::from(SIZE.bytes()) + 0x28 + at * RECORD).unwrap()
}

/// `c7@10` is the commit of 7 at minute 10, `r` an abort, `p:NAME@10` a restore point, `t@10`
/// a checkpoint, `s@10` that of a shutdown, `.` anything else.
fn kind(text: &str) -> RecordKind {
    let (what, at) = match text.split_once('@') {
        Some((what, at)) => (what, Some(minute(at.parse().unwrap()))),
        None => (text, None),
    };
    match what.split_at(1) {
        ("c", xid) => RecordKind::Commit { xid: xid.parse().unwrap(), at },
        ("r", xid) => RecordKind::Abort { xid: xid.parse().unwrap(), at },
        ("p", name) => RecordKind::RestorePoint { name: name[1..].to_owned(), at },
        ("t", _) => RecordKind::Timed(at.unwrap()),
        ("s", _) => RecordKind::Shutdown(at),
        _ => RecordKind::Other,
    }
}

/// Segments with their records, and which of them are read one by one.
struct Written {
    /// The records that end in each leg.
    records: Vec<Vec<RecordFact>>,
    way: Way,
}

impl Wal for Written {
    fn records(&self, _: &Way, leg: usize) -> Result<Vec<RecordFact>> {
        Ok(self.records[leg].clone())
    }
}

fn index_of(name: SegmentName, own: &[RecordFact]) -> SegmentIndex {
    let mut index = SegmentIndex::of_name(name);
    let mut details = IndexDetails::default();
    index.first_lsn = own.first().map(|record| record.lsn);
    index.last_lsn = own.last().map(|record| record.lsn);
    index.end_lsn = own.last().map(|record| record.end);
    for record in own {
        details.time_last = details.time_last.max(record.kind.at());
        details.end_last = details.end_last.max(record.kind.ended_at());
        if let Some(xid) = record.kind.ended_xid() {
            let (low, high) = details.xids.unwrap_or((xid, xid));
            details.xids = Some((low.min(xid), high.max(xid)));
        }
        match &record.kind {
            RecordKind::Commit { at, .. } => {
                index.commits += 1;
                index.commit_first = index.commit_first.into_iter().chain(*at).min();
                index.commit_last = index.commit_last.max(*at);
            }
            RecordKind::RestorePoint { name, at } => index.restore_points.push(RestorePoint {
                name: name.clone(),
                lsn: record.lsn,
                end: record.end,
                at: *at,
            }),
            _ => {}
        }
    }
    index.details = Some(details);
    index
}

/// A way of these segments: number and records. A record with `>` behind it goes on in the
/// next segment; `!` instead of records is a segment that cannot be used.
fn written(segments: &[(u64, &str)]) -> Written {
    let timeline = TimelineId::from_u32(1).unwrap();
    let (mut all, mut legs) = (Vec::new(), Vec::new());
    let mut carried: Option<RecordFact> = None;
    for (number, text) in segments {
        let name = SegmentName::new(timeline, *number, SIZE).unwrap();
        let mut own = Vec::new();
        let mut goes_on = None;
        for (at, word) in (0..).zip(text.split_whitespace().filter(|word| *word != "!")) {
            let record = RecordFact {
                lsn: lsn(*number, at),
                end: lsn(*number, at + 1),
                kind: kind(word.trim_end_matches('>')),
            };
            if word.ends_with('>') {
                // It ends behind the next segment's page header.
                let end = Lsn::from_u64(lsn(number + 1, 0).as_u64() - 8).unwrap();
                goes_on = Some(RecordFact { end, ..record });
            } else {
                own.push(record);
            }
        }
        let mut index = index_of(name, &own);
        index.continues_previous = carried.is_some();
        index.tail = SegmentTail::Full;
        let facts = SegmentFacts {
            index,
            counts_carried: false,
            carried: carried.clone().map_or(Carried::None, Carried::Known),
        };
        let facts = if *text == "!" { Err("a test says so".to_owned()) } else { Ok(facts) };
        all.push(carried.take().into_iter().chain(own).collect());
        carried = goes_on;
        legs.push(Leg { number: *number, found: FoundSegment::archived(name), facts, until: None });
    }
    let history = TimelineHistory::root(timeline);
    let way = Way::of_legs(history, SIZE, legs, segments[0].0);
    Written { records: all, way }
}

/// Time from minute 1 to 60; the backup ends with the first record.
const WAY: &[(u64, &str)] = &[
    (2, ". . c10@10 r11@12 p:a@13 c12@14"),
    (3, "t@15 . c13@20 c14@19 p:b@21 . c15@22>"),
    (4, ". c16@30 p:a@31 c17@32"),
    (5, ". . . ."),
    (6, "c18@40 . r19@45 t@50"),
];

fn resolved(written: &Written, target: &RecoveryTarget, bound: TargetBound) -> String {
    let outcome = resolve(written, &written.way, target, bound, lsn(2, 1), minute(60)).unwrap();
    let place = |at: Lsn| {
        let offset = at.as_u64() % u64::from(SIZE.bytes());
        format!("{}.{}", SIZE.number_of(at), (offset - 0x28) / RECORD)
    };
    match outcome {
        Ok(stop) => {
            let word = match stop.bound {
                TargetBound::Inclusive => "after",
                TargetBound::Exclusive => "before",
            };
            let commit = stop.last_commit_at.map_or_else(
                || "none".to_owned(),
                |at| ((at - minute(0)).num_minutes()).to_string(),
            );
            format!("{word} {} commit {commit}", place(stop.record))
        }
        Err(unreachable) => format!("no: {}", unreachable.why),
    }
}

fn target(text: &str) -> (RecoveryTarget, TargetBound) {
    let (text, bound) = match text.strip_suffix(" exclusive") {
        Some(text) => (text, TargetBound::Exclusive),
        None => (text, TargetBound::Inclusive),
    };
    let target = match text.split_once(' ') {
        Some(("time", at)) => RecoveryTarget::Time(minute(at.parse().unwrap())),
        Some(("point", name)) => RecoveryTarget::RestorePoint(name.to_owned()),
        Some(("xid", xid)) => RecoveryTarget::Xid(xid.parse().unwrap()),
        Some(("lsn", place)) => {
            let (number, at) = place.split_once('.').unwrap();
            RecoveryTarget::Lsn(lsn(number.parse().unwrap(), at.parse().unwrap()))
        }
        _ => RecoveryTarget::Latest,
    };
    (target, bound)
}

#[track_caller]
fn check(segments: &[(u64, &str)], cases: &[(&str, &str)]) {
    let written = written(segments);
    for (text, expected) in cases {
        let (target, bound) = target(text);
        let found = resolved(&written, &target, bound);
        let is_right = match expected.strip_prefix("no: ") {
            Some(words) => found.starts_with("no: ") && found.contains(words),
            None => found == *expected,
        };
        assert!(is_right, "{text}: {found:?}, not {expected:?}");
    }
}

#[test]
fn times() {
    check(
        WAY,
        &[
            ("time 9", "before 2.2 commit none"),
            ("time 10", "before 2.3 commit 10"),
            ("time 10 exclusive", "before 2.2 commit none"),
            // An abort stops the server as well.
            ("time 11", "before 2.3 commit 10"),
            ("time 13", "before 2.5 commit 10"),
            // Commits are not in the order of their times.
            ("time 14", "before 3.2 commit 14"),
            ("time 19", "before 3.2 commit 14"),
            ("time 20", "before 3.6 commit 20"),
            // A commit that goes over the border.
            ("time 21", "before 3.6 commit 20"),
            ("time 22", "before 4.1 commit 22"),
            ("time 22 exclusive", "before 3.6 commit 20"),
            ("time 35", "before 6.0 commit 32"),
            ("time 40", "before 6.2 commit 40"),
            // Nothing ends a transaction later, and a checkpoint proves that nothing is missing.
            ("time 45", "after 6.3 commit 40"),
            ("time 49", "after 6.3 commit 40"),
            ("time 50 exclusive", "after 6.3 commit 40"),
            ("time 50", "no: WAL does not reach so far"),
            ("time 61", "no: is in the future"),
        ],
    );
}

#[test]
fn restore_points() {
    check(
        WAY,
        &[
            ("point b", "after 3.4 commit 19"),
            ("point b exclusive", "before 3.4 commit 19"),
            // Of two the newest.
            ("point a", "after 4.2 commit 30"),
            ("point c", "no: no restore point \"c\" is on the way"),
        ],
    );
    let written = written(WAY);
    let (target, bound) = target("point a");
    let stop = resolve(&written, &written.way, &target, bound, lsn(2, 1), minute(60)).unwrap();
    assert!(stop.unwrap().notes[0].contains("2 restore points are called \"a\""));
}

#[test]
fn positions() {
    check(
        WAY,
        &[
            ("lsn 2.1", "after 2.1 commit none"),
            ("lsn 3.5", "after 3.5 commit 19"),
            ("lsn 3.5 exclusive", "before 3.5 commit 19"),
            ("lsn 3.6", "after 3.6 commit 22"),
            ("lsn 3.7", "after 4.0 commit 22"),
            ("lsn 4.0 exclusive", "before 4.0 commit 22"),
            // The position behind the last record.
            ("lsn 6.4", "after 6.3 commit 40"),
            ("lsn 6.5", "no: is behind the end of WAL"),
            ("lsn 7.0", "no: is behind the end of WAL"),
        ],
    );
}

#[test]
fn transactions() {
    check(
        WAY,
        &[
            ("xid 10", "after 2.2 commit 10"),
            ("xid 10 exclusive", "before 2.2 commit none"),
            ("xid 11", "after 2.3 commit 10"),
            ("xid 15", "after 3.6 commit 22"),
            ("xid 15 exclusive", "before 3.6 commit 20"),
            ("xid 19", "after 6.2 commit 40"),
            ("xid 99", "no: no transaction 99"),
        ],
    );
}

#[test]
fn a_break_ends_the_way() {
    let missing = &[WAY[0], WAY[1], WAY[3], WAY[4]];
    let unusable = &[WAY[0], WAY[1], (4, "!"), WAY[3], WAY[4]];
    for (segments, why) in [
        (missing.as_slice(), "no: segment 000000010000000000000004 is missing"),
        (
            unusable.as_slice(),
            "no: segment 000000010000000000000004 cannot be used: a test says so",
        ),
    ] {
        check(
            segments,
            &[
                ("latest", why),
                ("time 14", "before 3.2 commit 14"),
                ("time 30", why),
                ("point b", "after 3.4 commit 19"),
                ("lsn 3.5", "after 3.5 commit 19"),
                ("lsn 4.0", why),
                ("xid 18", why),
                // The newest of its name is not known to be the newest.
                ("point a", "after 2.4 commit 10"),
            ],
        );
    }
    check(WAY, &[("latest", "after 6.3 commit 40")]);
}

#[test]
fn the_checkpoint_of_a_shutdown_is_not_the_last_record() {
    let stopped: &[_] = &[(2, ". . c10@10"), (3, "c11@11 s@12")];
    check(
        stopped,
        &[
            ("latest", "before 3.1 commit 11"),
            ("time 11", "before 3.1 commit 11"),
            ("lsn 3.1", "before 3.1 commit 11"),
            ("lsn 3.2", "before 3.1 commit 11"),
        ],
    );
    // Alone in its segment; in the midst of WAL.
    check(&[(2, ". . c10@10"), (3, "s@12")], &[("latest", "before 3.0 commit 10")]);
    check(&[(2, ". . s@9 c10@10")], &[("lsn 2.2", "before 2.2 commit none")]);
    // Behind the end of the backup; and as the end of the backup: nothing before it is consistent.
    check(&[(2, ". s@9")], &[("latest", "before 2.1 commit none")]);
    check(&[(2, "s@9")], &[("latest", "after 2.0 commit none")]);
}

#[test]
fn the_tip_may_be_the_end_of_a_long_record() {
    check(
        &[(2, ". . c10@10"), (3, "c11@11>"), (4, "")],
        &[("latest", "after 3.0 commit 11"), ("xid 11", "after 3.0 commit 11")],
    );
    // It begins, and its end is not there.
    check(&[(2, ". . c10@10"), (3, ". c11@11>")], &[("latest", "after 3.0 commit 10")]);
    check(&[(2, ". . c10@10>")], &[("latest", "after 2.1 commit none")]);
}
