//! Quoting for commands that take no parameters, such as `COMMIT PREPARED`.
//!
//! Both forms mean the same whatever `standard_conforming_strings` is, in every client
//! encoding that is UTF-8. Source: "String Constants" and "Identifiers and Key Words" in the
//! PostgreSQL manual; `PQescapeLiteral()` in `src/interfaces/libpq/fe-exec.c`.

/// Why a text cannot be quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// It holds a zero byte, which no PostgreSQL text can.
    #[error("the text contains a zero byte")]
    ZeroByte,
    /// It is empty, and no identifier is.
    #[error("an identifier cannot be empty")]
    Empty,
}

/// The text as a string constant: `'it''s'`, or `E'a\\b'` when it holds a backslash.
///
/// # Errors
/// [`QuoteError::ZeroByte`].
pub fn literal(text: &str) -> Result<String, QuoteError> {
    let has_backslash = text.contains('\\');
    let mut quoted = String::with_capacity(text.len() + 3);
    quoted.push_str(if has_backslash { "E'" } else { "'" });
    for c in text.chars() {
        match c {
            '\0' => return Err(QuoteError::ZeroByte),
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str("\\\\"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    Ok(quoted)
}

/// The name as a quoted identifier: `"Mixed ""case"""`.
///
/// # Errors
/// [`QuoteError::ZeroByte`] and [`QuoteError::Empty`].
pub fn identifier(name: &str) -> Result<String, QuoteError> {
    if name.is_empty() {
        return Err(QuoteError::Empty);
    }
    if name.contains('\0') {
        return Err(QuoteError::ZeroByte);
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals() {
        for (text, expected) in [
            ("", "''"),
            ("plain", "'plain'"),
            ("it's", "'it''s'"),
            ("a\\b", "E'a\\\\b'"),
            ("\\'", "E'\\\\'''"),
            ("'; DROP TABLE x; --", "'''; DROP TABLE x; --'"),
            ("line\nbreak", "'line\nbreak'"),
            ("$1 $$", "'$1 $$'"),
        ] {
            assert_eq!(literal(text).unwrap(), expected, "{text:?}");
        }
        assert_eq!(literal("a\0b"), Err(QuoteError::ZeroByte));
    }

    #[test]
    fn identifiers() {
        assert_eq!(identifier("app").unwrap(), "\"app\"");
        assert_eq!(identifier("My \"DB\"").unwrap(), "\"My \"\"DB\"\"\"");
        assert_eq!(identifier("a\\b").unwrap(), "\"a\\b\"");
        assert_eq!(identifier(""), Err(QuoteError::Empty));
        assert_eq!(identifier("a\0"), Err(QuoteError::ZeroByte));
    }

    /// Reads a quoted text as the server's scanner does; `None` when it ends early or late.
    fn read(quoted: &str, quote: char, escapes: bool) -> Option<String> {
        let mut chars = quoted.strip_prefix(quote)?.chars().peekable();
        let mut text = String::new();
        loop {
            match chars.next()? {
                '\\' if escapes => text.push(chars.next()?),
                c if c == quote => match chars.next() {
                    None => return Some(text),
                    Some(c) if c == quote => text.push(quote),
                    Some(_) => return None,
                },
                c => text.push(c),
            }
        }
    }

    proptest! {
        #[test]
        fn literals_come_back(text in "[^\\x00]{0,30}") {
            let quoted = literal(&text).unwrap();
            let read_back = match quoted.strip_prefix('E') {
                Some(escaped) => read(escaped, '\'', true),
                // With standard_conforming_strings off a plain constant has escapes, too.
                None => {
                    prop_assert_eq!(read(&quoted, '\'', true), read(&quoted, '\'', false));
                    read(&quoted, '\'', false)
                }
            };
            prop_assert_eq!(read_back, Some(text));
        }

        #[test]
        fn nasty_literals_come_back(text in "['\\\\\"a\n;-]{0,12}") {
            let quoted = literal(&text).unwrap();
            let body = quoted.strip_prefix('E').unwrap_or(&quoted);
            prop_assert_eq!(read(body, '\'', quoted.starts_with('E')), Some(text));
        }

        #[test]
        fn identifiers_come_back(name in "[^\\x00]{1,30}") {
            prop_assert_eq!(read(&identifier(&name).unwrap(), '"', false), Some(name));
        }
    }
}
