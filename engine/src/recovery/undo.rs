//! Putting the old data back, and removing it for good.
//!
//! What was restored is removed first, its control file before anything else; then the old
//! entries go back, `global` of the data directory last. Between the two stands a note in the
//! state, so that whoever comes after a kill never takes old data for restored data.

use super::aside::{self, Failed};
use super::layout::{Place, PlaceKind, names_in};
use super::rescue;
use super::state::{self, StateDocument, UndoPhase};
use crate::api::{Error, ErrorCode, OldData, RecoveryPhase, Result};
use crate::sys::disk::Disk;

/// Whether a recovery can be undone.
///
/// # Errors
/// `RecoveryNone` when nothing is kept.
pub(super) fn possible(document: &StateDocument) -> Result<()> {
    let plan = &document.state.plan;
    let is_untouched = document.state.phase == RecoveryPhase::MovingAside && !document.is_rescued;
    let is_gone = match plan.old_data {
        OldData::Keep => {
            // While it is removed for good nothing of it can be trusted.
            let is_over =
                matches!(document.state.phase, RecoveryPhase::Promoted | RecoveryPhase::Standby);
            is_over && !document.keeps_old_data()
        }
        OldData::Discard | OldData::Rewrite => !is_untouched,
    };
    if !is_gone {
        return Ok(());
    }
    let fact = format!("no old data of \"{}\" is kept", plan.directory.display());
    let detail = match plan.old_data {
        OldData::Keep => "it was removed",
        OldData::Discard => "the recovery was told to remove it",
        OldData::Rewrite => "the recovery was told to rewrite it",
    };
    Err(Error::new(ErrorCode::RecoveryNone, fact)
        .detail(detail)
        .hint("Run the recovery again, or recover to another target."))
}

/// Puts the old data back. The server must not run. Can be done again. Runs as the owner.
///
/// # Errors
/// `RecoveryNone`, `RestoreFailed` with the path.
pub(super) fn run(disk: &Disk, document: &mut StateDocument) -> Result<()> {
    possible(document)?;
    let places = Place::all(&document.state.plan, &document.version_directory);
    let phase = match (document.state.phase, document.undo) {
        (RecoveryPhase::Undoing, Some(phase)) => phase,
        // Nothing was restored yet: what is not in `kept` is old, too.
        (RecoveryPhase::MovingAside, _) => begin(disk, document, UndoPhase::Returning)?,
        _ => begin(disk, document, UndoPhase::Removing)?,
    };
    if phase == UndoPhase::Removing {
        remove_restored(disk, &places).map_err(|failed| error("removed", failed))?;
        begin(disk, document, UndoPhase::Returning)?;
    }
    give_back(disk, &places).map_err(|failed| error("put back", failed))?;
    tidy(disk, &places).map_err(|failed| error("removed", failed))
}

fn begin(disk: &Disk, document: &mut StateDocument, phase: UndoPhase) -> Result<UndoPhase> {
    document.update(disk, |document| {
        document.state.phase = RecoveryPhase::Undoing;
        document.undo = Some(phase);
    })?;
    Ok(phase)
}

fn error(what: &str, (path, error): Failed) -> Error {
    let fact = format!("\"{}\" cannot be {what}", path.display());
    Error::new(ErrorCode::RestoreFailed, fact)
        .detail(error.to_string())
        .hint("Remove the cause and undo again: it goes on from there.")
}

fn remove_restored(disk: &Disk, places: &[Place]) -> std::result::Result<(), Failed> {
    if let Some(data) = places.first() {
        aside::unarm(disk, &data.path)?;
    }
    for place in places {
        aside::discard(disk, place)?;
    }
    Ok(())
}

/// Everything but `global` first, in all places; then `global`.
fn give_back(disk: &Disk, places: &[Place]) -> std::result::Result<(), Failed> {
    let is_last = |place: &Place, name: &str| place.kind == PlaceKind::Data && name == "global";
    for place in places {
        give_back_of(disk, place, |name| !is_last(place, name))?;
    }
    for place in places.iter().filter(|place| place.kind == PlaceKind::Data) {
        give_back_of(disk, place, |name| is_last(place, name))?;
    }
    Ok(())
}

fn give_back_of(
    disk: &Disk,
    place: &Place,
    is_meant: impl Fn(&str) -> bool,
) -> std::result::Result<(), Failed> {
    let kept = place.kept();
    let names = names_in(disk, &kept).map_err(|error| (kept.clone(), error))?;
    for name in names.into_iter().filter(|name| is_meant(name)) {
        let from = kept.join(&name);
        disk.rename(&from, &place.path.join(&name)).map_err(|error| (from, error))?;
    }
    // Also when nothing is left: whoever moved it may have been killed before this.
    disk.sync_directory(&place.path).map_err(|error| (place.path.clone(), error))
}

