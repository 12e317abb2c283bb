//! The steps of a recovery. Pure: which step comes next, what exists after it, and what a
//! failure leaves behind.

use crate::api::{Error, Lsn};

/// What has been done so far. Each state carries exactly what is known then.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Nothing.
    Asked,
    /// Nobody else works on the directory.
    Locked,
    /// The place is as planned, and the state file names the plan.
    Begun,
    /// Old WAL that is nowhere else is safe.
    Rescued,
    /// The old data is out of the way; plain `pg_ctl` cannot start what is there.
    Cleared,
    /// Directories and links are there.
    Prepared,
    /// Every file is whole.
    Restored,
    /// Settings and signals are there.
    Configured,
    /// Everything is durable.
    Durable,
    /// The control file is there: the server can be started.
    Startable,
    /// It runs.
    Running,
    /// It waits somewhere, or goes on as a standby.
    Waiting(Reached),
    /// That is where the plan said.
    Proven(Reached),
    /// What was asked to happen at the target has happened.
    Acted(End),
    /// Nothing is left to do.
    Done(End),
    /// It was given up.
    Failed(Error, Left),
}

/// Where a server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Behind the last replayed record.
    pub lsn: Lsn,
    /// How it stands there.
    pub how: Standing,
}

/// How a server stands where replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits, readable only.
    Paused,
    /// It goes on replaying.
    Standby,
    /// It is out of recovery.
    Promoted,
}

/// How a recovery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It waits at its target.
    Paused(Lsn),
    /// It was promoted there.
    Promoted(Lsn),
    /// It was stopped there.
    ShutDown(Lsn),
    /// It goes on as a standby.
    Standby(Lsn),
}

/// What a recovery that was given up leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Everything as it was.
    Untouched,
    /// A state that the next run goes on from, or that can be undone.
    Continuable,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Lock the directory.
    Lock,
    /// Compare the place with the plan, or find where an interrupted recovery is.
    Check,
    /// Copy old WAL that is nowhere else.
    Rescue,
    /// Move the old data aside, remove it, or make it ready to be rewritten.
    Clear,
    /// Make directories and links.
    Prepare,
    /// Restore files.
    Restore,
    /// Write settings and signals.
    Configure,
    /// Make everything durable.
    Settle,
    /// Put the control file in place.
    Arm,
    /// Start the server.
    Start,
    /// Watch it replay.
    Replay,
    /// Compare where it stands with the plan.
    Prove,
    /// Do what was asked for the target.
    Act,
    /// Remove what is no longer needed.
    Finish,
}

/// Where a recovery that was begun before goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or not even the old WAL is safe.
    Begun,
    /// The old WAL is safe.
    Rescued,
    /// The old data is out of the way.
    Cleared,
    /// The server can be started.
    Startable,
    /// It runs.
    Running,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was done, and nothing new is known.
    Done,
    /// The recovery goes on from there.
    Found(Found),
    /// The server stands there.
    Reached(Reached),
    /// It ended so.
    Ended(End),
    /// It could not be done, or was cancelled.
    Failed(Error),
}

impl Step {
    /// What people read while it is done.
    #[must_use]
    pub fn phase(self) -> &'static str {
        match self {
            Self::Lock => "locking the directory",
            Self::Check => "looking again",
            Self::Rescue => "saving old WAL",
            Self::Clear => "moving the old data aside",
            Self::Prepare => "making directories",
            Self::Restore => "restoring",
            Self::Configure => "writing settings",
            Self::Settle => "making it durable",
            Self::Arm => "putting the control file in place",
            Self::Start => "starting the server",
            Self::Replay => "replaying WAL",
            Self::Prove => "comparing with the plan",
            Self::Act => "acting at the target",
            Self::Finish => "tidying up",
        }
    }
}

impl State {
    /// The next step; `None` at the end.
    #[must_use]
    pub fn next(&self) -> Option<Step> {
        Some(match self {
            Self::Asked => Step::Lock,
            Self::Locked => Step::Check,
            Self::Begun => Step::Rescue,
            Self::Rescued => Step::Clear,
            Self::Cleared => Step::Prepare,
            Self::Prepared => Step::Restore,
            Self::Restored => Step::Configure,
            Self::Configured => Step::Settle,
            Self::Durable => Step::Arm,
            Self::Startable => Step::Start,
            Self::Running => Step::Replay,
            Self::Waiting(_) => Step::Prove,
            Self::Proven(_) => Step::Act,
            Self::Acted(_) => Step::Finish,
            Self::Done(_) | Self::Failed(..) => return None,
        })
    }

