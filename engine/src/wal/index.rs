//! The index of a segment: the small file beside it that says what is in it, so that a target
//! of recovery is found without decompressing the archive.
//!
//! It is made from the segment and can be made again; nothing depends on its being there.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::details::{IndexDetails, time, time_text};
use crate::pg::types::{Lsn, TimelineId};
use crate::pg::wal::{
    Carry, Meaning, Reading, Record, Scan, Segment, SegmentName, SegmentSize, Step, Stop,
};

/// First word of the file, and the format's version behind it.
const MAGIC: &str = "pgdeck-wal-index";
const FORMAT: u32 = 1;

/// An index longer than this is none.
pub const INDEX_BYTES_MAX: u64 = 4 << 20;

/// Restore points kept of one segment; a program that makes more has no use for the names.
const RESTORE_POINTS_MAX: usize = 10_000;

/// A named moment (`pg_create_restore_point`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestorePoint {
    /// Its name.
    pub name: String,
    /// Where its record begins.
    pub lsn: Lsn,
    /// The position behind it, as `pg_create_restore_point` returns it.
    pub end: Lsn,
    /// When it was made.
    pub at: Option<DateTime<Utc>>,
}

/// How a segment's records end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentTail {
    /// With the segment; the last record may go on in the next one.
    Full,
    /// With a switch.
    Switch,
    /// Before its end: the timeline ended there.
    Unwritten,
    /// At an encrypted page: what follows is not known.
    Encrypted,
    /// At damage: what follows is not known.
    Damaged,
}

/// What a segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentIndex {
    /// The segment, by its name.
    pub segment: SegmentName,
    /// Its bytes.
    pub content_bytes: u64,
    /// CRC-32C of its content.
    pub content_crc32c: u32,
    /// Where the first record begins that begins here.
    pub first_lsn: Option<Lsn>,
    /// Where the last one begins.
    pub last_lsn: Option<Lsn>,
    /// The position behind the last whole record.
    pub end_lsn: Option<Lsn>,
    /// Whether it begins with the rest of a record of the segment before.
    pub continues_previous: bool,
    /// How it ends.
    pub tail: SegmentTail,
    /// Where, when it does not end with the segment.
    pub tail_at: Option<Lsn>,
    /// Commits, those of prepared transactions included.
    pub commits: u64,
    /// The earliest commit by the server's clock.
    pub commit_first: Option<DateTime<Utc>>,
    /// The latest; commits are not in the order of their times.
    pub commit_last: Option<DateTime<Utc>>,
    /// Restore points, in order.
    pub restore_points: Vec<RestorePoint>,
    /// The timeline that begins here and the one it comes from.
    pub timeline_switch: Option<(TimelineId, TimelineId)>,
    /// What else recovery asks about; `None` in an index of an earlier pgdeck.
    pub details: Option<IndexDetails>,
}

impl SegmentIndex {
    /// Reads a segment's records. `carry` is what the segment before left unfinished, if known.
    #[must_use]
    pub fn build(segment: Segment<'_>, carry: Option<Carry>) -> (Self, Option<Carry>) {
        Self::build_reading(segment, carry, Reading::Whole)
    }

    /// The same, for a segment that may end anywhere when `reading` says so.
    #[must_use]
    pub fn build_reading(
        segment: Segment<'_>,
        carry: Option<Carry>,
        reading: Reading,
    ) -> (Self, Option<Carry>) {
        let mut index = Self::empty(segment);
        let mut details = IndexDetails::default();
        let mut scan = match Scan::with_reading(segment, carry, reading) {
            Ok(scan) => scan,
            Err(_) => {
                index.tail = SegmentTail::Damaged;
                return (index, None);
            }
        };
        index.continues_previous = scan.continues_previous();
        details.begin(segment);
        let stop = loop {
            match scan.next_record() {
                Step::Record(record) => {
                    let meaning = record.meaning();
                    details.add(&record, &meaning);
                    index.add(&record, meaning, segment.start_byte());
                }
                Step::Stop(stop) => break stop,
            }
        };
        index.end(stop);
        let carry = scan.into_carry();
        details.end(carry.as_ref());
        index.details = Some(details);
        (index, carry)
    }

