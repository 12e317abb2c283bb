//! A file of SQL split into statements, as `psql` splits it: semicolons within quotes, dollar
//! quotes, comments and parentheses do not end one. Of psql's own commands only `\connect` is
//! known.
//!
//! Source: "Lexical Structure" in the manual.

/// A part of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A statement, without its semicolon.
    Statement(String),
    /// `\connect NAME` or `\c NAME`: the rest is for this database.
    Connect(String),
    /// Another command of psql, which cannot be carried out.
    Unknown(String),
}

/// Splits a file.
#[must_use]
pub(super) fn split(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut statement = String::new();
    let mut depth = 0_u32;
    while let Some(first) = rest.chars().next() {
        let taken = token(rest, &statement);
        let (piece, after) = rest.split_at(taken);
        rest = after;
        match first {
            ';' if depth == 0 => end(&mut statement, &mut parts),
            '\\' if statement.trim().is_empty() => {
                let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
                parts.push(command(line));
                rest = after;
                statement.clear();
            }
            _ if is_comment(piece) => statement.push(' '),
            _ => {
                depth = match first {
                    '(' => depth + 1,
                    ')' => depth.saturating_sub(1),
                    _ => depth,
                };
                statement.push_str(piece);
            }
        }
    }
    end(&mut statement, &mut parts);
    parts
}

fn end(statement: &mut String, parts: &mut Vec<Part>) {
    let text = statement.trim();
    if !text.is_empty() {
        parts.push(Part::Statement(text.to_owned()));
    }
    statement.clear();
}

fn command(line: &str) -> Part {
    let mut words = line.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some("c" | "connect"), Some(name), None) => {
            Part::Connect(name.trim_matches('"').to_owned())
        }
        _ => Part::Unknown(format!("\\{}", line.trim())),
    }
}

fn is_comment(piece: &str) -> bool {
    piece.starts_with("--") || piece.starts_with("/*")
}

/// Bytes of the token at the beginning: a quoted text, a comment, or one character.
fn token(text: &str, before: &str) -> usize {
    let first = text.chars().next().map_or(1, char::len_utf8);
    if text.starts_with("--") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    match text.as_bytes()[0] {
        b'\'' => quoted(text, '\'', escapes(before)),
        b'"' => quoted(text, '"', Escapes::No),
        b'$' if !before.ends_with(is_word) => dollar_quoted(text).unwrap_or(first),
        _ => first,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Whether a backslash hides the next character, as in `E'it\'s'`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Yes,
    No,
}

fn escapes(before: &str) -> Escapes {
    let is_prefix = before.strip_suffix(['e', 'E']).is_some_and(|rest| !rest.ends_with(is_word));
    if is_prefix { Escapes::Yes } else { Escapes::No }
}

fn quoted(text: &str, quote: char, escapes: Escapes) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escapes == Escapes::Yes {
            chars.next();
        } else if c == quote {
            // A doubled quote begins the next token, which goes on with the same text.
            return at + 1;
        }
    }
    text.len()
}

fn dollar_quoted(text: &str) -> Option<usize> {
    let close = text[1..].find('$')? + 2;
    let tag = &text[..close];
    let name = &tag[1..tag.len() - 1];
    let is_tag = name.chars().all(is_word) && !name.starts_with(|c: char| c.is_ascii_digit());
    if !is_tag {
        return None;
    }
    Some(text[close..].find(tag).map_or(text.len(), |at| close + at + tag.len()))
}

/// Comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_u32;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(text: &str) -> Vec<String> {
        let parts = split(text).into_iter().map(|part| match part {
            Part::Statement(text) => text,
            Part::Connect(name) => format!("-> {name}"),
            Part::Unknown(line) => format!("? {line}"),
        });
        parts.collect()
    }

    #[test]
    fn only_free_semicolons_end_a_statement() {
        for (text, expected) in [
            ("", &[][..]),
            (" ;; -- only a comment\n", &[]),
            ("select 1; select 2", &["select 1", "select 2"]),
            ("select ';', 'it''s;'; select 2;", &["select ';', 'it''s;'", "select 2"]),
            (
                r"select E'\';' ; select '\'; select 3",
                &[r"select E'\';'", r"select '\'", "select 3"],
            ),
            ("select date'\\'; x", &["select date'\\'", "x"]),
            ("select \"a;b\" from t;", &["select \"a;b\" from t"]),
            ("do $$begin; end$$; select 2", &["do $$begin; end$$", "select 2"]),
            ("do $a$ $$;$$ $a$;select 1", &["do $a$ $$;$$ $a$", "select 1"]),
            ("select a$1;select $1;", &["select a$1", "select $1"]),
            ("select 1 -- ; no\n, 2;", &["select 1  \n, 2"]),
            ("select /* ; /* ; */ ; */ 1;x", &["select   1", "x"]),
            ("create rule r as on x do (a; b);c", &["create rule r as on x do (a; b)", "c"]),
            (
                "\\c shop\nselect 1;\n\\connect \"x\"\n\\d t\n",
                &["-> shop", "select 1", "-> x", "? \\d t"],
            ),
            ("select 'ü;'; é", &["select 'ü;'", "é"]),
            ("select 'open; end", &["select 'open; end"]),
        ] {
            assert_eq!(statements(text), expected, "{text}");
        }
    }
}
