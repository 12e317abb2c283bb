//! Restored files are the backup, whether there was nothing before, or something like it: the
//! stock `pg_verifybackup` judges.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

#[path = "recovery/mod.rs"]
mod recovery;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use pgdeck_engine::api::RecoveryPlan;
use pgdeck_engine::backup::site::BackupSite;
use pgdeck_engine::instance::access::Access;
use pgdeck_engine::instance::target::LocalTarget;
use pgdeck_engine::recovery::restore::{self, Existing, Progress, Restored};
use pgdeck_engine::sys::credentials::Credentials;
use pgdeck_engine::sys::disk::Disk;
use pgdeck_tests::{Load, Major, Run, TestInstance};
use recovery::scene::Scene;

/// A chain of three backups under load, and a plan to restore it beside the cluster.
fn chain(major: Major, compress: &str) -> (Scene, RecoveryPlan) {
    let builder = TestInstance::builder(major).setting("autovacuum", "off");
    let mut scene = Scene::with(builder, |instance| {
        let space = instance.make_directory("space");
        let space = space.display();
        instance.sql("postgres", &format!("create tablespace space location '{space}'"));
        instance.sql(
            "postgres",
            "create table large as select g as id, md5(g::text) as b from generate_series(1, 100000) g;
             create table elsewhere tablespace space as select g from generate_series(1, 9000) g",
        );
    });
    let load = Load::start(&scene.repository.instance);
    for _ in 0..2 {
        load.wait(25);
        scene.repository.instance.sql("postgres", "update large set id = -id where id % 5000 = 0");
        scene.chain.push(scene.repository.backup(&[
            "--type",
            "incremental",
            "--compress",
            compress,
        ]));
    }
    load.stop();
    let mut plan = scene.plan();
    let root = scene.repository.instance.make_directory("restored");
    plan.directory = root.join("data");
    for space in &mut plan.tablespaces {
        space.directory = root.join("space");
    }
    for path in [&plan.directory, &root.join("space")] {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    (scene, plan)
}

fn restored(plan: &RecoveryPlan, existing: Existing) -> Restored {
    let target = LocalTarget::from_directory(&plan.directory);
    let site = BackupSite {
        access: Access::local(target.clone()),
        target,
        credentials: Credentials::current(),
        disk: Disk::real(),
    };
    let chain = restore::load_chain(&site, plan).unwrap();
    restore::make_directories(&site.disk, plan, &chain).unwrap();
    restore::run(&site, plan, &chain, existing, &Progress::default()).unwrap()
}

/// What belongs to the backup and comes later, or at another place.
fn assert_is_backup(scene: &Scene, plan: &RecoveryPlan) {
    let manifest = scene.repository.directory(plan.chain.last().unwrap()).join("backup_manifest");
    let mut run = Run::program(Major::V15.program("pg_verifybackup")).arg("-n").arg("-m");
    run = run.arg(manifest);
    for name in ["backup_label", "tablespace_map", "global/pg_control"] {
        run = run.arg("-i").arg(name);
    }
    let done = run.arg(&plan.directory).finish();
    assert_eq!(done.code(), Some(0), "{}{}", done.stdout, done.stderr);
}

/// The largest file of a table, and some others.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![directory.join("base")];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                pending.push(path);
            } else if entry.metadata().unwrap().len() >= 3 * 8192 {
                found.push(path);
            }
        }
    }
    found.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    found
}

fn check(compress: &str) {
    let (scene, plan) = chain(Major::V15, compress);
    let fresh = restored(&plan, Existing::Absent);
    assert!(fresh.written_bytes >= fresh.bytes, "{fresh:?}");
    assert_is_backup(&scene, &plan);

    let again = restored(&plan, Existing::Compared);
    assert_eq!((again.written_bytes, again.removed), (0, 0), "nothing differs");

    let damaged = files(&plan.directory);
    let write = |path: &Path, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    };
    write(&damaged[0], &|bytes| bytes[8192 * 2 + 7] ^= 1);
    write(&damaged[1], &|bytes| bytes.truncate(bytes.len() - 8192 - 100));
    write(&damaged[2], &|bytes| bytes.extend_from_slice(&[7; 20_000]));
    fs::remove_file(&damaged[3]).unwrap();
    fs::remove_file(&damaged[4]).unwrap();
    symlink("/etc/hosts", &damaged[4]).unwrap();
    fs::set_permissions(&damaged[5], fs::Permissions::from_mode(0o777)).unwrap();
    write(&plan.directory.join("PG_VERSION"), &|bytes| bytes[0] = b'7');
    fs::write(plan.directory.join("base/5/99999"), "extra").unwrap();
    fs::create_dir_all(plan.directory.join("pg_replslot/extra")).unwrap();
    fs::write(plan.directory.join("standby.signal"), "").unwrap();
    let mended = restored(&plan, Existing::Compared);
    assert_eq!(mended.removed, 3, "{mended:?}");
    assert!(mended.written_bytes < fresh.bytes / 4, "{mended:?}");
    assert_is_backup(&scene, &plan);
    let mode = fs::metadata(&damaged[5]).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert!(!fs::read_to_string("/etc/hosts").unwrap().is_empty(), "links are not followed");
    let again = restored(&plan, Existing::Compared);
    assert_eq!((again.written_bytes, again.removed), (0, 0), "nothing differs any more");
}

#[test]
fn restored_from_zstd() {
    check("zstd");
}

#[test]
fn restored_from_lz4() {
    check("lz4");
}

#[test]
fn restored_from_plain_packs() {
    check("none");
}
