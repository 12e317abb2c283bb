//! The three grades of danger: what may be done by which keys, and that nothing else does it.

use pgdeck_engine::api::{
    Command, Error, ErrorCode, Event, PreparedOutcome, SignalKind, SignalResult, StopMode,
};

use super::{Driver, sample};
use crate::console::commands::{Danger, Need, TABLE};
use crate::console::state::{Cmd, Msg};
use crate::console::update::update;

#[test]
fn plain_enter_confirms_nothing() {
    for (pane, open) in
        [("3", "c"), ("3", "t"), ("5", "C"), ("5", "B"), ("1", "e"), ("4", "t"), ("1", "S<Enter>")]
    {
        let mut driver = Driver::busy();
        driver.keys(pane);
        let effects = driver.keys(open);
        assert!(effects.contains(&Cmd::DrainInput), "{open}: keys typed before are thrown away");
        let effects = driver.keys("<Enter><Enter><Enter>");
        assert_eq!(Driver::mutations(&effects), [], "{open}");
    }
}

#[test]
fn a_newline_confirms_nothing_either() {
    let mut driver = Driver::busy();
    driver.keys("3t<Right>");
    assert_eq!(Driver::mutations(&driver.keys("<C-j>")), []);
    driver.keys("<Esc>5C");
    assert_eq!(Driver::mutations(&driver.keys("r-7001<C-j>")), []);
}

#[test]
fn grade_one_and_two_need_a_yes() {
    for keys in ["3cy", "3cY", "3ty", "3t<Right><Enter>", "3t<Tab><Enter>"] {
        let mut driver = Driver::busy();
        let effects = driver.keys(keys);
        assert_eq!(Driver::mutations(&effects).len(), 1, "{keys}");
    }
    for keys in ["3cn", "3c<Esc>", "3cq", "3t<Right><Right><Enter>", "3txyz"] {
        let mut driver = Driver::busy();
        let effects = driver.keys(&keys.replace("xyz", "xz"));
        assert_eq!(Driver::mutations(&effects), [], "{keys}");
    }
}

