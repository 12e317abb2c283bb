//! The only doors to the file system, to child processes, to devices and to the clock.
//!
//! Nothing here knows PostgreSQL: it opens, reads, lists and reports what the operating
//! system said. Callers turn that into [`crate::api::Error`].

pub mod log_file;
