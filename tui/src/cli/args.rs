//! The command line, defined once: help, man pages and completions are made from it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use pgdeck_engine::api::WalCompression;

use super::backup_args::{
    BackupArgs, BackupsArgs, CheckArgs, RestorePointArgs, ScheduleArgs, VerifyArgs,
};
use super::recover_args::{RecoverArgs, RehearseArgs};
use crate::console::terminal::policy::ColourChoice;

/// A terminal operations console for PostgreSQL 13 to 18.
#[derive(Debug, Parser)]
#[command(
    name = "pgdeck",
    version,
    about = "A terminal operations console for PostgreSQL 13-18",
    long_about = "A terminal operations console for PostgreSQL 13-18.\n\nWithout a command it opens the console on the instances of this machine.",
    after_help = "Examples:\n  pgdeck                       open the console\n  pgdeck -D /database/inst1    open it on one instance\n  pgdeck status --json         everything once, for a script\n  pgdeck demo                  try it on a throw-away instance",
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Which instance, and how to reach it.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// How the console looks.
    #[command(flatten)]
    pub console: ConsoleArgs,
    /// What to do; the console without one.
    #[command(subcommand)]
    pub command: Option<CliCommand>,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
pub struct GlobalArgs {
    /// Data storage destination of the instance [env: PGDATA]
    #[arg(short = 'D', long, global = true, value_name = "DIR")]
    pub data_directory: Option<PathBuf>,
    /// Connection string or URL, as psql takes it
    #[arg(long, global = true, value_name = "CONNINFO", conflicts_with = "data_directory")]
    pub dsn: Option<String>,
    /// Name of an instance of pgdeck.toml, or of one that was found
    #[arg(long, global = true, value_name = "NAME", conflicts_with_all = ["data_directory", "dsn"])]
    pub instance: Option<String>,
    /// Configuration file [default: ~/.config/pgdeck/pgdeck.toml, /etc/pgdeck/pgdeck.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory for journals
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "PGDECK_STATE_DIR",
        hide_env_values = true
    )]
    pub state_dir: Option<PathBuf>,
    /// Directory of the server programs to prefer [env: PGBIN]
    #[arg(long, global = true, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
    /// As root, run server programs as this user instead of the data directory's owner
    #[arg(long, global = true, value_name = "USER")]
    pub run_as: Option<String>,
    /// Refuse everything that would change an instance
    #[arg(long, global = true)]
    pub read_only: bool,
}

