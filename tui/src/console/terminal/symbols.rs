//! The signs that are drawn, in as many forms as terminals need.

use ratatui::symbols::border;

use super::policy::{Charset, Family, TerminalPolicy};

/// One set of signs. Each is one column wide, the branches of a tree are three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbols {
    /// The frame of a pane.
    pub border: border::Set<'static>,
    /// A horizontal rule.
    pub horizontal: &'static str,
    /// A vertical rule, between columns for example.
    pub vertical: &'static str,
    /// A child with siblings below it.
    pub branch: &'static str,
    /// The last child.
    pub last_branch: &'static str,
    /// Beside the children of a child with siblings below it.
    pub trunk: &'static str,
    /// Beside the children of the last child.
    pub no_trunk: &'static str,
    /// The filled part of a bar.
    pub bar: &'static str,
    /// The rest of it.
    pub bar_empty: &'static str,
    /// A cell of a bar filled by one to seven eighths; empty where there are no such signs.
    pub bar_parts: &'static [&'static str],
    /// Heights of a small graph, from nothing to full.
    pub heights: [&'static str; 9],
    /// Points up.
    pub up: &'static str,
    /// Points down.
    pub down: &'static str,
    /// Points left: there is more there.
    pub left: &'static str,
    /// Points right: there is more there, or "leads to".
    pub right: &'static str,
    /// In front of the selected row.
    pub pointer: &'static str,
    /// In front of a marked row.
    pub marked: &'static str,
    /// In front of an item.
    pub bullet: &'static str,
    /// A good state.
    pub ok: &'static str,
    /// A state that needs attention.
    pub warn: &'static str,
    /// A bad state.
    pub error: &'static str,
    /// A state that cannot be told, or a value that is no longer refreshed.
    pub unknown: &'static str,
    /// What was cut.
    pub ellipsis: &'static str,
    /// Between words of a line.
    pub separator: &'static str,
}

/// UTF-8 and a font with everything common.
pub const UNICODE: Symbols = Symbols {
    border: border::PLAIN,
    horizontal: "─",
    vertical: "│",
    branch: "├─ ",
    last_branch: "└─ ",
    trunk: "│  ",
    no_trunk: "   ",
    bar: "█",
    bar_empty: "░",
    bar_parts: &["▏", "▎", "▍", "▌", "▋", "▊", "▉"],
    heights: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    up: "▲",
    down: "▼",
    left: "◄",
    right: "►",
    pointer: "►",
    marked: "●",
    bullet: "•",
    ok: "✓",
    warn: "!",
    error: "✗",
    unknown: "?",
    ellipsis: "…",
    separator: "·",
};

/// UTF-8, but the font of the Linux console: 256 signs, those of code page 437.
pub const LINUX: Symbols = Symbols {
    bar_parts: &[],
    heights: [" ", "░", "░", "▒", "▒", "▓", "▓", "█", "█"],
    marked: "*",
    ok: "√",
    error: "x",
    ellipsis: "~",
    ..UNICODE
};

/// ASCII.
pub const ASCII: Symbols = Symbols {
    border: border::Set {
        top_left: "+",
        top_right: "+",
        bottom_left: "+",
        bottom_right: "+",
        vertical_left: "|",
        vertical_right: "|",
        horizontal_top: "-",
        horizontal_bottom: "-",
    },
    horizontal: "-",
    vertical: "|",
    branch: "|- ",
    last_branch: "`- ",
    trunk: "|  ",
    no_trunk: "   ",
    bar: "#",
    bar_empty: ".",
    bar_parts: &[],
    heights: [" ", "_", "_", ".", ".", "-", "=", "#", "#"],
    up: "^",
    down: "v",
    left: "<",
    right: ">",
    pointer: ">",
    marked: "*",
    bullet: "*",
    ok: "+",
    warn: "!",
    error: "x",
    unknown: "?",
    ellipsis: "~",
    separator: "-",
};

