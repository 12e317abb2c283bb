//! What a recoverability map says of a position or a moment. Pure and cheap: a console asks at
//! each move of its cursor.

use chrono::{DateTime, Duration, Utc};

use super::{Branch, Lsn, MapBackup, MapMark, MapSpan, Reach, RecoveryMap, TimelineId};

/// A part of the way: this timeline, up to where its child left it.
#[derive(Clone, Copy)]
struct Stretch<'a> {
    branch: &'a Branch,
    until: Option<Lsn>,
}

impl RecoveryMap {
    /// Whether a position on a timeline can be recovered to.
    #[must_use]
    pub fn reach(&self, timeline: TimelineId, lsn: Lsn) -> Reach {
        let way = self.way(timeline);
        if way.is_empty() {
            return unreachable(format!("timeline {} is not known", timeline.decimal()), None);
        }
        let mut on_way = self.backups.iter().filter(|backup| is_on(&way, backup));
        let Some(first) = on_way.clone().next() else {
            let number = timeline.decimal();
            return unreachable(format!("no backup is of the history of timeline {number}"), None);
        };
        let Some(backup) = on_way.rfind(|backup| backup.stop_lsn <= lsn) else {
            let why = format!("the first backup, {}, ends only at {}", first.label, first.stop_lsn);
            return unreachable(why, Some(first.stop_lsn));
        };
        match self.trouble(&way, backup, lsn) {
            Some((why, nearest)) => {
                unreachable(why, nearest.filter(|nearest| *nearest >= backup.stop_lsn))
            }
            None => self.reachable(backup, lsn),
        }
    }

    fn reachable(&self, backup: &MapBackup, lsn: Lsn) -> Reach {
        let segment = self.segment_bytes.max(1);
        let last = lsn.as_u64().saturating_sub(1) / segment;
        let segments = last.saturating_sub(backup.start_lsn.as_u64() / segment) + 1;
        let restore = float(backup.bytes) / self.restore_bytes_per_second.max(1.0);
        let replay =
            float(lsn.bytes_since(backup.start_lsn)) / self.replay_bytes_per_second.max(1.0);
        Reach::Reachable { backup: backup.label.clone(), segments, seconds: restore + replay }
    }

    /// The position at a moment, between the marks around it. `None` before the first commit
    /// that is known and behind the last.
    #[must_use]
    pub fn lsn_at(&self, timeline: TimelineId, at: DateTime<Utc>) -> Option<Lsn> {
        let marks = self.marks(timeline);
        let behind = marks.iter().position(|mark| mark.at > at);
        let Some(behind) = behind else {
            return marks.last().filter(|mark| mark.at == at).map(|mark| mark.lsn);
        };
        let (before, after) = (marks.get(behind.checked_sub(1)?)?, &marks[behind]);
        let share = share(milliseconds(at - before.at), milliseconds(after.at - before.at));
        let bytes = after.lsn.bytes_since(before.lsn);
        Lsn::from_u64(before.lsn.as_u64() + part(bytes, share))
    }

    /// The moment of the last commit before a position, between the marks around it.
    #[must_use]
    pub fn time_at(&self, timeline: TimelineId, lsn: Lsn) -> Option<DateTime<Utc>> {
        let marks = self.marks(timeline);
        let behind = marks.iter().position(|mark| mark.lsn > lsn).unwrap_or(marks.len());
        let before = marks.get(behind.checked_sub(1)?)?;
        let Some(after) = marks.get(behind).filter(|after| after.at > before.at) else {
            return Some(before.at);
        };
        let share = share(lsn.bytes_since(before.lsn), after.lsn.bytes_since(before.lsn));
        let between = milliseconds(after.at - before.at);
        let passed = i64::try_from(part(between, share)).unwrap_or(0);
        before.at.checked_add_signed(Duration::milliseconds(passed))
    }

    /// The marks along the way to a timeline, in order.
    fn marks(&self, timeline: TimelineId) -> Vec<MapMark> {
        let mut marks = Vec::new();
        for stretch in self.way(timeline) {
            let own = stretch.branch.spans.iter().flat_map(|span| &span.marks);
            marks.extend(own.filter(|mark| stretch.until.is_none_or(|until| mark.lsn <= until)));
        }
        marks
    }

