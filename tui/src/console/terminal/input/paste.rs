//! What is left of a pasted text.

use crate::text::{is_control, is_invisible};

/// As one line: line ends and tabs become spaces, one at the very end disappears (people copy
/// whole lines), and what cannot be seen is left out, so that a name that is typed to confirm
/// cannot carry anything along.
pub(super) fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\r', '\n']).replace("\r\n", "\n");
    text.chars()
        .map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c })
        .filter(|c| !is_control(*c) && !is_invisible(*c))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn pasted_text_is_one_harmless_line() {
        let table = [
            ("plain", "plain"),
            ("one\n", "one"),
            ("one\r\ntwo\rthree\nfour\r\n", "one two three four"),
            ("a\tb", "a b"),
            ("a\u{1b}[31mb", "a[31mb"),
            ("a\u{202e}b\u{200b}", "ab"),
            ("größe", "größe"),
        ];
        for (pasted, expected) in table {
            assert_eq!(super::one_line(pasted.as_bytes()), expected, "{pasted:?}");
        }
        assert_eq!(super::one_line(b"a\xffb"), "a\u{fffd}b");
    }
}
