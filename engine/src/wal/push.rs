//! `archive_command`: a file goes into the archive, durably and without overwriting anything.
//!
//! The order makes it safe to be killed at any step: check, write under `.incoming`, sync,
//! give the name unless it is taken, sync the directory, answer 0.

use std::path::Path;

use crate::api::{Error, ErrorCode, Result, WalCompression, WalPush, WalPushed};
use crate::pg::wal::Segment;
use crate::sys::disk::Disk;

use super::cluster::{self, Cluster};
use super::identity::{self, RepositoryIdentity};
use super::index::SegmentIndex;
use super::inspect::{self, Refused};
use super::place::{Place, file_name, same_content, sweep};
use super::reading::Source;
use super::store::{self, Stored, StoredForm};

/// Puts a file into the archive. When it returns, file and name are durable.
///
/// # Errors
/// `WalInvalid` for a file that is not what its name says, `RepositoryForeign` for one of
/// another cluster, `WalConflict` when the name is taken by other content,
/// `RepositoryUnreadable`, `RepositoryDamaged` and `RepositoryWrite` for the destination,
/// `ControlFileDamaged` and `FileAccess` when the cluster cannot be told.
pub fn push(disk: &Disk, request: &WalPush) -> Result<WalPushed> {
    let place = Place::of(disk, request)?;
    let source = Source::open(disk, &request.source)?;
    let mut warnings = Vec::new();
    let (cluster, identity) = who(disk, request, &place.destination, &mut warnings)?;
    // What is there already is compared, not stored.
    let ahead = Some(request.compression).filter(|_| place.is_free(disk));
    let (content, frames) = source.read(ahead)?;
    let expected = cluster::expected(cluster.as_ref(), identity.as_ref());
    let segment = inspect::check(place.name, &content, &expected)
        .map_err(|refused| refused_source(&request.source, &refused))?;

    place.prepare(disk)?;
    if let (Some(cluster), None) = (&cluster, &identity) {
        identity::ensure(disk, &place.destination, &cluster.identity())?;
    }
    if let Some(there) = same_content(disk, &place, StoredForm::ALL, &content)? {
        place.settle(disk, &there)?;
        if let Some(segment) = segment {
            place.index(disk, segment, &mut warnings);
        }
        return Ok(WalPushed { stored_name: file_name(&there.path), was_there: true, warnings });
    }
    // Histories are small, and read by people in bad hours.
    let compression = if segment.is_some() { request.compression } else { WalCompression::None };
    let stored = match frames.filter(|_| segment.is_some()) {
        Some(frames) => Ok(Stored::of(&content, compression, frames)),
        None => store::encode(&content, compression),
    };
    let stored = stored.map_err(|error| place.write_error(&error))?;
    store_content(disk, &place, &content, &stored, segment, warnings)
}

/// Writes and names the file; the index is made meanwhile.
fn store_content(
    disk: &Disk,
    place: &Place,
    content: &[u8],
    stored: &Stored<'_>,
    segment: Option<Segment<'_>>,
    mut warnings: Vec<String>,
) -> Result<WalPushed> {
    let (published, index) = std::thread::scope(|scope| {
        let indexer = std::thread::Builder::new().name("wal-index".to_owned());
        let indexer = segment.and_then(|segment| {
            indexer.spawn_scoped(scope, move || SegmentIndex::build(segment, None).0).ok()
        });
        let published = place.publish(disk, stored, content);
        // Without a thread, or with one that failed, there is no index this time.
        (published, indexer.and_then(|thread| thread.join().ok()))
    });
    let (there, was_there) = published?;
    if let Some(index) = index {
        place.write_index(disk, &index, &mut warnings);
    }
    sweep(disk, &place.directory);
    Ok(WalPushed { stored_name: file_name(&there), was_there, warnings })
}

fn refused_source(source: &Path, refused: &Refused) -> Error {
    let name = source.display();
    let (code, fact) = match refused {
        Refused::Invalid(_) => {
            (ErrorCode::WalInvalid, format!("\"{name}\" is not the WAL file its name says"))
        }
        Refused::Foreign(_) => {
            (ErrorCode::RepositoryForeign, format!("\"{name}\" is of another database cluster"))
        }
    };
    Error::new(code, fact).detail(refused.detail())
}

/// The cluster by its data directory and by the repository; one of them may be missing.
fn who(
    disk: &Disk,
    request: &WalPush,
    destination: &Path,
    warnings: &mut Vec<String>,
) -> Result<(Option<Cluster>, Option<RepositoryIdentity>)> {
    let identity = identity::load(disk, destination)?;
    let named = request.data_directory.as_deref();
    let directory = cluster::find_data_directory(named, &request.source);
    let cluster = match directory.map(|directory| Cluster::read(disk, &directory)) {
        Some(Ok(cluster)) => Some(cluster),
        Some(Err(error)) if identity.is_none() => return Err(error),
        Some(Err(error)) => {
            warnings.push(format!("the repository alone says whose file it is: {}", error.fact));
            None
        }
        None => None,
    };
    if let (Some(cluster), Some(identity)) = (&cluster, &identity) {
        identity.check(destination, &cluster.identity())?;
    }
    Ok((cluster, identity))
}
