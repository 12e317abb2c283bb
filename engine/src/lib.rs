//! The engine of pgdeck: finds, watches and operates PostgreSQL instances.
//!
//! Front ends use [`api`] only. The other modules are public to the workspace's tests.

pub mod api;
pub mod archiving;
pub mod backup;
pub mod connections;
pub mod demo;
pub mod engine;
pub mod instance;
pub mod jobs;
pub mod logs;
pub mod messages;
pub mod monitor;
pub mod pg;
pub mod recovery;
pub mod storage;
pub mod sys;
pub mod wal;
