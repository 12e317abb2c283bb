//! One line of input over `tui-textarea`. Not for passphrases: its undo and yank keep copies.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use tui_textarea::{CursorMove, TextArea};

use super::{fill, put};
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::terminal::input::textarea_input;
use crate::text;
use crate::theme::Role;

/// Characters a line takes.
const CHARS_MAX: usize = 500;

/// A line of input.
#[derive(Debug, Default)]
pub struct LineEdit {
    area: TextArea<'static>,
}

impl LineEdit {
    /// A line that begins with this text, the cursor at its end.
    #[must_use]
    pub fn with_text(text: &str) -> Self {
        let mut area = TextArea::from([text]);
        area.move_cursor(CursorMove::End);
        Self { area }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.area.lines().first().map_or("", String::as_str)
    }

    /// Takes a key; whether the text has changed.
    pub fn key(&mut self, event: &KeyEvent) -> bool {
        match Key::from_event(event) {
            Some(Key::Enter | Key::Tab | Key::BackTab | Key::Up | Key::Down | Key::Ctrl('j')) => {
                false
            }
            Some(Key::Char(_)) if self.text().chars().count() >= CHARS_MAX => false,
            _ => self.area.input(textarea_input(*event)),
        }
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str) {
        let room = CHARS_MAX.saturating_sub(self.text().chars().count());
        let line: String = text.chars().filter(|c| !c.is_control()).take(room).collect();
        self.area.insert_str(line);
    }

    /// Draws it; where the cursor stands.
    pub fn view(&self, look: &Look, place: Rect, buf: &mut Buffer) -> Position {
        fill(buf, place, look.style(Role::Text));
        let column = self.area.cursor().1;
        let before: String = self.text().chars().take(column).collect();
        let width = usize::from(place.width).max(1);
        let cursor = text::width(&before);
        // The part with the cursor is shown when the line is longer than its place.
        let skipped = cursor.saturating_sub(width - 1);
        let mut hidden = 0;
        let shown: String = self
            .text()
            .chars()
            .skip_while(|c| {
                let is_hidden = hidden < skipped;
                hidden += if is_hidden { text::width(c.encode_utf8(&mut [0; 4])) } else { 0 };
                is_hidden
            })
            .collect();
        put(buf, place, &text::clean(&shown), look.style(Role::Text));
        let x = u16::try_from(cursor - skipped).unwrap_or(0);
        Position::new((place.x + x).min(place.right().saturating_sub(1)), place.y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::{KeyCode, KeyModifiers};

    fn press(edit: &mut LineEdit, code: KeyCode) -> bool {
        edit.key(&KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn takes_one_line() {
        let mut edit = LineEdit::with_text("ab");
        assert!(press(&mut edit, KeyCode::Char('c')));
        assert!(!press(&mut edit, KeyCode::Enter));
        edit.paste("d\ne");
        assert_eq!(edit.text(), "abcde");
        assert!(press(&mut edit, KeyCode::Backspace));
        assert_eq!(edit.text(), "abcd");
    }

    #[test]
    fn is_bounded() {
        let mut edit = LineEdit::default();
        edit.paste(&"x".repeat(9_999));
        assert!(!press(&mut edit, KeyCode::Char('y')));
        assert_eq!(edit.text().len(), CHARS_MAX);
    }
}
