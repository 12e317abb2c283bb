//! What the screen shows. Pure: the same state gives the same screen.

use pgdeck_engine::api::{Severity, Snapshot};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::commands::{self, CommandId, CommandSpec, Scope};
use super::dialogs::{Context as DialogContext, Dialog};
use super::layout;
use super::look::{Look, state_role};
use super::needs;
use super::panes::Canvas;
use super::state::{HEIGHT_MIN, State, WIDTH_MIN};
use super::steps;
use super::tabs;
use super::update::running_job;
use super::widgets::window::Line;
use super::widgets::{fill, put, put_spans};
use crate::text;
use crate::theme::Role;

/// Draws the screen; where the cursor belongs (on the selected row, for screen readers).
pub fn view(state: &State, look: &Look, area: Rect, buf: &mut Buffer) -> Option<Position> {
    fill(buf, area, look.style(Role::Text));
    if state.is_too_small() {
        put(buf, area, &too_small(state.size), look.style(Role::Text));
        return None;
    }
    header(state, look, layout::header(area), buf);
    tabs::view(state, look, layout::tabs(area), buf);
    let body = layout::body((area.width, area.height));
    let canvas = Canvas { look, area: body, buf };
    let mut cursor = state.panes.get(state.pane).view(&state.context(), canvas);
    notice(state, look, layout::notice(area), buf);
    hints(state, look, layout::hints(area), buf);
    let context = DialogContext { fleet: &state.fleet, body, zone: state.zone, now: state.now };
    let top = state.dialogs.len().saturating_sub(1);
    for (number, dialog) in state.dialogs.iter().enumerate() {
        let place = match dialog {
            // A line of input stands where the hints are: the list stays in sight.
            Dialog::Input(_) => area,
            // Below another dialog its margins would show, and keys that are not those of that.
            Dialog::Recovery(_) if number < top => {
                fill(buf, body, look.style(Role::Text));
                fill(buf, layout::hints(area), look.style(Role::Text));
                continue;
            }
            // A screen of its own, with hints of its own.
            Dialog::Recovery(_) => area,
            _ => body,
        };
        cursor = dialog.view(&context, look, place, buf);
    }
    steps::view(state, look, layout::tabs(area), buf);
    cursor
}

/// What is needed and what there is, in as many words as fit.
fn too_small((columns, rows): (u16, u16)) -> String {
    let need = format!("{WIDTH_MIN}x{HEIGHT_MIN}");
    let wordings = [
        format!("pgdeck needs {need}, this is {columns}x{rows}. q quits"),
        format!("pgdeck needs {need}, not {columns}x{rows}; q quits"),
        format!("needs {need}; q quits"),
        "q quits".to_owned(),
    ];
    let fits = |text: &&String| text.len() <= usize::from(columns);
    wordings.iter().find(fits).cloned().unwrap_or_else(|| "q".to_owned())
}

fn header(state: &State, look: &Look, line: Rect, buf: &mut Buffer) {
    let mut spans: Line = vec![(" pgdeck  ".to_owned(), look.style(Role::Title))];
    match state.snapshot() {
        Some(snapshot) => spans.extend(instance_spans(snapshot, look)),
        None if state.fleet.discovered => {
            spans.push(("no instance was found".to_owned(), look.style(Role::Warn)));
        }
        None => spans.push(("looking for instances ...".to_owned(), look.style(Role::Dim))),
    }
    put_spans(buf, line, &spans);
    let right = right_spans(state, look);
    let width: usize = right.iter().map(|(text, _)| text::width(text)).sum();
    let width = u16::try_from(width).unwrap_or(line.width).min(line.width);
    put_spans(buf, Rect::new(line.right() - width, line.y, width, 1), &right);
}

fn instance_spans(snapshot: &Snapshot, look: &Look) -> Line {
    let identity = &snapshot.identity;
    let state = snapshot.status.state;
    let mut spans = vec![
        (
            format!("{}@{}  ", text::clean(&identity.name), text::clean(&identity.host)),
            look.style(Role::Text),
        ),
        (format!("{}  ", state.word().to_uppercase()), look.style(state_role(state))),
    ];
    if let Some(server) = snapshot.server.get() {
        let place = server.port.map_or_else(String::new, |port| format!(" :{port}"));
        let text = format!("{} {}{place}  ", server.version, server.role.word());
        spans.push((text, look.style(Role::Text)));
    } else if let Some(major) = snapshot.status.major {
        spans.push((format!("{major}  "), look.style(Role::Text)));
    }
    if !snapshot.connected && state.has_process() {
        spans.push(("NOT CONNECTED".to_owned(), look.style(Role::Stale)));
    }
    spans
}

