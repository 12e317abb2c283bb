//! The environment of a program under test: nothing of the developer's own leaks in.
//!
//! No locale, no `TERM`, no `PG*`, no colour wishes, and a home directory of its own, so
//! that no password file, configuration or journal of the user is read or written.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::place;

/// The search path, the same on every machine.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A home directory that is removed with its last holder.
///
/// Programs that share one see each other's configuration and journals, as two consoles of
/// one user do; programs without a common one know nothing of each other.
#[derive(Clone, Debug)]
pub struct Home {
    directory: Arc<Directory>,
}

#[derive(Debug)]
struct Directory {
    place: PathBuf,
    home: PathBuf,
}

impl Drop for Directory {
    fn drop(&mut self) {
        if std::thread::panicking() {
            place::keep(&self.place);
        } else {
            // A program that still ends may be writing; the next run removes the rest.
            let _ = std::fs::remove_dir_all(&self.place);
        }
    }
}

impl Home {
    /// An empty home directory.
    #[must_use]
    pub fn new() -> Self {
        let place = place::make();
        let home = place.join("home");
        std::fs::create_dir(&home).expect("a home directory can be made");
        Self { directory: Arc::new(Directory { place, home }) }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory.home
    }

    /// Writes a file under it, with the directories above; mode 0600, as a password file needs.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path().join(name);
        let parent = path.parent().expect("the path lies under the home directory");
        std::fs::create_dir_all(parent).expect("directories can be made under the home directory");
        std::fs::write(&path, content).expect("a file can be written under the home directory");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .expect("its mode can be set");
        path
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

/// The environment a program gets: [`PATH`], `HOME`, `SHELL`, `TZ=UTC`, and what a test adds.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    home: Home,
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    pub(crate) fn new() -> Self {
        Self { home: Home::new(), variables: BTreeMap::new() }
    }

    pub(crate) fn set(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
        self.variables.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
    }

    pub(crate) fn clear_locale(&mut self) {
        self.variables.retain(|name, _| {
            let name = name.to_string_lossy();
            name != "LANG" && name != "LANGUAGE" && !name.starts_with("LC_")
        });
    }

    pub(crate) fn set_home(&mut self, home: &Home) {
        self.home = home.clone();
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// All of it.
    pub(crate) fn variables(&self) -> BTreeMap<OsString, OsString> {
        let mut all: BTreeMap<OsString, OsString> = [
            ("PATH", OsStr::new(PATH)),
            ("HOME", self.home.path().as_os_str()),
            ("TZ", OsStr::new("UTC")),
            // portable-pty would look the user's own up.
            ("SHELL", OsStr::new("/bin/sh")),
        ]
        .map(|(name, value)| (name.into(), value.to_owned()))
        .into();
        all.extend(self.variables.clone());
        all
    }
}
