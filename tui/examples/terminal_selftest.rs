//! Everything the terminal layer does, on one screen and without a database.
//!
//! Shows a table with a moving selection and echoes what was pressed. For looking at a terminal
//! that behaves oddly, and driven through a pseudo-terminal by `tests/terminal.rs`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use pgdeck::console::terminal::input::{Input, Keys};
use pgdeck::console::terminal::policy::{
    Charset, ColourChoice, Environment, Flags, Pace, TerminalPolicy,
};
use pgdeck::console::terminal::screen::{Drawn, RETRY, Screen};
use pgdeck::console::terminal::signals::{Signal, Signals};
use pgdeck::console::terminal::symbols::Symbols;
use pgdeck::console::terminal::{Mouse, detach, install_hooks};
use pgdeck::text::{self, Align, align, clean, fit};
use pgdeck::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Block;

/// Below this there is only room for a line.
const SIZE_MIN: (u16, u16) = (60, 20);

#[derive(Parser)]
struct Arguments {
    /// Only ASCII
    #[arg(long)]
    ascii: bool,
    /// How many colours
    #[arg(long, value_enum, default_value_t)]
    color: ColourChoice,
    /// A slow line
    #[arg(long)]
    slow: bool,
    /// Report mouse buttons
    #[arg(long)]
    mouse: bool,
    #[arg(long, default_value = "default")]
    theme: String,
    #[arg(long)]
    theme_dir: Option<PathBuf>,
    /// After a hangup, stay as long as if jobs were running
    #[arg(long, default_value_t = 0)]
    linger_ms: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _gone = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> color_eyre::Result<()> {
    let flags = Flags {
        charset: arguments.ascii.then_some(Charset::Ascii),
        colour: arguments.color,
        pace: if arguments.slow { Pace::Slow } else { Pace::Normal },
    };
    let policy = TerminalPolicy::decide(&Environment::from_process(), flags)?;
    install_hooks(policy.charset)?;
    let theme = Theme::load(&arguments.theme, arguments.theme_dir.as_deref(), &policy)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(run(arguments, policy, theme))?)
}

struct State {
    symbols: &'static Symbols,
    selected: usize,
    last: String,
    count: u64,
    is_dialog: bool,
}

/// Why the loop ended.
enum End {
    Quit,
    Hangup,
}

/// What an input asks for.
enum Asked {
    Draw,
    Repaint,
    Suspend,
    End(End),
}

async fn run(arguments: &Arguments, policy: TerminalPolicy, theme: Theme) -> io::Result<()> {
    let mut signals = Signals::install()?;
    let mouse = if arguments.mouse { Mouse::Buttons } else { Mouse::Off };
    let mut screen = Screen::open(policy, mouse)?;
    let mut keys = Keys::start(&policy)?;
    let mut state = State {
        symbols: Symbols::of(&policy),
        selected: 0,
        last: "none".to_owned(),
        count: 0,
        is_dialog: false,
    };
    let end = match work(&mut screen, &mut keys, &mut signals, &theme, &mut state).await {
        Ok(end) => end,
        // The terminal can fail before its signal arrives.
        Err(error) if error.raw_os_error().is_some() => End::Hangup,
        Err(error) => return Err(error),
    };
    if matches!(end, End::Hangup) {
        detach()?;
        tokio::time::sleep(Duration::from_millis(arguments.linger_ms)).await;
    }
    Ok(())
}

async fn work(
    screen: &mut Screen,
    keys: &mut Keys,
    signals: &mut Signals,
    theme: &Theme,
    state: &mut State,
) -> io::Result<End> {
    let mut asked = Asked::Draw;
    loop {
        match asked {
            Asked::End(end) => return Ok(end),
            Asked::Suspend => screen.suspend(keys)?,
            Asked::Repaint => screen.repaint()?,
            Asked::Draw => {}
        }
        let is_behind = screen.draw(|frame| view(frame, state, theme))? == Drawn::Behind;
        asked = tokio::select! {
            signal = signals.next() => match signal {
                Signal::Hangup => Asked::End(End::Hangup),
                Signal::Terminate | Signal::Interrupt => Asked::End(End::Quit),
                Signal::Resize => Asked::Repaint,
                Signal::Continue => {
                    screen.continued()?;
                    Asked::Draw
                }
            },
            input = keys.next() => update(state, keys, input),
            () = tokio::time::sleep(RETRY), if is_behind => Asked::Draw,
        };
        while matches!(asked, Asked::Draw) {
            let Some(input) = keys.try_next() else { break };
            asked = update(state, keys, input);
        }
    }
}

fn update(state: &mut State, keys: &mut Keys, input: Input) -> Asked {
    state.count += 1;
    match input {
        Input::Hangup => return Asked::End(End::Hangup),
        Input::Paste(text) => state.last = format!("paste {text}"),
        Input::Mouse(event) => state.last = format!("mouse {},{}", event.column, event.row),
        Input::Key(key) => return update_key(state, keys, key),
    }
    Asked::Draw
}

