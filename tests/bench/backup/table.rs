//! The report: what was measured beside the peers, the goals, and whether they are met.

use std::fmt::Write as _;

use super::growth;
use super::host::{mebibytes, megabytes};
use super::options::{JOBS, Options};
use super::results::{Best, Results, What};
use super::tools::{Codec, Kind, Tool};

const TOOLS: [Tool; 3] = [Tool::Pgdeck, Tool::PgBackRest, Tool::BaseBackup];
const CODECS: [Codec; 3] = [Codec::None, Codec::Lz4, Codec::Zstd];

/// A value of pgdeck against its goal.
pub(crate) struct Goal {
    /// What is measured.
    pub(crate) name: String,
    /// `None` when it was not.
    pub(crate) value: Option<f64>,
    /// What it is to be.
    pub(crate) limit: Limit,
    /// Digits after the point.
    pub(crate) digits: usize,
}

/// The least or the most a value is to be.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    /// Not more.
    AtMost(f64),
    /// Not less.
    AtLeast(f64),
}

impl Goal {
    fn is_met(&self) -> Option<bool> {
        Some(match self.limit {
            Limit::AtMost(limit) => self.value? <= limit,
            Limit::AtLeast(limit) => self.value? >= limit,
        })
    }
}

/// Everything.
pub(crate) fn report(options: &Options, results: &Results) -> String {
    let mut out = heading("backup", options);
    let _ = writeln!(
        out,
        "{JOBS} processes or threads each; best of {}, the longest in parentheses; CPU with the \
         server's sessions",
        options.runs
    );
    backups(&mut out, results);
    archive(&mut out, results);
    grown(&mut out, options, results);
    verdicts(&mut out, &goals(results));
    out
}

/// The first line: which section, where and when.
pub(crate) fn heading(section: &str, options: &Options) -> String {
    let today = std::process::Command::new("date").arg("-I").output();
    let today = today.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "\n{section} bench on PostgreSQL {}, {processors} processors, {}\n",
        options.major().version(),
        today.unwrap_or_default()
    )
}

fn backups(out: &mut String, results: &Results) {
    let _ =
        writeln!(out, "\n{:34}{:>16}{:>9}{:>10}{:>12}", "", "wall s", "CPU s", "MB", "peak MiB");
    let kinds = CODECS.map(|codec| (codec, Kind::Full));
    for (codec, kind) in kinds.into_iter().chain([(Codec::Zstd, Kind::Incremental)]) {
        for tool in TOOLS {
            let Some(best) = results.best(&What::Backup(codec, kind), Some(tool)) else { continue };
            let name = match kind {
                Kind::Full => format!("full, {codec:4}"),
                Kind::Incremental => "after 100 updates".to_owned(),
            };
            line(out, &format!("{name:20}{tool}"), best);
        }
    }
    for tool in TOOLS {
        let Some(best) = results.best(&What::Verify, Some(tool)) else { continue };
        line(out, &format!("{:20}{tool}", "verify, zstd"), best);
        let rate = megabytes(best.figure.bytes) / 1_000.0 / best.figure.wall;
        let _ = writeln!(out, "{:34}{rate:16.2} GB of the cluster a second", "");
    }
}

fn line(out: &mut String, name: &str, best: Best) {
    let Best { figure, longest } = best;
    let wall = format!("{:.2} ({longest:.2})", figure.wall);
    let _ = writeln!(
        out,
        "{name:34}{wall:>16}{:9.2}{:10.1}{:12.1}",
        figure.cpu,
        megabytes(figure.bytes),
        mebibytes(figure.peak)
    );
}

fn archive(out: &mut String, results: &Results) {
    let _ = writeln!(out, "\n{:34}{:>16}{:>9}", "push, a command each", "segments/s", "CPU ms");
    for codec in [Codec::Zstd, Codec::Lz4, Codec::None] {
        for tool in TOOLS {
            let Some(best) = results.best(&What::Push(codec), Some(tool)) else { continue };
            let count = segments(&best);
            let rate = format!("{:.1} ({:.1})", count / best.figure.wall, count / best.longest);
            let cpu = best.figure.cpu * 1_000.0 / count;
            let _ = writeln!(out, "{:34}{rate:>16}{cpu:9.1}", format!("{codec:20}{tool}"));
        }
    }
    if let Some(best) = results.best(&What::BareWrite, None) {
        let count = segments(&best);
        let rate = format!("{:.1} ({:.1})", count / best.figure.wall, count / best.longest);
        let _ = writeln!(out, "{:34}{rate:>16}", "zstd's bytes written and synced");
    }
    let _ = writeln!(out, "{:34}{:>16}", "push of what is there", "ms, median");
    for tool in TOOLS {
        let Some(best) = results.best(&What::PushNothing, Some(tool)) else { continue };
        let _ = writeln!(out, "{:20}{tool:14}{:16.2}", "", best.figure.wall * 1_000.0);
    }
    if let Some(best) = results.best(&What::StartNothing, None) {
        let _ = writeln!(out, "{:20}{:14}{:16.2}", "", "/bin/true", best.figure.wall * 1_000.0);
    }
}

