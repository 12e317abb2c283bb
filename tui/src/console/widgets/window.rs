//! A window over the panes: frame, title, lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{fill, line_of, put, put_spans};
use crate::console::look::Look;
use crate::text;
use crate::theme::Role;

/// A line: pieces of text with their styles.
pub type Line = Vec<(String, Style)>;

/// Columns a window has at most; longer lines are hard to read.
const WIDTH_MAX: u16 = 100;

/// A window to be drawn.
#[derive(Debug)]
pub struct Window<'a> {
    title: &'a str,
    role: Role,
}

impl<'a> Window<'a> {
    /// A window with a title.
    #[must_use]
    pub fn new(title: &'a str) -> Self {
        Self { title, role: Role::Focus }
    }

    /// The same, for something that destroys or ends.
    #[must_use]
    pub fn danger(mut self) -> Self {
        self.role = Role::Danger;
        self
    }

    /// Columns for text within a window on this screen.
    #[must_use]
    pub fn text_width(area: Rect) -> usize {
        usize::from(outer_width(area).saturating_sub(4))
    }

    /// Draws frame and lines, as high as they need; the place inside. Where there is no room for
    /// all of them the last `tail` ones stay, which ask or tell the keys, and what is cut is
    /// counted.
    pub fn draw(
        &self,
        look: &Look,
        area: Rect,
        lines: &[Line],
        tail: usize,
        buf: &mut Buffer,
    ) -> Rect {
        let inner = self.frame(look, area, lines.len(), buf);
        let room = usize::from(inner.height);
        let cut = lines.len().saturating_sub(room);
        let first = if cut == 0 { lines.len() } else { room.saturating_sub(tail + 1) };
        for (number, line) in lines.iter().take(first).enumerate() {
            put_spans(buf, line_of(inner, number), line);
        }
        if cut > 0 {
            let text = format!("{} {} more lines", look.symbols.down, cut + 1);
            put(buf, line_of(inner, first), &text, look.style(Role::Warn));
            let last = lines.iter().skip(lines.len().saturating_sub(tail));
            for (number, line) in last.enumerate() {
                put_spans(buf, line_of(inner, first + 1 + number), line);
            }
        }
        inner
    }

    /// Draws the frame for so many lines, or as high as the screen allows; the place inside.
    pub fn frame(&self, look: &Look, area: Rect, lines: usize, buf: &mut Buffer) -> Rect {
        let wanted = u16::try_from(lines.saturating_add(2)).unwrap_or(u16::MAX);
        let height = wanted.min(area.height);
        let width = outer_width(area);
        let outer = Rect::new(
            area.x + (area.width - width) / 2,
            area.y + (area.height - height) / 2,
            width,
            height,
        );
        fill(buf, outer, look.style(Role::Text));
        frame_lines(look, outer, self.role, buf);
        let title = text::fit(
            &text::clean(self.title),
            usize::from(width.saturating_sub(6)),
            look.symbols.ellipsis,
        );
        let place = Rect::new(outer.x + 2, outer.y, outer.width.saturating_sub(4), 1);
        put(
            buf,
            place,
            &format!(" {title} "),
            look.style(if self.role == Role::Danger { Role::Danger } else { Role::Title }),
        );
        Rect::new(
            outer.x + 2,
            outer.y + 1,
            outer.width.saturating_sub(4),
            outer.height.saturating_sub(2),
        )
    }
}

fn outer_width(area: Rect) -> u16 {
    area.width.saturating_sub(4).clamp(10.min(area.width), WIDTH_MAX)
}

