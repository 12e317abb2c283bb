//! Locks: who blocks whom, as a tree with ages; prepared transactions stand at roots.

use pgdeck_engine::api::{BackendTarget, LockForest, LockNode, LockParty, PreparedTarget};
use ratatui::layout::Position;

use super::{Canvas, Context, ListView, Pane, connections, preview};
use crate::console::commands::CommandId;
use crate::console::dialogs::text_view::TextView;
use crate::console::list::{ListControls, ListState};
use crate::console::look::Look;
use crate::console::widgets::age;
use crate::console::widgets::table::{Column, Row};
use crate::theme::Role;

const COLUMNS: [Column; 8] = [
    Column::text("session", 29),
    Column::number("xact", 5),
    Column::number("waits", 5),
    Column::number("blocks", 6),
    Column::text("for lock", 13),
    Column::text("on", 18),
    Column::text("state", 8),
    Column::text("query text", 30),
];

const WIDE: [Column; 8] = [
    Column::text("session", 48),
    Column::number("xact", 5),
    Column::number("waits", 5),
    Column::number("blocks", 6),
    Column::text("for lock", 20),
    Column::text("on", 34),
    Column::text("state", 8),
    Column::text("query text", 30),
];

/// Levels drawn as branches; deeper ones begin with their number.
const BRANCHES_MAX: usize = 5;

/// Names a line of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Session(BackendTarget),
    Prepared(String),
    Gone(i32),
}

/// The pane.
#[derive(Debug, Default)]
pub struct Locks {
    list: ListState<Key>,
    shown: Vec<LockNode>,
}

fn key(node: &LockNode) -> Key {
    match &node.party {
        LockParty::Session(session) => Key::Session(session.target()),
        LockParty::Prepared { gid, .. } => Key::Prepared(gid.clone()),
        LockParty::Gone { pid } => Key::Gone(*pid),
    }
}

fn party_name(party: &LockParty) -> String {
    match party {
        LockParty::Session(session) => {
            let user = session.user.as_deref().unwrap_or(&session.backend_type);
            let database = session.database.as_deref().unwrap_or("");
            format!("{} {user}@{database}", session.pid)
        }
        LockParty::Prepared { gid, database, .. } => format!("prepared {gid}@{database}"),
        LockParty::Gone { pid: 0 } => "a prepared transaction".to_owned(),
        LockParty::Gone { pid } => format!("{pid} (ended)"),
    }
}

/// Branches and name of a line.
fn tree_text(node: &LockNode, look: &Look) -> String {
    let name = party_name(&node.party);
    if node.depth > BRANCHES_MAX {
        return format!(
            "{}{} {}{name}",
            look.symbols.ellipsis, node.depth, look.symbols.last_branch
        );
    }
    let mut out = String::new();
    for (level, has_sibling) in node.branches.iter().enumerate() {
        let is_own = level + 1 == node.branches.len();
        out.push_str(match (is_own, has_sibling) {
            (true, true) => look.symbols.branch,
            (true, false) => look.symbols.last_branch,
            (false, true) => look.symbols.trunk,
            (false, false) => look.symbols.no_trunk,
        });
    }
    out + &name
}

fn cells(node: &LockNode, look: &Look) -> Vec<String> {
    let wait = node.waits_for.as_ref();
    let (state, query) = match &node.party {
        LockParty::Session(session) => {
            (connections::short_state(session.state), session.query.clone())
        }
        LockParty::Prepared { .. } => ("prepared", String::new()),
        LockParty::Gone { .. } => ("", String::new()),
    };
    vec![
        tree_text(node, look),
        transaction_age(&node.party),
        age(wait.and_then(|wait| wait.seconds)),
        if node.blocks > 0 { node.blocks.to_string() } else { String::new() },
        wait.map_or_else(String::new, |wait| wait.mode.trim_end_matches("Lock").to_owned()),
        wait.map_or_else(String::new, |wait| wait.object.clone()),
        state.to_owned(),
        query,
    ]
}

fn transaction_age(party: &LockParty) -> String {
    match party {
        LockParty::Session(session) => age(session.xact_age_seconds),
        LockParty::Prepared { age_seconds, .. } => age(Some(*age_seconds)),
        LockParty::Gone { .. } => String::new(),
    }
}

fn facts(node: &LockNode) -> String {
    let name = party_name(&node.party);
    let transaction = transaction_age(&node.party);
    let wait = node.waits_for.as_ref().map_or_else(
        || "waits for nobody".to_owned(),
        |wait| format!("waits for {} on {}", wait.mode, wait.object),
    );
    let also = match node.also_blocked_by.is_empty() {
        true => String::new(),
        false => format!(", also behind {}", node.also_blocked_by.join(", ")),
    };
    format!("{name}, transaction {transaction}, {wait}{also}, blocks {}", node.blocks)
}

