//! What the sequences behind `ESC [` and `ESC O` mean. Sources: xterm's control sequences, the
//! DEC VT220 programmer's reference, `console_codes(4)`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::Input;

/// The meaning of one complete `ESC [` sequence.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// `ESC [ 200 ~`.
    PasteBegins,
    /// A key or a mouse button.
    Input(Input),
}

/// The numbers of a sequence, and whether the key went up.
struct Parameters {
    numbers: [Option<u16>; 3],
    is_release: bool,
}

impl Parameters {
    fn parse(text: &str) -> Option<Self> {
        let mut found = Self { numbers: [None; 3], is_release: false };
        for (i, part) in text.split(';').enumerate() {
            // `modifier:kind`, as the kitty protocol reports it; kind 3 is a release.
            let mut parts = part.split(':');
            let number = parts.next().filter(|text| !text.is_empty());
            let number = number.map(str::parse).transpose().ok()?;
            found.is_release |= i == 1 && parts.next() == Some("3");
            if let Some(slot) = found.numbers.get_mut(i) {
                *slot = number;
            }
        }
        Some(found)
    }

    fn modifiers(&self) -> KeyModifiers {
        let mask = self.numbers[1].unwrap_or(1).saturating_sub(1);
        let mut modifiers = KeyModifiers::NONE;
        for (bit, modifier) in
            [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)]
        {
            if mask & bit != 0 {
                modifiers |= modifier;
            }
        }
        modifiers
    }
}

/// What `ESC [`, `parameters`, `last` means; `None` for everything that is no key, such as the
/// answers to questions that we did not ask.
#[must_use]
pub(super) fn meaning(parameters: &[u8], last: u8) -> Option<Meaning> {
    let text = std::str::from_utf8(parameters).ok()?;
    if let Some(report) = text.strip_prefix('<') {
        return mouse(report, last).map(|event| Meaning::Input(Input::Mouse(event)));
    }
    let parameters = Parameters::parse(text)?;
    let first = parameters.numbers[0];
    let code = match (last, first) {
        (b'~', Some(200)) => return Some(Meaning::PasteBegins),
        (b'~', Some(27)) => other_key(parameters.numbers[2]?)?,
        (b'~' | b'^' | b'@', Some(number)) => numbered_key(number)?,
        (b'u', Some(number)) => other_key(number)?,
        (b'Z', _) => KeyCode::BackTab,
        // A cursor position has two numbers; only the key has a one first.
        (b'A'..=b'D' | b'H' | b'F' | b'P'..=b'S', None | Some(1)) => lettered_key(last)?,
        (b'a'..=b'd', None) => lettered_key(last.to_ascii_uppercase())?,
        _ => return None,
    };
    if parameters.is_release {
        return None;
    }
    let mut modifiers = parameters.modifiers();
    match last {
        b'Z' | b'a'..=b'd' => modifiers |= KeyModifiers::SHIFT,
        b'^' => modifiers |= KeyModifiers::CONTROL,
        b'@' => modifiers |= KeyModifiers::CONTROL | KeyModifiers::SHIFT,
        _ => {}
    }
    Some(Meaning::Input(Input::Key(KeyEvent::new(code, modifiers))))
}

/// The key behind `ESC O last`: cursor and keypad keys in application mode.
#[must_use]
pub(super) fn ss3_key(last: u8) -> Option<KeyCode> {
    match last {
        b'M' => Some(KeyCode::Enter),
        b'I' => Some(KeyCode::Tab),
        b'X' => Some(KeyCode::Char('=')),
        // `*` `+` `,` `-` `.` `/` and the digits lie 0x40 above themselves.
        b'j'..=b'y' => Some(KeyCode::Char(char::from(last - 0x40))),
        _ => lettered_key(last),
    }
}

fn lettered_key(letter: u8) -> Option<KeyCode> {
    Some(match letter {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'P'..=b'S' => KeyCode::F(letter - b'P' + 1),
        _ => return None,
    })
}

fn numbered_key(number: u16) -> Option<KeyCode> {
    let function = |first: u16, key: u8| {
        u8::try_from(number - first).ok().map(|offset| KeyCode::F(key + offset))
    };
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => function(11, 1),
        17..=21 => function(17, 6),
        23..=24 => function(23, 11),
        _ => None,
    }
}

/// A key that is reported by its code point.
fn other_key(code_point: u16) -> Option<KeyCode> {
    match code_point {
        9 => Some(KeyCode::Tab),
        13 => Some(KeyCode::Enter),
        27 => Some(KeyCode::Esc),
        8 | 127 => Some(KeyCode::Backspace),
        // Private use: keys that have no character.
        0xe000..=0xf8ff => None,
        _ => char::from_u32(u32::from(code_point)).filter(|c| !c.is_control()).map(KeyCode::Char),
    }
}

/// `button ; column ; row`, then `M` for a press and `m` for a release.
fn mouse(report: &str, last: u8) -> Option<MouseEvent> {
    let mut numbers = report.split(';').map(str::parse::<u16>);
    let mut next = || numbers.next()?.ok();
    let (button, column, row) = (next()?, next()?, next()?);
    let kind = match (button & !0b1_1100, last) {
        (64, b'M') => MouseEventKind::ScrollUp,
        (65, b'M') => MouseEventKind::ScrollDown,
        (0, b'M') => MouseEventKind::Down(MouseButton::Left),
        (1, b'M') => MouseEventKind::Down(MouseButton::Middle),
        (2, b'M') => MouseEventKind::Down(MouseButton::Right),
        _ => return None,
    };
    let modifiers = KeyModifiers::NONE;
    Some(MouseEvent { kind, column: column.checked_sub(1)?, row: row.checked_sub(1)?, modifiers })
}
