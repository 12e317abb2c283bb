//! Logs: the server log, followed; harmless entries dimmed, errors found by key.

use std::sync::Arc;

use pgdeck_engine::api::{LogEntry, LogSeverity, LogSource, LogTail};
use ratatui::layout::Position;

use super::{Canvas, Context, ListView, Pane, preview};
use crate::console::commands::CommandId;
use crate::console::dialogs::text_view::TextView;
use crate::console::list::{ListControls, ListState};
use crate::console::widgets::table::{Column, Row};
use crate::console::zone::Zone;
use crate::theme::Role;

const COLUMNS: [Column; 4] = [
    Column::text("time", 8),
    Column::text("level", 7),
    Column::number("pid", 8),
    Column::text("message", 40),
];

/// Which entries are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Minimum {
    #[default]
    All,
    Warnings,
    Errors,
}

impl Minimum {
    fn next(self) -> Self {
        match self {
            Self::All => Self::Warnings,
            Self::Warnings => Self::Errors,
            Self::Errors => Self::All,
        }
    }

    fn accepts(self, severity: Option<LogSeverity>) -> bool {
        match self {
            Self::All => true,
            Self::Warnings => severity.is_some_and(|severity| severity >= LogSeverity::Warning),
            Self::Errors => severity.is_some_and(|severity| severity >= LogSeverity::Error),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Warnings => "warnings and worse",
            Self::Errors => "errors and worse",
        }
    }
}

/// The pane.
#[derive(Debug)]
pub struct Logs {
    list: ListState<u64>,
    shown: Vec<Arc<LogEntry>>,
    minimum: Minimum,
    hides_benign: bool,
    follows: bool,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            list: ListState::default(),
            shown: Vec::new(),
            minimum: Minimum::All,
            hides_benign: false,
            follows: true,
        }
    }
}

fn is_error(entry: &LogEntry) -> bool {
    entry.benign.is_none() && entry.severity.is_some_and(|severity| severity >= LogSeverity::Error)
}

fn role(entry: &LogEntry) -> Role {
    match (entry.benign, entry.severity) {
        (Some(_), _) => Role::Dim,
        (None, Some(severity)) if severity >= LogSeverity::Error => Role::Error,
        (None, Some(LogSeverity::Warning)) => Role::Warn,
        _ => Role::Text,
    }
}

fn cells(entry: &LogEntry, zone: Zone) -> Vec<String> {
    let at = entry.at.map(|at| zone.time(at));
    vec![
        at.unwrap_or_default(),
        entry.severity.map_or("", LogSeverity::word).to_owned(),
        entry.pid.map_or_else(String::new, |pid| pid.to_string()),
        entry.message.clone(),
    ]
}

fn facts(entry: &LogEntry) -> String {
    match entry.benign {
        Some(why) => format!("harmless: {why}"),
        None => entry.detail.clone().or_else(|| entry.statement.clone()).unwrap_or_default(),
    }
}

fn source_text(tail: &LogTail) -> String {
    let also = if tail.also_syslog { ", also to syslog" } else { "" };
    match &tail.source {
        LogSource::File { path, format } => {
            format!("{} ({}{also})", path.display(), format.word())
        }
        LogSource::Server { path, format } => {
            format!("{path} on the server ({}{also})", format.word())
        }
        LogSource::Syslog { facility, ident } => {
            format!("syslog, facility {facility}, ident {ident}")
        }
    }
}

impl Logs {
    fn selected(&self) -> Option<&Arc<LogEntry>> {
        self.shown.get(self.list.selected_index()?)
    }

    fn go_to_error(&mut self, is_forward: bool) {
        let here = self.list.selected_index().unwrap_or(0);
        let found = if is_forward {
            self.shown.iter().skip(here + 1).find(|entry| is_error(entry))
        } else {
            self.shown.iter().take(here).rev().find(|entry| is_error(entry))
        };
        if let Some(sequence) = found.map(|entry| entry.sequence) {
            self.follows = false;
            self.list.select(&sequence);
        }
    }
}

