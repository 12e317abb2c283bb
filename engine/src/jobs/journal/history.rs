//! What was seen over time: messages, disk usage, mounts, prepared transactions.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::{Journal, from_millis, millis, schema::failed, signed, unsigned};
use crate::api::{Message, Result};
use crate::sys::clock;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Every minute is kept for two days, then one sample an hour for 400 days.
const USAGE_MINUTES_KEPT_MS: i64 = 2 * DAY_MS;
const USAGE_HOURS_KEPT_MS: i64 = 400 * DAY_MS;
const ENDED_KEPT_MS: i64 = 90 * DAY_MS;
/// Two processes that look at the same time count as one check.
const CHECK_APART_MS: i64 = 8_000;

/// A message the journal holds as open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMessage {
    /// `MessageCode` as a word.
    pub code: String,
    /// What it is about.
    pub subject: String,
    /// Since when it holds.
    pub since: DateTime<Utc>,
}

/// A destination's file system at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageSample {
    /// When.
    pub at: DateTime<Utc>,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes an unprivileged user may still take.
    pub free_bytes: u64,
}

/// Where a destination was last seen mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountRecord {
    /// The mount point.
    pub mount_point: String,
    /// Its device.
    pub device: String,
    /// Its type.
    pub fs_type: String,
}

/// A prepared transaction, for counting the checks it was seen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeenPrepared {
    /// Database.
    pub database: String,
    /// Global identifier.
    pub gid: String,
    /// When it was prepared.
    pub prepared_at: DateTime<Utc>,
}

