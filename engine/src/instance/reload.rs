//! Loading the configuration again, after looking whether it can be loaded.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::access::Access;
use crate::api::{Error, ErrorCode, Result};
use crate::pg::connect::Connected;
use crate::pg::query::sql::{self, Query};
use crate::pg::query::{column, optional_text, text};

/// Errors shown; more are counted.
const ERRORS_SHOWN_MAX: usize = 3;
/// The postmaster has loaded its files within this.
const LOADED_WITHIN: Duration = Duration::from_secs(5);

/// Checks the configuration files and makes the server load them.
///
/// # Errors
/// `ConfigurationErrors` naming file and line: then nothing is loaded. `PermissionDenied`.
pub async fn reload(access: &Access) -> Result<String> {
    let connected = access.connect(None).await?;
    // Only a superuser may look into the files; for others the server's log will tell.
    if let Ok(errors) = errors_in_files(&connected).await
        && !errors.is_empty()
    {
        return Err(refusal(&errors));
    }
    let before = loaded_at(&connected).await?;
    rows(&connected, &sql::RELOAD).await?;
    let deadline = tokio::time::Instant::now() + LOADED_WITHIN;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = loaded_at(&connected).await?;
        if now > before {
            return Ok(format!("configuration loaded at {}", now.format("%H:%M:%S UTC")));
        }
        if tokio::time::Instant::now() >= deadline {
            return Ok(
                "the server was told to load its configuration and has not said so yet".to_owned()
            );
        }
    }
}

async fn rows(connected: &Connected, query: &Query) -> Result<Vec<tokio_postgres::Row>> {
    let text = query.text_for(connected.server.version.major()).unwrap_or_default();
    connected.client.query(text, &[]).await.map_err(|error| connected.map_error(&error))
}

async fn loaded_at(connected: &Connected) -> Result<DateTime<Utc>> {
    let rows = rows(connected, &sql::CONF_LOAD_TIME).await?;
    match rows.first() {
        Some(row) => column(row, "loaded_at"),
        None => Err(Error::new(ErrorCode::QueryFailed, "pg_conf_load_time() gave nothing")),
    }
}

async fn errors_in_files(connected: &Connected) -> Result<Vec<String>> {
    let mut errors = Vec::new();
    for row in rows(connected, &sql::CONFIG_ERRORS).await? {
        let file = optional_text(&row, "file")?.unwrap_or_default();
        let line: Option<i32> = column(&row, "line")?;
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let name = optional_text(&row, "name")?.map(|name| format!("{name}: ")).unwrap_or_default();
        errors.push(format!("{file}{line}: {name}{}", text(&row, "error")?));
    }
    Ok(errors)
}

fn refusal(errors: &[String]) -> Error {
    let mut detail = errors.iter().take(ERRORS_SHOWN_MAX).cloned().collect::<Vec<_>>().join("; ");
    if errors.len() > ERRORS_SHOWN_MAX {
        detail.push_str(&format!("; and {} more", errors.len() - ERRORS_SHOWN_MAX));
    }
    let count = errors.len();
    Error::new(
        ErrorCode::ConfigurationErrors,
        format!("the configuration files have {count} errors; nothing was loaded"),
    )
    .detail(detail)
}
