//! The last gate before the wire: what one cell of the screen becomes as bytes.
//!
//! Every cell passes here, whatever drew it, so a widget that draws blocks and a database that
//! stores escape sequences are met in one place. [`crate::text`] already makes text from outside
//! harmless and readable; this gate makes it impossible to forget.

use ratatui::buffer::{Buffer, CellWidth};
use unicode_width::UnicodeWidthChar;

use super::policy::Charset;
use crate::text::{is_control, is_invisible};

/// Combining marks that are kept on one base.
const MARKS_MAX: usize = 2;

/// Whether the terminal's cursor is surely where our count says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// All terminals agree on the width of what was written.
    Certain,
    /// Terminals differ (emoji, combining marks, rare scripts): place the cursor anew.
    Doubtful,
}

/// The columns that `symbol` is given on the screen; at least one.
#[must_use]
pub fn columns(symbol: &str) -> u16 {
    if symbol.len() == 1 { 1 } else { symbol.cell_width().max(1) }
}

/// Appends what may be shown of `symbol`, filling exactly `columns` columns.
pub fn write(out: &mut Vec<u8>, symbol: &str, columns: u16, charset: Charset) -> Advance {
    if let [byte] = symbol.as_bytes() {
        out.push(if matches!(byte, 0x20..=0x7e) { *byte } else { b'?' });
        pad(out, 1, columns);
        return Advance::Certain;
    }
    match charset {
        Charset::Ascii => {
            let shown = symbol.chars().find(|c| !is_invisible(*c)).map_or(b' ', ascii);
            out.push(shown);
            pad(out, 1, columns);
            Advance::Certain
        }
        Charset::Utf8 => write_utf8(out, symbol, columns),
    }
}

/// As many characters as surely fit, with their marks; what is left of the columns becomes
/// blanks. A joined emoji shows its first part only.
fn write_utf8(out: &mut Vec<u8>, symbol: &str, columns: u16) -> Advance {
    let mut advance = Advance::Certain;
    let mut used = 0;
    let mut marks = 0;
    let mut buffer = [0; 4];
    for c in symbol.chars() {
        let width = u16::try_from(c.width().unwrap_or(0)).unwrap_or(0);
        let is_base = width > 0;
        if used + width > columns && used > 0 {
            advance = Advance::Doubtful;
            break;
        }
        let is_hidden = is_control(c) || is_invisible(c);
        if is_hidden || !is_base || !is_agreed(c) {
            advance = Advance::Doubtful;
        }
        let fits = if is_base { width <= columns } else { used > 0 && marks < MARKS_MAX };
        if is_hidden || !fits {
            continue;
        }
        used += width;
        marks = if is_base { 0 } else { marks + 1 };
        out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
    }
    if used == 0 {
        out.push(if symbol.chars().all(is_invisible) { b' ' } else { b'?' });
        used = 1;
    }
    pad(out, used, columns);
    advance
}

fn pad(out: &mut Vec<u8>, used: u16, columns: u16) {
    let missing = usize::from(columns.saturating_sub(used));
    out.resize(out.len() + missing, b' ');
}

/// Characters on whose width terminals agree.
fn is_agreed(c: char) -> bool {
    matches!(c,
        '\u{20}'..='\u{2FF}'            // Latin
        | '\u{370}'..='\u{482}'         // Greek, Cyrillic
        | '\u{48A}'..='\u{52F}'
        | '\u{2010}'..='\u{2027}'       // punctuation
        | '\u{2030}'..='\u{205E}'
        | '\u{2190}'..='\u{22FF}'       // arrows, mathematics
        | '\u{2500}'..='\u{25CF}'       // boxes, blocks, shapes
        | '\u{3000}'..='\u{3029}'       // CJK punctuation
        | '\u{3041}'..='\u{3096}'       // kana
        | '\u{30A0}'..='\u{30FF}'
        | '\u{3400}'..='\u{4DBF}'       // ideographs
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7A3}'       // Hangul
        | '\u{FF01}'..='\u{FF60}'       // full-width forms
        | '\u{FFFD}'
    )
}

/// Blanks every wide character whose second half was drawn over, by the edge of a dialog for
/// example. ratatui takes the second half for covered and would not send what was drawn there.
pub fn mend(buffer: &mut Buffer) {
    let width = usize::from(buffer.area.width);
    for row in buffer.content.chunks_exact_mut(width.max(1)) {
        for x in 0..row.len() {
            if row[x].symbol().len() == 1 {
                continue;
            }
            let end = x + usize::from(columns(row[x].symbol()));
            let is_whole =
                end <= row.len() && row[x + 1..end].iter().all(|cell| cell.symbol() == " ");
            if !is_whole {
                row[x].set_symbol(" ");
            }
        }
    }
}

