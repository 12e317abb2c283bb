//! Grids of cases spread over the major versions: every cell is seen on a few of them and every
//! major sees something of each row, without a run on each.

use crate::Major;

/// Names the variable that asks for everything: with `PGDECK_TEST_STEP=1` every major sees every
/// cell.
const STEP: &str = "PGDECK_TEST_STEP";

/// The columns of a row that are this major's, of `columns`: each cell is that of `share` majors.
/// Beginning with the first, for which a major is the only one.
#[must_use]
pub fn columns(major: Major, row: usize, columns: usize, share: usize) -> Vec<usize> {
    let share = if std::env::var_os(STEP).is_some() { Major::ALL.len() } else { share };
    chosen(major, row, columns, share)
}

fn chosen(major: Major, row: usize, columns: usize, share: usize) -> Vec<usize> {
    let own = Major::ALL.iter().position(|one| *one == major).unwrap_or(0);
    let of = |turn| {
        let is_own = move |column: &usize| (column + row + turn) % Major::ALL.len() == own;
        (0..columns).filter(is_own)
    };
    (0..share).flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_its_majors_and_every_major_its_rows_and_columns() {
        for (rows, count, share) in [(6, 6, 2), (6, 6, 6), (1, 8, 2), (6, 6, 1)] {
            let mut seen = vec![vec![0; count]; rows];
            for major in Major::ALL {
                let mut columns = vec![false; count];
                for (row, cells) in seen.iter_mut().enumerate() {
                    let own = chosen(major, row, count, share);
                    assert!(!own.is_empty(), "{major} sees nothing of row {row}");
                    for column in own {
                        cells[column] += 1;
                        columns[column] = true;
                    }
                }
                assert!(rows < 6 || columns.iter().all(|one| *one), "{major} misses a column");
            }
            assert!(seen.iter().flatten().all(|count| *count == share), "{seen:?}");
        }
    }
}
