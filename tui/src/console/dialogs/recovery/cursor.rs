//! The cursor on the map: a timeline and a position, what was meant by it, and how keys move
//! it. Pure.

use chrono::{DateTime, Utc};
use pgdeck_engine::api::{Lsn, Mistake, RecoveryMap, RecoveryTarget, TargetBound, TimelineId};

use super::scale::{Scale, gap_range, position};

/// What is meant by where the cursor stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Aim {
    /// The end of its timeline.
    Tip,
    /// The position as such.
    Position,
    /// A moment that was typed.
    Time(DateTime<Utc>),
    /// A restore point.
    Point(String),
    /// Where a backup becomes consistent.
    Backup(String),
    /// The moment before a mistake.
    Mistake(Box<Mistake>),
}

/// Where recovery would end.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    /// On this timeline.
    pub timeline: TimelineId,
    /// Here.
    pub lsn: Lsn,
    /// What is meant.
    pub aim: Aim,
    /// With it or just before it.
    pub bound: TargetBound,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Towards the past.
    Back,
    /// Towards the present.
    Forth,
}

/// What the cursor can jump to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A backup becomes consistent.
    Backup(String),
    /// A restore point.
    Point(String),
    /// WAL breaks off or begins again.
    GapEdge,
}

/// Which events are jumped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    Any,
    /// Backups.
    Backups,
    /// Restore points.
    Points,
    /// Edges of gaps.
    GapEdges,
}

impl Wanted {
    fn takes(self, event: &Event) -> bool {
        match self {
            Self::Any => true,
            Self::Backups => matches!(event, Event::Backup(_)),
            Self::Points => matches!(event, Event::Point(_)),
            Self::GapEdges => *event == Event::GapEdge,
        }
    }

    /// What it is called.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Any => "backup, restore point or gap",
            Self::Backups => "backup",
            Self::Points => "restore point",
            Self::GapEdges => "gap",
        }
    }
}

