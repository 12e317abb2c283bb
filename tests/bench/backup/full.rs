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
    backup(tools, tool, cluster, codec, Kind::Full, results)?;
    if codec != Codec::Zstd || tool == Tool::BaseBackup {
        return Ok(());
    }
    scattered_updates(cluster)?;
    backup(tools, tool, cluster, codec, Kind::Incremental, results)?;
    if let Some(mut command) = tools.verify(tool, cluster)? {
        let took = host::measure(&mut command)?;
        let bytes = cluster.bytes()?;
        let figure = Figure { wall: took.wall, cpu: took.cpu, peak: took.peak, bytes };
        results.add(What::Verify, Some(tool), figure);
    }
    Ok(())
}

fn backup(
    tools: &Tools,
    tool: Tool,
    cluster: &Cluster,
    codec: Codec,
    kind: Kind,
    results: &Results,
) -> Result<(), String> {
    let (took, bytes) = tools.backup(tool, cluster, codec, kind)?;
    let figure = Figure { wall: took.wall, cpu: took.cpu, peak: took.peak, bytes };
    crate::say(&format!(
        "  {tool:13} {codec:4} {kind:?}: {:.2} s, {:.2} CPU s, {:.1} MB, {:.1} MiB of memory",
        took.wall,
        took.cpu,
        host::megabytes(bytes),
        host::mebibytes(took.peak),
    ));
    results.add(What::Backup(codec, kind), Some(tool), figure);
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