    /// The stretches of the way to a timeline, the oldest first.
    fn way(&self, timeline: TimelineId) -> Vec<Stretch<'_>> {
        let mut way = Vec::new();
        let mut next = Some((timeline, None));
        while let Some((timeline, until)) = next {
            let Some(branch) = self.branches.iter().find(|one| one.timeline == timeline) else {
                break;
            };
            way.push(Stretch { branch, until });
            // A timeline comes from an earlier one; what says otherwise would have no end.
            next = branch
                .fork
                .filter(|(parent, _)| *parent < timeline)
                .map(|(parent, at)| (parent, Some(at)));
        }
        way.reverse();
        way
    }

    /// What is in the way from a backup's start to a position, and the nearest one before it.
    fn trouble(
        &self,
        way: &[Stretch<'_>],
        backup: &MapBackup,
        lsn: Lsn,
    ) -> Option<(String, Option<Lsn>)> {
        let segment = self.segment_bytes.max(1);
        let mut at = backup.start_lsn;
        let from = way.iter().position(|one| one.branch.timeline == backup.timeline)?;
        for (number, stretch) in way.iter().enumerate().skip(from) {
            let end = stretch.until.map_or(lsn, |until| until.min(lsn));
            let own = covered(&stretch.branch.spans, at, segment);
            let reached = own.map_or(at, |span| span.to_lsn).min(end).max(at);
            // The child's first segment holds its parent's part as well.
            let child = way.get(number + 1).and_then(|child| child.branch.spans.first());
            let is_in_child = child.is_some_and(|span| {
                let first = span.from_lsn.as_u64() / segment;
                first <= end.as_u64() / segment && first <= reached.as_u64() / segment
            });
            if reached < end && !is_in_child {
                let nearest = own.map(|_| reached);
                return Some((why(stretch.branch, reached, lsn), nearest));
            }
            if end >= lsn {
                return None;
            }
            at = end;
        }
        None
    }
}

/// The span that holds a position's segment.
fn covered(spans: &[MapSpan], at: Lsn, segment: u64) -> Option<&MapSpan> {
    let number = at.as_u64() / segment;
    spans.iter().find(|span| {
        let first = span.from_lsn.as_u64() / segment;
        let last = span.to_lsn.as_u64().saturating_sub(1) / segment;
        (first..=last).contains(&number) || span.to_lsn == at
    })
}

fn why(branch: &Branch, reached: Lsn, lsn: Lsn) -> String {
    let timeline = branch.timeline.decimal();
    let is_gap = branch.spans.iter().any(|span| span.from_lsn > reached);
    let gap = branch.gaps.iter().find(|_| is_gap);
    match gap {
        Some(gap) if gap.segments == 1 => format!("segment {} is missing", gap.first),
        Some(_) => format!("WAL of timeline {timeline} is missing from {reached} on"),
        None => format!("WAL of timeline {timeline} ends at {reached}, before {lsn}"),
    }
}

/// Whether a backup's end is on the way.
fn is_on(way: &[Stretch<'_>], backup: &MapBackup) -> bool {
    way.iter().any(|stretch| {
        stretch.branch.timeline == backup.timeline
            && stretch.until.is_none_or(|until| backup.stop_lsn <= until)
    })
}

fn unreachable(reason: String, nearest: Option<Lsn>) -> Reach {
    Reach::Unreachable { reason, nearest }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.num_milliseconds()).unwrap_or(0)
}

/// A part of a whole in 65,536ths.
fn share(part: u64, whole: u64) -> u64 {
    let share = u128::from(part) * 65_536 / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(65_536).min(65_536)
}

fn part(whole: u64, share: u64) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(share) / 65_536).unwrap_or(whole)
}