fn segments(best: &Best) -> f64 {
    f64::from(u32::try_from(best.figure.bytes).unwrap_or(0))
}

fn grown(out: &mut String, options: &Options, results: &Results) {
    let _ = writeln!(
        out,
        "\n{:34}{:>16}{:>9}{:>10}{:>12}",
        "growth: full, zstd", "wall s", "CPU s", "MB", "peak MiB"
    );
    for step in growth::steps(options) {
        let what = step.what();
        let What::Grown(name) = &what else { continue };
        for tool in TOOLS {
            let Some(best) = results.best(&what, Some(tool)) else { continue };
            line(out, &format!("{name:22}{tool}"), best);
        }
    }
}

fn goals(results: &Results) -> Vec<Goal> {
    let best = |what: What, tool: Tool| results.best(&what, Some(tool));
    let full = |codec: Codec, tool: Tool| best(What::Backup(codec, Kind::Full), tool);
    let mut goals = Vec::new();
    let mut goal = |name: String, value: Option<f64>, limit: Limit, digits: usize| {
        goals.push(Goal { name, value, limit, digits });
    };
    for codec in [Codec::Lz4, Codec::Zstd] {
        let both = full(codec, Tool::Pgdeck).zip(full(codec, Tool::PgBackRest));
        let ratio =
            |value: fn(&Best) -> f64| both.as_ref().map(|(own, peer)| value(own) / value(peer));
        let stored: fn(&Best) -> f64 = |best| megabytes(best.figure.bytes);
        let of = format!("full {codec}, of pgBackRest's");
        goal(format!("{of} wall"), ratio(|best| best.figure.wall), Limit::AtMost(0.8), 2);
        goal(format!("{of} CPU"), ratio(|best| best.figure.cpu), Limit::AtMost(0.9), 2);
        goal(format!("{of} size"), ratio(stored), Limit::AtMost(1.0), 3);
    }
    let after = best(What::Backup(Codec::Zstd, Kind::Incremental), Tool::Pgdeck);
    let stored = after.map(|best| megabytes(best.figure.bytes));
    goal("after 100 updates, MB".into(), stored, Limit::AtMost(5.0), 2);
    let part = after.zip(full(Codec::Zstd, Tool::Pgdeck));
    let part = part.map(|(after, full)| after.figure.wall / full.figure.wall);
    goal("after 100 updates, of a full's wall".into(), part, Limit::AtMost(1.0 / 3.0), 3);
    let push = best(What::Push(Codec::Zstd), Tool::Pgdeck);
    let rate = push.map(|best| segments(&best) / best.figure.wall);
    goal("push zstd:1, segments a second".into(), rate, Limit::AtLeast(25.0), 1);
    let start = best(What::PushNothing, Tool::Pgdeck).map(|best| best.figure.wall * 1_000.0);
    goal("push of what is there, ms".into(), start, Limit::AtMost(10.0), 2);
    let peak = results.peak(Tool::Pgdeck).map(mebibytes);
    goal("peak memory of any backup, MiB".into(), peak, Limit::AtMost(150.0), 1);
    goals
}

/// The goals, and whether they are met.
pub(crate) fn verdicts(out: &mut String, goals: &[Goal]) {
    let _ = writeln!(out, "\n{:46}{:>9}{:>9}", "goals", "goal", "pgdeck");
    for goal in goals {
        let (sign, limit) = match goal.limit {
            Limit::AtMost(limit) => ("<=", limit),
            Limit::AtLeast(limit) => (">=", limit),
        };
        let digits = goal.digits;
        let limit = format!("{sign} {limit:.digits$}");
        let value = goal.value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"));
        let verdict = match goal.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not measured",
        };
        let _ = writeln!(out, "{:46}{limit:>9}{value:>9} {verdict}", goal.name);
    }
}
