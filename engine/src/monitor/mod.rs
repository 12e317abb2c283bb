//! The poll: one task per instance that probes, keeps samples and publishes snapshots.

mod acting;
pub mod backup_watch;
pub mod link;
pub mod local;
pub mod log_watch;
mod looking;
pub mod memory;
pub mod probes;
pub mod publisher;
pub mod rates;
pub mod recovery_watch;
pub mod server;
pub mod storage_watch;
pub mod task;
mod tending;
