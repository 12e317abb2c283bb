//! Names of files in `pg_wal` and in an archive.

use std::fmt;

use crate::pg::types::{Lsn, TimelineId};

/// Bytes of a WAL segment (`wal_segment_size`): a power of two from 1 MB to 1 GB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentSize(u32);

impl SegmentSize {
    /// The size unless `initdb --wal-segsize` says otherwise.
    pub const DEFAULT: Self = Self(16 << 20);

    /// From a number of bytes; `None` when no server has such segments
    /// (`IsValidWalSegSize` in `xlog_internal.h`).
    #[must_use]
    pub fn from_bytes(bytes: u32) -> Option<Self> {
        let valid = bytes.is_power_of_two() && (1 << 20..=1 << 30).contains(&bytes);
        valid.then_some(Self(bytes))
    }

    /// Bytes.
    #[must_use]
    pub fn bytes(self) -> u32 {
        self.0
    }

    /// Bytes, as an index.
    #[must_use]
    pub fn as_usize(self) -> usize {
        // At most 1 GB.
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Segments with the same middle part of the name (`XLogSegmentsPerXLogId`).
    fn per_high(self) -> u64 {
        0x1_0000_0000 / u64::from(self.0)
    }

    /// The number of the segment that holds a position (`XLByteToSeg`).
    #[must_use]
    pub fn number_of(self, lsn: Lsn) -> u64 {
        lsn.as_u64() / u64::from(self.0)
    }

    /// The number of the segment that holds the byte before a position (`XLByteToPrevSeg`).
    #[must_use]
    pub fn number_before(self, lsn: Lsn) -> u64 {
        (lsn.as_u64() - 1) / u64::from(self.0)
    }
}

/// The name of a segment: timeline and position, 24 hexadecimal digits. Names order as the
/// numbers in them do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    timeline: TimelineId,
    high: u32,
    low: u32,
}

impl SegmentName {
    /// The name of the segment with this number (`XLogFileName`); `None` beyond what a
    /// position can reach.
    #[must_use]
    pub fn new(timeline: TimelineId, number: u64, size: SegmentSize) -> Option<Self> {
        let high = u32::try_from(number / size.per_high()).ok()?;
        let low = u32::try_from(number % size.per_high()).ok()?;
        Some(Self { timeline, high, low })
    }

    /// The name of the segment that holds a position.
    #[must_use]
    pub fn holding(timeline: TimelineId, lsn: Lsn, size: SegmentSize) -> Self {
        let number = size.number_of(lsn);
        // A position has 64 bits, so both parts fit 32.
        let part = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        Self { timeline, high: part(number / size.per_high()), low: part(number % size.per_high()) }
    }

    /// Reads 24 upper-case hexadecimal digits; the timeline is not zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        if text.len() != 24 || !text.bytes().all(is_digit) {
            return None;
        }
        let part = |from: usize| u32::from_str_radix(&text[from..from + 8], 16).ok();
        Some(Self { timeline: TimelineId::from_u32(part(0)?)?, high: part(8)?, low: part(16)? })
    }

    /// The timeline.
    #[must_use]
    pub fn timeline(self) -> TimelineId {
        self.timeline
    }

    /// The segment's number; `None` when segments of this size have no such name.
    #[must_use]
    pub fn number(self, size: SegmentSize) -> Option<u64> {
        let low = u64::from(self.low);
        (low < size.per_high()).then(|| u64::from(self.high) * size.per_high() + low)
    }

    /// The position of its first byte, in bytes (zero for the very first); `None` as for
    /// [`Self::number`].
    #[must_use]
    pub fn start_byte(self, size: SegmentSize) -> Option<u64> {
        self.number(size)?.checked_mul(u64::from(size.bytes()))
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:08X}{:08X}", self.timeline.file_name_part(), self.high, self.low)
    }
}

/// Everything the server gives to `archive_command`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WalFileName {
    /// A complete segment.
    Segment(SegmentName),
    /// The last segment of a timeline that ended in its middle: `NAME.partial`.
    Partial(SegmentName),
    /// What a finished base backup leaves: `NAME.OFFSET.backup`.
    Backup {
        /// The segment the backup began in.
        segment: SegmentName,
        /// Where in it, in bytes.
        offset: u32,
    },
    /// Where a timeline comes from: `TIMELINE.history`.
    History(TimelineId),
}

impl WalFileName {
    /// Reads a file name without directory; `None` when it is none of these.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hexadecimal = |text: &str| {
            let is_digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
            let valid = text.len() == 8 && text.bytes().all(is_digit);
            valid.then(|| u32::from_str_radix(text, 16).ok()).flatten()
        };
        if let Some(timeline) = text.strip_suffix(".history") {
            return TimelineId::from_u32(hexadecimal(timeline)?).map(Self::History);
        }
        if let Some(name) = text.strip_suffix(".partial") {
            return SegmentName::parse(name).map(Self::Partial);
        }
        if let Some(rest) = text.strip_suffix(".backup") {
            let (name, offset) = rest.split_once('.')?;
            let segment = SegmentName::parse(name)?;
            return Some(Self::Backup { segment, offset: hexadecimal(offset)? });
        }
        SegmentName::parse(text).map(Self::Segment)
    }

    /// The timeline in the name.
    #[must_use]
    pub fn timeline(self) -> TimelineId {
        match self {
            Self::Segment(name) | Self::Partial(name) | Self::Backup { segment: name, .. } => {
                name.timeline()
            }
            Self::History(timeline) => timeline,
        }
    }

    /// The segment, when it holds WAL.
    #[must_use]
    pub fn segment(self) -> Option<SegmentName> {
        match self {
            Self::Segment(name) | Self::Partial(name) => Some(name),
            Self::Backup { .. } | Self::History(_) => None,
        }
    }

    /// The segment, when it is a whole one.
    #[must_use]
    pub fn whole_segment(self) -> Option<SegmentName> {
        match self {
            Self::Segment(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for WalFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(name) => write!(f, "{name}"),
            Self::Partial(name) => write!(f, "{name}.partial"),
            Self::Backup { segment, offset } => write!(f, "{segment}.{offset:08X}.backup"),
            Self::History(timeline) => write!(f, "{}.history", timeline.file_name_part()),
        }
    }
}
