//! Which timeline, which backup, and where replay ends.

use std::collections::BTreeSet;

use super::super::resolve::{Stop, Unreachable, resolve};
use super::super::timelines;
use super::super::way::{Leg, Way};
use super::explain::{self, Attempt};
use super::{Chosen, Known};
use crate::api::{
    Error, ErrorCode, RecoveryRequest, RecoveryRole, RecoveryTarget, Result, TargetBound,
};
use crate::backup::catalog;
use crate::backup::document::BackupDocument;
use crate::pg::types::{Lsn, TimelineId};
use crate::pg::wal::TimelineHistory;
use crate::sys::clock;

/// A backup whose positions make sense.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base<'a> {
    pub(super) backup: &'a BackupDocument,
    pub(super) timeline: TimelineId,
    pub(super) start: Lsn,
    pub(super) stop: Lsn,
}

impl<'a> Base<'a> {
    pub(super) fn of(backup: &'a BackupDocument) -> Option<Self> {
        Some(Self {
            backup,
            timeline: TimelineId::from_u32(backup.timeline)?,
            start: backup.start_lsn.parse().ok()?,
            stop: backup.stop_lsn.parse().ok()?,
        })
    }

    /// Whether a history goes through its end.
    pub(super) fn is_on(&self, history: &TimelineHistory) -> bool {
        history.timeline() == self.timeline
            || history.end_of(self.timeline).is_some_and(|end| self.stop <= end)
    }
}

/// Chooses.
///
/// # Errors
/// `TargetUnreachable`, `BackupNotFound`, `RepositoryUnreadable`, `RepositoryDamaged`.
pub(super) fn choose<'a>(known: &'a Known, request: &RecoveryRequest) -> Result<Chosen<'a>> {
    let timeline = timeline(known, request)?;
    let history = known.sources.history(timeline);
    let bases = bases(known, request, &history)?;
    let mut attempt: Option<Attempt<'_>> = None;
    for base in bases.iter().rev().filter(|base| may_reach(base, &request.target)) {
        let way = Way::load(&known.sources, &history, known.sources.size.number_of(base.start));
        let (target, bound) = (&request.target, request.bound);
        let resolved = resolve(&known.sources, &way, target, bound, base.stop, clock::now())?;
        match resolved {
            Ok(stop) => return followed(known, *base, history, way, stop),
            Err(why) => {
                let goes_on = may_be_before(&request.target) && request.backup.is_none();
                // What the newest backup cannot reach for a break is not reached from older ones.
                let replaces = attempt.as_ref().is_none_or(|one| !one.why.behind_break);
                if replaces {
                    attempt = Some(Attempt { base: *base, way, why });
                }
                if !goes_on {
                    break;
                }
            }
        }
    }
    let attempt = attempt.as_ref();
    Err(explain::unreachable(known, request, &history, &bases, attempt))
}

/// Targets that may lie before a backup although nothing but WAL says so.
fn may_be_before(target: &RecoveryTarget) -> bool {
    matches!(target, RecoveryTarget::RestorePoint(_) | RecoveryTarget::Xid(_))
}

/// Whether a target can be behind the end of a backup.
fn may_reach(base: &Base<'_>, target: &RecoveryTarget) -> bool {
    match target {
        RecoveryTarget::Time(at) => base.backup.ended_at <= *at,
        RecoveryTarget::Lsn(lsn) => base.stop <= *lsn,
        _ => true,
    }
}

/// The timeline that is asked for, else the one in use.
fn timeline(known: &Known, request: &RecoveryRequest) -> Result<TimelineId> {
    let is_known = |timeline: TimelineId| {
        known.sources.timelines().contains(&timeline)
            || known.backups().any(|backup| backup.timeline == timeline.as_u32())
    };
    if let Some(asked) = request.timeline {
        if is_known(asked) {
            return Ok(asked);
        }
        let fact = format!("timeline {} is not known", asked.decimal());
        let known: Vec<String> =
            known.sources.timelines().into_iter().map(TimelineId::decimal).collect();
        return Err(Error::new(ErrorCode::TargetUnreachable, fact)
            .detail("neither the archive nor the old pg_wal has a segment or history of it")
            .hint(format!("Known timelines: {}.", known.join(", "))));
    }
    in_use(known).ok_or_else(|| {
        Error::new(ErrorCode::BackupNotFound, "there is no complete backup")
            .hint("Take one with 'pgdeck backup', or look at 'pgdeck backups'.")
    })
}

/// The timeline in use: the data directory's, else the one with the newest commit, else the
/// newest backup's.
pub(crate) fn in_use(known: &Known) -> Option<TimelineId> {
    let asked = known.old.timeline.filter(|timeline| {
        let history = known.sources.history(*timeline);
        known.backups().filter_map(Base::of).any(|base| base.is_on(&history))
    });
    asked.or_else(|| timelines::of_newest_commit(&known.sources)).or_else(|| {
        known.backups().next_back().and_then(|backup| TimelineId::from_u32(backup.timeline))
    })
}

/// The complete backups of a history and where they begin, oldest first.
pub(crate) fn on_history<'a>(
    known: &'a Known,
    history: &TimelineHistory,
) -> Vec<(Lsn, &'a BackupDocument)> {
    let bases = known.backups().filter_map(Base::of).filter(|base| base.is_on(history));
    let mut found: Vec<_> = bases.map(|base| (base.start, base.backup)).collect();
    found.sort_by_key(|(start, _)| *start);
    found
}

