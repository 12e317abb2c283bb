//! The parsers against the logs of real servers, 13 to 18, and against noise.

use std::path::Path;

use chrono::{DateTime, Utc};
use pgdeck_engine::api::{LogEntry, LogFormat, LogSeverity};
use pgdeck_engine::logs::parse::{Begin, parse_all};
use pgdeck_engine::logs::{LogParser, ParserSettings, Prefix, Zone};
use proptest::prelude::*;

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/logs").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn settings() -> ParserSettings {
    ParserSettings {
        prefix: Prefix::compile("%m [%p] %q%u@%d/%a "),
        zone: Zone::from_posix("CET-1CEST,M3.5.0,M10.5.0/3"),
    }
}

fn entries(name: &str) -> Vec<LogEntry> {
    let format = match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("csv") => LogFormat::Csvlog,
        Some("json") => LogFormat::Jsonlog,
        _ => LogFormat::Stderr,
    };
    parse_all(format, settings(), &data(name))
}

/// What every format says of the entries of a file, in an order of its own: two processes that
/// write at the same time may come in either order.
///
/// The position of an error stands in the message of `stderr` and in a column elsewhere; SQLSTATE
/// and `backend_type` are not in the prefix used.
fn essences(name: &str) -> Vec<LogEntry> {
    let mut entries = entries(name);
    entries.retain(|entry| !entry.message.starts_with("---"));
    for entry in &mut entries {
        if let Some(at) = entry.message.rfind(" at character ") {
            entry.message.truncate(at);
        }
        entry.sqlstate = None;
        entry.backend_type = None;
    }
    entries.sort_by_key(|entry| (entry.at, entry.pid));
    entries
}

fn find<'e>(entries: &'e [LogEntry], message: &str) -> &'e LogEntry {
    entries
        .iter()
        .find(|entry| entry.message.starts_with(message))
        .unwrap_or_else(|| panic!("no {message:?}"))
}

#[test]
fn the_three_formats_say_the_same() {
    for major in 13..=18 {
        let csv = essences(&format!("sessions/{major}.csv"));
        assert!(csv.len() > 60, "{major}: {}", csv.len());
        assert!(csv.iter().all(|entry| entry.at.is_some() && entry.severity.is_some()));
        assert_eq!(essences(&format!("sessions/{major}.log")), csv, "{major}");
        if major >= 15 {
            assert_eq!(essences(&format!("sessions/{major}.json")), csv, "{major}");
        }
    }
}

#[test]
fn every_part_of_an_entry_is_there() {
    for major in 13..=18 {
        for extension in ["log", "csv", "json"] {
            if extension == "json" && major < 15 {
                continue;
            }
            let entries = entries(&format!("sessions/{major}.{extension}"));
            let name = format!("{major}.{extension}");
            let warning = find(&entries, "two");
            assert_eq!(warning.message, "two\nlines", "{name}");
            assert_eq!(warning.severity, Some(LogSeverity::Warning), "{name}");
            assert_eq!(warning.detail.as_deref(), Some("the detail"), "{name}");
            assert_eq!(warning.hint.as_deref(), Some("the hint"), "{name}");
            assert_eq!(
                warning.context.as_deref(),
                Some("PL/pgSQL function inline_code_block line 1 at RAISE"),
                "{name}"
            );
            let inner = find(&entries, "column \"nocol\" does not exist");
            assert_eq!(inner.query.as_deref(), Some("select nocol from t"), "{name}");
            let tabbed = entries.iter().find_map(|entry| {
                entry.statement.as_deref().filter(|text| text.contains("tabbed"))
            });
            assert_eq!(
                tabbed,
                Some("select\n  'first line',\n\t'tabbed \"quoted\"'\nfrom nosuch where a = 'é'")
            );
            let odd = entries.iter().find(|entry| entry.database.as_deref() == Some("my db"));
            let odd = odd.unwrap();
            assert_eq!(odd.user.as_deref(), Some("we ird]"), "{name}");
            assert_eq!(odd.application.as_deref(), Some("app [x] ERROR: y"), "{name}");
            assert_eq!(
                (odd.message.as_str(), odd.severity),
                ("division by zero", Some(LogSeverity::Error))
            );
            let verbose = entries.iter().find(|entry| entry.location.is_some()).unwrap();
            assert_eq!(verbose.sqlstate.as_deref(), Some("22012"), "{name}");
            assert!(verbose.location.as_deref().unwrap().starts_with("int4div, int.c:"), "{name}");
            assert_eq!(verbose.application, None, "{name}");
            let deadlock = find(&entries, "deadlock detected");
            assert_eq!(deadlock.detail.as_deref().unwrap().lines().count(), 4, "{name}");
            let prepared = entries
                .iter()
                .filter(|entry| entry.message.starts_with("recovering prepared transaction "))
                .count();
            assert_eq!(prepared, 9, "{name}");
        }
    }
}

