//! Timeline history files and backup history files.
//!
//! Source: `readTimeLineHistory()` in `timeline.c`, `build_backup_content()` in `xlogbackup.c`.

use crate::pg::types::{Lsn, TimelineId};

use super::names::{SegmentName, SegmentSize};

/// Where a timeline ended and its child began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineSwitch {
    /// The timeline that ended there.
    pub timeline: TimelineId,
    /// The first position that belongs to the child.
    pub at: Lsn,
    /// Why, as the server wrote it.
    pub reason: String,
}

/// Why a text is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Nothing in it, as after a crash that lost the content.
    #[error("it is empty")]
    Empty,
    /// A line that is none.
    #[error("line {line} is not a timeline, a position and a reason")]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// Timelines must ascend and stay below the file's own.
    #[error("line {line} names a timeline out of order")]
    Order {
        /// The line, from 1.
        line: usize,
    },
    /// The text lacks what every backup history file has.
    #[error("it does not say {what}")]
    Missing {
        /// What is missing.
        what: &'static str,
    },
}

/// A timeline with all its ancestors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineHistory {
    timeline: TimelineId,
    ancestors: Vec<TimelineSwitch>,
}

impl TimelineHistory {
    /// A timeline without ancestors, as the first one is.
    #[must_use]
    pub fn root(timeline: TimelineId) -> Self {
        Self { timeline, ancestors: Vec::new() }
    }

    /// Reads `TIMELINE.history`.
    ///
    /// # Errors
    /// [`HistoryError`], each condition its own variant.
    pub fn parse(timeline: TimelineId, text: &str) -> Result<Self, HistoryError> {
        let mut ancestors: Vec<TimelineSwitch> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let switch = parse_line(line).ok_or(HistoryError::Line { line: line_number })?;
            let ascends = ancestors.last().is_none_or(|last| last.timeline < switch.timeline);
            if !ascends || switch.timeline >= timeline {
                return Err(HistoryError::Order { line: line_number });
            }
            ancestors.push(switch);
        }
        if ancestors.is_empty() {
            return Err(HistoryError::Empty);
        }
        Ok(Self { timeline, ancestors })
    }

    /// The timeline.
    #[must_use]
    pub fn timeline(&self) -> TimelineId {
        self.timeline
    }

    /// Its ancestors, oldest first, with where each ended.
    #[must_use]
    pub fn ancestors(&self) -> &[TimelineSwitch] {
        &self.ancestors
    }

    /// Where the timeline itself began; `None` for one without ancestors.
    #[must_use]
    pub fn begins_at(&self) -> Option<Lsn> {
        self.ancestors.last().map(|switch| switch.at)
    }

    /// Where an ancestor ended; `None` when it is not one.
    #[must_use]
    pub fn end_of(&self, ancestor: TimelineId) -> Option<Lsn> {
        self.ancestors.iter().find(|switch| switch.timeline == ancestor).map(|switch| switch.at)
    }

    /// The timeline that a position is on, along this history (`tliOfPointInHistory()`): the
    /// newest that has begun there. The server writes histories whose positions do not ascend
    /// when it is promoted before the fork of the timeline it was told to follow.
    #[must_use]
    pub fn timeline_at(&self, lsn: Lsn) -> TimelineId {
        self.newest_begun(|switch| lsn >= switch.at)
    }

    /// The timeline whose segment file a recovery along this history reads for a segment: the
    /// newest that has begun in it, because a child's first segment repeats its parent's part.
    #[must_use]
    pub fn timeline_of_segment(&self, number: u64, size: SegmentSize) -> TimelineId {
        self.newest_begun(|switch| number >= size.number_of(switch.at))
    }

    /// The history of an ancestor; `None` when it is none.
    #[must_use]
    pub fn of_ancestor(&self, ancestor: TimelineId) -> Option<Self> {
        let at = self.ancestors.iter().position(|switch| switch.timeline == ancestor)?;
        Some(Self { timeline: ancestor, ancestors: self.ancestors[..at].to_vec() })
    }

    fn newest_begun(&self, has_passed: impl Fn(&TimelineSwitch) -> bool) -> TimelineId {
        let mut timeline = self.timeline;
        for switch in self.ancestors.iter().rev() {
            if has_passed(switch) {
                break;
            }
            timeline = switch.timeline;
        }
        timeline
    }
}

fn parse_line(line: &str) -> Option<TimelineSwitch> {
    let mut words = line.splitn(3, |character: char| character.is_ascii_whitespace());
    let timeline = TimelineId::from_u32(words.next()?.parse().ok()?)?;
    let at = words.next()?.parse().ok()?;
    Some(TimelineSwitch { timeline, at, reason: words.next().unwrap_or("").trim().to_owned() })
}

/// A backup history file: `SEGMENT.OFFSET.backup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupHistory {
    /// Where the backup began.
    pub start: Lsn,
    /// The segment that holds it.
    pub start_segment: SegmentName,
    /// Where it ended.
    pub stop: Lsn,
    /// The segment that holds the byte before.
    pub stop_segment: SegmentName,
    /// Its label.
    pub label: String,
}

impl BackupHistory {
    /// Reads one.
    ///
    /// # Errors
    /// [`HistoryError::Missing`].
    pub fn parse(text: &str) -> Result<Self, HistoryError> {
        let value = |what: &'static str| {
            let mut lines = text.lines();
            lines
                .find_map(|line| line.strip_prefix(what)?.strip_prefix(": "))
                .ok_or(HistoryError::Missing { what })
        };
        let (start, start_segment) = location(value("START WAL LOCATION")?)
            .ok_or(HistoryError::Missing { what: "START WAL LOCATION" })?;
        let (stop, stop_segment) = location(value("STOP WAL LOCATION")?)
            .ok_or(HistoryError::Missing { what: "STOP WAL LOCATION" })?;
        let label = value("LABEL")?.to_owned();
        Ok(Self { start, start_segment, stop, stop_segment, label })
    }
}

/// `0/2000028 (file 000000010000000000000002)`.
fn location(text: &str) -> Option<(Lsn, SegmentName)> {
    let (lsn, rest) = text.split_once(" (file ")?;
    Some((lsn.parse().ok()?, SegmentName::parse(rest.strip_suffix(')')?)?))
}