    fn empty(segment: Segment<'_>) -> Self {
        Self {
            content_bytes: segment.bytes().len() as u64,
            content_crc32c: crc32c::crc32c(segment.bytes()),
            ..Self::of_name(segment.name())
        }
    }

    /// The index of a segment that is not there.
    pub(crate) fn of_name(segment: SegmentName) -> Self {
        Self {
            segment,
            content_bytes: 0,
            content_crc32c: 0,
            first_lsn: None,
            last_lsn: None,
            end_lsn: None,
            continues_previous: false,
            tail: SegmentTail::Full,
            tail_at: None,
            commits: 0,
            commit_first: None,
            commit_last: None,
            restore_points: Vec::new(),
            timeline_switch: None,
            details: None,
        }
    }

    /// Bytes of the segments it is one of; `None` when there are none of this size.
    #[must_use]
    pub fn segment_size(&self) -> Option<SegmentSize> {
        u32::try_from(self.content_bytes).ok().and_then(SegmentSize::from_bytes)
    }

    fn add(&mut self, record: &Record<'_>, meaning: Meaning, start: u64) {
        let lsn = record.lsn().filter(|lsn| lsn.as_u64() >= start);
        self.first_lsn = self.first_lsn.or(lsn);
        self.last_lsn = lsn.or(self.last_lsn);
        self.end_lsn = record.end();
        match meaning {
            Meaning::Transaction(end) if end.outcome.is_commit() => {
                self.commits += 1;
                self.commit_first = self.commit_first.into_iter().chain(end.at).min();
                self.commit_last = self.commit_last.into_iter().chain(end.at).max();
            }
            Meaning::RestorePoint { name, at } => {
                let (Some(lsn), Some(end)) = (record.lsn(), record.end()) else { return };
                if self.restore_points.len() < RESTORE_POINTS_MAX {
                    self.restore_points.push(RestorePoint { name, lsn, end, at });
                }
            }
            Meaning::EndOfRecovery { timeline, previous_timeline, .. } => {
                self.timeline_switch = timeline.zip(previous_timeline);
            }
            Meaning::Checkpoint(checkpoint)
                if checkpoint.timeline != checkpoint.previous_timeline =>
            {
                self.timeline_switch = checkpoint.timeline.zip(checkpoint.previous_timeline);
            }
            _ => {}
        }
    }

