//! Things panes and dialogs are drawn with. Each takes plain values and a place; none keeps state
//! but a line of input.

pub mod line_edit;
pub mod table;
pub mod window;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Writes one line of cleaned text at the beginning of a place; what does not fit is cut.
pub fn put(buf: &mut Buffer, place: Rect, text: &str, style: Style) {
    let inside = place.intersection(buf.area);
    if inside.width > 0 && inside.height > 0 {
        buf.set_stringn(inside.x, inside.y, text, usize::from(inside.width), style);
    }
}

/// Fills a place with a style, and blanks.
pub fn fill(buf: &mut Buffer, place: Rect, style: Style) {
    let inside = place.intersection(buf.area);
    let blank = " ".repeat(usize::from(inside.width));
    for y in inside.top()..inside.bottom() {
        buf.set_stringn(inside.x, y, &blank, usize::from(inside.width), style);
    }
}

/// Writes pieces of text one after the other; where the next would begin.
pub fn put_spans(buf: &mut Buffer, place: Rect, spans: &[(String, Style)]) -> u16 {
    let mut x = place.x;
    for (text, style) in spans {
        let rest = Rect::new(x, place.y, place.right().saturating_sub(x), 1);
        put(buf, rest, text, *style);
        let width = u16::try_from(crate::text::width(text)).unwrap_or(u16::MAX);
        x = x.saturating_add(width).min(place.right());
    }
    x
}

/// The same, with a sign where a piece is cut.
pub fn put_spans_fitting(buf: &mut Buffer, place: Rect, spans: &[(String, Style)], sign: &str) {
    let mut room = usize::from(place.width);
    let mut fitting = Vec::new();
    for (text, style) in spans {
        if room == 0 {
            break;
        }
        let fitted = crate::text::fit(text.trim_end(), room, sign);
        let blanks = text.len() - text.trim_end().len();
        room = room.saturating_sub(crate::text::width(&fitted) + blanks);
        fitting.push((fitted + &" ".repeat(blanks), *style));
    }
    put_spans(buf, place, &fitting);
}

/// The line of a place with this number from its top; an empty one below its end.
#[must_use]
pub fn line_of(place: Rect, number: usize) -> Rect {
    let number = u16::try_from(number).unwrap_or(u16::MAX);
    if number < place.height {
        Rect::new(place.x, place.y + number, place.width, 1)
    } else {
        Rect::new(place.x, place.bottom(), 0, 0)
    }
}

/// Whole seconds of an age.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates; a negative age is clock noise"
)]
#[must_use]
pub fn whole(seconds: f64) -> u64 {
    seconds as u64
}

/// An age in at most five columns; nothing for none.
#[must_use]
pub fn age(seconds: Option<f64>) -> String {
    seconds.map_or_else(String::new, |seconds| crate::text::age(whole(seconds)))
}
