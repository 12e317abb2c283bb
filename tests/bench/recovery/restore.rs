//! Restoring: into an empty directory, and what differs of a directory that is there.
//!
//! pgdeck starts the server behind it. The server is left out: wall and processor time of
//! pgdeck are read when the server writes its `postmaster.pid`. The plan, the verification, all
//! syncs and the start of `pg_ctl` are before that.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{RESTORED, What};
use crate::backup::cluster::Cluster;
use crate::backup::host::{self, Took};
use crate::backup::options::{JOBS, Options};
use crate::backup::results::{Figure, Results};
use crate::backup::tools::{Codec, Kind, Tool, Tools};

/// How often is looked whether the server starts.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Files of which one page is changed: the largest below [`CHANGED_BYTES_MAX`].
pub(super) const CHANGED_FILES: usize = 10;
/// pgBackRest copies the whole of a file that differs: the 1 GB ones would decide everything.
const CHANGED_BYTES_MAX: u64 = 256_000_000;
const PAGE_BYTES: usize = 8192;
/// Where nothing else listens; the socket is in the cluster's own directory.
const PORT: &str = "6499";

/// What pgdeck's restore took, and the rest of the command.
struct Restored {
    /// Until the server starts.
    took: Took,
    /// The whole command.
    whole: Took,
    /// Seconds that pgdeck has noted for the files.
    files: f64,
}

