//! Restored directories judged by stock tools: structures by `pg_amcheck`, pages by
//! `pg_checksums`. Where a major has no such tool, what is done in its place is said.

#![expect(clippy::print_stdout, reason = "the runner shows it with the test")]

use std::fs;
use std::path::Path;

use pgdeck_engine::backup::exclude;
use pgdeck_engine::backup::page::{Checker, PageState};

use crate::majors::Major;
use crate::{Restored, account};

/// Bytes of a page, and pages of one file of a relation, as every packaged server is built.
const PAGE_BYTES: usize = 8192;
const FILE_PAGES: u32 = 131_072;

impl Restored {
    /// Compares every table and every B-tree index of every database with what their
    /// structures promise, the entry of every row included.
    ///
    /// By the stock `pg_amcheck` of PostgreSQL 15, which asks the extension of the server it
    /// talks to. PostgreSQL 13 cannot check tables, `verify_heapam()` came with 14: there the
    /// extension looks for every row in the indexes.
    ///
    /// # Panics
    /// When something does not fit, or cannot be checked.
    pub fn amcheck(&self) {
        if self.major == Major::V13 {
            println!("PostgreSQL 13 has no verify_heapam(): indexes against the rows instead");
            self.check_indexes();
            return;
        }
        let mut command = account::command(Major::V15.program("pg_amcheck"));
        command
            .args(["--all", "--install-missing", "--heapallindexed", "--parent-check"])
            .args(["--username", "postgres", "--port", &self.port.number.to_string(), "--host"])
            .arg(self.directory.parent().expect("it has a parent"));
        let said = account::output_of(command).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(said, "", "pg_amcheck finds something");
    }

    fn check_indexes(&self) {
        let _ = self.query("create extension if not exists amcheck; select 1");
        let checked = self.query(
            "select count(bt_index_parent_check(i.indexrelid, true)::text) from pg_index i
             join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
             where a.amname = 'btree' and c.relpersistence = 'p' and i.indisvalid",
        );
        assert!(checked.parse::<u32>().is_ok_and(|count| count > 100), "{checked} indexes");
    }

    /// Stops it and looks at every page: by the rule of PostgreSQL, and with PostgreSQL 15, whose
    /// `pg_checksums` is here and reads clusters of its own major only, by that as well.
    ///
    /// # Panics
    /// When a page is damaged.
    pub fn checksums(&mut self) {
        self.stop();
        let pages = check_pages(&self.directory, &self.directory);
        assert!(pages > 500, "only {pages} pages were looked at");
        if self.major != Major::V15 {
            println!("there is a stock pg_checksums for PostgreSQL 15 only");
            return;
        }
        let mut command = account::command(Major::V15.program("pg_checksums"));
        command.args(["--check", "-D"]).arg(&self.directory);
        let said = account::output_of(command).unwrap_or_else(|error| panic!("{error}"));
        assert!(said.contains("Bad checksums:  0"), "{said}");
    }
}

/// Looks at the pages of every relation below `place`; how many there are.
fn check_pages(root: &Path, place: &Path) -> u64 {
    let mut count = 0;
    for entry in fs::read_dir(place).expect("a restored directory can be listed").flatten() {
        let path = entry.path();
        // Tablespaces are symbolic links.
        if path.is_dir() {
            count += check_pages(root, &path);
            continue;
        }
        let below = path.strip_prefix(root).expect("it lies below").to_string_lossy().into_owned();
        let Some(relation) = exclude::relation(&below) else { continue };
        let content = fs::read(&path).expect("a file of a relation can be read");
        assert_eq!(content.len() % PAGE_BYTES, 0, "{below} ends within a page");
        let first = relation.segment * FILE_PAGES;
        for (page, block) in content.chunks(PAGE_BYTES).zip(first..) {
            let state = Checker::default().state(page, block);
            assert_ne!(state, PageState::Damaged, "{below}, block {block}");
            count += 1;
        }
    }
    count
}
