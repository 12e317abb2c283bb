//! Text from outside, made fit for a terminal: harmless, and no wider than its place.
//!
//! Knows nothing of terminals beyond what no terminal should be sent. Every text that did not
//! come out of this program passes [`clean`] or [`clean_block`] once, where it enters the
//! console's state.

mod clean;
mod fit;
mod units;
mod unseen;
mod wrap;

pub use clean::{clean, clean_block, clean_start};
pub use fit::{Align, align, fit, width};
pub use units::{age, byte_rate, bytes, plural, rate};
pub use unseen::{is_control, is_invisible};
pub use wrap::{Wrapped, wrap};
