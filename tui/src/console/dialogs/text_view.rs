//! Text to read: details, whole queries, the operations log, plain rows to copy from.

use pgdeck_engine::api::BackendTarget;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::Outcome;
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::widgets::put;
use crate::console::widgets::window::Window;
use crate::text::{self, Wrapped};
use crate::theme::Role;

/// A text with a title. Long texts (a query may have 1 MB) are wrapped once per width.
#[derive(Debug)]
pub struct TextView {
    title: String,
    head: Vec<(String, String)>,
    body: String,
    wrapped: std::cell::RefCell<Option<(usize, Wrapped)>>,
    scroll: usize,
    /// The session whose whole query is still to come.
    awaits: Option<BackendTarget>,
}

impl TextView {
    /// A view of `head`, lines of label and text, over `body`.
    #[must_use]
    pub fn new(
        title: impl Into<String>,
        head: Vec<(String, String)>,
        body: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            head,
            body: body.into(),
            wrapped: std::cell::RefCell::new(None),
            scroll: 0,
            awaits: None,
        }
    }

    /// The same, to be completed with a session's whole query.
    #[must_use]
    pub fn awaiting(mut self, target: BackendTarget) -> Self {
        self.awaits = Some(target);
        self
    }

    /// The session whose whole query it waits for.
    #[must_use]
    pub fn awaited(&self) -> Option<BackendTarget> {
        self.awaits
    }

    /// Takes the whole query of the session it waits for.
    pub fn complete(&mut self, target: &BackendTarget, text: &str) {
        if self.awaits.as_ref() == Some(target) {
            self.awaits = None;
            text.clone_into(&mut self.body);
            *self.wrapped.borrow_mut() = None;
        }
    }

    pub(super) fn key(&mut self, key: Option<Key>, area: Rect) -> Outcome {
        let page = usize::from(area.height.saturating_sub(4)).max(1);
        match key {
            Some(Key::Esc | Key::Char('q') | Key::Enter) => return Outcome::Close,
            Some(Key::Char('y')) => return Outcome::Copy(self.body.clone()),
            Some(Key::Down | Key::Char('j')) => self.scroll = self.scroll.saturating_add(1),
            Some(Key::Up | Key::Char('k')) => self.scroll = self.scroll.saturating_sub(1),
            Some(Key::PageDown | Key::Char(' ') | Key::Ctrl('f')) => {
                self.scroll = self.scroll.saturating_add(page)
            }
            Some(Key::PageUp | Key::Ctrl('b')) => self.scroll = self.scroll.saturating_sub(page),
            Some(Key::Ctrl('d')) => self.scroll = self.scroll.saturating_add(page / 2),
            Some(Key::Ctrl('u')) => self.scroll = self.scroll.saturating_sub(page / 2),
            Some(Key::Home | Key::Char('g')) => self.scroll = 0,
            Some(Key::End | Key::Char('G')) => self.scroll = usize::MAX,
            _ => {}
        }
        let lines = self.wrapped.borrow().as_ref().map_or(0, |(_, wrapped)| wrapped.line_count());
        let rows = usize::from(area.height.saturating_sub(3)).saturating_sub(self.head.len());
        self.scroll = self.scroll.min(lines.saturating_sub(rows.max(1)));
        Outcome::Stay
    }

    pub(super) fn view(&self, look: &Look, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let inner = Window::new(&self.title).frame(look, area, usize::MAX, buf);
        let mut y = inner.y;
        let label_width = self.head.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        for (label, value) in self.head.iter().take(usize::from(inner.height)) {
            let row = Rect::new(inner.x, y, inner.width, 1);
            put(buf, row, &format!("{label:<label_width$}  "), look.style(Role::Dim));
            let indent = u16::try_from(label_width + 2).unwrap_or(0);
            let rest = Rect::new(row.x + indent, y, row.width.saturating_sub(indent), 1);
            let value = text::clean(value);
            put(
                buf,
                rest,
                &text::fit(&value, usize::from(rest.width), look.symbols.ellipsis),
                look.style(Role::Text),
            );
            y += 1;
        }
        let rest = Rect::new(inner.x, y, inner.width, inner.bottom().saturating_sub(y));
        self.body_view(look, rest, buf);
        Some(Position::new(inner.x, inner.y))
    }

    fn body_view(&self, look: &Look, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width).max(1);
        let mut cache = self.wrapped.borrow_mut();
        if cache.as_ref().is_none_or(|(at, _)| *at != width) {
            *cache = Some((width, text::wrap(&self.body, width)));
        }
        let Some((_, wrapped)) = cache.as_ref() else { return };
        let height = usize::from(area.height);
        let overflows = wrapped.line_count() > height;
        let rows = if overflows { height.saturating_sub(1) } else { height };
        for line in 0..rows {
            let Some(content) = wrapped.line(&self.body, self.scroll + line) else { break };
            let y = area.y + u16::try_from(line).unwrap_or(0);
            put(
                buf,
                Rect::new(area.x, y, area.width, 1),
                &text::clean(content),
                look.style(Role::Text),
            );
        }
        if overflows {
            let last = (self.scroll + rows).min(wrapped.line_count());
            let text = format!(
                "lines {}-{last} of {}  (j k space G, y copies)",
                self.scroll + 1,
                wrapped.line_count()
            );
            let row = Rect::new(area.x, area.bottom().saturating_sub(1), area.width, 1);
            put(buf, row, &text, look.style(Role::Dim));
        }
    }
}
