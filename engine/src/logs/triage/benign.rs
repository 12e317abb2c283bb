//! Lines that look bad and are not.

use crate::api::{LogEntry, LogSeverity};
use crate::logs::wild;

use super::plain;

const STARTING: &str = "the server was still starting; the client may try again";
const STOPPING: &str = "the server was stopping";
const ENDED: &str = "someone ended the session, or the server was stopped";
const CANCELLED: &str = "someone cancelled the command";
const LIMIT: &str = "a limit that was set worked as intended";
const CLIENT_LEFT: &str = "the client went away without saying goodbye";
const NO_CLIENT: &str = "something that is no PostgreSQL client connected: a port check or scan";
const END_OF_WAL: &str = "the end of the WAL was reached; normal at the end of recovery";
const RECOVERING: &str = "the server was not stopped cleanly and recovers by itself";
const ROUTINE: &str = "routine";
const FOLLOWS_STOP: &str = "follows an immediate stop or the crash reported before";
const CLIENT_CODE: &str = "the client's transaction commands are out of step; nothing was lost";
const STANDBY: &str = "a standby with hot_standby = off takes no connections";

/// Pattern, the severity it is harmless at, the reason.
///
/// Texts seen on real servers of 13 to 18; the versions of some are noted.
#[rustfmt::skip]
const BENIGN: &[(&str, LogSeverity, &str)] = &[
    ("the database system is starting up", LogSeverity::Fatal, STARTING),
    ("the database system is in recovery mode*", LogSeverity::Fatal, STARTING),
    // From 15, until a consistent state is reached.
    ("the database system is not yet accepting connections", LogSeverity::Fatal, STARTING),
    // From 15; pgdeck's own attempt to connect is one.
    ("the database system is not accepting connections", LogSeverity::Fatal, STANDBY),
    ("the database system is shutting down", LogSeverity::Fatal, STOPPING),
    ("terminating connection due to administrator command", LogSeverity::Fatal, ENDED),
    ("terminating * due to administrator command", LogSeverity::Fatal, ENDED),
    ("terminating connection due to idle-in-transaction timeout", LogSeverity::Fatal, LIMIT),
    ("terminating connection due to idle-session timeout", LogSeverity::Fatal, LIMIT),
    ("terminating connection due to transaction timeout", LogSeverity::Fatal, LIMIT),
    ("canceling statement due to user request", LogSeverity::Error, CANCELLED),
    ("canceling statement due to statement timeout", LogSeverity::Error, LIMIT),
    ("canceling statement due to lock timeout", LogSeverity::Error, LIMIT),
    ("canceling autovacuum task", LogSeverity::Error, "another session needed the table; autovacuum comes back"),
    // 13 at an immediate stop, all versions after a crash.
    ("terminating connection because of crash of another server process", LogSeverity::Warning, FOLLOWS_STOP),
    ("terminating connection due to immediate shutdown command", LogSeverity::Warning, FOLLOWS_STOP),
    ("there is already a transaction in progress", LogSeverity::Warning, CLIENT_CODE),
    ("there is no transaction in progress", LogSeverity::Warning, CLIENT_CODE),
    ("unexpected EOF on client connection*", LogSeverity::Log, CLIENT_LEFT),
    ("could not receive data from client: Connection reset by peer", LogSeverity::Log, CLIENT_LEFT),
    ("could not receive data from client: Connection timed out", LogSeverity::Log, CLIENT_LEFT),
    ("could not send data to client: Broken pipe", LogSeverity::Log, CLIENT_LEFT),
    ("could not send data to client: Connection reset by peer", LogSeverity::Log, CLIENT_LEFT),
    ("connection to client lost", LogSeverity::Fatal, CLIENT_LEFT),
    ("incomplete startup packet", LogSeverity::Log, NO_CLIENT),
    ("invalid length of startup packet", LogSeverity::Log, NO_CLIENT),
    ("could not accept SSL connection: EOF detected", LogSeverity::Log, NO_CLIENT),
    ("could not accept SSL connection: Success", LogSeverity::Log, NO_CLIENT),
    ("could not accept SSL connection: Connection reset by peer", LogSeverity::Log, NO_CLIENT),
    // 13 to 15, then 16 to 18.
    ("invalid record length at *: wanted 24, got 0", LogSeverity::Log, END_OF_WAL),
    ("invalid record length at *: expected at least 24, got 0", LogSeverity::Log, END_OF_WAL),
    ("invalid magic number 0000 in *", LogSeverity::Log, END_OF_WAL),
    ("unexpected pageaddr * in *", LogSeverity::Log, END_OF_WAL),
    ("record with incorrect prev-link * at *", LogSeverity::Log, END_OF_WAL),
    ("invalid resource manager ID * at *", LogSeverity::Log, END_OF_WAL),
    ("incorrect resource manager data checksum in record at *", LogSeverity::Log, END_OF_WAL),
    ("database system was interrupted; last known up at *", LogSeverity::Log, RECOVERING),
    ("database system was not properly shut down; automatic recovery in progress", LogSeverity::Log, RECOVERING),
    ("redo is not required", LogSeverity::Log, ROUTINE),
    ("checkpoint starting: *", LogSeverity::Log, ROUTINE),
    ("checkpoint complete: *", LogSeverity::Log, ROUTINE),
    ("restartpoint starting: *", LogSeverity::Log, ROUTINE),
    ("restartpoint complete: *", LogSeverity::Log, ROUTINE),
    ("redirecting log output to logging collector process", LogSeverity::Log, ROUTINE),
    ("ending log output to stderr", LogSeverity::Log, ROUTINE),
    ("background worker logical replication launcher (PID *) exited with exit code 1", LogSeverity::Log,
        "it ends so whenever the server stops"),
];

