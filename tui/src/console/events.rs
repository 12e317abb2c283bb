//! What the engine answers, and what that leads to.

use pgdeck_engine::api::{
    ArchiveReport, Command, Error, Event, InstanceId, JobId, OperationRecord, RehearsalRecord,
    RequestId, SetupThen, Severity, SignalKind, SignalResult, VerifyReport,
};

use super::actions::{Action, CHECK_SECONDS};
use super::ask_backups;
use super::ask_mistakes;
use super::ask_recovery;
use super::dialogs::Dialog;
use super::dialogs::job::JobView;
use super::dialogs::recovery::words;
use super::dialogs::text_view::TextView;
use super::state::{Cmd, Pending, State};
use super::steps::Stage;
use super::update::one_line;
use super::zone::Zone;
use crate::text::{self, plural};

/// Takes an answer; what is to be done about it.
pub(super) fn take(state: &mut State, event: Event) -> Vec<Cmd> {
    match event {
        Event::Accepted { request, job } => accepted(state, request, job),
        Event::Refused { request, error } => refused(state, request, &error),
        Event::Done { request, text } => done(state, request, &text),
        Event::Signalled { request, kind, results } => {
            state.pending.remove(&request);
            let (severity, text) = signalled(kind, &results);
            state.say(severity, text);
        }
        Event::QueryText { request, target, text } => {
            state.pending.remove(&request);
            for dialog in &mut state.dialogs {
                if let Dialog::Text(view) = dialog {
                    view.complete(&target, &text);
                }
            }
        }
        Event::Operations { request, records } => {
            state.pending.remove(&request);
            state.dialogs.push(Dialog::Text(operations(&records, state.zone)));
        }
        Event::ArchiveChecked { request, report } => {
            state.pending.remove(&request);
            state.dialogs.push(Dialog::Text(archive_report(&report)));
        }
        Event::SetupPlanned { request, plan } => {
            if let Some(Pending::SetupPlan(asked)) = state.pending.remove(&request) {
                return ask_backups::confirm_setup(state, asked, &plan);
            }
        }
        // The pane reads the catalog of the snapshot.
        Event::Backups { request, .. } => drop(state.pending.remove(&request)),
        Event::BackedUp { warnings, .. } => {
            for warning in warnings {
                state.say(Severity::Warning, warning);
            }
        }
        Event::Verified { report, .. } => {
            if report.damages.len() + report.warnings.len() > 0 {
                state.dialogs.push(Dialog::Text(verify_report(&report)));
            }
        }
        Event::RecoveryMapped { request, map } => {
            state.pending.remove(&request);
            return ask_recovery::mapped(state, request, &map);
        }
        Event::MistakesFound { request, mistakes } => {
            state.pending.remove(&request);
            ask_recovery::found(state, request, &mistakes);
        }
        Event::RecoveryPlanned { request, plan } => {
            state.pending.remove(&request);
            ask_recovery::planned(state, request, &plan);
        }
        Event::RecoveryStands { request, state: stands } => {
            if let Some(Pending::RecoveryJob(instance)) = state.pending.remove(&request) {
                return ask_recovery::told(state, instance, *stands);
            }
        }
        Event::Rehearsed { request, record } => {
            state.pending.remove(&request);
            rehearsed(state, &record);
        }
        Event::JobEnded { job, outcome } => return job_ended(state, &job, outcome),
    }
    Vec::new()
}

fn accepted(state: &mut State, request: RequestId, job: JobId) {
    let mut stage = None;
    match state.pending.remove(&request) {
        Some(Pending::Action(Action::Setup { then, .. })) => {
            state.setups.insert(job.clone(), then);
        }
        Some(Pending::Action(
            action @ (Action::Recover { .. }
            | Action::StepRecovery { .. }
            | Action::Rehearse { .. }),
        )) => {
            ask_recovery::begun(state, &action, &job);
            state.pending.insert(request, Pending::RecoveryJob(job.instance.clone()));
            stage = Stage::of_job(&action);
        }
        Some(Pending::Recovery) if ask_mistakes::begun(state, request, &job) => return,
        _ => {}
    }
    state.dialogs.push(Dialog::Job(JobView::new(job).at(stage)));
}

