//! What the README says is what the program does.

use pgdeck_tests::run::Run;
use pgdeck_tests::tidy::root;

const KEYS_BEGIN: &str = "<!-- keys: made by `pgdeck keys`, checked by a test -->\n";
const KEYS_END: &str = "<!-- end of keys -->";

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("there is a README")
}

#[test]
fn the_key_list_is_that_of_the_command_table() {
    let readme = readme();
    let (_, rest) = readme.split_once(KEYS_BEGIN).expect("the key list begins");
    let (listed, _) = rest.split_once(KEYS_END).expect("the key list ends");
    let made = Run::pgdeck().args(["keys"]).finish().expect_code(0).stdout;
    assert_eq!(listed, made, "put the output of `pgdeck keys` between the two comments");
}

#[test]
fn every_command_it_shows_exists() {
    let readme = readme();
    let shown = readme.lines().filter_map(|line| line.strip_prefix("pgdeck "));
    let commands: Vec<&str> = shown
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| !word.starts_with('-') && !word.starts_with('#'))
        .collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        let help = Run::pgdeck().args([command, "--help"]).finish().expect_code(0).stdout;
        assert!(help.contains("Example"), "{command} has no example");
    }
}
