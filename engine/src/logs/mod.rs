//! The server log: where it is, following it, what its lines mean.
//!
//! | module | owns |
//! |---|---|
//! | [`locate`] | which file is written now, from settings and what the server says |
//! | [`prefix`], [`words`], [`zone`] | the grammar of a line: `log_line_prefix`, severity words in every language, times |
//! | [`parse`] and the three formats | bytes to entries, incrementally and in bounded memory |
//! | [`follow`] | the state machine that keeps the newest entries through rotation and trouble |
//! | [`triage`] | what is harmless, why a start failed, what a restart recovered |
//!
//! It never talks to a server and touches files only through [`crate::sys::log_file`]. All of
//! it is synchronous: callers run it where waiting for a disk is allowed.

pub mod csvlog;
pub mod follow;
pub mod jsonlog;
pub mod lines;
pub mod locate;
pub mod observe;
pub mod parse;
pub mod prefix;
pub mod source;
pub mod stderr;
pub mod text;
pub mod triage;
pub mod wild;
pub mod words;
pub mod zone;

pub use follow::{Follower, Polled};
pub use locate::{Located, LogSettings, Observed, locate};
pub use observe::observe;
pub use parse::{LogParser, ParserSettings};
pub use prefix::Prefix;
pub use source::{FetchedBytes, FileBytes, LogBytes};
pub use zone::Zone;
