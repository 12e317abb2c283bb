//! From facts to the state of an instance. Pure.

use super::facts::{ControlFact, DirectoryFact, Facts, PidFileFact, ProcessFact};
use crate::api::{InstanceProblem, InstanceState, InstanceStatus, ServerVersion};
use crate::pg::control_file::DbState;
use crate::pg::postmaster_pid::{PostmasterPid, PostmasterStatus};

/// Modes `initdb` makes and the server accepts (`checkDataDir()` in `miscinit.c`).
const MODES: [u32; 2] = [0o700, 0o750];

/// Tells the state.
#[must_use]
pub fn classify(facts: &Facts) -> InstanceStatus {
    if let Some(early) = without_directory(&facts.directory) {
        return early;
    }
    let Some(version) = facts.version.as_deref().filter(|_| facts.control != ControlFact::Absent)
    else {
        let mut status = InstanceStatus::bare(InstanceState::NotACluster);
        status.detail = match facts.control {
            ControlFact::Absent => "global/pg_control is missing".to_owned(),
            _ => "PG_VERSION is missing".to_owned(),
        };
        return status;
    };
    let (state, detail) = running_state(facts).unwrap_or_else(|| down_state(facts));
    let pid_file = pid_file(facts);
    let has_process = state.has_process();
    InstanceStatus {
        state,
        detail,
        pid: pid_file.filter(|_| has_process).map(|file| file.pid),
        port: pid_file.and_then(|file| file.port),
        socket_directory: pid_file.and_then(|file| file.socket_directory.clone()),
        owner: match &facts.directory {
            DirectoryFact::Present { owner, .. } => Some(owner.clone()),
            _ => None,
        },
        major: version.parse().ok(),
        bin_directory: facts.bin_directory.clone(),
        control: match &facts.control {
            ControlFact::Read(control) => Some(control.summary()),
            _ => None,
        },
        problems: problems(facts, version, has_process),
        connect_error: None,
        start_command: None,
    }
}

fn without_directory(directory: &DirectoryFact) -> Option<InstanceStatus> {
    let (state, detail) = match directory {
        DirectoryFact::Present { .. } => return None,
        DirectoryFact::Missing => {
            (InstanceState::DataDirectoryMissing, "the directory does not exist".to_owned())
        }
        DirectoryFact::NotADirectory => {
            (InstanceState::NotACluster, "the path is not a directory".to_owned())
        }
        DirectoryFact::Denied => {
            (InstanceState::AccessDenied, "permission denied for this user".to_owned())
        }
        DirectoryFact::Failed(reason) => (InstanceState::AccessDenied, reason.clone()),
    };
    Some(InstanceStatus { detail, ..InstanceStatus::bare(state) })
}

fn pid_file(facts: &Facts) -> Option<&PostmasterPid> {
    match &facts.pid_file {
        PidFileFact::Present(content) => Some(content),
        _ => None,
    }
}

fn running_state(facts: &Facts) -> Option<(InstanceState, String)> {
    let file = pid_file(facts)?;
    let pid = file.pid;
    let found = match facts.process {
        ProcessFact::None | ProcessFact::Gone | ProcessFact::Other => return None,
        ProcessFact::Zombie => {
            (InstanceState::Zombie, format!("process {pid} has ended and waits for its parent"))
        }
        ProcessFact::Suspended => {
            (InstanceState::Suspended, format!("process {pid} is stopped by a signal"))
        }
        ProcessFact::Alive if file.is_single_user => {
            (InstanceState::Starting, format!("process {pid} runs in single-user mode"))
        }
        ProcessFact::Alive => alive_state(facts, file),
    };
    Some(found)
}

fn alive_state(facts: &Facts, file: &PostmasterPid) -> (InstanceState, String) {
    let pid = file.pid;
    let recovering = match &facts.control {
        ControlFact::Read(control) => match control.state {
            DbState::InCrashRecovery => Some("it replays its own WAL after a crash"),
            DbState::InArchiveRecovery => Some("it replays WAL towards its target"),
            _ => None,
        },
        _ => None,
    };
    match file.status {
        Some(PostmasterStatus::Ready) => (InstanceState::Started, format!("process {pid}")),
        Some(PostmasterStatus::Stopping) => {
            (InstanceState::Stopping, format!("process {pid} shuts down"))
        }
        Some(PostmasterStatus::Standby) => (
            InstanceState::InRecovery,
            format!("process {pid} is a standby and takes no connections (hot_standby = off)"),
        ),
        Some(PostmasterStatus::Starting) | None => match recovering {
            Some(what) => (InstanceState::InRecovery, format!("process {pid}: {what}")),
            None => (InstanceState::Starting, format!("process {pid} is not ready yet")),
        },
    }
}

