//! The panes. Each has its state, its commands and its view in one file and knows no other pane.

pub mod connections;
pub mod locks;
pub mod logs;
pub mod messages;
pub mod overview;
pub mod prepared;
pub mod preview;
pub mod storage;

use chrono::{DateTime, Utc};
use pgdeck_engine::api::{
    BackendTarget, Interest, Limits, Message, Panel, PreparedTarget, Snapshot,
};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::commands::CommandId;
use super::dialogs::text_view::TextView;
use super::look::Look;
use super::widgets::put;
use crate::text;
use crate::theme::Role;

/// Names a pane. Room is left for Backups (8), Keystore (9) and Settings (0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaneId {
    /// Is it healthy, is my data safe, what next.
    Overview,
    /// Destinations and databases.
    Storage,
    /// Sessions.
    Connections,
    /// Who blocks whom.
    Locks,
    /// Prepared transactions.
    Prepared,
    /// The server log.
    Logs,
    /// Conditions with their Solutions.
    Messages,
}

impl PaneId {
    /// In the order of their digits.
    pub const ALL: [Self; 7] = [
        Self::Overview,
        Self::Storage,
        Self::Connections,
        Self::Locks,
        Self::Prepared,
        Self::Logs,
        Self::Messages,
    ];

    /// The title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Storage => "Storage",
            Self::Connections => "Connections",
            Self::Locks => "Locks",
            Self::Prepared => "Prepared",
            Self::Logs => "Logs",
            Self::Messages => "Messages",
        }
    }

    /// The digit that opens it.
    #[must_use]
    pub fn digit(self) -> usize {
        Self::ALL.iter().position(|pane| *pane == self).unwrap_or(0) + 1
    }

    /// The pane so many places further, round the end.
    #[must_use]
    pub fn step(self, steps: usize) -> Self {
        Self::ALL[(self.digit() - 1 + steps) % Self::ALL.len()]
    }

    /// What the engine must probe for it.
    #[must_use]
    pub fn interest(self) -> Interest {
        Interest {
            sizes: self == Self::Storage,
            log: self == Self::Logs,
            lock_names: matches!(self, Self::Locks | Self::Prepared),
        }
    }
}

/// What panes may look at.
#[derive(Debug)]
pub struct Context<'a> {
    /// The instance on the screen.
    pub snapshot: Option<&'a Snapshot>,
    /// Thresholds.
    pub limits: &'a Limits,
    /// The time of the last tick.
    pub now: DateTime<Utc>,
}

