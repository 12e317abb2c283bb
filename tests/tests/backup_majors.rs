//! A full backup and two incrementals under load, on every major version: restored by hand,
//! judged by the stock `pg_verifybackup`, started, and judged by `pg_amcheck` and `pg_checksums`.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;

use pgdeck_tests::{Load, Major, Repository, Restored, TestInstance};

/// Everything that must hold of a restored instance, which runs then.
fn check(mut restored: Restored, marker: &str) -> Restored {
    restored.verifybackup().unwrap_or_else(|error| panic!("pg_verifybackup: {error}"));
    let scratch = restored.directory().join("base");
    assert!(scratch.exists());
    // To the end of the backup: the marker of the next one must not be there.
    restored.start(&[("recovery_target", "immediate")]);
    assert_eq!(restored.query("select sum(amount) from ledger"), "0");
    assert_eq!(restored.query("select string_agg(name, ' ' order by name) from marker"), marker);
    assert_eq!(restored.query("select count(*) from elsewhere"), "1000");
    assert_eq!(restored.query("select count(*) from scratch"), "0", "unlogged tables are empty");
    assert_ne!(restored.query("select count(*) from growing"), "0");
    restored.read_everything();
    restored
}

fn chain_under_load(major: Major, compress: &str) {
    let builder = TestInstance::builder(major).wal_elsewhere().setting("autovacuum_naptime", "1s");
    let repository = Repository::start_with(builder);
    let instance = &repository.instance;
    let space = instance.make_directory("space");
    instance.sql("postgres", &format!("create tablespace space location '{}'", space.display()));
    instance.sql(
        "postgres",
        "create table elsewhere tablespace space as select g from generate_series(1, 1000) g",
    );
    instance.sql("postgres", "create table marker (name text)");
    // The load truncates and drops what autovacuum is at work on.
    instance.allow_log("canceling autovacuum task");
    let load = Load::start(instance);
    let mut labels = Vec::new();
    for name in ["a", "b", "c"] {
        instance.sql("postgres", &format!("insert into marker values ('{name}')"));
        let kind = if name == "a" { "full" } else { "incremental" };
        labels.push(repository.backup(&["--type", kind, "--compress", compress]));
        load.wait(30);
    }
    load.stop();

    let document = repository.document(&labels[2]);
    assert_eq!(document["parent"], labels[1].as_str());
    assert_eq!(document["checksum_failures"].as_array().unwrap().len(), 0);
    assert_eq!(document["tablespaces"][0]["location"], space.to_str().unwrap());
    assert!(document["wal_location"].as_str().unwrap().ends_with("/wal"));
    let verified = repository.verify(&[]);
    assert_eq!(verified.code(), Some(0), "{}{}", verified.stdout, verified.stderr);
    check(repository.restore_by_hand(&labels[..1]), "a").checksums();
    let mut newest = check(repository.restore_by_hand(&labels), "a b c");
    newest.amcheck();
    newest.checksums();

    // Latest: everything that was committed, from the full backup and the WAL alone.
    let mut latest = repository.restore_by_hand(&labels[..1]);
    instance.sql("postgres", "insert into marker values ('d')");
    instance.sql("postgres", "select pg_switch_wal()");
    repository.backup(&[]);
    latest.start(&[]);
    let names = latest.query("select string_agg(name, ' ' order by name) from marker");
    assert_eq!(names, "a b c d");
}

macro_rules! for_every_major {
    ($($name:ident = $major:ident, $compress:literal;)*) => { $(
        #[test]
        fn $name() {
            chain_under_load(Major::$major, $compress);
        }
    )* };
}

for_every_major! {
    chain_on_13 = V13, "zstd";
    chain_on_14 = V14, "lz4";
    chain_on_15 = V15, "none";
    chain_on_16 = V16, "zstd:3";
    chain_on_17 = V17, "lz4";
    chain_on_18 = V18, "zstd";
}

#[test]
fn a_restored_directory_cannot_start_without_its_control_file() {
    let repository = Repository::start(Major::V15);
    let label = repository.backup(&[]);
    let restored = repository.restore_by_hand(&[label]);
    let control = restored.directory().join("global/pg_control");
    // Whoever unpacks the packs and nothing else has no pg_control.
    fs::remove_file(&control).unwrap();
    let said = restored.verifybackup().unwrap_err();
    assert!(said.contains("pg_control"), "{said}");
}
