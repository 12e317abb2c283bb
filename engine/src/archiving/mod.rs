//! Setting up the WAL archive, and proving that a segment arrives.
//!
//! Owns which settings the archive needs and how they get into the configuration files. Never
//! writes a backup or a segment itself, and restarts nothing.

mod apply;
mod check;
mod destination;
mod plan;
mod settings;

pub use apply::apply;
pub use check::check;
pub use plan::plan;
pub(crate) use settings::shell_word;
