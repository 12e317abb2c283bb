//! What is measured over stretches of time: a lane on the quiet instance and one on the busy one.

use std::time::Duration;

use pgdeck_tests::{Console, TestInstance};

use super::options::{Options, SIZES};
use super::programs::{Kind, Program};
use super::results::{Measure, Results};
use super::setting::{MANY, SESSIONS, Setting};
use super::watch::{self, Window};

/// What happens at a start has calmed down after this.
const SETTLES: Duration = Duration::from_secs(4);
const AT_TOP: Duration = Duration::from_millis(500);
const PANE_SETTLES: Duration = Duration::from_secs(2);
const PANES: usize = 7;
/// The pane of sessions, as every peer's first screen.
const CONNECTIONS: usize = 3;

/// A program at work.
struct Running {
    console: Console,
    /// Its sessions.
    backends: Vec<i32>,
}

/// Starts a program and lets it settle; pgdeck on one of its panes.
fn run(program: &Program, size: usize, instance: &TestInstance, pane: usize) -> Running {
    let before = watch::backends(instance);
    let console = program.start(SIZES[size], instance);
    let shown = watch::wait_until(&console, Duration::from_secs(10), watch::has_text);
    if shown && program.kind == Kind::Pgdeck {
        console.send(&pane.to_string());
    }
    std::thread::sleep(SETTLES);
    if shown && program.kind == Kind::Pgdeck {
        // A list keeps its selected row in sight: one that has sunk would hide those that work.
        console.send("g");
        std::thread::sleep(AT_TOP);
    }
    let backends = watch::new_backends(instance, &before);
    Running { console, backends }
}

/// How often a program is measured: peers once, their numbers are no verdict.
fn runs(options: &Options, program: &Program) -> usize {
    if program.kind == Kind::Pgdeck { options.runs } else { 1 }
}

/// Bytes while nothing changes.
pub(crate) fn quiet(options: &Options, programs: &[Program], quiet: &Setting, results: &Results) {
    for (size, place) in SIZES.into_iter().enumerate() {
        for program in Program::present(programs) {
            for _ in 0..runs(options, program) {
                crate::say(&format!("quiet: {} at {:?}", program.name, place));
                let running = run(program, size, &quiet.instance, CONNECTIONS);
                let window = watch_unchanged(&running, options.quiet_for);
                let add = |measure, value| results.add(measure, program.kind, size, Ok(value));
                add(Measure::Unchanged, window.bytes());
                add(Measure::CpuQuiet, window.cpu_percent());
                watch::end(running.console);
            }
        }
        let pgdeck = &programs[0];
        if !options.is_brief {
            panes(options, pgdeck, size, quiet, results);
        }
    }
}

fn panes(options: &Options, pgdeck: &Program, size: usize, quiet: &Setting, results: &Results) {
    let running = run(pgdeck, size, &quiet.instance, 1);
    for pane in 1..=PANES {
        running.console.send(&pane.to_string());
        std::thread::sleep(PANE_SETTLES);
        let window = watch_unchanged(&running, options.quiet_for);
        results.add(Measure::UnchangedPane(pane), pgdeck.kind, size, Ok(window.bytes()));
    }
    watch::end(running.console);
}

/// Ages that are shown in minutes change once a minute: a stretch with such a change in it is
/// followed by one without, and that one counts. What goes on changing is still seen.
fn watch_unchanged(running: &Running, length: Duration) -> Window {
    let first = watch::watch(&running.console, length, &running.backends);
    if first.bursts.len() != 1 {
        return first;
    }
    watch::watch(&running.console, length, &running.backends)
}

/// Bytes, processor time and memory under load.
pub(crate) fn live(options: &Options, programs: &[Program], live: &Setting, results: &Results) {
    for (size, place) in SIZES.into_iter().enumerate() {
        for program in Program::present(programs) {
            for _ in 0..runs(options, program) {
                crate::say(&format!("live: {} at {:?}", program.name, place));
                let running = run(program, size, &live.instance, CONNECTIONS);
                let window = watch::watch(&running.console, options.live_for, &running.backends);
                note(program, size, &window, &running.console, results);
                let outcome = watch::repaint(&running.console, place);
                results.add(Measure::Repaint, program.kind, size, outcome);
                watch::end(running.console);
            }
        }
        let pgdeck = &programs[0];
        let running = run(pgdeck, size, &live.instance, 1);
        let window = watch::watch(&running.console, options.live_for, &running.backends);
        let add = |measure, value| results.add(measure, pgdeck.kind, size, Ok(value));
        add(Measure::OverviewRefresh, window.bytes_a_second());
        add(Measure::OverviewCpu, window.cpu_percent());
        watch::end(running.console);
    }
}

fn note(program: &Program, size: usize, window: &Window, console: &Console, results: &Results) {
    let bytes = |bytes: u64| u32::try_from(bytes >> 10).map_or(f64::MAX, f64::from) * 1_024.0;
    let add = |measure, value| results.add(measure, program.kind, size, Ok(value));
    add(Measure::Refresh, window.bytes_a_second());
    add(Measure::RefreshMost, window.most_bytes());
    add(Measure::Cpu, window.cpu_percent());
    add(Measure::CpuSeconds, window.cpu_seconds);
    add(Measure::Resident, bytes(console.rss_bytes()));
    add(Measure::Share, bytes(console.pss_bytes()));
    if program.knows_postgresql() {
        add(Measure::Server, window.server_ms_a_second());
    }
}

/// Five hundred sessions, two thousand locks, twenty sessions waiting for one another.
pub(crate) fn many(options: &Options, programs: &[Program], mut quiet: Setting, results: &Results) {
    quiet.add_idle(MANY - SESSIONS);
    quiet.add_locks();
    for program in Program::present(programs).filter(|program| program.knows_postgresql()) {
        for (size, place) in SIZES.into_iter().enumerate() {
            crate::say(&format!("many: {} at {:?}", program.name, place));
            let running = run(program, size, &quiet.instance, CONNECTIONS);
            let window = watch::watch(&running.console, options.live_for, &running.backends);
            let add = |measure, value| results.add(measure, program.kind, size, Ok(value));
            add(Measure::ManyCpu, window.cpu_percent());
            add(Measure::ManyServer, window.server_ms_a_second());
            let resident = u32::try_from(running.console.rss_bytes() >> 10).unwrap_or(u32::MAX);
            add(Measure::ManyResident, f64::from(resident) * 1_024.0);
            watch::end(running.console);
        }
    }
}
