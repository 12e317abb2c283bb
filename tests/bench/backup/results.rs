//! What was measured.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use super::host::Took;
use super::tools::{Codec, Kind, Tool};

/// What a figure is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum What {
    /// A backup of the main cluster.
    Backup(Codec, Kind),
    /// Reading everything stored: a full and an incremental backup.
    Verify,
    /// Pushing the kept segments, each by a command of its own.
    Push(Codec),
    /// Writing and syncing as many bytes as a push with zstd has stored, by this process.
    BareWrite,
    /// Pushing a small file that is there already: mostly start-up.
    PushNothing,
    /// Starting and ending a program that does nothing.
    StartNothing,
    /// A full backup with zstd of a cluster that has grown.
    Grown(String),
}

/// One measurement.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figure {
    /// Seconds.
    pub(crate) wall: f64,
    /// Seconds of processor time.
    pub(crate) cpu: f64,
    /// Bytes of memory at the peak.
    pub(crate) peak: u64,
    /// Bytes: stored by a backup, read by a verification (before compression), files pushed.
    pub(crate) bytes: u64,
}

impl Figure {
    /// What a run took, and bytes.
    pub(crate) fn of(took: &Took, bytes: u64) -> Self {
        Self { wall: took.wall, cpu: took.cpu, peak: took.peak, bytes }
    }
}

/// The best of several measurements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Best {
    /// The least of each value, but the highest peak; bytes are the last one's.
    pub(crate) figure: Figure,
    /// The longest wall time.
    pub(crate) longest: f64,
}

/// What was measured, and of which program.
type Measured<W> = (W, Option<Tool>);

/// Everything measured, in the order it was. `W` is what figures can be about.
#[derive(Debug)]
pub(crate) struct Results<W = What> {
    all: Mutex<HashMap<Measured<W>, Vec<Figure>>>,
    failures: Mutex<Vec<String>>,
}

impl<W> Default for Results<W> {
    fn default() -> Self {
        Self { all: Mutex::default(), failures: Mutex::default() }
    }
}

impl<W: Clone + Eq + Hash> Results<W> {
    /// Notes one measurement.
    pub(crate) fn add(&self, what: W, tool: Option<Tool>, figure: Figure) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((what, tool)).or_default().push(figure);
    }

    /// Notes what could not be measured.
    pub(crate) fn fail(&self, text: String) {
        crate::say(&format!("  {text}"));
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// What could not be measured.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The best of what was measured.
    pub(crate) fn best(&self, what: &W, tool: Option<Tool>) -> Option<Best> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = all.get(&(what.clone(), tool))?;
        let least = |value: fn(&Figure) -> f64| figures.iter().map(value).reduce(f64::min);
        let figure = Figure {
            wall: least(|figure| figure.wall)?,
            cpu: least(|figure| figure.cpu)?,
            peak: figures.iter().map(|figure| figure.peak).max()?,
            bytes: figures.last()?.bytes,
        };
        let longest = figures.iter().map(|figure| figure.wall).reduce(f64::max)?;
        Some(Best { figure, longest })
    }
}

impl Results {
    /// The highest peak of a tool in backups of any kind.
    pub(crate) fn peak(&self, tool: Tool) -> Option<u64> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let of_backups = all.iter().filter(|((what, who), _)| {
            *who == Some(tool) && matches!(what, What::Backup(..) | What::Grown(_))
        });
        of_backups.flat_map(|(_, figures)| figures.iter().map(|figure| figure.peak)).max()
    }
}
