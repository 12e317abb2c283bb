//! The probes of a connected server: which are due, and where their values go.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::link::Link;
use super::log_watch::LogWatch;
use super::rates::{self, Sample};
use super::server;
use super::task::Monitor;
use crate::api::{
    DatabaseStatus, Error, ErrorCode, LockForest, Oid, PreparedTransaction, QUERY_LIST_CHARS,
    RATE_HISTORY_MAX, Result, Session,
};
use crate::connections::names::RelationNames;
use crate::connections::prepared::{self, Held};
use crate::connections::waits::{self, Wait};
use crate::connections::{activity, lock_tree};
use crate::pg::query::decode::OidColumn;
use crate::pg::query::{column, sql, text};
use crate::sys::clock;

/// Dear probes: catalogs, prepared transactions, what holds back xmin and WAL.
const SLOW_EVERY: Duration = Duration::from_secs(10);
/// Sizes of databases, while somebody looks at them.
const SIZES_EVERY: Duration = Duration::from_secs(60);
/// Of all sizes together, as long as one look may take.
const SIZES_LIMIT: Duration = Duration::from_secs(3);
/// Rates are taken over this long, so that they do not jump with every look.
const RATE_WINDOW_SECONDS: f64 = 5.0;

/// State of the probes between looks.
#[derive(Debug, Default)]
pub struct Probes {
    /// The log.
    pub log: LogWatch,
    samples: VecDeque<Sample>,
    slow_at: Option<Instant>,
    sizes_at: Option<Instant>,
    sizes: HashMap<String, u64>,
    names: RelationNames,
    database_names: HashMap<Oid, String>,
    held: Vec<Held>,
    prepared: Vec<PreparedTransaction>,
    waits: Vec<Wait>,
    database_counts: HashMap<String, (Instant, i64)>,
}

impl Probes {
    /// Everything is due at the next look.
    pub fn all_due(&mut self) {
        self.slow_at = None;
        self.sizes_at = None;
        self.log.look_again();
    }
}

impl Monitor {
    /// Runs the probes that are due. A probe that fails marks its own panel; the error that is
    /// returned is one that ends the connection.
    ///
    /// # Errors
    /// `QueryTimeout`, `ConnectionLost`.
    pub(super) async fn probe(&mut self, link: &Link) -> Result<()> {
        self.probe_sample(link).await?;
        let is_slow_due = self.probes.slow_at.is_none_or(|at| at.elapsed() >= SLOW_EVERY);
        if is_slow_due {
            self.probes.slow_at = Some(Instant::now());
            self.probe_slow(link).await?;
        }
        self.probe_sessions(link).await?;
        if self.interest.sizes {
            self.probe_sizes(link).await?;
        }
        Ok(())
    }

    async fn probe_sample(&mut self, link: &Link) -> Result<()> {
        let now = clock::now();
        let outcome = link.rows(&sql::SAMPLE, &[]).await;
        let decoded = outcome.and_then(|rows| server::sample(&rows, link.transactions()));
        let (sample, clients) = match decoded {
            Ok(sample) => sample,
            Err(error) => {
                self.snapshot.rates.fail(error.clone());
                return fatal(error, link);
            }
        };
        if let Some(server) = self.snapshot.server.get()
            && server.connections.used != clients
        {
            let mut server = server.clone();
            server.connections.used = clients;
            self.snapshot.server.value = Some(Arc::new(server));
        }
        let samples = &mut self.probes.samples;
        // A new connection begins its count of probes anew, a restart all counters.
        if samples.back().is_some_and(|last| last.probes > sample.probes) {
            samples.clear();
        }
        if let Some(rates) = samples.front().and_then(|first| rates::between(first, &sample)) {
            let history = Arc::make_mut(&mut self.snapshot.rate_history);
            history.push(rates.transactions);
            let excess = history.len().saturating_sub(RATE_HISTORY_MAX);
            history.drain(..excess);
            self.snapshot.rates.set(rates, now);
        }
        samples.push_back(sample);
        let oldest_wanted = sample.at_seconds - RATE_WINDOW_SECONDS;
        while samples.len() > 2 && samples[1].at_seconds <= oldest_wanted {
            samples.pop_front();
        }
        Ok(())
    }

    async fn probe_slow(&mut self, link: &Link) -> Result<()> {
        let now = clock::now();
        let used = self.snapshot.server.get().map_or(0, |server| server.connections.used);
        let outcome = link.row(&sql::SERVER, &[]).await.and_then(|row| server::status(&row, used));
        stay(&outcome, link)?;
        self.snapshot.server.update(outcome, now);

        let outcome = link.row(&sql::WAL, &[]).await.and_then(|row| server::wal(&row));
        stay(&outcome, link)?;
        self.snapshot.wal.update(outcome, now);

        let outcome = self.look_at_holders(link).await;
        stay(&outcome, link)?;
        self.snapshot.holders.update(outcome, now);

        let outcome = link.rows(&sql::STANDBYS, &[]).await.and_then(|rows| server::standbys(&rows));
        stay(&outcome, link)?;
        self.snapshot.standbys.update(outcome, now);

        let outcome = self.look_at_databases(link).await;
        stay(&outcome, link)?;
        self.snapshot.databases.update(outcome, now);

        let outcome = self.look_at_prepared(link).await;
        stay(&outcome, link)?;
        if let Err(error) = outcome {
            self.snapshot.prepared.fail(error);
        }
        self.learn_tablespaces(link).await
    }

