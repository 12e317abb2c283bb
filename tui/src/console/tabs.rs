//! The line of tabs: which panes there are, and what they tell without being opened.

use pgdeck_engine::api::Severity;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::look::{Look, severity_role};
use super::panes::PaneId;
use super::state::State;
use super::widgets::put_spans;
use super::widgets::window::Line;
use crate::text;
use crate::theme::Role;

/// Screens as wide as this have room between the tabs.
const WIDE_FROM: u16 = 110;

/// One tab: its pane and its pieces of text.
type Tab = (PaneId, Vec<(String, Role)>);

/// The tabs in order. Where the line has no room for every whole title, the longest are made
/// short first; the one of the pane on the screen stays whole as long as it can.
fn tabs(state: &State, columns: u16) -> (Vec<Tab>, usize) {
    let gap = if columns >= WIDE_FROM { 3 } else { 1 };
    let mut tabs: Vec<Tab> =
        PaneId::ALL.into_iter().map(|pane| (pane, tab(state, pane, pane.title()))).collect();
    let mut shortened: Vec<PaneId> = PaneId::ALL.to_vec();
    shortened.sort_by_key(|pane| (*pane == state.pane, std::cmp::Reverse(pane.title().len())));
    for pane in shortened {
        // One blank before the first, none needed behind the last.
        let taken: usize = tabs.iter().map(|tab| width(tab) + gap).sum();
        if taken - gap < usize::from(columns) {
            break;
        }
        tabs[pane.digit() - 1].1 = tab(state, pane, pane.short_title());
    }
    (tabs, gap)
}

fn tab(state: &State, pane: PaneId, title: &str) -> Vec<(String, Role)> {
    let role = if pane == state.pane { Role::Selection } else { Role::Dim };
    let mut pieces = vec![(format!("{} {title}", pane.digit()), role)];
    pieces.extend(badge(state, pane).map(|(text, role)| (format!(":{text}"), role)));
    pieces
}

fn width((_, pieces): &Tab) -> usize {
    pieces.iter().map(|(text, _)| text::width(text)).sum()
}

/// What a tab tells without being opened.
fn badge(state: &State, pane: PaneId) -> Option<(String, Role)> {
    let snapshot = state.snapshot()?;
    match pane {
        PaneId::Messages => {
            let worst = snapshot.worst()?;
            let count = snapshot.messages.iter().filter(|one| one.severity == worst).count();
            (worst > Severity::Info).then(|| (count.to_string(), severity_role(Some(worst))))
        }
        PaneId::Locks => {
            let waiting = snapshot.locks.get()?.waiting;
            (waiting > 0).then(|| (waiting.to_string(), Role::Warn))
        }
        PaneId::Prepared => {
            let count = snapshot.prepared.get()?.len();
            (count > 0).then(|| (count.to_string(), Role::Info))
        }
        _ => None,
    }
}

/// Draws them.
pub fn view(state: &State, look: &Look, line: Rect, buf: &mut Buffer) {
    let (tabs, gap) = tabs(state, line.width);
    let mut spans: Line = vec![(" ".to_owned(), look.style(Role::Text))];
    for (_, pieces) in tabs {
        spans.extend(pieces.into_iter().map(|(text, role)| (text, look.style(role))));
        spans.push((" ".repeat(gap), look.style(Role::Text)));
    }
    put_spans(buf, line, &spans);
}

/// The pane whose tab is in this column of the screen.
#[must_use]
pub fn at(state: &State, column: u16) -> Option<PaneId> {
    let (tabs, gap) = tabs(state, state.size.0);
    let column = usize::from(column);
    let mut begin = 1;
    for tab in tabs {
        let end = begin + width(&tab);
        if (begin..end).contains(&column) {
            return Some(tab.0);
        }
        begin = end + gap;
    }
    None
}
