//! The attributes and colours that the terminal writes with, and the shortest way from one set to
//! the next.

use ratatui::buffer::Cell;
use ratatui::style::Modifier;

use super::colour::{Ink, ink};
use super::policy::{ColourDepth, TerminalPolicy};

/// What shows on a cell without a character.
const SHOWS_ON_BLANK: Modifier =
    Modifier::REVERSED.union(Modifier::UNDERLINED).union(Modifier::CROSSED_OUT);

/// One state of "select graphic rendition".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pen {
    foreground: Ink,
    background: Ink,
    attributes: Modifier,
}

impl Pen {
    /// The terminal's state after `ESC [ m`.
    pub(super) const PLAIN: Self =
        Self { foreground: Ink::Default, background: Ink::Default, attributes: Modifier::empty() };

    /// What this terminal needs to show `cell`.
    #[must_use]
    pub(super) fn of(cell: &Cell, policy: &TerminalPolicy) -> Self {
        let mut attributes = cell.modifier.intersection(policy.attributes());
        if attributes.contains(Modifier::BOLD) {
            // Terminals have one intensity: what bold and dim together show differs.
            attributes.remove(Modifier::DIM);
        }
        let asked = Self {
            foreground: ink(cell.fg, policy.depth),
            background: ink(cell.bg, policy.depth),
            attributes,
        };
        let mapped = if policy.depth == ColourDepth::Ansi8 { asked.dimmed() } else { asked };
        let collided = cell.fg != cell.bg
            && mapped.foreground == mapped.background
            && mapped.foreground != Ink::Default;
        if collided { mapped.readable() } else { mapped }
    }

    /// Eight colours: bright is bold in front and plain behind. Dark grey, which would be bold
    /// black, is invisible where bold does not brighten: the terminal's own colour instead.
    fn dimmed(self) -> Self {
        let (foreground, attributes) = match self.foreground {
            Ink::Ansi(8) => (Ink::Default, self.attributes),
            Ink::Ansi(bright @ 9..) => (Ink::Ansi(bright - 8), self.attributes | Modifier::BOLD),
            other => (other, self.attributes),
        };
        let background = match self.background {
            Ink::Ansi(8) => Ink::Default,
            Ink::Ansi(bright @ 9..) => Ink::Ansi(bright - 8),
            other => other,
        };
        Self { foreground, background, attributes }
    }

    /// Two colours fell together on this terminal: black or white instead of the front one.
    fn readable(self) -> Self {
        let light = matches!(self.background, Ink::Ansi(2 | 3 | 6 | 7 | 10 | 11 | 14 | 15));
        Self { foreground: Ink::Ansi(if light { 0 } else { 7 }), ..self }
    }

    /// Whether a blank written with this pen differs from one on an erased line.
    #[must_use]
    pub(super) fn blank_is_erased(&self) -> bool {
        self.background == Ink::Default && !self.attributes.intersects(SHOWS_ON_BLANK)
    }

    /// For a blank cell: as much of `current` as cannot be seen there.
    #[must_use]
    pub(super) fn for_blank(self, current: Option<Self>) -> Self {
        match current {
            Some(current) if !self.attributes.intersects(SHOWS_ON_BLANK) => Self {
                foreground: current.foreground,
                background: self.background,
                attributes: current.attributes.difference(SHOWS_ON_BLANK),
            },
            _ => self,
        }
    }
}

/// Appends the shortest sequence from `from` (`None`: unknown) to `to`.
pub(super) fn write_change(out: &mut Vec<u8>, from: Option<Pen>, to: Pen, policy: &TerminalPolicy) {
    if from == Some(to) {
        return;
    }
    let start = out.len();
    let stepwise = from.is_some_and(|from| write_steps(out, from, to, policy));
    let middle = out.len();
    write_from_reset(out, to);
    if stepwise && middle - start <= out.len() - middle {
        out.truncate(middle);
    } else {
        out.drain(start..middle);
    }
}