/// Everything on a timeline that can be jumped to, in order.
#[must_use]
pub fn events(map: &RecoveryMap, timeline: TimelineId) -> Vec<(u64, Event)> {
    let backups = map.backups.iter().filter(|one| one.timeline == timeline);
    let mut all: Vec<(u64, Event)> =
        backups.map(|one| (one.stop_lsn.as_u64(), Event::Backup(one.label.clone()))).collect();
    let points = map.restore_points.iter().filter(|one| one.timeline == timeline.as_u32());
    all.extend(
        points.filter_map(|one| Some((position(&one.lsn)?, Event::Point(one.name.clone())))),
    );
    for branch in map.branches.iter().filter(|one| one.timeline == timeline) {
        let ranges = branch.gaps.iter().filter_map(|gap| gap_range(gap, map.segment_bytes));
        let edges = ranges.flat_map(|(from, to)| [from, to]);
        all.extend(edges.map(|at| (at, Event::GapEdge)));
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

impl Cursor {
    /// At the end of the timeline in use; else of the last one on the map.
    #[must_use]
    pub fn at_tip(map: &RecoveryMap, scale: &Scale) -> Option<Self> {
        let in_use = map.current.and_then(|timeline| scale.row_of(timeline));
        let row = scale.rows.get(in_use.unwrap_or(scale.rows.len().checked_sub(1)?))?;
        Some(Self {
            timeline: row.timeline,
            lsn: Lsn::from_u64(row.last)?,
            aim: Aim::Tip,
            bound: TargetBound::Inclusive,
        })
    }

    /// At the moment before a mistake.
    #[must_use]
    pub fn before(mistake: &Mistake) -> Self {
        Self {
            timeline: mistake.timeline,
            lsn: mistake.commit_lsn,
            aim: Aim::Mistake(Box::new(mistake.clone())),
            bound: TargetBound::Exclusive,
        }
    }

    /// On a position of its timeline, with no more meaning than that.
    fn go(&mut self, lsn: u64, last: u64) {
        if let Some(lsn) = Lsn::from_u64(lsn) {
            self.lsn = lsn;
            self.bound = TargetBound::Inclusive;
            self.aim = if lsn.as_u64() >= last { Aim::Tip } else { Aim::Position };
        }
    }

    /// One column further.
    pub fn step(&mut self, scale: &Scale, way: Way) {
        let Some(number) = scale.row_of(self.timeline) else { return };
        let Some(row) = scale.rows.get(number) else { return };
        let here = self.lsn.as_u64();
        let column = scale.column(number, here);
        let end = match way {
            Way::Back => {
                (0..column).rev().map(|it| scale.position(number, it)).find(|it| *it < here)
            }
            Way::Forth => {
                let last = scale.column(number, row.last);
                (column + 1..=last).map(|it| scale.position(number, it)).find(|it| *it > here)
            }
        };
        self.go(end.unwrap_or(if way == Way::Back { row.first } else { row.last }), row.last);
    }

    /// To the next commit the map knows: about a segment further.
    pub fn step_mark(&mut self, map: &RecoveryMap, scale: &Scale, way: Way) {
        let Some(row) = scale.row_of(self.timeline).and_then(|it| scale.rows.get(it)) else {
            return;
        };
        let branches = map.branches.iter().filter(|one| one.timeline == self.timeline);
        let spans = branches.flat_map(|branch| &branch.spans);
        let marks = spans.flat_map(|span| &span.marks).map(|mark| mark.lsn.as_u64());
        let here = self.lsn.as_u64();
        let next = match way {
            Way::Back => marks.filter(|it| *it < here).max().unwrap_or(row.first),
            Way::Forth => marks.filter(|it| *it > here).min().unwrap_or(row.last),
        };
        self.go(next, row.last);
    }

    /// To the next event of a kind; whether there was one.
    pub fn jump(&mut self, map: &RecoveryMap, wanted: Wanted, way: Way) -> bool {
        let here = self.lsn.as_u64();
        let all = events(map, self.timeline);
        let mut fitting = all.iter().filter(|(_, event)| wanted.takes(event));
        let next = match way {
            Way::Back => fitting.rfind(|(at, _)| *at < here),
            Way::Forth => fitting.find(|(at, _)| *at > here),
        };
        let Some((at, event)) = next else { return false };
        let Some(lsn) = Lsn::from_u64(*at) else { return false };
        self.lsn = lsn;
        self.bound = TargetBound::Inclusive;
        self.aim = match event {
            Event::Backup(label) => Aim::Backup(label.clone()),
            Event::Point(name) => Aim::Point(name.clone()),
            Event::GapEdge => Aim::Position,
        };
        true
    }

    /// To the timeline above or below, at the same place of the chart.
    pub fn change_row(&mut self, scale: &Scale, way: Way) {
        let Some(number) = scale.row_of(self.timeline) else { return };
        let next = match way {
            Way::Back => number.checked_sub(1),
            Way::Forth => Some(number + 1),
        };
        let Some((next, row)) = next.and_then(|it| Some((it, scale.rows.get(it)?))) else { return };
        let column = scale.column(number, self.lsn.as_u64());
        self.timeline = row.timeline;
        self.go(scale.position(next, column), row.last);
    }

    /// To the beginning or the end of its timeline.
    pub fn go_to_end(&mut self, scale: &Scale, way: Way) {
        let Some(row) = scale.row_of(self.timeline).and_then(|it| scale.rows.get(it)) else {
            return;
        };
        self.go(if way == Way::Back { row.first } else { row.last }, row.last);
    }

    /// To a position of its timeline.
    pub fn go_to(&mut self, scale: &Scale, lsn: Lsn) {
        let last =
            scale.row_of(self.timeline).and_then(|it| scale.rows.get(it)).map(|row| row.last);
        self.go(lsn.as_u64(), last.unwrap_or(u64::MAX));
    }

    /// With it, or just before it. The end of a timeline and of a backup have no such choice.
    pub fn turn_bound(&mut self) {
        if matches!(self.aim, Aim::Tip | Aim::Backup(_)) {
            return;
        }
        self.bound = match self.bound {
            TargetBound::Inclusive => TargetBound::Exclusive,
            TargetBound::Exclusive => TargetBound::Inclusive,
        };
    }

    /// The target it stands for.
    #[must_use]
    pub fn target(&self) -> RecoveryTarget {
        match &self.aim {
            Aim::Tip => RecoveryTarget::Latest,
            Aim::Position | Aim::Mistake(_) => RecoveryTarget::Lsn(self.lsn),
            Aim::Time(at) => RecoveryTarget::Time(*at),
            Aim::Point(name) => RecoveryTarget::RestorePoint(name.clone()),
            Aim::Backup(_) => RecoveryTarget::BackupEnd,
        }
    }

    /// The backup it insists on.
    #[must_use]
    pub fn backup(&self) -> Option<String> {
        match &self.aim {
            Aim::Backup(label) => Some(label.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use pgdeck_engine::api::MistakeKind;

    use super::super::sample;
    use super::super::scale::Axis;
    use super::*;

    fn scale(columns: usize) -> (RecoveryMap, Scale) {
        let map = sample::map();
        let scale = Scale::new(&map, Axis::Time, columns);
        (map, scale)
    }

    #[test]
    fn begins_at_the_tip_of_the_timeline_in_use() {
        let (map, scale) = scale(66);
        let cursor = Cursor::at_tip(&map, &scale).unwrap();
        assert_eq!((cursor.timeline.as_u32(), cursor.lsn), (3, sample::lsn(170)));
        assert_eq!(cursor.target(), RecoveryTarget::Latest);
        let unknown = RecoveryMap { current: None, ..map };
        let cursor = Cursor::at_tip(&unknown, &scale).unwrap();
        assert_eq!(cursor.timeline.as_u32(), 3);
        let empty = RecoveryMap::default();
        assert_eq!(Cursor::at_tip(&empty, &Scale::new(&empty, Axis::Time, 9)), None);
    }

    #[test]
    fn columns_lead_to_either_end_and_back() {
        for columns in [1, 2, 10, 66, 186, 4_000] {
            let (map, scale) = scale(columns);
            for row in &scale.rows {
                let mut cursor =
                    Cursor { timeline: row.timeline, ..Cursor::at_tip(&map, &scale).unwrap() };
                cursor.go_to_end(&scale, Way::Forth);
                assert_eq!(cursor.aim, Aim::Tip);
                for way in [Way::Back, Way::Forth] {
                    let goal = if way == Way::Back { row.first } else { row.last };
                    let mut steps = 0;
                    while cursor.lsn.as_u64() != goal {
                        let before = cursor.lsn;
                        cursor.step(&scale, way);
                        assert_eq!(cursor.lsn < before, way == Way::Back, "{columns}");
                        assert_ne!(cursor.lsn, before, "{columns}");
                        steps += 1;
                        assert!(steps <= columns + 1, "{columns}");
                    }
                    cursor.step(&scale, way);
                    assert_eq!(cursor.lsn.as_u64(), goal, "the end is the end");
                }
            }
        }
    }

    #[test]
    fn marks_are_about_a_segment_apart() {
        let (map, scale) = scale(66);
        let mut cursor = Cursor::at_tip(&map, &scale).unwrap();
        cursor.step_mark(&map, &scale, Way::Back);
        assert_eq!(sample::lsn(170).bytes_since(cursor.lsn), 8 << 20);
        assert_eq!(cursor.target(), RecoveryTarget::Lsn(cursor.lsn));
        cursor.step_mark(&map, &scale, Way::Back);
        assert_eq!(sample::lsn(170).bytes_since(cursor.lsn), 24 << 20);
        cursor.step_mark(&map, &scale, Way::Forth);
        cursor.step_mark(&map, &scale, Way::Forth);
        assert_eq!(cursor.aim, Aim::Tip);
    }

    #[test]
    fn jumps_mean_what_they_land_on() {
        let (map, scale) = scale(66);
        let mut cursor = Cursor::at_tip(&map, &scale).unwrap();
        assert!(cursor.jump(&map, Wanted::Any, Way::Back));
        assert_eq!(cursor.target(), RecoveryTarget::RestorePoint("month-end".to_owned()));
        assert!(cursor.jump(&map, Wanted::Any, Way::Back));
        assert_eq!(cursor.backup().as_deref(), Some("2026-11-18_00-10-00"));
        assert_eq!(cursor.target(), RecoveryTarget::BackupEnd);
        assert!(!cursor.jump(&map, Wanted::Any, Way::Back));
        assert!(!cursor.jump(&map, Wanted::GapEdges, Way::Forth));
        assert!(cursor.jump(&map, Wanted::Points, Way::Forth));

        let mut first = Cursor { timeline: sample::timeline(1), lsn: sample::lsn(10), ..cursor };
        assert!(first.jump(&map, Wanted::GapEdges, Way::Forth));
        assert_eq!(first.lsn, sample::lsn(60));
        assert!(first.jump(&map, Wanted::GapEdges, Way::Forth));
        assert_eq!(first.lsn, sample::lsn(70));
        assert!(first.jump(&map, Wanted::Backups, Way::Forth));
        assert_eq!(first.lsn, sample::lsn(76));
    }

    #[test]
    fn other_rows_keep_the_column() {
        let (map, scale) = scale(66);
        let mut cursor = Cursor::at_tip(&map, &scale).unwrap();
        cursor.change_row(&scale, Way::Forth);
        assert_eq!(cursor.timeline.as_u32(), 3, "there is none below");
        cursor.change_row(&scale, Way::Back);
        assert_eq!((cursor.timeline.as_u32(), cursor.aim.clone()), (2, Aim::Tip));
        cursor.go_to(&scale, sample::lsn(105));
        let column = scale.column(1, cursor.lsn.as_u64());
        cursor.change_row(&scale, Way::Forth);
        let row = scale.row_of(cursor.timeline).unwrap();
        let nearest = scale.column(row, cursor.lsn.as_u64());
        assert!(nearest >= column, "it begins later");
        assert_eq!(cursor.lsn, sample::lsn(90));
    }

    #[test]
    fn a_mistake_is_left_out() {
        let mistake = Mistake {
            kind: MistakeKind::Drop,
            relations: vec!["shop/16402".to_owned()],
            rows: 0,
            xid: 771,
            committed_at: Some(sample::at(200)),
            commit_lsn: sample::lsn(130),
            timeline: sample::timeline(3),
        };
        let cursor = Cursor::before(&mistake);
        assert_eq!(cursor.target(), RecoveryTarget::Lsn(sample::lsn(130)));
        assert_eq!(cursor.bound, TargetBound::Exclusive);
    }

    #[test]
    fn the_bound_is_turned_where_it_means_something() {
        let (map, scale) = scale(66);
        let mut cursor = Cursor::at_tip(&map, &scale).unwrap();
        cursor.turn_bound();
        assert_eq!(cursor.bound, TargetBound::Inclusive);
        cursor.jump(&map, Wanted::Points, Way::Back);
        cursor.turn_bound();
        assert_eq!(cursor.bound, TargetBound::Exclusive);
        cursor.step(&scale, Way::Back);
        assert_eq!(cursor.bound, TargetBound::Inclusive, "another position, another question");
    }
}
