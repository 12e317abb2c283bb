//! The lock tree: from "who is blocked by whom" to lines in display order. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::api::{LockForest, LockNode, LockParty, LockWait, PreparedTransaction, Session};

/// A place in the tree. Prepared transactions come before sessions among equals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Gid(String),
    Pid(i32),
}

impl Key {
    fn label(&self) -> String {
        match self {
            Self::Gid(gid) => format!("prepared {gid}"),
            Self::Pid(0) => "a prepared transaction".to_owned(),
            Self::Pid(pid) => pid.to_string(),
        }
    }
}

/// Builds the tree.
///
/// Each waiting session stands once, under the blocker nearest to a root; its other blockers
/// are named beside it. Roots are parties that block and wait for nobody; a deadlock the
/// server has not broken yet has no such party and begins at its lowest pid.
#[must_use]
pub fn build(
    sessions: &[Arc<Session>],
    waits: &HashMap<i32, LockWait>,
    prepared: &[PreparedTransaction],
) -> LockForest {
    let blockers: BTreeMap<Key, Vec<Key>> = sessions
        .iter()
        .filter(|session| !session.blocked_by.is_empty())
        .map(|session| (Key::Pid(session.pid), blockers_of(session)))
        .collect();
    let tree = Tree::grow(&blockers);
    let parties = Parties { sessions, prepared, waits };
    let mut forest = LockForest { waiting: blockers.len(), ..LockForest::default() };
    for root in &tree.roots {
        tree.emit(root, &parties, &blockers, &mut forest);
    }
    forest.depth_max = forest.nodes.iter().map(|node| node.depth).max().unwrap_or(0);
    forest
}

fn blockers_of(session: &Session) -> Vec<Key> {
    let mut keys: BTreeSet<Key> = session
        .blocked_by
        .iter()
        .filter(|pid| **pid != 0 || session.blocked_by_prepared.is_empty())
        .map(|pid| Key::Pid(*pid))
        .collect();
    keys.extend(session.blocked_by_prepared.iter().cloned().map(Key::Gid));
    keys.into_iter().collect()
}

struct Tree {
    roots: Vec<Key>,
    children: BTreeMap<Key, Vec<Key>>,
    parent: HashMap<Key, Key>,
}

impl Tree {
    fn grow(blockers: &BTreeMap<Key, Vec<Key>>) -> Self {
        let mut blocked_of: BTreeMap<&Key, Vec<&Key>> = BTreeMap::new();
        for (waiter, its_blockers) in blockers {
            for blocker in its_blockers {
                blocked_of.entry(blocker).or_default().push(waiter);
            }
        }
        let roots = blocked_of.keys().filter(|key| !blockers.contains_key(**key));
        let mut tree = Self {
            roots: roots.map(|key| (*key).clone()).collect(),
            children: BTreeMap::new(),
            parent: HashMap::new(),
        };
        let mut queue: VecDeque<Key> = tree.roots.iter().cloned().collect();
        let mut unplaced: BTreeSet<&Key> = blockers.keys().collect();
        loop {
            while let Some(key) = queue.pop_front() {
                for waiter in blocked_of.get(&key).into_iter().flatten() {
                    if unplaced.remove(*waiter) {
                        tree.parent.insert((*waiter).clone(), key.clone());
                        tree.children.entry(key.clone()).or_default().push((*waiter).clone());
                        queue.push_back((*waiter).clone());
                    }
                }
            }
            // What is left stands in a circle.
            let Some(first) = unplaced.pop_first() else { return tree };
            tree.roots.push(first.clone());
            queue.push_back(first.clone());
        }
    }

    fn emit(
        &self,
        root: &Key,
        parties: &Parties<'_>,
        blockers: &BTreeMap<Key, Vec<Key>>,
        forest: &mut LockForest,
    ) {
        // An explicit stack: a chain may be as long as max_connections.
        let mut stack = vec![(root, Vec::<bool>::new())];
        let first = forest.nodes.len();
        while let Some((key, branches)) = stack.pop() {
            let parent = self.parent.get(key);
            let all = blockers.get(key).map(Vec::as_slice).unwrap_or_default();
            let others = all.iter().filter(|blocker| Some(*blocker) != parent);
            forest.nodes.push(LockNode {
                party: parties.find(key),
                depth: branches.len(),
                waits_for: parties.wait_of(key),
                also_blocked_by: others.map(Key::label).collect(),
                blocks: 0,
                branches: branches.clone(),
            });
            let children = self.children.get(key).map(Vec::as_slice).unwrap_or_default();
            for (index, child) in children.iter().enumerate().rev() {
                let mut below = branches.clone();
                below.push(index + 1 < children.len());
                stack.push((child, below));
            }
        }
        count_below(&mut forest.nodes[first..]);
    }
}

/// Lines are in depth-first order: what follows deeper belongs below.
fn count_below(nodes: &mut [LockNode]) {
    let mut open: Vec<usize> = Vec::new();
    for index in 0..nodes.len() {
        while open.last().is_some_and(|last| nodes[*last].depth >= nodes[index].depth) {
            open.pop();
        }
        for above in &open {
            nodes[*above].blocks += 1;
        }
        open.push(index);
    }
}

