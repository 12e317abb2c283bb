//! Follows a log: keeps its newest entries through growth, rotation and trouble.
//!
//! A follower is a state machine over [`LogBytes`]; a poll of a log that did not grow costs two
//! calls of the operating system. It begins near the end, reads what was added, and moves on
//! when
//! - the caller names another log ([`Follower::set_source`]): what is left of the old one is
//!   read first;
//! - the file's name stands for another file (renamed and made anew): likewise;
//! - the file is shorter than what was read (truncated): it is read from its beginning.
//!
//! Memory is bounded: by [`LOG_ENTRIES_MAX`](crate::api::LOG_ENTRIES_MAX) entries, by [`TAIL_BYTES_MAX`] of their text, and
//! by [`READ_BYTES_MAX`] a read. A log that grows faster than it can be read is skipped ahead
//! in, and how much was skipped is told.
//!
//! Not noticed: a file truncated and grown past the old position between two polls.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::api::{Error, ErrorCode, LogEntry, LogFormat, LogSource, LogTail, Result};
use crate::sys::log_file::FileIdentity;

use super::parse::{Begin, LogParser, ParserSettings};
use super::source::{AtPath, LogBytes, LogStat, ReadRange};
pub use super::tail::TAIL_BYTES_MAX;
use super::tail::Tail;

/// Bytes before the end of a log at which following begins.
pub const TAIL_BYTES: u64 = 256 * 1024;

/// Bytes of one read.
pub const READ_BYTES_MAX: usize = 256 * 1024;

/// Bytes one poll reads at most: a burst is spread over several.
pub const POLL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes a follower may be behind before it skips ahead.
pub const BEHIND_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of a log moved on to that are read: one that was there before is not read whole.
pub const NEXT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Times one poll follows a name to another file.
const MOVES_MAX: u32 = 4;

/// Polls without growth after which an entry no longer waits for a line that is half written.
const QUIET_POLLS_MAX: u32 = 5;

/// What a poll did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Entries added.
    pub added: usize,
    /// Bytes that are there and were left for the next poll.
    pub behind_bytes: u64,
}

/// Follows one instance's log wherever it goes.
#[derive(Debug)]
pub struct Follower<B> {
    current: Current<B>,
    next: Option<(LogSource, B)>,
    settings: ParserSettings,
    tail: Tail,
    skipped_bytes: u64,
}

#[derive(Debug)]
struct Current<B> {
    source: LogSource,
    bytes: B,
    parser: LogParser,
    position: Position,
    /// Which file it was when it was last looked at.
    identity: Option<FileIdentity>,
    quiet_polls: u32,
    /// Entries before this moment were seen in the log before this one.
    not_before: Option<NotBefore>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Not opened yet: the first log of this follower.
    NearEnd,
    /// Not opened yet: one that followed another, of which so much was read.
    Following(Option<(FileIdentity, u64)>),
    /// Bytes read so far.
    At(u64),
}

/// Entries of a log moved on to that are older than the newest one kept are not new: a file of
/// last week that is appended to, or another format of the same messages. This holds only for
/// what was there when the log was moved on to, so a clock that was set back hides nothing.
#[derive(Clone, Copy, Debug)]
struct NotBefore {
    at: DateTime<Utc>,
    /// Up to where in the log.
    until: u64,
    /// Whether entries without a time are old as well.
    dropping: bool,
}

impl<B: LogBytes> Follower<B> {
    /// A follower of a log. `source` names it and says its format; `bytes` gives access to it.
    /// A source that is no file has no entries.
    #[must_use]
    pub fn new(source: LogSource, bytes: B, settings: ParserSettings) -> Self {
        let current = Current::new(source, bytes, &settings, Position::NearEnd);
        Self { current, next: None, settings, tail: Tail::default(), skipped_bytes: 0 }
    }

    /// Says where the log is now. The same place again costs nothing; another one is moved on
    /// to once the rest of the old one is read. `open` is called only then.
    pub fn set_source(&mut self, source: LogSource, open: impl FnOnce(&LogSource) -> B) {
        if source == self.current.source {
            self.next = None;
        } else if self.next.as_ref().is_none_or(|(next, _)| *next != source) {
            let bytes = open(&source);
            self.next = Some((source, bytes));
        }
    }

