//! From the bytes of a terminal to keys.
//!
//! Pure: bytes and the time go in, events come out. It knows when a sequence is complete and what
//! to make of one that never is, so a key is never late for lack of that knowledge. crossterm's
//! own decoder is not used because it makes keys of what is none: the answer of a terminal to a
//! program that has already gone (`ESC ] 11 ; rgb:…`, `ESC [ > 41 ; 354 ; 0 c`) would type `c`
//! and `t` into a console where those keys cancel and terminate.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Event, Input, csi};

/// Sequences longer than this are no keys; the rest is swallowed.
const SEQUENCE_MAX: usize = 64;

/// What is pasted beyond this is dropped: nothing in the console takes so much.
pub(super) const PASTE_MAX: usize = 64 * 1024;

/// A paste whose end does not come is over after this silence.
const PASTE_SILENCE: Duration = Duration::from_secs(2);

/// An answer that stops in its middle is over after this silence.
const ANSWER_SILENCE: Duration = Duration::from_millis(500);

const PASTE_END: &[u8] = b"\x1b[201~";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    /// After ESC.
    Escape,
    /// After `ESC [`.
    Csi,
    /// After `ESC O`.
    Ss3,
    /// After `ESC [ [`: a function key of the Linux console.
    LinuxKey,
    /// After `ESC [ M`: this many bytes of an old mouse report are still to come.
    OldMouse(u8),
    /// Inside an answer that ends with ST or BEL; the byte after ESC introduced it.
    Answer(u8),
    /// ESC inside an answer.
    AnswerEscape(u8),
    /// Inside a character of more than one byte; this many are still to come.
    Utf8(u8),
    /// Between the marks of a bracketed paste.
    Paste,
}

/// The decoder; one for the life of the terminal.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    bytes: Vec<u8>,
    modifiers: KeyModifiers,
    /// When the first byte of what is under way arrived.
    since: Instant,
    ready: Vec<Event>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            state: State::Ground,
            bytes: Vec::with_capacity(SEQUENCE_MAX),
            modifiers: KeyModifiers::NONE,
            since: Instant::now(),
            ready: Vec::new(),
        }
    }
}

