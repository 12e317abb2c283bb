//! Acting as the owner of a data directory.
//!
//! PostgreSQL refuses root, and `peer` authentication looks at who opened the socket. When
//! pgdeck is root, everything done in a server's name (opening its socket, running its
//! programs, writing the journal beside it) happens on a thread that has taken the owner's
//! credentials. On Linux credentials belong to a thread, and a child process or a socket takes
//! those of the thread that made it; so no setuid helper is needed, and root never writes
//! through a directory that somebody else controls.

use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};
use rustix::process::{Gid, Uid};

/// A user of the operating system, with what is needed to act as them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    name: String,
    home: PathBuf,
}

impl Credentials {
    /// The user with this number. A user without a passwd entry gets its number as a name
    /// and `/` as a home.
    #[must_use]
    pub fn of_uid(uid: u32) -> Self {
        match User::from_uid(nix::unistd::Uid::from_raw(uid)) {
            Ok(Some(user)) => Self::of_user(user),
            _ => Self {
                uid,
                gid: uid,
                groups: vec![uid],
                name: uid.to_string(),
                home: PathBuf::from("/"),
            },
        }
    }

    /// The user with this name.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn of_name(name: &str) -> io::Result<Self> {
        match User::from_name(name).map_err(io::Error::from)? {
            Some(user) => Ok(Self::of_user(user)),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("no user \"{name}\""))),
        }
    }

    /// The user this process runs as.
    #[must_use]
    pub fn current() -> Self {
        Self::of_uid(rustix::process::geteuid().as_raw())
    }

    fn of_user(user: User) -> Self {
        let groups = std::ffi::CString::new(user.name.as_str())
            .ok()
            .and_then(|name| nix::unistd::getgrouplist(&name, user.gid).ok())
            .unwrap_or_else(|| vec![user.gid]);
        Self {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            groups: groups.into_iter().map(nix::unistd::Gid::as_raw).collect(),
            name: user.name,
            home: user.dir,
        }
    }

    /// User number.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Number of the user's own group.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// User name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Home directory.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Whether this is root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether this process is already that user.
    #[must_use]
    pub fn is_current(&self) -> bool {
        rustix::process::geteuid().as_raw() == self.uid
    }

    /// Runs `work` on a thread of its own that has these credentials, and waits for it.
    ///
    /// When they are the process's own, `work` runs here.
    ///
    /// # Errors
    /// When the thread cannot be made or may not take the credentials (not root).
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        if self.is_current() {
            return Ok(work());
        }
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name(format!("as-{}", self.name));
            let handle = thread.spawn_scoped(scope, || {
                self.assume()?;
                Ok(work())
            })?;
            handle.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
        })
    }

    /// Gives the calling thread these credentials for the rest of its life.
    ///
    /// # Errors
    /// `PermissionDenied` unless the thread is root's or has them already.
    pub fn assume(&self) -> io::Result<()> {
        if self.is_current() {
            return Ok(());
        }
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        let gid = Gid::from_raw(self.gid);
        let uid = Uid::from_raw(self.uid);
        rustix::thread::set_thread_groups(&groups)?;
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }
}

/// The name of the group with this number, or the number.
#[must_use]
pub fn group_name(gid: u32) -> String {
    match Group::from_gid(nix::unistd::Gid::from_raw(gid)) {
        Ok(Some(group)) => group.name,
        _ => gid.to_string(),
    }
}

/// Who sits at the keyboard: the user, and the one behind `sudo` or `su` where it is known.
#[must_use]
pub fn operator() -> String {
    let user = Credentials::current().name;
    match std::env::var("SUDO_USER") {
        Ok(behind) if !behind.is_empty() && behind != user => format!("{user} (sudo by {behind})"),
        _ => user,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_credentials_run_in_place() {
        let here = std::thread::current().id();
        let there = Credentials::current().run(|| std::thread::current().id()).unwrap();
        assert_eq!(here, there);
    }

    #[test]
    fn root_acts_as_another_user_on_one_thread_only() {
        let Ok(nobody) = Credentials::of_name("nobody") else {
            panic!("every supported system has the user nobody");
        };
        if !Credentials::current().is_root() {
            let denied = nobody.run(|| ()).unwrap_err();
            assert_eq!(denied.kind(), io::ErrorKind::PermissionDenied);
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        rustix::fs::chmod(directory.path(), rustix::fs::Mode::from_raw_mode(0o777)).unwrap();
        let path = directory.path().join("made");
        nobody.run(|| std::fs::write(&path, b"x")).unwrap().unwrap();
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&path).unwrap());
        assert_eq!(owner, nobody.uid());
        assert!(Credentials::current().is_root(), "the process itself stays root");
    }
}
