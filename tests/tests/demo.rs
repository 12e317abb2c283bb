//! `pgdeck demo`: what it promises to show, and that nothing of it is left.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use pgdeck_engine::api::{Demo, ErrorCode};
use pgdeck_tests::{Deck, Finished, Home, Major, Run, TestInstance, proc};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

/// Ends the demo whatever becomes of the test.
struct Place<'a> {
    directory: &'a str,
    home: Home,
    instance: &'a TestInstance,
}

impl Place<'_> {
    fn demo(&self, arguments: &[&str]) -> Finished {
        let run = Run::pgdeck().home(&self.home).args(["demo", "--dir", self.directory]);
        let run = run.env("PGBIN", self.instance.bin_directory());
        run.args(arguments).timeout(Duration::from_secs(120)).finish()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if Path::new(self.directory).exists() {
            self.demo(&["--stop"]);
        }
    }
}

fn rows(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

#[test]
fn shows_what_it_promises_and_leaves_no_trace() {
    // Only its directory is used: one that belongs to the servers' user.
    let instance = TestInstance::builder(Major::V18).create();
    let directory = instance.directory().join("demo");
    let place =
        Place { directory: directory.to_str().unwrap(), home: Home::new(), instance: &instance };
    let done = place.demo(&["--headless"]).expect_code(0);
    assert!(!done.output_held_open, "a script would wait for the load");
    let said = done.stdout;
    assert!(said.contains("psql:     psql -h ") && said.contains("demo --stop --dir "), "{said}");

    let data = directory.join("data");
    let deck = Deck::of_directory(&data).option("--bin-dir", instance.bin_directory());
    let status = deck.wait_status(|status| status.instance["prepared"] == 2);
    let databases: Vec<_> = rows(&status.instance["databases"])
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    for database in ["analytics", "bank", "shop"] {
        assert!(databases.contains(&database), "{databases:?}");
    }
    let mut sessions = Value::Null;
    let depth = |sessions: &Value| rows(sessions).iter().map(|one| chain(sessions, one)).max();
    let is_shown = proc::wait_for(SOON, || {
        sessions = deck.json(&["connections", "--json"]);
        let idle = rows(&sessions).iter().filter(|one| one["state"] == "idle in transaction");
        idle.count() >= 2 && depth(&sessions).unwrap_or(0) >= 2
    });
    assert!(is_shown, "{sessions:#}");
    let busy = deck.wait_status(|status| {
        status.instance["transactions_per_second"].as_f64().unwrap_or(0.0) > 0.0
    });
    assert_eq!(busy.state(), "started");

    // Again: the same one is taken.
    let again = place.demo(&["--headless"]).expect_code(0);
    assert!(again.stderr.contains("taking the demo in"), "{}", again.stderr);
    let pids = proc::working_in(&data);
    assert!(!pids.is_empty());
    let load = fs::read_to_string(directory.join("load.pid"))
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse::<i32>().ok());
    let done = place.demo(&["--stop"]).expect_code(0);
    assert_eq!(done.stdout, "the demo is gone\n");
    assert!(!directory.exists());
    for pid in pids.into_iter().chain(load) {
        assert!(proc::wait_gone(pid, SOON), "process {pid} is left");
    }
    assert_eq!(place.demo(&["--stop"]).expect_code(0).stdout, "there is no demo\n");
}

/// How many waiters stand one behind the other before this one.
fn chain(sessions: &Value, session: &Value) -> usize {
    let blockers = rows(&session["blocked_by"]).iter();
    let found = blockers.filter_map(|pid| rows(sessions).iter().find(|one| one["pid"] == *pid));
    found.map(|blocker| 1 + chain(sessions, blocker)).max().unwrap_or(0)
}

#[test]
fn what_is_no_demo_is_left_alone() {
    let instance = TestInstance::builder(Major::V15).create();
    let directory = instance.make_directory("mine");
    fs::write(directory.join("precious"), "").unwrap();
    let demo = Demo::at(Some(&directory), None).unwrap();
    let error = demo.remove(&mut |_| {}).unwrap_err();
    assert_eq!(error.code, ErrorCode::DemoFailed);
    let error = demo.make_or_reuse(&mut |_| {}).unwrap_err();
    assert_eq!(error.code, ErrorCode::DemoFailed);
    assert!(directory.join("precious").exists());
    let path = directory.to_str().unwrap();
    let done = Run::pgdeck().args(["demo", "--stop", "--dir", path]).finish().expect_code(2);
    assert!(done.stderr.contains("nothing was removed"), "{}", done.stderr);
}
