//! One line of input at the bottom of the screen: the filter, a number of minutes.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::Outcome;
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::widgets::line_edit::LineEdit;
use crate::console::widgets::put;
use crate::theme::Role;

/// What the line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Filter the list; takes effect while typing.
    Filter,
    /// Minutes of the idle-in-transaction rule.
    IdleMinutes,
    /// The name of a restore point.
    RestorePoint,
    /// The backup destination to set up.
    Destination,
    /// After it: how archived WAL is compressed.
    WalCompression,
    /// After that: how much is kept of the backups.
    Retention,
}

impl Purpose {
    /// Whether the line leads on to something that is confirmed.
    fn begins_something(self) -> bool {
        !matches!(self, Self::Filter | Self::IdleMinutes)
    }
}

/// The line.
#[derive(Debug)]
pub struct Input {
    purpose: Purpose,
    edit: LineEdit,
    before: String,
}

impl Input {
    /// A line that begins with `text`.
    #[must_use]
    pub fn new(purpose: Purpose, text: &str) -> Self {
        Self { purpose, edit: LineEdit::with_text(text), before: text.to_owned() }
    }

    pub(super) fn key(&mut self, key: Option<Key>, event: &KeyEvent) -> Outcome {
        match key {
            // Esc leaves the filter as it was before.
            Some(Key::Esc) if self.purpose.begins_something() => Outcome::Close,
            Some(Key::Esc) => Outcome::Line(self.purpose, self.before.clone()),
            Some(Key::Enter) => Outcome::Line(self.purpose, self.edit.text().to_owned()),
            _ if self.edit.key(event) => {
                Outcome::Changed(self.purpose, self.edit.text().to_owned())
            }
            _ => Outcome::Stay,
        }
    }

    pub(super) fn paste(&mut self, text: &str) -> Outcome {
        self.edit.paste(text);
        Outcome::Changed(self.purpose, self.edit.text().to_owned())
    }

    pub(super) fn view(&self, look: &Look, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let prompt = match self.purpose {
            Purpose::Filter => "/",
            Purpose::IdleMinutes => "Minutes idle in transaction: ",
            Purpose::RestorePoint => "Name of the restore point: ",
            Purpose::Destination => "Backup destination (a directory): ",
            Purpose::WalCompression => "Compression of WAL (zstd, zstd:1 to zstd:19, lz4, none): ",
            Purpose::Retention => "Keep (2 generations, 14d for days, empty: as it is): ",
        };
        let row = Rect::new(area.x, area.bottom().saturating_sub(1), area.width, 1);
        put(buf, row, &" ".repeat(usize::from(row.width)), look.style(Role::Text));
        put(buf, row, prompt, look.style(Role::Key));
        let width = u16::try_from(prompt.len()).unwrap_or(0);
        let field = Rect::new(row.x + width, row.y, row.width.saturating_sub(width), 1);
        Some(self.edit.view(look, field, buf))
    }
}
