//! The follower on real files: growth, rotation of every kind, trouble and recovery.

mod histories;
mod scene;
mod sources;

use std::fs::{self, File, OpenOptions};

use pgdeck_engine::api::{ErrorCode, LOG_ENTRIES_MAX, LogSeverity};
use pgdeck_engine::logs::follow::{BEHIND_BYTES_MAX, POLL_BYTES_MAX, TAIL_BYTES_MAX};
use pgdeck_engine::logs::triage::new_errors_since;
use scene::{Scene, append, file_source, open};

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
