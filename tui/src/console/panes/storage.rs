//! Storage: destinations with their file systems and forecast, databases by size.

mod describe;

use pgdeck_engine::api::{DatabaseStatus, Destination, DestinationHealth, Locality};
use ratatui::layout::{Position, Rect};

use describe::{
    DATABASES, DESTINATIONS, DESTINATIONS_WIDE, database_cells, destination_cells,
    destination_facts, destination_text,
};

use super::{Canvas, Context, Pane, WIDE_FROM, nothing, preview, stale_text};
use crate::console::commands::CommandId;
use crate::console::dialogs::text_view::TextView;
use crate::console::list::{ListControls, ListState};
use crate::console::look::health_role;
use crate::console::widgets::table::{self, Column, Row, View};
use crate::console::widgets::{line_of, put};
use crate::text;
use crate::theme::Role;

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
    height: u16,
}

impl Storage {
    fn selected_destination(&self) -> Option<&Destination> {
        self.destinations.get(self.list.selected_index()?)
    }

    fn selected_database(&self) -> Option<&DatabaseStatus> {
        self.databases.get(self.list.selected_index()?.checked_sub(self.destinations.len())?)
    }

    /// The places of the two tables, below a caption.
    fn split(&self, place: Rect) -> (Rect, Rect) {
        let wanted = u16::try_from(self.destinations.len() + 1).unwrap_or(u16::MAX);
        let most = place.height.saturating_sub(5);
        let upper = Rect::new(place.x, place.y + 1, place.width, wanted.min(most).max(1));
        let top = (upper.bottom() + 1).min(place.bottom());
        (upper, Rect::new(place.x, top, place.width, place.bottom() - top))
    }

    /// How many rows of each table are scrolled away, for the selected one to be seen.
    fn offsets(&self, upper: Rect, lower: Rect) -> (usize, usize) {
        let selected = self.list.selected_index().unwrap_or(0);
        let room = |place: Rect| usize::from(place.height.saturating_sub(1));
        let destination = selected.min(self.destinations.len().saturating_sub(1));
        let database = selected.saturating_sub(self.destinations.len());
        ((destination + 1).saturating_sub(room(upper)), (database + 1).saturating_sub(room(lower)))
    }

    fn draw_destinations(
        &self,
        context: &Context<'_>,
        canvas: &mut Canvas<'_>,
        place: Rect,
        offset: usize,
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
            .skip(offset)
            .map(|one| Row {
                cells: destination_cells(one, context, canvas.look, columns),
                role: match one.health {
                    DestinationHealth::Normal => Role::Text,
                    health => health_role(health),
                },
                is_marked: false,
            })
            .collect();
        let selected = self.list.selected_index().and_then(|index| index.checked_sub(offset));
        let selected = selected.filter(|index| *index < rows.len());
        let view = View { skipped: self.list.window().columns_skipped, sort: None, selected };
        table::draw(canvas.look, place, columns, &rows, view, canvas.buf)
    }

    fn draw_databases(
        &self,
        canvas: &mut Canvas<'_>,
        place: Rect,
        offset: usize,
    ) -> Option<Position> {
        let room = usize::from(place.height.saturating_sub(1));
        let selected =
            self.list.selected_index().and_then(|index| index.checked_sub(self.destinations.len()));
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
        self.height = u16::try_from(height).unwrap_or(u16::MAX);
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
            return Some(describe::database_detail(one));
        }
        self.selected_destination().map(|one| describe::destination_detail(one, context.zone))
    }

    fn copy(&self, _context: &Context<'_>) -> Option<String> {
        let database = self.selected_database().map(|one| one.name.clone());
        database.or_else(|| self.selected_destination().map(|one| one.path.display().to_string()))
    }

    fn row_at(&self, line: usize) -> Option<usize> {
        let (place, _) = preview::split(Rect::new(0, 0, 1, self.height));
        let (upper, lower) = self.split(place);
        let (destinations, databases) = self.offsets(upper, lower);
        let line = u16::try_from(line).ok()?;
        // Each table has a heading.
        let row_in = |table: Rect| {
            (table.y + 1..table.bottom()).contains(&line).then(|| usize::from(line - table.y - 1))
        };
        let here = self.destinations.len();
        let upper = row_in(upper).map(|row| row + destinations).filter(|row| *row < here);
        upper.or_else(|| row_in(lower).map(|row| row + databases + here))
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
        let room = usize::from(place.width);
        let caption = text::fit(caption.trim_end(), room, canvas.look.symbols.ellipsis);
        put(canvas.buf, line_of(place, 0), &caption, canvas.look.style(Role::Text));
        let (upper, lower) = self.split(place);
        let offsets = self.offsets(upper, lower);
        let on_destination = self.draw_destinations(context, &mut canvas, upper, offsets.0);
        let on_database = self.draw_databases(&mut canvas, lower, offsets.1);
        if let Some(below) = below {
            if let Some(one) = self.selected_destination() {
                let text = destination_text(one, context.zone);
                preview::draw(canvas.look, below, &destination_facts(one), &text, canvas.buf);
            } else if let Some(one) = self.selected_database() {
                let facts = format!("database {}", one.name);
                let text = describe::database_facts(one);
                preview::draw(canvas.look, below, &facts, &text, canvas.buf);
            }
        }
        on_destination.or(on_database)
    }
}