struct Parties<'a> {
    sessions: &'a [Arc<Session>],
    prepared: &'a [PreparedTransaction],
    waits: &'a HashMap<i32, LockWait>,
}

impl Parties<'_> {
    fn find(&self, key: &Key) -> LockParty {
        match key {
            Key::Pid(pid) => match self.sessions.iter().find(|session| session.pid == *pid) {
                Some(session) => LockParty::Session(Arc::clone(session)),
                None => LockParty::Gone { pid: *pid },
            },
            Key::Gid(gid) => {
                let found = self.prepared.iter().find(|one| one.gid == *gid);
                LockParty::Prepared {
                    gid: gid.clone(),
                    database: found.map(|one| one.database.clone()).unwrap_or_default(),
                    age_seconds: found.map_or(0.0, |one| one.age_seconds),
                }
            }
        }
    }

    fn wait_of(&self, key: &Key) -> Option<LockWait> {
        match key {
            Key::Pid(pid) => self.waits.get(pid).cloned(),
            Key::Gid(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::SessionState;

    fn session(pid: i32, blocked_by: &[i32], gids: &[&str]) -> Arc<Session> {
        Arc::new(Session {
            pid,
            backend_start: None,
            backend_type: "client backend".into(),
            database: None,
            user: None,
            application: String::new(),
            client: String::new(),
            state: SessionState::Active,
            wait_event_type: None,
            wait_event: None,
            xact_age_seconds: None,
            query_age_seconds: None,
            state_age_seconds: None,
            blocked_by: blocked_by.to_vec(),
            blocked_by_prepared: gids.iter().map(|gid| (*gid).to_owned()).collect(),
            xmin_age: None,
            leader_pid: None,
            query: String::new(),
            query_is_cut: false,
        })
    }

    fn check(sessions: &[Arc<Session>], expect: &[&str]) -> LockForest {
        let forest = build(sessions, &HashMap::new(), &[]);
        let lines: Vec<String> = forest
            .nodes
            .iter()
            .map(|node| {
                let name = match &node.party {
                    LockParty::Session(session) => session.pid.to_string(),
                    LockParty::Prepared { gid, .. } => gid.clone(),
                    LockParty::Gone { pid } => format!("gone {pid}"),
                };
                let also = node.also_blocked_by.join(",");
                format!("{}{name} blocks {} also [{also}]", "  ".repeat(node.depth), node.blocks)
            })
            .collect();
        assert_eq!(lines, expect);
        forest
    }

    #[test]
    fn nobody_waits() {
        let forest = check(&[session(1, &[], &[])], &[]);
        assert_eq!((forest.waiting, forest.depth_max), (0, 0));
    }

    #[test]
    fn a_chain() {
        let sessions = [session(1, &[], &[]), session(2, &[1], &[]), session(3, &[2], &[])];
        let forest = check(
            &sessions,
            &["1 blocks 2 also []", "  2 blocks 1 also []", "    3 blocks 0 also []"],
        );
        assert_eq!((forest.waiting, forest.depth_max), (2, 2));
    }

    #[test]
    fn a_queue_is_flat_and_names_the_others() {
        let sessions = [
            session(1, &[], &[]),
            session(2, &[1], &[]),
            session(3, &[2, 1], &[]),
            session(9, &[], &[]),
        ];
        let forest = check(
            &sessions,
            &["1 blocks 2 also []", "  2 blocks 0 also []", "  3 blocks 0 also [2]"],
        );
        assert_eq!(forest.nodes[1].branches, [true]);
        assert_eq!(forest.nodes[2].branches, [false]);
    }

    #[test]
    fn a_prepared_transaction_is_a_root() {
        let sessions = [session(5, &[0], &["g1"]), session(6, &[5], &[])];
        check(
            &sessions,
            &["g1 blocks 2 also []", "  5 blocks 1 also []", "    6 blocks 0 also []"],
        );
        check(&[session(5, &[0], &[])], &["gone 0 blocks 1 also []", "  5 blocks 0 also []"]);
    }

    #[test]
    fn a_deadlock_and_a_vanished_blocker_still_show() {
        check(
            &[session(7, &[8], &[]), session(8, &[7], &[])],
            &["7 blocks 1 also [8]", "  8 blocks 0 also []"],
        );
        check(&[session(7, &[99], &[])], &["gone 99 blocks 1 also []", "  7 blocks 0 also []"]);
    }

    #[test]
    fn a_chain_as_long_as_a_server_allows() {
        let sessions: Vec<_> =
            (1..=2_000).map(|pid| session(pid, if pid == 1 { &[] } else { &[0] }, &[])).collect();
        let chained: Vec<_> = sessions
            .iter()
            .map(|one| {
                let mut one = (**one).clone();
                if one.pid > 1 {
                    one.blocked_by = vec![one.pid - 1];
                }
                Arc::new(one)
            })
            .collect();
        let forest = build(&chained, &HashMap::new(), &[]);
        assert_eq!((forest.nodes.len(), forest.depth_max), (2_000, 1_999));
        assert_eq!(forest.nodes[0].blocks, 1_999);
    }
}
