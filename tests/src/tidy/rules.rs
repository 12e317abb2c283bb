//! Rules about who may name what.

use super::paths::{Mention, mentions};
use super::source::Source;

/// Which part of a source a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What is built into the product.
    Production,
    /// Tests as well.
    Everything,
}

/// A rule about the paths that some files name.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Files it is about: `*` is any text within one name, `**` any number of directories.
    pub files: &'static [&'static str],
    /// Files among them that it spares.
    pub except: &'static [&'static str],
    /// Which part of them.
    pub scope: Scope,
    /// Paths that must not be named, nor anything below.
    pub forbid: &'static [&'static str],
    /// What is allowed below a forbidden path.
    pub allow: &'static [&'static str],
    /// The reason.
    pub why: &'static str,
    /// A file and code that break it: the rule must find them.
    pub violation: (&'static str, &'static str),
}

impl Rule {
    /// The lines of a source that break the rule.
    #[must_use]
    pub fn check(&self, source: &Source) -> Vec<String> {
        let covers = |globs: &[&str]| globs.iter().any(|glob| is_match(glob, &source.path));
        if !covers(self.files) || covers(self.except) {
            return Vec::new();
        }
        let code = match self.scope {
            Scope::Production => &source.production,
            Scope::Everything => &source.code,
        };
        mentions(&source.path, code)
            .iter()
            .filter(|mention| self.breaks(mention))
            .map(|Mention { path, line }| {
                format!("{}:{line}: names {path}: {}", source.path, self.why)
            })
            .collect()
    }

    fn breaks(&self, Mention { path, .. }: &Mention) -> bool {
        if self.allow.iter().any(|allowed| is_below(path, allowed)) {
            return false;
        }
        self.forbid.iter().any(|forbidden| {
            // `use std::*` brings `fs` in as well.
            let glob = path.strip_suffix("::*").is_some_and(|base| is_below(forbidden, base));
            glob || is_below(path, forbidden)
        })
    }
}

/// What a crate's manifest must not depend on.
#[derive(Clone, Copy, Debug)]
pub struct Dependencies {
    /// Manifests it is about.
    pub manifests: &'static [&'static str],
    /// Packages that must not stand in any of their dependency tables.
    pub forbid: &'static [&'static str],
    /// The reason.
    pub why: &'static str,
}

impl Dependencies {
    /// What a manifest at this path depends on against the rule.
    ///
    /// # Errors
    /// The manifest is no TOML.
    pub fn check(&self, path: &str, manifest: &str) -> Result<Vec<String>, toml::de::Error> {
        if !self.manifests.iter().any(|glob| is_match(glob, path)) {
            return Ok(Vec::new());
        }
        let manifest: toml::Table = manifest.parse()?;
        let mut found = Vec::new();
        self.search(&manifest, path, &mut found);
        Ok(found)
    }

    /// `dependencies` also stands below `target.X` and with `dev-` and `build-` before it.
    fn search(&self, table: &toml::Table, path: &str, found: &mut Vec<String>) {
        for (key, value) in table {
            let Some(value) = value.as_table() else { continue };
            if key.ends_with("dependencies") {
                let packages = value.iter().map(|(name, entry)| {
                    entry.get("package").and_then(toml::Value::as_str).unwrap_or(name)
                });
                let forbidden = packages.filter(|package| self.forbid.contains(package));
                found.extend(
                    forbidden
                        .map(|package| format!("{path}: has {package} in {key}: {}", self.why)),
                );
            } else {
                self.search(value, path, found);
            }
        }
    }
}

fn is_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether a glob fits a path: `*` is any text within one name, `**` any directories.
#[must_use]
pub fn is_match(glob: &str, path: &str) -> bool {
    if let Some(rest) = glob.strip_prefix("**/") {
        return is_match(rest, path)
            || path.match_indices('/').any(|(at, _)| is_match(rest, &path[at + 1..]));
    }
    match glob.chars().next() {
        None => path.is_empty(),
        Some('*') => {
            let rest = &glob[1..];
            let name = path.find('/').unwrap_or(path.len());
            let mut ends = (0..=name).filter(|&end| path.is_char_boundary(end));
            ends.any(|end| is_match(rest, &path[end..]))
        }
        Some(first) => {
            path.strip_prefix(first).is_some_and(|rest| is_match(&glob[first.len_utf8()..], rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let check = |glob, path, expect| assert_eq!(is_match(glob, path), expect, "{glob} {path}");
        check("engine/src/**/*.rs", "engine/src/lib.rs", true);
        check("engine/src/**/*.rs", "engine/src/pg/sql/mod.rs", true);
        check("engine/src/**/*.rs", "engine/src/pg/a.sql", false);
        check("engine/src/*.rs", "engine/src/pg/mod.rs", false);
        check("*/src/**/*.rs", "tui/src/a/b.rs", true);
        check("**/*.rs", "a.rs", true);
        check("tests/tests/tidy*.rs", "tests/tests/tidy_codes.rs", true);
    }

    const RULE: Rule = Rule {
        files: &["a/**/*.rs"],
        except: &["a/sys/*.rs"],
        scope: Scope::Production,
        forbid: &["std::fs", "crate"],
        allow: &["crate::api"],
        why: "because",
        violation: ("a/x.rs", "use std::fs;"),
    };

    #[test]
    fn a_rule_finds_what_it_forbids_and_only_that() {
        let check = |path, text| RULE.check(&Source::new(path, text)).len();
        assert_eq!(check("a/x.rs", "use std::fs;"), 1);
        assert_eq!(check("a/x.rs", "use std::{io, fs::File};\nfn f() { std::fs::read(x) }"), 2);
        assert_eq!(check("a/x.rs", "use std::*;"), 1);
        assert_eq!(check("a/x.rs", "use crate::engine::X; use crate::api::Y;"), 1);
        assert_eq!(check("a/x.rs", "use std::fsync; // std::fs\nconst X: &str = \"std::fs\";"), 0);
        assert_eq!(check("a/x.rs", "#[cfg(test)] mod tests { use std::fs; }"), 0);
        assert_eq!(check("a/sys/x.rs", "use std::fs;"), 0);
        assert_eq!(check("b/x.rs", "use std::fs;"), 0);
        let found = RULE.check(&Source::new("a/x.rs", "\nuse std::fs::File;"));
        assert_eq!(found, ["a/x.rs:2: names std::fs::File: because"]);
    }

    #[test]
    fn manifests() {
        let rule = Dependencies { manifests: &["a/Cargo.toml"], forbid: &["tokio"], why: "async" };
        let check = |text| rule.check("a/Cargo.toml", text).unwrap().len();
        assert_eq!(check("[dependencies]\nserde = '1'"), 0);
        assert_eq!(check("[dependencies]\ntokio.workspace = true"), 1);
        assert_eq!(check("[target.'cfg(unix)'.dev-dependencies]\nt = { package = 'tokio' }"), 1);
        assert_eq!(rule.check("b/Cargo.toml", "[dependencies]\ntokio = '1'").unwrap().len(), 0);
    }
}
