//! Makes text from a database, a log or a file name harmless and visible.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

use super::{is_control, is_invisible};

/// Combining marks that are kept on one base; what is stacked higher only runs into other lines.
const MARKS_MAX: usize = 2;

/// Stands for what must not be shown as itself.
const REPLACEMENT: char = '\u{FFFD}';

const BLOCK_TAB: &str = "    ";

/// What becomes of line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// A space, together with the tabs, line ends and spaces that follow.
    Joined,
    /// They stay, as a line feed.
    Kept,
}

/// `text` as one line that cannot do anything to a terminal.
///
/// Line ends and tabs, with the indentation behind them, become one space. Control characters
/// (an escape sequence begins with one), bidirectional marks and other invisible characters
/// become U+FFFD: a name that contains one must not look like the name that does not. Joiners
/// and variation selectors, which ordinary text has, are left out. At most two combining marks
/// stay on a letter.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    cleaned(text, Lines::Joined)
}

/// As [`clean`], but line ends stay (as line feeds) and a tab becomes four spaces: for texts of
/// several lines.
#[must_use]
pub fn clean_block(text: &str) -> Cow<'_, str> {
    cleaned(text, Lines::Kept)
}

/// As [`clean`], of at most the first `bytes_max` bytes: a table cell needs no megabyte.
#[must_use]
pub fn clean_start(text: &str, bytes_max: usize) -> Cow<'_, str> {
    let end = (0..=bytes_max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    clean(&text[..end.unwrap_or(0)])
}

fn cleaned(text: &str, lines: Lines) -> Cow<'_, str> {
    if is_clean(text, lines) { Cow::Borrowed(text) } else { Cow::Owned(rewritten(text, lines)) }
}

fn is_clean(text: &str, lines: Lines) -> bool {
    text.bytes().all(|b| matches!(b, 0x20..=0x7e) || (b == b'\n' && lines == Lines::Kept))
        || text.chars().all(|c| {
            matches!(c, ' '..='~')
                || (c == '\n' && lines == Lines::Kept)
                || (c.width().is_some_and(|width| width > 0)
                    && !is_invisible(c)
                    && !is_sound_mark(c))
        })
}

fn rewritten(text: &str, lines: Lines) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = MARKS_MAX;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' '..='~' => {
                out.push(c);
                marks = 0;
            }
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' => {
                if c == '\r' && chars.peek() == Some(&'\n') {
                    continue;
                }
                match (lines, c) {
                    (Lines::Kept, '\t') => out.push_str(BLOCK_TAB),
                    (Lines::Kept, _) => out.push('\n'),
                    (Lines::Joined, _) => {
                        while chars.next_if(|c| matches!(c, ' ' | '\t' | '\r' | '\n')).is_some() {}
                        out.push(' ');
                    }
                }
                marks = MARKS_MAX;
            }
            // Joiners, soft hyphens and variation selectors.
            '\u{AD}' | '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' => {}
            _ if is_control(c) || is_invisible(c) => {
                out.push(REPLACEMENT);
                marks = MARKS_MAX;
            }
            _ if is_sound_mark(c) => push_sound_mark(&mut out, c),
            _ if c.width().unwrap_or(0) == 0 => {
                if marks < MARKS_MAX {
                    out.push(c);
                    marks += 1;
                }
            }
            _ => {
                out.push(c);
                marks = 0;
            }
        }
    }
    out
}

/// The half-width sound marks of kana, on whose width libraries and terminals differ.
fn is_sound_mark(c: char) -> bool {
    matches!(c, '\u{FF9E}' | '\u{FF9F}')
}

/// Joins a half-width kana and its mark, two columns, into the one full-width character that
/// they stand for; a mark without such a kana becomes full-width itself.
fn push_sound_mark(out: &mut String, mark: char) {
    let kana = out.chars().next_back();
    match kana.and_then(|kana| voiced(kana, mark)) {
        Some(voiced) => {
            out.pop();
            out.push(voiced);
        }
        None => out.push(if mark == '\u{FF9E}' { '゛' } else { '゜' }),
    }
}

fn voiced(kana: char, mark: char) -> Option<char> {
    let offset = match mark {
        '\u{FF9E}' => 1,
        _ if ('ﾊ'..='ﾎ').contains(&kana) => 2,
        _ => return None,
    };
    let nth = |first: char| u32::from(kana) - u32::from(first);
    let plain = match kana {
        'ｳ' => return Some('ヴ'),
        'ｶ'..='ﾁ' => u32::from('カ') + 2 * nth('ｶ'),
        'ﾂ'..='ﾄ' => u32::from('ツ') + 2 * nth('ﾂ'),
        'ﾊ'..='ﾎ' => u32::from('ハ') + 3 * nth('ﾊ'),
        _ => return None,
    };
    char::from_u32(plain + offset)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_line() {
        let table = [
            ("SELECT 1", "SELECT 1"),
            ("SELECT 1\n  FROM t\r\n\tWHERE a", "SELECT 1 FROM t WHERE a"),
            ("\u{1b}[31mred\u{1b}[0m", "\u{fffd}[31mred\u{fffd}[0m"),
            ("\u{9b}2J", "\u{fffd}2J"),
            ("a\0b\u{7f}", "a\u{fffd}b\u{fffd}"),
            ("admin\u{200b}", "admin\u{fffd}"),
            ("a\u{202e}dcba", "a\u{fffd}dcba"),
            ("\u{feff}x", "\u{fffd}x"),
            ("⚠\u{fe0f} done", "⚠ done"),
            ("می\u{200c}خواهم", "میخواهم"),
            ("e\u{301}\u{302}\u{303}\u{304}x", "e\u{301}\u{302}x"),
            ("\u{301}x", "x"),
            ("ｶﾞｷﾞﾊﾟﾎﾟｳﾞﾄﾞ", "ガギパポヴド"),
            ("ｱﾞ", "ｱ゛"),
            ("größe 中文", "größe 中文"),
            ("a\u{2028}b", "a b"),
        ];
        for (text, expected) in table {
            assert_eq!(clean(text), expected, "{text:?}");
        }
        assert!(matches!(clean("größe 中文"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_block_keeps_its_lines() {
        assert_eq!(clean_block("a\r\n\tb\rc\u{1b}"), "a\n    b\nc\u{fffd}");
        assert!(matches!(clean_block("a\n  b"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_start_is_cut_between_characters() {
        assert_eq!(clean_start("aä\nb", 2), "a");
        assert_eq!(clean_start("aä\nb", 4), "aä ");
        assert_eq!(clean_start("ab", 100), "ab");
    }

    proptest! {
        #[test]
        fn nothing_harmful_survives(text in "(\\PC|[\\x00-\\x1f\\x7f-\\x9f]|.){0,40}") {
            for cleaned in [clean(&text), clean_block(&text)] {
                let harmful = cleaned
                    .chars()
                    .find(|&c| (is_control(c) && c != '\n') || is_invisible(c));
                prop_assert_eq!(harmful, None, "{:?}", cleaned);
                prop_assert_eq!(clean_block(&cleaned).into_owned(), cleaned.into_owned());
            }
            prop_assert!(!clean(&text).contains('\n'));
        }
    }
}
