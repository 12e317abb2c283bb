//! A Rust source, told apart: code, comments, texts, test modules.

use std::ops::Range;

/// A source file with what its bytes are.
///
/// The derived texts have the offsets and lines of the original: what is taken out is
/// replaced by blanks.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path from the root of the workspace, with `/`.
    pub path: String,
    /// The whole file.
    pub text: String,
    /// Without comments and without the insides of texts and characters.
    pub code: String,
    /// The same without what only exists for tests.
    pub production: String,
    tests: Vec<Range<usize>>,
}

impl Source {
    /// Reads a source.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        let code = blank(text, &insides(text));
        let tests = test_ranges(&code);
        let production = blank(&code, &tests);
        Self { path: path.to_owned(), text: text.to_owned(), code, production, tests }
    }

    /// Declares all of it to be for tests, as its parent module says.
    pub fn declare_test(&mut self) {
        self.tests = std::iter::once(0..self.text.len()).collect();
        self.production = blank(&self.code, &self.tests);
    }

    /// What only exists for tests, comments and texts included.
    #[must_use]
    pub fn test_text(&self) -> String {
        self.tests.iter().map(|range| &self.text[range.clone()]).collect()
    }

    /// Names of modules in other files that only exist for tests: `#[cfg(test)] mod x;`.
    #[must_use]
    pub fn test_modules(&self) -> Vec<String> {
        self.tests
            .iter()
            .filter_map(|range| {
                let item = self.code[range.clone()].strip_suffix(';')?;
                let mut words = item.split_whitespace().rev();
                let name = words.next()?;
                (words.next()? == "mod").then(|| name.to_owned())
            })
            .collect()
    }

    /// The line of a byte, from 1.
    #[must_use]
    pub fn line_of(&self, at: usize) -> usize {
        1 + self.text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count()
    }
}

fn blank(text: &str, ranges: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in ranges {
        for byte in &mut bytes[range.clone()] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(bytes).expect("whole characters are replaced by blanks")
}

/// Comments, and the insides of texts and characters.
fn insides(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let end = if rest.starts_with("//") {
            at + rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            at + block_comment(rest)
        } else if let Some((open, inside)) = raw_text(text, at) {
            at += open;
            at + inside
        } else if rest.starts_with('"') {
            at += 1;
            at + until_unescaped(&text[at..], '"')
        } else if let Some(inside) = character(rest) {
            at += 1;
            at + inside
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        ranges.push(at..end);
        // The closing quote must not open the next text; a comment ends by itself.
        let closes = matches!(bytes.get(end), Some(b'"' | b'\''));
        at = if closes { end + 1 } else { end };
    }
    ranges
}

/// Length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
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

/// For `r"`, `r#"`, `br"` and the like at `at`: lengths of the opening and of the inside.
fn raw_text(text: &str, at: usize) -> Option<(usize, usize)> {
    let before = text[..at].chars().next_back();
    if before.is_some_and(|before| before.is_alphanumeric() || before == '_') {
        return None;
    }
    let rest = &text[at..];
    let opening = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let hashes = opening.strip_prefix('r')?;
    let quoted = hashes.trim_start_matches('#');
    let inside = quoted.strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(hashes.len() - quoted.len()));
    let length = inside.find(&closing).unwrap_or(inside.len());
    Some((rest.len() - inside.len(), length))
}

/// For a character literal: the length of its inside. A lifetime is none.
fn character(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    if inside.starts_with('\\') {
        return Some(until_unescaped(inside, '\''));
    }
    let length = inside.chars().next()?.len_utf8();
    inside[length..].starts_with('\'').then_some(length)
}

fn until_unescaped(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at,
            _ => {}
        }
    }
    text.len()
}

/// Items under `#[cfg(test)]` (or `all(test, …)`); all of a file under `#![cfg(test)]`.
fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (at, _) in code.match_indices("#[cfg(") {
        let condition = code[at + "#[cfg(".len()..].trim_start();
        let condition = condition.strip_prefix("all(").unwrap_or(condition);
        let is_test =
            condition.strip_prefix("test").is_some_and(|rest| rest.starts_with([')', ',']));
        if is_test && ranges.last().is_none_or(|last| last.end <= at) {
            ranges.push(at..item_end(code, at));
        }
    }
    if code.contains("#![cfg(test)]") {
        return std::iter::once(0..code.len()).collect();
    }
    ranges
}

/// Where the item ends whose attribute begins at `at`: at a `;` or at its closing brace,
/// with the `;` behind that of a `use` or `const`.
fn item_end(code: &str, at: usize) -> usize {
    let mut depth = 0_i32;
    for (offset, byte) in code.as_bytes()[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' => depth -= 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    let end = at + offset + 1;
                    let rest = code[end..].trim_start();
                    return if rest.starts_with(';') { code.len() - rest.len() + 1 } else { end };
                }
            }
            b';' if depth == 0 => return at + offset + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_and_texts() {
        let check = |text: &str, expect: &str| assert_eq!(Source::new("x.rs", text).code, expect);
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        check(r#"f("std::fs", 'x', '\'', b"y")"#, r#"f("       ", ' ', '  ', b" ")"#);
        check(r##"r#"a " b"# + br"\" + x"##, r##"r#"     "# + br" " + x"##);
        check("fn f<'a>(x: &'a str) -> char { 'ä' }", "fn f<'a>(x: &'a str) -> char { '  ' }");
        check(r#""a\\" b "c""#, r#""   " b " ""#);
        check("for r in bar(\"x\") {}", "for r in bar(\" \") {}");
        check("r#type + x", "r#type + x");
    }

    #[test]
    fn tells_test_code_from_production() {
        let text =
            "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests { fn b() { \"}\" } }\nfn c() {}";
        let source = Source::new("x.rs", text);
        assert!(source.production.contains("fn a"));
        assert!(!source.production.contains("fn b"));
        assert!(source.production.contains("fn c"));
        assert!(source.test_text().contains("fn b() { \"}\" }"));
        assert!(!source.test_text().contains("fn c"));

        let text = "#[cfg(test)]\nmod more;\n#[cfg(all(test, unix))] use x::{y};\nmod real;";
        let source = Source::new("x.rs", text);
        assert_eq!(source.test_modules(), ["more"]);
        assert_eq!(source.production.trim(), "mod real;");
        assert_eq!(source.line_of(text.find("mod real").unwrap()), 4);

        let mut source = Source::new("x.rs", "#[cfg(not(test))] fn a() {}");
        assert!(source.production.contains("fn a"));
        source.declare_test();
        assert_eq!(source.production.trim(), "");
    }
}
