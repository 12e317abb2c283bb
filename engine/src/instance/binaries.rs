//! Finding the server programs of a major version.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::sys::{file, process};

/// Looks for server programs and remembers what it found.
#[derive(Debug, Default)]
pub struct BinaryFinder {
    preferred: Vec<PathBuf>,
    versions: HashMap<PathBuf, Option<u32>>,
}

impl BinaryFinder {
    /// A finder that looks first into `--bin-dir`, then `PGBIN`, then what `pg_config` and
    /// `PATH` name, then the directories distributions use.
    #[must_use]
    pub fn new(bin_directory: Option<&Path>) -> Self {
        let mut preferred: Vec<PathBuf> = bin_directory.map(PathBuf::from).into_iter().collect();
        preferred.extend(std::env::var_os("PGBIN").map(PathBuf::from));
        Self { preferred, versions: HashMap::new() }
    }

    /// The directory with `postgres` and `pg_ctl` of this major version.
    ///
    /// `hint` is looked at before the rest: the program of the running server, or what
    /// `pgdeck.toml` says.
    #[must_use]
    pub fn find(&mut self, major: u32, hint: Option<&Path>) -> Option<PathBuf> {
        let mut candidates: Vec<PathBuf> = self.preferred.clone();
        candidates.extend(hint.map(PathBuf::from));
        candidates.extend(on_path());
        candidates.extend(of_distributions(major));
        candidates.into_iter().find(|directory| self.major_of(directory) == Some(major))
    }

    /// The newest major version found anywhere, for making a new cluster.
    #[must_use]
    pub fn newest(&mut self, majors: std::ops::RangeInclusive<u32>) -> Option<(u32, PathBuf)> {
        if let Some(found) = self.preferred.clone().into_iter().find_map(|directory| {
            let major = self.major_of(&directory)?;
            majors.contains(&major).then_some((major, directory))
        }) {
            return Some(found);
        }
        majors.rev().find_map(|major| Some((major, self.find(major, None)?)))
    }

    /// What was looked at, for an error's detail.
    #[must_use]
    pub fn looked_at(&self) -> Vec<PathBuf> {
        let mut all: Vec<_> = self.versions.keys().cloned().collect();
        all.sort();
        all
    }

    fn major_of(&mut self, directory: &Path) -> Option<u32> {
        if let Some(known) = self.versions.get(directory) {
            return *known;
        }
        let complete = ["postgres", "pg_ctl"]
            .iter()
            .all(|program| file::is_executable(&directory.join(program)));
        let major = complete
            .then(|| process::version_line(&directory.join("postgres")).ok())
            .flatten()
            .and_then(|line| parse_major(&line));
        self.versions.insert(directory.to_path_buf(), major);
        major
    }
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian …)`, also `18beta1`.
fn parse_major(line: &str) -> Option<u32> {
    let (_, version) = line.split_once("(PostgreSQL) ")?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn on_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|directory| file::is_executable(&directory.join("postgres")))
        .filter_map(|directory| file::canonical(&directory.join("postgres")).ok())
        .filter_map(|program| program.parent().map(PathBuf::from))
        .collect()
}

/// Debian, Red Hat (PGDG), SUSE, Alpine, source builds, Homebrew.
fn of_distributions(major: u32) -> Vec<PathBuf> {
    [
        format!("/usr/lib/postgresql/{major}/bin"),
        format!("/usr/pgsql-{major}/bin"),
        format!("/usr/lib/postgresql{major}/bin"),
        format!("/usr/libexec/postgresql{major}"),
        format!("/opt/homebrew/opt/postgresql@{major}/bin"),
        format!("/usr/local/opt/postgresql@{major}/bin"),
        "/usr/local/pgsql/bin".to_owned(),
        "/usr/bin".to_owned(),
    ]
    .into_iter()
    .map(PathBuf::from)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_of_releases_and_betas() {
        for (line, major) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("pg_ctl (PostgreSQL) 13.23", Some(13)),
            ("bash 5", None),
            ("", None),
        ] {
            assert_eq!(parse_major(line), major, "{line}");
        }
    }

    #[test]
    fn an_incomplete_directory_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("postgres");
        std::fs::write(&program, "#!/bin/sh\necho 'postgres (PostgreSQL) 15.1'\n").unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, executable).unwrap();
        let mut finder = BinaryFinder::new(Some(directory.path()));
        assert_ne!(finder.find(15, None).as_deref(), Some(directory.path()));
        let twin = directory.path().join("pg_ctl");
        std::fs::copy(&program, &twin).unwrap();
        let mut finder = BinaryFinder::new(Some(directory.path()));
        assert_eq!(finder.find(15, None).as_deref(), Some(directory.path()));
        assert_ne!(finder.find(14, None).as_deref(), Some(directory.path()), "the wrong major");
    }
}
