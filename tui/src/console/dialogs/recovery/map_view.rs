//! How the map looks: rows of timelines, the ruler with the cursor, what the cursor's place
//! means.

use pgdeck_engine::api::{Lsn, Reach, RecoveryMap};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::chart::{self, Cell, Lines};
use super::cursor::Cursor;
use super::scale::Scale;
use super::words;
use crate::console::look::Look;
use crate::console::widgets::window::Line;
use crate::console::widgets::{line_of, put, put_spans, put_spans_fitting};
use crate::console::zone::Zone;
use crate::text;
use crate::theme::Role;

/// Columns of the labels before the chart.
const LABEL: u16 = 13;
/// Lines below the timelines: ruler, ends, legend, a blank, what the place means, keys.
const BELOW: u16 = 10;

/// Columns the chart has on a screen of this width.
#[must_use]
pub fn chart_columns(width: u16) -> usize {
    usize::from(width.saturating_sub(LABEL + 1)).max(1)
}

/// What is drawn.
#[derive(Clone, Copy)]
pub struct MapView<'a> {
    /// The map.
    pub map: &'a RecoveryMap,
    /// Its measures for this width.
    pub scale: &'a Scale,
    /// Where recovery would end.
    pub cursor: &'a Cursor,
    /// Whose time.
    pub zone: Zone,
    /// With what.
    pub look: &'a Look,
}

