//! What can be recovered as a line of time: backups as marks, recoverable spans as a bar, gaps
//! with a sign of their own, so that they are seen without colours too.

use chrono::{DateTime, Utc};
use pgdeck_engine::api::{BackupInfo, BackupKind, BackupStatus, Protection, RecoveryWindow};
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::look::Look;
use crate::console::panes::Canvas;
use crate::console::widgets::{line_of, put, put_spans};
use crate::console::zone::Zone;
use crate::text;
use crate::theme::Role;

/// Lines it takes: marks, bar, times.
pub(super) const HEIGHT: u16 = 3;

/// What a column of the bar stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    /// Nothing reaches it.
    Unreached,
    /// It can be recovered to.
    Recoverable,
    /// WAL is missing: it cannot.
    Gap,
}

/// The end of a backup on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Full,
    Incremental,
}

/// The line, one element for each column.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TimeLine {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    spans: Vec<Span>,
    marks: Vec<Option<Mark>>,
}

/// When a complete backup ended.
fn end_of(backup: &BackupInfo, protection: &Protection) -> DateTime<Utc> {
    let window = protection.windows.iter().find(|window| window.backup == backup.label);
    window.map_or_else(
        || {
            let seconds = backup.duration_seconds.unwrap_or(0.0);
            let whole = crate::console::widgets::whole(seconds);
            let whole = i64::try_from(whole).unwrap_or(0);
            backup.started_at + chrono::TimeDelta::seconds(whole)
        },
        |window| window.from_at,
    )
}

/// Until when a window reaches: its last commit, or the latest backup whose end its WAL goes
/// through; an idle server commits nothing.
fn reached(window: &RecoveryWindow, all: &[RecoveryWindow]) -> DateTime<Utc> {
    let passed = all.iter().filter(|other| other.from_lsn <= window.to_lsn);
    let later = passed.map(|other| other.from_at).max();
    window.to_at.max(later).unwrap_or(window.from_at).max(window.from_at)
}

impl TimeLine {
    /// From the end of the oldest complete backup to now; `None` without one.
    pub(super) fn new(protection: &Protection, now: DateTime<Utc>, columns: u16) -> Option<Self> {
        let complete = protection.backups.iter().filter(|one| one.status == BackupStatus::Complete);
        let ends: Vec<(DateTime<Utc>, Mark)> = complete
            .map(|one| {
                let is_full = one.kind != Some(BackupKind::Incremental);
                let mark = if is_full { Mark::Full } else { Mark::Incremental };
                (end_of(one, protection), mark)
            })
            .collect();
        let from = ends.iter().map(|(at, _)| *at).min()?;
        let columns = usize::from(columns);
        let mut line = Self {
            from,
            to: now.max(from),
            spans: vec![Span::Unreached; columns],
            marks: vec![None; columns],
        };
        line.add_spans(protection);
        for (at, mark) in ends {
            let column = line.column(at);
            if let Some(cell) = line.marks.get_mut(column)
                && *cell != Some(Mark::Full)
            {
                *cell = Some(mark);
            }
        }
        Some(line)
    }

    /// The column of a moment.
    fn column(&self, at: DateTime<Utc>) -> usize {
        let whole = (self.to - self.from).num_milliseconds().max(1);
        let part = (at - self.from).num_milliseconds().clamp(0, whole);
        let last = i64::try_from(self.spans.len()).unwrap_or(0).saturating_sub(1).max(0);
        usize::try_from(i128::from(part) * i128::from(last) / i128::from(whole)).unwrap_or(0)
    }

    fn fill(&mut self, from: DateTime<Utc>, to: DateTime<Utc>, span: Span) {
        let (first, last) = (self.column(from), self.column(to));
        for cell in self.spans.iter_mut().take(last + 1).skip(first) {
            *cell = span;
        }
    }

    /// Gaps are drawn over what can be recovered: one that is shorter than a column shows too.
    fn add_spans(&mut self, protection: &Protection) {
        let windows = &protection.windows;
        for window in windows {
            self.fill(window.from_at, reached(window, windows), Span::Recoverable);
        }
        for window in windows.iter().filter(|window| window.ends_at_gap) {
            let end = reached(window, windows);
            let later = windows.iter().map(|one| one.from_at).filter(|at| *at > end).min();
            let next = later.unwrap_or(self.to);
            let (first, last) = (self.column(end), self.column(next));
            // The backup at either end can be recovered to.
            let inner = first + 1..last.max(first + 2);
            for cell in self.spans.iter_mut().take(inner.end).skip(inner.start) {
                *cell = Span::Gap;
            }
        }
    }

    /// Draws it on three lines.
    pub(super) fn draw(&self, canvas: &mut Canvas<'_>, place: Rect, zone: Zone) {
        let look = canvas.look;
        for (column, mark) in self.marks.iter().enumerate() {
            let Some(mark) = mark else { continue };
            let sign = if *mark == Mark::Full { FULL } else { INCREMENTAL };
            let x = place.x + u16::try_from(column).unwrap_or(0);
            put(canvas.buf, Rect::new(x, place.y, 1, 1), sign, look.style(Role::Title));
        }
        let spans: Vec<(String, Style)> = self
            .spans
            .iter()
            .map(|span| {
                let (sign, role) = sign(look, *span);
                (sign.to_owned(), look.style(role))
            })
            .collect();
        put_spans(canvas.buf, line_of(place, 1), &spans);
        let below = line_of(place, 2);
        let (from, to) = (zone.date_time(self.from), zone.date_time(self.to));
        put(canvas.buf, below, &from, look.style(Role::Dim));
        let width = |text: &str| u16::try_from(text::width(text)).unwrap_or(0);
        let x = below.right().saturating_sub(width(&to));
        put(canvas.buf, Rect::new(x, below.y, width(&to), 1), &to, look.style(Role::Dim));
        let legend = legend(look);
        let length: u16 = legend.iter().map(|(text, _)| width(text)).sum();
        let room = below.width.saturating_sub(width(&from) + width(&to) + 2);
        if length <= room {
            let x = below.x + width(&from) + 1 + (room - length) / 2;
            put_spans(canvas.buf, Rect::new(x, below.y, length, 1), &legend);
        }
    }
}

