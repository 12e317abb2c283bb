//! What recovery costs: restoring beside pgBackRest, replaying from a compressed archive beside
//! `cp` from one that is not, and planning over ten thousand segments.
//!
//! Clusters, tools and the way of measuring are those of the backup section.

mod plan;
mod replay;
mod restore;
mod table;

use std::process::ExitCode;

use crate::backup::cluster::{self, Cluster};
use crate::backup::host;
use crate::backup::options::Options;
use crate::backup::results::Results;
use crate::backup::section::Section;
use crate::backup::tools::{Codec, Tool, Tools};
use crate::say;

const USAGE: &str = "usage: pgdeck-bench recovery [--alone] [--brief] [--runs N] [--write FILE]
  --alone   measure pgdeck only
  --brief   one run on 0.5 GB, less WAL: for a look, not for a verdict
  --write   write the report to a file as well";

/// What a figure is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    /// A backup restored into an empty directory.
    Restore(Codec),
    /// A directory that is as the backup is.
    Unchanged,
    /// One in which a page of each of some files is another.
    Changed,
    /// Of a restore: reading, verifying and writing the files, as pgdeck itself tells.
    Files(Codec),
    /// Of a restore: the whole command, with starting the server, its replay and its stop.
    Whole(Codec),
    /// Replay with this `restore_command`; `bytes` are segments.
    Replay(replay::Method),
    /// `recover --dry-run` over an archive of [`plan::SEGMENTS`] segments.
    Plan,
}

/// Runs the section.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    Section { usage: USAGE, measure, report: table::report }.run(arguments)
}

fn measure(options: &Options, results: &Results<What>) -> Result<(), String> {
    let tools = Tools::find(options)?;
    if !options.is_brief {
        let main = Cluster::ready(options, &cluster::MAIN)?;
        restored(options, &tools, &main, results)?;
    }
    let small = Cluster::ready(options, &cluster::SMALL)?;
    if options.is_brief {
        restored(options, &tools, &small, results)?;
    }
    let outcome = replay::measure(options, &tools, &small, results)
        .and_then(|()| plan::measure(options, &tools, &small, results));
    clear(&small, &[replay::PLACES, &[RESTORED]].concat())?;
    outcome
}

fn restored(
    options: &Options,
    tools: &Tools,
    cluster: &Cluster,
    results: &Results<What>,
) -> Result<(), String> {
    say(&format!("cluster of {:.0} MB", host::megabytes(cluster.bytes()?)));
    let outcome = restore::measure(options, tools, cluster, results);
    clear(cluster, &[RESTORED])?;
    outcome
}

/// Where files are restored to, beside the cluster.
const RESTORED: &str = "restored";

fn clear(cluster: &Cluster, places: &[&str]) -> Result<(), String> {
    for tool in [Tool::Pgdeck, Tool::PgBackRest] {
        Tools::clear(tool, cluster)?;
    }
    for place in places.iter().map(|name| cluster.beside(name)).filter(|place| place.exists()) {
        std::fs::remove_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    }
    Ok(())
}
