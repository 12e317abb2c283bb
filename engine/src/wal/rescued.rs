//! WAL that a recovery has saved from the old data: asked when the archive has no sound copy.

use std::io;
use std::path::Path;

use crate::api::{Error, ErrorCode, Result};
use crate::pg::wal::WalFileName;
use crate::sys::disk::Disk;

use super::get::Got;
use super::index::{SegmentIndex, SegmentTail};
use super::inspect::{self, Expected};
use super::store::{CONTENT_BYTES_MAX, Content};

/// What the archive said, made better by what was saved.
///
/// Only an archive that was read and has no sound copy is made up for: one that cannot be read
/// may have more of a segment than was saved.
///
/// # Errors
/// The archive's own. "Absent" becomes `WalGap` when something later was saved, and
/// `RepositoryDamaged` when a saved copy is there and not sound.
pub(super) fn or_saved(
    disk: &Disk,
    directory: &Path,
    name: WalFileName,
    expected: &Expected,
    archived: Result<(Got, Content)>,
) -> Result<(Got, Content)> {
    let error = match archived {
        // The archived end of a timeline may end before what was saved.
        Ok((got, content)) if got.name == name => return Ok((got, content)),
        Ok(partial) => {
            return match saved(disk, directory, name, expected) {
                Ok(Some(found)) => Ok(found),
                _ => Ok(partial),
            };
        }
        Err(error) => error,
    };
    let is_told = matches!(
        error.code,
        ErrorCode::WalAbsent | ErrorCode::WalGap | ErrorCode::RepositoryDamaged
    );
    if !is_told {
        return Err(error);
    }
    match saved(disk, directory, name, expected) {
        Ok(Some(found)) => Ok(found),
        Ok(None) if error.code == ErrorCode::WalAbsent => Err(absent(disk, directory, name, error)),
        Ok(None) => Err(error),
        Err(own) if error.code == ErrorCode::WalAbsent => Err(own),
        Err(_) => Err(error),
    }
}

/// The saved copy, or the saved beginning of it; `None` when there is none.
fn saved(
    disk: &Disk,
    directory: &Path,
    name: WalFileName,
    expected: &Expected,
) -> Result<Option<(Got, Content)>> {
    let partial = match name {
        WalFileName::Segment(segment) => Some(WalFileName::Partial(segment)),
        _ => None,
    };
    for found in [Some(name), partial].into_iter().flatten() {
        let path = directory.join(found.to_string());
        let content = match disk.read(&path, CONTENT_BYTES_MAX) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(super::identity::unreadable(&path, &error)),
        };
        let damaged = |detail: String| {
            let fact = format!("saved WAL file \"{}\" is damaged", path.display());
            Error::new(ErrorCode::RepositoryDamaged, fact).detail(detail)
        };
        let segment = inspect::check(found, &content, expected)
            .map_err(|refused| damaged(refused.detail().to_owned()))?;
        if let Some(segment) = segment {
            // A server that was cut off leaves half a record at the end; what follows a damaged
            // one is another matter.
            let (index, _) = SegmentIndex::build(segment, None);
            if index.tail == SegmentTail::Damaged {
                let at = index.tail_at.map_or_else(|| "it".to_owned(), |at| at.to_string());
                return Err(damaged(format!("no record can be read at {at}, and more follows")));
            }
        }
        return Ok(Some((Got { name: found, path }, Content::Read(content))));
    }
    Ok(None)
}

/// Something later that was saved proves that this is not the end.
fn absent(disk: &Disk, directory: &Path, name: WalFileName, error: Error) -> Error {
    let WalFileName::Segment(segment) = name else { return error };
    let entries = match disk.list(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return error,
        Err(cause) => return super::identity::unreadable(directory, &cause),
    };
    let names = entries.iter().filter_map(|entry| WalFileName::parse(&entry.name)?.segment());
    let later =
        names.filter(|other| other.timeline() == segment.timeline() && *other > segment).max();
    match later {
        Some(later) => {
            let fact = format!("{name} is missing from the WAL archive");
            let detail = format!("{later} was saved in \"{}\"", directory.display());
            Error::new(ErrorCode::WalGap, fact).detail(detail)
        }
        None => error,
    }
}
