//! Where positions of the WAL stand on the chart of the map: timelines as rows, time or WAL
//! along them. Pure; knows no screen.

use chrono::{DateTime, Utc};
use pgdeck_engine::api::{Branch, RecoveryMap, TimelineId, WalGap};

/// What the columns stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Axis {
    /// Time, as far as commits, backups and restore points tell it.
    #[default]
    Time,
    /// Bytes of WAL.
    Wal,
}

/// A timeline on the chart.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub timeline: TimelineId,
    /// The row it left, and where.
    pub parent: Option<(usize, u64)>,
    /// Its earliest position.
    pub first: u64,
    /// Its latest position.
    pub last: u64,
    /// Positions whose place is known, in order; between them it is measured out.
    anchors: Vec<(u64, i128)>,
}

/// The chart's measures.
#[derive(Clone, Debug)]
pub struct Scale {
    /// What the columns stand for.
    pub axis: Axis,
    /// Timelines: each behind the one it left.
    pub rows: Vec<Row>,
    from: i128,
    to: i128,
    columns: usize,
}

/// The positions a gap covers.
#[must_use]
pub fn gap_range(gap: &WalGap, segment_bytes: u64) -> Option<(u64, u64)> {
    let first = segment_start(&gap.first, segment_bytes)?;
    Some((first, segment_start(&gap.last, segment_bytes)?.saturating_add(segment_bytes)))
}

/// Where a segment begins: the name is timeline, high half and segment in eight hex digits each.
///
/// Source: `XLogFileName()` in `src/include/access/xlog_internal.h`.
fn segment_start(name: &str, segment_bytes: u64) -> Option<u64> {
    let part = |from: usize| u64::from_str_radix(name.get(from..from + 8)?, 16).ok();
    (part(8)? << 32).checked_add(part(16)?.checked_mul(segment_bytes)?)
}

/// A position as the map writes restore points' ones.
#[must_use]
pub fn position(text: &str) -> Option<u64> {
    text.parse::<pgdeck_engine::api::Lsn>().ok().map(pgdeck_engine::api::Lsn::as_u64)
}

impl Scale {
    /// Measures for so many columns. Time is taken only where something tells it.
    #[must_use]
    pub fn new(map: &RecoveryMap, axis: Axis, columns: usize) -> Self {
        let order = tree_order(map);
        let mut scale = Self { axis, rows: Vec::new(), from: 0, to: 0, columns: columns.max(1) };
        for branch in &order {
            scale.add(map, branch);
        }
        if axis == Axis::Time && scale.rows.iter().any(|row| row.anchors.is_empty()) {
            return Self::new(map, Axis::Wal, columns);
        }
        let ends = scale
            .rows
            .iter()
            .flat_map(|row| [row.coordinate(row.first), row.coordinate(row.last)].into_iter());
        let all: Vec<i128> = ends.collect();
        scale.from = all.iter().copied().min().unwrap_or(0);
        scale.to = all.iter().copied().max().unwrap_or(0);
        scale
    }

    fn add(&mut self, map: &RecoveryMap, branch: &Branch) {
        let parent =
            branch.fork.and_then(|(timeline, lsn)| Some((self.row_of(timeline)?, lsn.as_u64())));
        let (first, last) = extent(map, branch);
        let mut anchors = match self.axis {
            Axis::Wal => vec![(first, i128::from(first)), (last, i128::from(last))],
            Axis::Time => times(map, branch),
        };
        // A timeline without a commit of its own stands where it left the other one.
        if let (true, Some((parent, lsn))) = (anchors.is_empty(), parent)
            && let Some(row) = self.rows.get(parent)
            && !row.anchors.is_empty()
        {
            anchors.push((lsn, row.coordinate(lsn)));
        }
        anchors.sort_unstable();
        anchors.dedup_by_key(|(lsn, _)| *lsn);
        let mut highest = i128::MIN;
        for (_, coordinate) in &mut anchors {
            highest = highest.max(*coordinate);
            *coordinate = highest;
        }
        self.rows.push(Row { timeline: branch.timeline, parent, first, last, anchors });
    }

    /// The row of a timeline.
    #[must_use]
    pub fn row_of(&self, timeline: TimelineId) -> Option<usize> {
        self.rows.iter().position(|row| row.timeline == timeline)
    }

    /// The column of a position on a row.
    #[must_use]
    pub fn column(&self, row: usize, lsn: u64) -> usize {
        let Some(row) = self.rows.get(row) else { return 0 };
        let whole = (self.to - self.from).max(1);
        let part = (row.coordinate(lsn) - self.from).clamp(0, whole);
        usize::try_from(part * self.last_column() / whole).unwrap_or(0)
    }

