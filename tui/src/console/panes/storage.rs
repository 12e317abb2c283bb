//! Storage: destinations with their file systems and forecast, databases by size.

use pgdeck_engine::api::{
    DatabaseStatus, Destination, DestinationHealth, Forecast, Locality, MountState,
};
use ratatui::layout::{Position, Rect};

use super::{Canvas, Context, Pane, WIDE_FROM, nothing, preview, stale_text};
use crate::console::commands::CommandId;
use crate::console::dialogs::text_view::TextView;
use crate::console::list::{ListControls, ListState};
use crate::console::look::{Look, health_role};
use crate::console::widgets::table::{self, Column, Row, View};
use crate::console::widgets::{line_of, put};
use crate::console::zone::Zone;
use crate::text;
use crate::theme::Role;

const DESTINATIONS: [Column; 7] = [
    Column::text("destination", 11),
    Column::text("state", 7),
    Column::text("used", 10),
    Column::number("free", 7),
    Column::number("own", 7),
    Column::text("full", 9),
    Column::text("path", 20),
];

const DESTINATIONS_WIDE: [Column; 7] = [
    Column::text("destination", 20),
    Column::text("state", 8),
    Column::text("used", 26),
    Column::number("free", 8),
    Column::number("own", 8),
    Column::text("full", 12),
    Column::text("path", 20),
];

const DATABASES: [Column; 7] = [
    Column::text("database", 20),
    Column::number("size", 8),
    Column::number("clients", 7),
    Column::number("tx", 7),
    Column::number("hit", 6),
    Column::number("xid age", 11),
    Column::number("temp", 9),
];

/// Columns a usage bar leaves for its figure.
const PERCENT: u16 = 5;

/// Names a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Destination(String),
    Database(String),
}

/// The pane: destinations first, then databases, one list.
#[derive(Debug, Default)]
pub struct Storage {
    list: ListState<Key>,
    destinations: Vec<Destination>,
    databases: Vec<DatabaseStatus>,
}

fn forecast_text(forecast: &Forecast, now: chrono::DateTime<chrono::Utc>) -> String {
    match forecast {
        Forecast::FullAt { at, .. } => match (*at - now).num_hours() {
            hours if hours < 0 => "now".to_owned(),
            hours if hours < 48 => format!("in {hours} h"),
            hours => format!("in {} days", hours / 24),
        },
        Forecast::NotFilling => "no".to_owned(),
        Forecast::TooEarly { .. } => "too early".to_owned(),
        Forecast::Unknown => String::new(),
    }
}

fn destination_cells(
    one: &Destination,
    context: &Context<'_>,
    look: &Look,
    columns: &[Column],
) -> Vec<String> {
    let bar = columns[2].width.saturating_sub(PERCENT);
    let usage = one.usage.as_ref();
    let used = usage.map(|usage| {
        let percent = usage.used_percent();
        let (full, empty) = look.symbols.bar(bar, u64::from(percent), 100);
        format!("{full}{empty} {percent}%")
    });
    let bytes = |bytes: Option<u64>| bytes.map(text::bytes).unwrap_or_default();
    vec![
        one.name.clone(),
        one.health.word().to_owned(),
        used.unwrap_or_default(),
        bytes(usage.map(|usage| usage.free_bytes)),
        bytes(one.own_bytes),
        forecast_text(&one.forecast, context.now),
        one.path.display().to_string(),
    ]
}

fn database_cells(one: &DatabaseStatus) -> Vec<String> {
    vec![
        one.name.clone(),
        one.size_bytes.map(text::bytes).unwrap_or_default(),
        one.sessions.to_string(),
        one.transactions_per_second.map(text::rate).unwrap_or_default(),
        one.cache_hit.map(|share| format!("{:.1}%", share * 100.0)).unwrap_or_default(),
        one.xid_age.to_string(),
        text::bytes(one.temp_bytes),
    ]
}

fn destination_facts(one: &Destination) -> String {
    if !one.reason.is_empty() {
        return format!("{} {}", one.name, one.reason);
    }
    let shares = match one.shares_device_with.is_empty() {
        true => String::new(),
        false => format!(", shares its device with {}", one.shares_device_with.join(", ")),
    };
    format!("{} {}{shares}", one.name, one.health.word())
}

