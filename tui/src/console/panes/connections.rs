//! Connections: sessions with their waits, ages and blockers.

use std::cmp::Ordering;
use std::sync::Arc;

use pgdeck_engine::api::{BackendTarget, Session, SessionState, Snapshot};
use ratatui::layout::Position;

use super::{Canvas, Context, ListView, Pane, preview};
use crate::console::commands::CommandId;
use crate::console::dialogs::text_view::TextView;
use crate::console::list::{ListControls, ListState};
use crate::console::row_filter::RowFilter;
use crate::console::widgets::table::{Column, Row, Tone};
use crate::console::widgets::{age, whole};
use crate::text::plural;
use crate::theme::Role;

const NARROW: [Column; 11] = [
    Column::number("pid", 7).toned(Tone::Plain),
    Column::text("database", 9).toned(Tone::Plain),
    Column::text("user", 9).toned(Tone::Plain),
    Column::text("state", 8),
    Column::text("wait", 14),
    Column::number("xact", 5).toned(Tone::Plain),
    Column::number("query", 5).toned(Tone::Plain),
    Column::text("blockers", 8),
    Column::text("application", 12).toned(Tone::Plain),
    Column::text("client", 16).toned(Tone::Plain),
    Column::text("query text", 30).toned(Tone::Content),
];

const WIDE: [Column; 11] = [
    Column::number("pid", 8).toned(Tone::Plain),
    Column::text("database", 14).toned(Tone::Plain),
    Column::text("user", 12).toned(Tone::Plain),
    Column::text("state", 8),
    Column::text("wait", 22),
    Column::number("xact", 5).toned(Tone::Plain),
    Column::number("query", 5).toned(Tone::Plain),
    Column::text("blockers", 12),
    Column::text("application", 16).toned(Tone::Plain),
    Column::text("client", 20).toned(Tone::Plain),
    Column::text("query text", 30).toned(Tone::Content),
];

const SORT_XACT: usize = 5;

/// Sessions that did something within this time stand together among those in transactions, by
/// pid: short transactions do not make the rows of everybody else jump.
const JUST_NOW_SECONDS: f64 = 2.0;

/// The pane.
#[derive(Debug)]
pub struct Connections {
    list: ListState<BackendTarget>,
    shown: Vec<Arc<Session>>,
    with_background: bool,
    idle_minutes: u32,
}

impl Connections {
    /// A pane whose rule names sessions idle in a transaction for this long.
    #[must_use]
    pub fn new(idle_minutes: u32) -> Self {
        let mut list = ListState::default();
        list.set_sort(SORT_XACT, false);
        Self { list, shown: Vec::new(), with_background: false, idle_minutes }
    }

    /// Minutes of the rule.
    #[must_use]
    pub fn idle_minutes(&self) -> u32 {
        self.idle_minutes
    }

    /// Changes the rule.
    pub fn set_idle_minutes(&mut self, minutes: u32) {
        self.idle_minutes = minutes;
    }

    /// Selects a session by its pid, without the filter that may hide it.
    pub fn select(&mut self, pid: i32, snapshot: &Snapshot) {
        self.list.set_filter("");
        let sessions = snapshot.sessions.get().into_iter().flatten();
        if let Some(session) = sessions.into_iter().find(|session| session.pid == pid) {
            self.with_background |= !session.is_client();
            self.list.select(&session.target());
        }
    }

    /// Marks every session the rule names; how many.
    pub fn mark_idle(&mut self, snapshot: &Snapshot) -> usize {
        let sessions = snapshot.sessions.get().into_iter().flatten();
        let named: Vec<_> =
            sessions.filter(|session| self.is_over_rule(session)).map(|one| one.target()).collect();
        let count = named.len();
        named.into_iter().for_each(|target| self.list.mark(target));
        count
    }

    fn is_over_rule(&self, session: &Session) -> bool {
        let limit = f64::from(self.idle_minutes) * 60.0;
        session.state.is_idle_in_transaction()
            && session.state_age_seconds.is_some_and(|age| age >= limit)
    }

    fn selected(&self) -> Option<&Arc<Session>> {
        self.shown.get(self.list.selected_index()?)
    }

    fn role(&self, session: &Session) -> Role {
        if !session.blocked_by.is_empty() {
            Role::Error
        } else if self.is_over_rule(session) {
            Role::Warn
        } else if session.state == SessionState::Active {
            Role::Text
        } else if session.state.is_idle_in_transaction() {
            Role::Info
        } else {
            Role::Dim
        }
    }

