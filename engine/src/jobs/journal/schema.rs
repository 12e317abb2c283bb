//! The journal's tables. `docs/FORMATS.md` describes them for people.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::api::{Error, ErrorCode, Result};

/// `pgdj` in ASCII: tells a journal from any other SQLite file.
const APPLICATION_ID: i32 = 0x7067_646A;
/// The version this program reads and writes.
const VERSION: i32 = 1;

/// How long other processes that make or use the journal are waited for.
const BUSY_LIMIT: Duration = Duration::from_secs(5);
const BUSY_PAUSE: Duration = Duration::from_millis(10);

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

/// What came later, without hindering a program that does not know it.
const LATER_TABLES: &str = "
CREATE TABLE IF NOT EXISTS backup_destination (
    path TEXT PRIMARY KEY, seen_ms INTEGER NOT NULL) WITHOUT ROWID;
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
    let marks = patiently(|| {
        setup(connection)?;
        marks_or_create(connection)
    });
    match marks.map_err(|error| failed(&error))? {
        (APPLICATION_ID, VERSION) => {
            patiently(|| connection.execute_batch(LATER_TABLES)).map_err(|error| failed(&error))
        }
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

/// Tries again while another process is in the way. SQLite's own `busy_timeout` does not wait
/// where waiting could be a deadlock: a change of the journal mode is refused at once.
fn patiently<T>(mut work: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let began = Instant::now();
    loop {
        match work() {
            Err(error) if is_busy(&error) && began.elapsed() < BUSY_LIMIT => {
                std::thread::sleep(BUSY_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

fn setup(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_LIMIT)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // FULL: a line of the operations log must survive a power cut.
    connection.pragma_update(None, "synchronous", "full")?;
    // In KiB when negative. The default of 2 MiB would be a tenth of the console's memory.
    connection.pragma_update(None, "cache_size", -256)?;
    connection.pragma_update(None, "wal_autocheckpoint", 100)
}

/// `application_id` and `user_version`; the tables are made in a file that has neither.
fn marks_or_create(connection: &Connection) -> rusqlite::Result<(i32, i32)> {
    match marks(connection)? {
        (0, 0) => create(connection),
        found => Ok(found),
    }
}

/// `application_id` and `user_version` of one moment: they are written together.
fn marks(connection: &Connection) -> rusqlite::Result<(i32, i32)> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    marks_in(&transaction)
}

fn marks_in(transaction: &Transaction<'_>) -> rusqlite::Result<(i32, i32)> {
    let mark = |name: &str| transaction.pragma_query_value(None, name, |row| row.get(0));
    Ok((mark("application_id")?, mark("user_version")?))
}

fn create(connection: &Connection) -> rusqlite::Result<(i32, i32)> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    // Another process may have made the tables while this one waited for the lock.
    let found = marks_in(&transaction)?;
    if found != (0, 0) {
        return Ok(found);
    }
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok((APPLICATION_ID, VERSION))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn connection(path: &Path) -> Connection {
        Connection::open(path).unwrap()
    }

    #[test]
    fn waits_for_whoever_writes_a_file_that_is_no_wal_file_yet() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.sqlite");
        let writes = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let other = connection(&path);
                other.execute_batch("BEGIN IMMEDIATE; CREATE TABLE other (id)").unwrap();
                writes.wait();
                std::thread::sleep(Duration::from_millis(300));
                other.execute_batch("ROLLBACK").unwrap();
            });
            writes.wait();
            prepare(&connection(&path)).unwrap();
        });
    }

    #[test]
    fn a_half_made_journal_is_never_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.sqlite");
        let (reader, writer) = (connection(&path), connection(&path));
        setup(&reader).unwrap();
        setup(&writer).unwrap();
        writer.pragma_update(None, "synchronous", "off").unwrap();
        let is_over = AtomicBool::new(false);
        let is_over = &is_over;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for (id, version) in [(APPLICATION_ID, VERSION), (0, 0)].into_iter().cycle() {
                    let sql = format!(
                        "BEGIN IMMEDIATE; PRAGMA application_id = {id};
                         PRAGMA user_version = {version}; COMMIT"
                    );
                    writer.execute_batch(&sql).unwrap();
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let (mut seen, mut changes) = (Vec::new(), 0);
            while seen.len() < 20_000 || changes < 20 {
                let one = marks(&reader);
                changes += u32::from(seen.last().is_some_and(|last| *last != one));
                seen.push(one);
            }
            is_over.store(true, Ordering::Relaxed);
            for one in seen {
                assert!(matches!(one, Ok((0, 0) | (APPLICATION_ID, VERSION))), "{one:?}");
            }
        });
    }

    #[test]
    fn all_who_make_it_at_once_have_it() {
        for _ in 0..10 {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("journal.sqlite");
            let start = Barrier::new(6);
            std::thread::scope(|scope| {
                let open = || {
                    start.wait();
                    prepare(&connection(&path))
                };
                let openers: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
                for opener in openers {
                    opener.join().unwrap().unwrap();
                }
            });
        }
    }
}