impl Journal {
    /// A transaction that writes. It takes the lock at once: one that reads first and writes later
    /// is refused without waiting when another process wrote in between (`SQLITE_BUSY_SNAPSHOT`).
    fn writing(&mut self) -> rusqlite::Result<Transaction<'_>> {
        self.connection.transaction_with_behavior(TransactionBehavior::Immediate)
    }

    /// Brings the open messages in line with `now_open` and tells since when each holds.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn sync_messages(&mut self, now_open: &[Message]) -> Result<Vec<KnownMessage>> {
        self.sync_messages_inner(now_open).map_err(|error| failed(&error))
    }

    fn sync_messages_inner(&mut self, now_open: &[Message]) -> rusqlite::Result<Vec<KnownMessage>> {
        let now = millis(clock::now());
        let transaction = self.writing()?;
        let known = open_messages(&transaction)?;
        let is_open = |known: &KnownMessage| {
            now_open.iter().any(|m| m.code.as_str() == known.code && m.subject == known.subject)
        };
        for gone in known.iter().filter(|known| !is_open(known)) {
            transaction.execute(
                "UPDATE message SET cleared_ms = ?3 WHERE code = ?1 AND subject = ?2 AND cleared_ms IS NULL",
                params![gone.code, gone.subject, now],
            )?;
        }
        for message in now_open {
            transaction.execute(
                "INSERT INTO message (code, subject, severity, text, detail, solution, first_seen_ms, last_seen_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
                 ON CONFLICT (code, subject) WHERE cleared_ms IS NULL DO UPDATE SET
                 severity = excluded.severity, text = excluded.text, detail = excluded.detail,
                 solution = excluded.solution, last_seen_ms = excluded.last_seen_ms",
                params![
                    message.code.as_str(),
                    message.subject,
                    message.severity.word(),
                    message.text,
                    message.detail,
                    message.solution,
                    now
                ],
            )?;
        }
        let known = open_messages(&transaction)?;
        transaction.commit()?;
        Ok(known)
    }

    /// Adds a sample of a destination's file system, one a minute at most.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn add_usage(&mut self, path: &str, sample: UsageSample) -> Result<()> {
        let minute = millis(sample.at).div_euclid(MINUTE_MS) * MINUTE_MS;
        self.connection
            .execute(
                "INSERT OR IGNORE INTO usage (path, at_ms, used_bytes, free_bytes) VALUES (?1, ?2, ?3, ?4)",
                params![path, minute, signed(sample.used_bytes), signed(sample.free_bytes)],
            )
            .map_err(|error| failed(&error))?;
        Ok(())
    }

    /// Samples of a destination since a moment, oldest first.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn usage_since(&mut self, path: &str, since: DateTime<Utc>) -> Result<Vec<UsageSample>> {
        let read = || -> rusqlite::Result<Vec<UsageSample>> {
            let mut statement = self.connection.prepare_cached(
                "SELECT at_ms, used_bytes, free_bytes FROM usage WHERE path = ?1 AND at_ms >= ?2 ORDER BY at_ms",
            )?;
            let rows = statement.query_map(params![path, millis(since)], |row| {
                Ok(UsageSample {
                    at: from_millis(row.get(0)?),
                    used_bytes: unsigned(row.get(1)?),
                    free_bytes: unsigned(row.get(2)?),
                })
            })?;
            rows.collect()
        };
        read().map_err(|error| failed(&error))
    }

    /// Remembers where a destination is mounted, and tells where it was before.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn remember_mount(&mut self, path: &str, mount: &MountRecord) -> Result<()> {
        self.connection
            .execute(
                "INSERT INTO mount (path, mount_point, device, fs_type, seen_ms) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (path) DO UPDATE SET mount_point = excluded.mount_point,
                 device = excluded.device, fs_type = excluded.fs_type, seen_ms = excluded.seen_ms",
                params![path, mount.mount_point, mount.device, mount.fs_type, millis(clock::now())],
            )
            .map_err(|error| failed(&error))?;
        Ok(())
    }

    /// Where a destination was last seen mounted.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn known_mount(&mut self, path: &str) -> Result<Option<MountRecord>> {
        self.connection
            .query_row(
                "SELECT mount_point, device, fs_type FROM mount WHERE path = ?1",
                [path],
                |row| {
                    Ok(MountRecord {
                        mount_point: row.get(0)?,
                        device: row.get(1)?,
                        fs_type: row.get(2)?,
                    })
                },
            )
            .optional()
            .map_err(|error| failed(&error))
    }

    /// Counts one more check for each of these, and tells the counts in the same order.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn see_prepared(&mut self, seen: &[SeenPrepared]) -> Result<Vec<u32>> {
        self.see_prepared_inner(seen, millis(clock::now())).map_err(|error| failed(&error))
    }

    fn see_prepared_inner(
        &mut self,
        seen: &[SeenPrepared],
        now: i64,
    ) -> rusqlite::Result<Vec<u32>> {
        let transaction = self.writing()?;
        let mut counts = Vec::with_capacity(seen.len());
        for one in seen {
            let checks = transaction.query_row(
                "INSERT INTO prepared_seen (database, gid, prepared_ms, first_seen_ms, last_seen_ms, checks)
                 VALUES (?1, ?2, ?3, ?4, ?4, 1)
                 ON CONFLICT (database, gid, prepared_ms) DO UPDATE SET
                 checks = checks + (excluded.last_seen_ms - last_seen_ms >= ?5),
                 last_seen_ms = CASE WHEN excluded.last_seen_ms - last_seen_ms >= ?5
                                     THEN excluded.last_seen_ms ELSE last_seen_ms END
                 RETURNING checks",
                params![one.database, one.gid, millis(one.prepared_at), now, CHECK_APART_MS],
                |row| row.get(0),
            )?;
            counts.push(checks);
        }
        transaction.commit()?;
        Ok(counts)
    }

    /// Thins out and removes what is older than its keeping time.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn prune(&mut self) -> Result<()> {
        let now = millis(clock::now());
        let run = |sql: &str, limit: i64| self.connection.execute(sql, [limit]).map(|_| ());
        run("DELETE FROM usage WHERE at_ms < ?1", now - USAGE_HOURS_KEPT_MS)
            .and_then(|()| {
                run(
                    "DELETE FROM usage WHERE at_ms < ?1 AND at_ms % 3600000 <> 0",
                    now - USAGE_MINUTES_KEPT_MS,
                )
            })
            .and_then(|()| run("DELETE FROM message WHERE cleared_ms < ?1", now - ENDED_KEPT_MS))
            .and_then(|()| run("DELETE FROM job WHERE ended_ms < ?1", now - ENDED_KEPT_MS))
            .and_then(|()| {
                run("DELETE FROM prepared_seen WHERE last_seen_ms < ?1", now - ENDED_KEPT_MS)
            })
            .map_err(|error| failed(&error))
    }
}