fn down_state(facts: &Facts) -> (InstanceState, String) {
    match &facts.control {
        ControlFact::Read(control) if control.is_clean() => (
            InstanceState::Stopped,
            format!("no process; the control file says {}", control.state_word()),
        ),
        // initdb leaves "shut down"; "starting up" is a cluster whose first start was cut off.
        ControlFact::Read(control) => (
            InstanceState::Crashed,
            format!("no process, but the control file says {}", control.state_word()),
        ),
        ControlFact::Unreadable(reason) | ControlFact::Damaged(reason) => {
            (InstanceState::Crashed, format!("no process; the control file: {reason}"))
        }
        ControlFact::Absent => {
            (InstanceState::NotACluster, "global/pg_control is missing".to_owned())
        }
    }
}

fn problems(facts: &Facts, version: &str, has_process: bool) -> Vec<InstanceProblem> {
    let mut problems = Vec::new();
    if let (Some(file), ProcessFact::Gone | ProcessFact::Other) = (pid_file(facts), facts.process) {
        problems.push(InstanceProblem::StalePidFile { pid: file.pid });
    }
    if let DirectoryFact::Present { uid, owner, mode } = &facts.directory {
        let is_foreign = facts.other_uids.iter().any(|other| other != uid);
        if *uid == 0 || is_foreign {
            problems.push(InstanceProblem::WrongOwner { owner: owner.clone() });
        }
        if !MODES.contains(&(mode & 0o777)) {
            problems.push(InstanceProblem::WrongMode { mode: mode & 0o777 });
        }
    }
    if let ControlFact::Unreadable(reason) | ControlFact::Damaged(reason) = &facts.control {
        problems.push(InstanceProblem::ControlFile { reason: reason.clone() });
    }
    let supported = ServerVersion::MAJOR_MIN..=ServerVersion::MAJOR_MAX;
    match version.parse::<u32>() {
        Ok(major) if supported.contains(&major) => {
            if facts.bin_directory.is_none() && !has_process {
                problems.push(InstanceProblem::NoBinaries { major });
            }
        }
        _ => problems.push(InstanceProblem::UnsupportedVersion { version: version.to_owned() }),
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::control_file::{self, ControlFile};

    fn control(state: DbState) -> ControlFact {
        let mut bytes = include_bytes!("../../tests/data/control/18-in-production.bin").to_vec();
        bytes.resize(control_file::CONTROL_FILE_BYTES, 0);
        let decoded = control_file::decode(&bytes).unwrap();
        ControlFact::Read(Box::new(ControlFile { state, ..decoded }))
    }

    fn pid_file(status: Option<PostmasterStatus>) -> PidFileFact {
        PidFileFact::Present(PostmasterPid {
            pid: 77,
            is_single_user: false,
            data_directory: None,
            started_at: None,
            port: Some(5432),
            socket_directory: None,
            listen_address: None,
            shared_memory: None,
            status,
        })
    }

    fn stopped() -> Facts {
        Facts {
            directory: DirectoryFact::Present { uid: 101, owner: "postgres".into(), mode: 0o700 },
            version: Some("18".into()),
            pid_file: PidFileFact::Absent,
            process: ProcessFact::None,
            control: control(DbState::ShutDown),
            bin_directory: Some("/bin".into()),
            other_uids: vec![101],
        }
    }

    fn running(status: Option<PostmasterStatus>, state: DbState) -> Facts {
        Facts {
            pid_file: pid_file(status),
            process: ProcessFact::Alive,
            control: control(state),
            ..stopped()
        }
    }

    fn check(facts: &Facts, state: InstanceState, problems: &[InstanceProblem]) {
        let status = classify(facts);
        assert_eq!((status.state, status.problems.as_slice()), (state, problems), "{facts:?}");
        assert_eq!(status.pid.is_some(), state.has_process());
        assert!(!status.detail.is_empty());
    }

    #[test]
    fn processes_that_live() {
        let production = DbState::InProduction;
        let ready = Some(PostmasterStatus::Ready);
        check(&running(ready, production), InstanceState::Started, &[]);
        let stopping = Some(PostmasterStatus::Stopping);
        check(&running(stopping, production), InstanceState::Stopping, &[]);
        let standby = Some(PostmasterStatus::Standby);
        check(&running(standby, DbState::InArchiveRecovery), InstanceState::InRecovery, &[]);
        for early in [None, Some(PostmasterStatus::Starting)] {
            check(&running(early, DbState::ShutDown), InstanceState::Starting, &[]);
            check(&running(early, DbState::InCrashRecovery), InstanceState::InRecovery, &[]);
            check(&running(early, DbState::InArchiveRecovery), InstanceState::InRecovery, &[]);
        }
        for (process, state) in [
            (ProcessFact::Suspended, InstanceState::Suspended),
            (ProcessFact::Zombie, InstanceState::Zombie),
        ] {
            check(&Facts { process, ..running(ready, production) }, state, &[]);
        }
    }

    #[test]
    fn no_process() {
        check(&stopped(), InstanceState::Stopped, &[]);
        let in_recovery = Facts { control: control(DbState::ShutDownInRecovery), ..stopped() };
        check(&in_recovery, InstanceState::Stopped, &[]);
        for state in [DbState::InProduction, DbState::ShuttingDown, DbState::InCrashRecovery] {
            let crashed = Facts { control: control(state), ..stopped() };
            check(&crashed, InstanceState::Crashed, &[]);
        }
    }

    #[test]
    fn a_pid_file_left_over() {
        let stale = [InstanceProblem::StalePidFile { pid: 77 }];
        let ready = Some(PostmasterStatus::Ready);
        for process in [ProcessFact::Gone, ProcessFact::Other] {
            let killed = Facts { process, ..running(ready, DbState::InProduction) };
            check(&killed, InstanceState::Crashed, &stale);
        }
    }

    #[test]
    fn directories() {
        for (directory, state) in [
            (DirectoryFact::Missing, InstanceState::DataDirectoryMissing),
            (DirectoryFact::NotADirectory, InstanceState::NotACluster),
            (DirectoryFact::Denied, InstanceState::AccessDenied),
            (DirectoryFact::Failed("Input/output error".into()), InstanceState::AccessDenied),
        ] {
            check(&Facts { directory, ..stopped() }, state, &[]);
        }
        let empty = Facts { version: None, control: ControlFact::Absent, ..stopped() };
        check(&empty, InstanceState::NotACluster, &[]);
        let half = Facts { control: ControlFact::Absent, ..stopped() };
        check(&half, InstanceState::NotACluster, &[]);
    }

    #[test]
    fn owners_modes_programs_and_versions() {
        let directory = |uid, mode| DirectoryFact::Present { uid, owner: "bob".into(), mode };
        let of_root = Facts { directory: directory(0, 0o700), other_uids: vec![0], ..stopped() };
        let wrong_owner = [InstanceProblem::WrongOwner { owner: "bob".into() }];
        check(&of_root, InstanceState::Stopped, &wrong_owner);
        let of_bob = Facts { directory: directory(7, 0o700), ..stopped() };
        check(&of_bob, InstanceState::Stopped, &wrong_owner);
        let open = Facts { directory: directory(101, 0o755), ..stopped() };
        check(&open, InstanceState::Stopped, &[InstanceProblem::WrongMode { mode: 0o755 }]);
        let no_programs = Facts { bin_directory: None, ..stopped() };
        let missing = [InstanceProblem::NoBinaries { major: 18 }];
        check(&no_programs, InstanceState::Stopped, &missing);
        let old = Facts { version: Some("12".into()), ..stopped() };
        let version = [InstanceProblem::UnsupportedVersion { version: "12".into() }];
        check(&old, InstanceState::Stopped, &version);
    }

    #[test]
    fn a_damaged_control_file() {
        let damaged = Facts { control: ControlFact::Damaged("bad".into()), ..stopped() };
        let problem = [InstanceProblem::ControlFile { reason: "bad".into() }];
        check(&damaged, InstanceState::Crashed, &problem);
    }
}
