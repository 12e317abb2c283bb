//! The directories and links of a cluster, before its files.

use std::io;
use std::path::Path;

use crate::api::{Error, ErrorCode, RecoveryPlan, Result};
use crate::backup::chain::Chain;
use crate::backup::filelist::{Content, FileEntry};
use crate::recovery::aside;
use crate::recovery::layout::Placement;
use crate::sys::credentials::Credentials;
use crate::sys::disk::{Disk, Entry, EntryKind};
use crate::sys::file;

const MODE: u32 = 0o700;
/// What `initdb --allow-group-access` gives the data directory and those in it.
const GROUP_MODE: u32 = 0o750;

/// Makes a directory for a cluster with its missing parents, as its owner, or as root where
/// only root may: then everything above it must be root's alone.
///
/// # Errors
/// `RecoveryPlace`.
pub fn make_place(disk: &Disk, owner: &Credentials, path: &Path) -> Result<()> {
    let refused = |error: &io::Error| {
        let fact = format!("the directory \"{}\" cannot be made", path.display());
        Error::new(ErrorCode::RecoveryPlace, fact).detail(error.to_string()).hint(format!(
            "Make it, give it to {} with mode 0700, then run the recovery again.",
            owner.name()
        ))
    };
    let mut missing = Vec::new();
    for above in path.ancestors() {
        match disk.stat(above).map_err(|error| refused(&error))? {
            Some(stat) if stat.is_directory => break,
            Some(_) => return Err(refused(&io::Error::from(io::ErrorKind::NotADirectory))),
            None => missing.push(above),
        }
    }
    while let Some(next) = missing.pop() {
        let made = owner.run(|| disk.make_directory(next)).and_then(|inner| inner);
        let made = match made {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                as_root(disk, owner, next, error)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        };
        made.and_then(|()| match next.parent() {
            // Its name must survive, too. Who may not read the parent cannot sync it.
            Some(parent) => disk.sync_directory(parent).or_else(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => Ok(()),
                _ => Err(error),
            }),
            None => Ok(()),
        })
        .map_err(|error| refused(&error))?;
    }
    Ok(())
}

fn as_root(disk: &Disk, owner: &Credentials, path: &Path, denied: io::Error) -> io::Result<()> {
    let is_roots =
        |above: &Path| file::stat(above).is_ok_and(|stat| stat.uid == 0 && stat.mode & 0o022 == 0);
    let is_safe = Credentials::current().is_root() && path.ancestors().skip(1).all(is_roots);
    if !is_safe {
        return Err(denied);
    }
    disk.make_directory(path)?;
    disk.give(path, owner.uid(), owner.gid())
}

/// Makes every directory and link of the newest backup of a chain. What is there and right
/// stays; a control file does not: until the end nothing can be started here. Runs as the owner.
///
/// # Errors
/// `RestoreFailed`.
pub fn make(disk: &Disk, plan: &RecoveryPlan, chain: &Chain) -> Result<()> {
    let Some(head) = chain.head() else { return Ok(()) };
    let placement = Placement::of(plan);
    aside::unarm(disk, &plan.directory)
        .and_then(|()| set_modes(disk, plan, &head.list.entries))
        .and_then(|()| {
            let directories = head
                .list
                .entries
                .iter()
                .filter(|entry| matches!(entry.content, Content::Directory));
            for entry in directories {
                let path = placement.path(&entry.path);
                let is_linked = entry.path.as_ref() == "pg_wal" && plan.wal_directory.is_some();
                if !is_linked {
                    directory(disk, &path, entry.stamp.mode).map_err(|error| (path, error))?;
                }
            }
            links(disk, plan)
        })
        .map_err(|(path, error)| {
            let fact = format!("\"{}\" cannot be made", path.display());
            Error::new(ErrorCode::RestoreFailed, fact).detail(error.to_string())
        })
}

type Failed = (std::path::PathBuf, io::Error);

/// The places themselves: as open to the group as the cluster was.
fn set_modes(
    disk: &Disk,
    plan: &RecoveryPlan,
    entries: &[FileEntry],
) -> std::result::Result<(), Failed> {
    let is_open = entries
        .iter()
        .any(|entry| entry.path.as_ref() == "base" && entry.stamp.mode & GROUP_MODE == GROUP_MODE);
    let mode = if is_open { GROUP_MODE } else { MODE };
    let spaces = plan.tablespaces.iter().map(|space| &space.directory);
    for path in [&plan.directory].into_iter().chain(&plan.wal_directory).chain(spaces) {
        let stat = disk.stat(path).map_err(|error| (path.clone(), error))?;
        if stat.is_some_and(|stat| ![MODE, GROUP_MODE].contains(&stat.mode)) {
            disk.set_mode(path, mode).map_err(|error| (path.clone(), error))?;
        }
    }
    Ok(())
}

fn directory(disk: &Disk, path: &Path, mode: u32) -> io::Result<()> {
    match kind(disk, path)? {
        Some(EntryKind::Directory) => {}
        Some(_) => {
            disk.remove_file(path)?;
            disk.make_directory(path)?;
        }
        None => disk.make_directory(path)?,
    }
    match disk.stat(path)? {
        Some(stat) if stat.mode != mode => disk.set_mode(path, mode),
        _ => Ok(()),
    }
}

/// What is at a path, links not followed.
fn kind(disk: &Disk, path: &Path) -> io::Result<Option<EntryKind>> {
    if disk.link_target(path)?.is_some() {
        return Ok(Some(EntryKind::Link));
    }
    let kind = |is_directory| if is_directory { EntryKind::Directory } else { EntryKind::File };
    Ok(disk.stat(path)?.map(|stat| kind(stat.is_directory)))
}

fn links(disk: &Disk, plan: &RecoveryPlan) -> std::result::Result<(), Failed> {
    let spaces = plan.directory.join("pg_tblspc");
    let failed = |error| (spaces.clone(), error);
    let known = |name: &str| plan.tablespaces.iter().any(|one| one.oid.to_string() == name);
    for Entry { name, kind } in disk.list(&spaces).map_err(failed)? {
        if kind == EntryKind::Link && !known(&name) {
            disk.remove_file(&spaces.join(&name)).map_err(failed)?;
        }
    }
    for space in &plan.tablespaces {
        let path = spaces.join(space.oid.to_string());
        link(disk, &space.directory, &path).map_err(|error| (path, error))?;
    }
    if let Some(wal) = &plan.wal_directory {
        let path = plan.directory.join("pg_wal");
        link(disk, wal, &path).map_err(|error| (path, error))?;
    }
    Ok(())
}

fn link(disk: &Disk, target: &Path, path: &Path) -> io::Result<()> {
    if disk.link_target(path)?.as_deref() == Some(target) {
        return Ok(());
    }
    disk.remove_tree(path)?;
    disk.symlink(target, path)
}
