//! Why a target cannot be reached, and what is nearest.

use chrono::SecondsFormat;

use super::super::resolve::resolve;
use super::super::way::Way;
use super::Known;
use super::target::{Base, WhyNot};
use crate::api::{Error, ErrorCode, RecoveryRequest, RecoveryTarget, TargetBound};
use crate::pg::types::{Lsn, TimelineId};
use crate::pg::wal::TimelineHistory;
use crate::sys::clock;

/// A backup from which the target was looked for.
pub(super) struct Attempt<'a> {
    pub(super) base: Base<'a>,
    pub(super) way: Way,
    pub(super) why: WhyNot,
}

/// The error.
pub(super) fn unreachable(
    known: &Known,
    request: &RecoveryRequest,
    history: &TimelineHistory,
    bases: &[Base<'_>],
    attempt: Option<&Attempt<'_>>,
) -> Error {
    let timeline = history.timeline().decimal();
    let what = request.target.describe();
    let fact = format!("{what} cannot be reached on timeline {timeline}");
    let error = Error::new(ErrorCode::TargetUnreachable, fact);
    let elsewhere = elsewhere(known, request, history);
    let Some(oldest) = bases.first() else {
        return error
            .detail(format!("no complete backup is of the history of timeline {timeline}"));
    };
    let Some(attempt) = attempt else {
        return error.detail(before_backup(request, oldest)).hint(earliest(oldest));
    };
    if let Some((detail, hint)) = elsewhere {
        return error.detail(detail).hint(hint);
    }
    let hint = tip_hint(known, attempt).unwrap_or_else(|| earliest(oldest));
    error.detail(attempt.why.why.clone()).hint(hint)
}

fn before_backup(request: &RecoveryRequest, oldest: &Base<'_>) -> String {
    let label = &oldest.backup.label;
    let ended = oldest.backup.ended_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let which = if request.backup.is_some() { "the backup" } else { "the oldest backup" };
    format!("{which}, {label}, became complete only at {}, {ended}", oldest.stop)
}

fn earliest(oldest: &Base<'_>) -> String {
    let label = &oldest.backup.label;
    format!("The nearest is the end of that backup: --backup {label} --immediate.")
}

/// The farthest position that can be reached, as a hint.
fn tip_hint(known: &Known, attempt: &Attempt<'_>) -> Option<String> {
    let way = Way { broken: None, ..attempt.way.clone() };
    let latest = RecoveryTarget::Latest;
    let (bound, from) = (TargetBound::Inclusive, attempt.base.stop);
    let tip = resolve(&known.sources, &way, &latest, bound, from, clock::now()).ok()?.ok()?;
    let commit = tip.last_commit_at.map_or_else(String::new, |at| {
        format!(", with commits up to {}", at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    });
    Some(format!(
        "The nearest that can be reached is {}{commit}: --lsn {}.",
        tip.reached, tip.record
    ))
}

/// Where else a named target is: on another timeline, or behind the fork of an ancestor.
fn elsewhere(
    known: &Known,
    request: &RecoveryRequest,
    history: &TimelineHistory,
) -> Option<(String, String)> {
    let RecoveryTarget::RestorePoint(name) = &request.target else { return None };
    for timeline in known.sources.timelines() {
        let Some(lsn) = point_on(known, timeline, name) else { continue };
        let number = timeline.decimal();
        let own = history.timeline().decimal();
        let hint = format!("Choose --timeline {number}.");
        let detail = match history.end_of(timeline) {
            Some(end) if lsn >= end => {
                format!(
                    "it is on timeline {number} at {lsn}, behind the fork at {end} where timeline {own} left it"
                )
            }
            Some(_) => continue,
            None if timeline == history.timeline() => continue,
            None => format!(
                "it is on timeline {number} at {lsn}, which is no ancestor of timeline {own}"
            ),
        };
        return Some((detail, hint));
    }
    None
}

/// Where a restore point is in a timeline's own WAL.
fn point_on(known: &Known, timeline: TimelineId, name: &str) -> Option<Lsn> {
    let own = TimelineHistory::root(timeline);
    let from = known.sources.numbers(timeline).first().copied()?;
    let way = Way::load(&known.sources, &own, from);
    let facts = way.legs.iter().filter_map(|leg| leg.facts.as_ref().ok());
    let mut points = facts.flat_map(|facts| &facts.index.restore_points);
    points.rfind(|point| point.name == name).map(|point| point.lsn)
}
