//! Changing settings in configuration files; comments, order and layout stay.
//!
//! Owns where a value goes and how it is written. Works on bytes that were read; writes no file.
//! A value is replaced where it counts now, because a line added elsewhere could be overruled.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::api::{Error, ErrorCode};
use crate::pg::files::ReadFiles;

use super::{Conf, ConfSetting};

/// A value a setting is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The setting's name.
    pub name: String,
    /// The value, without quotes.
    pub value: String,
}

impl Wish {
    /// A wish from its parts.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// What becomes of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The setting's name.
    pub name: String,
    /// The value in the files now; `None` when none names it.
    pub old: Option<String>,
    /// The value it gets.
    pub new: String,
    /// The file that changes.
    pub file: Arc<Path>,
}

/// One file before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEdit {
    /// The file.
    pub path: Arc<Path>,
    /// Its content when it was read.
    pub before: Vec<u8>,
    /// Its content with the changes.
    pub after: Vec<u8>,
}

/// Changes to configuration files, not yet written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Setting by setting, in the order of the wishes; what is right already is left out.
    pub changes: Vec<Change>,
    /// File by file.
    pub files: Vec<FileEdit>,
}

/// A piece of a file to be replaced.
struct Splice {
    file: Arc<Path>,
    from: usize,
    to: usize,
    text: String,
}

/// Works out which bytes of which files change so that every wish comes true.
///
/// A setting that stands somewhere is changed there, also in `postgresql.auto.conf`, which
/// overrules the others. One that stands nowhere is put below its commented-out default in
/// `main`, or at the end of that file.
///
/// # Errors
/// `FileAccess` when a file cannot be read again, `UsageInvalid` for a value with a line break,
/// which the files cannot hold.
pub fn plan(
    files: &dyn ReadFiles,
    conf: &Conf,
    main: &Path,
    wishes: &[Wish],
) -> Result<Edit, Error> {
    let main: Arc<Path> = super::normalize(main).into();
    let main_content = read(files, &main)?;
    let mut edit = Edit::default();
    let mut splices = Vec::new();
    for wish in wishes {
        let literal = literal(wish)?;
        let standing = conf.get(&wish.name);
        if standing.is_some_and(|setting| setting.value == wish.value) {
            continue;
        }
        let splice = match standing {
            Some(setting) => replacing(setting, literal),
            None => adding(&main, &main_content, &wish.name, &literal, &splices),
        };
        edit.changes.push(Change {
            name: wish.name.clone(),
            old: standing.map(|setting| setting.value.clone()),
            new: wish.value.clone(),
            file: Arc::clone(&splice.file),
        });
        splices.push(splice);
    }
    edit.files = apply(files, splices)?;
    Ok(edit)
}

fn read(files: &dyn ReadFiles, path: &Path) -> Result<Vec<u8>, Error> {
    files.read(path).map_err(|error| {
        let fact = format!("configuration file \"{}\" cannot be read", path.display());
        Error::new(ErrorCode::FileAccess, fact).detail(error.to_string())
    })
}

/// The value as it is written: plain words bare, everything else in quotes.
///
/// Source: `GUC_scanstr()` in `src/backend/utils/misc/guc-file.l`.
fn literal(wish: &Wish) -> Result<String, Error> {
    if wish.value.contains(['\n', '\r', '\0']) {
        let fact = format!("the value of {} has a line break", wish.name);
        return Err(Error::new(ErrorCode::UsageInvalid, fact)
            .detail("configuration files hold one setting a line"));
    }
    let is_plain = !wish.value.is_empty()
        && wish.value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_plain {
        return Ok(wish.value.clone());
    }
    Ok(format!("'{}'", wish.value.replace('\\', "\\\\").replace('\'', "''")))
}

fn replacing(setting: &ConfSetting, text: String) -> Splice {
    let span = &setting.value_span;
    Splice { file: Arc::clone(&setting.file), from: span.start, to: span.end, text }
}

fn adding(
    main: &Arc<Path>,
    content: &[u8],
    name: &str,
    literal: &str,
    others: &[Splice],
) -> Splice {
    let mut text = String::new();
    let at = end_of_commented_default(content, name).unwrap_or(content.len());
    let is_first_here = !others.iter().any(|other| other.file == *main && other.from == at);
    // The last line of a file need not end.
    if is_first_here && at > 0 && content.get(at - 1) != Some(&b'\n') {
        text.push('\n');
    }
    let _ = writeln!(text, "{name} = {literal}");
    Splice { file: Arc::clone(main), from: at, to: at, text }
}

/// Behind the last line such as `#archive_mode = off  # comment`.
fn end_of_commented_default(content: &[u8], name: &str) -> Option<usize> {
    let mut found = None;
    let mut at = 0;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        let text = String::from_utf8_lossy(line);
        let Some(rest) = text.trim_start().strip_prefix('#') else { continue };
        let Some((left, _)) = rest.split_once('=') else { continue };
        if left.trim().eq_ignore_ascii_case(name) {
            found = Some(at);
        }
    }
    found
}

