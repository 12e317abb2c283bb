//! Watching one program: its bytes, its processor time, its memory.

use std::time::{Duration, Instant};

use pgdeck_tests::pty::Screen;
use pgdeck_tests::{Console, TestInstance, proc};

use super::results::Outcome;

/// Output that comes within this time belongs to one refresh.
const BURST_GAP: Duration = Duration::from_millis(120);

/// "Device status report": where is the cursor?
const ASKS_POSITION: &[u8] = b"\x1b[6n";
const LOOKS_EVERY: Duration = Duration::from_millis(5);

/// What a program did in a stretch of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// Bytes of each burst of output.
    pub(crate) bursts: Vec<usize>,
    /// Processor time of its sessions in the server.
    pub(crate) server_seconds: f64,
}

impl Window {
    pub(crate) fn bytes(&self) -> f64 {
        number(self.bursts.iter().sum())
    }

    /// All of them refresh once a second.
    pub(crate) fn bytes_a_second(&self) -> f64 {
        self.bytes() / self.seconds
    }

    pub(crate) fn most_bytes(&self) -> f64 {
        number(self.bursts.iter().copied().max().unwrap_or(0))
    }

    pub(crate) fn cpu_percent(&self) -> f64 {
        self.cpu_seconds / self.seconds * 100.0
    }

    pub(crate) fn server_ms_a_second(&self) -> f64 {
        self.server_seconds / self.seconds * 1_000.0
    }
}

/// Watches for so long. `backends` are the program's sessions in the server.
pub(crate) fn watch(console: &Console, length: Duration, backends: &[i32]) -> Window {
    let served = || backends.iter().filter_map(|pid| proc::cpu_seconds(*pid)).sum::<f64>();
    let (began, cpu_before, server_before) =
        (Instant::now(), console.cpu_seconds_with_children(), served());
    std::thread::sleep(length);
    let (cpu_after, server_after) = (console.cpu_seconds_with_children(), served());
    Window {
        seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: cpu_after - cpu_before,
        bursts: bursts(&console.arrivals_since(began)),
        server_seconds: server_after - server_before,
    }
}

/// The server's processes that were not there before.
pub(crate) fn new_backends(instance: &TestInstance, before: &[i32]) -> Vec<i32> {
    let mut now = backends(instance);
    now.retain(|pid| !before.contains(pid));
    now
}

/// The server's processes.
pub(crate) fn backends(instance: &TestInstance) -> Vec<i32> {
    instance.postmaster_pid().map(proc::children).unwrap_or_default()
}

fn bursts(arrivals: &[(Instant, usize)]) -> Vec<usize> {
    let mut bursts: Vec<usize> = Vec::new();
    let mut last: Option<Instant> = None;
    for (at, bytes) in arrivals {
        match bursts.last_mut() {
            Some(burst) if last.is_some_and(|last| *at - last < BURST_GAP) => *burst += bytes,
            _ => bursts.push(*bytes),
        }
        last = Some(*at);
    }
    bursts
}

/// Bytes of a full repaint: what comes first after the terminal has become another one and the
/// same again, as when it is resized.
pub(crate) fn repaint(console: &Console, size: (u16, u16)) -> Outcome {
    console.resize(size.0 + 2, size.1);
    std::thread::sleep(Duration::from_millis(1_500));
    let began = Instant::now();
    console.resize(size.0, size.1);
    let came = proc::wait_for(Duration::from_secs(4), || !console.arrivals_since(began).is_empty());
    if !came {
        return Err("it does not repaint".to_owned());
    }
    std::thread::sleep(BURST_GAP * 2);
    let first = bursts(&console.arrivals_since(began)).first().copied();
    first.map(number).ok_or_else(|| "it does not repaint".to_owned())
}

/// Waits until the screen is as wanted; false after the limit. Meanwhile a program that asks the
/// terminal where its cursor is gets an answer, as from every terminal: `pg_activity` waits five
/// seconds for it, twice.
pub(crate) fn wait_until(
    console: &Console,
    limit: Duration,
    wanted: impl Fn(&Screen) -> bool,
) -> bool {
    let began = Instant::now();
    let mut answered = 0;
    loop {
        let raw = console.raw_output();
        let asked =
            raw.windows(ASKS_POSITION.len()).filter(|bytes| *bytes == ASKS_POSITION).count();
        while answered < asked && console.is_running() {
            console.send("\x1b[1;1R");
            answered += 1;
        }
        if console.look(&wanted) {
            return true;
        }
        if began.elapsed() >= limit || !console.is_running() {
            return false;
        }
        std::thread::sleep(LOOKS_EVERY);
    }
}

/// Milliseconds from `began` to the moment the screen first was as wanted.
pub(crate) fn time_to(
    console: &Console,
    began: Instant,
    limit: Duration,
    wanted: impl Fn(&Screen) -> bool,
) -> Outcome {
    if !wait_until(console, limit, &wanted) {
        let seconds = limit.as_secs();
        return Err(match console.is_running() {
            true => format!("none in {seconds} s"),
            false => "it ended".to_owned(),
        });
    }
    // The moment itself is found afterwards: polling often would take the processor from it.
    let (rows, columns) = console.look(Screen::size);
    let mut parser = vt100::Parser::new(rows, columns, 0);
    let raw = console.raw_output();
    let mut fed = 0;
    for (at, bytes) in console.arrivals_since(began) {
        parser.process(&raw[fed..fed + bytes]);
        fed += bytes;
        if wanted(parser.screen()) {
            return Ok((at - began).as_secs_f64() * 1_000.0);
        }
    }
    Err("not found again".to_owned())
}

/// Whether there is anything to read on the screen.
pub(crate) fn has_text(screen: &Screen) -> bool {
    screen.contents().chars().any(|character| !character.is_whitespace())
}

/// Ends a program as its user would.
pub(crate) fn end(console: Console) {
    if console.is_running() {
        console.send("q");
        let _ = proc::wait_for(Duration::from_secs(2), || !console.is_running());
    }
}

/// Counts of this bench are small.
pub(crate) fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