/// Appends only what differs. False when this terminal cannot do it that way.
fn write_steps(out: &mut Vec<u8>, from: Pen, to: Pen, policy: &TerminalPolicy) -> bool {
    let gone = from.attributes.difference(to.attributes);
    let colour_gone = |from: Ink, to: Ink| from != Ink::Default && to == Ink::Default;
    let unsets = !gone.is_empty()
        || colour_gone(from.foreground, to.foreground)
        || colour_gone(from.background, to.background);
    if unsets && !policy.can_unset_attributes() {
        return false;
    }
    let mut parameters = Parameters::begin(out);
    let mut kept = from.attributes.difference(gone);
    if gone.intersects(Modifier::BOLD | Modifier::DIM) {
        parameters.push(22);
        kept.remove(Modifier::BOLD | Modifier::DIM);
    }
    for (attribute, code) in
        [(Modifier::ITALIC, 23), (Modifier::UNDERLINED, 24), (Modifier::REVERSED, 27)]
    {
        if gone.contains(attribute) {
            parameters.push(code);
        }
    }
    if gone.contains(Modifier::CROSSED_OUT) {
        parameters.push(29);
    }
    push_attributes(&mut parameters, to.attributes.difference(kept));
    if from.foreground != to.foreground {
        push_ink(&mut parameters, to.foreground, Layer::Front);
    }
    if from.background != to.background {
        push_ink(&mut parameters, to.background, Layer::Back);
    }
    parameters.end();
    true
}

fn write_from_reset(out: &mut Vec<u8>, to: Pen) {
    let mut parameters = Parameters::begin(out);
    if to != Pen::PLAIN {
        parameters.push_empty();
    }
    push_attributes(&mut parameters, to.attributes);
    if to.foreground != Ink::Default {
        push_ink(&mut parameters, to.foreground, Layer::Front);
    }
    if to.background != Ink::Default {
        push_ink(&mut parameters, to.background, Layer::Back);
    }
    parameters.end();
}

fn push_attributes(parameters: &mut Parameters<'_>, attributes: Modifier) {
    for (attribute, code) in [
        (Modifier::BOLD, 1),
        (Modifier::DIM, 2),
        (Modifier::ITALIC, 3),
        (Modifier::UNDERLINED, 4),
        (Modifier::REVERSED, 7),
        (Modifier::CROSSED_OUT, 9),
    ] {
        if attributes.contains(attribute) {
            parameters.push(code);
        }
    }
}

#[derive(Clone, Copy)]
enum Layer {
    Front,
    Back,
}

fn push_ink(parameters: &mut Parameters<'_>, ink: Ink, layer: Layer) {
    let shift = match layer {
        Layer::Front => 0,
        Layer::Back => 10,
    };
    match ink {
        Ink::Default => parameters.push(39 + shift),
        Ink::Ansi(index @ 0..=7) => parameters.push(30 + shift + index),
        Ink::Ansi(index) => parameters.push(82 + shift + index),
        Ink::Indexed(index) => {
            parameters.push(38 + shift);
            parameters.push(5);
            parameters.push(index);
        }
        Ink::Rgb(r, g, b) => {
            parameters.push(38 + shift);
            parameters.push(2);
            for part in [r, g, b] {
                parameters.push(part);
            }
        }
    }
}

/// `ESC [ p ; p ; … m` in the making.
struct Parameters<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> Parameters<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(b"\x1b[");
        Self { out, is_first: true }
    }

    /// An omitted parameter: zero, one byte shorter.
    fn push_empty(&mut self) {
        if !self.is_first {
            self.out.push(b';');
        }
        self.is_first = false;
    }

    fn push(&mut self, parameter: u8) {
        self.push_empty();
        push_decimal(self.out, u16::from(parameter));
    }

    fn end(self) {
        self.out.push(b'm');
    }
}

