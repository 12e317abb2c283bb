//! What PostgreSQL is made of: its types, files, queries and connections.

pub mod types;
