//! Patterns with `*`: enough for file names and for the server's messages.

/// The texts the `*` of a pattern stand for, each as short as can be; `None` when the text does
/// not match as a whole.
#[must_use]
pub fn captures<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut captures = Vec::new();
    let mut literals = pattern.split('*');
    let mut rest = text.strip_prefix(literals.next()?)?;
    let literals: Vec<&str> = literals.collect();
    let Some((last, middle)) = literals.split_last() else {
        return rest.is_empty().then_some(captures);
    };
    for literal in middle {
        let at = rest.find(literal)?;
        captures.push(&rest[..at]);
        rest = &rest[at + literal.len()..];
    }
    captures.push(rest.strip_suffix(last)?);
    Some(captures)
}

/// Whether a pattern matches a text as a whole.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    captures(pattern, text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_the_shortest() {
        for (pattern, text, expect) in [
            ("abc", "abc", Some(vec![])),
            ("abc", "abcd", None),
            ("a*c", "abbc", Some(vec!["bb"])),
            ("*", "", Some(vec![""])),
            (
                "could not bind * address \"*\": *",
                "could not bind IPv4 address \"::1\": in use: x",
                Some(vec!["IPv4", "::1", "in use: x"]),
            ),
            ("* x *", "a x b x c", Some(vec!["a", "b x c"])),
            ("a*b", "a", None),
            ("ab*b", "ab", None),
        ] {
            assert_eq!(captures(pattern, text), expect, "{pattern}");
        }
    }
}
