//! Danger grades 1 and 2: yes or no, with "no" as the default.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::Outcome;
use crate::console::actions::Action;
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::widgets::window::{Window, fact_lines};
use crate::theme::Role;

/// A question with its facts.
#[derive(Debug)]
pub struct Confirm {
    title: String,
    facts: Vec<(&'static str, String)>,
    action: Action,
    is_yes: bool,
}

impl Confirm {
    /// Asks whether to do `action`. `facts` are label and text: host, instance, target, consequence.
    #[must_use]
    pub fn new(action: Action, facts: Vec<(&'static str, String)>) -> Self {
        Self { title: action.title(), facts, action, is_yes: false }
    }

    /// What it would do.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    pub(super) fn key(&mut self, key: Option<Key>) -> Outcome {
        match key {
            Some(Key::Char('y' | 'Y')) => Outcome::Do(self.action.clone()),
            Some(Key::Char('n' | 'N' | 'q') | Key::Esc) => Outcome::Close,
            Some(Key::Left | Key::Right | Key::Tab | Key::BackTab | Key::Char('h' | 'l')) => {
                self.is_yes = !self.is_yes;
                Outcome::Stay
            }
            Some(Key::Enter) if self.is_yes => Outcome::Do(self.action.clone()),
            Some(Key::Enter) => Outcome::Close,
            _ => Outcome::Stay,
        }
    }

    pub(super) fn view(&self, look: &Look, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let mut lines = fact_lines(look, &self.facts, Window::text_width(area));
        lines.push(Vec::new());
        let (no, yes) = if self.is_yes { (" No ", ">Yes<") } else { (">No<", " Yes ") };
        let style = |chosen| look.style(if chosen { Role::Selection } else { Role::Text });
        lines.push(vec![
            (no.to_owned(), style(!self.is_yes)),
            ("   ".to_owned(), look.style(Role::Text)),
            (yes.to_owned(), style(self.is_yes)),
            ("   y / n".to_owned(), look.style(Role::Key)),
        ]);
        let inner = Window::new(&self.title).danger().draw(look, area, &lines, 1, buf);
        let row = inner.bottom().saturating_sub(1);
        Some(Position::new(inner.x + if self.is_yes { 7 } else { 0 }, row))
    }
}
