//! Where keys and Solutions lead: panes, instances, refresh, the mouse.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use pgdeck_engine::api::{Command, Event, Fleet, MessageCode, Remedy, Severity};
use std::sync::Arc;

use super::{Driver, sample};
use crate::console::commands::TABLE;
use crate::console::panes::PaneId;
use crate::console::state::{Cmd, Msg};
use crate::console::update::update;

#[test]
fn digits_tab_and_back_tab_go_through_the_panes() {
    let mut driver = Driver::busy();
    for pane in PaneId::ALL {
        driver.keys(&pane.digit().to_string());
        assert_eq!(driver.state.pane, pane);
    }
    driver.keys("<Tab>");
    assert_eq!(driver.state.pane, PaneId::Overview);
    driver.keys("<BackTab>");
    assert_eq!(driver.state.pane, PaneId::Backups);
}

#[test]
fn the_engine_is_told_what_is_on_the_screen_once() {
    let mut driver = Driver::busy();
    let key = |text: &str| super::events(text)[0];
    let effects = update(&mut driver.state, Msg::Key(key("2")));
    assert!(
        matches!(&effects[..], [Cmd::Send(_, Command::Watch { interest, .. })] if interest.sizes),
        "{effects:?}"
    );
    assert_eq!(update(&mut driver.state, Msg::Key(key("j"))), []);
}

#[test]
fn every_command_can_be_given_from_every_pane_without_harm() {
    for spec in TABLE {
        for pane in PaneId::ALL {
            let mut driver = Driver::busy();
            driver.keys(&pane.digit().to_string());
            let effects = driver.keys(&format!(":{}<Enter>", spec.name));
            assert_eq!(Driver::mutations(&effects), [], "{}: nothing is unconfirmed", spec.name);
            driver.screen();
        }
    }
}

#[test]
fn solutions_lead_to_their_actions() {
    let target = sample::busy("main").prepared.get().unwrap()[1].target();
    let table: [(Remedy, PaneId, &str); 8] = [
        (Remedy::ShowStorage, PaneId::Storage, "destinations"),
        (Remedy::ShowConnections, PaneId::Connections, "clients"),
        (Remedy::ShowLocks, PaneId::Locks, "longest chain"),
        (Remedy::ShowLogs, PaneId::Logs, "following"),
        (Remedy::ShowSession { pid: 104 }, PaneId::Connections, " 104 web-104"),
        (Remedy::MarkIdleInTransaction, PaneId::Connections, "1 marked"),
        (Remedy::ShowPrepared { target }, PaneId::Prepared, " export-17 in shop"),
        (Remedy::StopInstance, PaneId::Messages, "Stop main: how?"),
    ];
    for (remedy, pane, seen) in table {
        for keys in ["7o", "7<Enter>o"] {
            let mut one = sample::busy("main");
            let code = MessageCode::LogErrors;
            let message = sample::message(code, Severity::Error, "a message", remedy.clone());
            one.messages = Arc::new(vec![message]);
            let mut driver = Driver::new(vec![one]);
            driver.keys(keys);
            assert_eq!(driver.state.pane, pane, "{keys} {remedy:?}");
            assert!(driver.screen().contains(seen), "{remedy:?}: {}", driver.screen());
        }
    }
}

#[test]
fn the_worst_message_stays_on_the_screen_when_it_arrives_late() {
    let mut one = sample::busy("main");
    let all = Arc::clone(&one.messages);
    one.messages = Arc::new(all[1..].to_vec());
    let mut driver = Driver::new(vec![one]);
    driver.publish(vec![sample::busy("main")], Vec::new());
    driver.keys("<Enter>");
    assert!(driver.screen().contains("prepared_old"), "{}", driver.screen());
}

#[test]
fn the_instance_asked_for_comes_on_the_screen_when_it_is_found() {
    let mut driver = Driver::busy();
    driver.state.preferred = Some("/data/other".into());
    driver.publish(vec![sample::busy("main")], Vec::new());
    assert!(driver.screen().contains("main@db1"));
    let both = || vec![sample::busy("main"), sample::stopped("other")];
    driver.publish(both(), Vec::new());
    assert!(driver.screen().contains("other@db1"));
    driver.keys("n");
    driver.publish(both(), Vec::new());
    assert!(driver.screen().contains("main@db1"), "whoever chose another stays there");
    driver.keys("ij<Enter>");
    assert!(driver.screen().contains("other@db1"));
    assert!(driver.screen().contains("2/2"));
}

