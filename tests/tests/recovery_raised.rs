//! Going on to a later target over a moment at which the source was started with higher
//! settings: a server in recovery must not have them lower.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;

use pgdeck_tests::{Major, Repository, StopMode};

const RAISED: [(&str, &str); 3] = [
    ("max_connections", "150"),
    ("max_worker_processes", "21"),
    ("max_prepared_transactions", "77"),
];

fn mark(repository: &Repository, number: u32) {
    let sql = |text: String| repository.instance.sql("postgres", &text);
    sql(format!("insert into marker values ({number})"));
    sql(format!("select pg_create_restore_point('after {number}')"));
}

/// 13 ends when it comes to such a record, 14 and later pause there.
fn over_raised_settings(major: Major) {
    let repository = Repository::start_small(major);
    let instance = &repository.instance;
    instance.sql("postgres", "create table marker (n int)");
    let _ = repository.backup(&[]);
    mark(&repository, 1);
    for (name, value) in RAISED {
        instance.set(name, value);
    }
    instance.restart();
    mark(&repository, 2);
    repository.archive();
    instance.stop(StopMode::Fast);

    let recovered = repository.recovered_in_place(&["-n", "after 1"]);
    assert_eq!(recovered.markers(), "1");
    assert_ne!(recovered.query("show max_connections"), "150");
    repository.recover(&["further", "-n", "after 2"]).finish().expect_code(0);
    assert_eq!(recovered.markers(), "1 2");
    assert_eq!(recovered.query("select pg_is_in_recovery()"), "t");
    for (name, value) in RAISED {
        assert_eq!(recovered.query(&format!("show {name}")), value);
    }
    repository.recover(&["promote"]).finish().expect_code(0);
    assert_eq!(recovered.query("select pg_is_in_recovery()"), "f");
    // They were for the time of the recovery alone.
    let path = recovered.directory().join("postgresql.auto.conf");
    let conf = fs::read_to_string(path).unwrap();
    assert!(!conf.contains("max_worker_processes"), "{conf}");
}

#[test]
fn settings_are_raised_on_the_way_on_13() {
    over_raised_settings(Major::V13);
}

#[test]
fn settings_are_raised_on_the_way_on_16() {
    over_raised_settings(Major::V16);
}
