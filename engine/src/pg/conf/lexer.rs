//! Tokens and lines of one configuration file, as the server's scanner sees them.
//!
//! Source: `src/backend/utils/misc/guc-file.l`, equal in 13 to 18. Like flex, the longest
//! match wins and the earlier rule breaks a tie; that is why `include a.conf` without
//! quotes is a syntax error there and here: `a.conf` is a qualified name before it is a value.

use std::ops::Range;

/// The server gives a file up after this many syntax errors (`ParseConfigFp()`).
const ERRORS_MAX: usize = 100;

/// One thing a configuration file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfItem {
    /// The line it stands on, from 1.
    pub line: u32,
    /// What it is.
    pub kind: ConfItemKind,
}

/// What a line of a configuration file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfItemKind {
    /// `name = value`, or one of the `include` directives, which look the same.
    Assignment {
        /// The name as written; case does not matter.
        name: String,
        /// The value without quotes and escapes.
        value: String,
        /// Where the name stands, in bytes of the file.
        name_span: Range<usize>,
        /// Where the value stands, quotes included, in bytes of the file.
        value_span: Range<usize>,
    },
    /// A line that the server refuses, with the text where it stumbled; empty at the line's end.
    SyntaxError {
        /// That text.
        near: String,
    },
    /// More errors than the server would look at; the rest of the file was not read.
    TooManyErrors,
}

/// Splits a file into its assignments and errors; comments and empty lines yield nothing.
#[must_use]
pub fn scan(content: &[u8]) -> Vec<ConfItem> {
    let mut lexer = Lexer { content, at: 0, line: 1 };
    let mut items = Vec::new();
    let mut errors = 0;
    while let Some(first) = lexer.next() {
        let line = lexer.line;
        if first.kind == TokenKind::EndOfLine {
            lexer.line = lexer.line.saturating_add(1);
            continue;
        }
        let kind = lexer.logical_line(first);
        if let ConfItemKind::SyntaxError { .. } = kind {
            errors += 1;
        }
        items.push(ConfItem { line, kind });
        if errors >= ERRORS_MAX {
            items.push(ConfItem { line, kind: ConfItemKind::TooManyErrors });
            break;
        }
    }
    items
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenKind {
    Name,
    QualifiedName,
    Text,
    UnquotedText,
    Number,
    Equals,
    EndOfLine,
    Other,
}

impl TokenKind {
    fn is_value(self) -> bool {
        matches!(self, Self::Name | Self::Text | Self::UnquotedText | Self::Number)
    }
}

#[derive(Clone, Debug)]
struct Token {
    kind: TokenKind,
    span: Range<usize>,
}

struct Lexer<'a> {
    content: &'a [u8],
    at: usize,
    line: u32,
}

impl Lexer<'_> {
    /// Reads one line from its first token to its end, the end included.
    fn logical_line(&mut self, first: Token) -> ConfItemKind {
        let mut stumbled = Some(first.clone());
        if matches!(first.kind, TokenKind::Name | TokenKind::QualifiedName) {
            let mut value = self.next();
            if value.as_ref().is_some_and(|token| token.kind == TokenKind::Equals) {
                value = self.next();
            }
            match value {
                Some(value) if value.kind.is_value() => match self.next() {
                    end if is_end(end.as_ref()) => {
                        self.finish_line(end.as_ref());
                        return self.assignment(first, &value);
                    }
                    other => stumbled = other,
                },
                other => stumbled = other,
            }
        }
        let near = match &stumbled {
            Some(token) if token.kind != TokenKind::EndOfLine => self.text(&token.span),
            _ => String::new(),
        };
        while !is_end(stumbled.as_ref()) {
            stumbled = self.next();
        }
        self.finish_line(stumbled.as_ref());
        ConfItemKind::SyntaxError { near }
    }

    fn finish_line(&mut self, end: Option<&Token>) {
        if end.is_some() {
            self.line = self.line.saturating_add(1);
        }
    }

    fn assignment(&self, name: Token, value: &Token) -> ConfItemKind {
        let raw = self.content.get(value.span.clone()).unwrap_or_default();
        let text = if value.kind == TokenKind::Text { unquote(raw) } else { raw.to_vec() };
        // The server goes on with a C string, which ends at the first zero byte.
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        ConfItemKind::Assignment {
            name: self.text(&name.span),
            value: String::from_utf8_lossy(text).into_owned(),
            name_span: name.span,
            value_span: value.span.clone(),
        }
    }

    fn text(&self, span: &Range<usize>) -> String {
        let raw = self.content.get(span.clone()).unwrap_or_default();
        String::from_utf8_lossy(raw).into_owned()
    }

    /// The next token; blanks and comments are skipped. `None` at the end of the file.
    fn next(&mut self) -> Option<Token> {
        loop {
            let rest = self.content.get(self.at..)?;
            let first = *rest.first()?;
            let blanks = rest.iter().take_while(|&&b| matches!(b, b' ' | b'\t' | b'\r')).count();
            if blanks > 0 {
                self.at += blanks;
                continue;
            }
            if first == b'#' {
                self.at += rest.iter().take_while(|&&b| b != b'\n').count();
                continue;
            }
            let (kind, length) = match_token(first, rest);
            let span = self.at..self.at + length;
            self.at += length;
            return Some(Token { kind, span });
        }
    }
}

