//! A ratatui backend that sends as few bytes as the terminal allows, and none that it does not.
//!
//! Owns the knowledge of where the cursor is and how the terminal writes. It never asks the
//! terminal anything: an answer may take seconds, or arrive as keys.

use std::io::{self, Write};

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::{Cell, CellWidth};
use ratatui::layout::{Position, Size};

use super::glyph::{self, Advance};
use super::motion;
use super::pen::{self, Pen};
use super::policy::TerminalPolicy;
use super::shown::Shown;
use super::size::SizeSource;

/// Erasing to the end of the line takes three bytes; fewer blanks are written as blanks.
const ERASE_LEN: u16 = 3;

/// Moving the cursor to the right takes at least as many bytes as this.
const REWRITE_MAX: u16 = 3;

/// The console's [`Backend`]: cells in, bytes for one kind of terminal out.
///
/// Everything of a frame goes to the writer in one `write_all` when ratatui flushes; a frame
/// without a change writes nothing.
#[derive(Debug)]
pub struct AnsiBackend<W: Write> {
    writer: W,
    policy: TerminalPolicy,
    size: SizeSource,
    frame: Vec<u8>,
    /// `None` when unknown.
    pen: Option<Pen>,
    /// Where the next character goes; `None` when unknown, as after the last column, where a
    /// terminal either waits with the wrap or has wrapped.
    cursor: Option<Position>,
    is_cursor_shown: Option<bool>,
    wanted_cursor: Position,
    wants_cursor: bool,
    shown: Shown,
    written_bytes: u64,
}

/// Blank cells in a row that may become one erase.
#[derive(Debug, Clone, Copy)]
struct Blanks {
    from: Position,
    len: u16,
}

impl<W: Write> AnsiBackend<W> {
    /// A backend that knows nothing of the terminal's state yet.
    pub fn new(writer: W, policy: TerminalPolicy, size: SizeSource) -> Self {
        Self {
            writer,
            policy,
            size,
            frame: Vec::with_capacity(4096),
            pen: None,
            cursor: None,
            is_cursor_shown: None,
            wanted_cursor: Position::ORIGIN,
            wants_cursor: false,
            shown: Shown::default(),
            written_bytes: 0,
        }
    }

    /// What may be sent.
    pub fn policy(&self) -> &TerminalPolicy {
        &self.policy
    }

    /// Where the bytes go.
    pub fn writer_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// Bytes handed to the writer since the start.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Forgets what is known of the terminal: someone else wrote to it. The next clear or draw
    /// starts from an absolute position and a reset pen.
    pub fn forget(&mut self) {
        self.frame.clear();
        self.pen = None;
        self.cursor = None;
        self.is_cursor_shown = None;
        self.shown.forget();
    }

    /// Places the cursor; a short way over known text is written again, as that is shorter than
    /// the shortest sequence.
    fn move_to(&mut self, to: Position) {
        if let (Some(from), Some(pen)) = (self.cursor, self.pen) {
            let gap = to.x.saturating_sub(from.x);
            if from.y == to.y && (1..=REWRITE_MAX).contains(&gap) {
                let start = self.frame.len();
                if self.shown.rewrite(&mut self.frame, from, gap, pen) {
                    self.cursor = Some(to);
                    return;
                }
                self.frame.truncate(start);
            }
        }
        motion::write(&mut self.frame, self.cursor, to);
        self.cursor = Some(to);
    }

    fn set_pen(&mut self, pen: Pen) {
        pen::write_change(&mut self.frame, self.pen, pen, &self.policy);
        self.pen = Some(pen);
    }

    /// Writes one cell that is known to lie inside the screen.
    fn put(&mut self, at: Position, symbol: &str, columns: u16, pen: Pen, screen: Size) {
        let room = screen.width - at.x;
        let is_last = at.y + 1 == screen.height && columns >= room;
        if is_last && !self.policy.can_fill_last_cell() {
            return;
        }
        self.move_to(at);
        self.set_pen(pen);
        let shown = if columns > room { " " } else { symbol };
        let columns = columns.min(room);
        let advance = glyph::write(&mut self.frame, shown, columns, self.policy.charset);
        self.cursor = match advance {
            Advance::Certain if columns < room => Some(Position::new(at.x + columns, at.y)),
            _ => None,
        };
        let left_over = self.shown.note(at, shown, columns, pen);
        for x in left_over {
            self.put(Position::new(x, at.y), " ", 1, Pen::PLAIN, screen);
        }
    }

