//! Danger grade 2 with a plan: what would be done, read before it is confirmed. The answer is no
//! unless `y` is typed.

use std::sync::Arc;

use pgdeck_engine::api::{Error, InstanceId, InstanceState, RecoveryPlan, RequestId};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Context, Outcome};
use crate::console::actions::Action;
use crate::console::keys::Key;
use crate::console::look::Look;
use crate::console::widgets::window::{Line, Window, fact_lines, wrap_into, wrap_pieces};
use crate::console::widgets::{line_of, put_spans};
use crate::text;
use crate::theme::Role;

/// Columns of the words before the facts of a recovery's plan.
const PLAN_INDENT: usize = 13;

/// How far the plan is.
#[derive(Debug)]
enum Readiness {
    /// The engine works it out.
    Awaited(RequestId),
    /// It can be confirmed.
    Ready,
    /// It cannot be carried out.
    Refused,
}

/// Whether the instance ran when the plan was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    /// It did not, or that does not matter.
    AtRest,
    /// It did: the plan is to look at, and is made again when it has been stopped.
    WhileRunning,
}

/// What has to end before a recovery can be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hindrance {
    Nothing,
    /// The instance runs.
    Instance,
    /// A server that is not known as the instance's, such as that of a removed directory.
    OtherServer,
    /// The plan is about to be made again.
    OldPlan,
}

