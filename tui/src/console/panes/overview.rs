//! Overview: is it healthy, is my data safe, what do I press next; then every figure.

mod block;
mod data;
mod figures;
mod head;

use pgdeck_engine::api::{InstanceState, Message, Snapshot};
use ratatui::layout::{Position, Rect};

use super::{Canvas, Context, Pane, messages};
use crate::console::commands::CommandId;
use crate::console::dialogs::text_view::TextView;
use crate::console::list::{ListControls, ListState};
use crate::console::look::severity_role;
use crate::console::widgets::table::{self, Row, View};
use crate::console::widgets::{line_of, put};
use crate::theme::Role;

/// Rows of messages at least, and this part of the height at most.
const ROWS_MIN: u16 = 3;
const ROWS_PART: u16 = 6;

/// The pane; its list is that of the messages.
#[derive(Debug, Default)]
pub struct Overview {
    list: ListState<messages::Key>,
    shown: Vec<Message>,
    head_lines: u16,
}

/// Rows there are for messages in a pane of this height.
fn rows_max(height: u16) -> u16 {
    (height / ROWS_PART).max(ROWS_MIN)
}

impl Overview {
    fn selected(&self) -> Option<&Message> {
        self.shown.get(self.list.selected_index()?)
    }

    /// Lines the messages take: their heading and rows, or one line that says there is none.
    fn lines(&self, height: u16) -> u16 {
        let rows = u16::try_from(self.shown.len()).unwrap_or(u16::MAX).min(rows_max(height));
        if rows == 0 { 1 } else { rows + 1 }
    }

    fn draw_messages(
        &self,
        snapshot: &Snapshot,
        context: &Context<'_>,
        canvas: &mut Canvas<'_>,
        place: Rect,
    ) -> Option<Position> {
        if self.shown.is_empty() {
            let text = match (snapshot.status.state, self.list.filter_text()) {
                (InstanceState::Unknown, _) => "",
                (_, "") => " Nothing wants attention.",
                (_, _) => " No message passes the filter (Esc clears it).",
            };
            put(canvas.buf, place, text, canvas.look.style(Role::Ok));
            return None;
        }
        let window = self.list.window();
        let rows: Vec<Row> = self
            .shown
            .iter()
            .skip(window.offset)
            .take(window.height)
            .map(|message| Row {
                cells: messages::cells(message, context),
                role: severity_role(Some(message.severity)),
                is_marked: self.list.is_marked(&messages::key(message)),
            })
            .collect();
        let view = View { skipped: 0, sort: None, selected: window.selected };
        let shown = rows.len();
        let cursor = table::draw(canvas.look, place, &messages::COLUMNS, &rows, view, canvas.buf);
        if self.shown.len() > shown {
            let text =
                format!("{}-{} of {}", window.offset + 1, window.offset + shown, self.shown.len());
            let width = u16::try_from(text.len() + 1).unwrap_or(0).min(place.width);
            let right = Rect::new(place.right() - width, place.y, width, 1);
            put(canvas.buf, right, &text, canvas.look.style(Role::Dim));
        }
        cursor
    }
}

impl Pane for Overview {
    fn settle(&mut self, context: &Context<'_>, height: usize) {
        let all = context.snapshot.map(|snapshot| snapshot.messages.as_slice()).unwrap_or_default();
        self.head_lines = head::height(context.snapshot);
        let filter = self.list.filter();
        let accepts = |message: &&Message| {
            filter.is_empty()
                || filter.accepts([message.severity.word(), message.text.as_str()].into_iter())
        };
        self.shown = all.iter().filter(accepts).cloned().collect();
        let keys = self.shown.iter().map(messages::key).collect();
        let height = u16::try_from(height).unwrap_or(u16::MAX);
        self.list.settle_at_top(keys, usize::from(rows_max(height)));
    }

    fn run(&mut self, command: CommandId, _context: &Context<'_>) -> bool {
        self.list.run(command, messages::COLUMNS.len())
    }

    fn list(&self) -> &dyn ListControls {
        &self.list
    }

    fn list_mut(&mut self) -> &mut dyn ListControls {
        &mut self.list
    }

    fn detail(&self, context: &Context<'_>) -> Option<TextView> {
        self.selected().map(|message| messages::detail(message, context.zone))
    }

    fn copy(&self, _context: &Context<'_>) -> Option<String> {
        self.selected().map(|message| message.text.clone())
    }

    fn row_at(&self, line: usize) -> Option<usize> {
        let window = self.list.window();
        // The head, a blank line and the heading stand above the rows.
        let on_screen = line.checked_sub(usize::from(self.head_lines) + 2)?;
        (on_screen < window.height).then_some(window.offset + on_screen)
    }

    fn view(&self, context: &Context<'_>, mut canvas: Canvas<'_>) -> Option<Position> {
        let area = canvas.area;
        let Some(snapshot) = context.snapshot else {
            let text = " Looking for instances ...";
            put(canvas.buf, line_of(area, 1), text, canvas.look.style(Role::Dim));
            return None;
        };
        let inside = Rect::new(area.x + 1, area.y, area.width.saturating_sub(2), area.height);
        let lines = head::height(Some(snapshot));
        let head = Rect { height: lines.min(inside.height), ..inside };
        block::draw_cut(&head::head(snapshot, context), canvas.look, head, canvas.buf);
        let top = (area.y + lines + 1).min(area.bottom());
        let height = self.lines(area.height).min(area.bottom() - top);
        let cursor = self.draw_messages(
            snapshot,
            context,
            &mut canvas,
            Rect::new(area.x, top, area.width, height),
        );
        let top = (top + height + 1).min(area.bottom());
        let rest = Rect::new(inside.x, top, inside.width, area.bottom() - top);
        let look = canvas.look;
        let blocks = |room| figures::blocks(snapshot, context, look, room);
        block::draw(blocks, look, rest, canvas.buf);
        cursor
    }

    fn message(&self, _context: &Context<'_>) -> Option<Message> {
        self.selected().cloned()
    }
}