const FULL: &str = "F";
const INCREMENTAL: &str = "i";

fn sign(look: &Look, span: Span) -> (&'static str, Role) {
    match span {
        Span::Unreached => (look.symbols.bar_empty, Role::BarEmpty),
        Span::Recoverable => (look.symbols.bar, Role::Ok),
        Span::Gap => (look.symbols.error, Role::Error),
    }
}

/// What the signs mean.
fn legend(look: &Look) -> Vec<(String, Style)> {
    let piece = |sign: &str, word: &str, role| {
        [(sign.to_owned(), look.style(role)), (format!(" {word} "), look.style(Role::Dim))]
    };
    let span = |span, word| {
        let (text, role) = sign(look, span);
        piece(text, word, role)
    };
    [
        piece(FULL, "full", Role::Title),
        piece(INCREMENTAL, "incr", Role::Title),
        span(Span::Recoverable, "recoverable"),
        span(Span::Gap, "gap"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use pgdeck_engine::api::{Lsn, RecoveryWindow, TimelineId, VerifyState};

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000, 0).unwrap() + TimeDelta::minutes(minute)
    }

    fn backup(minute: i64, kind: BackupKind) -> BackupInfo {
        BackupInfo {
            label: format!("at {minute}"),
            started_at: at(minute),
            directory: "/backup".into(),
            status: BackupStatus::Complete,
            reason: None,
            kind: Some(kind),
            parent: None,
            size_bytes: None,
            stored_bytes: None,
            start_lsn: None,
            stop_lsn: None,
            timeline: Some(1),
            duration_seconds: Some(0.0),
            checksum_failures: None,
            verification: VerifyState::NotVerified,
            verified_at: None,
            keystore_fingerprint: None,
        }
    }

    fn window(from: i64, to: Option<i64>, ends_at_gap: bool) -> RecoveryWindow {
        let lsn = |minute: i64| Lsn::from_u64(0x200_0000 + u64::try_from(minute).unwrap()).unwrap();
        RecoveryWindow {
            backup: format!("at {from}"),
            timeline: TimelineId::from_u32(1).unwrap(),
            from_lsn: lsn(from),
            from_at: at(from),
            to_lsn: lsn(to.unwrap_or(from)),
            to_at: to.map(at),
            ends_at_gap,
        }
    }

    fn drawn(protection: &Protection, now: i64, columns: u16) -> (String, String) {
        let line = TimeLine::new(protection, at(now), columns).unwrap();
        let spans = line.spans.iter().map(|span| match span {
            Span::Unreached => '.',
            Span::Recoverable => '#',
            Span::Gap => 'x',
        });
        let marks = line.marks.iter().map(|mark| match mark {
            Some(Mark::Full) => 'F',
            Some(Mark::Incremental) => 'i',
            None => ' ',
        });
        (marks.collect::<String>().trim_end().to_owned(), spans.collect())
    }

    #[test]
    fn marks_spans_and_gaps_stand_at_their_times() {
        let protection = Protection {
            backups: vec![backup(60, BackupKind::Incremental), backup(0, BackupKind::Full)],
            windows: vec![window(0, Some(30), true), window(60, Some(80), false)],
            ..Protection::default()
        };
        let (marks, spans) = drawn(&protection, 100, 11);
        assert_eq!(marks, "F     i");
        assert_eq!(spans, "####xx###..");
    }

    #[test]
    fn a_short_gap_still_shows() {
        let protection = Protection {
            backups: vec![backup(51, BackupKind::Full), backup(0, BackupKind::Full)],
            windows: vec![window(0, Some(50), true), window(51, Some(100), false)],
            ..Protection::default()
        };
        assert_eq!(drawn(&protection, 100, 11).1, "######x####");
    }

    #[test]
    fn a_gap_behind_the_last_backup_reaches_to_now() {
        let protection = Protection {
            backups: vec![backup(0, BackupKind::Full)],
            windows: vec![window(0, None, true)],
            ..Protection::default()
        };
        let (_, spans) = drawn(&protection, 100, 11);
        assert_eq!(spans, "#xxxxxxxxx.");
    }

    #[test]
    fn an_idle_server_is_recoverable_from_one_backup_to_the_next() {
        let reaches_both = Lsn::from_u64(0x300_0000).unwrap();
        let idle = RecoveryWindow { to_lsn: reaches_both, ..window(0, None, false) };
        let protection = Protection {
            backups: vec![backup(50, BackupKind::Full), backup(0, BackupKind::Full)],
            windows: vec![idle, window(50, None, false)],
            ..Protection::default()
        };
        assert_eq!(drawn(&protection, 100, 11).1, "######.....");
    }

    #[test]
    fn odd_moments_do_no_harm() {
        let protection = Protection {
            backups: vec![backup(0, BackupKind::Full)],
            windows: vec![window(0, Some(5), false)],
            ..Protection::default()
        };
        for (now, columns) in [(0, 0), (0, 1), (-5, 3), (1, 2)] {
            assert_eq!(drawn(&protection, now, columns).1.len(), usize::from(columns));
        }
        assert_eq!(TimeLine::new(&Protection::default(), at(0), 10), None);
    }
}