#[test]
fn grade_two_names_host_instance_target_command_and_effect() {
    let mut driver = Driver::busy();
    driver.keys("3t");
    let screen = driver.screen();
    for part in [
        "Terminate session",
        "db1",
        "main (/data/main)",
        "101 app@shop (idle in transaction)",
        "SELECT pg_terminate_backend(101)",
        "its open transaction is rolled back",
        ">No<",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
}

#[test]
fn grade_three_needs_the_end_of_the_gid() {
    let mut driver = Driver::busy();
    driver.keys("5C");
    let screen = driver.screen();
    assert!(screen.contains("COMMIT PREPARED 'transfer-7001'"), "{screen}");
    assert!(screen.contains("bank (transaction 771)"), "{screen}");
    assert!(screen.contains("Type the end of the gid: r-7001"), "{screen}");
    let effects = driver.keys("r-7002<Enter>");
    assert_eq!(Driver::mutations(&effects), []);
    assert!(driver.screen().contains("that is not it"));
    update(&mut driver.state, Msg::Paste("r-7001".to_owned()));
    assert_eq!(Driver::mutations(&driver.keys("<Enter>")), [], "pasting would defeat the purpose");
    let effects = driver.keys("<C-h><C-h><C-h><C-h><C-h><C-h>r-7001<Enter>");
    let [Command::ResolvePrepared { target, outcome, .. }] = &Driver::mutations(&effects)[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!((target.gid.as_str(), target.database.as_str()), ("transfer-7001", "bank"));
    assert_eq!(*outcome, PreparedOutcome::Commit);
}

#[test]
fn rolling_back_says_that_changes_are_lost() {
    let mut driver = Driver::busy();
    driver.keys("5jB");
    assert!(driver.screen().contains("Its changes are lost"));
    let effects = driver.keys("ort-17<Enter>");
    let [Command::ResolvePrepared { target, outcome, .. }] = &Driver::mutations(&effects)[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!((target.gid.as_str(), *outcome), ("export-17", PreparedOutcome::Rollback));
}

#[test]
fn kill_needs_the_instances_name_and_is_no_way_to_restart() {
    let mut driver = Driver::busy();
    driver.keys("Sjj<Enter>");
    let screen = driver.screen();
    assert!(screen.contains("Stop instance (kill)"), "{screen}");
    assert!(screen.contains("kill -KILL 4711 and its children"), "{screen}");
    assert_eq!(Driver::mutations(&driver.keys("y<Enter>")), []);
    let effects = driver.keys("<C-h>main<Enter>");
    assert!(
        matches!(&Driver::mutations(&effects)[..], [Command::Stop { mode: StopMode::Kill, .. }]),
        "{effects:?}"
    );
    let mut driver = Driver::busy();
    driver.keys("E");
    assert!(!driver.screen().contains("SIGKILL"));
}

#[test]
fn each_stop_mode_is_chosen_then_confirmed_with_its_consequence() {
    let modes = [("k", StopMode::Smart), ("", StopMode::Fast), ("j", StopMode::Immediate)];
    for (key, mode) in modes {
        let mut driver = Driver::busy();
        driver.keys(&format!("S{key}<Enter>"));
        let begin = mode.consequence().split_whitespace().take(4).collect::<Vec<_>>().join(" ");
        assert!(driver.screen().contains(&begin), "{}", driver.screen());
        let effects = driver.keys("y");
        let [Command::Stop { mode: sent, .. }] = &Driver::mutations(&effects)[..] else {
            panic!("{effects:?}")
        };
        assert_eq!(*sent, mode);
    }
}

#[test]
fn the_target_is_looked_at_again_right_before() {
    // A prepared transaction that is gone.
    let mut driver = Driver::busy();
    driver.keys("5Cr-7001");
    let mut later = sample::busy("main");
    let left = later.prepared.get().unwrap()[1..].to_vec();
    later.prepared.set(left, sample::now());
    driver.publish(vec![later], Vec::new());
    assert_eq!(Driver::mutations(&driver.keys("<Enter>")), []);
    assert!(driver.notice().contains("no longer prepared; nothing was done"));
    // The same gid prepared anew is another transaction.
    let mut driver = Driver::busy();
    driver.keys("5Cr-7001");
    let mut later = sample::busy("main");
    let anew = vec![sample::prepared("transfer-7001", "bank", 9_000, 1.0)];
    later.prepared.set(anew, sample::now());
    driver.publish(vec![later], Vec::new());
    assert_eq!(Driver::mutations(&driver.keys("<Enter>")), []);
    // An instance that stopped meanwhile.
    let mut driver = Driver::busy();
    driver.keys("S<Enter>");
    driver.publish(vec![sample::stopped("main")], Vec::new());
    assert_eq!(Driver::mutations(&driver.keys("y")), []);
    assert!(driver.notice().contains("it does not run"), "{}", driver.notice());
}

#[test]
fn a_detail_view_acts_on_its_own_row_only() {
    let mut driver = Driver::busy();
    driver.keys("3<Enter>");
    let mut later = sample::busy("main");
    let left = later.sessions.get().unwrap()[1..].to_vec();
    later.sessions.set(left, sample::now());
    driver.publish(vec![later], Vec::new());
    let effects = driver.keys("t");
    assert_eq!(effects, []);
    assert_eq!(driver.notice(), "it is gone; nothing was done");
    let mut driver = Driver::busy();
    driver.keys("3j<Enter>t");
    assert!(driver.screen().contains("SELECT pg_terminate_backend(102)"));
}

#[test]
fn read_only_disables_whatever_changes_something() {
    for spec in TABLE.iter().filter(|spec| spec.danger > Danger::None) {
        assert!(spec.needs.contains(&Need::Writable), "{}", spec.name);
        let mut driver = Driver::read_only(vec![sample::busy("main")]);
        assert!(driver.screen().contains("READ-ONLY"));
        let pane = match spec.scope {
            crate::console::commands::Scope::Panes(panes) => panes[0].digit().to_string(),
            _ => "1".to_owned(),
        };
        driver.keys(&pane);
        let key = spec.keys[0].to_string();
        let effects = driver.keys(&format!("{key}y<Enter>{key}"));
        assert_eq!(Driver::mutations(&effects), [], "{}", spec.name);
        assert!(
            driver.notice().contains("pgdeck is read-only"),
            "{}: {}",
            spec.name,
            driver.notice()
        );
        // The palette is no way round.
        let effects = driver.keys(&format!("<Esc><Esc>:{}<Enter>y<Enter>", spec.name));
        assert_eq!(Driver::mutations(&effects), [], "{}", spec.name);
    }
}

#[test]
fn what_became_of_it_is_said() {
    let mut driver = Driver::busy();
    let effects = driver.keys("3cy");
    let request = Driver::request(&effects);
    let gone = Error::new(ErrorCode::SessionGone, "backend 101 has ended").hint("Nothing to do.");
    let results = vec![
        SignalResult { pid: 101, outcome: Err(gone) },
        SignalResult { pid: 102, outcome: Ok(()) },
    ];
    let kind = SignalKind::Cancel;
    update(&mut driver.state, Msg::Event(Event::Signalled { request, kind, results }));
    assert!(driver.notice().contains("sent to 1 of 2 sessions"), "{}", driver.notice());
    let effects = driver.keys("5Cr-7001<Enter>");
    let request = Driver::request(&effects);
    let text = "transaction 771 is committed".to_owned();
    update(&mut driver.state, Msg::Event(Event::Done { request, text }));
    assert_eq!(driver.notice(), "COMMIT PREPARED: transaction 771 is committed");
    assert!(driver.state.pending.is_empty());
}

#[test]
fn a_long_list_of_targets_never_hides_the_question() {
    let mut one = sample::busy("main");
    let mut many: Vec<_> = (0..400)
        .map(|number| {
            let state = pgdeck_engine::api::SessionState::Idle;
            std::sync::Arc::new(sample::session(1000 + number, state, Some(9.0)))
        })
        .collect();
    for session in &mut many {
        std::sync::Arc::make_mut(session).user = Some("a_role_with_a_long_name".repeat(3));
    }
    one.sessions.set(many, sample::now());
    let mut driver = Driver::with(vec![one], (60, 20), false);
    driver.keys("3");
    driver.keys(&" ".repeat(400));
    driver.keys("t");
    let screen = driver.screen();
    assert!(screen.contains(">No<"), "{screen}");
    assert!(screen.contains("and 394 more") || screen.contains("more lines"), "{screen}");
}
