//! Looking ahead: a process beside the server fetches what it will ask for next.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pgdeck_tests::wal::WalSite;
use pgdeck_tests::{Run, bin};

struct Scene {
    site: WalSite,
    destination: PathBuf,
    target: PathBuf,
    spool: PathBuf,
}

impl Scene {
    /// Four segments in the archive.
    fn new() -> Self {
        let site = WalSite::new("--wal-segsize=1");
        let destination = site.destination("backup");
        for index in 0..4 {
            site.push(&site.segment(index), &destination).expect_code(0);
        }
        let pg_wal = site.instance.make_directory("pg_wal");
        let (target, spool) = (pg_wal.join("RECOVERYXLOG"), pg_wal.join("pgdeck-prefetch"));
        Self { site, destination, target, spool }
    }

    fn words(&self, index: usize) -> Vec<OsString> {
        let data = self.site.instance.data_directory();
        let (name, target) = (&self.site.names[index], self.target.as_os_str());
        let options: [&OsStr; 6] = [
            "-B".as_ref(),
            self.destination.as_os_str(),
            "-D".as_ref(),
            data.as_os_str(),
            "--prefetch".as_ref(),
            "2".as_ref(),
        ];
        let words = ["wal-get".as_ref(), name.as_ref(), target].into_iter().chain(options);
        words.map(OsStr::to_owned).collect()
    }

    /// The exit code; what was got is the segment. The command runs in the test's own process
    /// group, which is there until the end, as that of a server.
    fn get(&self, index: usize) -> i32 {
        let output = Command::new(bin::pgdeck()).args(self.words(index)).output().unwrap();
        let code = output.status.code().unwrap();
        if code == 0 {
            let own = fs::read(self.site.segment(index)).unwrap();
            assert!(fs::read(&self.target).unwrap() == own);
        }
        code
    }

    /// Whole segments in the spool.
    fn spooled(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.spool) else { return Vec::new() };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.contains('-') && path.extension().is_none()
        });
        paths.sort();
        paths
    }

    fn archived(&self, index: usize) -> PathBuf {
        self.destination.join(format!("archived_wal/{}.zst", self.site.names[index]))
    }
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn begins_with(path: &Path, name: &str) -> bool {
    path.file_name().unwrap().to_str().unwrap().starts_with(name)
}

#[test]
fn what_was_fetched_ahead_is_given_out_without_the_archive() {
    let scene = Scene::new();
    assert_eq!(scene.get(0), 0);
    wait("two segments are ready", || scene.spooled().len() == 2);
    let ready = scene.spooled();
    assert!(begins_with(&ready[0], &scene.site.names[1]), "{ready:?}");
    let archived = scene.archived(1);
    fs::rename(&archived, archived.with_extension("away")).unwrap();
    assert_eq!(scene.get(1), 0);
    wait("the next one is ready", || {
        scene.spooled().last().is_some_and(|path| begins_with(path, &scene.site.names[3]))
    });
    // What is not as long as a segment is none.
    let cut = fs::File::options().write(true).open(&scene.spooled()[0]).unwrap();
    cut.set_len(100_000).unwrap();
    assert_eq!(scene.get(2), 0, "fetched anew");
    assert_eq!(scene.get(3), 0);
    assert_eq!(scene.get(1), 202, "passed, and missing");
    scene.site.instance.finish().unwrap();
}

#[test]
fn it_ends_with_the_process_it_was_started_for() {
    let scene = Scene::new();
    // As a startup process does: it leads a group, and runs the command in it.
    let script = "\"$@\" && ls \"$0\" > /dev/null && sleep 2";
    let run = Run::program("/usr/bin/setsid").args(["--wait", "sh", "-c", script]);
    let run = run.arg(&scene.spool).arg(bin::pgdeck());
    run.args(scene.words(0)).finish().expect_code(0);
    wait("the spool is removed", || !scene.spool.exists());
    scene.site.instance.finish().unwrap();
}

#[test]
fn what_a_kill_left_is_neither_waited_for_nor_taken() {
    let scene = Scene::new();
    fs::create_dir(&scene.spool).unwrap();
    for (index, name) in [(1, ".part"), (2, "")] {
        // Of another archive, or half fetched: with another key in its name.
        let path = scene.spool.join(format!("{}-00000000{name}", scene.site.names[index]));
        fs::write(path, vec![7; 1 << 20]).unwrap();
    }
    let began = Instant::now();
    for index in 1..4 {
        assert_eq!(scene.get(index), 0);
    }
    assert!(began.elapsed() < Duration::from_secs(25), "it was waited for");
    wait("what was passed is removed", || {
        scene.spooled().iter().all(|path| begins_with(path, &scene.site.names[3]))
    });
    scene.site.instance.finish().unwrap();
}
