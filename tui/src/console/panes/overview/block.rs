//! Blocks of facts, in one column or in as many as the screen has room for.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::look::Look;
use crate::console::widgets::window::{Line, wrap_pieces};
use crate::console::widgets::{line_of, put, put_spans};
use crate::text;
use crate::theme::Role;

/// Columns of labels.
const LABEL: usize = 11;
/// Blank columns between two columns of blocks.
const GAP: u16 = 2;
/// A column of blocks is at least this wide.
const COLUMN_MIN: u16 = 56;
/// More columns than this only pull apart what belongs together.
const COLUMNS_MAX: u16 = 3;

/// How much there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// One column: every fact in few words, no titles.
    Narrow,
    /// Several columns with titles.
    Wide,
}

fn columns(width: u16) -> u16 {
    ((width + GAP) / (COLUMN_MIN + GAP)).clamp(1, COLUMNS_MAX)
}

/// One fact: a label and pieces of text.
#[derive(Debug)]
struct Fact {
    label: String,
    pieces: Vec<(String, Role)>,
}

/// Facts that belong together.
#[derive(Debug)]
pub(super) struct Block {
    title: &'static str,
    stale: Option<String>,
    facts: Vec<Fact>,
}

impl Block {
    /// A block without facts; `stale` tells why and since when they are no longer refreshed.
    #[must_use]
    pub(super) fn new(title: &'static str, stale: Option<String>) -> Self {
        Self { title, stale, facts: Vec::new() }
    }

    /// Adds a fact of several pieces.
    pub(super) fn add(&mut self, label: impl Into<String>, pieces: Vec<(String, Role)>) {
        self.facts.push(Fact { label: label.into(), pieces });
    }

    /// Adds a fact of plain text.
    pub(super) fn text(&mut self, label: impl Into<String>, text: impl Into<String>) {
        self.add(label, vec![(text.into(), Role::Text)]);
    }

    /// The facts as lines of this width, and the reason why they are stale.
    pub(super) fn lines(&self, look: &Look, width: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        if let Some(stale) = &self.stale {
            let stale = (stale.clone(), look.style(Role::Stale));
            lines.extend(wrap_pieces(label(look, self.title), &[stale], width));
        }
        for fact in &self.facts {
            let pieces: Vec<_> = fact
                .pieces
                .iter()
                .map(|(text, role)| {
                    // What is stale looks stale, whatever it was.
                    let role = if self.stale.is_some() { Role::Stale } else { *role };
                    (text::clean(text).into_owned(), look.style(role))
                })
                .collect();
            lines.extend(wrap_pieces(label(look, &fact.label), &pieces, width));
        }
        lines
    }
}

fn label(look: &Look, text: &str) -> (String, ratatui::style::Style) {
    let text = text::clean(text);
    let text = text::align(&text, LABEL - 1, text::Align::Left, look.symbols.ellipsis);
    (text + " ", look.style(Role::Dim))
}

/// Draws blocks, with titles and every detail where there is room for all of them, otherwise in
/// few words; what has no room even then is said to be missing.
pub(super) fn draw(blocks: impl Fn(Room) -> Vec<Block>, look: &Look, area: Rect, buf: &mut Buffer) {
    let count = columns(area.width);
    let width = area.width.saturating_sub(GAP * (count - 1)) / count;
    let fits = |filled: &Vec<Vec<Line>>| {
        filled.iter().all(|lines| lines.len() <= usize::from(area.height))
    };
    let wide = (count > 1).then(|| fill(&blocks(Room::Wide), look, count, width, Room::Wide));
    let filled = wide
        .filter(fits)
        .unwrap_or_else(|| fill(&blocks(Room::Narrow), look, count, width, Room::Narrow));
    for (number, lines) in (0..count).zip(filled) {
        let place = Rect::new(area.x + number * (width + GAP), area.y, width, area.height);
        put_lines(look, place, lines, buf);
    }
}

/// The lines of each column.
fn fill(blocks: &[Block], look: &Look, count: u16, width: u16, room: Room) -> Vec<Vec<Line>> {
    let mut filled: Vec<Vec<Line>> = vec![Vec::new(); usize::from(count)];
    for block in blocks.iter().filter(|one| !one.facts.is_empty() || one.stale.is_some()) {
        // The next block goes where there is most room left.
        let Some(column) = filled.iter_mut().min_by_key(|lines| lines.len()) else { break };
        if room == Room::Wide {
            if !column.is_empty() {
                column.push(Vec::new());
            }
            column.push(title(look, block.title, usize::from(width)));
        }
        column.extend(block.lines(look, usize::from(width)));
    }
    filled
}

fn title(look: &Look, title: &str, width: usize) -> Line {
    let rule = look.symbols.horizontal.repeat(width.saturating_sub(title.len() + 1));
    vec![(format!("{title} "), look.style(Role::Title)), (rule, look.style(Role::Border))]
}

fn put_lines(look: &Look, area: Rect, lines: Vec<Line>, buf: &mut Buffer) {
    let room = usize::from(area.height);
    let is_cut = lines.len() > room;
    let shown = if is_cut { room.saturating_sub(1) } else { room };
    for (number, line) in lines.iter().take(shown).enumerate() {
        put_spans(buf, line_of(area, number), line);
    }
    if is_cut && room > 0 {
        let more = lines.len() - shown;
        let text = format!("{} {more} more lines on a larger screen", look.symbols.down);
        put(buf, line_of(area, shown), &text, look.style(Role::Dim));
    }
}

/// Draws a block without its title, each fact on one line.
pub(super) fn draw_cut(block: &Block, look: &Look, area: Rect, buf: &mut Buffer) {
    let width = usize::from(area.width);
    for (number, fact) in block.facts.iter().enumerate() {
        let mut line: Line = vec![label(look, &fact.label)];
        let mut room = width.saturating_sub(LABEL);
        for (text, role) in &fact.pieces {
            let text = text::fit(&text::clean(text), room, look.symbols.ellipsis);
            room -= text::width(&text);
            line.push((text, look.style(*role)));
        }
        put_spans(buf, line_of(area, number), &line);
    }
}
