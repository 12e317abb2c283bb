//! The terminal: what it can do, what it is sent, what it sends.
//!
//! Owns the screen's modes, the bytes in both directions and the signals that concern the
//! terminal. Knows nothing of PostgreSQL, of the engine or of what is drawn.

pub mod backend;
mod background;
mod clipboard;
pub mod colour;
mod detach;
pub mod glyph;
pub mod input;
mod line;
mod modes;
mod motion;
mod panic;
mod pen;
pub mod policy;
pub mod screen;
mod shown;
pub mod signals;
pub mod size;
pub mod symbols;

pub use background::background;
pub use clipboard::Copied;
pub use detach::detach;
pub use modes::Mouse;
pub use panic::{background_reports, install_hooks};
