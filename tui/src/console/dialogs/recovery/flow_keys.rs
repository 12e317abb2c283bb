//! What keys do in the flow: each step has its own, Esc goes one back.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::KeyEvent;
use pgdeck_engine::api::{Reach, RecoveryMap, RehearsalRequest};

use super::cursor::{Cursor, Wanted, Way};
use super::mistakes::Verdict;
use super::scale::{Axis, Scale};
use super::{Ask, Fetched, Flow, Purpose, Step, What, map_view, options, seek, words};
use crate::console::dialogs::{Context, Outcome};
use crate::console::keys::Key;
use crate::console::widgets::line_edit::LineEdit;

impl Flow {
    /// Takes a key.
    pub(in crate::console::dialogs) fn key(
        &mut self,
        event: &KeyEvent,
        context: &Context<'_>,
    ) -> Outcome {
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
    pub(in crate::console::dialogs) fn paste(&mut self, text: &str) -> Outcome {
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
        let seeks_mistakes = self.seeks_mistakes();
        let Some(cursor) = &mut self.cursor else { return Outcome::Stay };
        match key {
            Some(Key::Enter) => return self.take_place(&map),
            Some(Key::Char('t' | '/')) => self.seek = Some(LineEdit::default()),
            Some(Key::Char('m')) if seeks_mistakes => {
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
            Verdict::Stop(job) => Outcome::Recovery(Ask::StopSearch(job)),
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
