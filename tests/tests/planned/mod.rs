//! Plans made by the engine itself, of an instance with a table of markers.

// Each test program uses a part of it, and a plan is for people: whoever runs these tests can
// read some.
#![allow(dead_code, clippy::print_stdout)]

use pgdeck_engine::api::{
    Error, ErrorCode, RecoveryMap, RecoveryPlan, RecoveryRequest, RecoveryTarget, TimelineId,
};
use pgdeck_engine::recovery::{map, plan};
use pgdeck_tests::planning::{as_owner, site};
use pgdeck_tests::{Major, Repository, TestInstance};

pub(crate) fn insert(instance: &TestInstance, name: &str) {
    instance.sql("postgres", &format!("insert into marker values ('{name}')"));
}

/// An instance with a table and a backup of it.
pub(crate) fn with_backup(major: Major) -> (Repository, String) {
    let repository = Repository::start(major);
    repository.instance.sql("postgres", "create table marker (name text)");
    let label = repository.backup(&[]);
    (repository, label)
}

pub(crate) fn to(target: RecoveryTarget) -> RecoveryRequest {
    RecoveryRequest { target, ..RecoveryRequest::default() }
}

pub(crate) fn point(name: &str) -> RecoveryRequest {
    to(RecoveryTarget::RestorePoint(name.to_owned()))
}

pub(crate) fn timeline(number: u32) -> TimelineId {
    TimelineId::from_u32(number).unwrap()
}

pub(crate) fn on(number: u32, request: RecoveryRequest) -> RecoveryRequest {
    RecoveryRequest { timeline: Some(timeline(number)), ..request }
}

/// A plan for a data directory that is gone.
pub(crate) fn without_data(
    repository: &Repository,
    request: &RecoveryRequest,
) -> Result<RecoveryPlan, Error> {
    let gone = repository.instance.directory().join("gone");
    let site = site(&gone, repository.destination());
    let destination = Some(repository.destination().to_path_buf());
    let request = RecoveryRequest { destination, ..request.clone() };
    as_owner(&site, |site| plan::plan(site, &request))
}

pub(crate) fn map_of(repository: &Repository) -> RecoveryMap {
    let destination = repository.destination().to_path_buf();
    as_owner(&repository.site(), |site| map::map(site, Some(&destination))).unwrap()
}

#[track_caller]
pub(crate) fn refused(outcome: Result<RecoveryPlan, Error>, code: ErrorCode, words: &str) -> Error {
    let error = outcome.expect_err("it is refused");
    assert_eq!(error.code, code, "{error}");
    assert!(error.to_string().contains(words), "{error}\n\nlacks {words:?}");
    error
}

pub(crate) fn lines_fit(plan: &RecoveryPlan) {
    println!("{}\n", plan.describe().join("\n"));
    for line in plan.describe() {
        // A path or a name cannot be broken.
        let is_broken = line.chars().count() <= 80 || line.split_whitespace().count() <= 3;
        assert!(is_broken || line.contains('/'), "{line}");
    }
}
