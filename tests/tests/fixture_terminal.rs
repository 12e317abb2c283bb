//! The fixture's terminal: what a program writes is on the screen, and it hangs up for real.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use pgdeck_tests::proc::{self, ProcessState};
use pgdeck_tests::pty::{Color, ConsoleBuilder, keys};
use pgdeck_tests::{Console, Home, Signal};

const SOON: Duration = Duration::from_secs(10);

fn sh(script: &str) -> ConsoleBuilder {
    Console::builder("sh").arg("-c").arg(script)
}

#[test]
fn shows_what_is_written_with_its_attributes() {
    let console = sh(r"printf '\033[2J\033[3;5Hplain \033[7mreverse\033[0m \033[1;31mred'; read x")
        .size(40, 10)
        .spawn();
    console.wait_for("plain reverse red");
    assert_eq!(console.rows().len(), 10);
    assert_eq!(console.rows()[2], "    plain reverse red");
    assert_eq!(console.find("reverse"), Some((2, 10)));
    assert_eq!(console.find("green"), None);
    assert_eq!(console.cursor(), (2, 21));
    assert!(console.cell_of("reverse").inverse());
    let red = console.cell_of("red");
    assert!(red.bold() && !red.inverse());
    assert_eq!(red.fgcolor(), Color::Idx(1));
    assert_eq!(console.cell_of("plain").fgcolor(), Color::Default);
    assert_eq!(console.bytes_total(), console.raw_output().len());
    console.send(keys::ENTER);
    assert!(console.wait_exit().success());
}

#[test]
fn finds_text_behind_wide_characters() {
    let console = sh("printf '漢字 end'; read x").utf8().spawn();
    console.wait_for("end");
    assert_eq!(console.find("end"), Some((0, 5)));
}

#[test]
fn types_and_waits() {
    let console = sh("stty -echo; while read line; do clear; echo \"got $line\"; done").spawn();
    console.send("one\r");
    console.wait_for("got one");
    console.send_bytes(b"two\r");
    console.wait_for("got two");
    console.wait_gone("got one");
    console.wait_quiet(Duration::from_millis(50));
    let before = console.bytes_total();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(console.bytes_total(), before);
    console.send(keys::CTRL_D);
    assert!(console.wait_exit().success());
}

#[test]
fn inherits_no_locale_and_no_colours() {
    let console = sh("env | sort; read x").env("LC_ALL", "C").env_clear_locale().spawn();
    console.wait_for("TZ=UTC");
    let screen = console.screen_text();
    let names: Vec<_> = screen.lines().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(names[..6], ["HOME", "PATH", "PWD", "SHELL", "TERM", "TZ"]);
    assert!(names[6..].iter().all(|name| name.is_empty()), "{screen}");
    let console = sh("env | sort; read x").term("vt220").utf8().spawn();
    console.wait_for("TERM=vt220");
    assert!(console.find("LANG=C.UTF-8").is_some());
}

#[test]
fn shares_a_home() {
    let home = Home::new();
    home.write(".pgpass", "*:*:*:*:x\n");
    let console = sh("ls -l $HOME/.pgpass; read x").home(&home).spawn();
    console.wait_for("-rw-------");
}

#[test]
fn resizes_and_the_program_hears_of_it() {
    // A loop of short sleeps: the shell runs the trap between two commands.
    let script = "trap 'clear; stty size' WINCH; stty size; while :; do sleep 0.05; done";
    let console = sh(script).size(100, 30).spawn();
    console.wait_for("30 100");
    console.resize(60, 20);
    console.wait_for("20 60");
    assert_eq!((console.size(), console.rows().len()), ((60, 20), 20));
    console.resize(0, 0);
    console.wait_for("0 0");
    assert_eq!((console.size(), console.rows().len()), ((0, 0), 20));
}

#[test]
fn starts_without_a_size() {
    let console = sh("stty size; read x").size(0, 0).spawn();
    console.wait_for("0 0");
    assert_eq!(console.rows().len(), 24);
}

#[test]
fn sends_signals() {
    let console = sh("trap 'echo caught; exit 7' USR1; echo ready; while :; do sleep 0.05; done");
    let console = console.spawn();
    console.wait_for("ready");
    console.signal(Signal::STOP);
    assert!(proc::wait_state(console.pid(), ProcessState::Stopped, SOON));
    console.signal(Signal::CONT);
    console.signal(Signal::USR1);
    console.wait_for("caught");
    assert_eq!(console.wait_exit().code(), Some(7));
}

#[test]
fn a_hangup_kills_and_types_nothing() {
    let home = Home::new();
    // cat would write the line that portable-pty's own writer types when it is dropped.
    let mut console = sh("echo ready; exec cat > $HOME/typed").home(&home).spawn();
    console.wait_for("ready");
    console.hangup();
    assert_eq!(console.wait_exit().signal(), Some(1));
    assert!(console.find("ready").is_some(), "the last screen can still be read");
    assert_eq!(std::fs::read(home.path().join("typed")).unwrap(), b"");
}

#[test]
fn a_program_may_survive_the_hangup() {
    let home = Home::new();
    let script = "trap 'echo hung up > $HOME/note' HUP; echo ready; while :; do sleep 0.05; done";
    let mut console = sh(script).home(&home).spawn();
    console.wait_for("ready");
    console.hangup();
    let note = home.path().join("note");
    assert!(proc::wait_for(SOON, || note.exists()));
    assert!(console.is_running());
    let pid = console.pid();
    drop(console);
    assert!(proc::is_gone(pid), "dropping kills it");
}

#[test]
fn measures_processor_time_and_memory() {
    let console = sh("echo begun; while :; do :; done").spawn();
    console.wait_for("begun");
    assert!(proc::wait_for(SOON, || console.cpu_seconds() > 0.1));
    assert!(console.rss_bytes() > 100_000);
}

#[test]
fn a_text_that_does_not_come_is_reported_with_the_screen() {
    let quick = Duration::from_millis(200);
    let console = sh("echo something else; read x").size(30, 3).timeout(quick).spawn();
    console.wait_for("something");
    let error = console.try_wait_for("nothing").unwrap_err();
    assert!(error.contains("does not show \"nothing\" (after at most 200ms)"), "{error}");
    assert!(error.contains("|something else                |"), "{error}");
    assert!(error.contains("runs"), "{error}");
    // A program that has ended is not waited for.
    let console = sh("echo bye; exit 4").timeout(Duration::from_secs(600)).spawn();
    let error = console.try_wait_for("nothing").unwrap_err();
    assert!(error.contains("exit status: 4") || error.contains("runs"), "{error}");
    assert_eq!(console.wait_exit().code(), Some(4));
    assert_eq!(console.screen_text().trim_end(), "bye");
}
