//! `log_line_prefix`: compiled once, matched against every line of a `stderr` log.
//!
//! A prefix cannot be parsed from the left alone, because names may hold anything: the user
//! `we ird]`, the application `app [x] ERROR: y`. So the severity marker is looked for first,
//! and the prefix must then match exactly what stands before it; the leftmost marker for which
//! it does is the one. What is left ambiguous (`%u@%d` with an `@` in the user) is ambiguous in
//! the log itself, and the shortest reading is taken.
//!
//! When the setting does not fit, because it was changed since or the line was written before
//! the server had read its configuration (then it uses `%m [%p] ` and GMT), the time and the
//! process are guessed from the line's form.
//!
//! Source: `log_status_format` in `elog.c`, "log_line_prefix" in the manual.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};

use super::words::{MarkerKind, is_sqlstate, markers};
use super::zone::{Zone, read_epoch, read_time};

/// Bytes a name in a prefix may have: names are cut at 63 by the server, but escapes of
/// characters that are not ASCII make them longer.
const NAME_BYTES_MAX: usize = 256;

/// Steps one line may cost before it counts as not matching: a bound for hostile names.
const STEPS_MAX: u32 = 20_000;

/// Markers of a line that are tried.
const MARKERS_MAX: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Application,
    User,
    Database,
    BackendType,
    Pid,
    Time,
    Epoch,
    Sqlstate,
    /// A number we do not keep, with its grammar.
    Number(Number),
    /// A time we do not keep.
    OtherTime,
    /// Free text we do not keep.
    Other,
}

/// Numbers that differ in what they are written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    /// `%P`, `%l`, `%x`.
    Digits,
    /// `%Q`: may be negative.
    Signed,
    /// `%c`: `6957f1b5.7b`.
    Session,
    /// `%v`: `3/21`.
    VirtualTransaction,
}

/// How a field is padded with blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    None,
    /// On the right, to a width.
    Right(usize),
    /// On the left, to a width.
    Left(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(String),
    Field(Field, Padding),
    /// `%q`: the prefix of processes without a session ends here.
    SessionsOnly,
}

/// The server's own default, also used before it has read its configuration.
static DEFAULT: LazyLock<Prefix> = LazyLock::new(|| Prefix::compile("%m [%p] "));

/// A compiled `log_line_prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    tokens: Vec<Token>,
    has_anchor: bool,
}

impl Default for Prefix {
    /// The server's own default, `%m [%p] `.
    fn default() -> Self {
        DEFAULT.clone()
    }
}

/// What stands before the text of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captured<'a> {
    /// `%m`, `%t` or `%n`.
    pub at: Option<DateTime<Utc>>,
    /// `%p`.
    pub pid: Option<i32>,
    /// `%u`.
    pub user: &'a str,
    /// `%d`.
    pub database: &'a str,
    /// `%a`.
    pub application: &'a str,
    /// `%b`.
    pub backend_type: &'a str,
    /// `%e`.
    pub sqlstate: &'a str,
}

/// The beginning of a line that the server wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// What the prefix says.
    pub captured: Captured<'a>,
    /// Severity or label; `None` for a word of a language we do not know, which then stays in
    /// the text.
    pub kind: Option<MarkerKind>,
    /// The rest of the line.
    pub text: &'a str,
}

impl Prefix {
    /// Compiles a setting. An escape the server does not know is ignored, as it does.
    #[must_use]
    pub fn compile(setting: &str) -> Self {
        let mut tokens = Vec::new();
        let mut literal = String::new();
        let mut rest = setting.chars().peekable();
        while let Some(char) = rest.next() {
            if char != '%' {
                literal.push(char);
                continue;
            }
            let to_the_left = rest.next_if_eq(&'-').is_some();
            let mut width = 0_usize;
            while let Some(digit) = rest.peek().and_then(|char| char.to_digit(10)) {
                width = (width * 10 + usize::try_from(digit).unwrap_or(0)).min(NAME_BYTES_MAX);
                rest.next();
            }
            let padding = match (width, to_the_left) {
                (0, _) => Padding::None,
                (width, true) => Padding::Right(width),
                (width, false) => Padding::Left(width),
            };
            let token = match rest.next() {
                Some('%') => {
                    literal.push('%');
                    continue;
                }
                Some('q') => Token::SessionsOnly,
                Some(escape) => match field(escape) {
                    Some(field) => Token::Field(field, padding),
                    None => continue,
                },
                None => break,
            };
            if !literal.is_empty() {
                tokens.push(Token::Literal(std::mem::take(&mut literal)));
            }
            tokens.push(token);
        }
        if !literal.is_empty() {
            tokens.push(Token::Literal(literal));
        }
        let has_anchor = tokens
            .iter()
            .any(|token| matches!(token, Token::Field(Field::Pid | Field::Time | Field::Epoch, _)));
        Self { tokens, has_anchor }
    }

