//! Where one is in a recovery, from the question what happened to the promotion: a line in the
//! place of the tabs, which cannot be used while a dialog is open.

use pgdeck_engine::api::{JobKind, RecoveryPhase, RecoveryStep};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::actions::Action;
use super::dialogs::Dialog;
use super::look::Look;
use super::state::State;
use super::widgets::window::Line;
use super::widgets::{fill, put_spans};
use crate::text;
use crate::theme::Role;

const RECOVER: [&str; 8] =
    ["what", "where to", "how", "plan", "confirm", "recover", "look", "promote"];
const FURTHER: [&str; 5] = ["where to", "confirm", "replay on", "look", "promote"];
const REHEARSE: [&str; 4] = ["what", "where to", "confirm", "rehearse"];

/// A step of a recovery, of a replay that goes further, or of a rehearsal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What happened, and where the backups are.
    What,
    /// The map, and the mistakes.
    Where,
    /// The options.
    How,
    /// The plan.
    Plan,
    /// The typed yes.
    Confirm,
    /// The job.
    Recover,
    /// Paused at the target.
    Look,
    /// The end.
    Promote,
    /// The map, for a later target.
    FurtherWhere,
    /// Its yes.
    FurtherConfirm,
    /// Its job.
    FurtherReplay,
    /// What, of a rehearsal.
    RehearseWhat,
    /// The map, of a rehearsal.
    RehearseWhere,
    /// Its yes.
    RehearseConfirm,
    /// Its job.
    Rehearse,
}

impl Stage {
    /// The way it is on, and its place there.
    fn place(self) -> (&'static [&'static str], usize) {
        match self {
            Self::What => (&RECOVER, 0),
            Self::Where => (&RECOVER, 1),
            Self::How => (&RECOVER, 2),
            Self::Plan => (&RECOVER, 3),
            Self::Confirm => (&RECOVER, 4),
            Self::Recover => (&RECOVER, 5),
            Self::Look => (&RECOVER, 6),
            Self::Promote => (&RECOVER, 7),
            Self::FurtherWhere => (&FURTHER, 0),
            Self::FurtherConfirm => (&FURTHER, 1),
            Self::FurtherReplay => (&FURTHER, 2),
            Self::RehearseWhat => (&REHEARSE, 0),
            Self::RehearseWhere => (&REHEARSE, 1),
            Self::RehearseConfirm => (&REHEARSE, 2),
            Self::Rehearse => (&REHEARSE, 3),
        }
    }

    /// The step whose job an action begins.
    #[must_use]
    pub fn of_job(action: &Action) -> Option<Self> {
        match action {
            Action::Recover { .. } => Some(Self::Recover),
            Action::Rehearse { .. } => Some(Self::Rehearse),
            Action::StepRecovery { step, .. } => match step {
                RecoveryStep::Continue => Some(Self::Recover),
                RecoveryStep::Promote => Some(Self::Promote),
                RecoveryStep::GoFurther(..) => Some(Self::FurtherReplay),
                RecoveryStep::Undo | RecoveryStep::DiscardKept => None,
            },
            _ => None,
        }
    }

    /// The step in which an action is confirmed.
    fn of_yes(action: &Action) -> Option<Self> {
        match action {
            Action::Recover { .. } => Some(Self::Confirm),
            Action::Rehearse { .. } => Some(Self::RehearseConfirm),
            Action::StepRecovery { step: RecoveryStep::Promote, .. } => Some(Self::Promote),
            Action::StepRecovery { step: RecoveryStep::GoFurther(..), .. } => {
                Some(Self::FurtherConfirm)
            }
            _ => None,
        }
    }
}

/// Where one is: the topmost dialog that tells.
fn stage(state: &State) -> Option<Stage> {
    state.dialogs.iter().rev().find_map(|dialog| match dialog {
        Dialog::Recovery(flow) => flow.stage(),
        Dialog::Plan(plan) => match plan.action() {
            Action::Recover { .. } => Some(Stage::Plan),
            action => Stage::of_yes(action),
        },
        Dialog::Typed(typed) => Stage::of_yes(typed.action()),
        Dialog::Confirm(confirm) => Stage::of_yes(confirm.action()),
        Dialog::Job(view) => {
            let job = state.fleet.jobs.iter().find(|job| job.id == *view.id())?;
            match job.kind {
                JobKind::Recover => Some(view.stage().unwrap_or(Stage::Recover)),
                JobKind::Rehearse => Some(Stage::Rehearse),
                _ => None,
            }
        }
        Dialog::Stand(stand) => match stand.state(&state.fleet).phase {
            RecoveryPhase::Paused => Some(Stage::Look),
            RecoveryPhase::Promoted | RecoveryPhase::Standby => Some(Stage::Promote),
            RecoveryPhase::Undoing => None,
            _ => Some(Stage::Recover),
        },
        _ => None,
    })
}

/// Draws the steps in place of the tabs, when a recovery is on the screen.
pub fn view(state: &State, look: &Look, line: Rect, buf: &mut Buffer) {
    let Some(stage) = stage(state) else { return };
    let (way, here) = stage.place();
    fill(buf, line, look.style(Role::Text));
    let numbered = spans(way, here, Numbers::Shown, look);
    let width: usize = numbered.iter().map(|(text, _)| text::width(text)).sum();
    let is_wide = width <= usize::from(line.width);
    put_spans(buf, line, &if is_wide { numbered } else { spans(way, here, Numbers::Left, look) });
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    Shown,
    Left,
}

fn spans(way: &[&str], here: usize, numbers: Numbers, look: &Look) -> Line {
    let step = |(at, name): (usize, &&str)| {
        let name = match numbers {
            Numbers::Shown => format!("{} {name}", at + 1),
            Numbers::Left => (*name).to_owned(),
        };
        match at == here {
            true => (format!("[{name}]"), look.style(Role::Focus)),
            false => (format!(" {name} "), look.style(Role::Dim)),
        }
    };
    way.iter().enumerate().map(step).collect()
}
