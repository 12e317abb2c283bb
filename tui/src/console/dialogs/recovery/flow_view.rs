//! How the flow looks: the title with the steps, one screen for each, the keys.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::map_view::{MapView, chart_columns};
use super::{Fetched, Flow, Purpose, Scale, Step, what};
use crate::console::dialogs::Context;
use crate::console::layout;
use crate::console::look::Look;
use crate::console::steps::Stage;
use crate::console::widgets::window::{Line, wrap_into};
use crate::console::widgets::{fill, line_of, put, put_spans};
use crate::text;
use crate::theme::Role;

/// What moves on the map, for its help.
const MAP_HELP: [(&str, &str); 14] = [
    ("h l, Left Right", "one column back or forth"),
    ("< >", "to the commit before or behind: about one WAL segment"),
    ("j k, Up Down", "another timeline, at the same place"),
    ("g G", "to the beginning or the end of the timeline"),
    ("n N", "to the next or previous backup, restore point or edge of a gap"),
    ("b B", "to the next or previous backup's end"),
    ("r R", "to the next or previous restore point"),
    ("x X", "to the next or previous edge of a gap"),
    ("t /", "type a time, a position or the name of a restore point"),
    ("m", "find a mistake and go to the moment before it"),
    ("i", "include what the cursor stands on, or end just before it"),
    ("=", "to the nearest position that can be reached"),
    ("a", "columns are time, or WAL"),
    ("Enter, Esc", "take this place; one step back"),
];

impl Flow {
    /// Draws the flow over the whole screen below the tabs; where the cursor belongs.
    pub(in crate::console::dialogs) fn view(
        &self,
        context: &Context<'_>,
        look: &Look,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let body = layout::body((area.width, area.height));
        fill(buf, body, look.style(Role::Text));
        let hints = layout::hints(area);
        fill(buf, hints, look.style(Role::Text));
        self.title(look, line_of(body, 0), buf);
        let inside = Rect::new(
            body.x + 1,
            body.y + 2,
            body.width.saturating_sub(2),
            body.height.saturating_sub(2),
        );
        put(
            buf,
            Rect { height: 1, y: body.y + 1, ..inside },
            &self.explanation(),
            look.style(Role::Dim),
        );
        let mut cursor = match self.step {
            Step::What => what::view(self.what, look, inside, buf),
            Step::Place => self.place_view(context, look, inside, buf),
            Step::Map if self.is_help => help(look, inside, buf),
            Step::Map => self.map_view(context, look, body, buf),
            Step::Mistakes => self.mistakes.view(context, look, inside, buf),
            Step::Options => self.options.view(look, Rect { y: inside.y + 1, ..inside }, buf),
        };
        self.remark(look, layout::notice(area), buf);
        put_spans(buf, hints, &self.hints(look));
        if let Some(edit) = &self.seek {
            fill(buf, hints, look.style(Role::Text));
            let prompt = " Time, position or restore point: ";
            put(buf, hints, prompt, look.style(Role::Key));
            let width = u16::try_from(prompt.len()).unwrap_or(0);
            let field = Rect::new(hints.x + width, hints.y, hints.width.saturating_sub(width), 1);
            cursor = Some(edit.view(look, field, buf));
        }
        cursor
    }

