//! What is decided from what is there.

use super::*;
use crate::backup::document::tests::sample;
use crate::backup::document::{ProgressDocument, VerifyDocument};

fn complete(label: &str, parent: Option<&str>) -> CatalogEntry {
    let document = sample(label, parent);
    let label = document.label.clone();
    let state = EntryState::Complete(Box::new(document));
    CatalogEntry { directory: label.directory(Path::new("/b")), label, state, verified: None }
}

fn day(number: usize) -> String {
    format!("2026-07-{number:02}_00-00-00")
}

fn chain_of(length: usize) -> Vec<CatalogEntry> {
    let parent = |at: usize| (at > 1).then(|| day(at - 1));
    (1..=length).map(|at| complete(&day(at), parent(at).as_deref())).collect()
}

fn decide(entries: &[CatalogEntry], change: impl Fn(&mut PlanInput<'_>)) -> Result<Plan> {
    let cluster = sample(&day(1), None).cluster;
    let request = BackupRequest::default();
    let mut input = PlanInput {
        request: &request,
        destination: Path::new("/b"),
        entries,
        cluster: &cluster,
        timeline: 1,
        files: 1000,
        cluster_bytes: 10 << 30,
        changed_bytes: Some(1 << 30),
        free_bytes: 100 << 30,
        processors: 32,
        policy: Policy::Generations(2),
    };
    change(&mut input);
    Plan::decide(&input)
}

#[test]
fn the_type_follows_from_what_is_there() {
    let of = |entries: &[CatalogEntry]| {
        let plan = decide(entries, |_| {}).unwrap();
        (plan.kind, plan.parent.map(|label| label.to_string()))
    };
    assert_eq!(of(&[]), (BackupKind::Full, None));
    assert_eq!(of(&chain_of(1)), (BackupKind::Incremental, Some(day(1))));
    assert_eq!(of(&chain_of(6)), (BackupKind::Incremental, Some(day(6))));
    assert_eq!(of(&chain_of(7)), (BackupKind::Full, None));
    let mut damaged = chain_of(2);
    damaged[1].verified = Some(VerifyDocument {
        format: 1,
        verified_at: damaged[1].label.moment(),
        sound: false,
        findings: Vec::new(),
    });
    assert_eq!(of(&damaged), (BackupKind::Full, None));
}

#[test]
fn what_is_asked_for_is_done_or_refused() {
    let ask = |kind| BackupRequest { kind: Some(kind), ..BackupRequest::default() };
    let full = ask(BackupKind::Full);
    let plan = |entries: &[CatalogEntry], request: &BackupRequest| {
        let cluster = sample(&day(1), None).cluster;
        Plan::decide(&PlanInput {
            request,
            destination: Path::new("/b"),
            entries,
            cluster: &cluster,
            timeline: 1,
            files: 1,
            cluster_bytes: 1,
            changed_bytes: None,
            free_bytes: 1,
            processors: 2,
            policy: Policy::Generations(2),
        })
    };
    assert_eq!(plan(&chain_of(1), &full).unwrap().kind, BackupKind::Full);
    let incremental = ask(BackupKind::Incremental);
    assert_eq!(plan(&chain_of(9), &incremental).unwrap().parent.unwrap().as_str(), day(9));
    assert_eq!(plan(&[], &incremental).unwrap_err().code, ErrorCode::BackupNotFound);
    assert_eq!(plan(&[], &full).unwrap().fits().unwrap_err().code, ErrorCode::BackupNoSpace);
    let bad = BackupRequest { compression: Some("gzip".into()), ..BackupRequest::default() };
    assert_eq!(plan(&[], &bad).unwrap_err().code, ErrorCode::UsageInvalid);
    let bad = BackupRequest { jobs: Some(1000), ..BackupRequest::default() };
    assert_eq!(plan(&[], &bad).unwrap_err().code, ErrorCode::UsageInvalid);
}

#[test]
fn another_timeline_needs_a_full_one() {
    let plan = decide(&chain_of(2), |input| input.timeline = 2).unwrap();
    assert_eq!(plan.kind, BackupKind::Full);
    assert!(plan.why.contains("timeline 1"), "{}", plan.why);
}

#[test]
fn an_interrupted_backup_of_the_same_kind_is_used() {
    let document = sample(&day(3), Some(&day(2)));
    let progress = ProgressDocument {
        format: 1,
        kind: BackupKind::Incremental,
        parent: document.parent.clone(),
        started_at: document.started_at,
        cluster: document.cluster.clone(),
        timeline: 1,
        pid: 1,
        pid_start_ticks: 1,
        host: String::new(),
    };
    let mut entries = chain_of(2);
    entries.push(CatalogEntry {
        label: document.label.clone(),
        directory: PathBuf::new(),
        state: EntryState::Incomplete(Some(Box::new(progress))),
        verified: None,
    });
    let plan = decide(&entries, |_| {}).unwrap();
    assert_eq!(plan.resume, Some(document.label));
    assert_eq!(decide(&entries, |input| input.timeline = 2).unwrap().resume, None);
}

#[test]
fn sizes_are_expected_from_what_was_measured() {
    let plan = decide(&[], |_| {}).unwrap();
    assert!(!plan.is_measured && plan.jobs == 8);
    assert_eq!(plan.stored_bytes, 3_758_096_384);
    let mut entries = chain_of(7);
    if let EntryState::Complete(document) = &mut entries[0].state {
        document.sizes.read_bytes = 4 << 30;
        document.sizes.stored_bytes = 1 << 30;
        document.sizes.copy_ms = 4096;
    }
    let plan = decide(&entries, |_| {}).unwrap();
    assert!(plan.is_measured);
    assert_eq!((plan.stored_bytes, plan.seconds), (10 << 28, 11));
    assert!(plan.fits().is_ok());
    assert_eq!(bytes(10 << 28), "2560 MB");
}
