//! The poll: one task per instance that probes, keeps samples and publishes snapshots.

pub mod rates;
