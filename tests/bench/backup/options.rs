//! How a run of the benchmark of backups, or of recovery, is asked for.

use std::path::PathBuf;

use pgdeck_tests::Major;

/// Processes or threads of each tool.
pub(crate) const JOBS: u32 = 2;

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Times each backup is taken by each tool; the best is shown, with the worst beside it.
    pub(crate) runs: usize,
    /// Less of everything.
    pub(crate) is_brief: bool,
    /// Only pgdeck is measured.
    pub(crate) is_alone: bool,
    /// Where clusters are kept.
    pub(crate) cache: PathBuf,
    /// Where the report is written too.
    write_to: Option<PathBuf>,
}

impl Options {
    /// Those of this process; ends it when they make no sense.
    pub(crate) fn of(usage: &str, mut arguments: impl Iterator<Item = String>) -> Self {
        let refuse = |what: &str| -> ! { refuse(usage, what) };
        let mut options = Self {
            runs: 3,
            is_brief: false,
            is_alone: false,
            cache: cache(usage).join("backup"),
            write_to: None,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| refuse(&argument));
            match argument.as_str() {
                "--runs" => options.runs = value().parse().unwrap_or_else(|_| refuse(&argument)),
                "--alone" => options.is_alone = true,
                "--brief" => {
                    options.is_brief = true;
                    options.runs = 1;
                }
                "--write" => options.write_to = Some(value().into()),
                _ => refuse(&argument),
            }
        }
        options.runs = options.runs.max(1);
        options
    }

    /// The server's major version.
    pub(crate) fn major(&self) -> Major {
        Major::V15
    }

    /// Writes the report where it was asked for.
    pub(crate) fn write(&self, report: &str) {
        if let Some(path) = &self.write_to {
            std::fs::write(path, report).expect("the report can be written");
        }
    }
}

fn cache(usage: &str) -> PathBuf {
    let set = std::env::var_os("PGDECK_BENCH_CACHE").map(PathBuf::from);
    set.unwrap_or_else(|| refuse(usage, "PGDECK_BENCH_CACHE, which run.sh sets, is missing: this"))
}

#[expect(clippy::print_stderr, reason = "this is the front of a program")]
fn refuse(usage: &str, what: &str) -> ! {
    eprintln!("{what} is not understood\n{usage}");
    std::process::exit(64);
}
