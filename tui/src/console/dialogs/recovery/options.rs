//! How to recover: what becomes of the old data, what happens at the target, another place.
//! Every field has a sensible default; most people just press Enter.

use std::path::PathBuf;

use crossterm::event::KeyEvent;
use pgdeck_engine::api::{OldData, RecoveryAction, RecoveryRequest};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::widgets::line_edit::LineEdit;
use crate::console::widgets::window::{Line, wrap_into};
use crate::console::widgets::{line_of, put, put_spans};
use crate::theme::Role;

/// The choices for the old data, the default first.
const OLD_DATA: [(OldData, &str, &str); 3] = [
    (
        OldData::Keep,
        "keep it aside",
        "The data that is there now is moved aside within its own directories: the recovery can be undone until you discard it. It needs room for both.",
    ),
    (
        OldData::Discard,
        "discard it",
        "The data that is there now is REMOVED before the restore: it cannot be put back. Choose it where there is no room for both. WAL that is nowhere else is saved in any case.",
    ),
    (
        OldData::Rewrite,
        "rewrite what differs (delta)",
        "Files are rewritten in place where they differ from the backup: fast where little has changed, but the old data CANNOT be put back.",
    ),
];

/// The choices at the target, the default first.
const ACTIONS: [(RecoveryAction, &str, &str); 3] = [
    (
        RecoveryAction::Pause,
        "pause, so that I can look",
        "The server stops replaying at the target and can be read. You look, then promote it, go further, or choose an earlier target.",
    ),
    (
        RecoveryAction::Promote,
        "promote at once",
        "The server becomes a primary on a new timeline as soon as it has been checked that it stands where the plan says.",
    ),
    (
        RecoveryAction::Shutdown,
        "shut down",
        "The server is stopped at the target; start it when you want it.",
    ),
];

/// Fields, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    OldData,
    Action,
    Directory,
    Port,
}

const FIELDS: [Field; 4] = [Field::OldData, Field::Action, Field::Directory, Field::Port];

/// The form.
#[derive(Debug, Default)]
pub struct Options {
    selected: usize,
    old_data: usize,
    action: usize,
    directory: LineEdit,
    port: LineEdit,
}

/// What a key in the form leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The form stays.
    Stay,
    /// The form is complete.
    Go,
}

impl Options {
    fn field(&self) -> Field {
        FIELDS.get(self.selected).copied().unwrap_or(Field::OldData)
    }

    /// Takes a key.
    pub fn key(&mut self, key: Option<Key>, event: &KeyEvent) -> Verdict {
        let is_text = matches!(self.field(), Field::Directory | Field::Port);
        match key {
            Some(Key::Enter) => return Verdict::Go,
            Some(Key::Down | Key::Tab) => self.select(1),
            Some(Key::Up | Key::BackTab) => self.select(FIELDS.len() - 1),
            Some(Key::Char('j')) if !is_text => self.select(1),
            Some(Key::Char('k')) if !is_text => self.select(FIELDS.len() - 1),
            Some(Key::Right | Key::Char(' ' | 'l')) if !is_text => self.turn(1),
            Some(Key::Left | Key::Char('h')) if !is_text => self.turn(2),
            _ => match self.field() {
                Field::Directory => drop(self.directory.key(event)),
                Field::Port => drop(self.port.key(event)),
                Field::OldData | Field::Action => {}
            },
        }
        Verdict::Stay
    }

    /// Takes pasted text, in a field of text.
    pub fn paste(&mut self, text: &str) {
        match self.field() {
            Field::Directory => self.directory.paste(text),
            Field::Port => self.port.paste(text),
            Field::OldData | Field::Action => {}
        }
    }

    fn select(&mut self, steps: usize) {
        self.selected = (self.selected + steps) % FIELDS.len();
    }

    fn turn(&mut self, steps: usize) {
        match self.field() {
            Field::OldData => self.old_data = (self.old_data + steps) % OLD_DATA.len(),
            Field::Action => self.action = (self.action + steps) % ACTIONS.len(),
            Field::Directory | Field::Port => {}
        }
    }

    /// Puts what was chosen into a request.
    ///
    /// # Errors
    /// What is wrong with a field, in words.
    pub fn apply(&self, request: &mut RecoveryRequest) -> Result<(), String> {
        request.old_data = OLD_DATA.get(self.old_data).map_or(OldData::Keep, |it| it.0);
        request.action = ACTIONS.get(self.action).map_or(RecoveryAction::Pause, |it| it.0);
        request.to = match self.directory.text().trim() {
            "" => None,
            text if text.starts_with('/') => Some(PathBuf::from(text)),
            text => return Err(format!("\"{text}\" does not begin with a slash")),
        };
        request.port = match self.port.text().trim() {
            "" => None,
            text => match text.parse::<u16>() {
                Ok(port) if port > 0 => Some(port),
                _ => return Err(format!("\"{text}\" is no port from 1 to 65535")),
            },
        };
        Ok(())
    }

