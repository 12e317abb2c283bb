//! What surrounds the commands: completions, man pages, help whose examples parse, exit codes
//! of wrong usage.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;

use pgdeck_engine::api::ErrorCode;
use pgdeck_tests::{Deck, Home, Run, run};

/// Every command with a help text of its own.
const COMMANDS: [&str; 18] = [
    "",
    "status",
    "connections",
    "connections cancel",
    "connections terminate",
    "prepared",
    "prepared commit",
    "prepared rollback",
    "logs",
    "instance",
    "instance list",
    "instance start",
    "instance stop",
    "instance restart",
    "instance reload",
    "demo",
    "completions",
    "man",
];

#[test]
#[expect(clippy::print_stdout, reason = "the runner shows it with the test")]
fn completions_load_in_their_shells() {
    let home = Home::new();
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let text = run(&["completions", shell]).expect_code(0).stdout;
        for word in ["status", "connections", "prepared", "instance", "read-only"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
        let file = home.write(shell, &text);
        let is_there = Run::program("sh").args(["-c", &format!("command -v {shell}")]).finish();
        if is_there.code() == Some(0) {
            Run::program(shell).arg(check).arg(&file).finish().expect_code(0);
        } else {
            println!("{shell} is not installed: its completions were not loaded");
        }
    }
    let script = format!(
        "source {}; COMP_WORDS=(pgdeck sta); COMP_CWORD=1; _pgdeck pgdeck sta pgdeck; echo ${{COMPREPLY[*]}}",
        home.path().join("bash").display()
    );
    let done = Run::program("bash").args(["-c", &script]).finish().expect_code(0);
    assert_eq!(done.stdout.trim(), "status", "{}", done.stderr);
}

#[test]
fn every_command_has_a_man_page() {
    let home = Home::new();
    let directory = home.path().join("man1");
    run(&["man", directory.to_str().unwrap()]).expect_code(0);
    for command in COMMANDS {
        let name = format!("pgdeck {command}").trim_end().replace(' ', "-");
        let page = fs::read_to_string(directory.join(format!("{name}.1")));
        let page = page.unwrap_or_else(|error| panic!("{name}.1: {error}"));
        assert!(page.contains(".TH") && page.contains("SYNOPSIS"), "{name}");
    }
    let hidden = directory.join("pgdeck-demo-load.1");
    assert!(!hidden.exists(), "a command that is not for people has a page");
}

/// The examples under `Examples:` of a help text, without their explanations.
fn examples(help: &str) -> Vec<Vec<String>> {
    let lines = help.lines().map(str::trim).filter(|line| line.starts_with("pgdeck"));
    let command = |line: &str| line.split("  ").next().unwrap_or(line).to_owned();
    lines
        .map(|line| command(line).split(" > ").next().unwrap().to_owned())
        .map(|line| line.split_whitespace().skip(1).map(str::to_owned).collect())
        .collect()
}

#[test]
fn every_help_has_examples_that_parse() {
    for command in COMMANDS {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.push("--help");
        let help = run(&arguments).expect_code(0).stdout;
        let (_, after) = help
            .split_once("Example")
            .unwrap_or_else(|| panic!("'pgdeck {command} --help' has no example:\n{help}"));
        let found = examples(after);
        assert!(!found.is_empty(), "{command}: {after}");
        for example in found {
            // Everything before --help is parsed first, and nothing is done.
            let mut arguments: Vec<&str> = example.iter().map(String::as_str).collect();
            arguments.push("--no-such-option");
            let refused = run(&arguments).expect_code(64).stderr;
            assert!(
                refused.contains("unexpected argument '--no-such-option'"),
                "{example:?}: {refused}"
            );
        }
    }
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    for arguments in [["nonsense"].as_slice(), &["status", "--jsn"], &["prepared", "commit"]] {
        let done = run(arguments).expect_code(64);
        assert!(done.stdout.is_empty() && done.stderr.starts_with("error: "), "{}", done.stderr);
    }
    assert!(run(&["--version"]).expect_code(0).stdout.starts_with("pgdeck 0."));
}

#[test]
fn the_console_needs_a_terminal() {
    let refusal = Deck::nowhere().refused(&[]);
    let hint = ErrorCode::TerminalUnsuitable.default_hint();
    assert!(refusal.hint.contains("pgdeck status"), "like {hint:?}: {refusal:?}");
}

#[test]
fn a_reader_that_leaves_ends_output_quietly() {
    let pgdeck = pgdeck_tests::bin::pgdeck();
    let script =
        format!("{} completions bash | head -n 1; echo ${{PIPESTATUS[0]}}", pgdeck.display());
    let done = Run::program("bash").args(["-c", &script]).finish().expect_code(0);
    assert!(done.stderr.is_empty(), "{}", done.stderr);
    assert!(done.stdout.ends_with("\n0\n"), "{}", done.stdout);
}
