//! From a colour that was asked for to one that the terminal has.

use ratatui::style::Color;

use super::policy::ColourDepth;

/// A colour as it will be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ink {
    /// The terminal's own.
    Default,
    /// One of the 16 terminal colours, 0–15.
    Ansi(u8),
    /// One of xterm's 256, 16–255.
    Indexed(u8),
    /// 24 bits.
    Rgb(u8, u8, u8),
}

/// The nearest colour to `colour` within `depth`; [`Ink::Default`] throughout for
/// [`ColourDepth::Mono`].
#[must_use]
pub fn ink(colour: Color, depth: ColourDepth) -> Ink {
    let asked = asked(colour);
    match (depth, asked) {
        (ColourDepth::Mono, _) => Ink::Default,
        (_, Ink::Default | Ink::Ansi(_)) | (ColourDepth::TrueColor, _) => asked,
        (ColourDepth::Indexed256, Ink::Indexed(_)) => asked,
        (ColourDepth::Indexed256, Ink::Rgb(r, g, b)) => Ink::Indexed(nearest_indexed([r, g, b])),
        (_, Ink::Indexed(index)) => Ink::Ansi(nearest_ansi(rgb_of(index))),
        (_, Ink::Rgb(r, g, b)) => Ink::Ansi(nearest_ansi([r, g, b])),
    }
}

/// The red, green and blue that xterm shows for one of its 256 colours.
#[must_use]
pub fn rgb_of(index: u8) -> [u8; 3] {
    match index {
        0..=15 => ANSI_RGB[usize::from(index)],
        16..=231 => {
            let cube = index - 16;
            [cube / 36, cube / 6 % 6, cube % 6].map(|step| CUBE_STEPS[usize::from(step)])
        }
        232..=255 => [8 + (index - 232) * 10; 3],
    }
}

fn asked(colour: Color) -> Ink {
    match colour {
        Color::Reset => Ink::Default,
        Color::Black => Ink::Ansi(0),
        Color::Red => Ink::Ansi(1),
        Color::Green => Ink::Ansi(2),
        Color::Yellow => Ink::Ansi(3),
        Color::Blue => Ink::Ansi(4),
        Color::Magenta => Ink::Ansi(5),
        Color::Cyan => Ink::Ansi(6),
        Color::Gray => Ink::Ansi(7),
        Color::DarkGray => Ink::Ansi(8),
        Color::LightRed => Ink::Ansi(9),
        Color::LightGreen => Ink::Ansi(10),
        Color::LightYellow => Ink::Ansi(11),
        Color::LightBlue => Ink::Ansi(12),
        Color::LightMagenta => Ink::Ansi(13),
        Color::LightCyan => Ink::Ansi(14),
        Color::White => Ink::Ansi(15),
        Color::Indexed(index @ 0..=15) => Ink::Ansi(index),
        Color::Indexed(index) => Ink::Indexed(index),
        Color::Rgb(r, g, b) => Ink::Rgb(r, g, b),
    }
}

/// xterm's default palette; other terminals differ a little, none enough to change a nearest
/// match badly.
const ANSI_RGB: [[u8; 3]; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

const CUBE_STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

fn nearest_indexed(rgb: [u8; 3]) -> u8 {
    nearest(rgb, 16..=255)
}

fn nearest_ansi(rgb: [u8; 3]) -> u8 {
    nearest(rgb, 0..=15)
}

fn nearest(rgb: [u8; 3], candidates: std::ops::RangeInclusive<u8>) -> u8 {
    let first = *candidates.start();
    candidates.min_by_key(|&index| distance(rgb, rgb_of(index))).unwrap_or(first)
}

/// Squared distance, weighted roughly as the eye does.
fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    let square = |i: usize| u32::from(a[i].abs_diff(b[i])).pow(2);
    3 * square(0) + 6 * square(1) + square(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_depth_takes_the_nearest() {
        use ColourDepth::{Ansi8, Ansi16, Indexed256, Mono, TrueColor};
        let orange = Color::Rgb(255, 135, 0);
        let table = [
            (orange, TrueColor, Ink::Rgb(255, 135, 0)),
            (orange, Indexed256, Ink::Indexed(208)),
            (orange, Ansi16, Ink::Ansi(3)),
            (orange, Ansi8, Ink::Ansi(3)),
            (orange, Mono, Ink::Default),
            (Color::Rgb(0, 0, 0), Indexed256, Ink::Indexed(16)),
            (Color::Rgb(250, 250, 250), Ansi16, Ink::Ansi(15)),
            (Color::Indexed(196), Ansi16, Ink::Ansi(9)),
            (Color::Indexed(196), Indexed256, Ink::Indexed(196)),
            (Color::Indexed(4), Indexed256, Ink::Ansi(4)),
            (Color::LightRed, TrueColor, Ink::Ansi(9)),
            (Color::Reset, TrueColor, Ink::Default),
            (Color::Red, Mono, Ink::Default),
        ];
        for (colour, depth, expected) in table {
            assert_eq!(ink(colour, depth), expected, "{colour:?} at {depth:?}");
        }
    }

    #[test]
    fn the_cube_and_the_greys_map_to_themselves() {
        for index in 16..=255 {
            let [r, g, b] = rgb_of(index);
            let found = ink(Color::Rgb(r, g, b), ColourDepth::Indexed256);
            let Ink::Indexed(found) = found else { panic!("{found:?}") };
            assert_eq!(rgb_of(found), [r, g, b], "colour {index}");
        }
    }
}
