//! The words typed after `/`: which rows of a list they let through.

/// Words a row must, or must not, contain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowFilter {
    text: String,
    words: Vec<(bool, String)>,
}

impl RowFilter {
    /// Reads `word other !without`. Letters count alike in both cases.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let words = text
            .split_whitespace()
            .map(|word| match word.strip_prefix('!') {
                Some(rest) => (false, rest.to_lowercase()),
                None => (true, word.to_lowercase()),
            })
            .filter(|(_, word)| !word.is_empty())
            .collect();
        Self { text: text.trim().to_owned(), words }
    }

    /// The text as typed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether every row passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether a row with these cells passes.
    #[must_use]
    pub fn accepts<'a>(&self, cells: impl Iterator<Item = &'a str> + Clone) -> bool {
        self.words.iter().all(|(wanted, word)| {
            let found = cells.clone().any(|cell| contains_ignoring_case(cell, word));
            found == *wanted
        })
    }
}

/// `word` is in lower case.
fn contains_ignoring_case(cell: &str, word: &str) -> bool {
    if cell.is_ascii() {
        let (cell, word) = (cell.as_bytes(), word.as_bytes());
        return cell.len() >= word.len()
            && cell.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    }
    cell.to_lowercase().contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_words_are_and_with_not() {
        let accepts =
            |filter: &str| RowFilter::new(filter).accepts(["Alpha", "βeta 7"].into_iter());
        for (filter, expect) in [
            ("", true),
            ("alpha", true),
            ("ALPHA 7", true),
            ("alpha 8", false),
            ("!8", true),
            ("!alpha", false),
            ("alpha !gamma", true),
            ("Βeta", true),
            ("!", true),
        ] {
            assert_eq!(accepts(filter), expect, "{filter:?}");
        }
    }
}