    fn caption(&self, all: &[Arc<Session>]) -> String {
        let clients = all.iter().filter(|session| session.is_client());
        let count = |wanted: fn(&Session) -> bool| {
            clients.clone().filter(|session| wanted(session)).count()
        };
        let over = clients.clone().filter(|session| self.is_over_rule(session)).count();
        let rule = match over {
            0 => String::new(),
            over => format!(" ({over} over {} min)", self.idle_minutes),
        };
        format!(
            "{}: {} active, {} idle, {} idle in transaction{rule}, {} blocked",
            plural(count(|_| true), "client"),
            count(|session| session.state == SessionState::Active),
            count(|session| session.state == SessionState::Idle),
            count(|session| session.state.is_idle_in_transaction()),
            count(|session| !session.blocked_by.is_empty()),
        )
    }
}

/// Blockers as people name them.
#[must_use]
pub fn blockers(session: &Session) -> String {
    let pids = session.blocked_by.iter().filter(|pid| **pid != 0).map(ToString::to_string);
    let gids = session.blocked_by_prepared.iter().map(|gid| format!("prepared {gid}"));
    let all: Vec<String> = pids.chain(gids).collect();
    match (all.is_empty(), session.blocked_by.is_empty()) {
        (true, false) => "prepared".to_owned(),
        _ => all.join(","),
    }
}

/// A state in at most eight columns.
#[must_use]
pub fn short_state(state: SessionState) -> &'static str {
    match state {
        SessionState::Active => "active",
        SessionState::Idle => "idle",
        SessionState::IdleInTransaction => "idle tx",
        SessionState::IdleInTransactionAborted => "failedtx",
        SessionState::FastPath => "fastpath",
        SessionState::Starting => "starting",
        SessionState::Disabled => "hidden",
        SessionState::Background => "",
    }
}

/// A wait in few columns: the type says little, but for locks.
fn short_wait(session: &Session) -> String {
    match (session.wait_event_type.as_deref(), &session.wait_event) {
        (Some("Lock"), Some(event)) => format!("Lock:{event}"),
        (_, Some(event)) => event.clone(),
        (_, None) => String::new(),
    }
}

fn cells(session: &Session) -> Vec<String> {
    let user = match (&session.user, session.is_client()) {
        (Some(user), true) => user.as_str(),
        (None, true) => "",
        (_, false) => session.backend_type.as_str(),
    };
    vec![
        session.pid.to_string(),
        session.database.clone().unwrap_or_default(),
        user.to_owned(),
        short_state(session.state).to_owned(),
        short_wait(session),
        age(session.xact_age_seconds),
        query_age(session),
        blockers(session),
        session.application.clone(),
        session.client.clone(),
        session.query.clone(),
    ]
}

/// Of an idle session whole minutes: nothing changes on the screen while it does nothing. The
/// session's details tell seconds.
fn query_age(session: &Session) -> String {
    match session.query_age_seconds.map(whole) {
        Some(seconds) if session.state == SessionState::Idle => match seconds / 60 {
            0 => "<1m".to_owned(),
            minutes @ 1..100 => format!("{minutes}m"),
            _ => age(session.query_age_seconds),
        },
        _ => age(session.query_age_seconds),
    }
}

/// Old transactions, the oldest first; then who has just done something; then who is idle, the
/// last active first, so that somebody who begins or ends something moves few rows.
fn by_transaction(session: &Session) -> (u8, f64) {
    match (session.xact_age_seconds, session.state_age_seconds) {
        (Some(age), _) if age >= JUST_NOW_SECONDS => (0, -age),
        (Some(_), _) => (1, 0.0),
        (None, Some(age)) if age < JUST_NOW_SECONDS => (1, 0.0),
        (None, age) => (2, age.unwrap_or(f64::INFINITY)),
    }
}

/// Ages sort the oldest first, texts by the alphabet; the pid decides among equals, so that
/// rows do not jump.
fn compare(one: &Session, other: &Session, column: usize) -> Ordering {
    let ages = |a: Option<f64>, b: Option<f64>| b.unwrap_or(-1.0).total_cmp(&a.unwrap_or(-1.0));
    let order = match column {
        1 => one.database.cmp(&other.database),
        2 => one.user.cmp(&other.user),
        3 => one.state.cmp(&other.state),
        4 => other.wait().cmp(&one.wait()),
        SORT_XACT => {
            let ((group, place), (other_group, other_place)) =
                (by_transaction(one), by_transaction(other));
            group.cmp(&other_group).then(place.total_cmp(&other_place))
        }
        6 => ages(one.query_age_seconds, other.query_age_seconds),
        7 => other.blocked_by.len().cmp(&one.blocked_by.len()),
        8 => one.application.cmp(&other.application),
        9 => one.client.cmp(&other.client),
        10 => one.query.cmp(&other.query),
        _ => Ordering::Equal,
    };
    order.then(one.pid.cmp(&other.pid))
}

