//! The first question: what happened? Each answer in plain words, with what it leads to.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::look::Look;
use crate::console::widgets::window::{Line, wrap_into};
use crate::console::widgets::{line_of, put_spans};
use crate::theme::Role;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The disk is lost.
    Lost,
    /// The data is damaged.
    Damaged,
    /// Somebody did something wrong.
    Wrong,
    /// Nothing.
    Rehearse,
}

impl What {
    /// In the order of the screen.
    pub const ALL: [Self; 4] = [Self::Lost, Self::Damaged, Self::Wrong, Self::Rehearse];

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Lost => (
                "The disk or the data directory is lost",
                "Everything comes back that the backups and the WAL know of. What never left the lost disk is gone; the plan says what that is.",
            ),
            Self::Damaged => (
                "The data is damaged: it does not start, checksums fail, files are missing",
                "To the latest position, or to a moment before the damage. What is there now is kept aside.",
            ),
            Self::Wrong => (
                "Somebody did something wrong: DROP, TRUNCATE, DELETE, a bad release",
                "To the moment just before it, which is looked for in the WAL. What was committed after it is not in the result.",
            ),
            Self::Rehearse => (
                "Nothing: rehearse a recovery",
                "Into a scratch directory, which is checked, measured and removed. The instance is not touched.",
            ),
        }
    }
}

/// Draws the question; where the cursor belongs.
pub fn view(selected: usize, look: &Look, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let width = usize::from(area.width);
    let mut lines: Vec<Line> = Vec::new();
    let mut cursor = 0;
    for (number, what) in What::ALL.into_iter().enumerate() {
        let (title, consequence) = what.words();
        let is_selected = number == selected;
        if is_selected {
            cursor = lines.len();
        }
        let sign = if is_selected { "> " } else { "  " };
        let role = if is_selected { Role::Selection } else { Role::Title };
        lines.push(vec![(format!("{sign}{title} "), look.style(role))]);
        wrap_into(&mut lines, consequence, "    ", width, look.style(Role::Text));
        lines.push(Vec::new());
    }
    let end = "Nothing is changed before you have seen the plan and typed a confirmation.";
    lines.push(vec![(end.to_owned(), look.style(Role::Dim))]);
    for (number, line) in lines.iter().enumerate() {
        put_spans(buf, line_of(area, number), line);
    }
    let row = u16::try_from(cursor).unwrap_or(0).min(area.height.saturating_sub(1));
    Some(Position::new(area.x, area.y + row))
}
