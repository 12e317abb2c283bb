//! Mistakes by the names of relations: dropped ones, emptied ones, ones that have had several
//! files, in databases and schemas that are gone.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use pgdeck_engine::api::{ErrorCode, Lsn, MistakeQuery, TimelineId};
use pgdeck_engine::pg::wal::{SegmentName, SegmentSize};
use pgdeck_engine::recovery::mistakes;
use pgdeck_tests::planning::as_owner;
use pgdeck_tests::{Major, Repository, StopMode};
use serde_json::Value;

fn run(repository: &Repository, database: &str, statements: &[&str]) {
    for statement in statements {
        repository.instance.sql(database, statement);
    }
}

/// What is found, the oldest first: what was done, and to which relations.
fn found(repository: &Repository, options: &[&str]) -> Vec<String> {
    let words = [&["mistakes", "--json", "--rows", "500"], options].concat();
    let done = repository.recover(&words).finish().expect_code(0);
    let found: Vec<Value> = serde_json::from_str(&done.stdout).unwrap();
    let text = |one: &Value| {
        let names: Vec<&str> = one["relations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        format!("{} {}", one["kind"].as_str().unwrap(), names.join(" "))
    };
    found.iter().rev().map(text).collect()
}

/// Tables that the backup knows, and what becomes of them.
fn by_name_after_a_backup(major: Major, settings: &[(&str, &str)]) {
    let repository = Repository::start_small(major);
    for (name, value) in settings {
        repository.instance.set(name, value);
    }
    repository.instance.reload();
    run(
        &repository,
        "postgres",
        &[
            "create schema shop",
            "create table shop.orders (id int primary key, t text)",
            "insert into shop.orders select g, 'x' from generate_series(1, 600) g",
            "create table shop.kept (id int primary key, t text)",
            "insert into shop.kept select g, 'x' from generate_series(1, 600) g",
            "create table renamed (id int)",
        ],
    );
    let label = repository.backup(&[]);
    run(
        &repository,
        "postgres",
        &[
            "truncate shop.orders",
            "insert into shop.orders select g, 'x' from generate_series(1, 900) g",
            "vacuum full shop.orders",
            "delete from shop.orders where id > 100",
            "drop table shop.orders",
            "vacuum full shop.kept",
            "reindex table shop.kept",
            "cluster shop.kept using kept_pkey",
            "begin; truncate shop.kept; rollback",
            "checkpoint",
            "create table brief (id int primary key)",
            "insert into brief select generate_series(1, 10)",
            "drop table brief",
            "alter table renamed rename to other_name",
            "drop table other_name",
            "create schema \"New\"; create table \"New\".\"T\" (id int, t text)",
            "drop schema \"New\" cascade",
            "drop table shop.kept",
        ],
    );
    repository.archive();
    repository.instance.stop(StopMode::Fast);

    let orders = [
        "truncate postgres/shop.orders",
        "delete postgres/shop.orders",
        "drop postgres/shop.orders",
    ];
    let rest = [
        "drop postgres/public.brief",
        "drop postgres/public.other_name",
        "drop postgres/New.T",
        "drop postgres/shop.kept",
    ];
    assert_eq!(found(&repository, &[]), [&orders[..], &rest[..]].concat());
    assert_eq!(found(&repository, &["--relation", "shop.orders"]), orders);
    // By the name it had before.
    let renamed = found(&repository, &["--relation", "renamed"]);
    assert_eq!(renamed, ["drop postgres/public.other_name"]);
    let unknown = repository.recover(&["mistakes", "--relation", "nobody"]).finish();
    let unknown = unknown.expect_code(64);
    assert!(unknown.stderr.contains("\"nobody\" is not known"), "{}", unknown.stderr);
    is_cancelled_between_segments(&repository);

    // Without the WAL of the backup itself its catalogs still name what they knew, and images
    // of pages the rest.
    remove_first_segment(&repository, &label);
    assert_eq!(found(&repository, &[]), [&orders[..], &rest[..]].concat());
}

/// Takes the segment away in which a backup began.
fn remove_first_segment(repository: &Repository, label: &str) {
    let document = repository.document(label);
    let start: Lsn = document["start_lsn"].as_str().unwrap().parse().unwrap();
    let size = SegmentSize::from_bytes(1 << 20).unwrap();
    let timeline = TimelineId::from_u32(1).unwrap();
    let name = SegmentName::new(timeline, size.number_of(start), size).unwrap().to_string();
    let archive = repository.destination().join("archived_wal");
    let mut removed = 0;
    for entry in fs::read_dir(archive).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with(&name) {
            fs::remove_file(path).unwrap();
            removed += 1;
        }
    }
    assert!(removed >= 1, "{name}");
}

fn is_cancelled_between_segments(repository: &Repository) {
    let query = MistakeQuery {
        destination: Some(repository.destination().to_path_buf()),
        ..MistakeQuery::default()
    };
    let stop = AtomicBool::new(false);
    let mut seen = Vec::new();
    let outcome = as_owner(&repository.site(), |site| {
        mistakes::find(site, &query, &stop, &mut |done, extent| {
            seen.push(done);
            assert!(extent.segments > 2 && extent.segment_bytes == 1 << 20, "{extent:?}");
            stop.store(done == 1, Ordering::Release);
        })
    });
    assert_eq!(outcome.unwrap_err().code, ErrorCode::Cancelled);
    assert_eq!(seen, [0, 1]);
}

#[test]
fn names_come_from_the_backup_on_13() {
    by_name_after_a_backup(Major::V13, &[]);
}

#[test]
fn names_come_from_the_backup_on_18() {
    by_name_after_a_backup(Major::V18, &[("wal_compression", "on")]);
}

/// No backup was taken: the names stand in the WAL of what was made since it is archived, also
/// of a database that began as a copy of another one.
fn by_name_without_a_backup(major: Major) {
    let repository = Repository::start(major);
    run(&repository, "template1", &["create table from_template (id int)"]);
    run(&repository, "postgres", &["create database other"]);
    run(
        &repository,
        "other",
        &[
            "create table gone as select g, repeat('x', 3000) as t from generate_series(1, 700) g",
            "create index gone_index on gone (g)",
            "truncate gone",
            "drop table from_template",
            "drop table gone",
        ],
    );
    repository.archive();
    repository.instance.stop(StopMode::Fast);
    assert_eq!(
        found(&repository, &[]),
        ["truncate other/public.gone", "drop other/public.from_template", "drop other/public.gone",]
    );
    assert_eq!(found(&repository, &["--relation", "gone"]).len(), 2);
}

#[test]
fn names_come_from_the_wal_on_14() {
    by_name_without_a_backup(Major::V14);
}

#[test]
fn names_come_from_the_wal_on_16() {
    by_name_without_a_backup(Major::V16);
}
