//! The archive's faults: what must be refused is refused, nothing is ever overwritten or taken
//! for absent, and a kill or a failing disk leaves nothing half-written under a final name.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgdeck_engine::api::{ErrorCode, WalCompression, WalPlace, WalPush};
use pgdeck_engine::pg::wal::WalFileName;
use pgdeck_engine::sys::disk::Disk;
use pgdeck_engine::sys::faults::{Fault, Plan, Spell};
use pgdeck_engine::wal::archive::Archive;
use pgdeck_engine::wal::push::push;
use pgdeck_tests::{Finished, Major, Run, StopMode, TestInstance, bin};

/// A stopped cluster with a few complete segments, and an empty destination.
struct Site {
    instance: TestInstance,
    names: Vec<String>,
}

impl Site {
    fn new(segment_size: &str) -> Self {
        let instance = TestInstance::builder(Major::V17)
            .initdb_option(segment_size)
            .setting("wal_keep_size", "1GB")
            .start();
        instance.sql("postgres", "create table t (a int, b text)");
        let mut names = Vec::new();
        for _ in 0..4 {
            instance.sql(
                "postgres",
                "insert into t select i, md5(i::text) from generate_series(1, 4000) i",
            );
            names.push(
                instance.query_one_text("postgres", "select pg_walfile_name(pg_switch_wal())"),
            );
        }
        instance.stop(StopMode::Fast);
        Self { instance, names }
    }

    fn segment(&self, index: usize) -> PathBuf {
        self.instance.data_directory().join("pg_wal").join(&self.names[index])
    }

    fn destination(&self, name: &str) -> PathBuf {
        self.instance.make_directory(name)
    }

    /// A file of this name with this content, outside of `pg_wal`.
    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let directory = self.instance.directory().join("made");
        let _ = fs::create_dir(&directory);
        let path = directory.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn push(&self, source: &Path, destination: &Path) -> Finished {
        let run = Run::pgdeck().arg("wal-push").arg(source).arg(destination);
        run.arg("-D").arg(self.instance.data_directory()).finish()
    }

    fn get(&self, name: &str, destination: &Path) -> (Finished, PathBuf) {
        let target = self.instance.directory().join("RECOVERYXLOG");
        let _ = fs::remove_file(&target);
        let run = Run::pgdeck().arg("wal-get").arg(name).arg(&target).arg("-B").arg(destination);
        (run.arg("-D").arg(self.instance.data_directory()).finish(), target)
    }

    fn request(&self, index: usize, destination: &Path) -> WalPush {
        WalPush {
            source: self.segment(index),
            place: WalPlace::Destination(destination.to_owned()),
            compression: WalCompression::default(),
            data_directory: Some(self.instance.data_directory().to_owned()),
        }
    }
}

/// Names of finished files in the archive.
fn archived(destination: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(destination.join("archived_wal")) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != ".incoming" && !name.ends_with(".idx"))
        .collect();
    names.sort();
    names
}

/// A refusal: nothing on standard output, three lines on standard error.
#[track_caller]
fn assert_refused(finished: &Finished, fact: &str) {
    assert_eq!(finished.code(), Some(2), "{finished:?}");
    assert_eq!(finished.stdout, "");
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{}", finished.stderr);
    assert!(lines[0].starts_with("pgdeck: ") && lines[0].contains(fact), "{}", finished.stderr);
    assert!(lines[1].starts_with("DETAIL: "), "{}", finished.stderr);
    assert!(lines[2].starts_with("HINT: "), "{}", finished.stderr);
}