/// The backups of a history, oldest first; only the one that is asked for.
fn bases<'a>(
    known: &'a Known,
    request: &RecoveryRequest,
    history: &TimelineHistory,
) -> Result<Vec<Base<'a>>> {
    let of_history: Vec<Base<'a>> =
        known.backups().filter_map(Base::of).filter(|base| base.is_on(history)).collect();
    let Some(asked) = &request.backup else { return Ok(of_history) };
    let entry = catalog::find(&known.entries, asked)?;
    let Some(backup) = entry.complete() else {
        let reason = catalog::info(entry).reason.unwrap_or_default();
        let fact = format!("backup {asked} cannot be used");
        return Err(Error::new(ErrorCode::BackupNotFound, fact).detail(reason));
    };
    if let Some(base) = of_history.into_iter().find(|base| base.backup.label == backup.label) {
        return Ok(vec![base]);
    }
    let followed = history.timeline().decimal();
    let fact = format!("backup {asked} is not of the history of timeline {followed}");
    let own = backup.timeline;
    let detail = match TimelineId::from_u32(own).and_then(|own| history.end_of(own)) {
        Some(end) => format!(
            "it ends at {} on timeline {own}, which timeline {followed} left at {end}",
            backup.stop_lsn
        ),
        None => format!("it is of timeline {own}, which timeline {followed} does not come from"),
    };
    Err(Error::new(ErrorCode::TargetUnreachable, fact)
        .detail(detail)
        .hint(format!("Choose --timeline {own}, or another backup.")))
}

/// Decides which timeline the server is told to follow. One that is told a timeline and ends
/// before its fork writes a history with positions out of order (`writeTimeLineHistory()` is
/// given the target timeline), and looks for WAL in files that need not be there. So it is
/// told the timeline that the stop is on, unless only the child has that WAL.
fn followed<'a>(
    known: &Known,
    base: Base<'a>,
    history: TimelineHistory,
    way: Way,
    stop: Stop,
) -> Result<Chosen<'a>> {
    let legs: Vec<Leg> = way.legs[..=stop.leg].to_vec();
    let mut chosen = Chosen {
        backup: base.backup,
        backup_directory: base.backup.label.directory(&known.destination),
        start: base.start,
        consistent: base.stop,
        followed: history.clone(),
        history,
        way,
        legs,
        stop,
    };
    let Some(own) = own_history(&chosen) else { return Ok(chosen) };
    let size = known.sources.size;
    let first = size.number_of(base.start);
    let own_way = Way::load(&known.sources, &own, first);
    let number = chosen.legs.last().map_or(first, |leg| leg.number);
    let until = own_way.walkable().iter().position(|leg| leg.number == number);
    let reaches = until.is_some_and(|at| {
        let facts = own_way.legs[at].facts.as_ref().ok();
        // Where replay ends before a record, there must be one.
        let least = Some(chosen.stop.reached);
        facts.is_some_and(|facts| match chosen.stop.bound {
            TargetBound::Inclusive => facts.index.end_lsn >= least,
            TargetBound::Exclusive => facts.index.end_lsn > least,
        })
    });
    if let Some(at) = until.filter(|_| reaches) {
        chosen.legs = own_way.legs[..=at].to_vec();
        chosen.followed = own;
    }
    Ok(chosen)
}

/// The history of the ancestor that the stop is on, if it is on one.
fn own_history(chosen: &Chosen<'_>) -> Option<TimelineHistory> {
    let last = Lsn::from_u64(chosen.stop.reached.as_u64() - 1)?;
    let own = chosen.history.timeline_at(last);
    chosen.history.of_ancestor(own)
}

/// What should be known of the choice.
pub(super) fn warnings(
    known: &Known,
    request: &RecoveryRequest,
    chosen: &Chosen<'_>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let followed = chosen.history.timeline();
    if request.timeline.is_some() && in_use(known).is_some_and(|used| used != followed) {
        let used = in_use(known).map_or_else(String::new, TimelineId::decimal);
        warnings.push(format!(
            "timeline {} is followed, not {used}, which is in use",
            followed.decimal()
        ));
    }
    if request.role == RecoveryRole::Primary
        && let Some(number) = taken_again(known, chosen.followed.timeline())
    {
        warnings.push(format!(
            "there is WAL of timeline {0}, and no history: a server promoted here takes the number \
             {0} again, and its WAL is refused by the archive where that of the other is",
            number.decimal()
        ));
    }
    let entry = known.entries.iter().find(|entry| entry.label == chosen.backup.label);
    let damaged = entry.and_then(|entry| entry.verified.as_ref()).filter(|one| !one.sound);
    if let Some(verified) = damaged {
        let first = verified.findings.first().map_or("", String::as_str);
        warnings.push(format!("backup {} was found damaged: {first}", chosen.backup.label));
    }
    let failures: u64 = chosen.backup.checksum_failures.iter().map(|one| one.count).sum();
    if failures > 0 {
        let label = &chosen.backup.label;
        warnings.push(format!("backup {label} has {failures} pages with wrong checksums"));
    }
    warnings
}

/// The number a promoted server takes although another one has left WAL with it: the first behind
/// its own without a history (`findNewestTimeLine()` in `timeline.c`).
fn taken_again(known: &Known, followed: TimelineId) -> Option<TimelineId> {
    let with_history: BTreeSet<u32> =
        known.sources.histories().map(|history| history.timeline().as_u32()).collect();
    let next = (followed.as_u32()..u32::MAX).map(|last| last + 1);
    let number = next.into_iter().find(|number| !with_history.contains(number))?;
    let number = TimelineId::from_u32(number)?;
    known.sources.timelines().contains(&number).then_some(number)
}

pub(super) type WhyNot = Unreachable;