impl MapView<'_> {
    /// Draws it; where the cursor belongs.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let room = usize::from(area.height.saturating_sub(BELOW)).max(2) / 2;
        let count = self.scale.rows.len();
        let selected = self.scale.row_of(self.cursor.timeline).unwrap_or(0);
        let first = (selected + 1).saturating_sub(room).min(count.saturating_sub(room));
        let columns = chart_columns(area.width);
        let lines = chart::draw(self.map, self.scale, columns);
        let mut place = None;
        for (number, lines) in lines.iter().enumerate().skip(first).take(room) {
            let top = line_of(area, (number - first) * 2);
            let below = line_of(area, (number - first) * 2 + 1);
            place = self.row(number, lines, (top, below), buf).or(place);
        }
        let shown = count.min(room);
        let ruler = Rect::new(area.x, area.y, area.width, area.height);
        self.ruler(line_of(ruler, shown * 2), selected, buf);
        self.ends(line_of(ruler, shown * 2 + 1), (first, shown, count), buf);
        self.legend(line_of(ruler, shown * 2 + 2), buf);
        self.meaning(ruler, shown * 2 + 4, selected, buf);
        place
    }

    /// The two lines of a timeline; where the cursor is when it is on it.
    fn row(
        &self,
        number: usize,
        lines: &Lines,
        (top, below): (Rect, Rect),
        buf: &mut Buffer,
    ) -> Option<Position> {
        let row = self.scale.rows.get(number)?;
        let is_selected = row.timeline == self.cursor.timeline;
        let sign = if is_selected { self.look.symbols.pointer } else { " " };
        let role = if is_selected { Role::Title } else { Role::Text };
        let name = format!("{sign}timeline {}", row.timeline.as_u32());
        put(buf, top, &name, self.look.style(role));
        let parent = row.parent.and_then(|(parent, _)| self.scale.rows.get(parent));
        let origin = match (self.map.current == Some(row.timeline), parent) {
            (true, _) => " in use".to_owned(),
            (false, Some(parent)) => format!(" left {}", parent.timeline.as_u32()),
            (false, None) => String::new(),
        };
        put(buf, below, &origin, self.look.style(Role::Dim));
        let chart = |line: Rect| {
            Rect::new(line.x + LABEL, line.y, line.width.saturating_sub(LABEL), line.height)
        };
        put_spans(buf, chart(top), &self.cells(&lines.marks, None));
        let at = is_selected.then(|| self.scale.column(number, self.cursor.lsn.as_u64()));
        put_spans(buf, chart(below), &self.cells(&lines.bar, at));
        let at = u16::try_from(at?).ok()?;
        Some(Position::new((below.x + LABEL + at).min(below.right().saturating_sub(1)), below.y))
    }

    fn cells(&self, cells: &[Cell], cursor: Option<usize>) -> Vec<(String, Style)> {
        let styled = cells.iter().enumerate().map(|(column, cell)| {
            let (sign, role) = self.sign(*cell);
            let role = if cursor == Some(column) { Role::Selection } else { role };
            (sign.to_owned(), self.look.style(role))
        });
        styled.collect()
    }

    fn sign(&self, cell: Cell) -> (&'static str, Role) {
        let symbols = self.look.symbols;
        match cell {
            Cell::Blank => (" ", Role::Text),
            Cell::Reachable => (symbols.bar, Role::Ok),
            Cell::Unreached => (symbols.bar_empty, Role::BarEmpty),
            Cell::Gap => (symbols.error, Role::Error),
            Cell::Full => ("F", Role::Title),
            Cell::Incremental => ("i", Role::Title),
            Cell::Taking => (symbols.horizontal, Role::Dim),
            Cell::Point => ("r", Role::Info),
            Cell::Trunk => (symbols.vertical, Role::Dim),
            Cell::Turn => (symbols.border.bottom_left, Role::Dim),
            Cell::Branch => (symbols.horizontal, Role::Dim),
        }
    }

    /// A rule with the cursor's place.
    fn ruler(&self, line: Rect, selected: usize, buf: &mut Buffer) {
        let chart =
            Rect::new(line.x + LABEL, line.y, line.width.saturating_sub(LABEL + 1), line.height);
        let columns = usize::from(chart.width);
        put(buf, chart, &self.look.symbols.horizontal.repeat(columns), self.look.style(Role::Dim));
        let at = self.scale.column(selected, self.cursor.lsn.as_u64());
        let Ok(at) = u16::try_from(at) else { return };
        let place =
            Rect::new(chart.x + at.min(chart.width.saturating_sub(1)), chart.y, 1, chart.height);
        put(buf, place, self.look.symbols.up, self.look.style(Role::Title));
    }

    /// The moments, or positions, at both ends of the chart; what is out of sight.
    fn ends(&self, line: Rect, (first, shown, count): (usize, usize, usize), buf: &mut Buffer) {
        let position = |at: u64| Lsn::from_u64(at).map(|lsn| lsn.to_string()).unwrap_or_default();
        let (from, to) = match (self.scale.times(), self.scale.positions()) {
            (Some((from, to)), _) => (self.zone.date_time(from), self.zone.date_time(to)),
            (None, Some((from, to))) => (position(from), position(to)),
            (None, None) => return,
        };
        let dim = self.look.style(Role::Dim);
        let chart =
            Rect::new(line.x + LABEL, line.y, line.width.saturating_sub(LABEL + 1), line.height);
        put(buf, chart, &from, dim);
        let width = u16::try_from(text::width(&to)).unwrap_or(0).min(chart.width);
        put(buf, Rect::new(chart.right() - width, chart.y, width, chart.height), &to, dim);
        if count > shown {
            let text = format!(" {}-{} of {count}", first + 1, first + shown);
            put(buf, line, &text, self.look.style(Role::Warn));
        }
    }

    fn legend(&self, line: Rect, buf: &mut Buffer) {
        let piece = |cell: Cell, word: &str| {
            let (sign, role) = self.sign(cell);
            [
                (sign.to_owned(), self.look.style(role)),
                (format!(" {word}  "), self.look.style(Role::Dim)),
            ]
        };
        let spans: Vec<_> = [
            piece(Cell::Reachable, "recoverable"),
            piece(Cell::Unreached, "no backup leads there"),
            piece(Cell::Gap, "gap"),
            piece(Cell::Full, "full"),
            piece(Cell::Incremental, "incr"),
            piece(Cell::Point, "restore point"),
        ]
        .into_iter()
        .flatten()
        .collect();
        put_spans(buf, Rect { x: line.x + 1, width: line.width.saturating_sub(1), ..line }, &spans);
    }

    /// What the cursor's place means.
    fn meaning(&self, area: Rect, from: usize, selected: usize, buf: &mut Buffer) {
        let reach = self.map.reach(self.cursor.timeline, self.cursor.lsn);
        let (sign, role) = match reach {
            Reach::Reachable { .. } => (self.look.symbols.ok, Role::Ok),
            Reach::Unreachable { .. } => (self.look.symbols.error, Role::Error),
        };
        let last = self.scale.rows.get(selected).map_or(0, |row| row.last);
        let (map, cursor, zone) = (self.map, self.cursor, self.zone);
        let mut lines = vec![
            ("Here", words::here(map, cursor, zone), Role::Text),
            ("", format!("{sign} {}", words::reach(&reach)), role),
        ];
        match reach {
            Reach::Reachable { .. } => {
                lines.push(("Target", words::target(cursor, zone), Role::Title));
                lines.push(("Lost", words::lost(map, cursor, last, zone), Role::Text));
            }
            Reach::Unreachable { nearest, .. } => {
                let words = words::nearest(map, cursor, nearest, zone);
                lines.push(("Nearest", words, Role::Title));
            }
        }
        for (number, (label, text, role)) in lines.into_iter().enumerate() {
            let line = line_of(area, from + number);
            let spans: Line = vec![
                (format!(" {label:<8}"), self.look.style(Role::Dim)),
                (text::clean(&text).into_owned(), self.look.style(role)),
            ];
            put_spans_fitting(buf, line, &spans, self.look.symbols.ellipsis);
        }
    }
}
