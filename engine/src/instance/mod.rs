//! Instances: finding them, knowing their state, starting and stopping them.

pub mod binaries;
pub mod config_file;
