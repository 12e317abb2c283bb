//! From a target to the one record where replay ends, as the server would find it.
//!
//! Source: `recoveryStopsBefore()` and `recoveryStopsAfter()` in `xlogrecovery.c` (up to 14 in
//! `xlog.c`). Works on facts; single records are asked for only where a target needs them.

mod search;
#[cfg(test)]
mod tests;

use chrono::{DateTime, SecondsFormat, Utc};

use super::facts::RecordFact;
use super::way::Way;
use crate::api::{RecoveryTarget, Result, TargetBound};
use crate::pg::types::Lsn;

pub use search::{Searched, Wal};

/// Where replay ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The record.
    pub record: Lsn,
    /// Whether it is replayed.
    pub bound: TargetBound,
    /// The position behind the last record that is replayed.
    pub reached: Lsn,
    /// The leg in which the record ends.
    pub leg: usize,
    /// The last commit that is replayed, as far as it was looked for.
    pub last_commit_at: Option<DateTime<Utc>>,
    /// What should be known of how the target was understood.
    pub notes: Vec<String>,
}

/// A target cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// Why, lower case.
    pub why: String,
    /// Whether it is so because the way is broken.
    pub behind_break: bool,
}

impl Unreachable {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), behind_break: false }
    }
}

/// Resolves a target on a way. `from` is the end of the backup: nothing before it is found.
/// `now` is the clock's.
///
/// # Errors
/// As reading segments; the inner one is [`Unreachable`].
pub fn resolve(
    wal: &dyn Wal,
    way: &Way,
    target: &RecoveryTarget,
    bound: TargetBound,
    from: Lsn,
    now: DateTime<Utc>,
) -> Result<std::result::Result<Stop, Unreachable>> {
    let searched = Searched { wal, way, from };
    match target {
        RecoveryTarget::Latest => latest(&searched),
        // The server finds the end of the backup by itself; it needs one record behind it.
        RecoveryTarget::BackupEnd => Ok(backup_end(&searched)),
        RecoveryTarget::Time(at) => time(&searched, *at, bound, now),
        RecoveryTarget::RestorePoint(name) => restore_point(&searched, name, bound),
        RecoveryTarget::Lsn(lsn) => position(&searched, *lsn, bound),
        RecoveryTarget::Xid(xid) => transaction(&searched, *xid, bound),
    }
}

type Outcome = Result<std::result::Result<Stop, Unreachable>>;

fn behind_break(searched: &Searched<'_>) -> Unreachable {
    let why = searched.way.broken.as_ref().map_or_else(String::new, |broken| broken.why.clone());
    Unreachable { why, behind_break: true }
}

fn latest(searched: &Searched<'_>) -> Outcome {
    if searched.way.broken.is_some() {
        return Ok(Err(behind_break(searched)));
    }
    at_tip(searched, Vec::new())
}

/// Behind the last whole record.
fn at_tip(searched: &Searched<'_>, notes: Vec<String>) -> Outcome {
    let Some((leg, record, end)) = searched.tip()? else {
        return Ok(Err(Unreachable::new("no WAL from the backup on is there")));
    };
    if end < searched.from {
        return Ok(Err(before_backup_end(searched, end)));
    }
    if let Some(shutdown) = searched.shutdown(leg, record) {
        let stop = searched.stop(shutdown, TargetBound::Inclusive)?;
        return Ok(Ok(Stop { notes, ..stop }));
    }
    let last_commit_at = searched.last_commit_before(leg, end)?;
    let bound = TargetBound::Inclusive;
    Ok(Ok(Stop { record, bound, reached: end, leg, last_commit_at, notes }))
}

fn before_backup_end(searched: &Searched<'_>, end: Lsn) -> Unreachable {
    let from = searched.from;
    Unreachable::new(format!(
        "WAL ends at {end}, before {from}, where the backup becomes consistent"
    ))
}

fn backup_end(searched: &Searched<'_>) -> std::result::Result<Stop, Unreachable> {
    let number = searched.way.size.number_before(searched.from);
    let leg = searched.way.walkable().iter().position(|leg| leg.number == number);
    let Some(leg) = leg else {
        return Err(match searched.way.broken {
            Some(_) => behind_break(searched),
            None => Unreachable::new("WAL of the backup itself is missing"),
        });
    };
    Ok(Stop {
        record: searched.from,
        bound: TargetBound::Inclusive,
        reached: searched.from,
        leg,
        last_commit_at: None,
        notes: Vec::new(),
    })
}

