//! Lists through their keys: filter, sort, marks, columns, the idle rule.

use pgdeck_engine::api::{Command, SignalKind};

use super::{Driver, sample};

/// The pids in the order of the screen.
fn pids(driver: &Driver) -> Vec<i32> {
    let screen = driver.screen();
    let list = screen.lines().take_while(|line| !line.starts_with("|----"));
    let rows = list.filter_map(|line| {
        let cells = line.get(1..)?.trim_start().trim_start_matches('*').trim_start();
        cells.split_whitespace().next()?.parse::<i32>().ok()
    });
    rows.filter(|pid| (50..200).contains(pid)).collect::<Vec<_>>()
}

fn connections() -> Driver {
    let mut driver = Driver::busy();
    driver.keys("3");
    driver
}

#[test]
fn the_filter_takes_effect_while_typing_and_inverts() {
    let mut driver = connections();
    driver.keys("/web-102");
    assert!(!driver.screen().contains("web-101"));
    driver.keys("<Esc>");
    assert!(driver.screen().contains("idle tx"), "Esc leaves the filter as it was");
    driver.keys("/!idle<Enter>");
    let screen = driver.screen();
    assert!(screen.contains("filter: !idle") && !screen.contains(" idle tx "), "{screen}");
    driver.keys("<Esc>");
    assert!(!driver.screen().contains("filter:"), "Esc clears the filter");
}

#[test]
fn a_filter_that_hides_everything_says_so() {
    let mut driver = connections();
    driver.keys("/nothing like it<Enter>");
    let screen = driver.screen();
    assert!(screen.contains("filter: nothing like it"), "{screen}");
    assert!(screen.contains("No session to show"), "{screen}");
    driver.keys("t");
    assert_eq!(driver.notice(), "terminate: no session selected");
}

#[test]
fn sorting_goes_through_the_columns_and_turns_round() {
    let mut driver = connections();
    let by_age = pids(&driver);
    assert_eq!(by_age[0], 101, "the oldest transaction first");
    driver.keys("~");
    let reversed = pids(&driver);
    assert_eq!(reversed, by_age.iter().rev().copied().collect::<Vec<_>>());
    driver.keys("~<<<<<");
    assert_eq!(pids(&driver), [101, 102, 103, 104, 105, 106], "by pid");
    assert!(driver.screen().contains("pid^"));
}

#[test]
fn marks_decide_whom_an_action_concerns() {
    let mut driver = connections();
    driver.keys("  ");
    assert!(driver.screen().contains("2 marked"));
    let effects = driver.keys("ty");
    let [Command::Signal { kind: SignalKind::Terminate, targets, .. }] =
        &Driver::mutations(&effects)[..]
    else {
        panic!("{effects:?}")
    };
    let mut pids: Vec<i32> = targets.iter().map(|target| target.pid).collect();
    pids.sort_unstable();
    assert_eq!(pids, [101, 102]);
    driver.keys("u");
    assert!(!driver.screen().contains("marked"));
}

#[test]
fn marks_hidden_by_a_filter_are_counted_and_named() {
    let mut driver = connections();
    driver.keys("  /web-105<Enter>");
    assert!(driver.screen().contains("2 marked"));
    driver.keys("t");
    let screen = driver.screen();
    assert!(screen.contains("101 app@shop") && screen.contains("102 app@shop"), "{screen}");
}

#[test]
fn marks_of_sessions_that_ended_are_forgotten() {
    let mut driver = connections();
    driver.keys(" ");
    let mut later = sample::busy("main");
    let left = later.sessions.get().unwrap()[1..].to_vec();
    later.sessions.set(left, sample::now());
    driver.publish(vec![later], Vec::new());
    assert!(!driver.screen().contains("marked"));
}

#[test]
fn the_idle_rule_marks_whom_it_names() {
    let mut driver = connections();
    driver.keys("I");
    assert!(driver.screen().contains("1 marked"));
    driver.keys("<Esc>m<C-u>");
    for _ in 0..4 {
        driver.keys("<C-h>");
    }
    driver.keys("9999<Enter>I");
    assert!(!driver.screen().contains("1 marked"), "{}", driver.screen());
    assert_eq!(driver.state.panes.connections.idle_minutes(), 9999);
    driver.keys("m<C-h><C-h><C-h><C-h>soon<Enter>");
    assert!(driver.notice().contains("is not a number of minutes"), "{}", driver.notice());
}

#[test]
fn columns_scroll_and_the_first_stays() {
    let mut driver = connections();
    driver.keys("]]]]]]]]");
    let screen = driver.screen();
    let heading = screen.lines().nth(3).unwrap();
    assert!(heading.contains("pid") && !heading.contains("database"), "{heading}");
    assert!(heading.contains("query text"), "{heading}");
    driver.keys("[[[[[[[[[[[[");
    assert!(driver.screen().lines().nth(3).unwrap().contains("database"));
}

#[test]
fn background_processes_on_demand() {
    let mut driver = connections();
    assert!(!driver.screen().contains("checkpoi"));
    driver.keys("b");
    assert!(driver.screen().contains("checkpoi"));
}

#[test]
fn the_log_is_followed_until_one_goes_up() {
    let mut driver = Driver::busy();
    driver.keys("6");
    assert!(driver.screen().contains("following, all"));
    driver.keys("k");
    assert!(driver.screen().contains("not following (f)"));
    driver.keys("vv");
    let screen = driver.screen();
    assert!(screen.contains("errors and worse") && screen.contains("division by zero"));
    assert!(!screen.contains("checkpoint complete"), "{screen}");
    driver.keys("b");
    assert!(!driver.screen().contains("canceling statement"), "harmless ones are hidden");
    driver.keys("vbgn");
    assert!(driver.screen().contains(">"), "an error is selected");
}
