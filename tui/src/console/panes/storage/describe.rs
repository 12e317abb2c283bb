//! Destinations and databases in words: cells, lines, details.

use pgdeck_engine::api::{DatabaseStatus, Destination, Forecast, MountState};

use crate::console::dialogs::text_view::TextView;
use crate::console::look::Look;
use crate::console::panes::Context;
use crate::console::widgets::table::Column;
use crate::console::zone::Zone;
use crate::text;

/// Columns of destinations.
pub(super) const DESTINATIONS: [Column; 7] = [
    Column::text("destination", 11),
    Column::text("state", 7),
    Column::text("used", 10),
    Column::number("free", 7),
    Column::number("own", 7),
    Column::text("full", 9),
    Column::text("path", 20),
];

/// The same on wide screens.
pub(super) const DESTINATIONS_WIDE: [Column; 7] = [
    Column::text("destination", 20),
    Column::text("state", 8),
    Column::text("used", 26),
    Column::number("free", 8),
    Column::number("own", 8),
    Column::text("full", 12),
    Column::text("path", 20),
];

/// Columns of databases.
pub(super) const DATABASES: [Column; 7] = [
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

/// The cells of a destination.
pub(super) fn destination_cells(
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

/// The cells of a database.
pub(super) fn database_cells(one: &DatabaseStatus) -> Vec<String> {
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

/// How a destination stands, in one line.
pub(super) fn destination_facts(one: &Destination) -> String {
    if !one.reason.is_empty() {
        return format!("{} {}", one.name, one.reason);
    }
    let shares = match one.shares_device_with.is_empty() {
        true => String::new(),
        false => format!(", shares its device with {}", one.shares_device_with.join(", ")),
    };
    format!("{} {}{shares}", one.name, one.health.word())
}

/// Where a destination lies and how it grows.
pub(super) fn destination_text(one: &Destination, zone: Zone) -> String {
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

/// A database's figures.
pub(super) fn database_facts(one: &DatabaseStatus) -> String {
    format!(
        "multixact age {}, {} deadlocks since the statistics were reset",
        one.multixact_age, one.deadlocks
    )
}

/// Everything about a database.
pub(super) fn database_detail(one: &DatabaseStatus) -> TextView {
    let cells = database_cells(one);
    let head = DATABASES.iter().map(|column| column.title.to_owned()).zip(cells).collect();
    TextView::new("Database", head, database_facts(one))
}

/// Everything about a destination.
pub(super) fn destination_detail(one: &Destination, zone: Zone) -> TextView {
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
    TextView::new("Destination", head, destination_text(one, zone))
}