    async fn look_at_holders(&self, link: &Link) -> Result<Vec<crate::api::Holder>> {
        let mut holders = server::holders(&link.rows(&sql::HOLDERS, &[]).await?)?;
        let is_archiving = self.snapshot.wal.get().is_some_and(|wal| wal.archiver.is_some());
        // Without the privilege the attempt would be an error in the server's log.
        let may_see = self.snapshot.server.get().is_some_and(|server| server.monitor_sees_all);
        if is_archiving
            && may_see
            && let Ok(row) = link.row(&sql::READY_SEGMENTS, &[]).await
        {
            holders.extend(server::ready_segments(&row)?);
        }
        Ok(holders)
    }

    async fn look_at_databases(&mut self, link: &Link) -> Result<Vec<DatabaseStatus>> {
        let rows = server::databases(&link.rows(&sql::DATABASES, &[]).await?)?;
        let now = Instant::now();
        let mut databases = Vec::with_capacity(rows.len());
        for row in rows {
            let mut status = row.status;
            let counts = (now, row.transactions);
            let earlier = self.probes.database_counts.insert(status.name.clone(), counts);
            status.transactions_per_second = earlier.and_then(|(at, then)| {
                let rise = i32::try_from(row.transactions - then).ok().filter(|rise| *rise >= 0)?;
                let seconds = at.elapsed().as_secs_f64();
                (seconds > 0.0).then(|| f64::from(rise) / seconds)
            });
            status.size_bytes = self.probes.sizes.get(&status.name).copied();
            if let Some(oid) = row.oid {
                self.probes.database_names.insert(oid, status.name.clone());
            }
            databases.push(status);
        }
        Ok(databases)
    }

    async fn probe_sizes(&mut self, link: &Link) -> Result<()> {
        if self.probes.sizes_at.is_some_and(|at| at.elapsed() < SIZES_EVERY) {
            return Ok(());
        }
        self.probes.sizes_at = Some(Instant::now());
        let began = Instant::now();
        let rows = server::databases(&link.rows(&sql::DATABASES, &[]).await?)?;
        for row in rows.iter().filter(|row| row.may_size) {
            let Some(oid) = row.oid else { continue };
            // Not all in one look: thousands of databases are measured over several minutes.
            if began.elapsed() > SIZES_LIMIT {
                break;
            }
            let measured = link.row(&sql::DATABASE_SIZE, &[&oid.as_u32()]).await;
            stay(&measured, link)?;
            if let Ok(row_of_size) = measured {
                let bytes: i64 = column(&row_of_size, "bytes")?;
                let bytes = u64::try_from(bytes).unwrap_or(0);
                self.probes.sizes.insert(row.status.name.clone(), bytes);
            }
        }
        if let Some(databases) = self.snapshot.databases.get() {
            let mut databases = databases.clone();
            for database in &mut databases {
                database.size_bytes = self.probes.sizes.get(&database.name).copied();
            }
            self.snapshot.databases.value = Some(Arc::new(databases));
        }
        Ok(())
    }

    async fn learn_tablespaces(&mut self, link: &Link) -> Result<()> {
        let Some(local) = &mut self.local else { return Ok(()) };
        let rows = link.rows(&sql::TABLESPACES, &[]).await;
        stay(&rows, link)?;
        for row in rows.iter().flatten() {
            if let Some(oid) = column::<OidColumn>(row, "oid")?.0 {
                let name = text(row, "name")?;
                if local.tablespace_names.insert(oid.to_string(), name).is_none() {
                    local.destinations_due();
                }
            }
        }
        Ok(())
    }

    async fn look_at_prepared(&mut self, link: &Link) -> Result<()> {
        let mut prepared = prepared::decode(&link.rows(&sql::PREPARED, &[]).await?)?;
        self.probes.held = if prepared.is_empty() {
            Vec::new()
        } else {
            prepared::decode_locks(&link.rows(&sql::PREPARED_LOCKS, &[]).await?)?
        };
        self.memory.count_checks(&mut prepared).await;
        self.probes.prepared = prepared;
        self.learn_restart_lines();
        if self.interest.lock_names {
            self.learn_names().await;
        }
        self.publish_prepared();
        Ok(())
    }

    /// Puts the line the log has on it to each prepared transaction.
    fn learn_restart_lines(&mut self) {
        if self.probes.prepared.is_empty() {
            return;
        }
        let lines = self.probes.log.restart_lines();
        for one in &mut self.probes.prepared {
            let line = lines.iter().find(|(xid, _)| *xid == one.transaction);
            one.restart_log_line = line.map(|(_, line)| line.clone());
        }
    }