fn destination_text(one: &Destination, zone: Zone) -> String {
    let usage = one.usage.as_ref().map_or_else(String::new, |usage| {
        let device = &usage.device;
        let point = usage.mount_point.display();
        format!(" on {point} ({device}, {})", usage.fs_type)
    });
    let growth = match &one.forecast {
        Forecast::FullAt { at, bytes_per_day } => {
            let at = zone.date(*at);
            format!("; grows by {} a day, full about {at}", text::bytes(*bytes_per_day))
        }
        Forecast::TooEarly { span_seconds } => {
            format!("; usage known for {} only, too early for a forecast", text::age(*span_seconds))
        }
        Forecast::NotFilling => "; does not fill".to_owned(),
        Forecast::Unknown => String::new(),
    };
    format!("{}{usage}{growth}", one.path.display())
}

impl Storage {
    fn selected_destination(&self) -> Option<&Destination> {
        self.destinations.get(self.list.selected_index()?)
    }

    fn selected_database(&self) -> Option<&DatabaseStatus> {
        self.databases.get(self.list.selected_index()?.checked_sub(self.destinations.len())?)
    }

    fn draw_destinations(
        &self,
        context: &Context<'_>,
        canvas: &mut Canvas<'_>,
        place: Rect,
    ) -> Option<Position> {
        let panel = context.snapshot.map(|snapshot| &snapshot.destinations);
        if self.destinations.is_empty() {
            let is_remote = context
                .snapshot
                .is_some_and(|snapshot| snapshot.identity.locality == Locality::Remote);
            let text = if is_remote { "Its disks are on another machine." } else { "" };
            match panel {
                Some(panel) if !is_remote => {
                    nothing(canvas.look, place, Some(panel), text, canvas.buf)
                }
                _ => put(canvas.buf, line_of(place, 0), text, canvas.look.style(Role::Dim)),
            }
            return None;
        }
        let columns: &[Column] =
            if place.width >= WIDE_FROM { &DESTINATIONS_WIDE } else { &DESTINATIONS };
        let rows: Vec<Row> = self
            .destinations
            .iter()
            .map(|one| Row {
                cells: destination_cells(one, context, canvas.look, columns),
                role: match one.health {
                    DestinationHealth::Normal => Role::Text,
                    health => health_role(health),
                },
                is_marked: false,
            })
            .collect();
        let selected = self.list.selected_index().filter(|index| *index < rows.len());
        let view = View { skipped: self.list.window().columns_skipped, sort: None, selected };
        table::draw(canvas.look, place, columns, &rows, view, canvas.buf)
    }

    fn draw_databases(&self, canvas: &mut Canvas<'_>, place: Rect) -> Option<Position> {
        let room = usize::from(place.height.saturating_sub(1));
        let selected =
            self.list.selected_index().and_then(|index| index.checked_sub(self.destinations.len()));
        let offset = selected.map_or(0, |index| (index + 1).saturating_sub(room));
        let rows: Vec<Row> = self
            .databases
            .iter()
            .skip(offset)
            .take(room)
            .map(|one| Row { cells: database_cells(one), role: Role::Text, is_marked: false })
            .collect();
        let view = View {
            skipped: self.list.window().columns_skipped,
            sort: None,
            selected: selected.map(|index| index - offset),
        };
        table::draw(canvas.look, place, &DATABASES, &rows, view, canvas.buf)
    }
}

impl Pane for Storage {
    fn settle(&mut self, context: &Context<'_>, height: usize) {
        let filter = self.list.filter();
        let destinations = context.snapshot.and_then(|snapshot| snapshot.destinations.get());
        let databases = context.snapshot.and_then(|snapshot| snapshot.databases.get());
        let accepts = |texts: &[&str]| filter.is_empty() || filter.accepts(texts.iter().copied());
        self.destinations = destinations
            .into_iter()
            .flatten()
            .filter(|one| accepts(&[&one.name, &one.path.to_string_lossy(), &one.reason]))
            .cloned()
            .collect();
        let named = databases.into_iter().flatten().filter(|one| accepts(&[&one.name]));
        self.databases = named.cloned().collect();
        self.databases.sort_by(|one, other| {
            other.size_bytes.cmp(&one.size_bytes).then(one.name.cmp(&other.name))
        });
        let keys = self
            .destinations
            .iter()
            .map(|one| Key::Destination(one.path.display().to_string()))
            .chain(self.databases.iter().map(|one| Key::Database(one.name.clone())))
            .collect();
        // Two headings and a blank line between the two tables.
        self.list.settle(keys, preview::rows(height).saturating_sub(2));
    }

