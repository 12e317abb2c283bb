//! How a run of the bench is asked for: arguments, and what `run.sh` says in the environment.

use std::path::PathBuf;
use std::time::Duration;

use pgdeck_tests::Major;

/// Sizes of the terminal: columns and rows.
pub(crate) const SIZES: [(u16, u16); 2] = [(80, 24), (200, 60)];

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The server's major version.
    pub(crate) major: Major,
    /// Times each measurement of pgdeck is repeated; the median is shown.
    pub(crate) runs: usize,
    /// How long bytes are counted while nothing changes.
    pub(crate) quiet_for: Duration,
    /// How long bytes and processor time are counted under load.
    pub(crate) live_for: Duration,
    /// Only pgdeck is measured.
    pub(crate) is_alone: bool,
    /// The panes are not measured one by one.
    pub(crate) is_brief: bool,
    /// Where the report is written too.
    write_to: Option<PathBuf>,
}

const USAGE: &str =
    "usage: pgdeck-bench console [--major N] [--alone] [--brief] [--runs N] [--write FILE]
  --alone   measure pgdeck only
  --brief   one run of a few seconds: for a look, not for a verdict
  --write   write the report to a file as well";

impl Options {
    /// Those of this process; ends it when they make no sense.
    pub(crate) fn of(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Self {
            major: Major::V15,
            runs: 3,
            quiet_for: Duration::from_secs(10),
            live_for: Duration::from_secs(20),
            is_alone: false,
            is_brief: false,
            write_to: None,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| refuse(&argument));
            match argument.as_str() {
                "--major" => options.major = major(&value()),
                "--runs" => options.runs = value().parse().unwrap_or_else(|_| refuse(&argument)),
                "--alone" => options.is_alone = true,
                "--brief" => {
                    options.is_brief = true;
                    options.runs = 1;
                    options.live_for = Duration::from_secs(8);
                }
                "--write" => options.write_to = Some(value().into()),
                _ => refuse(&argument),
            }
        }
        options.runs = options.runs.max(1);
        options
    }

    /// One line about it.
    pub(crate) fn describe(&self) -> String {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        format!("bench on PostgreSQL {}, {processors} processors", self.major.version())
    }

    /// Writes the report where it was asked for.
    pub(crate) fn write(&self, report: &str) {
        if let Some(path) = &self.write_to {
            std::fs::write(path, report).expect("the report can be written");
        }
    }
}

fn major(text: &str) -> Major {
    let found = Major::ALL.into_iter().find(|major| major.to_string() == text);
    found.unwrap_or_else(|| refuse(text))
}

#[expect(clippy::print_stderr, reason = "this is the front of a program")]
fn refuse(what: &str) -> ! {
    eprintln!("{what} is not understood\n{USAGE}");
    std::process::exit(64);
}
