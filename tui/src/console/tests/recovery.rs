//! The recovery flow: what each step shows, what its keys lead to, and what they never do.

use std::sync::Arc;

use chrono::TimeDelta;
use pgdeck_engine::api::*;

use super::screens::golden;
use super::{Driver, LARGE, SMALL, sample};
use crate::console::dialogs::recovery::sample as map_sample;
use crate::console::panes::PaneId;
use crate::console::state::{Cmd, Msg};
use crate::console::update::update;

pub(super) fn tell(driver: &mut Driver, event: Event) -> Vec<Cmd> {
    update(&mut driver.state, Msg::Event(event))
}

fn map(driver: &mut Driver, request: RequestId) -> Vec<Cmd> {
    tell(driver, Event::RecoveryMapped { request, map: Arc::new(map_sample::map()) })
}

fn mistakes() -> Vec<Mistake> {
    let mistake = |kind, relation: &str, rows, xid, segment: u64| Mistake {
        kind,
        relations: vec![relation.to_owned()],
        rows,
        xid,
        committed_at: Some(map_sample::at(i64::try_from(segment).unwrap() + 70)),
        commit_lsn: map_sample::lsn(segment),
        timeline: map_sample::timeline(3),
    };
    vec![
        mistake(MistakeKind::Drop, "shop/16402", 0, 771, 140),
        mistake(MistakeKind::Delete, "orders", 81_000, 744, 130),
        mistake(MistakeKind::Truncate, "bank/16500", 0, 702, 112),
    ]
}

pub(super) fn plan() -> RecoveryPlan {
    let stop = map_sample::lsn(140);
    RecoveryPlan {
        destination: "/backup/main".into(),
        directory: "/data/main".into(),
        wal_directory: None,
        tablespaces: Vec::new(),
        port: None,
        target: RecoveryTarget::Lsn(stop),
        stop: StopPoint {
            timeline: map_sample::timeline(3),
            record: Some(stop),
            bound: TargetBound::Exclusive,
            reached: stop,
            last_commit_at: Some(map_sample::at(209)),
        },
        chain: vec!["2026-11-18_00-10-00".to_owned()],
        major: 18,
        wal: Vec::new(),
        lost: Lost { commits: 30, ..Lost::default() },
        replaced: Some(Replaced {
            host: "db1".to_owned(),
            path: "/data/main".into(),
            bytes: 12 << 30,
            as_of: None,
            state: "stopped".to_owned(),
        }),
        old_data: OldData::Keep,
        action: RecoveryAction::Pause,
        role: RecoveryRole::Primary,
        space: Vec::new(),
        new_directories: Vec::new(),
        owner: "postgres".to_owned(),
        settings: Vec::new(),
        keystore_fingerprint: None,
        files: 1_200,
        restore_bytes: 12 << 30,
        replay_bytes: 480 << 20,
        estimate: Estimate::default(),
        jobs: 4,
        warnings: Vec::new(),
    }
}

pub(super) fn stands(phase: RecoveryPhase) -> RecoveryState {
    RecoveryState {
        started_at: sample::now() - TimeDelta::minutes(9),
        phase,
        plan: plan(),
        kept_bytes: Some(12 << 30),
        restore_seconds: Some(190.0),
        replay_seconds: Some(20.0),
    }
}

fn with_recovery(phase: RecoveryPhase) -> Snapshot {
    let mut one = sample::busy("main");
    one.recovery.set(stands(phase), sample::now());
    one
}

/// The instance shut down, with its destination known.
fn down() -> Snapshot {
    let mut one = sample::stopped("main");
    one.protection.set(super::protected::protection(), sample::now());
    one
}

/// The flow at the map, by way of an answer.
fn at_map(one: Snapshot, size: (u16, u16), answer: &str) -> Driver {
    let mut driver = Driver::with(vec![one], size, false);
    driver.keys("8R");
    let request = Driver::request(&driver.keys(answer));
    map(&mut driver, request);
    driver
}

/// By way of "wrong operation" to the mistakes.
fn at_mistakes(one: Snapshot, size: (u16, u16)) -> Driver {
    let mut driver = Driver::with(vec![one], size, false);
    driver.keys("8Rkkkjj");
    let request = Driver::request(&driver.keys("<Enter>"));
    let effects = map(&mut driver, request);
    let request = Driver::request(&effects);
    let [Cmd::Send(_, Command::FindMistakes { query, .. }), ..] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(query.timeline, Some(map_sample::timeline(3)));
    tell(&mut driver, Event::MistakesFound { request, mistakes: Arc::new(mistakes()) });
    driver
}

