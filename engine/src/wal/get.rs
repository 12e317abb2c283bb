//! `restore_command`: a file comes out of the archive, or the server learns why not.
//!
//! PostgreSQL takes "absent" for the end of WAL and promotes. So "absent" is said only when
//! the archive was read to its end, the file is not there, and nothing proves that there is
//! more on its path; everything else is an error that stops the recovery.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::api::{Error, ErrorCode, Result, WalGet, WalPlace};
use crate::instance::target::LocalTarget;
use crate::pg::wal::WalFileName;
use crate::sys::disk::Disk;

use super::archive::{Archive, StoredFile};
use super::cluster::{self, Cluster};
use super::continuity;
use super::index::{SegmentIndex, SegmentTail};
use super::inspect::{self, Expected, Refused};
use super::prefetch::Prefetch;
use super::push::{split_guide_path, wal_name};
use super::rescued;
use super::store::StoredForm;

/// The setting that names the backup destination.
const DESTINATION_SETTING: &str = "pgx.backup_destination";

/// What a file was taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// The name in the archive.
    pub name: WalFileName,
    /// The stored file.
    pub path: PathBuf,
}

/// Gets a file out of the archive.
///
/// # Errors
/// `WalAbsent` alone means that the archive ends here. `WalGap`, `RepositoryUnreadable`,
/// `RepositoryDamaged`, `RepositoryForeign` and all others mean that it does not, or that it
/// cannot be told.
pub fn get(disk: &Disk, request: &WalGet) -> Result<Got> {
    let data_directory =
        cluster::find_data_directory(request.data_directory.as_deref(), &request.target);
    let (destination, name) = locate(request, data_directory.as_deref())?;
    let archive = Archive::open(disk, &destination)?;
    let expected = expected(disk, &archive, data_directory.as_deref())?;
    let ahead = Prefetch::new(disk, &archive, &request.target, &expected);
    if request.prefetch > 0
        && let Some(path) = ahead.take(name, &request.target)
    {
        return Ok(Got { name, path });
    }
    let outcome = ahead.while_fetching(name, request.prefetch, || {
        let archived = fetch(&archive, name, &expected);
        let (got, content) = match &request.rescued {
            Some(directory) => rescued::or_saved(disk, directory, name, &expected, archived)?,
            None => archived?,
        };
        deliver(disk, &request.target, &content)?;
        Ok(got)
    });
    if outcome.as_ref().is_err_and(|error: &Error| error.code == ErrorCode::WalAbsent) {
        ahead.forget_all();
    }
    outcome
}

fn locate(request: &WalGet, data_directory: Option<&Path>) -> Result<(PathBuf, WalFileName)> {
    match &request.place {
        Some(WalPlace::File(file)) => Ok((split_guide_path(file)?.0, wal_name(file)?)),
        Some(WalPlace::Destination(destination)) => {
            Ok((destination.clone(), wal_name(Path::new(&request.name))?))
        }
        None => {
            let destination = configured_destination(data_directory)?;
            Ok((destination, wal_name(Path::new(&request.name))?))
        }
    }
}

/// `pgx.backup_destination` of the cluster.
fn configured_destination(data_directory: Option<&Path>) -> Result<PathBuf> {
    let unknown = |detail: String| {
        Error::new(ErrorCode::UsageInvalid, "the backup destination is not known")
            .detail(detail)
            .hint("Name it with -B DEST, or set pgx.backup_destination in postgresql.conf.")
    };
    let directory = data_directory.ok_or_else(|| unknown("no data directory either".to_owned()))?;
    let conf = LocalTarget::from_directory(directory).load_conf()?;
    match conf.value(DESTINATION_SETTING).filter(|value| !value.is_empty()) {
        Some(value) => Ok(PathBuf::from(value)),
        None => {
            Err(unknown(format!("{DESTINATION_SETTING} of \"{}\" is not set", directory.display())))
        }
    }
}

/// Whose files may be given out. A cluster that cannot be told checks nothing; the repository
/// must then speak for itself.
fn expected(disk: &Disk, archive: &Archive, data_directory: Option<&Path>) -> Result<Expected> {
    let identity = archive.identity()?;
    let cluster = data_directory.map(|directory| Cluster::read(disk, directory)).transpose()?;
    if let (Some(cluster), Some(identity)) = (&cluster, &identity) {
        identity.check(archive.destination(), &cluster.identity())?;
    }
    Ok(cluster::expected(cluster.as_ref(), identity.as_ref()))
}