    /// The first position of a column on a row; the row's ends for columns beyond them.
    #[must_use]
    pub fn position(&self, row: usize, column: usize) -> u64 {
        let Some(row) = self.rows.get(row) else { return 0 };
        let column = i128::try_from(column).unwrap_or(i128::MAX);
        if column > self.last_column() {
            return row.last;
        }
        let whole = self.to - self.from;
        let steps = self.last_column().max(1);
        let coordinate = self.from + (whole * column + steps - 1) / steps;
        row.position(coordinate)
    }

    fn last_column(&self) -> i128 {
        i128::try_from(self.columns).unwrap_or(1) - 1
    }

    /// The moments at both ends; `None` when the columns are WAL.
    #[must_use]
    pub fn times(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let moment = |ms: i128| DateTime::from_timestamp_millis(i64::try_from(ms).ok()?);
        match self.axis {
            Axis::Time => Some((moment(self.from)?, moment(self.to)?)),
            Axis::Wal => None,
        }
    }

    /// The positions at both ends; `None` when the columns are time.
    #[must_use]
    pub fn positions(&self) -> Option<(u64, u64)> {
        match self.axis {
            Axis::Time => None,
            Axis::Wal => Some((u64::try_from(self.from).ok()?, u64::try_from(self.to).ok()?)),
        }
    }
}

impl Row {
    fn coordinate(&self, lsn: u64) -> i128 {
        let after = self.anchors.partition_point(|(at, _)| *at < lsn);
        match (after.checked_sub(1).and_then(|it| self.anchors.get(it)), self.anchors.get(after)) {
            (Some((low, from)), Some((high, to))) => {
                let part = i128::from(lsn - low) * (to - from);
                from + part / i128::from(high - low)
            }
            (Some((_, only)), None) | (None, Some((_, only))) => *only,
            (None, None) => 0,
        }
    }

    /// The first position that stands at a coordinate or behind it.
    fn position(&self, coordinate: i128) -> u64 {
        let after = self.anchors.partition_point(|(_, at)| *at < coordinate);
        let before = after.checked_sub(1).and_then(|it| self.anchors.get(it));
        let lsn = match (before, self.anchors.get(after)) {
            (Some((low, from)), Some((high, to))) => {
                let length = i128::from(high - low);
                let span = (to - from).max(1);
                let part = ((coordinate - from) * length + span - 1) / span;
                low.saturating_add(u64::try_from(part).unwrap_or(0))
            }
            (None, Some((lsn, _))) => {
                // Before everything that is known: the beginning.
                if self.coordinate(self.first) >= coordinate { self.first } else { *lsn }
            }
            (Some(_), None) | (None, None) => self.last,
        };
        lsn.clamp(self.first, self.last)
    }
}

/// Each timeline behind the one it left; those without one first, by number.
fn tree_order(map: &RecoveryMap) -> Vec<&Branch> {
    let is_on_map = |timeline| map.branches.iter().any(|one| one.timeline == timeline);
    let parent =
        |branch: &Branch| branch.fork.map(|(parent, _)| parent).filter(|it| is_on_map(*it));
    let mut order: Vec<&Branch> = Vec::new();
    let mut rest: Vec<&Branch> =
        map.branches.iter().rev().filter(|one| parent(one).is_none()).collect();
    while let Some(branch) = rest.pop() {
        if order.iter().any(|one| one.timeline == branch.timeline) {
            continue;
        }
        order.push(branch);
        rest.extend(map.branches.iter().rev().filter(|one| parent(one) == Some(branch.timeline)));
    }
    // Histories that name each other in a circle have no beginning; they are shown all the same.
    for branch in &map.branches {
        if !order.iter().any(|one| one.timeline == branch.timeline) {
            order.push(branch);
        }
    }
    order
}

/// From the first to the last position of a timeline's own WAL, what is missing included.
fn extent(map: &RecoveryMap, branch: &Branch) -> (u64, u64) {
    let spans = branch.spans.iter().flat_map(|one| [one.from_lsn.as_u64(), one.to_lsn.as_u64()]);
    let gaps = branch.gaps.iter().filter_map(|gap| gap_range(gap, map.segment_bytes));
    let gaps = gaps.flat_map(|(from, to)| [from, to]);
    let fork = branch.fork.map(|(_, lsn)| lsn.as_u64());
    let all: Vec<u64> = spans.chain(gaps).chain(fork).collect();
    let first = all.iter().copied().min().unwrap_or(1);
    // WAL of before the fork is the other timeline's.
    let first = fork.map_or(first, |fork| first.max(fork));
    (first, all.iter().copied().max().unwrap_or(1).max(first))
}

