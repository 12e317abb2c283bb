//! How a full backup grows with bytes and with files.
//!
//! The cluster is made larger by copies of its own relation files under numbers the server does
//! not know: their pages are whole and fit their block numbers, and the tools copy them.

use std::fs;
use std::path::{Path, PathBuf};

use super::cluster::Cluster;
use super::options::Options;
use super::results::{Results, What};
use super::tools::{Codec, Kind, Tool, Tools};
use super::{full, host};

/// Relation files made here have numbers from here on.
const FIRST_NUMBER: u32 = 900_000_000;

/// What the cluster is made to have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Millions of bytes.
    Megabytes(u32),
    /// Files.
    Files(u32),
}

/// The steps of a run; each is larger than the one before of its kind.
pub(crate) fn steps(options: &Options) -> [Step; 4] {
    match options.is_brief {
        true => {
            [Step::Megabytes(500), Step::Megabytes(1_000), Step::Files(1_000), Step::Files(10_000)]
        }
        false => {
            [Step::Megabytes(500), Step::Megabytes(4_000), Step::Files(1_000), Step::Files(100_000)]
        }
    }
}

impl Step {
    /// Its name in the results.
    pub(crate) fn what(self) -> What {
        What::Grown(match self {
            Self::Megabytes(count) => format!("{:.1} GB", f64::from(count) / 1_000.0),
            Self::Files(count) => format!("0.5 GB, {count} files"),
        })
    }
}

/// Takes full backups with zstd at each step.
pub(crate) fn measure(
    options: &Options,
    tools: &Tools,
    cluster: &Cluster,
    results: &Results,
) -> Result<(), String> {
    for step in steps(options) {
        crate::say(&format!("growth: {step:?}"));
        remove(cluster)?;
        let made = grow(cluster, step).and_then(|()| {
            for tool in tools.all().into_iter().filter(|tool| *tool != Tool::BaseBackup) {
                let outcome = (0..options.runs.min(2))
                    .try_for_each(|_| take(tools, tool, cluster, step, results));
                if let Err(error) = outcome {
                    results.fail(format!("{tool}, {step:?}: {error}"));
                }
                Tools::clear(tool, cluster)?;
            }
            Ok(())
        });
        remove(cluster)?;
        made?;
    }
    Ok(())
}

fn take(
    tools: &Tools,
    tool: Tool,
    cluster: &Cluster,
    step: Step,
    results: &Results,
) -> Result<(), String> {
    tools.prepare(tool, cluster)?;
    full::backup(tools, tool, cluster, (Codec::Zstd, Kind::Full), step.what(), results)
}

fn grow(cluster: &Cluster, step: Step) -> Result<(), String> {
    let database = database(cluster)?;
    let failed = |error: std::io::Error| error.to_string();
    match step {
        Step::Megabytes(wanted) => {
            let sources = [relation(cluster, "pgbench_accounts")?, relation(cluster, "texts")?];
            let mut number = FIRST_NUMBER;
            while host::megabytes(cluster.bytes()?) + 100.0 < f64::from(wanted) {
                for source in &sources {
                    let copy = database.join(number.to_string());
                    fs::copy(source, &copy).map_err(failed)?;
                    host::give(&copy)?;
                    number += 1;
                }
            }
        }
        Step::Files(wanted) => {
            let page = fs::read(relation(cluster, "pgbench_branches")?).map_err(failed)?;
            let page = page.get(..8192).ok_or("pgbench_branches is empty")?;
            let wanted = usize::try_from(wanted).map_err(|error| error.to_string())?;
            let missing = wanted.saturating_sub(files(&cluster.data())?);
            for number in (FIRST_NUMBER..).take(missing) {
                let copy = database.join(number.to_string());
                fs::write(&copy, page).map_err(failed)?;
                host::give(&copy)?;
            }
        }
    }
    Ok(())
}

fn remove(cluster: &Cluster) -> Result<(), String> {
    let entries = fs::read_dir(database(cluster)?).map_err(|error| error.to_string())?;
    for entry in entries.flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        if number.is_some_and(|number| number >= FIRST_NUMBER) {
            fs::remove_file(entry.path()).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

fn relation(cluster: &Cluster, name: &str) -> Result<PathBuf, String> {
    let path = cluster.sql(&format!("select pg_relation_filepath('{name}')"))?;
    Ok(cluster.data().join(path.trim()))
}

fn database(cluster: &Cluster) -> Result<PathBuf, String> {
    let path = relation(cluster, "pgbench_accounts")?;
    path.parent().map(Path::to_owned).ok_or_else(|| "a relation without a directory".to_owned())
}

fn files(path: &Path) -> Result<usize, String> {
    let mut count = 0;
    for entry in fs::read_dir(path).map_err(|error| error.to_string())?.flatten() {
        count += if entry.path().is_dir() { files(&entry.path())? } else { 1 };
    }
    Ok(count)
}
