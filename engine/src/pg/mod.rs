//! What PostgreSQL is made of: its types, files, queries and connections.

pub mod conf;
pub mod control_file;
pub mod files;
pub mod postmaster_pid;
pub mod types;