    /// Writes the blanks that were held back: an erase when they reach the right margin.
    fn put_blanks(&mut self, blanks: Option<Blanks>, screen: Size) {
        let Some(Blanks { from, len }) = blanks else { return };
        let pen = Pen::PLAIN.for_blank(self.pen);
        if from.x + len >= screen.width && len > ERASE_LEN {
            self.move_to(from);
            self.set_pen(pen);
            self.frame.extend_from_slice(b"\x1b[K");
            self.shown.note_erased(from);
            return;
        }
        for x in from.x..from.x + len {
            self.put(Position::new(x, from.y), " ", 1, pen, screen);
        }
    }

    fn draw_cells<'a>(
        &mut self,
        content: impl Iterator<Item = (u16, u16, &'a Cell)>,
        screen: Size,
    ) {
        let mut blanks: Option<Blanks> = None;
        let mut covered = Position::ORIGIN;
        for (x, y, cell) in content {
            let at = Position::new(x, y);
            let is_second_half = y == covered.y && x < covered.x && cell.symbol() == " ";
            if x >= screen.width || y >= screen.height || is_second_half {
                continue;
            }
            let pen = Pen::of(cell, &self.policy);
            let is_blank = cell.symbol() == " ";
            if is_blank && pen.blank_is_erased() {
                match &mut blanks {
                    Some(run) if run.from.y == y && run.from.x + run.len == x => run.len += 1,
                    _ => {
                        self.put_blanks(blanks, screen);
                        blanks = Some(Blanks { from: at, len: 1 });
                    }
                }
                continue;
            }
            self.put_blanks(blanks.take(), screen);
            let pen = if is_blank { pen.for_blank(self.pen) } else { pen };
            let columns = columns(cell);
            self.put(at, cell.symbol(), columns, pen, screen);
            // ratatui also sends the second half of some wide characters. Writing there would
            // destroy the character that was just written.
            covered = Position::new(x + columns, y);
        }
        self.put_blanks(blanks, screen);
    }

    fn settle_cursor(&mut self) {
        if self.wants_cursor && self.cursor != Some(self.wanted_cursor) {
            self.move_to(self.wanted_cursor);
        }
        if self.is_cursor_shown != Some(self.wants_cursor) && self.policy.can_hide_cursor() {
            let sequence = if self.wants_cursor { b"\x1b[?25h" } else { b"\x1b[?25l" };
            self.frame.extend_from_slice(sequence);
        }
        self.is_cursor_shown = Some(self.wants_cursor);
    }
}

fn columns(cell: &Cell) -> u16 {
    let symbol = cell.symbol();
    if symbol.len() == 1 { 1 } else { cell.cell_width().max(1) }
}

impl<W: Write> Backend for AnsiBackend<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let screen = self.size.get();
        self.draw_cells(content, screen);
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.wants_cursor = false;
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.wants_cursor = true;
        Ok(())
    }

    /// Where the cursor was last put; the terminal is not asked.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.wanted_cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.wanted_cursor = position.into();
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        let at = match clear_type {
            ClearType::All => Position::ORIGIN,
            _ => self.wanted_cursor,
        };
        self.set_pen(Pen::PLAIN);
        self.move_to(at);
        match clear_type {
            ClearType::All => self.shown.note_cleared(self.size.get()),
            _ => self.shown.forget(),
        }
        self.frame.extend_from_slice(match clear_type {
            ClearType::All => b"\x1b[2J",
            ClearType::AfterCursor => b"\x1b[J",
            ClearType::BeforeCursor => b"\x1b[1J",
            ClearType::CurrentLine => b"\x1b[2K",
            ClearType::UntilNewLine => b"\x1b[K",
        });
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size.get())
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size.get(), pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.settle_cursor();
        if self.frame.is_empty() {
            return Ok(());
        }
        let written = self.writer.write_all(&self.frame).and_then(|()| self.writer.flush());
        self.written_bytes += u64::try_from(self.frame.len()).unwrap_or(u64::MAX);
        self.frame.clear();
        written
    }
}

#[cfg(test)]
mod budget;
#[cfg(test)]
mod tests;
