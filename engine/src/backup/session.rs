//! The session of a backup: open from start to stop, without time limits, and asked now and
//! then whether it still lives. The server ends the backup when the session ends.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::api::{Error, ErrorCode, Lsn, Result, TimelineId};
use crate::instance::access::Access;
use crate::pg::connect::Connected;
use crate::pg::query::decode::LsnColumn;
use crate::pg::query::sql::{self, Query};
use crate::pg::query::{column, optional_text, text};

/// The advisory lock that backups of one instance exclude each other with: `pgdk`, 3.
const LOCK: (i32, i32) = (0x7067_646B, 3);
/// Two seconds in all.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// The server answers a ping within this, or it hangs.
const PING_LIMIT: Duration = Duration::from_secs(60);
const GRANTS: &str = "Use a superuser, or grant EXECUTE on pg_backup_start, pg_backup_stop (before 15: pg_start_backup, pg_stop_backup), pg_switch_wal and pg_create_restore_point to the role.";

/// An open session.
#[derive(Debug)]
pub struct BackupSession {
    connected: Connected,
    name: String,
}

/// What the server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// `server_version_num`.
    pub version_num: u32,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// `system_identifier`.
    pub system_identifier: u64,
    /// The timeline of its latest checkpoint.
    pub timeline: TimelineId,
    /// `wal_level`.
    pub wal_level: String,
    /// `archive_mode`.
    pub archive_mode: String,
}

/// What the server gives at the end of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Replay must reach this.
    pub lsn: Lsn,
    /// `backup_label`.
    pub label_file: Vec<u8>,
    /// `tablespace_map`; empty without tablespaces.
    pub map_file: Vec<u8>,
}

impl BackupSession {
    /// Connects. `name` is what others see as `application_name`.
    ///
    /// # Errors
    /// What connecting gives.
    pub async fn open(access: &Access, name: &str) -> Result<(Self, ServerFacts)> {
        let session = Self { connected: access.connect(None).await?, name: name.to_owned() };
        session.rows(&sql::SESSION_SETUP, &[&"0", &"0"]).await?;
        let facts = session.look().await?;
        Ok((session, facts))
    }

    /// What the server says of itself now.
    ///
    /// # Errors
    /// `BackupAbandoned` and others, as the server says.
    pub async fn look(&self) -> Result<ServerFacts> {
        facts(&self.row(&sql::BACKUP_SERVER, &[&self.name]).await?)
    }

