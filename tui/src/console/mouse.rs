//! The mouse, for those who ask for it (`--mouse`): the wheel moves, a click goes to a pane or
//! selects a row, a click on the selected row opens it. It can do nothing that a key cannot, and
//! answers no dialog.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::commands::CommandId;
use super::dialogs::Dialog;
use super::dispatch;
use super::layout;
use super::state::{Cmd, State};
use super::tabs;
use super::update;

/// Rows a turn of the wheel goes.
const WHEEL_ROWS: usize = 3;

/// Takes a click or a turn of the wheel.
pub fn take(state: &mut State, event: &MouseEvent) -> Vec<Cmd> {
    if state.is_too_small() {
        return Vec::new();
    }
    match event.kind {
        MouseEventKind::ScrollDown => wheel(state, KeyCode::Down),
        MouseEventKind::ScrollUp => wheel(state, KeyCode::Up),
        MouseEventKind::Down(MouseButton::Left) if state.dialogs.is_empty() => {
            click(state, event.column, event.row)
        }
        _ => Vec::new(),
    }
}

fn wheel(state: &mut State, code: KeyCode) -> Vec<Cmd> {
    let takes_arrows = match state.dialogs.last() {
        Some(Dialog::Text(_) | Dialog::Finder(_) | Dialog::Pick(_)) | None => true,
        Some(_) => false,
    };
    if !takes_arrows {
        return Vec::new();
    }
    let arrow = KeyEvent::new(code, KeyModifiers::NONE);
    (0..WHEEL_ROWS).flat_map(|_| update::key(state, &arrow)).collect()
}

fn click(state: &mut State, column: u16, row: u16) -> Vec<Cmd> {
    let body = layout::body(state.size);
    if row + 1 == body.y {
        if let Some(pane) = tabs::at(state, column) {
            state.pane = pane;
        }
        return Vec::new();
    }
    let Some(line) = row.checked_sub(body.y).filter(|line| *line < body.height) else {
        return Vec::new();
    };
    let pane = state.panes.get_mut(state.pane);
    let was_selected = match pane.row_at(usize::from(line)) {
        Some(row) => pane.list_mut().click(row),
        None => false,
    };
    if was_selected { dispatch::checked(state, CommandId::Open) } else { Vec::new() }
}