/// Options of the console.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Console options")]
pub struct ConsoleArgs {
    /// ASCII only, for terminals that show no UTF-8
    #[arg(long)]
    pub ascii: bool,
    /// Colours
    #[arg(long, value_enum, default_value_t = ColourChoice::Auto, value_name = "WHEN")]
    pub color: ColourChoice,
    /// Refresh every 10 s and wait longer for keys, for 9,600 baud
    #[arg(long)]
    pub slow: bool,
    /// Theme: default, mono, high-contrast, colorblind, light, or one of --theme-dir
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// Directory with more themes
    #[arg(long, value_name = "DIR")]
    pub theme_dir: Option<PathBuf>,
    /// Seconds between refreshes, 0.25 to 60 [default: 1]
    #[arg(long, value_name = "SECONDS")]
    pub refresh: Option<f64>,
    /// Take mouse reports
    #[arg(long)]
    pub mouse: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Show everything once; exit 0 healthy, 1 warnings, 2 errors, 3 cannot tell
    #[command(after_help = "Example:\n  pgdeck status -D /database/inst1 --json")]
    Status(StatusArgs),
    /// List sessions, or end some
    #[command(
        after_help = "Examples:\n  pgdeck connections --json\n  pgdeck connections terminate 4684 --yes"
    )]
    Connections(ConnectionsArgs),
    /// List prepared transactions, or resolve one
    #[command(
        after_help = "Examples:\n  pgdeck prepared\n  pgdeck prepared rollback 374cc221-f6dc-4b73-9d62-d4fec9b430cd --yes"
    )]
    Prepared(PreparedArgs),
    /// Show the server log
    #[command(after_help = "Examples:\n  pgdeck logs -n 100 --severity error\n  pgdeck logs -f")]
    Logs(LogsArgs),
    /// List, start, stop, restart or reload instances
    #[command(
        after_help = "Examples:\n  pgdeck instance list\n  pgdeck instance stop -D /database/inst1 -m smart"
    )]
    Instance(InstanceArgs),
    /// Take a backup into the instance's backup destination, or delete one
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:\n  pgdeck backup -D /database/inst1\n  pgdeck backup --type full --compress lz4 --jobs 4\n  pgdeck backup --dry-run\n  pgdeck backup delete 2026-07-01_13-30-40 --yes\n  pgdeck backup setup -B /backup/inst1\n\nAlso as: pgx_dmpall -D DIR\n\nExit codes: 0 complete, 1 complete with warnings (such as damaged pages), 2 failed."
    )]
    Backup(BackupArgs),
    /// List the backups of a destination
    #[command(
        after_help = "Examples:\n  pgdeck backups -D /database/inst1\n  pgdeck backups -B /backup/inst1 --json\n\nAlso as: pgx_rcvall -l -D DIR [-B DEST]\n\nDates are UTC, as in the names of the backups."
    )]
    Backups(BackupsArgs),
    /// Verify backups and archived WAL; exit 0 sound, 1 warnings, 2 damaged or a gap
    #[command(
        after_help = "Examples:\n  pgdeck verify -D /database/inst1\n  pgdeck verify --quick --json"
    )]
    Verify(VerifyArgs),
    /// Recover a data directory to a moment, proven before anything is touched
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:\n  pgdeck recover -D /database/inst1 --dry-run\n  pgdeck recover -D /database/inst1 -e '2026-07-20 10:00:00'\n  pgdeck recover promote -D /database/inst1\n  pgdeck recover undo -D /database/inst1\n  pgdeck recover -B /backup/inst1 -n batch_20260701_1 --to /disk2/inst1 --port 5433\n  pgdeck recover --map\n\nAlso as: pgx_rcvall -D DIR -B DEST [-e TIME | -n NAME], which does not ask, promotes, and leaves the instance stopped.\n\nExit codes: 0 done, 2 refused or failed, 64 wrong usage."
    )]
    Recover(Box<RecoverArgs>),
    /// Recover into a scratch directory, check the result, remove it: evidence that recovery works
    #[command(
        after_help = "Examples:\n  pgdeck rehearse -D /database/inst1\n  pgdeck rehearse -B /backup/inst1 -n batch_20260701_1 --queries checks.sql\n  pgdeck rehearse --scratch /disk2/tmp --json\n\nExit codes: 0 everything went well, 2 it did not, 64 wrong usage."
    )]
    Rehearse(RehearseArgs),
    /// Make a restore point and register it, or list the register
    #[command(
        after_help = "Examples:\n  pgdeck restore-point batch_20260701_1\n  pgdeck restore-point --json"
    )]
    RestorePoint(RestorePointArgs),
    /// Prove that archiving works: exit 0 sound, 1 warnings, 2 broken, 3 cannot tell
    #[command(after_help = "Example:\n  pgdeck check -D /database/inst1")]
    Check(CheckArgs),
    /// Write a systemd timer or a cron line for a daily backup
    #[command(
        after_help = "Examples:\n  pgdeck schedule -D /database/inst1 --at 02:30\n  pgdeck schedule -D /database/inst1 --kind cron"
    )]
    Schedule(ScheduleArgs),
    /// Put a WAL file into the archive: archive_command
    #[command(
        after_help = "Example, in postgresql.conf:\n  archive_command = 'pgdeck wal-push \"%p\" /backup/inst1'\n\nAlso as: pgx_xlogcopy.cmd \"%p\" \"DEST/archived_wal/%f\""
    )]
    WalPush(WalPushArgs),
    /// Get a WAL file out of the archive: restore_command; exit 1 absent, above 125 failed
    #[command(
        after_help = "Example, in postgresql.conf:\n  restore_command = 'pgdeck wal-get %f \"%p\" -B /backup/inst1'\n\nAlso as: pgx_walcopy.cmd \"DEST/archived_wal/%f\" \"%p\""
    )]
    WalGet(WalGetArgs),
    /// Make a throw-away instance with sample load and open the console on it
    #[command(
        after_help = "Examples:\n  pgdeck demo\n  pgdeck demo --headless\n  pgdeck demo --stop"
    )]
    Demo(DemoArgs),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  pgdeck completions bash > /etc/bash_completion.d/pgdeck")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write man pages into a directory
    #[command(after_help = "Example:\n  pgdeck man /usr/local/share/man/man1")]
    Man {
        /// Where to
        directory: PathBuf,
    },
    /// Print the console's key list in Markdown
    #[command(hide = true)]
    Keys,
    /// The demo's load, run in the background by `pgdeck demo`
    #[command(hide = true)]
    DemoLoad {
        /// The demo's directory
        #[arg(long)]
        dir: PathBuf,
    },
}