    /// Takes the advisory lock. The session of a backup that has just failed may hold it for a
    /// moment.
    ///
    /// # Errors
    /// `BackupRunning` with the name of the session that has it.
    pub async fn lock(&self) -> Result<()> {
        for attempt in 0..LOCK_ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            let row = self.row(&sql::BACKUP_LOCK, &[&LOCK.0, &LOCK.1]).await?;
            if column::<bool>(&row, "locked")? {
                return Ok(());
            }
        }
        let key = [i64::from(LOCK.0), i64::from(LOCK.1)];
        let holders = self.rows(&sql::BACKUP_LOCK_HOLDER, &[&key[0], &key[1]]).await?;
        let by = match holders.first() {
            Some(row) => format!(
                "session {} ({})",
                column::<i32>(row, "pid")?,
                optional_text(row, "application_name")?.unwrap_or_default()
            ),
            None => "it has just ended".to_owned(),
        };
        Err(Error::new(ErrorCode::BackupRunning, "another backup of this instance runs").detail(by))
    }

    /// Begins the backup with a quick checkpoint: where replay will begin.
    ///
    /// # Errors
    /// `PermissionDenied` without the grants, `BackupNotPossible` as the server says.
    pub async fn start(&self, label: &str) -> Result<Lsn> {
        let row = self.row(&sql::BACKUP_START, &[&label, &true]).await;
        lsn(&row.map_err(explain_grants)?)
    }

    /// Ends the current WAL segment, so that it is archived. Not on a standby.
    ///
    /// # Errors
    /// `PermissionDenied` without the grants.
    pub async fn switch_wal(&self) -> Result<Lsn> {
        lsn(&self.row(&sql::SWITCH_WAL, &[]).await.map_err(explain_grants)?)
    }

    /// Whether the session still lives.
    ///
    /// # Errors
    /// `BackupAbandoned` when not.
    pub async fn ping(&self) -> Result<()> {
        let query = self.rows(&sql::BACKUP_PING, &[]);
        match tokio::time::timeout(PING_LIMIT, query).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err(lost(&self.connected.query_timed_out(PING_LIMIT))),
        }
    }

    /// Ends the backup.
    ///
    /// # Errors
    /// `BackupAbandoned` when the session or the backup in it is gone.
    pub async fn stop(&self) -> Result<Stopped> {
        let row = self.row(&sql::BACKUP_STOP, &[]).await.map_err(|error| lost(&error))?;
        Ok(Stopped {
            lsn: lsn(&row)?,
            label_file: column(&row, "label_file")?,
            map_file: column::<Option<Vec<u8>>>(&row, "map_file")?.unwrap_or_default(),
        })
    }

    /// How the archiver does, in words.
    pub async fn archiver(&self) -> String {
        let Ok(row) = self.row(&sql::ARCHIVER, &[]).await else { return String::new() };
        let wal = |name| optional_text(&row, name).ok().flatten();
        let is_failing = column::<Option<bool>>(&row, "is_failing").ok().flatten();
        let last = match wal("last_archived_wal") {
            Some(name) => format!("the last segment archived is {name}"),
            None => "no segment was archived yet".to_owned(),
        };
        match (is_failing, wal("last_failed_wal")) {
            (Some(true), Some(name)) => format!("archive_command fails for {name}; {last}"),
            _ => last,
        }
    }

    /// Makes a restore point; where it is.
    ///
    /// # Errors
    /// `PermissionDenied` without the grant, `QueryFailed` as the server says.
    pub async fn restore_point(&self, name: &str) -> Result<(Lsn, String)> {
        let row = self.row(&sql::RESTORE_POINT, &[&name]).await.map_err(explain_grants)?;
        Ok((lsn(&row)?, text(&row, "wal_file")?))
    }

    async fn rows(&self, query: &Query, args: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let text = query.text_for(self.connected.server.version.major()).unwrap_or_default();
        let rows = self.connected.client.query(text, args).await;
        rows.map_err(|error| self.connected.map_error(&error))
    }

    async fn row(&self, query: &Query, args: &[&(dyn ToSql + Sync)]) -> Result<Row> {
        self.rows(query, args).await?.into_iter().next().ok_or_else(|| {
            let fact = format!("the query {} gave no row", query.name);
            Error::new(ErrorCode::QueryFailed, fact)
        })
    }
}

fn facts(row: &Row) -> Result<ServerFacts> {
    let timeline = u32::try_from(column::<i32>(row, "checkpoint_timeline")?).unwrap_or(0);
    let timeline = TimelineId::from_u32(timeline).ok_or_else(|| {
        Error::new(ErrorCode::QueryFailed, "the server's timeline makes no sense")
    })?;
    Ok(ServerFacts {
        version_num: u32::try_from(column::<i32>(row, "version_num")?).unwrap_or(0),
        in_recovery: column(row, "in_recovery")?,
        system_identifier: column::<i64>(row, "system_identifier")?.cast_unsigned(),
        timeline,
        wal_level: text(row, "wal_level")?,
        archive_mode: text(row, "archive_mode")?,
    })
}

fn lsn(row: &Row) -> Result<Lsn> {
    column::<LsnColumn>(row, "lsn")?
        .0
        .ok_or_else(|| Error::new(ErrorCode::QueryFailed, "the server gave no WAL position"))
}

fn explain_grants(error: Error) -> Error {
    if error.code == ErrorCode::PermissionDenied { error.hint(GRANTS) } else { error }
}

fn lost(error: &Error) -> Error {
    let detail = match error.detail.as_str() {
        "" => error.fact.clone(),
        detail => format!("{}: {detail}", error.fact),
    };
    Error::new(ErrorCode::BackupAbandoned, "the session that holds the backup open was lost")
        .detail(detail)
}