fn right_spans(state: &State, look: &Look) -> Line {
    let mut spans: Line = Vec::new();
    if state.frozen.is_some() {
        spans.push((" PAUSED ".to_owned(), look.style(Role::Warn)));
    }
    if state.read_only {
        spans.push((" READ-ONLY ".to_owned(), look.style(Role::Info)));
    }
    let instances = &state.fleet.instances;
    if instances.len() > 1 {
        let here =
            instances.iter().position(|one| Some(&one.identity.id) == state.selected.as_ref());
        let others = instances
            .iter()
            .filter(|one| Some(&one.identity.id) != state.selected.as_ref())
            .filter(|one| one.worst() == Some(Severity::Error))
            .count();
        let text = format!(" {}/{} ", here.map_or(0, |here| here + 1), instances.len());
        spans.push((text, look.style(Role::Dim)));
        if others > 0 {
            spans.push((format!("{others} others in error "), look.style(Role::Error)));
        }
    }
    spans
}

fn notice(state: &State, look: &Look, line: Rect, buf: &mut Buffer) {
    let (text, role) = match (&state.notice, running_job(state)) {
        (Some(notice), _) => (
            notice.text.clone(),
            match notice.severity {
                Severity::Error => Role::Error,
                Severity::Warning => Role::Warn,
                Severity::Info => Role::Info,
            },
        ),
        (None, Some(job)) => (
            format!(
                "{} {}: {} (J shows it)",
                job.kind.word(),
                job.instance_name,
                job.progress.phase
            ),
            Role::Info,
        ),
        (None, None) => return,
    };
    let text = text::fit(
        &text::clean(&text),
        usize::from(line.width.saturating_sub(1)),
        look.symbols.ellipsis,
    );
    put(
        buf,
        Rect::new(line.x + 1, line.y, line.width.saturating_sub(1), 1),
        &text,
        look.style(role),
    );
}

/// Keys of the pane, then general ones; those that cannot be used now are dim. The way to the
/// help and out always stands at the right.
fn hints(state: &State, look: &Look, line: Rect, buf: &mut Buffer) {
    let always = [CommandId::Palette, CommandId::Help, CommandId::Quit];
    let right: Line = always.iter().flat_map(|id| hint(commands::spec(*id), state, look)).collect();
    let width: usize = right.iter().map(|(text, _)| text::width(text)).sum();
    let width = u16::try_from(width).unwrap_or(line.width).min(line.width);
    let in_bar = |spec: &&CommandSpec| {
        !spec.hint.is_empty() && spec.applies_to(state.pane) && !always.contains(&spec.id)
    };
    let own = commands::TABLE.iter().filter(|spec| matches!(spec.scope, Scope::Panes(_)));
    let general = commands::TABLE.iter().filter(|spec| !matches!(spec.scope, Scope::Panes(_)));
    let mut spans: Line = vec![(" ".to_owned(), look.style(Role::Text))];
    let mut room = usize::from(line.width - width).saturating_sub(1);
    for spec in own.chain(general).filter(in_bar) {
        let pieces = hint(spec, state, look);
        let wanted: usize = pieces.iter().map(|(text, _)| text::width(text)).sum();
        // A hint is shown whole or not at all.
        if wanted > room {
            break;
        }
        room -= wanted;
        spans.extend(pieces);
    }
    put_spans(buf, line, &spans);
    put_spans(buf, Rect::new(line.right() - width, line.y, width, 1), &right);
}

/// A key and its word. A disabled key is told from an enabled one without colours, too.
fn hint(spec: &CommandSpec, state: &State, look: &Look) -> Line {
    let Some(key) = spec.keys.first() else { return Vec::new() };
    let is_usable = needs::reason(spec, state).is_none();
    let (key, key_role, text_role) = match is_usable {
        true => (key.to_string(), Role::Key, Role::Text),
        false => (format!("({key})"), Role::Dim, Role::Dim),
    };
    vec![(key, look.style(key_role)), (format!(" {}  ", spec.hint), look.style(text_role))]
}
