//! The follower on real files: growth, rotation of every kind, trouble and recovery.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pgdeck_engine::api::{
    Error, ErrorCode, LOG_ENTRIES_MAX, LogFormat, LogSeverity, LogSource, Result,
};
use pgdeck_engine::logs::follow::{BEHIND_BYTES_MAX, POLL_BYTES_MAX, TAIL_BYTES_MAX};
use pgdeck_engine::logs::source::unreadable;
use pgdeck_engine::logs::triage::new_errors_since;
use pgdeck_engine::logs::{FetchedBytes, FileBytes, Follower, ParserSettings};
use proptest::prelude::*;
use tempfile::TempDir;

/// A directory with a log, and a follower of it.
struct Scene {
    directory: TempDir,
    follower: Follower<FileBytes>,
    clock: u32,
}

fn file_source(path: PathBuf) -> LogSource {
    LogSource::File { path, format: LogFormat::Stderr }
}

fn open(source: &LogSource) -> FileBytes {
    match source {
        LogSource::File { path, .. } => FileBytes::new(path),
        other => panic!("{other:?}"),
    }
}

fn follower(path: PathBuf) -> Follower<FileBytes> {
    let source = file_source(path);
    let bytes = open(&source);
    Follower::new(source, bytes, ParserSettings::default())
}