    /// Where in a recovery this screen is; none for a mere look at the map.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        let recover = match self.step {
            Step::What | Step::Place => Stage::What,
            Step::Map | Step::Mistakes => Stage::Where,
            Step::Options => Stage::How,
        };
        match (&self.purpose, self.step) {
            (Purpose::Look, _) => None,
            (Purpose::Rehearse, Step::Map | Step::Mistakes) => Some(Stage::RehearseWhere),
            (Purpose::Rehearse, _) => Some(Stage::RehearseWhat),
            (Purpose::Further { .. }, _) => Some(Stage::FurtherWhere),
            (Purpose::Recover, _) => Some(recover),
        }
    }

    fn title(&self, look: &Look, line: Rect, buf: &mut Buffer) {
        let verb = match self.purpose {
            Purpose::Recover => "Recover",
            Purpose::Rehearse => "Rehearse",
            Purpose::Further { .. } => "Go further with",
            Purpose::Look => "Recovery map of",
        };
        let title = format!(" {verb} {}", text::clean(&self.name));
        put(buf, line, &title, look.style(Role::Title));
    }

    fn explanation(&self) -> Cow<'static, str> {
        let text = match (self.step, &self.purpose) {
            (Step::Map, Purpose::Further { from, .. }) => {
                return format!("How far is to be replayed? The server is at {from} now.").into();
            }
            (Step::What, _) => "What happened?",
            (Step::Place, _) => "Where are the backups?",
            (Step::Map, Purpose::Look) => {
                "What can be recovered to. The cursor tells of its place."
            }
            (Step::Map, _) => "Where to? Enter takes the place of the cursor.",
            (Step::Mistakes, _) => "Which one was it? Enter puts the cursor just before it.",
            (Step::Options, _) => "How? If you are not sure, press Enter.",
        };
        text.into()
    }

    fn place_view(
        &self,
        context: &Context<'_>,
        look: &Look,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let text = match self.remembered_at {
            Some(at) => format!(
                "The settings that name the backup destination are gone with the data directory. pgdeck remembers where it saw the backups last, at {}. Enter takes that place, or type another:",
                context.zone.date_time(at)
            ),
            None => "The settings of the instance do not name its backup destination, or are gone with the data directory. Type the directory that holds the backups:".to_owned(),
        };
        let mut lines = Vec::new();
        wrap_into(&mut lines, &text, "", usize::from(area.width), look.style(Role::Text));
        for (number, line) in lines.iter().enumerate() {
            put_spans(buf, line_of(area, number), line);
        }
        let field = line_of(area, lines.len() + 1);
        put(buf, field, "> ", look.style(Role::Key));
        let field = Rect::new(field.x + 2, field.y, field.width.saturating_sub(2), field.height);
        Some(self.place.view(look, field, buf))
    }

    fn map_view(
        &self,
        context: &Context<'_>,
        look: &Look,
        body: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let area = Rect::new(body.x, body.y + 2, body.width, body.height.saturating_sub(2));
        let (text, role) = match (&self.map, &self.cursor) {
            (Fetched::Map(map), Some(cursor)) => {
                let scale = Scale::new(map, self.axis, chart_columns(body.width));
                let view = MapView { map, scale: &scale, cursor, zone: context.zone, look };
                return view.draw(area, buf);
            }
            (Fetched::Map(map), None) => {
                let text = format!(
                    "There is no WAL in {}: nothing can be recovered from it.",
                    map.destination.display()
                );
                (text, Role::Error)
            }
            (Fetched::Refused(error), _) => (error.clone(), Role::Error),
            (Fetched::Not | Fetched::Awaited(_), _) => {
                ("Reading backups and WAL ...".to_owned(), Role::Info)
            }
        };
        let mut lines = Vec::new();
        let width = usize::from(area.width.saturating_sub(2));
        wrap_into(&mut lines, &text::clean(&text), " ", width, look.style(role));
        for (number, line) in lines.iter().enumerate() {
            put_spans(buf, line_of(area, number + 1), line);
        }
        None
    }

    fn remark(&self, look: &Look, line: Rect, buf: &mut Buffer) {
        let Some(remark) = &self.remark else { return };
        fill(buf, line, look.style(Role::Text));
        let width = usize::from(line.width.saturating_sub(2));
        let shown = text::fit(&text::clean(remark), width, look.symbols.ellipsis);
        put(buf, Rect { x: line.x + 1, ..line }, &shown, look.style(Role::Warn));
    }

    fn hints(&self, look: &Look) -> Line {
        let keys: &[(&str, &str)] = match self.step {
            Step::What => &[("j k", "choose"), ("Enter", "go on"), ("Esc", "close")],
            Step::Place => &[("Enter", "go on"), ("Esc", "back")],
            Step::Map if matches!(self.map, Fetched::Map(_)) && !self.seeks_mistakes() => &[
                ("Enter", "take"),
                ("h l", "move"),
                ("n N", "next mark"),
                ("t", "time"),
                ("?", "more keys"),
                ("Esc", "back"),
            ],
            Step::Map if matches!(self.map, Fetched::Map(_)) => &[
                ("Enter", "take"),
                ("h l", "move"),
                ("n N", "next mark"),
                ("t", "time"),
                ("m", "mistakes"),
                ("?", "more keys"),
                ("Esc", "back"),
            ],
            Step::Map => &[("Esc", "back")],
            Step::Mistakes => &[
                ("Enter", "just before it"),
                ("/", "filter"),
                ("a", "every DELETE or many rows"),
                ("Esc", "to the map"),
            ],
            Step::Options => &[
                ("Enter", "go on to the plan"),
                ("Up Down", "field"),
                ("Left Right", "change"),
                ("Esc", "back"),
            ],
        };
        let mut line: Line = vec![(" ".to_owned(), look.style(Role::Text))];
        for (key, word) in keys {
            line.push(((*key).to_owned(), look.style(Role::Key)));
            line.push((format!(" {word}  "), look.style(Role::Text)));
        }
        line
    }
}

fn help(look: &Look, area: Rect, buf: &mut Buffer) -> Option<Position> {
    for (number, (keys, meaning)) in MAP_HELP.iter().enumerate() {
        let spans: Line = vec![
            (format!("{keys:<18}"), look.style(Role::Key)),
            ((*meaning).to_owned(), look.style(Role::Text)),
        ];
        put_spans(buf, line_of(area, number + 1), &spans);
    }
    let end = line_of(area, MAP_HELP.len() + 2);
    put(buf, end, "Any key goes back to the map.", look.style(Role::Dim));
    Some(Position::new(area.x, area.y))
}