/// What every pane can do.
pub trait Pane {
    /// Takes a new snapshot or size: which rows are shown, which is selected.
    fn settle(&mut self, context: &Context<'_>, height: usize);

    /// Carries out one of its commands or a list's; whether it was one.
    fn run(&mut self, command: CommandId, context: &Context<'_>) -> bool;

    /// The filter.
    fn filter(&self) -> &str;

    /// Sets the filter.
    fn set_filter(&mut self, text: &str);

    /// Removes all marks; whether there were any.
    fn clear_marks(&mut self) -> bool;

    /// Whether a row is selected.
    fn has_row(&self) -> bool;

    /// Everything about the selected row.
    fn detail(&self, context: &Context<'_>) -> Option<TextView>;

    /// The selected row as plain text.
    fn copy(&self, context: &Context<'_>) -> Option<String>;

    /// Draws it; where the cursor belongs.
    fn view(
        &self,
        context: &Context<'_>,
        look: &Look,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<Position>;

    /// Sessions an action would concern: the marked ones, or the selected one.
    fn sessions(&self, _context: &Context<'_>) -> Vec<BackendTarget> {
        Vec::new()
    }

    /// The prepared transaction an action would concern.
    fn prepared(&self, _context: &Context<'_>) -> Option<PreparedTarget> {
        None
    }

    /// The selected message.
    fn message(&self, _context: &Context<'_>) -> Option<Message> {
        None
    }
}

/// The states of all panes.
#[derive(Debug)]
pub struct Panes {
    /// Overview.
    pub overview: overview::Overview,
    /// Storage.
    pub storage: storage::Storage,
    /// Connections.
    pub connections: connections::Connections,
    /// Locks.
    pub locks: locks::Locks,
    /// Prepared.
    pub prepared: prepared::Prepared,
    /// Logs.
    pub logs: logs::Logs,
    /// Messages.
    pub messages: messages::Messages,
}

impl Panes {
    /// Panes before the first snapshot.
    #[must_use]
    pub fn new(idle_minutes: u32) -> Self {
        Self {
            overview: overview::Overview::default(),
            storage: storage::Storage::default(),
            connections: connections::Connections::new(idle_minutes),
            locks: locks::Locks::default(),
            prepared: prepared::Prepared::default(),
            logs: logs::Logs::default(),
            messages: messages::Messages::default(),
        }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: PaneId) -> &dyn Pane {
        match id {
            PaneId::Overview => &self.overview,
            PaneId::Storage => &self.storage,
            PaneId::Connections => &self.connections,
            PaneId::Locks => &self.locks,
            PaneId::Prepared => &self.prepared,
            PaneId::Logs => &self.logs,
            PaneId::Messages => &self.messages,
        }
    }

    /// One of them, to be changed.
    pub fn get_mut(&mut self, id: PaneId) -> &mut dyn Pane {
        match id {
            PaneId::Overview => &mut self.overview,
            PaneId::Storage => &mut self.storage,
            PaneId::Connections => &mut self.connections,
            PaneId::Locks => &mut self.locks,
            PaneId::Prepared => &mut self.prepared,
            PaneId::Logs => &mut self.logs,
            PaneId::Messages => &mut self.messages,
        }
    }
}

/// The line above a list: what it holds, how it is filtered, whether it is stale.
#[derive(Debug, Default)]
pub struct Caption {
    /// What it holds.
    pub text: String,
    /// The filter, when there is one.
    pub filter: String,
    /// Marked rows.
    pub marked: usize,
}

impl Caption {
    /// Draws it on one line.
    pub fn draw<T>(
        &self,
        look: &Look,
        line: Rect,
        panel: Option<&Panel<T>>,
        context: &Context<'_>,
        buf: &mut Buffer,
    ) {
        let mut x = line.x;
        let mut add = |text: &str, style: Style, buf: &mut Buffer| {
            let rest = Rect::new(x, line.y, line.right().saturating_sub(x), 1);
            put(buf, rest, text, style);
            x = x.saturating_add(u16::try_from(text::width(text)).unwrap_or(0) + 2);
        };
        if let Some(stale) = panel.and_then(|panel| stale_text(panel, context.now)) {
            add(&stale, look.style(Role::Stale), buf);
        }
        if self.marked > 0 {
            add(&format!("{} marked", self.marked), look.style(Role::Info), buf);
        }
        if !self.filter.is_empty() {
            let filter = text::clean(&self.filter);
            add(&format!("filter: {filter}"), look.style(Role::Info), buf);
        }
        add(&self.text, look.style(Role::Text), buf);
    }
}

/// `STALE 12s: reason` when a panel's newest probe failed.
#[must_use]
pub fn stale_text<T>(panel: &Panel<T>, now: DateTime<Utc>) -> Option<String> {
    let error = panel.error.as_ref()?;
    let fact = text::clean(&error.fact);
    Some(match panel.taken_at {
        Some(at) if panel.value.is_some() => {
            let seconds = u64::try_from((now - at).num_seconds()).unwrap_or(0);
            format!("STALE {}: {fact}", text::age(seconds))
        }
        _ => format!("not known: {fact}"),
    })
}

/// Says that there is nothing in a place, and why.
pub fn nothing<T>(
    look: &Look,
    place: Rect,
    panel: Option<&Panel<T>>,
    text: &str,
    buf: &mut Buffer,
) {
    let line = |number: u16| {
        Rect::new(place.x + 1, place.y + number, place.width.saturating_sub(1), 1)
    };
    let missing = panel.filter(|panel| panel.value.is_none());
    match missing.map(|panel| panel.error.as_deref()) {
        Some(Some(error)) => {
            put(buf, line(1), &text::clean(&error.fact), look.style(Role::Stale));
            put(buf, line(2), &text::clean(&error.detail), look.style(Role::Dim));
            put(buf, line(3), &text::clean(&error.hint), look.style(Role::Text));
        }
        Some(None) => put(buf, line(1), "Nothing is known yet.", look.style(Role::Dim)),
        None => put(buf, line(1), text, look.style(Role::Dim)),
    }
}
