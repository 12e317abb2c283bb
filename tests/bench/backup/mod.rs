//! What backups and the WAL archive cost beside pgBackRest and `pg_basebackup`, on one cluster.
//!
//! The cluster is made once and kept in a cache. Every tool is run as its owner, with an empty
//! destination on the same disk, in turns; wall time, processor time of the program with its
//! children and of the server's sessions, the peak of memory (`VmHWM`) and stored bytes are
//! taken from outside.

pub(crate) mod cluster;
mod full;
mod growth;
pub(crate) mod host;
pub(crate) mod options;
mod push;
pub(crate) mod results;
pub(crate) mod section;
pub(crate) mod table;
pub(crate) mod tools;

use std::process::ExitCode;

use cluster::Cluster;
use options::Options;
use results::Results;
use section::Section;
use tools::Tools;

use crate::say;

const USAGE: &str = "usage: pgdeck-bench backup [--alone] [--brief] [--runs N] [--write FILE]
  --alone   measure pgdeck only
  --brief   one run, growth in smaller steps: for a look, not for a verdict
  --write   write the report to a file as well";

/// Runs the section.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    Section { usage: USAGE, measure, report: table::report }.run(arguments)
}

fn measure(options: &Options, results: &Results) -> Result<(), String> {
    let tools = Tools::find(options)?;
    let main = Cluster::ready(options, &cluster::MAIN)?;
    say(&format!("cluster of {:.0} MB", host::megabytes(main.bytes()?)));
    full::measure(options, &tools, &main, results)?;
    push::measure(options, &tools, &main, results)?;
    drop(main);
    let small = Cluster::ready(options, &cluster::SMALL)?;
    growth::measure(options, &tools, &small, results)
}
