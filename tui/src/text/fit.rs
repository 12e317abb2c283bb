//! Text in a given number of columns.

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

/// Which side of its column a text stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// The columns that `text` takes on the screen, counted as ratatui does.
#[must_use]
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.graphemes(true).map(columns).sum() }
}

/// `text` in exactly `columns` columns: padded, or cut with `ellipsis` at its end.
///
/// Looks at no more of `text` than it shows. Expects cleaned text.
#[must_use]
pub fn fit(text: &str, columns: u16, align: Align, ellipsis: &str) -> String {
    let columns = usize::from(columns);
    let (whole, used) = head(text, columns);
    if whole.len() == text.len() {
        return padded(whole, "", columns - used, align);
    }
    let sign_width = width(ellipsis);
    if sign_width > columns {
        return padded(whole, "", columns - used, align);
    }
    let (kept, used) = head(text, columns - sign_width);
    padded(kept, ellipsis, columns - sign_width - used, align)
}

/// The longest beginning of `text` within `columns` columns, and the columns it takes.
fn head(text: &str, columns: usize) -> (&str, usize) {
    let mut used = 0;
    let mut end = 0;
    for cluster in text.graphemes(true) {
        let width = self::columns(cluster);
        if used + width > columns {
            break;
        }
        used += width;
        end += cluster.len();
    }
    (&text[..end], used)
}

fn columns(cluster: &str) -> usize {
    if cluster.len() == 1 { 1 } else { usize::from(cluster.cell_width()) }
}

fn padded(text: &str, sign: &str, blanks: usize, align: Align) -> String {
    let mut out = String::with_capacity(text.len() + sign.len() + blanks);
    let blanks = std::iter::repeat_n(' ', blanks);
    match align {
        Align::Left => {
            out.push_str(text);
            out.push_str(sign);
            out.extend(blanks);
        }
        Align::Right => {
            out.extend(blanks);
            out.push_str(text);
            out.push_str(sign);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::clean;

    #[test]
    fn exact_columns() {
        use Align::{Left, Right};
        let table = [
            ("abc", 5, Left, "…", "abc  "),
            ("abc", 5, Right, "…", "  abc"),
            ("abcdef", 5, Left, "…", "abcd…"),
            ("abcdef", 5, Right, "~", "abcd~"),
            ("abcde", 5, Left, "…", "abcde"),
            ("abc", 1, Left, "…", "…"),
            ("abc", 0, Left, "…", ""),
            ("abc", 2, Left, "...", "ab"),
            ("中文字", 5, Left, "…", "中文…"),
            ("中文字", 4, Left, "…", "中… "),
            ("中文", 3, Right, "…", "中…"),
            ("e\u{301}e\u{301}e\u{301}", 2, Left, "~", "e\u{301}~"),
            ("", 2, Left, "…", "  "),
        ];
        for (text, columns, align, ellipsis, expected) in table {
            assert_eq!(fit(text, columns, align, ellipsis), expected, "{text:?} in {columns}");
        }
    }

    #[test]
    fn a_megabyte_costs_no_more_than_its_beginning() {
        let text = "x".repeat(1 << 20);
        let started = std::time::Instant::now();
        for _ in 0..1_000 {
            assert_eq!(fit(&text, 20, Align::Left, "…").chars().count(), 20);
        }
        assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
    }

    proptest! {
        #[test]
        fn never_wider_never_narrower(text in "(\\PC|.){0,30}", columns in 0..40u16) {
            for (align, ellipsis) in [(Align::Left, "…"), (Align::Right, "~")] {
                let fitted = fit(&clean(&text), columns, align, ellipsis);
                prop_assert_eq!(width(&fitted), usize::from(columns), "{:?}", fitted);
            }
        }
    }
}
