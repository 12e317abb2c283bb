//! What the map answers, in its simplest form.

use chrono::{DateTime, Utc};

use super::{Branch, Lsn, MapBackup, Reach, RecoveryMap, RecoveryPlan, TimelineId};

impl RecoveryMap {
    fn branch(&self, timeline: TimelineId) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.timeline == timeline)
    }

    /// The pieces of history up to a position: timeline, from, to; newest first.
    fn path(&self, timeline: TimelineId, lsn: Lsn) -> Vec<(TimelineId, Lsn)> {
        let mut path = vec![(timeline, lsn)];
        let mut at = timeline;
        while let Some((parent, fork)) = self.branch(at).and_then(|branch| branch.fork) {
            if path.iter().any(|(known, _)| *known == parent) {
                break;
            }
            path.push((parent, fork.min(lsn)));
            at = parent;
        }
        path
    }

    fn is_covered(&self, timeline: TimelineId, from: Lsn, to: Lsn) -> bool {
        let begin = self.branch(timeline).and_then(|one| one.fork).map(|(_, fork)| fork);
        let from = begin.map_or(from, |begin| from.max(begin));
        let Some(branch) = self.branch(timeline) else { return false };
        from >= to || branch.spans.iter().any(|span| span.from_lsn <= from && to <= span.to_lsn)
    }

    fn serves(&self, backup: &MapBackup, path: &[(TimelineId, Lsn)]) -> bool {
        let Some(own) = path.iter().position(|(timeline, _)| *timeline == backup.timeline) else {
            return false;
        };
        let (_, end) = path[own];
        let later = path.get(..own).unwrap_or_default();
        backup.stop_lsn <= end
            && later.iter().all(|(timeline, to)| self.is_covered(*timeline, backup.start_lsn, *to))
            && self.is_covered(backup.timeline, backup.start_lsn, end)
    }

    /// Whether a position of a timeline can be recovered to.
    #[must_use]
    pub fn reach(&self, timeline: TimelineId, lsn: Lsn) -> Reach {
        let path = self.path(timeline, lsn);
        let usable = |backup: &&MapBackup| self.serves(backup, &path);
        if let Some(backup) = self.backups.iter().filter(usable).max_by_key(|one| one.stop_lsn) {
            let wal = lsn.bytes_since(backup.start_lsn);
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let seconds = backup.bytes as f64 / self.restore_bytes_per_second.max(1.0)
                + wal as f64 / self.replay_bytes_per_second.max(1.0);
            let segments = wal.div_ceil(self.segment_bytes.max(1)).max(1);
            return Reach::Reachable { backup: backup.label.clone(), segments, seconds };
        }
        let own = self.backups.iter().filter(|one| one.timeline == timeline);
        let nearest = own.map(|one| one.stop_lsn).filter(|stop| *stop >= lsn).min();
        let ends = self.branch(timeline).into_iter().flat_map(|one| &one.spans);
        let before = ends.map(|span| span.to_lsn).filter(|end| *end < lsn).max();
        let reason = match self.branch(timeline) {
            Some(branch)
                if branch.spans.iter().any(|span| span.from_lsn <= lsn && lsn <= span.to_lsn) =>
            {
                "no backup ends before it with unbroken WAL up to it"
            }
            _ => "its WAL is missing",
        };
        Reach::Unreachable { reason: reason.to_owned(), nearest: nearest.or(before) }
    }

    /// The position behind the last commit up to a moment.
    #[must_use]
    pub fn lsn_at(&self, timeline: TimelineId, at: DateTime<Utc>) -> Option<Lsn> {
        let marks = self.branch(timeline)?.spans.iter().flat_map(|span| &span.marks);
        marks.filter(|mark| mark.at <= at).map(|mark| mark.lsn).max()
    }

    /// The time of the last commit before a position.
    #[must_use]
    pub fn time_at(&self, timeline: TimelineId, lsn: Lsn) -> Option<DateTime<Utc>> {
        let marks = self.branch(timeline)?.spans.iter().flat_map(|span| &span.marks);
        marks.filter(|mark| mark.lsn <= lsn).map(|mark| mark.at).max()
    }
}

impl RecoveryPlan {
    /// The plan in lines.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let end = match self.stop.record {
            Some(record) => format!("{record} on timeline {}", self.stop.timeline.as_u32()),
            None => "where the backup is consistent".to_owned(),
        };
        let backup = self.chain.last().map(String::as_str).unwrap_or_default();
        vec![
            format!("target       {}", self.target.describe()),
            format!("ends at      {end}"),
            format!("backup       {backup}"),
            format!("lost         {} commits", self.lost.commits),
        ]
    }

    /// Tells this plan from another.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        self.describe()
            .join("\n")
            .bytes()
            .fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)))
    }
}