#[test]
fn severities_are_known_in_other_languages() {
    for language in ["de", "fr", "ja", "ru", "zh_CN", "ka", "ko"] {
        let entries = entries(&format!("languages/{language}.log"));
        assert!(entries.iter().all(|entry| entry.severity.is_some()), "{language}");
        assert!(entries.iter().all(|entry| entry.at.is_some()), "{language}");
        let undefined = entries.iter().find(|entry| entry.message.contains("nosuchfn")).unwrap();
        assert_eq!(undefined.severity, Some(LogSeverity::Error), "{language}");
        assert_eq!(undefined.sqlstate.as_deref(), Some("42883"), "{language}");
        assert_eq!(undefined.application, None, "{language}");
        assert!(undefined.hint.is_some(), "{language}");
        assert!(undefined.location.is_some(), "{language}");
        assert!(undefined.statement.as_deref().unwrap().ends_with("select nosuchfn(1)"));
        let fatal =
            entries.iter().find(|entry| entry.severity == Some(LogSeverity::Fatal)).unwrap();
        assert!(fatal.message.contains("nobody"), "{language}");
        assert!(entries.iter().any(|entry| entry.detail.is_some() && entry.statement.is_some()));
        assert!(entries.iter().any(|entry| entry.severity == Some(LogSeverity::Debug)));
    }
    let (stderr, csv, json) =
        (entries("languages/ru.log"), entries("languages/ru.csv"), entries("languages/ru.json"));
    let severities =
        |entries: &[LogEntry]| entries.iter().map(|entry| entry.severity).collect::<Vec<_>>();
    assert_eq!(severities(&csv), severities(&json));
    assert_eq!(severities(&stderr), severities(&json));
    let at: DateTime<Utc> = "2026-11-22T17:45:13.723Z".parse().unwrap();
    assert_eq!(json[0].at, Some(at));
}

/// The same bytes, cut into pieces of the given sizes.
fn chunked(format: LogFormat, bytes: &[u8], sizes: &[usize]) -> Vec<LogEntry> {
    let mut parser = LogParser::new(format, settings(), Begin::Whole);
    let mut entries = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).clamp(1, rest.len()));
        parser.feed(piece, &mut entries);
        rest = after;
    }
    parser.finish(&mut entries);
    entries
}

#[test]
fn pieces_do_not_matter_for_real_logs() {
    for (name, format) in [
        ("sessions/15.log", LogFormat::Stderr),
        ("sessions/15.csv", LogFormat::Csvlog),
        ("sessions/15.json", LogFormat::Jsonlog),
        ("languages/ja.log", LogFormat::Stderr),
    ] {
        let bytes = data(name);
        let whole = entries(name);
        for sizes in [&[1][..], &[7], &[4096], &[1, 100, 3, 5000]] {
            assert_eq!(chunked(format, &bytes, sizes), whole, "{name} {sizes:?}");
        }
    }
}

#[test]
fn beginning_within_a_file_gives_a_tail_of_the_whole() {
    for (name, format) in [
        ("sessions/16.log", LogFormat::Stderr),
        ("sessions/16.csv", LogFormat::Csvlog),
        ("sessions/16.json", LogFormat::Jsonlog),
    ] {
        let bytes = data(name);
        let whole = entries(name);
        for from in (1..bytes.len()).step_by(97) {
            let mut parser = LogParser::new(format, settings(), Begin::Within);
            let mut tail = Vec::new();
            parser.feed(&bytes[from..], &mut tail);
            parser.finish(&mut tail);
            assert!(tail.len() < whole.len(), "{name} {from}");
            let expect = &whole[whole.len() - tail.len()..];
            assert_eq!(tail, expect, "{name} {from}");
        }
    }
}

#[test]
fn a_torn_csv_record_harms_no_other() {
    let bytes = data("sessions/16.csv");
    let whole = entries("sessions/16.csv");
    // The disk was full in the middle of a quoted statement; later another record follows.
    let torn = bytes.windows(12).position(|window| window == b"select nocol").unwrap() + 4;
    let next = torn + bytes[torn..].windows(6).position(|window| window == b"\n2026-").unwrap();
    let damaged = [&bytes[..torn], &bytes[next..]].concat();
    let after = parse_all(LogFormat::Csvlog, settings(), &damaged);
    assert_eq!(after.len(), whole.len());
    let different: Vec<_> =
        after.iter().zip(&whole).filter(|(after, whole)| after != whole).collect();
    assert_eq!(different.len(), 1);
    assert!(
        different[0].0.query.as_deref().unwrap().starts_with("sele [cut"),
        "{:?}",
        different[0].0
    );
}

