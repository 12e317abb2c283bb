//! Backups: taking them, what is in them, checking, listing and expiring them.
//!
//! Knows the data directory only through `sys::source` and the backup destination only through
//! `sys::disk`. The formats stand in `docs/FORMATS.md`.

pub mod adopt;
mod archive;
pub mod blockmap;
pub mod catalog;
pub mod chain;
pub mod codec;
pub mod content;
pub mod copy;
pub mod document;
pub mod exclude;
mod expect;
pub mod expire;
pub mod filelist;
mod finishing;
pub mod layout;
pub mod listing;
pub mod machine;
pub mod manifest;
mod outcome;
pub mod pack;
pub mod page;
pub mod plan;
pub mod prepare;
pub mod protection;
pub mod restore_points;
pub mod retention;
pub mod run;
pub mod seal;
pub mod session;
pub mod site;
pub mod stream;
pub mod tar;
pub mod verify;

/// The name of this machine.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
