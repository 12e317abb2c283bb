//! What the console costs beside its peers, in real pseudo-terminals on one PostgreSQL server.
//!
//! Two lanes work at the same time, one on a quiet instance and one on an instance under load;
//! what is measured in milliseconds is measured before them, alone. Every program is started,
//! watched from outside (its bytes at the master side of the terminal, its processor time and
//! memory in `/proc`) and ended; none is asked about itself.

mod lanes;
mod options;
mod programs;
mod results;
mod setting;
mod silent;
mod start;
mod table;
mod watch;

use std::process::ExitCode;

use options::Options;
use programs::Program;
use results::Results;
use setting::Setting;

use crate::say;

/// Measures and prints. Budgets that are missed are no failure; what could not be measured is.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let options = Options::of(arguments);
    let programs = Program::all(&options);
    let results = Results::default();
    say(&format!("{} starts: {}", options.describe(), programs::describe(&programs)));

    let quiet = Setting::quiet(&options);
    start::measure(&options, &programs, &quiet, &results);
    let live = Setting::live(&options);
    std::thread::scope(|scope| {
        scope.spawn(|| lanes::quiet(&options, &programs, &quiet, &results));
        scope.spawn(|| lanes::live(&options, &programs, &live, &results));
    });
    drop(live);
    lanes::many(&options, &programs, quiet, &results);

    let report = table::report(&options, &programs, &results);
    say(&report);
    options.write(&report);
    let failures = table::failures(&options, &results);
    for failure in &failures {
        say(&format!("not measured: {failure}"));
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
