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

use super::ahead;
use super::archive::{Archive, StoredFile};
use super::cluster::{self, Cluster};
use super::continuity;
use super::index::{SegmentIndex, SegmentTail};
use super::inspect::{self, Expected, Refused};
use super::place::{split_guide_path, wal_name};
use super::rescued;
use super::spool::Spool;
use super::store::{Content, StoredForm};

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
    let asked = Asked::of(disk, request)?;
    let spool = asked.spool(disk, request);
    let looks_ahead = request.prefetch > 0 && request.program.is_some();
    if let (true, Some(segment)) = (looks_ahead, asked.name.whole_segment()) {
        let taken = spool.take(segment, &request.target);
        ahead::see_to_it(&spool, request, &asked, segment);
        if let Some(path) = taken {
            return Ok(Got { name: asked.name, path });
        }
    }
    let outcome = asked.deliver(disk, request);
    if looks_ahead && outcome.as_ref().is_err_and(|error| error.code == ErrorCode::WalAbsent) {
        spool.forget_all();
    }
    outcome
}

/// What a request is about.
pub(super) struct Asked {
    pub(super) name: WalFileName,
    pub(super) archive: Archive,
    pub(super) expected: Expected,
}

impl Asked {
    pub(super) fn of(disk: &Disk, request: &WalGet) -> Result<Self> {
        let data_directory =
            cluster::find_data_directory(request.data_directory.as_deref(), &request.target);
        let (destination, name) = locate(request, data_directory.as_deref())?;
        let archive = Archive::open(disk, &destination)?;
        let expected = expected(disk, &archive, data_directory.as_deref())?;
        Ok(Self { name, archive, expected })
    }

    pub(super) fn spool<'a>(&self, disk: &'a Disk, request: &WalGet) -> Spool<'a> {
        Spool::beside(disk, &request.target, self.archive.destination(), &self.expected)
    }

    fn deliver(&self, disk: &Disk, request: &WalGet) -> Result<Got> {
        let archived = fetch(&self.archive, self.name, &self.expected);
        let (got, content) = match &request.rescued {
            Some(directory) => {
                rescued::or_saved(disk, directory, self.name, &self.expected, archived)?
            }
            None => archived?,
        };
        deliver(disk, &request.target, &content)?;
        Ok(got)
    }
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
pub fn fetch(archive: &Archive, name: WalFileName, expected: &Expected) -> Result<(Got, Content)> {
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
) -> Result<(Got, Content)> {
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

fn sound(archive: &Archive, file: &StoredFile, expected: &Expected) -> Result<Content> {
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
    let stored = match (archive.index(file.name), file.form) {
        (Err(error), StoredForm::Plain) => return Err(error),
        // A compressed file has a checksum of its own.
        (stored, _) => stored.unwrap_or(None),
    };
    let crc = crc32c::crc32c(segment.bytes());
    let index = match stored {
        // Its records were read when it was archived, and it is what it was.
        Some(index) if index.content_crc32c == crc => index,
        Some(_) if file.form == StoredForm::Plain => {
            return Err(damaged("its checksum is not the one in its index".to_owned()));
        }
        _ => SegmentIndex::build(segment, None).0,
    };
    // The server would take a damaged record for the end of WAL. A partial segment may well
    // end in half a record: there the end is where it should be.
    let is_whole = matches!(file.name, WalFileName::Segment(_));
    if is_whole && index.tail == SegmentTail::Damaged {
        let at = index.tail_at.map_or_else(|| "it".to_owned(), |at| at.to_string());
        return Err(damaged(format!("no record can be read at {at}, and more WAL follows"))
            .hint(format!("Restore it from another copy, or recover to a target before {at}.")));
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
