//! Backups: what can be recovered, how the WAL archive does, every backup with its chain.

pub(in crate::console) mod detail;
mod rows;
mod timeline;
pub(in crate::console) mod view;

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use pgdeck_engine::api::{BackupInfo, InstanceId, Locality, Protection, Snapshot};
use ratatui::layout::{Position, Rect};

use super::{Canvas, Context, Pane, nothing, preview};
use crate::console::commands::CommandId;
use crate::console::dialogs::text_view::TextView;
use crate::console::list::{ListControls, ListState};
use crate::console::widgets::table::{self, Row, View};
use crate::console::widgets::{line_of, put, put_spans_fitting};
use crate::theme::Role;
use timeline::TimeLine;
use view::HeadLine;

/// Columns of the labels of the head lines, with the blank before them.
const LABEL: u16 = 13;
/// Seconds over which the archiver's speed is taken, and the fewest that tell something.
const THROUGHPUT_SECONDS: (i64, i64) = (15, 300);

/// How many segments the archiver sent while the pane watched.
#[derive(Debug, Default)]
struct Throughput {
    instance: Option<InstanceId>,
    samples: VecDeque<(DateTime<Utc>, u64)>,
}

impl Throughput {
    fn take(&mut self, snapshot: &Snapshot) {
        if self.instance.as_ref() != Some(&snapshot.identity.id) {
            self.samples.clear();
            self.instance = Some(snapshot.identity.id.clone());
        }
        let archiver = snapshot.wal.get().and_then(|wal| wal.archiver.as_ref());
        let (Some(archiver), Some(at)) = (archiver, snapshot.wal.taken_at) else { return };
        if self.samples.back().is_some_and(|(last, _)| *last >= at) {
            return;
        }
        // Statistics that were reset begin anew.
        if self.samples.back().is_some_and(|(_, count)| *count > archiver.archived_count) {
            self.samples.clear();
        }
        self.samples.push_back((at, archiver.archived_count));
        let (_, longest) = THROUGHPUT_SECONDS;
        while self.samples.front().is_some_and(|(one, _)| (at - *one).num_seconds() > longest) {
            self.samples.pop_front();
        }
    }

    /// Segments a minute; `None` before it can be told.
    fn per_minute(&self) -> Option<f64> {
        let ((first, before), (last, after)) = (self.samples.front()?, self.samples.back()?);
        let seconds = (*last - *first).num_seconds();
        if seconds < THROUGHPUT_SECONDS.0 {
            return None;
        }
        let segments = u32::try_from(after.saturating_sub(*before)).unwrap_or(u32::MAX);
        Some(f64::from(segments) * 60.0 / f64::from(i32::try_from(seconds).unwrap_or(i32::MAX)))
    }
}

/// The pane.
#[derive(Debug, Default)]
pub struct Backups {
    list: ListState<String>,
    backups: Vec<BackupInfo>,
    throughput: Throughput,
    head_lines: usize,
    height: usize,
}

impl Backups {
    fn selected(&self) -> Option<&BackupInfo> {
        self.backups.get(self.list.selected_index()?)
    }

    fn head(&self, context: &Context<'_>) -> Vec<HeadLine> {
        context.snapshot.map_or_else(Vec::new, |snapshot| {
            view::head(snapshot, context, &self.throughput, self.list.filter_text())
        })
    }

    fn line_of_time(context: &Context<'_>, columns: u16) -> Option<TimeLine> {
        TimeLine::new(protection(context)?, context.now, columns)
    }

    /// The list's place, the preview taken off.
    fn split(&self, area: Rect) -> (Rect, Option<Rect>) {
        let head = u16::try_from(self.head_lines).unwrap_or(u16::MAX).min(area.height);
        preview::split(Rect::new(area.x, area.y + head, area.width, area.height - head))
    }

    fn draw_head(&self, context: &Context<'_>, canvas: &mut Canvas<'_>) {
        let look = canvas.look;
        let area = canvas.area;
        let lines = self.head(context);
        for (number, (label, pieces)) in lines.iter().enumerate() {
            let line = line_of(area, number);
            let indent = LABEL.min(line.width);
            put(canvas.buf, line, &format!(" {label}"), look.style(Role::Dim));
            let rest = Rect::new(line.x + indent, line.y, line.width - indent, line.height);
            let spans: Vec<_> =
                pieces.iter().map(|(text, role)| (text.clone(), look.style(*role))).collect();
            put_spans_fitting(canvas.buf, rest, &spans, look.symbols.ellipsis);
        }
        let top = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(area.height);
        let rest = area.height - top;
        let width = area.width.saturating_sub(2);
        let place = Rect::new(area.x + 1, area.y + top, width, timeline::HEIGHT.min(rest));
        if let Some(line) = Self::line_of_time(context, width) {
            line.draw(canvas, place, context.zone);
        }
    }