fn query(node: &LockNode) -> &str {
    match &node.party {
        LockParty::Session(session) => &session.query,
        LockParty::Prepared { .. } | LockParty::Gone { .. } => "",
    }
}

fn caption(forest: &LockForest) -> String {
    match forest.waiting {
        0 => "Nobody waits for a lock.".to_owned(),
        waiting => {
            let roots = forest.nodes.iter().filter(|node| node.depth == 0).count();
            format!("{waiting} wait, {roots} at the root, longest chain {}", forest.depth_max + 1)
        }
    }
}

impl Locks {
    fn selected(&self) -> Option<&LockNode> {
        self.shown.get(self.list.selected_index()?)
    }
}

impl Pane for Locks {
    fn settle(&mut self, context: &Context<'_>, height: usize) {
        let forest = context.snapshot.and_then(|snapshot| snapshot.locks.get());
        let nodes = forest.map(|forest| forest.nodes.as_slice()).unwrap_or_default();
        let filter = self.list.filter();
        let is_shown = |node: &&LockNode| {
            let name = party_name(&node.party);
            let object = node.waits_for.as_ref().map_or("", |wait| wait.object.as_str());
            filter.is_empty() || filter.accepts([name.as_str(), object, query(node)].into_iter())
        };
        self.shown = nodes.iter().filter(is_shown).cloned().collect();
        self.list.settle(self.shown.iter().map(key).collect(), preview::rows(height));
        self.list.retain_marks(|mark| nodes.iter().any(|node| key(node) == *mark));
    }

    fn run(&mut self, command: CommandId, _context: &Context<'_>) -> bool {
        // The order is the tree's.
        let is_sort = [CommandId::SortNext, CommandId::SortPrevious, CommandId::SortReverse]
            .contains(&command);
        !is_sort && self.list.run(command, COLUMNS.len())
    }

    fn list(&self) -> &dyn ListControls {
        &self.list
    }

    fn list_mut(&mut self) -> &mut dyn ListControls {
        &mut self.list
    }

    fn detail(&self, _context: &Context<'_>) -> Option<TextView> {
        let node = self.selected()?;
        let wait = node.waits_for.as_ref();
        let head = [
            ("who", party_name(&node.party)),
            ("waits", age(wait.and_then(|wait| wait.seconds))),
            ("for", wait.map_or_else(String::new, |wait| wait.mode.clone())),
            ("on", wait.map_or_else(String::new, |wait| wait.object.clone())),
            ("also behind", node.also_blocked_by.join(", ")),
            ("blocks", node.blocks.to_string()),
        ];
        let head = head.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
        Some(match &node.party {
            LockParty::Session(session) => {
                let view = TextView::new("Lock", head, session.query.clone());
                if session.query_is_cut { view.awaiting(session.target()) } else { view }
            }
            LockParty::Prepared { .. } => TextView::new(
                "Lock",
                head,
                "C commits it, B rolls it back; the Prepared pane shows what it holds.",
            ),
            LockParty::Gone { .. } => TextView::new("Lock", head, ""),
        })
    }

    fn copy(&self, _context: &Context<'_>) -> Option<String> {
        self.selected().map(facts)
    }

    fn view(&self, context: &Context<'_>, canvas: Canvas<'_>) -> Option<Position> {
        let panel = context.snapshot.map(|snapshot| &snapshot.locks);
        let forest = panel.and_then(|panel| panel.get());
        let window = self.list.window();
        let shown = self.shown.iter().skip(window.offset).take(window.height);
        let view = ListView {
            caption: forest.map(caption).unwrap_or_default(),
            nothing: "No session waits for a lock.",
            narrow: &COLUMNS,
            wide: &WIDE,
            is_sorted: false,
            preview: self.selected().map(|node| (facts(node), query(node))),
            rows: shown
                .map(|node| Row {
                    cells: cells(node, canvas.look),
                    role: if node.depth == 0 { Role::Error } else { Role::Text },
                    is_marked: self.list.is_marked(&key(node)),
                })
                .collect(),
        };
        view.draw(&self.list, panel, context, canvas)
    }

    fn sessions(&self, _context: &Context<'_>) -> Vec<BackendTarget> {
        let target = |key: &Key| match key {
            Key::Session(target) => Some(*target),
            Key::Prepared(_) | Key::Gone(_) => None,
        };
        let marked: Vec<_> = self.list.marks().iter().filter_map(target).collect();
        if marked.is_empty() {
            self.list.selected().and_then(target).into_iter().collect()
        } else {
            marked
        }
    }

    fn prepared(&self, context: &Context<'_>) -> Option<PreparedTarget> {
        let Some(Key::Prepared(gid)) = self.list.selected() else { return None };
        let all = context.snapshot?.prepared.get()?;
        all.iter().find(|one| one.gid == *gid).map(|one| one.target())
    }
}
