//! What a confirmed dialog does: plain values, with the texts people confirm.

use pgdeck_engine::api::{
    BackendTarget, Command, InstanceId, JobId, PreparedOutcome, PreparedTarget, SignalKind,
    StopMode,
};

/// Something that changes an instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Cancel queries or end sessions.
    Signal {
        /// Where.
        instance: InstanceId,
        /// Which of the two.
        kind: SignalKind,
        /// Whom.
        targets: Vec<BackendTarget>,
    },
    /// Commit or roll back a prepared transaction.
    Resolve {
        /// Where.
        instance: InstanceId,
        /// Which.
        target: PreparedTarget,
        /// How.
        outcome: PreparedOutcome,
    },
    /// Start.
    Start {
        /// Which.
        instance: InstanceId,
    },
    /// Stop.
    Stop {
        /// Which.
        instance: InstanceId,
        /// How.
        mode: StopMode,
    },
    /// Stop and start.
    Restart {
        /// Which.
        instance: InstanceId,
        /// How to stop.
        mode: StopMode,
    },
    /// Load the configuration.
    Reload {
        /// Which.
        instance: InstanceId,
    },
    /// Make a stop harsher.
    Escalate {
        /// Which job.
        job: JobId,
        /// The new mode.
        mode: StopMode,
    },
    /// Cancel a job.
    CancelJob {
        /// Which.
        job: JobId,
    },
}

impl Action {
    /// The engine's command.
    #[must_use]
    pub fn command(&self) -> Command {
        match self.clone() {
            Self::Signal { instance, kind, targets } => Command::Signal { instance, kind, targets },
            Self::Resolve { instance, target, outcome } => {
                Command::ResolvePrepared { instance, target, outcome }
            }
            Self::Start { instance } => Command::Start { instance },
            Self::Stop { instance, mode } => Command::Stop { instance, mode },
            Self::Restart { instance, mode } => Command::Restart { instance, mode },
            Self::Reload { instance } => Command::Reload { instance },
            Self::Escalate { job, mode } => Command::Escalate { job, mode },
            Self::CancelJob { job } => Command::CancelJob { job },
        }
    }

    /// What it is, in a word or two.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Signal { kind: SignalKind::Cancel, .. } => "Cancel query".to_owned(),
            Self::Signal { kind: SignalKind::Terminate, .. } => "Terminate session".to_owned(),
            Self::Resolve { outcome, .. } => outcome.verb().to_owned(),
            Self::Start { .. } => "Start instance".to_owned(),
            Self::Stop { mode, .. } => format!("Stop instance ({})", mode.word()),
            Self::Restart { mode, .. } => format!("Restart instance ({})", mode.word()),
            Self::Reload { .. } => "Reload configuration".to_owned(),
            Self::Escalate { mode, .. } => format!("Escalate stop to {}", mode.word()),
            Self::CancelJob { .. } => "Cancel job".to_owned(),
        }
    }
}
