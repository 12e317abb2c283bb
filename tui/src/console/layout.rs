//! Which part of the screen is whose.

use ratatui::layout::Rect;

/// Lines above the pane: the instance, the tabs.
const TOP: u16 = 2;
/// Lines below it: the notice, the hints.
const BOTTOM: u16 = 2;

/// The pane's part of a screen of this size.
#[must_use]
pub fn body(size: (u16, u16)) -> Rect {
    let (columns, rows) = size;
    Rect::new(0, TOP, columns, rows.saturating_sub(TOP + BOTTOM))
}

/// The line of the instance.
#[must_use]
pub fn header(area: Rect) -> Rect {
    Rect::new(area.x, area.y, area.width, 1)
}

/// The line of the tabs.
#[must_use]
pub fn tabs(area: Rect) -> Rect {
    Rect::new(area.x, area.y + 1, area.width, 1)
}

/// The line of the notice.
#[must_use]
pub fn notice(area: Rect) -> Rect {
    Rect::new(area.x, area.bottom().saturating_sub(2), area.width, 1)
}

/// The line of the hints.
#[must_use]
pub fn hints(area: Rect) -> Rect {
    Rect::new(area.x, area.bottom().saturating_sub(1), area.width, 1)
}
