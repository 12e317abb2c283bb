//! Order and ages: what keeps the screen still while nothing happens.

use super::*;

/// A session in this state: pid, seconds of its transaction, its query and its state.
fn session(pid: i32, state: SessionState, xact: Option<f64>, query: f64) -> Session {
    Session {
        pid,
        backend_start: None,
        backend_type: "client backend".to_owned(),
        database: None,
        user: None,
        application: String::new(),
        client: String::new(),
        state,
        wait_event_type: None,
        wait_event: None,
        xact_age_seconds: xact,
        query_age_seconds: Some(query),
        state_age_seconds: Some(query),
        blocked_by: Vec::new(),
        blocked_by_prepared: Vec::new(),
        xmin_age: None,
        leader_pid: None,
        query: String::new(),
        query_is_cut: false,
    }
}

fn order(mut sessions: Vec<Session>) -> Vec<i32> {
    sessions.sort_by(|one, other| compare(one, other, SORT_XACT));
    sessions.iter().map(|session| session.pid).collect()
}

#[test]
fn old_transactions_come_first_and_idle_sessions_last() {
    let sessions = vec![
        session(1, SessionState::Idle, None, 500.0),
        session(2, SessionState::Active, Some(3.0), 1.0),
        session(3, SessionState::IdleInTransaction, Some(900.0), 700.0),
        session(4, SessionState::Idle, None, 20.0),
    ];
    assert_eq!(order(sessions), [3, 2, 4, 1]);
}

#[test]
fn a_short_transaction_that_ends_moves_no_row() {
    let idle = |pid| session(pid, SessionState::Idle, None, 300.0);
    let short = |pid, age| session(pid, SessionState::Active, Some(age), age);
    let before = vec![idle(1), short(7, 0.9), short(8, 0.1), idle(2), short(9, 1.4)];
    let just_idle = session(8, SessionState::Idle, None, 0.3);
    let after = vec![idle(1), short(7, 0.2), just_idle, idle(2), short(9, 0.8)];
    assert_eq!(order(before), [7, 8, 9, 1, 2]);
    assert_eq!(order(after), [7, 8, 9, 1, 2]);
}

#[test]
fn the_age_of_an_idle_session_changes_once_a_minute() {
    let shown = |state, seconds| query_age(&session(1, state, None, seconds));
    for (seconds, idle, active) in [
        (0.4, "<1m", "0s"),
        (59.9, "<1m", "59s"),
        (60.0, "1m", "60s"),
        (119.0, "1m", "1m59"),
        (599.0, "9m", "9m59"),
        (5_999.0, "99m", "99m"),
        (6_000.0, "1h40", "1h40"),
    ] {
        assert_eq!(shown(SessionState::Idle, seconds), idle, "{seconds}");
        assert_eq!(shown(SessionState::Active, seconds), active, "{seconds}");
    }
}
