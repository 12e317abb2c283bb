//! The recoverability map: timelines, backups, WAL and gaps of a destination.

use std::collections::BTreeSet;
use std::path::Path;

use super::facts::SegmentFacts;
use super::plan::{Known, Wanted, in_use, last_rehearsal, speeds};
use super::site::RecoverySite;
use super::sources::WalSources;
use super::way::{Leg, Way};
use crate::api::{
    Branch, Lsn, MapBackup, MapMark, MapSpan, RecoveryMap, RestorePointInfo, Result, TimelineId,
    WalGap,
};
use crate::backup::document::BackupDocument;
use crate::backup::restore_points;
use crate::pg::wal::{SegmentName, SegmentSize, TimelineHistory};
use crate::wal::identity::unreadable;

/// Marks of a span.
const MARKS_MAX: usize = 2_000;
/// Restore points on the map; more cannot be told apart.
const POINTS_MAX: usize = 10_000;

/// Draws the map. Blocking; as the owner.
///
/// # Errors
/// `BackupDestinationUnset`, `RepositoryUnreadable`, `RepositoryDamaged`, `RecoveryPlace` when
/// the data directory is another cluster's.
pub fn map(site: &RecoverySite, destination: Option<&Path>) -> Result<RecoveryMap> {
    let destination = site.backup.destination(destination)?;
    let known = Known::read(site, &destination)?;
    let disk = &site.backup.disk;
    let mut points = restore_points::read(disk, &destination)
        .map_err(|error| unreadable(&destination, &error))?;
    let mut timelines: BTreeSet<TimelineId> = known.sources.timelines();
    timelines.extend(known.backups().filter_map(|one| TimelineId::from_u32(one.timeline)));
    let branches: Vec<Branch> =
        timelines.into_iter().map(|one| branch(&known.sources, one, &mut points)).collect();
    points.sort_by_key(|point| point.created_at);
    points.drain(..points.len().saturating_sub(POINTS_MAX));
    let newest = known.backups().next_back();
    let speeds = newest.map(|newest| speeds(disk, &destination, newest, newest.jobs));
    Ok(RecoveryMap {
        branches,
        backups: known.backups().filter_map(map_backup).collect(),
        restore_points: points,
        current: in_use(&known),
        segment_bytes: u64::from(known.sources.size.bytes()),
        restore_bytes_per_second: speeds.map_or(0.0, |speeds| speeds.restore),
        replay_bytes_per_second: speeds.map_or(0.0, |speeds| speeds.replay),
        rehearsal: last_rehearsal(disk, &destination, Wanted::Any),
        destination,
    })
}

fn map_backup(backup: &BackupDocument) -> Option<MapBackup> {
    Some(MapBackup {
        label: backup.label.to_string(),
        kind: backup.kind,
        timeline: TimelineId::from_u32(backup.timeline)?,
        start_lsn: backup.start_lsn.parse().ok()?,
        stop_lsn: backup.stop_lsn.parse().ok()?,
        ended_at: backup.ended_at,
        bytes: backup.sizes.cluster_bytes,
    })
}

fn branch(
    sources: &WalSources,
    timeline: TimelineId,
    points: &mut Vec<RestorePointInfo>,
) -> Branch {
    let history = sources.history(timeline);
    let fork = history.ancestors().last().map(|switch| (switch.timeline, switch.at));
    let first = sources.numbers(timeline).first().copied();
    let legs = first.map_or_else(Vec::new, |first| {
        Way::load(sources, &TimelineHistory::root(timeline), first).legs
    });
    let mut spans = Vec::new();
    for piece in pieces(&legs) {
        spans.extend(span(sources.size, piece, fork.map(|(_, at)| at)));
    }
    for leg in &legs {
        add_points(leg, timeline, fork.map(|(_, at)| at), points);
    }
    let size = sources.size;
    Branch { timeline, fork, spans, gaps: gaps(size, timeline, &legs, fork.map(|(_, at)| at)) }
}

/// Legs that follow each other and can be used.
fn pieces(legs: &[Leg]) -> impl Iterator<Item = &[Leg]> {
    let follows = |before: &Leg, leg: &Leg| {
        before.number + 1 == leg.number && before.facts.is_ok() && leg.facts.is_ok()
    };
    legs.chunk_by(follows).filter(|piece| piece.iter().all(|leg| leg.facts.is_ok()))
}

