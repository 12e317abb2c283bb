//! Conditions of the instance as such: its state, its files, its journal.

use super::{Context, Draft};
use crate::api::{
    ErrorCode, InstanceProblem, InstanceState, Locality, Message, MessageCode, Remedy, Severity,
};

/// The state, where it is not `started`.
pub(super) fn state(context: &Context<'_>, messages: &mut Vec<Message>) {
    let status = &context.snapshot.status;
    let detail = status.detail.as_str();
    let draft = |code, severity, text: &str| Draft::new(code, severity, text);
    let message = match status.state {
        InstanceState::Crashed => {
            draft(MessageCode::InstanceCrashed, Severity::Error, "the instance ended without shutting down")
                .solved_by(
                    detail,
                    "Start the instance: it recovers by itself from its WAL. Read the log first if this was not expected. If it does not start, recover it from a backup: R in the Backups pane.",
                    Remedy::StartInstance,
                )
        }
        InstanceState::Stopped => {
            draft(MessageCode::InstanceStopped, Severity::Error, "the instance is stopped").solved_by(
                detail,
                "Start the instance.",
                Remedy::StartInstance,
            )
        }
        InstanceState::Suspended => {
            let pid = status.pid.unwrap_or_default();
            draft(MessageCode::InstanceSuspended, Severity::Error, "the server process is stopped by a signal")
                .solved_by(
                    detail,
                    format!("Let it run on: kill -CONT {pid}, then recheck the status."),
                    Remedy::Recheck,
                )
        }
        InstanceState::Zombie => draft(
            MessageCode::InstanceZombie,
            Severity::Error,
            "the server process has ended and is not collected yet",
        )
        .solved_by(
            detail,
            "Wait a few seconds and recheck the status; if it stays, end its parent process.",
            Remedy::Recheck,
        ),
        InstanceState::DataDirectoryMissing => draft(
            MessageCode::DataDirectoryMissing,
            Severity::Error,
            "the data storage destination is missing",
        )
        .solved_by(
            detail,
            "Mount the disk or correct the path, then recheck the status. If the disk is lost, recover the instance from its backups: pgdeck recover, or o here.",
            Remedy::Recover,
        ),
        InstanceState::NotACluster => draft(
            MessageCode::NotACluster,
            Severity::Error,
            "the data storage destination holds no database cluster",
        )
        .solved_by(
            detail,
            "Check whether its disk is mounted; if the data is lost, recover the instance from its backups: pgdeck recover, or o here.",
            Remedy::Recover,
        ),
        InstanceState::AccessDenied => draft(
            MessageCode::AccessDenied,
            Severity::Error,
            "the data storage destination cannot be read",
        )
        .solved_by(detail, "Run pgdeck as the owner of the data directory or as root.", Remedy::Elsewhere),
        InstanceState::Unreachable => return unreachable(context, Severity::Error, messages),
        _ => return refused_while_running(context, messages),
    };
    messages.push(message);
}

fn refused_while_running(context: &Context<'_>, messages: &mut Vec<Message>) {
    let status = &context.snapshot.status;
    if status.state == InstanceState::Started && status.connect_error.is_some() {
        unreachable(context, Severity::Error, messages);
    }
}

fn unreachable(context: &Context<'_>, severity: Severity, messages: &mut Vec<Message>) {
    let Some(error) = &context.snapshot.status.connect_error else { return };
    let remedy = match error.code {
        ErrorCode::NoConnectionSlots | ErrorCode::ConnectionLost => Remedy::Recheck,
        _ if context.snapshot.identity.locality == Locality::Local => Remedy::ShowLogs,
        _ => Remedy::Recheck,
    };
    let draft = Draft::new(MessageCode::InstanceUnreachable, severity, error.fact.clone());
    messages.push(draft.solved_by(error.detail.clone(), error.hint.clone(), remedy));
}

/// What is wrong beside the state.
pub(super) fn problems(context: &Context<'_>, messages: &mut Vec<Message>) {
    for problem in &context.snapshot.status.problems {
        messages.push(problem_message(problem));
    }
}

fn problem_message(problem: &InstanceProblem) -> Message {
    match problem {
        InstanceProblem::StalePidFile { pid } => {
            Draft::new(MessageCode::StalePidFile, Severity::Warning, "postmaster.pid is left over")
                .solved_by(
                    format!("it names process {pid}, which is not this server"),
                    "Start the instance: the server replaces the file by itself. Do not delete it while any server process lives.",
                    Remedy::StartInstance,
                )
        }
        InstanceProblem::WrongOwner { owner } => Draft::new(
            MessageCode::DataDirectoryOwner,
            Severity::Error,
            "the data directory has the wrong owner",
        )
        .solved_by(
            format!("it belongs to {owner}"),
            "Give it back to the server's user: chown -R USER DIRECTORY. PostgreSQL runs neither as root nor for a directory of somebody else.",
            Remedy::Elsewhere,
        ),
        InstanceProblem::WrongMode { mode } => Draft::new(
            MessageCode::DataDirectoryOwner,
            Severity::Error,
            "the data directory is open to others",
        )
        .solved_by(
            format!("its mode is {mode:04o}; the server starts only with 0700 or 0750"),
            "chmod 0700 the data directory.",
            Remedy::Elsewhere,
        ),
        InstanceProblem::NoBinaries { major } => Draft::new(
            MessageCode::BinariesMissing,
            Severity::Error,
            format!("no server programs of PostgreSQL {major} were found"),
        )
        .solved_by(
            format!("the cluster was made by major version {major}"),
            format!("Install PostgreSQL {major}, or name its directory with --bin-dir or bin_directory in pgdeck.toml."),
            Remedy::Elsewhere,
        ),
        InstanceProblem::ControlFile { reason } => Draft::new(
            MessageCode::ControlFileDamaged,
            Severity::Error,
            "the control file cannot be trusted",
        )
        .solved_by(
            reason.clone(),
            "Do not start the instance; recover it from a backup. Keep the directory: its pg_wal may hold the newest changes.",
            Remedy::Recover,
        ),
        InstanceProblem::UnsupportedVersion { version } => Draft::new(
            MessageCode::VersionUnsupported,
            Severity::Warning,
            format!("PostgreSQL {version} is not a version pgdeck knows"),
        )
        .solved_by("pgdeck works with 13 to 18", "Use it with care, or not at all.", Remedy::Elsewhere),
    }
}

/// What hinders history, and jobs left behind.
pub(super) fn journal(context: &Context<'_>, messages: &mut Vec<Message>) {
    if let Some(error) = context.journal_error {
        let draft = Draft::new(MessageCode::JournalFailed, Severity::Warning, error.fact.clone());
        messages.push(draft.solved_by(error.detail.clone(), error.hint.clone(), Remedy::Elsewhere));
    }
    for job in context.interrupted_jobs {
        let draft = Draft::new(
            MessageCode::JobInterrupted,
            Severity::Warning,
            format!("a job was interrupted: {job}"),
        );
        messages.push(draft.about(job.clone()).solved_by(
            "the pgdeck process that ran it was killed",
            "Look at the state of the instance above, then do it again if it is still wanted; start, stop and restart may be repeated safely.",
            Remedy::Recheck,
        ));
    }
}
