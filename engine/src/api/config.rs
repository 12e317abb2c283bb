//! How an engine is set up: what the command line and `pgdeck.toml` say.

use std::path::PathBuf;
use std::time::Duration;

use super::Interest;

/// Everything an engine needs to know before it starts.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// What to watch.
    pub scope: Scope,
    /// `--bin-dir`: server programs to prefer.
    pub bin_directory: Option<PathBuf>,
    /// `--run-as`: whom to run server programs as when root; default the data directory's owner.
    pub run_as: Option<String>,
    /// What is looked at until a front end says otherwise.
    pub interest: Interest,
    /// Refuse every mutating command.
    pub read_only: bool,
    /// Time between cheap probes; default 1 s.
    pub interval: Option<Duration>,
    /// `pgdeck.toml`; default: the first of `$XDG_CONFIG_HOME/pgdeck/`, `~/.config/pgdeck/`, `/etc/pgdeck/`.
    pub config_file: Option<PathBuf>,
    /// Where journals are kept; default: the state directory of the data directory's owner.
    pub state_directory: Option<PathBuf>,
    /// Thresholds of messages instead of those of `pgdeck.toml`.
    pub limits: Option<Limits>,
}

/// Which instances an engine watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everything found on this machine and configured.
    #[default]
    All,
    /// One data directory.
    DataDirectory(PathBuf),
    /// One connection string (may be empty: `PG*` variables only).
    Connection(String),
    /// One instance of `pgdeck.toml` or of the discovery, by name.
    Named(String),
}

/// When a condition becomes a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Used share of a destination, percent; the guide's 80.
    pub destination_percent: u8,
    /// A destination that will be full within this many days.
    pub forecast_days: u32,
    /// Minutes a prepared transaction may exist.
    pub prepared_minutes: u32,
    /// Minutes a session may be idle in a transaction; the guide's 60.
    pub idle_in_transaction_minutes: u32,
    /// Used share of the connection slots, percent.
    pub connections_percent: u8,
    /// Seconds a session may wait for a lock.
    pub lock_wait_seconds: u32,
    /// Age of a database's oldest transaction id, in transactions.
    pub xid_age: u32,
    /// Bytes of WAL a slot may keep back.
    pub slot_wal_bytes: u64,
    /// Hours the newest complete backup may be old; the guide's day, and two to be late.
    pub backup_hours: u32,
    /// Seconds a WAL segment may wait for the archiver.
    pub archive_wait_seconds: u32,
    /// Days the data from before a recovery may be kept.
    pub kept_data_days: u32,
    /// Days the last rehearsal may be old.
    pub rehearsal_days: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            destination_percent: 80,
            forecast_days: 7,
            prepared_minutes: 10,
            idle_in_transaction_minutes: 60,
            connections_percent: 80,
            lock_wait_seconds: 60,
            xid_age: 500_000_000,
            slot_wal_bytes: 10 << 30,
            backup_hours: 26,
            archive_wait_seconds: 600,
            kept_data_days: 7,
            rehearsal_days: 30,
        }
    }
}

/// What `pgdeck.toml` says about the console itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsoleSettings {
    /// Theme name.
    pub theme: Option<String>,
    /// Directory with more themes.
    pub theme_directory: Option<PathBuf>,
    /// Seconds between refreshes, 0.25 to 60.
    pub refresh_seconds: Option<f64>,
    /// Refuse everything that changes an instance.
    pub read_only: bool,
    /// ASCII only.
    pub ascii: bool,
    /// `auto`, `never`, `8`, `16`, `256` or `truecolor`.
    pub color: Option<String>,
    /// Mouse reports.
    pub mouse: bool,
}
