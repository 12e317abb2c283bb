//! The records of a segment, one after the other, put together across pages and segments.

use crate::pg::types::Lsn;

use super::bytes::u32_at;
use super::meaning;
use super::page::{PAGE_BYTES, PageState};
use super::record::{RECORD_HEADER, Record};
use super::segment::{Segment, SegmentError};

/// Records begin at multiples of this (`MAXALIGN`).
const ALIGNMENT: usize = 8;

/// What a scan came upon.
#[derive(Debug)]
pub enum Step<'r> {
    /// A record, its checksum verified.
    Record(Record<'r>),
    /// Nothing more is read from this segment.
    Stop(Stop),
}

/// Why a scan stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// At the segment's end. A record may go on in the next one.
    SegmentEnd,
    /// After a switch: the rest of the segment is padding.
    Switch,
    /// The segment was written up to this position only; its timeline ended here, or it is
    /// being written.
    Unwritten(u64),
    /// An encrypted page begins at this position.
    Encrypted(u64),
    /// What stands at this position is no record, and more WAL follows.
    Damaged {
        /// The position, in bytes of WAL.
        at: u64,
        /// What is wrong, lower case.
        why: &'static str,
    },
}

/// The beginning of a record that goes on in the next segment.
#[derive(Clone, Debug)]
pub struct Carry {
    lsn: u64,
    bytes: Vec<u8>,
    missing: usize,
    previous: Option<u64>,
    /// Where the next segment begins.
    continues_at: u64,
}

impl Carry {
    /// Where the record begins, and its bytes so far.
    #[must_use]
    pub fn begun(&self) -> (Option<Lsn>, &[u8]) {
        (Lsn::from_u64(self.lsn), &self.bytes)
    }
}

/// What to make of pages that are not as they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The segment is finished: they are damage.
    Whole,
    /// The segment may be the last one of a server that crashed: they are the end, as they are
    /// for the server itself.
    AsFarAsPossible,
}

/// A walk over a segment's records.
#[derive(Debug)]
pub struct Scan<'a> {
    segment: Segment<'a>,
    written: usize,
    /// Offset in the segment's bytes.
    at: usize,
    /// Where the last record began.
    previous: Option<u64>,
    buffer: Vec<u8>,
    carry: Option<Carry>,
    stopped: Option<Stop>,
    continues_previous: bool,
}

/// What became of taking bytes over page borders.
enum Taken {
    Whole,
    SegmentEnded {
        missing: usize,
    },
    /// A crash cut the record off; other records follow.
    GivenUp,
    Stopped(Stop),
}

impl<'a> Scan<'a> {
    /// Begins at a segment's first byte. `carry` is what [`Self::into_carry`] gave after the
    /// segment before; without it a record that begins there is passed over.
    ///
    /// # Errors
    /// [`SegmentError::Page`] when the segment's pages are damaged.
    pub fn new(segment: Segment<'a>, carry: Option<Carry>) -> Result<Self, SegmentError> {
        Self::with_reading(segment, carry, Reading::Whole)
    }

    /// The same, for a segment that may end anywhere when `reading` says so.
    ///
    /// # Errors
    /// As [`Self::new`], and none when reading as far as possible.
    pub fn with_reading(
        segment: Segment<'a>,
        carry: Option<Carry>,
        reading: Reading,
    ) -> Result<Self, SegmentError> {
        let written = match reading {
            Reading::Whole => segment.written_pages()?,
            Reading::AsFarAsPossible => segment.first_written_pages(),
        };
        let continues_previous =
            segment.header(0).is_some_and(|header| header.continues() && !header.is_encrypted());
        Ok(Self {
            carry: carry.filter(|carry| carry.continues_at == segment.start_byte()),
            segment,
            written,
            at: 0,
            previous: None,
            buffer: Vec::new(),
            stopped: None,
            continues_previous,
        })
    }

    /// Whether the segment begins with the rest of a record of the segment before.
    #[must_use]
    pub fn continues_previous(&self) -> bool {
        self.continues_previous
    }

    /// The record that goes on in the next segment, after [`Stop::SegmentEnd`].
    #[must_use]
    pub fn into_carry(self) -> Option<Carry> {
        if self.stopped == Some(Stop::SegmentEnd) { self.carry } else { None }
    }

    /// Where a record that goes on in the next segment begins.
    #[must_use]
    pub fn unfinished(&self) -> Option<Lsn> {
        self.carry.as_ref().and_then(|carry| Lsn::from_u64(carry.lsn))
    }

