//! The report: what was measured beside the peers, the goals, and whether they are met.

use std::fmt::Write as _;

use super::restore::CHANGED_FILES;
use super::{What, plan, replay};
use crate::backup::host::mebibytes;
use crate::backup::options::{JOBS, Options};
use crate::backup::results::{Best, Results};
use crate::backup::table::{Goal, Limit, heading, verdicts};
use crate::backup::tools::{Codec, Tool};

const TOOLS: [Tool; 2] = [Tool::Pgdeck, Tool::PgBackRest];
const CODECS: [Codec; 2] = [Codec::Lz4, Codec::Zstd];

/// Everything.
pub(super) fn report(options: &Options, results: &Results<What>) -> String {
    let mut out = heading("recovery", options);
    let _ = writeln!(
        out,
        "{JOBS} processes or threads each; best of {}, the longest in parentheses; of pgdeck until \
         the server starts",
        options.runs
    );
    restored(&mut out, results);
    replayed(&mut out, results);
    planned(&mut out, results);
    verdicts(&mut out, &goals(results));
    out
}

/// What is compared, with its name.
fn kinds() -> Vec<(What, String)> {
    let restores =
        CODECS.map(|codec| (What::Restore(codec), format!("restore, {codec}").trim().to_owned()));
    let deltas = [
        (What::Unchanged, "delta, nothing changed".to_owned()),
        (What::Changed, format!("delta, {CHANGED_FILES} files changed")),
    ];
    restores.into_iter().chain(deltas).collect()
}

fn restored(out: &mut String, results: &Results<What>) {
    let _ = writeln!(out, "\n{:42}{:>16}{:>9}{:>12}", "", "wall s", "CPU s", "peak MiB");
    for (what, name) in kinds() {
        for tool in TOOLS {
            let Some(best) = results.best(&what, Some(tool)) else { continue };
            line(out, &format!("{name:26}{tool}"), best);
        }
        let What::Restore(codec) = what else { continue };
        let parts = [(What::Files(codec), "the files"), (What::Whole(codec), "with the server")];
        for (part, name) in parts {
            let Some(best) = results.best(&part, Some(Tool::Pgdeck)) else { continue };
            let wall = format!("{:.2} ({:.2})", best.figure.wall, best.longest);
            let _ = writeln!(out, "{:26}{name:16}{wall:>16}", "");
        }
    }
}

fn line(out: &mut String, name: &str, best: Best) {
    let Best { figure, longest } = best;
    let wall = format!("{:.2} ({longest:.2})", figure.wall);
    let (cpu, peak) = (figure.cpu, mebibytes(figure.peak));
    let _ = writeln!(out, "{name:42}{wall:>16}{cpu:9.2}{peak:12.1}");
}

fn replayed(out: &mut String, results: &Results<What>) {
    let title = "replay, archive and restore_command";
    let _ = writeln!(out, "\n{title:42}{:>16}{:>9}", "segments/s", "CPU s");
    for method in replay::METHODS {
        let Some(best) = results.best(&What::Replay(method), None) else { continue };
        let count = segments(&best);
        let rate = format!("{:.1} ({:.1})", count / best.figure.wall, count / best.longest);
        let _ = writeln!(out, "{:42}{rate:>16}{:9.2}", method.name(), best.figure.cpu);
    }
}

fn segments(best: &Best) -> f64 {
    f64::from(u32::try_from(best.figure.bytes).unwrap_or(0))
}

fn planned(out: &mut String, results: &Results<What>) {
    let Some(best) = results.best(&What::Plan, Some(Tool::Pgdeck)) else { return };
    let _ = writeln!(out, "\n{:42}{:>16}{:>9}{:>12}", "dry run", "wall s", "CPU s", "peak MiB");
    line(out, &format!("over {} segments", plan::SEGMENTS), best);
}

fn goals(results: &Results<What>) -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut goal = |name: String, value: Option<f64>, limit: Limit| {
        goals.push(Goal { name, value, limit, digits: 2 });
    };
    for (what, name) in kinds() {
        let best = |tool| results.best(&what, Some(tool));
        let both = best(Tool::Pgdeck).zip(best(Tool::PgBackRest));
        let ratio =
            |value: fn(&Best) -> f64| both.as_ref().map(|(own, peer)| value(own) / value(peer));
        let of = format!("{name}, of pgBackRest's");
        goal(format!("{of} wall"), ratio(|best| best.figure.wall), Limit::AtMost(0.8));
        goal(format!("{of} CPU"), ratio(|best| best.figure.cpu), Limit::AtMost(0.8));
    }
    let rate = |method| {
        let best = results.best(&What::Replay(method), None);
        best.map(|best| segments(&best) / best.figure.wall)
    };
    let own = rate(replay::Method::Recover).zip(rate(replay::Method::Copy));
    goal("replay, times that of cp".into(), own.map(|(own, cp)| own / cp), Limit::AtLeast(1.5));
    let plan = results.best(&What::Plan, Some(Tool::Pgdeck));
    let name = format!("dry run over {} segments, s", plan::SEGMENTS);
    goal(name, plan.map(|best| best.figure.wall), Limit::AtMost(1.0));
    goals
}
