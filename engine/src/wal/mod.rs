//! The WAL archive: pushing segments into it, getting them back, and what is in it.
//!
//! Invariants 15 to 18 of `docs/INVARIANTS.md` are kept here.

pub mod identity;
