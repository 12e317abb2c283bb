//! Triage against the logs of real servers that did not start, crashed, or were restarted.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use pgdeck_engine::api::{LogEntry, LogFormat, LogSeverity, TransactionId};
use pgdeck_engine::logs::parse::parse_all;
use pgdeck_engine::logs::triage::{
    benign, cause_in_output, cause_of_failed_start, last_start, slugs,
};
use pgdeck_engine::logs::{ParserSettings, Prefix};

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/logs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sections of a fixture: title and text.
fn sections(name: &str) -> Vec<(String, String)> {
    let text = data(name);
    text.split("\n=== ")
        .skip(1)
        .map(|section| {
            let (title, text) = section.split_once('\n').unwrap_or((section, ""));
            (title.to_owned(), format!("{}\n", text.trim_end()))
        })
        .collect()
}

/// Scenario, slug, and a word the solution must have: file, line or setting.
#[rustfmt::skip]
const EXPECTED: &[(&str, &str, &str)] = &[
    ("address_missing", "address_unavailable", "203.0.113.7"),
    ("address_unresolved", "address_unavailable", "no.such.host.invalid"),
    ("as_root", "root_refused", "owner of the data directory"),
    ("backup_label", "backup_label", "recovery.signal"),
    ("backup_no_signal", "backup_label", "recovery.signal"),
    ("backup_wal_none", "backup_label", "restore_command"),
    ("backup_label_bad", "backup_label", "backup_label"),
    ("conf_archive_minimal", "configuration_value", "wal_level = replica"),
    ("conf_auto", "configuration_syntax", "line 3 of /srv/pg/data/postgresql.auto.conf"),
    ("conf_enum", "configuration_value", "Available values: minimal, replica, logical."),
    ("conf_include", "configuration_missing", "/srv/pg/data/nosuch.conf"),
    ("conf_missing", "configuration_missing", "/srv/pg/data/postgresql.conf"),
    ("conf_perm", "configuration_missing", "Permission denied"),
    ("conf_perm_root", "configuration_missing", "/srv/pg/data/postgresql.conf"),
    ("conf_range", "configuration_value", "max_connections = 0"),
    ("conf_reserved", "configuration_value", "Raise max_connections (now 5)"),
    ("conf_syntax", "configuration_syntax", "of /srv/pg/data/postgresql.conf, near token ="),
    ("conf_unknown", "configuration_unknown_setting", "sharedbuffers in line"),
    ("conf_value", "configuration_value", "shared_buffers = abc"),
    ("control_crc", "control_file_damaged", "backup"),
    ("control_perm", "control_file_missing", "mode 0600"),
    ("control_zero", "control_file_damaged", "backup"),
    ("dir_mode", "data_directory_mode", "chmod 0700 /srv/pg/data"),
    ("dir_owner", "data_directory_owner", "/srv/pg/data"),
    ("disk_full_again", "disk_full", "pg_wal/xlogtemp"),
    ("disk_full_data", "disk_full", "postmaster.pid"),
    ("disk_full_running", "disk_full", "pg_wal/xlogtemp"),
    ("hba_empty", "hba_invalid", "/srv/pg/data/pg_hba.conf"),
    ("hba_method", "hba_invalid", "line 1 of /srv/pg/data/pg_hba.conf: invalid authentication method foo"),
    ("hba_missing", "hba_missing", "/srv/pg/data/pg_hba.conf"),
    ("hba_type", "hba_invalid", "line 1 of /srv/pg/data/pg_hba.conf: invalid connection type hots"),
    ("hugepages", "shared_memory", "shared_buffers"),
    ("hugepages_sysv", "shared_memory", "shared_memory_type"),
    ("library_bad", "library_missing", "file too short"),
    ("library_foreign", "library_missing", "shared_preload_libraries"),
    ("old_processes", "old_processes", "stop mode kill"),
    ("pg_noversion", "not_a_cluster", "/srv/pg/data"),
    ("port_privileged", "port_privileged", "1024"),
    ("ssl_key_owner", "ssl_key", "server.key"),
    ("startup_killed", "killed", "dmesg"),
    ("sysv_shmem", "shared_memory", "SHMALL"),
    ("wal_senders", "configuration_value", "max_wal_senders = 0"),
    ("locale_monetary", "locale_missing", "lc_monetary"),
    ("locale_setting", "locale_missing", "lc_messages"),
    ("log_dir", "log_directory", "log_directory"),
    ("log_dir_perm", "log_directory", "/var/log/nope/"),
    ("log_dir_perm2", "log_directory", "Permission denied"),
    ("no_checkpoint", "wal_damaged", "backup"),
    ("no_checkpoint_crash", "wal_damaged", "pg_resetwal"),
    ("no_clog", "transaction_status_missing", "backup"),
    ("no_control", "control_file_missing", "backup"),
    ("no_pg_wal", "wal_directory_missing", "pg_wal"),
    ("no_version", "not_a_cluster", "/srv/pg/data"),
    ("nofile", "file_descriptors", "max_files_per_process"),
    ("oom", "shared_memory", "shared_buffers"),
    ("pg_empty", "configuration_missing", "/srv/pg/empty/postgresql.conf"),
    ("pg_nodir", "not_a_cluster", "/srv/pg/nowhere"),
    ("pg_wal_link", "wal_directory_missing", "link pg_wal"),
    ("pgctl_empty", "not_a_cluster", "/srv/pg/empty"),
    ("pgctl_logfile", "log_directory", "/var/log/nope/x.log"),
    ("pgctl_nodir", "not_a_cluster", "/srv/pg/nowhere"),
    ("pid_empty", "lock_file_empty", "/srv/pg/data/postmaster.pid"),
    ("pid_lock", "already_running", "process 1"),
    ("port_in_use", "port_in_use", "port 546"),
    ("preload", "library_missing", "shared_preload_libraries"),
    ("prepared_zero", "standby_settings", "max_prepared_transactions"),
    ("read_only", "disk_read_only", "postmaster.pid"),
    ("recovery_no_command", "restore_command", "restore_command"),
    ("restore_cmd_missing", "restore_command", "command not found"),
    ("shmem", "shared_memory", "shared_buffers"),
    ("socket_dir_missing", "socket_directory", "/srv/pg/nosuchdir/"),
    ("socket_dir_perm", "socket_directory", "/proc/"),
    ("socket_lock 13", "socket_in_use", "unix_socket_directories"),
    ("socket_lock 14", "port_in_use", "port 546"),
    ("ssl_ca", "ssl_certificate", "noca.crt"),
    ("ssl_key_mismatch", "ssl_key", "ssl_cert_file"),
    ("ssl_key_missing", "ssl_key", "server.key"),
    ("ssl_key_mode", "ssl_key", "chmod 0600"),
    ("ssl_key_pass", "ssl_key", "ssl_passphrase_command"),
    ("ssl_no_cert", "ssl_certificate", "server.crt"),
    ("standby_settings", "standby_settings", "max_connections on this standby to at least 100"),
    ("tablespace_missing_crash", "tablespace_missing", "pg_tblspc/16384"),
    ("target_not_reached", "recovery_target_not_reached", "recovery_target"),
    ("target_timeline", "recovery_timeline", "timeline 7"),
    ("targets_two", "configuration_value", "recovery_target"),
    ("timezone", "configuration_value", "TimeZone = No/Where"),
    ("version_mismatch", "version_mismatch", "server programs of version 12"),
    ("wal_perm", "wal_directory_missing", "pg_wal"),
];