impl Pane for Logs {
    fn settle(&mut self, context: &Context<'_>, height: usize) {
        let tail = context.snapshot.and_then(|snapshot| snapshot.log.get());
        let entries = tail.map(|tail| tail.entries.as_slice()).unwrap_or_default();
        let filter = self.list.filter();
        let is_shown = |entry: &&Arc<LogEntry>| {
            let texts = [
                entry.message.as_str(),
                entry.detail.as_deref().unwrap_or(""),
                entry.statement.as_deref().unwrap_or(""),
                entry.database.as_deref().unwrap_or(""),
                entry.user.as_deref().unwrap_or(""),
                entry.severity.map_or("", LogSeverity::word),
            ];
            self.minimum.accepts(entry.severity)
                && !(self.hides_benign && entry.benign.is_some())
                && (filter.is_empty() || filter.accepts(texts.into_iter()))
        };
        self.shown = entries.iter().filter(is_shown).cloned().collect();
        let keys = self.shown.iter().map(|entry| entry.sequence).collect();
        self.list.settle(keys, preview::rows(height));
        if self.follows {
            self.list.run(CommandId::Last, COLUMNS.len());
        }
    }

    fn run(&mut self, command: CommandId, _context: &Context<'_>) -> bool {
        match command {
            CommandId::LogFollow => self.follows = !self.follows,
            CommandId::LogSeverity => self.minimum = self.minimum.next(),
            CommandId::LogBenign => self.hides_benign = !self.hides_benign,
            CommandId::LogNextError => self.go_to_error(true),
            CommandId::LogPreviousError => self.go_to_error(false),
            CommandId::Last => {
                self.follows = true;
                self.list.run(command, COLUMNS.len());
            }
            CommandId::Up | CommandId::PageUp | CommandId::HalfUp | CommandId::First => {
                self.follows = false;
                self.list.run(command, COLUMNS.len());
            }
            _ => return self.list.run(command, COLUMNS.len()),
        }
        true
    }

    fn list(&self) -> &dyn ListControls {
        &self.list
    }

    fn list_mut(&mut self) -> &mut dyn ListControls {
        &mut self.list
    }

    fn detail(&self, context: &Context<'_>) -> Option<TextView> {
        let entry = self.selected()?;
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        let at = entry.at.map(|at| context.zone.full(at));
        let head = [
            ("time", at.unwrap_or_default()),
            ("level", entry.severity.map_or("", LogSeverity::word).to_owned()),
            ("pid", entry.pid.map_or_else(String::new, |pid| pid.to_string())),
            ("user", optional(&entry.user)),
            ("database", optional(&entry.database)),
            ("application", optional(&entry.application)),
            ("sqlstate", optional(&entry.sqlstate)),
            ("harmless", entry.benign.unwrap_or("not known to be").to_owned()),
        ];
        let head = head.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
        let mut body = entry.message.clone();
        for (label, text) in [
            ("DETAIL", &entry.detail),
            ("HINT", &entry.hint),
            ("CONTEXT", &entry.context),
            ("QUERY", &entry.query),
            ("STATEMENT", &entry.statement),
            ("LOCATION", &entry.location),
        ] {
            if let Some(text) = text {
                body.push_str(&format!("\n\n{label}: {text}"));
            }
        }
        Some(TextView::new("Log entry", head, body))
    }

    fn copy(&self, _context: &Context<'_>) -> Option<String> {
        self.selected().map(|entry| {
            format!("{}: {}", entry.severity.map_or("", LogSeverity::word), entry.message)
        })
    }

    fn view(&self, context: &Context<'_>, canvas: Canvas<'_>) -> Option<Position> {
        let panel = context.snapshot.map(|snapshot| &snapshot.log);
        let source = panel.and_then(|panel| panel.get()).map(source_text).unwrap_or_default();
        let follows = if self.follows { "following" } else { "not following (f)" };
        let benign = if self.hides_benign { ", harmless hidden" } else { "" };
        let window = self.list.window();
        let shown = self.shown.iter().skip(window.offset).take(window.height);
        let view = ListView {
            caption: format!("{follows}, {}{benign}: {source}", self.minimum.word()),
            nothing: "No entry to show.",
            narrow: &COLUMNS,
            wide: &COLUMNS,
            is_sorted: false,
            preview: self.selected().map(|entry| (facts(entry), entry.message.as_str())),
            rows: shown
                .map(|entry| Row {
                    cells: cells(entry, context.zone),
                    role: role(entry),
                    is_marked: self.list.is_marked(&entry.sequence),
                })
                .collect(),
        };
        view.draw(&self.list, panel, context, canvas)
    }
}
