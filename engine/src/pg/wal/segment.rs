//! One segment's bytes: what its first page says, and which pages were written.

use crate::pg::types::SystemIdentifier;

use super::bytes::{u32_at, u64_at};
use super::names::{SegmentName, SegmentSize};
use super::page::{self, PAGE_BYTES, PageHeader, PageState, WalVersion};

/// Why bytes are not the segment their name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Fewer or more bytes than a segment has.
    #[error("it has {bytes} bytes, not {expected}")]
    Size {
        /// How many there are.
        bytes: usize,
        /// How many there should be.
        expected: u32,
    },
    /// No WAL, or of a version pgdeck does not know.
    #[error(
        "its first page has the magic number {magic:04X}, which is none of PostgreSQL 13 to 18"
    )]
    Magic {
        /// What stands there.
        magic: u16,
    },
    /// The first page has no long header, so it is not the first page of a segment.
    #[error("its first page has no segment header")]
    NoLongHeader,
    /// It was made with another segment or page size.
    #[error("it is of a cluster with segments of {segment_bytes} and pages of {page_bytes} bytes")]
    Layout {
        /// Segment size in the header.
        segment_bytes: u32,
        /// Page size in the header.
        page_bytes: u32,
    },
    /// It is another part of the WAL than its name says.
    #[error(
        "its first page is of position {address:X} (hexadecimal), by its name it begins at {expected:X}"
    )]
    Position {
        /// Position in the header.
        address: u64,
        /// Position by the name.
        expected: u64,
    },
    /// It is of a later timeline than its name says.
    #[error("its first page is of timeline {found}, later than timeline {expected} of its name")]
    Timeline {
        /// Timeline in the header.
        found: u32,
        /// Timeline in the name.
        expected: u32,
    },
    /// The name is not one of a segment of this size.
    #[error("segments of this size have no such name")]
    Name,
    /// A page in it is wrong, and later pages are right.
    #[error("the page at byte {offset} is damaged")]
    Page {
        /// Where in the file the page begins.
        offset: usize,
    },
}

/// A segment whose first page was checked.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    bytes: &'a [u8],
    name: SegmentName,
    version: WalVersion,
    start: u64,
    system_identifier: SystemIdentifier,
}

impl<'a> Segment<'a> {
    /// Checks size, version, position and timeline against the name.
    ///
    /// # Errors
    /// [`SegmentError`], each condition its own variant.
    pub fn open(
        bytes: &'a [u8],
        name: SegmentName,
        size: SegmentSize,
    ) -> Result<Self, SegmentError> {
        if bytes.len() != size.as_usize() {
            return Err(SegmentError::Size { bytes: bytes.len(), expected: size.bytes() });
        }
        let FirstPage { version, start, system_identifier } = first_page(bytes, name, size)?;
        Ok(Self { bytes, name, version, start, system_identifier })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> SegmentName {
        self.name
    }

    /// Who wrote it.
    #[must_use]
    pub fn version(&self) -> WalVersion {
        self.version
    }

    /// The cluster's number.
    #[must_use]
    pub fn system_identifier(&self) -> SystemIdentifier {
        self.system_identifier
    }

    /// The position of its first byte.
    #[must_use]
    pub fn start_byte(&self) -> u64 {
        self.start
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Pages it has.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.bytes.len() / PAGE_BYTES
    }

    /// What page `index` is.
    #[must_use]
    pub fn page_state(&self, index: usize) -> PageState {
        let Some(page) = self.page(index) else { return PageState::Foreign };
        let address = self.start + (index * PAGE_BYTES) as u64;
        page::state_of(page, self.version, address, index == 0)
    }

    /// Pages from the beginning that were written, in one piece. What follows was not: zeros,
    /// or the remains of a recycled file. A segment ends early where its timeline ended.
    ///
    /// # Errors
    /// [`SegmentError::Page`] when a page is wrong and a later one is right, or is nothing a
    /// server leaves behind.
    pub fn written_pages(&self) -> Result<usize, SegmentError> {
        let written = self.first_written_pages();
        for index in written..self.pages() {
            if !matches!(self.page_state(index), PageState::Zero | PageState::Stale) {
                return Err(SegmentError::Page { offset: written * PAGE_BYTES });
            }
        }
        Ok(written)
    }

    /// Pages from the beginning that were written, whatever follows.
    #[must_use]
    pub fn first_written_pages(&self) -> usize {
        let is_written =
            |state: PageState| matches!(state, PageState::Written | PageState::Encrypted);
        (0..self.pages()).take_while(|&index| is_written(self.page_state(index))).count()
    }

    /// The first bytes of the rest of a record that began in the segment before, `bytes_max` at
    /// most and from the first page alone, and how long the rest is in all.
    #[must_use]
    pub fn rest_of_previous(&self, bytes_max: usize) -> Option<(u32, &'a [u8])> {
        let header =
            self.header(0).filter(|header| header.continues() && !header.is_encrypted())?;
        let remaining = usize::try_from(header.remaining).unwrap_or(usize::MAX);
        let start = header.size();
        let end = start.saturating_add(remaining.min(bytes_max)).min(PAGE_BYTES);
        Some((header.remaining, self.bytes.get(start..end)?))
    }

    pub(super) fn page(&self, index: usize) -> Option<&'a [u8]> {
        let start = index.checked_mul(PAGE_BYTES)?;
        self.bytes.get(start..start + PAGE_BYTES)
    }

    pub(super) fn header(&self, index: usize) -> Option<PageHeader> {
        self.page(index).and_then(PageHeader::read)
    }
}

/// What a segment's first page says, when it fits the segment's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstPage {
    /// Who wrote it.
    pub version: WalVersion,
    /// Where the segment begins, in bytes of WAL.
    pub start: u64,
    /// The cluster.
    pub system_identifier: SystemIdentifier,
}

/// Checks the first page of a segment against its name: a file in `pg_wal` that was recycled
/// has the name of a segment to come and the content of an old one.
///
/// # Errors
/// [`SegmentError`].
pub fn first_page(
    bytes: &[u8],
    name: SegmentName,
    size: SegmentSize,
) -> Result<FirstPage, SegmentError> {
    let start = name.start_byte(size).ok_or(SegmentError::Name)?;
    let wrong_size = SegmentError::Size { bytes: bytes.len(), expected: size.bytes() };
    let header = PageHeader::read(bytes).ok_or(wrong_size)?;
    let version =
        WalVersion::from_magic(header.magic).ok_or(SegmentError::Magic { magic: header.magic })?;
    if !header.is_long() {
        return Err(SegmentError::NoLongHeader);
    }
    if !header.is_encrypted() {
        check_layout(bytes, size)?;
    }
    if header.address != start {
        return Err(SegmentError::Position { address: header.address, expected: start });
    }
    let expected = name.timeline().as_u32();
    if header.timeline == 0 || header.timeline > expected {
        return Err(SegmentError::Timeline { found: header.timeline, expected });
    }
    let system_identifier = SystemIdentifier::from_u64(u64_at(bytes, 24).ok_or(wrong_size)?);
    Ok(FirstPage { version, start, system_identifier })
}

fn check_layout(bytes: &[u8], size: SegmentSize) -> Result<(), SegmentError> {
    let segment_bytes = u32_at(bytes, 32).unwrap_or(0);
    let page_bytes = u32_at(bytes, 36).unwrap_or(0);
    let is_ours = usize::try_from(page_bytes).is_ok_and(|bytes| bytes == PAGE_BYTES);
    if segment_bytes == size.bytes() && is_ours {
        Ok(())
    } else {
        Err(SegmentError::Layout { segment_bytes, page_bytes })
    }
}
