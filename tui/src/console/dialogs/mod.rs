//! Dialogs: a stack over the panes. The topmost takes the keys.
//!
//! Each kind has a file of its own with its state, its keys and its view. None of them knows a
//! pane or the engine: they end with an [`Outcome`] that `update.rs` carries out.

pub mod confirm;
pub mod finder;
pub mod input;
pub mod job;
pub mod pick;
pub mod plan;
pub mod recovery;
pub mod stand;
pub mod stop;
pub mod text_view;
pub mod typed;

use chrono::{DateTime, Utc};
use crossterm::event::KeyEvent;
use pgdeck_engine::api::{Fleet, InstanceId, JobId, StopMode};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::actions::Action;
use super::commands::CommandId;
use super::keys::Key;
use super::look::Look;
use super::zone::Zone;

/// An open dialog.
#[derive(Debug)]
pub enum Dialog {
    /// Yes or no.
    Confirm(confirm::Confirm),
    /// Something has to be typed.
    Typed(typed::Typed),
    /// Which stop mode.
    Stop(stop::StopMenu),
    /// Find a command: the palette or the help.
    Finder(finder::Finder),
    /// One line of input.
    Input(input::Input),
    /// Choose an instance or a job.
    Pick(pick::Pick),
    /// Text to read.
    Text(text_view::TextView),
    /// A job at work.
    Job(job::JobView),
    /// What would be done, to be confirmed.
    Plan(plan::Plan),
    /// Recovery, step by step.
    Recovery(Box<recovery::Flow>),
    /// How a recovery stands.
    Stand(Box<stand::Stand>),
}

/// What a key in a dialog leads to.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// The dialog stays.
    Stay,
    /// It closes.
    Close,
    /// It closes and this is done.
    Do(Action),
    /// It closes and this command runs, as if its key had been pressed.
    Run(CommandId),
    /// It closes and this command runs on the row it told about, if that is still selected.
    RunOn(CommandId, String),
    /// A stop mode was chosen; it has to be confirmed.
    StopMode(StopMode, stop::Purpose),
    /// A line of input is complete.
    Line(input::Purpose, String),
    /// A line of input has changed.
    Changed(input::Purpose, String),
    /// An instance was chosen.
    Instance(InstanceId),
    /// A job was chosen.
    Job(JobId),
    /// A job's stop is to be made harsher; it has to be confirmed.
    Escalate(JobId, StopMode),
    /// A job is to be cancelled; it has to be confirmed.
    CancelJob(JobId),
    /// Quit in this way.
    Quit(pick::QuitChoice),
    /// Copy this text.
    Copy(String),
    /// The recovery flow, which stays, needs this.
    Recovery(recovery::Ask),
    /// The instance has to be stopped before its plan can be carried out.
    StopFirst,
    /// This is to be done with a recovery that stands; the dialog stays.
    Stand(stand::Choice, InstanceId),
}

impl Dialog {
    /// Takes a key.
    pub fn key(&mut self, event: &KeyEvent, context: &Context<'_>) -> Outcome {
        let key = Key::from_event(event);
        match self {
            Self::Confirm(dialog) => dialog.key(key),
            Self::Typed(dialog) => dialog.key(key, event),
            Self::Stop(dialog) => dialog.key(key),
            Self::Finder(dialog) => dialog.key(key, event),
            Self::Input(dialog) => dialog.key(key, event),
            Self::Pick(dialog) => dialog.key(key, context),
            Self::Text(dialog) => dialog.key(key, context.body),
            Self::Job(dialog) => dialog.key(key, context),
            Self::Plan(dialog) => dialog.key(key, context),
            Self::Recovery(dialog) => dialog.key(event, context),
            Self::Stand(dialog) => dialog.key(key, context),
        }
    }

    /// Takes pasted text; only fields do.
    pub fn paste(&mut self, text: &str) -> Outcome {
        match self {
            Self::Typed(dialog) => dialog.paste(text),
            Self::Finder(dialog) => dialog.paste(text),
            Self::Input(dialog) => dialog.paste(text),
            Self::Recovery(dialog) => dialog.paste(text),
            _ => Outcome::Stay,
        }
    }

    /// Draws it; where the cursor belongs.
    pub fn view(
        &self,
        context: &Context<'_>,
        look: &Look,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        match self {
            Self::Confirm(dialog) => dialog.view(look, area, buf),
            Self::Typed(dialog) => dialog.view(look, area, buf),
            Self::Stop(dialog) => dialog.view(look, area, buf),
            Self::Finder(dialog) => dialog.view(look, area, buf),
            Self::Input(dialog) => dialog.view(look, area, buf),
            Self::Pick(dialog) => dialog.view(context, look, area, buf),
            Self::Text(dialog) => dialog.view(look, area, buf),
            Self::Job(dialog) => dialog.view(context, look, area, buf),
            Self::Plan(dialog) => dialog.view(context, look, area, buf),
            Self::Recovery(dialog) => dialog.view(context, look, area, buf),
            Self::Stand(dialog) => dialog.view(context, look, area, buf),
        }
    }
}

/// What dialogs may look at.
#[derive(Debug)]
pub struct Context<'a> {
    /// The newest fleet.
    pub fleet: &'a Fleet,
    /// The area panes have.
    pub body: Rect,
    /// Whose time is shown.
    pub zone: Zone,
    /// The time.
    pub now: DateTime<Utc>,
}
