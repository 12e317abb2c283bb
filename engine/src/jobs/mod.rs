//! Jobs and what is remembered of them: running them, showing them, the journal.

pub mod board;
pub mod journal;
pub mod runner;
