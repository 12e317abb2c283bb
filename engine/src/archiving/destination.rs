//! Whether a directory can be a backup data storage destination. Blocking: runs with the
//! credentials of the data directory's owner, who will write there.

use std::io;
use std::path::{Path, PathBuf};

use crate::api::{CreateDestination, DestinationKind, Error, ErrorCode, Result};
use crate::storage::destinations::places_of;
use crate::sys::credentials::Credentials;
use crate::sys::{device, file};
use crate::wal::identity::IDENTITY_FILE;

/// Names looked at in a destination.
const NAMES_MAX: usize = 10_000;

/// A destination that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Usable {
    /// Its path, canonical when it exists.
    pub(super) path: PathBuf,
    /// Whether it has to be made.
    pub(super) is_missing: bool,
    /// What is allowed but worth knowing.
    pub(super) warnings: Vec<String>,
}

fn refused(path: &Path, what: &str) -> Error {
    Error::new(
        ErrorCode::DestinationInvalid,
        format!("\"{}\" cannot be a backup destination", path.display()),
    )
    .detail(what)
}

/// Looks at a destination for the cluster in `data_directory`, as its owner.
///
/// # Errors
/// `DestinationInvalid` with the reason: not absolute, missing, not a directory, of another
/// owner, open to others, inside or around the cluster, not empty and not ours, read-only.
pub(super) fn look(
    path: &Path,
    data_directory: &Path,
    owner: &Credentials,
    create: CreateDestination,
) -> Result<Usable> {
    if !path.is_absolute() {
        return Err(refused(path, "it is not an absolute path"));
    }
    match file::canonical(path) {
        Ok(real) => {
            outside_of_cluster(path, &real, data_directory)?;
            let mut warnings = existing(path, &real, owner)?;
            warnings.extend(about_device(&real, data_directory));
            Ok(Usable { path: real, is_missing: false, warnings })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            missing(path, data_directory, owner, create)
        }
        Err(error) => Err(refused(path, &error.to_string())),
    }
}

