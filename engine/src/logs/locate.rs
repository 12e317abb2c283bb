//! Which log is written now.
//!
//! A pure function of what the server is set to ([`LogSettings`]) and of what was seen of it
//! ([`Observed`]); [`super::observe()`] does the looking on this machine. It is asked again every
//! few seconds, because rotation and `SIGHUP` move the log.
//!
//! When several formats are written, the structured ones come first: `jsonlog`, `csvlog`, then
//! `stderr`. They carry every field whatever `log_line_prefix` says. What they lack is the
//! output of programs the server starts (`archive_command`), which only `stderr` has.
//!
//! Sources: "Where to Log" and `pg_current_logfile` in the manual, `syslogger.c`.

use std::path::{Path, PathBuf};

use crate::api::{Error, ErrorCode, LogFormat, LogSource, Result, ServerVersion};

use crate::sys::clock::SystemTime;

use super::wild;

/// The settings that decide where the log goes and how its lines begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// `log_destination`: a list.
    pub log_destination: String,
    /// `logging_collector`.
    pub logging_collector: bool,
    /// `log_directory`, absolute or below the data directory.
    pub log_directory: String,
    /// `log_filename`, with `strftime` escapes.
    pub log_filename: String,
    /// `data_directory`.
    pub data_directory: PathBuf,
    /// `syslog_facility`.
    pub syslog_facility: String,
    /// `syslog_ident`.
    pub syslog_ident: String,
    /// `log_line_prefix`.
    pub log_line_prefix: String,
    /// `log_timezone`.
    pub log_timezone: String,
}

impl LogSettings {
    /// The server's own defaults for a data directory.
    #[must_use]
    pub fn defaults(data_directory: impl Into<PathBuf>) -> Self {
        Self {
            log_destination: "stderr".to_owned(),
            logging_collector: false,
            log_directory: "log".to_owned(),
            log_filename: "postgresql-%Y-%m-%d_%H%M%S.log".to_owned(),
            data_directory: data_directory.into(),
            syslog_facility: "local0".to_owned(),
            syslog_ident: "postgres".to_owned(),
            log_line_prefix: "%m [%p] ".to_owned(),
            log_timezone: "GMT".to_owned(),
        }
    }

    /// `log_directory` as an absolute path: a relative one is below the data directory.
    #[must_use]
    pub fn log_directory_path(&self) -> PathBuf {
        self.data_directory.join(&self.log_directory)
    }

    /// Whether `log_destination` names a destination.
    #[must_use]
    pub fn has_destination(&self, word: &str) -> bool {
        self.log_destination.split(',').any(|item| item.trim().eq_ignore_ascii_case(word))
    }

    fn is_wanted(&self, format: LogFormat) -> bool {
        self.has_destination(format.word())
    }
}

/// Where the standard error of the server's first process goes: the target of
/// `/proc/PID/fd/2`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StandardError {
    /// Not looked at: the server does not run, or on another machine.
    #[default]
    NotSeen,
    /// This user may not look.
    Refused,
    /// The text of the link: a path, `socket:[123]`, `pipe:[123]`.
    Target(PathBuf),
}

/// A file of `log_directory`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFileSeen {
    /// Its name without the directory.
    pub name: String,
    /// When it was last written.
    pub modified: SystemTime,
}

/// What was seen of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// It runs on another machine: files are read through SQL.
    pub is_remote: bool,
    /// `pg_current_logfile('stderr')` and so on for each of [`formats`], where it is not null.
    /// For superusers, and from 17 for `pg_monitor`.
    pub reported: Vec<(LogFormat, String)>,
    /// Contents of `current_logfiles` in the data directory.
    pub current_logfiles: Option<String>,
    /// Where standard error goes.
    pub standard_error: StandardError,
    /// Files of `log_directory`; needed only when nothing above names one. Of a remote server
    /// from `pg_ls_logdir()`, which `pg_monitor` may call on every version.
    pub log_files: Vec<LogFileSeen>,
    /// An existing file at a place where packages put logs (see [`conventional_path`]).
    pub conventional: Option<PathBuf>,
    /// Where the log was when it was last found.
    pub last_known: Option<LogSource>,
}

/// How the log was found: what a user is told about how certain it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// `pg_current_logfile`.
    Reported,
    /// `current_logfiles`.
    CurrentLogfiles,
    /// Standard error of the running server is this file.
    StandardError,
    /// The newest file of `log_directory` with a fitting name.
    NewestFile,
    /// It was there before.
    LastKnown,
    /// Packages put it there.
    Convention,
    /// `log_destination` says so.
    Settings,
}

/// A log that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Where.
    pub source: LogSource,
    /// `syslog` is written as well.
    pub also_syslog: bool,
    /// How it was found.
    pub evidence: Evidence,
}