/// What tells times on a timeline: commits, backups, restore points.
fn times(map: &RecoveryMap, branch: &Branch) -> Vec<(u64, i128)> {
    let at = |lsn: u64, at: DateTime<Utc>| (lsn, i128::from(at.timestamp_millis()));
    let mut known = Vec::new();
    for span in &branch.spans {
        known.extend(span.from_at.map(|time| at(span.from_lsn.as_u64(), time)));
        known.extend(span.marks.iter().map(|mark| at(mark.lsn.as_u64(), mark.at)));
        known.extend(span.to_at.map(|time| at(span.to_lsn.as_u64(), time)));
    }
    let backups = map.backups.iter().filter(|one| one.timeline == branch.timeline);
    known.extend(backups.map(|one| at(one.stop_lsn.as_u64(), one.ended_at)));
    let own = map.restore_points.iter().filter(|one| one.timeline == branch.timeline.as_u32());
    known.extend(own.filter_map(|one| Some(at(position(&one.lsn)?, one.created_at))));
    known
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn each_timeline_stands_behind_the_one_it_left() {
        let scale = Scale::new(&sample::map(), Axis::Time, 60);
        let rows: Vec<_> = scale
            .rows
            .iter()
            .map(|row| (row.timeline.as_u32(), row.parent.map(|it| it.0)))
            .collect();
        assert_eq!(rows, [(1, None), (2, Some(0)), (3, Some(0))]);
        assert_eq!(scale.axis, Axis::Time);
    }

    #[test]
    fn without_times_the_columns_are_wal() {
        let mut map = sample::map();
        map.backups.clear();
        map.restore_points.clear();
        for span in map.branches.iter_mut().flat_map(|branch| &mut branch.spans) {
            (span.from_at, span.to_at) = (None, None);
            span.marks.clear();
        }
        let scale = Scale::new(&map, Axis::Time, 60);
        assert_eq!((scale.axis, scale.times()), (Axis::Wal, None));
        assert_eq!(scale.column(0, scale.rows[0].first), 0);
    }

    #[test]
    fn a_timeline_without_commits_stands_at_its_fork() {
        let mut map = sample::map();
        let span = &mut map.branches[2].spans[0];
        (span.from_at, span.to_at) = (None, None);
        span.marks.clear();
        map.restore_points.retain(|point| point.timeline != 3);
        map.backups.retain(|backup| backup.timeline.as_u32() != 3);
        let scale = Scale::new(&map, Axis::Time, 60);
        assert_eq!(scale.axis, Axis::Time);
        let (parent, fork) = scale.rows[2].parent.unwrap();
        assert_eq!(scale.column(2, scale.rows[2].last), scale.column(parent, fork));
    }

    #[test]
    fn columns_and_positions_agree() {
        for axis in [Axis::Time, Axis::Wal] {
            for columns in [1, 2, 7, 66, 186, 5_000] {
                let scale = Scale::new(&sample::map(), axis, columns);
                for (number, row) in scale.rows.iter().enumerate() {
                    let (first, last) =
                        (scale.column(number, row.first), scale.column(number, row.last));
                    assert!(first <= last && last < columns);
                    let mut before = 0;
                    for column in first..=last {
                        let lsn = scale.position(number, column);
                        assert!(lsn >= before && (row.first..=row.last).contains(&lsn));
                        assert!(scale.column(number, lsn) >= column, "{axis:?} {columns} {column}");
                        before = lsn;
                    }
                    assert_eq!(scale.position(number, usize::MAX), row.last);
                }
            }
        }
    }

    #[test]
    fn segment_names_are_positions() {
        let gap = WalGap {
            first: "00000003000000010000003A".to_owned(),
            last: "00000003000000010000003B".to_owned(),
            segments: 2,
        };
        assert_eq!(gap_range(&gap, 16 << 20), Some((0x1_3A00_0000, 0x1_3C00_0000)));
        let odd = WalGap { first: "x".to_owned(), ..gap };
        assert_eq!(gap_range(&odd, 16 << 20), None);
    }

    #[test]
    fn an_empty_map_does_no_harm() {
        let scale = Scale::new(&RecoveryMap::default(), Axis::Time, 60);
        assert!(scale.rows.is_empty());
        assert_eq!((scale.column(0, 7), scale.position(0, 3)), (0, 0));
    }
}
