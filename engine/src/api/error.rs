//! The one error type that reaches a user: a code, a fact, what was seen, what to do.
//!
//! The list of codes is closed. Each has an entry in `docs/ERRORS.md`; a tidy test keeps
//! the two equal. Nothing here knows where an error came from.

use std::fmt;

use serde::Serialize;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, hint: $hint:literal;)*) => {
        /// What went wrong, as a stable word. The entry in `docs/ERRORS.md` explains each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable word, as it stands in JSON and in the documentation.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What to do when the place that raised the error knew nothing better.
            #[must_use]
            pub fn default_hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)* }
            }
        }
    };
}

error_codes! {
    /// A setting of `pgdeck.toml` cannot be read.
    ConfigInvalid = "config_invalid",
        hint: "Correct the file, or name another one with --config.";
    /// A connection string, or a `PG*` variable, cannot be read.
    ConnectionStringInvalid = "connection_string_invalid",
        hint: "Write it as psql takes it: 'host=db1 port=5432 user=monitor dbname=postgres' or postgresql://monitor@db1/postgres.";
    /// The named service is in no service file.
    ServiceNotFound = "service_not_found",
        hint: "Add the section to ~/.pg_service.conf, or point PGSERVICEFILE at the file that has it.";
    /// The host name has no address.
    HostNotFound = "host_not_found",
        hint: "Check the spelling of the host name and the name server of this machine.";
    /// Nothing listens at the address or socket.
    ConnectRefused = "connect_refused",
        hint: "Check that the server runs and that host and port are right.";
    /// No answer within the time allowed.
    ConnectTimeout = "connect_timeout",
        hint: "Check the network and whether the server hangs; pgdeck keeps trying.";
    /// The server did not accept the password.
    PasswordWrong = "password_wrong",
        hint: "Correct the entry in the password file (~/.pgpass or PGPASSFILE).";
    /// The server asked for a password and there is none.
    PasswordMissing = "password_missing",
        hint: "Add 'host:port:database:user:password' to ~/.pgpass (mode 0600) or set PGPASSFILE.";
    /// The server refused the role or address by `pg_hba.conf`, peer or another method.
    AuthenticationRefused = "authentication_refused",
        hint: "Add a line for this role, database and address to pg_hba.conf and reload the server.";
    /// The role does not exist or may not log in.
    RoleUnknown = "role_unknown",
        hint: "Name an existing role with PGUSER or user= in the connection string.";
    /// The database does not exist.
    DatabaseUnknown = "database_unknown",
        hint: "Name an existing database with PGDATABASE or dbname= in the connection string.";
    /// All connection slots are taken.
    NoConnectionSlots = "no_connection_slots",
        hint: "End idle connections, or raise max_connections and restart; a superuser may use superuser_reserved_connections.";
    /// The encrypted connection could not be made or the certificate was not accepted.
    TlsFailed = "tls_failed",
        hint: "Check sslmode and sslrootcert; verify-full needs a certificate for exactly this host name.";
    /// The server is starting up, recovering or shutting down and takes no connections now.
    ServerNotReady = "server_not_ready",
        hint: "Wait; pgdeck connects as soon as the server takes connections.";
    /// An established connection broke.
    ConnectionLost = "connection_lost",
        hint: "Look at the server log for the reason; pgdeck reconnects by itself.";
    /// The server is not of a supported major version.
    VersionUnsupported = "version_unsupported",
        hint: "Use pgdeck with PostgreSQL 13 to 18.";
    /// A query did not end within the time allowed.
    QueryTimeout = "query_timeout",
        hint: "The server is slow or hangs; look at its load, locks and disk.";
    /// The server refused a query.
    QueryFailed = "query_failed",
        hint: "The server's own message stands in the detail.";
    /// The role lacks a privilege.
    PermissionDenied = "permission_denied",
        hint: "Grant pg_monitor for watching; cancel and terminate need pg_signal_backend or superuser.";
    /// No instance goes by that name or directory.
    InstanceNotFound = "instance_not_found",
        hint: "List them with 'pgdeck instance list', or name the data directory with -D.";
    /// More than one instance fits and none was chosen.
    InstanceAmbiguous = "instance_ambiguous",
        hint: "Choose one with -D DIR, --dsn or --instance NAME.";
    /// The data storage destination does not exist.
    DataDirectoryMissing = "data_directory_missing",
        hint: "Mount the disk, or correct the path.";
    /// The directory is not a database cluster.
    NotACluster = "not_a_cluster",
        hint: "Name the directory that holds PG_VERSION and global/pg_control.";
    /// The data directory cannot be read by this user.
    DataDirectoryAccess = "data_directory_access",
        hint: "Run pgdeck as the owner of the data directory or as root.";
    /// The data directory belongs to the wrong user or has the wrong mode.
    DataDirectoryOwner = "data_directory_owner",
        hint: "Give it to the server's user and set mode 0700 or 0750, as initdb made it.";
    /// The control file cannot be read or its checksum is wrong.
    ControlFileDamaged = "control_file_damaged",
        hint: "Do not start the instance; recover it from a backup.";
    /// There are no server programs of the cluster's major version.
    BinariesMissing = "binaries_missing",
        hint: "Install that major version, or name its directory with --bin-dir or PGBIN.";
    /// The action needs an instance on this machine.
    InstanceRemote = "instance_remote",
        hint: "Log in to the server's own machine and run pgdeck there.";
    /// The instance runs already.
    AlreadyRunning = "already_running",
        hint: "Nothing to do; to load changed settings use reload or restart.";
    /// The instance does not run.
    NotRunning = "not_running",
        hint: "Start it first.";
    /// The server ended while starting.
    StartFailed = "start_failed",
        hint: "Remove the cause shown, then start again.";
    /// The server's configuration files have errors; nothing was loaded.
    ConfigurationErrors = "configuration_errors",
        hint: "Correct the lines named, then reload again.";
    /// The server did not get ready in the time allowed.
    StartTimeout = "start_timeout",
        hint: "It may still be recovering; look at its log before doing anything else.";
    /// The server did not stop in the time allowed.
    StopTimeout = "stop_timeout",
        hint: "See who it waits for, then escalate to the next mode: fast, immediate, kill.";
    /// A process is no longer the one that was meant.
    ProcessChanged = "process_changed",
        hint: "Look again; the process that was chosen has ended.";
    /// The session to act on is gone.
    SessionGone = "session_gone",
        hint: "It ended by itself; nothing was done.";
    /// The prepared transaction is not there (any more).
    PreparedNotFound = "prepared_not_found",
        hint: "Another session resolved it, or the gid is misspelled; list them with 'pgdeck prepared'.";
    /// The server refused to resolve the prepared transaction; it stays prepared.
    PreparedFailed = "prepared_failed",
        hint: "It is still prepared; remove the cause and try again.";
    /// The connection broke while resolving and the outcome cannot be told.
    PreparedOutcomeUnknown = "prepared_outcome_unknown",
        hint: "Look at 'pgdeck prepared' and pg_xact_status() before trying again.";
    /// A mutating action while read-only.
    ReadOnly = "read_only",
        hint: "Start pgdeck without --read-only to act.";
    /// The engine has more commands waiting than it takes.
    EngineBusy = "engine_busy",
        hint: "Wait a moment and press the key again.";
    /// A confirmation is required and was not given.
    NotConfirmed = "not_confirmed",
        hint: "Add --yes to confirm.";
    /// Another exclusive operation runs on the instance.
    OperationRunning = "operation_running",
        hint: "Wait for it or cancel it; :jobs shows it.";
    /// There is no such job.
    JobNotFound = "job_not_found",
        hint: "It ended; :jobs shows what became of it.";
    /// The operation was cancelled by the user.
    Cancelled = "cancelled",
        hint: "Nothing more will be done.";
    /// The log cannot be found.
    LogNotFound = "log_not_found",
        hint: "Set logging_collector = on, or start the server with its output in a file.";
    /// The log cannot be read by this user.
    LogUnreadable = "log_unreadable",
        hint: "Run pgdeck as the owner of the log, or set log_file_mode = 0640 and join the group.";
    /// The journal cannot be opened or written.
    JournalFailed = "journal_failed",
        hint: "Check space and owner of the state directory; watching goes on without history.";
    /// The journal was written by a newer pgdeck.
    JournalNewer = "journal_newer",
        hint: "Use the newer pgdeck for this instance.";
    /// A directory cannot be a backup data storage destination.
    DestinationInvalid = "destination_invalid",
        hint: "Name an empty directory outside of the cluster, of its owner, with mode 0700.";
    /// The set-up of the archive meets something that it must not overrule.
    SetupConflict = "setup_conflict",
        hint: "Remove what stands in the way, then set up again.";
    /// Reading or writing a file failed.
    FileAccess = "file_access",
        hint: "The operating system's own message stands in the detail.";
    /// A program could not be run or ended badly.
    ProgramFailed = "program_failed",
        hint: "Its own output stands in the detail.";
    /// The console cannot run on this terminal.
    TerminalUnsuitable = "terminal_unsuitable",
        hint: "Use 'pgdeck status', which needs no terminal.";
    /// The demo cannot be made or removed here.
    DemoFailed = "demo_failed",
        hint: "Choose another place with --dir, or remove the old demo with 'pgdeck demo --stop'.";
    /// The backup destination, or the archive in it, cannot be read.
    RepositoryUnreadable = "repository_unreadable",
        hint: "Mount the disk, or correct path and permissions; nothing was taken for absent.";
    /// Something in the backup destination is damaged.
    RepositoryDamaged = "repository_damaged",
        hint: "Keep the file, restore it from another copy, then run 'pgdeck verify'.";
    /// The backup destination belongs to another database cluster.
    RepositoryForeign = "repository_foreign",
        hint: "Give every database cluster a backup destination of its own.";
    /// Something cannot be written into the backup destination.
    RepositoryWrite = "repository_write",
        hint: "Check space, mount state and owner of the backup destination; the server tries again by itself.";
    /// A file given to the archive is no WAL file of this cluster, or is damaged.
    WalInvalid = "wal_invalid",
        hint: "Nothing was archived; find out where the file comes from before the server removes it.";
    /// A file of that name with other content is in the archive.
    WalConflict = "wal_conflict",
        hint: "Two servers write to one archive, or one was recovered without a new timeline; give one of them another destination. Nothing was overwritten.";
    /// A WAL file is absent although later ones exist.
    WalGap = "wal_gap",
        hint: "Find the missing file (the server's pg_wal, the mirror, another copy), or recover to a target before it.";
    /// A WAL file is absent and nothing later exists.
    WalAbsent = "wal_absent",
        hint: "This is the end of the archive; recovery ends here.";
    /// No backup destination is known.
    BackupDestinationUnset = "backup_destination_unset",
        hint: "Set pgx.backup_destination in postgresql.conf and reload, or name the directory with -B.";
    /// The server is not set up for backups.
    BackupNotPossible = "backup_not_possible",
        hint: "Set wal_level = replica, archive_mode = on and an archive_command that pushes into the backup destination, then restart.";
    /// Another backup, deletion or expiry works on the destination or the instance.
    BackupRunning = "backup_running",
        hint: "Wait for it, or cancel it: ':jobs' in the console, or Ctrl-C where it runs.";
    /// Something in the data directory cannot be backed up.
    BackupSourceOdd = "backup_source_odd",
        hint: "Move it out of the data directory; PostgreSQL did not put it there.";
    /// The backup was given up.
    BackupAbandoned = "backup_abandoned",
        hint: "Remove the cause and take the backup again; what was copied is kept and used.";
    /// The destination has too little space.
    BackupNoSpace = "backup_no_space",
        hint: "Make room, delete a backup with 'pgdeck backup delete', or choose another destination.";
    /// WAL does not arrive in the archive.
    ArchiveStuck = "archive_stuck",
        hint: "Correct archive_command and look at the server log; the server keeps the WAL meanwhile.";
    /// There is no such backup, or it cannot be used.
    BackupNotFound = "backup_not_found",
        hint: "List the backups with 'pgdeck backups'.";
    /// A backup cannot be deleted because others need it.
    BackupNeeded = "backup_needed",
        hint: "Delete the backups that need it first.";
    /// No WAL and no backup lead to the target.
    TargetUnreachable = "target_unreachable",
        hint: "Choose a target that can be reached: the console's recovery map and 'pgdeck recover --map' show them.";
    /// The place to recover to cannot be used.
    RecoveryPlace = "recovery_place",
        hint: "Name another directory with --to, or make this one empty.";
    /// There is not enough room for the recovery.
    RecoveryNoSpace = "recovery_no_space",
        hint: "Make room, recover to a larger disk with --to, or give up the way back with --delta or --discard-old.";
    /// The instance runs.
    RecoveryRunning = "recovery_running",
        hint: "Stop it first with 'pgdeck instance stop', or recover beside it with --to.";
    /// What was planned is no longer so.
    RecoveryPlanChanged = "recovery_plan_changed",
        hint: "Look at the new plan and confirm again.";
    /// A recovery was interrupted and must be finished or undone first.
    RecoveryUnfinished = "recovery_unfinished",
        hint: "Run the recovery again, or put the old data back with 'pgdeck recover undo'.";
    /// Files could not be restored.
    RestoreFailed = "restore_failed",
        hint: "Remove the cause and run the recovery again: what is whole is kept; or 'pgdeck recover undo'.";
    /// The server could not replay to the target.
    ReplayFailed = "replay_failed",
        hint: "Remove the cause and run the recovery again, or put the old data back with 'pgdeck recover undo'.";
    /// Replay ended elsewhere than planned; the server was not promoted.
    ReplayShort = "replay_short",
        hint: "Look at the data, then promote, choose another target, or 'pgdeck recover undo'.";
    /// There is no recovery to act on.
    RecoveryNone = "recovery_none",
        hint: "See 'pgdeck recover status'.";
    /// A rehearsal did not end well.
    RehearsalFailed = "rehearsal_failed",
        hint: "Look at the report: until a rehearsal succeeds, recoverability is not proven.";
    /// The command line is wrong.
    UsageInvalid = "usage_invalid",
        hint: "See 'pgdeck --help'.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// An error as the user reads it: three lines, fact, `DETAIL:` and `HINT:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Error {
    /// The stable word.
    pub code: ErrorCode,
    /// A lower-case statement that names the thing.
    pub fact: String,
    /// What was seen. Empty when the fact says it all.
    pub detail: String,
    /// What to do: the key, the command or the setting.
    pub hint: String,
}

impl Error {
    /// An error with the code's default hint and no detail.
    #[must_use]
    pub fn new(code: ErrorCode, fact: impl Into<String>) -> Self {
        Self {
            code,
            fact: fact.into(),
            detail: String::new(),
            hint: code.default_hint().to_owned(),
        }
    }

    /// The same with what was seen.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same with a better hint than the code's own.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fact)?;
        if !self.detail.is_empty() {
            write!(f, "\nDETAIL: {}", self.detail)?;
        }
        write!(f, "\nHINT: {}", self.hint)
    }
}

impl std::error::Error for Error {}

/// A result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_three_lines() {
        let error = Error::new(ErrorCode::NotRunning, "instance \"inst1\" does not run")
            .detail("no process holds /data/inst1/postmaster.pid");
        assert_eq!(
            error.to_string(),
            "instance \"inst1\" does not run\n\
             DETAIL: no process holds /data/inst1/postmaster.pid\n\
             HINT: Start it first."
        );
    }

    #[test]
    fn codes_are_distinct_words() {
        let mut words: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), ErrorCode::ALL.len());
    }
}
