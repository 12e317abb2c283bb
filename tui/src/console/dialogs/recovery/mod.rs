//! Recovery, step by step: what happened, where to, how, the plan, the typed yes. Each step is
//! one screen; Esc goes back one without losing what was chosen.
//!
//! Knows no engine: what it needs it asks for with an [`Ask`], and waits for the answer with
//! this request.

pub mod chart;
pub mod cursor;
mod flow_keys;
mod flow_view;
pub mod map_view;
pub mod mistakes;
pub mod options;
#[cfg(test)]
pub(in crate::console) mod sample;
pub mod scale;
pub mod seek;
pub mod what;
pub mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use pgdeck_engine::api::{
    InstanceId, JobId, Lsn, MistakeQuery, RecoveryMap, RecoveryRequest, RecoveryTarget,
    RehearsalRequest, RequestId, TargetBound, TimelineId,
};

use crate::console::widgets::line_edit::LineEdit;
use cursor::{Cursor, Way};
use mistakes::Mistakes;
use options::Options;
use scale::{Axis, Scale};
pub use what::What;

/// What the flow is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Purpose {
    /// To recover.
    Recover,
    /// To rehearse.
    Rehearse,
    /// To replay on from where a recovery is paused.
    Further {
        /// On this timeline.
        timeline: TimelineId,
        /// From here.
        from: Lsn,
    },
    /// To look at the map.
    Look,
}

/// A screen of the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    What,
    Place,
    Map,
    Mistakes,
    Options,
}

/// What the flow needs done; it stays on the stack meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// The map of the chosen destination.
    Map,
    /// What may have been mistakes.
    Mistakes(Box<MistakeQuery>),
    /// An end to the search for them.
    StopSearch(JobId),
    /// The plan, to be confirmed.
    Plan(Box<RecoveryRequest>),
    /// The rehearsal, to be confirmed.
    Rehearse(Box<RehearsalRequest>),
    /// Replay on to here, to be confirmed.
    Further(RecoveryTarget, TargetBound),
}

/// How far the map is.
#[derive(Debug)]
enum Fetched {
    Not,
    Awaited(RequestId),
    Map(Arc<RecoveryMap>),
    Refused(String),
}

/// The flow.
#[derive(Debug)]
pub struct Flow {
    instance: InstanceId,
    name: String,
    destination: Option<PathBuf>,
    purpose: Purpose,
    first: Step,
    step: Step,
    what: usize,
    place: LineEdit,
    /// When the destination that stands in `place` was seen last.
    remembered_at: Option<DateTime<Utc>>,
    map: Fetched,
    axis: Axis,
    cursor: Option<Cursor>,
    seek: Option<LineEdit>,
    mistakes: Mistakes,
    options: Options,
    /// Said below the screen: why a key did nothing.
    remark: Option<String>,
    is_help: bool,
}

impl Flow {
    /// A flow for an instance, beginning with the question what happened.
    #[must_use]
    pub fn new(instance: InstanceId, name: &str) -> Self {
        Self {
            instance,
            name: name.to_owned(),
            place: LineEdit::default(),
            remembered_at: None,
            destination: None,
            purpose: Purpose::Recover,
            first: Step::What,
            step: Step::What,
            what: 0,
            map: Fetched::Not,
            axis: Axis::Time,
            cursor: None,
            seek: None,
            mistakes: Mistakes::default(),
            options: Options::default(),
            remark: None,
            is_help: false,
        }
    }

    /// The same, with an answer to the question already.
    #[must_use]
    pub fn about(mut self, what: What) -> Self {
        self.what = What::ALL.iter().position(|one| *one == what).unwrap_or(0);
        self
    }

    /// The same, beginning with the map.
    #[must_use]
    pub fn at_map(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self.step = if self.destination.is_some() { Step::Map } else { Step::Place };
        self.first = self.step;
        self
    }

    /// Whose recovery.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// Where its backups are.
    #[must_use]
    pub fn destination(&self) -> Option<&PathBuf> {
        self.destination.as_ref()
    }

    /// The same, with backups in this place.
    #[must_use]
    pub fn with_destination(mut self, destination: &Path) -> Self {
        self.destination = Some(destination.to_path_buf());
        self.place = LineEdit::default();
        self
    }

    /// The same, with a place for the backups that is only remembered: it is offered, not taken.
    #[must_use]
    pub fn with_remembered(mut self, destination: &Path, at: DateTime<Utc>) -> Self {
        self.place = LineEdit::with_text(&destination.display().to_string());
        self.remembered_at = Some(at);
        self
    }

