//! The command line of `pgdeck instance`.

use clap::{Args, Subcommand, ValueEnum};

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
