//! How a recovery stands, and what can be done with it: look and promote, go further, another
//! target, undo; afterwards a backup, and the old data.

use pgdeck_engine::api::{Fleet, InstanceId, RecoveryPhase, RecoveryState, TargetBound};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::recovery::words;
use super::{Context, Outcome};
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::widgets::window::{Line, Window, fact_lines, wrap_into};
use crate::console::zone::Zone;
use crate::text;
use crate::theme::Role;

/// What is to be done with a recovery; each is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Promote the server that is paused.
    Promote,
    /// Replay on to a later target.
    Further,
    /// Recover again, to another target.
    Another,
    /// Put the old data back.
    Undo,
    /// Remove the old data.
    Discard,
    /// Run a recovery again that was interrupted.
    Continue,
    /// Take a backup.
    Backup,
}

impl Choice {
    fn key(self) -> char {
        match self {
            Self::Promote => 'p',
            Self::Further => 'f',
            Self::Another => 'e',
            Self::Undo => 'u',
            Self::Discard => 'd',
            Self::Continue => 'c',
            Self::Backup => 'b',
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Promote => "promote it: it becomes a primary and takes changes",
            Self::Further => "go further: replay on to a later target",
            Self::Another => "choose another target, an earlier one too: restores again",
            Self::Undo => "undo: what was restored is removed, the old data is put back",
            Self::Discard => "discard the old data for good, which frees its room",
            Self::Continue => "run it again: it goes on from where it is sound",
            Self::Backup => "take a backup: older ones end on the timeline before",
        }
    }
}

/// What can be done with a recovery that stands so.
#[must_use]
pub fn choices(state: &RecoveryState) -> Vec<Choice> {
    let mut all = match state.phase {
        RecoveryPhase::Paused => vec![Choice::Promote, Choice::Further, Choice::Another],
        RecoveryPhase::Promoted | RecoveryPhase::Standby => vec![Choice::Backup, Choice::Another],
        RecoveryPhase::MovingAside | RecoveryPhase::Restoring | RecoveryPhase::Replaying => {
            vec![Choice::Continue, Choice::Another]
        }
        // An undo goes on as an undo.
        RecoveryPhase::Undoing => return vec![Choice::Undo],
    };
    let is_kept = state.kept_bytes.is_some();
    if is_kept {
        all.push(Choice::Undo);
    }
    if is_kept && is_over(state) {
        all.push(Choice::Discard);
    }
    all
}

fn is_over(state: &RecoveryState) -> bool {
    matches!(state.phase, RecoveryPhase::Promoted | RecoveryPhase::Standby)
}

/// Whether there is nothing left to decide: it is over and nothing is kept.
#[must_use]
pub fn is_settled(state: &RecoveryState) -> bool {
    is_over(state) && state.kept_bytes.is_none()
}

/// The view of a recovery.
#[derive(Debug)]
pub struct Stand {
    instance: InstanceId,
    /// As it was told; what the engine publishes later counts more.
    state: RecoveryState,
}

impl Stand {
    /// A view of how an instance's recovery stands.
    #[must_use]
    pub fn new(instance: InstanceId, state: RecoveryState) -> Self {
        Self { instance, state }
    }

    /// Whose recovery.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// As the engine told it last: a job's end is known before the next look at the files.
    #[must_use]
    pub fn state<'a>(&'a self, fleet: &'a Fleet) -> &'a RecoveryState {
        let looked = fleet.get(&self.instance).and_then(|one| one.recovery.get());
        match looked {
            Some(looked) if looked.phase > self.state.phase => looked,
            _ => &self.state,
        }
    }

    pub(super) fn key(&mut self, key: Option<Key>, context: &Context<'_>) -> Outcome {
        match key {
            Some(Key::Esc | Key::Enter | Key::Char('q')) => Outcome::Close,
            Some(Key::Char(letter)) => {
                let all = choices(self.state(context.fleet));
                match all.into_iter().find(|one| one.key() == letter) {
                    Some(choice) => Outcome::Stand(choice, self.instance.clone()),
                    None => Outcome::Stay,
                }
            }
            _ => Outcome::Stay,
        }
    }