fn refused(state: &mut State, request: RequestId, error: &Error) {
    let pending = state.pending.remove(&request);
    if ask_recovery::refused(state, request, error) {
        return;
    }
    let plan = state.dialogs.iter_mut().find_map(|dialog| match dialog {
        Dialog::Plan(plan) if plan.awaits(request) => Some(plan),
        _ => None,
    });
    match plan {
        Some(plan) => plan.refuse(error),
        None => state.say(Severity::Error, format!("{}{}", title(pending), one_line(error))),
    }
}

fn done(state: &mut State, request: RequestId, text: &str) {
    let pending = state.pending.remove(&request);
    if pending == Some(Pending::BackupPlan) {
        for dialog in &mut state.dialogs {
            if let Dialog::Plan(plan) = dialog {
                plan.complete(request, text);
            }
        }
        return;
    }
    state.say(Severity::Info, format!("{}{text}", title(pending)));
}

/// After a set-up comes the proof, or what the operator has to do before it.
fn job_ended(state: &mut State, job: &JobId, outcome: Result<String, Error>) -> Vec<Cmd> {
    let is_it = |dialog: &Dialog| matches!(dialog, Dialog::Job(view) if view.id() == job);
    let is_shown = state.dialogs.iter().any(is_it);
    let setup = state.setups.remove(job);
    if ask_mistakes::ended(state, job, outcome.as_deref()) {
        return Vec::new();
    }
    match (outcome, setup) {
        (Ok(text), Some(then)) => return set_up(state, &job.instance, &text, then),
        (Ok(text), None) => {
            state.say(Severity::Info, text);
            return ask_recovery::ended(state, job);
        }
        (Err(error), _) if is_shown => state.say(Severity::Error, error.fact),
        (Err(error), _) => state.say(Severity::Error, one_line(&error)),
    }
    Vec::new()
}

fn set_up(state: &mut State, instance: &InstanceId, text: &str, then: SetupThen) -> Vec<Cmd> {
    let next = match then {
        SetupThen::Nothing | SetupThen::Reload => "a WAL segment is being sent through",
        SetupThen::Restart => "next: restart it (1, then E), then c here proves the archive",
        SetupThen::Start => "next: start it (1, then s), then c here proves the archive",
    };
    state.say(Severity::Info, format!("{text}; {next}"));
    let instance = instance.clone();
    match then {
        SetupThen::Nothing | SetupThen::Reload => {
            let action = Action::CheckArchive { instance: instance.clone() };
            let command = Command::CheckArchive { instance, limit_seconds: CHECK_SECONDS };
            vec![state.request(command, Pending::Action(action))]
        }
        SetupThen::Restart | SetupThen::Start => {
            vec![state.request(Command::Recheck { instance }, Pending::Silent)]
        }
    }
}

fn title(pending: Option<Pending>) -> String {
    match pending {
        Some(Pending::Action(action)) => format!("{}: ", action.title()),
        Some(Pending::SetupPlan(_)) => "Set up the WAL archive: ".to_owned(),
        Some(Pending::Recovery) => "Recovery: ".to_owned(),
        _ => String::new(),
    }
}

fn signalled(kind: SignalKind, results: &[SignalResult]) -> (Severity, String) {
    let sent = results.iter().filter(|result| result.outcome.is_ok()).count();
    let first = results.iter().find_map(|result| result.outcome.as_ref().err());
    match first {
        None => (Severity::Info, format!("{}: sent to {}", kind.word(), plural(sent, "session"))),
        Some(error) => (
            Severity::Warning,
            format!(
                "{}: sent to {sent} of {} sessions; {}",
                kind.word(),
                results.len(),
                one_line(error)
            ),
        ),
    }
}

