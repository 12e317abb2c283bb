//! The flow's sentences: what a position means, whether it can be reached, what would be lost.
//! Pure.

use chrono::{DateTime, Utc};
use pgdeck_engine::api::{Lsn, Mistake, MistakeKind, Reach, RecoveryMap, TargetBound};

use super::cursor::{Aim, Cursor};
use crate::console::widgets::whole;
use crate::console::zone::Zone;
use crate::text;

/// A duration in its two largest units: `45 s`, `3 m 10 s`, `2 h 5 m`, `3 d 4 h`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let seconds = whole(seconds.round());
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} m {} s", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{} h {} m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// What a mistake did, in SQL's words.
#[must_use]
pub fn kind(kind: MistakeKind) -> &'static str {
    match kind {
        MistakeKind::Drop => "DROP",
        MistakeKind::Truncate => "TRUNCATE",
        MistakeKind::Delete => "DELETE",
    }
}

/// Relations of a mistake, not too many.
#[must_use]
pub fn relations(mistake: &Mistake) -> String {
    match mistake.relations.as_slice() {
        [] => "a relation that is not known".to_owned(),
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        few => few.join(", "),
    }
}

/// Whether a position can be recovered to; a sign stands before it on the screen.
#[must_use]
pub fn reach(reach: &Reach) -> String {
    match reach {
        Reach::Reachable { backup, segments, seconds } => {
            let count = usize::try_from(*segments).unwrap_or(usize::MAX);
            let segments = text::plural(count, "segment");
            format!("reachable: backup {backup} + {segments}, about {}", duration(*seconds))
        }
        Reach::Unreachable { reason, .. } => format!("NOT reachable: {reason}"),
    }
}

/// Where one could go instead of a position that cannot be recovered to.
#[must_use]
pub fn nearest(map: &RecoveryMap, cursor: &Cursor, nearest: Option<Lsn>, zone: Zone) -> String {
    let Some(lsn) = nearest else {
        return "nothing on this timeline: j and k go to others".to_owned();
    };
    let at = map.time_at(cursor.timeline, lsn);
    let at = at.map(|at| format!(", {}", zone.date_time(at))).unwrap_or_default();
    format!("{lsn}{at} (= goes there)")
}

/// Where the cursor stands.
#[must_use]
pub fn here(map: &RecoveryMap, cursor: &Cursor, zone: Zone) -> String {
    let number = cursor.timeline.as_u32();
    let in_use = if map.current == Some(cursor.timeline) { " (in use)" } else { "" };
    let at = match map.time_at(cursor.timeline, cursor.lsn) {
        Some(at) => format!("last commit {}", zone.date_time(at)),
        None => "no commit before it is known".to_owned(),
    };
    format!("timeline {number}{in_use}, {}, {at}", cursor.lsn)
}

/// What the server will have then.
#[must_use]
pub fn target(cursor: &Cursor, zone: Zone) -> String {
    let is_before = cursor.bound == TargetBound::Exclusive;
    match (&cursor.aim, is_before) {
        (Aim::Tip, _) => "everything there is: the latest position".to_owned(),
        (Aim::Position, false) => format!("up to {}, its record included", cursor.lsn),
        (Aim::Position, true) => format!("just before the record at {}", cursor.lsn),
        (Aim::Time(at), false) => format!("every commit up to {}", zone.date_time(*at)),
        (Aim::Time(at), true) => format!("every commit before {}", zone.date_time(*at)),
        (Aim::Point(name), false) => format!("restore point \"{name}\""),
        (Aim::Point(name), true) => format!("just before restore point \"{name}\""),
        (Aim::Backup(label), _) => format!("the end of backup {label}"),
        (Aim::Mistake(mistake), _) => {
            let place = if is_before { "just before" } else { "with" };
            let what = kind(mistake.kind);
            format!("{place} the {what} of {} (transaction {})", relations(mistake), mistake.xid)
        }
    }
}

/// What would not be there; `last` is the end of the timeline.
#[must_use]
pub fn lost(map: &RecoveryMap, cursor: &Cursor, last: u64, zone: Zone) -> String {
    if matches!(cursor.aim, Aim::Tip) || cursor.lsn.as_u64() >= last {
        return "nothing that the backups and the WAL know of".to_owned();
    }
    let end = Lsn::from_u64(last);
    let end = end.and_then(|lsn| map.time_at(cursor.timeline, lsn));
    let here = map.time_at(cursor.timeline, cursor.lsn);
    match (here, end) {
        (Some(here), Some(end)) if end > here => {
            format!("commits after it, up to {} ({})", zone.date_time(end), between(here, end))
        }
        _ => "what was committed after it, if anything was".to_owned(),
    }
}

fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let seconds = (to - from).num_seconds();
    duration(f64::from(i32::try_from(seconds).unwrap_or(i32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn durations() {
        for (seconds, words) in [
            (0.0, "0 s"),
            (59.4, "59 s"),
            (59.6, "1 m 0 s"),
            (190.0, "3 m 10 s"),
            (7_500.0, "2 h 5 m"),
            (273_600.0, "3 d 4 h"),
        ] {
            assert_eq!(duration(seconds), words);
        }
    }

    #[test]
    fn reachable_and_not() {
        let can = Reach::Reachable { backup: "B".to_owned(), segments: 84, seconds: 190.0 };
        assert_eq!(reach(&can), "reachable: backup B + 84 segments, about 3 m 10 s");
        let cannot = Reach::Unreachable { reason: "its WAL is missing".to_owned(), nearest: None };
        assert_eq!(reach(&cannot), "NOT reachable: its WAL is missing");
        let (timeline, at) = (sample::timeline(3), sample::lsn(95));
        let (aim, bound) = (Aim::Position, TargetBound::Inclusive);
        let cursor = Cursor { timeline, lsn: at, aim, bound };
        let said = nearest(&sample::map(), &cursor, Some(sample::lsn(90)), Zone::Utc);
        assert!(said.starts_with("0/5A000000") && said.ends_with("(= goes there)"), "{said}");
        assert!(nearest(&sample::map(), &cursor, None, Zone::Utc).contains("j and k"));
    }

    #[test]
    fn every_aim_in_words() {
        let mistake = Mistake {
            kind: MistakeKind::Delete,
            relations: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
            rows: 9,
            xid: 771,
            committed_at: None,
            commit_lsn: sample::lsn(130),
            timeline: sample::timeline(3),
        };
        let (with, before) = (TargetBound::Inclusive, TargetBound::Exclusive);
        for (aim, bound, words) in [
            (Aim::Tip, with, "everything there is: the latest position"),
            (Aim::Position, with, "up to 0/82000000, its record included"),
            (Aim::Position, before, "just before the record at 0/82000000"),
            (Aim::Time(sample::at(0)), with, "every commit up to 2026-11-17 21:13:20"),
            (Aim::Time(sample::at(0)), before, "every commit before 2026-11-17 21:13:20"),
            (Aim::Point("p".to_owned()), with, "restore point \"p\""),
            (Aim::Point("p".to_owned()), before, "just before restore point \"p\""),
            (Aim::Backup("B".to_owned()), with, "the end of backup B"),
            (
                Aim::Mistake(Box::new(mistake)),
                before,
                "just before the DELETE of a, b, c and 2 more (transaction 771)",
            ),
        ] {
            let (timeline, lsn) = (sample::timeline(3), sample::lsn(130));
            assert_eq!(target(&Cursor { timeline, lsn, aim, bound }, Zone::Utc), words);
        }
    }
}
