//! Signals: the terminal goes, the console is stopped, ended, or hung up with a job at work.

use std::time::Duration;

use pgdeck_tests::pty::keys;
use pgdeck_tests::{Console, Signal, bin, proc};

use crate::{PATIENCE, Stage, answer, escape, press, quit, ready};

#[test]
fn a_hangup_without_a_job_ends_it_at_once() {
    let stage = Stage::new();
    let mut console = stage.open();
    console.hangup();
    assert_eq!(console.wait_exit_within(Duration::from_secs(10)).code(), Some(129));
}

#[test]
fn sigterm_restores_the_terminal() {
    let stage = Stage::new();
    let console = stage.open();
    assert!(console.look(|screen| screen.alternate_screen()));
    console.signal(Signal::TERM);
    assert_eq!(console.wait_exit().code(), Some(143));
    assert!(!console.look(|screen| screen.alternate_screen()));
    assert!(!console.look(|screen| screen.hide_cursor()));
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_fg_returns() {
    let stage = Stage::new();
    let arguments = stage.arguments().map(|one| format!("'{one}'")).join(" ");
    let script = format!(
        "set -m; '{}' {arguments}; echo \"stopped with $?\"; read x; fg; echo \"ended with $?\"; read x",
        bin::pgdeck().display()
    );
    let console = ready(Console::builder("sh").args(["-c", &script]).timeout(PATIENCE).spawn());
    press(&console, "3", "clients");
    console.send(keys::CTRL_Z);
    console.wait_for("stopped with");
    assert!(!console.look(|screen| screen.alternate_screen()));
    console.send(keys::ENTER);
    console.wait_for("clients");
    press(&console, "1", "timeline 1");
    console.send("q");
    console.wait_for("ended with 0");
    console.send(keys::ENTER);
    assert!(console.wait_exit().success());
}

/// Orders a smart stop, which waits for a client, and leaves its dialog.
fn order_smart_stop(console: &Console) {
    press(console, "S", "how?");
    answer(console, "k\r", "Stop instance (smart)");
    answer(console, "y", "waits for 1 client");
    console.wait_for("e escalates to fast");
}

#[test]
fn a_job_outlives_the_terminal_and_the_next_console_shows_it() {
    let stage = Stage::new();
    let session = stage.instance.session("postgres");
    session.run("begin; create table t (a int)");
    let mut console = stage.open();
    order_smart_stop(&console);
    let pid = console.pid();
    console.hangup();
    // Another console, while the first one has no terminal any more.
    let next = stage.console().spawn();
    next.wait_for("STOPPING");
    press(&next, "J", "waits for 1 client");
    assert!(!proc::is_gone(pid), "it stays until its job is done");
    press(&next, keys::ENTER, "e escalates to fast");
    drop(session);
    next.wait_for("stopped cleanly");
    assert_eq!(console.wait_exit_within(PATIENCE).code(), Some(129));
    escape(&next, "stopped cleanly");
    next.wait_for("s starts it");
    quit(&next);
    assert!(!stage.instance.is_running());
    // And from the journal alone.
    let later = stage.console().spawn();
    later.wait_for("STOPPED");
    press(&later, "J", "stop");
    later.wait_for("done");
    later.send(keys::ENTER);
    later.wait_for("stopped cleanly");
    escape(&later, "stopped cleanly");
    // What is down is started from here.
    press(&later, "s", "Start instance");
    answer(&later, "y", "done  ");
    later.wait_for("STARTED");
    escape(&later, "Esc closes");
    quit(&later);
}

#[test]
fn quitting_asks_and_a_waiting_stop_is_escalated_in_place() {
    let stage = Stage::new();
    let session = stage.instance.session("postgres");
    let console = stage.open();
    order_smart_stop(&console);
    press(&console, "e", "Escalate stop to fast");
    assert!(console.find("disconnected, then it shuts down cleanly").is_some());
    std::thread::sleep(crate::UNHEARD);
    console.send(keys::ENTER);
    console.wait_gone("Escalate stop to fast");
    assert!(!session.is_closed(), "Enter alone does nothing");
    escape(&console, "e escalates");
    console.wait_for("J shows it");
    press(&console, "q", "Jobs are at work");
    console.send(keys::ENTER);
    console.wait_gone("Jobs are at work");
    assert!(console.is_running());
    press(&console, "J\r", "e escalates to fast");
    press(&console, "e", "Escalate stop to fast");
    answer(&console, "y", "stopped cleanly");
    escape(&console, "Esc closes");
    console.wait_for("STOPPED");
    quit(&console);
    assert!(proc::wait_for(PATIENCE, || session.is_closed()));
}

#[test]
fn quit_to_the_background_leaves_the_job_at_work() {
    let stage = Stage::new();
    let session = stage.instance.session("postgres");
    let console = stage.open();
    order_smart_stop(&console);
    escape(&console, "e escalates");
    press(&console, "q", "Jobs are at work");
    console.send("j\r");
    assert!(proc::wait_for(PATIENCE, || !console.look(|screen| screen.alternate_screen())));
    drop(session);
    assert_eq!(console.wait_exit_within(PATIENCE).code(), Some(0));
    assert!(!stage.instance.is_running());
}
