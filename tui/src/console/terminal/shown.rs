//! What the terminal shows, as far as it saves bytes or prevents leftovers to know it.

use std::collections::BTreeMap;
use std::ops::Range;

use ratatui::layout::{Position, Size};

use super::pen::Pen;

/// A cell as it was written. Only ASCII is remembered.
#[derive(Debug, Clone, Copy)]
struct Written {
    /// Zero when unknown.
    byte: u8,
    pen: Pen,
}

const UNKNOWN: Written = Written { byte: 0, pen: Pen::PLAIN };
const ERASED: Written = Written { byte: b' ', pen: Pen::PLAIN };

/// The backend's memory of the screen.
#[derive(Debug, Default)]
pub(super) struct Shown {
    width: u16,
    cells: Vec<Written>,
    /// Line and column where a wide character begins, and the column after its end.
    wide: BTreeMap<(u16, u16), u16>,
}

impl Shown {
    /// Nothing is known any more.
    pub(super) fn forget(&mut self) {
        self.cells.fill(UNKNOWN);
        self.wide.clear();
    }

    /// The whole screen was erased; it has this size.
    pub(super) fn note_cleared(&mut self, size: Size) {
        self.width = size.width;
        self.cells.clear();
        self.cells.resize(usize::from(size.width) * usize::from(size.height), ERASED);
        self.wide.clear();
    }

    /// The line was erased from here to its end.
    pub(super) fn note_erased(&mut self, from: Position) {
        let start = self.index(from);
        let end = self.index(Position::new(0, from.y + 1));
        if let Some(cells) = self.cells.get_mut(start..end) {
            cells.fill(ERASED);
        }
        self.wide.retain(|&(y, x), _| y != from.y || x < from.x);
    }

    /// `symbol` was written over `columns` columns.
    ///
    /// Returns the columns behind it that showed the rest of a wide character whose beginning is
    /// now gone. Terminals differ in what they leave there, and ratatui takes those cells for
    /// unchanged: they have to be blanked.
    #[must_use]
    pub(super) fn note(
        &mut self,
        at: Position,
        symbol: &str,
        columns: u16,
        pen: Pen,
    ) -> Range<u16> {
        let written = match symbol.as_bytes() {
            [byte] if columns == 1 => Written { byte: *byte, pen },
            _ => UNKNOWN,
        };
        let start = self.index(at);
        if let Some(cells) = self.cells.get_mut(start..start + usize::from(columns)) {
            cells.fill(written);
        }
        let end = at.x + columns;
        let mut left_until = end;
        if !self.wide.is_empty() {
            for x in at.x..end {
                left_until = left_until.max(self.wide.remove(&(at.y, x)).unwrap_or(end));
            }
        }
        if columns > 1 {
            self.wide.insert((at.y, at.x), end);
        }
        end..left_until.min(self.width.max(end))
    }

    /// Appends again what is shown on `count` cells, if all of it can be written with `pen`.
    /// When false, what was appended so far is of no use.
    pub(super) fn rewrite(&self, out: &mut Vec<u8>, from: Position, count: u16, pen: Pen) -> bool {
        let start = self.index(from);
        let Some(cells) = self.cells.get(start..start + usize::from(count)) else { return false };
        cells.iter().all(|cell| {
            out.push(cell.byte);
            match cell.byte {
                0..=0x1f | 0x7f.. => false,
                b' ' => cell.pen.for_blank(Some(pen)) == pen,
                _ => cell.pen == pen,
            }
        })
    }

    fn index(&self, at: Position) -> usize {
        usize::from(at.y) * usize::from(self.width) + usize::from(at.x)
    }
}