/// Exact below 2^53, which is enough for an estimate.
#[allow(clippy::cast_precision_loss)]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{BackupKind, WalGap};

    const SEGMENT: u64 = 16 << 20;

    fn lsn(text: &str) -> Lsn {
        text.parse().unwrap()
    }

    fn timeline(number: u32) -> TimelineId {
        TimelineId::from_u32(number).unwrap()
    }

    fn moment(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
    }

    /// A span with commits at these minutes.
    fn span(from: &str, to: &str, minutes: (i64, i64)) -> MapSpan {
        let (from_at, to_at) = (moment(minutes.0), moment(minutes.1));
        MapSpan {
            from_lsn: lsn(from),
            to_lsn: lsn(to),
            from_at: Some(from_at),
            to_at: Some(to_at),
            segments: (lsn(to).as_u64() - 1) / SEGMENT - lsn(from).as_u64() / SEGMENT + 1,
            marks: vec![
                MapMark { lsn: lsn(from), at: from_at },
                MapMark { lsn: lsn(to), at: to_at },
            ],
        }
    }

    fn backup(label: &str, number: u32, start: &str, stop: &str) -> MapBackup {
        MapBackup {
            label: label.to_owned(),
            kind: BackupKind::Full,
            timeline: timeline(number),
            start_lsn: lsn(start),
            stop_lsn: lsn(stop),
            ended_at: moment(0),
            bytes: 100 << 20,
        }
    }

    /// Timeline 1 with a gap in segment 6; timeline 2 left it in segment 4.
    fn map() -> RecoveryMap {
        let gap = WalGap {
            first: "000000010000000000000006".to_owned(),
            last: "000000010000000000000006".to_owned(),
            segments: 1,
        };
        RecoveryMap {
            branches: vec![
                Branch {
                    timeline: timeline(1),
                    fork: None,
                    spans: vec![
                        span("0/2000028", "0/6000000", (0, 40)),
                        span("0/7000028", "0/8000100", (60, 70)),
                    ],
                    gaps: vec![gap],
                },
                Branch {
                    timeline: timeline(2),
                    fork: Some((timeline(1), lsn("0/4000500"))),
                    spans: vec![span("0/4000500", "0/5000200", (25, 45))],
                    gaps: Vec::new(),
                },
                Branch {
                    timeline: timeline(3),
                    fork: Some((timeline(2), lsn("0/5000200"))),
                    spans: Vec::new(),
                    gaps: Vec::new(),
                },
            ],
            backups: vec![
                backup("one", 1, "0/2000028", "0/2000158"),
                backup("late", 1, "0/4000800", "0/4000A00"),
                backup("gone", 1, "0/7000028", "0/7000158"),
            ],
            segment_bytes: SEGMENT,
            restore_bytes_per_second: 100e6,
            replay_bytes_per_second: 50e6,
            ..RecoveryMap::default()
        }
    }

    #[track_caller]
    fn check(number: u32, at: &str, expected: Result<(&str, u64), (&str, Option<&str>)>) {
        match (map().reach(timeline(number), lsn(at)), expected) {
            (Reach::Reachable { backup, segments, seconds }, Ok(expected)) => {
                assert_eq!((backup.as_str(), segments), expected);
                assert!(seconds > 1.0 && seconds < 10.0, "{seconds}");
            }
            (Reach::Unreachable { reason, nearest }, Err((words, expected))) => {
                assert!(reason.contains(words), "{reason}");
                assert_eq!(nearest, expected.map(lsn));
            }
            (reach, expected) => panic!("{reach:?}, not {expected:?}"),
        }
    }

    #[test]
    fn positions_are_reachable_or_not() {
        check(1, "0/2000158", Ok(("one", 1)));
        check(1, "0/3000100", Ok(("one", 2)));
        check(1, "0/5000100", Ok(("late", 2)));
        check(1, "0/2000100", Err(("the first backup, one, ends only at", Some("0/2000158"))));
        check(1, "0/6000100", Err(("000000010000000000000006 is missing", Some("0/6000000"))));
        check(1, "0/8000000", Ok(("gone", 1)));
        check(1, "0/9000000", Err(("ends at 0/8000100", Some("0/8000100"))));
        // On timeline 2 the backup behind the fork is another world's.
        check(2, "0/5000100", Ok(("one", 4)));
        check(2, "0/4000400", Ok(("one", 3)));
        check(2, "0/5000300", Err(("ends at 0/5000200", Some("0/5000200"))));
        check(3, "0/5000200", Ok(("one", 4)));
        check(3, "0/5000300", Err(("ends at 0/5000200", None)));
        check(9, "0/5000300", Err(("timeline 9 is not known", None)));
    }

    #[test]
    fn moments_lie_between_marks() {
        let map = map();
        let one = timeline(1);
        assert_eq!(map.lsn_at(one, moment(-1)), None);
        assert_eq!(map.lsn_at(one, moment(0)), Some(lsn("0/2000028")));
        assert_eq!(map.lsn_at(one, moment(20)), Some(lsn("0/4000014")));
        assert_eq!(map.lsn_at(one, moment(70)), Some(lsn("0/8000100")));
        assert_eq!(map.lsn_at(one, moment(71)), None);
        assert_eq!(map.time_at(one, lsn("0/2000000")), None);
        assert_eq!(map.time_at(one, lsn("0/4000014")), Some(moment(20)));
        assert_eq!(map.time_at(one, lsn("0/9000000")), Some(moment(70)));
        // Along timeline 2, timeline 1 counts up to the fork only.
        assert_eq!(map.time_at(timeline(2), lsn("0/5000200")), Some(moment(45)));
        assert_eq!(map.lsn_at(timeline(2), moment(50)), None);
    }
}
