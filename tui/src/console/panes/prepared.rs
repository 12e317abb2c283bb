//! Prepared: in-doubt transactions of all databases, what they hold and whom they block.

use std::cmp::Ordering;

use pgdeck_engine::api::{PreparedTarget, PreparedTransaction};
use ratatui::layout::Position;

use super::{Canvas, Context, ListView, Pane, preview};
use crate::console::commands::CommandId;
use crate::console::dialogs::text_view::TextView;
use crate::console::list::{ListControls, ListState};
use crate::console::widgets::age;
use crate::console::widgets::table::{Column, Row};
use crate::text::plural;
use crate::theme::Role;

const COLUMNS: [Column; 10] = [
    Column::text("gid", 22),
    Column::number("age", 5),
    Column::number("blocks", 6),
    Column::number("locks", 5),
    Column::number("checks", 6),
    Column::text("database", 11),
    Column::text("owner", 9),
    Column::number("xid", 10),
    Column::number("holds xmin", 10),
    Column::text("after restart", 13),
];

const WIDE: [Column; 10] = [
    Column::text("gid", 44),
    Column::number("age", 6),
    Column::number("blocks", 6),
    Column::number("locks", 6),
    Column::number("checks", 6),
    Column::text("database", 18),
    Column::text("owner", 18),
    Column::number("xid", 11),
    Column::number("holds xmin", 12),
    Column::text("after restart", 13),
];

const SORT_AGE: usize = 1;

/// The key of a row: database and gid.
type Key = (String, String);

/// The pane.
#[derive(Debug)]
pub struct Prepared {
    list: ListState<Key>,
    shown: Vec<PreparedTransaction>,
}

impl Default for Prepared {
    fn default() -> Self {
        let mut list = ListState::default();
        list.set_sort(SORT_AGE, false);
        Self { list, shown: Vec::new() }
    }
}

fn key(one: &PreparedTransaction) -> Key {
    (one.database.clone(), one.gid.clone())
}

fn cells(one: &PreparedTransaction) -> Vec<String> {
    vec![
        one.gid.clone(),
        age(Some(one.age_seconds)),
        one.blocked.len().to_string(),
        one.locks.len().to_string(),
        one.seen_checks.to_string(),
        one.database.clone(),
        one.owner.clone(),
        one.transaction.to_string(),
        one.xid_age.to_string(),
        if one.restart_log_line.is_some() { "in the log".to_owned() } else { String::new() },
    ]
}

fn compare(one: &PreparedTransaction, other: &PreparedTransaction, column: usize) -> Ordering {
    let order = match column {
        0 => one.gid.cmp(&other.gid),
        2 => other.blocked.len().cmp(&one.blocked.len()),
        3 => other.locks.len().cmp(&one.locks.len()),
        4 => other.seen_checks.cmp(&one.seen_checks),
        5 => one.database.cmp(&other.database),
        6 => one.owner.cmp(&other.owner),
        7 => one.transaction.as_u32().cmp(&other.transaction.as_u32()),
        8 => other.xid_age.cmp(&one.xid_age),
        _ => one.prepared_at.cmp(&other.prepared_at),
    };
    order.then_with(|| key(one).cmp(&key(other)))
}

fn locks_text(one: &PreparedTransaction) -> String {
    let locks: Vec<String> =
        one.locks.iter().map(|lock| format!("{} ({})", lock.object, lock.mode)).collect();
    if locks.is_empty() { "holds no locks on objects".to_owned() } else { locks.join(", ") }
}

fn facts(one: &PreparedTransaction) -> String {
    let whose = || format!("{} in {} by {}", one.gid, one.database, one.owner);
    one.restart_log_line.clone().unwrap_or_else(whose)
}

/// `limit_seconds` is the age from which one is a message.
fn role(one: &PreparedTransaction, limit_seconds: f64) -> Role {
    match (one.blocked.is_empty(), one.age_seconds >= limit_seconds) {
        (false, _) => Role::Error,
        (true, true) => Role::Warn,
        (true, false) => Role::Text,
    }
}

impl Prepared {
    /// Selects one, without the filter that may hide it.
    pub fn select(&mut self, target: &PreparedTarget) {
        self.list.set_filter("");
        self.list.select(&(target.database.clone(), target.gid.clone()));
    }

