//! The terminal is given back, whatever happens.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::pty::{PATIENCE, Pty, has_ended, selftest};

const TERMS: [&str; 5] = [
    "TERM=xterm-256color LANG=C.UTF-8",
    "TERM=screen LANG=C.UTF-8",
    "TERM=linux LANG=C.UTF-8",
    "TERM=vt100 LANG=C",
    "TERM=vt220 LANG=C",
];

#[test]
fn after_quitting() {
    for words in TERMS {
        let mut pty = Pty::selftest(&["--mouse"], words);
        pty.send(b"q");
        assert!(pty.wait().success());
        pty.check_is_sane();
        assert!(!pty.contents().contains("selftest"), "{words}: the screen is gone");
    }
}

#[test]
fn after_a_panic_with_the_report_last() {
    for words in TERMS {
        let mut pty = Pty::selftest(&[], words);
        pty.send(b"P");
        let status = pty.wait();
        assert_eq!(status.code(), Some(101), "{words}");
        pty.check_is_sane();
        let text = pty.text();
        let report = text.find("asked to panic").unwrap();
        let leave = if words.contains("vt") || words.contains("linux") {
            text.rfind("\u{1b}[H\u{1b}[2J")
        } else {
            text.rfind("\u{1b}[?1049l")
        };
        assert!(leave.unwrap() < report, "{words}: the report comes when the screen is back");
        assert!(!text.contains("\u{1b}[31mwith an escape"), "{words}: a report is text");
        assert!(pty.bytes.is_ascii() || words.contains("UTF"), "{words}");
    }
}

#[test]
fn a_panic_elsewhere_does_not_touch_the_screen() {
    let mut pty = Pty::selftest(&[], "TERM=xterm-256color LANG=C.UTF-8");
    pty.send(b"B");
    pty.wait_for("inputs 1");
    pty.settle();
    assert!(!pty.text().contains("in the background"));
    assert!(pty.emulator.screen().alternate_screen());
    pty.send(b"q");
    assert!(pty.wait().success());
    assert!(pty.text().contains("in the background"), "it is told when the screen is left");
    pty.check_is_sane();
}

#[test]
fn after_a_signal() {
    for words in TERMS {
        for signal in [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP] {
            let mut pty = Pty::selftest(&[], words);
            let sent = Instant::now();
            pty.signal(signal);
            assert!(pty.wait().success(), "{words} {signal:?}");
            assert!(sent.elapsed() < Duration::from_secs(3), "{words} {signal:?}");
            pty.check_is_sane();
        }
    }
}

#[test]
fn a_lost_line_ends_it_within_a_second() {
    let mut pty = Pty::selftest(&[], "TERM=xterm-256color LANG=C.UTF-8");
    pty.settle();
    let ticks = pty.ticks();
    let lost = Instant::now();
    pty.hang_up();
    let mut ticks_last = ticks;
    while pty.child.try_wait().unwrap().is_none() {
        assert!(lost.elapsed() < Duration::from_secs(1), "still there after {:?}", lost.elapsed());
        std::thread::sleep(Duration::from_millis(5));
        if std::path::Path::new(&format!("/proc/{}/stat", pty.child.id())).exists() {
            ticks_last = pty.ticks();
        }
    }
    assert!(ticks_last - ticks <= 5, "{} ticks of processor time", ticks_last - ticks);
}

