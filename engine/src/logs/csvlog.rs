//! Entries of a `csvlog`: records of comma-separated values, with newlines within quotes.
//!
//! Columns: 24 in 13 (`backend_type` is the last), 26 from 14 (`leader_pid`, `query_id`);
//! measured on real servers, and "Using CSV-Format Log Output" in the manual. Texts are quoted
//! when not null, a quote within is doubled, numbers, times and the severity are bare
//! (`write_csvlog`). The severity is translated to `lc_messages`.
//!
//! A full disk tears a record in two, and with a quote left open everything after it would be
//! read inside out. So a line that can only be the first of a record begins one, even within
//! quotes: `begins_record` demands the form of fourteen columns, where a log line pasted into
//! a statement has its quotes doubled and fails.

use crate::api::LogEntry;

use super::lines::{Line, LineAssembler, has_odd_quotes};
use super::parse::Begin;
use super::text::{append, bounded, mark_last_cut};
use super::words::{is_sqlstate, known, severity, severity_of_sqlstate};
use super::zone::{Zone, read_time};

/// Bytes of one record that are kept; columns beyond are lost.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;

/// Columns every version has.
const COLUMNS_MIN: usize = 24;

/// Columns that are read; more are ignored.
const COLUMNS_READ_MAX: usize = 64;

mod column {
    pub(super) const LOG_TIME: usize = 0;
    pub(super) const USER: usize = 1;
    pub(super) const DATABASE: usize = 2;
    pub(super) const PID: usize = 3;
    pub(super) const CONNECTION_FROM: usize = 4;
    pub(super) const COMMAND_TAG: usize = 7;
    pub(super) const SEVERITY: usize = 11;
    pub(super) const SQLSTATE: usize = 12;
    pub(super) const MESSAGE: usize = 13;
    pub(super) const DETAIL: usize = 14;
    pub(super) const HINT: usize = 15;
    pub(super) const INTERNAL_QUERY: usize = 16;
    pub(super) const CONTEXT: usize = 18;
    pub(super) const QUERY: usize = 19;
    pub(super) const LOCATION: usize = 21;
    pub(super) const APPLICATION: usize = 22;
    pub(super) const BACKEND_TYPE: usize = 23;
}

/// The parser of `csvlog`.
#[derive(Debug)]
pub struct CsvParser {
    lines: LineAssembler,
    records: Records,
}

impl CsvParser {
    /// A parser that knows the time zone.
    #[must_use]
    pub fn new(zone: Zone, begin: Begin) -> Self {
        let records = Records {
            zone,
            record: Vec::new(),
            begun: false,
            is_cut: false,
            in_quotes: false,
            skip_to_record: begin == Begin::Within,
        };
        Self { lines: LineAssembler::default(), records }
    }

    /// See [`super::LogParser::feed`].
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<LogEntry>) {
        let Self { lines, records } = self;
        lines.feed(bytes, |line| records.line(line, out));
    }

    /// See [`super::LogParser::finish`].
    pub fn finish(&mut self, out: &mut Vec<LogEntry>) {
        let Self { lines, records } = self;
        lines.finish(|line| records.line(line, out));
        if records.begun {
            records.end(out);
        }
    }

    /// See [`super::LogParser::is_waiting`].
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.lines.is_empty() || self.records.begun
    }

    /// The rule of another `log_timezone`.
    pub fn set_zone(&mut self, zone: Zone) {
        self.records.zone = zone;
    }
}

#[derive(Debug)]
struct Records {
    zone: Zone,
    record: Vec<u8>,
    begun: bool,
    is_cut: bool,
    in_quotes: bool,
    skip_to_record: bool,
}