#[test]
fn the_same_again_is_done_and_other_content_is_refused() {
    let site = Site::new("--wal-segsize=1");
    let destination = site.destination("backup");
    for kind in ["zstd", "lz4", "none"] {
        let run = Run::pgdeck().arg("wal-push").arg(site.segment(0)).arg(&destination);
        run.args(["--compress", kind]).finish().expect_code(0);
        assert_eq!(archived(&destination), [format!("{}.zst", site.names[0])]);
    }
    let stored = destination.join("archived_wal").join(format!("{}.zst", site.names[0]));
    let before = fs::read(&stored).unwrap();
    let mut other = fs::read(site.segment(0)).unwrap();
    let last = other.len() - 1;
    other[last] ^= 1;
    let other = site.file(&site.names[0], &other);
    assert_refused(&site.push(&other, &destination), "is in the archive with other content");
    assert_eq!(fs::read(&stored).unwrap(), before);

    // A damaged file of that name is other content, too.
    fs::write(&stored, &before[..before.len() / 2]).unwrap();
    let finished = site.push(&site.segment(0), &destination);
    assert_refused(&finished, "is in the archive with other content");
    assert!(finished.stderr.contains("it is damaged"), "{}", finished.stderr);
    site.instance.finish().unwrap();
}

#[test]
fn what_is_not_the_file_its_name_says_is_refused() {
    let site = Site::new("--wal-segsize=1");
    let destination = site.destination("backup");
    let whole = fs::read(site.segment(0)).unwrap();
    let name = site.names[0].clone();
    let next = site.names[1].clone();
    let changed = |at: usize, bytes: &[u8]| {
        let mut content = whole.clone();
        content[at..at + bytes.len()].copy_from_slice(bytes);
        content
    };
    let not_its = "is not the WAL file its name says";
    let cases: Vec<(&str, String, Vec<u8>, &str, &str)> = vec![
        ("empty", name.clone(), vec![], not_its, "it has 0 bytes, not 1048576"),
        ("truncated", name.clone(), whole[..whole.len() - 1].to_vec(), not_its, "1048575 bytes"),
        ("longer", name.clone(), [&whole[..], b"x"].concat(), not_its, "1048577 bytes"),
        ("zeros", name.clone(), vec![0; whole.len()], not_its, "magic number 0000"),
        ("text", name.clone(), vec![b'x'; whole.len()], not_its, "magic number 7878"),
        (
            "other major",
            name.clone(),
            changed(0, &[0x13, 0xD1]),
            "another database cluster",
            "PostgreSQL 16, not 17",
        ),
        ("older version", name.clone(), changed(0, &[0x01, 0xD1]), not_its, "magic number D101"),
        (
            "foreign",
            name.clone(),
            changed(24, &[9; 8]),
            "another database cluster",
            "system identifier",
        ),
        (
            "other segment size",
            name.clone(),
            changed(34, &[0, 1]),
            "another database cluster",
            "16777216",
        ),
        ("position", next.clone(), whole.clone(), not_its, "its first page is of position"),
        ("timeline", name.clone(), changed(4, &[9]), not_its, "timeline 9, later than timeline 1"),
        ("page zeroed", name.clone(), changed(8192, &[0; 8192]), not_its, "the page at byte 8192"),
        (
            "page overwritten",
            name.clone(),
            changed(81920, b"garbage."),
            not_its,
            "the page at byte 81920",
        ),
        ("empty history", "00000002.history".into(), vec![], not_its, "it is empty"),
        ("history", "00000002.history".into(), b"nonsense\n".to_vec(), not_its, "line 1"),
        ("history order", "00000002.history".into(), b"2\t0/100\tx\n".to_vec(), not_its, "order"),
        ("backup", format!("{name}.00000028.backup"), b"x".to_vec(), not_its, "START WAL LOCATION"),
        ("partial", format!("{name}.partial"), whole[..9000].to_vec(), not_its, "9000 bytes"),
        ("name", "pg_control".into(), whole.clone(), "is no name of a WAL file", "segment"),
        (
            "small letters",
            "00000001000000000000000a".into(),
            whole.clone(),
            "no name of a WAL file",
            "",
        ),
        ("compressed", format!("{name}.zst"), whole.clone(), "is no name of a WAL file", ""),
    ];
    for (what, name, content, fact, detail) in cases {
        let finished = site.push(&site.file(&name, &content), &destination);
        assert_refused(&finished, fact);
        assert!(finished.stderr.contains(detail), "{what}: {}", finished.stderr);
        assert_eq!(archived(&destination), Vec::<String>::new(), "{what}");
    }
    for path in [site.instance.directory().join("made/0000000100000000000000FF"), "/".into()] {
        let finished = site.push(&path, &destination);
        assert_eq!(finished.code(), Some(2), "{}", finished.stderr);
    }
    // A directory of that name can be opened and not read.
    let directory = site.instance.directory().join("0000000100000000000000FE");
    fs::create_dir(&directory).unwrap();
    assert_refused(&site.push(&directory, &destination), "cannot be read");
    site.instance.finish().unwrap();
}

