//! Every figure of an instance, as blocks of facts: the same ones in few words where there is
//! one column only.

use pgdeck_engine::api::{
    ConnectionSlots, MachineLoad, ServerStatus, Session, SessionState, Snapshot,
};

use super::block::{Block, Room};
use super::data;
use crate::console::look::Look;
use crate::console::panes::{Context, stale_text};
use crate::console::widgets::whole;
use crate::console::zone::Zone;
use crate::text;
use crate::theme::Role;

/// Columns of the bar of connection slots.
const BAR_WIDE: u16 = 20;
const BAR_NARROW: u16 = 10;
/// Samples of the graph of transactions per second.
const GRAPH_NARROW: u16 = 24;
const GRAPH_WIDE: u16 = 40;
/// Standbys listed.
const STANDBYS_MAX: usize = 3;

/// Blocks in the order of their weight.
#[must_use]
pub(super) fn blocks(
    snapshot: &Snapshot,
    context: &Context<'_>,
    look: &Look,
    room: Room,
) -> Vec<Block> {
    let stale = stale_text(&snapshot.server, context.now);
    let Some(status) = snapshot.server.get() else {
        let mut blocks = vec![down(snapshot, context.zone)];
        blocks.push(data::destinations(snapshot, context, room));
        blocks.push(machine(snapshot, room));
        return blocks;
    };
    vec![
        server(status, stale, room),
        sessions(snapshot, status.connections, context, look, room),
        activity(snapshot, context, look, room),
        wal(snapshot, context, room),
        data::held(snapshot, context, room),
        data::destinations(snapshot, context, room),
        data::databases(snapshot, context, room),
        machine(snapshot, room),
    ]
}

/// An age that does not tick: a screen with nothing new costs no bytes.
#[must_use]
pub(super) fn minutes(seconds: f64) -> String {
    match whole(seconds) {
        0..60 => "under 1m".to_owned(),
        seconds => text::age(seconds / 60 * 60),
    }
}

fn server(server: &ServerStatus, stale: Option<String>, room: Room) -> Block {
    let mut block = Block::new("Server", stale);
    let timeline = server.timeline.map_or_else(|| "?".to_owned(), |id| id.decimal());
    let port = server.port.map_or_else(|| "?".to_owned(), |port| port.to_string());
    let role = format!("{}, timeline {timeline}", server.role.word());
    let uptime = match server.uptime_seconds {
        0..60 => "under 1m".to_owned(),
        seconds => text::age(seconds / 60 * 60),
    };
    match room {
        Room::Narrow => block.text(
            "Server",
            format!(
                "{} {role}, port {port}, up {uptime}, wal_level {}",
                server.version, server.wal_level
            ),
        ),
        Room::Wide => {
            block.text("Version", server.version_text.clone());
            block.text("Role", format!("{role}, port {port}"));
            block.text("Up", uptime);
            block.text("Settings", format!("{}, wal_level {}", server.encoding, server.wal_level));
        }
    }
    if !server.pending_restart.is_empty() {
        let text = format!("{} wait for a restart", server.pending_restart.join(", "));
        block.add("Changed", vec![(text, Role::Warn)]);
    }
    block
}

