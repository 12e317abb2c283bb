//! Where it goes: the data directory, its tablespaces, its WAL; and what stands there.

use std::path::{Path, PathBuf};

use super::Known;
use super::old::RECOVERY_DIRECTORY;
use crate::api::{Error, ErrorCode, OldData, RecoveryRequest, Replaced, Result, TablespacePlan};
use crate::backup::document::BackupDocument;
use crate::sys::file;

use super::super::site::RecoverySite;

/// Names looked at in a directory, and files when sizes are added up.
const NAMES_MAX: usize = 100_000;
pub(super) const FILES_MAX: usize = 2_000_000;

/// Where it goes.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) wal_directory: Option<PathBuf>,
    pub(super) tablespaces: Vec<TablespacePlan>,
    pub(super) new_directories: Vec<PathBuf>,
    pub(super) replaced: Option<Replaced>,
    pub(super) warnings: Vec<String>,
}

/// Decides, and refuses places that cannot be used.
///
/// # Errors
/// `RecoveryPlace`, `UsageInvalid`.
pub(super) fn decide(
    site: &RecoverySite,
    known: &Known,
    request: &RecoveryRequest,
    destination: &Path,
    backup: &BackupDocument,
) -> Result<Place> {
    let directory = match &request.to {
        Some(to) => other_directory(site, to, destination)?,
        None => own_directory(known, destination)?,
    };
    let mut place = Place { directory, ..Place::default() };
    tablespaces(&mut place, site, known, request, destination, backup)?;
    if site.private.is_none() {
        wal_directory(&mut place, known, request, destination, backup)?;
    }
    place.replaced = request.to.is_none().then(|| replaced(known)).flatten();
    let mut made = vec![place.directory.clone()];
    made.extend(place.tablespaces.iter().map(|one| one.directory.clone()));
    made.extend(place.wal_directory.clone());
    made.retain(|path| !file::exists(path));
    place.new_directories = made;
    removed_strangers(&mut place, known, request);
    Ok(place)
}

fn refused(fact: String, detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::RecoveryPlace, fact).detail(detail)
}

fn usage(fact: String, detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::UsageInvalid, fact).detail(detail)
}

/// The instance's own data directory.
fn own_directory(known: &Known, destination: &Path) -> Result<PathBuf> {
    let old = &known.old;
    apart(&old.directory, destination, "the backup destination")?;
    if !old.is_cluster() && !old.is_empty() {
        let fact = format!("\"{}\" holds other files and no cluster", old.directory.display());
        return Err(refused(fact, format!("there are: {}", named(old.names.iter().flatten()))));
    }
    if old.names.is_none() && file::exists(&old.directory) {
        let fact = format!("\"{}\" cannot be looked into", old.directory.display());
        return Err(refused(fact, old.status.detail.clone()));
    }
    Ok(old.directory.clone())
}

/// A few names.
fn named<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let all: Vec<&str> = names.map(String::as_str).collect();
    let more = all.len().saturating_sub(5);
    let shown = all[..all.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// A directory beside the instance.
fn other_directory(site: &RecoverySite, to: &Path, destination: &Path) -> Result<PathBuf> {
    let to = free_directory(to, "--to")?;
    apart(&to, destination, "the backup destination")?;
    apart(&to, &site.backup.target.data_directory, "the instance's data directory")?;
    Ok(to)
}

/// A directory that must be empty or absent, as an absolute path with links followed.
fn free_directory(path: &Path, option: &str) -> Result<PathBuf> {
    if !path.is_absolute() {
        let fact = format!("{option} {} is no absolute path", path.display());
        return Err(usage(fact, "it would mean another place for every caller"));
    }
    let path = resolved(path);
    match file::stat(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(path),
        Err(error) => {
            let fact = format!("\"{}\" cannot be looked at", path.display());
            return Err(refused(fact, error.to_string()));
        }
        Ok(stat) if !stat.is_directory => {
            let fact = format!("\"{}\" is no directory", path.display());
            return Err(refused(fact, "a file of that name is there"));
        }
        Ok(_) => {}
    }
    let names = file::list(&path, NAMES_MAX).map_err(|error| {
        refused(format!("\"{}\" cannot be looked into", path.display()), error.to_string())
    })?;
    let continues = file::exists(&path.join(RECOVERY_DIRECTORY).join("state.json"));
    let strangers: Vec<&String> = names.iter().filter(|name| *name != "lost+found").collect();
    if strangers.is_empty() || continues {
        return Ok(path);
    }
    let fact = format!("\"{}\" is not empty", path.display());
    Err(refused(fact, format!("there are: {}", named(strangers.into_iter()))))
}

/// The path with links followed as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(path) = file::canonical(path) {
        return path;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => resolved(parent).join(name),
        _ => path.to_path_buf(),
    }
}