/// Appends `number` in decimal.
pub(super) fn push_decimal(out: &mut Vec<u8>, number: u16) {
    let mut divisor = 10_000;
    while divisor > 1 && number < divisor {
        divisor /= 10;
    }
    while divisor > 0 {
        let digit = u8::try_from(number / divisor % 10).unwrap_or(0);
        out.push(b'0' + digit);
        divisor /= 10;
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::{Color, Style};

    use super::super::policy::{Charset, Family, Pace};
    use super::*;

    fn policy(family: Family, depth: ColourDepth) -> TerminalPolicy {
        TerminalPolicy { family, depth, charset: Charset::Utf8, pace: Pace::Normal }
    }

    fn pen(style: Style, policy: &TerminalPolicy) -> Pen {
        Pen::of(Cell::new("x").set_style(style), policy)
    }

    fn change(from: Style, to: Style, policy: &TerminalPolicy) -> String {
        let mut out = Vec::new();
        write_change(&mut out, Some(pen(from, policy)), pen(to, policy), policy);
        String::from_utf8(out).unwrap().replace('\u{1b}', "^")
    }

    #[test]
    fn changes_are_the_shortest_the_terminal_understands() {
        use ColourDepth::{Ansi8, Ansi16, Indexed256, Mono, TrueColor};
        use Family::{Linux, Vt100, Xterm};
        let plain = Style::new();
        let reverse = plain.add_modifier(Modifier::REVERSED);
        let bold = plain.add_modifier(Modifier::BOLD);
        let table = [
            (Xterm, Indexed256, plain, plain, ""),
            (Xterm, Indexed256, plain, plain.fg(Color::Red), "^[31m"),
            (Xterm, Indexed256, plain.fg(Color::Red), plain, "^[m"),
            (Xterm, Indexed256, plain, plain.fg(Color::LightRed), "^[91m"),
            (Xterm, Ansi8, plain, plain.fg(Color::LightRed), "^[1;31m"),
            (Xterm, Ansi8, plain, plain.bg(Color::LightRed), "^[41m"),
            (Xterm, Ansi8, plain, plain.fg(Color::DarkGray), ""),
            (Xterm, Ansi16, plain, plain.fg(Color::DarkGray), "^[90m"),
            (Xterm, Ansi16, plain, plain.bg(Color::DarkGray), "^[100m"),
            (Xterm, Indexed256, plain, plain.fg(Color::Indexed(208)), "^[38;5;208m"),
            (Xterm, TrueColor, plain, plain.bg(Color::Rgb(1, 2, 3)), "^[48;2;1;2;3m"),
            (Xterm, Mono, plain, reverse.fg(Color::Red), "^[7m"),
            (Xterm, Ansi8, bold.fg(Color::Red), bold.fg(Color::Blue), "^[34m"),
            (Xterm, Ansi8, bold.fg(Color::Red), plain.fg(Color::Red), "^[22m"),
            (Vt100, Mono, reverse, plain, "^[m"),
            (Vt100, Mono, reverse, bold, "^[;1m"),
            (Vt100, Mono, bold, reverse.add_modifier(Modifier::BOLD), "^[7m"),
            (Vt100, Mono, plain, plain.add_modifier(Modifier::SLOW_BLINK | Modifier::DIM), ""),
            (Linux, Ansi16, bold.fg(Color::Red), plain.fg(Color::Red), "^[;31m"),
        ];
        for (family, depth, from, to, expected) in table {
            let policy = policy(family, depth);
            assert_eq!(change(from, to, &policy), expected, "{from:?} to {to:?} on {policy:?}");
        }
    }

    #[test]
    fn colours_that_fall_together_stay_readable() {
        let policy = policy(Family::Xterm, ColourDepth::Ansi8);
        let style = Style::new().fg(Color::LightBlue).bg(Color::Blue);
        let pen = pen(style, &policy);
        assert_ne!(pen.foreground, pen.background);
    }

    #[test]
    fn decimals() {
        for number in [0, 1, 9, 10, 99, 100, 999, 1000, 12_345, u16::MAX] {
            let mut out = Vec::new();
            push_decimal(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }
}
