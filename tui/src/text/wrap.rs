//! A long text in lines of a given width, found as far as they are looked at.

use std::ops::Range;
use std::sync::Arc;

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

/// A line must be able to hold a wide character.
const COLUMNS_MIN: usize = 2;

/// A text and where its lines begin.
///
/// Lines are found once and in order; looking at the first screen of a megabyte costs what the
/// first screen costs. Expects text from [`super::clean_block`].
#[derive(Debug, Clone)]
pub struct Wrapped {
    text: Arc<str>,
    columns: usize,
    is_ascii: bool,
    /// Where each line that was found lies, without its line end.
    lines: Vec<Range<usize>>,
    /// Where the next line begins; `None` at the end.
    next: Option<usize>,
}

impl Wrapped {
    /// `text` in lines of at most `columns` columns (at least two).
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>, columns: u16) -> Self {
        let text = text.into();
        let is_ascii = text.is_ascii();
        let columns = usize::from(columns).max(COLUMNS_MIN);
        Self { text, columns, is_ascii, lines: Vec::new(), next: Some(0) }
    }

    /// Wraps anew when the width changed.
    pub fn set_columns(&mut self, columns: u16) {
        let columns = usize::from(columns).max(COLUMNS_MIN);
        if columns != self.columns {
            self.columns = columns;
            self.lines.clear();
            self.next = Some(0);
        }
    }

    /// The lines from `first` on, at most `count`.
    pub fn lines(&mut self, first: usize, count: usize) -> impl Iterator<Item = &str> {
        self.find(first.saturating_add(count));
        let lines = self.lines.iter().skip(first).take(count);
        lines.map(|range| self.text[range.clone()].trim_end_matches(' '))
    }

    /// How many lines there are. Finds them all.
    pub fn count(&mut self) -> usize {
        self.find(usize::MAX);
        self.lines.len()
    }

    fn find(&mut self, wanted: usize) {
        while self.lines.len() < wanted {
            let Some(start) = self.next else { return };
            let (end, next) = self.line_at(start);
            self.lines.push(start..end);
            self.next = next;
        }
    }

    /// The end of the line that begins at `start`, and where the next one begins.
    fn line_at(&self, start: usize) -> (usize, Option<usize>) {
        if self.is_ascii {
            let bytes = &self.text.as_bytes()[start..];
            let clusters = bytes.iter().enumerate().map(|(at, &byte)| Cluster {
                at: start + at,
                len: 1,
                first_len: 1,
                columns: 1,
                kind: Kind::of(byte),
            });
            self.end_of(start, clusters)
        } else {
            let clusters = self.text[start..].grapheme_indices(true).map(|(at, text)| Cluster {
                at: start + at,
                len: text.len(),
                first_len: text.chars().next().map_or(1, char::len_utf8),
                columns: if text.len() == 1 { 1 } else { usize::from(text.cell_width()) },
                kind: if let [byte] = text.as_bytes() { Kind::of(*byte) } else { Kind::Ink },
            });
            self.end_of(start, clusters)
        }
    }

    fn end_of(
        &self,
        start: usize,
        clusters: impl Iterator<Item = Cluster>,
    ) -> (usize, Option<usize>) {
        let mut used = 0;
        let mut after_space = None;
        for cluster in clusters {
            if cluster.kind == Kind::LineEnd {
                return (cluster.at, Some(cluster.at + cluster.len));
            }
            if used + cluster.columns > self.columns {
                // A space may stand in the margin: nobody sees it.
                let end = match (cluster.kind, after_space) {
                    (Kind::Space, _) => cluster.at + cluster.len,
                    (_, Some(after_space)) => after_space,
                    (_, None) if cluster.at > start => cluster.at,
                    // A cluster wider than the line: its first character alone is not.
                    (_, None) => start + cluster.first_len,
                };
                return (end, Some(end));
            }
            used += cluster.columns;
            if cluster.kind == Kind::Space {
                after_space = Some(cluster.at + cluster.len);
            }
        }
        (self.text.len(), None)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ink,
    Space,
    LineEnd,
}

impl Kind {
    fn of(byte: u8) -> Self {
        match byte {
            b'\n' => Self::LineEnd,
            b' ' => Self::Space,
            _ => Self::Ink,
        }
    }
}

struct Cluster {
    at: usize,
    len: usize,
    /// Of its first character.
    first_len: usize,
    columns: usize,
    kind: Kind,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::{clean_block, width};

    fn wrapped(text: &str, columns: u16) -> Vec<String> {
        Wrapped::new(text, columns).lines(0, usize::MAX).map(str::to_owned).collect()
    }

    #[test]
    fn lines_break_at_spaces() {
        let table: [(&str, u16, &[&str]); 10] = [
            ("", 10, &[""]),
            ("one two", 10, &["one two"]),
            ("one two three", 7, &["one two", "three"]),
            ("one two three", 8, &["one two", "three"]),
            ("abcdefghij", 4, &["abcd", "efgh", "ij"]),
            ("a abcdefgh", 4, &["a", "abcd", "efgh"]),
            ("a\n\n  b", 4, &["a", "", "  b"]),
            ("abcd\nx", 4, &["abcd", "x"]),
            ("中文字", 5, &["中文", "字"]),
            ("a\n", 4, &["a", ""]),
        ];
        for (text, columns, expected) in table {
            assert_eq!(wrapped(text, columns), expected, "{text:?} in {columns}");
        }
    }

    #[test]
    fn a_megabyte_is_wrapped_in_one_pass() {
        let ascii = "select something from somewhere where id = 42 and ".repeat(21_000);
        let wide = "größe 中文字 und so weiter ".repeat(30_000);
        for text in [ascii, wide, "x".repeat(1 << 20), " ".repeat(1 << 20)] {
            let started = std::time::Instant::now();
            let mut lines = Wrapped::new(text.as_str(), 80);
            assert_eq!(lines.lines(0, 20).count(), 20);
            let first_screen = started.elapsed();
            let count = lines.count();
            assert_eq!(lines.lines(count - 1, 10).count(), 1);
            assert!(first_screen.as_millis() < 100, "{first_screen:?}");
            assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
        }
    }

    #[test]
    fn a_new_width_wraps_anew() {
        let mut lines = Wrapped::new("one two three", 20);
        assert_eq!(lines.count(), 1);
        lines.set_columns(5);
        assert_eq!(lines.count(), 3);
    }

    proptest! {
        #[test]
        fn never_wider_and_nothing_lost(text in "(\\PC|.|\n){0,60}", columns in 2..20u16) {
            let text = clean_block(&text).into_owned();
            let lines = wrapped(&text, columns);
            for line in &lines {
                prop_assert!(width(line) <= usize::from(columns), "{line:?} in {columns}");
            }
            let ink = |text: &str| text.chars().filter(|c| !" \n".contains(*c)).collect::<String>();
            prop_assert_eq!(ink(&lines.concat()), ink(&text));
        }
    }
}