    /// Says how lines are written now (after the server was reloaded).
    pub fn set_settings(&mut self, settings: ParserSettings) {
        if settings != self.settings {
            self.current.parser.set_settings(settings.clone());
            self.settings = settings;
        }
    }

    /// The log being read: the old one until its rest is read.
    #[must_use]
    pub fn source(&self) -> &LogSource {
        &self.current.source
    }

    /// Access to the log being read, for a caller that fetches its bytes.
    pub fn bytes_mut(&mut self) -> &mut B {
        &mut self.current.bytes
    }

    /// The newest entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &VecDeque<Arc<LogEntry>> {
        &self.tail.entries
    }

    /// The newest entries as a front end sees them. Costs a copy of at most
    /// [`LOG_ENTRIES_MAX`] pointers: to be called when a poll added something.
    #[must_use]
    pub fn tail(&self, also_syslog: bool) -> LogTail {
        LogTail {
            source: self.current.source.clone(),
            also_syslog,
            entries: self.tail.entries.iter().map(Arc::clone).collect(),
        }
    }

    /// Number of the newest entry; zero before the first. It never falls.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.tail.sequence
    }

    /// Bytes passed over because the log grew too fast.
    #[must_use]
    pub fn skipped_bytes(&self) -> u64 {
        self.skipped_bytes
    }

    /// The range the next poll will read, for a caller that fetches it.
    ///
    /// # Errors
    /// As [`LogBytes::stat`].
    pub fn wants(&mut self) -> Result<Option<ReadRange>> {
        let stat = self.current.bytes.stat()?;
        let offset = self.align(stat);
        Ok(range(offset, stat.size, POLL_BYTES_MAX))
    }

    /// Reads what was added, moves on when the log did.
    ///
    /// # Errors
    /// As [`LogBytes`]; [`ErrorCode::LogNotFound`] when the file is deleted while the server
    /// writes to it. What was kept stays, and the next poll tries again.
    pub fn poll(&mut self) -> Result<Polled> {
        let before = self.tail.sequence;
        let mut budget = POLL_BYTES_MAX;
        let mut moves_left = MOVES_MAX;
        let behind_bytes = loop {
            let stat = match self.current.bytes.stat() {
                Ok(stat) => stat,
                Err(error) if self.next.is_none() => return Err(error),
                Err(_) => {
                    self.move_on();
                    continue;
                }
            };
            let behind_bytes = self.catch_up(stat, &mut budget)?;
            if behind_bytes > 0 {
                break behind_bytes;
            }
            if self.next.is_some() {
                self.move_on();
                continue;
            }
            match stat.at_path {
                AtPath::Replaced if moves_left > 0 => {
                    moves_left -= 1;
                    self.start_again();
                }
                AtPath::Same | AtPath::Replaced => break 0,
                AtPath::Gone => {
                    self.end_poll(budget);
                    return Err(gone(&self.current.source));
                }
            }
        };
        self.end_poll(budget);
        let added = usize::try_from(self.tail.sequence - before).unwrap_or(usize::MAX);
        Ok(Polled { added, behind_bytes })
    }

    /// Reads until the end or until the budget is spent; returns what is left.
    fn catch_up(&mut self, stat: LogStat, budget: &mut usize) -> Result<u64> {
        let mut offset = self.align(stat);
        while let Some(range) = range(offset, stat.size, *budget) {
            let bytes = self.current.bytes.read(range.offset, range.length)?;
            if bytes.is_empty() {
                break;
            }
            *budget -= bytes.len().min(*budget);
            offset += u64::try_from(bytes.len()).unwrap_or(0);
            self.current.position = Position::At(offset);
            self.take(|parser, out| parser.feed(&bytes, out));
        }
        Ok(stat.size.saturating_sub(offset))
    }

    /// Where to read from: decides where to begin, notices truncation, skips ahead.
    fn align(&mut self, stat: LogStat) -> u64 {
        let size = stat.size;
        self.current.identity = stat.identity;
        match self.current.position {
            Position::At(offset) if size < offset => {
                self.take(LogParser::finish);
                self.begin_at(0);
                0
            }
            Position::At(offset) if size - offset > BEHIND_BYTES_MAX => {
                self.take(LogParser::finish);
                let begin = size - TAIL_BYTES;
                self.skipped_bytes += begin - offset;
                self.begin_at(begin);
                begin
            }
            Position::At(offset) => offset,
            Position::NearEnd => self.begin_at(size.saturating_sub(TAIL_BYTES)),
            // The same file under another name, as after renaming one the server has open.
            Position::Following(Some((file, offset)))
                if stat.identity == Some(file) && offset <= size =>
            {
                self.current.position = Position::At(offset);
                offset
            }
            Position::Following(_) => {
                if let Some(not_before) = &mut self.current.not_before {
                    not_before.until = size;
                }
                self.begin_at(size.saturating_sub(NEXT_BYTES_MAX))
            }
        }
    }

    fn begin_at(&mut self, offset: u64) -> u64 {
        let begin = if offset == 0 { Begin::Whole } else { Begin::Within };
        let format = format(&self.current.source);
        self.current.parser = LogParser::new(format, self.settings.clone(), begin);
        self.current.position = Position::At(offset);
        offset
    }

    /// The file's name stands for another file, and the open one is read to its end.
    fn start_again(&mut self) {
        self.take(LogParser::finish);
        self.current.bytes.reopen();
        self.current.position = Position::Following(None);
        self.current.not_before = self.not_before();
    }

    fn move_on(&mut self) {
        let Some((source, bytes)) = self.next.take() else { return };
        self.take(LogParser::finish);
        let read = match self.current.position {
            Position::At(offset) => self.current.identity.map(|identity| (identity, offset)),
            _ => None,
        };
        self.current = Current::new(source, bytes, &self.settings, Position::Following(read));
        self.current.not_before = self.not_before();
    }

    fn not_before(&self) -> Option<NotBefore> {
        self.tail.newest_at.map(|at| NotBefore { at, until: 0, dropping: false })
    }

    /// Gives up waiting for lines that could still belong to an entry.
    fn end_poll(&mut self, budget: usize) {
        let grew = budget < POLL_BYTES_MAX;
        self.current.quiet_polls =
            if grew { 0 } else { self.current.quiet_polls.saturating_add(1) };
        self.take(LogParser::settle);
        if self.current.quiet_polls == QUIET_POLLS_MAX {
            self.take(LogParser::flush);
        }
    }

    fn take(&mut self, parse: impl FnOnce(&mut LogParser, &mut Vec<LogEntry>)) {
        let mut parsed = Vec::new();
        parse(&mut self.current.parser, &mut parsed);
        for entry in parsed {
            if !self.current.is_old(&entry) {
                self.tail.push(entry);
            }
        }
    }
}