impl Decoder {
    /// Takes bytes that arrived at `now`.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Instant) {
        for &byte in bytes {
            if self.state == State::Ground {
                self.since = now;
                self.modifiers = KeyModifiers::NONE;
            }
            self.step(byte);
        }
    }

    /// The events that are complete.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.ready.drain(..)
    }

    /// How long to wait for more before [`Self::expire`]; `None` when nothing is under way.
    #[must_use]
    pub(super) fn patience(&self, escape_wait: Duration) -> Option<Duration> {
        match self.state {
            State::Ground => None,
            State::Paste => Some(PASTE_SILENCE),
            State::Answer(_) | State::AnswerEscape(_) if !self.bytes.is_empty() => {
                Some(ANSWER_SILENCE)
            }
            _ if self.bytes.is_empty() => Some(escape_wait),
            _ => Some(escape_wait * 4),
        }
    }

    /// Nothing more came: what is under way is over. A lone ESC was the key, `ESC [` was Alt-`[`;
    /// half of anything else was nothing.
    pub(super) fn expire(&mut self) {
        let is_bare = self.bytes.is_empty();
        match self.state {
            State::Escape => self.key(KeyCode::Esc),
            State::Csi if is_bare => self.alt('['),
            State::Ss3 => self.alt('O'),
            State::Answer(introducer) if is_bare => self.alt(char::from(introducer)),
            State::Paste => self.end_paste(),
            _ => {}
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.state = State::Ground;
        self.bytes.clear();
    }

    fn step(&mut self, byte: u8) {
        match self.state {
            State::Ground => self.ground(byte),
            State::Escape => self.escape(byte),
            State::Csi => self.csi(byte),
            State::Ss3 => {
                self.reset();
                if let Some(code) = csi::ss3_key(byte) {
                    self.key(code);
                }
            }
            State::LinuxKey => {
                self.reset();
                if let b'A'..=b'E' = byte {
                    self.key(KeyCode::F(byte - b'A' + 1));
                }
            }
            State::OldMouse(1) => self.reset(),
            State::OldMouse(left) => self.state = State::OldMouse(left - 1),
            State::Answer(introducer) => self.answer(byte, introducer),
            State::AnswerEscape(_) if byte == b'\\' => self.reset(),
            State::AnswerEscape(_) => {
                // The answer was cut off and something else begins.
                self.reset();
                self.escape(byte);
            }
            State::Utf8(left) => self.utf8(byte, left),
            State::Paste => self.paste(byte),
        }
    }

    fn ground(&mut self, byte: u8) {
        match byte {
            0x1b => self.state = State::Escape,
            b'\r' => self.key(KeyCode::Enter),
            b'\t' => self.key(KeyCode::Tab),
            // The backspace key of many serial terminals; nothing is bound to Ctrl-H.
            0x08 | 0x7f => self.key(KeyCode::Backspace),
            0x00 => self.control(' '),
            0x01..=0x1a => self.control(char::from(byte - 1 + b'a')),
            0x1c..=0x1f => self.control(char::from(byte - 0x1c + b'4')),
            0x20..=0x7e => self.character(char::from(byte)),
            // A terminal in eight-bit mode.
            0x8f => self.state = State::Ss3,
            0x9b => self.state = State::Csi,
            0x90 | 0x98 | 0x9d..=0x9f => self.state = State::Answer(byte - 0x40),
            0xc2..=0xdf => self.begin_utf8(byte, 1),
            0xe0..=0xef => self.begin_utf8(byte, 2),
            0xf0..=0xf4 => self.begin_utf8(byte, 3),
            _ => {}
        }
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            0x1b => {
                self.key(KeyCode::Esc);
                self.state = State::Escape;
            }
            b'[' => self.state = State::Csi,
            b'O' => self.state = State::Ss3,
            b']' | b'P' | b'X' | b'^' | b'_' => self.state = State::Answer(byte),
            _ => {
                self.state = State::Ground;
                self.modifiers = KeyModifiers::ALT;
                self.ground(byte);
            }
        }
    }

    fn csi(&mut self, byte: u8) {
        match byte {
            0x1b => {
                self.reset();
                self.state = State::Escape;
            }
            b'[' if self.bytes.is_empty() => self.state = State::LinuxKey,
            b'M' if self.bytes.is_empty() => self.state = State::OldMouse(3),
            0x20..=0x3f => {
                if self.bytes.len() < SEQUENCE_MAX {
                    self.bytes.push(byte);
                }
            }
            0x40..=0x7e => {
                let is_whole = self.bytes.len() < SEQUENCE_MAX;
                let parameters = std::mem::take(&mut self.bytes);
                self.reset();
                match csi::meaning(&parameters, byte) {
                    Some(csi::Meaning::PasteBegins) => self.state = State::Paste,
                    Some(csi::Meaning::Input(input)) if is_whole => self.push(input),
                    _ => {}
                }
                self.bytes = parameters;
                self.bytes.clear();
            }
            // A control character inside a sequence: the sequence was cut off.
            _ => {
                self.reset();
                self.ground(byte);
            }
        }
    }

    fn answer(&mut self, byte: u8, introducer: u8) {
        match byte {
            0x1b => self.state = State::AnswerEscape(introducer),
            0x07 | 0x18 | 0x1a => self.reset(),
            _ if self.bytes.is_empty() => self.bytes.push(byte),
            _ => {}
        }
    }

    fn begin_utf8(&mut self, byte: u8, left: u8) {
        self.bytes.clear();
        self.bytes.push(byte);
        self.state = State::Utf8(left);
    }

    fn utf8(&mut self, byte: u8, left: u8) {
        if !matches!(byte, 0x80..=0xbf) {
            self.reset();
            self.step(byte);
            return;
        }
        self.bytes.push(byte);
        if left > 1 {
            self.state = State::Utf8(left - 1);
            return;
        }
        let character = std::str::from_utf8(&self.bytes).ok().and_then(|text| text.chars().next());
        self.reset();
        if let Some(character) = character.filter(|c| !c.is_control()) {
            self.character(character);
        }
    }

    fn paste(&mut self, byte: u8) {
        self.bytes.push(byte);
        if self.bytes.ends_with(PASTE_END) {
            self.bytes.truncate(self.bytes.len() - PASTE_END.len());
            self.end_paste();
            self.reset();
        } else if self.bytes.len() > PASTE_MAX + 2 * PASTE_END.len() {
            // Keep what could be the beginning of the end.
            let surplus = self.bytes.len() - PASTE_END.len();
            self.bytes.drain(PASTE_MAX..surplus);
        }
    }

    fn end_paste(&mut self) {
        self.bytes.truncate(PASTE_MAX);
        let text = super::paste::one_line(&self.bytes);
        self.push(Input::Paste(text));
        self.bytes = Vec::with_capacity(SEQUENCE_MAX);
    }

    fn push(&mut self, input: Input) {
        self.ready.push(Event { input, began: self.since });
    }

    fn key(&mut self, code: KeyCode) {
        self.push(Input::Key(KeyEvent::new(code, self.modifiers)));
    }

    fn alt(&mut self, character: char) {
        self.modifiers = KeyModifiers::ALT;
        self.character(character);
    }

    fn control(&mut self, character: char) {
        self.modifiers |= KeyModifiers::CONTROL;
        self.key(KeyCode::Char(character));
    }

    fn character(&mut self, character: char) {
        if character.is_uppercase() {
            self.modifiers |= KeyModifiers::SHIFT;
        }
        self.key(KeyCode::Char(character));
    }
}

#[cfg(test)]
mod tests;