fn apply(files: &dyn ReadFiles, splices: Vec<Splice>) -> Result<Vec<FileEdit>, Error> {
    let mut edits: Vec<FileEdit> = Vec::new();
    let mut ordered: Vec<(usize, Splice)> = splices.into_iter().enumerate().collect();
    // From the end of each file, so that earlier positions stay right; of several additions at
    // one place the later goes in first.
    ordered.sort_by_key(|(nth, splice)| std::cmp::Reverse((splice.from, *nth)));
    for (_, splice) in ordered {
        let known = edits.iter().position(|edit| edit.path == splice.file);
        let index = match known {
            Some(index) => index,
            None => {
                let before = read(files, &splice.file)?;
                let after = before.clone();
                edits.push(FileEdit { path: Arc::clone(&splice.file), before, after });
                edits.len() - 1
            }
        };
        let after = &mut edits[index].after;
        if splice.to > after.len() {
            let fact = format!("\"{}\" changes at this moment", splice.file.display());
            return Err(Error::new(ErrorCode::FileAccess, fact)
                .detail("it is shorter than a moment ago")
                .hint("Try again when nobody edits it."));
        }
        after.splice(splice.from..splice.to, splice.text.bytes());
    }
    edits.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(edits)
}

/// The difference as `diff -u` shows it, without the line of times.
#[must_use]
pub fn unified_diff(edit: &FileEdit) -> String {
    let before = String::from_utf8_lossy(&edit.before);
    let after = String::from_utf8_lossy(&edit.after);
    let name = edit.path.display().to_string();
    similar::TextDiff::from_lines(before.as_ref(), after.as_ref())
        .unified_diff()
        .context_radius(2)
        .header(&name, &name)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::files::fake::FakeFiles;

    const MAIN: &str = "/d/postgresql.conf";

    fn edited(files: &FakeFiles, wishes: &[Wish]) -> Edit {
        let conf = Conf::load(files, Path::new(MAIN), Path::new("/d")).unwrap();
        plan(files, &conf, Path::new(MAIN), wishes).unwrap()
    }

    fn check(content: &str, wishes: &[Wish], expected: &str) {
        let files = FakeFiles::default().with(MAIN, content);
        let edit = edited(&files, wishes);
        let after = edit.files.first().map_or(content.as_bytes(), |file| file.after.as_slice());
        assert_eq!(String::from_utf8_lossy(after), expected);
        // What was written is what the server will read.
        let again = FakeFiles::default().with(MAIN, after);
        let conf = Conf::load(&again, Path::new(MAIN), Path::new("/d")).unwrap();
        assert!(conf.errors.is_empty(), "{:?}", conf.errors);
        for wish in wishes {
            assert_eq!(conf.value(&wish.name), Some(wish.value.as_str()));
        }
        assert!(edited(&again, wishes).changes.is_empty(), "a second time nothing changes");
    }

    #[test]
    fn comments_order_and_layout_stay() {
        check(
            "# mine\nwal_level = minimal\t# why\nport=5433\n",
            &[Wish::new("wal_level", "replica")],
            "# mine\nwal_level = replica\t# why\nport=5433\n",
        );
    }

    #[test]
    fn a_new_setting_goes_below_its_commented_default() {
        check(
            "#archive_mode = off\t\t# enables archiving\n\t\t\t# (change requires restart)\nport = 1\n",
            &[Wish::new("archive_mode", "on")],
            "#archive_mode = off\t\t# enables archiving\narchive_mode = on\n\t\t\t# (change requires restart)\nport = 1\n",
        );
    }

    #[test]
    fn others_go_to_the_end_in_order_also_behind_an_unfinished_line() {
        check(
            "port = 1",
            &[Wish::new("pgx.a", "x y"), Wish::new("pgx.b", "it's \\ 100%")],
            "port = 1\npgx.a = 'x y'\npgx.b = 'it''s \\\\ 100%'\n",
        );
        check("", &[Wish::new("pgx.a", "")], "pgx.a = ''\n");
    }

    #[test]
    fn the_value_that_counts_is_the_one_that_changes() {
        check("a.b = 1\na.b = 2\n", &[Wish::new("a.b", "3")], "a.b = 1\na.b = 3\n");
        let files = FakeFiles::default()
            .with(MAIN, "wal_level = replica\ninclude 'more.conf'\n")
            .with("/d/more.conf", "wal_level = minimal # here\n")
            .with("/d/postgresql.auto.conf", "archive_mode = 'off'\n");
        let wishes = [Wish::new("wal_level", "replica"), Wish::new("archive_mode", "on")];
        let edit = edited(&files, &wishes);
        let after: Vec<_> = edit
            .files
            .iter()
            .map(|file| (file.path.to_str().unwrap(), String::from_utf8_lossy(&file.after)))
            .collect();
        assert_eq!(after[0], ("/d/more.conf", "wal_level = replica # here\n".into()));
        assert_eq!(after[1], ("/d/postgresql.auto.conf", "archive_mode = on\n".into()));
        assert_eq!(edit.changes[0].old.as_deref(), Some("minimal"));
    }

    #[test]
    fn a_line_break_is_refused() {
        let files = FakeFiles::default().with(MAIN, "");
        let conf = Conf::load(&files, Path::new(MAIN), Path::new("/d")).unwrap();
        let error =
            plan(&files, &conf, Path::new(MAIN), &[Wish::new("pgx.a", "1\n2")]).unwrap_err();
        assert_eq!(error.code, ErrorCode::UsageInvalid);
    }

    #[test]
    fn the_difference_can_be_read() {
        let edit = FileEdit {
            path: Path::new("/d/postgresql.conf").into(),
            before: b"a = 1\nb = 2\n".to_vec(),
            after: b"a = 1\nb = 3\n".to_vec(),
        };
        let diff = unified_diff(&edit);
        assert!(diff.contains("-b = 2\n+b = 3\n"), "{diff}");
        assert!(diff.starts_with("--- /d/postgresql.conf\n+++ /d/postgresql.conf\n"), "{diff}");
    }
}
