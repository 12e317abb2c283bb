//! The journal's tables. `docs/FORMATS.md` describes them for people.

use rusqlite::Connection;

use crate::api::{Error, ErrorCode, Result};

/// `pgdj` in ASCII: tells a journal from any other SQLite file.
const APPLICATION_ID: i32 = 0x7067_646A;
/// The version this program reads and writes.
const VERSION: i32 = 1;

const TABLES: &str = "
CREATE TABLE operation (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, who TEXT NOT NULL, host TEXT NOT NULL,
    action TEXT NOT NULL, command TEXT NOT NULL, result TEXT, ok INTEGER, ended_ms INTEGER);
CREATE TABLE message (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL, subject TEXT NOT NULL, severity TEXT NOT NULL,
    text TEXT NOT NULL, detail TEXT NOT NULL, solution TEXT NOT NULL,
    first_seen_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL, cleared_ms INTEGER);
CREATE UNIQUE INDEX message_open ON message (code, subject) WHERE cleared_ms IS NULL;
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, instance_name TEXT NOT NULL,
    state TEXT NOT NULL, phase TEXT NOT NULL, lines TEXT NOT NULL, done INTEGER, total INTEGER,
    rate REAL, eta_seconds INTEGER, stop_mode TEXT, started_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL, ended_ms INTEGER, result TEXT NOT NULL,
    owner_pid INTEGER NOT NULL, owner_start_ticks INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL DEFAULT 0, requested_mode TEXT);
CREATE TABLE usage (
    path TEXT NOT NULL, at_ms INTEGER NOT NULL, used_bytes INTEGER NOT NULL,
    free_bytes INTEGER NOT NULL, PRIMARY KEY (path, at_ms)) WITHOUT ROWID;
CREATE TABLE mount (
    path TEXT PRIMARY KEY, mount_point TEXT NOT NULL, device TEXT NOT NULL,
    fs_type TEXT NOT NULL, seen_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE prepared_seen (
    database TEXT NOT NULL, gid TEXT NOT NULL, prepared_ms INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL, checks INTEGER NOT NULL,
    PRIMARY KEY (database, gid, prepared_ms)) WITHOUT ROWID;
";

/// Turns an SQLite error into the journal's.
pub(super) fn failed(error: &rusqlite::Error) -> Error {
    Error::new(ErrorCode::JournalFailed, "the journal cannot be used").detail(error.to_string())
}

/// Prepares a connection: durability, limits, tables.
///
/// # Errors
/// `JournalNewer` for a higher version, `JournalFailed` for another file or an I/O error.
pub(super) fn prepare(connection: &Connection) -> Result<()> {
    setup(connection).map_err(|error| failed(&error))?;
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
            .map_err(|error| failed(&error))
    };
    let (application_id, version) = (pragma("application_id")?, pragma("user_version")?);
    match (application_id, version) {
        (0, 0) => create(connection).map_err(|error| failed(&error)),
        (APPLICATION_ID, VERSION) => Ok(()),
        (APPLICATION_ID, newer) if newer > VERSION => Err(Error::new(
            ErrorCode::JournalNewer,
            format!("the journal has format {newer}, this pgdeck knows up to {VERSION}"),
        )
        .detail("it was written by a newer pgdeck")),
        (id, version) => {
            Err(Error::new(ErrorCode::JournalFailed, "the file is not a pgdeck journal")
                .detail(format!("application_id {id:#x}, version {version}"))
                .hint("Move the file away; a new journal is made at the next start."))
        }
    }
}

fn setup(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // FULL: a line of the operations log must survive a power cut.
    connection.pragma_update(None, "synchronous", "full")?;
    // In KiB when negative. The default of 2 MiB would be a tenth of the console's memory.
    connection.pragma_update(None, "cache_size", -256)?;
    connection.pragma_update(None, "wal_autocheckpoint", 100)
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let outcome = create_tables(connection);
    connection.execute_batch(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    outcome
}

fn create_tables(connection: &Connection) -> rusqlite::Result<()> {
    // Another process may have made the tables while this one waited for the lock.
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        connection.execute_batch(TABLES)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(())
}
