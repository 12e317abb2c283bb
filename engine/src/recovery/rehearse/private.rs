//! The settings of a rehearsal's server: nobody else reaches it, and it reaches nobody.
//!
//! Source: "Server Configuration" in the manual; `CheckRequiredParameterValues()` in
//! `xlogrecovery.c` for what may not be lowered while a hot standby replays.

use std::path::Path;

use crate::recovery::state::OwnSetting;

/// A part of the socket's name; nothing else uses the directory.
pub(super) const PORT: u16 = 5432;
/// `pg_hba.conf` of a server whose socket only its owner can reach.
pub(super) const HBA: &str = "local all all trust\n";

/// Settings for the whole rehearsal.
pub(super) fn settings(sockets: &Path, hba: &Path, ident: &Path) -> Vec<OwnSetting> {
    let path = |path: &Path| path.display().to_string();
    let all = [
        ("listen_addresses", String::new()),
        ("port", PORT.to_string()),
        ("unix_socket_directories", path(sockets)),
        ("unix_socket_permissions", "0700".into()),
        ("hba_file", path(hba)),
        ("ident_file", path(ident)),
        ("ssl", "off".into()),
        ("archive_mode", "off".into()),
        // Nobody would confirm its commits.
        ("synchronous_standby_names", String::new()),
        // The instance itself may need the machine's memory.
        ("shared_buffers", "256MB".into()),
        ("huge_pages", "try".into()),
        ("logging_collector", "off".into()),
        ("log_destination", "stderr".into()),
        ("cluster_name", "pgdeck rehearsal".into()),
        ("default_transaction_read_only", "off".into()),
        ("statement_timeout", "0".into()),
        ("max_logical_replication_workers", "0".into()),
        ("autovacuum", "off".into()),
    ];
    all.map(|(name, value)| OwnSetting { name: name.to_owned(), value }).into()
}

/// Settings behind those of the recovery once its end is proven: the server is promoted, and no
/// background worker starts then. A job scheduler in the copied cluster would go to work, and a
/// subscription would take the changes from its publisher. Only without hot standby may the
/// number of workers be lowered before the promotion.
pub(super) const PROMOTED: &str =
    "recovery_target_action = 'promote'\nhot_standby = 'off'\nmax_worker_processes = '0'\n";
