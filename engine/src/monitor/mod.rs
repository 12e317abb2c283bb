//! The poll: one task per instance that probes, keeps samples and publishes snapshots.

pub mod link;
pub mod rates;
pub mod server;