#[test]
fn the_cause_of_every_failed_start_is_found() {
    let mut met = BTreeSet::new();
    for (title, text) in sections("start_failures.txt") {
        let name = title.split(' ').next().unwrap();
        let expected = EXPECTED
            .iter()
            .find(|(scenario, ..)| *scenario == name || title.starts_with(&format!("{scenario} ")));
        let cause = cause_in_output(text.as_bytes(), &ParserSettings::default());
        let Some((scenario, slug, word)) = expected else {
            // These servers started, with a trouble that shows later.
            assert!(["file_perm", "tablespace_missing"].contains(&name), "{title}");
            continue;
        };
        met.insert(*scenario);
        let cause = cause.unwrap_or_else(|| panic!("no cause: {title}\n{text}"));
        assert_eq!(cause.slug, *slug, "{title}: {cause:?}");
        assert!(cause.solution.contains(word), "{title}: {cause:?}");
        assert!(!cause.solution.contains(['{', '}', '?']), "{title}: {cause:?}");
        assert!(text.contains(&cause.text), "{title}");
    }
    let missing: Vec<_> = EXPECTED.iter().filter(|(name, ..)| !met.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let known = slugs();
    assert!(EXPECTED.iter().all(|(_, slug, _)| known.contains(slug)));
}

#[test]
fn the_last_attempt_counts() {
    let sections = sections("start_failures.txt");
    let of = |name: &str| {
        let start = format!("{name} ");
        &sections.iter().find(|(title, _)| title.starts_with(&start)).unwrap().1
    };
    let session = data("sessions/15.log");
    let settings = ParserSettings {
        prefix: Prefix::compile("%m [%p] %q%u@%d/%a "),
        ..ParserSettings::default()
    };
    for (earlier, last, slug) in [
        ("conf_syntax", "hba_type", "hba_invalid"),
        ("hba_type", "conf_syntax", "configuration_syntax"),
        ("conf_syntax", "conf_unknown", "configuration_unknown_setting"),
        ("port_in_use", "dir_mode", "data_directory_mode"),
        ("no_checkpoint", "port_in_use", "port_in_use"),
        ("target_not_reached", "pid_lock", "already_running"),
    ] {
        let text = format!("{session}{}{}", of(earlier), of(last));
        let cause = cause_in_output(text.as_bytes(), &settings).unwrap();
        assert_eq!(cause.slug, slug, "{earlier}, {last}");
    }
}

#[test]
fn a_server_that_runs_or_was_stopped_has_no_cause() {
    let settings = ParserSettings {
        prefix: Prefix::compile("%m [%p] %q%u@%d/%a "),
        ..ParserSettings::default()
    };
    for major in 13..=18 {
        let text = data(&format!("sessions/{major}.log"));
        assert_eq!(cause_in_output(text.as_bytes(), &settings), None, "{major}");
        let running = &text[..text.rfind("received fast shutdown request").unwrap()];
        let running = &running[..running.rfind('\n').unwrap() + 1];
        assert_eq!(cause_in_output(running.as_bytes(), &settings), None, "{major}");
    }
    let silent = "waiting for server to start.... stopped waiting\npg_ctl: could not start server\nExamine the log output.\n";
    assert_eq!(cause_in_output(silent.as_bytes(), &settings), None);
    assert_eq!(cause_of_failed_start(&[]), None);
}

#[test]
fn an_unknown_message_is_quoted() {
    let text = "2026-01-02 03:04:05.678 UTC [1] FATAL:  nobody has ever seen this\n\
                2026-01-02 03:04:05.678 UTC [1] HINT:  Turn it round.\n\
                2026-01-02 03:04:05.678 UTC [1] LOG:  database system is shut down\n";
    let cause = cause_in_output(text.as_bytes(), &ParserSettings::default()).unwrap();
    assert_eq!((cause.slug, cause.text.as_str()), ("server_message", "nobody has ever seen this"));
    assert_eq!(cause.solution, "Turn it round.");
}

fn session(name: &str) -> Vec<Arc<LogEntry>> {
    let settings = ParserSettings {
        prefix: Prefix::compile("%m [%p] %q%u@%d/%a "),
        ..ParserSettings::default()
    };
    let mut entries = parse_all(LogFormat::Stderr, settings, data(name).as_bytes());
    for (sequence, entry) in (1..).zip(&mut entries) {
        entry.sequence = sequence;
        entry.benign = benign(entry);
    }
    entries.into_iter().map(Arc::new).collect()
}

#[test]
fn recovered_transactions_of_the_last_start() {
    for major in 13..=18 {
        let entries = session(&format!("sessions/{major}.log"));
        let start = last_start(&entries);
        assert_eq!(start.after_crash, Some(true), "{major}");
        assert!(start.at.is_some());
        assert_eq!(start.recovered.len(), 3, "{major}");
        let recovered = &start.recovered[0];
        assert_eq!(
            start.line(recovered.transaction).unwrap().message,
            format!("recovering prepared transaction {} from shared memory", recovered.transaction)
        );
        assert_eq!(start.line(TransactionId::from_u32(1)), None);
        // Also after the crash of one server process.
        let until = entries
            .iter()
            .position(|entry| entry.message == "database system is ready to accept connections")
            .unwrap();
        let begun =
            entries.iter().rposition(|entry| entry.message.starts_with("starting PostgreSQL"));
        assert!(until < begun.unwrap());
    }
}

#[test]
fn a_clean_restart_recovers_too() {
    for (major, text) in sections("prepared_clean.txt") {
        let entries: Vec<_> =
            parse_all(LogFormat::Stderr, ParserSettings::default(), text.as_bytes())
                .into_iter()
                .map(Arc::new)
                .collect();
        let start = last_start(&entries);
        assert_eq!(start.after_crash, Some(false), "{major}");
        assert_eq!(start.recovered.len(), 1, "{major}");
    }
    assert_eq!(last_start(&Vec::<Arc<LogEntry>>::new()).after_crash, None);
}

#[test]
fn other_languages_are_understood_as_far_as_can_be() {
    let mut causes = Vec::new();
    for (title, text) in sections("languages/starts.txt") {
        let settings = ParserSettings::default();
        if title.ends_with("restart") {
            assert_eq!(cause_in_output(text.as_bytes(), &settings), None, "{title}");
            let entries: Vec<_> = parse_all(LogFormat::Stderr, settings, text.as_bytes())
                .into_iter()
                .map(Arc::new)
                .collect();
            let start = last_start(&entries);
            assert_eq!(start.after_crash, Some(true), "{title}");
            assert_eq!(start.recovered.len(), 1, "{title}");
            continue;
        }
        let cause = cause_in_output(text.as_bytes(), &settings).unwrap();
        assert_eq!(cause.slug, "server_message", "{title}");
        causes.push(cause);
    }
    assert_eq!(causes.len(), 6);
    assert_eq!(causes[0].text, "konnte keine TCP/IP-Sockets erstellen");
    assert_eq!(
        causes[1].detail.as_deref(),
        Some("ungültiger Wert für Parameter »wal_level«: »foo«")
    );
}

#[test]
fn what_real_sessions_call_harmless() {
    for major in 13..=18 {
        let grave: BTreeSet<_> = session(&format!("sessions/{major}.log"))
            .iter()
            .filter(|entry| entry.severity >= Some(LogSeverity::Warning) && entry.benign.is_none())
            .map(|entry| entry.message.lines().next().unwrap().to_owned())
            .map(|message| message.split(" at character").next().unwrap().to_owned())
            .collect();
        let expect = [
            "column \"nocol\" does not exist",
            "database \"nodb\" does not exist",
            "deadlock detected",
            "division by zero",
            "duplicate key value violates unique constraint \"t_pkey\"",
            "function nosuchfn(integer) does not exist",
            "relation \"nosuch\" does not exist",
            "role \"nouser\" does not exist",
            "two",
        ];
        assert_eq!(grave.iter().collect::<Vec<_>>(), expect, "{major}");
    }
}
