//! What PostgreSQL is made of: its types, files, queries and connections.

pub mod catalog;
pub mod conf;
pub mod connect;
pub mod conninfo;
pub mod control_file;
pub mod files;
pub mod heap;
pub mod postmaster_pid;
pub mod query;
pub mod tls;
pub mod types;
pub mod wal;
