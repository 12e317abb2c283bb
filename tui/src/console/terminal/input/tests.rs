//! The reading thread on a pipe. The real terminal is in `tests/terminal.rs`.

use std::io::{PipeWriter, Write};

use super::*;

/// Longer than in use, so that a busy machine does not decide the result.
const WAIT: Duration = Duration::from_millis(150);

fn started() -> (Keys, PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    (Keys::start_on(reader, WAIT).unwrap(), writer)
}

async fn next(keys: &mut Keys) -> Input {
    tokio::time::timeout(Duration::from_secs(5), keys.next()).await.unwrap()
}

fn key(code: KeyCode) -> Input {
    Input::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

#[tokio::test]
async fn a_slow_line_does_not_make_escape_of_an_arrow() {
    let (mut keys, mut terminal) = started();
    for byte in b"\x1b[A" {
        terminal.write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(3));
    }
    assert_eq!(next(&mut keys).await, key(KeyCode::Up));
    terminal.write_all(b"\x1b").unwrap();
    assert_eq!(next(&mut keys).await, key(KeyCode::Esc));
}

#[tokio::test]
async fn a_plain_key_is_not_delayed() {
    let (mut keys, mut terminal) = started();
    let pressed = Instant::now();
    terminal.write_all(b"j").unwrap();
    assert_eq!(next(&mut keys).await, key(KeyCode::Char('j')));
    assert!(pressed.elapsed() < WAIT, "{:?}", pressed.elapsed());
}

#[tokio::test]
async fn a_hangup_comes_once_and_last() {
    let (mut keys, mut terminal) = started();
    terminal.write_all(b"x").unwrap();
    drop(terminal);
    assert_eq!(next(&mut keys).await, key(KeyCode::Char('x')));
    assert_eq!(next(&mut keys).await, Input::Hangup);
    let after = tokio::time::timeout(Duration::from_millis(50), keys.next()).await;
    assert!(after.is_err(), "nothing comes after the end: {after:?}");
    assert_eq!(keys.try_next(), None);
}

#[tokio::test]
async fn what_was_typed_ahead_is_void_after_a_drain() {
    let (mut keys, mut terminal) = started();
    terminal.write_all(b"yyy\x1b").unwrap();
    std::thread::sleep(Duration::from_millis(5));
    keys.drain();
    terminal.write_all(b"[Ay").unwrap();
    assert_eq!(keys.try_next(), None);
    std::thread::sleep(DRAIN_SETTLES + Duration::from_millis(20));
    assert_eq!(keys.try_next(), None, "the repeated key and the split arrow are void too");
    terminal.write_all(b"n").unwrap();
    assert_eq!(next(&mut keys).await, key(KeyCode::Char('n')));
}

#[tokio::test]
async fn a_paste_that_began_before_a_drain_is_void() {
    let (mut keys, mut terminal) = started();
    terminal.write_all(b"\x1b[200~yes").unwrap();
    std::thread::sleep(Duration::from_millis(5));
    keys.drain();
    std::thread::sleep(DRAIN_SETTLES);
    terminal.write_all(b"\ny\x1b[201~n").unwrap();
    assert_eq!(next(&mut keys).await, key(KeyCode::Char('n')));
}

#[tokio::test]
async fn nothing_is_read_during_a_pause() {
    let (mut keys, mut terminal) = started();
    keys.pause();
    terminal.write_all(b"x").unwrap();
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(keys.try_next(), None);
    keys.resume();
    assert_eq!(next(&mut keys).await, key(KeyCode::Char('x')));
}

#[tokio::test]
async fn a_console_that_does_not_listen_holds_up_nothing() {
    let (mut keys, mut terminal) = started();
    terminal.write_all(&vec![b'x'; 50_000]).unwrap();
    drop(terminal);
    let mut count = 0;
    while next(&mut keys).await != Input::Hangup {
        count += 1;
    }
    assert!((QUEUE_MAX..50_000).contains(&count), "{count} keys");
}

#[test]
fn text_areas_get_the_same_keys() {
    let control_a = KeyEvent::new(KeyCode::Char('a'), KeyModifiers::CONTROL);
    let input = textarea_input(control_a);
    assert_eq!((input.key, input.ctrl), (tui_textarea::Key::Char('a'), true));
    let tab = textarea_input(KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT));
    assert_eq!((tab.key, tab.shift), (tui_textarea::Key::Tab, true));
}
