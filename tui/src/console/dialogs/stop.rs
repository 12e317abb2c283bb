//! Which way to stop: the four modes, each with its consequence spelled out.

use pgdeck_engine::api::StopMode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::Outcome;
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::widgets::window::{Line, Window, wrap_into};
use crate::theme::Role;

/// What the mode is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To stop.
    Stop,
    /// To stop and start again.
    Restart,
}

/// The menu.
#[derive(Debug)]
pub struct StopMenu {
    purpose: Purpose,
    instance_name: String,
    clients: Option<usize>,
    selected: usize,
}

impl StopMenu {
    /// A menu for an instance with so many clients; fast is offered first, as by `pg_ctl`.
    #[must_use]
    pub fn new(purpose: Purpose, instance_name: &str, clients: Option<usize>) -> Self {
        Self { purpose, instance_name: instance_name.to_owned(), clients, selected: 1 }
    }

    fn modes(&self) -> &'static [StopMode] {
        match self.purpose {
            Purpose::Stop => &StopMode::ALL,
            // A restart by SIGKILL would start on what it left behind: stop first, look, then start.
            Purpose::Restart => &StopMode::ALL[..3],
        }
    }

    pub(super) fn key(&mut self, key: Option<Key>) -> Outcome {
        let last = self.modes().len() - 1;
        match key {
            Some(Key::Down | Key::Char('j') | Key::Tab) => {
                self.selected = (self.selected + 1).min(last)
            }
            Some(Key::Up | Key::Char('k') | Key::BackTab) => {
                self.selected = self.selected.saturating_sub(1)
            }
            Some(Key::Esc | Key::Char('q')) => return Outcome::Close,
            Some(Key::Enter) => {
                return Outcome::StopMode(self.modes()[self.selected], self.purpose.clone());
            }
            _ => {}
        }
        Outcome::Stay
    }

    pub(super) fn view(&self, look: &Look, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let width = Window::text_width(area);
        let mut lines: Vec<Line> = Vec::new();
        let clients = match self.clients {
            Some(count) => format!("{count} clients are connected."),
            None => "The number of clients is not known.".to_owned(),
        };
        lines.push(vec![(clients, look.style(Role::Dim))]);
        lines.push(Vec::new());
        let mut cursor_line = 0;
        for (index, mode) in self.modes().iter().enumerate() {
            let is_selected = index == self.selected;
            if is_selected {
                cursor_line = lines.len();
            }
            let sign = if is_selected { "> " } else { "  " };
            let role = if is_selected { Role::Selection } else { Role::Title };
            lines.push(vec![(format!("{sign}{} ", mode.word()), look.style(role))]);
            wrap_into(&mut lines, mode.consequence(), "    ", width, look.style(Role::Text));
        }
        lines.push(Vec::new());
        lines.push(vec![(
            "Enter chooses, then it is asked again. Esc does nothing.".to_owned(),
            look.style(Role::Dim),
        )]);
        let verb = match self.purpose {
            Purpose::Stop => "Stop",
            Purpose::Restart => "Restart",
        };
        let title = format!("{verb} {}: how?", self.instance_name);
        let inner = Window::new(&title).draw(look, area, &lines, 1, buf);
        let row = u16::try_from(cursor_line).unwrap_or(0);
        Some(Position::new(inner.x, (inner.y + row).min(inner.bottom().saturating_sub(1))))
    }
}
