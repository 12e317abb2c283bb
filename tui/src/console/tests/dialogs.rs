//! Dialogs: help, palette, jobs, escalation, details.

use std::sync::Arc;

use pgdeck_engine::api::{Command, Event, JobState, OperationRecord, StopMode};

use super::{Driver, sample};
use crate::console::state::{Cmd, Msg};
use crate::console::update::update;

fn with_job(is_own: bool) -> Driver {
    let mut driver = Driver::busy();
    driver.publish(vec![sample::busy("main")], vec![sample::smart_stop(is_own)]);
    driver
}

#[test]
fn the_help_is_searched_and_executed() {
    let mut driver = Driver::busy();
    driver.keys("?");
    assert!(driver.screen().contains("Help: type to search"));
    driver.keys("zzz");
    assert!(driver.screen().contains("No command is called so."));
    driver.keys("<Esc>?as a tree");
    let screen = driver.screen();
    assert!(screen.contains("who blocks whom"), "{screen}");
    driver.keys("<Enter>");
    assert!(driver.screen().contains("longest chain 3"), "{}", driver.screen());
}

#[test]
fn the_help_says_why_a_command_cannot_be_used() {
    let mut driver = Driver::busy();
    driver.keys("?server's log");
    let screen = driver.screen();
    assert!(screen.contains("(it is not stopped)"), "{screen}");
    assert!(screen.contains("Not now: it is not stopped."), "{screen}");
    assert!(screen.contains("Start the instance; a failed start shows"), "the sentence stays");
    assert_eq!(driver.keys("<Enter>"), [], "and it is not run");
    assert!(driver.screen().contains("Help:"), "the help stays open");
}

#[test]
fn the_palette_goes_to_the_pane_a_command_belongs_to() {
    let mut driver = Driver::busy();
    driver.keys(":rollb<Enter>");
    let screen = driver.screen();
    assert!(screen.contains("ROLLBACK PREPARED 'transfer-7001'"), "{screen}");
    assert!(screen.contains("Type the end of the gid"), "{screen}");
}

#[test]
fn the_hint_bar_shows_what_cannot_be_used_in_brackets() {
    let driver = Driver::busy();
    let screen = driver.screen();
    let hints = screen.lines().last().unwrap();
    assert!(hints.contains("(s) start") && hints.contains(" S stop"), "{hints}");
    let driver = Driver::new(vec![sample::stopped("main")]);
    let screen = driver.screen();
    let hints = screen.lines().last().unwrap();
    assert!(hints.contains(" s start") && hints.contains("(S) stop"), "{hints}");
}

#[test]
fn esc_goes_back_and_never_quits() {
    let mut driver = Driver::busy();
    for keys in ["", "3", "3/x<Enter>", "3 ", "3<Enter>", "3t", "?", ":", "5C", "J", "i", "S"] {
        driver.keys(keys);
        let effects = driver.keys("<Esc><Esc><Esc><Esc><Esc>");
        assert_eq!(effects, [], "{keys}");
        assert!(driver.state.dialogs.is_empty());
        assert_eq!(
            crate::console::panes::Pane::list(&driver.state.panes.connections).filter_text(),
            ""
        );
    }
}

#[test]
fn quit_asks_while_a_job_is_at_work() {
    let mut driver = Driver::busy();
    assert_eq!(driver.keys("q"), [Cmd::Quit]);
    let mut driver = with_job(true);
    assert_eq!(driver.keys("q"), []);
    assert!(driver.screen().contains("Jobs are at work"));
    assert_eq!(driver.keys("<Enter>"), [], "to stay is the default");
    assert_eq!(driver.keys("qj<Enter>"), [Cmd::Background]);
    let effects = driver.keys("qjj<Enter>");
    assert!(matches!(&Driver::mutations(&effects)[..], [Command::CancelJob { .. }]));
    let ended =
        pgdeck_engine::api::JobStatus { state: JobState::Cancelled, ..sample::smart_stop(true) };
    let effects = driver.publish(vec![sample::busy("main")], vec![ended]);
    assert_eq!(effects.last(), Some(&Cmd::Quit), "as soon as it is cancelled");
    let mut driver = with_job(false);
    assert_eq!(driver.keys("q"), [Cmd::Quit], "another process's job does not hold this one");
}

