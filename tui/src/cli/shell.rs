//! Completions and man pages, from the same definitions as the help.

use std::path::Path;

use clap::CommandFactory;
use pgdeck_engine::api::{Error, ErrorCode, Result};

use super::args::Cli;
use super::output;

/// Prints a shell's completions.
#[must_use]
pub fn completions(shell: clap_complete::Shell) -> u8 {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pgdeck", &mut bytes);
    output::raw(&String::from_utf8_lossy(&bytes));
    0
}

/// Writes a man page for the program and each command.
///
/// # Errors
/// `FileAccess`.
pub fn man_pages(directory: &Path) -> Result<u8> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
        .map_err(|error| {
            let fact = format!("man pages cannot be written to {}", directory.display());
            Error::new(ErrorCode::FileAccess, fact).detail(error.to_string())
        })?;
    Ok(0)
}