fn time(
    searched: &Searched<'_>,
    at: DateTime<Utc>,
    bound: TargetBound,
    now: DateTime<Utc>,
) -> Outcome {
    let is_behind = |time: DateTime<Utc>| match bound {
        TargetBound::Inclusive => time > at,
        TargetBound::Exclusive => time >= at,
    };
    if at > now {
        let text = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        return Ok(Err(Unreachable::new(format!("{text} is in the future"))));
    }
    let found = searched.first(
        |facts| facts.end_last().is_some_and(is_behind),
        |record| record.kind.ended_at().is_some_and(is_behind),
    )?;
    if let Some(found) = found {
        return Ok(Ok(searched.stop(found, TargetBound::Exclusive)?));
    }
    if searched.way.broken.is_some() {
        return Ok(Err(behind_break(searched)));
    }
    // No end of a transaction is later: everything is wanted, if something proves that nothing is missing.
    let proof = searched.time_last()?;
    if proof.is_some_and(is_behind) {
        return at_tip(searched, Vec::new());
    }
    let known = proof.map_or_else(
        || "nothing in it says when".to_owned(),
        |proof| {
            format!("the last time in it is {}", proof.to_rfc3339_opts(SecondsFormat::AutoSi, true))
        },
    );
    Ok(Err(Unreachable::new(format!("WAL does not reach so far: {known}"))))
}

fn restore_point(searched: &Searched<'_>, name: &str, bound: TargetBound) -> Outcome {
    let is_it = |record: &RecordFact| match &record.kind {
        super::facts::RecordKind::RestorePoint { name: found, .. } => found == name,
        _ => false,
    };
    let mut all = searched
        .all(|facts| facts.index.restore_points.iter().any(|point| point.name == name), is_it)?;
    let count = all.len();
    let Some(found) = all.pop() else {
        return Ok(Err(unknown_point(searched, name)));
    };
    let mut stop = searched.stop(found, bound)?;
    if count > 1 {
        stop.notes.push(format!(
            "{count} restore points are called \"{name}\"; the newest is meant, at {}",
            stop.record
        ));
    }
    Ok(Ok(stop))
}

/// A restore point that is not on the way; it may be behind a break, or in what is missing.
fn unknown_point(searched: &Searched<'_>, name: &str) -> Unreachable {
    let is_beyond = searched.way.beyond().iter().any(|leg| {
        let facts = leg.facts.as_ref().ok();
        facts.is_some_and(|one| one.index.restore_points.iter().any(|point| point.name == name))
    });
    let broken = behind_break(searched);
    if is_beyond {
        return broken;
    }
    let why = format!("no restore point \"{name}\" is on the way");
    match searched.way.broken {
        Some(_) => Unreachable { why: format!("{why}, and {}", broken.why), behind_break: true },
        None => Unreachable::new(why),
    }
}

fn position(searched: &Searched<'_>, lsn: Lsn, bound: TargetBound) -> Outcome {
    let size = searched.way.size;
    let found = searched.first(
        |facts| {
            let number = facts.index.segment.number(size).unwrap_or(0);
            number >= size.number_of(lsn)
        },
        |record| record.lsn >= lsn,
    )?;
    if let Some(found) = found {
        return Ok(Ok(searched.stop(found, bound)?));
    }
    if searched.way.broken.is_some() {
        return Ok(Err(behind_break(searched)));
    }
    // The position behind the last record, as `pg_current_wal_lsn()` names it.
    match searched.tip()? {
        Some((_, _, end)) if end == lsn => at_tip(searched, Vec::new()),
        Some((_, _, end)) => {
            Ok(Err(Unreachable::new(format!("{lsn} is behind the end of WAL, which is at {end}"))))
        }
        None => Ok(Err(Unreachable::new("no WAL from the backup on is there"))),
    }
}

fn transaction(searched: &Searched<'_>, xid: u32, bound: TargetBound) -> Outcome {
    let found = searched.last(
        |facts| match &facts.index.details {
            Some(details) => details.xids.is_some_and(|(low, high)| (low..=high).contains(&xid)),
            None => true,
        },
        |record| record.kind.ended_xid() == Some(xid),
    )?;
    match found {
        Some(found) => Ok(Ok(searched.stop(found, bound)?)),
        None if searched.way.broken.is_some() => Ok(Err(behind_break(searched))),
        None => {
            let why = format!("no transaction {xid} commits or aborts on the way");
            Ok(Err(Unreachable::new(why)))
        }
    }
}