    /// What it needs to begin with.
    #[must_use]
    pub fn first_ask(&self) -> Option<Ask> {
        (self.step == Step::Map).then_some(Ask::Map)
    }

    /// The map has been asked for.
    pub fn await_map(&mut self, request: RequestId) {
        self.map = Fetched::Awaited(request);
    }

    /// Mistakes have been asked for.
    pub fn await_mistakes(&mut self, request: RequestId) {
        self.mistakes.begin(request);
    }

    /// Takes the map, if it waits for this answer; what it needs next.
    pub fn take_map(&mut self, request: RequestId, map: &Arc<RecoveryMap>) -> Option<Ask> {
        if !matches!(self.map, Fetched::Awaited(awaited) if awaited == request) {
            return None;
        }
        self.map = Fetched::Map(Arc::clone(map));
        let scale = Scale::new(map, self.axis, 1);
        self.cursor = self.begin(map, &scale);
        if self.is_about(What::Wrong) && self.step == Step::Map && !self.mistakes.is_begun() {
            return self.seek_mistakes();
        }
        None
    }

    /// Where the cursor begins.
    fn begin(&self, map: &RecoveryMap, scale: &Scale) -> Option<Cursor> {
        let tip = Cursor::at_tip(map, scale)?;
        match &self.purpose {
            Purpose::Further { timeline, .. } => {
                let mut cursor = Cursor { timeline: *timeline, ..tip };
                cursor.go_to_end(scale, Way::Forth);
                Some(cursor)
            }
            _ => Some(tip),
        }
    }

    /// Takes what was found, if it waits for this answer.
    pub fn take_mistakes(
        &mut self,
        request: RequestId,
        found: &Arc<Vec<pgdeck_engine::api::Mistake>>,
    ) {
        if self.mistakes.awaits(request) {
            self.mistakes.complete(Arc::clone(found));
        }
    }

    /// Whether it waits for these mistakes.
    #[must_use]
    pub fn awaits_mistakes(&self, request: RequestId) -> bool {
        self.mistakes.awaits(request)
    }

    /// The search for mistakes is at work.
    pub fn search_begun(&mut self, job: JobId) {
        self.mistakes.job = Some(job);
    }

    /// Whether this job is its search.
    #[must_use]
    pub fn searches(&self, job: &JobId) -> bool {
        self.mistakes.job.as_ref() == Some(job)
    }

    /// Its search has ended, maybe with an error.
    pub fn search_ended(&mut self, error: Option<String>) {
        self.mistakes.job = None;
        if let Some(error) = error {
            self.mistakes.refuse(error);
        }
    }

    /// Takes a refusal; whether it was waiting for this answer.
    pub fn refuse(&mut self, request: RequestId, error: &str) -> bool {
        if matches!(self.map, Fetched::Awaited(awaited) if awaited == request) {
            self.map = Fetched::Refused(error.to_owned());
            return true;
        }
        let is_it = self.mistakes.awaits(request);
        if is_it {
            self.mistakes.refuse(error.to_owned());
        }
        is_it
    }

    /// Whether mistakes may be looked for: on the way to a recovery, or to look.
    fn seeks_mistakes(&self) -> bool {
        matches!(self.purpose, Purpose::Recover | Purpose::Look)
    }

    fn is_about(&self, what: What) -> bool {
        self.first == Step::What && What::ALL.get(self.what) == Some(&what)
    }

    fn seek_mistakes(&mut self) -> Option<Ask> {
        self.step = Step::Mistakes;
        let query = MistakeQuery {
            destination: self.destination.clone(),
            timeline: self.cursor.as_ref().map(|cursor| cursor.timeline),
            deleted_rows_min: self.mistakes.rows_min,
            ..MistakeQuery::default()
        };
        Some(Ask::Mistakes(Box::new(query)))
    }

    /// What the cursor asks for, with the usual options.
    fn request(&self) -> RecoveryRequest {
        let cursor = self.cursor.as_ref();
        RecoveryRequest {
            destination: self.destination.clone(),
            target: cursor.map(Cursor::target).unwrap_or_default(),
            bound: cursor.map(|it| it.bound).unwrap_or_default(),
            timeline: cursor.map(|it| it.timeline),
            backup: cursor.and_then(Cursor::backup),
            ..RecoveryRequest::default()
        }
    }
}
