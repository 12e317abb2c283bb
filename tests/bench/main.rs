//! The benchmark's measuring program: one section of it each time it is run. `run.sh` provides
//! what a section needs and runs the sections one after the other.

mod console;

use std::process::ExitCode;

const USAGE: &str = "usage: pgdeck-bench console [OPTIONS]";

#[expect(clippy::print_stderr, reason = "this is the front of a program")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("console") => console::run(arguments),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(64)
        }
    }
}