    /// The header of a line; `None` for a line the server did not begin (a continuation, or the
    /// output of a program).
    #[must_use]
    pub fn header<'a>(&self, line: &'a str, zone: &Zone) -> Option<Header<'a>> {
        for marker in markers(line).take(MARKERS_MAX) {
            let before = &line[..marker.start];
            // Names alone fit anything: what looks like the default is the default.
            let default = (!self.has_anchor).then(|| DEFAULT.captures(before, zone)).flatten();
            if let Some(captured) = default.or_else(|| self.captures(before, zone)) {
                return Some(Header {
                    captured,
                    kind: Some(marker.kind),
                    text: &line[marker.end..],
                });
            }
        }
        self.unknown_word(line, zone).or_else(|| guess(line, zone))
    }

    /// What a text says, when it is exactly this prefix.
    #[must_use]
    pub fn captures<'a>(&self, text: &'a str, zone: &Zone) -> Option<Captured<'a>> {
        let mut matching = Matching { zone, captured: Captured::default(), steps: 0 };
        matching.tokens(&self.tokens, text).then_some(matching.captured)
    }

    /// The prefix followed by a capitalised word and a colon: a language we do not know.
    fn unknown_word<'a>(&self, line: &'a str, zone: &Zone) -> Option<Header<'a>> {
        if !self.has_anchor {
            return None;
        }
        line.match_indices(":  ").take(MARKERS_MAX).find_map(|(colon, _)| {
            let word = line[..colon].rsplit(|char: char| !char.is_alphabetic()).next()?;
            if word.is_empty() || word.chars().any(char::is_lowercase) {
                return None;
            }
            let start = colon - word.len();
            let captured = self.captures(&line[..start], zone)?;
            Some(Header { captured, kind: None, text: &line[start..] })
        })
    }
}

fn field(escape: char) -> Option<Field> {
    Some(match escape {
        'a' => Field::Application,
        'u' => Field::User,
        'd' => Field::Database,
        'b' => Field::BackendType,
        'p' => Field::Pid,
        'm' | 't' => Field::Time,
        'n' => Field::Epoch,
        'e' => Field::Sqlstate,
        's' => Field::OtherTime,
        'P' | 'l' | 'x' => Field::Number(Number::Digits),
        'Q' => Field::Number(Number::Signed),
        'c' => Field::Number(Number::Session),
        'v' => Field::Number(Number::VirtualTransaction),
        // Remote host and port, remote host, local address (18), command tag.
        'r' | 'h' | 'L' | 'i' => Field::Other,
        _ => return None,
    })
}

struct Matching<'a, 'z> {
    zone: &'z Zone,
    captured: Captured<'a>,
    steps: u32,
}