#[test]
fn no_instance_at_all_is_said() {
    let driver = Driver::new(Vec::new());
    assert!(driver.screen().contains("no instance was found"));
    let mut driver = Driver::new(Vec::new());
    update(&mut driver.state, Msg::Fleet(Arc::new(Fleet::default())));
    assert!(driver.screen().contains("looking for instances"));
}

#[test]
fn refresh_gets_slower_and_faster() {
    let mut driver = Driver::busy();
    let effects = driver.keys("-");
    assert!(matches!(effects[..], [Cmd::Send(_, Command::SetInterval { interval_ms: 2_000 })]));
    driver.keys("+++");
    assert_eq!(driver.state.interval_ms, 250);
    assert_eq!(driver.keys("+"), [], "no faster than that");
}

#[test]
fn informative_notices_go_away_and_errors_stay() {
    let mut driver = Driver::busy();
    driver.keys("R");
    let later = sample::now() + chrono::TimeDelta::seconds(60);
    update(&mut driver.state, Msg::Tick(later));
    assert_eq!(driver.notice(), "");
    driver.state.say(Severity::Error, "it went wrong");
    update(&mut driver.state, Msg::Tick(later + chrono::TimeDelta::seconds(600)));
    assert_eq!(driver.notice(), "it went wrong");
    driver.keys("<Esc>");
    assert_eq!(driver.notice(), "");
}

#[test]
fn a_late_answer_to_nothing_known_does_no_harm() {
    let mut driver = Driver::busy();
    let request = pgdeck_engine::api::RequestId(999);
    let text = "late".to_owned();
    update(&mut driver.state, Msg::Event(Event::Done { request, text }));
    assert_eq!(driver.notice(), "late");
}

fn mouse(driver: &mut Driver, kind: MouseEventKind, column: u16, row: u16) {
    let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
    update(&mut driver.state, Msg::Mouse(event));
}

#[test]
fn the_mouse_goes_to_panes_and_rows_and_answers_no_dialog() {
    let click = MouseEventKind::Down(MouseButton::Left);
    let mut driver = Driver::busy();
    for pane in [PaneId::Connections, PaneId::Messages, PaneId::Storage, PaneId::Prepared] {
        // The tab of the open pane has its whole title, so the others move.
        let tabs = driver.screen().lines().nth(1).unwrap()[1..].to_owned();
        let title = tabs.find(&format!("{} ", pane.digit())).unwrap();
        mouse(&mut driver, click, u16::try_from(title).unwrap(), 1);
        assert_eq!(driver.state.pane, pane);
    }
    driver.keys("3");
    mouse(&mut driver, click, 10, 6);
    assert!(driver.screen().contains(" 103 web-103"), "{}", driver.screen());
    mouse(&mut driver, click, 10, 6);
    assert!(driver.screen().contains("Session 103"), "a click on the selected row opens it");
    driver.keys("<Esc>t");
    let before = driver.screen();
    for row in 0..24 {
        mouse(&mut driver, click, 12, row);
    }
    mouse(&mut driver, MouseEventKind::ScrollDown, 5, 5);
    assert_eq!(driver.screen(), before);
    driver.keys("<Esc>g");
    mouse(&mut driver, MouseEventKind::ScrollDown, 5, 5);
    assert!(driver.screen().contains(" 104 web-104"), "{}", driver.screen());
}

#[test]
fn rows_are_found_where_they_are_drawn() {
    for pane in [PaneId::Overview, PaneId::Storage, PaneId::Connections, PaneId::Messages] {
        let mut driver = Driver::busy();
        driver.keys(&pane.digit().to_string());
        driver.keys("j");
        let screen = driver.screen();
        let line = screen.lines().skip(2).position(|line| line.starts_with('>')).unwrap();
        let row = driver.state.panes.get(pane).row_at(line);
        assert_eq!(row, Some(1), "{}: {screen}", pane.title());
    }
}
