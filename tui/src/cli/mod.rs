//! The command line: one-shot forms of the console's panes and actions.

pub mod args;
pub mod backup;
pub mod backup_args;
pub mod check;
pub mod connections;
pub mod console;
pub mod demo;
pub mod instance;
pub mod logs;
pub mod moment;
pub mod oneshot;
pub mod output;
pub mod prepared;
pub mod recover;
pub mod recover_args;
pub mod recover_map;
pub mod recover_step;
pub mod rehearse;
pub mod report;
pub mod schedule;
pub mod setup;
pub mod shell;
pub mod status;
pub mod wal;
pub mod watched;

use std::ffi::OsString;

use clap::Parser;
use pgdeck_engine::api::{Error, ErrorCode, Result};

use args::{Cli, CliCommand};

/// Wrong usage (`EX_USAGE` of `sysexits.h`).
const EXIT_USAGE: u8 = 64;
/// An error.
const EXIT_ERROR: u8 = 2;

/// Runs the program; the exit code.
#[must_use]
pub fn main() -> u8 {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if wal::is_restore(&arguments) {
        return wal::restore_exit(std::panic::catch_unwind(|| dispatch(&arguments)).ok());
    }
    dispatch(&arguments)
}

fn dispatch(arguments: &[OsString]) -> u8 {
    if let Some(code) = wal::fast(arguments) {
        return code;
    }
    let translated = backup::translated(arguments);
    let cli = match Cli::try_parse_from(translated.as_deref().unwrap_or(arguments)) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { EXIT_USAGE } else { 0 };
        }
    };
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            if error.code == ErrorCode::UsageInvalid { EXIT_USAGE } else { EXIT_ERROR }
        }
    }
}

fn run(cli: &Cli) -> Result<u8> {
    match &cli.command {
        None => console::run(&cli.global, &cli.console),
        Some(CliCommand::Completions { shell }) => Ok(shell::completions(*shell)),
        Some(CliCommand::Man { directory }) => shell::man_pages(directory),
        Some(CliCommand::Keys) => {
            output::raw(&crate::console::commands::key_list_markdown());
            Ok(0)
        }
        Some(CliCommand::WalPush(args)) => wal::run_push(&cli.global, args),
        Some(CliCommand::WalGet(args)) => wal::run_get(&cli.global, args),
        Some(CliCommand::Demo(args)) => demo::run(cli, args),
        Some(CliCommand::DemoLoad { dir }) => demo::load(dir),
        Some(command) => one_shot(cli, command),
    }
}

fn one_shot(cli: &Cli, command: &CliCommand) -> Result<u8> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
            Error::new(ErrorCode::FileAccess, "no runtime").detail(error.to_string())
        })?;
    let global = &cli.global;
    runtime.block_on(async {
        match command {
            CliCommand::Status(args) => status::run(global, args).await,
            CliCommand::Connections(args) => connections::run(global, args).await,
            CliCommand::Prepared(args) => prepared::run(global, args).await,
            CliCommand::Logs(args) => logs::run(global, args).await,
            CliCommand::Instance(args) => instance::run(global, args).await,
            CliCommand::Check(args) => check::run(global, args).await,
            CliCommand::Schedule(args) => schedule::run(global, args).await,
            CliCommand::Backup(args) => backup::run(global, args).await,
            CliCommand::Backups(args) => backup::list(global, args).await,
            CliCommand::Verify(args) => backup::verify(global, args).await,
            CliCommand::Recover(args) => recover::run(global, args).await,
            CliCommand::Rehearse(args) => rehearse::run(global, args).await,
            CliCommand::RestorePoint(args) => backup::restore_point(global, args).await,
            _ => Ok(EXIT_USAGE),
        }
    })
}
