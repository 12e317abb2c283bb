//! What stands in each cell of the map's rows. Pure: signs and colours come later.

use pgdeck_engine::api::{BackupKind, Lsn, Reach, RecoveryMap};

use super::scale::{Scale, gap_range, position};

/// What a cell shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Blank,
    /// A position that can be recovered to.
    Reachable,
    /// WAL that no backup leads to.
    Unreached,
    /// Missing WAL.
    Gap,
    /// A full backup becomes consistent.
    Full,
    /// An incremental one does.
    Incremental,
    /// A backup is being taken.
    Taking,
    /// A restore point.
    Point,
    /// The line down from where a timeline left another.
    Trunk,
    /// Where that line turns to the timeline.
    Turn,
    /// From there to its first WAL.
    Branch,
}

/// The two lines of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Backups and restore points.
    pub marks: Vec<Cell>,
    /// WAL.
    pub bar: Vec<Cell>,
}

/// The lines of every row.
#[must_use]
pub fn draw(map: &RecoveryMap, scale: &Scale, columns: usize) -> Vec<Lines> {
    let blank = || vec![Cell::Blank; columns];
    let mut lines: Vec<Lines> =
        scale.rows.iter().map(|_| Lines { marks: blank(), bar: blank() }).collect();
    for (number, row) in scale.rows.iter().enumerate() {
        let Some(place) = lines.get_mut(number) else { continue };
        add_wal(map, scale, number, &mut place.bar);
        add_marks(map, scale, (number, row.timeline.as_u32()), &mut place.marks);
    }
    for (number, row) in scale.rows.iter().enumerate() {
        if let Some((parent, fork)) = row.parent {
            add_fork(&mut lines, parent, number, scale.column(parent, fork));
        }
    }
    lines
}

fn add_wal(map: &RecoveryMap, scale: &Scale, number: usize, bar: &mut [Cell]) {
    let Some(row) = scale.rows.get(number) else { return };
    let Some(branch) = map.branches.iter().find(|one| one.timeline == row.timeline) else { return };
    for span in &branch.spans {
        let from = span.from_lsn.as_u64().max(row.first);
        let to = span.to_lsn.as_u64().max(from);
        let (first, last) = (scale.column(number, from), scale.column(number, to));
        for (column, cell) in bar.iter_mut().enumerate().take(last + 1).skip(first) {
            let lsn = Lsn::from_u64(scale.position(number, column).clamp(from, to));
            let reach = lsn.map(|lsn| map.reach(row.timeline, lsn));
            *cell = match reach {
                Some(Reach::Reachable { .. }) => Cell::Reachable,
                _ => Cell::Unreached,
            };
        }
    }
    for gap in &branch.gaps {
        let Some((from, to)) = gap_range(gap, map.segment_bytes) else { continue };
        let (first, last) = (scale.column(number, from), scale.column(number, to));
        // What is whole at either end stays in sight, and a gap shorter than a column too.
        let inner = (first + 1..last.max(first + 2)).filter(|it| *it < bar.len());
        let mut columns: Vec<usize> = inner.collect();
        if columns.is_empty() {
            columns.push(first.min(bar.len().saturating_sub(1)));
        }
        for column in columns {
            if let Some(cell) = bar.get_mut(column) {
                *cell = Cell::Gap;
            }
        }
    }
}

fn add_marks(
    map: &RecoveryMap,
    scale: &Scale,
    (number, timeline): (usize, u32),
    marks: &mut [Cell],
) {
    for point in map.restore_points.iter().filter(|one| one.timeline == timeline) {
        let column = position(&point.lsn).map(|at| scale.column(number, at));
        if let Some(cell) = column.and_then(|column| marks.get_mut(column)) {
            *cell = Cell::Point;
        }
    }
    let backups = || map.backups.iter().filter(|one| one.timeline.as_u32() == timeline);
    for backup in backups() {
        let first = scale.column(number, backup.start_lsn.as_u64());
        let last = scale.column(number, backup.stop_lsn.as_u64());
        for cell in marks.iter_mut().take(last).skip(first) {
            if *cell == Cell::Blank {
                *cell = Cell::Taking;
            }
        }
    }
    for backup in backups() {
        let sign = match backup.kind {
            BackupKind::Full => Cell::Full,
            BackupKind::Incremental => Cell::Incremental,
        };
        let last = scale.column(number, backup.stop_lsn.as_u64());
        if let Some(cell) = marks.get_mut(last)
            && *cell != Cell::Full
        {
            *cell = sign;
        }
    }
}

