//! Danger grade 3: the instance's name or the end of the gid has to be typed.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::Outcome;
use crate::console::actions::Action;
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::widgets::line_edit::LineEdit;
use crate::console::widgets::window::{Window, fact_lines};
use crate::theme::Role;

/// Characters of a gid's end that have to be typed.
pub const GID_END_CHARS: usize = 6;

/// Lines that must be seen: what to type, the field, the keys.
const TAIL: usize = 3;

/// A question that only typing the expected text answers with yes.
#[derive(Debug)]
pub struct Typed {
    title: String,
    facts: Vec<(&'static str, String)>,
    what: String,
    expected: String,
    action: Action,
    edit: LineEdit,
    was_wrong: bool,
}

impl Typed {
    /// Asks to type `expected`, described by `what`, before doing `action`.
    #[must_use]
    pub fn new(
        action: Action,
        facts: Vec<(&'static str, String)>,
        what: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            title: action.title(),
            facts,
            what: what.into(),
            expected: expected.into(),
            action,
            edit: LineEdit::default(),
            was_wrong: false,
        }
    }

    /// The end of a gid that has to be typed: its last characters, or all of a short one.
    #[must_use]
    pub fn end_of_gid(gid: &str) -> String {
        let skip = gid.chars().count().saturating_sub(GID_END_CHARS);
        gid.chars().skip(skip).collect()
    }

    /// What it would do.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// What has to be typed.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    pub(super) fn key(&mut self, key: Option<Key>, event: &KeyEvent) -> Outcome {
        match key {
            Some(Key::Esc) => Outcome::Close,
            Some(Key::Enter) if self.edit.text() == self.expected => {
                Outcome::Do(self.action.clone())
            }
            Some(Key::Enter) => {
                self.was_wrong = !self.edit.text().is_empty();
                Outcome::Stay
            }
            _ => {
                self.was_wrong = false;
                self.edit.key(event);
                Outcome::Stay
            }
        }
    }

    /// Pasting would defeat the purpose: the text stands on the screen above the field.
    pub(super) fn paste(&mut self, _text: &str) -> Outcome {
        Outcome::Stay
    }

    pub(super) fn view(&self, look: &Look, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let mut lines = fact_lines(look, &self.facts, Window::text_width(area));
        lines.push(Vec::new());
        lines.push(vec![
            (format!("Type {}: ", self.what), look.style(Role::Text)),
            (self.expected.clone(), look.style(Role::Key)),
        ]);
        lines.push(Vec::new());
        let end = if self.was_wrong { "that is not it" } else { "Enter does it, Esc does nothing" };
        let role = if self.was_wrong { Role::Error } else { Role::Dim };
        lines.push(vec![(end.to_owned(), look.style(role))]);
        let inner = Window::new(&self.title).danger().draw(look, area, &lines, TAIL, buf);
        let row = inner.bottom().saturating_sub(2);
        let field = Rect::new(inner.x, row, inner.width.min(60), 1);
        Some(self.edit.view(look, field, buf))
    }
}