/// One ASCII byte that stands for `c`: `?` where nothing resembles it. Letters with marks become
/// `?` too, not their base: two names that differ must not look the same.
#[must_use]
pub fn ascii(c: char) -> u8 {
    match c {
        ' '..='~' => u8::try_from(c).unwrap_or(b'?'),
        '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => b' ',
        '\u{2500}'..='\u{257F}' => box_drawing(c),
        '░' | '·' | '∙' | '‧' | '․' => b'.',
        '▁' | '▂' | '▃' => b'_',
        '\u{2580}'..='\u{259F}' | '■' | '□' | '▪' | '▫' | '◼' | '◻' => b'#',
        '←' | '⇐' | '◀' | '◂' | '◄' | '◁' | '‹' | '≤' | '⟨' | '❮' => b'<',
        '→' | '⇒' | '▶' | '▸' | '►' | '▷' | '›' | '≥' | '⟩' | '❯' => b'>',
        '↑' | '⇑' | '▲' | '▴' | '△' => b'^',
        '↓' | '⇓' | '▼' | '▾' | '▽' | '✓' | '✔' => b'v',
        '✗' | '✘' | '✕' | '✖' | '×' => b'x',
        '⚠' | '¡' | '‼' | '≠' => b'!',
        '\u{2010}'..='\u{2015}' | '−' | '↔' => b'-',
        '‘' | '’' | '‚' | '‛' | '′' => b'\'',
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => b'"',
        '…' | '≈' | '∼' => b'~',
        '•' | '●' | '◆' | '★' | '☆' | '◦' => b'*',
        '○' | '◯' | '◇' | '°' => b'o',
        '²' => b'2',
        '³' => b'3',
        '¹' => b'1',
        'µ' | 'μ' => b'u',
        '\u{2800}' => b' ',
        '\u{2801}'..='\u{28FF}' => b':',
        _ => b'?',
    }
}

fn box_drawing(c: char) -> u8 {
    match c {
        '─' | '━' | '┄' | '┅' | '┈' | '┉' | '╌' | '╍' | '═' | '╴' | '╶' | '╸' | '╺' | '╼' | '╾' => {
            b'-'
        }
        '│' | '┃' | '┆' | '┇' | '┊' | '┋' | '╎' | '╏' | '║' | '╵' | '╷' | '╹' | '╻' | '╽' | '╿' => {
            b'|'
        }
        '╱' => b'/',
        '╲' => b'\\',
        '╳' => b'X',
        _ => b'+',
    }
}

/// All of `text` as ASCII: for what is printed outside the screen on a terminal that must not
/// get anything else. Line feeds stay; control characters become `?`.
#[must_use]
pub fn ascii_text(text: &str) -> String {
    text.chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| if c == '\n' { '\n' } else { char::from(ascii(c)) })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(symbol: &str, charset: Charset) -> String {
        let mut out = Vec::new();
        write(&mut out, symbol, columns(symbol), charset);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_as_ascii() {
        let table = [
            ("a", "a"),
            ("─", "-"),
            ("│", "|"),
            ("┼", "+"),
            ("╭", "+"),
            ("█", "#"),
            ("▏", "#"),
            ("…", "~"),
            ("▲", "^"),
            ("✓", "v"),
            ("é", "?"),
            ("e\u{301}", "e"),
            ("中", "? "),
            ("🙂", "? "),
            ("\u{202e}", " "),
            ("\u{1b}", "?"),
            ("\u{9b}", "?"),
            ("\u{a0}", " "),
        ];
        for (symbol, expected) in table {
            assert_eq!(shown(symbol, Charset::Ascii), expected, "{symbol:?}");
        }
    }

    #[test]
    fn cells_as_utf8() {
        let table = [
            ("a", "a"),
            ("─", "─"),
            ("中", "中"),
            ("e\u{301}", "e\u{301}"),
            ("e\u{301}\u{302}\u{303}\u{304}", "e\u{301}\u{302}"),
            ("\u{1b}", "?"),
            ("\u{9b}", "?"),
            ("\u{202e}", " "),
            ("a\u{202e}", "a"),
            ("a\u{9b}", "a "),
            ("⚠\u{fe0f}", "⚠ "),
            ("👩\u{200d}👧", "👩"),
            ("ｶﾞ", "ｶﾞ "),
            ("🇩🇪", "🇩🇪"),
            ("क्ष", "क्ष"),
        ];
        for (symbol, expected) in table {
            assert_eq!(shown(symbol, Charset::Utf8), expected, "{symbol:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_harmful_passes(symbol in "\\PC{1,6}|[\\x00-\\x1f\\x7f-\\x9f]{1,3}|.{1,6}") {
            let plain = shown(&symbol, Charset::Ascii);
            prop_assert!(plain.bytes().all(|b| (0x20..0x7f).contains(&b)), "{plain:?}");
            prop_assert_eq!(plain.len(), usize::from(columns(&symbol)));
            let rich = shown(&symbol, Charset::Utf8);
            prop_assert!(!rich.chars().any(|c| is_control(c) || is_invisible(c)), "{rich:?}");
        }
    }
}