#[test]
fn a_waiting_smart_stop_is_escalated_in_place() {
    let mut driver = with_job(true);
    assert!(driver.screen().contains("waiting for 2 clients, 14 s (J shows it)"));
    driver.keys("J<Enter>");
    let screen = driver.screen();
    assert!(screen.contains("101 app@shop idle in transaction"), "{screen}");
    assert!(screen.contains("e escalates to fast, x cancels"), "{screen}");
    let effects = driver.keys("e");
    assert!(effects.contains(&Cmd::DrainInput));
    assert!(driver.screen().contains("Running transactions are rolled back"));
    assert_eq!(Driver::mutations(&driver.keys("<Enter>")), []);
    let effects = driver.keys("ey");
    let [Command::Escalate { mode, .. }] = &Driver::mutations(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*mode, StopMode::Fast);
    let effects = driver.keys("xy");
    assert!(matches!(&Driver::mutations(&effects)[..], [Command::CancelJob { .. }]));
}

#[test]
fn the_last_escalation_is_a_kill_that_has_to_be_typed() {
    let mut job = sample::smart_stop(true);
    job.progress.stop_mode = Some(StopMode::Immediate);
    let mut driver = Driver::busy();
    driver.publish(vec![sample::busy("main")], vec![job]);
    driver.keys("J<Enter>e");
    assert!(driver.screen().contains("Type the instance's name: main"));
    assert_eq!(Driver::mutations(&driver.keys("y<Enter>")), []);
    let effects = driver.keys("<C-h>main<Enter>");
    assert!(matches!(
        &Driver::mutations(&effects)[..],
        [Command::Escalate { mode: StopMode::Kill, .. }]
    ));
}

#[test]
fn an_accepted_job_is_shown_and_its_end_is_told() {
    let mut driver = Driver::busy();
    let effects = driver.keys("S<Enter>y");
    let request = Driver::request(&effects);
    let job = sample::smart_stop(true);
    update(&mut driver.state, Msg::Event(Event::Accepted { request, job: job.id.clone() }));
    assert!(driver.screen().contains("It is being prepared"));
    driver.publish(vec![sample::busy("main")], vec![job.clone()]);
    assert!(driver.screen().contains("running  waiting for 2 clients"));
    let outcome = Ok("stopped (smart) after 15 s".to_owned());
    update(&mut driver.state, Msg::Event(Event::JobEnded { job: job.id, outcome }));
    assert_eq!(driver.notice(), "stopped (smart) after 15 s");
}

#[test]
fn a_whole_query_is_fetched_and_read() {
    let mut driver = Driver::busy();
    driver.keys("3/web-106<Enter>");
    let effects = driver.keys("<Enter>");
    let [Cmd::Send(request, Command::FetchQuery { target, .. })] = effects[..] else {
        panic!("{effects:?}")
    };
    assert!(driver.screen().contains("fetching the rest"));
    let text: String = (0..20_000).map(|n| format!("SELECT {n};\n")).collect();
    let text: Arc<str> = text.into();
    update(&mut driver.state, Msg::Event(Event::QueryText { request, target, text }));
    assert!(driver.screen().contains("lines 1-"), "{}", driver.screen());
    driver.keys("G");
    let screen = driver.screen();
    assert!(screen.contains("SELECT 19999;"), "{screen}");
    driver.keys("g");
    assert!(driver.screen().contains("SELECT 0;"));
    let effects = driver.keys("y");
    assert!(matches!(&effects[..], [Cmd::Copy(text)] if text.len() > 100_000));
}

#[test]
fn the_operations_log_shows_who_did_what_with_which_result() {
    let mut driver = Driver::busy();
    let request = Driver::request(&driver.keys("O"));
    let record = |ok, result: Option<&str>| OperationRecord {
        at: sample::now(),
        who: "root (sudo: anna)".to_owned(),
        action: "commit prepared".to_owned(),
        command: "COMMIT PREPARED 'transfer-7001'".to_owned(),
        result: result.map(str::to_owned),
        ok,
    };
    let records = Arc::new(vec![record(Some(true), Some("committed")), record(None, None)]);
    update(&mut driver.state, Msg::Event(Event::Operations { request, records }));
    let screen = driver.screen();
    for part in [
        "2026-11-18 11:06:40  root (sudo: anna)  commit prepared",
        "COMMIT PREPARED 'transfer-7001'",
        "ok: committed",
        "result not known",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
}

#[test]
fn copying_says_what_is_known_and_shows_it_plainly() {
    let mut driver = Driver::busy();
    let effects = driver.keys("5y");
    assert_eq!(effects, [Cmd::Copy("transfer-7001".to_owned())]);
    assert!(driver.notice().contains("sent to the terminal"));
    assert!(driver.screen().contains("To copy"));
}