fn missing(
    path: &Path,
    data_directory: &Path,
    owner: &Credentials,
    create: CreateDestination,
) -> Result<Usable> {
    if create == CreateDestination::Refuse {
        let (user, shown) = (owner.name(), path.display());
        return Err(refused(path, "it does not exist").hint(format!(
            "If its disk is mounted, make it with --create, or: install -d -m 0700 -o {user} {shown}"
        )));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.ok_or_else(|| refused(path, "it has no parent directory"))?;
    let real = file::canonical(parent)
        .map_err(|error| refused(path, &format!("{}: {error}", parent.display())))?;
    let name = path.file_name().ok_or_else(|| refused(path, "it has no name"))?;
    let real = real.join(name);
    outside_of_cluster(path, &real, data_directory)?;
    let mut warnings = Vec::new();
    if let Some(parent) = real.parent() {
        warnings.extend(about_device(parent, data_directory));
    }
    Ok(Usable { path: real, is_missing: true, warnings })
}

fn outside_of_cluster(path: &Path, real: &Path, data_directory: &Path) -> Result<()> {
    for place in places_of(data_directory, None) {
        let Ok(other) = file::canonical(&place.path) else { continue };
        let what = match place.kind {
            DestinationKind::Data => "the data directory".to_owned(),
            DestinationKind::Wal => "the WAL directory".to_owned(),
            _ => format!("the directory of tablespace {}", place.name),
        };
        let shown = other.display();
        if real.starts_with(&other) {
            return Err(refused(path, &format!("it lies in {what} {shown}"))
                .hint("Choose a directory outside of the cluster, best on another disk."));
        }
        if other.starts_with(real) {
            return Err(refused(path, &format!("{what} {shown} lies in it"))
                .hint("Choose a directory outside of the cluster, best on another disk."));
        }
    }
    Ok(())
}

fn existing(path: &Path, real: &Path, owner: &Credentials) -> Result<Vec<String>> {
    let stat = file::stat(real).map_err(|error| refused(path, &error.to_string()))?;
    if !stat.is_directory {
        return Err(refused(path, "it is not a directory"));
    }
    if stat.uid != owner.uid() {
        let other = Credentials::of_uid(stat.uid);
        let detail = format!("it belongs to {}, the cluster to {}", other.name(), owner.name());
        let hint = format!("chown {} {}", owner.name(), real.display());
        return Err(refused(path, &detail).hint(hint));
    }
    if stat.mode & 0o077 != 0 {
        let detail = format!("others may look into it: its mode is {:04o}", stat.mode);
        return Err(refused(path, &detail).hint(format!("chmod 0700 {}", real.display())));
    }
    let names = file::list(real, NAMES_MAX).map_err(|error| refused(path, &error.to_string()))?;
    let is_ours = names.iter().any(|name| name == IDENTITY_FILE);
    // A file system of its own begins with this directory.
    let foreign = names.iter().find(|name| name.as_str() != "lost+found");
    if let Some(name) = foreign.filter(|_| !is_ours) {
        return Err(refused(
            path,
            &format!("it is not empty (\"{name}\") and was not made by pgdeck"),
        )
        .hint("Choose an empty directory."));
    }
    let usage = device::usage(real).map_err(|error| refused(path, &error.to_string()))?;
    if usage.read_only {
        return Err(refused(path, "its file system is mounted read-only"));
    }
    Ok(Vec::new())
}

/// What is worth knowing of the disk.
fn about_device(real: &Path, data_directory: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    let device = file::stat(real).map(|stat| stat.device).ok();
    for place in places_of(data_directory, None) {
        let other = file::stat(&place.path).map(|stat| stat.device).ok();
        if device.is_some() && device == other {
            warnings.push(format!(
                "it is on the same device as the {} destination: one broken disk takes both",
                place.kind.word()
            ));
            break;
        }
    }
    let (cluster_bytes, _) = file::tree_size(data_directory, 200_000);
    if let Ok(usage) = device::usage(real)
        && usage.free_bytes < cluster_bytes
    {
        warnings.push(format!(
            "{} MB are free, and the cluster has {} MB before compression",
            usage.free_bytes >> 20,
            cluster_bytes >> 20
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Case {
        root: tempfile::TempDir,
    }

    impl Case {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            for name in ["data/pg_tblspc", "space", "backup"] {
                std::fs::create_dir_all(root.path().join(name)).unwrap();
            }
            let space = root.path().join("space");
            std::os::unix::fs::symlink(space, root.path().join("data/pg_tblspc/16400")).unwrap();
            Self { root }.mode("backup", 0o700)
        }

        fn mode(self, name: &str, mode: u32) -> Self {
            let path = self.root.path().join(name);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            self
        }

        fn look(&self, name: &str, create: CreateDestination) -> Result<Usable> {
            let (path, data) = (self.root.path().join(name), self.root.path().join("data"));
            look(&path, &data, &Credentials::current(), create)
        }

        #[track_caller]
        fn refused(&self, name: &str, detail: &str) {
            let error = self.look(name, CreateDestination::Refuse).unwrap_err();
            assert_eq!(error.code, ErrorCode::DestinationInvalid);
            assert!(error.detail.contains(detail), "{error}");
        }
    }

    #[test]
    fn an_empty_private_directory_is_fine_and_the_same_disk_is_told() {
        let case = Case::new();
        let usable = case.look("backup", CreateDestination::Refuse).unwrap();
        assert!(!usable.is_missing);
        assert!(usable.warnings[0].contains("same device as the data"), "{usable:?}");
        std::fs::create_dir(case.root.path().join("backup/lost+found")).unwrap();
        assert!(case.look("backup", CreateDestination::Refuse).is_ok());
    }

    #[test]
    fn places_of_the_cluster_are_refused_both_ways() {
        let case = Case::new();
        std::fs::create_dir_all(case.root.path().join("space/inside")).unwrap();
        case.refused("data", "lies in the data directory");
        case.refused("space/inside", "tablespace 16400");
        case.refused("", "lies in it");
        let error = case.look("data/new", CreateDestination::Make).unwrap_err();
        assert!(error.detail.contains("lies in the data directory"), "{error}");
    }

    #[test]
    fn open_foreign_and_missing_ones_are_refused() {
        let case = Case::new().mode("backup", 0o750);
        case.refused("backup", "0750");
        let case = Case::new();
        std::fs::write(case.root.path().join("backup/letter"), "x").unwrap();
        case.refused("backup", "not empty");
        std::fs::write(case.root.path().join("backup").join(IDENTITY_FILE), "{}").unwrap();
        assert!(case.look("backup", CreateDestination::Refuse).is_ok(), "ours may hold anything");
        case.refused("gone", "does not exist");
        std::fs::write(case.root.path().join("file"), "x").unwrap();
        case.refused("file", "not a directory");
        let usable = case.look("gone", CreateDestination::Make).unwrap();
        assert!(usable.is_missing);
    }
}
