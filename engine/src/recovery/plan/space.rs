//! Room: what each file system must have, and has.

use std::path::{Path, PathBuf};

use super::super::facts::is_rescued;
use super::super::site::RecoverySite;
use super::place::{FILES_MAX, Place};
use super::{Chosen, Known};
use crate::api::{Error, ErrorCode, OldData, RecoveryRequest, Result, SpaceNeed, bytes};
use crate::backup::chain;
use crate::sys::{device, file};

/// Free bytes that must be left on each file system.
const RESERVE_BYTES: u64 = 64 << 20;
/// WAL that a server in recovery keeps, unless less is replayed (`max_wal_size`).
const WAL_KEPT_BYTES: u64 = 1 << 30;

/// Adds up by file system.
///
/// # Errors
/// `RecoveryPlace` when a file system cannot be asked; as reading the backup's list.
pub(super) fn needs(
    site: &RecoverySite,
    known: &Known,
    request: &RecoveryRequest,
    chosen: &Chosen<'_>,
    place: &Place,
) -> Result<Vec<SpaceNeed>> {
    let mut tally = Tally::default();
    let replayed = chosen.stop.reached.bytes_since(chosen.start);
    let spaces = tablespace_bytes(site, chosen, place)?;
    let outside: u64 = spaces.iter().map(|(_, bytes)| bytes).sum();
    let inside = chosen.backup.sizes.cluster_bytes.saturating_sub(outside);
    // How much replay makes relations grow is not known; a recovery that would fit must not be
    // refused for it.
    let growth = (replayed / 4).min(inside / 4);
    tally.need(&place.directory, inside.saturating_add(growth))?;
    for (directory, bytes) in &spaces {
        tally.need(directory, *bytes)?;
    }
    let segment = u64::from(known.sources.size.bytes());
    let rescued = chosen.legs.iter().filter(|leg| is_rescued(&leg.found)).count() as u64;
    tally.need(&place.directory, rescued.saturating_mul(segment))?;
    let wal = place.wal_directory.as_ref().unwrap_or(&place.directory);
    tally.need(wal, replayed.min(WAL_KEPT_BYTES).saturating_add(2 * segment))?;
    if request.to.is_none() && request.old_data != OldData::Keep {
        let old = &known.old;
        tally.free(&old.directory)?;
        for (_, directory) in &old.tablespaces {
            tally.free(directory)?;
        }
        if let Some(directory) = &old.wal_link {
            tally.free(directory)?;
        }
    }
    Ok(tally.needs.into_iter().map(|(_, need)| need).collect())
}

/// Refuses when something does not fit.
///
/// # Errors
/// `RecoveryNoSpace` with the figures.
pub(super) fn check(needs: &[SpaceNeed]) -> Result<()> {
    for need in needs {
        if need.needed_bytes > need.free_bytes {
            let fact = format!("the recovery does not fit into \"{}\"", need.path.display());
            return Err(Error::new(ErrorCode::RecoveryNoSpace, fact).detail(format!(
                "{} are needed there, {} are free",
                bytes(need.needed_bytes),
                bytes(need.free_bytes)
            )));
        }
    }
    Ok(())
}

/// Bytes of each tablespace, by where it goes.
fn tablespace_bytes(
    site: &RecoverySite,
    chosen: &Chosen<'_>,
    place: &Place,
) -> Result<Vec<(PathBuf, u64)>> {
    if place.tablespaces.is_empty() {
        return Ok(Vec::new());
    }
    let list = chain::load_list(&site.backup.disk, &chosen.backup_directory)?;
    let bytes_of = |oid: u32| {
        let prefix = format!("pg_tblspc/{oid}/");
        let files = list.entries.iter().filter(|file| file.path.starts_with(&prefix));
        files.map(|file| file.stamp.size).sum()
    };
    let spaces = place.tablespaces.iter();
    Ok(spaces.map(|one| (one.directory.clone(), bytes_of(one.oid))).collect())
}

#[derive(Default)]
struct Tally {
    /// By device.
    needs: Vec<(u64, SpaceNeed)>,
}

impl Tally {
    fn at(&mut self, path: &Path) -> Result<&mut SpaceNeed> {
        let there = nearest(path);
        let failed = |error: std::io::Error| {
            let fact = format!("\"{}\" cannot be asked for room", there.display());
            Error::new(ErrorCode::RecoveryPlace, fact).detail(error.to_string())
        };
        let device = file::stat(&there).map_err(failed)?.device;
        let at = match self.needs.iter().position(|(known, _)| *known == device) {
            Some(at) => at,
            None => {
                let free_bytes = device::usage(&there).map_err(failed)?.free_bytes;
                let path = path.to_path_buf();
                let need = SpaceNeed { path, needed_bytes: RESERVE_BYTES, free_bytes };
                self.needs.push((device, need));
                self.needs.len() - 1
            }
        };
        Ok(&mut self.needs[at].1)
    }

    fn need(&mut self, path: &Path, bytes: u64) -> Result<()> {
        let need = self.at(path)?;
        need.needed_bytes = need.needed_bytes.saturating_add(bytes);
        Ok(())
    }

    /// What is there will be removed, or written over.
    fn free(&mut self, path: &Path) -> Result<()> {
        let (bytes, _) = file::tree_size(path, FILES_MAX);
        let need = self.at(path)?;
        need.free_bytes = need.free_bytes.saturating_add(bytes);
        Ok(())
    }
}

/// The path itself, or the nearest directory above it that exists.
fn nearest(path: &Path) -> PathBuf {
    let found = path.ancestors().find(|one| file::exists(one));
    found.unwrap_or(Path::new("/")).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_the_figures() {
        let need = |needed_bytes, free_bytes| SpaceNeed {
            path: "/database/inst1".into(),
            needed_bytes,
            free_bytes,
        };
        check(&[need(1 << 30, 1 << 30)]).unwrap();
        let error = check(&[need(1, 2), need(3 << 30, 1 << 30)]).unwrap_err();
        assert_eq!(error.code, ErrorCode::RecoveryNoSpace);
        assert_eq!(error.detail, "3072 MB are needed there, 1024 MB are free");
    }

    #[test]
    fn a_directory_to_come_is_on_the_file_system_of_its_parent() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(nearest(&root.path().join("a/b/c")), root.path());
        let mut tally = Tally::default();
        tally.need(&root.path().join("a"), 10).unwrap();
        tally.need(&root.path().join("b"), 20).unwrap();
        let free = tally.needs[0].1.free_bytes;
        std::fs::write(root.path().join("old"), vec![1; 1 << 20]).unwrap();
        tally.free(root.path()).unwrap();
        let (_, need) = &tally.needs[0];
        assert_eq!((tally.needs.len(), need.needed_bytes), (1, RESERVE_BYTES + 30));
        assert!(need.free_bytes >= free + (1 << 20));
    }
}
