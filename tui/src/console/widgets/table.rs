//! A list with columns: the first stays while the others scroll, a last one of text takes what
//! is left.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{fill, line_of, put, put_spans};
use crate::console::look::Look;
use crate::text::{self, Align};
use crate::theme::Role;

/// Which cells of a column look like their row. What a session is changes every second, who it
/// is does not: cells that keep their looks are not sent to the terminal again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All.
    Row,
    /// Those of rows that are dim, or that something is wrong with.
    Content,
    /// Those of rows that something is wrong with.
    Plain,
}

impl Tone {
    fn role(self, row: Role) -> Role {
        match (self, row) {
            (Self::Row, _) | (_, Role::Error | Role::Warn) | (Self::Content, Role::Dim) => row,
            _ => Role::Text,
        }
    }
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Its width in columns of the screen; the last column is as wide as is left.
    pub width: u16,
    /// Which side its cells stand on.
    pub align: Align,
    /// What its cells look like.
    pub tone: Tone,
}

impl Column {
    /// A column of text.
    #[must_use]
    pub const fn text(title: &'static str, width: u16) -> Self {
        Self { title, width, align: Align::Left, tone: Tone::Row }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn number(title: &'static str, width: u16) -> Self {
        Self { title, width, align: Align::Right, tone: Tone::Row }
    }

    /// The same with another tone.
    #[must_use]
    pub const fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// A row to be drawn.
#[derive(Debug)]
pub struct Row {
    /// One text per column, not cleaned yet.
    pub cells: Vec<String>,
    /// How it looks when it is not selected.
    pub role: Role,
    /// Whether it is marked.
    pub is_marked: bool,
}

/// How a table is scrolled and sorted.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    /// Columns scrolled away, the first not counted.
    pub skipped: usize,
    /// The column sorted by, and whether turned round.
    pub sort: Option<(usize, bool)>,
    /// Place of the selected row on the screen.
    pub selected: Option<usize>,
}

/// Draws heading and rows; where the cursor belongs.
pub fn draw(
    look: &Look,
    place: Rect,
    columns: &[Column],
    rows: &[Row],
    view: View,
    buf: &mut Buffer,
) -> Option<Position> {
    let layout = layout(columns, view.skipped, place.width);
    let mut heading = String::from(" ");
    for (index, width) in &layout {
        let column = columns[*index];
        let sign = match view.sort {
            Some((sorted, is_reversed)) if sorted == *index => {
                if is_reversed {
                    look.symbols.down
                } else {
                    look.symbols.up
                }
            }
            _ => "",
        };
        let title = format!("{}{sign}", column.title);
        heading.push_str(&text::align(
            &title,
            usize::from(*width),
            column.align,
            look.symbols.ellipsis,
        ));
        heading.push(' ');
    }
    put(buf, line_of(place, 0), heading.trim_end(), look.style(Role::Title));
    draw_more_signs(look, place, columns, &layout, buf);
    for (number, row) in rows.iter().enumerate() {
        let line = line_of(place, number + 1);
        if line.height == 0 {
            break;
        }
        draw_row(look, line, columns, &layout, row, view.selected == Some(number), buf);
    }
    let selected = view.selected.filter(|number| *number < rows.len())?;
    let line = line_of(place, selected + 1);
    (line.height > 0).then(|| Position::new(line.x, line.y))
}

/// Says where columns are out of sight: `[` and `]` scroll them.
fn draw_more_signs(
    look: &Look,
    place: Rect,
    columns: &[Column],
    layout: &[(usize, u16)],
    buf: &mut Buffer,
) {
    let heading = line_of(place, 0);
    if heading.height == 0 || heading.width < 2 {
        return;
    }
    let has_last = layout.last().is_some_and(|(index, _)| index + 1 == columns.len());
    if !has_last {
        let last = Rect::new(heading.right() - 1, heading.y, 1, 1);
        put(buf, last, look.symbols.right, look.style(Role::Key));
    }
    let is_scrolled = layout.get(1).is_some_and(|(index, _)| *index > 1);
    if let (true, Some((_, width))) = (is_scrolled, layout.first()) {
        let after_first = heading.x + 1 + width;
        put(buf, Rect::new(after_first, heading.y, 1, 1), look.symbols.left, look.style(Role::Key));
    }
}

fn draw_row(
    look: &Look,
    line: Rect,
    columns: &[Column],
    layout: &[(usize, u16)],
    row: &Row,
    is_selected: bool,
    buf: &mut Buffer,
) {
    let mut pieces = Vec::with_capacity(layout.len());
    let marked = if row.is_marked { look.symbols.marked } else { " " };
    pieces.push((marked.to_owned(), row.role));
    for (index, width) in layout {
        let cell = row.cells.get(*index).map_or("", String::as_str);
        // A cell may hold a megabyte: only what can be shown is looked at.
        let cell = text::clean_start(cell, usize::from(*width) * 8 + 16);
        let Column { align, tone, .. } = columns[*index];
        let mut piece = text::align(&cell, usize::from(*width), align, look.symbols.ellipsis);
        piece.push(' ');
        pieces.push((piece, tone.role(row.role)));
    }
    if is_selected {
        fill(buf, line, look.style(Role::Selection));
    }
    let styled = pieces
        .into_iter()
        .map(|(piece, role)| (piece, look.style(if is_selected { Role::Selection } else { role })));
    put_spans(buf, line, &styled.collect::<Vec<_>>());
}

/// Which columns are shown and how wide: the first, then those after the skipped ones while
/// there is room. The last of all columns is as wide as is left.
fn layout(columns: &[Column], skipped: usize, width: u16) -> Vec<(usize, u16)> {
    let mut left = width.saturating_sub(1);
    let mut shown = Vec::new();
    let indexes = (0..columns.len()).filter(|index| *index == 0 || *index > skipped);
    for index in indexes {
        let is_last = index + 1 == columns.len();
        let wanted = columns[index].width;
        if is_last && left > 0 && columns[index].align == Align::Left {
            shown.push((index, left.max(wanted.min(left))));
            break;
        }
        if left < wanted.min(4) {
            break;
        }
        let given = wanted.min(left);
        shown.push((index, given));
        left = left.saturating_sub(given + 1);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::number("pid", 6),
        Column::text("database", 10),
        Column::text("user", 10),
        Column::text("query", 20),
    ];

    #[test]
    fn what_is_wrong_shows_on_the_whole_row() {
        for tone in [Tone::Row, Tone::Content, Tone::Plain] {
            assert_eq!(tone.role(Role::Error), Role::Error);
            assert_eq!(tone.role(Role::Warn), Role::Warn);
        }
        assert_eq!(Tone::Row.role(Role::Info), Role::Info);
        assert_eq!(Tone::Content.role(Role::Info), Role::Text);
        assert_eq!(Tone::Content.role(Role::Dim), Role::Dim);
        assert_eq!(Tone::Plain.role(Role::Dim), Role::Text);
    }

    #[test]
    fn the_last_column_takes_what_is_left() {
        assert_eq!(layout(&COLUMNS, 0, 80), [(0, 6), (1, 10), (2, 10), (3, 50)]);
        assert_eq!(layout(&COLUMNS, 2, 80), [(0, 6), (3, 72)]);
    }

    #[test]
    fn a_narrow_place_shows_the_first_ones() {
        assert_eq!(layout(&COLUMNS, 0, 20), [(0, 6), (1, 10)]);
        assert_eq!(layout(&COLUMNS, 0, 5), [(0, 4)]);
        assert_eq!(layout(&COLUMNS, 0, 0), []);
    }
}