    fn end(&mut self, stop: Stop) {
        let (tail, at) = match stop {
            Stop::SegmentEnd => (SegmentTail::Full, None),
            Stop::Switch => (SegmentTail::Switch, None),
            Stop::Unwritten(at) => (SegmentTail::Unwritten, Some(at)),
            Stop::Encrypted(at) => (SegmentTail::Encrypted, Some(at)),
            Stop::Damaged { at, .. } => (SegmentTail::Damaged, Some(at)),
        };
        self.tail = tail;
        self.tail_at = at.and_then(Lsn::from_u64);
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Texts and numbers always have a JSON form.
        let body = serde_json::to_string(&Document::from(self)).unwrap_or_default();
        format!("{MAGIC} {FORMAT} {:08x}\n{body}\n", crc32c::crc32c(body.as_bytes()))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it, lower case.
    pub fn from_text(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        let (head, body) = text.split_once('\n').ok_or("it has one line")?;
        let body = body.strip_suffix('\n').ok_or("its last line is cut off")?;
        let mut words = head.split(' ');
        if words.next() != Some(MAGIC) {
            return Err("it is no index".to_owned());
        }
        match words.next().and_then(|word| word.parse::<u32>().ok()) {
            Some(FORMAT) => {}
            other => return Err(format!("its format is {other:?}; this pgdeck knows {FORMAT}")),
        }
        let crc = words.next().and_then(|word| u32::from_str_radix(word, 16).ok());
        if crc != Some(crc32c::crc32c(body.as_bytes())) {
            return Err("its checksum is wrong".to_owned());
        }
        let document: Document = serde_json::from_str(body).map_err(|error| error.to_string())?;
        document.into_index().ok_or_else(|| "a value in it makes no sense".to_owned())
    }
}

/// The second line of the file.
#[derive(Deserialize, Serialize)]
struct Document {
    segment: String,
    content_bytes: u64,
    content_crc32c: String,
    first_lsn: Option<String>,
    last_lsn: Option<String>,
    end_lsn: Option<String>,
    continues_previous: bool,
    tail: String,
    tail_at: Option<String>,
    commits: u64,
    commit_first: Option<String>,
    commit_last: Option<String>,
    restore_points: Vec<PointDocument>,
    timeline_switch: Option<[u32; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<super::details::DetailsDocument>,
}

#[derive(Deserialize, Serialize)]
struct PointDocument {
    name: String,
    lsn: String,
    end: String,
    at: Option<String>,
}

const TAILS: [(SegmentTail, &str); 5] = [
    (SegmentTail::Full, "full"),
    (SegmentTail::Switch, "switch"),
    (SegmentTail::Unwritten, "unwritten"),
    (SegmentTail::Encrypted, "encrypted"),
    (SegmentTail::Damaged, "damaged"),
];

/// Nothing stays nothing; what is there must make sense.
pub(super) fn optional<T>(
    text: Option<String>,
    parse: impl FnOnce(String) -> Option<T>,
) -> Option<Option<T>> {
    match text {
        None => Some(None),
        Some(text) => parse(text).map(Some),
    }
}

impl From<&SegmentIndex> for Document {
    fn from(index: &SegmentIndex) -> Self {
        let lsn = |lsn: Option<Lsn>| lsn.map(|lsn| lsn.to_string());
        let tail = TAILS.iter().find(|(tail, _)| *tail == index.tail);
        let points = index.restore_points.iter().map(|point| PointDocument {
            name: point.name.clone(),
            lsn: point.lsn.to_string(),
            end: point.end.to_string(),
            at: point.at.map(time_text),
        });
        Self {
            segment: index.segment.to_string(),
            content_bytes: index.content_bytes,
            content_crc32c: format!("{:08x}", index.content_crc32c),
            first_lsn: lsn(index.first_lsn),
            last_lsn: lsn(index.last_lsn),
            end_lsn: lsn(index.end_lsn),
            continues_previous: index.continues_previous,
            tail: tail.map_or("", |(_, word)| word).to_owned(),
            tail_at: lsn(index.tail_at),
            commits: index.commits,
            commit_first: index.commit_first.map(time_text),
            commit_last: index.commit_last.map(time_text),
            restore_points: points.collect(),
            timeline_switch: index.timeline_switch.map(|(to, from)| [to.as_u32(), from.as_u32()]),
            details: index.details.as_ref().map(super::details::DetailsDocument::from),
        }
    }
}

impl Document {
    fn into_index(self) -> Option<SegmentIndex> {
        let lsn = |text: Option<String>| optional(text, |text| text.parse::<Lsn>().ok());
        let point = |point: PointDocument| {
            Some(RestorePoint {
                lsn: point.lsn.parse().ok()?,
                end: point.end.parse().ok()?,
                at: time(point.at)?,
                name: point.name,
            })
        };
        let switch = match self.timeline_switch {
            None => None,
            Some([to, from]) => Some((TimelineId::from_u32(to)?, TimelineId::from_u32(from)?)),
        };
        Some(SegmentIndex {
            segment: SegmentName::parse(&self.segment)?,
            content_bytes: self.content_bytes,
            content_crc32c: u32::from_str_radix(&self.content_crc32c, 16).ok()?,
            first_lsn: lsn(self.first_lsn)?,
            last_lsn: lsn(self.last_lsn)?,
            end_lsn: lsn(self.end_lsn)?,
            continues_previous: self.continues_previous,
            tail: TAILS.iter().find(|(_, word)| *word == self.tail)?.0,
            tail_at: lsn(self.tail_at)?,
            commits: self.commits,
            commit_first: time(self.commit_first)?,
            commit_last: time(self.commit_last)?,
            restore_points: self.restore_points.into_iter().map(point).collect::<Option<_>>()?,
            timeline_switch: switch,
            details: match self.details {
                Some(details) => Some(details.into_details()?),
                None => None,
            },
        })
    }
}
