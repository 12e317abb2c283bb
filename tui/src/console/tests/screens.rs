//! Golden screens of every pane, without colours, in ASCII.

use std::sync::Arc;

use pgdeck_engine::api::{Error, ErrorCode, InstanceState, InstanceStatus, Snapshot};

use super::{Driver, LARGE, SMALL, sample};
use crate::console::panes::PaneId;

fn golden(name: &str, driver: &Driver) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("golden");
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, driver.screen()));
}

#[test]
fn every_pane_at_two_sizes() {
    for (size, suffix) in [(SMALL, "80x24"), (LARGE, "200x60")] {
        for pane in PaneId::ALL {
            let mut driver = Driver::with(vec![sample::busy("main")], size, false);
            driver.keys(&pane.digit().to_string());
            golden(&format!("{}-{suffix}", pane.title().to_lowercase()), &driver);
        }
    }
}

#[test]
fn an_instance_that_is_down() {
    for (size, suffix) in [(SMALL, "80x24"), (LARGE, "200x60")] {
        let driver = Driver::with(vec![sample::stopped("main")], size, false);
        golden(&format!("stopped-{suffix}"), &driver);
    }
}

#[test]
fn one_that_refuses_the_password_says_so_with_the_next_step() {
    let mut one = sample::stopped("main");
    let error = Error::new(ErrorCode::PasswordWrong, "the server refuses the password of app")
        .detail("FATAL: password authentication failed for user \"app\"")
        .hint("Check ~/.pgpass or PGPASSWORD.");
    one.status = Arc::new(InstanceStatus {
        connect_error: Some(error.clone()),
        ..InstanceStatus::bare(InstanceState::Started)
    });
    one.sessions.fail(error);
    one.messages = Arc::default();
    let mut driver = Driver::new(vec![one]);
    let screen = driver.screen();
    assert!(screen.contains("refuses the password of app"), "{screen}");
    assert!(screen.contains("Check ~/.pgpass or PGPASSWORD."), "{screen}");
    driver.keys("3");
    let screen = driver.screen();
    assert!(screen.contains("Check ~/.pgpass or PGPASSWORD."), "{screen}");
}

fn stale() -> Snapshot {
    let mut one = sample::busy("main");
    let error = || Error::new(ErrorCode::QueryTimeout, "the server does not answer");
    one.sessions.fail(error());
    one.server.fail(error());
    one.rates.fail(error());
    one.prepared.fail(error());
    one
}

#[test]
fn stale_values_stay_and_say_how_old_they_are() {
    let mut driver = Driver::new(vec![stale()]);
    driver.state.now = sample::now() + chrono::TimeDelta::seconds(42);
    for (pane, kept) in [("1", "123/s tx"), ("3", "web-101"), ("5", "transfer-7001")] {
        driver.keys(pane);
        let screen = driver.screen();
        assert!(screen.contains("STALE 42s: the server does not answer"), "{screen}");
        assert!(screen.contains(kept), "{screen}");
    }
}

#[test]
fn a_paused_screen_keeps_what_it_shows_and_counts_no_further() {
    let mut driver = Driver::new(vec![stale()]);
    driver.keys("3p");
    // The hints tell what can be done now: actions are checked against the newest look.
    let shown = |driver: &Driver| driver.screen().lines().take(23).collect::<Vec<_>>().join("\n");
    let paused = shown(&driver);
    assert!(paused.contains("PAUSED"));
    driver.state.now = sample::now() + chrono::TimeDelta::seconds(100);
    driver.publish(vec![sample::stopped("main")], Vec::new());
    assert_eq!(shown(&driver), paused);
    driver.keys("p");
    assert!(driver.screen().contains("STOPPED"));
}

#[test]
fn nothing_is_cut_without_a_sign() {
    let mut one = sample::busy("main");
    let many =
        (0..9).map(|number| sample::prepared(&format!("long-{number}"), "bank", number, 9.0));
    one.prepared.set(many.collect(), sample::now());
    let driver = Driver::with(vec![one], (80, 20), false);
    let screen = driver.screen();
    assert!(screen.contains("more lines on a larger screen"), "{screen}");
    let mut driver = Driver::busy();
    driver.keys("3");
    let heading = driver.screen().lines().nth(3).unwrap().to_owned();
    assert!(heading.ends_with('>'), "more columns to the right: {heading}");
}

#[test]
fn a_screen_too_small_is_one_line() {
    for size in [(59, 24), (80, 19), (40, 10), (1, 1)] {
        let mut driver = Driver::with(vec![sample::busy("main")], size, false);
        let screen = driver.screen();
        let filled = screen.lines().filter(|line| line.len() > 1).count();
        assert_eq!(filled, 1, "{screen}");
        assert_eq!(driver.keys("3t<Enter>"), [], "no key does what cannot be seen");
        assert_eq!(driver.keys("q"), [crate::console::state::Cmd::Quit]);
    }
    let driver = Driver::with(vec![sample::busy("main")], (40, 10), false);
    assert!(driver.screen().contains("pgdeck needs 60x20, not 40x10; q quits"));
}

#[test]
fn every_size_from_the_smallest_can_be_drawn() {
    for columns in [60, 61, 79, 100, 115, 139, 140, 141, 173, 250] {
        for rows in [20, 21, 30, 50] {
            for instances in [vec![sample::busy("main")], vec![sample::stopped("main")], vec![]] {
                let mut driver = Driver::with(instances, (columns, rows), false);
                for pane in 1..=7 {
                    driver.keys(&pane.to_string());
                    driver.screen();
                    driver.keys("<Enter>");
                    driver.screen();
                    driver.keys("<Esc>?");
                    driver.screen();
                    driver.keys("<Esc>");
                }
            }
        }
    }
}

#[test]
fn database_text_does_no_harm() {
    let mut one = sample::busy("main");
    let mut evil = sample::session(666, pgdeck_engine::api::SessionState::Active, Some(9000.0));
    evil.query = format!("SELECT '\u{1b}[2J\u{202e}abc\n\t\u{7}' -- {}", "x".repeat(500));
    evil.application = "a\u{1b}]0;title\u{7}b".to_owned();
    evil.query_is_cut = true;
    one.sessions.set(vec![Arc::new(evil)], sample::now());
    let mut driver = Driver::new(vec![one]);
    for keys in ["3", "<Enter>", "<Esc>t"] {
        driver.keys(keys);
        let policy_free = screen_text(&driver);
        assert!(!policy_free.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{policy_free:?}");
    }
}

fn screen_text(driver: &Driver) -> String {
    // As `Driver::screen`, but signs of the cleaned text need not be ASCII.
    let area = ratatui::layout::Rect::new(0, 0, 80, 24);
    let mut buf = ratatui::buffer::Buffer::empty(area);
    let policy = crate::console::terminal::policy::TerminalPolicy {
        family: crate::console::terminal::policy::Family::Xterm,
        depth: crate::console::terminal::policy::ColourDepth::Ansi16,
        charset: crate::console::terminal::policy::Charset::Utf8,
        pace: crate::console::terminal::policy::Pace::Normal,
    };
    let look = crate::console::look::Look {
        theme: crate::theme::Theme::load("default", None, &policy).unwrap(),
        symbols: crate::console::terminal::symbols::Symbols::of(&policy),
    };
    crate::console::view::view(&driver.state, &look, area, &mut buf);
    buf.content.iter().map(|cell| cell.symbol()).collect()
}
