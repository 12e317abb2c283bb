//! Where a follower's bytes come from: a file of this machine, or ranges of a server's file
//! that the caller has fetched with SQL.

use std::io;
use std::path::{Path, PathBuf};

use crate::api::{Error, ErrorCode, Result};
use crate::sys::log_file::{self, Access, FileIdentity, LogFile};

/// What has become of the name under which the open file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtPath {
    /// It still stands for the open file.
    Same,
    /// It stands for another file: the open one was renamed away.
    Replaced,
    /// It stands for nothing.
    Gone,
}

/// The open file now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStat {
    /// Its length in bytes.
    pub size: u64,
    /// What its name stands for.
    pub at_path: AtPath,
    /// Which file it is, where that can be told.
    pub identity: Option<FileIdentity>,
}

/// A log as bytes. A follower asks, nothing else does.
pub trait LogBytes {
    /// Opens the log when it is not open, and looks at it.
    ///
    /// # Errors
    /// [`ErrorCode::LogNotFound`] or [`ErrorCode::LogUnreadable`].
    fn stat(&mut self) -> Result<LogStat>;

    /// Up to `length_max` bytes of the open log from `offset`. Fewer, or none, when they are
    /// not there (yet).
    ///
    /// # Errors
    /// [`ErrorCode::LogUnreadable`].
    fn read(&mut self, offset: u64, length_max: usize) -> Result<Vec<u8>>;

    /// Lets go of the open log: the next [`LogBytes::stat`] opens what its name stands for.
    fn reopen(&mut self);
}

/// A log file of this machine.
#[derive(Debug)]
pub struct FileBytes {
    path: PathBuf,
    file: Option<LogFile>,
}

impl FileBytes {
    /// The log at a path; it is opened when first asked for.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None }
    }
}

impl LogBytes for FileBytes {
    fn stat(&mut self) -> Result<LogStat> {
        let file = match &self.file {
            Some(file) => file,
            None => {
                let file =
                    LogFile::open(&self.path).map_err(|error| refused(&self.path, &error))?;
                self.file.insert(file)
            }
        };
        let open = file.stat().map_err(|error| refused(&self.path, &error))?;
        let at_path = match log_file::stat(&self.path) {
            Ok(named) if named.identity == open.identity => AtPath::Same,
            Ok(_) => AtPath::Replaced,
            Err(error) if error.kind() == io::ErrorKind::NotFound => AtPath::Gone,
            // A directory that refuses now does not take away what is open.
            Err(_) => AtPath::Same,
        };
        Ok(LogStat { size: open.size, at_path, identity: Some(open.identity) })
    }

    fn read(&mut self, offset: u64, length_max: usize) -> Result<Vec<u8>> {
        match &self.file {
            Some(file) => {
                file.read_at(offset, length_max).map_err(|error| refused(&self.path, &error))
            }
            None => Ok(Vec::new()),
        }
    }

    fn reopen(&mut self) {
        self.file = None;
    }
}

/// A part of a log to be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRange {
    /// Where it begins.
    pub offset: u64,
    /// Bytes of it.
    pub length: usize,
}

/// A server's log of which the caller fetches ranges, for instance with `pg_stat_file` and
/// `pg_read_binary_file`.
///
/// Such a file has no identity, so a file renamed away and made anew is noticed when the new
/// one is shorter, or when the server reports another name.
#[derive(Debug)]
pub struct FetchedBytes {
    path: String,
    size: Result<u64>,
    fetched: Option<(u64, Vec<u8>)>,
}

impl FetchedBytes {
    /// The log at the server's path. Until [`FetchedBytes::set_size`] it counts as empty.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), size: Ok(0), fetched: None }
    }

    /// The path to ask the server about.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The size the server says, or why it does not.
    pub fn set_size(&mut self, size: Result<u64>) {
        self.size = size;
    }

    /// The bytes of the range that [`super::Follower::wants`] named.
    pub fn fill(&mut self, offset: u64, bytes: Vec<u8>) {
        self.fetched = Some((offset, bytes));
    }
}

impl LogBytes for FetchedBytes {
    fn stat(&mut self) -> Result<LogStat> {
        let stat = |size| LogStat { size, at_path: AtPath::Same, identity: None };
        self.size.clone().map(stat)
    }

    fn read(&mut self, offset: u64, length_max: usize) -> Result<Vec<u8>> {
        Ok(match self.fetched.take() {
            Some((at, mut bytes)) if at == offset => {
                bytes.truncate(length_max);
                bytes
            }
            _ => Vec::new(),
        })
    }

    fn reopen(&mut self) {
        self.fetched = None;
    }
}

/// Why a log file could not be opened or read, as the user is told.
fn refused(path: &Path, error: &io::Error) -> Error {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorCode::LogNotFound, format!("log file \"{shown}\" does not exist"))
                .detail(error.to_string())
                .hint(
                    "The server makes it when it starts or rotates; pgdeck looks again by itself.",
                )
        }
        io::ErrorKind::InvalidInput => {
            Error::new(ErrorCode::LogNotFound, format!("\"{shown}\" is not a log file"))
                .detail("It is a directory, a pipe or a device.")
                .hint("Check log_directory and log_filename, or set logging_collector = on.")
        }
        io::ErrorKind::PermissionDenied => unreadable(path, log_file::access(path)),
        _ => Error::new(ErrorCode::LogUnreadable, format!("log file \"{shown}\" cannot be read"))
            .detail(error.to_string())
            .hint("Look at the disk and the system's own log; pgdeck tries again by itself."),
    }
}

/// The error for a log the server did not let the role read; `detail` is the server's message.
///
/// Measured on 13 to 18: `pg_stat_file` and `pg_read_binary_file` are for superusers unless
/// `EXECUTE` is granted, whatever role one is a member of; with the grant, files below
/// `log_directory` may be read. `pg_current_logfile` is granted to `pg_monitor` from 17.
#[must_use]
pub fn refused_by_server(path: &str, detail: impl Into<String>) -> Error {
    Error::new(
        ErrorCode::LogUnreadable,
        format!("the server does not let this role read \"{path}\""),
    )
    .detail(detail)
    .hint(
        "As a superuser: GRANT EXECUTE ON FUNCTION pg_catalog.pg_current_logfile(text), \
             pg_catalog.pg_stat_file(text, boolean), \
             pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO the role.",
    )
}

/// The error for a log this user may not read; `access` says who may.
#[must_use]
pub fn unreadable(path: &Path, access: Option<Access>) -> Error {
    let error = Error::new(
        ErrorCode::LogUnreadable,
        format!("log file \"{}\" may not be read by this user", path.display()),
    );
    let Some(access) = access else {
        return error.detail("No directory on the way to it may be looked at.");
    };
    let owner = &access.owner;
    if access.is_directory {
        error
            .detail(format!(
                "directory {} belongs to {owner} and has mode {:04o}",
                access.path.display(),
                access.mode
            ))
            .hint(format!(
                "Run pgdeck as {owner} or root; or give the directory mode 0750, set \
                 log_file_mode = 0640, and join its group."
            ))
    } else {
        error.detail(format!("it belongs to {owner} and has mode {:04o}", access.mode)).hint(format!(
            "Run pgdeck as {owner} or root; or set log_file_mode = 0640, join the file's group, \
             and rotate the log."
        ))
    }
}