#[test]
fn a_repository_takes_one_cluster_only() {
    let (site, stranger) = (Site::new("--wal-segsize=1"), Site::new("--wal-segsize=1"));
    let destination = site.destination("backup");
    site.push(&site.segment(0), &destination).expect_code(0);
    assert_refused(&stranger.push(&stranger.segment(1), &destination), "another database cluster");
    let (finished, target) = stranger.get(&site.names[0], &destination);
    assert_eq!(finished.code(), Some(203), "{}", finished.stderr);
    assert!(!target.exists());
    // Without any data directory in sight the repository knows its own.
    let run =
        Run::pgdeck().arg("wal-push").arg(stranger.file(&stranger.names[1], b"")).arg(&destination);
    assert_eq!(run.finish().code(), Some(2));
    let foreign = fs::read(stranger.segment(1)).unwrap();
    let foreign = stranger.file(&stranger.names[1], &foreign);
    let finished = Run::pgdeck().arg("wal-push").arg(foreign).arg(&destination).finish();
    assert_refused(&finished, "another database cluster");
    assert_eq!(archived(&destination).len(), 1);
    site.instance.finish().unwrap();
    stranger.instance.finish().unwrap();
}

#[test]
fn histories_backups_and_partials_are_taken() {
    let site = Site::new("--wal-segsize=1");
    let destination = site.destination("backup");
    let name = &site.names[0];
    let history = "1\t0/3000000\tno recovery target specified\n";
    let backup = format!(
        "START WAL LOCATION: 0/100028 (file {name})\nSTOP WAL LOCATION: 0/100138 (file {name})\n\
         CHECKPOINT LOCATION: 0/100060\nBACKUP METHOD: streamed\nLABEL: x\n"
    );
    // A partial segment ends in the remains of a recycled file.
    let mut partial = fs::read(site.segment(1)).unwrap();
    let older = fs::read(site.segment(0)).unwrap();
    partial[500 * 1024..].copy_from_slice(&older[500 * 1024..]);
    let files = [
        ("00000002.history".to_owned(), history.as_bytes().to_vec()),
        (format!("{name}.00000028.backup"), backup.into_bytes()),
        (format!("{}.partial", site.names[1]), partial),
    ];
    for (name, content) in &files {
        site.push(&site.file(name, content), &destination).expect_code(0);
        site.push(&site.file(name, content), &destination).expect_code(0);
        let (finished, target) = site.get(name, &destination);
        assert_eq!(finished.code(), Some(0), "{name}: {}", finished.stderr);
        assert_eq!(&fs::read(target).unwrap(), content, "{name}");
    }
    // Texts are stored as they are, for people.
    assert_eq!(
        fs::read_to_string(destination.join("archived_wal/00000002.history")).unwrap(),
        history
    );
    // A recovery that ends on the old timeline gets what there is of its last segment.
    let (finished, target) = site.get(&site.names[1], &destination);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(fs::read(target).unwrap(), files[2].1);
    site.instance.finish().unwrap();
}

#[test]
fn every_kind_and_size_comes_back() {
    for (size, kinds) in [
        ("--wal-segsize=1", &["zstd", "zstd:9", "lz4", "none"][..]),
        ("--wal-segsize=64", &["zstd", "lz4"][..]),
    ] {
        let site = Site::new(size);
        for kind in kinds {
            let destination = site.destination(&format!("backup-{}", kind.replace(':', "-")));
            let run = Run::pgdeck().arg("wal-push").arg(site.segment(0)).arg(&destination);
            run.args(["--compress", kind]).finish().expect_code(0);
            let suffix = match *kind {
                "none" => "",
                "lz4" => ".lz4",
                _ => ".zst",
            };
            assert_eq!(archived(&destination), [format!("{}{suffix}", site.names[0])]);
            assert!(destination.join(format!("archived_wal/{}.idx", site.names[0])).exists());
            let (finished, target) = site.get(&site.names[0], &destination);
            assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
            assert!(fs::read(target).unwrap() == fs::read(site.segment(0)).unwrap(), "{kind}");
        }
        site.instance.finish().unwrap();
    }
}

