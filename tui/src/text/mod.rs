//! Text from outside, made fit for a terminal: harmless, and no wider than its place.

mod unseen;

pub use unseen::{is_control, is_invisible};