/// The formats a server can write, in the order of preference. `pg_current_logfile` fails for
/// any other.
#[must_use]
pub fn formats(version: ServerVersion) -> &'static [LogFormat] {
    if version.major() >= 15 { &PREFERENCE } else { &PREFERENCE[1..] }
}

/// Finds the log.
///
/// # Errors
/// [`ErrorCode::LogNotFound`] when the server writes none that can be read: to the journal, a
/// pipe, a terminal or nowhere, to the standard error of another machine, or to a file that is
/// gone; the hint is the next step for that case.
pub fn locate(settings: &LogSettings, observed: &Observed) -> Result<Located> {
    let also_syslog = settings.has_destination("syslog");
    let found = |source, evidence| Ok(Located { source, also_syslog, evidence });
    let writes_files = [LogFormat::Stderr, LogFormat::Csvlog, LogFormat::Jsonlog]
        .into_iter()
        .any(|format| settings.is_wanted(format));
    if also_syslog && !writes_files {
        let source = LogSource::Syslog {
            facility: settings.syslog_facility.clone(),
            ident: settings.syslog_ident.clone(),
        };
        return Ok(Located { source, also_syslog: false, evidence: Evidence::Settings });
    }
    if !writes_files {
        return Err(not_found(settings, "log_destination names no place that can be read")
            .detail(format!("log_destination = '{}'", settings.log_destination))
            .hint("Set log_destination = 'stderr' (or jsonlog, csvlog) and reload the server."));
    }
    if settings.logging_collector {
        if let Some((format, path)) = preferred(&observed.reported) {
            return found(source(settings, observed, &path, format), Evidence::Reported);
        }
        let listed = observed.current_logfiles.as_deref().map(current_logfiles).unwrap_or_default();
        if let Some((format, path)) = preferred(&listed) {
            return found(source(settings, observed, &path, format), Evidence::CurrentLogfiles);
        }
        if let Some((format, name)) = newest(settings, &observed.log_files) {
            let path = Path::new(&settings.log_directory).join(name);
            let path = path.to_string_lossy();
            return found(source(settings, observed, &path, format), Evidence::NewestFile);
        }
    } else if let StandardError::Target(target) = &observed.standard_error {
        let path = standard_error_file(target)?;
        return found(LogSource::File { path, format: LogFormat::Stderr }, Evidence::StandardError);
    }
    if let Some(last_known) = &observed.last_known {
        return found(last_known.clone(), Evidence::LastKnown);
    }
    if let Some(path) = observed.conventional.clone() {
        return found(LogSource::File { path, format: LogFormat::Stderr }, Evidence::Convention);
    }
    Err(nothing_known(settings, observed))
}

/// The lines of `current_logfiles`: a format, a blank, a path.
#[must_use]
pub fn current_logfiles(text: &str) -> Vec<(LogFormat, String)> {
    text.lines()
        .filter_map(|line| {
            let (word, path) = line.split_once(' ')?;
            let format = [LogFormat::Stderr, LogFormat::Csvlog, LogFormat::Jsonlog]
                .into_iter()
                .find(|format| format.word() == word)?;
            (!path.is_empty()).then(|| (format, path.to_owned()))
        })
        .collect()
}

