//! Reads a server's logs and finds the lines that nobody expected.
//!
//! A test that passes while its server logs an error is a test that did not look: every
//! WARNING, ERROR, FATAL and PANIC line must be on the list below or allowed by the test.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Severities that want an excuse.
const ALARMING: [&str; 4] = ["WARNING", "ERROR", "FATAL", "PANIC"];

/// Everything that can stand before the first `:  ` of a line in the stderr format
/// (`send_message_to_server_log` in `elog.c`).
const TAGS: [&str; 19] = [
    "DEBUG1",
    "DEBUG2",
    "DEBUG3",
    "DEBUG4",
    "DEBUG5",
    "LOG",
    "INFO",
    "NOTICE",
    "WARNING",
    "ERROR",
    "FATAL",
    "PANIC",
    "DETAIL",
    "HINT",
    "QUERY",
    "CONTEXT",
    "LOCATION",
    "STATEMENT",
    "BACKTRACE",
];

/// What every test may cause without saying so: text and reason.
const BENIGN: [(&str, &str); 8] = [
    ("FATAL:  the database system is starting up", "something asked during a start"),
    ("FATAL:  the database system is shutting down", "something asked during a stop"),
    ("FATAL:  the database system is in recovery mode", "something asked after a crash"),
    (
        "FATAL:  the database system is not yet accepting connections",
        "the same as starting up, in 14 and later",
    ),
    (
        "FATAL:  terminating connection due to administrator command",
        "a fast stop, or pg_terminate_backend, with a client connected",
    ),
    (
        "FATAL:  terminating autovacuum process due to administrator command",
        "a fast stop while a table is vacuumed",
    ),
    ("FATAL:  connection to client lost", "a command that ended while the server answered it"),
    (
        "FATAL:  terminating background worker",
        "a fast stop of the logical replication launcher in 13",
    ),
];

/// What a server may say once the test has stopped it in immediate mode or killed it.
pub(crate) const AFTER_CRASH: [&str; 5] = [
    // Each backend, in 13 and after a crash of another.
    "WARNING:  terminating connection because of crash of another server process",
    // Each backend, in 14 and later.
    "WARNING:  terminating connection due to immediate shutdown command",
    "FATAL:  terminating connection due to unexpected postmaster exit",
    "FATAL:  postmaster exited",
    // A connection that was being made.
    "FATAL:  canceling authentication due to timeout",
];

/// Unexpected lines in a server's log.
#[derive(Debug)]
pub struct LogFindings {
    /// The lines, each with the file it stands in.
    pub lines: Vec<String>,
    /// The instance's directory, kept for a look.
    pub directory: PathBuf,
}

impl LogFindings {
    /// Removes the directory that was kept: for tests of the fixture itself.
    pub fn discard(self) {
        fs::remove_dir_all(&self.directory).expect("the kept directory can be removed");
    }
}

impl fmt::Display for LogFindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the server log has {} unexpected line(s); allow_log() lists expected ones\n{}\nkept: {}",
            self.lines.len(),
            self.lines.join("\n"),
            self.directory.display()
        )
    }
}

impl std::error::Error for LogFindings {}

/// The alarming lines of these files that neither the list nor the test allows.
pub(crate) fn unexpected(files: &[PathBuf], allowed: &[String]) -> Vec<String> {
    let is_allowed = |line: &str| {
        BENIGN.iter().any(|(text, _)| line.contains(text))
            || allowed.iter().any(|text| line.contains(text.as_str()))
    };
    let mut found = Vec::new();
    for file in files {
        let text = read(file);
        let lines = match file.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => alarming_csv(&text),
            Some("json") => alarming_json(&text),
            _ => alarming_stderr(&text),
        };
        let unexpected = lines.into_iter().filter(|line| !is_allowed(line));
        found.extend(unexpected.map(|line| format!("{}: {line}", file.display())));
    }
    found
}

/// A log's text; what is not UTF-8 is replaced, a missing file is empty.
pub(crate) fn read(file: &Path) -> String {
    fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Lines of the stderr format, with any `log_line_prefix`.
fn alarming_stderr(text: &str) -> Vec<String> {
    text.lines()
        // A tab begins every further line of one entry.
        .filter(|line| !line.starts_with('\t'))
        .filter(|line| first_tag(line).is_some_and(|tag| ALARMING.contains(&tag)))
        .map(str::to_owned)
        .collect()
}

/// The tag that stands first: a statement may quote another one further on.
fn first_tag(line: &str) -> Option<&'static str> {
    TAGS.into_iter()
        .filter_map(|tag| line.find(&format!("{tag}:  ")).map(|at| (at, tag)))
        .min()
        .map(|(_, tag)| tag)
}

/// Entries of `csvlog`: the 12th column is the severity, the 14th the message.
fn alarming_csv(text: &str) -> Vec<String> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    reader
        .records()
        .filter_map(|record| {
            let record = record.ok()?;
            alarming_entry(record.get(11)?, record.get(13)?)
        })
        .collect()
}

/// Entries of `jsonlog`, one object a line.
fn alarming_json(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).ok()?;
            let message = entry.get("message").and_then(serde_json::Value::as_str).unwrap_or("");
            alarming_entry(entry.get("error_severity")?.as_str()?, message)
        })
        .collect()
}

fn alarming_entry(severity: &str, message: &str) -> Option<String> {
    ALARMING.contains(&severity).then(|| format!("{severity}:  {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STDERR: &str = "\
2026-01-01 00:00:00.000 UTC [7] LOG:  ready
2026-01-01 00:00:00.000 UTC [8] ERROR:  division by zero
2026-01-01 00:00:00.000 UTC [8] STATEMENT:  select 1/0, 'FATAL:  no'
\tERROR:  a further line of the statement
[app WARNING] 9 NOTICE:  ERROR:  quoted
WARNING:  there is no transaction in progress
";

    #[test]
    fn finds_alarming_lines_of_the_stderr_format() {
        assert_eq!(
            alarming_stderr(STDERR),
            [
                "2026-01-01 00:00:00.000 UTC [8] ERROR:  division by zero",
                "WARNING:  there is no transaction in progress",
            ]
        );
    }

    #[test]
    fn finds_alarming_entries_of_csv_and_json() {
        let columns = |severity: &str, message: &str| {
            format!("t,u,d,1,,s,1,,t,v,0,{severity},22012,\"{message}\",,,,,,,,,a,b,,0\n")
        };
        let csv = columns("LOG", "one\nERROR:  two") + &columns("ERROR", "division\n by zero");
        assert_eq!(alarming_csv(&csv), ["ERROR:  division\n by zero"]);
        let json = "{\"error_severity\":\"LOG\",\"message\":\"ERROR:  x\"}\n\
                    {\"error_severity\":\"PANIC\",\"message\":\"gone\"}\nno json\n";
        assert_eq!(alarming_json(json), ["PANIC:  gone"]);
    }

    #[test]
    fn a_list_excuses_lines() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("server.log");
        fs::write(&file, format!("{STDERR}x FATAL:  the database system is starting up\n"))
            .unwrap();
        let files = [file];
        assert_eq!(unexpected(&files, &[]).len(), 2);
        assert_eq!(unexpected(&files, &["division by".to_owned()]).len(), 1);
        let all = ["division by".to_owned(), "no transaction".to_owned()];
        assert_eq!(unexpected(&files, &all), Vec::<String>::new());
    }
}
