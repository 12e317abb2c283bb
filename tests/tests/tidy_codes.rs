//! The documentation and the codes: each explained once, each error triggered by a test.

use std::collections::BTreeSet;
use std::fs;

use pgdeck_engine::api::{ErrorCode, MessageCode};
use pgdeck_tests::tidy::{entries, find_word, root, sources, tracked_files};

/// What `docs/` must hold.
const DOCUMENTS: [&str; 4] = ["ARCHITECTURE.md", "ERRORS.md", "FORMATS.md", "INVARIANTS.md"];

/// Words that stand in the code without an entry, then entries without a code.
fn unequal<'a>(words: &[&'a str], entries: &[&'a str]) -> Vec<String> {
    let words: BTreeSet<_> = words.iter().collect();
    let entries: BTreeSet<_> = entries.iter().collect();
    let missing = words.difference(&entries).map(|word| format!("no entry: ### `{word}`"));
    let idle = entries.difference(&words).map(|word| format!("an entry without a code: {word}"));
    missing.chain(idle).collect()
}

#[test]
fn the_documents_are_there() {
    let files = tracked_files();
    for document in DOCUMENTS {
        assert!(files.contains(&format!("docs/{document}")), "docs/{document} is missing");
    }
    let is_decision = |file: &&String| file.starts_with("docs/decisions/");
    assert!(files.iter().any(|file| is_decision(&file)), "docs/decisions/ is empty");
}

#[test]
fn every_code_has_an_entry_and_every_entry_a_code() {
    let text = fs::read_to_string(root().join("docs/ERRORS.md"));
    let text = text.unwrap_or_else(|error| panic!("docs/ERRORS.md: {error}"));
    let entries = entries(&text);
    let entries: Vec<_> = entries.iter().map(String::as_str).collect();
    let errors = ErrorCode::ALL.iter().map(|code| code.as_str());
    let messages = MessageCode::ALL.iter().map(|code| code.as_str());
    let words: Vec<_> = errors.chain(messages).collect();
    let found = unequal(&words, &entries);
    assert!(found.is_empty(), "docs/ERRORS.md\n{}", found.join("\n"));
}

#[test]
fn a_missing_and_an_idle_entry_are_found() {
    assert_eq!(unequal(&["a", "b"], &["b", "a", "b"]), Vec::<String>::new());
    let found = unequal(&["a", "b"], &["b", "c"]);
    assert_eq!(found, ["no entry: ### `a`", "an entry without a code: c"]);
}

/// Whether a test names a code: its word in quotes, or the variant after its type.
fn names(text: &str, code: ErrorCode) -> bool {
    let variant = format!("{code:?}");
    text.contains(&format!("\"{code}\""))
        || text.contains(&format!("ErrorCode::{variant}"))
        // After a `use ErrorCode::*`, or as a test's own data.
        || (text.contains("ErrorCode::*") && !find_word(text, &variant).is_empty())
}

/// All that only tests see: files of the test crate, of the crates' own `tests/`
/// directories, and test modules. The tidy tests list codes and trigger none.
fn test_texts() -> Vec<String> {
    let is_tests = |path: &str| path.starts_with("tests/") || path.contains("/tests/");
    let is_tidy = |path: &str| path.contains("/tidy");
    let files = tracked_files().into_iter().filter(|path| is_tests(path) && !is_tidy(path));
    let mut texts: Vec<String> =
        files.filter_map(|path| fs::read_to_string(root().join(path)).ok()).collect();
    let modules = sources().into_iter().filter(|source| !is_tests(&source.path));
    texts.extend(modules.map(|source| source.test_text()));
    texts
}

#[test]
fn every_error_has_a_test_that_names_it() {
    let texts = test_texts();
    let without: Vec<_> = ErrorCode::ALL
        .iter()
        .filter(|&&code| !texts.iter().any(|text| names(text, code)))
        .map(|code| code.as_str())
        .collect();
    assert!(without.is_empty(), "no test names\n{}", without.join("\n"));
}

#[test]
fn a_code_is_named_by_its_word_or_its_variant() {
    let code = ErrorCode::NotRunning;
    assert!(names("assert!(text.contains(\"not_running\"))", code));
    assert!(names("ErrorCode::NotRunning", code));
    assert!(names("use ErrorCode::*; f(NotRunning)", code));
    assert!(!names("not_running NotRunning", code));
}
