//! The WAL archive: pushing segments into it, getting them back, and what is in it.
//!
//! Knows the layout of the archive (`docs/FORMATS.md`) and the answers that `archive_command`
//! and `restore_command` must give; invariants 15 to 18 of `docs/INVARIANTS.md` are kept here.

pub mod ahead;
pub mod archive;
pub mod cluster;
pub mod continuity;
pub mod details;
pub mod get;
pub mod identity;
pub mod index;
pub mod inspect;
mod place;
pub mod push;
mod reading;
mod rescued;
pub mod spool;
pub mod store;