    fn explanation(&self) -> &'static str {
        match self.field() {
            Field::OldData => OLD_DATA.get(self.old_data).map_or("", |it| it.2),
            Field::Action => ACTIONS.get(self.action).map_or("", |it| it.2),
            Field::Directory => {
                "Empty: the instance's own directory. Another one, such as on a new disk, is made if it does not exist; then the old data stays untouched where it is."
            }
            Field::Port => {
                "Empty: as before. Another one lets the recovered server run beside the old one."
            }
        }
    }

    /// Draws it; where the cursor belongs.
    pub fn view(&self, look: &Look, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let choice = |text: &str| format!("{} {text} {}", look.symbols.left, look.symbols.right);
        let rows = [
            ("Old data", choice(OLD_DATA.get(self.old_data).map_or("", |it| it.1))),
            ("At the target", choice(ACTIONS.get(self.action).map_or("", |it| it.1))),
            ("Directory", or_same(self.directory.text(), "(the instance's own)")),
            ("Port", or_same(self.port.text(), "(as before)")),
        ];
        let mut cursor = None;
        for (number, (label, value)) in rows.iter().enumerate() {
            let line = line_of(area, number * 2);
            let is_selected = number == self.selected;
            let sign = if is_selected { ">" } else { " " };
            let role = if is_selected { Role::Selection } else { Role::Text };
            put_spans(
                buf,
                line,
                &[
                    (format!("{sign} {label:<15}"), look.style(Role::Title)),
                    (format!(" {value} "), look.style(role)),
                ],
            );
            if is_selected {
                cursor = Some(Position::new(line.x, line.y));
                let field = Rect::new(line.x + 18, line.y, line.width.saturating_sub(18), 1);
                cursor = match self.field() {
                    Field::Directory => Some(self.directory.view(look, field, buf)),
                    Field::Port => Some(self.port.view(look, field, buf)),
                    Field::OldData | Field::Action => cursor,
                };
            }
        }
        let mut lines: Vec<Line> = Vec::new();
        let width = usize::from(area.width);
        wrap_into(&mut lines, self.explanation(), "", width, look.style(Role::Text));
        for (number, line) in lines.iter().enumerate() {
            put_spans(buf, line_of(area, rows.len() * 2 + 1 + number), line);
        }
        let foot = line_of(area, rows.len() * 2 + 6);
        put(
            buf,
            foot,
            "The next screen shows the plan; nothing has been changed yet.",
            look.style(Role::Dim),
        );
        cursor
    }
}

fn or_same(text: &str, same: &str) -> String {
    if text.is_empty() { same.to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;

    fn press(options: &mut Options, codes: &[KeyCode]) -> Verdict {
        let mut verdict = Verdict::Stay;
        for code in codes {
            let event = KeyEvent::new(*code, KeyModifiers::NONE);
            verdict = options.key(Key::from_event(&event), &event);
        }
        verdict
    }

    fn applied(options: &Options) -> Result<RecoveryRequest, String> {
        let mut request = RecoveryRequest::default();
        options.apply(&mut request).map(|()| request)
    }

    #[test]
    fn enter_alone_takes_the_defaults() {
        let mut options = Options::default();
        assert_eq!(press(&mut options, &[KeyCode::Enter]), Verdict::Go);
        assert_eq!(applied(&options), Ok(RecoveryRequest::default()));
    }

    #[test]
    fn choices_turn_both_ways() {
        let mut options = Options::default();
        press(&mut options, &[KeyCode::Right]);
        assert_eq!(applied(&options).unwrap().old_data, OldData::Discard);
        press(&mut options, &[KeyCode::Left, KeyCode::Left]);
        assert_eq!(applied(&options).unwrap().old_data, OldData::Rewrite);
        press(&mut options, &[KeyCode::Char('j'), KeyCode::Char(' ')]);
        assert_eq!(applied(&options).unwrap().action, RecoveryAction::Promote);
    }

    #[test]
    fn text_is_typed_where_it_belongs_and_checked() {
        let mut options = Options::default();
        press(&mut options, &[KeyCode::Down, KeyCode::Down]);
        options.paste("/new/data");
        press(&mut options, &[KeyCode::Char('j')]);
        press(&mut options, &[KeyCode::Tab, KeyCode::Char('7')]);
        let request = applied(&options).unwrap();
        assert_eq!(request.to, Some(PathBuf::from("/new/dataj")));
        assert_eq!(request.port, Some(7));
        options.paste("00000");
        assert!(applied(&options).unwrap_err().contains("no port"));
        let mut options = Options::default();
        press(&mut options, &[KeyCode::Up, KeyCode::Up, KeyCode::Char('x')]);
        assert!(applied(&options).unwrap_err().contains("slash"));
    }
}