/// A plan.
#[derive(Debug)]
pub struct Plan {
    title: String,
    facts: Vec<(&'static str, String)>,
    body: String,
    action: Action,
    readiness: Readiness,
    made: Made,
    scroll: usize,
}

impl Plan {
    /// Asks whether to do `action`; `facts` are label and text, `body` is the plan.
    #[must_use]
    pub fn new(action: Action, facts: Vec<(&'static str, String)>, body: String) -> Self {
        let (title, readiness, made) = (action.title(), Readiness::Ready, Made::AtRest);
        Self { title, facts, body, action, readiness, made, scroll: 0 }
    }

    /// The same, while the engine works the plan out as the answer to `request`.
    #[must_use]
    pub fn awaited(action: Action, facts: Vec<(&'static str, String)>, request: RequestId) -> Self {
        let body = "The plan is being worked out ...".to_owned();
        Self { readiness: Readiness::Awaited(request), ..Self::new(action, facts, body) }
    }

    /// The same, of an instance that runs: it is made again when that has been stopped.
    #[must_use]
    pub fn of_running(mut self) -> Self {
        self.made = Made::WhileRunning;
        self
    }

    /// Whether it waits for this answer.
    #[must_use]
    pub fn awaits(&self, request: RequestId) -> bool {
        matches!(self.readiness, Readiness::Awaited(one) if one == request)
    }

    /// Takes the plan, if it waits for this answer.
    pub fn complete(&mut self, request: RequestId, text: &str) {
        if self.awaits(request) {
            self.readiness = Readiness::Ready;
            text.clone_into(&mut self.body);
        }
    }

    /// What it would do.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// Takes the plan of a recovery, if it waits for this answer.
    pub fn complete_recovery(&mut self, request: RequestId, made: &Arc<RecoveryPlan>, text: &str) {
        if let (true, Action::Recover { plan, .. }) = (self.awaits(request), &mut self.action) {
            *plan = Some(Arc::clone(made));
            self.complete(request, text);
        }
    }

    /// The instance that has to be stopped before it is made again.
    #[must_use]
    pub fn waits_for(&self) -> Option<&InstanceId> {
        match &self.action {
            Action::Recover { instance, .. } if self.made == Made::WhileRunning => Some(instance),
            _ => None,
        }
    }

    /// What has to end before it can be carried out.
    fn hindrance(&self, context: &Context<'_>) -> Hindrance {
        let Action::Recover { instance, request, plan } = &self.action else {
            return Hindrance::Nothing;
        };
        let state = context.fleet.get(instance).map(|one| one.status.state);
        let is_told = plan.as_ref().is_some_and(|plan| plan.running.is_some());
        if request.to.is_none() && state.is_some_and(InstanceState::has_process) {
            Hindrance::Instance
        } else if is_told && self.made == Made::AtRest {
            Hindrance::OtherServer
        } else if self.made == Made::WhileRunning {
            Hindrance::OldPlan
        } else {
            Hindrance::Nothing
        }
    }

    /// Says why it cannot be carried out.
    pub fn refuse(&mut self, error: &Error) {
        self.readiness = Readiness::Refused;
        self.body = format!("It cannot be done: {}\n{}\n{}", error.fact, error.detail, error.hint);
        if self.made == Made::WhileRunning {
            self.body.push_str("\nThis is so while the instance runs. Once it is stopped all its WAL is there, and the plan is made again.");
        }
    }

    pub(super) fn key(&mut self, key: Option<Key>, context: &Context<'_>) -> Outcome {
        let area = context.body;
        let is_ready = matches!(self.readiness, Readiness::Ready);
        let hindrance = self.hindrance(context);
        let is_awaited = matches!(self.readiness, Readiness::Awaited(_));
        let can_stop = hindrance == Hindrance::Instance && !is_awaited;
        let page = usize::from(area.height.saturating_sub(4)).max(1);
        match key {
            Some(Key::Char('y' | 'Y')) if is_ready && hindrance == Hindrance::Nothing => {
                return Outcome::Do(self.action.clone());
            }
            Some(Key::Char('s')) if can_stop => {
                self.made = Made::WhileRunning;
                return Outcome::StopFirst;
            }
            Some(Key::Char('n' | 'N' | 'q') | Key::Esc | Key::Enter) => return Outcome::Close,
            Some(Key::Down | Key::Char('j')) => self.scroll = self.scroll.saturating_add(1),
            Some(Key::Up | Key::Char('k')) => self.scroll = self.scroll.saturating_sub(1),
            Some(Key::PageDown | Key::Char(' ') | Key::Ctrl('d')) => {
                self.scroll = self.scroll.saturating_add(page);
            }
            Some(Key::PageUp | Key::Ctrl('u')) => self.scroll = self.scroll.saturating_sub(page),
            Some(Key::Home | Key::Char('g')) => self.scroll = 0,
            _ => {}
        }
        let count = self.text_lines(Window::text_width(area));
        self.scroll = self.scroll.min(count.saturating_sub(page.saturating_sub(1)));
        Outcome::Stay
    }

    /// Lines of facts and plan on so many columns.
    fn text_lines(&self, width: usize) -> usize {
        let label = self.facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0) + 2;
        let of = |value: &str| text::wrap(value, width.saturating_sub(label)).line_count().max(1);
        let facts: usize = self.facts.iter().map(|(_, value)| of(value)).sum();
        let is_indented =
            matches!((&self.action, &self.readiness), (Action::Recover { .. }, Readiness::Ready));
        if !is_indented {
            return facts + 1 + text::wrap(&self.body, width).line_count();
        }
        let of = |line: &str| match line.split_at_checked(PLAN_INDENT) {
            Some((_, value)) => text::wrap(value, width.saturating_sub(PLAN_INDENT)).line_count(),
            None => text::wrap(line, width).line_count(),
        };
        facts + 1 + self.body.lines().map(|line| of(line).max(1)).sum::<usize>()
    }

    fn lines(&self, look: &Look, width: usize) -> Vec<Line> {
        let mut lines = fact_lines(look, &self.facts, width);
        lines.push(Vec::new());
        if matches!(self.action, Action::Recover { .. }) {
            lines.extend(self.recovery_lines(look, width));
            return lines;
        }
        for line in self.body.lines() {
            let role = match (&self.readiness, line.as_bytes().first()) {
                (Readiness::Refused, _) => Role::Error,
                (_, Some(b'+')) => Role::Ok,
                (_, Some(b'-')) => Role::Warn,
                _ => Role::Text,
            };
            wrap_into(&mut lines, &text::clean(line), "", width, look.style(role));
        }
        lines
    }

    /// The plan of a recovery: a word in front of each fact, long ones wrapped beside it.
    fn recovery_lines(&self, look: &Look, width: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        for line in self.body.lines() {
            let line = text::clean(line);
            let word = line.split_whitespace().next().unwrap_or_default();
            let role = match (&self.readiness, word) {
                (Readiness::Refused, _) => Role::Error,
                (_, "WARNING" | "RUNS") => Role::Warn,
                (_, "REPLACES") => Role::Danger,
                _ => Role::Text,
            };
            match (&self.readiness, line.split_at_checked(PLAN_INDENT)) {
                (Readiness::Ready, Some((label, value))) => {
                    let label = (label.to_owned(), look.style(role));
                    lines.extend(wrap_pieces(
                        label,
                        &[(value.to_owned(), look.style(role))],
                        width,
                    ));
                }
                _ => wrap_into(&mut lines, &line, "", width, look.style(role)),
            }
        }
        lines
    }

    pub(super) fn view(
        &self,
        context: &Context<'_>,
        look: &Look,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let lines = self.lines(look, Window::text_width(area));
        let inner = Window::new(&self.title).danger().frame(look, area, lines.len() + 2, buf);
        let room = usize::from(inner.height.saturating_sub(2));
        let first = self.scroll.min(lines.len().saturating_sub(room));
        for (row, line) in lines.iter().skip(first).take(room).enumerate() {
            put_spans(buf, line_of(inner, row), line);
        }
        let row = inner.bottom().saturating_sub(1);
        let foot = Rect::new(inner.x, row, inner.width, 1);
        put_spans(buf, foot, &self.foot(look, self.hindrance(context), (first, room, lines.len())));
        Some(Position::new(inner.x, row))
    }

    fn foot(
        &self,
        look: &Look,
        hindrance: Hindrance,
        (first, room, count): (usize, usize, usize),
    ) -> Line {
        let mut spans: Line = Vec::new();
        if count > room {
            let last = (first + room).min(count);
            let text = format!("lines {}-{last} of {count} (j k)  ", first + 1);
            spans.push((text, look.style(Role::Warn)));
        }
        match (&self.readiness, hindrance) {
            (Readiness::Ready | Readiness::Refused, Hindrance::Instance) => {
                spans.push(("The instance runs: ".to_owned(), look.style(Role::Warn)));
                spans.push(("s".to_owned(), look.style(Role::Key)));
                spans.push((" stops it first   ".to_owned(), look.style(Role::Text)));
                spans.push(("Esc".to_owned(), look.style(Role::Key)));
                spans.push((" back".to_owned(), look.style(Role::Text)));
            }
            (Readiness::Ready, Hindrance::OtherServer | Hindrance::OldPlan) => {
                let text = match hindrance {
                    Hindrance::OtherServer => "End that server, then go back and plan again.   ",
                    _ => "It is planned again ...   ",
                };
                spans.push((text.to_owned(), look.style(Role::Warn)));
                spans.push(("Esc".to_owned(), look.style(Role::Key)));
                spans.push((" back".to_owned(), look.style(Role::Text)));
            }
            (Readiness::Ready, Hindrance::Nothing) => {
                spans.push(("y".to_owned(), look.style(Role::Key)));
                let does = match &self.action {
                    Action::Recover { .. } => " asks for the name   ",
                    _ => " does it   ",
                };
                spans.push((does.to_owned(), look.style(Role::Text)));
                spans.push((">No<".to_owned(), look.style(Role::Selection)));
                spans.push((" Enter, Esc, n".to_owned(), look.style(Role::Key)));
            }
            (Readiness::Awaited(_) | Readiness::Refused, _) => {
                spans.push(("Esc".to_owned(), look.style(Role::Key)));
                spans.push((" close".to_owned(), look.style(Role::Text)));
            }
        }
        spans
    }
}
