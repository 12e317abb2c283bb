//! A few lines under a list about its selected row, so that 80 columns are enough.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::look::Look;
use crate::console::widgets::{line_of, put};
use crate::text;
use crate::theme::Role;

/// Lines of a preview, its rule included.
pub const HEIGHT: u16 = 4;

/// Splits a place into the list's and the preview's; small places have no preview.
#[must_use]
pub fn split(area: Rect) -> (Rect, Option<Rect>) {
    if area.height < HEIGHT + 8 {
        return (area, None);
    }
    let list = Rect::new(area.x, area.y, area.width, area.height - HEIGHT);
    let preview = Rect::new(area.x, list.bottom(), area.width, HEIGHT);
    (list, Some(preview))
}

/// Rows a list has room for: its caption and heading taken off, and the preview.
#[must_use]
pub fn rows(height: usize) -> usize {
    let area = Rect::new(0, 0, 1, u16::try_from(height).unwrap_or(u16::MAX));
    usize::from(split(area).0.height.saturating_sub(2))
}

/// Draws a rule, a line of facts and the beginning of a text.
pub fn draw(look: &Look, place: Rect, facts: &str, body: &str, buf: &mut Buffer) {
    let rule = look.symbols.horizontal.repeat(usize::from(place.width));
    put(buf, line_of(place, 0), &rule, look.style(Role::Border));
    let width = usize::from(place.width).saturating_sub(1);
    let facts = text::fit(&text::clean(facts), width, look.symbols.ellipsis);
    put(buf, indented(line_of(place, 1)), &facts, look.style(Role::Dim));
    let room = width * usize::from(HEIGHT - 2);
    let body = text::clean_start(body, room * 4);
    let body = text::fit(&body, room, look.symbols.ellipsis);
    let wrapped = text::wrap(&body, width);
    for number in 0..usize::from(HEIGHT - 2) {
        if let Some(line) = wrapped.line(&body, number) {
            put(buf, indented(line_of(place, number + 2)), line, look.style(Role::Text));
        }
    }
}

fn indented(line: Rect) -> Rect {
    Rect::new(line.x + 1, line.y, line.width.saturating_sub(1), line.height)
}