    /// The state after the next step ended so. An outcome that does not fit is a mistake of
    /// the program and ends the recovery.
    #[must_use]
    pub fn after(self, outcome: Outcome) -> Self {
        match (self, outcome) {
            (state, Outcome::Failed(error)) => {
                let left = state.left();
                Self::Failed(error, left)
            }
            (Self::Asked, Outcome::Done) => Self::Locked,
            (Self::Locked, Outcome::Found(found)) => match found {
                Found::Begun => Self::Begun,
                Found::Rescued => Self::Rescued,
                Found::Cleared => Self::Cleared,
                Found::Startable => Self::Startable,
                Found::Running => Self::Running,
            },
            (Self::Begun, Outcome::Done) => Self::Rescued,
            (Self::Rescued, Outcome::Done) => Self::Cleared,
            (Self::Cleared, Outcome::Done) => Self::Prepared,
            (Self::Prepared, Outcome::Done) => Self::Restored,
            (Self::Restored, Outcome::Done) => Self::Configured,
            (Self::Configured, Outcome::Done) => Self::Durable,
            (Self::Durable, Outcome::Done) => Self::Startable,
            (Self::Startable, Outcome::Done) => Self::Running,
            (Self::Running, Outcome::Reached(reached)) => Self::Waiting(reached),
            (Self::Waiting(reached), Outcome::Done) => Self::Proven(reached),
            (Self::Proven(_), Outcome::Ended(end)) => Self::Acted(end),
            (Self::Acted(end), Outcome::Done) => Self::Done(end),
            (state, _) => {
                let left = state.left();
                let code = crate::api::ErrorCode::RestoreFailed;
                let fact = "a step of the recovery ended in an unknown way";
                Self::Failed(Error::new(code, fact), left)
            }
        }
    }

    /// What is left when it is given up now.
    fn left(&self) -> Left {
        match self {
            Self::Asked | Self::Locked => Left::Untouched,
            Self::Failed(_, left) => *left,
            _ => Left::Continuable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ErrorCode;

    const ALL: [Step; 14] = [
        Step::Lock,
        Step::Check,
        Step::Rescue,
        Step::Clear,
        Step::Prepare,
        Step::Restore,
        Step::Configure,
        Step::Settle,
        Step::Arm,
        Step::Start,
        Step::Replay,
        Step::Prove,
        Step::Act,
        Step::Finish,
    ];

    fn outcome(step: Step, found: Found) -> Outcome {
        let lsn: Lsn = "0/2000028".parse().unwrap();
        match step {
            Step::Check => Outcome::Found(found),
            Step::Replay => Outcome::Reached(Reached { lsn, how: Standing::Paused }),
            Step::Act => Outcome::Ended(End::Paused(lsn)),
            _ => Outcome::Done,
        }
    }

    fn steps(found: Found) -> Vec<Step> {
        let mut state = State::Asked;
        let mut steps = Vec::new();
        while let Some(step) = state.next() {
            steps.push(step);
            state = state.after(outcome(step, found));
        }
        assert!(matches!(state, State::Done(End::Paused(_))), "{state:?}");
        steps
    }

    #[test]
    fn every_step_in_its_order() {
        assert_eq!(steps(Found::Begun), ALL);
    }

    #[test]
    fn an_interrupted_recovery_goes_on_where_it_was() {
        for (found, first) in [
            (Found::Rescued, Step::Clear),
            (Found::Cleared, Step::Prepare),
            (Found::Startable, Step::Start),
            (Found::Running, Step::Replay),
        ] {
            let from = ALL.iter().position(|step| *step == first).unwrap();
            assert_eq!(steps(found), [&ALL[..2], &ALL[from..]].concat(), "{found:?}");
        }
    }

    #[test]
    fn a_failure_at_each_step_leaves_what_it_should() {
        let mut state = State::Asked;
        while let Some(step) = state.next() {
            let error = Error::new(ErrorCode::RestoreFailed, "x");
            let failed = state.clone().after(Outcome::Failed(error));
            let expected = match step {
                Step::Lock | Step::Check => Left::Untouched,
                _ => Left::Continuable,
            };
            assert!(matches!(&failed, State::Failed(_, left) if *left == expected), "{step:?}");
            assert_eq!(failed.next(), None);
            state = state.after(outcome(step, Found::Begun));
        }
    }

    #[test]
    fn nothing_is_acted_on_before_it_is_proven() {
        let lsn: Lsn = "0/2000028".parse().unwrap();
        let waiting = State::Waiting(Reached { lsn, how: Standing::Paused });
        assert_eq!(waiting.next(), Some(Step::Prove));
        let skipped = waiting.after(Outcome::Ended(End::Promoted(lsn)));
        assert!(matches!(skipped, State::Failed(..)), "{skipped:?}");
    }
}
