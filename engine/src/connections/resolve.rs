//! Committing and rolling back prepared transactions, and telling the truth about the result.
//!
//! `COMMIT PREPARED` must run in the transaction's own database. The answer to it can get lost
//! with the connection; then the server is asked what became of the transaction.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::api::{Error, ErrorCode, PreparedOutcome, PreparedTarget, Result};
use crate::instance::access::Access;
use crate::pg::connect::Connected;
use crate::pg::query::{column, optional_text, sql, text};

/// A commit may wait for synchronous standbys; after this the truth is looked up instead.
const STATEMENT_LIMIT: Duration = Duration::from_secs(30);
/// Looking up the truth is tried this often, a second apart.
const LOOKUPS_MAX: u32 = 5;

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Committed,
    Aborted,
    StillPrepared,
    /// Too old for the server to remember.
    Forgotten,
}

/// Resolves a prepared transaction. The text says what was found out about it, not what was hoped.
///
/// # Errors
/// - `PreparedNotFound`: it is not there, or another one has its gid now. Nothing was done.
/// - `PreparedFailed`: the server refused. It is still prepared.
/// - `PreparedOutcomeUnknown`: the connection broke and the server could not be asked again.
/// - what connecting to its database gives.
pub async fn resolve(
    access: &Access,
    target: &PreparedTarget,
    outcome: PreparedOutcome,
) -> Result<String> {
    let connected = access.connect(Some(&target.database)).await?;
    let full_xid = check(&connected, target).await?;
    let statement = outcome.sql(&target.gid)?;
    let run = connected.client.batch_execute(&statement);
    match tokio::time::timeout(STATEMENT_LIMIT, run).await {
        Ok(Ok(())) => {
            let fate = fate(&connected, target, &full_xid).await;
            Ok(success(outcome, target, fate.ok()))
        }
        Ok(Err(error)) if error.as_db_error().is_some() && !ends_session(&error) => {
            refused(&connected, target, outcome, &error).await
        }
        Ok(Err(error)) => {
            let lost = connected.map_error(&error);
            drop(connected);
            look_up(access, target, outcome, &full_xid, &lost).await
        }
        Err(_) => {
            let late = connected.query_timed_out(STATEMENT_LIMIT);
            let _ = connected.canceller.cancel().await;
            drop(connected);
            look_up(access, target, outcome, &full_xid, &late).await
        }
    }
}

/// A server that shuts down answers with an error and ends the session: the command may have
/// been done all the same.
fn ends_session(error: &tokio_postgres::Error) -> bool {
    let code = error.code();
    [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN].iter().any(|one| code == Some(one))
}

/// Checks that the gid still names the transaction that was meant; its full transaction id.
async fn check(connected: &Connected, target: &PreparedTarget) -> Result<String> {
    let query = sql::PREPARED_TARGET.text_for(connected.server.version.major()).unwrap_or_default();
    let rows = connected.client.query(query, &[&target.gid]).await;
    let rows = rows.map_err(|error| connected.map_error(&error))?;
    let Some(row) = rows.first() else { return Err(not_found(target)) };
    let transaction: crate::api::TransactionId = column(row, "transaction")?;
    if transaction != target.transaction {
        return Err(not_found(target)
            .detail(format!("another transaction, {transaction}, has this gid now")));
    }
    Ok(full_transaction_id(transaction.as_u32(), &text(row, "next_xid")?))
}

fn not_found(target: &PreparedTarget) -> Error {
    Error::new(
        ErrorCode::PreparedNotFound,
        format!(
            "there is no prepared transaction \"{}\" in database {}",
            target.gid, target.database
        ),
    )
    .detail(format!("transaction {} was looked for", target.transaction))
}

/// The 64-bit id of a transaction that is older than `next`, the server's next one.
fn full_transaction_id(xid: u32, next: &str) -> String {
    let next: u64 = next.parse().unwrap_or(0);
    let epoch = next >> 32;
    let candidate = epoch << 32 | u64::from(xid);
    let full = if candidate >= next && epoch > 0 { candidate - (1 << 32) } else { candidate };
    full.to_string()
}

async fn fate(connected: &Connected, target: &PreparedTarget, full_xid: &str) -> Result<Fate> {
    let major = connected.server.version.major();
    let map = |error: tokio_postgres::Error| connected.map_error(&error);
    let query = sql::PREPARED_TARGET.text_for(major).unwrap_or_default();
    let rows = connected.client.query(query, &[&target.gid]).await.map_err(map)?;
    for row in &rows {
        if column::<crate::api::TransactionId>(row, "transaction")? == target.transaction {
            return Ok(Fate::StillPrepared);
        }
    }
    let query = sql::XACT_STATUS.text_for(major).unwrap_or_default();
    let row = connected.client.query_one(query, &[&full_xid]).await.map_err(map)?;
    Ok(match optional_text(&row, "status")?.as_deref() {
        Some("committed") => Fate::Committed,
        Some("aborted") => Fate::Aborted,
        Some(_) => Fate::StillPrepared,
        None => Fate::Forgotten,
    })
}