/// Neither path may lie in the other.
fn apart(path: &Path, other: &Path, what: &str) -> Result<()> {
    let (path, other) = (resolved(path), resolved(other));
    if !path.starts_with(&other) && !other.starts_with(&path) {
        return Ok(());
    }
    let fact = format!("\"{}\" cannot be recovered to", path.display());
    let detail = if path == other {
        format!("it is {what}")
    } else if path.starts_with(&other) {
        format!("it lies in {what}, \"{}\"", other.display())
    } else {
        format!("{what}, \"{}\", lies in it", other.display())
    };
    Err(refused(fact, detail))
}

fn tablespaces(
    place: &mut Place,
    site: &RecoverySite,
    known: &Known,
    request: &RecoveryRequest,
    destination: &Path,
    backup: &BackupDocument,
) -> Result<()> {
    for asked in &request.tablespaces {
        let oid = asked.oid.to_string();
        if backup.tablespaces.iter().any(|one| one.oid == oid) {
            continue;
        }
        let known: Vec<String> = backup
            .tablespaces
            .iter()
            .map(|one| format!("{} ({})", one.oid, one.location.display()))
            .collect();
        let fact = format!("backup {} has no tablespace {oid}", backup.label);
        let detail = if known.is_empty() {
            "it has none at all".to_owned()
        } else {
            format!("it has {}", known.join(", "))
        };
        return Err(usage(fact, detail));
    }
    for one in &backup.tablespaces {
        let oid: u32 = one.oid.parse().map_err(|_| {
            let fact = format!("backup {} has a tablespace \"{}\"", backup.label, one.oid);
            Error::new(ErrorCode::RepositoryDamaged, fact).detail("that is no object identifier")
        })?;
        let asked = request.tablespaces.iter().find(|asked| asked.oid == oid);
        let directory = match (asked, &site.private) {
            (Some(asked), _) => moved_tablespace(known, &one.oid, &asked.directory)?,
            (None, Some(private)) => private.tablespace(&one.oid),
            (None, None) => kept_tablespace(known, request, &one.oid, &one.location)?,
        };
        apart(&directory, destination, "the backup destination")?;
        apart(&directory, &place.directory, "the data directory")?;
        if let Some(same) = place.tablespaces.iter().find(|other| other.directory == directory) {
            let fact = format!("two tablespaces cannot be in \"{}\"", directory.display());
            return Err(usage(fact, format!("{} and {oid}", same.oid)));
        }
        place.tablespaces.push(TablespacePlan { oid, source: one.location.clone(), directory });
    }
    Ok(())
}

/// A tablespace that goes elsewhere; or to where the old data has it.
fn moved_tablespace(known: &Known, oid: &str, directory: &Path) -> Result<PathBuf> {
    let is_own = known.old.tablespaces.iter().any(|(name, at)| name == oid && at == directory);
    if is_own && directory.is_absolute() {
        return Ok(resolved(directory));
    }
    free_directory(directory, &format!("--tablespace {oid}"))
}

