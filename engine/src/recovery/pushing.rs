//! Rescued WAL after a promotion: it goes into the archive, so that what came before the
//! recovery can still be recovered to.

use std::path::{Path, PathBuf};

use super::rescue;
use crate::api::{Result, WalCompression, WalPlace, WalPush};
use crate::backup::site::BackupSite;
use crate::pg::wal::{Segment, SegmentSize, WalFileName};
use crate::sys::disk::Disk;
use crate::wal::index::{SegmentIndex, SegmentTail};
use crate::wal::push;
use crate::wal::store::CONTENT_BYTES_MAX;

/// What became of rescued WAL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pushed {
    /// Files that are in the archive now.
    pub(super) archived: u64,
    /// Files that could not be archived and stay, and why the first could not.
    pub(super) left: Option<(u64, String)>,
}

/// Archives every rescued file and removes it here. What cannot be archived stays. Runs as the
/// owner.
pub(super) fn run(site: &BackupSite, destination: &Path, data_directory: &Path) -> Pushed {
    let directory = rescue::directory(data_directory);
    let entries = site.disk.list(&directory).unwrap_or_default();
    let mut pushed = Pushed::default();
    for entry in entries {
        let path = directory.join(&entry.name);
        let Some(name) = WalFileName::parse(&entry.name) else {
            let _ = site.disk.remove_tree(&path);
            continue;
        };
        let done = push_one(&site.disk, destination, data_directory, name, path);
        match done {
            Ok(path) => {
                let _ = site.disk.remove_file(&path);
                pushed.archived += 1;
            }
            Err(error) => {
                let (count, _) = pushed.left.get_or_insert((0, error.fact));
                *count += 1;
            }
        }
    }
    if pushed.left.is_none() {
        let _ = site.disk.remove_tree(&directory);
    }
    pushed
}

fn push_one(
    disk: &Disk,
    destination: &Path,
    data_directory: &Path,
    name: WalFileName,
    path: PathBuf,
) -> Result<PathBuf> {
    let source = if let WalFileName::Segment(_) = name
        && !is_complete(disk, name, &path)
    {
        // Its server had not filled it. Under its own name it would stand in the way of the
        // whole one, if the old data is put back and goes on.
        let mut partial = path.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        match disk.replace(&path, &partial) {
            Ok(()) => partial,
            Err(_) => path,
        }
    } else {
        path
    };
    push::push(
        disk,
        &WalPush {
            source: source.clone(),
            place: WalPlace::Destination(destination.to_path_buf()),
            compression: WalCompression::default(),
            data_directory: Some(data_directory.to_path_buf()),
        },
    )?;
    Ok(source)
}

/// Whether the server was done with a segment: its records reach the end.
fn is_complete(disk: &Disk, name: WalFileName, path: &Path) -> bool {
    let Some(segment) = name.segment() else { return true };
    let Ok(content) = disk.read(path, CONTENT_BYTES_MAX) else { return false };
    let size = u32::try_from(content.len()).ok().and_then(SegmentSize::from_bytes);
    let Some(segment) = size.and_then(|size| Segment::open(&content, segment, size).ok()) else {
        return false;
    };
    let (index, _) = SegmentIndex::build(segment, None);
    matches!(index.tail, SegmentTail::Full | SegmentTail::Switch)
}
