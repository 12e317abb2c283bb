//! What still runs where a recovery goes, and what of its WAL is nowhere else.

use super::{Chosen, Known, runs};
use crate::api::{RecoveryRequest, StillRunning, WalSource};
use crate::recovery::way::Leg;

/// Says so; `None` when nothing runs, or the recovery goes elsewhere.
pub(super) fn running(
    known: &Known,
    request: &RecoveryRequest,
    chosen: &Chosen<'_>,
) -> Option<StillRunning> {
    if request.to.is_some() {
        return None;
    }
    let detail = known.old.runs()?;
    let legs = &chosen.way.legs;
    let only_there: Vec<Leg> =
        legs.iter().filter(|leg| leg.found.source == WalSource::OldWal).cloned().collect();
    let facts = chosen.way.walkable().iter().filter_map(|leg| leg.facts.as_ref().ok());
    let has_wal = !known.old.wal_directories.is_empty();
    Some(StillRunning {
        detail,
        unarchived: has_wal.then(|| runs(&only_there)),
        wal_end: facts.filter_map(|facts| facts.index.end_lsn).max(),
    })
}
