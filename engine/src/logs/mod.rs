//! The server log: where it is, following it, what its lines mean.
//!
//! | module | owns |
//! |---|---|
//! | [`mod@locate`], [`mod@observe`] | which file is written now, from settings and what the server says |
//! | [`prefix`], [`words`], [`zone`] | the grammar of a line: `log_line_prefix`, severity words in every language, times |
//! | [`parse`] and the three formats | bytes to entries, incrementally and in bounded memory |
//! | [`follow`] | the state machine that keeps the newest entries through rotation and trouble |
//! | [`triage`] | what is harmless, why a start failed, what a restart recovered |
//!
//! The monitor of a local instance does this every second, on a thread that may wait:
//!
//! ```no_run
//! # use pgdeck_engine::api::{LogSource, Result};
//! # use pgdeck_engine::logs::{FileBytes, Follower, LogSettings, ParserSettings, Prefix};
//! # use pgdeck_engine::logs::{locate, observe, observe::zone, triage};
//! # fn second(settings: &LogSettings, postmaster: Option<i32>, seen: u64) -> Result<()> {
//! fn open(source: &LogSource) -> FileBytes {
//!     match source {
//!         LogSource::File { path, .. } => FileBytes::new(path),
//!         LogSource::Server { .. } | LogSource::Syslog { .. } => FileBytes::new("/dev/null"),
//!     }
//! }
//!
//! // Once, and again whenever settings were read anew.
//! let lines = ParserSettings {
//!     prefix: Prefix::compile(&settings.log_line_prefix),
//!     zone: zone(&settings.log_timezone),
//! };
//! let located = locate(settings, &observe(settings, postmaster))?;
//! let mut follower = Follower::new(located.source.clone(), open(&located.source), lines);
//!
//! // Every few seconds, and after an error: rotation moves the log.
//! let located = locate(settings, &observe(settings, postmaster))?;
//! follower.set_source(located.source, open);
//!
//! // Every second.
//! let polled = follower.poll()?;
//! if polled.added > 0 {
//!     let errors = triage::new_errors_since(follower.entries(), seen);
//!     let tail = follower.tail(located.also_syslog);
//! #   let _ = (errors, tail);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! For a server elsewhere, [`FetchedBytes`] takes the place of [`FileBytes`]: the caller tells
//! it the size, asks [`Follower::wants`], fetches that range with SQL, fills it in and polls.
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
pub mod settings;
pub mod source;
pub mod stderr;
mod tail;
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