fn accepts(filter: &RowFilter, session: &Session) -> bool {
    if filter.is_empty() {
        return true;
    }
    let made = [session.pid.to_string(), session.wait(), blockers(session)];
    let kept = [
        session.database.as_deref().unwrap_or(""),
        session.user.as_deref().unwrap_or(""),
        session.application.as_str(),
        session.client.as_str(),
        session.state.word(),
        session.backend_type.as_str(),
        session.query.as_str(),
    ];
    filter.accepts(made.iter().map(String::as_str).chain(kept))
}

impl Pane for Connections {
    fn settle(&mut self, context: &Context<'_>, height: usize) {
        let all = context.snapshot.and_then(|snapshot| snapshot.sessions.get());
        let all = all.map(Vec::as_slice).unwrap_or_default();
        let mut shown: Vec<Arc<Session>> = all
            .iter()
            .filter(|session| self.with_background || session.is_client())
            .filter(|session| accepts(self.list.filter(), session))
            .cloned()
            .collect();
        let (column, is_reversed) = (self.list.sort(), self.list.is_reversed());
        shown.sort_by(|one, other| {
            let order = compare(one, other, column);
            if is_reversed { order.reverse() } else { order }
        });
        let keys = shown.iter().map(|session| session.target()).collect();
        self.list.settle(keys, preview::rows(height));
        self.list.retain_marks(|target| all.iter().any(|session| session.target() == *target));
        self.shown = shown;
    }

    fn run(&mut self, command: CommandId, context: &Context<'_>) -> bool {
        match command {
            CommandId::AllBackends => self.with_background = !self.with_background,
            CommandId::MarkIdle => {
                if let Some(snapshot) = context.snapshot {
                    self.mark_idle(snapshot);
                }
            }
            _ => return self.list.run(command, NARROW.len()),
        }
        true
    }

    fn list(&self) -> &dyn ListControls {
        &self.list
    }

    fn list_mut(&mut self) -> &mut dyn ListControls {
        &mut self.list
    }

    fn detail(&self, _context: &Context<'_>) -> Option<TextView> {
        let session = self.selected()?;
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        let state = format!("{} for {}", session.state.word(), age(session.state_age_seconds));
        let xmin = session.xmin_age.map(|age| format!("{age} transactions"));
        let head = [
            ("pid", format!("{} ({})", session.pid, session.backend_type)),
            ("database", optional(&session.database)),
            ("user", optional(&session.user)),
            ("application", session.application.clone()),
            ("client", session.client.clone()),
            ("state", state),
            ("wait", session.wait()),
            ("transaction", age(session.xact_age_seconds)),
            ("query", age(session.query_age_seconds)),
            ("blocked by", blockers(session)),
            ("xmin age", xmin.unwrap_or_default()),
        ];
        let head = head.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
        let title = format!("Session {}", session.pid);
        let view = TextView::new(title, head, session.query.clone());
        Some(if session.query_is_cut { view.awaiting(session.target()) } else { view })
    }

    fn copy(&self, _context: &Context<'_>) -> Option<String> {
        self.selected().map(|session| session.query.clone())
    }

    fn view(&self, context: &Context<'_>, canvas: Canvas<'_>) -> Option<Position> {
        let panel = context.snapshot.map(|snapshot| &snapshot.sessions);
        let all = panel.and_then(|panel| panel.get()).map(Vec::as_slice).unwrap_or_default();
        let window = self.list.window();
        let shown = self.shown.iter().skip(window.offset).take(window.height);
        let view = ListView {
            caption: self.caption(all),
            nothing: "No session to show.",
            narrow: &NARROW,
            wide: &WIDE,
            is_sorted: true,
            preview: self.selected().map(|session| (facts(session), session.query.as_str())),
            rows: shown
                .map(|session| Row {
                    cells: cells(session),
                    role: self.role(session),
                    is_marked: self.list.is_marked(&session.target()),
                })
                .collect(),
        };
        view.draw(&self.list, panel, context, canvas)
    }

    fn sessions(&self, _context: &Context<'_>) -> Vec<BackendTarget> {
        let is_marked = |target: &&BackendTarget| self.list.is_marked(target);
        let mut marked: Vec<_> = self.list.keys().iter().filter(is_marked).copied().collect();
        // Marks hidden by a filter still count: the caption tells how many there are.
        let hidden: Vec<_> =
            self.list.marks().iter().filter(|target| !marked.contains(target)).copied().collect();
        marked.extend(hidden);
        if marked.is_empty() { self.list.selected().copied().into_iter().collect() } else { marked }
    }
}

fn facts(session: &Session) -> String {
    let client = if session.client.is_empty() { "the server" } else { &session.client };
    let blocked = match blockers(session) {
        by if by.is_empty() => String::new(),
        by => format!(", blocked by {by}"),
    };
    let (pid, application, state) = (session.pid, &session.application, session.state.word());
    format!("{pid} {application} from {client}, {state}{blocked}")
}

#[cfg(test)]
mod tests;
