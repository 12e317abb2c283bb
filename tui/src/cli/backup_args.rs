//! The command line of backups and archive.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use pgdeck_engine::api::Retention;

/// `pgdeck backup`.
#[derive(Clone, Debug, Args)]
pub struct BackupArgs {
    /// Backup destination [default: pgx.backup_destination]
    #[arg(short = 'B', long = "backup-destination", value_name = "DEST", global = true)]
    pub destination: Option<PathBuf>,
    /// full, incremental, or auto: incremental when a usable full one exists and the chain is short
    #[arg(long = "type", value_enum, default_value_t = TypeArg::Auto, value_name = "TYPE")]
    pub kind: TypeArg,
    /// Copying threads [default: one for each processor, at most 8]
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub jobs: Option<u32>,
    /// zstd, zstd:LEVEL (1 to 19), lz4 or none [default: zstd:1]
    #[arg(long, value_name = "KIND")]
    pub compress: Option<String>,
    /// Bytes read per second at most, such as 50MB
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub rate: Option<u64>,
    /// Seconds to wait for WAL to arrive in the archive [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub archive_timeout: Option<u64>,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// What to do instead
    #[command(subcommand)]
    pub action: Option<BackupAction>,
}

/// What else to do with backups.
#[derive(Clone, Debug, Subcommand)]
pub enum BackupAction {
    /// Set destination and WAL archive in the configuration, and prove that a segment arrives
    Setup(SetupArgs),
    /// Delete a backup that no other is based on, and the WAL that only it needed
    Delete(DeleteArgs),
}

/// Which backup.
#[derive(Clone, Debug, Args)]
pub struct DeleteArgs {
    /// Its name, such as 2026-07-01_13-30-40
    #[arg(value_name = "LABEL")]
    pub label: String,
    /// Confirm
    #[arg(long)]
    pub yes: bool,
}

/// A type of backup on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TypeArg {
    /// Incremental when possible.
    Auto,
    /// Everything.
    Full,
    /// What has changed, by block.
    Incremental,
}

/// Bytes with a unit as PostgreSQL's settings take it.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "" | "B" => 1,
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return Err("units are B, kB, MB and GB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a number such as 50MB".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "it is too large".to_owned())
}

/// `pgdeck backups`.
#[derive(Clone, Debug, Args)]
pub struct BackupsArgs {
    /// Backup destination [default: pgx.backup_destination]
    #[arg(short = 'B', long = "backup-destination", value_name = "DEST")]
    pub destination: Option<PathBuf>,
    /// Type, sizes, duration and verification as well
    #[arg(short, long, conflicts_with = "json")]
    pub verbose: bool,
    /// A JSON array (docs/FORMATS.md describes it)
    #[arg(long)]
    pub json: bool,
}

/// `pgdeck verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Backup destination [default: pgx.backup_destination]
    #[arg(short = 'B', long = "backup-destination", value_name = "DEST")]
    pub destination: Option<PathBuf>,
    /// Only that everything is there, and that WAL is continuous
    #[arg(long)]
    pub quick: bool,
    /// Threads [default: one for each processor]
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub jobs: Option<u32>,
    /// One JSON document (docs/FORMATS.md describes it)
    #[arg(long)]
    pub json: bool,
}

/// `pgdeck restore-point`.
#[derive(Clone, Debug, Args)]
pub struct RestorePointArgs {
    /// Its name; without one, those in the register are listed
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Backup destination of the register [default: pgx.backup_destination]
    #[arg(short = 'B', long = "backup-destination", value_name = "DEST")]
    pub destination: Option<PathBuf>,
    /// A JSON array (docs/FORMATS.md describes it)
    #[arg(long)]
    pub json: bool,
}

/// `pgdeck backup setup`.
#[derive(Clone, Debug, Args)]
pub struct SetupArgs {
    /// Make the destination when it does not exist
    #[arg(long)]
    pub create: bool,
    /// Compression of archived WAL: zstd, zstd:N, lz4 or none [default: zstd:1]
    #[arg(long, value_name = "METHOD")]
    pub compress: Option<String>,
    /// Archive a segment at least this often while there are changes (archive_timeout)
    #[arg(long, value_name = "SECONDS")]
    pub archive_timeout: Option<u32>,
    /// What to keep of the backups: generations such as 2, or days such as 14d
    #[arg(long, value_name = "COUNT")]
    pub keep: Option<Retention>,
    /// Show what would change and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Confirm
    #[arg(long)]
    pub yes: bool,
    /// The plan as JSON
    #[arg(long)]
    pub json: bool,
    /// How long the first segment may take to arrive
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u32,
}

/// `pgdeck check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// How long a segment may take to arrive
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u32,
    /// The findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pgdeck schedule`.
#[derive(Clone, Debug, Args)]
pub struct ScheduleArgs {
    /// What to write
    #[arg(long, value_enum, default_value_t = ScheduleKind::Systemd)]
    pub kind: ScheduleKind,
    /// Time of day
    #[arg(long, value_name = "HH:MM", default_value = "02:30")]
    pub at: String,
    /// Write into this directory instead of printing
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// A kind of schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScheduleKind {
    /// A service and a timer.
    Systemd,
    /// A file for /etc/cron.d.
    Cron,
}
