//! From bytes to entries, whatever the format.
//!
//! Parsers are incremental: bytes come in pieces of any size, entries come out as soon as they
//! are whole. The same bytes give the same entries however they are cut. Only
//! [`LogParser::settle`], [`LogParser::flush`] and [`LogParser::finish`] bring time into it:
//! they give up waiting for lines that could still belong to an entry.
//!
//! Nothing fails: what no format explains becomes an entry without severity.

use crate::api::{LogEntry, LogFormat};

use super::csvlog::CsvParser;
use super::jsonlog::JsonParser;
use super::prefix::Prefix;
use super::stderr::StderrParser;
use super::zone::Zone;

/// What a parser must know of the server's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParserSettings {
    /// `log_line_prefix`.
    pub prefix: Prefix,
    /// The rule of `log_timezone`.
    pub zone: Zone,
}

/// Where a parser begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At the beginning of a file.
    Whole,
    /// Somewhere within one: what belongs to an entry that began before is passed over.
    Within,
}

/// A parser of one format.
#[derive(Debug)]
pub enum LogParser {
    /// For `stderr`.
    Stderr(StderrParser),
    /// For `csvlog`.
    Csvlog(CsvParser),
    /// For `jsonlog`.
    Jsonlog(JsonParser),
}

impl LogParser {
    /// A parser for a format.
    #[must_use]
    pub fn new(format: LogFormat, settings: ParserSettings, begin: Begin) -> Self {
        match format {
            LogFormat::Stderr => Self::Stderr(StderrParser::new(settings, begin)),
            LogFormat::Csvlog => Self::Csvlog(CsvParser::new(settings.zone, begin)),
            LogFormat::Jsonlog => Self::Jsonlog(JsonParser::new(settings.zone, begin)),
        }
    }

    /// Takes the next bytes; entries they complete are appended to `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<LogEntry>) {
        match self {
            Self::Stderr(parser) => parser.feed(bytes, out),
            Self::Csvlog(parser) => parser.feed(bytes, out),
            Self::Jsonlog(parser) => parser.feed(bytes, out),
        }
    }

    /// Gives out entries that have been waiting since the call before this one: nothing came
    /// that belongs to them. To be called once a poll.
    pub fn settle(&mut self, out: &mut Vec<LogEntry>) {
        if let Self::Stderr(parser) = self {
            parser.settle(out);
        }
    }

    /// Gives out every entry that has whole lines, waiting no longer for more of them. A line
    /// without its end stays.
    pub fn flush(&mut self, out: &mut Vec<LogEntry>) {
        if let Self::Stderr(parser) = self {
            parser.flush(out);
        }
    }

    /// Gives out all there is, even a line without its end: no more bytes will come.
    pub fn finish(&mut self, out: &mut Vec<LogEntry>) {
        match self {
            Self::Stderr(parser) => parser.finish(out),
            Self::Csvlog(parser) => parser.finish(out),
            Self::Jsonlog(parser) => parser.finish(out),
        }
    }

    /// Whether something is waiting for more bytes.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        match self {
            Self::Stderr(parser) => parser.is_waiting(),
            Self::Csvlog(parser) => parser.is_waiting(),
            Self::Jsonlog(parser) => parser.is_waiting(),
        }
    }

    /// Uses other settings from the next line on (after a reload of the server).
    pub fn set_settings(&mut self, settings: ParserSettings) {
        match self {
            Self::Stderr(parser) => parser.set_settings(settings),
            Self::Csvlog(parser) => parser.set_zone(settings.zone),
            Self::Jsonlog(parser) => parser.set_zone(settings.zone),
        }
    }
}

/// All entries of a text that is at hand as a whole, such as `pg_ctl`'s output.
#[must_use]
pub fn parse_all(format: LogFormat, settings: ParserSettings, bytes: &[u8]) -> Vec<LogEntry> {
    let mut parser = LogParser::new(format, settings, Begin::Whole);
    let mut entries = Vec::new();
    parser.feed(bytes, &mut entries);
    parser.finish(&mut entries);
    entries
}
