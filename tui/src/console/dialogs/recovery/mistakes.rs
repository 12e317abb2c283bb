//! What may have been a mistake: a list to choose the moment before one from.

use crossterm::event::KeyEvent;
use pgdeck_engine::api::{JobId, JobStatus, Mistake, MistakeKind, RequestId};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use std::sync::Arc;

use super::super::Context;
use super::words;
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::row_filter::RowFilter;
use crate::console::widgets::line_edit::LineEdit;
use crate::console::widgets::table::{self, Column, Row, View};
use crate::console::widgets::{line_of, put};
use crate::console::zone::Zone;
use crate::text;
use crate::theme::Role;

/// Deleted rows from which on a deletion is listed, to begin with.
const ROWS_MIN: u64 = 100;

const COLUMNS: [Column; 5] = [
    Column::text("committed", 19),
    Column::text("what", 8),
    Column::number("rows", 9),
    Column::number("xid", 10),
    Column::text("relations", 20),
];

/// The list.
#[derive(Debug)]
pub struct Mistakes {
    awaited: Option<RequestId>,
    found: Option<Arc<Vec<Mistake>>>,
    error: Option<String>,
    filter: LineEdit,
    is_typing: bool,
    selected: usize,
    /// The search at work.
    pub job: Option<JobId>,
    /// Deletions of fewer rows are left out.
    pub rows_min: u64,
}

/// What a key in the list leads to.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// The list stays.
    Stay,
    /// Back to the map.
    Back,
    /// This one is it.
    Chosen(Box<Mistake>),
    /// Look again, with the new limit.
    Search,
    /// The search is to end.
    Stop(JobId),
}

impl Default for Mistakes {
    fn default() -> Self {
        Self {
            awaited: None,
            found: None,
            error: None,
            filter: LineEdit::default(),
            is_typing: false,
            selected: 0,
            job: None,
            rows_min: ROWS_MIN,
        }
    }
}

