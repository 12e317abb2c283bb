//! What a backup of a data directory is made of, at this moment.
//!
//! Read after the backup has been started: what appears later is made again by WAL replay.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::exclude::{self, Fork, Verdict};
use crate::api::{Error, ErrorCode, Result};
use crate::sys::disk::EntryKind;
use crate::sys::source::{self, FileStamp, Found};

/// Directories below directories at most; PostgreSQL's own are four deep.
const DEPTH_MAX: usize = 32;

/// A data directory's files.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Directories, parents first, with their permission bits.
    pub directories: Vec<(String, u32)>,
    /// Files.
    pub files: Vec<ListedFile>,
    /// Tablespaces outside of the data directory.
    pub tablespaces: Vec<TablespaceLink>,
    /// Where `pg_wal` really is, when it is a symbolic link.
    pub wal_location: Option<PathBuf>,
    /// What was left out although nobody said so, in words.
    pub warnings: Vec<String>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    /// Path below the data directory.
    pub path: String,
    /// What `lstat` said.
    pub stamp: FileStamp,
}

/// A tablespace's link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablespaceLink {
    /// Its OID, the name of the link in `pg_tblspc`.
    pub oid: String,
    /// Where the link points.
    pub location: PathBuf,
}

impl Listing {
    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.stamp.size).sum()
    }

    /// Reads a data directory. `version_directory` is the one a server of this version uses in
    /// a tablespace, such as `PG_15_202209061`: others belong to other clusters.
    ///
    /// # Errors
    /// `BackupSourceOdd` for what PostgreSQL would not have put there and what cannot be told
    /// by name; `DataDirectoryAccess` when something cannot be read.
    pub fn read(data_directory: &Path, version_directory: &str) -> Result<Self> {
        let mut walk = Walk { root: data_directory, version_directory, found: Self::default() };
        walk.directory("", 0)?;
        Ok(walk.found)
    }
}

struct Walk<'a> {
    root: &'a Path,
    version_directory: &'a str,
    found: Listing,
}

impl Walk<'_> {
    fn directory(&mut self, path: &str, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(odd(path, "directories are nested too deeply"));
        }
        let mut names = match source::list(&self.root.join(path)) {
            Ok(names) => names,
            // A database that has just been dropped.
            Err(error) if error.kind() == io::ErrorKind::NotFound && depth > 0 => return Ok(()),
            Err(error) => return Err(unreadable(&self.root.join(path), &error)),
        };
        names.sort_by(|a, b| a.shown.cmp(&b.shown));
        let mut files = Vec::new();
        for found in names {
            let shown = join(path, &found.shown);
            let Some(name) = &found.name else {
                return Err(odd(&shown, "its name is not UTF-8"));
            };
            let below = join(path, name);
            match found.kind {
                EntryKind::File => files.push((below, found.stamp)),
                EntryKind::Directory => self.subdirectory(below, &found, depth)?,
                EntryKind::Link => self.link(below, depth)?,
                EntryKind::Other => self.skip(&below, "is no file, directory or link"),
            }
        }
        self.files(files);
        Ok(())
    }

    fn subdirectory(&mut self, path: String, found: &Found, depth: usize) -> Result<()> {
        match exclude::directory(&path) {
            Verdict::Leave => {}
            Verdict::Empty => self.empty(path, found.stamp.mode),
            Verdict::Take => {
                self.found.directories.push((path.clone(), found.stamp.mode));
                self.directory(&path, depth + 1)?;
            }
        }
        Ok(())
    }

    /// `pg_wal` keeps the directory that the server expects in it.
    fn empty(&mut self, path: String, mode: u32) {
        let is_wal = path == "pg_wal";
        self.found.directories.push((path, mode));
        if is_wal {
            self.found.directories.push(("pg_wal/archive_status".to_owned(), mode));
        }
    }

    fn link(&mut self, path: String, depth: usize) -> Result<()> {
        let place = self.root.join(&path);
        let target = source::link(&place).map_err(|error| unreadable(&place, &error))?;
        if path == "pg_wal" {
            self.found.wal_location = Some(target);
            self.empty(path, 0o700);
            return Ok(());
        }
        if let Some(oid) = path.strip_prefix("pg_tblspc/")
            && oid.bytes().all(|byte| byte.is_ascii_digit())
        {
            return self.tablespace(&path, oid, target, depth);
        }
        if path.contains('/') {
            return Err(odd(&path, &format!("it is a symbolic link to {}", target.display())));
        }
        self.skip(&path, &format!("is a symbolic link to {}", target.display()));
        Ok(())
    }

    fn tablespace(&mut self, path: &str, oid: &str, target: PathBuf, depth: usize) -> Result<()> {
        let inside = format!("{path}/{}", self.version_directory);
        let listed = source::list(&self.root.join(path))
            .map_err(|error| unreadable(&self.root.join(path), &error))?;
        let own = listed.iter().find(|found| found.shown == self.version_directory);
        self.found.tablespaces.push(TablespaceLink { oid: oid.to_owned(), location: target });
        match own {
            Some(found) => self.subdirectory(inside, found, depth + 1),
            None => Err(odd(path, &format!("it holds no {}", self.version_directory))),
        }
    }

    fn skip(&mut self, path: &str, what: &str) {
        self.found.warnings.push(format!("{path} {what} and is not backed up"));
    }

    /// Files of one directory: unlogged relations are known by their `_init` fork.
    fn files(&mut self, files: Vec<(String, FileStamp)>) {
        let unlogged: HashSet<String> = files
            .iter()
            .filter_map(|(path, _)| exclude::relation(path))
            .filter(|relation| relation.fork == Fork::Init)
            .map(|relation| relation.number.to_owned())
            .collect();
        let kept = files.into_iter().filter(|(path, _)| {
            let is_unlogged = exclude::relation(path).is_some_and(|relation| {
                relation.fork != Fork::Init && unlogged.contains(relation.number)
            });
            !is_unlogged && exclude::file(path) == Verdict::Take
        });
        self.found.files.extend(kept.map(|(path, stamp)| ListedFile { path, stamp }));
    }
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

