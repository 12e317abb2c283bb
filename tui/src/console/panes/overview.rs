//! Overview: is it healthy, is my data safe, what do I press next.

use pgdeck_engine::api::{
    DestinationHealth, HolderKind, InstanceState, Message, MessageCode, ServerStatus, Severity,
    Snapshot, WalStatus,
};
use ratatui::layout::{Position, Rect};

use super::{Canvas, Context, Pane, messages, stale_text};
use crate::console::commands::CommandId;
use crate::console::dialogs::text_view::TextView;
use crate::console::list::{ListControls, ListState};
use crate::console::look::{Look, severity_role, state_role};
use crate::console::widgets::table::{self, Row, View};
use crate::console::widgets::window::{Line, wrap_pieces};
use crate::console::widgets::{line_of, put, put_spans, whole};
use crate::console::zone::Zone;
use crate::text::{self, plural};
use crate::theme::Role;

/// Lines the messages get at least, heading included.
const MESSAGES_LINES_MIN: usize = 4;
/// Columns of labels.
const LABEL: usize = 10;

/// The pane; its list is that of the messages.
#[derive(Debug, Default)]
pub struct Overview {
    list: ListState<messages::Key>,
    shown: Vec<Message>,
}

impl Overview {
    fn selected(&self) -> Option<&Message> {
        self.shown.get(self.list.selected_index()?)
    }
}

/// Builds lines of a label and pieces of text.
struct Lines<'a> {
    look: &'a Look,
    width: usize,
    lines: Vec<Line>,
}

impl Lines<'_> {
    fn add(&mut self, label: &str, pieces: &[(String, Role)]) {
        let styled = |(text, role): &(String, Role)| {
            (text::clean(text).into_owned(), self.look.style(*role))
        };
        let pieces: Vec<_> = pieces.iter().map(styled).collect();
        let label = (format!("{label:<LABEL$}"), self.look.style(Role::Dim));
        self.lines.extend(wrap_pieces(label, &pieces, self.width));
    }

    fn text(&mut self, label: &str, text: String) {
        self.add(label, &[(text, Role::Text)]);
    }
}

