//! Replay: the same server, the same segments, another `restore_command`; and what a recovery
//! makes larger besides.
//!
//! A cluster is restored and brought to the end of its backup once. For each command a copy of
//! it is started with a target some segments later, where it shuts down. The time is from the
//! first to the last segment in the server's own log; the start and the stop are left out.

use std::fs;
use std::path::Path;
use std::process::Command;

use pgdeck_engine::pg::types::Lsn;
use pgdeck_engine::pg::wal::SegmentSize;

use super::{RESTORED, What, restore};
use crate::backup::cluster::Cluster;
use crate::backup::host;
use crate::backup::options::Options;
use crate::backup::results::{Figure, Results};
use crate::backup::tools::{self, Codec, Kind, Tool, Tools};

/// Segments that are replayed.
const SEGMENTS: usize = 64;
const SEGMENTS_BRIEF: usize = 20;
/// The archive as it is, and the copy that replays.
pub(super) const PLACES: &[&str] = &["plain-wal", "replayed"];
/// Where a recovery is planned and never made.
const PLANNED: &str = "planned";
/// What the server says when a segment has come, and before it stops.
const CAME: &str = "restored log file \"";
const STOPPED: &str = "recovery stopping ";
/// And when it begins.
const BEGINS: &str = "redo starts at ";

/// How segments come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Method {
    /// As `recover` sets it: its command, from its archive with zstd, and its larger settings.
    Recover,
    /// The same without looking ahead.
    OneByOne,
    /// `zstd -dcq` from the same archive.
    Zstd,
    /// `cp` from an archive that is not compressed.
    Copy,
    /// None, all WAL is in `pg_wal`: what the server takes for itself.
    Alone,
}

pub(super) const METHODS: [Method; 5] =
    [Method::Recover, Method::OneByOne, Method::Zstd, Method::Copy, Method::Alone];

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Recover => "zstd    pgdeck, as it recovers",
            Self::OneByOne => "zstd    pgdeck, and not ahead",
            Self::Zstd => "zstd    zstd -dcq",
            Self::Copy => "none    cp",
            Self::Alone => "none    all in pg_wal: the server alone",
        }
    }

    fn command(self, own: &str, cluster: &Cluster) -> String {
        let archive = tools::destination(Tool::Pgdeck, cluster).join("archived_wal");
        let plain = cluster.beside(PLACES[0]);
        match self {
            Self::Recover => own.to_owned(),
            Self::OneByOne => own.replace("--prefetch 4", "--prefetch 0"),
            Self::Zstd => format!("zstd -dcq {}/%f.zst > \"%p\"", archive.display()),
            Self::Alone => "false".to_owned(),
            Self::Copy => format!("cp {}/%f \"%p\"", plain.display()),
        }
    }

    fn is_enlarged(self) -> bool {
        matches!(self, Self::Recover | Self::Alone)
    }
}

/// Segments a second with each method, in turns.
pub(super) fn measure(
    options: &Options,
    tools: &Tools,
    cluster: &Cluster,
    results: &Results<What>,
) -> Result<(), String> {
    let count = if options.is_brief { SEGMENTS_BRIEF } else { SEGMENTS };
    crate::say(&format!("writing {count} segments of WAL"));
    let target = write_wal(tools, cluster, count)?;
    let restored = cluster.beside(RESTORED);
    host::empty_directory(&restored)?;
    host::run(&mut restore::copy(tools, cluster, &restored))?;
    let own = own_command(&restored)?;
    let enlarged = own_settings(tools, cluster, &target)?;
    let told = if enlarged.is_empty() { "nothing" } else { enlarged.trim() };
    crate::say(&format!("a recovery up to there makes larger: {told}"));
    for run in 1..=options.runs {
        crate::say(&format!("replay, run {run} of {}", options.runs));
        for method in METHODS {
            let settings = if method.is_enlarged() { enlarged.as_str() } else { "" };
            match replay(cluster, method, &own, settings, &target) {
                Ok(figure) => {
                    crate::say(&format!(
                        "  {}: {} segments in {:.2} s, {:.2} CPU s",
                        method.name(),
                        figure.bytes,
                        figure.wall,
                        figure.cpu
                    ));
                    results.add(What::Replay(method), None, figure);
                }
                Err(error) => results.fail(format!("replay, {}: {error}", method.name())),
            }
        }
    }
    Ok(())
}

/// A backup, then a load whose WAL goes into both archives. The last position in them.
fn write_wal(tools: &Tools, cluster: &Cluster, count: usize) -> Result<String, String> {
    tools.prepare(Tool::Pgdeck, cluster)?;
    let (place, plain) = (tools::destination(Tool::Pgdeck, cluster), cluster.beside(PLACES[0]));
    host::empty_directory(&plain)?;
    cluster.archive_with(&format!(
        "{} wal-push \"%p\" {place} --compress zstd:1 && cp \"%p\" {plain}/%f",
        tools.program().display(),
        place = place.display(),
        plain = plain.display()
    ))?;
    tools.backup(Tool::Pgdeck, cluster, Codec::Zstd, Kind::Full)?;
    let before = archived(&plain)?;
    while archived(&plain)? < before + count {
        host::run(cluster.program("pgbench").args(["-n", "-c", "4", "-t", "1000"]))?;
    }
    cluster.sql("truncate pgbench_history")?;
    let target = cluster.sql("select pg_current_wal_lsn()")?.trim().to_owned();
    let last = cluster.sql("select pg_walfile_name(pg_current_wal_lsn())")?;
    cluster.sql("select pg_create_restore_point('behind'), pg_switch_wal()")?;
    while !plain.join(last.trim()).exists() {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    cluster.archive_with("/bin/true")?;
    Ok(target)
}

fn archived(plain: &Path) -> Result<usize, String> {
    let entries = fs::read_dir(plain).map_err(|error| error.to_string())?;
    Ok(entries.flatten().filter(|entry| entry.file_name().len() == 24).count())
}

/// What pgdeck has set, but without an end: the one it has is that of the backup.
fn own_command(restored: &Path) -> Result<String, String> {
    let path = restored.join("postgresql.auto.conf");
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix("restore_command = '"));
    let command = line.and_then(|line| line.strip_suffix('\'')).ok_or("no restore_command")?;
    let command = command.split(" --until ").next().unwrap_or(command);
    if command.contains("--prefetch 4") {
        return Ok(command.replace("''", "'"));
    }
    Err(format!("another restore_command than expected: {command}"))
}

