//! What a dialog's outcome leads to.

use pgdeck_engine::api::{Command, RecoveryPhase, RecoveryStep, Severity};

use super::actions::Action;
use super::ask;
use super::ask_backups;
use super::ask_recovery;
use super::commands;
use super::dialogs::input::Purpose;
use super::dialogs::job::JobView;
use super::dialogs::pick::QuitChoice;
use super::dialogs::{Dialog, Outcome};
use super::dispatch;
use super::needs;
use super::state::{Cmd, Pending, State};

/// Minutes of the idle rule, at most: a week.
const IDLE_MINUTES_MAX: u32 = 7 * 24 * 60;

/// Carries out what a key in the topmost dialog led to. The dialog was taken off the stack.
pub fn carry_out(state: &mut State, dialog: Dialog, outcome: Outcome) -> Vec<Cmd> {
    match outcome {
        Outcome::Stay => {
            state.dialogs.push(dialog);
            Vec::new()
        }
        Outcome::Close => Vec::new(),
        // The plan stays below: Esc comes back to it.
        Outcome::Do(action @ Action::Recover { .. }) if matches!(dialog, Dialog::Plan(_)) => {
            state.dialogs.push(dialog);
            ask_recovery::confirm_recovery(state, action)
        }
        Outcome::Do(action) => act(state, action),
        Outcome::Recovery(ask) => {
            state.dialogs.push(dialog);
            ask_recovery::carry_out(state, ask)
        }
        Outcome::StopFirst => {
            state.dialogs.push(dialog);
            ask_recovery::stop_first(state)
        }
        Outcome::Stand(choice, instance) => {
            state.dialogs.push(dialog);
            ask_recovery::choose(state, choice, &instance)
        }
        Outcome::Run(command) => {
            let spec = commands::spec(command);
            // A command of another pane takes one there.
            if let (commands::Scope::Panes(panes), false) =
                (spec.scope, spec.applies_to(state.pane))
                && let Some(pane) = panes.first()
            {
                state.pane = *pane;
                state.settle();
            }
            dispatch::checked(state, command)
        }
        Outcome::RunOn(command, subject) => {
            let selected = state.panes.get(state.pane).list().selected_name();
            if selected == Some(subject) {
                return dispatch::checked(state, command);
            }
            state.say(Severity::Warning, "it is gone; nothing was done");
            Vec::new()
        }
        Outcome::StopMode(mode, purpose) => ask::confirm_stop(state, mode, &purpose),
        Outcome::Escalate(job, mode) => {
            state.dialogs.push(dialog);
            ask::confirm_escalation(state, job, mode)
        }
        Outcome::CancelJob(job) => {
            state.dialogs.push(dialog);
            ask::confirm_cancel_job(state, job)
        }
        Outcome::Line(purpose, text) => line(state, purpose, &text, Completeness::Whole),
        Outcome::Changed(purpose, text) => {
            state.dialogs.push(dialog);
            line(state, purpose, &text, Completeness::Partial)
        }
        Outcome::Instance(id) => {
            state.choose(id);
            Vec::new()
        }
        Outcome::Job(id) => {
            state.dialogs.push(Dialog::Job(JobView::new(id)));
            Vec::new()
        }
        Outcome::Quit(choice) => quit(state, choice),
        Outcome::Copy(text) => {
            state.dialogs.push(dialog);
            dispatch::copied(state, text)
        }
    }
}

/// Gives the engine a confirmed action, if it may still be done.
fn act(state: &mut State, action: Action) -> Vec<Cmd> {
    if state.read_only {
        state.say(Severity::Error, "pgdeck is read-only");
        return Vec::new();
    }
    if let Some(reason) = changed(state, &action) {
        state.say(Severity::Warning, format!("{}: {reason}; nothing was done", action.title()));
        return Vec::new();
    }
    let command = action.command();
    vec![state.request(command, Pending::Action(action))]
}

/// Looks again right before acting: what was confirmed may have changed while it was read.
fn changed(state: &State, action: &Action) -> Option<String> {
    let command = match action {
        Action::Start { .. } => commands::CommandId::StartInstance,
        Action::Stop { .. } => commands::CommandId::StopInstance,
        Action::Restart { .. } => commands::CommandId::RestartInstance,
        Action::Resolve { instance, target, .. } => {
            let snapshot = state.fleet.get(instance)?;
            let known = snapshot.prepared.get().into_iter().flatten();
            let is_there = known.into_iter().any(|one| one.target() == *target);
            return (!is_there).then(|| format!("\"{}\" is no longer prepared", target.gid));
        }
        Action::DeleteBackup { instance, label, .. } => {
            let snapshot = state.fleet.get(instance)?;
            let known = snapshot.protection.get()?.backups.iter();
            let is_there = known.into_iter().any(|one| one.label == *label);
            return (!is_there).then(|| format!("backup {label} is gone"));
        }
        Action::Recover { instance, request, .. } => {
            let runs = state.fleet.get(instance)?.status.state.has_process();
            if runs && request.to.is_none() {
                return Some("the instance runs".to_owned());
            }
            commands::CommandId::Recover
        }
        Action::StepRecovery { instance, step, .. } => {
            let phase = state.fleet.get(instance)?.recovery.get().map(|it| it.phase);
            let needs_pause = matches!(step, RecoveryStep::Promote | RecoveryStep::GoFurther(..));
            // Before the next look at the files nothing is known, and the engine looks again.
            if needs_pause && phase.is_some_and(|phase| phase > RecoveryPhase::Paused) {
                return Some("the recovery is not paused any more".to_owned());
            }
            commands::CommandId::Recover
        }
        Action::Rehearse { .. } => commands::CommandId::Rehearse,
        Action::Backup { .. } => commands::CommandId::BackupNow,
        Action::Verify { .. } => commands::CommandId::VerifyBackups,
        Action::CheckArchive { .. } => commands::CommandId::CheckArchive,
        // The engine compares pid and start time in the statement itself.
        _ => return None,
    };
    needs::reason(commands::spec(command), state)
}

/// Whether a line of input is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Completeness {
    Whole,
    Partial,
}

fn line(state: &mut State, purpose: Purpose, text: &str, completeness: Completeness) -> Vec<Cmd> {
    match (purpose, completeness) {
        (Purpose::Filter, _) => state.panes.get_mut(state.pane).list_mut().set_filter(text),
        (Purpose::RestorePoint, Completeness::Whole) => {
            return ask_backups::confirm_restore_point(state, text);
        }
        (Purpose::Destination, Completeness::Whole) => {
            return ask_backups::plan_setup(state, text);
        }
        (_, Completeness::Partial) => {}
        (Purpose::IdleMinutes, Completeness::Whole) => match text.trim().parse::<u32>() {
            Ok(minutes) if minutes <= IDLE_MINUTES_MAX => {
                state.panes.connections.set_idle_minutes(minutes);
            }
            _ => state.say(
                Severity::Error,
                format!("\"{text}\" is not a number of minutes from 0 to {IDLE_MINUTES_MAX}"),
            ),
        },
    }
    Vec::new()
}

fn quit(state: &mut State, choice: QuitChoice) -> Vec<Cmd> {
    match choice {
        QuitChoice::Stay => Vec::new(),
        QuitChoice::Background => vec![Cmd::Background],
        QuitChoice::Cancel => {
            state.quits_after_jobs = true;
            let jobs = state.own_running_jobs();
            jobs.into_iter()
                .map(|job| state.request(Command::CancelJob { job }, Pending::Silent))
                .collect()
        }
    }
}
