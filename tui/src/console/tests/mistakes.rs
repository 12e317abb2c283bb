//! The search for mistakes as a job that the recovery flow shows.

use std::sync::Arc;

use pgdeck_engine::api::*;

use super::{Driver, SMALL, sample};
use crate::console::dialogs::recovery::sample as map_sample;
use crate::console::state::{Cmd, Msg};
use crate::console::update::update;

fn tell(driver: &mut Driver, event: Event) -> Vec<Cmd> {
    update(&mut driver.state, Msg::Event(event))
}

fn snapshot() -> Snapshot {
    let mut one = sample::stopped("main");
    one.protection.set(super::protected::protection(), sample::now());
    one
}

fn search() -> JobStatus {
    let progress = JobProgress {
        phase: "reading WAL".to_owned(),
        lines: vec!["segment 12 of 80".to_owned()],
        done: Some(12 << 24),
        total: Some(80 << 24),
        ..JobProgress::default()
    };
    let id = JobId { number: 9, ..sample::smart_stop(true).id };
    JobStatus { id, kind: JobKind::FindMistakes, progress, ..sample::smart_stop(true) }
}

/// The search has been begun from the map; its request.
fn at_search() -> (Driver, RequestId) {
    let mut driver = Driver::with(vec![snapshot()], SMALL, false);
    driver.keys("8Rkkkjj");
    let request = Driver::request(&driver.keys("<Enter>"));
    let map = Arc::new(map_sample::map());
    let request = Driver::request(&tell(&mut driver, Event::RecoveryMapped { request, map }));
    tell(&mut driver, Event::Accepted { request, job: search().id });
    driver.publish(vec![snapshot()], vec![search()]);
    (driver, request)
}

#[test]
fn how_far_it_is_stands_in_the_flow() {
    let (mut driver, request) = at_search();
    let screen = driver.screen();
    assert!(screen.contains("reading WAL: segment 12 of 80"), "{screen}");
    assert!(screen.contains("x ends the search"), "{screen}");
    // One at a time.
    assert_eq!(driver.keys("a"), []);
    let mistakes = Arc::new(vec![Mistake {
        kind: MistakeKind::Drop,
        relations: vec!["shop/public.orders".to_owned()],
        rows: 0,
        xid: 771,
        committed_at: None,
        commit_lsn: map_sample::lsn(140),
        timeline: map_sample::timeline(3),
    }]);
    tell(&mut driver, Event::MistakesFound { request, mistakes });
    tell(&mut driver, Event::JobEnded { job: search().id, outcome: Ok("found".to_owned()) });
    let screen = driver.screen();
    assert!(screen.contains("shop/public.orders") && !screen.contains("x ends"), "{screen}");
    assert_eq!(driver.notice(), "");
}

#[test]
fn it_is_ended_without_leaving_the_flow() {
    let (mut driver, _) = at_search();
    let effects = driver.keys("x");
    let [Cmd::Send(_, Command::CancelJob { job })] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(*job, search().id);
    let stopping = JobStatus { cancel_requested: true, ..search() };
    driver.publish(vec![snapshot()], vec![stopping]);
    assert!(driver.screen().contains("The search is ending"), "{}", driver.screen());
    let error = Error::new(ErrorCode::Cancelled, "the search was cancelled");
    tell(&mut driver, Event::JobEnded { job: search().id, outcome: Err(error) });
    assert!(driver.screen().contains("the search was cancelled"), "{}", driver.screen());
    let effects = driver.keys("a");
    assert!(matches!(&effects[..], [Cmd::Send(_, Command::FindMistakes { .. })]), "{effects:?}");
}
