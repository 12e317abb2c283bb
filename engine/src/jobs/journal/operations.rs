//! The operations log: written before something is done, completed after.

use rusqlite::params;

use super::{Journal, from_millis, millis, schema::failed};
use crate::api::{OperationRecord, Result};
use crate::sys::clock;

/// Names a line of the operations log that waits for its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationId(i64);

impl Journal {
    /// Writes that something is about to be done.
    ///
    /// # Errors
    /// `JournalFailed`: then it must not be done, or be done unlogged on the user's word.
    pub fn begin_operation(
        &mut self,
        who: &str,
        host: &str,
        action: &str,
        command: &str,
    ) -> Result<OperationId> {
        self.connection
            .execute(
                "INSERT INTO operation (at_ms, who, host, action, command) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![millis(clock::now()), who, host, action, command],
            )
            .map_err(|error| failed(&error))?;
        Ok(OperationId(self.connection.last_insert_rowid()))
    }

    /// Writes what became of it.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn end_operation(&mut self, id: OperationId, result: &str, ok: bool) -> Result<()> {
        self.connection
            .execute(
                "UPDATE operation SET result = ?2, ok = ?3, ended_ms = ?4 WHERE id = ?1",
                params![id.0, result, ok, millis(clock::now())],
            )
            .map_err(|error| failed(&error))?;
        Ok(())
    }

    /// The newest `limit` operations, newest first.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn operations(&mut self, limit: u32) -> Result<Vec<OperationRecord>> {
        let read = || -> rusqlite::Result<Vec<OperationRecord>> {
            let mut statement = self.connection.prepare_cached(
                "SELECT at_ms, who, action, command, result, ok FROM operation ORDER BY id DESC LIMIT ?1",
            )?;
            let rows = statement.query_map([limit], |row| {
                Ok(OperationRecord {
                    at: from_millis(row.get(0)?),
                    who: row.get(1)?,
                    action: row.get(2)?,
                    command: row.get(3)?,
                    result: row.get(4)?,
                    ok: row.get(5)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_without_a_result_shows_as_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&directory.path().join("j")).unwrap();
        let first = journal.begin_operation("ann", "h", "terminate", "SELECT 1").unwrap();
        journal.begin_operation("bob", "h", "commit prepared", "COMMIT PREPARED 'x'").unwrap();
        journal.end_operation(first, "1 session ended", true).unwrap();
        let records = journal.operations(10).unwrap();
        assert_eq!(records[0].command, "COMMIT PREPARED 'x'");
        assert_eq!((records[0].ok, records[0].result.as_deref()), (None, None));
        assert_eq!((records[1].ok, records[1].who.as_str()), (Some(true), "ann"));
        assert_eq!(journal.operations(1).unwrap().len(), 1);
    }
}
