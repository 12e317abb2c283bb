//! The panes. Each has its state, its commands and its view in one file and knows no other pane's state.

pub mod backups;
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
    BackendTarget, Interest, JobKind, JobState, JobStatus, Limits, Message, Panel, PreparedTarget,
    Snapshot,
};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::commands::CommandId;
use super::dialogs::stand::Work;
use super::dialogs::text_view::TextView;
use super::list::ListControls;
use super::look::Look;
use super::widgets::table::{self, Column, Row, View};
use super::widgets::{line_of, put, put_spans_fitting};
use super::zone::Zone;
use crate::text;
use crate::theme::Role;

/// Names a pane. Room is left for Keystore (9) and Settings (0).
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
    /// Backups, the WAL archive, what can be recovered.
    Backups,
}

impl PaneId {
    /// In the order of their digits.
    pub const ALL: [Self; 8] = [
        Self::Overview,
        Self::Storage,
        Self::Connections,
        Self::Locks,
        Self::Prepared,
        Self::Logs,
        Self::Messages,
        Self::Backups,
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
            Self::Backups => "Backups",
        }
    }

    /// The title where there is little room.
    #[must_use]
    pub fn short_title(self) -> &'static str {
        match self {
            Self::Overview => "Over",
            Self::Storage => "Stor",
            Self::Connections => "Conn",
            Self::Locks => "Lock",
            Self::Prepared => "Prep",
            Self::Logs => "Logs",
            Self::Messages => "Msgs",
            Self::Backups => "Back",
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
            backups: self == Self::Backups,
            is_shown: true,
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
    /// The moment up to which ages are counted.
    pub now: DateTime<Utc>,
    /// Whose time is shown.
    pub zone: Zone,
    /// Jobs of every instance.
    pub jobs: &'a [JobStatus],
}

impl Context<'_> {
    /// Whether a job works on the recovery of the instance on the screen.
    #[must_use]
    pub fn recovery_work(&self) -> Work {
        let is_it = |job: &&JobStatus| {
            self.snapshot.is_some_and(|one| one.identity.id == job.id.instance)
                && job.state == JobState::Running
                && matches!(job.kind, JobKind::Recover | JobKind::Undo)
        };
        if self.jobs.iter().any(|job| is_it(&job)) { Work::Going } else { Work::None }
    }
}

