//! The benchmark's measuring program: one section of it each time it is run. `run.sh` provides
//! what a section needs and runs the sections one after the other.

mod backup;
mod console;
mod recovery;

use std::process::ExitCode;

const USAGE: &str = "usage: pgdeck-bench console|backup|recovery [OPTIONS]";

#[expect(clippy::print_stderr, reason = "this is the front of a program")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("console") => console::run(arguments),
        Some("backup") => backup::run(arguments),
        Some("recovery") => recovery::run(arguments),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(64)
        }
    }
}

/// To whoever waits for the numbers.
#[expect(clippy::print_stdout, reason = "this is the front of a program")]
fn say(text: &str) {
    println!("{text}");
}
