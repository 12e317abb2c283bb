//! `log_line_prefix` on real lines of all majors, and on nonsense.

use super::*;
use crate::api::LogSeverity;
use crate::logs::words::Label;

fn captured<'a>(setting: &str, line: &'a str) -> Header<'a> {
    Prefix::compile(setting)
        .header(line, &Zone::default())
        .unwrap_or_else(|| panic!("no header: {setting:?} {line:?}"))
}

fn utc(text: &str) -> Option<DateTime<Utc>> {
    Some(text.parse().unwrap())
}

#[test]
fn finds_every_field() {
    for (setting, line, expect) in [
        (
            "%m [%p] %q%u@%d/%a ",
            "2026-01-02 03:04:05.678 UTC [12] joe@shop/psql ERROR:  x",
            ("2026-01-02T03:04:05.678Z", 12, "joe", "shop", "psql"),
        ),
        (
            "%m [%p] %q%u@%d/%a ",
            "2026-01-02 03:04:05.678 UTC [12] ERROR:  x",
            ("2026-01-02T03:04:05.678Z", 12, "", "", ""),
        ),
        (
            "%m [%p] %q%u@%d/%a ",
            "2026-01-02 03:04:05.678 UTC [12] we ird]@my db/app [x] ERROR: y ERROR:  x",
            ("2026-01-02T03:04:05.678Z", 12, "we ird]", "my db", "app [x] ERROR: y"),
        ),
        (
            "%t-%p-%l-%c-%x-%v-%e-%i-%r-%h: ",
            "2026-01-02 03:04:05 UTC-12-3-6957f1b5.7b-0-3/21-42P01-SELECT-[local]-[local]: ERROR:  x",
            ("2026-01-02T03:04:05Z", 12, "", "", ""),
        ),
        (
            "%n %p:%P %s %Q<%b> %a%%",
            "1767323045.678 12: 2026-01-02 03:04:05 UTC -5719237<client backend> psql%ERROR:  x",
            ("2026-01-02T03:04:05.678Z", 12, "", "", "psql"),
        ),
        (
            "%-10p|%10u|%-6d|%m ",
            "12        |       joe|shop  |2026-01-02 03:04:05.678 UTC ERROR:  x",
            ("2026-01-02T03:04:05.678Z", 12, "joe", "shop", ""),
        ),
        (
            "%m %3p%2u%-3a ",
            "2026-01-02 03:04:05.678 UTC 1234joepsql ERROR:  x",
            ("2026-01-02T03:04:05.678Z", 1234, "joe", "psql", ""),
        ),
        (
            "%m %p %10u%-4d ",
            "2026-01-02 03:04:05.678 UTC 12                ERROR:  x",
            ("2026-01-02T03:04:05.678Z", 12, "", "", ""),
        ),
        (
            "%m %L %p",
            "2026-01-02 03:04:05.678 UTC 127.0.0.1 12ERROR:  x",
            ("2026-01-02T03:04:05.678Z", 12, "", "", ""),
        ),
    ] {
        let header = captured(setting, line);
        let got = header.captured;
        assert_eq!(header.text, "x");
        assert_eq!(header.kind, Some(MarkerKind::Severity(LogSeverity::Error)));
        assert_eq!(got.at, utc(expect.0), "{line}");
        assert_eq!(got.pid, Some(expect.1), "{line}");
        if setting.contains("%3p") {
            // Nothing stands between the names: the shortest user is taken.
            assert_eq!((got.user, got.application), ("jo", "epsql"));
            continue;
        }
        assert_eq!(
            (got.user, got.database, got.application),
            (expect.2, expect.3, expect.4),
            "{line}"
        );
    }
}

#[test]
fn sqlstate_and_backend_type() {
    let got = captured("%e %b ", "42P01 autovacuum worker LOG:  x").captured;
    assert_eq!((got.sqlstate, got.backend_type), ("42P01", "autovacuum worker"));
}

#[test]
fn guesses_when_the_setting_does_not_fit() {
    let header = captured("%u ", "2026-01-02 03:04:05.678 GMT [77] FATAL:  x");
    assert_eq!(header.captured.pid, Some(77));
    assert_eq!(header.captured.at, utc("2026-01-02T03:04:05.678Z"));
    assert_eq!(header.kind, Some(MarkerKind::Severity(LogSeverity::Fatal)));
    let bare = captured("%m [%p] ", "HINT:  Is another postmaster");
    assert_eq!(bare.kind, Some(MarkerKind::Label(Label::Hint)));
}

#[test]
fn leaves_other_lines_alone() {
    let prefix = Prefix::default();
    for line in [
        "",
        "sh: 1: /nosuch/cmd: not found",
        "P00  ERROR:  [082]: no prefix of the server",
        "rsync: ERROR: one blank",
        "2026-01-02 03:04:05.678 UTC [12] no marker",
        "\tcontinued ERROR:  x",
    ] {
        assert_eq!(prefix.header(line, &Zone::default()), None, "{line}");
    }
}

#[test]
fn keeps_the_word_of_an_unknown_language() {
    let header = captured("%m [%p] ", "2026-01-02 03:04:05.678 UTC [12] HATA:  x");
    assert_eq!((header.kind, header.text), (None, "HATA:  x"));
}

#[test]
fn a_hostile_name_costs_little() {
    let prefix = Prefix::compile("%a %u %d %h %i %a %u ");
    let line = format!("{} ERROR:  x", "a ".repeat(900));
    let begun = std::time::Instant::now();
    let _ = prefix.header(&line, &Zone::default());
    assert!(begun.elapsed().as_millis() < 500);
}
