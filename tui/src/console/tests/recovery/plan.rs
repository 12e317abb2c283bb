//! The plan and the typed yes: what they show, and what is never done before them.

use std::sync::Arc;

use pgdeck_engine::api::*;

use super::*;
use crate::console::tests::SMALL;
use crate::console::tests::screens::golden;

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

/// The plan of an instance that runs.
fn of_running() -> RecoveryPlan {
    let segment = "0000000300000000000000A9".to_owned();
    let run =
        WalRun { source: WalSource::OldWal, last: segment.clone(), first: segment, segments: 1 };
    let running = StillRunning {
        detail: "process 4711".to_owned(),
        unarchived: Some(vec![run]),
        wal_end: Some(map_sample::lsn(169)),
    };
    RecoveryPlan { running: Some(running), ..plan() }
}

/// The way from the plan of a running instance to its end, by `s`.
fn stop(driver: &mut Driver) {
    assert_eq!(driver.keys("y"), [], "not while it runs");
    driver.keys("s");
    assert!(driver.screen().contains("Stop main: how?"), "{}", driver.screen());
    driver.keys("<Enter>");
    let effects = driver.keys("y");
    assert!(matches!(&Driver::mutations(&effects)[..], [Command::Stop { .. }]));
    let request = Driver::request(&effects);
    let job = JobId { instance: sample::id("main"), number: 5 };
    tell(driver, Event::Accepted { request, job: job.clone() });
    let outcome = Ok("stopped".to_owned());
    assert_eq!(tell(driver, Event::JobEnded { job, outcome }), [], "it is not seen to be down");
    assert!(driver.screen().contains("s stops it first"), "{}", driver.screen());
}

/// The instance is seen to be down: the plan is asked for again.
fn planned_again(driver: &mut Driver) -> RequestId {
    let effects = driver.publish(vec![down()], Vec::new());
    let [Cmd::DrainInput, Cmd::Send(request, Command::PlanRecovery { request: again, .. }), ..] =
        &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(again.bound, TargetBound::Exclusive);
    *request
}

#[test]
fn the_plan_of_a_running_instance_is_shown_and_made_again_when_it_is_stopped() {
    let mut driver = at_mistakes(sample::busy("main"), SMALL);
    let request = Driver::request(&driver.keys("<Enter><Enter><Enter>"));
    let plan_of_running = Arc::new(of_running());
    tell(&mut driver, Event::RecoveryPlanned { request, plan: plan_of_running });
    golden("recovery-running-80x24", &driver);
    let screen = driver.screen();
    assert!(screen.contains("RUNS         process 4711"), "{screen}");
    assert!(screen.contains("The instance runs: s stops it first"), "{screen}");
    stop(&mut driver);
    let request = planned_again(&mut driver);
    tell(&mut driver, Event::RecoveryPlanned { request, plan: Arc::new(plan()) });
    assert!(!driver.screen().contains("RUNS"), "{}", driver.screen());
    driver.keys("y");
    assert!(driver.screen().contains("Type the instance's name"), "{}", driver.screen());
    // It was started behind our back: nothing is done.
    driver.publish(vec![sample::busy("main")], Vec::new());
    assert_eq!(Driver::mutations(&driver.keys("main<Enter>")), []);
    assert!(driver.notice().contains("the instance runs; nothing was done"), "{}", driver.notice());
}

#[test]
fn what_is_refused_while_it_runs_is_asked_again_when_it_is_stopped() {
    let mut driver = at_mistakes(sample::busy("main"), SMALL);
    let request = Driver::request(&driver.keys("<Enter><Enter><Enter>"));
    let error = Error::new(ErrorCode::TargetUnreachable, "nothing proves it").hint("Look.");
    tell(&mut driver, Event::Refused { request, error });
    let screen = driver.screen();
    assert!(screen.contains("It cannot be done: nothing proves it"), "{screen}");
    assert!(screen.contains("This is so while the instance runs"), "{screen}");
    stop(&mut driver);
    let request = planned_again(&mut driver);
    tell(&mut driver, Event::RecoveryPlanned { request, plan: Arc::new(plan()) });
    driver.keys("y");
    assert!(driver.screen().contains("Type the instance's name"), "{}", driver.screen());
}

#[test]
fn a_server_of_a_removed_directory_has_to_end() {
    let mut driver = at_plan(down(), SMALL);
    driver.keys("<Esc>");
    let request = Driver::request(&driver.keys("<Enter>"));
    let plan = Arc::new(of_running());
    tell(&mut driver, Event::RecoveryPlanned { request, plan });
    assert!(driver.screen().contains("End that server"), "{}", driver.screen());
    assert_eq!(driver.keys("ys"), []);
    assert_eq!(driver.publish(vec![down()], Vec::new()), [], "it is not asked on and on");
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
