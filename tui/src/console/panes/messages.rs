//! Messages: every condition that wants attention, with the Solution that leads to the action.

use pgdeck_engine::api::{Message, MessageCode};
use ratatui::layout::Position;

use super::{Canvas, Context, ListView, Pane, preview};
use crate::console::commands::CommandId;
use crate::console::dialogs::text_view::TextView;
use crate::console::list::{ListControls, ListState};
use crate::console::look::severity_role;
use crate::console::widgets::table::{Column, Row};
use crate::console::zone::Zone;
use crate::text::plural;

/// Columns of a list of messages.
pub const COLUMNS: [Column; 3] =
    [Column::text("level", 7), Column::number("since", 5), Column::text("message", 40)];

/// The key of a message.
pub type Key = (MessageCode, String);

/// The key of a message.
#[must_use]
pub fn key(message: &Message) -> Key {
    (message.code, message.subject.clone())
}

/// The cells of a message.
#[must_use]
pub fn cells(message: &Message, context: &Context<'_>) -> Vec<String> {
    let since = message.since.map(|since| {
        let seconds = u64::try_from((context.now - since).num_seconds()).unwrap_or(0);
        // In minutes: a list of messages must not tick.
        if seconds < 60 { "now".to_owned() } else { crate::text::age(seconds / 60 * 60) }
    });
    vec![message.severity.word().to_owned(), since.unwrap_or_default(), message.text.clone()]
}

/// Everything about a message.
#[must_use]
pub fn detail(message: &Message, zone: Zone) -> TextView {
    let since = message.since.map(|since| zone.full(since));
    let head = [
        ("level", message.severity.word().to_owned()),
        ("code", message.code.as_str().to_owned()),
        ("since", since.unwrap_or_default()),
        ("message", message.text.clone()),
    ];
    let head = head.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
    let body = format!("{}\n\nSOLUTION: {}", message.detail, message.solution);
    TextView::new("Message", head, body)
}

/// The pane.
#[derive(Debug, Default)]
pub struct Messages {
    list: ListState<Key>,
    shown: Vec<Message>,
}

impl Messages {
    fn selected(&self) -> Option<&Message> {
        self.shown.get(self.list.selected_index()?)
    }
}

impl Pane for Messages {
    fn settle(&mut self, context: &Context<'_>, height: usize) {
        let all = context.snapshot.map(|snapshot| snapshot.messages.as_slice()).unwrap_or_default();
        let filter = self.list.filter();
        let is_shown = |message: &&Message| {
            let texts =
                [message.severity.word(), &message.text, &message.detail, &message.solution];
            filter.is_empty() || filter.accepts(texts.into_iter())
        };
        self.shown = all.iter().filter(is_shown).cloned().collect();
        self.list.settle_at_top(self.shown.iter().map(key).collect(), preview::rows(height));
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
        self.selected().map(|message| detail(message, context.zone))
    }

    fn copy(&self, _context: &Context<'_>) -> Option<String> {
        self.selected().map(|one| format!("{}\n{}\n{}", one.text, one.detail, one.solution))
    }

    fn view(&self, context: &Context<'_>, canvas: Canvas<'_>) -> Option<Position> {
        let all = context.snapshot.map_or(0, |snapshot| snapshot.messages.len());
        let solution = self.selected().map(|message| format!("Solution: {}", message.solution));
        let solution = solution.unwrap_or_default();
        let window = self.list.window();
        let shown = self.shown.iter().skip(window.offset).take(window.height);
        let view = ListView {
            caption: format!("{}; o goes where the selected one is solved", plural(all, "message")),
            nothing: "Nothing wants attention.",
            narrow: &COLUMNS,
            wide: &COLUMNS,
            is_sorted: false,
            preview: self.selected().map(|message| (message.detail.clone(), solution.as_str())),
            rows: shown
                .map(|message| Row {
                    cells: cells(message, context),
                    role: severity_role(Some(message.severity)),
                    is_marked: self.list.is_marked(&key(message)),
                })
                .collect(),
        };
        view.draw::<()>(&self.list, None, context, canvas)
    }

    fn message(&self, _context: &Context<'_>) -> Option<Message> {
        self.selected().cloned()
    }
}
