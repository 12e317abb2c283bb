//! Debian's layout: the configuration files lie outside of the data directory and name it. A
//! recovery leaves them alone, its server goes by them, and it stays where it was sent.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use pgdeck_tests::{Finished, Major, Recovered, Repository, StopMode, TestInstance};
use serde_json::Value;

/// Markers 1 to 4 behind a backup; the instance is stopped.
fn stopped(major: Major) -> Repository {
    let builder =
        TestInstance::builder(major).configuration_elsewhere().initdb_option("--wal-segsize=1");
    Repository::stopped_behind_markers(builder)
}

/// A command on the cluster that is named by its configuration, as on Debian; nothing else
/// tells where that is while no server runs.
fn on_configuration(repository: &Repository, words: &[&str]) -> Finished {
    let instance = &repository.instance;
    let run = repository.run_nameless(words).arg("-D").arg(instance.configuration_directory());
    run.arg("--bin-dir").arg(instance.bin_directory()).finish()
}

/// The files of the configuration with their content.
fn configuration(repository: &Repository) -> BTreeMap<PathBuf, Vec<u8>> {
    let directory = repository.instance.configuration_directory();
    let entries = fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[track_caller]
fn assert_goes_by(recovered: &Recovered, repository: &Repository) {
    let shown = |name: &str| recovered.query(&format!("select current_setting('{name}')"));
    let configuration = repository.instance.configuration_directory();
    assert_eq!(shown("config_file"), configuration.join("postgresql.conf").to_str().unwrap());
    assert_eq!(shown("hba_file"), configuration.join("pg_hba.conf").to_str().unwrap());
    assert_eq!(shown("data_directory"), recovered.directory().to_str().unwrap());
}

#[test]
fn a_copy_goes_by_the_instances_configuration() {
    let repository = stopped(Major::V15);
    let before = configuration(&repository);
    // The instance itself goes on beside it, and keeps its pid file.
    repository.instance.start();
    let pid_file = repository.instance.directory().join("external.pid");
    let pid = fs::read_to_string(&pid_file).unwrap();
    let beside = repository.beside();
    let words = ["recover", "-n", "after 1", "--yes", "--json"];
    let options = beside.options();
    let options: Vec<&str> = words.into_iter().chain(options.iter().map(String::as_str)).collect();
    let done = on_configuration(&repository, &options).expect_code(0);
    let copy = repository.at(beside, serde_json::from_str(&done.stdout).unwrap());
    assert_eq!(copy.state["phase"], "paused");
    assert_eq!(copy.markers(), "1");
    assert_goes_by(&copy, &repository);
    assert_eq!(copy.query("select current_setting('archive_mode')"), "off");
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), pid);

    // The later steps are told the copy's directory only.
    let step = |words: &[&str]| {
        let words = [&["recover"], words].concat();
        let run = repository.run_nameless(&words).arg("-D").arg(copy.directory());
        run.arg("--bin-dir").arg(repository.instance.bin_directory()).finish()
    };
    step(&["further", "-n", "after 2"]).expect_code(0);
    assert_eq!(copy.markers(), "1 2");
    assert_goes_by(&copy, &repository);
    // Nothing runs there now that could tell where its configuration is.
    copy.end();
    step(&["further", "-n", "after 3"]).expect_code(0);
    assert_eq!(copy.markers(), "1 2 3");
    copy.end();
    step(&["promote"]).expect_code(0);
    assert_eq!(copy.markers(), "1 2 3");
    assert_eq!(copy.query("select pg_is_in_recovery()"), "f");
    assert_goes_by(&copy, &repository);
    assert_eq!(repository.markers(), "1 2 3 4");
    assert_eq!(configuration(&repository), before);
}

#[test]
fn in_its_own_place_the_configuration_stays() {
    let repository = stopped(Major::V17);
    let before = configuration(&repository);
    let done = on_configuration(&repository, &["recover", "-n", "after 2", "--yes", "--json"]);
    let state: Value = serde_json::from_str(&done.expect_code(0).stdout).unwrap();
    assert_eq!(state["phase"], "paused");
    assert_eq!(repository.markers(), "1 2");
    assert!(!repository.instance.data_directory().join("postgresql.conf").exists());
    on_configuration(&repository, &["recover", "undo", "--yes"]).expect_code(0);
    repository.instance.start();
    assert_eq!(repository.markers(), "1 2 3 4");

    // Everything but the configuration is lost.
    repository.instance.stop(StopMode::Fast);
    fs::remove_dir_all(repository.instance.data_directory()).unwrap();
    let options = ["recover", "-n", "after 3", "--action", "promote", "--yes"];
    on_configuration(&repository, &options).expect_code(0);
    assert_eq!(repository.markers(), "1 2 3");
    assert_eq!(configuration(&repository), before);
    // Its server needs what the configuration says, and goes by files of its own.
    repository.mark(33);
    repository.archive();
    let report = on_configuration(&repository, &["rehearse", "--json"]).expect_code(0);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(report["ok"], true, "{report:#}");
}
