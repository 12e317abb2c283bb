//! A long text in lines of a given width.

use std::ops::Range;

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

use super::{is_control, is_invisible};

/// A line must be able to hold a wide character.
const COLUMNS_MIN: usize = 2;

/// Where the lines of a text lie. Holds no text, so that it can stand beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// Without their line ends.
    lines: Vec<Range<usize>>,
}

/// Finds the lines of `text` in `columns` columns (at least two), in one pass.
///
/// Breaks after a space where there is one. The text may be raw: what [`super::clean`] makes of a
/// line is never wider than the line was taken for.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Wrapped {
    let wrapper = Wrapper { text, columns: columns.max(COLUMNS_MIN), is_ascii: text.is_ascii() };
    let mut lines = Vec::new();
    let mut next = Some(0);
    while let Some(start) = next {
        let (end, after) = wrapper.line_at(start);
        lines.push(start..end);
        next = after;
    }
    Wrapped { lines }
}

impl Wrapped {
    /// How many lines there are; at least one.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// Line `number`, from 0, of the `text` that was wrapped; without its line end and without
    /// blanks at its end.
    #[must_use]
    pub fn line<'t>(&self, text: &'t str, number: usize) -> Option<&'t str> {
        let range = self.lines.get(number)?.clone();
        text.get(range).map(|line| line.trim_end_matches(' '))
    }
}

struct Wrapper<'t> {
    text: &'t str,
    columns: usize,
    is_ascii: bool,
}

impl Wrapper<'_> {
    /// The end of the line that begins at `start`, and where the next one begins.
    fn line_at(&self, start: usize) -> (usize, Option<usize>) {
        if self.is_ascii {
            let bytes = self.text.as_bytes();
            let clusters = (start..bytes.len()).map(|at| {
                let is_pair = bytes[at..].starts_with(b"\r\n");
                Cluster {
                    at,
                    len: 1 + usize::from(is_pair),
                    first_len: 1,
                    columns: 1,
                    kind: Kind::of(bytes[at]),
                }
            });
            self.end_of(start, clusters)
        } else {
            let clusters = self.text[start..].grapheme_indices(true).map(|(at, text)| Cluster {
                at: start + at,
                len: text.len(),
                first_len: text.chars().next().map_or(1, char::len_utf8),
                columns: columns(text),
                kind: match text.as_bytes() {
                    [byte] | [byte @ b'\r', b'\n'] => Kind::of(*byte),
                    _ => Kind::Ink,
                },
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
            b'\n' | b'\r' => Self::LineEnd,
            b' ' => Self::Space,
            _ => Self::Ink,
        }
    }
}

/// Counts a sign for each hidden character, which is what cleaning may put in its place.
fn columns(cluster: &str) -> usize {
    if cluster.len() == 1 {
        return 1;
    }
    let hidden = cluster.chars().filter(|c| is_control(*c) || is_invisible(*c)).count();
    usize::from(cluster.cell_width()) + hidden
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
    use crate::text::{clean, width};

    fn wrapped(text: &str, columns: usize) -> Vec<&str> {
        let lines = wrap(text, columns);
        (0..lines.line_count()).map(|number| lines.line(text, number).unwrap()).collect()
    }

    #[test]
    fn lines_break_at_spaces() {
        let table: [(&str, usize, &[&str]); 12] = [
            ("", 10, &[""]),
            ("one two", 10, &["one two"]),
            ("one two three", 7, &["one two", "three"]),
            ("one two three", 8, &["one two", "three"]),
            ("abcdefghij", 4, &["abcd", "efgh", "ij"]),
            ("a abcdefgh", 4, &["a", "abcd", "efgh"]),
            ("a\n\n  b", 4, &["a", "", "  b"]),
            ("abcd\nx", 4, &["abcd", "x"]),
            ("a\r\nb\rc", 4, &["a", "b", "c"]),
            ("ä\r\nb\rc", 4, &["ä", "b", "c"]),
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
            let lines = wrap(&text, 80);
            assert!(lines.line_count() > 10_000);
            assert_eq!(lines.line(&text, lines.line_count()), None);
            assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
        }
    }

    proptest! {
        #[test]
        fn never_wider_and_nothing_lost(
            text in "(\\PC|.|[\n\r\x00-\x1f]){0,60}",
            columns in 2..20usize,
        ) {
            let lines = wrapped(&text, columns);
            for line in &lines {
                prop_assert!(width(&clean(line)) <= columns, "{line:?} in {columns}");
            }
            let ink = |text: &str| {
                text.chars().filter(|c| !" \n\r".contains(*c)).collect::<String>()
            };
            prop_assert_eq!(ink(&lines.concat()), ink(&text));
        }
    }
}