/// Lines of a configuration with what the plan of the same replay makes larger.
fn own_settings(tools: &Tools, cluster: &Cluster, target: &str) -> Result<String, String> {
    let mut command = tools.pgdeck(cluster, "recover");
    command.arg("--to").arg(cluster.beside(PLANNED));
    command.args(["--lsn", target, "--dry-run", "--json"]);
    let planned = host::run(&mut command)?;
    let plan: serde_json::Value =
        serde_json::from_str(&planned).map_err(|error| error.to_string())?;
    let mut lines = String::new();
    for one in plan["enlarged"].as_array().into_iter().flatten() {
        let both = one["name"].as_str().zip(one["bytes"].as_u64());
        let (name, bytes) = both.ok_or_else(|| format!("a strange plan: {planned}"))?;
        lines.push_str(&format!("{name} = {}MB\n", bytes >> 20));
    }
    Ok(lines)
}

fn replay(
    cluster: &Cluster,
    method: Method,
    own: &str,
    enlarged: &str,
    target: &str,
) -> Result<Figure, String> {
    let copy = cluster.beside(PLACES[1]);
    if copy.exists() {
        fs::remove_dir_all(&copy).map_err(|error| error.to_string())?;
    }
    let mut command = host::command("cp");
    host::run(command.arg("-a").arg(cluster.beside(RESTORED)).arg(&copy))?;
    if method == Method::Alone {
        let mut command = host::command("sh");
        command.args(["-c", "cp \"$1\"/0* \"$2\"", "sh"]);
        host::run(command.arg(cluster.beside(PLACES[0])).arg(copy.join("pg_wal")))?;
    }
    let settings = format!(
        "restore_command = '{}'\n{enlarged}recovery_target_lsn = '{target}'\n\
         recovery_target_action = shutdown\nrecovery_target_timeline = 'current'\n\
         archive_mode = off\nport = 6498\nlog_line_prefix = '%m '\n",
        method.command(own, cluster).replace('\'', "''")
    );
    fs::write(copy.join("postgresql.auto.conf"), settings).map_err(|error| error.to_string())?;
    rustix::fs::sync();
    let log = cluster.beside("replay.log");
    let mut shell = server(cluster, &copy, &log);
    let took = host::measure(&mut shell)?;
    let text = fs::read_to_string(&log).map_err(|error| error.to_string())?;
    let _ = fs::remove_file(&log);
    let mut figure = Figure::of(&took, 0);
    let stretch = if method == Method::Alone { whole(&text, target) } else { stretch(&text) };
    (figure.bytes, figure.wall) = stretch?;
    Ok(figure)
}

/// The server in the foreground, which ends at its target.
fn server(cluster: &Cluster, data: &Path, log: &Path) -> Command {
    let program = cluster.program("postgres");
    let mut shell = host::command("sh");
    shell.args(["-c", "exec \"$1\" -D \"$2\" 2> \"$3\"", "sh"]);
    shell.arg(program.get_program()).arg(data).arg(log);
    shell
}

/// Segments behind the first one, and the seconds from its coming to the end.
fn stretch(log: &str) -> Result<(u64, f64), String> {
    let last = || log.lines().last().unwrap_or_default();
    let mut came = log.lines().filter(|line| line.contains(CAME)).filter_map(seconds);
    let first = came.next().ok_or_else(|| format!("no segment came: {}", last()))?;
    let count = u64::try_from(came.count()).unwrap_or(0);
    let stopped = log.lines().find(|line| line.contains(STOPPED)).and_then(seconds);
    let stopped = stopped.ok_or_else(|| format!("the target was not reached: {}", last()))?;
    // Midnight may come between.
    Ok((count, (stopped - first).rem_euclid(86_400.0)))
}

/// The same where no segment comes: all that is replayed.
fn whole(log: &str, target: &str) -> Result<(u64, f64), String> {
    let lacks = || format!("not replayed: {}", log.lines().last().unwrap_or_default());
    let of = |text: &str| log.lines().find(|line| line.contains(text)).ok_or_else(lacks);
    let (began, stopped) = (of(BEGINS)?, of(STOPPED)?);
    let position = |text: &str| text.parse::<Lsn>().map_err(|error| error.to_string());
    let from = position(began.split_whitespace().last().unwrap_or_default())?;
    let segments = position(target)?.bytes_since(from) / u64::from(SegmentSize::DEFAULT.bytes());
    let seconds = seconds(stopped).zip(seconds(began)).ok_or_else(lacks)?;
    Ok((segments, (seconds.0 - seconds.1).rem_euclid(86_400.0)))
}

/// The second of the day of a line with `%m`: `2026-11-23 01:02:03.456 UTC`.
fn seconds(line: &str) -> Option<f64> {
    let time = line.split_whitespace().nth(1)?;
    let mut parts = time.split(':').map(str::parse::<f64>);
    let mut part = || parts.next().and_then(Result::ok);
    Some(part()? * 3_600.0 + part()? * 60.0 + part()?)
}
