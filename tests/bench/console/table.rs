//! The report: one table with the budgets, one with what else is worth knowing.

use std::fmt::Write as _;

use crate::options::{Options, SIZES};
use crate::programs::{Kind, Program};
use crate::results::{Measure, Outcome, Results};

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

/// The budgets, and what belongs beside them.
const BUDGETS: [Line; 14] = [
    line(Measure::Unchanged, "bytes in 10 s, nothing changed", Unit::Bytes, Goal::AtMost([0.0, 0.0])),
    line(Measure::Refresh, "bytes of a refresh, live", Unit::Bytes, Goal::AtMost([400.0, 1_200.0])),
    line(Measure::RefreshMost, "  the largest", Unit::Bytes, Goal::None),
    line(Measure::Repaint, "bytes of a full repaint", Unit::Bytes, Goal::AtMost([4_000.0, 14_000.0])),
    line(Measure::FirstFrame, "ms to the first frame", Unit::Milliseconds, Goal::AtMost([50.0, 50.0])),
    line(Measure::FirstFrameCold, "  program not in memory", Unit::Milliseconds, Goal::AtMost([50.0, 50.0])),
    line(Measure::FirstFrameSilent, "  server never answers", Unit::Milliseconds, Goal::AtMost([50.0, 50.0])),
    line(Measure::FirstFrameNames, "  its name never resolves", Unit::Milliseconds, Goal::AtMost([50.0, 50.0])),
    line(Measure::Cpu, "% of a core, live, 1 Hz", Unit::Percent, Goal::Below([0.5, 1.0])),
    line(Measure::CpuSeconds, "  the same in seconds", Unit::Seconds, Goal::None),
    line(Measure::CpuQuiet, "  nothing changed", Unit::Percent, Goal::Below([0.5, 1.0])),
    line(Measure::Resident, "MiB of memory, resident", Unit::Mebibytes, Goal::Below([15.0 * MIB, 20.0 * MIB])),
    line(Measure::Share, "  its share (PSS)", Unit::Mebibytes, Goal::None),
    line(Measure::Server, "server: ms a second", Unit::Milliseconds, Goal::None),
];

/// What concerns pgdeck alone, or stands outside of the budgets.
const OTHERS: [Line; 14] = [
    line(Measure::FirstData, "ms to the first answer shown", Unit::Milliseconds, Goal::None),
    line(Measure::OverviewRefresh, "overview: bytes of a refresh, live", Unit::Bytes, Goal::AtMost([400.0, 1_200.0])),
    line(Measure::OverviewCpu, "overview: % of a core, live", Unit::Percent, Goal::Below([0.5, 1.0])),
    line(Measure::UnchangedPane(1), "bytes unchanged: Overview", Unit::Bytes, Goal::AtMost([0.0, 0.0])),
    line(Measure::UnchangedPane(2), "  Storage", Unit::Bytes, Goal::AtMost([0.0, 0.0])),
    line(Measure::UnchangedPane(3), "  Connections", Unit::Bytes, Goal::AtMost([0.0, 0.0])),
    line(Measure::UnchangedPane(4), "  Locks", Unit::Bytes, Goal::AtMost([0.0, 0.0])),
    line(Measure::UnchangedPane(5), "  Prepared", Unit::Bytes, Goal::AtMost([0.0, 0.0])),
    line(Measure::UnchangedPane(6), "  Logs", Unit::Bytes, Goal::AtMost([0.0, 0.0])),
    line(Measure::UnchangedPane(7), "  Messages", Unit::Bytes, Goal::AtMost([0.0, 0.0])),
    line(Measure::ManyCpu, "500 sessions, 2,000 locks: % of a core", Unit::Percent, Goal::None),
    line(Measure::ManyResident, "  MiB, resident", Unit::Mebibytes, Goal::None),
    line(Measure::ManyServer, "  server: ms a second", Unit::Milliseconds, Goal::None),
    line(Measure::CpuQuiet, "200 idle sessions: % of a core", Unit::Percent, Goal::None),
];

const LABEL: usize = 40;
const CELL: usize = 16;

/// Everything.
pub(crate) fn report(options: &Options, programs: &[Program], results: &Results) -> String {
    let mut out = String::new();
    let today = std::process::Command::new("date").arg("-I").output();
    let today = today.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let _ = writeln!(out, "\n{}, {}", options.describe(), today.unwrap_or_default());
    let _ = writeln!(
        out,
        "1 refresh a second, 200 sessions; live: 10 of them work. pgdeck: median of {}, peers: one \
         run of {} s; starts: median of 5. (N) is how many times pgdeck's number a peer's is.",
        options.runs,
        options.live_for.as_secs()
    );
    table(&mut out, programs, results, &BUDGETS);
    let own: Vec<Program> = programs.iter().filter(|program| program.knows_postgresql()).cloned().collect();
    table(&mut out, &own, results, &OTHERS);
    for program in programs {
        if let Err(reason) = &program.version {
            let _ = writeln!(out, "{} was not measured: {reason}", program.name);
        }
    }
    out
}

fn table(out: &mut String, programs: &[Program], results: &Results, lines: &[Line]) {
    let shown: Vec<&Program> = Program::present(programs).collect();
    let mut names = format!("\n{:LABEL$}{:>14}", "", "goal");
    let mut sizes = format!("{:LABEL$}{:>14}", "", "80  200");
    for program in &shown {
        let name = format!("{} {}", program.name, program.version.clone().unwrap_or_default());
        let _ = write!(names, "{name:>width$}", width = CELL * 2);
        for size in SIZES {
            let _ = write!(sizes, "{:>CELL$}", format!("{}x{}", size.0, size.1));
        }
    }
    let _ = writeln!(out, "{names}\n{sizes}");
    for line in lines {
        let mut row = format!("{:LABEL$}{:>14}", line.label, goal(line));
        for program in &shown {
            for size in 0..SIZES.len() {
                let _ = write!(row, "{:>CELL$}", cell(line, program.kind, size, results));
            }
        }
        let _ = writeln!(out, "{}", row.trim_end());
    }
}

fn goal(line: &Line) -> String {
    let both = |sign: &str, [one, other]: [f64; 2]| {
        format!("{sign}{}  {sign}{}", shown(one, line.unit), shown(other, line.unit))
    };
    match line.goal {
        Goal::None => String::new(),
        Goal::AtMost(most) => both("", most),
        Goal::Below(most) => both("<", most),
    }
}

fn cell(line: &Line, kind: Kind, size: usize, results: &Results) -> String {
    let value = match results.median(line.measure, kind, size) {
        None => return String::new(),
        Some(Err(reason)) => return reason.chars().take(CELL - 2).collect(),
        Some(Ok(value)) => value,
    };
    let text = shown(value, line.unit);
    if kind == Kind::Pgdeck {
        return match verdict(line.goal, size, value) {
            Some(true) => format!("{text} ok"),
            Some(false) => format!("{text} OVER"),
            None => text,
        };
    }
    match own(line, size, results) {
        Some(own) if own > 0.0 => format!("{text} ({:.1})", value / own),
        _ => text,
    }
}

fn own(line: &Line, size: usize, results: &Results) -> Option<f64> {
    let outcome: Option<Outcome> = results.median(line.measure, Kind::Pgdeck, size);
    outcome.and_then(Result::ok)
}

fn verdict(goal: Goal, size: usize, value: f64) -> Option<bool> {
    match goal {
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

/// To whoever waits for the numbers.
#[expect(clippy::print_stdout, reason = "this is the front of a program")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