impl Records {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogEntry>) {
        if self.skip_to_record {
            if !begins_record(line.bytes) {
                return;
            }
            self.skip_to_record = false;
        }
        if self.begun && begins_record(line.bytes) {
            // The record before was torn.
            self.is_cut = true;
            self.end(out);
        }
        if self.begun {
            self.keep(b"\n");
        }
        self.begun = true;
        self.keep(line.bytes);
        self.is_cut |= line.is_cut;
        self.in_quotes ^= has_odd_quotes(line.bytes) ^ line.dropped_odd_quotes;
        if !self.in_quotes {
            self.end(out);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = RECORD_BYTES_MAX - self.record.len();
        if bytes.len() > room {
            self.is_cut = true;
        }
        self.record.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end(&mut self, out: &mut Vec<LogEntry>) {
        out.extend(entry(&self.record, self.is_cut, &self.zone));
        if self.is_cut {
            // A long record is rare: do not hold its memory for ever.
            self.record = Vec::new();
        } else {
            self.record.clear();
        }
        self.begun = false;
        self.is_cut = false;
        self.in_quotes = false;
    }
}

/// The entry of a record; one without severity when it is not a record of the server; none for
/// an empty line.
fn entry(record: &[u8], is_cut: bool, zone: &Zone) -> Option<LogEntry> {
    let Some(columns) = columns(record) else { return unexplained(record) };
    let field = |at: usize| columns.get(at).map(Vec::as_slice).unwrap_or_default();
    let text = |at: usize| Some(bounded(field(at))).filter(|text| !text.is_empty());
    let bare = |at: usize| std::str::from_utf8(field(at)).unwrap_or_default();
    let time = read_time(bare(column::LOG_TIME), zone);
    let whole = columns.len() >= COLUMNS_MIN || (is_cut && columns.len() > column::SQLSTATE);
    let (Some(time), true, true) = (time, whole, is_sqlstate(bare(column::SQLSTATE))) else {
        return unexplained(record);
    };
    let mut entry = LogEntry {
        at: time.at,
        severity: severity(bare(column::SEVERITY))
            .or_else(|| severity_of_sqlstate(bare(column::SQLSTATE))),
        pid: bare(column::PID).parse().ok(),
        user: known(&bounded(field(column::USER))),
        database: known(&bounded(field(column::DATABASE))),
        application: known(&bounded(field(column::APPLICATION))),
        backend_type: text(column::BACKEND_TYPE),
        sqlstate: text(column::SQLSTATE),
        message: text(column::MESSAGE).unwrap_or_default(),
        detail: text(column::DETAIL),
        hint: text(column::HINT),
        query: text(column::INTERNAL_QUERY),
        context: text(column::CONTEXT),
        statement: text(column::QUERY),
        location: text(column::LOCATION),
        ..LogEntry::default()
    };
    if is_cut {
        mark_last_cut(&mut entry);
    }
    Some(entry)
}

fn unexplained(record: &[u8]) -> Option<LogEntry> {
    let mut message = String::new();
    append(&mut message, bounded(record).trim_matches(['\0', '\n']));
    (!message.trim().is_empty()).then(|| LogEntry { message, ..LogEntry::default() })
}

/// The columns of a record, quotes taken off. A quote left open ends with the record. `None`
/// when text stands where only a comma may.
fn columns(record: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut columns = Vec::with_capacity(COLUMNS_MIN + 2);
    let mut rest = record;
    while columns.len() < COLUMNS_READ_MAX {
        let (column, after) = column(rest)?;
        columns.push(column);
        match after {
            Some(after) => rest = after,
            None => break,
        }
    }
    Some(columns)
}

/// The first column, and what follows its comma.
fn column(text: &[u8]) -> Option<(Vec<u8>, Option<&[u8]>)> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| *byte == b',');
        let (bare, after) = match end {
            Some(end) => (&text[..end], Some(&text[end + 1..])),
            None => (text, None),
        };
        return (!bare.contains(&b'"')).then(|| (bare.to_vec(), after));
    };
    let mut column = Vec::new();
    loop {
        let Some(quote) = rest.iter().position(|byte| *byte == b'"') else {
            column.extend_from_slice(rest);
            return Some((column, None));
        };
        column.extend_from_slice(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.first() {
            Some(b'"') => column.push(b'"'),
            Some(b',') => return Some((column, Some(&rest[1..]))),
            None => return Some((column, None)),
            Some(_) => return None,
        }
        rest = &rest[1..];
    }
}

/// Whether a line can only be the first of a record: the columns up to the message have the
/// form the server gives them.
fn begins_record(line: &[u8]) -> bool {
    // Cheap refusal first: the year.
    if line.len() < 40 || !line[..4].iter().all(u8::is_ascii_digit) || line[4] != b'-' {
        return false;
    }
    let mut rest = line;
    for at in 0..column::MESSAGE {
        let quoted = rest.first() == Some(&b'"');
        let Some((value, Some(after))) = column(rest) else { return false };
        let may_be_quoted = matches!(
            at,
            column::USER | column::DATABASE | column::CONNECTION_FROM | column::COMMAND_TAG
        );
        let fits = match at {
            column::LOG_TIME => std::str::from_utf8(&value).is_ok_and(|text| {
                read_time(text, &Zone::default()).is_some_and(|time| time.length == text.len())
            }),
            column::PID => !value.is_empty() && value.iter().all(u8::is_ascii_digit),
            column::SEVERITY => !value.is_empty(),
            column::SQLSTATE => std::str::from_utf8(&value).is_ok_and(is_sqlstate),
            _ if may_be_quoted => quoted || value.is_empty(),
            _ => true,
        };
        if !fits || (quoted && !may_be_quoted) {
            return false;
        }
        rest = after;
    }
    // The message: quoted, and not a doubled quote with text behind it.
    match rest {
        [b'"', b'"', after @ ..] => after.first().is_none_or(|byte| matches!(byte, b',' | b'"')),
        [b'"', ..] | [b',', ..] => true,
        _ => false,
    }
}
