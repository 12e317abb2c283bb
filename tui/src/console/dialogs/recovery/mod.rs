//! Recovery, step by step: what happened, where to, how, the plan, the typed yes. Each step is
//! one screen; Esc goes back one without losing what was chosen.
//!
//! Knows no engine: what it needs it asks for with an [`Ask`], and waits for the answer with
//! this request.

pub mod chart;
pub mod cursor;
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

use crossterm::event::KeyEvent;
use pgdeck_engine::api::{
    InstanceId, Lsn, MistakeQuery, Reach, RecoveryMap, RecoveryRequest, RecoveryTarget,
    RehearsalRequest, RequestId, TargetBound, TimelineId,
};

use super::{Context, Outcome};
use crate::console::keys::Key;
use crate::console::widgets::line_edit::LineEdit;
use cursor::{Cursor, Wanted, Way};
use mistakes::{Mistakes, Verdict};
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
    pub fn new(instance: InstanceId, name: &str, destination: Option<PathBuf>) -> Self {
        Self {
            instance,
            name: name.to_owned(),
            place: LineEdit::default(),
            destination,
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

    /// The same, with backups in another place than the instance's settings say.
    #[must_use]
    pub fn with_destination(mut self, destination: &Path) -> Self {
        self.destination = Some(destination.to_path_buf());
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

    /// Takes a key.
    pub(super) fn key(&mut self, event: &KeyEvent, context: &Context<'_>) -> Outcome {
        let key = Key::from_event(event);
        self.remark = None;
        if self.is_help {
            self.is_help = false;
            return Outcome::Stay;
        }
        match self.step {
            Step::What => self.what_key(key),
            Step::Place => self.place_key(key, event),
            Step::Map if self.seek.is_some() => self.seek_key(key, event, context),
            Step::Map => self.map_key(key, context),
            Step::Mistakes => self.mistakes_key(key, event),
            Step::Options => self.options_key(key, event),
        }
    }

    /// Takes pasted text, in a field of text.
    pub(super) fn paste(&mut self, text: &str) -> Outcome {
        match (self.step, &mut self.seek) {
            (Step::Place, _) => self.place.paste(text),
            (Step::Map, Some(seek)) => seek.paste(text),
            (Step::Options, _) => self.options.paste(text),
            _ => {}
        }
        Outcome::Stay
    }

    /// One step back; closes at the first.
    fn back(&mut self) -> Outcome {
        if self.step == self.first {
            return Outcome::Close;
        }
        self.step = match self.step {
            Step::Options | Step::Mistakes => Step::Map,
            Step::Map if !self.place.text().is_empty() => Step::Place,
            Step::What | Step::Place | Step::Map => self.first,
        };
        Outcome::Stay
    }

    fn what_key(&mut self, key: Option<Key>) -> Outcome {
        let last = What::ALL.len() - 1;
        match key {
            Some(Key::Down | Key::Char('j') | Key::Tab) => self.what = (self.what + 1).min(last),
            Some(Key::Up | Key::Char('k') | Key::BackTab) => {
                self.what = self.what.saturating_sub(1)
            }
            Some(Key::Esc | Key::Char('q')) => return self.back(),
            Some(Key::Enter) => {
                self.purpose = match What::ALL.get(self.what) {
                    Some(What::Rehearse) => Purpose::Rehearse,
                    _ => Purpose::Recover,
                };
                self.step = if self.destination.is_some() { Step::Map } else { Step::Place };
                return self.enter_map();
            }
            _ => {}
        }
        Outcome::Stay
    }

    /// On the map's screen: fetches it when it is not there yet.
    fn enter_map(&mut self) -> Outcome {
        if self.step != Step::Map {
            return Outcome::Stay;
        }
        match self.map {
            Fetched::Not | Fetched::Refused(_) => Outcome::Recovery(Ask::Map),
            Fetched::Map(_) if self.is_about(What::Wrong) && !self.mistakes.is_begun() => {
                self.seek_mistakes().map_or(Outcome::Stay, Outcome::Recovery)
            }
            Fetched::Map(_) | Fetched::Awaited(_) => Outcome::Stay,
        }
    }

    fn place_key(&mut self, key: Option<Key>, event: &KeyEvent) -> Outcome {
        match key {
            Some(Key::Esc) => return self.back(),
            Some(Key::Enter) => {
                let text = self.place.text().trim();
                if !text.starts_with('/') {
                    self.remark = Some("a directory begins with a slash".to_owned());
                    return Outcome::Stay;
                }
                let typed = Some(PathBuf::from(text));
                if self.destination != typed {
                    self.map = Fetched::Not;
                    self.destination = typed;
                }
                self.step = Step::Map;
                return self.enter_map();
            }
            _ => drop(self.place.key(event)),
        }
        Outcome::Stay
    }

    fn map_key(&mut self, key: Option<Key>, context: &Context<'_>) -> Outcome {
        if let Some(Key::Esc | Key::Char('q')) = key {
            return self.back();
        }
        let Fetched::Map(map) = &self.map else { return Outcome::Stay };
        let map = Arc::clone(map);
        let scale = Scale::new(&map, self.axis, map_view::chart_columns(context.body.width));
        let Some(cursor) = &mut self.cursor else { return Outcome::Stay };
        match key {
            Some(Key::Enter) => return self.take_place(&map),
            Some(Key::Char('t' | '/')) => self.seek = Some(LineEdit::default()),
            Some(Key::Char('m')) if matches!(self.purpose, Purpose::Recover | Purpose::Look) => {
                if self.mistakes.is_begun() {
                    self.step = Step::Mistakes;
                    return Outcome::Stay;
                }
                return self.seek_mistakes().map_or(Outcome::Stay, Outcome::Recovery);
            }
            Some(Key::Char('?')) => self.is_help = true,
            Some(Key::Char('a')) => {
                self.axis = if self.axis == Axis::Time { Axis::Wal } else { Axis::Time };
            }
            Some(Key::Char('i')) => cursor.turn_bound(),
            Some(Key::Char('=')) => {
                if let Reach::Unreachable { nearest: Some(lsn), .. } =
                    map.reach(cursor.timeline, cursor.lsn)
                {
                    cursor.go_to(&scale, lsn);
                }
            }
            Some(key) => self.remark = moved(cursor, &map, &scale, key),
            None => {}
        }
        Outcome::Stay
    }

    /// Enter on the map.
    fn take_place(&mut self, map: &RecoveryMap) -> Outcome {
        let Some(cursor) = &self.cursor else { return Outcome::Stay };
        if let reach @ Reach::Unreachable { .. } = map.reach(cursor.timeline, cursor.lsn) {
            self.remark = Some(words::reach(&reach));
            return Outcome::Stay;
        }
        match &self.purpose {
            Purpose::Recover => self.step = Step::Options,
            Purpose::Rehearse => {
                let recovery = self.request();
                let request = RehearsalRequest { recovery, ..RehearsalRequest::default() };
                return Outcome::Recovery(Ask::Rehearse(Box::new(request)));
            }
            Purpose::Further { timeline, from } => {
                if cursor.timeline != *timeline || cursor.lsn <= *from {
                    let number = timeline.as_u32();
                    self.remark = Some(format!(
                        "that is not further: the server is at {from} on timeline {number}"
                    ));
                    return Outcome::Stay;
                }
                return Outcome::Recovery(Ask::Further(cursor.target(), cursor.bound));
            }
            Purpose::Look => self.remark = Some("R in the Backups pane recovers".to_owned()),
        }
        Outcome::Stay
    }

    fn seek_key(&mut self, key: Option<Key>, event: &KeyEvent, context: &Context<'_>) -> Outcome {
        let (Some(edit), Fetched::Map(map), Some(cursor)) =
            (&mut self.seek, &self.map, &self.cursor)
        else {
            return Outcome::Stay;
        };
        match key {
            Some(Key::Esc) => self.seek = None,
            Some(Key::Enter) => {
                match seek::find(edit.text(), map, cursor, context.zone, context.now) {
                    Ok(found) => {
                        self.cursor = Some(found);
                        self.seek = None;
                    }
                    Err(reason) => self.remark = Some(reason),
                }
            }
            _ => drop(edit.key(event)),
        }
        Outcome::Stay
    }

    fn mistakes_key(&mut self, key: Option<Key>, event: &KeyEvent) -> Outcome {
        match self.mistakes.key(key, event) {
            Verdict::Stay => Outcome::Stay,
            Verdict::Back => self.back(),
            Verdict::Search => self.seek_mistakes().map_or(Outcome::Stay, Outcome::Recovery),
            Verdict::Chosen(mistake) => {
                self.cursor = Some(Cursor::before(&mistake));
                self.step = Step::Map;
                Outcome::Stay
            }
        }
    }

    fn options_key(&mut self, key: Option<Key>, event: &KeyEvent) -> Outcome {
        if key == Some(Key::Esc) {
            return self.back();
        }
        if self.options.key(key, event) == options::Verdict::Stay {
            return Outcome::Stay;
        }
        let mut request = self.request();
        match self.options.apply(&mut request) {
            Ok(()) => Outcome::Recovery(Ask::Plan(Box::new(request))),
            Err(reason) => {
                self.remark = Some(reason);
                Outcome::Stay
            }
        }
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

/// Moves the cursor; why it did not move.
fn moved(cursor: &mut Cursor, map: &RecoveryMap, scale: &Scale, key: Key) -> Option<String> {
    let jump = |cursor: &mut Cursor, wanted: Wanted, way| {
        let side = if way == Way::Back { "before" } else { "after" };
        let is_there = cursor.jump(map, wanted, way);
        (!is_there).then(|| format!("there is no {} {side} it on this timeline", wanted.words()))
    };
    match key {
        Key::Left | Key::Char('h') => cursor.step(scale, Way::Back),
        Key::Right | Key::Char('l') => cursor.step(scale, Way::Forth),
        Key::Up | Key::Char('k') => cursor.change_row(scale, Way::Back),
        Key::Down | Key::Char('j') => cursor.change_row(scale, Way::Forth),
        Key::Home | Key::Char('g') => cursor.go_to_end(scale, Way::Back),
        Key::End | Key::Char('G') => cursor.go_to_end(scale, Way::Forth),
        Key::Char('<' | ',') => cursor.step_mark(map, scale, Way::Back),
        Key::Char('>' | '.') => cursor.step_mark(map, scale, Way::Forth),
        Key::Char('n') => return jump(cursor, Wanted::Any, Way::Forth),
        Key::Char('N') => return jump(cursor, Wanted::Any, Way::Back),
        Key::Char('r') => return jump(cursor, Wanted::Points, Way::Forth),
        Key::Char('R') => return jump(cursor, Wanted::Points, Way::Back),
        Key::Char('b') => return jump(cursor, Wanted::Backups, Way::Forth),
        Key::Char('B') => return jump(cursor, Wanted::Backups, Way::Back),
        Key::Char('x') => return jump(cursor, Wanted::GapEdges, Way::Forth),
        Key::Char('X') => return jump(cursor, Wanted::GapEdges, Way::Back),
        _ => {}
    }
    None
}
