//! Finding a command by typing: the palette, and the help that can be searched and run.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::Outcome;
use crate::console::commands::{CommandId, CommandSpec};
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::widgets::line_edit::LineEdit;
use crate::console::widgets::window::{Line, Window, wrap_into};
use crate::console::widgets::{line_of, put, put_spans};
use crate::theme::Role;

/// Lines about the selected command, and the height from which there is room for them.
const FOOT: u16 = 4;
const FOOT_FROM: u16 = 12;

/// One command as the finder shows it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which.
    pub spec: &'static CommandSpec,
    /// Why it cannot be used now.
    pub disabled: Option<String>,
    /// Whether it belongs to the pane on the screen.
    pub is_here: bool,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `:`, names only.
    Palette,
    /// `?`, names, keys and sentences.
    Help,
}

/// The finder.
#[derive(Debug)]
pub struct Finder {
    kind: Kind,
    entries: Vec<Entry>,
    edit: LineEdit,
    found: Vec<usize>,
    selected: usize,
}

impl Finder {
    /// A finder over these commands; what belongs to the pane should come first.
    #[must_use]
    pub fn new(kind: Kind, entries: Vec<Entry>) -> Self {
        let mut finder =
            Self { kind, entries, edit: LineEdit::default(), found: Vec::new(), selected: 0 };
        finder.search();
        finder
    }

    fn search(&mut self) {
        let wanted = self.edit.text().to_lowercase();
        let words: Vec<&str> = wanted.split_whitespace().collect();
        let matches = |entry: &Entry| {
            let keys: String = entry.spec.keys.iter().map(|key| format!("{key} ")).collect();
            let text = match self.kind {
                Kind::Palette => entry.spec.name.to_owned(),
                Kind::Help => format!("{} {} {keys}", entry.spec.name, entry.spec.help),
            };
            let text = text.to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        self.found = (0..self.entries.len()).filter(|i| matches(&self.entries[*i])).collect();
        // A name that begins with what was typed comes before one that merely contains it.
        self.found.sort_by_key(|i| !self.entries[*i].spec.name.starts_with(wanted.trim()));
        self.selected = 0;
    }

    fn chosen(&self) -> Option<&Entry> {
        self.found.get(self.selected).map(|index| &self.entries[*index])
    }

    pub(super) fn key(&mut self, key: Option<Key>, event: &KeyEvent) -> Outcome {
        let last = self.found.len().saturating_sub(1);
        match key {
            Some(Key::Esc) => return Outcome::Close,
            Some(Key::Down | Key::Tab | Key::Ctrl('n')) => {
                self.selected = (self.selected + 1).min(last)
            }
            Some(Key::Up | Key::BackTab | Key::Ctrl('p')) => {
                self.selected = self.selected.saturating_sub(1)
            }
            Some(Key::PageDown | Key::Ctrl('d')) => self.selected = (self.selected + 10).min(last),
            Some(Key::PageUp | Key::Ctrl('u')) => self.selected = self.selected.saturating_sub(10),
            Some(Key::Enter) => {
                return match self.chosen() {
                    Some(entry) if entry.disabled.is_none() => Outcome::Run(entry.spec.id),
                    _ => Outcome::Stay,
                };
            }
            _ => {
                if self.edit.key(event) {
                    self.search();
                }
            }
        }
        Outcome::Stay
    }

    pub(super) fn paste(&mut self, text: &str) -> Outcome {
        self.edit.paste(text);
        self.search();
        Outcome::Stay
    }

    pub(super) fn view(&self, look: &Look, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let (title, rows) = match self.kind {
            Kind::Palette => ("Commands: type to search, Enter runs, Esc closes", 14),
            Kind::Help => ("Help: type to search, Enter runs, Esc closes", usize::MAX),
        };
        let inner = Window::new(title).frame(look, area, rows.saturating_add(2), buf);
        let prompt = Rect::new(inner.x, inner.y, inner.width, 1);
        put(buf, prompt, ":", look.style(Role::Key));
        let field = Rect::new(inner.x + 1, inner.y, inner.width.saturating_sub(1), 1);
        let cursor = self.edit.view(look, field, buf);
        let (list, below) = match inner.height {
            // The sentence of the selected one in full, below a blank line.
            FOOT_FROM.. => (inner.height - 1 - FOOT, FOOT),
            height => (height.saturating_sub(1), 0),
        };
        let height = usize::from(list);
        self.foot_view(look, Rect::new(inner.x, inner.bottom() - below, inner.width, below), buf);
        let offset = self.selected.saturating_sub(height.saturating_sub(1));
        for (line, index) in self.found.iter().enumerate().skip(offset).take(height) {
            let y = inner.y + 1 + u16::try_from(line - offset).unwrap_or(0);
            let row = Rect::new(inner.x, y, inner.width, 1);
            self.entry_view(&self.entries[*index], line == self.selected, look, row, buf);
        }
        if self.found.is_empty() {
            let row = Rect::new(inner.x, inner.y + 1, inner.width, 1);
            put(buf, row, "No command is called so.", look.style(Role::Dim));
        }
        Some(cursor)
    }

    fn foot_view(&self, look: &Look, place: Rect, buf: &mut Buffer) {
        let Some(entry) = self.chosen() else { return };
        let mut lines: Vec<Line> = vec![Vec::new()];
        if let Some(reason) = &entry.disabled {
            let reason = format!("Not now: {reason}.");
            lines.push(vec![(reason, look.style(Role::Warn))]);
        }
        let width = usize::from(place.width);
        wrap_into(&mut lines, entry.spec.help, "", width, look.style(Role::Text));
        for (number, line) in lines.iter().enumerate() {
            put_spans(buf, line_of(place, number), line);
        }
    }

    fn entry_view(
        &self,
        entry: &Entry,
        is_selected: bool,
        look: &Look,
        row: Rect,
        buf: &mut Buffer,
    ) {
        let style = match (is_selected, &entry.disabled) {
            (true, _) => look.style(Role::Selection),
            (false, Some(_)) => look.style(Role::Dim),
            (false, None) => look.style(Role::Text),
        };
        let keys: Vec<String> = entry.spec.keys.iter().map(ToString::to_string).collect();
        let here = if entry.is_here { " " } else { look.symbols.ellipsis };
        let what = match &entry.disabled {
            Some(reason) => format!("({reason})"),
            None => entry.spec.help.to_owned(),
        };
        let text = format!("{here}{:<18} {:<14} {what}", entry.spec.name, keys.join(" "));
        let width = usize::from(row.width);
        let text = crate::text::fit(&text, width, look.symbols.ellipsis);
        put(buf, row, &format!("{text:<width$}"), style);
    }
}

/// The command a name stands for, for tests and the command line's palette.
#[must_use]
pub fn by_name(name: &str) -> Option<CommandId> {
    crate::console::commands::TABLE.iter().find(|spec| spec.name == name).map(|spec| spec.id)
}
