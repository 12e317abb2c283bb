//! What was measured, by whom and on which terminal.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::programs::Kind;

/// Names of what is measured: the rows of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Measure {
    /// Bytes while nothing changes.
    Unchanged,
    /// The same on one pane, by its number.
    UnchangedPane(usize),
    /// Bytes of a refresh under load: the mean.
    Refresh,
    /// The largest of them.
    RefreshMost,
    /// Bytes of a repaint.
    Repaint,
    /// Milliseconds to the first text.
    FirstFrame,
    /// The same, the program's file not in the page cache.
    FirstFrameCold,
    /// The same, on a server that never answers.
    FirstFrameSilent,
    /// The same, on a name that never resolves.
    FirstFrameNames,
    /// Milliseconds to the server's first answer on the screen.
    FirstData,
    /// Processor time in percent of a core, under load.
    Cpu,
    /// The same in seconds.
    CpuSeconds,
    /// Processor time in percent of a core while nothing changes.
    CpuQuiet,
    /// Resident memory in bytes.
    Resident,
    /// Share of memory in bytes.
    Share,
    /// Milliseconds a second its sessions keep the server busy.
    Server,
    /// Bytes of a refresh of the overview under load.
    OverviewRefresh,
    /// Processor time of the overview in percent.
    OverviewCpu,
    /// Processor time with five hundred sessions and two thousand locks, in percent.
    ManyCpu,
    /// Milliseconds a second that keeps the server busy.
    ManyServer,
    /// Resident memory then.
    ManyResident,
}

/// A number, or why there is none.
pub(crate) type Outcome = Result<f64, String>;

type Key = (Measure, Kind, usize);

/// Everything measured, shared by the lanes.
#[derive(Debug, Default)]
pub(crate) struct Results {
    all: Mutex<HashMap<Key, Vec<Outcome>>>,
}

impl Results {
    /// Notes one outcome. `size` is the place of the terminal's size in `SIZES`.
    pub(crate) fn add(&self, measure: Measure, kind: Kind, size: usize, outcome: Outcome) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((measure, kind, size)).or_default().push(outcome);
    }

    /// The median of what was measured; the first reason when nothing was.
    pub(crate) fn median(&self, measure: Measure, kind: Kind, size: usize) -> Option<Outcome> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let outcomes = all.get(&(measure, kind, size))?;
        let mut values: Vec<f64> = outcomes.iter().filter_map(|one| one.clone().ok()).collect();
        if values.is_empty() {
            return outcomes.first().cloned();
        }
        values.sort_by(f64::total_cmp);
        Some(Ok(values[values.len() / 2]))
    }
}