/// SQLSTATE, severity and reason: for messages in other languages. "PostgreSQL Error Codes" in
/// the manual.
const BENIGN_BY_SQLSTATE: &[(&str, LogSeverity, &str)] = &[
    ("57P03", LogSeverity::Fatal, STARTING),
    ("57P01", LogSeverity::Fatal, ENDED),
    ("57P02", LogSeverity::Warning, FOLLOWS_STOP),
    ("57P05", LogSeverity::Fatal, LIMIT),
    ("25P03", LogSeverity::Fatal, LIMIT),
    ("25P04", LogSeverity::Fatal, LIMIT),
    ("57014", LogSeverity::Error, CANCELLED),
    ("08006", LogSeverity::Log, CLIENT_LEFT),
];

/// Why an entry is known to be harmless; `None` for all others.
#[must_use]
pub fn benign(entry: &LogEntry) -> Option<&'static str> {
    let severity = entry.severity?;
    let by_sqlstate = || {
        let sqlstate = entry.sqlstate.as_deref()?;
        BENIGN_BY_SQLSTATE
            .iter()
            .find(|(code, at, _)| *code == sqlstate && *at == severity)
            .map(|(_, _, reason)| *reason)
    };
    let message = plain(entry);
    BENIGN
        .iter()
        .find(|(pattern, at, _)| *at == severity && wild::matches(pattern, &message))
        .map(|(_, _, reason)| *reason)
        .or_else(by_sqlstate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(severity: LogSeverity, message: &str) -> LogEntry {
        LogEntry { severity: Some(severity), message: message.to_owned(), ..LogEntry::default() }
    }

    #[test]
    fn marks_the_harmless_at_their_severity_only() {
        let eof = "unexpected EOF on client connection with an open transaction";
        assert_eq!(benign(&entry(LogSeverity::Log, eof)), Some(CLIENT_LEFT));
        assert_eq!(benign(&entry(LogSeverity::Error, eof)), None);
        assert_eq!(benign(&entry(LogSeverity::Error, "division by zero")), None);
        assert_eq!(benign(&entry(LogSeverity::Panic, "the database system is starting up")), None);
        let walworker =
            "terminating background worker \"parallel worker\" due to administrator command";
        assert_eq!(benign(&entry(LogSeverity::Fatal, walworker)), Some(ENDED));
    }

    #[test]
    fn knows_other_languages_by_sqlstate() {
        let mut german = entry(LogSeverity::Error, "storniere Anfrage wegen Benutzeraufforderung");
        assert_eq!(benign(&german), None);
        german.sqlstate = Some("57014".to_owned());
        assert_eq!(benign(&german), Some(CANCELLED));
    }
}