/// A tablespace that goes to where it was.
fn kept_tablespace(
    known: &Known,
    request: &RecoveryRequest,
    oid: &str,
    location: &Path,
) -> Result<PathBuf> {
    let place = resolved(location);
    let names = match file::list(&place, NAMES_MAX) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(place),
        Err(error) => {
            let fact = format!("tablespace directory \"{}\" cannot be used", place.display());
            return Err(refused(fact, error.to_string()));
        }
    };
    let is_server = |name: &&String| name.starts_with("PG_") || *name == RECOVERY_DIRECTORY;
    let own: Vec<&String> = names.iter().filter(is_server).collect();
    if request.to.is_some() && !own.is_empty() {
        let fact = format!("tablespace {oid} would overwrite that of the instance");
        return Err(refused(fact, format!("\"{}\" is in use", place.display()))
            .hint(format!("Give it a directory of its own: --tablespace {oid}=DIRECTORY.")));
    }
    let strangers: Vec<&String> =
        names.iter().filter(|name| !is_server(name) && *name != "lost+found").collect();
    if !strangers.is_empty() {
        let fact = format!("tablespace directory \"{}\" holds other files", place.display());
        return Err(refused(fact, format!("there are: {}", named(strangers.into_iter())))
            .hint(format!("Remove them, or move it: --tablespace {oid}=DIRECTORY.")));
    }
    let is_linked =
        known.old.tablespaces.iter().any(|(name, at)| name == oid && resolved(at) == place);
    if !own.is_empty() && known.old.is_cluster() && !is_linked && !known.old.tablespaces.is_empty()
    {
        let fact = format!("\"{}\" holds a tablespace of another cluster", place.display());
        return Err(refused(fact, format!("pg_tblspc/{oid} of the old data does not point there"))
            .hint(format!("Give it a directory of its own: --tablespace {oid}=DIRECTORY.")));
    }
    Ok(place)
}

fn wal_directory(
    place: &mut Place,
    known: &Known,
    request: &RecoveryRequest,
    destination: &Path,
    backup: &BackupDocument,
) -> Result<()> {
    let own = known.old.wal_link.as_deref().map(resolved);
    let directory = if let Some(asked) = &request.wal_directory {
        if own.as_deref() == Some(resolved(asked).as_path()) && request.to.is_none() {
            resolved(asked)
        } else {
            free_directory(asked, "--wal-dir")?
        }
    } else {
        let Some(location) = backup.wal_location.as_deref().map(resolved) else { return Ok(()) };
        let is_taken = file::list(&location, NAMES_MAX)
            .is_ok_and(|names| names.iter().any(|name| name != "lost+found"));
        if request.to.is_some() && is_taken {
            let taken = location.display();
            place.warnings.push(format!(
                "pg_wal stays in the data directory: \"{taken}\" is that of the instance"
            ));
            return Ok(());
        }
        location
    };
    apart(&directory, destination, "the backup destination")?;
    apart(&directory, &place.directory, "the data directory")?;
    for one in &place.tablespaces {
        apart(&directory, &one.directory, "a tablespace")?;
    }
    place.wal_directory = Some(directory);
    Ok(())
}

fn replaced(known: &Known) -> Option<Replaced> {
    let old = &known.old;
    if old.is_empty() {
        return None;
    }
    let places = [&old.directory].into_iter().chain(old.tablespaces.iter().map(|(_, at)| at));
    let places = places.chain(old.wal_link.iter());
    let bytes = places.map(|path| file::tree_size(path, FILES_MAX).0).sum();
    Some(Replaced {
        host: crate::backup::host_name(),
        path: old.directory.clone(),
        bytes,
        as_of: old.as_of(),
        state: old.state_words(),
    })
}

/// What is in the data directory and is not PostgreSQL's is removed with it.
fn removed_strangers(place: &mut Place, known: &Known, request: &RecoveryRequest) {
    if request.to.is_some() || request.old_data != OldData::Discard {
        return;
    }
    let is_server = |name: &&String| {
        name.starts_with("PG_")
            || name.starts_with("pg_")
            || name.starts_with("postgresql.")
            || name.starts_with("postmaster.")
            || name.starts_with("backup_")
            || ["base", "global", "log", "current_logfiles", "lost+found", RECOVERY_DIRECTORY]
                .contains(&name.as_str())
    };
    let names = known.old.names.iter().flatten().filter(|name| !is_server(name));
    let strangers: Vec<&String> = names.collect();
    if !strangers.is_empty() {
        place.warnings.push(format!(
            "files that are not PostgreSQL's are removed as well: {}",
            named(strangers.into_iter())
        ));
    }
}