#[test]
fn get_says_absent_only_at_the_tip() {
    let site = Site::new("--wal-segsize=1");
    let destination = site.destination("backup");
    let code = |name: &str| {
        let (finished, target) = site.get(name, &destination);
        assert_eq!(target.exists(), finished.code() == Some(0), "{finished:?}");
        if finished.code() == Some(1) {
            assert_eq!(finished.stderr, "", "a standby asks every few seconds");
        } else if finished.code() != Some(0) {
            assert_eq!(finished.stderr.lines().count(), 3, "{}", finished.stderr);
        }
        finished.code().unwrap()
    };
    assert_eq!(code(&site.names[0]), 204, "there is no archive at all");
    site.push(&site.segment(0), &destination).expect_code(0);
    assert_eq!(code(&site.names[0]), 0);
    assert_eq!(code(&site.names[1]), 1);
    assert_eq!(code("00000002.history"), 1);
    site.push(&site.segment(2), &destination).expect_code(0);
    assert_eq!(code(&site.names[1]), 202, "a later segment is there");
    assert_eq!(code(&site.names[3]), 1);
    assert_eq!(code("nonsense"), 126);

    let stored = destination.join(format!("archived_wal/{}.zst", site.names[2]));
    let whole = fs::read(&stored).unwrap();
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&stored, &whole[..cut]).unwrap();
        assert_eq!(code(&site.names[2]), 201, "cut to {cut}");
    }
    for at in [0, 20, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x40;
        fs::write(&stored, flipped).unwrap();
        assert_eq!(code(&site.names[2]), 201, "flipped at {at}");
    }
    fs::remove_file(&stored).unwrap();
    fs::create_dir(&stored).unwrap();
    assert_eq!(code(&site.names[2]), 204, "cannot be read");
    fs::remove_dir(&stored).unwrap();
    fs::rename(&destination, destination.with_extension("away")).unwrap();
    assert_eq!(code(&site.names[0]), 204, "the destination is not there");
    site.instance.finish().unwrap();
}

#[test]
fn a_plain_segment_is_proven_by_its_records_and_its_index() {
    let site = Site::new("--wal-segsize=1");
    let destination = site.destination("backup");
    let run = Run::pgdeck().arg("wal-push").arg(site.segment(0)).arg(&destination);
    run.args(["--compress", "none"]).finish().expect_code(0);
    let stored = destination.join("archived_wal").join(&site.names[0]);
    let whole = fs::read(&stored).unwrap();
    // Inside a record, and in the padding behind the switch, which only the index covers.
    for (at, with_index) in [(100_000, false), (100_000, true), (whole.len() - 1, true)] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&stored, flipped).unwrap();
        let index = destination.join(format!("archived_wal/{}.idx", site.names[0]));
        let away = index.with_extension("away");
        if !with_index {
            fs::rename(&index, &away).unwrap();
        }
        let (finished, target) = site.get(&site.names[0], &destination);
        assert_eq!((finished.code(), target.exists()), (Some(201), false), "{at}");
        if !with_index {
            fs::rename(&away, &index).unwrap();
        }
    }
    site.instance.finish().unwrap();
}

#[test]
fn usage_errors_of_a_restore_are_above_125() {
    let lines: [&[&str]; 5] = [
        &["wal-get"],
        &["wal-get", "--nonsense"],
        &["wal-get", "a", "b", "c"],
        &["--nonsense", "wal-get", "a", "b"],
        &["wal-get", "000000010000000000000001", "/nowhere/target", "--prefetch", "x"],
    ];
    for line in lines {
        assert_eq!(Run::pgdeck().args(line).finish().code(), Some(126), "{line:?}");
    }
    let finished = Run::pgdeck().args(["wal-push", "a"]).finish();
    assert_eq!(finished.code(), Some(64), "{}", finished.stderr);
    let link = tempfile::tempdir().unwrap();
    for (name, code) in [("pgx_walcopy.cmd", 126), ("pgx_xlogcopy.cmd", 64)] {
        let path = link.path().join(name);
        std::os::unix::fs::symlink(bin::pgdeck(), &path).unwrap();
        assert_eq!(Run::program(&path).finish().code(), Some(code), "{name}");
        let wrong = Run::program(&path).args(["/a/000000010000000000000001", "/b"]).finish();
        assert!(wrong.code().unwrap() != 0 && wrong.code() != Some(1), "{}", wrong.stderr);
    }
}

