//! Jobs and what is remembered of them: the registry, progress, the journal.

pub mod journal;