/// The plan of the moment before the first mistake.
fn at_plan(one: Snapshot, size: (u16, u16)) -> Driver {
    let mut driver = at_mistakes(one, size);
    driver.keys("<Enter><Enter>");
    let effects = driver.keys("<Enter>");
    assert!(effects.contains(&Cmd::DrainInput));
    let request = Driver::request(&effects);
    tell(&mut driver, Event::RecoveryPlanned { request, plan: Arc::new(plan()) });
    driver
}

#[test]
fn every_step_at_two_sizes() {
    for (size, suffix) in [(SMALL, "80x24"), (LARGE, "200x60")] {
        let mut driver = Driver::with(vec![down()], size, false);
        driver.keys("8R");
        golden(&format!("recovery-what-{suffix}"), &driver);
        driver.keys("<Enter>");
        golden(&format!("recovery-map-awaited-{suffix}"), &driver);
        golden(&format!("recovery-map-{suffix}"), &at_map(down(), size, "<Enter>"));
        let mut driver = at_mistakes(down(), size);
        golden(&format!("recovery-mistakes-{suffix}"), &driver);
        driver.keys("<Enter>");
        golden(&format!("recovery-map-mistake-{suffix}"), &driver);
        driver.keys("<Enter>");
        golden(&format!("recovery-how-{suffix}"), &driver);
        let mut driver = at_plan(down(), size);
        golden(&format!("recovery-plan-{suffix}"), &driver);
        driver.keys("y");
        golden(&format!("recovery-confirm-{suffix}"), &driver);
        let mut driver = Driver::with(vec![with_recovery(RecoveryPhase::Paused)], size, false);
        golden(&format!("recovery-paused-overview-{suffix}"), &driver);
        driver.keys("8");
        golden(&format!("recovery-paused-backups-{suffix}"), &driver);
        driver.keys("R");
        golden(&format!("recovery-paused-{suffix}"), &driver);
        let mut driver = Driver::with(vec![with_recovery(RecoveryPhase::Promoted)], size, false);
        driver.keys("8R");
        golden(&format!("recovery-promoted-{suffix}"), &driver);
        let mut driver = Driver::with(vec![sample::busy("main")], size, false);
        driver.keys("8T");
        golden(&format!("recovery-rehearse-{suffix}"), &driver);
    }
}

#[test]
fn the_map_in_utf8() {
    for (size, suffix) in [(SMALL, "80x24"), (LARGE, "200x60")] {
        let driver = at_map(down(), size, "<Enter>");
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_path("golden");
        settings.set_omit_expression(true);
        settings
            .bind(|| insta::assert_snapshot!(format!("recovery-map-utf8-{suffix}"), driver.utf8()));
    }
}

#[test]
fn nothing_is_recovered_before_the_name_is_typed() {
    let mut driver = at_plan(down(), SMALL);
    assert_eq!(driver.keys("<Enter>"), [], "plain Enter is no");
    driver.keys("<Enter>");
    let mut driver = at_plan(down(), SMALL);
    let effects = driver.keys("y");
    assert_eq!(Driver::mutations(&effects), []);
    assert!(effects.contains(&Cmd::DrainInput));
    assert_eq!(Driver::mutations(&driver.keys("<Enter>y<Enter>")), []);
    let effects = driver.keys("<C-h>main<Enter>");
    let [Command::Recover { request, fingerprint, .. }] = &Driver::mutations(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*fingerprint, Some(plan().fingerprint()));
    assert_eq!(request.target, RecoveryTarget::Lsn(map_sample::lsn(140)));
    assert_eq!(request.bound, TargetBound::Exclusive);
    assert_eq!(request.timeline, Some(map_sample::timeline(3)));
    assert_eq!(request.destination, Some("/backup/main".into()));
    assert_eq!((request.old_data, request.action), (OldData::Keep, RecoveryAction::Pause));
}

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
fn a_running_instance_is_stopped_first() {
    let mut driver = at_mistakes(sample::busy("main"), SMALL);
    assert_eq!(driver.keys("<Enter><Enter><Enter>"), [Cmd::DrainInput], "no plan yet");
    golden("recovery-running-80x24", &driver);
    let screen = driver.screen();
    assert!(screen.contains("The instance runs: s stops it first"), "{screen}");
    assert_eq!(driver.keys("y"), [], "not while it runs");
    driver.keys("s");
    assert!(driver.screen().contains("Stop main: how?"), "{}", driver.screen());
    driver.keys("<Enter>");
    let effects = driver.keys("y");
    assert!(matches!(&Driver::mutations(&effects)[..], [Command::Stop { .. }]));
    let request = Driver::request(&effects);
    let job = JobId { instance: sample::id("main"), number: 5 };
    tell(&mut driver, Event::Accepted { request, job: job.clone() });
    let outcome = Ok("stopped".to_owned());
    assert_eq!(
        tell(&mut driver, Event::JobEnded { job, outcome }),
        [],
        "it is not seen to be down"
    );
    assert!(driver.screen().contains("s stops it first"), "{}", driver.screen());
    let effects = driver.publish(vec![down()], Vec::new());
    let [Cmd::DrainInput, Cmd::Send(request, Command::PlanRecovery { request: again, .. }), ..] =
        &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(again.bound, TargetBound::Exclusive, "the plan is made again");
    tell(&mut driver, Event::RecoveryPlanned { request: *request, plan: Arc::new(plan()) });
    driver.keys("y");
    assert!(driver.screen().contains("Type the instance's name"), "{}", driver.screen());
    // It was started behind our back: nothing is done.
    driver.publish(vec![sample::busy("main")], Vec::new());
    assert_eq!(Driver::mutations(&driver.keys("main<Enter>")), []);
    assert!(driver.notice().contains("the instance runs; nothing was done"), "{}", driver.notice());
}

