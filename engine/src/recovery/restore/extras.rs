//! What is in the places of a cluster and not in the backup: removed, so that the result is the
//! backup and nothing else.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::backup::filelist::FileList;
use crate::recovery::layout::{Place, PlaceKind, Placement};
use crate::sys::disk::{Disk, EntryKind};

type Failed = (PathBuf, io::Error);

/// Removes everything that the list does not have; how many names.
pub(super) fn remove(
    disk: &Disk,
    places: &[Place],
    list: &FileList,
    placement: &Placement,
) -> Result<u64, Failed> {
    let known: HashSet<PathBuf> =
        list.entries.iter().map(|entry| placement.path(&entry.path)).collect();
    let mut removed = 0;
    for place in places {
        for name in place.names(disk).map_err(|error| (place.path.clone(), error))? {
            let path = place.path.join(name);
            removed += sweep(disk, &path, &known, place)?;
        }
    }
    Ok(removed)
}

fn sweep(disk: &Disk, path: &Path, known: &HashSet<PathBuf>, place: &Place) -> Result<u64, Failed> {
    let failed = |error| (path.to_path_buf(), error);
    // Links of the cluster were made a moment ago: pg_wal, tablespaces.
    if disk.link_target(path).map_err(failed)?.is_some() {
        let is_own = place.kind == PlaceKind::Data
            && (path.ends_with("pg_wal")
                || path.parent().is_some_and(|up| up.ends_with("pg_tblspc")));
        if is_own {
            return Ok(0);
        }
        return disk.remove_file(path).map(|()| 1).map_err(failed);
    }
    if !known.contains(path) {
        return disk.remove_tree(path).map(|()| 1).map_err(failed);
    }
    if !disk.stat(path).map_err(failed)?.is_some_and(|stat| stat.is_directory) {
        return Ok(0);
    }
    let mut removed = 0;
    for entry in disk.list(path).map_err(failed)? {
        let below = path.join(&entry.name);
        removed += match entry.kind {
            EntryKind::File if known.contains(&below) => 0,
            _ => sweep(disk, &below, known, place)?,
        };
    }
    Ok(removed)
}
