//! What is sent to which terminal.

use std::time::Duration;

use super::pty::{PATIENCE, Pty, selftest};

/// The parameters of all `ESC [ … m`.
fn renditions(text: &str) -> Vec<u16> {
    let sequences = text.split("\u{1b}[").skip(1);
    let sets = sequences.filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';')?;
        rest[end..].starts_with('m').then(|| &rest[..end])
    });
    let numbers = |set: &str| -> Vec<u16> {
        set.split(';').map(|number| number.parse().unwrap_or(0)).collect()
    };
    sets.flat_map(numbers).collect()
}

fn quit(pty: &mut Pty) {
    pty.send(b"q");
    assert!(pty.wait().success());
}

#[test]
fn old_terminals_get_ascii_and_no_colour() {
    for (term, locale) in [
        ("vt100", "LANG=C"),
        ("vt220", "LANG=C"),
        ("vt220", "LANG=en_US.UTF-8"),
        ("vt100", "LANG=en_US.UTF-8"),
    ] {
        let mut pty = Pty::selftest(&[], &format!("TERM={term} {locale} COLORTERM=truecolor"));
        pty.send(b"jjB");
        pty.wait_for("inputs 3");
        assert_eq!(pty.selected_row(), Some(4), "{term}: the selection can be seen");
        quit(&mut pty);
        let text = pty.text();
        assert!(text.contains("in the background"), "the report comes when the screen is left");
        assert!(pty.bytes.is_ascii(), "{term} {locale}: only ASCII");
        assert!(!pty.bytes.contains(&0x7f));
        let unknown = renditions(&text).into_iter().find(|n| ![0, 1, 4, 7].contains(n));
        assert_eq!(unknown, None, "{term} {locale}: bold, underline and reverse only");
        let modes: Vec<&str> = text.split("\u{1b}[?").skip(1).map(|rest| &rest[..2]).collect();
        let expected = |mode: &&str| term == "vt220" && *mode == "25";
        assert!(modes.iter().all(expected), "{term}: private modes {modes:?}");
        pty.check_is_sane();
    }
}

#[test]
fn each_terminal_gets_the_colours_it_has() {
    let named: fn(u16) -> bool = |n| n < 50;
    let bright: fn(u16) -> bool = |n| n < 50 || (90..108).contains(&n);
    for (words, is_allowed, has_colour) in [
        ("TERM=xterm-256color LANG=C.UTF-8", bright, true),
        ("TERM=xterm LANG=C.UTF-8", named, true),
        ("TERM=screen LANG=C.UTF-8", named, true),
        ("TERM=linux LANG=C.UTF-8", bright, true),
        ("TERM=xterm-256color LANG=C", bright, true),
        ("TERM=xterm-256color NO_COLOR=1 LANG=C.UTF-8", |n| n < 30, false),
    ] {
        let mut pty = Pty::selftest(&[], words);
        pty.send(b"\x1b[B");
        pty.wait_for("last: Down");
        assert_eq!(pty.selected_row(), Some(3), "{words}: the selection can be seen");
        quit(&mut pty);
        let found = renditions(&pty.text());
        let odd = found.iter().find(|&&n| !is_allowed(n) || n == 38 || n == 48);
        assert_eq!(odd, None, "{words}");
        assert_eq!(found.iter().any(|n| (30..38).contains(n)), has_colour, "{words}");
        assert_eq!(pty.bytes.is_ascii(), words.ends_with("LANG=C"), "{words}");
        pty.check_is_sane();
    }
}

#[test]
fn richer_themes_go_out_as_far_as_the_terminal_can() {
    for (words, introducer) in [
        ("TERM=xterm COLORTERM=truecolor LANG=C.UTF-8", ";2;95;175;255"),
        ("TERM=xterm-256color LANG=C.UTF-8", ";5;75"),
        ("TERM=xterm-16color LANG=C.UTF-8", "[96"),
    ] {
        let mut pty = Pty::selftest(&["--theme", "colorblind"], words);
        quit(&mut pty);
        assert!(pty.text().contains(introducer), "{words}");
    }
}

#[test]
fn flags_override() {
    let mut pty = Pty::selftest(&["--ascii", "--color", "never"], "TERM=xterm LANG=C.UTF-8");
    quit(&mut pty);
    assert!(pty.bytes.is_ascii());
    assert!(renditions(&pty.text()).into_iter().all(|n| n < 30));
}

