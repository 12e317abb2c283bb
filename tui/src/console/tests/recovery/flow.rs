//! What happened, the map, the mistakes, how: what keys lead to.

use std::sync::Arc;

use pgdeck_engine::api::*;

use super::*;
use crate::console::tests::SMALL;
use crate::console::tests::screens::golden;

#[test]
fn esc_goes_back_one_step_and_nothing_is_forgotten() {
    let mut driver = at_plan(down(), SMALL);
    driver.keys("y");
    assert!(driver.screen().contains("Type the instance's name"));
    driver.keys("<Esc>");
    assert!(driver.screen().contains("lost         30 commits"), "{}", driver.screen());
    driver.keys("<Esc>");
    assert!(driver.screen().contains("[3 how]"), "{}", driver.screen());
    driver.keys("<Right><Esc>");
    assert!(driver.screen().contains("just before the DROP of shop/16402"), "{}", driver.screen());
    driver.keys("<Esc>");
    assert!(driver.screen().contains("> Somebody did something wrong"), "{}", driver.screen());
    // Forth again: map, cursor, options are as they were.
    assert_eq!(driver.keys("<Enter>"), [], "the map is there already");
    assert!(driver.screen().contains("just before the DROP of shop/16402"), "{}", driver.screen());
    driver.keys("<Enter>");
    assert!(driver.screen().contains("discard it"), "{}", driver.screen());
    driver.keys("<Esc><Esc><Esc>");
    assert!(driver.state.dialogs.is_empty());
}

#[test]
fn a_map_that_cannot_be_read_is_asked_for_again() {
    let mut driver = Driver::new(vec![down()]);
    driver.keys("8R");
    let request = Driver::request(&driver.keys("<Enter>"));
    let error = Error::new(ErrorCode::RepositoryUnreadable, "\"/backup/main\" is missing");
    tell(&mut driver, Event::Refused { request, error });
    assert!(driver.screen().contains("is missing"), "{}", driver.screen());
    let effects = driver.keys("<Esc><Enter>");
    assert!(matches!(effects[..], [Cmd::Send(_, Command::FetchRecoveryMap { .. })]), "{effects:?}");
}

#[test]
fn the_cursor_moves_by_every_key() {
    let mut driver = at_map(down(), SMALL, "<Enter>");
    for (keys, shown) in [
        ("", "everything there is: the latest position"),
        ("N", "restore point \"month-end\""),
        ("i", "just before restore point \"month-end\""),
        ("N", "the end of backup 2026-11-18_00-10-00"),
        ("G", "everything there is"),
        ("<", "up to 0/A9800000, its record included"),
        ("h", "up to 0/"),
        ("kk", "timeline 1"),
        ("g", "NOT reachable: the first backup"),
        ("=", "reachable: backup 2026-11-17_21-20-00"),
        ("xl", "NOT reachable: WAL of timeline 1 is missing"),
        ("tmonth-end<Enter>", "timeline 3 (in use), 0/96000000"),
        ("/00:52:30<Enter>", "every commit up to 2026-11-18 00:52:30"),
        ("t0/82000000<Enter>", "up to 0/82000000, its record included"),
    ] {
        driver.keys(keys);
        let screen = driver.screen();
        assert!(screen.contains(shown), "{keys}: {screen}");
    }
    driver.keys("tnowhere<Enter>");
    assert!(driver.screen().contains("is no restore point of the map"), "{}", driver.screen());
    driver.keys("<Esc>");
    assert!(driver.screen().contains("up to 0/82000000"), "{}", driver.screen());
    driver.keys("?");
    assert!(driver.screen().contains("about one WAL segment"), "{}", driver.screen());
    driver.keys("<Esc>a");
    assert!(driver.screen().contains("0/A000000"), "{}", driver.screen());
}

#[test]
fn an_unreachable_place_leads_nowhere() {
    let mut driver = at_map(down(), SMALL, "<Enter>");
    driver.keys("kkg");
    assert_eq!(driver.keys("<Enter>"), []);
    let screen = driver.screen();
    assert!(screen.contains("[2 where to]") && screen.contains("NOT reachable"), "{screen}");
}