fn archive_report(report: &ArchiveReport) -> TextView {
    let verdict = match report.worst() {
        Severity::Info => "sound",
        Severity::Warning => "it works, with warnings",
        Severity::Error => "it does not work",
    };
    let mut head = vec![("archive".to_owned(), verdict.to_owned())];
    if let Some(segment) = &report.segment {
        let seconds = report.seconds.map(|seconds| format!(", arrived after {seconds:.1} s"));
        let arrived = seconds.unwrap_or_else(|| ", did not arrive".to_owned());
        head.push(("segment".to_owned(), format!("{segment}{arrived}")));
    }
    let mut body = String::new();
    for finding in &report.findings {
        body.push_str(&format!("{}: {}\n", finding.severity.word(), finding.text));
        if !finding.hint.is_empty() {
            body.push_str(&format!("  {}\n", finding.hint));
        }
    }
    TextView::new("WAL archive", head, body)
}

fn verify_report(report: &VerifyReport) -> TextView {
    let head = vec![
        ("destination".to_owned(), report.destination.display().to_string()),
        (
            "looked at".to_owned(),
            format!(
                "{} backups, {} files, {}",
                report.backups,
                report.files,
                text::bytes(report.stored_bytes)
            ),
        ),
    ];
    let mut body = String::new();
    for damage in &report.damages {
        body.push_str(&format!("damaged: {damage}\n"));
    }
    for warning in &report.warnings {
        body.push_str(&format!("warning: {warning}\n"));
    }
    TextView::new("Verification", head, body)
}

/// Shows what came of a rehearsal in place of its job: it says all that the job's view would.
fn rehearsed(state: &mut State, record: &RehearsalRecord) {
    let rehearses = |view: &JobView| view.stage() == Some(Stage::Rehearse);
    state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Job(view) if rehearses(view)));
    state.dialogs.push(Dialog::Text(rehearsal(record, state.zone)));
}

fn rehearsal(record: &RehearsalRecord, zone: Zone) -> TextView {
    let mut head = vec![
        ("recovery".to_owned(), if record.ok { "works" } else { "FAILED" }.to_owned()),
        ("rehearsed".to_owned(), zone.full(record.at)),
        ("backup".to_owned(), record.backup.clone()),
        ("target".to_owned(), record.target.clone()),
        ("restore".to_owned(), amount(record.restore_seconds, record.restore_bytes)),
        ("replay".to_owned(), amount(record.replay_seconds, record.replay_bytes)),
    ];
    if let Some(reached) = record.reached {
        let at = record.last_commit_at.map(|at| format!(", last commit {}", zone.date_time(at)));
        head.push(("reached".to_owned(), format!("{reached}{}", at.unwrap_or_default())));
    }
    let error = record.error.iter().map(|error| format!("FAILED: {error}"));
    let body: Vec<String> = error.chain(record.checks.iter().cloned()).collect();
    TextView::new("Rehearsal", head, body.join("\n"))
}

fn amount(seconds: f64, bytes: u64) -> String {
    format!("{} for {}", words::duration(seconds), text::bytes(bytes))
}

fn operations(records: &[OperationRecord], zone: Zone) -> TextView {
    let mut body = String::new();
    for record in records {
        let at = zone.date_time(record.at);
        let result = match (&record.result, record.ok) {
            (Some(result), Some(true)) => format!("ok: {result}"),
            (Some(result), _) => format!("FAILED: {result}"),
            (None, _) => "result not known".to_owned(),
        };
        body.push_str(&format!(
            "{at}  {}  {}\n    {}\n    {}\n",
            record.who,
            record.action,
            record.command,
            result.replace('\n', "\n    ")
        ));
    }
    if body.is_empty() {
        body.push_str("Nothing has been done to this instance with pgdeck yet.");
    }
    TextView::new("Operations log", Vec::new(), body)
}
