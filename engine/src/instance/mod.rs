//! Instances: finding them, knowing their state, starting and stopping them.

pub mod access;
pub mod binaries;
pub mod classify;
pub mod config_file;
pub mod discover;
pub mod facts;
pub mod lifecycle;
pub mod reload;
pub mod target;
