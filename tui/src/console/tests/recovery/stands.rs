//! A recovery that stands, and what its jobs tell.

use std::sync::Arc;

use pgdeck_engine::api::*;

use super::*;
use crate::console::panes::PaneId;
use crate::console::tests::SMALL;

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

/// The step in brackets, which the line of tabs shows.
fn step(driver: &Driver) -> String {
    let screen = driver.screen();
    let line = screen.lines().nth(1).unwrap_or_default().to_owned();
    let begun = line.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    begun.map_or_else(|| format!("none in {line:?}"), |(name, _)| name.to_owned())
}

/// A job at work.
fn at_work(driver: &mut Driver, one: Snapshot, effects: &[Cmd], kind: JobKind) -> JobId {
    let request = Driver::request(effects);
    let job = JobId { instance: sample::id("main"), number: 6 };
    tell(driver, Event::Accepted { request, job: job.clone() });
    let status = JobStatus { id: job.clone(), kind, ..sample::smart_stop(true) };
    driver.publish(vec![one], vec![status]);
    job
}

#[test]
fn every_screen_says_which_step_it_is() {
    for size in [(60, 20), SMALL, (200, 60)] {
        let named = |number: u32, name: &str| {
            if size.0 == 60 { name.to_owned() } else { format!("{number} {name}") }
        };
        let mut driver = Driver::with(vec![down()], size, false);
        driver.keys("8R");
        assert_eq!(step(&driver), named(1, "what"));
        let request = Driver::request(&driver.keys("<Enter>"));
        map(&mut driver, request);
        assert_eq!(step(&driver), named(2, "where to"));
        driver.keys("<Enter>");
        assert_eq!(step(&driver), named(3, "how"));
        let request = Driver::request(&driver.keys("<Enter>"));
        assert_eq!(step(&driver), named(4, "plan"));
        tell(&mut driver, Event::RecoveryPlanned { request, plan: Arc::new(plan()) });
        driver.keys("y");
        assert_eq!(step(&driver), named(5, "confirm"));
        let effects = driver.keys("main<Enter>");
        let request = Driver::request(&effects);
        let job = at_work(&mut driver, down(), &effects, JobKind::Recover);
        assert_eq!(step(&driver), named(6, "recover"));
        let state = Box::new(stands(RecoveryPhase::Paused));
        tell(&mut driver, Event::RecoveryStands { request, state });
        tell(&mut driver, Event::JobEnded { job, outcome: Ok("paused".to_owned()) });
        driver.publish(vec![with_recovery(RecoveryPhase::Paused)], Vec::new());
        assert_eq!(step(&driver), named(7, "look"));
        driver.keys("p");
        assert_eq!(step(&driver), named(8, "promote"));
        let effects = driver.keys("y");
        let paused = with_recovery(RecoveryPhase::Paused);
        at_work(&mut driver, paused, &effects, JobKind::Recover);
        assert_eq!(step(&driver), named(8, "promote"));
    }
}

#[test]
fn going_further_and_rehearsing_have_steps_of_their_own() {
    let mut driver = Driver::new(vec![with_recovery(RecoveryPhase::Paused)]);
    let request = Driver::request(&driver.keys("8Rf"));
    map(&mut driver, request);
    assert_eq!(step(&driver), "1 where to");
    driver.keys("N<Enter>");
    assert_eq!(step(&driver), "2 confirm");
    let effects = driver.keys("y");
    at_work(&mut driver, with_recovery(RecoveryPhase::Paused), &effects, JobKind::Recover);
    assert_eq!(step(&driver), "3 replay on");
    let mut driver = Driver::busy();
    driver.keys("8T");
    assert_eq!(step(&driver), "3 confirm");
    driver.keys("<Esc>");
    assert!(step(&driver).starts_with("none in"), "{}", step(&driver));
    let request = Driver::request(&driver.keys("M"));
    map(&mut driver, request);
    assert!(step(&driver).starts_with("none in"), "a look at the map is no recovery");
}