fn update_key(state: &mut State, keys: &mut Keys, key: KeyEvent) -> Asked {
    let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
    state.last = format!("{:?}", key.code);
    match key.code {
        KeyCode::Char('q') => return Asked::End(End::Quit),
        KeyCode::Char('z') if has_control => return Asked::Suspend,
        KeyCode::Char('l') if has_control => return Asked::Repaint,
        KeyCode::Char('P') => panic!("asked to panic \u{1b}[31mwith an escape"),
        KeyCode::Char('B') => {
            let _report = std::thread::spawn(|| panic!("in the background")).join();
        }
        KeyCode::Char('D') => {
            state.is_dialog = true;
            keys.drain();
        }
        KeyCode::Esc => state.is_dialog = false,
        KeyCode::Down | KeyCode::Char('j') => state.selected = (state.selected + 1).min(ROWS - 1),
        KeyCode::Up | KeyCode::Char('k') => state.selected = state.selected.saturating_sub(1),
        _ => {}
    }
    Asked::Draw
}

const ROWS: usize = 12;

/// What a database may hold.
const QUERIES: [&str; 6] = [
    "SELECT count(*) FROM orders",
    "UPDATE \u{1b}[31mred\u{1b}[0m SET a = \u{202e}1",
    "SELECT 'größe', '中文字', '🙂'",
    "INSERT INTO\n  t\r\n\tVALUES (1)",
    "z\u{301}\u{302}\u{303}\u{304}\u{305}a\u{9b}2Jlgo \u{200b}",
    "COMMIT",
];

fn view(frame: &mut Frame<'_>, state: &State, theme: &Theme) {
    let area = frame.area();
    frame.buffer_mut().set_style(area, theme.style(Role::Text));
    if area.width < SIZE_MIN.0 || area.height < SIZE_MIN.1 {
        let (width, height) = SIZE_MIN;
        let needs = format!("needs {width}x{height}, has {}x{}; q quits", area.width, area.height);
        frame.render_widget(needs, area);
        return;
    }
    let symbols = state.symbols;
    let [top, table, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)])
            .areas(area);
    let heading = format!("selftest {}x{} inputs {}", area.width, area.height, state.count);
    frame.render_widget(Line::styled(heading, theme.style(Role::Title)), top);
    let block = Block::bordered()
        .border_set(symbols.border)
        .border_style(theme.style(Role::Focus))
        .title(" table ");
    let inside = block.inner(table);
    frame.render_widget(block, table);
    for row in 0..ROWS {
        view_row(frame, inside, state, theme, row);
    }
    let last = format!("last: {}", fit(&state.last, 20, symbols.ellipsis));
    let keys = Line::from_iter([
        Span::styled("q", theme.style(Role::Key)),
        Span::styled(" quit  ", theme.style(Role::Dim)),
        Span::raw(last),
        Span::styled(if state.is_dialog { " dialog" } else { "" }, theme.style(Role::Danger)),
    ]);
    frame.render_widget(keys, bottom);
}

fn view_row(frame: &mut Frame<'_>, inside: Rect, state: &State, theme: &Theme, row: usize) {
    let symbols = state.symbols;
    let states = [
        ("active", Role::Ok, symbols.ok),
        ("idle in transaction", Role::Warn, symbols.warn),
        ("blocked", Role::Error, symbols.error),
        ("unknown", Role::Stale, symbols.unknown),
    ];
    let (word, role, sign) = states[row % states.len()];
    let number = u64::try_from(row).unwrap_or(0);
    let (full, empty) = symbols.bar(10, number * 9, 100);
    let query_columns = usize::from(inside.width.saturating_sub(54));
    let line = Line::from_iter([
        Span::raw(align(&(4_000 + row * 7).to_string(), 6, Align::Right, symbols.ellipsis)),
        Span::raw(" "),
        Span::styled(format!("{sign} "), theme.style(role)),
        Span::styled(align(word, 20, Align::Left, symbols.ellipsis), theme.style(role)),
        Span::raw(align(&text::age(number * 4_000), 6, Align::Right, symbols.ellipsis)),
        Span::raw(" "),
        Span::styled(full, theme.style(Role::Bar)),
        Span::styled(empty, theme.style(Role::BarEmpty)),
        Span::raw(" "),
        Span::raw(align(
            &clean(QUERIES[row % QUERIES.len()]),
            query_columns,
            Align::Left,
            symbols.ellipsis,
        )),
    ]);
    let Ok(y) = u16::try_from(row) else { return };
    let at = Rect { y: inside.y + y, height: 1, ..inside };
    frame.render_widget(line, at);
    if row == state.selected {
        frame.buffer_mut().set_style(at, theme.style(Role::Selection));
        // Screen readers and braille displays follow the cursor.
        frame.set_cursor_position(Position::new(at.x, at.y));
    }
}