/// Removes what the recovery kept, the state last but for its directory.
fn tidy(disk: &Disk, places: &[Place]) -> std::result::Result<(), Failed> {
    remove_others(disk, places)?;
    let Some(data) = places.first() else { return Ok(()) };
    // Gone for certain with the state: without it nobody knows what they are.
    disk.remove_tree(&data.kept())
        .and_then(|()| disk.remove_tree(&rescue::directory(&data.path)))
        .and_then(|()| state::remove(disk, &data.path))
        .and_then(|()| disk.remove_tree(&data.own()))
        .and_then(|()| disk.sync_directory(&data.path))
        .map_err(|error| (data.own(), error))
}

/// Removes what the recovery has in the places outside of the data directory, durably: without
/// its state nobody knows what that was.
pub(super) fn remove_others(disk: &Disk, places: &[Place]) -> std::result::Result<(), Failed> {
    for place in places.iter().skip(1) {
        let removed = disk.remove_tree(&place.own());
        removed
            .and_then(|()| disk.sync_directory(&place.path))
            .map_err(|error| (place.own(), error))?;
    }
    Ok(())
}

/// Removes the old data for good. Can be done again. Runs as the owner.
///
/// # Errors
/// `RecoveryUnfinished` before the recovery is done, `RestoreFailed` with the path.
pub(super) fn discard_kept(disk: &Disk, document: &mut StateDocument) -> Result<()> {
    let plan = document.state.plan.clone();
    if !matches!(document.state.phase, RecoveryPhase::Promoted | RecoveryPhase::Standby) {
        let fact = format!("the recovery of \"{}\" is not done", plan.directory.display());
        return Err(Error::new(ErrorCode::RecoveryUnfinished, fact)
            .detail(format!("it is {}", document.state.phase.words()))
            .hint("Promote it first; until then the old data is the way back."));
    }
    // From here on it cannot be put back, whatever happens.
    document.update(disk, |document| document.state.kept_bytes = None)?;
    let places = Place::all(&plan, &document.version_directory);
    for path in &document.unused {
        aside::empty(disk, path).map_err(|failed| error("removed", failed))?;
    }
    for place in places.iter().rev() {
        let kept = place.kept();
        disk.remove_tree(&kept).map_err(|failed| error("removed", (kept.clone(), failed)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{RecoveryRequest, RecoveryState};
    use crate::recovery::layout::DIRECTORY;
    use crate::recovery::layout::tests::plan;
    use std::fs;
    use std::path::Path;

    const VERSION: &str = "PG_15_202209061";

    fn document(root: &Path) -> StateDocument {
        let state = RecoveryState {
            started_at: chrono::DateTime::UNIX_EPOCH,
            phase: RecoveryPhase::MovingAside,
            plan: plan(root),
            kept_bytes: Some(1),
            restore_seconds: None,
            replay_seconds: None,
        };
        StateDocument::new(state, RecoveryRequest::default(), 7, VERSION.into(), false)
    }

    fn cluster(root: &Path, what: &str) {
        for path in ["data/global", "data/base", "wal", &format!("space/{VERSION}")] {
            fs::create_dir_all(root.join(path)).unwrap();
            fs::write(root.join(path).join("file"), what).unwrap();
        }
        fs::write(root.join("data/global/pg_control"), what).unwrap();
    }

    /// What is in the cluster, and that nothing of the recovery is left.
    fn assert_is(root: &Path, what: &str) {
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        for path in ["data/global/file", "data/base/file", "wal/file", "data/global/pg_control"] {
            assert_eq!(read(path), what, "{path}");
        }
        assert_eq!(read(&format!("space/{VERSION}/file")), what);
        for path in ["data", "wal", "space"] {
            assert!(!root.join(path).join(DIRECTORY).exists(), "{path}");
        }
    }

    /// Every operation fails once, on the way there and back; then it is done again.
    #[cfg(debug_assertions)]
    #[test]
    fn the_old_data_comes_back_whatever_fails() {
        use crate::sys::faults::{Fault, Plan, Spell};
        let mut failures = 0;
        for number in 1.. {
            let root = tempfile::tempdir().unwrap();
            cluster(root.path(), "old");
            let mut document = document(root.path());
            let places = Place::all(&document.state.plan, VERSION);
            let faults = Plan::new(number, Fault::Eio, Spell::Once);
            let disk = Disk::with_plan(faults.clone());
            fs::create_dir(places[0].own()).unwrap();
            state::store(&Disk::real(), &document).unwrap();
            let cleared = aside::clear(&disk, &document.state.plan, &places, &[]);
            if cleared.is_ok() && document.enter(&disk, RecoveryPhase::Restoring).is_ok() {
                cluster(root.path(), "new");
            }
            let startable = root.path().join("data/global/pg_control");
            let undone = run(&disk, &mut document);
            if undone.is_err() {
                failures += 1;
                // Whoever comes next knows only what stands in the state.
                let control = fs::read_to_string(&startable).unwrap_or_else(|_| "gone".into());
                let known = state::load(&Disk::real(), &root.path().join("data")).unwrap();
                match known {
                    Some(mut document) => run(&Disk::real(), &mut document).unwrap(),
                    None => assert_eq!(control, "old"),
                }
            }
            if state::load(&Disk::real(), &root.path().join("data")).unwrap().is_none() {
                let _ = fs::remove_dir_all(places[0].own());
            }
            assert_is(root.path(), "old");
            if !faults.has_struck() {
                break;
            }
        }
        assert!(failures > 20, "{failures}");
    }

    /// The power is cut before every sync, on the way there and back; then it is done again.
    #[cfg(debug_assertions)]
    #[test]
    fn the_old_data_comes_back_after_every_power_cut() {
        use crate::sys::faults::{Fault, Loss, Plan, Spell};
        for loss in std::iter::once(Loss::Everything).chain((0..6).map(Loss::Part)) {
            for number in 1.. {
                let faults = Plan::new(number, Fault::Power(loss), Spell::FromThenOn);
                there_and_back(&faults, &format!("{loss:?}, {number}"));
                if !faults.has_struck() {
                    assert!(number > 20, "{number}");
                    break;
                }
            }
        }
    }

    #[cfg(debug_assertions)]
    fn there_and_back(faults: &crate::sys::faults::Plan, round: &str) {
        let root = tempfile::tempdir().unwrap();
        cluster(root.path(), "old");
        let mut document = document(root.path());
        let places = Place::all(&document.state.plan, VERSION);
        let disk = Disk::with_plan(faults.clone());
        fs::create_dir(places[0].own()).unwrap();
        state::store(&Disk::real(), &document).unwrap();
        let is_cleared = aside::clear(&disk, &document.state.plan, &places, &[]).is_ok();
        if is_cleared && document.enter(&disk, RecoveryPhase::Restoring).is_ok() {
            cluster(root.path(), "new");
            let _ = run(&disk, &mut document);
            faults.lose().unwrap();
        }
        if let Ok(control) = fs::read_to_string(root.path().join("data/global/pg_control")) {
            assert!(is_whole(root.path(), &control), "{round}: a half of it can be started");
        }
        if let Some(mut known) = state::load(&Disk::real(), &root.path().join("data")).unwrap() {
            run(&Disk::real(), &mut known).unwrap_or_else(|error| panic!("{round}: {error}"));
        }
        let _ = fs::remove_dir_all(places[0].own());
        assert!(is_whole(root.path(), "old"), "{round}");
        assert_is(root.path(), "old");
    }

    /// Whether every file is there, with this content.
    #[cfg(debug_assertions)]
    fn is_whole(root: &Path, what: &str) -> bool {
        let files = ["data/global/file", "data/base/file", "wal/file"].map(str::to_owned);
        let files = files.into_iter().chain([format!("space/{VERSION}/file")]);
        files.into_iter().all(|path| fs::read_to_string(root.join(path)).is_ok_and(|it| it == what))
    }

    #[test]
    fn what_was_removed_cannot_be_undone() {
        let root = tempfile::tempdir().unwrap();
        let mut document = document(root.path());
        fs::create_dir_all(root.path().join("data").join(DIRECTORY)).unwrap();
        document.state.phase = RecoveryPhase::Paused;
        let error = discard_kept(&Disk::real(), &mut document).unwrap_err();
        assert_eq!(error.code, ErrorCode::RecoveryUnfinished);
        document.state.phase = RecoveryPhase::Promoted;
        discard_kept(&Disk::real(), &mut document).unwrap();
        assert_eq!(possible(&document).unwrap_err().code, ErrorCode::RecoveryNone);
        document.state.phase = RecoveryPhase::Paused;
        document.state.plan.old_data = OldData::Rewrite;
        assert!(possible(&document).is_err());
    }
}