#[test]
fn a_plan_that_is_refused_says_why() {
    let mut driver = at_mistakes(down(), SMALL);
    let request = Driver::request(&driver.keys("<Enter><Enter><Enter>"));
    let error = Error::new(ErrorCode::RecoveryPlanChanged, "it cannot be reached").hint("Look.");
    tell(&mut driver, Event::Refused { request, error });
    assert!(driver.screen().contains("It cannot be done: it cannot be reached"));
    assert_eq!(driver.keys("y"), []);
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
fn a_paused_recovery_is_taken_on_by_keys() {
    for (key, is_typed) in [("p", false), ("u", true)] {
        let mut driver = Driver::new(vec![with_recovery(RecoveryPhase::Paused)]);
        driver.keys("8R");
        let effects = driver.keys(key);
        assert!(effects.contains(&Cmd::DrainInput), "{key}");
        assert_eq!(Driver::mutations(&driver.keys("<Enter>")), [], "{key}");
        if !is_typed {
            driver.keys(key);
        }
        let effects = driver.keys(if is_typed { "main<Enter>" } else { "y" });
        let wanted = if is_typed { RecoveryStep::Undo } else { RecoveryStep::Promote };
        let [Command::StepRecovery { step, .. }] = &Driver::mutations(&effects)[..] else {
            panic!("{key} {effects:?}")
        };
        assert_eq!(*step, wanted);
    }
    let mut driver = Driver::new(vec![with_recovery(RecoveryPhase::Paused)]);
    let request = Driver::request(&driver.keys("8Rf"));
    map(&mut driver, request);
    driver.keys("N<Enter>");
    let screen = driver.screen();
    assert!(screen.contains("restore point \"month-end\""), "{screen}");
    let effects = driver.keys("y");
    let [Command::StepRecovery { step: RecoveryStep::GoFurther(target, _), .. }] =
        &Driver::mutations(&effects)[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(*target, RecoveryTarget::RestorePoint("month-end".to_owned()));
    let mut driver = Driver::new(vec![with_recovery(RecoveryPhase::Paused)]);
    let request = Driver::request(&driver.keys("8Rf"));
    map(&mut driver, request);
    driver.keys("NN<Enter>");
    assert!(driver.screen().contains("that is not further"), "{}", driver.screen());
    let mut one = sample::busy("main");
    let gone = RecoveryState { kept_bytes: None, ..stands(RecoveryPhase::Paused) };
    one.recovery.set(gone, sample::now());
    let mut driver = Driver::new(vec![one]);
    let effects = driver.keys("8Re");
    assert!(matches!(effects[..], [Cmd::Send(_, Command::FetchRecoveryMap { .. })]));
}

#[test]
fn afterwards_a_backup_and_the_old_data() {
    let mut driver = Driver::new(vec![with_recovery(RecoveryPhase::Promoted)]);
    let effects = driver.keys("8Rb");
    assert!(effects.iter().any(|it| matches!(it, Cmd::Send(_, Command::Backup { .. }))));
    let mut driver = Driver::new(vec![with_recovery(RecoveryPhase::Promoted)]);
    driver.keys("8Rd");
    let effects = driver.keys("main<Enter>");
    let [Command::StepRecovery { step, .. }] = &Driver::mutations(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*step, RecoveryStep::DiscardKept);
}

#[test]
fn an_interrupted_recovery_is_run_again() {
    let mut one = down();
    one.recovery.set(stands(RecoveryPhase::Restoring), sample::now());
    let mut driver = Driver::new(vec![one]);
    driver.keys("8R");
    assert!(driver.screen().contains("run it again"), "{}", driver.screen());
    assert!(!driver.screen().contains("promote it"), "{}", driver.screen());
    driver.keys("c");
    assert_eq!(Driver::mutations(&driver.keys("<Enter>")), []);
    let effects = driver.keys("cy");
    let [Command::StepRecovery { step, .. }] = &Driver::mutations(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*step, RecoveryStep::Continue);
    let mut one = down();
    one.recovery.set(stands(RecoveryPhase::Undoing), sample::now());
    let mut driver = Driver::new(vec![one]);
    driver.keys("8R");
    assert!(!driver.screen().contains("run it again: it goes"), "{}", driver.screen());
    driver.keys("u");
    assert!(driver.screen().contains("Undo the recovery"), "{}", driver.screen());
}

#[test]
fn another_target_undoes_first_when_old_data_is_kept() {
    let mut driver = Driver::new(vec![with_recovery(RecoveryPhase::Paused)]);
    driver.keys("8Re");
    assert!(driver.screen().contains("Then you choose"), "{}", driver.screen());
    let effects = driver.keys("main<Enter>");
    let [Command::StepRecovery { step: RecoveryStep::Undo, .. }] = &Driver::mutations(&effects)[..]
    else {
        panic!("{effects:?}")
    };
    let request = Driver::request(&effects);
    let job = JobId { instance: sample::id("main"), number: 7 };
    tell(&mut driver, Event::Accepted { request, job: job.clone() });
    driver.publish(vec![down()], Vec::new());
    let effects = tell(&mut driver, Event::JobEnded { job, outcome: Ok("undone".to_owned()) });
    assert!(matches!(effects[..], [Cmd::Send(_, Command::FetchRecoveryMap { .. }), ..]));
    assert!(driver.screen().contains("[2 where to]"), "{}", driver.screen());
}

#[test]
fn a_recovery_that_is_over_and_keeps_nothing_stands_in_nobodys_way() {
    let mut one = down();
    let over = RecoveryState { kept_bytes: None, ..stands(RecoveryPhase::Promoted) };
    one.recovery.set(over, sample::now());
    let mut driver = Driver::new(vec![one]);
    driver.keys("8R");
    assert!(driver.screen().contains("What happened?"), "{}", driver.screen());
}

#[test]
fn the_job_gives_way_to_how_the_recovery_stands() {
    let mut driver = at_plan(down(), SMALL);
    driver.keys("y");
    let request = Driver::request(&driver.keys("main<Enter>"));
    let job = JobId { instance: sample::id("main"), number: 6 };
    tell(&mut driver, Event::Accepted { request, job: job.clone() });
    assert_eq!(driver.state.dialogs.len(), 1, "flow and plan are done with");
    let state = Box::new(stands(RecoveryPhase::Paused));
    tell(&mut driver, Event::RecoveryStands { request, state });
    tell(&mut driver, Event::JobEnded { job, outcome: Ok("paused".to_owned()) });
    let screen = driver.screen();
    assert!(screen.contains("paused at the target") && screen.contains("promote it"), "{screen}");
    assert_eq!(driver.state.dialogs.len(), 1);
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
    let record = Box::new(super::protected::rehearsal());
    tell(&mut driver, Event::Rehearsed { request, record });
    let screen = driver.screen();
    assert!(screen.contains("412 relations are sound") && screen.contains("3 m 10 s"), "{screen}");

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

#[test]
fn messages_about_recovery_lead_to_it() {
    for (remedy, shown) in
        [(Remedy::ShowRecovery, "Recovery of main"), (Remedy::Rehearse, "Rehearse a recovery")]
    {
        let mut one = with_recovery(RecoveryPhase::Paused);
        let code = MessageCode::RecoveryPaused;
        one.messages = Arc::new(vec![sample::message(code, Severity::Warning, "it waits", remedy)]);
        let mut driver = Driver::new(vec![one]);
        driver.keys("7o");
        assert_eq!(driver.state.pane, PaneId::Backups);
        assert!(driver.screen().contains(shown), "{}", driver.screen());
    }
}

#[test]
fn every_step_at_every_size() {
    for columns in [60, 61, 80, 141, 250] {
        for rows in [20, 24, 50] {
            let mut driver = at_plan(down(), (columns, rows));
            driver.screen();
            for keys in ["y", "<Esc>", "<Esc>", "<Esc>", "?", "<Esc>", "m", "<Esc>", "<Esc>"] {
                driver.keys(keys);
                driver.screen();
            }
            let mut driver =
                Driver::with(vec![with_recovery(RecoveryPhase::Paused)], (columns, rows), false);
            driver.keys("8R");
            driver.screen();
        }
    }
}
