//! What a recovery has done so far, as it stands in `pgdeck_recovery/state.json`.
//!
//! Written durably before each phase, so that whoever comes after a kill knows what the files
//! in the data directory are.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{self, DIRECTORY, STATE_FILE};
use crate::api::{Error, ErrorCode, RecoveryPhase, RecoveryRequest, RecoveryState, Result};
use crate::backup::document;
use crate::sys::disk::Disk;

/// The format this pgdeck writes; a higher one is not read.
const FORMAT: u32 = 1;
/// Bytes of a state at most: a plan lists runs of segments.
const BYTES_MAX: u64 = 64 << 20;

/// How far the old data was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoPhase {
    /// What was restored is being removed; everything old is in `kept`.
    Removing,
    /// Nothing restored is left; what is in `kept` is being put back.
    Returning,
}

/// A setting that the recovery has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnSetting {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The state with what only the engine needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateDocument {
    /// Version of the format.
    pub format: u32,
    /// As front ends see it.
    #[serde(flatten)]
    pub state: RecoveryState,
    /// What was asked.
    pub request: RecoveryRequest,
    /// Of the plan.
    pub fingerprint: u32,
    /// The directory of this version in a tablespace.
    pub version_directory: String,
    /// Whether the old WAL that is nowhere else is in `wal`.
    pub is_rescued: bool,
    /// Whether another directory than the instance's own is made: it archives nothing.
    pub is_copy: bool,
    /// How far the old data was put back, in [`RecoveryPhase::Undoing`].
    pub undo: Option<UndoPhase>,
    /// Settings between the marks in `postgresql.auto.conf`.
    pub settings: Vec<OwnSetting>,
    /// Where the configuration files are that its server is started with, when outside of the
    /// data directory.
    #[serde(default)]
    pub config_directory: Option<PathBuf>,
    /// Directories of the old data that nothing else uses now: its other `pg_wal`, and the
    /// version directories of its tablespaces.
    pub unused: Vec<PathBuf>,
}

impl StateDocument {
    /// The first state of a recovery.
    #[must_use]
    pub fn new(
        state: RecoveryState,
        request: RecoveryRequest,
        fingerprint: u32,
        version_directory: String,
        is_copy: bool,
    ) -> Self {
        Self {
            format: FORMAT,
            state,
            request,
            fingerprint,
            version_directory,
            is_rescued: false,
            is_copy,
            undo: None,
            settings: Vec::new(),
            config_directory: None,
            unused: Vec::new(),
        }
    }

    /// Whether this is what is asked. Threads and what happens at the target may be others.
    #[must_use]
    pub fn is_of(&self, request: &RecoveryRequest) -> bool {
        let same = RecoveryRequest {
            jobs: self.request.jobs,
            action: self.request.action,
            ..request.clone()
        };
        same == self.request
    }

    /// Whether old data is kept that can be put back.
    #[must_use]
    pub fn keeps_old_data(&self) -> bool {
        self.state.kept_bytes.is_some()
    }

    /// Makes a change and writes it down durably.
    ///
    /// # Errors
    /// `RestoreFailed` when it cannot be written; then the change is not made here, either.
    pub fn update(&mut self, disk: &Disk, change: impl FnOnce(&mut Self)) -> Result<()> {
        let mut changed = self.clone();
        change(&mut changed);
        store(disk, &changed)?;
        *self = changed;
        Ok(())
    }

    /// Writes down that a phase begins.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn enter(&mut self, disk: &Disk, phase: RecoveryPhase) -> Result<()> {
        self.update(disk, |document| document.state.phase = phase)
    }
}

/// The state of a data directory; `None` when there is no recovery.
///
/// # Errors
/// `FileAccess` when it cannot be read or makes no sense.
pub fn load(disk: &Disk, data_directory: &Path) -> Result<Option<StateDocument>> {
    let path = data_directory.join(DIRECTORY).join(STATE_FILE);
    let bytes = match disk.read(&path, BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(&path, &error.to_string())),
    };
    let document: StateDocument =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(&path, &error.to_string()))?;
    if document.format > FORMAT {
        let text = format!("its format is {}; this pgdeck knows {FORMAT}", document.format);
        return Err(unreadable(&path, &text));
    }
    Ok(Some(document))
}

fn unreadable(path: &Path, what: &str) -> Error {
    let fact = format!("the state of the recovery in \"{}\" cannot be read", path.display());
    Error::new(ErrorCode::FileAccess, fact).detail(what).hint(
        "The old data is in pgdeck_recovery/kept; docs/FORMATS.md tells how to put it back by hand.",
    )
}

/// Writes the state down durably.
///
/// # Errors
/// `RestoreFailed`.
pub fn store(disk: &Disk, document: &StateDocument) -> Result<()> {
    let directory = document.state.plan.directory.join(DIRECTORY);
    let text = document::to_text(document);
    document::store(disk, &directory, STATE_FILE, &text).map_err(|error| {
        let path = directory.join(STATE_FILE);
        let fact = format!("\"{}\" cannot be written", path.display());
        Error::new(ErrorCode::RestoreFailed, fact).detail(error.to_string())
    })
}

/// Removes the state: the recovery is over. What is left in the directory stays.
///
/// # Errors
/// As removing files; that it is not there is none.
pub fn remove(disk: &Disk, data_directory: &Path) -> io::Result<()> {
    let own = data_directory.join(layout::DIRECTORY);
    match disk.remove_file(&own.join(STATE_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => disk.sync_directory(&own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::layout::tests::plan;

    fn document(root: &Path) -> StateDocument {
        let state = RecoveryState {
            started_at: chrono::DateTime::UNIX_EPOCH,
            phase: RecoveryPhase::MovingAside,
            plan: plan(root),
            kept_bytes: None,
            restore_seconds: Some(0.25),
            replay_seconds: None,
        };
        StateDocument::new(state, RecoveryRequest::default(), 7, "PG_15_202209061".into(), false)
    }

    #[test]
    fn a_state_comes_back() {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::real();
        let data = root.path().join("data");
        assert_eq!(load(&disk, &data).unwrap(), None);
        std::fs::create_dir_all(data.join(DIRECTORY)).unwrap();
        assert_eq!(load(&disk, &data).unwrap(), None);
        let mut document = document(root.path());
        store(&disk, &document).unwrap();
        document.enter(&disk, RecoveryPhase::Restoring).unwrap();
        document.update(&disk, |one| one.undo = Some(UndoPhase::Removing)).unwrap();
        assert_eq!(load(&disk, &data).unwrap(), Some(document));
        remove(&disk, &data).unwrap();
        remove(&disk, &data).unwrap();
        assert_eq!(load(&disk, &data).unwrap(), None);
    }

    #[test]
    fn what_makes_no_sense_is_no_absence() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("data").join(DIRECTORY);
        std::fs::create_dir_all(&own).unwrap();
        for text in ["", "{}", "{\"format\": 2}"] {
            std::fs::write(own.join(STATE_FILE), text).unwrap();
            let error = load(&Disk::real(), &root.path().join("data")).unwrap_err();
            assert_eq!(error.code, ErrorCode::FileAccess, "{text}");
        }
    }
}
