//! The registry of SQL texts.
//!
//! Each text is a file `sql/NAME.MAJOR.sql`, good from that major version on until the next
//! file of the same name. All names in them are qualified with `pg_catalog`. A test prepares
//! every query of [`ALL`] on every supported major version.

use crate::api::ServerVersion;

/// One query with its texts by version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// The file name's first part.
    pub name: &'static str,
    /// The first major version of each text, ascending, and the text.
    pub variants: &'static [(u32, &'static str)],
}

impl Query {
    /// The text for a major version: the newest that is not newer. `None` when the query
    /// is only for later versions.
    #[must_use]
    pub fn text_for(&self, major: u32) -> Option<&'static str> {
        self.variants.iter().rfind(|(first, _)| *first <= major).map(|(_, text)| *text)
    }

    /// Major versions the query exists on.
    pub fn majors(&self) -> impl Iterator<Item = u32> {
        let exists = |major: &u32| self.text_for(*major).is_some();
        (ServerVersion::MAJOR_MIN..=ServerVersion::MAJOR_MAX).filter(exists)
    }
}

macro_rules! queries {
    ($($(#[$doc:meta])* $constant:ident = $name:literal from $($major:literal)+;)*) => {
        $(
            $(#[$doc])*
            pub const $constant: Query = Query {
                name: $name,
                variants: &[
                    $(($major, include_str!(concat!("../sql/", $name, ".", $major, ".sql"))),)+
                ],
            };
        )*

        /// Every query.
        pub const ALL: &[Query] = &[$($constant,)*];
    };
}

queries! {
    /// Makes a fresh session independent of the settings of role and database.
    ///
    /// Parameters: `statement_timeout` and `lock_timeout` with their units, such as `800ms`.
    /// One row, to be ignored.
    SESSION_SETUP = "session_setup" from 13 14;
    /// Counters for rates: two rows, the monitor's own database and all others.
    SAMPLE = "sample" from 13;
    /// Facts of the server that change seldom. One row.
    SERVER = "server" from 13;
    /// Every backend but the monitor's. Parameter: characters of the query.
    SESSIONS = "sessions" from 13;
    /// The whole query of a backend. Parameters: pid, start or null.
    QUERY_TEXT = "query_text" from 13;
    /// Locks waited for, with the prepared transactions that hold them.
    LOCK_WAITS = "lock_waits" from 13 14;
    /// Prepared transactions of all databases.
    PREPARED = "prepared" from 13;
    /// Locks held by prepared transactions.
    PREPARED_LOCKS = "prepared_locks" from 13;
    /// One prepared transaction of this database. Parameter: gid.
    PREPARED_TARGET = "prepared_target" from 13;
    /// Names of relations of this database. Parameter: OIDs.
    RELATION_NAMES = "relation_names" from 13;
    /// Databases with their counters.
    DATABASES = "databases" from 13;
    /// Bytes of a database. Parameter: its OID.
    DATABASE_SIZE = "database_size" from 13;
    /// Checkpoints, WAL positions, archiver. One row.
    WAL = "wal" from 13 17;
    /// What holds back xmin and WAL.
    HOLDERS = "holders" from 13;
    /// WAL waiting for the archiver. One row.
    READY_SEGMENTS = "ready_segments" from 13;
    /// Standbys connected to this server.
    STANDBYS = "standbys" from 13;
    /// Tablespaces outside the data directory.
    TABLESPACES = "tablespaces" from 13;
    /// Where and how the server logs.
    LOG_SETTINGS = "log_settings" from 13;
    /// Whether the role may find and read the log. One row.
    LOG_PRIVILEGES = "log_privileges" from 13;
    /// The log file in use. Parameter: format.
    CURRENT_LOGFILE = "current_logfile" from 13;
    /// Size of a file on the server. Parameter: path.
    STAT_SERVER_FILE = "stat_server_file" from 13;
    /// Bytes of a file on the server. Parameters: path, offset, length.
    READ_SERVER_FILE = "read_server_file" from 13;
    /// Cancels a backend's query. Parameters: pid, start or null.
    CANCEL = "cancel" from 13;
    /// Ends a session. Parameters: pid, start or null.
    TERMINATE = "terminate" from 13;
    /// What became of a transaction. Parameter: full id as text.
    XACT_STATUS = "xact_status" from 13;
    /// What is wrong in the configuration files.
    CONFIG_ERRORS = "config_errors" from 13;
    /// Makes the server load its configuration.
    RELOAD = "reload" from 13;
    /// When the configuration was last loaded. One row.
    CONF_LOAD_TIME = "conf_load_time" from 13;
    /// Who a smart stop waits for.
    CLIENTS = "clients" from 13;
    /// What the archive depends on.
    ARCHIVE_SETTINGS = "archive_settings" from 13;
    /// Writes a record into the segment in use and names it. One row.
    ARCHIVE_MARK = "archive_mark" from 13;
    /// Closes the segment in use. One row.
    ARCHIVE_SWITCH = "archive_switch" from 13;
    /// Keeps the monitor's queries out of the log; superusers only.
    SESSION_QUIET = "session_quiet" from 13;
    /// What decides whether a backup can be taken. Parameter: the name of the session. One row.
    BACKUP_SERVER = "backup_server" from 13;
    /// Takes the advisory lock of a backup. Parameters: its two halves.
    BACKUP_LOCK = "backup_lock" from 13;
    /// Who holds that lock. Parameters: its two halves.
    BACKUP_LOCK_HOLDER = "backup_lock_holder" from 13;
    /// Begins a backup. Parameters: label, whether the checkpoint is to be quick.
    BACKUP_START = "backup_start" from 13 15;
    /// Ends a backup without waiting for the archive. One row.
    BACKUP_STOP = "backup_stop" from 13 15;
    /// Shows that the session lives.
    BACKUP_PING = "backup_ping" from 13;
    /// Ends the current WAL segment.
    SWITCH_WAL = "switch_wal" from 13;
    /// How far a server in recovery is. One row.
    REPLAY = "replay" from 13 14;
    /// Lets replay go on; at its target it ends in promotion.
    REPLAY_RESUME = "replay_resume" from 13;
    /// Makes a restore point. Parameter: its name.
    RESTORE_POINT = "restore_point" from 13;
    /// How the archiver does. One row.
    ARCHIVER = "archiver" from 13;
    /// The number of a relation's file. Parameter: its name. One row.
    RELATION_FILENODE = "relation_filenode" from 13;
    /// Relations of this database, each with a query that reads all of it.
    READABLE_RELATIONS = "readable_relations" from 13;
    /// Whether the extension amcheck can be had. One row.
    AMCHECK = "amcheck" from 13;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Query = Query { name: "sample", variants: &[(14, "old"), (16, "new")] };

    #[test]
    fn the_newest_text_that_is_not_too_new() {
        let texts: Vec<_> = (13..=18).map(|major| SAMPLE.text_for(major)).collect();
        let (old, new) = (Some("old"), Some("new"));
        assert_eq!(texts, [None, old, old, new, new, new]);
        assert_eq!(SAMPLE.majors().collect::<Vec<_>>(), [14, 15, 16, 17, 18]);
    }

    #[test]
    fn the_registry_is_in_order() {
        let mut names: Vec<_> = ALL.iter().map(|query| query.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len(), "names are unique");
        for query in ALL {
            let firsts: Vec<_> = query.variants.iter().map(|(first, _)| *first).collect();
            assert!(firsts.is_sorted_by(|a, b| a < b), "{}", query.name);
            let supported = ServerVersion::MAJOR_MIN..=ServerVersion::MAJOR_MAX;
            assert!(firsts.iter().all(|first| supported.contains(first)), "{}", query.name);
            for (first, text) in query.variants {
                assert!(!text.trim().is_empty(), "{}.{first}", query.name);
                // The extended protocol takes one statement at a time.
                assert!(!text.contains(';'), "{}.{first}", query.name);
            }
        }
    }
}
