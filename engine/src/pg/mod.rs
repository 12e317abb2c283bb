//! What PostgreSQL is made of: its types, files, queries and connections.

pub mod control_file;
pub mod postmaster_pid;
pub mod types;