    fn draw_list(&self, context: &Context<'_>, canvas: &mut Canvas<'_>) -> Option<Position> {
        let (place, below) = self.split(canvas.area);
        let panel = context.snapshot.map(|snapshot| &snapshot.protection);
        let Some(protection) = protection(context).filter(|_| !self.backups.is_empty()) else {
            let is_remote =
                context.snapshot.is_some_and(|one| one.identity.locality == Locality::Remote);
            // The head tells the error already.
            let panel = panel.filter(|panel| panel.error.is_none() && !is_remote);
            nothing(canvas.look, place, panel, self.why_empty(context), canvas.buf);
            return None;
        };
        let window = self.list.window();
        let rows: Vec<Row> = self
            .backups
            .iter()
            .skip(window.offset)
            .take(window.height)
            .map(|one| Row {
                cells: rows::cells(one, &protection.backups, context.now),
                role: rows::role(one),
                is_marked: self.list.is_marked(&one.label),
            })
            .collect();
        if let (Some(below), Some(one)) = (below, self.selected()) {
            let text = detail::text(one, protection);
            preview::draw(canvas.look, below, &detail::facts(one), &text, canvas.buf);
        }
        let view = View { skipped: window.columns_skipped, sort: None, selected: window.selected };
        table::draw(canvas.look, place, &rows::COLUMNS, &rows, view, canvas.buf)
    }

    fn why_empty(&self, context: &Context<'_>) -> &'static str {
        match protection(context) {
            None if context.snapshot.is_none_or(|one| one.protection.value.is_none()) => "",
            None => "S asks for a directory, shows what would change, and proves that WAL arrives.",
            Some(one) if one.backups.is_empty() => "There is no backup yet: b takes one.",
            Some(_) => "No backup passes the filter.",
        }
    }
}

/// What the destination holds, when there is one.
fn protection<'a>(context: &Context<'a>) -> Option<&'a Protection> {
    context.snapshot?.protection.get().filter(|one| one.destination.is_some())
}

impl Pane for Backups {
    fn settle(&mut self, context: &Context<'_>, height: usize) {
        self.height = height;
        if let Some(snapshot) = context.snapshot {
            self.throughput.take(snapshot);
        }
        let filter = self.list.filter();
        let all = protection(context).map(|one| one.backups.as_slice()).unwrap_or_default();
        let accepts = |one: &&BackupInfo| {
            let cells = rows::cells(one, all, context.now);
            filter.is_empty() || filter.accepts(cells.iter().map(String::as_str))
        };
        self.backups = all.iter().filter(accepts).cloned().collect();
        let has_line = Self::line_of_time(context, 1).is_some();
        let line = if has_line { usize::from(timeline::HEIGHT) } else { 0 };
        self.head_lines = self.head(context).len() + line;
        let area = Rect::new(0, 0, 1, u16::try_from(height).unwrap_or(u16::MAX));
        // The heading of the table stands above its rows.
        let rows = usize::from(self.split(area).0.height).saturating_sub(1);
        self.list.settle(self.backups.iter().map(|one| one.label.clone()).collect(), rows);
    }

    fn run(&mut self, command: CommandId, _context: &Context<'_>) -> bool {
        self.list.run(command, rows::COLUMNS.len())
    }

    fn list(&self) -> &dyn ListControls {
        &self.list
    }

    fn list_mut(&mut self) -> &mut dyn ListControls {
        &mut self.list
    }

    fn detail(&self, context: &Context<'_>) -> Option<TextView> {
        Some(detail::detail(self.selected()?, protection(context)?, context))
    }

    fn copy(&self, _context: &Context<'_>) -> Option<String> {
        self.selected().map(|one| one.directory.display().to_string())
    }

    fn row_at(&self, line: usize) -> Option<usize> {
        let window = self.list.window();
        let line = line.checked_sub(self.head_lines + 1)?;
        (line < window.height).then_some(window.offset + line)
    }

    fn backup(&self) -> Option<String> {
        self.selected().map(|one| one.label.clone())
    }

    fn view(&self, context: &Context<'_>, mut canvas: Canvas<'_>) -> Option<Position> {
        self.draw_head(context, &mut canvas);
        self.draw_list(context, &mut canvas)
    }
}