fn odd(path: &str, what: &str) -> Error {
    Error::new(ErrorCode::BackupSourceOdd, format!("\"{path}\" cannot be backed up")).detail(what)
}

/// The error of something in the data directory that cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    let fact = format!("\"{}\" cannot be read", path.display());
    Error::new(ErrorCode::DataDirectoryAccess, fact).detail(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const VERSION: &str = "PG_15_202209061";

    fn cluster() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        // Even what could not be backed up stays in there unseen.
        fs::create_dir_all(root.path().join("data/pgdeck_recovery/kept/base/5")).unwrap();
        symlink("/nowhere", root.path().join("data/pgdeck_recovery/kept/odd")).unwrap();
        for name in ["base/5", "base/pgsql_tmp", "global", "pg_wal/archive_status", "pg_tblspc"] {
            fs::create_dir_all(root.path().join("data").join(name)).unwrap();
        }
        fs::create_dir_all(root.path().join("space").join(VERSION).join("5")).unwrap();
        fs::create_dir_all(root.path().join("space/PG_14_202107181/5")).unwrap();
        symlink(root.path().join("space"), root.path().join("data/pg_tblspc/16400")).unwrap();
        for (name, bytes) in [
            ("data/base/5/1", 10),
            ("data/base/5/1_fsm", 10),
            ("data/base/5/2", 10),
            ("data/base/5/2.1", 10),
            ("data/base/5/2_init", 3),
            ("data/base/5/t3_7", 10),
            ("data/base/pgsql_tmp/pgsql_tmp1.0", 10),
            ("data/global/pg_control", 8192),
            ("data/pg_wal/000000010000000000000001", 100),
            ("data/postmaster.pid", 9),
            ("data/pgdeck_recovery/kept/base/5/77", 9),
            ("space/PG_15_202209061/5/9", 1),
            ("space/PG_14_202107181/5/9", 1),
        ] {
            fs::write(root.path().join(name), vec![b'x'; bytes]).unwrap();
        }
        root
    }

    fn paths(listing: &Listing) -> Vec<&str> {
        listing.files.iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn what_a_backup_is_made_of() {
        let root = cluster();
        let listing = Listing::read(&root.path().join("data"), VERSION).unwrap();
        let expected =
            ["base/5/1", "base/5/1_fsm", "base/5/2_init", "pg_tblspc/16400/PG_15_202209061/5/9"];
        assert_eq!(paths(&listing), expected);
        assert_eq!(listing.bytes(), 24);
        let directories: Vec<_> = listing.directories.iter().map(|(path, _)| path).collect();
        assert!(directories.iter().any(|path| *path == "pg_wal/archive_status"));
        assert!(!directories.iter().any(|path| path.contains("pgsql_tmp")));
        assert!(!directories.iter().any(|path| path.contains("pgdeck_recovery")));
        assert_eq!(listing.tablespaces[0].location, root.path().join("space"));
        assert_eq!(listing.wal_location, None);
    }

    #[test]
    fn odd_things_are_named() {
        let root = cluster();
        let data = root.path().join("data");
        symlink("/etc/hosts", data.join("server.crt")).unwrap();
        let listing = Listing::read(&data, VERSION).unwrap();
        assert!(listing.warnings[0].starts_with("server.crt is a symbolic link"));
        symlink("/etc/hosts", data.join("base/5/77")).unwrap();
        let error = Listing::read(&data, VERSION).unwrap_err();
        assert_eq!(error.code, ErrorCode::BackupSourceOdd);
        assert!(error.fact.contains("base/5/77"), "{error}");
    }

    #[test]
    fn wal_elsewhere_is_recorded() {
        let root = cluster();
        let data = root.path().join("data");
        fs::rename(data.join("pg_wal"), root.path().join("wal")).unwrap();
        symlink(root.path().join("wal"), data.join("pg_wal")).unwrap();
        let listing = Listing::read(&data, VERSION).unwrap();
        assert_eq!(listing.wal_location, Some(root.path().join("wal")));
        assert!(listing.directories.iter().any(|(path, _)| path == "pg_wal"));
        assert!(!paths(&listing).iter().any(|path| path.starts_with("pg_wal")));
    }
}