    /// The next record, or why there is none; after that always the same.
    pub fn next_record(&mut self) -> Step<'_> {
        if let Some(stop) = self.stopped {
            return Step::Stop(stop);
        }
        let found = if self.at == 0 { self.first() } else { self.following() };
        let found = found.and_then(|found| self.check(&found).map(|()| found));
        match found {
            Err(stop) => {
                self.stopped = Some(stop);
                Step::Stop(stop)
            }
            Ok(found) => Step::Record(self.finish(&found)),
        }
    }

    /// The first record: the one carried over, or the first that begins here.
    fn first(&mut self) -> Result<Found, Stop> {
        let header_size = self.enter_page(Entering::Segment)?;
        self.at = header_size;
        let Some(header) = self.segment.header(0) else { return self.following() };
        if !header.continues() {
            let Some(carry) = self.carry.take() else { return self.following() };
            if !header.overwrites() {
                let why = "a record does not go on in the next segment";
                return Err(Stop::Damaged { at: carry.lsn, why });
            }
            self.previous = carry.previous;
            return self.following();
        }
        let remaining = usize::try_from(header.remaining).unwrap_or(usize::MAX);
        let Some(mut carry) = self.carry.take() else { return self.pass_over(remaining) };
        self.previous = carry.previous;
        if carry.missing != remaining {
            return Err(self.damaged(0, "a record's rest has another length than it should"));
        }
        self.buffer = std::mem::take(&mut carry.bytes);
        match self.gather(carry.lsn, remaining)? {
            Some(found) => Ok(found),
            None => self.following(),
        }
    }

    fn pass_over(&mut self, remaining: usize) -> Result<Found, Stop> {
        match self.take(remaining, Keep::No) {
            Taken::Whole => self.align(),
            Taken::GivenUp => {}
            Taken::SegmentEnded { .. } => return Err(Stop::SegmentEnd),
            Taken::Stopped(stop) => return Err(stop),
        }
        self.following()
    }

    /// The next record that begins in this segment.
    fn following(&mut self) -> Result<Found, Stop> {
        loop {
            if self.at.is_multiple_of(PAGE_BYTES) {
                if self.at >= self.segment.bytes().len() {
                    return Err(Stop::SegmentEnd);
                }
                self.at += self.enter_page(Entering::BetweenRecords)?;
            }
            let start = self.at;
            let total = u32_at(self.segment.bytes(), start).unwrap_or(0);
            let total = usize::try_from(total).unwrap_or(usize::MAX);
            if total < RECORD_HEADER {
                return Err(self.end_or_damage(start, total));
            }
            let page_end = (start / PAGE_BYTES + 1) * PAGE_BYTES;
            if total <= page_end - start {
                self.at = start + total;
                self.align();
                return Ok(Found { lsn: self.position(start), place: Place::InPage(start, total) });
            }
            self.buffer.clear();
            if let Some(found) = self.gather(self.position(start), total)? {
                return Ok(found);
            }
        }
    }

    /// Puts the rest of a record behind what is in the buffer; `None` when a crash cut the
    /// record off and others follow.
    fn gather(&mut self, lsn: u64, remaining: usize) -> Result<Option<Found>, Stop> {
        match self.take(remaining, Keep::Yes) {
            Taken::Whole => {
                self.align();
                Ok(Some(Found { lsn, place: Place::Buffered }))
            }
            Taken::SegmentEnded { missing } => {
                self.carry = Some(Carry {
                    lsn,
                    bytes: std::mem::take(&mut self.buffer),
                    missing,
                    previous: self.previous,
                    continues_at: self.position(self.segment.bytes().len()),
                });
                Err(Stop::SegmentEnd)
            }
            Taken::GivenUp => Ok(None),
            Taken::Stopped(stop) => Err(stop),
        }
    }

    /// Moves over `want` bytes of a record, through the headers of the pages between.
    fn take(&mut self, want: usize, keep: Keep) -> Taken {
        let begun = self.at;
        let mut missing = want;
        loop {
            let page_end = (self.at / PAGE_BYTES + 1) * PAGE_BYTES;
            let count = missing.min(page_end - self.at);
            if matches!(keep, Keep::Yes) {
                self.buffer.extend_from_slice(&self.segment.bytes()[self.at..self.at + count]);
            }
            self.at += count;
            missing -= count;
            if missing == 0 {
                return Taken::Whole;
            }
            if self.at >= self.segment.bytes().len() {
                return Taken::SegmentEnded { missing };
            }
            let size = match self.enter_page(Entering::InRecord) {
                Ok(size) => size,
                Err(Stop::Unwritten(_)) => return Taken::Stopped(self.unwritten(begun)),
                Err(stop) => return Taken::Stopped(stop),
            };
            let Some(header) = self.segment.header(self.at / PAGE_BYTES) else {
                return Taken::Stopped(self.unwritten(begun));
            };
            if header.overwrites() {
                self.at += size;
                return Taken::GivenUp;
            }
            if !header.continues() || usize::try_from(header.remaining) != Ok(missing) {
                let why = "a record does not go on where it should";
                return Taken::Stopped(self.end_or_damage_at(begun, why));
            }
            self.at += size;
        }
    }

    /// The header's size of the page at `self.at`, if the page can be read.
    fn enter_page(&self, entering: Entering) -> Result<usize, Stop> {
        let index = self.at / PAGE_BYTES;
        if index >= self.written {
            return Err(self.unwritten(self.at));
        }
        if self.segment.page_state(index) == PageState::Encrypted {
            return Err(Stop::Encrypted(self.position(self.at)));
        }
        let header = self.segment.header(index).ok_or(self.unwritten(self.at))?;
        if matches!(entering, Entering::BetweenRecords) && header.continues() {
            return Err(self.damaged(self.at, "a page goes on with a record that has ended"));
        }
        Ok(header.size())
    }

    /// Checks what was found before it is handed out.
    fn check(&self, found: &Found) -> Result<(), Stop> {
        let checked = Record::check(
            self.bytes_of(found),
            found.lsn,
            self.position(self.at),
            self.segment.version(),
            self.previous,
        );
        let why = match checked {
            Ok(_) => return Ok(()),
            Err(why) => why,
        };
        match usize::try_from(found.lsn.saturating_sub(self.segment.start_byte())) {
            Ok(offset) => Err(self.end_or_damage_at(offset, why)),
            Err(_) => Err(Stop::Damaged { at: found.lsn, why }),
        }
    }

    fn finish(&mut self, found: &Found) -> Record<'_> {
        self.previous = Some(found.lsn);
        let bytes = self.bytes_of(found);
        // As `XLogReadRecord()`: what follows a switch is padding up to the segment's end.
        if meaning::is_switch(bytes) {
            self.stopped = Some(Stop::Switch);
            self.at = self.segment.bytes().len();
        }
        Record::checked(
            self.bytes_of(found),
            found.lsn,
            self.position(self.at),
            self.segment.version(),
        )
    }

    fn bytes_of(&self, found: &Found) -> &[u8] {
        match found.place {
            Place::InPage(start, total) => &self.segment.bytes()[start..start + total],
            Place::Buffered => &self.buffer,
        }
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(ALIGNMENT);
    }

    fn position(&self, offset: usize) -> u64 {
        self.segment.start_byte() + offset as u64
    }

    fn unwritten(&self, offset: usize) -> Stop {
        Stop::Unwritten(self.position(offset))
    }

    fn damaged(&self, offset: usize, why: &'static str) -> Stop {
        Stop::Damaged { at: self.position(offset), why }
    }

    /// No record begins at `offset`: the end of what was written, or damage.
    fn end_or_damage(&self, offset: usize, total: usize) -> Stop {
        let page_end = (offset / PAGE_BYTES + 1) * PAGE_BYTES;
        let is_last = page_end / PAGE_BYTES >= self.written;
        let is_zero = self.segment.bytes()[offset..page_end].iter().all(|&byte| byte == 0);
        if total == 0 && is_last && is_zero {
            return self.unwritten(offset);
        }
        self.end_or_damage_at(offset, "a record has an impossible length")
    }

    /// A record at `offset` is wrong. On the last page that was written, with the remains of a
    /// recycled file behind it, that is how a timeline ends that a promotion cut off.
    fn end_or_damage_at(&self, offset: usize, why: &'static str) -> Stop {
        let last_page = self.written.saturating_sub(1) * PAGE_BYTES;
        let is_recycled = self.written < self.segment.pages()
            && self.segment.page_state(self.written) == PageState::Stale;
        if is_recycled && self.at > last_page {
            return self.unwritten(offset);
        }
        self.damaged(offset, why)
    }
}

#[derive(Clone, Copy)]
enum Keep {
    Yes,
    No,
}

#[derive(Clone, Copy)]
enum Entering {
    Segment,
    BetweenRecords,
    InRecord,
}

struct Found {
    lsn: u64,
    place: Place,
}

enum Place {
    /// Offset and length in the segment's bytes.
    InPage(usize, usize),
    Buffered,
}
