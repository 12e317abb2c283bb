//! Entries of a `stderr` log: lines with `log_line_prefix`.
//!
//! The server writes a message as one piece: a first line with the severity, then lines with
//! the same prefix and `DETAIL:  `, `HINT:  ` and so on; lines within a text begin with a tab
//! (`send_message_to_server_log` and `append_with_tabs` in `elog.c`). Programs the server
//! starts write whatever they like in between.

use std::collections::VecDeque;

use crate::api::LogEntry;

use super::lines::{Line, LineAssembler};
use super::parse::{Begin, ParserSettings};
use super::prefix::{Captured, Header};
use super::text::{append, bounded, mark_cut};
use super::words::{Label, MarkerKind, is_sqlstate, known};

/// Entries of different processes that wait at the same time for lines of theirs.
///
/// Through the logging collector the lines of one message always come together. Without it
/// they come in one write, which another process can hardly split; a few places are enough.
const WAITING_MAX: usize = 4;

/// The parser of `stderr` logs.
#[derive(Debug)]
pub struct StderrParser {
    lines: LineAssembler,
    entries: Entries,
}

impl StderrParser {
    /// A parser that knows the prefix.
    #[must_use]
    pub fn new(settings: ParserSettings, begin: Begin) -> Self {
        let within = begin == Begin::Within;
        Self {
            lines: LineAssembler::default(),
            entries: Entries {
                settings,
                waiting: VecDeque::new(),
                last: None,
                skip_line: within,
                skip_continuations: within,
            },
        }
    }

    /// See [`super::LogParser::feed`].
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<LogEntry>) {
        let Self { lines, entries } = self;
        lines.feed(bytes, |line| entries.line(line, out));
    }

    /// See [`super::LogParser::settle`].
    pub fn settle(&mut self, out: &mut Vec<LogEntry>) {
        if !self.lines.is_empty() {
            return;
        }
        while self.entries.waiting.front().is_some_and(|waiting| waiting.settled) {
            self.entries.give_out(out);
        }
        for waiting in &mut self.entries.waiting {
            waiting.settled = true;
        }
    }

    /// See [`super::LogParser::flush`].
    pub fn flush(&mut self, out: &mut Vec<LogEntry>) {
        self.entries.give_out_all(out);
    }

    /// See [`super::LogParser::finish`].
    pub fn finish(&mut self, out: &mut Vec<LogEntry>) {
        let Self { lines, entries } = self;
        lines.finish(|line| entries.line(line, out));
        entries.give_out_all(out);
    }

    /// See [`super::LogParser::is_waiting`].
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.lines.is_empty() || !self.entries.waiting.is_empty()
    }

    /// See [`super::LogParser::set_settings`].
    pub fn set_settings(&mut self, settings: ParserSettings) {
        self.entries.settings = settings;
    }
}

#[derive(Debug)]
struct Waiting {
    entry: LogEntry,
    /// Another entry of the same process has begun.
    done: bool,
    /// A call of `settle` has seen it.
    settled: bool,
    /// Number of the entry, rising: finds it again while others come and go.
    id: u64,
}

/// Which part of an entry the last line was.
#[derive(Clone, Copy, Debug)]
struct Last {
    id: u64,
    /// `None` for the message.
    label: Option<Label>,
}

#[derive(Debug)]
struct Entries {
    settings: ParserSettings,
    /// In the order in which they began.
    waiting: VecDeque<Waiting>,
    last: Option<Last>,
    /// The first line is the end of one.
    skip_line: bool,
    /// No entry has begun yet.
    skip_continuations: bool,
}

