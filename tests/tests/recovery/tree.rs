//! What a cluster's places hold, to be compared.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Files with a checksum of their content, links with the length of their target.
pub(crate) type Tree = BTreeMap<PathBuf, u64>;

/// Every file of the places with its content, without what the recovery keeps and what a server
/// wrote that only failed to start.
pub(crate) fn tree(places: &[&Path]) -> Tree {
    let mut found = BTreeMap::new();
    let mut pending: Vec<PathBuf> = places.iter().map(|path| path.to_path_buf()).collect();
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                // Of a kill before anything was begun a lock file is left.
                let is_begun = path.join("state.json").exists() || path.join("kept").exists();
                if !path.ends_with("pgdeck_recovery") || is_begun {
                    pending.push(path);
                }
            } else if entry.file_type().unwrap().is_symlink() {
                found.insert(path.clone(), fs::read_link(&path).unwrap().as_os_str().len() as u64);
            } else {
                let sum = crc32c::crc32c(&fs::read(&path).unwrap());
                found.insert(path, u64::from(sum));
            }
        }
    }
    found
}

#[track_caller]
pub(crate) fn assert_same(found: &Tree, expected: &Tree, round: &str) {
    let differ = |path: &&PathBuf| found.get(*path) != expected.get(*path);
    let paths: Vec<_> = found.keys().chain(expected.keys()).filter(differ).take(9).collect();
    assert!(paths.is_empty(), "{round}: {paths:?}");
}
