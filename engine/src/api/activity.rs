//! Sessions, the lock tree and prepared transactions.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Oid, TransactionId};

/// What a backend does, as `pg_stat_activity.state` words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum SessionState {
    /// Runs a query.
    #[serde(rename = "active")]
    Active,
    /// Waits for a command, outside a transaction.
    #[serde(rename = "idle")]
    Idle,
    /// Waits for a command, inside a transaction.
    #[serde(rename = "idle in transaction")]
    IdleInTransaction,
    /// The same after an error.
    #[serde(rename = "idle in transaction (aborted)")]
    IdleInTransactionAborted,
    /// Runs a fast-path function.
    #[serde(rename = "fastpath function call")]
    FastPath,
    /// Authenticates (18 and later report it).
    #[serde(rename = "starting")]
    Starting,
    /// `track_activities` is off, or the role may not see it.
    #[serde(rename = "disabled")]
    Disabled,
    /// Not a client backend, which has no state.
    #[serde(rename = "background")]
    Background,
}

impl SessionState {
    /// Reads the word of the view; anything unknown counts as [`SessionState::Disabled`].
    #[must_use]
    pub fn from_view(word: Option<&str>) -> Self {
        match word {
            Some("active") => Self::Active,
            Some("idle") => Self::Idle,
            Some("idle in transaction") => Self::IdleInTransaction,
            Some("idle in transaction (aborted)") => Self::IdleInTransactionAborted,
            Some("fastpath function call") => Self::FastPath,
            Some("starting") => Self::Starting,
            Some(_) => Self::Disabled,
            None => Self::Background,
        }
    }

    /// The word of the view.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::IdleInTransaction => "idle in transaction",
            Self::IdleInTransactionAborted => "idle in transaction (aborted)",
            Self::FastPath => "fastpath function call",
            Self::Starting => "starting",
            Self::Disabled => "disabled",
            Self::Background => "background",
        }
    }

    /// Whether a transaction is open and its client silent.
    #[must_use]
    pub fn is_idle_in_transaction(self) -> bool {
        matches!(self, Self::IdleInTransaction | Self::IdleInTransactionAborted)
    }
}

/// `backend_type` of a session of a client.
pub const CLIENT_BACKEND: &str = "client backend";

/// One backend. Texts are as the server sent them: clean them before they meet a terminal.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Process id.
    pub pid: i32,
    /// When the process started; with the pid it names one backend for good.
    pub backend_start: Option<DateTime<Utc>>,
    /// `backend_type`, such as `client backend`.
    pub backend_type: String,
    /// Database name.
    pub database: Option<String>,
    /// Role name.
    pub user: Option<String>,
    /// `application_name`.
    pub application: String,
    /// Address and port of the client, `local` for the Unix socket.
    pub client: String,
    /// State.
    pub state: SessionState,
    /// `wait_event_type`.
    pub wait_event_type: Option<String>,
    /// `wait_event`.
    pub wait_event: Option<String>,
    /// Seconds since the transaction began.
    pub xact_age_seconds: Option<f64>,
    /// Seconds since the current (or, when idle, last) query began.
    pub query_age_seconds: Option<f64>,
    /// Seconds since the state changed.
    pub state_age_seconds: Option<f64>,
    /// Who blocks it, from `pg_blocking_pids`; each once; 0 stands for a prepared transaction.
    pub blocked_by: Vec<i32>,
    /// The gids of the prepared transactions among them.
    pub blocked_by_prepared: Vec<String>,
    /// How many transactions old its xmin is.
    pub xmin_age: Option<u32>,
    /// The leader when this is a parallel worker.
    pub leader_pid: Option<i32>,
    /// The current or last query, cut to [`QUERY_LIST_CHARS`] characters in lists.
    pub query: String,
    /// Whether there is more of it.
    pub query_is_cut: bool,
}

impl Session {
    /// Whether this is a client's backend.
    #[must_use]
    pub fn is_client(&self) -> bool {
        self.backend_type == CLIENT_BACKEND
    }

    /// Type and name of the wait, such as `Lock:relation`; empty when it waits for nothing.
    #[must_use]
    pub fn wait(&self) -> String {
        match (&self.wait_event_type, &self.wait_event) {
            (Some(kind), Some(name)) => format!("{kind}:{name}"),
            _ => String::new(),
        }
    }

