//! What is behind the stop point and known: commits that will not be there.

use super::super::facts::SegmentFacts;
use super::super::sources::WalSources;
use super::Chosen;
use crate::api::{Lost, Result};

/// Counts.
///
/// # Errors
/// As reading segments.
pub(super) fn lost(sources: &WalSources, chosen: &Chosen<'_>) -> Result<Lost> {
    let way = &chosen.way;
    let mut lost = Lost::default();
    let mut add = |commits: u64, first, last| {
        lost.commits += commits;
        lost.from_at = lost.from_at.into_iter().chain(first).min();
        lost.to_at = lost.to_at.max(last);
    };
    let stop_leg = &way.legs[chosen.stop.leg];
    let facts = stop_leg.facts.as_ref().ok();
    let has_more = facts.is_none_or(|facts| {
        stop_leg.until.is_some() || facts.index.end_lsn > Some(chosen.stop.reached)
    });
    if has_more {
        for record in way.records(sources, chosen.stop.leg)? {
            if record.end > chosen.stop.reached
                && matches!(record.kind, super::super::facts::RecordKind::Commit { .. })
            {
                let at = record.kind.commit_at();
                add(1, at, at);
            }
        }
    }
    for leg in &way.legs[chosen.stop.leg + 1..] {
        if let Ok(facts) = &leg.facts {
            add(facts.commits(), facts.commit_first(), SegmentFacts::commit_last(facts));
        }
    }
    lost.beyond = way.broken.as_ref().map(|broken| broken.why.clone());
    Ok(lost)
}