    pub(super) fn view(
        &self,
        context: &Context<'_>,
        look: &Look,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let state = self.state(context.fleet);
        let width = Window::text_width(area);
        let mut lines = fact_lines(look, &facts(state, context.zone), width);
        lines.push(Vec::new());
        wrap_into(&mut lines, remark(state), "", width, look.style(Role::Text));
        lines.push(Vec::new());
        let all = choices(state);
        for choice in &all {
            let line: Line = vec![
                (format!("  {}  ", choice.key()), look.style(Role::Key)),
                (choice.words().to_owned(), look.style(Role::Text)),
            ];
            lines.push(line);
        }
        lines.push(vec![
            ("  Esc".to_owned(), look.style(Role::Key)),
            (
                " decides later: R in the Backups pane comes back here".to_owned(),
                look.style(Role::Dim),
            ),
        ]);
        let name = context.fleet.get(&self.instance).map(|one| one.identity.name.clone());
        let title =
            format!("Recovery of {}", name.unwrap_or_else(|| self.instance.as_str().to_owned()));
        let inner = Window::new(&title).draw(look, area, &lines, all.len() + 1, buf);
        Some(Position::new(inner.x, inner.y))
    }
}

/// What is known of it, as confirmations show it too.
#[must_use]
pub fn facts(state: &RecoveryState, zone: Zone) -> Vec<(&'static str, String)> {
    let stop = &state.plan.stop;
    let at = stop.last_commit_at.map(|at| format!(", last commit {}", zone.date_time(at)));
    let place = format!(
        "{} on timeline {}{}",
        stop.reached,
        stop.timeline.as_u32(),
        at.unwrap_or_default()
    );
    let took = |label: &str, seconds: Option<f64>| {
        seconds.map(|seconds| format!("{label} {}", words::duration(seconds)))
    };
    let took: Vec<String> =
        [took("restore", state.restore_seconds), took("replay", state.replay_seconds)]
            .into_iter()
            .flatten()
            .collect();
    let kept = match state.kept_bytes {
        Some(size) => format!("kept aside, {}", text::bytes(size)),
        None => "not kept: this recovery cannot be undone".to_owned(),
    };
    let mut facts = vec![
        ("State", state.phase.words().to_owned()),
        ("Target", state.plan.target.describe()),
        ("Position", place),
    ];
    if !took.is_empty() {
        facts.push(("Took", took.join(", ")));
    }
    facts.push(("Old data", kept));
    facts
}

fn remark(state: &RecoveryState) -> &'static str {
    match state.phase {
        // Replayed locks are held until the end of their transaction, which is not replayed.
        RecoveryPhase::Paused if state.plan.stop.bound == TargetBound::Exclusive => {
            "The server can be read but not changed; nothing is decided yet. A table that cannot be read now is locked by the transaction before whose end it stopped: it is free when you promote."
        }
        RecoveryPhase::Paused => {
            "The server can be read but not changed. Look whether the data is what you want; nothing is decided yet."
        }
        RecoveryPhase::Promoted => {
            "The recovery is done. Take a backup now, and discard the old data when you are sure that you do not want it back."
        }
        RecoveryPhase::Standby => "The server goes on replaying as a standby.",
        RecoveryPhase::MovingAside
        | RecoveryPhase::Restoring
        | RecoveryPhase::Replaying
        | RecoveryPhase::Undoing => {
            "It is not finished. If no job works on it (J shows jobs), run it again or undo it; do not start the server by other means."
        }
    }
}

/// Whether a job works on a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// One does: nothing is to be decided.
    Going,
    /// None does that is known.
    None,
}

/// The line that panes show while a recovery wants a decision or is at work; `None` otherwise.
#[must_use]
pub fn banner(state: &RecoveryState, zone: Zone, work: Work) -> Option<(String, Role)> {
    let stop = &state.plan.stop;
    match state.phase {
        phase if work == Work::Going => {
            Some((format!("at work: {}; J shows its job", phase.words()), Role::Info))
        }
        RecoveryPhase::Paused => {
            let at = stop.last_commit_at.map(|at| format!(" ({})", zone.date_time(at)));
            let at = at.unwrap_or_default();
            let text = format!("PAUSED at {}{at}: look at it", stop.reached);
            Some((text, Role::Warn))
        }
        RecoveryPhase::Promoted | RecoveryPhase::Standby => {
            let size = text::bytes(state.kept_bytes?);
            let text = format!("{}; old data is kept ({size})", state.phase.words());
            Some((text, Role::Info))
        }
        RecoveryPhase::MovingAside
        | RecoveryPhase::Restoring
        | RecoveryPhase::Replaying
        | RecoveryPhase::Undoing => {
            let text = format!("UNFINISHED: {}", state.phase.words());
            Some((text, Role::Error))
        }
    }
}

/// What R in the Backups pane does about it, behind the banner.
#[must_use]
pub fn decision(state: &RecoveryState) -> &'static str {
    match state.phase {
        RecoveryPhase::Paused => "; R decides",
        RecoveryPhase::Promoted | RecoveryPhase::Standby => "; R undoes or discards",
        RecoveryPhase::MovingAside
        | RecoveryPhase::Restoring
        | RecoveryPhase::Replaying
        | RecoveryPhase::Undoing => "; R goes on or undoes",
    }
}
