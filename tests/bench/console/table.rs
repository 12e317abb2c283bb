//! The report: a table for each size of the terminal, with the budgets and what explains them.

use std::fmt::Write as _;

use super::options::{Options, SIZES};
use super::programs::{Kind, Program};
use super::results::{Measure, Results};
use super::setting::BUSY;

/// How a number is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Bytes,
    Milliseconds,
    Percent,
    Seconds,
    Mebibytes,
}

/// What a budget allows at each size.
#[derive(Clone, Copy, Debug)]
enum Goal {
    None,
    AtMost([f64; 2]),
    Below([f64; 2]),
}

struct Line {
    measure: Measure,
    label: &'static str,
    unit: Unit,
    goal: Goal,
}

const MIB: f64 = 1_048_576.0;

const fn line(measure: Measure, label: &'static str, unit: Unit, goal: Goal) -> Line {
    Line { measure, label, unit, goal }
}

/// The budgets, and what belongs beside them. Peers have one pane, beside Connections.
const LINES: [Line; 27] = [
    line(Measure::Unchanged, "bytes in 10 s, nothing changed", Unit::Bytes, NONE),
    line(Measure::UnchangedPane(1), "  Overview", Unit::Bytes, NONE),
    line(Measure::UnchangedPane(2), "  Storage", Unit::Bytes, NONE),
    line(Measure::UnchangedPane(3), "  Connections", Unit::Bytes, NONE),
    line(Measure::UnchangedPane(4), "  Locks", Unit::Bytes, NONE),
    line(Measure::UnchangedPane(5), "  Prepared", Unit::Bytes, NONE),
    line(Measure::UnchangedPane(6), "  Logs", Unit::Bytes, NONE),
    line(Measure::UnchangedPane(7), "  Messages", Unit::Bytes, NONE),
    line(Measure::Refresh, "bytes of a refresh, live", Unit::Bytes, REFRESH),
    line(Measure::RefreshMost, "  the largest of them", Unit::Bytes, Goal::None),
    line(Measure::OverviewRefresh, "  the mean on Overview", Unit::Bytes, REFRESH),
    line(Measure::Repaint, "bytes of a full repaint", Unit::Bytes, Goal::AtMost([4e3, 14e3])),
    line(Measure::FirstFrame, "ms to the first frame", Unit::Milliseconds, FRAME),
    line(Measure::FirstFrameCold, "  program not in memory", Unit::Milliseconds, Goal::None),
    line(Measure::FirstFrameSilent, "  server never answers", Unit::Milliseconds, FRAME),
    line(Measure::FirstFrameNames, "  its name never resolves", Unit::Milliseconds, FRAME),
    line(Measure::FirstData, "  to the server's first answer", Unit::Milliseconds, Goal::None),
    line(Measure::CpuSeconds, "CPU seconds, live, 1 Hz", Unit::Seconds, Goal::None),
    line(Measure::Cpu, "  % of a core", Unit::Percent, CPU),
    line(Measure::OverviewCpu, "  % of a core, Overview", Unit::Percent, CPU),
    line(Measure::CpuQuiet, "  % of a core, nothing changed", Unit::Percent, CPU),
    line(Measure::Server, "  its sessions: ms a second", Unit::Milliseconds, Goal::None),
    line(Measure::Resident, "MiB of memory, resident", Unit::Mebibytes, MEMORY),
    line(Measure::Share, "  its share (PSS)", Unit::Mebibytes, Goal::None),
    line(Measure::ManyCpu, "500 sessions, 2,000 locks: % of a core", Unit::Percent, Goal::None),
    line(Measure::ManyServer, "  its sessions: ms a second", Unit::Milliseconds, Goal::None),
    line(Measure::ManyResident, "  MiB, resident", Unit::Mebibytes, Goal::None),
];

const NONE: Goal = Goal::AtMost([0.0, 0.0]);
const REFRESH: Goal = Goal::AtMost([400.0, 1_200.0]);
const FRAME: Goal = Goal::AtMost([50.0, 50.0]);
const CPU: Goal = Goal::Below([0.5, 1.0]);
const MEMORY: Goal = Goal::Below([15.0 * MIB, 20.0 * MIB]);

const LABEL: usize = 39;
const GOAL: usize = 9;
const CELL: usize = 12;
const VERDICT: usize = 8;
const PEER: usize = 19;

