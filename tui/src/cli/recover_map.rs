//! `pgdeck recover --map`: the recoverability map as text, in ASCII.

use pgdeck_engine::api::{
    BackupKind, Branch, Command, Error, ErrorCode, Event, InstanceId, Lsn, MapSpan, RecoveryMap,
    Result, WalGap,
};

use super::moment;
use super::oneshot::OneShot;
use super::output;
use super::recover_args::RecoverArgs;
use crate::text;

/// Columns of the line of positions.
const COLUMNS: usize = 64;

/// Fetches and prints the map.
///
/// # Errors
/// Why there is none.
pub async fn run(engine: &mut OneShot, instance: InstanceId, args: &RecoverArgs) -> Result<u8> {
    let destination = args.destination.clone();
    let command = Command::FetchRecoveryMap { instance, destination };
    let Event::RecoveryMapped { map, .. } = engine.ask(command).await? else {
        return Err(Error::new(ErrorCode::EngineBusy, "the engine gave no map"));
    };
    if args.json {
        output::json(map.as_ref());
    } else {
        output::raw(&drawn(&map));
    }
    Ok(0)
}

fn drawn(map: &RecoveryMap) -> String {
    let mut lines = vec![format!("{}", map.destination.display())];
    if let Some((from, to)) = range(map) {
        let (first, last) = (from.to_string(), to.to_string());
        let gap = COLUMNS.saturating_sub(first.len() + last.len());
        lines.push(format!("timeline  {first}{}{last}", " ".repeat(gap)));
        let scale = Scale { from, to };
        for branch in &map.branches {
            let mark = if map.current == Some(branch.timeline) { '*' } else { ' ' };
            let number = branch.timeline.as_u32();
            lines.push(format!("{number:>8}{mark} {}", row(map, branch, scale).trim_end()));
        }
        lines.push(
            "= WAL  . missing  \\ fork  F full backup  I incremental  R restore point  * in use"
                .to_owned(),
        );
    }
    for branch in &map.branches {
        lines.push(String::new());
        lines.extend(listed(map, branch));
    }
    if map.branches.is_empty() {
        lines.push("there is no WAL: nothing can be recovered".to_owned());
    }
    if let Some(last) = &map.rehearsal {
        lines.push(String::new());
        let outcome = if last.ok { "recoverability was proven" } else { "a rehearsal FAILED" };
        let seconds = last.restore_seconds + last.replay_seconds;
        lines.push(format!("{outcome} on {}, in {seconds:.1} s", moment::local(last.at)));
    }
    lines.iter().map(|line| format!("{}\n", text::clean(line))).collect()
}

/// Positions on a line of characters.
#[derive(Clone, Copy)]
struct Scale {
    from: Lsn,
    to: Lsn,
}

impl Scale {
    fn column(self, at: Lsn) -> usize {
        let span = u128::from(self.to.bytes_since(self.from)).max(1);
        let last = COLUMNS - 1;
        let offset = u128::from(at.bytes_since(self.from)) * last as u128 / span;
        usize::try_from(offset).unwrap_or(last).min(last)
    }

    fn fill(self, cells: &mut [char], from: Lsn, to: Lsn, with: char) {
        for cell in &mut cells[self.column(from)..=self.column(to)] {
            *cell = with;
        }
    }
}

fn range(map: &RecoveryMap) -> Option<(Lsn, Lsn)> {
    let spans = || map.branches.iter().flat_map(|branch| &branch.spans);
    let starts = spans().map(|span| span.from_lsn);
    let from = starts.chain(map.backups.iter().map(|backup| backup.start_lsn)).min()?;
    let ends = spans().map(|span| span.to_lsn);
    let to = ends.chain(map.backups.iter().map(|backup| backup.stop_lsn)).max()?;
    Some((from, to))
}

fn row(map: &RecoveryMap, branch: &Branch, scale: Scale) -> String {
    let mut cells = vec![' '; COLUMNS];
    for gap in &branch.gaps {
        if let Some((from, to)) = positions(gap, map.segment_bytes) {
            scale.fill(&mut cells, from, to, '.');
        }
    }
    for span in &branch.spans {
        scale.fill(&mut cells, span.from_lsn, span.to_lsn, '=');
    }
    if let Some((_, at)) = branch.fork {
        cells[scale.column(at)] = '\\';
    }
    for point in &map.restore_points {
        if let (Ok(at), true) = (point.lsn.parse(), point.timeline == branch.timeline.as_u32()) {
            cells[scale.column(at)] = 'R';
        }
    }
    for backup in &map.backups {
        if backup.timeline == branch.timeline {
            let mark = match backup.kind {
                BackupKind::Full => 'F',
                BackupKind::Incremental => 'I',
            };
            cells[scale.column(backup.stop_lsn)] = mark;
        }
    }
    cells.into_iter().collect()
}