fn is_end(token: Option<&Token>) -> bool {
    token.is_none_or(|token| token.kind == TokenKind::EndOfLine)
}

/// The rules of the scanner; the longest match counts, the earlier rule among equals.
fn match_token(first: u8, rest: &[u8]) -> (TokenKind, usize) {
    if first == b'\n' {
        return (TokenKind::EndOfLine, 1);
    }
    let name = name_length(rest);
    let qualified = match rest.get(name) {
        Some(b'.') if name > 0 => match name_length(rest.get(name + 1..).unwrap_or_default()) {
            0 => 0,
            second => name + 1 + second,
        },
        _ => 0,
    };
    let rules = [
        (TokenKind::Name, name),
        (TokenKind::QualifiedName, qualified),
        (TokenKind::Text, quoted_length(rest)),
        (TokenKind::UnquotedText, unquoted_length(rest)),
        (TokenKind::Number, integer_length(rest)),
        (TokenKind::Number, real_length(rest)),
        (TokenKind::Equals, usize::from(first == b'=')),
        (TokenKind::Other, 1),
    ];
    let mut best = (TokenKind::Other, 0);
    for (kind, length) in rules {
        if length > best.1 {
            best = (kind, length);
        }
    }
    best
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn count(bytes: &[u8], accept: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|&&byte| accept(byte)).count()
}

fn name_length(rest: &[u8]) -> usize {
    match rest.first() {
        Some(&first) if is_letter(first) => {
            count(rest, |byte| is_letter(byte) || byte.is_ascii_digit())
        }
        _ => 0,
    }
}

fn unquoted_length(rest: &[u8]) -> usize {
    match rest.first() {
        Some(&first) if is_letter(first) => {
            count(rest, |byte| is_letter(byte) || byte.is_ascii_digit() || b"-._:/".contains(&byte))
        }
        _ => 0,
    }
}

/// `{SIGN}?({DIGIT}+|0x{HEXDIGIT}+){UNIT_LETTER}*`
fn integer_length(rest: &[u8]) -> usize {
    let sign = usize::from(matches!(rest.first(), Some(b'-' | b'+')));
    let digits = rest.get(sign..).unwrap_or_default();
    let units = |number: usize| {
        let tail = digits.get(number..).unwrap_or_default();
        sign + number + count(tail, |byte| byte.is_ascii_alphabetic())
    };
    let decimal = count(digits, |byte| byte.is_ascii_digit());
    if decimal == 0 {
        return 0;
    }
    let hexadecimal = match digits.strip_prefix(b"0x") {
        Some(tail) => match count(tail, |byte| byte.is_ascii_hexdigit()) {
            0 => 0,
            length => units(2 + length),
        },
        None => 0,
    };
    units(decimal).max(hexadecimal)
}

/// `{SIGN}?{DIGIT}*"."{DIGIT}*{EXPONENT}?`
fn real_length(rest: &[u8]) -> usize {
    let sign = usize::from(matches!(rest.first(), Some(b'-' | b'+')));
    let tail = |from: usize| rest.get(from..).unwrap_or_default();
    let whole = sign + count(tail(sign), |byte| byte.is_ascii_digit());
    if rest.get(whole) != Some(&b'.') {
        return 0;
    }
    let fraction = whole + 1 + count(tail(whole + 1), |byte| byte.is_ascii_digit());
    if !matches!(rest.get(fraction), Some(b'e' | b'E')) {
        return fraction;
    }
    let exponent_sign = usize::from(matches!(rest.get(fraction + 1), Some(b'-' | b'+')));
    let digits_at = fraction + 1 + exponent_sign;
    match count(tail(digits_at), |byte| byte.is_ascii_digit()) {
        0 => fraction,
        digits => digits_at + digits,
    }
}

/// `\'([^'\\\n]|\\.|\'\')*\'`
fn quoted_length(rest: &[u8]) -> usize {
    if rest.first() != Some(&b'\'') {
        return 0;
    }
    let mut accepted = 0;
    let mut at = 1;
    loop {
        match (rest.get(at), rest.get(at + 1)) {
            (None | Some(b'\n'), _) | (Some(b'\\'), None | Some(b'\n')) => return accepted,
            (Some(b'\\'), Some(_)) => at += 2,
            (Some(b'\''), next) => {
                accepted = at + 1;
                if next != Some(&b'\'') {
                    return accepted;
                }
                at += 2;
            }
            (Some(_), _) => at += 1,
        }
    }
}

/// Strips quotes and escapes (`DeescapeQuotedString()`).
fn unquote(quoted: &[u8]) -> Vec<u8> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'b') => out.push(0x08),
                Some(b'f') => out.push(0x0C),
                Some(b'n') => out.push(b'\n'),
                Some(b'r') => out.push(b'\r'),
                Some(b't') => out.push(b'\t'),
                Some(digit @ b'0'..=b'7') => {
                    let mut value = digit - b'0';
                    for _ in 0..2 {
                        let Some(next) = bytes.next_if(|next| (b'0'..=b'7').contains(next)) else {
                            break;
                        };
                        // The server cuts the number to a byte, too.
                        value = value.wrapping_shl(3) | (next - b'0');
                    }
                    out.push(value);
                }
                Some(other) => out.push(other),
                None => {}
            },
            b'\'' => {
                let _ = bytes.next_if_eq(&b'\'');
                out.push(b'\'');
            }
            other => out.push(other),
        }
    }
    out
}