/// Everything: one table for each size of the terminal.
pub(crate) fn report(options: &Options, programs: &[Program], results: &Results) -> String {
    let mut out = String::new();
    let today = std::process::Command::new("date").arg("-I").output();
    let today = today.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let _ = writeln!(out, "\n{}, {}", options.describe(), today.unwrap_or_default());
    let _ = writeln!(
        out,
        "1 refresh a second, 200 sessions; live: {BUSY} of them work; over {} s, quiet over {} s. \
         pgdeck: median of {}, starts of 5; peers: once.",
        options.live_for.as_secs(),
        options.quiet_for.as_secs(),
        options.runs,
    );
    for size in 0..SIZES.len() {
        table(&mut out, programs, results, size);
    }
    let _ = writeln!(out);
    for program in programs {
        if let Err(reason) = &program.version {
            let _ = writeln!(out, "{} was not measured: {reason}", program.name);
        }
    }
    let missed: Vec<String> = missed(results);
    let _ = match missed.is_empty() {
        true => writeln!(out, "every budget is met"),
        false => writeln!(out, "MISSED: {}", missed.join(", ")),
    };
    out
}

fn table(out: &mut String, programs: &[Program], results: &Results, size: usize) {
    let shown: Vec<&Program> = Program::present(programs).collect();
    let place = format!("{}x{}", SIZES[size].0, SIZES[size].1);
    let mut heading = format!("{place:LABEL$}{:>GOAL$}", "goal");
    for program in &shown {
        let name = format!("{} {}", program.name, program.version.clone().unwrap_or_default());
        let _ = match program.kind {
            Kind::Pgdeck => write!(heading, "{name:>width$}", width = CELL + VERDICT),
            _ => write!(heading, "{name:>PEER$}"),
        };
    }
    let _ = writeln!(out, "\n{}", heading.trim_end());
    for line in &LINES {
        let cells: Vec<String> =
            shown.iter().map(|one| cell(line, one.kind, size, results)).collect();
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let row = format!("{:LABEL$}{:>GOAL$}{}", line.label, goal(line, size), cells.concat());
        let _ = writeln!(out, "{}", row.trim_end());
    }
}

fn goal(line: &Line, size: usize) -> String {
    match line.goal {
        Goal::None => String::new(),
        Goal::AtMost(most) => shown(most[size], line.unit),
        Goal::Below(most) => format!("<{}", shown(most[size], line.unit)),
    }
}

fn cell(line: &Line, kind: Kind, size: usize, results: &Results) -> String {
    let outcome = results.median(line.measure, kind, size);
    let text = match &outcome {
        None => String::new(),
        Some(Err(reason)) => reason.chars().take(PEER - 1).collect(),
        Some(Ok(value)) => shown(*value, line.unit),
    };
    if kind != Kind::Pgdeck {
        return format!("{text:>PEER$}");
    }
    let verdict = match outcome.and_then(Result::ok).and_then(|value| is_met(line, size, value)) {
        Some(true) => " met",
        Some(false) => " MISSED",
        None => "",
    };
    format!("{text:>CELL$}{verdict:VERDICT$}")
}

fn missed(results: &Results) -> Vec<String> {
    let mut missed = Vec::new();
    for (size, place) in SIZES.into_iter().enumerate() {
        let budgets = LINES.iter().filter(|line| {
            let outcome = results.median(line.measure, Kind::Pgdeck, size);
            let value = outcome.and_then(Result::ok);
            value.and_then(|value| is_met(line, size, value)) == Some(false)
        });
        let name = |line: &Line| format!("{} at {}x{}", line.label.trim(), place.0, place.1);
        missed.extend(budgets.map(name));
    }
    missed
}

/// What could not be measured of pgdeck.
pub(crate) fn failures(options: &Options, results: &Results) -> Vec<String> {
    let mut failures = Vec::new();
    for (size, place) in SIZES.into_iter().enumerate() {
        for line in &LINES {
            // Only root can play a name server.
            let may_be_missing = match line.measure {
                Measure::FirstFrameNames | Measure::FirstFrameCold => true,
                Measure::UnchangedPane(_) => options.is_brief,
                _ => false,
            };
            let reason = match results.median(line.measure, Kind::Pgdeck, size) {
                Some(Ok(_)) => continue,
                Some(Err(reason)) => reason,
                None => "no value".to_owned(),
            };
            if !may_be_missing {
                let label = line.label.trim();
                failures.push(format!("{label} at {}x{}: {reason}", place.0, place.1));
            }
        }
    }
    failures
}

fn is_met(line: &Line, size: usize, value: f64) -> Option<bool> {
    match line.goal {
        Goal::None => None,
        Goal::AtMost(most) => Some(value <= most[size]),
        Goal::Below(most) => Some(value < most[size]),
    }
}

fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => format!("{value:.0}"),
        Unit::Milliseconds => format!("{value:.1}"),
        Unit::Percent | Unit::Seconds => format!("{value:.2}"),
        Unit::Mebibytes => format!("{:.1}", value / MIB),
    }
}
