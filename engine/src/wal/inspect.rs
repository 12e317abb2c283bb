//! Whether a file is the one its name says, of the cluster it should be of. Pure.

use crate::pg::types::SystemIdentifier;
use crate::pg::wal::{
    BackupHistory, Segment, SegmentError, SegmentName, SegmentSize, TimelineHistory, WalFileName,
};

/// What is known of the cluster a file should be of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Its number.
    pub system_identifier: Option<SystemIdentifier>,
    /// PostgreSQL's major version.
    pub major: Option<u32>,
    /// Bytes of its segments.
    pub segment_size: Option<SegmentSize>,
}

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is damaged, truncated or something else than its name says.
    Invalid(String),
    /// It is of another cluster.
    Foreign(String),
}

impl Refused {
    /// What was seen.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Invalid(detail) | Self::Foreign(detail) => detail,
        }
    }
}

/// Checks a file's content against its name and its cluster; the segment, if it is one.
///
/// # Errors
/// [`Refused`].
pub fn check<'a>(
    name: WalFileName,
    content: &'a [u8],
    expected: &Expected,
) -> Result<Option<Segment<'a>>, Refused> {
    let invalid = |detail: String| Refused::Invalid(detail);
    match name {
        WalFileName::Segment(segment) | WalFileName::Partial(segment) => {
            check_segment(segment, content, expected).map(Some)
        }
        WalFileName::History(timeline) => {
            let text = text(content)?;
            TimelineHistory::parse(timeline, text).map_err(|error| invalid(error.to_string()))?;
            Ok(None)
        }
        WalFileName::Backup { segment, .. } => {
            let history =
                BackupHistory::parse(text(content)?).map_err(|error| invalid(error.to_string()))?;
            if history.start_segment == segment {
                Ok(None)
            } else {
                let found = history.start_segment;
                Err(invalid(format!("it is of a backup that began in segment {found}")))
            }
        }
    }
}

fn text(content: &[u8]) -> Result<&str, Refused> {
    std::str::from_utf8(content).map_err(|_| Refused::Invalid("it is no text".to_owned()))
}

fn check_segment<'a>(
    name: SegmentName,
    content: &'a [u8],
    expected: &Expected,
) -> Result<Segment<'a>, Refused> {
    let own_size = || {
        u32::try_from(content.len()).ok().and_then(SegmentSize::from_bytes).ok_or_else(|| {
            Refused::Invalid(format!("it has {} bytes; no segment has", content.len()))
        })
    };
    let size = expected.segment_size.map_or_else(own_size, Ok)?;
    let segment = Segment::open(content, name, size).map_err(|error| match error {
        SegmentError::Layout { .. } => Refused::Foreign(error.to_string()),
        _ => Refused::Invalid(error.to_string()),
    })?;
    let found = segment.system_identifier();
    if let Some(own) = expected.system_identifier.filter(|own| *own != found) {
        let detail = format!("its system identifier is {found}, the cluster's is {own}");
        return Err(Refused::Foreign(detail));
    }
    let found = segment.version().major();
    if let Some(own) = expected.major.filter(|own| *own != found) {
        return Err(Refused::Foreign(format!("it is of PostgreSQL {found}, not {own}")));
    }
    segment.written_pages().map_err(|error| Refused::Invalid(error.to_string()))?;
    Ok(segment)
}
