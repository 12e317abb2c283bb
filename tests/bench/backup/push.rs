//! Archiving: segments one after the other, each by a command of its own, as the server does.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use super::cluster::Cluster;
use super::host;
use super::options::Options;
use super::results::{Figure, Results, What};
use super::tools::{self, Codec, Tool, Tools};

/// Starts of a command of which the median is taken.
const STARTS: usize = 60;

/// Segments a second, and what a push costs that has nothing to do.
pub(crate) fn measure(
    options: &Options,
    tools: &Tools,
    cluster: &Cluster,
    results: &Results,
) -> Result<(), String> {
    let segments = cluster.segments()?;
    for run in 1..=options.runs {
        crate::say(&format!("archive, run {run} of {}", options.runs));
        for tool in tools.all() {
            let outcome = match tool {
                Tool::Pgdeck => [Codec::Zstd, Codec::Lz4, Codec::None]
                    .into_iter()
                    .try_for_each(|codec| segments_of(tools, tool, cluster, codec, results)),
                Tool::PgBackRest => [Codec::Zstd, Codec::Lz4]
                    .into_iter()
                    .try_for_each(|codec| segments_of(tools, tool, cluster, codec, results)),
                Tool::BaseBackup => continue,
            };
            let outcome = outcome.and_then(|()| nothing(tools, tool, cluster, results));
            if let Err(error) = outcome {
                results.fail(format!("{tool}, push: {error}"));
            }
            Tools::clear(tool, cluster)?;
        }
    }
    crate::say(&format!("  {} segments each", segments.len()));
    let wall = median(|| host::wall(&mut host::command("/bin/true")))?;
    results.add(What::StartNothing, None, Figure { wall, ..Figure::default() });
    Ok(())
}

fn segments_of(
    tools: &Tools,
    tool: Tool,
    cluster: &Cluster,
    codec: Codec,
    results: &Results,
) -> Result<(), String> {
    tools.prepare(tool, cluster)?;
    // What the server archives by itself must not come between.
    cluster.archive_with("/bin/true")?;
    let segments = cluster.segments()?;
    // A server archives what it has just written: it is in memory, for each tool.
    for segment in &segments {
        fs::read(segment).map_err(|error| format!("{}: {error}", segment.display()))?;
    }
    let mut sum = Figure::default();
    for segment in segments {
        let took = host::measure_unsynced(&mut tools.push(tool, cluster, codec, &segment)?)?;
        sum.wall += took.wall;
        sum.cpu += took.cpu;
        sum.peak = sum.peak.max(took.peak);
        sum.bytes += 1;
    }
    results.add(What::Push(codec), Some(tool), sum);
    if (tool, codec) == (Tool::Pgdeck, Codec::Zstd) {
        bare_write(cluster, sum.bytes, results)?;
    }
    Ok(())
}

/// What the disk alone costs: as many bytes in as many files, each synced, with its directory.
fn bare_write(cluster: &Cluster, count: u64, results: &Results) -> Result<(), String> {
    let stored = host::stored_bytes(&tools::destination(Tool::Pgdeck, cluster))?;
    let length = usize::try_from(stored / count.max(1)).map_err(|error| error.to_string())?;
    let place = cluster.beside("bare");
    host::empty_directory(&place)?;
    let content = vec![0x5a_u8; length];
    let mut figure = Figure { bytes: count, ..Figure::default() };
    for number in 0..count {
        let began = Instant::now();
        let write = || {
            let mut file = fs::File::create_new(place.join(number.to_string()))?;
            file.write_all(&content)?;
            file.sync_all()?;
            fs::File::open(&place)?.sync_all()
        };
        write().map_err(|error: std::io::Error| error.to_string())?;
        figure.wall += began.elapsed().as_secs_f64();
    }
    results.add(What::BareWrite, None, figure);
    fs::remove_dir_all(&place).map_err(|error| error.to_string())
}

fn nothing(tools: &Tools, tool: Tool, cluster: &Cluster, results: &Results) -> Result<(), String> {
    let history = cluster.beside("00000002.history");
    fs::write(&history, "1\t0/5000100\tbench\n").map_err(|error| error.to_string())?;
    host::give(&history)?;
    let push = |file: &Path| host::wall(&mut tools.push(tool, cluster, Codec::Zstd, file)?);
    push(&history)?;
    let wall = median(|| push(&history))?;
    results.add(What::PushNothing, Some(tool), Figure { wall, ..Figure::default() });
    Ok(())
}

fn median(mut work: impl FnMut() -> Result<f64, String>) -> Result<f64, String> {
    let mut all = (0..STARTS).map(|_| work()).collect::<Result<Vec<f64>, String>>()?;
    all.sort_by(f64::total_cmp);
    Ok(all[all.len() / 2])
}
