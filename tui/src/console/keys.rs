//! Keys as the command table names them. Only keys that every serial terminal can send:
//! no function keys, no Ctrl- or Shift-arrows.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A printable character, shifted ones as themselves.
    Char(char),
    /// Control and a letter.
    Ctrl(char),
    /// Enter.
    Enter,
    /// Escape.
    Esc,
    /// Tab.
    Tab,
    /// Shift-Tab.
    BackTab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
}

impl Key {
    /// The key of an event; `None` for keys pgdeck has no use for.
    #[must_use]
    pub fn from_event(event: &KeyEvent) -> Option<Self> {
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        if event.modifiers.contains(KeyModifiers::ALT) {
            return None;
        }
        Some(match event.code {
            // Ctrl-H and Ctrl-I, Ctrl-M are what some terminals send for these keys.
            KeyCode::Char('h') if control => Self::Backspace,
            KeyCode::Char('i') if control => Self::Tab,
            // Not Ctrl-J: that is a newline, which may have come with a paste.
            KeyCode::Char('m') if control => Self::Enter,
            KeyCode::Char(c) if control => Self::Ctrl(c.to_ascii_lowercase()),
            KeyCode::Char(c) => Self::Char(c),
            KeyCode::Enter => Self::Enter,
            KeyCode::Esc => Self::Esc,
            KeyCode::Tab => Self::Tab,
            KeyCode::BackTab => Self::BackTab,
            KeyCode::Backspace => Self::Backspace,
            KeyCode::Delete => Self::Delete,
            KeyCode::Up => Self::Up,
            KeyCode::Down => Self::Down,
            KeyCode::Left => Self::Left,
            KeyCode::Right => Self::Right,
            KeyCode::Home => Self::Home,
            KeyCode::End => Self::End,
            KeyCode::PageUp => Self::PageUp,
            KeyCode::PageDown => Self::PageDown,
            _ => return None,
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Char(' ') => "Space",
            Self::Char(c) => return write!(f, "{c}"),
            Self::Ctrl(c) => return write!(f, "Ctrl-{}", c.to_ascii_uppercase()),
            Self::Enter => "Enter",
            Self::Esc => "Esc",
            Self::Tab => "Tab",
            Self::BackTab => "Shift-Tab",
            Self::Backspace => "Backspace",
            Self::Delete => "Del",
            Self::Up => "Up",
            Self::Down => "Down",
            Self::Left => "Left",
            Self::Right => "Right",
            Self::Home => "Home",
            Self::End => "End",
            Self::PageUp => "PgUp",
            Self::PageDown => "PgDn",
        };
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
        KeyEvent::new(code, modifiers)
    }

    #[test]
    fn control_letters_that_are_keys_are_those_keys() {
        let control = |c| Key::from_event(&event(KeyCode::Char(c), KeyModifiers::CONTROL));
        assert_eq!(control('h'), Some(Key::Backspace));
        assert_eq!(control('m'), Some(Key::Enter));
        assert_eq!(control('j'), Some(Key::Ctrl('j')), "a newline confirms nothing");
        assert_eq!(control('D'), Some(Key::Ctrl('d')));
    }

    #[test]
    fn shifted_letters_are_themselves() {
        let shifted = event(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(Key::from_event(&shifted), Some(Key::Char('G')));
        assert_eq!(Key::Char('G').to_string(), "G");
        assert_eq!(Key::Ctrl('l').to_string(), "Ctrl-L");
    }

    #[test]
    fn alt_and_function_keys_are_nothing() {
        assert_eq!(Key::from_event(&event(KeyCode::F(1), KeyModifiers::NONE)), None);
        assert_eq!(Key::from_event(&event(KeyCode::Char('x'), KeyModifiers::ALT)), None);
    }
}
