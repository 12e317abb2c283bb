//! Where a log is found, from settings and what was seen.

use std::time::Duration;

use super::*;

fn settings(destination: &str, collector: bool) -> LogSettings {
    LogSettings {
        log_destination: destination.to_owned(),
        logging_collector: collector,
        ..LogSettings::defaults("/data")
    }
}

fn file(path: &str, format: LogFormat) -> LogSource {
    LogSource::File { path: path.into(), format }
}

fn seen(name: &str, seconds: u64) -> LogFileSeen {
    LogFileSeen {
        name: name.to_owned(),
        modified: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
    }
}

#[test]
fn prefers_what_the_server_says_and_structure() {
    let settings = settings("stderr, csvlog,jsonlog", true);
    let mut observed = Observed {
        reported: vec![
            (LogFormat::Stderr, "log/a.log".to_owned()),
            (LogFormat::Csvlog, "/elsewhere/a.csv".to_owned()),
        ],
        current_logfiles: Some(
            "stderr log/b.log\ncsvlog log/b.csv\njsonlog log/b.json\n".to_owned(),
        ),
        log_files: vec![seen("postgresql-2026-01-01_000000.log", 9)],
        ..Observed::default()
    };
    let located = locate(&settings, &observed).unwrap();
    assert_eq!(located.source, file("/elsewhere/a.csv", LogFormat::Csvlog));
    assert_eq!(located.evidence, Evidence::Reported);
    observed.reported.clear();
    assert_eq!(
        locate(&settings, &observed).unwrap().source,
        file("/data/log/b.json", LogFormat::Jsonlog)
    );
    observed.current_logfiles = None;
    let located = locate(&settings, &observed).unwrap();
    assert_eq!(
        located.source,
        file("/data/log/postgresql-2026-01-01_000000.log", LogFormat::Stderr)
    );
    assert_eq!(located.evidence, Evidence::NewestFile);
}

#[test]
fn remote_files_keep_the_servers_path() {
    let observed = Observed {
        is_remote: true,
        reported: vec![(LogFormat::Jsonlog, "log/a.json".to_owned())],
        ..Observed::default()
    };
    let located = locate(&settings("jsonlog,syslog", true), &observed).unwrap();
    assert_eq!(
        located.source,
        LogSource::Server { path: "log/a.json".to_owned(), format: LogFormat::Jsonlog }
    );
    assert!(located.also_syslog);
    let error =
        locate(&settings("stderr", false), &Observed { is_remote: true, ..Observed::default() });
    assert_eq!(error.unwrap_err().code, ErrorCode::LogNotFound);
}

#[test]
fn syslog_only_is_a_source() {
    let located = locate(&settings("syslog", true), &Observed::default()).unwrap();
    let expect = LogSource::Syslog { facility: "local0".to_owned(), ident: "postgres".to_owned() };
    assert_eq!((located.source, located.also_syslog), (expect, false));
}

#[test]
fn follows_standard_error_without_the_collector() {
    let settings = settings("stderr", false);
    let at = |target: &str| {
        let standard_error = StandardError::Target(target.into());
        locate(&settings, &Observed { standard_error, ..Observed::default() })
    };
    assert_eq!(at("/var/log/pg.log").unwrap().source, file("/var/log/pg.log", LogFormat::Stderr));
    for (target, word) in [
        ("socket:[123]", "journal"),
        ("pipe:[123]", "another program"),
        ("/dev/null", "thrown away"),
        ("/dev/pts/3", "terminal"),
        ("/var/log/pg.log (deleted)", "deleted"),
    ] {
        let error = at(target).unwrap_err();
        assert_eq!(error.code, ErrorCode::LogNotFound);
        assert!(error.fact.contains(word), "{error}");
        assert!(error.detail.contains(target), "{error}");
    }
}

#[test]
fn a_stopped_server_has_what_was_known_before() {
    let settings = settings("stderr", false);
    let known = file("/var/log/pg.log", LogFormat::Stderr);
    let observed = Observed { last_known: Some(known.clone()), ..Observed::default() };
    assert_eq!(locate(&settings, &observed).unwrap().source, known);
    let observed = Observed { conventional: Some("/var/log/x.log".into()), ..Observed::default() };
    assert_eq!(locate(&settings, &observed).unwrap().evidence, Evidence::Convention);
    for observed in [
        Observed::default(),
        Observed { standard_error: StandardError::Refused, ..Observed::default() },
    ] {
        let error = locate(&settings, &observed).unwrap_err();
        assert!(!error.detail.is_empty() && !error.hint.is_empty());
    }
    assert!(locate(&self::settings("", true), &Observed::default()).is_err());
    assert!(locate(&self::settings("eventlog", false), &Observed::default()).is_err());
}

#[test]
fn the_newest_file_is_of_the_wanted_format() {
    let mut settings = settings("csvlog,stderr", true);
    settings.log_filename = "pg-%a.log".to_owned();
    let files = vec![
        seen("pg-Mon.csv", 5),
        seen("pg-Tue.csv", 7),
        seen("pg-Tue.log", 9),
        seen("pg-Tue.json", 11),
        seen("other", 99),
    ];
    let newest = |settings: &LogSettings| {
        locate(settings, &Observed { log_files: files.clone(), ..Observed::default() })
            .unwrap()
            .source
    };
    assert_eq!(newest(&settings), file("/data/log/pg-Tue.csv", LogFormat::Csvlog));
    settings.log_destination = "jsonlog".to_owned();
    settings.log_directory = "/logs".to_owned();
    assert_eq!(newest(&settings), file("/logs/pg-Tue.json", LogFormat::Jsonlog));
}

#[test]
fn reads_current_logfiles() {
    assert_eq!(
        current_logfiles("stderr log/with blank.log\njsonlog /l/a.json\nother x\n\nstderr\n"),
        [
            (LogFormat::Stderr, "log/with blank.log".to_owned()),
            (LogFormat::Jsonlog, "/l/a.json".to_owned())
        ]
    );
}

#[test]
fn knows_debians_place() {
    assert_eq!(
        conventional_path(Path::new("/var/lib/postgresql/15/main")),
        Some(PathBuf::from("/var/log/postgresql/postgresql-15-main.log"))
    );
    assert_eq!(conventional_path(Path::new("/data/15/main")), None);
    assert_eq!(conventional_path(Path::new("/var/lib/postgresql/15/main/x")), None);
}
