//! The engine of pgdeck: finds, watches and operates PostgreSQL instances.
//!
//! Front ends use [`api`] only. The other modules are public to the workspace's tests.

pub mod api;
pub mod logs;
pub mod pg;
pub mod sys;