/// The line from a timeline down to one that left it.
fn add_fork(lines: &mut [Lines], parent: usize, child: usize, column: usize) {
    let put = |cells: &mut Vec<Cell>, at: usize, sign: Cell| {
        if let Some(cell) = cells.get_mut(at)
            && *cell == Cell::Blank
        {
            *cell = sign;
        }
    };
    for between in lines.iter_mut().take(child).skip(parent + 1) {
        put(&mut between.marks, column, Cell::Trunk);
        put(&mut between.bar, column, Cell::Trunk);
    }
    let Some(own) = lines.get_mut(child) else { return };
    put(&mut own.marks, column, Cell::Trunk);
    let first = own.bar.iter().position(|cell| *cell != Cell::Blank).unwrap_or(column);
    if column < first {
        put(&mut own.bar, column, Cell::Turn);
        for at in column + 1..first {
            put(&mut own.bar, at, Cell::Branch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::super::scale::Axis;
    use super::*;

    fn text(cells: &[Cell]) -> String {
        let signs = cells.iter().map(|cell| match cell {
            Cell::Blank => ' ',
            Cell::Reachable => '#',
            Cell::Unreached => '.',
            Cell::Gap => 'x',
            Cell::Full => 'F',
            Cell::Incremental => 'i',
            Cell::Taking => '=',
            Cell::Point => 'r',
            Cell::Trunk => '|',
            Cell::Turn => '`',
            Cell::Branch => '-',
        });
        signs.collect::<String>().trim_end().to_owned()
    }

    fn drawn(map: &RecoveryMap, axis: Axis, columns: usize) -> Vec<String> {
        let scale = Scale::new(map, axis, columns);
        let lines = draw(map, &scale, columns);
        lines.iter().flat_map(|one| [text(&one.marks), text(&one.bar)]).collect()
    }

    #[test]
    fn along_time() {
        assert_eq!(
            drawn(&sample::map(), Axis::Time, 60),
            [
                "F              =F r",
                ".############x...##########",
                "                   |  |",
                "                   |  `---------####",
                "                   |                        i         r",
                "                   `-------------------#####################",
            ]
        );
    }

    #[test]
    fn along_wal() {
        assert_eq!(
            drawn(&sample::map(), Axis::Wal, 60),
            [
                "=F                     =F  r",
                "..#################xxx...################",
                "                             |   |",
                "                             |   ######",
                "                             |      =i             r",
                "                             ###############################",
            ]
        );
    }

    #[test]
    fn a_short_gap_still_shows() {
        let mut map = sample::map();
        map.branches.truncate(1);
        let gap = &mut map.branches[0].gaps[0];
        gap.last = gap.first.clone();
        map.branches[0].spans[1].from_lsn = sample::lsn(61);
        let bar = &drawn(&map, Axis::Wal, 12)[1];
        assert_eq!(bar.matches('x').count(), 1, "{bar}");
    }

    #[test]
    fn any_width_can_be_drawn() {
        for columns in [1, 2, 3, 40, 300] {
            for axis in [Axis::Time, Axis::Wal] {
                for line in
                    draw(&sample::map(), &Scale::new(&sample::map(), axis, columns), columns)
                {
                    assert_eq!((line.marks.len(), line.bar.len()), (columns, columns));
                }
            }
        }
        assert_eq!(drawn(&RecoveryMap::default(), Axis::Time, 10), Vec::<String>::new());
    }
}
