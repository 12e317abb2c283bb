//! The monitor's connection: one session with time limits, its statements prepared once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::api::{Error, Result};
use crate::instance::access::Access;
use crate::pg::connect::Connected;
use crate::pg::query::sql::{self, Query};

/// A statement may take nine tenths of the interval, within these bounds.
const STATEMENT_TIMEOUT_MIN: Duration = Duration::from_millis(200);
const STATEMENT_TIMEOUT_MAX: Duration = Duration::from_secs(5);
/// A server that does not even report its own timeout after this hangs.
const GRACE: Duration = Duration::from_secs(2);

/// A connection for probes.
#[derive(Debug)]
pub struct Link {
    connected: Connected,
    statements: RefCell<HashMap<&'static str, Statement>>,
    transactions: Cell<i64>,
    limit: Duration,
    is_hanging: Cell<bool>,
}

impl Link {
    /// Connects and sets up the session for probes every `interval`.
    ///
    /// # Errors
    /// Those of [`Access::connect`], `QueryTimeout`, `QueryFailed`.
    pub async fn open(access: &Access, database: Option<&str>, interval: Duration) -> Result<Self> {
        let connected = access.connect(database).await?;
        let limit = statement_timeout(interval);
        let link = Self {
            connected,
            statements: RefCell::default(),
            transactions: Cell::new(0),
            limit,
            is_hanging: Cell::new(false),
        };
        let timeout = format!("{}ms", limit.as_millis());
        link.rows(&sql::SESSION_SETUP, &[&timeout, &timeout]).await?;
        // Superusers only; for others the probes show in a log that logs everything.
        link.rows(&sql::SESSION_QUIET, &[]).await?;
        Ok(link)
    }

    /// Major version of the server.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.connected.server.version.major()
    }

    /// Transactions run on this connection.
    #[must_use]
    pub fn transactions(&self) -> i64 {
        self.transactions.get()
    }

    /// Whether it can be used no more.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.is_hanging.get() || self.connected.driver.is_closed()
    }

    /// The connection below.
    #[must_use]
    pub fn connected(&self) -> &Connected {
        &self.connected
    }

    /// Runs a query of the registry.
    ///
    /// # Errors
    /// `QueryTimeout` when the server did not answer in time; then the link is broken.
    /// `ConnectionLost`, `PermissionDenied`, `QueryFailed` as the server says.
    pub async fn rows(&self, query: &Query, args: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let limit = self.limit + GRACE;
        match tokio::time::timeout(limit, self.run(query, args)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.is_hanging.set(true);
                Err(self.connected.query_timed_out(limit))
            }
        }
    }

    /// Runs a query of the registry that gives one row.
    ///
    /// # Errors
    /// As [`Link::rows`], and `QueryFailed` when there is no row.
    pub async fn row(&self, query: &Query, args: &[&(dyn ToSql + Sync)]) -> Result<Row> {
        self.rows(query, args).await?.into_iter().next().ok_or_else(|| {
            Error::new(
                crate::api::ErrorCode::QueryFailed,
                format!("the query {} gave no row", query.name),
            )
        })
    }

    async fn run(&self, query: &Query, args: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let known = self.statements.borrow().get(query.name).cloned();
        let map = |error: tokio_postgres::Error| self.connected.map_error(&error);
        let statement = match known {
            Some(statement) => statement,
            None => {
                let text = query.text_for(self.major()).unwrap_or_default();
                let prepared = self.connected.client.prepare(text).await.map_err(map)?;
                self.statements.borrow_mut().insert(query.name, prepared.clone());
                prepared
            }
        };
        self.transactions.set(self.transactions.get() + 1);
        self.connected.client.query(&statement, args).await.map_err(map)
    }
}

fn statement_timeout(interval: Duration) -> Duration {
    (interval * 9 / 10).clamp(STATEMENT_TIMEOUT_MIN, STATEMENT_TIMEOUT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_before_the_next_look() {
        let of = |ms| statement_timeout(Duration::from_millis(ms));
        assert_eq!(of(1_000), Duration::from_millis(900));
        assert_eq!(of(100), STATEMENT_TIMEOUT_MIN);
        assert_eq!(of(60_000), STATEMENT_TIMEOUT_MAX);
    }
}