/// Whatever fails, the archive is sound and the next push succeeds.
#[test]
fn whichever_operation_of_a_push_fails_the_archive_is_sound() {
    let site = Site::new("--wal-segsize=1");
    let name = WalFileName::parse(&site.names[0]).unwrap();
    let content = fs::read(site.segment(0)).unwrap();
    let mut done = 0;
    for (fault, spell) in [
        (Fault::Eio, Spell::Once),
        (Fault::Enospc, Spell::FromThenOn),
        (Fault::ShortWrite, Spell::Once),
    ] {
        for number in 1.. {
            done += 1;
            let destination = site.destination(&format!("backup-{done}"));
            let plan = Plan::new(number, fault, spell);
            let outcome = push(&Disk::with_plan(plan.clone()), &site.request(0, &destination));
            check_after_fault(&destination, name, &content, outcome.is_ok());
            if let Err(error) = &outcome {
                assert_ne!(error.code, ErrorCode::WalConflict, "{error}");
                assert!(!error.detail.is_empty(), "{error}");
            }
            let again = push(&Disk::real(), &site.request(0, &destination));
            assert!(again.is_ok(), "{fault:?} {number}: {again:?}");
            check_after_fault(&destination, name, &content, true);
            if !plan.has_struck() {
                assert!(number > 15, "{number} operations are too few to be all");
                break;
            }
        }
    }
    site.instance.finish().unwrap();
}

/// What has a final name is whole; after success it is there.
#[track_caller]
fn check_after_fault(destination: &Path, name: WalFileName, content: &[u8], success: bool) {
    let Ok(archive) = Archive::open(&Disk::real(), destination) else {
        assert!(!success, "there is no archive");
        return;
    };
    let found = archive.find(name).unwrap();
    assert!(found.len() == 1 || (!success && found.is_empty()), "{found:?}");
    for file in found {
        assert!(archive.read(&file).unwrap() == content, "{file:?}");
    }
    assert_eq!(archive.list().unwrap().strangers, Vec::<PathBuf>::new());
    let _ = archive.identity().unwrap();
}

#[test]
fn a_push_killed_before_any_operation_leaves_nothing_half_written() {
    let site = Site::new("--wal-segsize=1");
    let name = WalFileName::parse(&site.names[0]).unwrap();
    let content = fs::read(site.segment(0)).unwrap();
    let destination = site.destination("backup");
    for number in 1.. {
        let run = Run::pgdeck().arg("wal-push").arg(site.segment(0)).arg(&destination);
        let finished = run.env("PGDECK_FAULT", format!("{number}:kill")).finish();
        check_after_fault(&destination, name, &content, finished.code() == Some(0));
        if finished.code() == Some(0) {
            break;
        }
        assert_eq!(finished.signal(), Some(9), "{finished:?}");
        assert!(number < 100, "it does not end");
    }
    site.push(&site.segment(0), &destination).expect_code(0);
    check_after_fault(&destination, name, &content, true);
    site.instance.finish().unwrap();
}