/// What every pane can do.
pub trait Pane {
    /// Takes a new snapshot or size: which rows are shown, which is selected.
    fn settle(&mut self, context: &Context<'_>, height: usize);

    /// Carries out one of its commands or a list's; whether it was one.
    fn run(&mut self, command: CommandId, context: &Context<'_>) -> bool;

    /// Its list: filter, marks, selection.
    fn list(&self) -> &dyn ListControls;

    /// The same, to be changed.
    fn list_mut(&mut self) -> &mut dyn ListControls;

    /// Everything about the selected row.
    fn detail(&self, context: &Context<'_>) -> Option<TextView>;

    /// The selected row as plain text.
    fn copy(&self, context: &Context<'_>) -> Option<String>;

    /// The row of the list that is drawn on this line of the pane.
    fn row_at(&self, line: usize) -> Option<usize> {
        // A caption and a heading stand above the rows.
        let window = self.list().window();
        let on_screen = line.checked_sub(2).filter(|line| *line < window.height)?;
        Some(window.offset + on_screen)
    }

    /// Draws it; where the cursor belongs.
    fn view(&self, context: &Context<'_>, canvas: Canvas<'_>) -> Option<Position>;

    /// Sessions an action would concern: the marked ones, or the selected one.
    fn sessions(&self, _context: &Context<'_>) -> Vec<BackendTarget> {
        Vec::new()
    }

    /// The prepared transaction an action would concern.
    fn prepared(&self, _context: &Context<'_>) -> Option<PreparedTarget> {
        None
    }

    /// The backup an action would concern, by its label.
    fn backup(&self) -> Option<String> {
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
    /// Backups.
    pub backups: backups::Backups,
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
            backups: backups::Backups::default(),
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
            PaneId::Backups => &self.backups,
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
            PaneId::Backups => &mut self.backups,
        }
    }
}

/// A list as every pane draws it: a caption, a heading, rows, a preview of the selected one.
pub struct ListView<'a> {
    /// What the list holds.
    pub caption: String,
    /// Said when there is no row.
    pub nothing: &'static str,
    /// Columns on screens of less than [`WIDE_FROM`] columns.
    pub narrow: &'static [Column],
    /// Columns on wider ones.
    pub wide: &'static [Column],
    /// Whether the list has an order of its own that can be changed.
    pub is_sorted: bool,
    /// Facts and text about the selected row.
    pub preview: Option<(String, &'a str)>,
    /// Rows on the screen.
    pub rows: Vec<Row>,
}

impl ListView<'_> {
    /// Draws it; where the cursor belongs.
    pub fn draw<T>(
        self,
        list: &dyn ListControls,
        panel: Option<&Panel<T>>,
        context: &Context<'_>,
        canvas: Canvas<'_>,
    ) -> Option<Position> {
        let Canvas { look, area, buf } = canvas;
        let (place, below) = preview::split(area);
        self.draw_caption(
            look,
            line_of(place, 0),
            list,
            panel.and_then(|panel| stale_text(panel, context.now)),
            buf,
        );
        let body = Rect::new(place.x, place.y + 1, place.width, place.height.saturating_sub(1));
        if self.rows.is_empty() {
            nothing(look, body, panel, self.nothing, buf);
            return None;
        }
        if let (Some(below), Some((facts, text))) = (below, &self.preview) {
            preview::draw(look, below, facts, text, buf);
        }
        let window = list.window();
        let view = View {
            skipped: window.columns_skipped,
            sort: self.is_sorted.then_some(window.sort),
            selected: window.selected,
        };
        let columns = if area.width >= WIDE_FROM { self.wide } else { self.narrow };
        table::draw(look, body, columns, &self.rows, view, buf)
    }

    /// What it holds, how it is filtered, whether it is stale.
    fn draw_caption(
        &self,
        look: &Look,
        line: Rect,
        list: &dyn ListControls,
        stale: Option<String>,
        buf: &mut Buffer,
    ) {
        let mut spans: Vec<(String, Style)> = Vec::new();
        let mut add = |text: String, role| spans.push((text + "  ", look.style(role)));
        if let Some(stale) = stale {
            // The reason may be long: half of the line is for what the list holds.
            let room = usize::from(line.width / 2);
            add(text::fit(&stale, room, look.symbols.ellipsis), Role::Stale);
        }
        if list.marked() > 0 {
            add(format!("{} marked", list.marked()), Role::Info);
        }
        if !list.filter_text().is_empty() {
            add(format!("filter: {}", text::clean(list.filter_text())), Role::Info);
        }
        add(text::clean(&self.caption).trim_end().to_owned(), Role::Text);
        put_spans_fitting(buf, line, &spans, look.symbols.ellipsis);
    }
}

/// Screens as wide as this show wide columns.
pub const WIDE_FROM: u16 = 140;

/// Where and with what to draw.
pub struct Canvas<'a> {
    /// With what.
    pub look: &'a Look,
    /// Where.
    pub area: Rect,
    /// On what.
    pub buf: &'a mut Buffer,
}

/// `STALE 12s: reason` when a panel's newest probe failed.
#[must_use]
pub fn stale_text<T>(panel: &Panel<T>, now: DateTime<Utc>) -> Option<String> {
    let error = panel.error.as_ref()?;
    let since = match panel.taken_at {
        Some(at) if panel.value.is_some() => {
            let seconds = u64::try_from((now - at).num_seconds()).unwrap_or(0);
            format!("STALE {}", text::age(seconds))
        }
        _ => "not known".to_owned(),
    };
    Some(format!("{since}: {}", text::clean(&error.fact)))
}

/// Says that there is nothing in a place, and why.
pub fn nothing<T>(
    look: &Look,
    place: Rect,
    panel: Option<&Panel<T>>,
    text: &str,
    buf: &mut Buffer,
) {
    let line =
        |number: u16| Rect::new(place.x + 1, place.y + number, place.width.saturating_sub(1), 1);
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