#[test]
fn nothing_from_outside_reaches_the_terminal() {
    let mut pty = Pty::selftest(&[], "TERM=xterm-256color LANG=C.UTF-8");
    quit(&mut pty);
    let text = pty.text();
    assert!(!text.contains("\u{1b}[31mred"), "an escape from a table");
    assert!(!text.contains(['\u{202e}', '\u{9b}', '\u{200b}']));
    assert!(text.contains("red"), "but its text is there");
}

#[test]
fn nothing_is_asked_and_an_unchanged_screen_costs_nothing() {
    let mut pty = Pty::selftest(&[], "TERM=xterm-256color LANG=C.UTF-8");
    pty.settle();
    let before = pty.bytes.len();
    pty.pump(Duration::from_millis(500), |_| false);
    assert_eq!(pty.bytes.len(), before);
    quit(&mut pty);
    for question in ["[6n", "[c", "[0c", "[>c", "]10;?", "]11;?"] {
        assert!(!pty.text().contains(question), "{question}");
    }
}

#[test]
fn there_is_no_console_without_a_terminal() {
    for words in ["TERM=dumb LANG=C", "TERM= LANG=C", "LANG=C"] {
        let mut pty = Pty::start(&[&selftest()], words);
        assert!(!pty.wait().success());
        assert!(pty.text().contains("pgdeck status"), "{}", pty.text());
        assert_eq!(pty.text().trim_end().lines().count(), 1);
        assert!(!pty.text().contains('\u{1b}'));
    }
}

#[test]
fn sequences_that_arrive_in_pieces_are_one_key() {
    // A busy machine may hold a byte back longer than the console waits; not every time.
    let is_whole = (0..3).any(|_| {
        let mut pty = Pty::selftest(&["--slow"], "TERM=vt220 LANG=C");
        for byte in b"\x1b[B\x1b[B\x1bOA" {
            pty.send(&[*byte]);
            std::thread::sleep(Duration::from_millis(3));
        }
        pty.settle();
        let is_whole = pty.contents().contains("inputs 3") && pty.selected_row() == Some(3);
        pty.send(b"\x1b");
        pty.wait_for("last: Esc");
        quit(&mut pty);
        is_whole
    });
    assert!(is_whole);
}

#[test]
fn late_answers_and_pastes_are_not_keys() {
    let mut pty = Pty::selftest(&[], "TERM=xterm-256color LANG=C.UTF-8");
    pty.send(b"\x1b]11;rgb:1e1e/qqqq/1e1e\x1b\\\x1b[>41;354;0c\x1bP>|q 3.3a\x1b\\");
    pty.send(b"\x1b[200~q\r\nq\x1b[201~");
    pty.wait_for("last: paste q q");
    assert!(pty.contents().contains("inputs 1"), "{}", pty.contents());
    quit(&mut pty);
}

#[test]
fn what_is_typed_before_a_dialog_is_void() {
    let mut pty = Pty::selftest(&[], "TERM=xterm LANG=C");
    pty.send(b"Dqqq");
    pty.wait_for("dialog");
    pty.settle();
    pty.send(b"j");
    pty.wait_for("last: Char('j')");
    assert!(pty.contents().contains("inputs 2"), "{}", pty.contents());
    quit(&mut pty);
}

#[test]
fn a_terminal_without_a_size_gets_the_classic_one() {
    for (words, corner) in [
        ("TERM=vt220 LANG=C", "selftest 80x24"),
        ("TERM=vt220 LANG=C LINES=24 COLUMNS=70", "selftest 70x24"),
    ] {
        let mut pty = Pty::start_sized(&[&selftest()], words, 0, 0);
        pty.wait_for(corner);
        quit(&mut pty);
        pty.check_is_sane();
    }
}

#[test]
fn a_resize_and_back_leaves_a_whole_screen() {
    let mut pty = Pty::selftest(&[], "TERM=xterm-256color LANG=C.UTF-8");
    let before = pty.contents();
    pty.resize(40, 10);
    pty.wait_for("needs 60x20, has 40x10; q quits");
    pty.resize(80, 24);
    assert!(pty.pump(PATIENCE, |pty| pty.contents() == before), "{}", pty.contents());
    // Faster than a frame: only the signal tells that something happened.
    pty.resize(40, 10);
    pty.resize(80, 24);
    assert!(pty.pump(PATIENCE, |pty| pty.contents() == before), "{}", pty.contents());
    // There the cursor is hidden; it must be back afterwards.
    pty.resize(40, 10);
    pty.wait_for("needs 60x20");
    assert!(pty.emulator.screen().hide_cursor());
    quit(&mut pty);
    pty.check_is_sane();
}
