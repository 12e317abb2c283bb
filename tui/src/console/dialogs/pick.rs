//! Choosing one of a few: an instance, a job, what to do with running jobs when quitting.

use pgdeck_engine::api::{InstanceId, JobId, JobState};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Context, Outcome};
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::widgets::put;
use crate::console::widgets::window::Window;
use crate::console::zone::Zone;
use crate::text;
use crate::theme::Role;

/// What is chosen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Instances.
    Instances,
    /// Jobs.
    Jobs,
    /// Ways to quit while jobs are at work.
    Quit,
}

/// How to quit while jobs are at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuitChoice {
    /// Leave the terminal; the jobs go on.
    Background,
    /// Cancel the jobs, then quit.
    Cancel,
    /// Do not quit.
    Stay,
}

const QUIT_CHOICES: [(QuitChoice, &str); 3] = [
    (QuitChoice::Stay, "Stay"),
    (QuitChoice::Background, "Quit; the jobs go on in the background"),
    (QuitChoice::Cancel, "Cancel the jobs, then quit"),
];

/// The list.
#[derive(Debug)]
pub struct Pick {
    kind: Kind,
    selected: usize,
}

struct Row {
    text: String,
    role: Role,
    outcome: Outcome,
}

impl Pick {
    /// A list with its first line selected.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, selected: 0 }
    }

    fn rows(&self, context: &Context<'_>) -> Vec<Row> {
        match self.kind {
            Kind::Instances => {
                context.fleet.instances.iter().map(|one| instance_row(one)).collect()
            }
            Kind::Jobs => context.fleet.jobs.iter().map(|job| job_row(job, context.zone)).collect(),
            Kind::Quit => QUIT_CHOICES
                .iter()
                .map(|(choice, text)| Row {
                    text: (*text).to_owned(),
                    role: Role::Text,
                    outcome: Outcome::Quit(*choice),
                })
                .collect(),
        }
    }

    pub(super) fn key(&mut self, key: Option<Key>, context: &Context<'_>) -> Outcome {
        let mut rows = self.rows(context);
        let last = rows.len().saturating_sub(1);
        self.selected = self.selected.min(last);
        match key {
            Some(Key::Down | Key::Char('j') | Key::Tab) => {
                self.selected = (self.selected + 1).min(last)
            }
            Some(Key::Up | Key::Char('k') | Key::BackTab) => {
                self.selected = self.selected.saturating_sub(1)
            }
            Some(Key::Esc | Key::Char('q')) => return Outcome::Close,
            Some(Key::Enter) if !rows.is_empty() => return rows.swap_remove(self.selected).outcome,
            _ => {}
        }
        Outcome::Stay
    }

    pub(super) fn view(
        &self,
        context: &Context<'_>,
        look: &Look,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let rows = self.rows(context);
        let (title, nothing) = match self.kind {
            Kind::Instances => {
                ("Instances", "No instance was found. Name one with -D DIR or --dsn.")
            }
            Kind::Jobs => ("Jobs", "No job has run yet."),
            Kind::Quit => ("Jobs are at work", ""),
        };
        let inner = Window::new(title).frame(look, area, rows.len().max(1), buf);
        if rows.is_empty() {
            put(buf, inner, nothing, look.style(Role::Dim));
            return None;
        }
        let height = usize::from(inner.height);
        let selected = self.selected.min(rows.len() - 1);
        let offset = (selected + 1).saturating_sub(height);
        for (index, row) in rows.iter().enumerate().skip(offset).take(height) {
            let y = inner.y + u16::try_from(index - offset).unwrap_or(0);
            let role = if index == selected { Role::Selection } else { row.role };
            let width = usize::from(inner.width);
            let line = text::fit(&text::clean(&row.text), width, look.symbols.ellipsis);
            put(
                buf,
                Rect::new(inner.x, y, inner.width, 1),
                &format!("{line:<width$}"),
                look.style(role),
            );
        }
        let y = inner.y + u16::try_from(selected - offset).unwrap_or(0);
        Some(Position::new(inner.x, y))
    }
}

fn instance_row(snapshot: &pgdeck_engine::api::Snapshot) -> Row {
    let identity = &snapshot.identity;
    let place = identity
        .data_directory
        .as_ref()
        .map_or_else(|| identity.host.clone(), |directory| directory.display().to_string());
    let worst = snapshot.worst();
    let health = worst.map_or("", |severity| severity.word());
    Row {
        text: format!(
            "{:<16} {:<12} {health:<8} {place}",
            identity.name,
            snapshot.status.state.word()
        ),
        role: crate::console::look::severity_role(worst),
        outcome: Outcome::Instance(InstanceId::new(identity.id.as_str())),
    }
}

fn job_row(job: &pgdeck_engine::api::JobStatus, zone: Zone) -> Row {
    let role = match job.state {
        JobState::Running => Role::Info,
        JobState::Done => Role::Ok,
        JobState::Cancelled => Role::Dim,
        JobState::Failed | JobState::Interrupted => Role::Error,
    };
    let what = if job.state == JobState::Running { &job.progress.phase } else { &job.result };
    let what = what.lines().next().unwrap_or_default();
    let at = zone.short(job.started_at);
    Row {
        text: format!(
            "{at} {:<8} {:<12} {:<11} {what}",
            job.kind.word(),
            job.instance_name,
            job.state.word()
        ),
        role,
        outcome: Outcome::Job(JobId { instance: job.id.instance.clone(), number: job.id.number }),
    }
}
