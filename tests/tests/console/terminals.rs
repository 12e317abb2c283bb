//! What each kind of terminal is sent.

use pgdeck_tests::pty::Color;
use pgdeck_tests::{Console, proc};

use crate::{PATIENCE, Stage, escape, press, quit, ready};

/// Whether some cell of the list is shown in reverse, and the one with the cursor is.
fn selection_is_visible(console: &Console) -> bool {
    let (row, _) = console.cursor();
    console.cell(row, 2).inverse()
}

fn has_colour(console: &Console) -> bool {
    console.look(|screen| {
        let (rows, columns) = screen.size();
        (0..rows.get()).any(|row| {
            (0..columns.get()).any(|column| {
                screen.cell(row, column).is_some_and(|cell| {
                    cell.fgcolor() != Color::Default || cell.bgcolor() != Color::Default
                })
            })
        })
    })
}

/// Goes through every pane and the dialogs.
fn tour(console: &Console) {
    for (key, text) in [
        ("2", "1 destination,"),
        ("3", " blocked"),
        ("4", "Nobody waits"),
        ("5", "0 prepared"),
        ("6", "following"),
        ("7", "message"),
        ("1", "timeline 1"),
    ] {
        press(console, key, text);
    }
    press(console, "?", "Help: type to search");
    escape(console, "Help:");
    press(console, "S", "how?");
    escape(console, "how?");
    press(console, "3", " blocked");
}

#[test]
fn a_vt_gets_ascii_without_colour_and_shows_the_selection() {
    let stage = Stage::new();
    stage.instance.sql("postgres", "create database \"d\u{00e4}t\u{2713}b\"");
    let session = stage.instance.session("d\u{00e4}t\u{2713}b");
    session.run("select '\u{4e2d}\u{6587}'");
    for term in ["vt100", "vt220"] {
        let console = ready(stage.console().term(term).env("LANG", "C").spawn());
        tour(&console);
        assert!(
            proc::wait_for(PATIENCE, || selection_is_visible(&console)),
            "{}",
            console.screen_text()
        );
        quit(&console);
        let raw = console.raw_output();
        let stray = raw.iter().find(|byte| !byte.is_ascii());
        assert_eq!(stray, None, "{term} got a byte above 127");
        let text = String::from_utf8(raw).unwrap();
        for sequence in text.split("\u{1b}[").skip(1) {
            let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap();
            if sequence.as_bytes()[end] == b'm' {
                let numbers = sequence[..end].split(';');
                let is_plain = |n: &str| matches!(n, "" | "0" | "1" | "4" | "5" | "7");
                assert!(numbers.clone().all(is_plain), "{term}: ESC[{}m", &sequence[..end]);
            }
        }
        assert!(!text.contains("\u{1b}[?1049"), "{term} has no alternate screen");
    }
}

#[test]
fn others_get_colours_of_their_own_kind() {
    let stage = Stage::new();
    for (term, wide) in [("xterm-256color", true), ("screen", true), ("linux", true)] {
        let console = ready(stage.console().term(term).utf8().spawn());
        tour(&console);
        assert!(has_colour(&console), "{term}");
        assert!(
            proc::wait_for(PATIENCE, || selection_differs(&console)),
            "{}",
            console.screen_text()
        );
        quit(&console);
        let text = String::from_utf8(console.raw_output()).unwrap();
        assert_eq!(text.contains('\u{2500}'), wide, "{term} draws lines");
        if term == "linux" {
            assert!(!text.contains("38;5;") && !text.contains("38;2;"), "{term}");
        }
    }
}

fn selection_differs(console: &Console) -> bool {
    let (row, _) = console.cursor();
    // While a screen is being drawn the cursor may stand on its last line.
    if row + 1 >= console.size().1 {
        return false;
    }
    let (here, below) = (console.cell(row, 2), console.cell(row + 1, 2));
    here.inverse() || here.bgcolor() != below.bgcolor()
}

#[test]
fn no_color_is_obeyed_and_the_selection_stays_visible() {
    let stage = Stage::new();
    let _session = stage.instance.session("postgres");
    let console = ready(stage.console().utf8().env("NO_COLOR", "1").spawn());
    tour(&console);
    assert!(
        proc::wait_for(PATIENCE, || selection_is_visible(&console)),
        "{}",
        console.screen_text()
    );
    assert!(!has_colour(&console));
    quit(&console);
}

#[test]
fn without_a_locale_nothing_but_ascii_is_sent() {
    let stage = Stage::new();
    let console = ready(stage.console().spawn());
    tour(&console);
    quit(&console);
    assert!(console.raw_output().is_ascii());
}

#[test]
fn too_small_is_one_line_and_comes_back() {
    let stage = Stage::new();
    let console = stage.open();
    press(&console, "3", "clients");
    console.resize(40, 10);
    console.wait_for("pgdeck needs 60x20, not 40x10; q quits");
    console.resize(80, 24);
    console.wait_for("clients");
    console.wait_for("STARTED");
    console.resize(200, 60);
    console.wait_until(|screen| screen.contents_between(59, 0, 59, 200).contains("q quit"));
    console.resize(0, 0);
    console.resize(80, 24);
    console.wait_for("clients");
    quit(&console);
}

#[test]
fn a_line_without_a_size_gets_80x24() {
    let stage = Stage::new();
    let console = ready(stage.console().size(0, 0).spawn());
    console.wait_for("q quit");
    assert_eq!(console.find("q quit").unwrap().0, 23);
    quit(&console);
    let console = stage.console().size(0, 0).env("COLUMNS", "70").env("LINES", "22").spawn();
    let console = ready(console);
    console.wait_for("q quit");
    assert_eq!(console.find("q quit").unwrap().0, 21);
    quit(&console);
}

#[test]
fn a_dumb_terminal_is_refused_in_words_that_help() {
    let stage = Stage::new();
    for term in ["dumb", ""] {
        let console = stage.console().term(term).spawn();
        let status = console.wait_exit();
        assert_ne!(status.code(), Some(0), "{term:?}");
        let text = console.screen_text();
        assert!(text.contains("pgdeck status"), "{text}");
        assert!(!String::from_utf8_lossy(&console.raw_output()).contains('\u{1b}'));
    }
}
