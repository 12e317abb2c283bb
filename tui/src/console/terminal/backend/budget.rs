//! How many bytes a dense screen costs. Counts, not times: the same on every machine.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell as Column, Gauge, Row, Table};
use ratatui::{Frame, Terminal};

use super::super::policy::{Charset, ColourDepth, Family, Pace};
use super::*;

/// What the sessions run: none shorter than a word, the longest as wide as its column.
const QUERIES: [&str; 5] = [
    "UPDATE pgbench_accounts SET abalance = abalance + -1234 WHERE aid = 8127364;",
    "COMMIT",
    "SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE \
     o.created_at > now() - interval '1 day' AND c.region = $1",
    "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (7, 1, 55123, 99, now())",
    "SELECT abalance FROM pgbench_accounts WHERE aid = 55123;",
];

/// A connections screen as full as it gets: every line of the table in use, long queries, a
/// marked and a selected row, an overview above it when there is room.
fn paint(frame: &mut Frame<'_>, second: usize) {
    let area = frame.area();
    let overview_height = if area.height > 40 { 14 } else { 5 };
    let [tabs, overview, table, hints] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(overview_height),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    let dim = Style::new().fg(Color::DarkGray);
    let key = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
    let names = ["Overview", "Storage", "Connections", "Locks", "Prepared", "Logs", "Messages"];
    let tab = |(i, name): (usize, &&'static str)| {
        let style = if i == 2 { Style::new().add_modifier(Modifier::REVERSED) } else { dim };
        [Span::styled((i + 1).to_string(), key), Span::styled(format!(" {name}  "), style)]
    };
    frame.render_widget(Line::from_iter(names.iter().enumerate().flat_map(tab)), tabs);
    paint_overview(frame, overview, second);
    paint_table(frame, table, second);
    let hint = |(k, text): (&'static str, &'static str)| {
        [Span::styled(k, key), Span::styled(format!(" {text}  "), dim)]
    };
    let pairs = [("c", "cancel"), ("t", "terminate"), ("Space", "mark"), ("/", "filter")];
    frame.render_widget(Line::from_iter(pairs.into_iter().flat_map(hint)), hints);
}

fn paint_overview(frame: &mut Frame<'_>, area: Rect, second: usize) {
    let border = Style::new().fg(Color::Blue);
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Fill(1)]).areas(area);
    for (i, panel) in [left, right].into_iter().enumerate() {
        let block = Block::bordered().border_style(border).title(["main", "storage"][i]);
        let inner = block.inner(panel);
        frame.render_widget(block, panel);
        for (line, y) in (inner.top()..inner.bottom()).enumerate() {
            let row = Rect::new(inner.x, y, inner.width, 1);
            if i == 1 {
                let percent = u16::try_from((line * 17 + 31) % 100).unwrap();
                let gauge = Gauge::default().percent(percent).gauge_style(Color::Green);
                let [name, bar] =
                    Layout::horizontal([Constraint::Fill(1), Constraint::Max(40)]).areas(row);
                frame.render_widget(Line::raw(format!("/srv/postgresql/data/{line}")), name);
                frame.render_widget(gauge, bar);
            } else {
                let value = format!("{:>6}", 1000 + (second * 7 + line * 13) % 900);
                let line = Line::from_iter([
                    Span::styled(format!("{:<22}", "transactions per second"), border),
                    Span::styled(value, Style::new().fg(Color::Green)),
                    Span::raw("  cache hit 99.1 %"),
                ]);
                frame.render_widget(line, row);
            }
        }
    }
}

fn paint_table(frame: &mut Frame<'_>, area: Rect, second: usize) {
    let states = [
        ("active", Color::Green),
        ("idle", Color::DarkGray),
        ("idle in transaction", Color::Yellow),
        ("active", Color::Green),
    ];
    let rows = (0..usize::from(area.height)).map(|i| {
        let (state, colour) = states[i % states.len()];
        let style = match i {
            4 => Style::new().add_modifier(Modifier::REVERSED),
            7 => Style::new().fg(Color::LightRed).add_modifier(Modifier::BOLD),
            _ => Style::new(),
        };
        let age = second + i * 7;
        Row::new([
            Column::new((4000 + i).to_string()),
            Column::new("production"),
            Column::new("app_writer"),
            Column::new("10.20.30.41"),
            Column::new(state).style(Style::new().fg(colour)),
            Column::new("Lock: transactionid").style(Style::new().fg(Color::Magenta)),
            Column::new(format!("{age}s")),
            Column::new(QUERIES[i % QUERIES.len()]),
        ])
        .style(style)
    });
    let widths = [6, 10, 10, 12, 10, 14, 5].map(Constraint::Length);
    let widths = widths.into_iter().chain([Constraint::Fill(1)]);
    let header = ["pid", "database", "user", "client", "state", "wait", "age", "query"];
    let header = Row::new(header).style(Style::new().add_modifier(Modifier::BOLD));
    let block = Block::bordered().border_style(Color::Blue).title("Connections 214 of 300");
    frame.render_widget(Table::new(rows, widths).header(header).block(block), area);
}

/// Bytes of a repaint, of a refresh one second later, and of a frame without a change.
fn measure(policy: TerminalPolicy, size: Size) -> [u64; 3] {
    let backend = AnsiBackend::new(Vec::new(), policy, SizeSource::Fixed(size));
    let mut screen = Terminal::new(backend).unwrap();
    screen.resize(Rect::from((Position::ORIGIN, size))).unwrap();
    let mut before = 0;
    [0, 1, 1].map(|second| {
        screen.draw(|frame| paint(frame, second)).unwrap();

        let written = screen.backend().written_bytes();
        let cost = written - before;
        before = written;
        cost
    })
}

#[test]
#[expect(clippy::print_stdout, reason = "the counts are the result")]
fn budgets_hold() {
    let table = [
        ("xterm-256color", Family::Xterm, ColourDepth::Indexed256, Charset::Utf8),
        ("xterm-256color LANG=C", Family::Xterm, ColourDepth::Indexed256, Charset::Ascii),
        ("screen", Family::Screen, ColourDepth::Ansi8, Charset::Utf8),
        ("linux", Family::Linux, ColourDepth::Ansi16, Charset::Utf8),
        ("vt100", Family::Vt100, ColourDepth::Mono, Charset::Ascii),
    ];
    for (size, full_max, refresh_max) in
        [(Size::new(80, 24), 4_000, 400), (Size::new(200, 60), 14_000, 1_200)]
    {
        for (name, family, depth, charset) in table {
            let policy = TerminalPolicy { family, depth, charset, pace: Pace::Normal };
            let [full, refresh, unchanged] = measure(policy, size);
            println!("{size} {name}: full {full} B, refresh {refresh} B, unchanged {unchanged} B");
            assert!(full <= full_max, "{name} at {size}: full repaint {full} B");
            assert!(refresh <= refresh_max, "{name} at {size}: refresh {refresh} B");
            assert_eq!(unchanged, 0, "{name} at {size}");
        }
    }
}
