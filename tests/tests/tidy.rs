//! The rules of the house that no compiler knows, checked on the project's own files.

// Clippy excuses functions marked as tests, not the helpers beside them; the note about
// long files is for whoever runs this test.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;

use pgdeck_tests::tidy::{
    Dependencies, Rule, Scope, Source, find_word, is_match, machine_words, root, sources,
    tracked_files,
};

/// Lines a file must not exceed, and lines from which it is named.
const LINES_MAX: usize = 600;
const LINES_NOTED: usize = 400;

/// Which way the arrows point, and which doors there are.
const RULES: &[Rule] = &[
    Rule {
        files: &["tui/**/*.rs"],
        except: &[],
        scope: Scope::Everything,
        forbid: &["pgdeck_engine", "pgdeck_keystore"],
        allow: &["pgdeck_engine::api"],
        why: "the console uses the engine's api and nothing else of it",
        violation: ("tui/src/a.rs", "use pgdeck_engine::{api::Error, pg::types::Lsn};"),
    },
    Rule {
        files: &["engine/**/*.rs", "keystore/**/*.rs", "tests/**/*.rs"],
        except: &[],
        scope: Scope::Everything,
        forbid: &["pgdeck", "ratatui", "crossterm", "tui_textarea"],
        allow: &[],
        why: "only the console knows a terminal",
        violation: ("engine/src/a.rs", "fn f() { ratatui::init(); }"),
    },
    Rule {
        files: &["keystore/**/*.rs"],
        except: &[],
        scope: Scope::Production,
        forbid: &["pgdeck_engine", "tokio", "tokio_postgres", "std::fs", "std::path"],
        allow: &[],
        why: "the keystore reads and writes bytes; it knows no paths, no engine, no async",
        violation: ("keystore/src/a.rs", "fn f(path: &std::path::Path) {}"),
    },
    Rule {
        files: &["engine/src/api/**/*.rs"],
        except: &[],
        scope: Scope::Production,
        forbid: &["crate"],
        allow: &["crate::api", "crate::pg::types", "crate::pg::query::quote", "crate::engine"],
        why: "the api is plain data and what the engine hands out",
        violation: ("engine/src/api/a.rs", "use super::super::pg::connect;"),
    },
    Rule {
        files: &["engine/src/pg/**/*.rs", "engine/src/sys/**/*.rs"],
        except: &[],
        scope: Scope::Production,
        forbid: &[
            "crate::backup",
            "crate::connections",
            "crate::encryption",
            "crate::engine",
            "crate::instance",
            "crate::jobs",
            "crate::logs",
            "crate::messages",
            "crate::monitor",
            "crate::recovery",
            "crate::storage",
            "crate::wal",
        ],
        allow: &[],
        why: "pg and sys lie below the rest of the engine",
        violation: ("engine/src/pg/sql/mod.rs", "use super::super::instance::Lifecycle;"),
    },
    Rule {
        files: &["engine/src/**/*.rs"],
        except: &["engine/src/sys/**/*.rs", "engine/src/sys.rs"],
        scope: Scope::Production,
        forbid: &["std::fs", "tokio::fs", "rustix::fs"],
        allow: &[],
        why: "sys is the only door to the file system",
        violation: ("engine/src/storage/a.rs", "use std::fs::File;"),
    },
    Rule {
        files: &["engine/src/**/*.rs"],
        except: &["engine/src/sys/**/*.rs", "engine/src/sys.rs"],
        scope: Scope::Production,
        forbid: &["std::process::Command", "tokio::process", "process_wrap"],
        allow: &[],
        why: "sys is the only door to child processes",
        violation: ("engine/src/a.rs", "use std::process; fn f() { process::Command::new(p); }"),
    },
    Rule {
        files: &["engine/src/**/*.rs"],
        except: &["engine/src/sys/**/*.rs", "engine/src/sys.rs"],
        scope: Scope::Production,
        forbid: &["std::time::SystemTime", "chrono::Utc::now", "chrono::Local::now"],
        allow: &[],
        why: "sys is the only door to the clock",
        violation: ("engine/src/a.rs", "use chrono::{DateTime, Utc}; fn f() { Utc::now(); }"),
    },
];

const DEPENDENCIES: &[Dependencies] = &[
    Dependencies {
        manifests: &["keystore/Cargo.toml"],
        forbid: &["pgdeck-engine", "pgdeck", "tokio", "tokio-postgres"],
        why: "the keystore knows no engine and no async",
    },
    Dependencies {
        manifests: &["engine/Cargo.toml"],
        forbid: &["pgdeck", "ratatui", "crossterm"],
        why: "the engine knows no terminal",
    },
    Dependencies {
        manifests: &["keystore/Cargo.toml", "tests/Cargo.toml"],
        forbid: &["ratatui", "crossterm", "tui-textarea-2"],
        why: "only the console knows a terminal",
    },
    Dependencies {
        manifests: &["tui/Cargo.toml"],
        forbid: &["pgdeck-keystore", "tokio-postgres", "rusqlite"],
        why: "the console does nothing to PostgreSQL by itself",
    },
];

