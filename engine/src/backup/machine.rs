//! The steps of taking a backup. Pure: which step comes next, what exists after it, and what a
//! failure leaves behind.

use super::layout::Label;
use crate::api::{Error, Lsn, TimelineId};

/// What has been done so far. Each state carries exactly what exists then.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Nothing.
    Planned,
    /// The destination is ours.
    Locked,
    /// The session is open and nobody else backs the instance up.
    Connected,
    /// The server keeps the WAL of the backup.
    Started(Start),
    /// A segment has arrived in the archive.
    Seen(Start),
    /// The backup has a directory.
    Prepared(Start, Label),
    /// Every file is in a pack.
    Copied(Start, Label),
    /// The server has ended the backup.
    Stopped(Start, Label, Stop),
    /// All its WAL is in the archive.
    Archived(Start, Label, Stop),
    /// It has its label and counts.
    Complete(Label),
    /// What is no longer needed is gone, or why not.
    Ended(Label, Option<Error>),
    /// It was given up.
    Failed(Error, Left),
}

/// Where a backup begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Where replay begins.
    pub lsn: Lsn,
    /// On which timeline.
    pub timeline: TimelineId,
}

/// Where a backup ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What replay must reach.
    pub lsn: Lsn,
}

/// What a backup that was given up leaves in the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// A directory that the next backup uses.
    Resumable(Label),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Lock the destination.
    Lock,
    /// Open the session.
    Connect,
    /// Have the server begin.
    Start,
    /// See a segment arrive.
    SeeArchive,
    /// Make the directory, or take over an interrupted one.
    Prepare,
    /// Copy the files.
    Copy,
    /// Have the server end.
    Stop,
    /// See every segment arrive.
    AwaitArchive,
    /// Write what is left, the label last.
    Seal,
    /// Remove what is no longer needed.
    Expire,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was done, and nothing new is known.
    Done,
    /// The server has begun.
    Started(Start),
    /// The directory has this name.
    Prepared(Label),
    /// The server has ended.
    Stopped(Stop),
    /// It could not be done, or was cancelled.
    Failed(Error),
}

impl Step {
    /// What people read while it is done.
    #[must_use]
    pub fn phase(self) -> &'static str {
        match self {
            Self::Lock => "locking the destination",
            Self::Connect => "connecting",
            Self::Start => "waiting for the checkpoint",
            Self::SeeArchive => "waiting for a WAL segment to arrive in the archive",
            Self::Prepare => "preparing the directory",
            Self::Copy => "copying",
            Self::Stop => "ending the backup in the server",
            Self::AwaitArchive => "waiting for the last WAL segments",
            Self::Seal => "writing the manifest and the label",
            Self::Expire => "removing what is no longer needed",
        }
    }
}

impl Step {
    /// Whether it may be left in the middle. The others are short and change the destination:
    /// what they have begun must be known when the lock is released.
    #[must_use]
    pub fn can_be_cancelled(self) -> bool {
        !matches!(self, Self::Lock | Self::Prepare | Self::Seal | Self::Expire)
    }
}

impl State {
    /// The next step; `None` at the end.
    #[must_use]
    pub fn next(&self) -> Option<Step> {
        Some(match self {
            Self::Planned => Step::Lock,
            Self::Locked => Step::Connect,
            Self::Connected => Step::Start,
            Self::Started(_) => Step::SeeArchive,
            Self::Seen(_) => Step::Prepare,
            Self::Prepared(..) => Step::Copy,
            Self::Copied(..) => Step::Stop,
            Self::Stopped(..) => Step::AwaitArchive,
            Self::Archived(..) => Step::Seal,
            Self::Complete(_) => Step::Expire,
            Self::Ended(..) | Self::Failed(..) => return None,
        })
    }

