//! The console without a terminal and without an engine: keys go in, effects and screens come out.

mod backups;
mod danger;
mod dialogs;
mod lists;
mod mistakes;
mod protected;
mod recovery;
mod routes;
mod sample;
mod screens;

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use pgdeck_engine::api::{Command, Fleet, JobStatus, Limits, RequestId, Snapshot};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::look::Look;
use super::state::{Cmd, Msg, Setup, State};
use super::terminal::policy::{Charset, ColourDepth, Family, Pace, TerminalPolicy};
use super::terminal::symbols::Symbols;
use super::update::update;
use super::view::view;
use super::zone::Zone;
use crate::theme::Theme;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 60);

/// A console that is driven by keys.
struct Driver {
    state: State,
}

impl Driver {
    fn new(instances: Vec<Snapshot>) -> Self {
        Self::with(instances, SMALL, false)
    }

    fn read_only(instances: Vec<Snapshot>) -> Self {
        Self::with(instances, SMALL, true)
    }

    fn with(instances: Vec<Snapshot>, size: (u16, u16), read_only: bool) -> Self {
        let state = State::new(Setup {
            read_only,
            interval_ms: 1_000,
            limits: Limits::default(),
            size,
            now: sample::now(),
            zone: Zone::Utc,
            preferred: None,
            program: "/usr/local/bin/pgdeck".into(),
        });
        let mut driver = Self { state };
        driver.publish(instances, Vec::new());
        driver
    }

    /// The busy instance alone.
    fn busy() -> Self {
        Self::new(vec![sample::busy("main")])
    }

    /// The engine publishes.
    fn publish(&mut self, instances: Vec<Snapshot>, jobs: Vec<JobStatus>) -> Vec<Cmd> {
        let fleet = Fleet {
            instances: instances.into_iter().map(Arc::new).collect(),
            jobs: Arc::new(jobs),
            discovered: true,
            discovery_error: None,
        };
        update(&mut self.state, Msg::Fleet(Arc::new(fleet)))
    }

    /// Types keys: letters as they are, others as `<Enter>`, `<Esc>`, `<C-d>`; all effects but
    /// those that only tell the engine what is on the screen.
    fn keys(&mut self, keys: &str) -> Vec<Cmd> {
        let mut effects = Vec::new();
        for event in events(keys) {
            effects.extend(update(&mut self.state, Msg::Key(event)));
        }
        effects.retain(|effect| !matches!(effect, Cmd::Send(_, Command::Watch { .. })));
        effects
    }

    /// What the engine was asked to change.
    fn mutations(effects: &[Cmd]) -> Vec<Command> {
        let mutation = |effect: &Cmd| match effect {
            Cmd::Send(_, command) if command.is_mutating() => Some(command.clone()),
            _ => None,
        };
        effects.iter().filter_map(mutation).collect()
    }

    /// The newest request.
    fn request(effects: &[Cmd]) -> RequestId {
        let request = |effect: &Cmd| match effect {
            Cmd::Send(request, _) => Some(*request),
            _ => None,
        };
        effects.iter().rev().find_map(request).expect("a request was made")
    }

    fn notice(&self) -> &str {
        self.state.notice.as_ref().map_or("", |notice| notice.text.as_str())
    }

    /// The screen in ASCII without colours. Lines with reversed cells begin with `>`.
    fn screen(&self) -> String {
        let out = self.drawn(Family::Vt220, Charset::Ascii);
        assert!(out.is_ascii(), "not ASCII: {out}");
        out
    }

    /// The same in UTF-8, as with NO_COLOR.
    fn utf8(&self) -> String {
        self.drawn(Family::Xterm, Charset::Utf8)
    }

    fn drawn(&self, family: Family, charset: Charset) -> String {
        let depth = ColourDepth::Mono;
        let policy = TerminalPolicy { family, depth, charset, pace: Pace::Normal };
        let theme = Theme::load("mono", None, &policy).unwrap();
        let look = Look { theme, symbols: Symbols::of(&policy) };
        let area = Rect::new(0, 0, self.state.size.0, self.state.size.1);
        let mut buf = Buffer::empty(area);
        let cursor = view(&self.state, &look, area, &mut buf);
        if let Some(cursor) = cursor {
            assert!(area.contains(cursor), "the cursor is off the screen");
        }
        let mut out = String::new();
        for y in 0..area.height {
            let cells = (0..area.width).map(|x| &buf[(x, y)]);
            let is_reversed = cells.clone().any(|cell| cell.modifier.contains(Modifier::REVERSED));
            let line: String = cells.map(|cell| cell.symbol()).collect();
            out.push(if is_reversed { '>' } else { '|' });
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

fn events(keys: &str) -> Vec<KeyEvent> {
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    let mut events = Vec::new();
    let mut rest = keys;
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|after| after.split_once('>'));
        let Some((name, after)) = named.filter(|(name, _)| name.len() > 1) else {
            events.push(plain(KeyCode::Char(first)));
            rest = &rest[first.len_utf8()..];
            continue;
        };
        events.push(match name {
            "Enter" => plain(KeyCode::Enter),
            "Esc" => plain(KeyCode::Esc),
            "Tab" => plain(KeyCode::Tab),
            "BackTab" => plain(KeyCode::BackTab),
            "Down" => plain(KeyCode::Down),
            "Left" => plain(KeyCode::Left),
            "Right" => plain(KeyCode::Right),
            name => {
                let letter = name.strip_prefix("C-").and_then(|rest| rest.chars().next());
                KeyEvent::new(KeyCode::Char(letter.expect(name)), KeyModifiers::CONTROL)
            }
        });
        rest = after;
    }
    events
}
