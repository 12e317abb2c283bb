//! Ending queries and sessions.

use chrono::{DateTime, Utc};
use tokio_postgres::Client;

use crate::api::{BackendTarget, Error, ErrorCode, Result, SignalKind};
use crate::pg::connect::Connected;
use crate::pg::query::column;
use crate::pg::query::sql::{self, Query};

/// Sends a signal to a backend, if it is still the one that was meant: pid and start time are
/// compared in the same statement that sends it.
///
/// # Errors
/// `SessionGone`, `PermissionDenied`, `ConnectionLost`, `QueryFailed`.
pub async fn signal(connected: &Connected, kind: SignalKind, target: &BackendTarget) -> Result<()> {
    let query = match kind {
        SignalKind::Cancel => &sql::CANCEL,
        SignalKind::Terminate => &sql::TERMINATE,
    };
    let row = one_row(connected, query, target).await?;
    let sent: Option<bool> = match &row {
        Some(row) => column(row, "sent")?,
        None => None,
    };
    match sent {
        Some(true) => Ok(()),
        Some(false) | None => {
            Err(Error::new(ErrorCode::SessionGone, format!("session {} has ended", target.pid))
                .detail("no backend with this pid and start time is left"))
        }
    }
}

/// The whole text of a backend's query.
///
/// # Errors
/// As [`signal`].
pub async fn query_text(connected: &Connected, target: &BackendTarget) -> Result<String> {
    match one_row(connected, &sql::QUERY_TEXT, target).await? {
        Some(row) => super::activity::whole_query(&row),
        None => {
            Err(Error::new(ErrorCode::SessionGone, format!("session {} has ended", target.pid))
                .detail("no backend with this pid and start time is left"))
        }
    }
}

async fn one_row(
    connected: &Connected,
    query: &Query,
    target: &BackendTarget,
) -> Result<Option<tokio_postgres::Row>> {
    let text = query.text_for(connected.server.version.major()).unwrap_or_default();
    let client: &Client = &connected.client;
    let start: Option<DateTime<Utc>> = target.backend_start;
    let rows = client.query(text, &[&target.pid, &start]).await;
    Ok(rows.map_err(|error| connected.map_error(&error))?.into_iter().next())
}