/// `pgdeck status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// One JSON document (docs/FORMATS.md describes it)
    #[arg(long)]
    pub json: bool,
}

/// `pgdeck connections`.
#[derive(Debug, Args)]
pub struct ConnectionsArgs {
    /// A JSON array (docs/FORMATS.md describes it)
    #[arg(long)]
    pub json: bool,
    /// Background processes too
    #[arg(long)]
    pub all: bool,
    /// Only sessions idle in a transaction for at least this long
    #[arg(long, value_name = "MINUTES")]
    pub idle_in_transaction: Option<u32>,
    /// What to do; list without one
    #[command(subcommand)]
    pub action: Option<ConnectionsAction>,
}

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub enum ConnectionsAction {
    /// Cancel the queries of sessions (pg_cancel_backend)
    #[command(after_help = "Example:\n  pgdeck connections cancel 4684 --yes")]
    Cancel(PidArgs),
    /// End sessions (pg_terminate_backend)
    #[command(after_help = "Example:\n  pgdeck connections terminate 4684 4690 --yes")]
    Terminate(PidArgs),
}

/// Which sessions.
#[derive(Clone, Debug, Args)]
pub struct PidArgs {
    /// Process ids
    #[arg(required = true, value_name = "PID")]
    pub pids: Vec<i32>,
    /// Confirm
    #[arg(long)]
    pub yes: bool,
}

/// `pgdeck prepared`.
#[derive(Debug, Args)]
pub struct PreparedArgs {
    /// A JSON array (docs/FORMATS.md describes it)
    #[arg(long)]
    pub json: bool,
    /// What to do; list without one
    #[command(subcommand)]
    pub action: Option<PreparedAction>,
}

/// What to do with a prepared transaction.
#[derive(Debug, Subcommand)]
pub enum PreparedAction {
    /// COMMIT PREPARED, in the transaction's own database
    #[command(
        after_help = "Example:\n  pgdeck prepared commit 374cc221-f6dc-4b73-9d62-d4fec9b430cd --yes"
    )]
    Commit(GidArgs),
    /// ROLLBACK PREPARED, in the transaction's own database
    #[command(
        after_help = "Example:\n  pgdeck prepared rollback 374cc221-f6dc-4b73-9d62-d4fec9b430cd --yes"
    )]
    Rollback(GidArgs),
}

/// Which prepared transaction.
#[derive(Clone, Debug, Args)]
pub struct GidArgs {
    /// Global transaction identifier
    #[arg(value_name = "GID")]
    pub gid: String,
    /// Confirm
    #[arg(long)]
    pub yes: bool,
}

