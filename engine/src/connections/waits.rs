//! What sessions wait for, and which prepared transactions hold it.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::Row;

use super::names::RelationNames;
use crate::api::{LockWait, Oid, PreparedTransaction, Result, Session};
use crate::pg::query::decode::{OidColumn, Text};
use crate::pg::query::{column, optional_text, text};

/// One lock request that is not granted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// Who waits.
    pub pid: i32,
    /// For what.
    pub tag: LockTag,
    /// In which mode.
    pub mode: String,
    /// For how long, from 14.
    pub seconds: Option<f64>,
    /// Transaction ids of the prepared transactions that hold it.
    pub prepared_holders: Vec<u32>,
}

/// What is locked (`pg_locks`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockTag {
    /// `locktype`.
    pub kind: String,
    /// `database`.
    pub database: Option<Oid>,
    /// `relation`.
    pub relation: Option<Oid>,
    /// Its name, if the monitor's own database knows it.
    pub relation_name: Option<String>,
    /// `page` and `tuple`.
    pub place: Option<(i32, Option<i16>)>,
    /// `transactionid` or `virtualxid`.
    pub transaction: Option<String>,
    /// `classid` and `objid`.
    pub object: Option<(u32, u32)>,
}

impl LockTag {
    /// What is locked, in words.
    #[must_use]
    pub fn describe(&self, names: &RelationNames) -> String {
        let relation = || self.relation_words(names);
        match (self.kind.as_str(), &self.place, &self.transaction, self.object) {
            ("relation", ..) => relation(),
            ("tuple", Some((page, Some(tuple))), ..) => {
                format!("row ({page},{tuple}) of {}", relation())
            }
            ("page", Some((page, _)), ..) => format!("page {page} of {}", relation()),
            ("extend", ..) => format!("extension of {}", relation()),
            ("transactionid", _, Some(transaction), _) => format!("transaction {transaction}"),
            ("virtualxid", _, Some(transaction), _) => format!("virtual transaction {transaction}"),
            ("advisory", _, _, Some((class, object))) => format!("advisory lock {class},{object}"),
            (kind, _, _, Some((class, object))) => format!("{kind} {class},{object}"),
            (kind, ..) => kind.to_owned(),
        }
    }

    fn relation_words(&self, names: &RelationNames) -> String {
        let Some(relation) = self.relation else { return self.kind.clone() };
        if let Some(name) = &self.relation_name {
            return name.clone();
        }
        match (self.database, names.get(self.database, relation)) {
            (_, Some(name)) => name.to_owned(),
            (Some(database), None) => format!("relation {relation} of database {database}"),
            (None, None) => format!("relation {relation}"),
        }
    }
}

/// Decodes the rows of the query `lock_waits`.
///
/// # Errors
/// `QueryFailed` when a column is not what it should be.
pub fn decode(rows: &[Row]) -> Result<Vec<Wait>> {
    rows.iter().map(wait).collect()
}

fn wait(row: &Row) -> Result<Wait> {
    let holders: Vec<Text> = column(row, "prepared_holders")?;
    Ok(Wait {
        pid: column(row, "pid")?,
        tag: LockTag { place: place(row)?, transaction: transaction(row)?, ..tag(row)? },
        mode: text(row, "mode")?,
        seconds: column(row, "wait_seconds")?,
        prepared_holders: holders.iter().filter_map(|text| text.as_str().parse().ok()).collect(),
    })
}

/// The columns that waits and held locks share.
///
/// # Errors
/// `QueryFailed`.
pub fn tag(row: &Row) -> Result<LockTag> {
    let oid = |name: &str| column::<OidColumn>(row, name).map(|column| column.0);
    let (class, object) = (oid("classid")?, oid("objid")?);
    Ok(LockTag {
        kind: text(row, "locktype")?,
        database: oid("database")?,
        relation: oid("relation")?,
        relation_name: optional_text(row, "relation_name")?,
        place: None,
        transaction: None,
        object: class.zip(object).map(|(class, object)| (class.as_u32(), object.as_u32())),
    })
}

fn place(row: &Row) -> Result<Option<(i32, Option<i16>)>> {
    let page: Option<i32> = column(row, "page")?;
    let tuple: Option<i16> = column(row, "tuple")?;
    Ok(page.map(|page| (page, tuple)))
}

fn transaction(row: &Row) -> Result<Option<String>> {
    let xid: Option<crate::api::TransactionId> = column(row, "transactionid")?;
    let virtual_xid = optional_text(row, "virtualxid")?;
    Ok(xid.map(|xid| xid.to_string()).or(virtual_xid))
}

/// Waits by pid, as the tree shows them. Before 14 the age of the query stands for the wait's.
#[must_use]
pub fn by_pid(
    waits: &[Wait],
    sessions: &[Arc<Session>],
    names: &RelationNames,
) -> HashMap<i32, LockWait> {
    let query_age = |pid: i32| {
        let session = sessions.iter().find(|session| session.pid == pid);
        session.and_then(|session| session.query_age_seconds)
    };
    waits
        .iter()
        .map(|wait| {
            let shown = LockWait {
                mode: wait.mode.clone(),
                object: wait.tag.describe(names),
                seconds: wait.seconds.or_else(|| query_age(wait.pid)),
            };
            (wait.pid, shown)
        })
        .collect()
}

/// Fills in which prepared transactions block each session.
pub fn note_prepared_blockers(
    sessions: &mut [Arc<Session>],
    waits: &[Wait],
    prepared: &[PreparedTransaction],
) {
    for wait in waits.iter().filter(|wait| !wait.prepared_holders.is_empty()) {
        let Some(session) = sessions.iter_mut().find(|session| session.pid == wait.pid) else {
            continue;
        };
        let gids = prepared
            .iter()
            .filter(|one| wait.prepared_holders.contains(&one.transaction.as_u32()))
            .map(|one| one.gid.clone());
        Arc::make_mut(session).blocked_by_prepared = gids.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_in_words() {
        let names = RelationNames::default();
        let relation = LockTag {
            kind: "relation".into(),
            database: Oid::from_u32(5),
            relation: Oid::from_u32(16_400),
            ..LockTag::default()
        };
        assert_eq!(relation.describe(&names), "relation 16400 of database 5");
        let named = LockTag { relation_name: Some("public.t".into()), ..relation.clone() };
        assert_eq!(named.describe(&names), "public.t");
        let row = LockTag { kind: "tuple".into(), place: Some((3, Some(7))), ..named.clone() };
        assert_eq!(row.describe(&names), "row (3,7) of public.t");
        let transaction = LockTag {
            kind: "transactionid".into(),
            transaction: Some("771".into()),
            ..LockTag::default()
        };
        assert_eq!(transaction.describe(&names), "transaction 771");
        let advisory =
            LockTag { kind: "advisory".into(), object: Some((0, 42)), ..LockTag::default() };
        assert_eq!(advisory.describe(&names), "advisory lock 0,42");
        let other = LockTag { kind: "spectoken".into(), ..LockTag::default() };
        assert_eq!(other.describe(&names), "spectoken");
    }
}
