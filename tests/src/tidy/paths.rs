//! The paths that a piece of code names, with `use`, `self` and `super` followed.

use std::collections::{HashMap, HashSet};

/// A path that a source names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// From the crate (`crate::pg::types`) or from another one (`std::fs::File`); a glob
    /// import ends with `*`.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Step,
    Other(char),
}

/// Every path of two or more names in a code without comments and texts, of the file at
/// `path` (`engine/src/pg/types.rs` is `crate::pg::types`).
#[must_use]
pub fn mentions(path: &str, code: &str) -> Vec<Mention> {
    let tokens = tokens(code);
    let mut reader = Reader {
        tokens: &tokens,
        module: module_of(path),
        children: children(&tokens),
        aliases: HashMap::new(),
        found: Vec::new(),
    };
    let inline = reader.read_uses();
    for start in inline {
        reader.read_inline(start);
    }
    reader.found
}

struct Reader<'a> {
    tokens: &'a [(Token, usize)],
    module: Vec<String>,
    /// Modules declared here: their names begin paths too.
    children: HashSet<String>,
    aliases: HashMap<String, Vec<String>>,
    found: Vec<Mention>,
}

impl Reader<'_> {
    /// Reads the `use` items and returns where the other paths begin.
    fn read_uses(&mut self) -> Vec<usize> {
        let mut inline = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            // `use<'a>` captures lifetimes and imports nothing.
            if self.is_word(at, "use") && !self.is_other(at + 1, '<') {
                at = self.read_use_tree(at + 1, &[]);
            } else {
                if self.begins_path(at) {
                    inline.push(at);
                }
                at += 1;
            }
        }
        inline
    }

    /// Reads one branch of a `use` item; returns where it ends.
    fn read_use_tree(&mut self, mut at: usize, prefix: &[String]) -> usize {
        let mut path = prefix.to_vec();
        loop {
            match self.tokens.get(at) {
                Some((Token::Step, _)) => at += 1,
                Some((Token::Word(word), line)) => {
                    // `self` in braces is the prefix itself.
                    if word != "self" || prefix.is_empty() {
                        path.push(word.clone());
                    }
                    at += 1;
                    if self.tokens.get(at).is_none_or(|(token, _)| *token != Token::Step) {
                        return self.end_use(at, path, *line);
                    }
                }
                Some((Token::Other('*'), line)) => {
                    path.push("*".to_owned());
                    return self.end_use(at + 1, path, *line);
                }
                Some((Token::Other('{'), _)) => {
                    at += 1;
                    while at < self.tokens.len() && !self.is_other(at, '}') {
                        at = self.read_use_tree(at, &path);
                        if self.is_other(at, ',') {
                            at += 1;
                        }
                    }
                    return at + 1;
                }
                // Not Rust, or a macro's pattern: never stand still.
                _ => return at + 1,
            }
        }
    }

    fn end_use(&mut self, mut at: usize, path: Vec<String>, line: usize) -> usize {
        let path = self.resolve(path);
        let mut name = path.last().cloned();
        if self.is_word(at, "as") {
            name = match self.tokens.get(at + 1) {
                Some((Token::Word(alias), _)) => Some(alias.clone()),
                _ => None,
            };
            at += 2;
        }
        self.found.push(Mention { path: path.join("::"), line });
        if let Some(name) = name {
            self.aliases.insert(name, path);
        }
        at
    }

    fn read_inline(&mut self, mut at: usize) {
        let line = self.tokens[at].1;
        let mut path = Vec::new();
        while let Some((Token::Word(word), _)) = self.tokens.get(at) {
            path.push(word.clone());
            let steps = matches!(self.tokens.get(at + 1), Some((Token::Step, _)));
            at += if steps { 2 } else { break };
        }
        if path.len() >= 2 {
            let path = self.resolve(path).join("::");
            self.found.push(Mention { path, line });
        }
    }

    /// A word begins a path unless something stands before it that makes it a further part.
    fn begins_path(&self, at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).map(|index| &self.tokens[index].0);
        matches!(self.tokens[at].0, Token::Word(_))
            && match before(1) {
                Some(Token::Other('.')) => false,
                // `::std::fs` begins with a step; `a::b` and `Vec<u8>::new` do not begin there.
                Some(Token::Step) => !matches!(before(2), Some(Token::Word(_) | Token::Other('>'))),
                _ => true,
            }
    }

    fn resolve(&self, path: Vec<String>) -> Vec<String> {
        let mut base = self.module.clone();
        let mut rest = path.as_slice();
        match path.first().map(String::as_str) {
            Some("self") => rest = &rest[1..],
            Some("super") => {
                while rest.first().is_some_and(|word| word == "super") {
                    rest = &rest[1..];
                    if base.len() > 1 {
                        base.pop();
                    }
                }
            }
            Some(first) if self.children.contains(first) => {}
            Some(first) if path.len() > 1 && self.aliases.contains_key(first) => {
                base.clone_from(&self.aliases[first]);
                rest = &rest[1..];
            }
            _ => return path,
        }
        base.extend(rest.iter().cloned());
        base
    }

    fn is_word(&self, at: usize, word: &str) -> bool {
        matches!(self.tokens.get(at), Some((Token::Word(found), _)) if found == word)
    }

    fn is_other(&self, at: usize, character: char) -> bool {
        matches!(self.tokens.get(at), Some((Token::Other(found), _)) if *found == character)
    }
}