/// `pgdeck logs`.
#[derive(Clone, Debug, Args)]
pub struct LogsArgs {
    /// Entries to show
    #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
    pub lines: usize,
    /// Go on showing new entries
    #[arg(short, long)]
    pub follow: bool,
    /// Show this severity and worse
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub severity: Option<SeverityArg>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// A severity on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SeverityArg {
    /// LOG and worse.
    Log,
    /// WARNING and worse.
    Warning,
    /// ERROR and worse.
    Error,
    /// FATAL and worse.
    Fatal,
    /// PANIC.
    Panic,
}

/// `pgdeck instance`.
#[derive(Debug, Args)]
pub struct InstanceArgs {
    /// What to do
    #[command(subcommand)]
    pub action: InstanceAction,
}

/// What to do with an instance.
#[derive(Debug, Subcommand)]
pub enum InstanceAction {
    /// List the instances of this machine and of pgdeck.toml
    #[command(after_help = "Example:\n  pgdeck instance list --json")]
    List {
        /// A JSON array
        #[arg(long)]
        json: bool,
    },
    /// Start the instance and wait until it is ready
    #[command(after_help = "Example:\n  pgdeck instance start -D /database/inst1 --timeout 60")]
    Start(WaitArgs),
    /// Stop the instance and wait until it is down
    #[command(after_help = "Example:\n  pgdeck instance stop -D /database/inst1 -m smart")]
    Stop(StopArgs),
    /// Stop the instance and start it again
    #[command(after_help = "Example:\n  pgdeck instance restart -D /database/inst1 -m fast")]
    Restart(StopArgs),
    /// Check the configuration files and make the server load them
    #[command(after_help = "Example:\n  pgdeck instance reload -D /database/inst1")]
    Reload,
}

/// How long to wait.
#[derive(Clone, Debug, Args)]
pub struct WaitArgs {
    /// Give up watching after this; the server goes on
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
}

/// How to stop.
#[derive(Clone, Debug, Args)]
pub struct StopArgs {
    /// smart waits for clients, fast disconnects them, immediate skips the checkpoint, kill is the last resort
    #[arg(short, long, value_enum, default_value_t = ModeArg::Fast)]
    pub mode: ModeArg,
    /// Confirm; needed for immediate and kill
    #[arg(long)]
    pub yes: bool,
    /// Give up watching after this; the server goes on
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
}

/// A stop mode on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Waits until all clients have left.
    Smart,
    /// Disconnects clients, shuts down cleanly.
    Fast,
    /// Ends at once; the next start recovers.
    Immediate,
    /// Kills every process; the next start recovers.
    Kill,
}

/// `pgdeck wal-push`.
#[derive(Clone, Debug, Args)]
pub struct WalPushArgs {
    /// The file, %p
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Backup destination; the file goes into its archived_wal
    #[arg(value_name = "DEST")]
    pub destination: PathBuf,
    /// zstd, zstd:LEVEL, lz4 or none
    #[arg(
        long,
        value_name = "KIND",
        default_value = "zstd:1",
        value_parser = super::wal::parse_compression
    )]
    pub compress: WalCompression,
}

/// `pgdeck wal-get`.
#[derive(Clone, Debug, Args)]
pub struct WalGetArgs {
    /// Name of the file, %f
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Where to put it, %p
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Backup destination [default: pgx.backup_destination of the data directory]
    #[arg(short = 'B', long, value_name = "DEST")]
    pub backup_destination: Option<PathBuf>,
    /// Segments to fetch ahead
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub prefetch: u32,
    /// Where a recovery has saved WAL that is not in the archive
    #[arg(long, value_name = "DIR")]
    pub rescued: Option<PathBuf>,
    /// The last segment that the recovery needs: behind it every fault is the end of WAL
    #[arg(long, value_name = "SEGMENT")]
    pub until: Option<String>,
}

/// `pgdeck demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where the demo lives; an existing demo there is reused
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Leave it running and print how to connect
    #[arg(long)]
    pub headless: bool,
    /// End it and remove every trace
    #[arg(long)]
    pub stop: bool,
}
