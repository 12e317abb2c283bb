//! `.pgpass`: passwords by host, port, database and user.
//!
//! Source: "The Password File" in the PostgreSQL manual; `passwordFromFile()` and
//! `pwdfMatchesString()` in `src/interfaces/libpq/fe-connect.c`.

use std::path::Path;

use zeroize::Zeroizing;

use crate::pg::files::{FileKind, ReadFiles};

use super::Secret;

/// What a line must match.
pub(super) struct Target<'a> {
    /// Host name or address; `localhost` for the default socket directory.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// A password file that may be used.
pub(super) struct PassFile(Zeroizing<Vec<u8>>);

impl PassFile {
    /// Reads a password file. `Ok(None)` when there is none.
    ///
    /// # Errors
    /// The reason, as a sentence, why the file is there and is not used: not a plain file,
    /// or open to group or others.
    pub(super) fn open(files: &dyn ReadFiles, path: &Path) -> Result<Option<Self>, String> {
        let Ok(facts) = files.facts(path) else { return Ok(None) };
        let name = path.display();
        if facts.kind != FileKind::Regular {
            return Err(format!("password file \"{name}\" is not a plain file and is not used"));
        }
        if facts.mode & 0o077 != 0 {
            return Err(format!(
                "password file \"{name}\" has group or world access and is not used; \
                 set its mode to 0600"
            ));
        }
        Ok(files.read(path).ok().map(|content| Self(Zeroizing::new(content))))
    }

    /// The password of the first line that matches.
    pub(super) fn find(&self, target: &Target<'_>) -> Option<Secret> {
        let port = target.port.to_string();
        for line in self.0.split(|&byte| byte == b'\n') {
            if line.starts_with(b"#") {
                continue;
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let password = match_field(line, target.host)
                .and_then(|rest| match_field(rest, &port))
                .and_then(|rest| match_field(rest, target.database))
                .and_then(|rest| match_field(rest, target.user));
            if let Some(password) = password {
                return Some(unescape(password));
            }
        }
        None
    }
}

/// What follows the first field when that field matches: `*`, or the text with `:` and `\`
/// escaped by `\`.
fn match_field<'a>(line: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let mut rest = line;
    for &byte in wanted.as_bytes() {
        let tail = match rest {
            [b'\\', escaped, tail @ ..] if *escaped == byte => tail,
            // A colon within the wanted text matches unescaped, too: "::1:5432:…" works.
            [plain, tail @ ..] if *plain == byte && byte != b'\\' => tail,
            _ => return None,
        };
        rest = tail;
    }
    rest.strip_prefix(b":")
}

/// The password up to the next plain colon, escapes resolved.
fn unescape(text: &[u8]) -> Secret {
    let mut password = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b':' => break,
            b'\\' => password.push(bytes.next().unwrap_or(b'\\')),
            other => password.push(other),
        }
    }
    Secret::new(password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::files::FileFacts;
    use crate::pg::files::fake::FakeFiles;
    use proptest::prelude::*;

    fn find(content: &str, host: &str, port: u16, database: &str, user: &str) -> Option<String> {
        let file = PassFile(Zeroizing::new(content.as_bytes().to_vec()));
        let secret = file.find(&Target { host, port, database, user })?;
        Some(String::from_utf8(secret.expose().to_vec()).unwrap())
    }

    #[test]
    fn the_first_line_that_matches_wins() {
        let content = "# comment\n\ndb1:5432:app:me:one\ndb1:*:*:me:two\r\n*:*:*:*:three";
        assert_eq!(find(content, "db1", 5432, "app", "me").as_deref(), Some("one"));
        assert_eq!(find(content, "db1", 5433, "app", "me").as_deref(), Some("two"));
        assert_eq!(find(content, "db2", 5433, "app", "you").as_deref(), Some("three"));
    }

    #[test]
    fn escapes() {
        assert_eq!(find(r"\:\:1:*:*:me:a\:b\\c", "::1", 1, "d", "me").as_deref(), Some(r"a:b\c"));
        assert_eq!(find(r"::1:*:*:me:x", "::1", 1, "d", "me").as_deref(), Some("x"));
        assert_eq!(find(r"h:*:*:m\\e:x", "h", 1, "d", r"m\e").as_deref(), Some("x"));
        assert_eq!(find(r"h:*:*:\m\e:x", "h", 1, "d", "me").as_deref(), Some("x"));
        assert_eq!(find("h:*:*:me:a:ignored", "h", 1, "d", "me").as_deref(), Some("a"));
        assert_eq!(find("h:*:*:me:\\", "h", 1, "d", "me").as_deref(), Some("\\"));
        assert_eq!(find("h:*:*:me:", "h", 1, "d", "me").as_deref(), Some(""));
    }

    #[test]
    fn what_does_not_match() {
        for content in ["", "h", "h:1", "h:1:d:me", "hh:1:d:me:x", "h*:1:d:me:x", "H:1:d:me:x"] {
            assert_eq!(find(content, "h", 1, "d", "me"), None, "{content}");
        }
        assert_eq!(find("**:1:d:me:x", "*", 1, "d", "me"), None);
    }

    #[test]
    fn only_a_private_plain_file_is_used() {
        let path = Path::new("/home/me/.pgpass");
        for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            let files = FakeFiles::default().with_mode("/home/me/.pgpass", "x", mode);
            let opened = PassFile::open(&files, path);
            assert_eq!(opened.is_ok_and(|file| file.is_some()), used, "{mode:o}");
        }
        assert!(PassFile::open(&FakeFiles::default(), path).unwrap().is_none());
        let mut files = FakeFiles::default();
        let facts = FileFacts { kind: FileKind::Other, owner: 0, mode: 0o600 };
        files.0.insert(path.into(), (Vec::new(), facts));
        let warning = PassFile::open(&files, path).err().unwrap();
        assert!(warning.contains("not a plain file"), "{warning}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let file = PassFile(Zeroizing::new(bytes));
            let _ = file.find(&Target { host: "h", port: 1, database: "d", user: "u" });
        }

        /// A line written with every field escaped is found, whatever it holds.
        #[test]
        fn escaped_fields_match(
            fields in prop::collection::vec("[^\\n\\r\\x00]{1,8}", 3),
            password in "[^\\n\\r\\x00]{0,8}",
        ) {
            let escape = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
            let [host, database, user] = [0, 1, 2].map(|i| fields[i].as_str());
            prop_assume!(!host.starts_with('#'));
            let line = format!(
                "{}:7:{}:{}:{}", escape(host), escape(database), escape(user), escape(&password)
            );
            prop_assert_eq!(find(&line, host, 7, database, user), Some(password));
        }
    }
}