    fn run(&mut self, command: CommandId, _context: &Context<'_>) -> bool {
        self.list.run(command, DESTINATIONS.len())
    }

    fn list(&self) -> &dyn ListControls {
        &self.list
    }

    fn list_mut(&mut self) -> &mut dyn ListControls {
        &mut self.list
    }

    fn detail(&self, context: &Context<'_>) -> Option<TextView> {
        if let Some(one) = self.selected_database() {
            let cells = database_cells(one);
            let head = DATABASES.iter().map(|column| column.title.to_owned()).zip(cells).collect();
            return Some(TextView::new("Database", head, ""));
        }
        let one = self.selected_destination()?;
        let usage = one.usage.as_ref();
        let bytes = |bytes: Option<u64>| bytes.map(text::bytes).unwrap_or_default();
        let mount = match &one.mount {
            MountState::Mounted => "mounted".to_owned(),
            MountState::ReadOnly => "mounted read-only".to_owned(),
            MountState::Unmounted { expected } => format!("{} is not mounted", expected.display()),
            MountState::Unknown => "cannot be told".to_owned(),
        };
        let head = [
            ("destination", format!("{} ({})", one.name, one.kind.word())),
            ("path", one.path.display().to_string()),
            ("state", format!("{} {}", one.health.word(), one.reason)),
            ("mount", mount),
            ("device", usage.map(|usage| usage.device.clone()).unwrap_or_default()),
            ("used", bytes(usage.map(|usage| usage.used_bytes))),
            ("free", bytes(usage.map(|usage| usage.free_bytes))),
            ("in all", bytes(usage.map(|usage| usage.total_bytes))),
            ("instance's own", bytes(one.own_bytes)),
            ("shares with", one.shares_device_with.join(", ")),
        ];
        let head = head.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
        Some(TextView::new("Destination", head, destination_text(one, context.zone)))
    }

    fn copy(&self, _context: &Context<'_>) -> Option<String> {
        let database = self.selected_database().map(|one| one.name.clone());
        database.or_else(|| self.selected_destination().map(|one| one.path.display().to_string()))
    }

    fn view(&self, context: &Context<'_>, mut canvas: Canvas<'_>) -> Option<Position> {
        let (place, below) = preview::split(canvas.area);
        let stale = context.snapshot.and_then(|s| stale_text(&s.databases, context.now));
        let filter = match self.list.filter_text() {
            "" => String::new(),
            filter => format!("  filter: {}", text::clean(filter)),
        };
        let caption = format!(
            "{}, {}{filter}  {}",
            text::plural(self.destinations.len(), "destination"),
            text::plural(self.databases.len(), "database"),
            stale.unwrap_or_default()
        );
        put(canvas.buf, line_of(place, 0), caption.trim_end(), canvas.look.style(Role::Text));
        let wanted = u16::try_from(self.destinations.len() + 1).unwrap_or(u16::MAX);
        let most = place.height.saturating_sub(5);
        let upper = Rect::new(place.x, place.y + 1, place.width, wanted.min(most).max(1));
        let lower_top = upper.bottom() + 1;
        let lower =
            Rect::new(place.x, lower_top, place.width, place.bottom().saturating_sub(lower_top));
        let on_destination = self.draw_destinations(context, &mut canvas, upper);
        let on_database = self.draw_databases(&mut canvas, lower);
        if let Some(below) = below {
            if let Some(one) = self.selected_destination() {
                let text = destination_text(one, context.zone);
                preview::draw(canvas.look, below, &destination_facts(one), &text, canvas.buf);
            } else if let Some(one) = self.selected_database() {
                let facts = format!("database {}", one.name);
                let text = format!(
                    "multixact age {}, {} deadlocks since the statistics were reset",
                    one.multixact_age, one.deadlocks
                );
                preview::draw(canvas.look, below, &facts, &text, canvas.buf);
            }
        }
        on_destination.or(on_database)
    }
}
