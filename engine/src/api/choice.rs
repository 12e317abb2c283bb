//! Ways to do what is asked: how to stop, how to resolve, how to signal, each with its words.

use serde::Serialize;

use super::{BackendTarget, Error, ErrorCode};
use crate::pg::query::quote;

/// How to stop an instance.
///
/// Source: "Shutting Down the Server" in the PostgreSQL manual; `Kill` is the last resort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopMode {
    /// Waits until all clients have left (SIGTERM).
    Smart,
    /// Rolls back, disconnects all and shuts down cleanly (SIGINT).
    Fast,
    /// Ends at once without a checkpoint; the next start recovers (SIGQUIT).
    Immediate,
    /// Ends every process of the server with SIGKILL; the next start recovers.
    Kill,
}

impl StopMode {
    /// Gentlest first.
    pub const ALL: [Self; 4] = [Self::Smart, Self::Fast, Self::Immediate, Self::Kill];

    /// The word of `-m`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Smart => "smart",
            Self::Fast => "fast",
            Self::Immediate => "immediate",
            Self::Kill => "kill",
        }
    }

    /// The mode with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }

    /// The next harsher mode.
    #[must_use]
    pub fn harsher(self) -> Option<Self> {
        match self {
            Self::Smart => Some(Self::Fast),
            Self::Fast => Some(Self::Immediate),
            Self::Immediate => Some(Self::Kill),
            Self::Kill => None,
        }
    }

    /// The command that does it to the server process `pid`, as it is shown and logged.
    #[must_use]
    pub fn command_line(self, pid: i32) -> String {
        let signal = match self {
            Self::Smart => "TERM",
            Self::Fast => "INT",
            Self::Immediate => "QUIT",
            Self::Kill => "KILL",
        };
        let whom = if self == Self::Kill { " and its children" } else { "" };
        format!("kill -{signal} {pid}{whom} (as pg_ctl stop -m {})", self.word())
    }

    /// What it does to clients and data, in one sentence.
    #[must_use]
    pub fn consequence(self) -> &'static str {
        match self {
            Self::Smart => {
                "New connections are refused; the instance stops when every client has left."
            }
            Self::Fast => {
                "Running transactions are rolled back, clients and backups are disconnected, then it shuts down cleanly."
            }
            Self::Immediate => {
                "All server processes end at once without a checkpoint; the next start runs crash recovery."
            }
            Self::Kill => {
                "Every server process is killed (SIGKILL); shared memory may be left over and the next start runs crash recovery."
            }
        }
    }
}

/// How to resolve a prepared transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PreparedOutcome {
    /// `COMMIT PREPARED`.
    Commit,
    /// `ROLLBACK PREPARED`.
    Rollback,
}

impl PreparedOutcome {
    /// The SQL verb.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Commit => "COMMIT PREPARED",
            Self::Rollback => "ROLLBACK PREPARED",
        }
    }

    /// The SQL as it is shown, run and logged.
    ///
    /// # Errors
    /// `UsageInvalid` for a gid that cannot be written as a literal (it holds a NUL).
    pub fn sql(self, gid: &str) -> Result<String, Error> {
        let literal = quote::literal(gid).map_err(|error| {
            Error::new(ErrorCode::UsageInvalid, "the gid cannot be written as a literal")
                .detail(error.to_string())
        })?;
        Ok(format!("{} {literal}", self.verb()))
    }
}

/// How to end what a backend does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// `pg_cancel_backend`: ends the query.
    Cancel,
    /// `pg_terminate_backend`: ends the session.
    Terminate,
}

impl SignalKind {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Terminate => "terminate",
        }
    }

    /// The SQL as it is shown and logged.
    #[must_use]
    pub fn sql(self, target: &BackendTarget) -> String {
        let function = match self {
            Self::Cancel => "pg_cancel_backend",
            Self::Terminate => "pg_terminate_backend",
        };
        format!("SELECT {function}({})", target.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gids_are_quoted() {
        let commit = |gid: &str| PreparedOutcome::Commit.sql(gid).unwrap();
        assert_eq!(commit("plain"), "COMMIT PREPARED 'plain'");
        assert_eq!(commit("it's"), "COMMIT PREPARED 'it''s'");
        let error = PreparedOutcome::Rollback.sql("a\0b").unwrap_err();
        assert_eq!(error.code, ErrorCode::UsageInvalid);
    }

    #[test]
    fn modes_escalate_to_the_end() {
        let mut mode = StopMode::Smart;
        let mut words = vec![mode.word()];
        while let Some(harsher) = mode.harsher() {
            mode = harsher;
            words.push(mode.word());
        }
        assert_eq!(words, ["smart", "fast", "immediate", "kill"]);
        assert_eq!(StopMode::Fast.command_line(7), "kill -INT 7 (as pg_ctl stop -m fast)");
    }
}
