//! The server log: where it is, its newest entries.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// Severity of a server message, lowest first.
///
/// Source: "Message Severity Levels" in the PostgreSQL manual, in the order of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogSeverity {
    /// `DEBUG1` to `DEBUG5`.
    Debug,
    /// `INFO`.
    Info,
    /// `NOTICE`.
    Notice,
    /// `LOG`: for administrators, nothing wrong.
    Log,
    /// `WARNING`.
    Warning,
    /// `ERROR`: a command failed.
    Error,
    /// `FATAL`: a session ended.
    Fatal,
    /// `PANIC`: all sessions ended.
    Panic,
}

impl LogSeverity {
    /// The word of the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Notice => "NOTICE",
            Self::Log => "LOG",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Panic => "PANIC",
        }
    }
}

/// One entry of the server log with the lines that belong to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// Number of the entry within this follower, rising by one.
    #[serde(skip)]
    pub sequence: u64,
    /// Its time, when the format carries one that can be read.
    pub at: Option<DateTime<Utc>>,
    /// Severity; `None` for lines no server format explains (such as a program's own output).
    pub severity: Option<LogSeverity>,
    /// The backend, when the format carries it.
    pub pid: Option<i32>,
    /// Role.
    pub user: Option<String>,
    /// Database.
    pub database: Option<String>,
    /// `application_name`.
    pub application: Option<String>,
    /// `backend_type`, such as `client backend` or `checkpointer`, when the format carries it.
    pub backend_type: Option<String>,
    /// SQLSTATE, when the format carries it.
    pub sqlstate: Option<String>,
    /// The message, several lines joined by newlines.
    pub message: String,
    /// `DETAIL`.
    pub detail: Option<String>,
    /// `HINT`.
    pub hint: Option<String>,
    /// `QUERY`: the query inside a function that failed, not the client's.
    pub query: Option<String>,
    /// `CONTEXT`.
    pub context: Option<String>,
    /// `LOCATION`: function, file and line of the server's source.
    pub location: Option<String>,
    /// `BACKTRACE`; never in `csvlog`.
    pub backtrace: Option<String>,
    /// `STATEMENT`.
    pub statement: Option<String>,
    /// Known to be harmless, with the reason.
    pub benign: Option<&'static str>,
}

/// How a log file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Plain lines with `log_line_prefix`.
    Stderr,
    /// `csvlog`.
    Csvlog,
    /// `jsonlog`, from 15.
    Jsonlog,
}

impl LogFormat {
    /// The word of `log_destination`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stderr => "stderr",
            Self::Csvlog => "csvlog",
            Self::Jsonlog => "jsonlog",
        }
    }
}

/// Where the entries come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// A file read directly.
    File {
        /// Its path.
        path: PathBuf,
        /// How it is written.
        format: LogFormat,
    },
    /// A file on the server read with `pg_read_binary_file`.
    Server {
        /// Its path on the server.
        path: String,
        /// How it is written.
        format: LogFormat,
    },
    /// The server logs to syslog only.
    Syslog {
        /// `syslog_facility`.
        facility: String,
        /// `syslog_ident`.
        ident: String,
    },
}

/// The newest entries of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogTail {
    /// Where they come from.
    pub source: LogSource,
    /// `syslog` is written as well (noted, not read).
    pub also_syslog: bool,
    /// Oldest first, at most [`LOG_ENTRIES_MAX`].
    pub entries: Vec<Arc<LogEntry>>,
}

/// Entries a tail keeps.
pub const LOG_ENTRIES_MAX: usize = 2_000;
