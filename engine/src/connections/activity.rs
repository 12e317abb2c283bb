//! Sessions: rows of `pg_stat_activity` to plain data.

use std::sync::Arc;

use tokio_postgres::Row;

use crate::api::{CLIENT_BACKEND, Result, Session, SessionState};
use crate::pg::query::{column, optional_text, text};

/// Decodes the rows of the query `sessions`.
///
/// # Errors
/// `QueryFailed` when a column is not what it should be.
pub fn decode(rows: &[Row]) -> Result<Vec<Arc<Session>>> {
    rows.iter().map(|row| session(row).map(Arc::new)).collect()
}

fn session(row: &Row) -> Result<Session> {
    let mut blocked_by: Vec<i32> =
        column::<Option<Vec<i32>>>(row, "blocked_by")?.unwrap_or_default();
    // Parallel workers of one blocker are reported under their leader's pid, once for each.
    blocked_by.sort_unstable();
    blocked_by.dedup();
    let backend_type = optional_text(row, "backend_type")?.unwrap_or_default();
    let state = optional_text(row, "state")?;
    let state = match state.as_deref() {
        None if backend_type == CLIENT_BACKEND => SessionState::Disabled,
        word => SessionState::from_view(word),
    };
    Ok(Session {
        pid: column(row, "pid")?,
        backend_start: column(row, "backend_start")?,
        backend_type,
        database: optional_text(row, "database")?,
        user: optional_text(row, "user_name")?,
        application: optional_text(row, "application_name")?.unwrap_or_default(),
        client: client(row)?,
        state,
        wait_event_type: optional_text(row, "wait_event_type")?,
        wait_event: optional_text(row, "wait_event")?,
        xact_age_seconds: column(row, "xact_age")?,
        query_age_seconds: column(row, "query_age")?,
        state_age_seconds: column(row, "state_age")?,
        blocked_by,
        blocked_by_prepared: Vec::new(),
        xmin_age: age(column(row, "xmin_age")?),
        leader_pid: column(row, "leader_pid")?,
        query: optional_text(row, "query")?.unwrap_or_default(),
        query_is_cut: column::<Option<bool>>(row, "query_is_cut")?.unwrap_or(false),
    })
}

/// `client_port` is -1 for the Unix socket and null for background processes.
fn client(row: &Row) -> Result<String> {
    let address = optional_text(row, "client_address")?;
    let port: Option<i32> = column(row, "client_port")?;
    Ok(match (address, port) {
        (Some(address), Some(port)) if address.contains(':') => format!("[{address}]:{port}"),
        (Some(address), Some(port)) => format!("{address}:{port}"),
        (Some(address), None) => address,
        (None, Some(_)) => "local".to_owned(),
        (None, None) => String::new(),
    })
}

/// `age()` of a transaction id. In the future (clock of a standby) it is negative: no age.
fn age(transactions: Option<i32>) -> Option<u32> {
    transactions.and_then(|age| u32::try_from(age).ok())
}

/// The whole query of a backend, from the row of the query `query_text`.
///
/// # Errors
/// `QueryFailed`.
pub fn whole_query(row: &Row) -> Result<String> {
    text(row, "query")
}
