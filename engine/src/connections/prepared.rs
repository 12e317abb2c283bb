//! Prepared transactions of all databases, with the locks they hold and whom they block.

use std::collections::HashMap;

use tokio_postgres::Row;

use super::names::RelationNames;
use super::waits::{self, LockTag, Wait};
use crate::api::{HeldLock, Oid, PreparedTransaction, Result, TransactionId};
use crate::pg::query::{column, text};

/// A lock held by a prepared transaction, its object not yet named.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The transaction.
    pub transaction: u32,
    /// What.
    pub tag: LockTag,
    /// In which mode.
    pub mode: String,
}

/// Decodes the rows of the query `prepared`; locks and blocked sessions are still missing.
///
/// # Errors
/// `QueryFailed` when a column is not what it should be.
pub fn decode(rows: &[Row]) -> Result<Vec<PreparedTransaction>> {
    rows.iter()
        .map(|row| {
            Ok(PreparedTransaction {
                gid: text(row, "gid")?,
                transaction: column(row, "transaction")?,
                database: text(row, "database")?,
                owner: text(row, "owner")?,
                prepared_at: column(row, "prepared_at")?,
                age_seconds: column(row, "age_seconds")?,
                locks: Vec::new(),
                blocked: Vec::new(),
                xid_age: u32::try_from(column::<i32>(row, "xid_age")?).unwrap_or(0),
                seen_checks: 0,
                restart_log_line: None,
            })
        })
        .collect()
}

/// Decodes the rows of the query `prepared_locks`.
///
/// # Errors
/// As [`decode`].
pub fn decode_locks(rows: &[Row]) -> Result<Vec<Held>> {
    let held = |row: &Row| -> Result<Held> {
        let transaction: TransactionId = column(row, "transaction")?;
        let xid: Option<TransactionId> = column(row, "transactionid")?;
        let tag = LockTag { transaction: xid.map(|xid| xid.to_string()), ..waits::tag(row)? };
        Ok(Held { transaction: transaction.as_u32(), tag, mode: text(row, "mode")? })
    };
    rows.iter().map(held).collect()
}

/// Relations among held locks, with their databases, for naming them.
pub fn relations(held: &[Held]) -> impl Iterator<Item = (Oid, Oid)> {
    held.iter()
        .filter(|one| one.tag.relation_name.is_none())
        .filter_map(|one| one.tag.database.zip(one.tag.relation))
}

/// Puts locks and blocked sessions to their transactions.
pub fn complete(
    prepared: &mut [PreparedTransaction],
    held: &[Held],
    waits: &[Wait],
    names: &RelationNames,
) {
    let mut locks: HashMap<u32, Vec<HeldLock>> = HashMap::new();
    for one in held {
        // Every prepared transaction holds its own id; that says nothing.
        let own = one.transaction.to_string();
        if one.tag.kind == "transactionid" && one.tag.transaction.as_deref() == Some(&own) {
            continue;
        }
        locks.entry(one.transaction).or_default().push(HeldLock {
            kind: one.tag.kind.clone(),
            object: one.tag.describe(names),
            mode: one.mode.clone(),
            relation: one.tag.relation,
        });
    }
    for transaction in prepared {
        let xid = transaction.transaction.as_u32();
        transaction.locks = locks.remove(&xid).unwrap_or_default();
        transaction.blocked = waits
            .iter()
            .filter(|wait| wait.prepared_holders.contains(&xid))
            .map(|wait| wait.pid)
            .collect();
    }
}