impl Scene {
    fn new() -> Self {
        let directory = TempDir::new().unwrap_or_else(|error| panic!("{error}"));
        let follower = follower(directory.path().join("a.log"));
        Self { directory, follower, clock: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A line of the server, one second after the one before.
    fn line(&mut self, text: &str) -> String {
        self.clock += 1;
        let (hour, minute, second) = (self.clock / 3600, self.clock / 60 % 60, self.clock % 60);
        format!("2026-01-02 {hour:02}:{minute:02}:{second:02}.000 UTC [7] {text}\n")
    }

    fn append(&mut self, name: &str, texts: &[&str]) {
        let lines: String = texts.iter().map(|text| self.line(text)).collect();
        append(&self.path(name), lines.as_bytes());
    }

    /// Polls twice, so that nothing is waiting for more lines.
    fn poll(&mut self) -> Result<usize> {
        Ok(self.follower.poll()?.added + self.follower.poll()?.added)
    }

    fn messages(&self) -> Vec<&str> {
        self.follower.entries().iter().map(|entry| entry.message.as_str()).collect()
    }
}

fn append(path: &Path, bytes: &[u8]) {
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(bytes));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

#[test]
fn shows_what_is_there_and_what_comes() {
    let mut scene = Scene::new();
    scene.append("a.log", &["LOG:  one", "ERROR:  two"]);
    assert_eq!(scene.poll().unwrap(), 2);
    assert_eq!(scene.poll().unwrap(), 0);
    let seen = scene.follower.sequence();
    scene.append("a.log", &["DETAIL:  late", "ERROR:  three", "STATEMENT:  select"]);
    scene.poll().unwrap();
    assert_eq!(scene.messages()[..2], ["one", "two"]);
    assert_eq!(scene.follower.entries().back().unwrap().statement.as_deref(), Some("select"));
    let sequences: Vec<_> = scene.follower.entries().iter().map(|entry| entry.sequence).collect();
    assert_eq!(sequences, (1..=scene.follower.sequence()).collect::<Vec<_>>());
    assert_eq!(new_errors_since(scene.follower.entries(), seen).errors, 1);
}

#[test]
fn an_entry_is_seen_one_poll_after_its_last_line() {
    let mut scene = Scene::new();
    scene.append("a.log", &["ERROR:  one"]);
    assert_eq!(scene.follower.poll().unwrap().added, 0);
    scene.append("a.log", &["DETAIL:  of one"]);
    assert_eq!(scene.follower.poll().unwrap().added, 1);
    assert_eq!(scene.follower.entries()[0].detail.as_deref(), Some("of one"));
}

#[test]
fn begins_near_the_end_at_the_beginning_of_an_entry() {
    let mut scene = Scene::new();
    let filler = format!("LOG:  {}", "x".repeat(1000));
    for _ in 0..1000 {
        scene.append("a.log", &[&filler, "DETAIL:  d"]);
    }
    scene.append("a.log", &["LOG:  last"]);
    scene.poll().unwrap();
    let entries = scene.follower.entries();
    assert!((200..260).contains(&entries.len()), "{}", entries.len());
    assert!(entries.iter().all(|entry| entry.severity == Some(LogSeverity::Log)));
    assert_eq!(entries.back().unwrap().message, "last");
}

#[test]
fn follows_to_a_new_name_after_the_rest_of_the_old() {
    let mut scene = Scene::new();
    scene.append("a.log", &["LOG:  one"]);
    scene.poll().unwrap();
    scene.append("a.log", &["LOG:  two"]);
    scene.append("b.log", &["LOG:  three"]);
    let next = file_source(scene.path("b.log"));
    scene.follower.set_source(next.clone(), open);
    scene.follower.set_source(next.clone(), |_| panic!("opened twice"));
    scene.poll().unwrap();
    assert_eq!(scene.messages(), ["one", "two", "three"]);
    assert_eq!(*scene.follower.source(), next);
}

#[test]
fn a_renamed_file_is_not_read_twice() {
    let mut scene = Scene::new();
    scene.append("a.log", &["LOG:  one", "LOG:  two"]);
    scene.poll().unwrap();
    fs::rename(scene.path("a.log"), scene.path("a.log.1")).unwrap();
    scene.follower.set_source(file_source(scene.path("a.log.1")), open);
    scene.append("a.log.1", &["LOG:  three"]);
    scene.poll().unwrap();
    assert_eq!(scene.messages(), ["one", "two", "three"]);
}

#[test]
fn moves_on_from_a_log_that_is_gone() {
    let mut scene = Scene::new();
    assert_eq!(scene.poll().unwrap_err().code, ErrorCode::LogNotFound);
    scene.append("b.log", &["LOG:  one"]);
    scene.follower.set_source(file_source(scene.path("b.log")), open);
    scene.poll().unwrap();
    assert_eq!(scene.messages(), ["one"]);
}

#[test]
fn follows_a_renamed_and_remade_file() {
    let mut scene = Scene::new();
    scene.append("a.log", &["LOG:  one"]);
    scene.poll().unwrap();
    scene.append("a.log", &["LOG:  two"]);
    fs::rename(scene.path("a.log"), scene.path("a.log.1")).unwrap();
    for _ in 0..2 {
        assert_eq!(scene.follower.poll().unwrap_err().code, ErrorCode::LogNotFound);
    }
    assert_eq!(scene.messages(), ["one", "two"]);
    scene.append("a.log.1", &["LOG:  three, by a server that has it open"]);
    scene.append("a.log", &["LOG:  four"]);
    scene.poll().unwrap();
    assert_eq!(scene.messages().len(), 4);
    assert_eq!(scene.messages()[3], "four");
}

#[test]
fn follows_a_truncated_file() {
    let mut scene = Scene::new();
    scene.append("a.log", &["LOG:  one", "LOG:  two"]);
    scene.poll().unwrap();
    File::create(scene.path("a.log")).unwrap();
    scene.poll().unwrap();
    scene.append("a.log", &["LOG:  three"]);
    scene.poll().unwrap();
    assert_eq!(scene.messages(), ["one", "two", "three"]);
}

#[test]
fn a_file_of_last_week_is_not_shown_as_new() {
    let mut scene = Scene::new();
    scene.append("b.log", &["ERROR:  of last week", "DETAIL:  d"]);
    append(&scene.path("b.log"), b"output of a program last week\n");
    scene.append("a.log", &["LOG:  one"]);
    scene.poll().unwrap();
    scene.append("b.log", &["LOG:  two"]);
    scene.follower.set_source(file_source(scene.path("b.log")), open);
    scene.poll().unwrap();
    // A clock that was set back must hide nothing that is written now.
    append(&scene.path("b.log"), b"2020-01-01 00:00:00.000 UTC [7] ERROR:  three\n");
    scene.poll().unwrap();
    assert_eq!(scene.messages(), ["one", "two", "three"]);
}

#[test]
fn a_burst_is_digested_in_bounded_memory() {
    let mut scene = Scene::new();
    scene.append("a.log", &["LOG:  one"]);
    scene.poll().unwrap();
    let statement = "x".repeat(100);
    let mut burst = String::new();
    for number in 0..80_000 {
        let line = scene.line(&format!("ERROR:  {number} {statement}"));
        burst.push_str(&line);
    }
    assert!(burst.len() > 10 * 1024 * 1024);
    append(&scene.path("a.log"), burst.as_bytes());
    let (mut polls, mut added) = (0, 0);
    loop {
        let polled = scene.follower.poll().unwrap();
        added += polled.added;
        polls += 1;
        if polled.behind_bytes == 0 {
            break;
        }
    }
    assert_eq!(polls, burst.len().div_ceil(POLL_BYTES_MAX));
    added += scene.follower.poll().unwrap().added;
    assert_eq!(added, 80_000);
    assert_eq!(scene.follower.entries().len(), LOG_ENTRIES_MAX);
    assert!(scene.messages()[LOG_ENTRIES_MAX - 1].starts_with("79999 "));
    assert_eq!(scene.follower.skipped_bytes(), 0);
}

#[test]
fn long_entries_are_kept_within_the_limit() {
    let mut scene = Scene::new();
    scene.append("a.log", &["LOG:  one"]);
    scene.poll().unwrap();
    let long = format!("ERROR:  {}", "y".repeat(200_000));
    for _ in 0..150 {
        scene.append("a.log", &[&long]);
    }
    while scene.follower.poll().unwrap().behind_bytes > 0 {}
    scene.poll().unwrap();
    let kept: usize = scene.messages().iter().map(|message| message.len()).sum();
    assert!(kept <= TAIL_BYTES_MAX && kept > TAIL_BYTES_MAX / 2, "{kept}");
    assert_eq!(scene.follower.sequence(), 151);
}

#[test]
fn skips_ahead_when_hopelessly_behind() {
    let mut scene = Scene::new();
    scene.append("a.log", &["LOG:  one"]);
    scene.poll().unwrap();
    // A sparse file stands for what was written in between.
    let file = OpenOptions::new().write(true).open(scene.path("a.log")).unwrap();
    file.set_len(2 * BEHIND_BYTES_MAX).unwrap();
    append(&scene.path("a.log"), b"\n");
    scene.append("a.log", &["LOG:  two"]);
    scene.poll().unwrap();
    assert_eq!(scene.messages(), ["one", "two"]);
    assert!(scene.follower.skipped_bytes() > BEHIND_BYTES_MAX);
}

#[test]
fn a_half_written_line_holds_back_no_entry_for_long() {
    let mut scene = Scene::new();
    scene.append("a.log", &["ERROR:  one"]);
    append(&scene.path("a.log"), b"2026-01-02 00:00:0");
    for _ in 0..5 {
        assert_eq!(scene.follower.poll().unwrap().added, 0);
    }
    assert_eq!(scene.follower.poll().unwrap().added, 1);
    append(&scene.path("a.log"), b"2.000 UTC [7] LOG:  two\n");
    scene.poll().unwrap();
    append(&scene.path("a.log"), b"a program without newline");
    scene.append("b.log", &["LOG:  three"]);
    scene.follower.set_source(file_source(scene.path("b.log")), open);
    scene.poll().unwrap();
    assert_eq!(scene.messages(), ["one", "two", "a program without newline", "three"]);
}

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

/// What happens to a log between two polls.
#[derive(Clone, Debug)]
enum Event {
    /// The server writes this many entries, and so many of the last bytes come later.
    Write(usize, usize),
    /// The file is renamed and made anew, as logrotate does.
    Rename,
    /// The collector goes on in another file.
    Rotate,
    /// The file is read by us.
    Poll,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0_usize..6, 0_usize..30).prop_map(|(entries, part)| Event::Write(entries, part)),
        1 => Just(Event::Rename),
        1 => Just(Event::Rotate),
        4 => Just(Event::Poll),
    ];
    proptest::collection::vec(event, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_entry_is_seen_once_and_whole(events in events()) {
        let mut scene = Scene::new();
        append(&scene.path("a.log"), b"");
        let (mut name, mut written, mut rest) = ("a.log".to_owned(), 0_usize, Vec::new());
        let (mut files, mut polls) = (0, 0);
        let _ = scene.follower.poll();
        for event in events {
            // Five polls without growth end the waiting for a half written line.
            polls = match event {
                Event::Poll => polls + 1,
                Event::Write(0, _) => polls,
                _ => 0,
            };
            match event {
                Event::Poll if polls > 4 => {}
                Event::Write(entries, part) => {
                    let mut bytes = std::mem::take(&mut rest);
                    for _ in 0..entries {
                        written += 1;
                        let lines = [format!("ERROR:  {written}\n\tmore"), format!("DETAIL:  of {written}")];
                        bytes.extend(lines.iter().flat_map(|line| scene.line(line).into_bytes()));
                    }
                    // Part of the last line comes with the next write.
                    let held = part.min(bytes.len());
                    rest = bytes.split_off(bytes.len() - held);
                    append(&scene.path(&name), &bytes);
                }
                Event::Rename | Event::Rotate => {
                    append(&scene.path(&name), &std::mem::take(&mut rest));
                    // The rest of an old file is read as long as it is open or has its name.
                    let _ = scene.follower.poll();
                    files += 1;
                    if matches!(event, Event::Rename) {
                        fs::rename(scene.path(&name), scene.path(&format!("old{files}"))).unwrap();
                    } else {
                        name = format!("{files}.log");
                    }
                    append(&scene.path(&name), b"");
                    scene.follower.set_source(file_source(scene.path(&name)), open);
                }
                Event::Poll => {
                    let _ = scene.follower.poll();
                }
            }
        }
        append(&scene.path(&name), &rest);
        let _ = scene.poll();
        let expect: Vec<_> = (1..=written).map(|number| format!("{number}\nmore")).collect();
        prop_assert_eq!(scene.messages(), expect);
        for (entry, number) in scene.follower.entries().iter().zip(1..) {
            let detail = format!("of {number}");
            prop_assert_eq!(entry.detail.as_deref(), Some(detail.as_str()));
        }
    }
}