fn health(lines: &mut Lines<'_>, snapshot: &Snapshot) {
    let count = |severity| snapshot.messages.iter().filter(|m| m.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let (text, role) = match (errors, warnings) {
        (0, 0) => ("healthy".to_owned(), Role::Ok),
        (0, warnings) => (plural(warnings, "warning"), Role::Warn),
        (errors, 0) => (plural(errors, "error"), Role::Error),
        (errors, warnings) => {
            (format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")), Role::Error)
        }
    };
    let state = snapshot.status.state;
    lines.add(
        "Health",
        &[
            (format!("{} ", state.word()), state_role(state)),
            (format!("({}), ", snapshot.status.detail), Role::Dim),
            (text, role),
        ],
    );
}

/// Is my data safe? What of the answer is known today.
fn safety(lines: &mut Lines<'_>, snapshot: &Snapshot) {
    let mut pieces: Vec<(String, Role)> = Vec::new();
    let checksums = match (snapshot.server.get(), &snapshot.status.control) {
        (Some(server), _) => Some(server.data_checksums),
        (None, Some(control)) => Some(control.data_checksums),
        (None, None) => None,
    };
    match checksums {
        Some(true) => pieces.push(("checksums on".to_owned(), Role::Ok)),
        Some(false) => pieces.push(("checksums off".to_owned(), Role::Warn)),
        None => pieces.push(("checksums not known".to_owned(), Role::Dim)),
    }
    let archiver = snapshot.wal.get().map(|wal| wal.archiver.as_ref());
    match archiver {
        Some(Some(archiver)) if archiver.is_failing() => {
            pieces.push((", archiving fails".to_owned(), Role::Error));
        }
        Some(Some(_)) => pieces.push((", WAL is archived".to_owned(), Role::Ok)),
        Some(None) => pieces.push((", WAL is not archived".to_owned(), Role::Warn)),
        None => {}
    }
    let destinations = snapshot.destinations.get().into_iter().flatten();
    let bad = destinations.clone().filter(|one| one.health == DestinationHealth::Error).count();
    match (bad, destinations.count()) {
        (0, 0) => {}
        (0, count) => {
            pieces.push((format!(", {} in order", plural(count, "destination")), Role::Ok))
        }
        (bad, _) => {
            pieces.push((format!(", {} in error", plural(bad, "destination")), Role::Error))
        }
    }
    lines.add("Data", &pieces);
}

fn next(lines: &mut Lines<'_>, snapshot: &Snapshot) {
    let text = match snapshot.messages.first() {
        None => "nothing to do; ? shows all keys".to_owned(),
        Some(message) if message.severity == Severity::Info => {
            "nothing urgent; Enter reads a message, ? shows all keys".to_owned()
        }
        Some(message) if message.code == MessageCode::InstanceStopped => "s starts it".to_owned(),
        Some(message) if message.code == MessageCode::InstanceCrashed => {
            "6 reads the log, s starts it: it recovers by itself".to_owned()
        }
        Some(_) => "Enter reads the message below, o goes to its solution".to_owned(),
    };
    lines.add("Next", &[(text, Role::Key)]);
}

fn server(lines: &mut Lines<'_>, server: &ServerStatus) {
    let timeline = server.timeline.map_or_else(|| "?".to_owned(), |id| id.decimal());
    // In minutes: an overview of a quiet server must not tick.
    let uptime = match server.uptime_seconds {
        0..60 => "under a minute".to_owned(),
        seconds => text::age(seconds / 60 * 60),
    };
    lines.text(
        "Server",
        format!(
            "PostgreSQL {}, {}, timeline {timeline}, port {}, up {uptime}, {}, wal_level {}",
            server.version,
            server.role.word(),
            server.port.map_or_else(|| "?".to_owned(), |port| port.to_string()),
            server.encoding,
            server.wal_level
        ),
    );
    let slots = server.connections;
    let (full, empty) = lines.look.symbols.bar(20, slots.used.into(), u64::from(slots.max.max(1)));
    lines.add(
        "Slots",
        &[
            (full, Role::Bar),
            (empty, Role::BarEmpty),
            (format!(" {} of {}, {} reserved", slots.used, slots.max, slots.reserved), Role::Text),
        ],
    );
}

fn activity(lines: &mut Lines<'_>, snapshot: &Snapshot) {
    let Some(rates) = snapshot.rates.get() else { return };
    let hit = rates.cache_hit.map_or_else(|| "-".to_owned(), |hit| format!("{:.1}%", hit * 100.0));
    lines.text(
        "Activity",
        format!(
            "{} transactions, {} rolled back, rows {} read {} written, cache hit {hit}, temp {}",
            text::rate(rates.transactions),
            text::rate(rates.rollbacks),
            text::rate(rates.tuples_returned),
            text::rate(rates.tuples_written),
            text::byte_rate(whole(rates.temp_bytes)),
        ),
    );
    let values: Vec<u64> = snapshot.rate_history.iter().map(|rate| whole(*rate)).collect();
    let graph = lines.look.symbols.graph(&values, 60);
    if values.iter().any(|value| *value > 0) {
        let most = values.iter().max().copied().unwrap_or(0);
        lines.add("tx/s", &[(graph, Role::Bar), (format!(" up to {most}"), Role::Dim)]);
    }
}

fn wal(lines: &mut Lines<'_>, snapshot: &Snapshot, wal: &WalStatus) {
    let position = wal.position.map_or_else(|| "?".to_owned(), |lsn| lsn.to_string());
    let rate = snapshot.rates.get().map_or(0, |rates| whole(rates.wal_bytes));
    let checkpoint = wal.checkpoint_age_seconds.map_or_else(
        || "?".to_owned(),
        |seconds| match whole(seconds) {
            0..60 => "just now".to_owned(),
            seconds => format!("{} ago", text::age(seconds / 60 * 60)),
        },
    );
    let since = wal.since_checkpoint_bytes.map(text::bytes).unwrap_or_default();
    lines.text(
        "WAL",
        format!(
            "{position}, {}, checkpoint {checkpoint}, {since} since ({} timed, {} requested)",
            text::byte_rate(rate),
            wal.checkpoints_timed,
            wal.checkpoints_requested
        ),
    );
    if let Some(delay) = wal.replay_delay_seconds {
        let received = wal.received.map_or_else(|| "?".to_owned(), |lsn| lsn.to_string());
        lines.text("Replay", format!("received {received}, {} behind", text::age(whole(delay))));
    }
    if let Some(archiver) = &wal.archiver {
        let last = archiver.last_archived.clone().unwrap_or_else(|| "none yet".to_owned());
        let role = if archiver.is_failing() { Role::Error } else { Role::Text };
        let text = format!("last archived {last}, {} failures", archiver.failed_count);
        lines.add("Archiver", &[(text, role)]);
    }
}

/// One answer to "what holds back xmin and WAL".
fn holders(lines: &mut Lines<'_>, snapshot: &Snapshot) {
    let holders = snapshot.holders.get().map(Vec::as_slice).unwrap_or_default();
    let oldest = holders.iter().find(|holder| holder.xmin_age.is_some());
    let xmin = oldest.map_or_else(
        || "nothing holds back xmin".to_owned(),
        |holder| {
            let database = holder.database.as_deref().map(|name| format!(" in {name}"));
            format!(
                "xmin is held {} transactions back by {} {}{}",
                holder.xmin_age.unwrap_or(0),
                holder.kind.word(),
                holder.name,
                database.unwrap_or_default()
            )
        },
    );
    let most = holders.iter().filter(|holder| holder.wal_bytes.is_some_and(|bytes| bytes > 0));
    let wal = most.max_by_key(|holder| holder.wal_bytes).map_or_else(
        || "nothing holds back WAL".to_owned(),
        |holder| {
            let bytes = text::bytes(holder.wal_bytes.unwrap_or(0));
            match holder.kind {
                HolderKind::Archiver => format!("{bytes} of WAL wait for the archiver"),
                _ => format!("{bytes} of WAL are kept by {} {}", holder.kind.word(), holder.name),
            }
        },
    );
    lines.text("Held back", format!("{xmin}; {wal}"));
    let databases = snapshot.databases.get().into_iter().flatten();
    let prepared = snapshot.prepared.get().map_or(0, Vec::len);
    if let Some(oldest) = databases.max_by_key(|database| database.xid_age) {
        lines.text(
            "Oldest",
            format!(
                "xid age {} in {}, {prepared} prepared transactions",
                oldest.xid_age, oldest.name
            ),
        );
    }
}

fn standbys(lines: &mut Lines<'_>, snapshot: &Snapshot) {
    for standby in snapshot.standbys.get().into_iter().flatten().take(3) {
        let lag = standby.replay_lag_bytes.map_or_else(|| "?".to_owned(), text::bytes);
        lines.text(
            "Standby",
            format!(
                "{} at {}: {}, {}, {lag} behind",
                standby.name, standby.client, standby.state, standby.sync_state
            ),
        );
    }
}

/// What is known of an instance without a server to ask.
fn down(lines: &mut Lines<'_>, snapshot: &Snapshot, zone: Zone) {
    let status = &snapshot.status;
    if let Some(control) = &status.control {
        let at = control.modified_at.map(|at| zone.date_time(at));
        lines.text(
            "Control",
            format!("{}, written {}", control.state, at.unwrap_or_else(|| "?".to_owned())),
        );
        let checkpoint = control.checkpoint.map_or_else(|| "?".to_owned(), |lsn| lsn.to_string());
        let timeline = control.timeline.map_or_else(|| "?".to_owned(), |id| id.decimal());
        lines.text("Redo from", format!("{checkpoint}, timeline {timeline}"));
    }
    let version = status.major.map_or_else(|| "?".to_owned(), |major| major.to_string());
    let programs = status
        .bin_directory
        .as_ref()
        .map_or_else(|| "no server programs found".to_owned(), |path| path.display().to_string());
    lines.text("Version", format!("{version}, {programs}"));
    if let Some(owner) = &status.owner {
        lines.text("Owner", owner.clone());
    }
}

fn lines(look: &Look, width: usize, context: &Context<'_>, snapshot: &Snapshot) -> Vec<Line> {
    let mut lines = Lines { look, width, lines: Vec::new() };
    health(&mut lines, snapshot);
    safety(&mut lines, snapshot);
    next(&mut lines, snapshot);
    lines.lines.push(Vec::new());
    if let Some(stale) =
        stale_text(&snapshot.server, context.now).filter(|_| snapshot.server.value.is_some())
    {
        lines.add("", &[(stale, Role::Stale)]);
    }
    match snapshot.server.get() {
        Some(status) => {
            server(&mut lines, status);
            activity(&mut lines, snapshot);
            if let Some(status) = snapshot.wal.get() {
                wal(&mut lines, snapshot, status);
            }
            holders(&mut lines, snapshot);
            standbys(&mut lines, snapshot);
        }
        None => down(&mut lines, snapshot, context.zone),
    }
    lines.lines
}

impl Pane for Overview {
    fn settle(&mut self, context: &Context<'_>, height: usize) {
        let all = context.snapshot.map(|snapshot| snapshot.messages.as_slice()).unwrap_or_default();
        let filter = self.list.filter();
        let accepts = |message: &&Message| {
            filter.is_empty() || filter.accepts([message.text.as_str()].into_iter())
        };
        self.shown = all.iter().filter(accepts).cloned().collect();
        let keys = self.shown.iter().map(messages::key).collect();
        self.list.settle(keys, height.saturating_sub(14).max(MESSAGES_LINES_MIN - 1));
    }

    fn run(&mut self, command: CommandId, _context: &Context<'_>) -> bool {
        self.list.run(command, messages::COLUMNS.len())
    }

    fn list(&self) -> &dyn ListControls {
        &self.list
    }

    fn list_mut(&mut self) -> &mut dyn ListControls {
        &mut self.list
    }

    fn detail(&self, context: &Context<'_>) -> Option<TextView> {
        self.selected().map(|message| messages::detail(message, context.zone))
    }

    fn copy(&self, _context: &Context<'_>) -> Option<String> {
        self.selected().map(|message| message.text.clone())
    }

    fn view(&self, context: &Context<'_>, canvas: Canvas<'_>) -> Option<Position> {
        let Canvas { look, area, buf } = canvas;
        let Some(snapshot) = context.snapshot else {
            put(buf, line_of(area, 1), " Looking for instances ...", look.style(Role::Dim));
            return None;
        };
        let width = usize::from(area.width).saturating_sub(2);
        let mut lines = lines(look, width, context, snapshot);
        lines.truncate(usize::from(area.height).saturating_sub(MESSAGES_LINES_MIN));
        for (number, line) in lines.iter().enumerate() {
            let place = line_of(area, number);
            put_spans(
                buf,
                Rect::new(place.x + 1, place.y, place.width.saturating_sub(1), place.height),
                line,
            );
        }
        let top = area.y + u16::try_from(lines.len() + 1).unwrap_or(0);
        let place = Rect::new(area.x, top, area.width, area.bottom().saturating_sub(top));
        if self.shown.is_empty() {
            let text = match snapshot.status.state {
                InstanceState::Unknown => " ",
                _ => " Nothing wants attention.",
            };
            put(buf, line_of(place, 0), text, look.style(Role::Ok));
            return None;
        }
        let room = usize::from(place.height.saturating_sub(1));
        let selected = self.list.selected_index();
        let offset = selected.map_or(0, |index| (index + 1).saturating_sub(room));
        let rows: Vec<Row> = self
            .shown
            .iter()
            .skip(offset)
            .take(room)
            .map(|message| Row {
                cells: messages::cells(message, context),
                role: severity_role(Some(message.severity)),
                is_marked: false,
            })
            .collect();
        let view = View { skipped: 0, sort: None, selected: selected.map(|index| index - offset) };
        table::draw(look, place, &messages::COLUMNS, &rows, view, buf)
    }

    fn message(&self, _context: &Context<'_>) -> Option<Message> {
        self.selected().cloned()
    }
}
