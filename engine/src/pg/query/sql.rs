//! The registry of SQL texts.
//!
//! Each text is a file `sql/NAME.MAJOR.sql`, good from that major version on until the next
//! file of the same name. All names in them are qualified with `pg_catalog`. A test prepares
//! every query of [`ALL`] on every supported major version.

use crate::api::ServerVersion;

/// One query with its texts by version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// The file name's first part.
    pub name: &'static str,
    /// The first major version of each text, ascending, and the text.
    pub variants: &'static [(u32, &'static str)],
}

impl Query {
    /// The text for a major version: the newest that is not newer. `None` when the query
    /// is only for later versions.
    #[must_use]
    pub fn text_for(&self, major: u32) -> Option<&'static str> {
        self.variants.iter().rfind(|(first, _)| *first <= major).map(|(_, text)| *text)
    }

    /// Major versions the query exists on.
    pub fn majors(&self) -> impl Iterator<Item = u32> {
        let exists = |major: &u32| self.text_for(*major).is_some();
        (ServerVersion::MAJOR_MIN..=ServerVersion::MAJOR_MAX).filter(exists)
    }
}

macro_rules! queries {
    ($($(#[$doc:meta])* $constant:ident = $name:literal from $($major:literal)+;)*) => {
        $(
            $(#[$doc])*
            pub const $constant: Query = Query {
                name: $name,
                variants: &[
                    $(($major, include_str!(concat!("../sql/", $name, ".", $major, ".sql"))),)+
                ],
            };
        )*

        /// Every query.
        pub const ALL: &[Query] = &[$($constant,)*];
    };
}

queries! {
    /// Makes a fresh session independent of the settings of role and database.
    ///
    /// Parameters: `statement_timeout` and `lock_timeout` with their units, such as `800ms`.
    /// One row, to be ignored.
    SESSION_SETUP = "session_setup" from 13 14;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Query = Query { name: "sample", variants: &[(14, "old"), (16, "new")] };

    #[test]
    fn the_newest_text_that_is_not_too_new() {
        let texts: Vec<_> = (13..=18).map(|major| SAMPLE.text_for(major)).collect();
        let (old, new) = (Some("old"), Some("new"));
        assert_eq!(texts, [None, old, old, new, new, new]);
        assert_eq!(SAMPLE.majors().collect::<Vec<_>>(), [14, 15, 16, 17, 18]);
    }

    #[test]
    fn the_registry_is_in_order() {
        let mut names: Vec<_> = ALL.iter().map(|query| query.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len(), "names are unique");
        for query in ALL {
            let firsts: Vec<_> = query.variants.iter().map(|(first, _)| *first).collect();
            assert!(firsts.is_sorted_by(|a, b| a < b), "{}", query.name);
            let supported = ServerVersion::MAJOR_MIN..=ServerVersion::MAJOR_MAX;
            assert!(firsts.iter().all(|first| supported.contains(first)), "{}", query.name);
            for (first, text) in query.variants {
                assert!(!text.trim().is_empty(), "{}.{first}", query.name);
                // The extended protocol takes one statement at a time.
                assert!(!text.contains(';'), "{}.{first}", query.name);
            }
        }
    }
}
