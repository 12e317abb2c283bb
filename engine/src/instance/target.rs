//! Which instance is meant, and the files it is found by.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::api::{InstanceId, InstanceIdentity, Locality};
use crate::pg::conf::{self, Conf};
use crate::pg::files::{FileFacts, FileKind, ReadFiles};
use crate::sys::file;

/// A configuration or password file larger than this is not read.
const FILE_BYTES_MAX: u64 = 4 << 20;
const NAMES_MAX: usize = 10_000;

/// An instance with its data directory on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalTarget {
    /// The name people use.
    pub name: String,
    /// The data storage destination, canonical when it exists.
    pub data_directory: PathBuf,
    /// Where `postgresql.conf` is, when elsewhere (Debian's layout).
    pub config_directory: Option<PathBuf>,
    /// Where its server programs are, if known: from `pgdeck.toml` or the running server.
    pub bin_directory: Option<PathBuf>,
    /// Where `pg_ctl` is to send the server's output.
    pub log_file: Option<PathBuf>,
    /// Connection parameters on top of those found in `postmaster.pid`.
    pub connection: Option<String>,
}

/// An instance that is reached through a connection string only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteTarget {
    /// The name people use.
    pub name: String,
    /// The connection string; may be empty, then `PG*` variables say it all.
    pub connection: String,
}

/// An instance to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// On this machine.
    Local(LocalTarget),
    /// Elsewhere.
    Remote(RemoteTarget),
}

impl LocalTarget {
    /// A target known only by its data directory.
    #[must_use]
    pub fn from_directory(path: &Path) -> Self {
        let data_directory = canonical(path);
        Self { name: name_of(&data_directory), data_directory, ..Self::default() }
    }

    /// The file that `config_file` names by default.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.config_directory.as_ref().unwrap_or(&self.data_directory).join(conf::CONF_FILE)
    }

    /// What the configuration files say.
    ///
    /// # Errors
    /// When the main file cannot be read.
    pub fn load_conf(&self) -> Result<Conf, crate::api::Error> {
        Conf::load(&RealFiles, &self.config_file(), &self.data_directory)
    }
}

impl Target {
    /// Who it is, as front ends see it.
    #[must_use]
    pub fn identity(&self, host: &str) -> InstanceIdentity {
        match self {
            Self::Local(local) => InstanceIdentity {
                id: InstanceId::new(local.data_directory.to_string_lossy()),
                name: local.name.clone(),
                host: host.to_owned(),
                locality: Locality::Local,
                data_directory: Some(local.data_directory.clone()),
                config_directory: local.config_directory.clone(),
            },
            Self::Remote(remote) => InstanceIdentity {
                id: InstanceId::new(format!("remote:{}", remote.name)),
                name: remote.name.clone(),
                host: host.to_owned(),
                locality: Locality::Remote,
                data_directory: None,
                config_directory: None,
            },
        }
    }
}

/// The canonical path, also of a directory that is lost: what is remembered of it is found by it.
fn canonical(path: &Path) -> PathBuf {
    if let Ok(path) = file::canonical(path) {
        return path;
    }
    let target = file::link_target(path).ok().filter(|target| target.is_absolute());
    as_far_as_it_exists(target.as_deref().unwrap_or(path))
}

fn as_far_as_it_exists(path: &Path) -> PathBuf {
    if let Ok(path) = file::canonical(path) {
        return path;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if path.is_absolute() => as_far_as_it_exists(parent).join(name),
        _ => path.to_path_buf(),
    }
}

/// A name for a cluster nobody has named: the last part of its path, or the last two where
/// that part is what every cluster of a distribution is called (`/var/lib/postgresql/15/main`).
fn name_of(directory: &Path) -> String {
    let parts: Vec<String> =
        directory.iter().rev().take(2).map(|part| part.to_string_lossy().into_owned()).collect();
    match parts.as_slice() {
        [last, before] if ["main", "data"].contains(&last.as_str()) => format!("{before}-{last}"),
        [last, ..] => last.clone(),
        [] => "instance".to_owned(),
    }
}

/// The machine's files, for the parsers of `pg`.
#[derive(Clone, Copy, Debug)]
pub struct RealFiles;

impl ReadFiles for RealFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        file::read(path, FILE_BYTES_MAX)
    }

    fn facts(&self, path: &Path) -> io::Result<FileFacts> {
        let stat = file::stat(path)?;
        let kind = match (stat.is_directory, stat.is_regular) {
            (true, _) => FileKind::Directory,
            (_, true) => FileKind::Regular,
            _ => FileKind::Other,
        };
        Ok(FileFacts { kind, owner: stat.uid, mode: stat.mode })
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        Ok(file::list(directory, NAMES_MAX)?.into_iter().map(OsString::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_directory_has_the_path_it_had() {
        let root = tempfile::tempdir().unwrap();
        let (disk, link) = (root.path().join("disk"), root.path().join("link"));
        let data = disk.join("inst1/data");
        std::fs::create_dir_all(&data).unwrap();
        std::os::unix::fs::symlink(&data, &link).unwrap();
        let through = root.path().join("through");
        std::os::unix::fs::symlink(&disk, &through).unwrap();
        let there = LocalTarget::from_directory(&data).data_directory;
        let paths = [link, through.join("inst1/data"), data];
        for lost in [disk.join("inst1/data"), disk.join("inst1")] {
            std::fs::remove_dir(&lost).unwrap();
            for path in &paths {
                assert_eq!(LocalTarget::from_directory(path).data_directory, there, "{path:?}");
            }
        }
        let relative = Path::new("not/there");
        assert_eq!(LocalTarget::from_directory(relative).data_directory, relative);
    }

    #[test]
    fn names_tell_clusters_apart() {
        for (path, name) in [
            ("/database/inst1", "inst1"),
            ("/var/lib/postgresql/15/main", "15-main"),
            ("/srv/app/data", "app-data"),
            ("/", "/"),
        ] {
            assert_eq!(name_of(Path::new(path)), name);
        }
    }
}
