//! The backend against a terminal emulator, and its byte budgets.

use std::num::NonZeroU16;

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::super::colour::{Ink, ink};
use super::super::policy::{Charset, ColourDepth, Family, Pace};
use super::*;

type Screen = Terminal<AnsiBackend<Vec<u8>>>;

fn policy(family: Family, depth: ColourDepth, charset: Charset) -> TerminalPolicy {
    TerminalPolicy { family, depth, charset, pace: Pace::Normal }
}

fn rich() -> TerminalPolicy {
    policy(Family::Xterm, ColourDepth::Indexed256, Charset::Utf8)
}

fn screen(policy: TerminalPolicy, size: Size) -> Screen {
    let backend = AnsiBackend::new(Vec::new(), policy, SizeSource::Fixed(size));
    let mut screen = Terminal::new(backend).unwrap();
    screen.resize(Rect::from((Position::ORIGIN, size))).unwrap();
    screen
}

fn sent(screen: &mut Screen) -> Vec<u8> {
    std::mem::take(screen.backend_mut().writer_mut())
}

fn emulator(size: Size) -> vt100::Parser {
    let dimension = |n| NonZeroU16::new(n).unwrap();
    vt100::Parser::new(dimension(size.height), dimension(size.width), 0)
}

/// One random piece of text on the screen.
#[derive(Debug, Clone)]
struct Piece {
    x: u16,
    y: u16,
    text: &'static str,
    style: Style,
}

const TEXTS: [&str; 18] = [
    "a",
    " ",
    "select 1",
    "          ",
    "─────┐",
    "│█▌▏",
    "äöü ß",
    "中文字",
    "한글",
    "e\u{301}x",
    "⚠\u{fe0f}!",
    "👩\u{200d}👧 b",
    "a\u{202e}b",
    "…→▲",
    "ｶﾞ",
    "a 中 b",
    "क्ष x",
    "🇩🇪 !",
];

const COLOURS: [Color; 9] = [
    Color::Reset,
    Color::Reset,
    Color::Red,
    Color::LightBlue,
    Color::DarkGray,
    Color::White,
    Color::Indexed(208),
    Color::Rgb(10, 200, 30),
    Color::Black,
];

fn style() -> impl Strategy<Value = Style> {
    let colour = || prop::sample::select(COLOURS.to_vec());
    let modifiers = prop::sample::select(vec![
        Modifier::empty(),
        Modifier::empty(),
        Modifier::BOLD,
        Modifier::DIM,
        Modifier::REVERSED,
        Modifier::UNDERLINED | Modifier::ITALIC,
        Modifier::BOLD | Modifier::REVERSED | Modifier::SLOW_BLINK,
    ]);
    (colour(), colour(), modifiers)
        .prop_map(|(fg, bg, modifiers)| Style::new().fg(fg).bg(bg).add_modifier(modifiers))
}

fn piece() -> impl Strategy<Value = Piece> {
    (0..24u16, 0..6u16, prop::sample::select(TEXTS.to_vec()), style())
        .prop_map(|(x, y, text, style)| Piece { x, y, text, style })
}

fn policies() -> impl Strategy<Value = TerminalPolicy> {
    use Charset::{Ascii, Utf8};
    prop::sample::select(vec![
        rich(),
        policy(Family::Xterm, ColourDepth::TrueColor, Utf8),
        policy(Family::Xterm, ColourDepth::Mono, Utf8),
        policy(Family::Screen, ColourDepth::Ansi8, Utf8),
        policy(Family::Linux, ColourDepth::Ansi16, Utf8),
        policy(Family::Vt100, ColourDepth::Mono, Ascii),
        policy(Family::Vt220, ColourDepth::Mono, Ascii),
        policy(Family::Unknown, ColourDepth::Ansi8, Ascii),
    ])
}

fn expected_colour(ink: Ink) -> vt100::Color {
    match ink {
        Ink::Default => vt100::Color::Default,
        Ink::Ansi(index) | Ink::Indexed(index) => vt100::Color::Idx(index),
        Ink::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
    }
}

/// Every cell of the emulator shows what the buffer asks for, as far as the policy allows.
fn check_screen(buffer: &Buffer, emulator: &vt100::Parser, policy: &TerminalPolicy) {
    let area = buffer.area;
    for y in 0..area.height {
        let mut x = 0;
        while x < area.width {
            let cell = &buffer[(x, y)];
            let width = columns(cell);
            let is_last = y + 1 == area.height && x + width >= area.width;
            if !is_last || policy.can_fill_last_cell() {
                check_cell(cell, (x, y, width.min(area.width - x)), emulator, policy);
            }
            x += width;
        }
    }
}