impl Entries {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogEntry>) {
        if std::mem::take(&mut self.skip_line) {
            return;
        }
        if line.bytes.first() == Some(&b'\t') {
            self.continuation(&line.bytes[1..], line.is_cut, out);
            return;
        }
        let text = String::from_utf8_lossy(line.bytes);
        // A crash of the machine can leave zeros in a file.
        let text = text.trim_start_matches('\0');
        if text.trim().is_empty() {
            return;
        }
        // Borrowed only for the match: the prefix does not change while a line is read.
        let settings = std::mem::take(&mut self.settings);
        match settings.prefix.header(text, &settings.zone) {
            Some(Header { captured, kind: Some(MarkerKind::Label(label)), text: labelled }) => {
                self.labelled(captured, label, labelled, text, line.is_cut, out);
            }
            Some(header) => self.begin(entry(&header, line.is_cut), out),
            None => {
                let message = bounded(text.as_bytes());
                self.begin(LogEntry { message, ..LogEntry::default() }, out);
            }
        }
        self.settings = settings;
    }

    /// A line that begins with a tab, which is taken off already.
    fn continuation(&mut self, bytes: &[u8], is_cut: bool, out: &mut Vec<LogEntry>) {
        let text = String::from_utf8_lossy(bytes);
        let found = self.last.and_then(|last| Some((self.find(last.id)?, last.label)));
        if let Some((entry, label)) = found {
            let field = field(entry, label);
            append(field, "\n");
            append(field, &text);
            if is_cut {
                mark_cut(field);
            }
        } else if !self.skip_continuations {
            let message = bounded(text.as_bytes());
            self.begin(LogEntry { message, ..LogEntry::default() }, out);
        }
    }

    /// A line with a label: it belongs to the newest entry of its process.
    fn labelled(
        &mut self,
        captured: Captured<'_>,
        label: Label,
        text: &str,
        line: &str,
        is_cut: bool,
        out: &mut Vec<LogEntry>,
    ) {
        let owner = self.waiting.iter_mut().rev().find(|waiting| {
            !waiting.done && waiting.entry.severity.is_some() && waiting.entry.pid == captured.pid
        });
        if let Some(waiting) = owner {
            let field = field(&mut waiting.entry, Some(label));
            if !field.is_empty() {
                append(field, "\n");
            }
            append(field, text);
            if is_cut {
                mark_cut(field);
            }
            self.last = Some(Last { id: waiting.id, label: Some(label) });
        } else if !self.skip_continuations {
            let message = bounded(line.as_bytes());
            let entry =
                LogEntry { at: captured.at, pid: captured.pid, message, ..LogEntry::default() };
            self.begin(entry, out);
        }
    }

    fn begin(&mut self, entry: LogEntry, out: &mut Vec<LogEntry>) {
        self.skip_continuations = false;
        for waiting in &mut self.waiting {
            waiting.done |= waiting.entry.severity.is_none() || waiting.entry.pid == entry.pid;
        }
        let id = self.last_id() + 1;
        self.waiting.push_back(Waiting { entry, done: false, settled: false, id });
        self.last = Some(Last { id, label: None });
        while self.waiting.len() > WAITING_MAX
            || self.waiting.len() > 1 && self.waiting.front().is_some_and(|first| first.done)
        {
            self.give_out(out);
        }
    }

    fn last_id(&self) -> u64 {
        self.waiting.back().map_or(0, |waiting| waiting.id).max(self.last.map_or(0, |last| last.id))
    }

    fn find(&mut self, id: u64) -> Option<&mut LogEntry> {
        let waiting = self.waiting.iter_mut().rev().find(|waiting| waiting.id == id)?;
        Some(&mut waiting.entry)
    }

    fn give_out(&mut self, out: &mut Vec<LogEntry>) {
        out.extend(self.waiting.pop_front().map(|waiting| waiting.entry));
    }

    fn give_out_all(&mut self, out: &mut Vec<LogEntry>) {
        out.extend(self.waiting.drain(..).map(|waiting| waiting.entry));
    }
}

/// The entry a first line begins.
fn entry(header: &Header<'_>, is_cut: bool) -> LogEntry {
    let Header { captured, kind, text } = header;
    let severity = match kind {
        Some(MarkerKind::Severity(severity)) => Some(*severity),
        _ => None,
    };
    // `log_error_verbosity = verbose` puts the SQLSTATE before the message.
    let (in_text, text) = match text.split_once(": ") {
        Some((code, text)) if severity.is_some() && is_sqlstate(code) => (code, text),
        _ => ("", *text),
    };
    let sqlstate = if captured.sqlstate.is_empty() { in_text } else { captured.sqlstate };
    let mut message = bounded(text.as_bytes());
    if is_cut {
        mark_cut(&mut message);
    }
    LogEntry {
        at: captured.at,
        severity,
        pid: captured.pid,
        user: known(captured.user),
        database: known(captured.database),
        application: known(captured.application),
        backend_type: known(captured.backend_type),
        sqlstate: (!sqlstate.is_empty()).then(|| sqlstate.to_owned()),
        message,
        ..LogEntry::default()
    }
}

fn field(entry: &mut LogEntry, label: Option<Label>) -> &mut String {
    let field = match label {
        None => return &mut entry.message,
        Some(Label::Detail) => &mut entry.detail,
        Some(Label::Hint) => &mut entry.hint,
        Some(Label::Query) => &mut entry.query,
        Some(Label::Context) => &mut entry.context,
        Some(Label::Location) => &mut entry.location,
        Some(Label::Statement) => &mut entry.statement,
        Some(Label::Backtrace) => &mut entry.backtrace,
    };
    field.get_or_insert_default()
}
