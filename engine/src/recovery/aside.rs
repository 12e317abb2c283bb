//! The old data out of the way: moved aside within its own directories, removed, or made ready
//! to be rewritten. `global` goes first: from then on plain `pg_ctl` cannot start what is there.

use std::io;
use std::path::{Path, PathBuf};

use super::layout::{DIRECTORY, Place, PlaceKind, names_in};
use crate::api::{Error, ErrorCode, OldData, RecoveryPlan, Result};
use crate::pg::control_file::CONTROL_FILE_PATH;
use crate::sys::disk::{Disk, Entry, EntryKind};
use crate::sys::file;

pub(super) type Failed = (PathBuf, io::Error);

/// Clears every place as the plan says. Can be done again. Runs as the owner.
///
/// # Errors
/// `RestoreFailed` with the path.
pub(super) fn clear(
    disk: &Disk,
    plan: &RecoveryPlan,
    places: &[Place],
    unused: &[PathBuf],
) -> Result<()> {
    let cleared = match plan.old_data {
        OldData::Keep => places.iter().try_for_each(|place| keep(disk, place)),
        OldData::Discard => unarm(disk, &plan.directory)
            .and_then(|()| places.iter().try_for_each(|place| discard(disk, place)))
            .and_then(|()| unused.iter().try_for_each(|path| empty(disk, path))),
        OldData::Rewrite => unarm(disk, &plan.directory)
            .and_then(|()| unused.iter().try_for_each(|path| empty(disk, path))),
    };
    cleared.map_err(|(path, error)| {
        let fact = format!("the old data cannot be moved out of the way: \"{}\"", path.display());
        Error::new(ErrorCode::RestoreFailed, fact).detail(error.to_string())
    })
}

fn keep(disk: &Disk, place: &Place) -> std::result::Result<(), Failed> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |error| (path, error)
    };
    let names = place.names(disk).map_err(failed(&place.path))?;
    let kept = place.kept();
    if names.is_empty() {
        // Whoever moved them may have been killed before that was durable.
        let is_there = disk.stat(&kept).map_err(failed(&kept))?.is_some();
        return if is_there { settle(disk, place).map_err(failed(&kept)) } else { Ok(()) };
    }
    // A directory must have a durable name before anything moves into it.
    for (directory, above) in [(place.own(), &place.path), (kept.clone(), &place.own())] {
        make(disk, &directory).map_err(failed(&directory))?;
        disk.sync_directory(above).map_err(failed(above))?;
    }
    for name in names {
        let (from, to) = (place.path.join(&name), kept.join(&name));
        disk.rename(&from, &to).map_err(failed(&from))?;
        if name == "global" && place.kind == PlaceKind::Data {
            settle(disk, place).map_err(failed(&kept))?;
        }
    }
    settle(disk, place).map_err(failed(&kept))
}

/// Makes moves durable, the new names before the old are gone.
fn settle(disk: &Disk, place: &Place) -> io::Result<()> {
    disk.sync_directory(&place.kept())?;
    disk.sync_directory(&place.path)
}

/// Makes a directory unless it is there.
pub(super) fn make(disk: &Disk, path: &Path) -> io::Result<()> {
    match disk.make_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Takes the control file away, durably.
pub(super) fn unarm(disk: &Disk, data_directory: &Path) -> std::result::Result<(), Failed> {
    let control = data_directory.join(CONTROL_FILE_PATH);
    let unless_gone = |done: io::Result<()>| match done.map_err(|error| (error.kind(), error)) {
        Err((io::ErrorKind::NotFound | io::ErrorKind::NotADirectory, _)) => Ok(()),
        done => done.map_err(|(_, error)| error),
    };
    // Also when it is gone: whoever removed it may have been killed before that was durable.
    let removed = unless_gone(disk.remove_file(&control))
        .and_then(|()| unless_gone(disk.sync_directory(&data_directory.join("global"))));
    removed.map_err(|error| (control, error))
}

/// Removes the cluster's entries of a place, durably.
pub(super) fn discard(disk: &Disk, place: &Place) -> std::result::Result<(), Failed> {
    for name in place.names(disk).map_err(|error| (place.path.clone(), error))? {
        let path = place.path.join(name);
        disk.remove_tree(&path).map_err(|error| (path, error))?;
    }
    disk.sync_directory(&place.path).map_err(|error| (place.path.clone(), error))
}

/// Removes what is in a directory, durably, and the directory where that is possible: it may be a mount
/// point.
pub(super) fn empty(disk: &Disk, path: &Path) -> std::result::Result<(), Failed> {
    for name in names_in(disk, path).map_err(|error| (path.to_path_buf(), error))? {
        let below = path.join(name);
        if !below.ends_with("lost+found") && !below.ends_with(DIRECTORY) {
            disk.remove_tree(&below).map_err(|error| (below.clone(), error))?;
        }
    }
    let changed = match disk.remove_directory(path) {
        Ok(()) => path.parent().unwrap_or(path),
        Err(_) => path,
    };
    match disk.sync_directory(changed) {
        // A parent that may not be read cannot be synced; a directory may be gone already.
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound
            ) =>
        {
            Err((changed.to_path_buf(), error))
        }
        _ => Ok(()),
    }
}