/// Where Debian's packages put the log of a cluster whose directory is
/// `/var/lib/postgresql/VERSION/NAME`.
#[must_use]
pub fn conventional_path(data_directory: &Path) -> Option<PathBuf> {
    let below = data_directory.strip_prefix("/var/lib/postgresql").ok()?;
    let mut parts = below.components().map(|part| part.as_os_str().to_string_lossy());
    let (version, name) = (parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    Some(PathBuf::from(format!("/var/log/postgresql/postgresql-{version}-{name}.log")))
}

/// The first in the order `jsonlog`, `csvlog`, `stderr`.
fn preferred(files: &[(LogFormat, String)]) -> Option<(LogFormat, String)> {
    PREFERENCE.into_iter().find_map(|format| files.iter().find(|(of, _)| *of == format)).cloned()
}

const PREFERENCE: [LogFormat; 3] = [LogFormat::Jsonlog, LogFormat::Csvlog, LogFormat::Stderr];

fn source(settings: &LogSettings, observed: &Observed, path: &str, format: LogFormat) -> LogSource {
    if observed.is_remote {
        return LogSource::Server { path: path.to_owned(), format };
    }
    LogSource::File { path: settings.data_directory.join(path), format }
}

/// The newest file of the most preferred format that `log_destination` has, or of any.
fn newest(settings: &LogSettings, files: &[LogFileSeen]) -> Option<(LogFormat, String)> {
    let newest_of = |format: LogFormat| {
        let pattern = file_pattern(&settings.log_filename, format);
        files
            .iter()
            .filter(|file| wild::matches(&pattern, &file.name))
            .max_by_key(|file| (file.modified, &file.name))
            .map(|file| (format, file))
    };
    let found = PREFERENCE
        .into_iter()
        .filter(|format| settings.is_wanted(*format))
        .find_map(newest_of)
        .or_else(|| {
            PREFERENCE.into_iter().filter_map(newest_of).max_by_key(|(_, file)| file.modified)
        });
    found.map(|(format, file)| (format, file.name.clone()))
}

/// `log_filename` with a `*` for every escape. For the structured formats the ending `.log`
/// becomes another (`logfile_getname` in `syslogger.c`).
fn file_pattern(log_filename: &str, format: LogFormat) -> String {
    let stem = match format {
        LogFormat::Stderr => log_filename,
        _ => log_filename.strip_suffix(".log").unwrap_or(log_filename),
    };
    let mut pattern = String::new();
    let mut rest = stem.chars();
    while let Some(char) = rest.next() {
        match (char, char == '%') {
            (_, true) => match rest.next() {
                Some('%') => pattern.push('%'),
                // Modifiers of an escape: %Ey, %-d.
                Some('E' | 'O' | '-' | '_' | '0' | '^') => {
                    rest.next();
                    pattern.push('*');
                }
                _ => pattern.push('*'),
            },
            (char, false) => pattern.push(char),
        }
    }
    match format {
        LogFormat::Stderr => {}
        LogFormat::Csvlog => pattern.push_str(".csv"),
        LogFormat::Jsonlog => pattern.push_str(".json"),
    }
    pattern
}

/// The file standard error goes to.
fn standard_error_file(target: &Path) -> Result<PathBuf> {
    let text = target.to_string_lossy();
    let refuse = |fact: &str, hint: &str| {
        Err(Error::new(ErrorCode::LogNotFound, fact)
            .detail(format!("logging_collector is off, and standard error of the server is {text}"))
            .hint(hint))
    };
    const COLLECT: &str = "Set logging_collector = on and restart, or start the server with \
                           'pg_ctl -l FILE'.";
    if text.ends_with(" (deleted)") {
        return refuse(
            "the log file was deleted while the server writes to it",
            "Restart the server so that it opens a new one, or set logging_collector = on.",
        );
    }
    if text.starts_with("socket:") {
        return refuse(
            "the log goes to the journal of the system",
            "Read it with 'journalctl -u' and the name of the server's unit, or set \
             logging_collector = on and restart.",
        );
    }
    if text.starts_with("pipe:") {
        return refuse("the log goes to another program", COLLECT);
    }
    if text == "/dev/null" {
        return refuse("the log is thrown away", COLLECT);
    }
    if !target.is_absolute() || target.starts_with("/dev") {
        return refuse("the log goes to a terminal or device", COLLECT);
    }
    Ok(target.to_owned())
}

fn not_found(settings: &LogSettings, fact: &str) -> Error {
    Error::new(ErrorCode::LogNotFound, fact)
        .detail(format!("data directory {}", settings.data_directory.display()))
}

fn nothing_known(settings: &LogSettings, observed: &Observed) -> Error {
    let directory = settings.log_directory_path();
    if observed.is_remote && settings.logging_collector {
        return not_found(settings, "the server does not say where its log is")
            .detail("pg_current_logfile() gave nothing")
            .hint(
                "As a superuser: GRANT EXECUTE ON FUNCTION pg_catalog.pg_current_logfile(text) TO \
                 the role; or grant it pg_monitor, which may list log_directory.",
            );
    }
    if observed.is_remote {
        return not_found(settings, "the log of the server stays on its machine")
            .detail("logging_collector is off: the server writes to its standard error")
            .hint(
                "Set logging_collector = on and restart, or run pgdeck on the server's machine.",
            );
    }
    if settings.logging_collector {
        return not_found(settings, "no log file was found")
            .detail(format!(
                "no current_logfiles in {}, and no file like {} in {}",
                settings.data_directory.display(),
                settings.log_filename,
                directory.display()
            ))
            .hint("Start the server once, or check log_directory and log_filename.");
    }
    if observed.standard_error == StandardError::Refused {
        return not_found(settings, "the log cannot be found by this user")
            .detail("logging_collector is off, and where the server's standard error goes may not be looked at")
            .hint("Run pgdeck as the owner of the data directory or as root, or set logging_collector = on.");
    }
    not_found(settings, "no log file is known")
        .detail("logging_collector is off, and the server does not run")
        .hint("Start it with its output in a file (pg_ctl -l FILE), or set logging_collector = on.")
}

#[cfg(test)]
#[path = "locate_tests.rs"]
mod tests;