#[test]
fn a_push_killed_at_a_random_moment_leaves_nothing_half_written() {
    let site = Site::new("--wal-segsize=16");
    let name = WalFileName::parse(&site.names[0]).unwrap();
    let content = fs::read(site.segment(0)).unwrap();
    let began = std::time::Instant::now();
    site.push(&site.segment(0), &site.destination("whole")).expect_code(0);
    let whole = began.elapsed();
    let mut killed = 0;
    for round in 0..25_u32 {
        let destination = site.destination(&format!("backup-{round}"));
        let mut command = Command::new(bin::pgdeck());
        command.arg("wal-push").arg(site.segment(0)).arg(&destination);
        command.stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().unwrap();
        // Spread over the time that a whole push takes.
        std::thread::sleep(whole * (round * 7 % 25) / 25);
        child.kill().unwrap();
        let success = child.wait().unwrap().success();
        killed += u32::from(!success);
        check_after_fault(&destination, name, &content, success);
        if round % 5 == 0 {
            site.push(&site.segment(0), &destination).expect_code(0);
            check_after_fault(&destination, name, &content, true);
        }
    }
    assert!(killed > 5, "only {killed} pushes were killed in time");
    site.instance.finish().unwrap();
}

#[test]
fn pushes_of_one_segment_at_once_agree() {
    let site = Site::new("--wal-segsize=16");
    let destination = site.destination("backup");
    let kinds = ["zstd", "lz4", "none", "zstd"];
    std::thread::scope(|scope| {
        for kind in kinds.iter().chain(&kinds) {
            let (site, destination) = (&site, &destination);
            scope.spawn(move || {
                let run = Run::pgdeck().arg("wal-push").arg(site.segment(0)).arg(destination);
                run.args(["--compress", kind]).finish().expect_code(0);
            });
        }
    });
    let archive = Archive::open(&Disk::real(), &destination).unwrap();
    let name = WalFileName::parse(&site.names[0]).unwrap();
    let content = fs::read(site.segment(0)).unwrap();
    for file in archive.find(name).unwrap() {
        assert!(archive.read(&file).unwrap() == content, "{file:?}");
    }
    let incoming = destination.join("archived_wal/.incoming");
    assert_eq!(fs::read_dir(incoming).unwrap().count(), 0);
    site.instance.finish().unwrap();
}

/// A small file system of its own; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf, options: &str) -> Self {
        let run = Run::program("mount").args(["-t", "tmpfs", "-o", options, "pgdeck-test"]);
        run.arg(&path).finish().expect_code(0);
        Self(path)
    }

    fn remount(&self, options: &str) {
        let run = Run::program("mount").args(["-o", &format!("remount,{options}")]);
        run.arg(&self.0).finish().expect_code(0);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Run::program("umount").arg("-l").arg(&self.0).try_finish();
    }
}

/// Root alone can mount; as another user the same is shown with a directory that is closed.
#[test]
fn a_full_or_read_only_destination_is_named_and_recovers() {
    let site = Site::new("--wal-segsize=1");
    let destination = site.destination("backup");
    let name = WalFileName::parse(&site.names[1]).unwrap();
    let content = fs::read(site.segment(1)).unwrap();
    if !rustix::process::geteuid().is_root() {
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o500);
        fs::set_permissions(&destination, closed).unwrap();
        assert_refused(&site.push(&site.segment(1), &destination), "cannot be written to");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&destination, open).unwrap();
        site.instance.finish().unwrap();
        return;
    }
    let disk = SmallDisk::mount(destination.clone(), "size=64k");
    let finished = site.push(&site.segment(1), &destination);
    assert_refused(&finished, "cannot be written to");
    assert!(finished.stderr.contains("No space left on device"), "{}", finished.stderr);
    check_after_fault(&destination, name, &content, false);
    assert_eq!(fs::read_dir(destination.join("archived_wal/.incoming")).unwrap().count(), 0);
    disk.remount("size=8m,ro");
    let finished = site.push(&site.segment(1), &destination);
    assert_refused(&finished, "cannot be written to");
    assert!(finished.stderr.contains("Read-only file system"), "{}", finished.stderr);
    disk.remount("size=8m,rw");
    site.push(&site.segment(1), &destination).expect_code(0);
    check_after_fault(&destination, name, &content, true);
    disk.remount("size=8m,ro");
    // A get writes nothing there.
    assert_eq!(site.get(&site.names[1], &destination).0.code(), Some(0));
    assert_eq!(site.get(&site.names[2], &destination).0.code(), Some(1));
    drop(disk);
    // Not mounted any more: nothing is taken for absent.
    assert_eq!(site.get(&site.names[2], &destination).0.code(), Some(204));
    site.instance.finish().unwrap();
}