    /// The state after the next step ended so. An outcome that does not fit is a mistake of
    /// the program and ends the backup.
    #[must_use]
    pub fn after(self, outcome: Outcome) -> Self {
        match (self, outcome) {
            (Self::Complete(label), Outcome::Failed(error)) => Self::Ended(label, Some(error)),
            (state, Outcome::Failed(error)) => {
                let left = state.left();
                Self::Failed(error, left)
            }
            (Self::Planned, Outcome::Done) => Self::Locked,
            (Self::Locked, Outcome::Done) => Self::Connected,
            (Self::Connected, Outcome::Started(start)) => Self::Started(start),
            (Self::Started(start), Outcome::Done) => Self::Seen(start),
            (Self::Seen(start), Outcome::Prepared(label)) => Self::Prepared(start, label),
            (Self::Prepared(start, label), Outcome::Done) => Self::Copied(start, label),
            (Self::Copied(start, label), Outcome::Stopped(stop)) => {
                Self::Stopped(start, label, stop)
            }
            (Self::Stopped(start, label, stop), Outcome::Done) => {
                Self::Archived(start, label, stop)
            }
            (Self::Archived(_, label, _), Outcome::Done) => Self::Complete(label),
            (Self::Complete(label), Outcome::Done) => Self::Ended(label, None),
            (state, _) => {
                let left = state.left();
                let code = crate::api::ErrorCode::BackupAbandoned;
                Self::Failed(Error::new(code, "a step of the backup ended in an unknown way"), left)
            }
        }
    }

    /// Whether the server is inside of a backup now, which it should be told to end.
    #[must_use]
    pub fn is_open_in_server(&self) -> bool {
        matches!(self, Self::Started(_) | Self::Seen(_) | Self::Prepared(..) | Self::Copied(..))
    }

    /// What is left when it is given up now.
    fn left(&self) -> Left {
        match self {
            Self::Prepared(_, label)
            | Self::Copied(_, label)
            | Self::Stopped(_, label, _)
            | Self::Archived(_, label, _)
            | Self::Complete(label)
            | Self::Ended(label, _) => Left::Resumable(label.clone()),
            Self::Failed(_, left) => left.clone(),
            Self::Planned | Self::Locked | Self::Connected | Self::Started(_) | Self::Seen(_) => {
                Left::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ErrorCode;

    fn outcome(step: Step) -> Outcome {
        let lsn: Lsn = "0/2000028".parse().unwrap();
        match step {
            Step::Start => {
                let timeline = TimelineId::from_u32(1).unwrap();
                Outcome::Started(Start { lsn, timeline })
            }
            Step::Prepare => Outcome::Prepared("2026-07-01_13-30-40".parse().unwrap()),
            Step::Stop => Outcome::Stopped(Stop { lsn }),
            _ => Outcome::Done,
        }
    }

    #[test]
    fn every_step_in_its_order() {
        let mut state = State::Planned;
        let mut steps = Vec::new();
        while let Some(step) = state.next() {
            steps.push(step);
            state = state.after(outcome(step));
        }
        assert!(matches!(state, State::Ended(_, None)));
        assert_eq!(
            steps,
            [
                Step::Lock,
                Step::Connect,
                Step::Start,
                Step::SeeArchive,
                Step::Prepare,
                Step::Copy,
                Step::Stop,
                Step::AwaitArchive,
                Step::Seal,
                Step::Expire
            ]
        );
    }

    #[test]
    fn a_failure_at_each_step_leaves_what_it_should() {
        let failure = || Outcome::Failed(Error::new(ErrorCode::BackupAbandoned, "x"));
        let mut state = State::Planned;
        while let Some(step) = state.next() {
            let failed = state.clone().after(failure());
            assert_eq!(failed.next(), None);
            let is_open = state.is_open_in_server();
            let open = [Step::SeeArchive, Step::Prepare, Step::Copy, Step::Stop];
            assert_eq!(is_open, open.contains(&step), "{step:?}");
            match (step, failed) {
                // The backup counts although something old could not be removed.
                (Step::Expire, State::Ended(_, Some(_))) => {}
                (
                    Step::Lock | Step::Connect | Step::Start | Step::SeeArchive | Step::Prepare,
                    State::Failed(_, Left::Nothing),
                )
                | (
                    Step::Copy | Step::Stop | Step::AwaitArchive | Step::Seal,
                    State::Failed(_, Left::Resumable(_)),
                ) => {}
                (step, failed) => panic!("{step:?} {failed:?}"),
            }
            state = state.after(outcome(step));
        }
    }

    #[test]
    fn an_outcome_that_does_not_fit_ends_it() {
        let state = State::Connected.after(Outcome::Done);
        assert!(matches!(state, State::Failed(..)), "{state:?}");
    }
}
