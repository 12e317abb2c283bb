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

/// `text` in at most `columns` columns: cut with `ellipsis` at its end where it is longer.
///
/// Looks at no more of `text` than it shows. Expects cleaned text.
#[must_use]
pub fn fit(text: &str, columns: usize, ellipsis: &str) -> String {
    fitted(text, columns, ellipsis).0
}

/// As [`fit`], filled with blanks to exactly `columns` columns: a cell of a table.
#[must_use]
pub fn align(text: &str, columns: usize, align: Align, ellipsis: &str) -> String {
    let (fitted, used) = fitted(text, columns, ellipsis);
    let blanks = " ".repeat(columns - used);
    match align {
        Align::Left => fitted + &blanks,
        Align::Right => blanks + &fitted,
    }
}

/// The text that fits, and the columns it takes.
fn fitted(text: &str, columns: usize, ellipsis: &str) -> (String, usize) {
    let (whole, used) = head(text, columns);
    let sign_width = width(ellipsis);
    if whole.len() == text.len() || sign_width > columns {
        return (whole.to_owned(), used);
    }
    let (kept, used) = head(text, columns - sign_width);
    (format!("{kept}{ellipsis}"), used + sign_width)
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
            let aligned = super::align(text, columns, align, ellipsis);
            assert_eq!(aligned, expected, "{text:?} in {columns}");
            assert_eq!(fit(text, columns, ellipsis), expected.trim(), "{text:?} in {columns}");
        }
    }

    #[test]
    fn a_megabyte_costs_no_more_than_its_beginning() {
        let text = "x".repeat(1 << 20);
        let started = std::time::Instant::now();
        for _ in 0..1_000 {
            assert_eq!(fit(&text, 20, "…").chars().count(), 20);
        }
        assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
    }

    proptest! {
        #[test]
        fn never_wider_never_narrower(text in "(\\PC|.){0,30}", columns in 0..40usize) {
            for (align, ellipsis) in [(Align::Left, "…"), (Align::Right, "~")] {
                let aligned = super::align(&clean(&text), columns, align, ellipsis);
                prop_assert_eq!(width(&aligned), columns, "{:?}", aligned);
                prop_assert!(width(&fit(&clean(&text), columns, ellipsis)) <= columns);
            }
        }
    }
}