#[test]
fn a_log_line_pasted_into_a_statement_begins_no_record() {
    let record = String::from_utf8(data("sessions/16.csv")).unwrap();
    let pasted = record.lines().next().unwrap();
    let row = |statement: &str| {
        let mut writer =
            csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Necessary).from_writer(vec![]);
        let mut columns = vec![""; 26];
        columns[0] = "2026-01-02 03:04:05.678 UTC";
        columns[3] = "12";
        (columns[11], columns[12], columns[13]) = ("ERROR", "42601", "syntax error");
        columns[19] = statement;
        writer.write_record(&columns).unwrap();
        writer.into_inner().unwrap()
    };
    let statement = format!("insert into logs values\n{pasted}\n{pasted}");
    let bytes = [row(&statement), row("select 1")].concat();
    let entries = parse_all(LogFormat::Csvlog, settings(), &bytes);
    let statements: Vec<_> =
        entries.iter().map(|entry| entry.statement.as_deref().unwrap()).collect();
    assert_eq!(statements, [statement.as_str(), "select 1"]);
}

#[test]
fn long_lines_and_entries_are_cut_with_a_marker() {
    let long = "é".repeat(1 << 20);
    let escaped = "\\u0001".repeat(1 << 18);
    let stderr = format!("2026-01-02 03:04:05.678 UTC [1] ERROR:  x{long}\n\tmore\n");
    let csv = format!(
        "2026-01-02 03:04:05.678 UTC,,,1,,a.b,1,,2026-01-02 03:04:05 UTC,,0,ERROR,42601,\"x{long}\",,,,,,\"q\"\"{long}\",,,\"\",\"x\",,0\n"
    );
    let json = format!(
        "{{\"timestamp\":\"2026-01-02 03:04:05.678 UTC\",\"pid\":1,\"error_severity\":\"ERROR\",\"message\":\"x{escaped}\"}}\n"
    );
    let next = [
        "2026-01-02 03:04:05.678 UTC [2] LOG:  next\n",
        "2026-01-02 03:04:05.678 UTC,,,2,,a.b,1,,2026-01-02 03:04:05 UTC,,0,LOG,00000,\"next\",,,,,,,,,\"\",\"x\",,0\n",
        "{\"timestamp\":\"2026-01-02 03:04:05.678 UTC\",\"pid\":2,\"error_severity\":\"LOG\",\"message\":\"next\"}\n",
    ];
    for (format, text, next) in [
        (LogFormat::Stderr, stderr, next[0]),
        (LogFormat::Csvlog, csv, next[1]),
        (LogFormat::Jsonlog, json, next[2]),
    ] {
        let entries = parse_all(format, settings(), format!("{text}{next}").as_bytes());
        assert_eq!(entries.len(), 2, "{format:?}");
        assert_eq!(entries[0].severity, Some(LogSeverity::Error), "{format:?}");
        assert_eq!(entries[0].pid, Some(1));
        assert!(entries[0].message.starts_with('x') && entries[0].message.len() < 70_000);
        assert!(entries[0].message.ends_with("[cut: longer than pgdeck keeps]"), "{format:?}");
        assert_eq!(entries[1].message, "next", "{format:?}");
    }
}

#[test]
fn lines_of_other_processes_in_between_do_not_confuse() {
    let text = "\
2026-01-02 03:04:05.678 UTC [1] ERROR:  one
2026-01-02 03:04:05.678 UTC [2] ERROR:  two
2026-01-02 03:04:05.678 UTC [1] DETAIL:  of one
2026-01-02 03:04:05.678 UTC [2] HINT:  of two
sh: archive: not found
2026-01-02 03:04:05.678 UTC [2] STATEMENT:  select
\ttwo
2026-01-02 03:04:05.678 UTC [1] LOG:  three
";
    let entries = parse_all(LogFormat::Stderr, settings(), text.as_bytes());
    let got: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry.message.as_str(),
                entry.detail.as_deref(),
                entry.hint.as_deref(),
                entry.statement.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        got,
        [
            ("one", Some("of one"), None, None),
            ("two", None, Some("of two"), Some("select\ntwo")),
            ("sh: archive: not found", None, None, None),
            ("three", None, None, None),
        ]
    );
}

