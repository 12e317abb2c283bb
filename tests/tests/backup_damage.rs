//! What `pgdeck verify` finds, and damaged pages found while a backup is taken.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use pgdeck_tests::{Major, Repository, StopMode};

fn two_backups() -> (Repository, [String; 2]) {
    let repository = Repository::start(Major::V15);
    let instance = &repository.instance;
    instance.sql(
        "postgres",
        "create table rows as select g as id, md5(g::text) as b from generate_series(1, 20000) g",
    );
    let full = repository.backup(&["--type", "full"]);
    for part in 0..3 {
        instance
            .sql("postgres", &format!("update rows set b = 'x' where id = {}", part * 5000 + 1));
        instance.sql("postgres", "select pg_switch_wal()");
    }
    let incremental = repository.backup(&["--type", "incremental"]);
    (repository, [full, incremental])
}

fn pack_of(directory: &Path) -> PathBuf {
    let mut packs: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().contains("/pack-"))
        .collect();
    packs.sort();
    packs.remove(0)
}

fn flip(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// Damages something, sees it found, and puts it right again.
#[track_caller]
fn found(
    repository: &Repository,
    what: &Path,
    options: &[&str],
    damage: impl Fn(&Path),
    says: &str,
) {
    let before = fs::read(what).ok();
    damage(what);
    let verified = repository.verify(options);
    assert_eq!(verified.code(), Some(2), "{}: {}", what.display(), verified.stdout);
    assert!(verified.stdout.contains(says), "{says} is not in {}", verified.stdout);
    match before {
        Some(bytes) => fs::write(what, bytes).unwrap(),
        None => fs::remove_file(what).unwrap(),
    }
}

#[test]
fn each_damage_is_found() {
    let (repository, [full, incremental]) = two_backups();
    let sound = repository.verify(&[]);
    assert_eq!(sound.code(), Some(0), "{}", sound.stdout);
    let directory = repository.directory(&full);
    let pack = pack_of(&directory);
    found(&repository, &pack, &[], |path| flip(path, |size| size / 2), "damaged");
    found(&repository, &pack, &[], |path| flip(path, |size| size - 3), "damaged");
    found(
        &repository,
        &pack_of(&repository.directory(&incremental)),
        &[],
        |path| flip(path, |_| 300),
        "damaged",
    );
    let cut = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 100]).unwrap();
    };
    found(&repository, &pack, &["--quick"], cut, "bytes, not");
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    for name in ["pg_control", "backup_label", "backup_manifest", "blocks.map", "files.tsv.zst"] {
        found(&repository, &directory.join(name), &["--quick"], remove, "is missing");
        found(
            &repository,
            &directory.join(name),
            &[],
            |path| flip(path, |size| size / 3),
            "damaged",
        );
    }
    found(
        &repository,
        &directory.join("backup.json"),
        &["--quick"],
        |path| flip(path, |size| size / 2),
        "label",
    );
    let add = |path: &Path| fs::write(path, "x").unwrap();
    found(&repository, &directory.join("stranger"), &["--quick"], add, "does not belong there");

    // A verification is remembered, and an incremental is not based on what is damaged.
    flip(&pack_of(&repository.directory(&incremental)), |_| 300);
    assert_eq!(repository.verify(&[]).code(), Some(2));
    let backups = repository.backups();
    let state = |label: &str| {
        let one = backups.iter().find(|one| one["label"] == label).unwrap();
        one["verification"].as_str().unwrap().to_owned()
    };
    assert_eq!((state(&full), state(&incremental)), ("sound".to_owned(), "damaged".to_owned()));
    let plan = repository.run(&["backup", "--dry-run"]).finish().expect_code(0).stdout;
    assert!(plan.contains("full: ") && plan.contains("damaged"), "{plan}");
}

#[test]
fn a_gap_in_the_wal_is_found() {
    let (repository, _) = two_backups();
    let archive = repository.destination().join("archived_wal");
    let mut segments: Vec<_> = fs::read_dir(&archive)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "zst"))
        .filter(|path| path.file_stem().unwrap().len() == 24)
        .collect();
    segments.sort();
    let middle = segments[segments.len() / 2].clone();
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let name = middle.file_stem().unwrap().to_str().unwrap();
    found(&repository, &middle, &["--quick"], remove, &format!("WAL segment {name} is missing"));
    found(&repository, &middle, &[], |path| flip(path, |size| size / 2), "damaged");
    assert_eq!(repository.verify(&[]).code(), Some(0));
}

#[test]
fn damaged_pages_are_reported_and_the_backup_says_so() {
    let repository = Repository::start(Major::V15);
    let instance = &repository.instance;
    instance.sql(
        "postgres",
        "create table rows as select g as id, md5(g::text) as b from generate_series(1, 20000) g; checkpoint",
    );
    let path = instance.query_one_text("postgres", "select pg_relation_filepath('rows')");
    instance.stop(StopMode::Fast);
    let file = instance.data_directory().join(&path);
    flip(&file, |_| 3 * 8192 + 5000);
    flip(&file, |_| 7 * 8192 + 100);
    instance.start();
    let done = repository.run(&["backup"]).finish().expect_code(1);
    assert!(
        done.stderr.contains(&format!("2 pages of {path} are damaged: blocks 3, 7")),
        "{}",
        done.stderr
    );
    let backups = repository.backups();
    assert_eq!(
        (&backups[0]["status"], &backups[0]["checksum_failures"]),
        (&"COMPLETE".into(), &2.into())
    );
    assert_eq!(repository.verify(&[]).code(), Some(1), "what is stored is what was there");
}

#[test]
fn many_files_are_no_burden() {
    let repository = Repository::start(Major::V16);
    let directory = repository.instance.data_directory().join("base/5");
    let rows: Vec<_> =
        (0..20_000).map(|number| directory.join(format!("{}", 900_000_000 + number))).collect();
    for path in &rows {
        fs::write(path, vec![0; 8192]).unwrap();
        std::os::unix::fs::chown(path, owner(&directory).0, owner(&directory).1).unwrap();
    }
    let label = repository.backup(&[]);
    let files = repository.document(&label)["sizes"]["files"].as_u64().unwrap();
    assert!(files > 20_000);
    let packs = fs::read_dir(repository.directory(&label)).unwrap().count();
    assert!(packs < 30, "{packs} files in the destination");
    assert_eq!(repository.verify(&["--quick"]).code(), Some(0));
}

fn owner(path: &Path) -> (Option<u32>, Option<u32>) {
    use std::os::unix::fs::MetadataExt;
    let data = fs::metadata(path).unwrap();
    (Some(data.uid()), Some(data.gid()))
}
