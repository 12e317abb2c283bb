//! Words in texts: entries of the documentation, marks of unfinished work, machine names.

/// The words of a document's entries, which are headings in the form "### `word`".
#[must_use]
pub fn entries(markdown: &str) -> Vec<String> {
    markdown
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("### `")?.strip_suffix('`'))
        .map(str::to_owned)
        .collect()
}

/// The lines, from 1, on which a whole word stands.
#[must_use]
pub fn find_word(text: &str, word: &str) -> Vec<usize> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    text.lines()
        .zip(1..)
        .filter(|(line, _)| {
            line.match_indices(word).any(|(at, _)| {
                !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
            })
        })
        .map(|(_, number)| number)
        .collect()
}

/// Texts that belong to one machine and not into a tracked file. They are put together here,
/// so that this file does not hold them.
#[must_use]
pub fn machine_words() -> Vec<String> {
    vec![
        ["/wo", "rk/"].concat(),
        ["registry.npm", "js.org"].concat(),
        ["index.crates", ".io"].concat(),
        ["static.crates", ".io"].concat(),
        ["pypi", ".org"].concat(),
        ["deb.debian", ".org"].concat(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_entries() {
        let text = "# Errors\n## Codes\n### `not_running`\ntext `x`\n### `read_only` \n### other\n";
        assert_eq!(entries(text), ["not_running", "read_only"]);
    }

    #[test]
    fn finds_whole_words_only() {
        assert_eq!(find_word("a word\nwords\nsword\n(word)\nword_\n", "word"), [1, 4]);
        assert_eq!(find_word("keyword word", "word"), [1]);
    }
}