impl Mistakes {
    /// Whether a search has been begun or has ended.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.awaited.is_some() || self.found.is_some()
    }

    /// A search has begun.
    pub fn begin(&mut self, request: RequestId) {
        self.awaited = Some(request);
        self.error = None;
    }

    /// Whether it waits for this answer.
    #[must_use]
    pub fn awaits(&self, request: RequestId) -> bool {
        self.awaited == Some(request)
    }

    /// Takes what was found.
    pub fn complete(&mut self, found: Arc<Vec<Mistake>>) {
        (self.awaited, self.found, self.selected) = (None, Some(found), 0);
    }

    /// Takes why nothing can be found.
    pub fn refuse(&mut self, error: String) {
        (self.awaited, self.error) = (None, Some(error));
    }

    fn shown(&self) -> Vec<&Mistake> {
        let filter = RowFilter::new(self.filter.text());
        let all = self.found.iter().flat_map(|found| found.iter());
        all.filter(|one| {
            let relations = one.relations.join(" ");
            let xid = one.xid.to_string();
            let cells = [words::kind(one.kind), relations.as_str(), xid.as_str()];
            filter.is_empty() || filter.accepts(cells.into_iter())
        })
        .collect()
    }

    /// Takes a key.
    pub fn key(&mut self, key: Option<Key>, event: &KeyEvent) -> Verdict {
        if self.is_typing {
            match key {
                Some(Key::Enter) => self.is_typing = false,
                Some(Key::Esc) => {
                    self.is_typing = false;
                    self.filter = LineEdit::default();
                }
                _ => drop(self.filter.key(event)),
            }
            self.selected = 0;
            return Verdict::Stay;
        }
        let last = self.shown().len().saturating_sub(1);
        match key {
            Some(Key::Esc) if !self.filter.text().is_empty() => self.filter = LineEdit::default(),
            Some(Key::Esc | Key::Char('q')) => return Verdict::Back,
            Some(Key::Char('/')) => self.is_typing = true,
            Some(Key::Down | Key::Char('j')) => self.selected = (self.selected + 1).min(last),
            Some(Key::Up | Key::Char('k')) => self.selected = self.selected.saturating_sub(1),
            Some(Key::Home | Key::Char('g')) => self.selected = 0,
            Some(Key::End | Key::Char('G')) => self.selected = last,
            Some(Key::PageDown | Key::Ctrl('d')) => self.selected = (self.selected + 10).min(last),
            Some(Key::PageUp | Key::Ctrl('u')) => self.selected = self.selected.saturating_sub(10),
            Some(Key::Char('x')) => {
                return self.job.clone().map_or(Verdict::Stay, Verdict::Stop);
            }
            // One search at a time.
            Some(Key::Char('a')) if self.job.is_some() => {}
            Some(Key::Char('a')) => {
                self.rows_min = if self.rows_min > 1 { 1 } else { ROWS_MIN };
                return Verdict::Search;
            }
            Some(Key::Enter) => {
                let chosen = self.shown().get(self.selected).map(|one| (*one).clone());
                return chosen.map_or(Verdict::Stay, |one| Verdict::Chosen(Box::new(one)));
            }
            _ => {}
        }
        Verdict::Stay
    }

    /// Draws it; where the cursor belongs.
    pub fn view(
        &self,
        context: &Context<'_>,
        look: &Look,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let job = context.fleet.jobs.iter().find(|one| self.job.as_ref() == Some(&one.id));
        let limit = match self.rows_min {
            0 | 1 => "DROP, TRUNCATE and every DELETE, newest first".to_owned(),
            rows => format!("DROP, TRUNCATE and DELETE of {rows} rows or more, newest first"),
        };
        put(buf, line_of(area, 0), &limit, look.style(Role::Dim));
        let body = Rect::new(area.x, area.y + 1, area.width, area.height.saturating_sub(2));
        let foot = line_of(area, usize::from(area.height.saturating_sub(1)));
        let mut cursor = self.list(look, context.zone, job, body, buf);
        if self.is_typing || !self.filter.text().is_empty() {
            put(buf, foot, "Relation, kind or transaction: ", look.style(Role::Key));
            let field = Rect::new(foot.x + 31, foot.y, foot.width.saturating_sub(31), 1);
            let place = self.filter.view(look, field, buf);
            cursor = if self.is_typing { Some(place) } else { cursor };
        }
        cursor
    }

    fn list(
        &self,
        look: &Look,
        zone: Zone,
        job: Option<&JobStatus>,
        body: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let shown = self.shown();
        let at_work = at_work(job);
        let remark = match (&self.error, self.awaited, shown.is_empty()) {
            (Some(error), _, _) => Some((error.as_str(), Role::Error)),
            (None, Some(_), _) => Some((at_work.as_str(), Role::Info)),
            (None, None, true) if self.filter.text().is_empty() => Some((
                "Nothing of the kind was found. a looks for every DELETE; Esc goes back.",
                Role::Text,
            )),
            (None, None, true) => Some(("Nothing passes the filter (Esc clears it).", Role::Text)),
            (None, None, false) => None,
        };
        if let Some((remark, role)) = remark {
            let mut lines = Vec::new();
            let width = usize::from(body.width);
            crate::console::widgets::window::wrap_into(
                &mut lines,
                &text::clean(remark),
                "",
                width,
                look.style(role),
            );
            for (number, line) in lines.iter().enumerate() {
                crate::console::widgets::put_spans(buf, line_of(body, number + 1), line);
            }
            return None;
        }
        let height = usize::from(body.height.saturating_sub(1)).max(1);
        let offset = (self.selected + 1).saturating_sub(height);
        let rows: Vec<Row> =
            shown.iter().skip(offset).take(height).map(|one| row(one, zone)).collect();
        let view = View { skipped: 0, sort: None, selected: Some(self.selected - offset) };
        table::draw(look, body, &COLUMNS, &rows, view, buf)
    }
}

/// How far a search is.
fn at_work(job: Option<&JobStatus>) -> String {
    let Some(job) = job else { return "Reading the WAL, which takes a while ...".to_owned() };
    if job.cancel_requested {
        return "The search is ending ...".to_owned();
    }
    let progress = &job.progress;
    let mut text = format!("{} ...", progress.phase);
    if let (Some(done), Some(total)) = (progress.done, progress.total) {
        let of = progress.lines.first().map_or("", String::as_str);
        text = format!("{}: {of}, {} of {}", progress.phase, text::bytes(done), text::bytes(total));
    }
    if let Some(eta) = progress.eta_seconds {
        text.push_str(&format!(", about {} left", text::age(eta)));
    }
    format!("{text}. x ends the search.")
}

fn row(one: &Mistake, zone: Zone) -> Row {
    let rows = match one.kind {
        MistakeKind::Delete => one.rows.to_string(),
        MistakeKind::Drop | MistakeKind::Truncate => String::new(),
    };
    let at = one.committed_at.map(|at| zone.date_time(at)).unwrap_or_default();
    Row {
        cells: vec![
            at,
            words::kind(one.kind).to_owned(),
            rows,
            one.xid.to_string(),
            words::relations(one),
        ],
        role: Role::Text,
        is_marked: false,
    }
}
