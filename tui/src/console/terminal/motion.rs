//! The shortest way for the cursor.

use ratatui::layout::Position;

use super::pen::push_decimal;

/// Steps up to this many are written one by one where each takes one byte.
const SINGLE_STEPS_MAX: u16 = 3;

/// Appends the shortest sequence that brings the cursor from `from` (`None`: unknown) to `to`.
///
/// Expects a terminal without output processing: line feed goes straight down.
pub(super) fn write(out: &mut Vec<u8>, from: Option<Position>, to: Position) {
    if from == Some(to) {
        return;
    }
    let start = out.len();
    write_absolute(out, to);
    let Some(from) = from else { return };
    let middle = out.len();
    write_relative(out, from, to);
    if out.len() - middle < middle - start {
        out.drain(start..middle);
    } else {
        out.truncate(middle);
    }
}

/// `ESC [ row ; column H` with what is 1 left out.
fn write_absolute(out: &mut Vec<u8>, to: Position) {
    out.extend_from_slice(b"\x1b[");
    if to.y > 0 {
        push_decimal(out, to.y + 1);
    }
    if to.x > 0 {
        out.push(b';');
        push_decimal(out, to.x + 1);
    }
    out.push(b'H');
}

fn write_relative(out: &mut Vec<u8>, from: Position, to: Position) {
    match to.y.checked_sub(from.y) {
        Some(0) => {}
        Some(down @ 1..=SINGLE_STEPS_MAX) => push_repeated(out, b'\n', down),
        Some(down) => push_counted(out, down, b'B'),
        None => push_counted(out, from.y - to.y, b'A'),
    }
    match to.x.checked_sub(from.x) {
        Some(0) => {}
        Some(right) => push_counted(out, right, b'C'),
        None if to.x == 0 => out.push(b'\r'),
        None if from.x - to.x <= SINGLE_STEPS_MAX => push_repeated(out, b'\x08', from.x - to.x),
        None => {
            let left = from.x - to.x;
            if digits(to.x) < digits(left) {
                out.push(b'\r');
                push_counted(out, to.x, b'C');
            } else {
                push_counted(out, left, b'D');
            }
        }
    }
}

fn push_repeated(out: &mut Vec<u8>, byte: u8, count: u16) {
    out.resize(out.len() + usize::from(count), byte);
}

fn push_counted(out: &mut Vec<u8>, count: u16, last: u8) {
    out.extend_from_slice(b"\x1b[");
    if count > 1 {
        push_decimal(out, count);
    }
    out.push(last);
}

fn digits(number: u16) -> u32 {
    if number <= 1 { 0 } else { number.ilog10() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ways() {
        let table = [
            (Some((0, 0)), (0, 0), ""),
            (None, (0, 0), "^[H"),
            (None, (0, 4), "^[5H"),
            (None, (4, 0), "^[;5H"),
            (None, (79, 23), "^[24;80H"),
            (Some((10, 5)), (0, 6), "\\n\\r"),
            (Some((10, 5)), (0, 5), "\\r"),
            (Some((10, 5)), (11, 5), "^[C"),
            (Some((10, 5)), (20, 5), "^[10C"),
            (Some((10, 5)), (8, 5), "\\b\\b"),
            (Some((10, 5)), (10, 7), "\\n\\n"),
            (Some((40, 5)), (12, 6), "\\n^[28D"),
            (Some((150, 5)), (1, 5), "\\r^[C"),
            (Some((10, 15)), (10, 14), "^[A"),
            (Some((70, 20)), (3, 2), "^[3;4H"),
        ];
        for (from, to, expected) in table {
            let mut out = Vec::new();
            write(&mut out, from.map(Position::from), Position::from(to));
            let shown = String::from_utf8(out).unwrap();
            let shown = shown.replace('\u{1b}', "^").replace('\n', "\\n").replace('\r', "\\r");
            assert_eq!(shown.replace('\u{8}', "\\b"), expected, "{from:?} to {to:?}");
        }
    }
}
