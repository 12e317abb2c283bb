//! Looking ahead: a process beside the server fetches the segments that it will ask for next.
//!
//! `restore_command` starts it and does not wait for it: while the server replays one segment,
//! the next ones are decompressed, checked, written and synced on another core. It reads from
//! the spool which segment was asked for last and keeps the ones behind it ready. Whatever goes
//! wrong here is found again, and told, when the server asks.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::api::{Result, WalGet};
use crate::pg::wal::{SegmentName, SegmentSize, WalFileName};
use crate::sys::companion::{self, Leader};
use crate::sys::disk::Disk;
use crate::sys::lock::Attempt;

use super::archive::Archive;
use super::get::{self, Asked};
use super::spool::Spool;

/// More ready segments would only take space from the server.
const AHEAD_MAX: u32 = 16;
/// Segments fetched at once: one waits for the disk while the other is decompressed.
const AT_ONCE: usize = 2;
/// A server that asks for nothing as long as this is paused; it starts another one.
const IDLE_MAX: Duration = Duration::from_secs(60);
const LOOK_FIRST: Duration = Duration::from_millis(2);
const LOOK_LAST: Duration = Duration::from_millis(100);

/// Notes what the server asks for, and sees to it that somebody fetches what comes next.
pub(super) fn see_to_it(spool: &Spool<'_>, request: &WalGet, asked: &Asked, segment: SegmentName) {
    let Some(program) = &request.program else { return };
    let next = following(segment, asked.expected.segment_size, 1);
    let is_there = next.first().is_some_and(|next| {
        !request.is_behind_plan(&next.to_string()) && is_archived(&asked.archive, *next)
    });
    if !is_there && !spool.is_there() {
        return;
    }
    // Whoever has the lock fetches. Taken here, it is free again for the one that is started.
    let is_free = matches!(spool.lock(), Ok(Attempt::Held(_)));
    spool.note_asked(segment);
    if is_there && is_free {
        // Without it everything is fetched when it is asked for.
        let _ = companion::start(program, &arguments(request, asked, segment));
    }
}

/// The command line of the process that fetches.
fn arguments(request: &WalGet, asked: &Asked, segment: SegmentName) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["wal-ahead".into(), segment.to_string().into()];
    let mut add = |option: &str, value: &Path| words.extend([option.into(), value.into()]);
    add("-B", asked.archive.destination());
    if let Some(directory) = &request.data_directory {
        add("-D", directory);
    }
    if let Some(until) = &request.until {
        add("--until", Path::new(until));
    }
    add("--prefetch", Path::new(&request.prefetch.to_string()));
    words.insert(2, request.target.clone().into());
    words
}

/// Keeps segments ready until the server has ended, or the archive has.
///
/// # Errors
/// As opening the archive.
pub fn run(disk: &Disk, request: &WalGet) -> Result<()> {
    let asked = Asked::of(disk, request)?;
    let spool = asked.spool(disk, request);
    // Another one is at work, or there can be none.
    let Ok(Attempt::Held(_lock)) = spool.lock() else { return Ok(()) };
    let leader = Leader::of_this_process();
    let mut fetcher = Fetcher { spool: &spool, request, asked: &asked, failed: BTreeSet::new() };
    let mut quiet = Quiet::new();
    while let Some(last) = spool.last_asked() {
        if leader.is_gone() {
            spool.forget_all();
            break;
        }
        match fetcher.step(last) {
            Found::End => break,
            Found::Work => quiet.interrupt(),
            Found::Nothing => {
                if !quiet.wait(last) {
                    break;
                }
            }
        }
    }
    Ok(())
}

enum Found {
    /// Segments to fetch; they were.
    Work,
    /// As many as wanted are ready.
    Nothing,
    /// The archive ends at what the server asks for.
    End,
}

struct Fetcher<'a> {
    spool: &'a Spool<'a>,
    request: &'a WalGet,
    asked: &'a Asked,
    /// What could not be fetched is not tried again.
    failed: BTreeSet<SegmentName>,
}

impl Fetcher<'_> {
    fn step(&mut self, last: SegmentName) -> Found {
        let count = self.request.prefetch.min(AHEAD_MAX);
        let next = following(last, self.asked.expected.segment_size, count);
        let next = next.into_iter().filter(|next| {
            !self.request.is_behind_plan(&next.to_string()) && !self.failed.contains(next)
        });
        let (ready, missing): (Vec<_>, Vec<_>) = next.partition(|next| self.spool.holds(*next));
        let missing: Vec<_> = missing
            .into_iter()
            .filter(|next| is_archived(&self.asked.archive, *next))
            .take(AT_ONCE)
            .collect();
        if missing.is_empty() {
            return if ready.is_empty() { Found::End } else { Found::Nothing };
        }
        let failed = std::thread::scope(|scope| {
            let threads: Vec<_> =
                missing.iter().map(|next| scope.spawn(|| self.fetch(*next).err())).collect();
            let outcomes = threads.into_iter().map(|thread| thread.join().unwrap_or(None));
            missing
                .iter()
                .zip(outcomes)
                .filter_map(|(next, error)| error.map(|_| *next))
                .collect::<Vec<_>>()
        });
        self.failed.extend(failed);
        Found::Work
    }

    fn fetch(&self, segment: SegmentName) -> std::io::Result<()> {
        let Asked { archive, expected, .. } = self.asked;
        self.spool.put(segment, || {
            let fetched = get::fetch(archive, WalFileName::Segment(segment), expected).ok()?;
            // The end of a timeline is not what the name says, and not taken for it.
            (fetched.0.name == WalFileName::Segment(segment)).then_some(fetched.1)
        })
    }
}

/// Waiting for the server to ask for more.
struct Quiet {
    since: Instant,
    pause: Duration,
    last: Option<SegmentName>,
}

impl Quiet {
    fn new() -> Self {
        Self { since: Instant::now(), pause: LOOK_FIRST, last: None }
    }

    fn interrupt(&mut self) {
        *self = Self::new();
    }

    /// Waits a while, longer each time; `false` when it has been quiet for too long.
    fn wait(&mut self, last: SegmentName) -> bool {
        if self.last.replace(last) != Some(last) {
            (self.since, self.pause) = (Instant::now(), LOOK_FIRST);
        }
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(LOOK_LAST);
        self.since.elapsed() < IDLE_MAX
    }
}

fn is_archived(archive: &Archive, segment: SegmentName) -> bool {
    archive.find(WalFileName::Segment(segment)).is_ok_and(|found| !found.is_empty())
}

/// The segments behind one, on its timeline.
fn following(segment: SegmentName, size: Option<SegmentSize>, count: u32) -> Vec<SegmentName> {
    let Some((size, number)) = size.and_then(|size| Some((size, segment.number(size)?))) else {
        return Vec::new();
    };
    (1..=u64::from(count))
        .filter_map(|step| SegmentName::new(segment.timeline(), number.checked_add(step)?, size))
        .collect()
}