fn success(outcome: PreparedOutcome, target: &PreparedTarget, fate: Option<Fate>) -> String {
    let (xid, database) = (target.transaction, &target.database);
    match fate {
        Some(Fate::Committed) => format!("transaction {xid} in {database} is committed"),
        Some(Fate::Aborted) => format!("transaction {xid} in {database} is rolled back"),
        Some(Fate::StillPrepared) => {
            format!("the server accepted {}, but transaction {xid} is still listed", outcome.verb())
        }
        Some(Fate::Forgotten) | None => {
            format!("the server accepted {} of transaction {xid} in {database}", outcome.verb())
        }
    }
}

async fn refused(
    connected: &Connected,
    target: &PreparedTarget,
    outcome: PreparedOutcome,
    error: &tokio_postgres::Error,
) -> Result<String> {
    let said = connected.map_error(error);
    if error.code() == Some(&SqlState::UNDEFINED_OBJECT) {
        return Err(not_found(target).detail("another session resolved it at this moment"));
    }
    let hint = if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        "Only a superuser or the role that prepared it may resolve it."
    } else {
        ErrorCode::PreparedFailed.default_hint()
    };
    Err(Error::new(
        ErrorCode::PreparedFailed,
        format!("{} of \"{}\" was refused; it is still prepared", outcome.verb(), target.gid),
    )
    .detail(if said.detail.is_empty() { said.fact } else { said.detail })
    .hint(hint))
}

/// After a lost answer: connects again and asks what became of the transaction.
async fn look_up(
    access: &Access,
    target: &PreparedTarget,
    outcome: PreparedOutcome,
    full_xid: &str,
    lost: &Error,
) -> Result<String> {
    for _ in 0..LOOKUPS_MAX {
        if let Ok(connected) = access.connect(Some(&target.database)).await
            && let Ok(fate) = fate(&connected, target, full_xid).await
        {
            return after_loss(target, outcome, fate, lost);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(Error::new(
        ErrorCode::PreparedOutcomeUnknown,
        format!("what became of {} \"{}\" is not known", outcome.verb(), target.gid),
    )
    .detail(lost.fact.clone())
    .hint(format!(
        "When the server is back: SELECT pg_xact_status('{full_xid}') in database {}, and look at 'pgdeck prepared'.",
        target.database
    )))
}

fn after_loss(
    target: &PreparedTarget,
    outcome: PreparedOutcome,
    fate: Fate,
    lost: &Error,
) -> Result<String> {
    let wanted = match outcome {
        PreparedOutcome::Commit => Fate::Committed,
        PreparedOutcome::Rollback => Fate::Aborted,
    };
    if fate == wanted {
        let text = success(outcome, target, Some(fate));
        return Ok(format!("{text} (the answer was lost: {})", lost.fact));
    }
    match fate {
        Fate::StillPrepared => Err(Error::new(
            ErrorCode::PreparedFailed,
            format!("{} of \"{}\" was not done; it is still prepared", outcome.verb(), target.gid),
        )
        .detail(lost.fact.clone())),
        Fate::Committed | Fate::Aborted => {
            Err(Error::new(ErrorCode::PreparedFailed, success(outcome, target, Some(fate)))
                .detail(format!("another session resolved it otherwise than {}", outcome.verb()))
                .hint("It is resolved and gone; nothing more can be done about it here."))
        }
        Fate::Forgotten => Err(Error::new(
            ErrorCode::PreparedOutcomeUnknown,
            format!("\"{}\" is no longer prepared, and the server forgot how it ended", target.gid),
        )
        .detail(lost.fact.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_ids_carry_the_epoch() {
        assert_eq!(full_transaction_id(771, "800"), "771");
        let next = (3_u64 << 32 | 10).to_string();
        assert_eq!(full_transaction_id(5, &next), (3_u64 << 32 | 5).to_string());
        let before_the_wrap = u64::from(u32::MAX - 1);
        let full = full_transaction_id(u32::MAX - 1, &next);
        assert_eq!(full, (2_u64 << 32 | before_the_wrap).to_string());
    }

    fn target() -> PreparedTarget {
        PreparedTarget {
            gid: "g".into(),
            database: "app".into(),
            transaction: crate::api::TransactionId::from_u32(771),
        }
    }

    #[test]
    fn the_truth_after_a_lost_answer() {
        let lost = Error::new(ErrorCode::ConnectionLost, "the connection broke");
        let told = |fate| after_loss(&target(), PreparedOutcome::Commit, fate, &lost);
        assert!(told(Fate::Committed).unwrap().contains("is committed"));
        assert_eq!(told(Fate::StillPrepared).unwrap_err().code, ErrorCode::PreparedFailed);
        let other = told(Fate::Aborted).unwrap_err();
        assert_eq!(other.code, ErrorCode::PreparedFailed);
        assert!(other.fact.contains("rolled back"), "{other}");
        assert_eq!(told(Fate::Forgotten).unwrap_err().code, ErrorCode::PreparedOutcomeUnknown);
    }
}
