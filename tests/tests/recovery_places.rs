//! Where a recovery goes: places are looked at before anything is done, and so are the settings
//! that its server will have.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

#[path = "planned/mod.rs"]
mod planned;

use std::fs;
use std::path::Path;

use pgdeck_engine::api::{ErrorCode, OldData, RecoveryRequest, RecoveryTarget, TablespaceMove};
use pgdeck_tests::{Major, Repository, StopMode};
use planned::{insert, lines_fit, refused, to, with_backup};

#[test]
fn places_are_looked_at_before_anything_is_done() {
    let repository = Repository::start(Major::V16);
    let instance = &repository.instance;
    let space = instance.make_directory("space");
    instance.sql("postgres", &format!("create tablespace space location '{}'", space.display()));
    instance.sql("postgres", "create table elsewhere tablespace space as select 1 as a");
    repository.backup(&[]);
    let oid = instance
        .query_one_text("postgres", "select oid::text from pg_tablespace where spcname = 'space'");
    let oid: u32 = oid.parse().unwrap();
    let latest = RecoveryRequest::default;
    let place = ErrorCode::RecoveryPlace;
    // Of an instance that runs the plan can be looked at, and says so.
    let running = repository.plan(latest()).unwrap().running.expect("it runs");
    assert!(running.detail.starts_with("process "), "{running:?}");
    let beside = |to: &Path, tablespaces: Vec<TablespaceMove>| {
        repository.plan(RecoveryRequest { to: Some(to.to_path_buf()), tablespaces, ..latest() })
    };
    let root = instance.directory();
    let moved = |to: &str| vec![TablespaceMove { oid, directory: root.join(to) }];
    let option = format!("--tablespace {oid}=");
    refused(beside(&root.join("new"), Vec::new()), place, &option);
    let plan = beside(&root.join("new"), moved("moved")).unwrap();
    assert_eq!(plan.tablespaces[0].directory, root.join("moved"));
    assert_eq!(plan.new_directories, [root.join("new"), root.join("moved")]);
    assert_eq!(plan.replaced, None);
    let full = instance.make_directory("full");
    fs::write(full.join("notes"), "mine").unwrap();
    refused(beside(&full, moved("moved")), place, "notes");
    refused(beside(&repository.destination().join("in"), moved("moved")), place, "lies in");
    refused(beside(root, moved("moved")), place, "is not empty");
    refused(beside(Path::new("relative"), moved("moved")), ErrorCode::UsageInvalid, "relative");
    refused(beside(&root.join("new"), moved("new/inside")), place, "lies in");
    refused(beside(&root.join("new"), moved("full")), place, "notes");
    let unknown = vec![TablespaceMove { oid: 1, directory: root.join("moved") }];
    refused(beside(&root.join("new"), unknown), ErrorCode::UsageInvalid, "no tablespace 1");

    instance.stop(StopMode::Fast);
    let plan = repository.plan(latest()).unwrap();
    lines_fit(&plan);
    let replaced = plan.replaced.clone().unwrap();
    assert_eq!(replaced.state, "stopped");
    assert!(replaced.as_of.is_some());
    assert_eq!(plan.new_directories, Vec::<std::path::PathBuf>::new());
    assert_eq!(plan.fingerprint(), repository.plan(latest()).unwrap().fingerprint());
    let discard = RecoveryRequest { old_data: OldData::Discard, ..latest() };
    let discard = repository.plan(discard).unwrap();
    assert_ne!(plan.fingerprint(), discard.fingerprint());
    assert!(discard.space[0].free_bytes > plan.space[0].free_bytes);

    // Parts of the cluster are gone; then all of it, and something else is there.
    let data = instance.data_directory();
    let control = data.join("global/pg_control");
    let kept = fs::read(&control).unwrap();
    fs::write(&control, "").unwrap();
    let plan = repository.plan(latest()).unwrap();
    assert!(plan.replaced.unwrap().state.contains("control file"));
    fs::remove_dir_all(data.join("global")).unwrap();
    assert!(repository.plan(latest()).unwrap().replaced.unwrap().state.contains("incomplete"));
    fs::create_dir(data.join("global")).unwrap();
    let mut foreign = kept.clone();
    foreign[0] ^= 1;
    let crc_at = control_crc_at(&kept);
    let crc = crc32c::crc32c(&foreign[..crc_at]);
    foreign[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    fs::write(&control, &foreign).unwrap();
    refused(repository.plan(latest()), place, "another database cluster");
    fs::remove_dir_all(data).unwrap();
    let plan = repository.plan(latest()).unwrap();
    assert_eq!(plan.replaced, None);
    assert_eq!(plan.new_directories, [data.to_path_buf()]);
    fs::create_dir(data).unwrap();
    fs::write(data.join("letter.txt"), "mine").unwrap();
    refused(repository.plan(latest()), place, "letter.txt");
}

/// Where the checksum of a control file stands: behind what it is the checksum of.
fn control_crc_at(bytes: &[u8]) -> usize {
    let is_crc = |at: &usize| {
        let stored = u32::from_le_bytes(bytes[*at..*at + 4].try_into().unwrap());
        stored == crc32c::crc32c(&bytes[..*at])
    };
    (200..400).step_by(4).find(is_crc).unwrap()
}

#[test]
fn settings_that_were_raised_later_are_needed() {
    let (repository, _) = with_backup(Major::V18);
    let instance = &repository.instance;
    instance.set("max_connections", "150");
    instance.restart();
    insert(instance, "a");
    instance.switch_and_wait_archived();
    let plan = repository.plan_beside(RecoveryRequest::default()).unwrap();
    let raised: Vec<_> = plan.settings.iter().map(|one| (one.name.as_str(), one.needed)).collect();
    assert_eq!(raised, [("max_connections", 150)]);
    let end = repository.plan_beside(to(RecoveryTarget::BackupEnd)).unwrap();
    assert_eq!(end.settings, []);
}