fn check_cell(
    cell: &Cell,
    (x, y, width): (u16, u16, u16),
    emulator: &vt100::Parser,
    policy: &TerminalPolicy,
) {
    let mut expected = Vec::new();
    let symbol = if columns(cell) > width { " " } else { cell.symbol() };
    glyph::write(&mut expected, symbol, width, policy.charset);
    let expected = String::from_utf8(expected).unwrap();
    let screen = emulator.screen();
    let shown: String = (x..x + width)
        .map(|x| screen.cell(y, x).unwrap())
        .filter(|cell| !cell.is_wide_continuation())
        .map(|cell| if cell.has_contents() { cell.contents() } else { " " })
        .collect();
    assert_eq!(shown, expected, "text at {x},{y} for {cell:?}");

    let found = screen.cell(y, x).unwrap();
    let has = |modifier| (cell.modifier & policy.attributes()).contains(modifier);
    assert_eq!(found.inverse(), has(Modifier::REVERSED), "reverse at {x},{y}");
    assert_eq!(found.underline(), has(Modifier::UNDERLINED), "underline at {x},{y}");
    if policy.depth != ColourDepth::Ansi8 {
        let background = expected_colour(ink(cell.bg, policy.depth));
        assert_eq!(found.bgcolor(), background, "background at {x},{y}");
        if symbol != " " || has(Modifier::REVERSED) || has(Modifier::UNDERLINED) {
            assert_eq!(found.bold(), has(Modifier::BOLD), "bold at {x},{y}");
            let is_dim = has(Modifier::DIM) && !has(Modifier::BOLD);
            assert_eq!(found.dim(), is_dim, "dim at {x},{y}");
            let collided = found.fgcolor() == found.bgcolor();
            let foreground = expected_colour(ink(cell.fg, policy.depth));
            if foreground != background || cell.fg == cell.bg {
                assert_eq!(found.fgcolor(), foreground, "foreground at {x},{y}");
            } else {
                assert!(!collided || foreground == vt100::Color::Default, "hidden at {x},{y}");
            }
        }
    }
}

proptest! {
    #[test]
    fn the_emulator_shows_the_buffer(
        policy in policies(),
        width in 1..24u16,
        height in 1..6u16,
        frames in prop::collection::vec(
            (prop::collection::vec(piece(), 0..12), prop::option::of((0..24u16, 0..6u16))),
            1..6,
        ),
    ) {
        let size = Size::new(width, height);
        let mut screen = screen(policy, size);
        let mut emulator = emulator(size);
        for (pieces, cursor) in frames {
            let cursor = cursor.map(|(x, y)| Position::new(x % width, y % height));
            let paint = |frame: &mut ratatui::Frame<'_>| {
                for piece in &pieces {
                    if piece.x < width && piece.y < height {
                        let buffer = frame.buffer_mut();
                        buffer.set_string(piece.x, piece.y, piece.text, piece.style);
                    }
                }
                glyph::mend(frame.buffer_mut());
                if let Some(cursor) = cursor {
                    frame.set_cursor_position(cursor);
                }
            };
            let buffer = screen.draw(paint).unwrap().buffer.clone();
            let bytes = sent(&mut screen);
            if policy.is_ascii() {
                prop_assert!(bytes.is_ascii());
            }
            emulator.process(&bytes);
            check_screen(&buffer, &emulator, &policy);
            if let Some(cursor) = cursor {
                prop_assert_eq!(emulator.screen().cursor_position(), (cursor.y, cursor.x));
            }
            if policy.can_hide_cursor() {
                prop_assert_eq!(emulator.screen().hide_cursor(), cursor.is_none());
            }
            screen.draw(paint).unwrap();
            prop_assert_eq!(sent(&mut screen), b"", "an unchanged frame writes nothing");
        }
    }
}

#[test]
fn raw_cells_cannot_carry_anything_out() {
    for charset in [Charset::Ascii, Charset::Utf8] {
        let policy = policy(Family::Xterm, ColourDepth::TrueColor, charset);
        let size = SizeSource::Fixed(Size::new(20, 1));
        let mut backend = AnsiBackend::new(Vec::new(), policy, size);
        let symbols = ["\u{1b}", "\u{9b}31m", "\u{202e}", "a\u{1b}[31mb", "\u{90}", "\0", "\u{7f}"];
        let cells: Vec<Cell> = symbols.iter().map(|s| Cell::new(s)).collect();
        let placed = cells.iter().zip(0u16..).map(|(cell, x)| (x * 2, 0, cell));
        backend.draw(placed).unwrap();
        backend.flush().unwrap();
        let sent = String::from_utf8(backend.writer_mut().clone()).unwrap();
        let is_ours = |c: char| "\u{1b}\u{8}\r\n".contains(c);
        assert!(sent.chars().all(|c| is_ours(c) || !c.is_control()), "{sent:?}");
        assert!(sent.split('\u{1b}').skip(1).all(|rest| rest.starts_with('[')), "{sent:?}");
        assert!(!sent.contains("\u{1b}[31m") && !sent.contains('\u{202e}'), "{sent:?}");
    }
}

#[test]
fn a_repaint_assumes_nothing() {
    let size = Size::new(30, 5);
    for policy in [rich(), policy(Family::Vt100, ColourDepth::Mono, Charset::Ascii)] {
        let mut screen = screen(policy, size);
        let mut emulator = emulator(size);
        let paint = |frame: &mut ratatui::Frame<'_>| {
            let style = Style::new().add_modifier(Modifier::REVERSED);
            frame.buffer_mut().set_string(3, 2, "select 中 1", style);
            frame.buffer_mut().set_string(3, 3, "plain", Style::new());
        };
        screen.draw(paint).unwrap();
        emulator.process(&sent(&mut screen));
        emulator.process(b"\x1b[4;7H\x1b[1;4mwhatever else wrote here, and scrolled\n\n\n");
        screen.backend_mut().forget();
        screen.resize(Rect::from((Position::ORIGIN, size))).unwrap();
        let buffer = screen.draw(paint).unwrap().buffer.clone();
        emulator.process(&sent(&mut screen));
        check_screen(&buffer, &emulator, &policy);
    }
}

#[test]
fn nothing_is_ever_asked_of_the_terminal() {
    let mut screen = screen(rich(), Size::new(40, 5));
    screen.draw(|frame| frame.render_widget("hello", frame.area())).unwrap();
    screen.clear().unwrap();
    screen.draw(|frame| frame.render_widget("hello", frame.area())).unwrap();
    let sent = String::from_utf8(sent(&mut screen)).unwrap();
    assert!(!sent.contains("[6n") && !sent.contains("[c"), "{sent:?}");
}
