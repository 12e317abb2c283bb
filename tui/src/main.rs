//! The `pgdeck` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(pgdeck::cli::main())
}