/// The modules that a file declares.
fn children(tokens: &[(Token, usize)]) -> HashSet<String> {
    tokens
        .windows(3)
        .filter_map(|window| match window {
            [(Token::Word(keyword), _), (Token::Word(name), _), (Token::Other(';' | '{'), _)]
                if keyword == "mod" =>
            {
                Some(name.clone())
            }
            _ => None,
        })
        .collect()
}

/// `engine/src/pg/sql/mod.rs` and `engine/src/pg/sql.rs` are `crate::pg::sql`.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.split_once("src/").map_or(path, |(_, inside)| inside);
    let inside = inside.strip_suffix(".rs").unwrap_or(inside);
    let mut module = vec!["crate".to_owned()];
    module.extend(inside.split('/').map(str::to_owned));
    if matches!(module.last().map(String::as_str), Some("lib" | "main" | "mod")) {
        module.pop();
    }
    module
}

fn tokens(code: &str) -> Vec<(Token, usize)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut characters = code.char_indices().peekable();
    while let Some((start, character)) = characters.next() {
        if character == '\n' {
            line += 1;
        } else if character.is_alphanumeric() || character == '_' {
            let is_part = |next: &(usize, char)| next.1.is_alphanumeric() || next.1 == '_';
            let mut end = start + character.len_utf8();
            while let Some((at, part)) = characters.next_if(is_part) {
                end = at + part.len_utf8();
            }
            found.push((Token::Word(code[start..end].to_owned()), line));
        } else if character == ':' && characters.next_if(|next| next.1 == ':').is_some() {
            found.push((Token::Step, line));
        } else if !character.is_whitespace() {
            found.push((Token::Other(character), line));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, code: &str, expect: &[&str]) {
        let found: Vec<_> = mentions(path, code).into_iter().map(|mention| mention.path).collect();
        assert_eq!(found, expect, "{code}");
    }

    #[test]
    fn reads_use_items() {
        let path = "engine/src/pg/types.rs";
        check(path, "use std::fs;", &["std::fs"]);
        check(
            path,
            "pub use std::{fs::{self, File as F}, io};",
            &["std::fs", "std::fs::File", "std::io"],
        );
        check(path, "use super::*; use self::x::Y;", &["crate::pg::*", "crate::pg::types::x::Y"]);
        check(path, "use super::super::api::Error;", &["crate::api::Error"]);
        check(path, "use ::std::fs; fn f() -> impl T + use<'a> {}", &["std::fs"]);
        check("engine/src/lib.rs", "pub mod pg; use pg::types::Oid;", &["crate::pg::types::Oid"]);
    }

    #[test]
    fn reads_inline_paths_through_imports() {
        let path = "engine/src/storage/mod.rs";
        check(path, "fn f() { ::std::fs::read(x); a.b::<c>(); }", &["std::fs::read"]);
        check(
            path,
            "use std::process; fn f() { process::Command::new(x) }",
            &["std::process", "std::process::Command::new"],
        );
        check(
            path,
            "use chrono::Utc as Now; fn f() { Now::now() }",
            &["chrono::Utc", "chrono::Utc::now"],
        );
        check(path, "fn f() { super::logs::tail(); Vec::<u8>::new() }", &["crate::logs::tail"]);
        check(path, "fn f(x: crate::pg::types::Lsn) {}", &["crate::pg::types::Lsn"]);
        check(path, "pub(crate) fn f(self: Arc<Self>) {}", &[]);
    }

    #[test]
    fn knows_lines_and_survives_nonsense() {
        let found = mentions("x/src/a.rs", "\n\nuse a::{\n  b,\n  c::d,\n};\n");
        assert_eq!(found.iter().map(|mention| mention.line).collect::<Vec<_>>(), [4, 5]);
        for code in ["use", "use {", "use a::{b", "use ;", "use $x;", "::", "use a as", "}{;"] {
            let _ = mentions("x/src/a.rs", code);
        }
    }
}
