//! Where the bytes come from: files that cannot be read, and a server's file in ranges.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pgdeck_engine::api::{Error, ErrorCode, LogFormat, LogSource};
use pgdeck_engine::logs::source::unreadable;
use pgdeck_engine::logs::{FetchedBytes, Follower, ParserSettings};
use tempfile::TempDir;

use crate::scene::{append, follower};

/// Runs `work` on a thread with the rights of nobody, when the tests run as root.
fn without_rights<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let run = move || {
        let nobody = rustix::process::Uid::from_raw(65_534);
        if rustix::process::geteuid().is_root() {
            let root = rustix::process::Uid::ROOT;
            rustix::thread::set_thread_res_uid(root, nobody, root)
                .unwrap_or_else(|error| panic!("{error}"));
        }
        work()
    };
    std::thread::spawn(run).join().unwrap_or_else(|_| panic!("the thread failed"))
}

#[test]
fn an_unreadable_log_says_who_may_and_recovers() {
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = directory.path().join("a.log");
    append(&path, b"2026-01-02 03:04:05.678 UTC [7] LOG:  one\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let (refused, mut followed) = without_rights({
        let path = path.clone();
        move || {
            let mut followed = follower(path);
            (followed.poll().unwrap_err(), followed)
        }
    });
    assert_eq!(refused.code, ErrorCode::LogUnreadable);
    assert!(refused.fact.contains(path.to_str().unwrap()), "{refused}");
    assert!(refused.detail.contains("mode 0000"), "{refused}");
    assert!(refused.hint.contains("log_file_mode"), "{refused}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let added = without_rights(move || {
        followed.poll().and_then(|first| Ok(first.added + followed.poll()?.added))
    });
    assert_eq!(added.unwrap(), 1);
}

#[test]
fn an_unreadable_directory_is_named() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("log").join("a.log");
    fs::create_dir(directory.path().join("log")).unwrap();
    append(&path, b"x\n");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    if !rustix::process::geteuid().is_root() {
        // Only root can make a directory this user does not own.
        fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let refused = without_rights({
        let path = path.clone();
        move || follower(path).poll().unwrap_err()
    });
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(refused.code, ErrorCode::LogUnreadable);
    assert!(refused.detail.starts_with("directory "), "{refused}");
    assert!(refused.detail.contains("/log belongs to"), "{refused}");
    assert_eq!(unreadable(Path::new("/x"), None).code, ErrorCode::LogUnreadable);
}

#[test]
fn what_is_no_file_is_refused() {
    let directory = TempDir::new().unwrap();
    let refused = follower(directory.path().to_owned()).poll().unwrap_err();
    assert_eq!(refused.code, ErrorCode::LogNotFound);
}

/// A server's file, fetched as with SQL.
struct Server {
    bytes: Vec<u8>,
    reads: usize,
}

impl Server {
    fn poll(&mut self, follower: &mut Follower<FetchedBytes>) -> usize {
        let size = u64::try_from(self.bytes.len()).unwrap_or(0);
        let mut added = 0;
        loop {
            follower.bytes_mut().set_size(Ok(size));
            if let Some(range) = follower.wants().unwrap_or_default() {
                self.reads += 1;
                let from = usize::try_from(range.offset).unwrap_or(0);
                let until = (from + range.length).min(self.bytes.len());
                follower.bytes_mut().fill(range.offset, self.bytes[from..until].to_vec());
            }
            let polled = follower.poll().unwrap_or_default();
            added += polled.added;
            if polled.behind_bytes == 0 {
                return added;
            }
        }
    }
}

#[test]
fn a_servers_file_is_read_in_ranges() {
    let source = |path: &str| LogSource::Server { path: path.into(), format: LogFormat::Stderr };
    let mut follower = Follower::new(
        source("log/a.log"),
        FetchedBytes::new("log/a.log"),
        ParserSettings::default(),
    );
    let line = |number: usize| format!("2026-01-02 03:04:05.678 UTC [7] LOG:  {number}\n");
    let mut server =
        Server { bytes: (0..2_000).flat_map(|n| line(n).into_bytes()).collect(), reads: 0 };
    assert!(server.poll(&mut follower) > 1000);
    assert_eq!(server.poll(&mut follower), 1);
    let reads = server.reads;
    assert_eq!(server.poll(&mut follower), 0);
    assert_eq!(server.reads, reads, "nothing is fetched when nothing changed");
    // Truncated and shorter.
    server.bytes = line(9_999).into_bytes();
    server.poll(&mut follower);
    server.poll(&mut follower);
    assert_eq!(follower.entries().back().unwrap().message, "9999");
    // Another name: what is left of the old one first.
    server.bytes.extend(line(10_000).into_bytes());
    follower.set_source(source("log/b.log"), |_| FetchedBytes::new("log/b.log"));
    assert_eq!(follower.bytes_mut().path(), "log/a.log");
    server.poll(&mut follower);
    assert_eq!(follower.bytes_mut().path(), "log/b.log");
    assert_eq!(follower.entries().back().unwrap().message, "10000");
    // Trouble of the connection is passed on and passes.
    follower.bytes_mut().set_size(Err(Error::new(ErrorCode::ConnectionLost, "gone")));
    assert_eq!(follower.poll().unwrap_err().code, ErrorCode::ConnectionLost);
}