    /// The log has new lines: those of a restart may be among them, read later than the
    /// transactions they are about.
    pub(super) fn log_has_grown(&mut self) {
        let panel = &self.snapshot.prepared;
        // A stale panel stays so: only a probe makes it fresh.
        if panel.get().is_some_and(|all| !all.is_empty()) && panel.error.is_none() {
            self.learn_restart_lines();
            self.publish_prepared();
        }
    }

    /// Puts locks and blocked sessions, as now known, to the prepared transactions.
    fn publish_prepared(&mut self) {
        let mut prepared = self.probes.prepared.clone();
        prepared::complete(
            &mut prepared,
            &self.probes.held,
            &self.probes.waits,
            &self.probes.names,
        );
        if self.snapshot.prepared.get() == Some(&prepared) {
            self.snapshot.prepared.error = None;
        } else {
            self.snapshot.prepared.set(prepared, clock::now());
        }
    }

    async fn probe_sessions(&mut self, link: &Link) -> Result<()> {
        let outcome = self.look_at_sessions(link).await;
        if let Err(error) = outcome {
            self.snapshot.sessions.fail(error.clone());
            self.snapshot.locks.fail(error.clone());
            return fatal(error, link);
        }
        Ok(())
    }

    async fn look_at_sessions(&mut self, link: &Link) -> Result<()> {
        let now = clock::now();
        let chars = i32::try_from(QUERY_LIST_CHARS).unwrap_or(i32::MAX);
        let mut sessions = activity::decode(&link.rows(&sql::SESSIONS, &[&chars]).await?)?;
        let is_waiting = sessions.iter().any(|session| !session.blocked_by.is_empty());
        let had_waits = !self.probes.waits.is_empty();
        self.probes.waits = if is_waiting {
            waits::decode(&link.rows(&sql::LOCK_WAITS, &[]).await?)?
        } else {
            Vec::new()
        };
        let unknown_holder = self.probes.waits.iter().any(|wait| {
            let known =
                |xid: &u32| self.probes.prepared.iter().any(|p| p.transaction.as_u32() == *xid);
            !wait.prepared_holders.iter().all(known)
        });
        if unknown_holder {
            // Prepared since the last dear probe, and already in somebody's way.
            self.look_at_prepared(link).await?;
        }
        if self.interest.lock_names {
            self.learn_names().await;
        }
        waits::note_prepared_blockers(&mut sessions, &self.probes.waits, &self.probes.prepared);
        let forest = self.lock_forest(&sessions, is_waiting);
        self.snapshot.locks.set(forest, now);
        self.snapshot.sessions.set(sessions, now);
        if is_waiting || had_waits {
            self.publish_prepared();
        }
        Ok(())
    }

    fn lock_forest(&self, sessions: &[Arc<Session>], is_waiting: bool) -> LockForest {
        if !is_waiting {
            return LockForest::default();
        }
        let shown = waits::by_pid(&self.probes.waits, sessions, &self.probes.names);
        lock_tree::build(sessions, &shown, &self.probes.prepared)
    }

    /// Asks other databases for the names of relations that are locked there.
    async fn learn_names(&mut self) {
        let of_waits = self.probes.waits.iter().filter(|wait| wait.tag.relation_name.is_none());
        let of_waits = of_waits.filter_map(|wait| wait.tag.database.zip(wait.tag.relation));
        let all = of_waits.chain(prepared::relations(&self.probes.held));
        let wanted = self.probes.names.wanted(all);
        for (database, relations) in wanted {
            let Some(name) = self.probes.database_names.get(&database).cloned() else { continue };
            let answers = self.ask_names(&name, &relations).await.unwrap_or_default();
            self.probes.names.learn(database, &relations, &answers);
        }
    }

    async fn ask_names(
        &self,
        database: &str,
        relations: &std::collections::BTreeSet<Oid>,
    ) -> Result<HashMap<Oid, String>> {
        let link = Link::open(&self.access, Some(database), self.interval).await?;
        let oids: Vec<u32> = relations.iter().map(|oid| oid.as_u32()).collect();
        let mut names = HashMap::new();
        for row in link.rows(&sql::RELATION_NAMES, &[&oids]).await? {
            if let Some(oid) = column::<OidColumn>(&row, "oid")?.0 {
                names.insert(oid, text(&row, "name")?);
            }
        }
        Ok(names)
    }
}

/// Errors that end the connection end the look; others, a statement that was cancelled at its
/// time limit among them, belong to one panel.
fn fatal(error: Error, link: &Link) -> Result<()> {
    match error.code {
        ErrorCode::ConnectionLost | ErrorCode::ServerNotReady => Err(error),
        _ if link.is_broken() => Err(error),
        _ => Ok(()),
    }
}

fn stay<T>(outcome: &Result<T>, link: &Link) -> Result<()> {
    match outcome {
        Ok(_) => Ok(()),
        Err(error) => fatal(error.clone(), link),
    }
}