fn sessions(
    snapshot: &Snapshot,
    slots: ConnectionSlots,
    context: &Context<'_>,
    look: &Look,
    room: Room,
) -> Block {
    let mut block = Block::new("Connections", stale_text(&snapshot.sessions, context.now));
    let bar = if room == Room::Wide { BAR_WIDE } else { BAR_NARROW };
    let (full, empty) = look.symbols.bar(bar, slots.used.into(), u64::from(slots.max.max(1)));
    let all = snapshot.sessions.get().map(Vec::as_slice).unwrap_or_default();
    let clients: Vec<&Session> =
        all.iter().map(AsRef::as_ref).filter(|one| one.is_client()).collect();
    let count = |wanted: fn(&Session) -> bool| clients.iter().filter(|one| wanted(one)).count();
    let states = format!(
        "{} active, {} idle in transaction, {} blocked",
        count(|one| one.state == SessionState::Active),
        count(|one| one.state.is_idle_in_transaction()),
        count(|one| !one.blocked_by.is_empty()),
    );
    let used = format!(" {} of {}", slots.used, slots.max);
    let mut slots_pieces = vec![(full, Role::Bar), (empty, Role::BarEmpty)];
    match room {
        Room::Narrow => {
            slots_pieces.push((format!("{used}; {states}"), Role::Text));
            block.add("Sessions", slots_pieces);
        }
        Room::Wide => {
            slots_pieces.push((format!("{used}, {} reserved", slots.reserved), Role::Text));
            block.add("Used", slots_pieces);
            let idle = count(|one| one.state == SessionState::Idle);
            block.text("Sessions", format!("{states}, {idle} idle"));
        }
    }
    let age = |one: &Session| one.xact_age_seconds.unwrap_or(0.0);
    let oldest = clients
        .iter()
        .filter(|one| one.xact_age_seconds.is_some())
        .max_by(|one, other| age(one).total_cmp(&age(other)));
    let text = oldest.map_or_else(
        || "no transaction is open".to_owned(),
        |one| {
            format!(
                "{}, {} {}@{}, {}",
                minutes(age(one)),
                one.pid,
                one.user.as_deref().unwrap_or(""),
                one.database.as_deref().unwrap_or(""),
                one.state.word()
            )
        },
    );
    block.text("Oldest tx", text);
    block
}

fn activity(snapshot: &Snapshot, context: &Context<'_>, look: &Look, room: Room) -> Block {
    let mut block = Block::new("Activity", stale_text(&snapshot.rates, context.now));
    let Some(rates) = snapshot.rates.get() else { return block };
    let hit = rates.cache_hit.map_or_else(|| "-".to_owned(), |hit| format!("{:.1}%", hit * 100.0));
    let transactions = text::rate(rates.transactions);
    let rolled_back = text::rate(rates.rollbacks);
    let rows = format!(
        "{} read, {} written",
        text::rate(rates.tuples_returned),
        text::rate(rates.tuples_written)
    );
    let temp = text::byte_rate(whole(rates.temp_bytes));
    let values: Vec<u64> = snapshot.rate_history.iter().map(|rate| whole(*rate)).collect();
    let most = values.iter().max().copied().unwrap_or(0);
    let graph = |columns| (look.symbols.graph(&values, columns), Role::Bar);
    match room {
        Room::Narrow => {
            let text = format!("{transactions} tx, {rolled_back} rolled back  ");
            block.add("Activity", vec![(text, Role::Text), graph(GRAPH_NARROW)]);
            block.text("Tuples", format!("{rows}; cache hit {hit}, temp {temp}"));
        }
        Room::Wide => {
            block.text("tx/s", format!("{transactions} transactions, {rolled_back} rolled back"));
            if most > 0 {
                block.add("", vec![graph(GRAPH_WIDE), (format!(" up to {most}"), Role::Dim)]);
            }
            block.text("Tuples", rows);
            block.text("Cache hit", format!("{hit}, temporary files {temp}"));
            block.text("Deadlocks", text::rate(rates.deadlocks));
        }
    }
    block
}

