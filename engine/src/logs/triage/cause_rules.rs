//! The known causes of failed starts, as a table.
//!
//! Patterns are the server's messages without quotes. Rules that name a cause exactly come
//! first; those that go by the operating system's error alone come last. Unless noted the text
//! was produced with real servers and is kept with the tests.

/// Where a pattern is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// In the first line of the message.
    Message,
    /// In the context.
    Context,
    /// In the message and the detail with `: ` between.
    MessageAndDetail,
}

/// One known cause.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) slug: &'static str,
    /// 3 names the cause, 2 is a consequence or goes by the operating system's error, 1 says
    /// only that something is wrong.
    pub(super) weight: u8,
    pub(super) place: Where,
    pub(super) pattern: &'static str,
    pub(super) solution: &'static str,
}

const fn rule(
    slug: &'static str,
    weight: u8,
    pattern: &'static str,
    solution: &'static str,
) -> Rule {
    Rule { slug, weight, place: Where::Message, pattern, solution }
}

/// The words [`super::Cause::slug`] can have, besides `server_message` for a message that is in
/// no rule.
#[must_use]
pub fn slugs() -> Vec<&'static str> {
    let mut slugs: Vec<_> = RULES.iter().map(|rule| rule.slug).collect();
    slugs.sort_unstable();
    slugs.dedup();
    slugs
}

const FREE_SPACE: &str = "Free space on the disk of {1}: see the Storage pane, remove what does not belong to the cluster, never a file of pg_wal by hand; then start again.";
const RESTORE: &str =
    "Do not start it again and do not run pg_resetwal: recover the cluster from a backup.";
const SSL_FILE: &str = "Put the file where {1} is looked for (below the data directory unless the path is absolute), correct the ssl_ setting that names it in postgresql.conf, or set ssl = off.";
const NOT_A_CLUSTER: &str = "Mount the disk, or correct the path: {1} holds no database cluster.";
const MEMORY: &str = "Lower shared_buffers or max_connections in postgresql.conf, or give the machine more memory or huge pages. {hint}";
const KERNEL: &str = "Raise the kernel's limit (SHMMAX, SHMALL, SEMMNS, SEMMNI), or lower max_connections in postgresql.conf. {hint}";
const STANDBY_SETTING: &str =
    "Set {1} on this standby to at least {3}, the value of the primary, in postgresql.conf.";