/// Finds a file, reads it and proves it sound.
///
/// # Errors
/// As [`get`], but for what the target causes.
pub fn fetch(archive: &Archive, name: WalFileName, expected: &Expected) -> Result<(Got, Vec<u8>)> {
    let found = archive.find(name)?;
    if !found.is_empty() {
        return first_sound(archive, &found, expected);
    }
    let inventory = archive.list()?;
    // It may have come between the look and the list.
    if inventory.contains(name) {
        return first_sound(archive, &archive.find(name)?, expected);
    }
    let size = match expected.segment_size {
        Some(size) => Some(size),
        None => archive.segment_size(&inventory)?,
    };
    let histories = archive.histories(&inventory)?;
    if let Some(proof) = continuity::proof_of_more(&inventory, &histories, size, name) {
        let fact = format!("{name} is missing from the WAL archive");
        let place = archive.destination().display();
        return Err(Error::new(ErrorCode::WalGap, fact).detail(format!("{proof} in \"{place}\"")));
    }
    if let WalFileName::Segment(segment) = name {
        // A promotion archives the old timeline's last segment as far as it went.
        let partial = archive.find(WalFileName::Partial(segment))?;
        if !partial.is_empty() {
            return first_sound(archive, &partial, expected);
        }
    }
    let fact = format!("{name} is not in the WAL archive");
    let detail = format!("nothing later is in \"{}\"", archive.destination().display());
    Err(Error::new(ErrorCode::WalAbsent, fact).detail(detail))
}

/// The first stored form that is sound; the first form's error when none is.
fn first_sound(
    archive: &Archive,
    files: &[StoredFile],
    expected: &Expected,
) -> Result<(Got, Vec<u8>)> {
    let mut first = None;
    for file in files {
        match sound(archive, file, expected) {
            Ok(content) => return Ok((Got { name: file.name, path: file.path.clone() }, content)),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| {
        let fact = format!("a file of \"{}\" vanished", archive.destination().display());
        Error::new(ErrorCode::RepositoryUnreadable, fact)
    }))
}

fn sound(archive: &Archive, file: &StoredFile, expected: &Expected) -> Result<Vec<u8>> {
    let content = archive.read(file)?;
    let damaged = |detail: String| {
        let fact = format!("archived WAL file \"{}\" is damaged", file.path.display());
        Error::new(ErrorCode::RepositoryDamaged, fact).detail(detail)
    };
    let segment =
        inspect::check(file.name, &content, expected).map_err(|refused| match refused {
            Refused::Invalid(detail) => damaged(detail),
            Refused::Foreign(detail) => {
                let path = file.path.display();
                let fact = format!("archived WAL file \"{path}\" is of another database cluster");
                Error::new(ErrorCode::RepositoryForeign, fact).detail(detail)
            }
        })?;
    let Some(segment) = segment else { return Ok(content) };
    let (index, _) = SegmentIndex::build(segment, None);
    // The server would take a damaged record for the end of WAL. A partial segment may well
    // end in half a record: there the end is where it should be.
    let is_whole = matches!(file.name, WalFileName::Segment(_));
    if is_whole && index.tail == SegmentTail::Damaged {
        let at = index.tail_at.map_or_else(|| "it".to_owned(), |at| at.to_string());
        return Err(damaged(format!("no record can be read at {at}, and more WAL follows"))
            .hint(format!("Restore it from another copy, or recover to a target before {at}.")));
    }
    // A compressed file has a checksum of its own; a plain one has the index.
    if file.form == StoredForm::Plain
        && let Some(stored) = archive.index(file.name)?
        && stored.content_crc32c != index.content_crc32c
    {
        return Err(damaged("its checksum is not the one in its index".to_owned()));
    }
    Ok(content)
}

/// Puts the file where the server wants it, whole or not at all. It need not be durable: the
/// server asks again after a crash.
fn deliver(disk: &Disk, target: &Path, content: &[u8]) -> Result<()> {
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".pgdeck-{}", std::process::id()));
    let temporary = PathBuf::from(name);
    let write = || -> io::Result<()> {
        disk.create(&temporary)?.write_all(content)?;
        disk.replace(&temporary, target)
    };
    write().map_err(|error| {
        let _ = disk.remove_file(&temporary);
        Error::new(ErrorCode::FileAccess, format!("\"{}\" cannot be written", target.display()))
            .detail(error.to_string())
    })
}