fn open_messages(connection: &rusqlite::Connection) -> rusqlite::Result<Vec<KnownMessage>> {
    let mut statement = connection.prepare_cached(
        "SELECT code, subject, first_seen_ms FROM message WHERE cleared_ms IS NULL",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(KnownMessage {
            code: row.get(0)?,
            subject: row.get(1)?,
            since: from_millis(row.get(2)?),
        })
    })?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{MessageCode, Remedy, Severity};

    fn journal() -> (tempfile::TempDir, Journal) {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(&directory.path().join("j")).unwrap();
        (directory, journal)
    }

    fn message(code: MessageCode, subject: &str) -> Message {
        Message {
            code,
            subject: subject.into(),
            severity: Severity::Warning,
            text: "t".into(),
            detail: "d".into(),
            solution: "s".into(),
            remedy: Remedy::Recheck,
            since: None,
        }
    }

    #[test]
    fn a_condition_keeps_its_beginning_until_it_is_gone() {
        let (_directory, mut journal) = journal();
        let full = message(MessageCode::DestinationFilling, "/data");
        let first = journal.sync_messages(std::slice::from_ref(&full)).unwrap();
        let again = journal.sync_messages(std::slice::from_ref(&full)).unwrap();
        assert_eq!(first, again);
        assert_eq!(journal.sync_messages(&[]).unwrap(), []);
        std::thread::sleep(std::time::Duration::from_millis(3));
        let later = journal.sync_messages(&[full]).unwrap();
        assert!(later[0].since > first[0].since, "a condition that returns begins anew");
    }

    #[test]
    fn processes_that_write_together_wait_for_each_other() {
        let (directory, mut journal) = journal();
        let path = directory.path().join("j");
        let open = [message(MessageCode::DestinationFilling, "/data")];
        let seen =
            [SeenPrepared { database: "d".into(), gid: "g".into(), prepared_at: clock::now() }];
        let write = |journal: &mut Journal| {
            for _ in 0..30 {
                journal.sync_messages(&open).unwrap();
                journal.see_prepared(&seen).unwrap();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| write(&mut Journal::open(&path).unwrap()));
            write(&mut journal);
        });
    }

    #[test]
    fn usage_is_kept_by_the_minute_then_by_the_hour() {
        let (_directory, mut journal) = journal();
        let now = clock::now();
        for age_minutes in [0, 1, 3 * 24 * 60, 3 * 24 * 60 + 1, 500 * 24 * 60] {
            let at = now - chrono::Duration::minutes(age_minutes);
            let sample = UsageSample { at, used_bytes: u64::MAX, free_bytes: 5 };
            journal.add_usage("/d", sample).unwrap();
            journal.add_usage("/d", sample).unwrap();
        }
        let hour_ago = now - chrono::Duration::hours(80);
        let on_the_hour = millis(hour_ago).div_euclid(HOUR_MS) * HOUR_MS;
        let sample = UsageSample { at: from_millis(on_the_hour), used_bytes: 1, free_bytes: 1 };
        journal.add_usage("/d", sample).unwrap();
        journal.prune().unwrap();
        let kept = journal.usage_since("/d", from_millis(0)).unwrap();
        assert!(kept.contains(&sample), "the hour's own sample stays");
        let young = kept.iter().filter(|s| s.at > now - chrono::Duration::hours(1)).count();
        assert_eq!(young, 2);
        assert!(kept.len() <= 4, "minutes of three days ago are thinned out: {kept:?}");
    }

    #[test]
    fn checks_count_once_for_processes_that_look_together() {
        let (_directory, mut journal) = journal();
        let seen = SeenPrepared {
            database: "app".into(),
            gid: "g'1".into(),
            prepared_at: from_millis(1_000),
        };
        let mut look = |now| journal.see_prepared_inner(std::slice::from_ref(&seen), now).unwrap();
        assert_eq!(look(100_000), [1]);
        assert_eq!(look(101_000), [1], "another process, a second later");
        assert_eq!(look(110_000), [2]);
        assert_eq!(look(120_000), [3]);
    }

    #[test]
    fn mounts_are_remembered() {
        let (_directory, mut journal) = journal();
        assert_eq!(journal.known_mount("/data").unwrap(), None);
        let mount = MountRecord {
            mount_point: "/data".into(),
            device: "/dev/sdb1".into(),
            fs_type: "xfs".into(),
        };
        journal.remember_mount("/data", &mount).unwrap();
        assert_eq!(journal.known_mount("/data").unwrap(), Some(mount));
    }
}