#[test]
fn an_entry_waits_for_its_lines_one_poll_only() {
    let mut parser = LogParser::new(LogFormat::Stderr, settings(), Begin::Whole);
    let mut out = Vec::new();
    parser.feed(b"2026-01-02 03:04:05.678 UTC [1] ERROR:  one\n2026-01-02 03", &mut out);
    parser.settle(&mut out);
    parser.settle(&mut out);
    assert!(out.is_empty(), "a line is not whole yet");
    parser.feed(b":04:05.678 UTC [1] DETAIL:  d\n", &mut out);
    parser.settle(&mut out);
    assert!(out.is_empty());
    parser.settle(&mut out);
    assert_eq!(out[0].detail.as_deref(), Some("d"));
    assert!(!parser.is_waiting());
}

/// Texts made of what logs are made of, so that the interesting paths are reached.
fn log_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"2026-01-02 03:04:05.678 UTC [1] ".to_vec()),
        2 => Just(b"2026-01-02 03:04:05.678 UTC [2] a@b/c ".to_vec()),
        3 => prop_oneof![Just("ERROR:  "), Just("LOG:  "), Just("DETAIL:  "), Just("FEHLER:  "), Just("쿼리:")]
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => Just(b"2026-01-02 03:04:05.678 UTC,,,1,,a.b,1,,2026-01-02 03:04:05 UTC,,0,LOG,00000,\"m".to_vec()),
        1 => Just(b"{\"timestamp\":\"2026-01-02 03:04:05.678 UTC\",\"error_severity\":\"LOG\",\"message\":\"m".to_vec()),
        1 => Just(b"\",,,,,,,,,\"\",\"x\",,0\n".to_vec()),
        1 => Just(b"\"}\n".to_vec()),
        4 => prop_oneof![Just("\n"), Just("\t"), Just("\""), Just(","), Just("\n\t"), Just("\\u00")]
            .prop_map(|text| text.as_bytes().to_vec()),
        2 => proptest::collection::vec(any::<u8>(), 0..12),
        2 => "[a-z é]{0,8}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn noise_never_panics_and_pieces_never_matter(
        bytes in log_like(),
        sizes in proptest::collection::vec(1_usize..40, 1..8),
    ) {
        for format in [LogFormat::Stderr, LogFormat::Csvlog, LogFormat::Jsonlog] {
            let whole = parse_all(format, settings(), &bytes);
            prop_assert_eq!(chunked(format, &bytes, &sizes), whole);
            let mut parser = LogParser::new(format, settings(), Begin::Within);
            let mut out = Vec::new();
            parser.feed(&bytes, &mut out);
            parser.settle(&mut out);
            parser.finish(&mut out);
        }
    }

    #[test]
    fn any_prefix_and_any_line_are_safe(setting in ".{0,40}", line in ".{0,200}") {
        let prefix = Prefix::compile(&setting);
        let _ = prefix.header(&line, &Zone::default());
    }

    #[test]
    fn csv_round_trip(
        texts in proptest::collection::vec("(?s)[^\\r\\x00]{0,40}", 8),
        pid in 1_i32..100_000,
        columns in prop_oneof![Just(24_usize), Just(26_usize)],
    ) {
        // As `write_csvlog` does: texts that are not null are quoted, the rest is bare.
        let quoted = |at: usize| format!("\"{}\"", texts[at].replace('"', "\"\""));
        let row = format!(
            "2026-01-02 03:04:05.678 UTC,{},{},{pid},\"[local]\",a.b,1,\"SELECT\",2026-01-02 03:04:05 UTC,3/21,0,ERROR,42P01,{},{},{},,,{},{},7,,{},\"client backend\"{}\n",
            quoted(0), quoted(1), quoted(2), quoted(3), quoted(4), quoted(5), quoted(6), quoted(7),
            if columns == 26 { ",,0" } else { "" },
        );
        let twice = format!("{row}{row}");
        let entries = parse_all(LogFormat::Csvlog, settings(), twice.as_bytes());
        prop_assert_eq!(entries.len(), 2);
        prop_assert_eq!(&entries[0], &entries[1]);
        let entry = &entries[0];
        let text = |at: usize| Some(texts[at].as_str()).filter(|text| !text.is_empty());
        prop_assert_eq!(entry.pid, Some(pid));
        prop_assert_eq!(entry.user.as_deref(), text(0));
        prop_assert_eq!(entry.database.as_deref(), text(1));
        prop_assert_eq!(entry.message.as_str(), texts[2].as_str());
        prop_assert_eq!(entry.detail.as_deref(), text(3));
        prop_assert_eq!(entry.hint.as_deref(), text(4));
        prop_assert_eq!(entry.context.as_deref(), text(5));
        prop_assert_eq!(entry.statement.as_deref(), text(6));
        prop_assert_eq!(entry.application.as_deref(), text(7));
        prop_assert_eq!(entry.backend_type.as_deref(), Some("client backend"));
    }
}
