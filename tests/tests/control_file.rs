//! The control file as pgdeck decodes it, against what the server itself says of it.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;

use pgdeck_engine::pg::control_file::{CONTROL_FILE_PATH, decode};
use pgdeck_tests::{Deck, Major, StopMode, TestInstance, for_every_major};

/// Columns that are times; the decoded file gives their whole seconds.
const TIMES: [&str; 2] = ["pg_control_last_modified", "checkpoint_time"];

/// Every column of a function with its value as text.
fn columns_of(instance: &TestInstance, function: &str) -> BTreeMap<String, String> {
    let names = format!(
        "select a.name from pg_catalog.pg_proc p,
            unnest(p.proargnames) as a (name) where p.proname = '{function}'"
    );
    let value = |column: &str| {
        let expression = match TIMES.contains(&column) {
            true => format!("trunc(extract(epoch from {column}))::int8"),
            false => column.to_owned(),
        };
        instance
            .query_one_text("postgres", &format!("select ({expression})::text from {function}()"))
    };
    let names = instance.query_texts("postgres", &names);
    names.into_iter().map(|name| (name.clone(), value(&name))).collect()
}

fn is_decoded_as_the_server_does(major: Major) {
    let instance = TestInstance::builder(major)
        .initdb_option("--wal-segsize=4")
        .setting("track_commit_timestamp", "on")
        .start();
    instance.sql("postgres", "create table t (a int); insert into t values (1); checkpoint");
    let bytes = fs::read(instance.data_directory().join(CONTROL_FILE_PATH)).unwrap();
    let decoded = decode(&bytes).unwrap();
    let mut functions: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    for one in decoded.columns() {
        functions.entry(one.function).or_default().insert(one.column.to_owned(), one.value);
    }
    assert_eq!(functions.len(), 4, "{functions:?}");
    for (function, columns) in functions {
        assert_eq!(columns, columns_of(&instance, function), "{function} of {major}");
    }
    // A server that is down shows the same from the file alone.
    let identifier = decoded.system_identifier.to_string();
    instance.stop(StopMode::Fast);
    let status = Deck::of(&instance).status();
    assert_eq!(status.state(), "stopped");
    assert_eq!(status.instance["system_identifier"], identifier);
    assert_eq!(status.instance["timeline"], 1);
}

for_every_major! { is_decoded_as_the_server_does }
