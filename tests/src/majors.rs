//! The supported major versions of PostgreSQL and where their programs are.

use std::fmt;
use std::path::PathBuf;

use crate::{account, cache};

/// A supported major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Major {
    /// PostgreSQL 13.
    V13,
    /// PostgreSQL 14.
    V14,
    /// PostgreSQL 15.
    V15,
    /// PostgreSQL 16.
    V16,
    /// PostgreSQL 17.
    V17,
    /// PostgreSQL 18.
    V18,
}

impl Major {
    /// Every supported major version, oldest first.
    pub const ALL: [Self; 6] = [Self::V13, Self::V14, Self::V15, Self::V16, Self::V17, Self::V18];

    /// The number, such as 15.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::V13 => 13,
            Self::V14 => 14,
            Self::V15 => 15,
            Self::V16 => 16,
            Self::V17 => 17,
            Self::V18 => 18,
        }
    }

    /// The directory of its server programs, symbolic links followed.
    ///
    /// # Panics
    /// When the cache has none. A missing version fails the suite; it is never skipped.
    #[must_use]
    pub fn bin_directory(self) -> PathBuf {
        let place = cache::directory().join("majors").join(self.to_string()).join("bin");
        match place.canonicalize() {
            Ok(directory) if directory.join("postgres").is_file() => directory,
            _ => panic!(
                "there are no server programs of PostgreSQL {self}\n\
                 DETAIL: {} does not exist\n\
                 HINT: Run 'make test', or 'tests/majors.sh' once before a single test.",
                place.join("postgres").display()
            ),
        }
    }

    /// One of its programs: `postgres`, `pg_ctl` or `initdb`. Only 15 is sure to have others.
    #[must_use]
    pub fn program(self, name: &str) -> PathBuf {
        self.bin_directory().join(name)
    }

    /// What `postgres --version` says, such as `15.14`.
    #[must_use]
    pub fn version(self) -> String {
        let mut command = account::command(self.program("postgres"));
        command.arg("--version");
        let text = account::output_of(command).unwrap_or_else(|error| panic!("{error}"));
        text.split_whitespace()
            .nth(2)
            .unwrap_or_else(|| panic!("no version in {text:?}"))
            .to_owned()
    }
}

impl fmt::Display for Major {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// One test for each supported major version: `for_every_major! { starts }` runs
/// `fn starts(major: Major)` as `starts::major_13` to `starts::major_18`.
#[macro_export]
macro_rules! for_every_major {
    ($test:ident) => {
        $crate::for_every_major! { $test:
            major_13 = V13, major_14 = V14, major_15 = V15,
            major_16 = V16, major_17 = V17, major_18 = V18
        }
    };
    ($test:ident: $($name:ident = $major:ident),*) => {
        mod $test {
            $(
                #[test]
                fn $name() {
                    super::$test($crate::Major::$major);
                }
            )*
        }
    };
}