fn span(size: SegmentSize, piece: &[Leg], fork: Option<Lsn>) -> Option<MapSpan> {
    let facts: Vec<&SegmentFacts> =
        piece.iter().filter_map(|leg| leg.facts.as_ref().ok()).collect();
    let first = piece.first()?;
    let begin = Lsn::from_u64(first.number.checked_mul(u64::from(size.bytes()))?.max(1))?;
    let is_forks = |leg: &Leg| fork.is_some_and(|fork| size.number_of(fork) == leg.number);
    let from_lsn = match fork {
        Some(fork) if is_forks(first) => fork,
        _ => facts.first().and_then(|facts| facts.index.first_lsn).unwrap_or(begin),
    };
    // Behind a switch the rest of the segment belongs to it.
    let end = facts.iter().rev().find_map(|facts| facts.index.end_lsn);
    let to_lsn = end.unwrap_or(from_lsn).max(from_lsn);
    // Commits in the segment of the fork may be the parent's.
    let own: Vec<(&Leg, &SegmentFacts)> =
        piece.iter().zip(facts).filter(|(leg, _)| !is_forks(leg) || piece.len() == 1).collect();
    let mut marks: Vec<MapMark> = Vec::new();
    let begins = own.first().and_then(|(_, facts)| facts.commit_first());
    marks.extend(begins.map(|at| MapMark { lsn: from_lsn, at }));
    for (_, facts) in &own {
        if let (Some(lsn), Some(at)) = (facts.index.end_lsn, facts.commit_last()) {
            marks.push(MapMark { lsn: lsn.max(from_lsn), at });
        }
    }
    Some(MapSpan {
        from_lsn,
        to_lsn,
        from_at: own.iter().find_map(|(_, facts)| facts.commit_first()),
        to_at: own.iter().rev().find_map(|(_, facts)| facts.commit_last()),
        segments: piece.len() as u64,
        marks: thinned(marks),
    })
}

/// At most [`MARKS_MAX`], evenly spread, the first and the last among them.
fn thinned(marks: Vec<MapMark>) -> Vec<MapMark> {
    if marks.len() <= MARKS_MAX {
        return marks;
    }
    let last = marks.len() - 1;
    (0..MARKS_MAX).map(|number| marks[number * last / (MARKS_MAX - 1)]).collect()
}

/// Segments that are missing or cannot be used, between the first and the last, and between
/// the fork and the first.
fn gaps(size: SegmentSize, timeline: TimelineId, legs: &[Leg], fork: Option<Lsn>) -> Vec<WalGap> {
    let mut gaps = Vec::new();
    let Some(first) = legs.first() else { return gaps };
    let mut expected = fork.map_or(first.number, |fork| size.number_of(fork).min(first.number));
    let mut begun: Option<u64> = None;
    let name = |number| {
        SegmentName::new(timeline, number, size).map_or_else(String::new, |name| name.to_string())
    };
    let mut end = |begun: &mut Option<u64>, before: u64| {
        if let Some(first) = begun.take() {
            let (segments, last) = (before - first, name(before - 1));
            gaps.push(WalGap { first: name(first), last, segments });
        }
    };
    for leg in legs {
        if leg.number > expected {
            begun = begun.or(Some(expected));
        }
        if leg.facts.is_ok() {
            end(&mut begun, leg.number);
        } else {
            begun = begun.or(Some(leg.number));
        }
        expected = leg.number + 1;
    }
    end(&mut begun, expected);
    gaps
}

/// Restore points that the register does not have: those made with `psql`.
fn add_points(
    leg: &Leg,
    timeline: TimelineId,
    fork: Option<Lsn>,
    points: &mut Vec<RestorePointInfo>,
) {
    let Ok(facts) = &leg.facts else { return };
    for point in &facts.index.restore_points {
        let lsn = point.end.to_string();
        let is_known = points.iter().any(|known| known.name == point.name && known.lsn == lsn);
        let is_own = fork.is_none_or(|fork| point.lsn >= fork);
        if let Some(created_at) = point.at.filter(|_| is_own && !is_known) {
            let timeline = timeline.as_u32();
            points.push(RestorePointInfo { name: point.name.clone(), lsn, timeline, created_at });
        }
    }
}
