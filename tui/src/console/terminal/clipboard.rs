//! Copying by way of the terminal (OSC 52), which also works over SSH.

use super::policy::{Family, TerminalPolicy};

/// Terminals take little more than this, and some drop the whole of what is longer.
const TEXT_MAX: usize = 64 * 1024;

/// What became of a text to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// Sent; nobody answers whether it was taken.
    Sent,
    /// This terminal has no clipboard, or the text is too long for one.
    Impossible,
}

/// What to send, where there is a chance.
pub(super) fn sequence(text: &str, policy: &TerminalPolicy) -> Option<Vec<u8>> {
    let has_clipboard = matches!(policy.family, Family::Xterm | Family::Screen);
    if !has_clipboard || text.len() > TEXT_MAX {
        return None;
    }
    let mut sequence = b"\x1b]52;c;".to_vec();
    push_base64(&mut sequence, text.as_bytes());
    sequence.push(0x07);
    Some(sequence)
}

fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = usize::try_from(group >> (18 - 6 * i) & 63).unwrap_or(0);
            out.push(if i <= chunk.len() { DIGITS[digit] } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::{Charset, ColourDepth, Pace};
    use super::*;

    fn policy(family: Family) -> TerminalPolicy {
        let (depth, charset) = (ColourDepth::Ansi8, Charset::Ascii);
        TerminalPolicy { family, depth, charset, pace: Pace::Normal }
    }

    #[test]
    fn known_texts() {
        let table = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("\u{1b}]ä", "G13DpA=="),
        ];
        for (text, expected) in table {
            let sequence = sequence(text, &policy(Family::Xterm)).unwrap();
            let shown = String::from_utf8(sequence).unwrap();
            assert_eq!(shown, format!("\u{1b}]52;c;{expected}\u{7}"), "{text:?}");
        }
    }

    #[test]
    fn no_clipboard_and_no_room() {
        assert_eq!(sequence("x", &policy(Family::Linux)), None);
        assert_eq!(sequence("x", &policy(Family::Vt220)), None);
        assert_eq!(sequence(&"x".repeat(TEXT_MAX + 1), &policy(Family::Xterm)), None);
    }
}
