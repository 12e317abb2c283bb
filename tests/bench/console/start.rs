//! How soon a program shows something: alone on the machine, before the lanes begin.

use std::time::{Duration, Instant};

use pgdeck_tests::Console;

use super::options::{Options, SIZES};
use super::programs::{Kind, Program};
use super::results::{Measure, Results};
use super::setting::Setting;
use super::silent::{SilentNames, SilentServer};
use super::watch;

/// How long anything may take on a server that answers, and on one that does not.
const LIMIT: Duration = Duration::from_secs(10);
const LIMIT_SILENT: Duration = Duration::from_secs(3);
/// Starts vary more than anything else, and are short.
const STARTS: usize = 5;

pub(crate) fn measure(options: &Options, programs: &[Program], quiet: &Setting, results: &Results) {
    crate::say("measuring starts");
    let silent = SilentServer::start();
    let names = SilentNames::start();
    for (index, size) in SIZES.into_iter().enumerate() {
        for program in Program::present(programs) {
            let starts = if options.is_brief { 1 } else { STARTS };
            for _ in 0..starts {
                answered(program, index, quiet, results);
            }
            if !program.knows_postgresql() {
                continue;
            }
            // What cannot be waited for is waited for once.
            let starts = if program.kind == Kind::Pgdeck { starts } else { 1 };
            for _ in 0..starts {
                let add = |measure, start: &dyn Fn() -> Console| {
                    let began = Instant::now();
                    let console = start();
                    let outcome = watch::time_to(&console, began, LIMIT_SILENT, watch::has_text);
                    results.add(measure, program.kind, index, outcome);
                };
                add(Measure::FirstFrameSilent, &|| {
                    program.start_at(size, "127.0.0.1", silent.port())
                });
                match &names {
                    Ok(names) => {
                        let under = names.under();
                        let under: Vec<&str> = under.iter().map(String::as_str).collect();
                        add(Measure::FirstFrameNames, &|| {
                            program.start_under(size, &under, "database.example")
                        });
                    }
                    Err(reason) => results.add(
                        Measure::FirstFrameNames,
                        program.kind,
                        index,
                        Err(reason.clone()),
                    ),
                }
            }
        }
    }
}

/// On a server that answers; pgdeck also with its file read from the disk.
fn answered(program: &Program, size: usize, quiet: &Setting, results: &Results) {
    let is_pgdeck = program.kind == Kind::Pgdeck;
    if is_pgdeck && program.forget_file().is_ok() {
        let began = Instant::now();
        let console = program.start(SIZES[size], &quiet.instance);
        let outcome = watch::time_to(&console, began, LIMIT, watch::has_text);
        results.add(Measure::FirstFrameCold, program.kind, size, outcome);
        watch::end(console);
    }
    let began = Instant::now();
    let console = program.start(SIZES[size], &quiet.instance);
    let outcome = watch::time_to(&console, began, LIMIT, watch::has_text);
    results.add(Measure::FirstFrame, program.kind, size, outcome);
    if is_pgdeck {
        let has_version =
            |screen: &pgdeck_tests::pty::Screen| screen.contents().contains("primary");
        let outcome = watch::time_to(&console, began, LIMIT, has_version);
        results.add(Measure::FirstData, program.kind, size, outcome);
    }
    watch::end(console);
}
