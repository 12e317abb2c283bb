//! Backups: taking them, what is in them, checking, listing and expiring them.
//!
//! Knows the data directory only through `sys::source` and the backup destination only through
//! `sys::disk`. The formats stand in `docs/FORMATS.md`.

pub mod adopt;
pub mod blockmap;
pub mod chain;
pub mod codec;
pub mod copy;
pub mod document;
pub mod exclude;
pub mod filelist;
pub mod layout;
pub mod listing;
pub mod pack;
pub mod page;
pub mod stream;
pub mod tar;