/// The first byte of a gap and the last, from the names of its segments (timeline, and the
/// position's upper half and segment in it, eight hexadecimal digits each).
fn positions(gap: &WalGap, segment_bytes: u64) -> Option<(Lsn, Lsn)> {
    let start = |name: &str| {
        let part = |range| u64::from_str_radix(name.get(range)?, 16).ok();
        let offset = part(16..24)?.checked_mul(segment_bytes)?;
        part(8..16)?.checked_mul(1 << 32)?.checked_add(offset)
    };
    let last = start(&gap.last)?.checked_add(segment_bytes.max(1) - 1)?;
    Some((Lsn::from_u64(start(&gap.first)?.max(1))?, Lsn::from_u64(last)?))
}

fn listed(map: &RecoveryMap, branch: &Branch) -> Vec<String> {
    let mut heading = format!("timeline {}", branch.timeline.as_u32());
    if let Some((parent, at)) = branch.fork {
        heading.push_str(&format!(", left timeline {} at {at}", parent.as_u32()));
    }
    if map.current == Some(branch.timeline) {
        heading.push_str(", in use");
    }
    let mut lines = vec![heading];
    lines.extend(branch.spans.iter().map(span_line));
    for gap in &branch.gaps {
        let segments = gap.segments;
        lines.push(format!("  missing        {} to {}, {segments} segments", gap.first, gap.last));
    }
    for backup in map.backups.iter().filter(|backup| backup.timeline == branch.timeline) {
        lines.push(format!(
            "  backup         {} {}, {}, from {} at {}",
            backup.label,
            backup.kind.word(),
            text::bytes(backup.bytes),
            backup.stop_lsn,
            moment::local(backup.ended_at)
        ));
    }
    let own =
        |point: &&pgdeck_engine::api::RestorePointInfo| point.timeline == branch.timeline.as_u32();
    for point in map.restore_points.iter().filter(own) {
        let at = moment::local(point.created_at);
        lines.push(format!("  restore point  {} at {}, {at}", point.name, point.lsn));
    }
    lines
}

fn span_line(span: &MapSpan) -> String {
    let commits = match (span.from_at, span.to_at) {
        (Some(from), Some(to)) => {
            format!(", commits {} to {}", moment::local(from), moment::local(to))
        }
        _ => ", no commits".to_owned(),
    };
    let (from, to, segments) = (span.from_lsn, span.to_lsn, span.segments);
    format!("  WAL            {from} to {to}, {segments} segments{commits}")
}

#[cfg(test)]
mod tests {
    use pgdeck_engine::api::{MapBackup, RestorePointInfo, TimelineId};

    use super::*;

    fn lsn(text: &str) -> Lsn {
        text.parse().unwrap()
    }

    fn span(from: &str, to: &str) -> MapSpan {
        MapSpan {
            from_lsn: lsn(from),
            to_lsn: lsn(to),
            from_at: None,
            to_at: None,
            segments: 2,
            marks: Vec::new(),
        }
    }

    #[test]
    fn a_branch_a_fork_and_a_gap_are_drawn() {
        let timeline = |number| TimelineId::from_u32(number).unwrap();
        let at = "2026-07-01T13:30:40Z".parse().unwrap();
        let gap = WalGap {
            first: "000000010000000000000004".into(),
            last: "000000010000000000000005".into(),
            segments: 2,
        };
        let map = RecoveryMap {
            branches: vec![
                Branch {
                    timeline: timeline(1),
                    fork: None,
                    spans: vec![span("0/1000000", "0/4000000"), span("0/6000000", "0/9000000")],
                    gaps: vec![gap],
                },
                Branch {
                    timeline: timeline(2),
                    fork: Some((timeline(1), lsn("0/7000000"))),
                    spans: vec![span("0/7000000", "0/8000000")],
                    gaps: Vec::new(),
                },
            ],
            backups: vec![MapBackup {
                label: "2026-07-01_13-30-40".into(),
                kind: BackupKind::Full,
                timeline: timeline(1),
                start_lsn: lsn("0/2000028"),
                stop_lsn: lsn("0/2000100"),
                ended_at: at,
                bytes: 1 << 20,
            }],
            restore_points: vec![RestorePointInfo {
                name: "batch".into(),
                lsn: "0/8000000".into(),
                timeline: 1,
                created_at: at,
            }],
            current: Some(timeline(2)),
            segment_bytes: 16 << 20,
            ..RecoveryMap::default()
        };
        let drawn = drawn(&map);
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines[1].ends_with("0/9000000"), "{drawn}");
        let first = &lines[2][10..];
        let at =
            |text: &str| Scale { from: lsn("0/1000000"), to: lsn("0/9000000") }.column(lsn(text));
        assert_eq!(first.chars().nth(at("0/2000100")), Some('F'), "{drawn}");
        assert_eq!(first.chars().nth(at("0/4800000")), Some('.'), "{drawn}");
        assert_eq!(first.chars().nth(at("0/8000000")), Some('R'), "{drawn}");
        let second = &lines[3];
        assert!(second.starts_with("       2* "), "{drawn}");
        assert_eq!(second[10..].find('\\'), Some(at("0/7000000")), "{drawn}");
        assert!(drawn.is_ascii() && drawn.contains("left timeline 1 at 0/7000000"), "{drawn}");
    }
}