const TABLESPACE: &str = "Mount the disk of the tablespace whose link is {1} in the data directory ('ls -l' of it shows the place), then start again.";

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    // Addresses, ports, sockets.
    rule("port_in_use", 3, "could not bind * address *: Address already in use",
        "Another process listens on port {port} of {2}: find it with 'ss -ltnp', stop it, or set another port in postgresql.conf."),
    rule("address_unavailable", 3, "could not bind * address *: Cannot assign requested address",
        "This machine has no address {2}: correct listen_addresses in postgresql.conf, or bring up the network interface first."),
    rule("port_privileged", 3, "could not bind * address *: Permission denied",
        "The server's user may not use this port on {2}: set port to 1024 or more in postgresql.conf."),
    rule("address_unavailable", 3, "could not bind * address *: *",
        "Correct listen_addresses and port in postgresql.conf: {2} cannot be used ({3})."),
    rule("address_unavailable", 3, "could not translate host name *, service * to address: *",
        "Correct the name {1} in listen_addresses in postgresql.conf, or the name server of this machine."),
    rule("socket_in_use", 3, "lock file *.s.PGSQL.*.lock already exists",
        "A server (process {pid}) with the same port uses this socket directory: set another port or unix_socket_directories in postgresql.conf."),
    rule("socket_directory", 3, "could not create lock file *.s.PGSQL.*.lock: No such file or directory",
        "Make the directory {1}, owned by the server's user, or correct unix_socket_directories in postgresql.conf."),
    rule("socket_directory", 3, "could not create lock file *.s.PGSQL.*.lock: Permission denied",
        "Give the server's user the right to write to {1}, or correct unix_socket_directories in postgresql.conf."),
    rule("no_listen_address", 2, "could not create any TCP/IP sockets",
        "Correct listen_addresses and port in postgresql.conf."),
    rule("no_listen_address", 2, "could not create any Unix-domain sockets",
        "Correct unix_socket_directories and port in postgresql.conf."),

    // The lock of the data directory.
    rule("already_running", 3, "lock file postmaster.pid already exists",
        "A server (process {pid}) runs in this data directory. If it does not answer, look at that process before anything else; never remove postmaster.pid while it lives."),
    rule("lock_file_empty", 3, "lock file * is empty",
        "Either a server is starting right now, or a crash left the file: make sure that no postgres process uses the directory, then remove {1}."),
    rule("lock_file_empty", 3, "the PID file * is empty",
        "Either a server is starting right now, or a crash left the file: make sure that no postgres process uses the directory, then remove {1}."),
    rule("old_processes", 3, "pre-existing shared memory block * is still in use",
        "Processes of the server that ran before still live: end them (stop mode kill), then start again. {hint}"),

    // postgresql.conf.
    rule("configuration_syntax", 3, "syntax error in file * line *, near *",
        "Correct line {2} of {1}, near {3}."),
    rule("configuration_unknown_setting", 3, "unrecognized configuration parameter * in file * line *",
        "Correct the name {1} in line {3} of {2}, or remove the line."),
    rule("locale_missing", 3, "invalid value for parameter lc_*: *",
        "Install the locale {2} on this machine, or correct lc_{1} in postgresql.conf."),
    rule("configuration_value", 3, "invalid value for parameter *: *",
        "Correct {1} = {2} in postgresql.conf or postgresql.auto.conf. {hint}"),
    rule("configuration_value", 3, "* is outside the valid range for parameter * (*)",
        "Correct {2} = {1} in postgresql.conf or postgresql.auto.conf: allowed is {3}."),
    rule("configuration_value", 3, "WAL archival cannot be enabled when wal_level is minimal",
        "Set wal_level = replica in postgresql.conf, or archive_mode = off."),
    rule("configuration_value", 3, "WAL streaming (max_wal_senders > 0) requires wal_level *",
        "Set wal_level = replica in postgresql.conf, or max_wal_senders = 0."),
    rule("configuration_value", 3, "superuser_reserved_connections (*)*must be less than max_connections (*)",
        "Raise max_connections (now {3}) in postgresql.conf above superuser_reserved_connections (now {1})."),
    rule("configuration_value", 3, "multiple recovery targets specified",
        "Leave one recovery_target setting in postgresql.conf and postgresql.auto.conf, remove the others."),
    rule("hba_missing", 3, "could not open configuration file *pg_hba.conf: *",
        "Restore {1}pg_hba.conf, or correct hba_file in postgresql.conf; it must be readable by the server's user ({2})."),
    rule("hba_missing", 3, "could not open file *pg_hba.conf: *",
        "Restore {1}pg_hba.conf, or correct hba_file in postgresql.conf; it must be readable by the server's user ({2})."),
    rule("configuration_missing", 3, "could not open configuration file *: *",
        "Make {1} readable for the server's user, restore it, or remove the include that names it ({2})."),
    rule("configuration_missing", 3, "could not access the server configuration file *: *",
        "Restore {1}, or correct the data directory that was given ({2})."),
    rule("configuration_errors", 1, "configuration file * contains errors",
        "Correct {1}: the lines before this one name the place."),

    // pg_hba.conf.
    Rule { slug: "hba_invalid", weight: 3, place: Where::Context, pattern: "line * of configuration file *",
        solution: "Correct line {1} of {2}: {message}." },
    rule("hba_invalid", 3, "configuration file *pg_hba.conf contains no entries",
        "Add at least one line to {1}pg_hba.conf, such as 'local all all peer'."),
    rule("hba_invalid", 1, "could not load *pg_hba.conf",
        "Correct pg_hba.conf: the lines before this one name the place."),

    // The data directory.
    rule("data_directory_mode", 3, "data directory * has invalid permissions",
        "Run 'chmod 0700 {1}' (or 0750)."),
    rule("data_directory_owner", 3, "data directory * has wrong ownership",
        "Start the server as the owner of {1}, or give the whole directory to the server's user with chown -R."),
    rule("not_a_cluster", 3, "* is not a valid data directory", NOT_A_CLUSTER),
    rule("not_a_cluster", 3, "directory * is not a database cluster directory", NOT_A_CLUSTER),
    rule("not_a_cluster", 3, "directory * does not exist", NOT_A_CLUSTER),
    rule("not_a_cluster", 3, "could not access directory *: No such file or directory", NOT_A_CLUSTER),
    Rule { slug: "version_mismatch", weight: 3, place: Where::MessageAndDetail,
        pattern: "database files are incompatible with server: * initialized by PostgreSQL version *, which is not compatible with this version *",
        solution: "Start it with the server programs of version {2} (--bin-dir), or upgrade the cluster with pg_upgrade." },
    rule("control_file_damaged", 3, "database files are incompatible with server",
        "The control file is of another version or damaged: use the right server programs (--bin-dir); if they are right, recover the cluster from a backup."),
    rule("control_file_damaged", 3, "incorrect checksum in control file", RESTORE),
    rule("control_file_missing", 3, "but could not open file *pg_control: Permission denied",
        "Give {1}pg_control back to the server's user with mode 0600."),
    rule("control_file_missing", 3, "but could not open file *pg_control: *",
        "The control file is missing: mount the disk or correct the path; if it is the right directory, recover the cluster from a backup."),
    rule("control_file_missing", 2, "could not find the database system",
        "The control file cannot be opened: check the path and the owner of the data directory."),
    rule("root_refused", 3, "root execution of the PostgreSQL server is not permitted*",
        "Start it as the owner of the data directory, for instance with pgdeck as root, which does so by itself."),

    // WAL, backups, tablespaces.
    rule("wal_directory_missing", 3, "required WAL directory * does not exist",
        "Mount the disk of the transaction log, or correct the link {1} in the data directory; never make an empty one."),
    rule("wal_directory_missing", 3, "could not create missing directory pg_wal/*: Permission denied",
        "Give pg_wal and the place it links to back to the server's user with mode 0700."),
    rule("wal_damaged", 3, "could not locate a valid checkpoint record*", RESTORE),
    rule("backup_label", 3, "could not locate required checkpoint record*",
        "The directory is a restored backup: make the file recovery.signal in it and set a restore_command that has the WAL of the backup, or use pgdeck recover; remove backup_label only when it is not a backup."),
    rule("backup_label", 3, "invalid data in file *",
        "Restore {1} from the backup it belongs to; without it the backup cannot be recovered."),
    rule("tablespace_missing", 3, "could not create directory pg_tblspc/*: *",
        "Mount the disk of the tablespace whose link is pg_tblspc/{1} in the data directory ('ls -l' of it shows the place), then start again."),
    rule("tablespace_missing", 3, "could not open directory pg_tblspc/*/*: No such file or directory",
        "Mount the disk of the tablespace whose link is pg_tblspc/{1} in the data directory ('ls -l' of it shows the place), then start again."),
    // Not produced.
    rule("tablespace_missing", 3, "could not open directory pg_tblspc/*: No such file or directory", TABLESPACE),
    rule("transaction_status_missing", 3, "could not access status of transaction *", RESTORE),
    // Not produced.
    rule("data_damaged", 3, "invalid page in block * of relation *", RESTORE),

    // Libraries.
    rule("library_missing", 3, "could not access file *: No such file or directory",
        "Install the extension that has the library {1}, or remove {1} from shared_preload_libraries in postgresql.conf."),
    rule("library_missing", 3, "could not load library *: *",
        "Install what the library {1} needs ({2}), or remove it from shared_preload_libraries in postgresql.conf."),
    rule("library_missing", 3, "incompatible library *: *",
        "Install {1} for this major version, or remove it from shared_preload_libraries in postgresql.conf."),

    // Memory and limits.
    rule("shared_memory", 3, "could not map anonymous shared memory: *", MEMORY),
    rule("shared_memory", 3, "huge pages not supported with the current shared_memory_type setting",
        "Set shared_memory_type = mmap in postgresql.conf, or huge_pages = try."),
    rule("shared_memory", 3, "could not create shared memory segment: *", KERNEL),
    // Not produced, nor are the next four.
    rule("shared_memory", 3, "could not create semaphores: *", KERNEL),
    rule("shared_memory", 3, "could not resize shared memory segment *: *",
        "Enlarge /dev/shm, or lower shared_buffers and work_mem in postgresql.conf."),
    rule("out_of_memory", 3, "out of memory", MEMORY),
    rule("file_descriptors", 3, "insufficient file descriptors available to start server process",
        "Raise the limit of open files (ulimit -n, LimitNOFILE= of the unit), or lower max_files_per_process in postgresql.conf."),
    rule("process_limit", 3, "could not fork *: *",
        "Raise the limit of processes (ulimit -u, TasksMax= of the unit), or free memory: {2}."),
    rule("killed", 3, "startup process (PID *) was terminated by signal 9: Killed",
        "Something killed it, mostly the kernel short of memory: look at 'dmesg', give the machine memory or lower shared_buffers, then start again."),

    // Standbys and recovery.
    // 13, then 14 and later.
    rule("standby_settings", 3, "hot standby is not possible because * = * is a lower setting than on the master server (its value was *)",
        STANDBY_SETTING),
    Rule { slug: "standby_settings", weight: 3, place: Where::MessageAndDetail,
        pattern: "recovery aborted because of insufficient parameter settings: * = * is a lower setting than on the primary server, where its value was *.",
        solution: STANDBY_SETTING },
    rule("standby_settings", 3, "maximum number of prepared transactions reached",
        "Raise max_prepared_transactions in postgresql.conf: there are more prepared transactions than it allows. {hint}"),
    rule("recovery_target_not_reached", 3, "recovery ended before configured recovery target was reached",
        "The WAL that is there ends before the target: provide the missing WAL through restore_command, or choose an earlier recovery_target."),
    // Not produced.
    rule("recovery_target_not_reached", 3, "requested recovery stop point is before consistent recovery point",
        "The target lies before the end of the backup: choose a later recovery_target or an older backup."),
    rule("restore_command", 3, "must specify restore_command when standby mode is not enabled",
        "Set restore_command in postgresql.conf, or remove recovery.signal when no recovery is wanted."),
    rule("restore_command", 3, "could not restore file * from archive: *",
        "Correct restore_command in postgresql.conf: {2}."),
    rule("recovery_timeline", 3, "recovery target timeline * does not exist",
        "Correct recovery_target_timeline in postgresql.conf: the archive has no history of timeline {1}."),
    // Not produced, nor are those of missing WAL.
    rule("recovery_timeline", 3, "requested timeline * is not a child of this server's history",
        "Recover from a backup of timeline {1}, or correct recovery_target_timeline in postgresql.conf."),
    rule("wal_missing", 3, "WAL ends before *",
        "Provide the WAL that the backup needs through restore_command; without it the backup cannot be used."),
    rule("wal_missing", 3, "could not find redo location *",
        "Provide the WAL that the backup needs through restore_command. {hint}"),
    rule("wal_missing", 3, "could not receive data from WAL stream: *requested WAL segment * has already been removed",
        "The primary no longer has WAL segment {2}: set restore_command to the archive, or build the standby anew; a replication slot prevents it."),
    rule("wal_missing", 3, "WAL was generated with wal_level=minimal, cannot continue recovering",
        "Take a new backup: the WAL since this one lacks what recovery needs."),
    rule("standby_of_another", 3, "database system identifier differs between the primary and standby",
        "Correct primary_conninfo: it names the primary of another cluster."),

    // Secure communication.
    rule("ssl_certificate", 3, "could not load server certificate file *: *", SSL_FILE),
    rule("ssl_certificate", 3, "could not load root certificate file *: *", SSL_FILE),
    rule("ssl_certificate", 3, "could not load SSL certificate revocation list *: *", SSL_FILE),
    rule("ssl_key", 3, "private key file * has group or world access",
        "Run 'chmod 0600' on {1} (below the data directory unless the path is absolute)."),
    rule("ssl_key", 3, "private key file * must be owned by the database user or root",
        "Give {1} to the server's user or to root with chown."),
    rule("ssl_key", 3, "could not access private key file *: *", SSL_FILE),
    rule("ssl_key", 3, "could not load private key file *: key values mismatch",
        "The key {1} does not belong to the certificate: correct ssl_key_file or ssl_cert_file in postgresql.conf."),
    rule("ssl_key", 3, "could not load private key file *: processing error",
        "The key {1} has a passphrase that could not be asked for: set ssl_passphrase_command in postgresql.conf, or use a key without one."),
    rule("ssl_key", 3, "could not load private key file *: *",
        "Correct ssl_key_file in postgresql.conf: {1} cannot be used ({2})."),
    rule("ssl_key", 3, "check of private key failed: *",
        "The key does not belong to the certificate: correct ssl_key_file or ssl_cert_file in postgresql.conf."),

    // Not produced: needs a locale that was removed.
    rule("locale_missing", 3, "database locale is incompatible with operating system",
        "Install the locale that the detail names on this machine, then start again."),

    // The log itself.
    rule("log_directory", 3, "could not open log file *: *",
        "Make the directory of {1} writable for the server's user, or correct log_directory in postgresql.conf ({2})."),
    rule("log_directory", 3, "*cannot create *: *",
        "Make the directory of {2} writable for the server's user, or name another log file ({3})."),

    // By the operating system's error, whatever the file.
    rule("disk_full", 3, "could not * file *: No space left on device",
        "Free space on the disk of {2}: see the Storage pane, remove what does not belong to the cluster, never a file of pg_wal by hand; then start again."),
    rule("disk_full", 2, "*: No space left on device", FREE_SPACE),
    rule("disk_full", 2, "*: Disk quota exceeded", FREE_SPACE),
    rule("disk_read_only", 3, "*: Read-only file system",
        "The disk is mounted read-only, mostly after an error of the device: look at 'dmesg', repair and mount it read-write ({1})."),
    // Not produced.
    rule("disk_failed", 3, "*: Input/output error",
        "The disk fails: look at 'dmesg', replace it, and recover from a backup ({1})."),
    rule("file_permission", 2, "could not * file *: Permission denied",
        "Give {2} back to the server's user: everything below the data directory must belong to it."),
    rule("file_permission", 2, "could not * directory *: Permission denied",
        "Give {2} back to the server's user: everything below the data directory must belong to it."),
    rule("file_missing", 2, "could not open file *: No such file or directory",
        "A file of the cluster is missing ({1}): mount every disk; if they are, recover the cluster from a backup."),
];
