//! A job at work: phase, progress, and the keys to make it harsher or cancel it.

use pgdeck_engine::api::{JobId, JobKind, JobState, JobStatus};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Context, Outcome};
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::steps::Stage;
use crate::console::widgets::whole;
use crate::console::widgets::window::{Line, Window, wrap_into};
use crate::text;
use crate::theme::Role;

/// Lines of detail shown; more are counted.
const LINES_MAX: usize = 10;

/// The view of one job; it outlives this view.
#[derive(Debug)]
pub struct JobView {
    id: JobId,
    stage: Option<Stage>,
}

impl JobView {
    /// A view of this job.
    #[must_use]
    pub fn new(id: JobId) -> Self {
        Self { id, stage: None }
    }

    /// The same, of a job that is a step of a recovery.
    #[must_use]
    pub fn at(mut self, stage: Option<Stage>) -> Self {
        self.stage = stage;
        self
    }

    /// Which step of a recovery it is, as far as it was begun here.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        self.stage
    }

    /// Which job.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.id
    }

    fn find<'a>(&self, context: &Context<'a>) -> Option<&'a JobStatus> {
        context.fleet.jobs.iter().find(|job| job.id == self.id)
    }

    pub(super) fn key(&mut self, key: Option<Key>, context: &Context<'_>) -> Outcome {
        let job = self.find(context);
        let running = job.filter(|job| job.state == JobState::Running);
        match (key, running) {
            (Some(Key::Esc | Key::Char('q') | Key::Enter), _) => Outcome::Close,
            (Some(Key::Char('x')), Some(job)) => Outcome::CancelJob(job.id.clone()),
            (Some(Key::Char('e')), Some(job)) => match harsher(job) {
                Some(mode) => Outcome::Escalate(job.id.clone(), mode),
                None => Outcome::Stay,
            },
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
        let width = Window::text_width(area);
        let Some(job) = self.find(context) else {
            let lines = vec![vec![("It is being prepared ...".to_owned(), look.style(Role::Dim))]];
            Window::new("Job").draw(look, area, &lines, 1, buf);
            return None;
        };
        let title = format!("{} {}", job.kind.word(), job.instance_name);
        let mut lines: Vec<Line> = vec![vec![
            (format!("{}  ", job.state.word()), look.style(state_role(job.state))),
            (text::clean(&job.progress.phase).into_owned(), look.style(Role::Text)),
        ]];
        if let Some(figures) = figures(job) {
            lines.push(vec![(figures, look.style(Role::Text))]);
        }
        let shown = job.progress.lines.iter().take(LINES_MAX);
        for line in shown {
            let line = text::fit(&text::clean(line), width, look.symbols.ellipsis);
            lines.push(vec![(line, look.style(Role::Text))]);
        }
        if job.progress.lines.len() > LINES_MAX {
            let more = format!("and {} more", job.progress.lines.len() - LINES_MAX);
            lines.push(vec![(more, look.style(Role::Dim))]);
        }
        if !job.result.is_empty() {
            lines.push(Vec::new());
            for line in job.result.lines() {
                wrap_into(
                    &mut lines,
                    &text::clean(line),
                    "",
                    width,
                    look.style(state_role(job.state)),
                );
            }
        }
        lines.push(Vec::new());
        lines.push(vec![(keys_line(job), look.style(Role::Dim))]);
        let inner = Window::new(&title).draw(look, area, &lines, 1, buf);
        Some(Position::new(inner.x, inner.y))
    }
}

fn state_role(state: JobState) -> Role {
    match state {
        JobState::Running => Role::Info,
        JobState::Done => Role::Ok,
        JobState::Cancelled => Role::Dim,
        JobState::Failed | JobState::Interrupted => Role::Error,
    }
}

fn figures(job: &JobStatus) -> Option<String> {
    let done = job.progress.done?;
    // What these count is bytes.
    let is_bytes = matches!(
        job.kind,
        JobKind::Backup
            | JobKind::Verify
            | JobKind::Recover
            | JobKind::Rehearse
            | JobKind::Undo
            | JobKind::FindMistakes
    );
    let amount = |count: u64| if is_bytes { text::bytes(count) } else { count.to_string() };
    let mut text = match job.progress.total {
        Some(total) if total > 0 => {
            let percent = u128::from(done) * 100 / u128::from(total);
            format!("{} of {} ({percent} %)", amount(done), amount(total))
        }
        _ => amount(done),
    };
    // What is over has no speed.
    if job.state != JobState::Running {
        return Some(text);
    }
    if let Some(rate) = job.progress.rate.filter(|_| is_bytes) {
        text.push_str(&format!(", {}", text::byte_rate(whole(rate))));
    }
    if let Some(eta) = job.progress.eta_seconds {
        text.push_str(&format!(", about {} left", text::age(eta)));
    }
    Some(text)
}

/// The next harsher mode of a running stop.
fn harsher(job: &JobStatus) -> Option<pgdeck_engine::api::StopMode> {
    match job.kind {
        JobKind::Stop | JobKind::Restart => job.progress.stop_mode?.harsher(),
        _ => None,
    }
}

fn keys_line(job: &JobStatus) -> String {
    if job.state != JobState::Running {
        return "Esc closes".to_owned();
    }
    let escalate = harsher(job).map(|mode| format!("e escalates to {}, ", mode.word()));
    let cancel = if job.cancel_requested { "cancelling" } else { "x cancels" };
    format!("{}{cancel}, Esc leaves it at work", escalate.unwrap_or_default())
}