fn wal(snapshot: &Snapshot, context: &Context<'_>, room: Room) -> Block {
    let mut block = Block::new("WAL", stale_text(&snapshot.wal, context.now));
    let Some(wal) = snapshot.wal.get() else { return block };
    let position = wal.position.map_or_else(|| "?".to_owned(), |lsn| lsn.to_string());
    let rate = snapshot.rates.get().map_or(0, |rates| whole(rates.wal_bytes));
    let written = format!("{position}, {}", text::byte_rate(rate));
    let ago = wal.checkpoint_age_seconds.map_or_else(|| "?".to_owned(), minutes);
    let since = wal.since_checkpoint_bytes.map(text::bytes).unwrap_or_default();
    let checkpoint = format!("{ago} ago, {since} since");
    let kinds = format!("{} timed, {} requested", wal.checkpoints_timed, wal.checkpoints_requested);
    match room {
        Room::Narrow => {
            block.text("WAL", format!("{written}; checkpoint {checkpoint}"));
        }
        Room::Wide => {
            block.text("Position", written);
            block.text("Checkpoint", checkpoint);
            block.text("", kinds);
        }
    }
    if let Some(delay) = wal.replay_delay_seconds {
        let received = wal.received.map_or_else(|| "?".to_owned(), |lsn| lsn.to_string());
        block.text("Replay", format!("received {received}, {} behind", text::age(whole(delay))));
    }
    match (&wal.archiver, room) {
        (Some(archiver), _) => {
            let last = archiver.last_archived.as_deref().unwrap_or("none yet");
            let role = if archiver.is_failing() { Role::Error } else { Role::Text };
            let text = format!("last {last}, {} failures", archiver.failed_count);
            block.add("Archiver", vec![(text, role)]);
        }
        (None, Room::Wide) => block.text("Archiver", "off (archive_mode)"),
        (None, Room::Narrow) => {}
    }
    standbys(&mut block, snapshot);
    block
}

fn standbys(block: &mut Block, snapshot: &Snapshot) {
    let standbys = snapshot.standbys.get().map(Vec::as_slice).unwrap_or_default();
    for standby in standbys.iter().take(STANDBYS_MAX) {
        let lag = standby.replay_lag_bytes.map_or_else(|| "?".to_owned(), text::bytes);
        block.text(
            "Standby",
            format!(
                "{} at {}: {}, {}, {lag} behind",
                standby.name, standby.client, standby.state, standby.sync_state
            ),
        );
    }
    if standbys.len() > STANDBYS_MAX {
        block.text("", format!("and {} more standbys", standbys.len() - STANDBYS_MAX));
    }
}

fn machine(snapshot: &Snapshot, room: Room) -> Block {
    let mut block = Block::new("Machine", None);
    let Some(MachineLoad { load_one, load_fifteen, processors, memory_total, memory_available }) =
        snapshot.machine.get()
    else {
        return block;
    };
    let load = format!("load {load_one:.1}, {load_fifteen:.1} over 15 min, on {processors} CPUs");
    let memory =
        format!("{} of {} free", text::bytes(*memory_available), text::bytes(*memory_total));
    match room {
        Room::Narrow => block.text("Machine", format!("{load}; memory {memory}")),
        Room::Wide => {
            block.text("Load", load.trim_start_matches("load ").to_owned());
            block.text("Memory", memory);
        }
    }
    block
}

/// What is known of an instance without a server to ask.
fn down(snapshot: &Snapshot, zone: Zone) -> Block {
    let mut block = Block::new("Data directory", None);
    let status = &snapshot.status;
    if let Some(error) = &status.connect_error {
        let detail = if error.detail.is_empty() { "" } else { ": " };
        let text = format!("{}{detail}{}", error.fact, error.detail);
        block.add("Answer", vec![(text, Role::Error)]);
        block.text("", error.hint.clone());
    }
    if let Some(path) = &snapshot.identity.data_directory {
        block.text("Path", path.display().to_string());
    }
    if let Some(control) = &status.control {
        let at = control.modified_at.map_or_else(|| "?".to_owned(), |at| zone.date_time(at));
        block.text("Control", format!("{}, written {at}", control.state));
        let checkpoint = control.checkpoint.map_or_else(|| "?".to_owned(), |lsn| lsn.to_string());
        let timeline = control.timeline.map_or_else(|| "?".to_owned(), |id| id.decimal());
        block.text("Checkpoint", format!("{checkpoint}, timeline {timeline}"));
    }
    if let Some(major) = status.major {
        let programs = status.bin_directory.as_ref().map_or_else(
            || "no server programs found".to_owned(),
            |path| path.display().to_string(),
        );
        block.text("Version", format!("{major}, {programs}"));
    }
    if let Some(owner) = &status.owner {
        block.text("Owner", owner.clone());
    }
    if let Some(command) = &status.start_command {
        block.text("Start", command.clone());
    }
    block
}
