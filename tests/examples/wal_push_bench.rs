//! What a push costs: its start-up, and segments a second. Prints figures, judges nothing.
//!
//! `cargo build --release -p pgdeck`, then
//! `PGDECK_BIN=target/release/pgdeck cargo run -p pgdeck-tests --example wal_push_bench`.

// Printing is what it is for.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pgdeck_tests::{Major, StopMode, TestInstance, bin};

const START_RUNS: usize = 200;

fn main() {
    let program = bin::pgdeck();
    let instance = TestInstance::builder(Major::V17)
        .setting("wal_keep_size", "1GB")
        .setting("max_wal_size", "4GB")
        .start();
    instance.sql("postgres", "create table t (a int primary key, b int, c text)");
    for round in 0..8 {
        let (from, to) = (round * 60_000 + 1, (round + 1) * 60_000);
        instance.sql(
            "postgres",
            &format!(
                "insert into t select i, i % 97, md5(i::text) from generate_series({from}, {to}) i"
            ),
        );
        instance.sql("postgres", &format!("update t set b = b + 1 where a % 4 = {}", round % 4));
    }
    instance.stop(StopMode::Fast);
    let wal = instance.data_directory().join("pg_wal");
    let mut segments: Vec<_> = fs::read_dir(&wal)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    segments.sort();
    // The last ones are not complete, or recycled.
    segments.truncate(segments.len() / 2);
    println!("{} segments of 16 MB, {}", segments.len(), program.display());
    for kind in ["zstd", "lz4", "none"] {
        let destination = instance.make_directory(&format!("backup-{kind}"));
        let began = Instant::now();
        let mut done = 0;
        for segment in &segments {
            if push(&program, segment, &destination, kind) {
                done += 1;
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        println!("push {kind}: {:.1} segments a second", f64::from(done) / seconds);
    }
    let destination = instance.directory().join("backup-zstd");
    let history = instance.directory().join("00000002.history");
    fs::write(&history, "1\t0/5000100\tbench\n").unwrap();
    assert!(push(&program, &history, &destination, "zstd"));
    report("push of a small file", || {
        assert!(push(&program, &history, &destination, "zstd"));
    });
    report("get of an absent file", || {
        let status = Command::new(&program)
            .args(["wal-get", "00000003.history", "/tmp/never-written", "-B"])
            .arg(&destination)
            .status();
        assert_eq!(status.unwrap().code(), Some(1));
    });
    report("/bin/true, for comparison", || {
        assert!(Command::new("/bin/true").status().unwrap().success());
    });
    instance.finish().unwrap();
}

fn push(program: &Path, source: &Path, destination: &Path, kind: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("wal-push").arg(source).arg(destination).args(["--compress", kind]);
    command.status().unwrap().success()
}

fn report(what: &str, mut work: impl FnMut()) {
    let mut took: Vec<Duration> = (0..START_RUNS)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    took.sort();
    let at = |percent: usize| took[START_RUNS * percent / 100].as_secs_f64() * 1000.0;
    println!("{what}: median {:.2} ms, 90 % below {:.2} ms", at(50), at(90));
}