impl Symbols {
    /// The set for this terminal.
    #[must_use]
    pub fn of(policy: &TerminalPolicy) -> &'static Self {
        match (policy.charset, policy.family) {
            (Charset::Ascii, _) => &ASCII,
            (Charset::Utf8, Family::Linux) => &LINUX,
            (Charset::Utf8, _) => &UNICODE,
        }
    }

    /// A bar of exactly `columns` columns with `part` of `whole` filled, as its two pieces, which
    /// are drawn in two styles. A part above nothing shows, a part below the whole leaves room:
    /// "full" is only shown for what is full.
    #[must_use]
    pub fn bar(&self, columns: u16, part: u64, whole: u64) -> (String, String) {
        let columns = usize::from(columns);
        let steps_per_cell = self.bar_parts.len() + 1;
        let steps = columns * steps_per_cell;
        let filled = fraction(part.min(whole), whole, steps);
        let filled = match (part, filled) {
            (1.., 0) => usize::from(steps > 0),
            (_, all) if all == steps && part < whole => all.saturating_sub(1),
            (_, some) => some,
        };
        let (cells, rest) = (filled / steps_per_cell, filled % steps_per_cell);
        let mut full = self.bar.repeat(cells);
        if rest > 0 {
            full.push_str(self.bar_parts[rest - 1]);
        }
        (full, self.bar_empty.repeat(columns - cells - usize::from(rest > 0)))
    }

    /// A graph of one line: the last `columns` of `values`, the largest of them full.
    #[must_use]
    pub fn graph(&self, values: &[u64], columns: u16) -> String {
        let shown = &values[values.len().saturating_sub(usize::from(columns))..];
        let largest = shown.iter().copied().max().unwrap_or(0);
        let height = |&value: &u64| match fraction(value, largest, self.heights.len() - 1) {
            0 if value > 0 => 1,
            height => height,
        };
        shown.iter().map(|value| self.heights[height(value)]).collect()
    }
}

/// `part / whole` of `steps`, rounded down; nothing of nothing.
fn fraction(part: u64, whole: u64, steps: usize) -> usize {
    let wide = |n: u64| u128::from(n);
    let steps = u128::try_from(steps).unwrap_or(0);
    let found = (wide(part) * steps).checked_div(wide(whole)).unwrap_or(0);
    usize::try_from(found).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::width;

    fn all(symbols: &Symbols) -> Vec<&'static str> {
        let Symbols { border, heights, bar_parts, .. } = *symbols;
        let mut all = vec![
            border.top_left,
            border.top_right,
            border.bottom_left,
            border.bottom_right,
            border.vertical_left,
            border.vertical_right,
            border.horizontal_top,
            border.horizontal_bottom,
            symbols.horizontal,
            symbols.vertical,
            symbols.bar,
            symbols.bar_empty,
            symbols.up,
            symbols.down,
            symbols.left,
            symbols.right,
            symbols.pointer,
            symbols.marked,
            symbols.bullet,
            symbols.ok,
            symbols.warn,
            symbols.error,
            symbols.unknown,
            symbols.ellipsis,
            symbols.separator,
        ];
        all.extend(heights);
        all.extend(bar_parts);
        all
    }

    #[test]
    fn every_sign_takes_its_columns() {
        for symbols in [UNICODE, LINUX, ASCII] {
            for sign in all(&symbols) {
                assert_eq!(width(sign), 1, "{sign:?}");
            }
            for branch in [symbols.branch, symbols.last_branch, symbols.trunk, symbols.no_trunk] {
                assert_eq!(width(branch), 3, "{branch:?}");
            }
        }
        assert!(all(&ASCII).iter().all(|sign| sign.is_ascii()));
        let code_page = "─│┌┐└┘├░▒▓█▲▼◄►•·√ ";
        for sign in all(&LINUX) {
            assert!(sign.is_ascii() || code_page.contains(sign), "{sign:?}");
        }
    }

    #[test]
    fn bars() {
        let table = [
            (0, 100, "..........", "░░░░░░░░░░"),
            (1, 1000, "#.........", "▏░░░░░░░░░"),
            (50, 100, "#####.....", "█████░░░░░"),
            (55, 100, "#####.....", "█████▌░░░░"),
            (999, 1000, "#########.", "█████████▉"),
            (100, 100, "##########", "██████████"),
            (200, 100, "##########", "██████████"),
            (0, 0, "..........", "░░░░░░░░░░"),
            (u64::MAX, u64::MAX, "##########", "██████████"),
        ];
        for (part, whole, ascii, unicode) in table {
            for (symbols, expected) in [(ASCII, ascii), (UNICODE, unicode)] {
                let (full, empty) = symbols.bar(10, part, whole);
                assert_eq!(full + &empty, expected, "{part} of {whole}");
            }
        }
    }

    #[test]
    fn graphs() {
        assert_eq!(UNICODE.graph(&[0, 1, 50, 100], 10), " ▁▄█");
        assert_eq!(UNICODE.graph(&[9, 9, 0, 1, 50, 100], 4), " ▁▄█");
        assert_eq!(ASCII.graph(&[0, 0], 4), "  ");
        assert_eq!(ASCII.graph(&[], 4), "");
    }

    proptest! {
        #[test]
        fn a_bar_is_as_wide_as_asked(columns in 0..200u16, part: u64, whole: u64) {
            for symbols in [UNICODE, LINUX, ASCII] {
                let (full, empty) = symbols.bar(columns, part, whole);
                prop_assert_eq!(width(&full) + width(&empty), usize::from(columns));
            }
        }
    }
}