#[track_caller]
fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "{} finding(s)\n{}", found.len(), found.join("\n"));
}

#[test]
fn arrows_point_one_way() {
    let sources = sources();
    let check = |rule: &'static Rule| sources.iter().flat_map(|source| rule.check(source));
    assert_none(&RULES.iter().flat_map(check).collect::<Vec<_>>());
}

#[test]
fn every_rule_finds_its_own_violation() {
    for rule in RULES {
        let (path, code) = rule.violation;
        assert_eq!(rule.check(&Source::new(path, code)).len(), 1, "{}", rule.why);
        let quoted = format!("// {code}\nconst X: &str = r#\"{code}\"#;");
        assert_none(&rule.check(&Source::new(path, &quoted)));
    }
}

#[test]
fn every_rule_is_about_files_that_exist() {
    let files = tracked_files();
    for rule in RULES {
        for glob in rule.files {
            // The engine's doors may not be built yet.
            let exists = files.iter().any(|file| is_match(glob, file));
            assert!(exists || glob.starts_with("engine/src/sys/"), "{glob} fits no file");
        }
    }
}

#[test]
fn manifests_depend_one_way() {
    let mut found = Vec::new();
    for path in tracked_files().iter().filter(|path| path.ends_with("Cargo.toml")) {
        let text = fs::read_to_string(root().join(path)).unwrap();
        for rule in DEPENDENCIES {
            found.extend(rule.check(path, &text).unwrap());
        }
    }
    assert_none(&found);
}

/// `panic = "abort"` would take a PostgreSQL backend down with the server module.
#[test]
fn no_profile_aborts_on_panic() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let profiles = manifest.get("profile").and_then(toml::Value::as_table);
    for (name, profile) in profiles.into_iter().flatten() {
        assert_ne!(profile.get("panic").and_then(toml::Value::as_str), Some("abort"), "{name}");
    }
}

#[test]
fn no_file_is_too_long() {
    let mut too_long = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            too_long.push(format!("{}: {lines} lines, {LINES_MAX} are allowed", source.path));
        } else if lines > LINES_NOTED {
            println!("note: {} has {lines} lines; files aim at 300", source.path);
        }
    }
    assert_none(&too_long);
}

/// Every source of a crate and every test begins with what it owns.
#[test]
fn every_module_has_a_header() {
    let without = |source: &&Source| {
        !source.text.lines().find(|line| !line.trim().is_empty()).unwrap_or("").starts_with("//!")
    };
    let found: Vec<_> = sources()
        .iter()
        .filter(without)
        .map(|source| format!("{}: does not begin with //!", source.path))
        .collect();
    assert_none(&found);
}

/// Macros that stand for unfinished work, and tests that do not run.
fn unfinished_code(source: &Source) -> Vec<String> {
    let code: String = source.code.split_whitespace().collect::<Vec<_>>().join(" ");
    ["todo!", "unimplemented!", "dbg!", "#[ignore"]
        .into_iter()
        .filter(|mark| {
            code.match_indices(mark).any(|(at, _)| !code[..at].ends_with(char::is_alphanumeric))
        })
        .map(|mark| format!("{}: {mark}", source.path))
        .collect()
}

#[test]
fn nothing_is_unfinished() {
    assert_none(&sources().iter().flat_map(unfinished_code).collect::<Vec<_>>());
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for (path, text) in texts() {
        for mark in &marks {
            let lines = find_word(&text, mark);
            found.extend(lines.iter().map(|line| format!("{path}:{line}: {mark}")));
        }
    }
    assert_none(&found);
}

#[test]
fn unfinished_code_is_found() {
    let check = |text| unfinished_code(&Source::new("x.rs", text)).len();
    assert_eq!(check("fn f() { todo!() }"), 1);
    assert_eq!(check("fn f() { dbg!(x); unimplemented!(); }"), 2);
    assert_eq!(check("#[test]\n#[ignore = \"slow\"]\nfn f() {}"), 1);
    assert_eq!(check("// todo!()\nconst X: &str = \"#[ignore]\"; mytodo!();"), 0);
}

/// Texts that hold only on the machine they were written on.
#[test]
fn tracked_files_name_no_machine() {
    let words = machine_words();
    let mut found = Vec::new();
    for (path, text) in texts() {
        for (line, number) in text.lines().zip(1..) {
            let named = words.iter().filter(|word| line.contains(word.as_str()));
            found.extend(named.map(|word| format!("{path}:{number}: {word}")));
        }
    }
    assert_none(&found);
}

/// Every tracked file that is text, but for the licence, which is not ours.
fn texts() -> Vec<(String, String)> {
    tracked_files()
        .into_iter()
        .filter(|path| path != "LICENSE")
        .filter_map(|path| Some((fs::read_to_string(root().join(&path)).ok()?, path)))
        .map(|(text, path)| (path, text))
        .collect()
}
