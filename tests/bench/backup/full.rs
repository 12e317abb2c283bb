//! Full backups, an incremental one after each with zstd, and reading everything back.

use super::cluster::Cluster;
use super::host;
use super::options::Options;
use super::results::{Figure, Results, What};
use super::tools::{Codec, Kind, Tool, Tools};

const CODECS: [Codec; 3] = [Codec::None, Codec::Lz4, Codec::Zstd];

/// Tools take turns, so that a slow minute of the machine does not hit one of them.
pub(crate) fn measure(
    options: &Options,
    tools: &Tools,
    cluster: &Cluster,
    results: &Results,
) -> Result<(), String> {
    warm(cluster)?;
    for run in 1..=options.runs {
        crate::say(&format!("backups, run {run} of {}", options.runs));
        for codec in CODECS {
            for tool in tools.all() {
                if let Err(error) = turn(tools, tool, cluster, codec, results) {
                    results.fail(format!("{tool} {codec}: {error}"));
                }
                Tools::clear(tool, cluster)?;
            }
        }
    }
    Ok(())
}

fn turn(
    tools: &Tools,
    tool: Tool,
    cluster: &Cluster,
    codec: Codec,
    results: &Results,
) -> Result<(), String> {
    tools.prepare(tool, cluster)?;
    let take =
        |kind| backup(tools, tool, cluster, (codec, kind), What::Backup(codec, kind), results);
    take(Kind::Full)?;
    if codec != Codec::Zstd || tool == Tool::BaseBackup {
        return Ok(());
    }
    scattered_updates(cluster)?;
    take(Kind::Incremental)?;
    if let Some(mut command) = tools.verify(tool, cluster)? {
        let took = host::measure(&mut command)?;
        results.add(What::Verify, Some(tool), Figure::of(&took, cluster.bytes()?));
    }
    Ok(())
}

/// Takes one backup, tells of it and notes it as `what`.
pub(crate) fn backup(
    tools: &Tools,
    tool: Tool,
    cluster: &Cluster,
    (codec, kind): (Codec, Kind),
    what: What,
    results: &Results,
) -> Result<(), String> {
    let (took, bytes) = tools.backup(tool, cluster, codec, kind)?;
    let figure = Figure::of(&took, bytes);
    crate::say(&format!(
        "  {tool:13} {codec:4} {kind:?}: {:.2} s, {:.2} CPU s, {:.1} MB, {:.1} MiB of memory",
        figure.wall,
        figure.cpu,
        host::megabytes(figure.bytes),
        host::mebibytes(figure.peak),
    ));
    results.add(what, Some(tool), figure);
    Ok(())
}

/// One row in each hundredth of the largest table.
fn scattered_updates(cluster: &Cluster) -> Result<(), String> {
    cluster
        .sql(
            "update pgbench_accounts set abalance = abalance + 1
             where aid in (select (select max(aid) from pgbench_accounts) / 100 * step + 7
                           from generate_series(0, 99) step)",
        )
        .map(drop)
}

/// Reads the cluster once, so that the first tool does not pay for all.
fn warm(cluster: &Cluster) -> Result<(), String> {
    let mut command = host::command("sh");
    command.args(["-c", "find \"$1\" -type f -exec cat {} + | wc -c", "sh"]);
    host::run(command.arg(cluster.data())).map(drop)
}