#[test]
fn mistakes_are_filtered_and_looked_for_again() {
    let mut driver = at_mistakes(down(), SMALL);
    driver.keys("/orders<Enter>");
    let screen = driver.screen();
    assert!(screen.contains("81000") && !screen.contains("16402"), "{screen}");
    let effects = driver.keys("a");
    let [Cmd::Send(_, Command::FindMistakes { query, .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(query.deleted_rows_min, 1);
    let request = Driver::request(&effects);
    let error = Error::new(ErrorCode::RepositoryUnreadable, "the archive is away");
    tell(&mut driver, Event::Refused { request, error });
    assert!(driver.screen().contains("the archive is away"), "{}", driver.screen());
    driver.keys("<Esc><Esc>");
    assert!(driver.screen().contains("Enter takes the place of the cursor"), "{}", driver.screen());
}

#[test]
fn a_lost_data_directory_leads_here_and_nowhere_else() {
    let mut one = Snapshot::new(sample::identity("main"), sample::now());
    one.is_settled = true;
    one.status = Arc::new(InstanceStatus::bare(InstanceState::DataDirectoryMissing));
    let code = MessageCode::DataDirectoryMissing;
    let lost = sample::message(code, Severity::Error, "the data is missing", Remedy::Recover);
    one.messages = Arc::new(vec![lost]);
    let mut driver = Driver::new(vec![one]);
    golden("recovery-lost-overview-80x24", &driver);
    driver.keys("o");
    assert!(driver.screen().contains("> The disk or the data directory is lost"));
    driver.keys("<Enter>");
    golden("recovery-place-80x24", &driver);
    driver.keys("backup<Enter>");
    assert!(driver.screen().contains("begins with a slash"), "{}", driver.screen());
    let effects = driver.keys("<C-u>/backup/main<Enter>");
    let [Cmd::Send(_, Command::FetchRecoveryMap { destination, .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*destination, Some("/backup/main".into()));
    driver.keys("<Esc>");
    assert!(driver.screen().contains("/backup/main"), "what was typed stays");
}

#[test]
fn where_the_backups_were_seen_last_is_offered_and_not_taken() {
    let mut one = Snapshot::new(sample::identity("main"), sample::now());
    one.is_settled = true;
    one.status = Arc::new(InstanceStatus::bare(InstanceState::DataDirectoryMissing));
    let mut known = crate::console::tests::protected::protection();
    known.remembered_at = Some(sample::now() - TimeDelta::hours(3));
    one.protection.set(known, sample::now());
    let mut driver = Driver::new(vec![one]);
    driver.keys("8");
    golden("recovery-remembered-backups-80x24", &driver);
    assert_eq!(driver.keys("R<Enter>"), []);
    golden("recovery-remembered-80x24", &driver);
    let effects = driver.keys("<Enter>");
    let [Cmd::Send(_, Command::FetchRecoveryMap { destination, .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*destination, Some("/backup/main".into()));
    let effects = driver.keys("<Esc><C-u>/elsewhere<Enter>");
    let [Cmd::Send(_, Command::FetchRecoveryMap { destination, .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*destination, Some("/elsewhere".into()));
}

#[test]
fn a_rehearsal_is_confirmed_and_told() {
    let mut driver = Driver::busy();
    driver.keys("8T");
    let effects = driver.keys("y");
    let [Command::Rehearse { request, .. }] = &Driver::mutations(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(request.recovery.target, RecoveryTarget::Latest);
    let request = Driver::request(&effects);
    let job = JobId { instance: sample::id("main"), number: 8 };
    tell(&mut driver, Event::Accepted { request, job });
    let record = Box::new(crate::console::tests::protected::rehearsal());
    tell(&mut driver, Event::Rehearsed { request, record });
    let screen = driver.screen();
    assert!(screen.contains("412 relations are sound") && screen.contains("3 m 10 s"), "{screen}");
    driver.keys("<Esc>");
    assert!(driver.state.dialogs.is_empty(), "nothing but the report has to be closed");

    let mut driver = at_map(sample::busy("main"), SMALL, "jjj<Enter>");
    driver.keys("N");
    driver.keys("<Enter>");
    let effects = driver.keys("y");
    let [Command::Rehearse { request, .. }] = &Driver::mutations(&effects)[..] else {
        panic!("{effects:?}")
    };
    let wanted = RecoveryTarget::RestorePoint("month-end".to_owned());
    assert_eq!(request.recovery.target, wanted);
}

#[test]
fn read_only_looks_and_changes_nothing() {
    let mut driver = Driver::read_only(vec![with_recovery(RecoveryPhase::Paused)]);
    driver.keys("8");
    for key in ["R", "T"] {
        assert_eq!(driver.keys(key), [], "{key}");
        assert!(driver.state.dialogs.is_empty(), "{key}");
        assert!(driver.notice().contains("pgdeck is read-only"), "{key}");
    }
    let request = Driver::request(&driver.keys("M"));
    map(&mut driver, request);
    assert!(driver.screen().contains("Recovery map of main"), "{}", driver.screen());
    assert_eq!(Driver::mutations(&driver.keys("<Enter>y<Enter>")), []);
    driver.keys("<Esc>");
    assert!(driver.state.dialogs.is_empty());
}