impl<'a> Matching<'a, '_> {
    fn tokens(&mut self, tokens: &[Token], text: &'a str) -> bool {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return false;
        }
        let Some((token, rest)) = tokens.split_first() else { return text.is_empty() };
        match token {
            Token::Literal(literal) => {
                text.strip_prefix(literal.as_str()).is_some_and(|text| self.tokens(rest, text))
            }
            Token::SessionsOnly => text.is_empty() || self.tokens(rest, text),
            Token::Field(field, padding) => self.field(*field, *padding, rest, text),
        }
    }

    fn field(&mut self, field: Field, padding: Padding, rest: &[Token], text: &'a str) -> bool {
        let blanks = |text: &str| text.bytes().take_while(|byte| *byte == b' ').count();
        let before = match padding {
            Padding::Left(width) => blanks(text).min(width),
            _ => 0,
        };
        let from = &text[before..];
        let mut lengths = self.lengths(field, from);
        if padding != Padding::None {
            lengths.allow_empty = true;
        }
        for length in lengths.iter(from) {
            // What the blanks of the padding must come to, given the length of the value.
            let after = match padding {
                Padding::None => 0,
                Padding::Right(width) => width.saturating_sub(length),
                Padding::Left(width)
                    if before + length == width || (before == 0 && length > width) =>
                {
                    0
                }
                Padding::Left(_) => continue,
            };
            if blanks(&from[length..]) < after {
                continue;
            }
            self.keep(field, &from[..length]);
            if self.tokens(rest, &from[length + after..]) {
                return true;
            }
        }
        false
    }

    /// How many bytes a field may take at the beginning of a text.
    fn lengths(&self, field: Field, text: &str) -> Lengths {
        let count = |wanted: fn(u8) -> bool| text.bytes().take_while(|byte| wanted(*byte)).count();
        match field {
            Field::Time | Field::OtherTime => {
                Lengths::exact(read_time(text, self.zone).map_or(0, |time| time.length))
            }
            Field::Epoch => Lengths::exact(read_epoch(text).map_or(0, |time| time.length)),
            Field::Pid => Lengths::exact(count(|byte| byte.is_ascii_digit())),
            Field::Sqlstate => {
                Lengths::exact(text.get(..5).filter(|text| is_sqlstate(text)).map_or(0, str::len))
            }
            Field::Number(number) => Lengths {
                allow_empty: true,
                ..Lengths::exact(match number {
                    Number::Digits => count(|byte| byte.is_ascii_digit()),
                    Number::Signed => {
                        let sign = usize::from(text.starts_with('-'));
                        sign + text[sign..].bytes().take_while(u8::is_ascii_digit).count()
                    }
                    Number::Session => count(|byte| byte.is_ascii_hexdigit() || byte == b'.'),
                    Number::VirtualTransaction => {
                        count(|byte| byte.is_ascii_digit() || byte == b'/')
                    }
                })
            },
            Field::Application
            | Field::User
            | Field::Database
            | Field::BackendType
            | Field::Other => Lengths { exact: None, allow_empty: true },
        }
    }

    fn keep(&mut self, field: Field, value: &'a str) {
        match field {
            Field::Application => self.captured.application = value,
            Field::User => self.captured.user = value,
            Field::Database => self.captured.database = value,
            Field::BackendType => self.captured.backend_type = value,
            Field::Sqlstate => self.captured.sqlstate = value,
            Field::Pid => self.captured.pid = value.parse().ok(),
            Field::Time => self.captured.at = read_time(value, self.zone).and_then(|time| time.at),
            Field::Epoch => self.captured.at = read_epoch(value).and_then(|time| time.at),
            Field::Number(_) | Field::OtherTime | Field::Other => {}
        }
    }
}

/// The lengths a field may have.
struct Lengths {
    /// The only one besides nothing; `None` for any.
    exact: Option<usize>,
    allow_empty: bool,
}

impl Lengths {
    fn exact(length: usize) -> Self {
        Self { exact: Some(length), allow_empty: false }
    }

    /// Fields with a grammar as long as it goes, names as short as can be.
    fn iter<'t>(&self, text: &'t str) -> impl Iterator<Item = usize> + use<'t> {
        let range = match self.exact {
            Some(0) if !self.allow_empty => 0..0,
            Some(length) => length..length + 1,
            None => 0..text.len().min(NAME_BYTES_MAX) + 1,
        };
        let empty = (self.allow_empty && !range.contains(&0)).then_some(0);
        range.filter(|length| text.is_char_boundary(*length)).chain(empty)
    }
}

/// The header of a line whose prefix does not fit the setting: a marker at the very beginning,
/// or after something with the form of a time or of `[1234]`.
fn guess<'a>(line: &'a str, zone: &Zone) -> Option<Header<'a>> {
    markers(line).take(MARKERS_MAX).find_map(|marker| {
        let before = &line[..marker.start];
        if before.ends_with(|char: char| char.is_alphanumeric() || char == '_') {
            return None;
        }
        let time = before
            .char_indices()
            .filter(|(_, char)| char.is_ascii_digit())
            .take(4)
            .find_map(|(at, _)| read_time(&before[at..], zone));
        let pid = before
            .split('[')
            .skip(1)
            .find_map(|text| text.split_once(']').and_then(|(digits, _)| digits.parse().ok()));
        if !before.is_empty() && time.is_none() && pid.is_none() {
            return None;
        }
        let at = time.and_then(|time| time.at);
        Some(Header {
            captured: Captured { at, pid, ..Captured::default() },
            kind: Some(marker.kind),
            text: &line[marker.end..],
        })
    })
}

#[cfg(test)]
#[path = "prefix_tests.rs"]
mod tests;
