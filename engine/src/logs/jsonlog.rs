//! Entries of a `jsonlog` (from 15): one JSON object a line.
//!
//! Keys: "Using JSON-Format Log Output" in the manual, and `write_jsonlog`. A key without a
//! value is left out; so is `state_code` when it is `00000`. The severity is always the English
//! word, unlike in the other formats (measured with a Russian server).

use serde::Deserialize;

use crate::api::LogEntry;

use super::lines::{Line, LineAssembler};
use super::parse::Begin;
use super::text::{bounded, mark_last_cut};
use super::words::{known, severity, severity_of_sqlstate};
use super::zone::{Zone, read_time};

/// Characters that an escape (`\u0000`) may have left when it was cut.
const ESCAPE_CHARS_MAX: usize = 6;

/// The parser of `jsonlog`.
#[derive(Debug)]
pub struct JsonParser {
    lines: LineAssembler,
    zone: Zone,
    skip_line: bool,
}

impl JsonParser {
    /// A parser that knows the time zone.
    #[must_use]
    pub fn new(zone: Zone, begin: Begin) -> Self {
        Self { lines: LineAssembler::default(), zone, skip_line: begin == Begin::Within }
    }

    /// See [`super::LogParser::feed`].
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<LogEntry>) {
        let Self { lines, zone, skip_line } = self;
        lines.feed(bytes, |line| {
            if !std::mem::take(skip_line) {
                out.extend(entry(line, zone));
            }
        });
    }

    /// See [`super::LogParser::finish`].
    pub fn finish(&mut self, out: &mut Vec<LogEntry>) {
        let Self { lines, zone, skip_line } = self;
        lines.finish(|line| {
            if !std::mem::take(skip_line) {
                out.extend(entry(line, zone));
            }
        });
    }

    /// See [`super::LogParser::is_waiting`].
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.lines.is_empty()
    }

    /// The rule of another `log_timezone`.
    pub fn set_zone(&mut self, zone: Zone) {
        self.zone = zone;
    }
}

#[derive(Debug, Deserialize)]
struct Object {
    timestamp: String,
    error_severity: String,
    pid: Option<i32>,
    user: Option<String>,
    dbname: Option<String>,
    state_code: Option<String>,
    message: Option<String>,
    detail: Option<String>,
    hint: Option<String>,
    internal_query: Option<String>,
    context: Option<String>,
    statement: Option<String>,
    func_name: Option<String>,
    file_name: Option<String>,
    file_line_num: Option<i64>,
    application_name: Option<String>,
    backend_type: Option<String>,
    backtrace: Option<String>,
}

fn entry(line: Line<'_>, zone: &Zone) -> Option<LogEntry> {
    let text = String::from_utf8_lossy(line.bytes);
    let text = text.trim_start_matches('\0');
    if text.trim().is_empty() {
        return None;
    }
    let object = if line.is_cut { cut_object(text) } else { serde_json::from_str(text).ok() };
    Some(match object {
        Some(object) => explained(object, zone, line.is_cut),
        None => LogEntry { message: bounded(text.as_bytes()), ..LogEntry::default() },
    })
}

/// The object of a line that was cut within a text: closed there, after what an escape cut in
/// two (`\\u00`) has left.
fn cut_object(text: &str) -> Option<Object> {
    let ends = text.char_indices().rev().map(|(at, _)| at).take(ESCAPE_CHARS_MAX);
    std::iter::once(text.len())
        .chain(ends)
        .find_map(|end| serde_json::from_str(&format!("{}\"}}", &text[..end])).ok())
}

fn explained(object: Object, zone: &Zone, is_cut: bool) -> LogEntry {
    let text = |value: Option<String>| {
        value.filter(|text| !text.is_empty()).map(|text| bounded(text.as_bytes()))
    };
    let name = |value: Option<String>| value.as_deref().and_then(known);
    let location = object.file_name.as_ref().map(|file| {
        let function =
            object.func_name.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
        let line = object.file_line_num.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{function}{file}{line}")
    });
    let sqlstate = object.state_code.unwrap_or_else(|| "00000".to_owned());
    let mut entry = LogEntry {
        at: read_time(&object.timestamp, zone).and_then(|time| time.at),
        severity: severity(&object.error_severity).or_else(|| severity_of_sqlstate(&sqlstate)),
        pid: object.pid,
        user: name(object.user),
        database: name(object.dbname),
        application: name(object.application_name),
        backend_type: text(object.backend_type),
        sqlstate: text(Some(sqlstate)),
        message: text(object.message).unwrap_or_default(),
        detail: text(object.detail),
        hint: text(object.hint),
        query: text(object.internal_query),
        context: text(object.context),
        statement: text(object.statement),
        location,
        backtrace: text(object.backtrace),
        ..LogEntry::default()
    };
    if is_cut {
        mark_last_cut(&mut entry);
    }
    entry
}
