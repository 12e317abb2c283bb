//! Text to read: details, whole queries, the operations log, plain rows to copy from.

use pgdeck_engine::api::BackendTarget;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::Outcome;
use crate::console::commands::CommandSpec;
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::widgets::window::{Line, Window};
use crate::console::widgets::{line_of, put, put_spans};
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
    /// The name of the row it tells about, and what can be done with that.
    subject: Option<String>,
    commands: Vec<&'static CommandSpec>,
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
            subject: None,
            commands: Vec::new(),
        }
    }

    /// The same, leading by their keys to commands on the row with this name.
    #[must_use]
    pub fn leading_to(mut self, subject: String, commands: Vec<&'static CommandSpec>) -> Self {
        self.subject = Some(subject);
        self.commands = commands;
        self
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
            Some(key) => {
                let command = self.commands.iter().find(|spec| spec.keys.contains(&key));
                if let (Some(spec), Some(subject)) = (command, &self.subject) {
                    return Outcome::RunOn(spec.id, subject.clone());
                }
            }
            None => {}
        }
        let lines = self.wrapped.borrow().as_ref().map_or(0, |(_, wrapped)| wrapped.line_count());
        let rows = usize::from(area.height.saturating_sub(3)).saturating_sub(self.head_lines());
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
        // A blank line between the facts and the text.
        y += u16::from(!self.head.is_empty());
        let y = y.min(inner.bottom());
        let rest = Rect::new(inner.x, y, inner.width, inner.bottom() - y);
        let foot = rest.height.min(1);
        let body = Rect { height: rest.height - foot, ..rest };
        let lines = self.body_view(look, body, buf);
        let foot = Rect::new(rest.x, body.bottom(), rest.width, foot);
        put_spans(buf, foot, &self.foot(look, lines));
        Some(Position::new(inner.x, inner.y))
    }

    /// Lines of the facts and of the blank below them.
    fn head_lines(&self) -> usize {
        self.head.len() + usize::from(!self.head.is_empty())
    }

    /// Where one is in the text, and the keys.
    fn foot(&self, look: &Look, lines: Option<String>) -> Line {
        let mut spans: Line = Vec::new();
        if let Some(lines) = lines {
            spans.push((format!("{lines}  "), look.style(Role::Dim)));
        }
        if self.awaits.is_some() {
            spans.push(("fetching the rest ...  ".to_owned(), look.style(Role::Info)));
        }
        for spec in &self.commands {
            let key = spec.keys.first().map(ToString::to_string).unwrap_or_default();
            spans.push((key, look.style(Role::Key)));
            spans.push((format!(" {}  ", spec.hint), look.style(Role::Text)));
        }
        for (key, word) in [("y", "copy"), ("Esc", "close")] {
            spans.push((key.to_owned(), look.style(Role::Key)));
            spans.push((format!(" {word}  "), look.style(Role::Text)));
        }
        spans
    }

    /// Draws the text; where one is in it when it does not fit.
    fn body_view(&self, look: &Look, area: Rect, buf: &mut Buffer) -> Option<String> {
        let width = usize::from(area.width).max(1);
        let mut cache = self.wrapped.borrow_mut();
        if cache.as_ref().is_none_or(|(at, _)| *at != width) {
            *cache = Some((width, text::wrap(&self.body, width)));
        }
        let (_, wrapped) = cache.as_ref()?;
        let rows = usize::from(area.height);
        for row in 0..rows {
            let Some(content) = wrapped.line(&self.body, self.scroll + row) else { break };
            put(buf, line_of(area, row), &text::clean(content), look.style(Role::Text));
        }
        let last = (self.scroll + rows).min(wrapped.line_count());
        (wrapped.line_count() > rows)
            .then(|| format!("lines {}-{last} of {}", self.scroll + 1, wrapped.line_count()))
    }
}