#[test]
fn a_lost_line_is_noticed_without_a_signal() {
    // Not its controlling terminal: the kernel sends no SIGHUP.
    let program = selftest();
    let command = ["env", "setsid", "--wait", program.as_str()];
    let mut pty = Pty::start(&command, "TERM=xterm-256color LANG=C.UTF-8");
    pty.wait_for("quit");
    pty.send(b"j");
    pty.wait_for("inputs 1");
    let pid = pty.child_of_child();
    let lost = Instant::now();
    pty.hang_up();
    while !has_ended(pid) {
        assert!(lost.elapsed() < Duration::from_secs(1), "still there after {:?}", lost.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn without_a_terminal_it_goes_on_and_uses_no_processor() {
    let mut pty = Pty::selftest(&["--linger-ms", "2500"], "TERM=xterm-256color LANG=C.UTF-8");
    pty.hang_up();
    std::thread::sleep(Duration::from_millis(500));
    let ticks = pty.ticks();
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(pty.ticks() - ticks <= 1, "{} ticks in 1.5 s", pty.ticks() - ticks);
    assert!(pty.child.try_wait().unwrap().is_none(), "it goes on");
    let open = |fd: u8| {
        let link = std::fs::read_link(format!("/proc/{}/fd/{fd}", pty.child.id())).unwrap();
        link.to_str().unwrap().to_owned()
    };
    assert!(open(0).starts_with("pipe:"), "{}", open(0));
    assert_eq!((open(1).as_str(), open(2).as_str()), ("/dev/null", "/dev/null"));
    assert!(pty.wait().success(), "and ends by itself");
}

#[test]
fn a_terminal_that_takes_nothing_does_not_hold_up_the_end() {
    let mut pty = Pty::selftest(&[], "TERM=xterm-256color LANG=C.UTF-8");
    // Each Ctrl-L is a full repaint; nobody reads them.
    for _ in 0..300 {
        pty.send(b"\x0c");
        std::thread::sleep(Duration::from_millis(3));
    }
    let sent = Instant::now();
    pty.signal(Signal::TERM);
    while pty.child.try_wait().unwrap().is_none() {
        assert!(sent.elapsed() < Duration::from_secs(2), "held up for {:?}", sent.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    pty.check_settings();
    pty.settle();
    let repaints = pty.text().matches("\u{1b}[2J").count();
    assert!(repaints < 100, "it really was full: {repaints} repaints of 300");
}

#[test]
fn a_terminal_that_was_stuck_gets_the_latest_screen() {
    let mut pty = Pty::selftest(&[], "TERM=xterm-256color LANG=C.UTF-8");
    for _ in 0..40 {
        pty.send(b"\x0c");
        std::thread::sleep(Duration::from_millis(5));
    }
    pty.send(b"jj");
    pty.wait_for("last: Char('j')");
    pty.wait_for("inputs 42");
    assert_eq!(pty.selected_row(), Some(4));
    pty.send(b"q");
    assert!(pty.wait().success());
    pty.check_is_sane();
}

#[test]
fn stopped_and_continued_under_a_shell() {
    for words in TERMS {
        let words = format!("{words} PS1=ready>");
        let mut pty = Pty::start(&["sh", "-i"], &words);
        pty.wait_for("ready>");
        pty.send(format!("{}\n", selftest()).as_bytes());
        pty.wait_for("quit");
        pty.send(b"j");
        pty.wait_for("inputs 1");
        pty.send(b"\x1a");
        pty.wait_for("ready>");
        pty.settle();
        pty.check_is_sane_in_shell(&words);
        pty.send(b"fg\n");
        pty.wait_for("inputs 2");
        assert_eq!(pty.selected_row(), Some(3), "{words}: the whole screen is back");
        pty.send(b"j");
        pty.wait_for("inputs 3");
        pty.send(b"q");
        pty.wait_for("ready>");
        pty.send(b"echo all$((1+1))good\n");
        pty.wait_for("all2good");
        pty.send(b"exit\n");
        pty.wait();
        pty.check_is_sane();
    }
}

#[test]
fn suspended_where_nothing_could_continue_it() {
    // A session leader's group is orphaned: the kernel does not stop it.
    let mut pty = Pty::selftest(&[], "TERM=xterm-256color LANG=C.UTF-8");
    pty.send(b"\x1a");
    pty.settle();
    pty.send(b"j");
    pty.wait_for("inputs 2");
    pty.send(b"q");
    assert!(pty.wait().success());
    pty.check_is_sane();
}

#[test]
fn stopped_by_someone_else() {
    let mut pty = Pty::selftest(&[], "TERM=xterm-256color LANG=C.UTF-8");
    pty.signal(Signal::STOP);
    pty.settle();
    pty.signal(Signal::CONT);
    pty.send(b"j");
    pty.wait_for("inputs 1");
    pty.send(b"q");
    assert!(pty.pump(PATIENCE, |pty| !pty.emulator.screen().alternate_screen()));
    assert!(pty.wait().success());
    pty.check_is_sane();
}
