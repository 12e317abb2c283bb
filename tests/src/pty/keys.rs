//! What a terminal sends for keys that are no plain characters.

/// Enter.
pub const ENTER: &str = "\r";
/// Escape.
pub const ESC: &str = "\x1b";
/// Tab.
pub const TAB: &str = "\t";
/// Shift and Tab.
pub const BACK_TAB: &str = "\x1b[Z";
/// Backspace, as nearly every terminal sends it.
pub const BACKSPACE: &str = "\x7f";
/// Arrow up, in the normal cursor mode.
pub const UP: &str = "\x1b[A";
/// Arrow down.
pub const DOWN: &str = "\x1b[B";
/// Arrow right.
pub const RIGHT: &str = "\x1b[C";
/// Arrow left.
pub const LEFT: &str = "\x1b[D";
/// Page up.
pub const PAGE_UP: &str = "\x1b[5~";
/// Page down.
pub const PAGE_DOWN: &str = "\x1b[6~";
/// Ctrl-C.
pub const CTRL_C: &str = "\x03";
/// Ctrl-D.
pub const CTRL_D: &str = "\x04";
/// Ctrl-L.
pub const CTRL_L: &str = "\x0c";
/// Ctrl-U.
pub const CTRL_U: &str = "\x15";
/// Ctrl-Z.
pub const CTRL_Z: &str = "\x1a";

/// A text as a terminal in bracketed-paste mode sends it.
#[must_use]
pub fn paste(text: &str) -> String {
    format!("\x1b[200~{text}\x1b[201~")
}