fn frame_lines(look: &Look, outer: Rect, role: Role, buf: &mut Buffer) {
    if outer.width < 2 || outer.height < 2 {
        return;
    }
    let style = look.style(role);
    let set = &look.symbols.border;
    let across = usize::from(outer.width - 2);
    let line =
        |left: &str, middle: &str, right: &str| format!("{left}{}{right}", middle.repeat(across));
    let top = Rect::new(outer.x, outer.y, outer.width, 1);
    put(buf, top, &line(set.top_left, set.horizontal_top, set.top_right), style);
    let bottom = Rect::new(outer.x, outer.bottom() - 1, outer.width, 1);
    put(buf, bottom, &line(set.bottom_left, set.horizontal_bottom, set.bottom_right), style);
    for y in outer.y + 1..outer.bottom() - 1 {
        put(buf, Rect::new(outer.x, y, 1, 1), set.vertical_left, style);
        put(buf, Rect::new(outer.right() - 1, y, 1, 1), set.vertical_right, style);
    }
}

/// Label and text pairs as lines: labels dim, texts wrapped beside them.
#[must_use]
pub fn fact_lines(look: &Look, facts: &[(&'static str, String)], width: usize) -> Vec<Line> {
    let label_width = facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0) + 2;
    let mut lines = Vec::new();
    for (label, value) in facts {
        let value = text::clean(value);
        let wrapped = text::wrap(&value, width.saturating_sub(label_width));
        for number in 0..wrapped.line_count().max(1) {
            let label = if number == 0 { *label } else { "" };
            let piece = wrapped.line(&value, number).unwrap_or_default().to_owned();
            lines.push(vec![
                (format!("{label:<label_width$}"), look.style(Role::Dim)),
                (piece, look.style(Role::Text)),
            ]);
        }
    }
    lines
}

/// Wraps pieces of text beside a label: continuation lines are indented by its width.
#[must_use]
pub fn wrap_pieces(label: (String, Style), pieces: &[(String, Style)], width: usize) -> Vec<Line> {
    let indent = text::width(&label.0);
    let whole: String = pieces.iter().map(|(piece, _)| piece.as_str()).collect();
    let wrapped = text::wrap(&whole, width.saturating_sub(indent));
    let mut lines = Vec::new();
    let mut begin = 0;
    for number in 0..wrapped.line_count().max(1) {
        let shown = wrapped.line(&whole, number).unwrap_or_default();
        // Lines come in order; what lies between two is the blank they were broken at.
        begin = whole[begin..].find(shown).map_or(begin, |at| begin + at);
        let first = match number {
            0 => label.clone(),
            _ => (" ".repeat(indent), label.1),
        };
        let mut line = vec![first];
        line.extend(styled_part(pieces, begin, begin + shown.len()));
        lines.push(line);
        begin += shown.len();
    }
    lines
}

/// The part of the joined pieces from byte `begin` to byte `end`, with the styles of the pieces.
fn styled_part(pieces: &[(String, Style)], begin: usize, end: usize) -> Line {
    let mut at = 0;
    let mut part = Vec::new();
    for (piece, style) in pieces {
        let from = begin.clamp(at, at + piece.len()) - at;
        let to = end.clamp(at, at + piece.len()) - at;
        if from < to {
            part.push((piece[from..to].to_owned(), *style));
        }
        at += piece.len();
    }
    part
}

/// Adds a text, wrapped and indented.
pub fn wrap_into(lines: &mut Vec<Line>, text: &str, indent: &str, width: usize, style: Style) {
    let wrapped = text::wrap(text, width.saturating_sub(indent.len()));
    for number in 0..wrapped.line_count() {
        let piece = wrapped.line(text, number).unwrap_or_default();
        lines.push(vec![(format!("{indent}{piece}"), style)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_styles_when_wrapped() {
        let (plain, bold) = (Style::new(), Style::new().bold());
        let pieces = [("one two ".to_owned(), plain), ("three four".to_owned(), bold)];
        let lines = wrap_pieces(("L ".to_owned(), plain), &pieces, 13);
        let texts: Vec<String> = lines
            .iter()
            .map(|line| line.iter().map(|(text, _)| text.as_str()).collect::<String>())
            .collect();
        assert_eq!(texts, ["L one two", "  three four"]);
        assert_eq!(lines[1].last().unwrap().1, bold);
        assert_eq!(wrap_pieces(("L ".to_owned(), plain), &[], 13).len(), 1);
    }
}
