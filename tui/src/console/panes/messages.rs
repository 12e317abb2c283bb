//! Messages: every condition that wants attention, with the Solution that leads to the action.

use pgdeck_engine::api::{Message, MessageCode};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Caption, Context, Pane, nothing, preview};
use crate::console::commands::CommandId;
use crate::console::dialogs::text_view::TextView;
use crate::console::list::ListState;
use crate::console::look::{Look, severity_role};
use crate::console::widgets::line_of;
use crate::console::widgets::table::{self, Column, Row, View};

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
pub fn detail(message: &Message) -> TextView {
    let since = message.since.map(|since| {
        since.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S %:z").to_string()
    });
    let head = [
        ("level", message.severity.word().to_owned()),
        ("code", message.code.as_str().to_owned()),
        ("since", since.unwrap_or_default()),
        ("message", message.text.clone()),
    ];
    let head = head.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
    let body = format!(
        "{}\n\nSOLUTION: {}\n\nEsc, then o goes there.",
        message.detail, message.solution
    );
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
            let texts = [message.severity.word(), &message.text, &message.detail, &message.solution];
            filter.is_empty() || filter.accepts(texts.into_iter())
        };
        self.shown = all.iter().filter(is_shown).cloned().collect();
        self.list.settle(self.shown.iter().map(key).collect(), preview::rows(height));
    }

    fn run(&mut self, command: CommandId, _context: &Context<'_>) -> bool {
        self.list.run(command, COLUMNS.len())
    }

    fn filter(&self) -> &str {
        self.list.filter().text()
    }

    fn set_filter(&mut self, text: &str) {
        self.list.set_filter(text);
    }

    fn clear_marks(&mut self) -> bool {
        self.list.clear_marks()
    }

    fn has_row(&self) -> bool {
        self.list.selected().is_some()
    }

    fn detail(&self, _context: &Context<'_>) -> Option<TextView> {
        self.selected().map(detail)
    }

    fn copy(&self, _context: &Context<'_>) -> Option<String> {
        self.selected().map(|one| format!("{}\n{}\n{}", one.text, one.detail, one.solution))
    }

    fn view(
        &self,
        context: &Context<'_>,
        look: &Look,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let (place, below) = preview::split(area);
        let all = context.snapshot.map(|snapshot| snapshot.messages.len()).unwrap_or(0);
        let caption = Caption {
            text: format!("{all} messages; o goes where the selected one is solved"),
            filter: self.list.filter().text().to_owned(),
            marked: self.list.marks().len(),
        };
        caption.draw::<()>(look, line_of(place, 0), None, context, buf);
        let body = Rect::new(place.x, place.y + 1, place.width, place.height.saturating_sub(1));
        if self.shown.is_empty() {
            nothing::<()>(look, body, None, "Nothing wants attention.", buf);
            return None;
        }
        if let (Some(below), Some(message)) = (below, self.selected()) {
            let solution = format!("Solution: {}", message.solution);
            preview::draw(look, below, &message.detail, &solution, buf);
        }
        let offset = self.list.offset();
        let shown = self.shown.iter().skip(offset).take(self.list.height());
        let rows: Vec<Row> = shown
            .map(|message| Row {
                cells: cells(message, context),
                role: severity_role(Some(message.severity)),
                is_marked: self.list.is_marked(&key(message)),
            })
            .collect();
        let view = View {
            skipped: self.list.columns_skipped(),
            sort: None,
            selected: self.list.selected_index().map(|index| index.saturating_sub(offset)),
        };
        table::draw(look, body, &COLUMNS, &rows, view, buf)
    }

    fn message(&self, _context: &Context<'_>) -> Option<Message> {
        self.selected().cloned()
    }
}