/// Tools take turns.
pub(super) fn measure(
    options: &Options,
    tools: &Tools,
    cluster: &Cluster,
    results: &Results<What>,
) -> Result<(), String> {
    let both = || tools.all().into_iter().filter(|tool| *tool != Tool::BaseBackup);
    for codec in [Codec::Lz4, Codec::Zstd] {
        for tool in both() {
            tools.prepare(tool, cluster)?;
            tools.backup(tool, cluster, codec, Kind::Full)?;
        }
        for run in 1..=options.runs {
            crate::say(&format!("restore {codec}, run {run} of {}", options.runs));
            for tool in both() {
                if let Err(error) = turn(tools, tool, cluster, codec, results) {
                    results.fail(format!("{tool} {codec}: {error}"));
                }
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
    results: &Results<What>,
) -> Result<(), String> {
    let directory = cluster.beside(RESTORED);
    host::empty_directory(&directory)?;
    let add = |what: What, took: &Took| {
        crate::say(&format!("  {tool:13} {what:?}: {:.2} s, {:.2} CPU s", took.wall, took.cpu));
        results.add(what, Some(tool), Figure::of(took, 0));
    };
    let work = |what: What, how: &[&str]| {
        if tool == Tool::PgBackRest {
            let took = host::measure(&mut pgbackrest(tools, cluster, how)?)?;
            add(what, &took);
            return Ok(());
        }
        let restored = pgdeck(tools, cluster, &directory, how)?;
        add(what, &restored.took);
        if how.is_empty() {
            let files = Took { wall: restored.files, ..Took::default() };
            add(What::Files(codec), &files);
            add(What::Whole(codec), &restored.whole);
        }
        Ok::<(), String>(())
    };
    work(What::Restore(codec), &[])?;
    if codec != Codec::Zstd {
        return Ok(());
    }
    work(What::Unchanged, &["--delta"])?;
    let before = change(&directory)?;
    work(What::Changed, &["--delta"])?;
    check(&before)
}

fn pgbackrest(tools: &Tools, cluster: &Cluster, how: &[&str]) -> Result<Command, String> {
    let mut command = tools.pgbackrest(cluster)?;
    command.arg(format!("--pg1-path={}", cluster.beside(RESTORED).display()));
    command.arg("--type=immediate").args(how).arg("restore");
    Ok(command)
}

fn pgdeck(
    tools: &Tools,
    cluster: &Cluster,
    directory: &Path,
    how: &[&str],
) -> Result<Restored, String> {
    // An earlier recovery is forgotten, so that this one begins anew.
    let noted = directory.join("pgdeck_recovery");
    if noted.exists() {
        fs::remove_dir_all(&noted).map_err(|error| error.to_string())?;
    }
    rustix::fs::sync();
    // A directory that is there is rewritten as its own instance's; a copy must be new.
    let mut command = match how {
        [] => copy(tools, cluster, directory),
        _ => recover(tools, cluster, directory),
    };
    until_the_server(command.args(how), directory)
}

/// A copy of the cluster as it was at the end of the backup, after which its server is stopped.
pub(super) fn copy(tools: &Tools, cluster: &Cluster, directory: &Path) -> Command {
    let mut command = recover(tools, cluster, &cluster.data());
    command.arg("--to").arg(directory);
    command
}

/// Recovery of an instance to the end of the backup, after which it is stopped.
fn recover(tools: &Tools, cluster: &Cluster, data: &Path) -> Command {
    let mut command = tools.pgdeck_on(cluster, data, "recover");
    command.args(["--port", PORT, "--immediate", "--action", "shutdown", "--yes", "--json"]);
    command.args(["--jobs", &JOBS.to_string()]);
    command
}

fn until_the_server(command: &mut Command, directory: &Path) -> Result<Restored, String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let pid = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    let server = directory.join("postmaster.pid");
    let now = || Took {
        wall: began.elapsed().as_secs_f64(),
        cpu: host::cpu_so_far(pid),
        peak: host::high_water(pid),
    };
    let mut took = None;
    let mut whole = now();
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        let look = now();
        if took.is_none() && server.exists() {
            took = Some(look.clone());
        }
        // What a process that has just ended says of itself is nothing.
        if look.cpu >= whole.cpu {
            whole = look;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    whole.wall = began.elapsed().as_secs_f64();
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        return Err(format!("pgdeck ended with {}: {said}", output.status));
    }
    let state: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let files = state["restore_seconds"].as_f64().ok_or("it tells no restore_seconds")?;
    Ok(Restored { took: took.ok_or("the server was not seen to start")?, whole, files })
}

/// A page as it was.
type Page = (PathBuf, Vec<u8>);

/// Changes the second page of some files of relations; what it was.
fn change(directory: &Path) -> Result<Vec<Page>, String> {
    let mut files = Vec::new();
    relations(&directory.join("base"), &mut files).map_err(|error| error.to_string())?;
    files.sort();
    let chosen = files.iter().rev().filter(|(bytes, _)| *bytes < CHANGED_BYTES_MAX);
    let mut before = Vec::new();
    for (_, path) in chosen.take(CHANGED_FILES) {
        let page = read_page(path)?;
        let file = File::options().write(true).open(path).map_err(|error| error.to_string())?;
        let changed: Vec<u8> = page.iter().map(|byte| !byte).collect();
        file.write_all_at(&changed, PAGE_BYTES as u64).map_err(|error| error.to_string())?;
        before.push((path.clone(), page));
    }
    Ok(before)
}

/// Files of two pages and more, with their sizes.
fn relations(directory: &Path, into: &mut Vec<(u64, PathBuf)>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let data = entry.metadata()?;
        if data.is_dir() {
            relations(&entry.path(), into)?;
        } else if data.len() >= 2 * PAGE_BYTES as u64 {
            into.push((data.len(), entry.path()));
        }
    }
    Ok(())
}

fn read_page(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut page = vec![0; PAGE_BYTES];
    let file = File::open(path).map_err(failed)?;
    file.read_exact_at(&mut page, PAGE_BYTES as u64).map_err(failed)?;
    Ok(page)
}

/// That each page is again what it was: a tool that was fast because it did nothing fails here.
fn check(before: &[Page]) -> Result<(), String> {
    for (path, page) in before {
        if read_page(path)? != *page {
            return Err(format!("{} is still changed", path.display()));
        }
    }
    if before.len() == CHANGED_FILES { Ok(()) } else { Err("too few files to change".to_owned()) }
}
