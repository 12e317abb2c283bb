//! Planning: a dry run to the end of an archive of many segments. Those behind the real ones
//! have names and indexes only; nothing else of them is looked at.

use std::fs;
use std::path::Path;

use pgdeck_engine::pg::types::Lsn;
use pgdeck_engine::pg::wal::{SegmentName, SegmentSize};
use pgdeck_engine::wal::index::SegmentIndex;

use super::{RESTORED, What};
use crate::backup::cluster::Cluster;
use crate::backup::host;
use crate::backup::options::Options;
use crate::backup::results::{Figure, Results};
use crate::backup::tools::{self, Tool, Tools};

/// Segments that are made.
pub(super) const SEGMENTS: u64 = 10_000;
/// Dry runs; the best is shown.
const RUNS: usize = 5;

/// Uses the archive that the replay has left.
pub(super) fn measure(
    options: &Options,
    tools: &Tools,
    cluster: &Cluster,
    results: &Results<What>,
) -> Result<(), String> {
    crate::say(&format!("a plan over {SEGMENTS} segments"));
    multiply(&tools::destination(Tool::Pgdeck, cluster).join("archived_wal"))?;
    let directory = cluster.beside(RESTORED);
    host::empty_directory(&directory)?;
    for _ in 0..RUNS.max(options.runs) {
        let mut command = tools.pgdeck(cluster, "recover");
        command.arg("--to").arg(&directory).args(["--dry-run", "--json"]);
        let planned = host::run(&mut command)?;
        check(&planned)?;
        let took = host::measure_unsynced(&mut command)?;
        results.add(What::Plan, Some(Tool::Pgdeck), Figure::of(&took, SEGMENTS));
    }
    Ok(())
}

/// That the plan goes over all of them.
fn check(planned: &str) -> Result<(), String> {
    let plan: serde_json::Value =
        serde_json::from_str(planned).map_err(|error| error.to_string())?;
    let segments = plan["wal"].as_array().into_iter().flatten();
    let sum: u64 = segments.filter_map(|one| one["segments"].as_u64()).sum();
    if sum > SEGMENTS { Ok(()) } else { Err(format!("the plan has {sum} segments only")) }
}

/// Copies the indexes of the archive's last segments, moved to the positions behind them.
fn multiply(archive: &Path) -> Result<(), String> {
    let indexes = indexes(archive)?;
    let last = indexes.last().ok_or("the archive has no index")?;
    let size = last.segment_size().unwrap_or(SegmentSize::DEFAULT);
    let number = |index: &SegmentIndex| index.segment.number(size).ok_or("a strange segment");
    // Whole ones only: the last one ends with a switch.
    let real = &indexes[indexes.len().saturating_sub(17)..indexes.len() - 1];
    let end = number(last)?;
    for (further, index) in (1..=SEGMENTS).zip(real.iter().cycle()) {
        let moved = (end + further - number(index)?) * u64::from(size.bytes());
        let name = SegmentName::new(last.segment.timeline(), end + further, size);
        let name = name.ok_or("segments end")?;
        let copy = moved_to(index, name, moved);
        let write = |suffix: &str, content: &str| {
            let path = archive.join(format!("{name}.{suffix}"));
            fs::write(&path, content).map_err(|error| error.to_string())?;
            host::give(&path)
        };
        write("zst", "not looked at")?;
        write("idx", &copy.to_text())?;
    }
    Ok(())
}

/// The index of another segment with the same records. Records over borders do not fit any
/// more and are left out.
fn moved_to(index: &SegmentIndex, name: SegmentName, moved: u64) -> SegmentIndex {
    let shift = |lsn: Option<Lsn>| lsn.and_then(|lsn| Lsn::from_u64(lsn.as_u64() + moved));
    let mut copy = index.clone();
    copy.segment = name;
    copy.first_lsn = shift(copy.first_lsn);
    copy.last_lsn = shift(copy.last_lsn);
    copy.end_lsn = shift(copy.end_lsn);
    copy.continues_previous = false;
    copy.restore_points.clear();
    if let Some(details) = &mut copy.details {
        (details.begun, details.rest) = (None, None);
        details.changes.clear();
    }
    copy
}

/// All indexes of an archive, in the order of their segments.
fn indexes(archive: &Path) -> Result<Vec<SegmentIndex>, String> {
    let entries = fs::read_dir(archive).map_err(|error| error.to_string())?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|suffix| suffix == "idx"));
    paths.sort();
    let read = |path| {
        let text = fs::read(path).map_err(|error| error.to_string())?;
        SegmentIndex::from_text(&text)
    };
    paths.into_iter().map(read).collect()
}