    /// What names this backend for good.
    #[must_use]
    pub fn target(&self) -> BackendTarget {
        BackendTarget { pid: self.pid, backend_start: self.backend_start }
    }
}

/// Characters of a query that a list carries; the whole text is fetched on demand.
pub const QUERY_LIST_CHARS: usize = 500;

/// One backend, proof against reuse of its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BackendTarget {
    /// Process id.
    pub pid: i32,
    /// When it started. `None` when the role may not see it.
    pub backend_start: Option<DateTime<Utc>>,
}

/// Who stands at a place of the lock tree.
#[derive(Clone, Debug, PartialEq)]
pub enum LockParty {
    /// A backend.
    Session(Arc<Session>),
    /// A prepared transaction; has no process.
    Prepared {
        /// Its global identifier.
        gid: String,
        /// Its database.
        database: String,
        /// Seconds since `PREPARE TRANSACTION`.
        age_seconds: f64,
    },
    /// A blocker that is in no list, such as one that ended between two queries.
    Gone {
        /// Its process id.
        pid: i32,
    },
}

/// One line of the lock tree, in display order (depth first).
#[derive(Clone, Debug, PartialEq)]
pub struct LockNode {
    /// Who.
    pub party: LockParty,
    /// 0 for a root: holds locks and waits for none.
    pub depth: usize,
    /// For each level above, whether that ancestor has a later sibling (for drawing branches).
    pub branches: Vec<bool>,
    /// What it waits for; `None` for a root.
    pub waits_for: Option<LockWait>,
    /// Blockers besides the one it is shown under: pids and gids, as people read them.
    pub also_blocked_by: Vec<String>,
    /// Sessions below it, directly or not.
    pub blocks: usize,
}

/// The lock request of a waiting backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LockWait {
    /// `mode`, such as `AccessExclusiveLock`.
    pub mode: String,
    /// What is locked, such as `relation public.accounts` or `transaction 771`.
    pub object: String,
    /// Seconds it has waited: exact from 14 (`pg_locks.waitstart`), the query's age in 13.
    pub seconds: Option<f64>,
}

/// The lock tree: every session that blocks or is blocked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LockForest {
    /// Lines in display order.
    pub nodes: Vec<LockNode>,
    /// Sessions that wait.
    pub waiting: usize,
    /// Length of the longest chain, in sessions; 0 without waits.
    pub depth_max: usize,
}

/// A lock a prepared transaction holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldLock {
    /// `relation`, `transactionid`, …: `pg_locks.locktype`.
    pub kind: String,
    /// The object by name where its database could be asked, by OID otherwise.
    pub object: String,
    /// The lock mode.
    pub mode: String,
    /// The relation, for [`HeldLock::kind`] `relation`.
    #[serde(skip)]
    pub relation: Option<Oid>,
}

/// A prepared transaction (`pg_prepared_xacts`).
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedTransaction {
    /// Global transaction identifier.
    pub gid: String,
    /// Its transaction id.
    pub transaction: TransactionId,
    /// The database it must be resolved in.
    pub database: String,
    /// Who prepared it.
    pub owner: String,
    /// When it was prepared.
    pub prepared_at: DateTime<Utc>,
    /// Seconds since then.
    pub age_seconds: f64,
    /// What it keeps locked.
    pub locks: Vec<HeldLock>,
    /// Backends that wait for it, directly.
    pub blocked: Vec<i32>,
    /// How many transactions old it is: what it holds back from `VACUUM`.
    pub xid_age: u32,
    /// Checks (10 s apart, counted across runs of pgdeck) on which it was seen.
    pub seen_checks: u32,
    /// The server's log line about it from the last restart after a crash.
    pub restart_log_line: Option<String>,
}

impl PreparedTransaction {
    /// What names this prepared transaction for good.
    #[must_use]
    pub fn target(&self) -> PreparedTarget {
        PreparedTarget {
            gid: self.gid.clone(),
            database: self.database.clone(),
            transaction: self.transaction,
        }
    }
}

/// One prepared transaction, proof against reuse of its gid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedTarget {
    /// Global transaction identifier.
    pub gid: String,
    /// The database it must be resolved in.
    pub database: String,
    /// Its transaction id.
    pub transaction: TransactionId,
}