/// Directories of the old data that the new places do not use: where its `pg_wal` is, and the
/// version directories of its tablespaces.
pub(super) fn unused(disk: &Disk, plan: &RecoveryPlan, places: &[Place]) -> Vec<PathBuf> {
    let version = places.iter().find_map(|place| match &place.kind {
        PlaceKind::Tablespace(version) => Some(version.clone()),
        _ => None,
    });
    let is_used = |path: &Path| {
        places.iter().any(|place| file::canonical(&place.path).is_ok_and(|own| own == path))
    };
    let mut unused = Vec::new();
    let wal = plan.directory.join("pg_wal");
    if let (Ok(Some(_)), Ok(real)) = (disk.link_target(&wal), file::canonical(&wal))
        && !is_used(&real)
    {
        unused.push(real);
    }
    let spaces = plan.directory.join("pg_tblspc");
    for Entry { name, kind } in disk.list(&spaces).unwrap_or_default() {
        let Ok(real) = file::canonical(&spaces.join(name)) else { continue };
        let Some(version) = &version else { continue };
        if kind == EntryKind::Link && !is_used(&real) && file::exists(&real.join(version)) {
            unused.push(real.join(version));
        }
    }
    unused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::layout::tests::plan;
    use std::fs;

    const VERSION: &str = "PG_15_202209061";

    fn cluster() -> (tempfile::TempDir, RecoveryPlan) {
        let root = tempfile::tempdir().unwrap();
        let plan = plan(root.path());
        for path in ["data/global", "data/base/5", "data/lost+found", "wal/archive_status"] {
            fs::create_dir_all(root.path().join(path)).unwrap();
        }
        fs::create_dir_all(root.path().join("space").join(VERSION)).unwrap();
        fs::create_dir_all(root.path().join("space/PG_14_202107181")).unwrap();
        fs::write(root.path().join("data/global/pg_control"), "old").unwrap();
        fs::write(root.path().join("data/base/5/1"), "old").unwrap();
        (root, plan)
    }

    fn names(path: &Path) -> Vec<String> {
        file::list(path, 100).unwrap()
    }

    #[test]
    fn old_data_stays_in_its_directories() {
        let (root, plan) = cluster();
        let places = Place::all(&plan, VERSION);
        for _ in 0..2 {
            clear(&Disk::real(), &plan, &places, &[]).unwrap();
            assert_eq!(names(&root.path().join("data")), ["lost+found", "pgdeck_recovery"]);
            assert_eq!(names(&places[0].kept()), ["base", "global"]);
            assert_eq!(names(&places[1].kept()), ["archive_status"]);
            assert_eq!(names(&places[2].kept()), [VERSION]);
        }
        assert!(root.path().join("space/PG_14_202107181").exists(), "another cluster's");
    }

    #[test]
    fn what_is_discarded_is_gone_and_what_is_rewritten_cannot_be_started() {
        let (root, mut plan) = cluster();
        let places = Place::all(&plan, VERSION);
        plan.old_data = OldData::Rewrite;
        clear(&Disk::real(), &plan, &places, &[]).unwrap();
        assert!(!root.path().join("data/global/pg_control").exists());
        assert!(root.path().join("data/base/5/1").exists());
        plan.old_data = OldData::Discard;
        let unused = [root.path().join("unused")];
        fs::create_dir_all(unused[0].join("lost+found")).unwrap();
        fs::write(unused[0].join("file"), "old").unwrap();
        clear(&Disk::real(), &plan, &places, &unused).unwrap();
        assert_eq!(names(&unused[0]), ["lost+found"]);
        assert_eq!(names(&root.path().join("data")), ["lost+found"]);
        assert_eq!(names(&root.path().join("space")), ["PG_14_202107181"]);
    }
}
