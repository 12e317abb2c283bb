//! Queries: their texts by version, their values decoded, and quoting for the few commands
//! that take no parameters.

pub mod decode;
pub mod quote;
pub mod sql;
