//! Where the backups of an instance were seen last: the settings that name the place are lost with
//! the data directory.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::{Journal, from_millis, millis, schema::failed};
use crate::api::Result;

/// A backup destination that was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenDestination {
    /// Where.
    pub path: PathBuf,
    /// When it was looked into last.
    pub at: DateTime<Utc>,
}

impl Journal {
    /// Remembers that a destination was looked into.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn see_destination(&mut self, path: &str, at: DateTime<Utc>) -> Result<()> {
        self.connection
            .execute(
                "INSERT INTO backup_destination (path, seen_ms) VALUES (?1, ?2)
                 ON CONFLICT (path) DO UPDATE SET seen_ms = max(seen_ms, excluded.seen_ms)",
                params![path, millis(at)],
            )
            .map_err(|error| failed(&error))?;
        Ok(())
    }

    /// The destination that was seen last.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn last_destination(&mut self) -> Result<Option<SeenDestination>> {
        let read = |row: &rusqlite::Row<'_>| {
            let path: String = row.get(0)?;
            Ok(SeenDestination { path: path.into(), at: from_millis(row.get(1)?) })
        };
        let newest = "SELECT path, seen_ms FROM backup_destination ORDER BY seen_ms DESC LIMIT 1";
        self.connection.query_row(newest, [], read).optional().map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn the_one_seen_last_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.sqlite");
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.last_destination().unwrap(), None);
        for (path, seconds) in [("/backup/old", 5), ("/backup/new", 60), ("/backup/old", 9)] {
            journal.see_destination(path, at(seconds)).unwrap();
        }
        let seen = |path: &str, seconds| SeenDestination { path: path.into(), at: at(seconds) };
        assert_eq!(journal.last_destination().unwrap(), Some(seen("/backup/new", 60)));
        journal.see_destination("/backup/old", at(100)).unwrap();
        // A clock that was set back forgets nothing.
        journal.see_destination("/backup/old", at(1)).unwrap();
        drop(journal);
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.last_destination().unwrap(), Some(seen("/backup/old", 100)));
    }

    #[test]
    fn a_journal_from_before_is_given_the_table() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.sqlite");
        let journal = Journal::open(&path).unwrap();
        journal.connection.execute_batch("DROP TABLE backup_destination").unwrap();
        drop(journal);
        let mut journal = Journal::open(&path).unwrap();
        journal.see_destination("/backup", at(0)).unwrap();
        assert_eq!(journal.last_destination().unwrap().map(|seen| seen.at), Some(at(0)));
    }
}