    fn selected(&self) -> Option<&PreparedTransaction> {
        self.shown.get(self.list.selected_index()?)
    }
}

impl Pane for Prepared {
    fn settle(&mut self, context: &Context<'_>, height: usize) {
        let all = context.snapshot.and_then(|snapshot| snapshot.prepared.get());
        let all = all.map(Vec::as_slice).unwrap_or_default();
        let filter = self.list.filter();
        let is_shown = |one: &&PreparedTransaction| {
            let locks = locks_text(one);
            let texts = [one.gid.as_str(), &one.database, &one.owner, &locks];
            filter.is_empty() || filter.accepts(texts.into_iter())
        };
        let mut shown: Vec<_> = all.iter().filter(is_shown).cloned().collect();
        let (column, is_reversed) = (self.list.sort(), self.list.is_reversed());
        shown.sort_by(|one, other| {
            let order = compare(one, other, column);
            if is_reversed { order.reverse() } else { order }
        });
        self.list.settle(shown.iter().map(key).collect(), preview::rows(height));
        self.list.retain_marks(|mark| all.iter().any(|one| key(one) == *mark));
        self.shown = shown;
    }

    fn run(&mut self, command: CommandId, _context: &Context<'_>) -> bool {
        self.list.run(command, COLUMNS.len())
    }

    fn list(&self) -> &dyn ListControls {
        &self.list
    }

    fn list_mut(&mut self) -> &mut dyn ListControls {
        &mut self.list
    }

    fn detail(&self, context: &Context<'_>) -> Option<TextView> {
        let one = self.selected()?;
        let blocked: Vec<String> = one.blocked.iter().map(ToString::to_string).collect();
        let at = context.zone.full(one.prepared_at);
        let head = [
            ("gid", one.gid.clone()),
            ("transaction", one.transaction.to_string()),
            ("database", one.database.clone()),
            ("owner", one.owner.clone()),
            ("prepared", format!("{at}, {} ago", age(Some(one.age_seconds)))),
            ("blocks", if blocked.is_empty() { "nobody".to_owned() } else { blocked.join(", ") }),
            ("holds xmin", format!("{} transactions back", one.xid_age)),
            ("seen", format!("on {} checks", one.seen_checks)),
            (
                "in the log",
                one.restart_log_line
                    .clone()
                    .unwrap_or_else(|| "no line of a restart after a crash".to_owned()),
            ),
        ];
        let head = head.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
        let mut body = String::from("It keeps locked:\n");
        for lock in &one.locks {
            body.push_str(&format!("  {} {} {}\n", lock.mode, lock.kind, lock.object));
        }
        body.push_str("\nIt is in doubt when its coordinator is gone for good: ask there before resolving it. One that is seen on many checks while no client works on it probably is.");
        Some(TextView::new("Prepared transaction", head, body))
    }

    fn copy(&self, _context: &Context<'_>) -> Option<String> {
        self.selected().map(|one| one.gid.clone())
    }

    fn view(&self, context: &Context<'_>, canvas: Canvas<'_>) -> Option<Position> {
        let panel = context.snapshot.map(|snapshot| &snapshot.prepared);
        let all = panel.and_then(|panel| panel.get()).map(Vec::as_slice).unwrap_or_default();
        let blocked: usize = all.iter().map(|one| one.blocked.len()).sum();
        let limit = f64::from(context.limits.prepared_minutes) * 60.0;
        let locks = self.selected().map(locks_text).unwrap_or_default();
        let window = self.list.window();
        let shown = self.shown.iter().skip(window.offset).take(window.height);
        let view = ListView {
            caption: format!(
                "{}, {} behind them",
                plural(all.len(), "prepared transaction"),
                plural(blocked, "session")
            ),
            nothing: "No transaction is prepared.",
            narrow: &COLUMNS,
            wide: &WIDE,
            is_sorted: true,
            preview: self.selected().map(|one| (facts(one), locks.as_str())),
            rows: shown
                .map(|one| Row {
                    cells: cells(one),
                    role: role(one, limit),
                    is_marked: self.list.is_marked(&key(one)),
                })
                .collect(),
        };
        view.draw(&self.list, panel, context, canvas)
    }

    fn prepared(&self, _context: &Context<'_>) -> Option<PreparedTarget> {
        self.selected().map(PreparedTransaction::target)
    }
}