impl<B> Current<B> {
    fn new(source: LogSource, bytes: B, settings: &ParserSettings, position: Position) -> Self {
        let parser = LogParser::new(format(&source), settings.clone(), Begin::Whole);
        Self { source, bytes, parser, position, identity: None, quiet_polls: 0, not_before: None }
    }

    fn is_old(&mut self, entry: &LogEntry) -> bool {
        let Some(not_before) = &mut self.not_before else { return false };
        let read = match self.position {
            Position::At(offset) => offset,
            _ => 0,
        };
        if let Some(at) = entry.at {
            not_before.dropping = at < not_before.at;
        }
        let is_old = not_before.dropping && read <= not_before.until;
        if !is_old && (entry.at.is_some() || read > not_before.until) {
            self.not_before = None;
        }
        is_old
    }
}

fn range(offset: u64, size: u64, budget: usize) -> Option<ReadRange> {
    let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
    let length = left.min(READ_BYTES_MAX).min(budget);
    (length > 0).then_some(ReadRange { offset, length })
}

fn format(source: &LogSource) -> LogFormat {
    match source {
        LogSource::File { format, .. } | LogSource::Server { format, .. } => *format,
        LogSource::Syslog { .. } => LogFormat::Stderr,
    }
}

fn gone(source: &LogSource) -> Error {
    let name = match source {
        LogSource::File { path, .. } => path.display().to_string(),
        LogSource::Server { path, .. } => path.clone(),
        LogSource::Syslog { ident, .. } => ident.clone(),
    };
    Error::new(ErrorCode::LogNotFound, format!("log file \"{name}\" was deleted"))
        .detail("A server that has it open goes on writing to the deleted file.")
        .hint("Run 'SELECT pg_rotate_logfile()' or restart the server so that it makes a new file.")
}
