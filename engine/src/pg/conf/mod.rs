//! `postgresql.conf` and its family, read as the server reads them.
//!
//! Owns syntax, includes and precedence; knows no setting by meaning and changes no file.
//! Each setting keeps its file, line and the bytes it stands on, so that a later editor can
//! replace a value and leave comments and layout alone. The command line and `ALTER ROLE`
//! are above these files and not known here.
//!
//! Source: "Setting Parameters" in the PostgreSQL manual; `guc-file.l` and `conffiles.c` in
//! `src/backend/utils/misc`.

pub mod edit;
mod lexer;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::api::{Error, ErrorCode};

use super::files::{FileKind, ReadFiles};

pub use lexer::{ConfItem, ConfItemKind, scan};
pub use value::{BaseUnit, as_bool, as_int_with_unit, as_list};

/// The main file's name in the data directory, unless `config_file` names another.
pub const CONF_FILE: &str = "postgresql.conf";

/// The file that `ALTER SYSTEM` writes, always in the data directory.
pub const AUTO_CONF_FILE: &str = "postgresql.auto.conf";

/// How deep includes may nest (`CONF_FILE_MAX_DEPTH`).
const DEPTH_MAX: u32 = 10;

/// One setting as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfSetting {
    /// The name as written; case does not matter.
    pub name: String,
    /// The value without quotes and escapes, its unit left in.
    pub value: String,
    /// The file.
    pub file: Arc<Path>,
    /// The line in it, from 1.
    pub line: u32,
    /// Where the name stands, in bytes of the file.
    pub name_span: Range<usize>,
    /// Where the value stands, quotes included, in bytes of the file.
    pub value_span: Range<usize>,
}

/// Something the server would complain about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfError {
    /// The file.
    pub file: Arc<Path>,
    /// The line in it, from 1; `None` when the whole file is meant.
    pub line: Option<u32>,
    /// What is wrong, lower case.
    pub what: String,
}

impl fmt::Display for ConfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.what),
            None => write!(f, "{}: {}", self.file.display(), self.what),
        }
    }
}

/// Everything the configuration files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conf {
    /// Every setting in the order the server meets them; of equal names the last counts.
    pub settings: Vec<ConfSetting>,
    /// What is wrong. With any of these the server does not start and a reload does nothing.
    pub errors: Vec<ConfError>,
    /// The files that were read, in order, each as often as it was included.
    pub files: Vec<Arc<Path>>,
}

impl Conf {
    /// Reads `config_file` with all its includes, then `postgresql.auto.conf` of
    /// `data_directory` over it.
    ///
    /// What is wrong inside lands in [`Conf::errors`]; everything else is read all the same.
    ///
    /// # Errors
    /// [`ErrorCode::FileAccess`] when `config_file` itself cannot be read.
    pub fn load(
        files: &dyn ReadFiles,
        config_file: &Path,
        data_directory: &Path,
    ) -> Result<Self, Error> {
        let main = normalize(config_file);
        let content = files.read(&main).map_err(|error| {
            Error::new(
                ErrorCode::FileAccess,
                format!("configuration file \"{}\" cannot be read", main.display()),
            )
            .detail(error.to_string())
        })?;
        let mut loader = Loader { files, data_directory, conf: Self::default() };
        loader.file(&main.into(), &content, 0);
        // `ProcessConfigFileInternal()` in guc.c: missing is no error.
        let auto = normalize(&data_directory.join(AUTO_CONF_FILE));
        if let Ok(content) = files.read(&auto) {
            loader.file(&auto.into(), &content, 0);
        }
        Ok(loader.conf)
    }

    /// The setting that counts under a name, in any case of its letters.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ConfSetting> {
        self.settings.iter().rfind(|setting| setting.name.eq_ignore_ascii_case(name))
    }

    /// The value that counts under a name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(|setting| setting.value.as_str())
    }
}

struct Loader<'a> {
    files: &'a dyn ReadFiles,
    data_directory: &'a Path,
    conf: Conf,
}

/// Where an include stands: the file and its line.
struct Caller<'a> {
    file: &'a Arc<Path>,
    line: u32,
}

impl Loader<'_> {
    fn file(&mut self, file: &Arc<Path>, content: &[u8], depth: u32) {
        self.conf.files.push(Arc::clone(file));
        for ConfItem { line, kind } in scan(content) {
            let caller = Caller { file, line };
            match kind {
                ConfItemKind::SyntaxError { near } if near.is_empty() => {
                    self.complain(&caller, "syntax error near end of line");
                }
                ConfItemKind::SyntaxError { near } => {
                    self.complain(&caller, format!("syntax error near token \"{near}\""));
                }
                ConfItemKind::TooManyErrors => {
                    self.complain(&caller, "too many syntax errors, the rest was not read");
                }
                ConfItemKind::Assignment { name, value, name_span, value_span } => {
                    match name.to_ascii_lowercase().as_str() {
                        "include" => self.include(&caller, &value, depth + 1, Missing::IsAnError),
                        "include_if_exists" => {
                            self.include(&caller, &value, depth + 1, Missing::IsFine);
                        }
                        "include_dir" => self.include_dir(&caller, &value, depth + 1),
                        _ => self.conf.settings.push(ConfSetting {
                            name,
                            value,
                            file: Arc::clone(file),
                            line,
                            name_span,
                            value_span,
                        }),
                    }
                }
            }
        }
    }

    fn include(&mut self, caller: &Caller<'_>, target: &str, depth: u32, missing: Missing) {
        if target.bytes().all(|byte| b" \t\r\n".contains(&byte)) {
            return self.complain(caller, "empty configuration file name");
        }
        let path = self.absolute(caller, target);
        if depth > DEPTH_MAX {
            let what = format!("\"{}\" is included more than 10 deep", path.display());
            return self.complain(caller, what);
        }
        if path == **caller.file {
            return self.complain(caller, "the file includes itself");
        }
        match self.files.read(&path) {
            Ok(content) => self.file(&path.into(), &content, depth),
            Err(_) if missing == Missing::IsFine => {}
            Err(error) => {
                let what = format!("could not open file \"{}\": {error}", path.display());
                self.complain(caller, what);
            }
        }
    }

    fn include_dir(&mut self, caller: &Caller<'_>, target: &str, depth: u32) {
        if target.bytes().all(|byte| b" \t\r\n".contains(&byte)) {
            return self.complain(caller, "empty configuration directory name");
        }
        let directory = self.absolute(caller, target);
        let names = match self.files.list(&directory) {
            Ok(names) => names,
            Err(error) => {
                let what = format!("could not open directory \"{}\": {error}", directory.display());
                return self.complain(caller, what);
            }
        };
        // `GetConfFilesInDir()`: names of six bytes and more that end in .conf, no dot files,
        // no directories, sorted as strcmp does.
        let mut names: Vec<Vec<u8>> =
            names.into_iter().map(std::ffi::OsString::into_encoded_bytes).collect();
        names.sort_unstable();
        for name in names {
            if name.len() < 6 || name.starts_with(b".") || !name.ends_with(b".conf") {
                continue;
            }
            let Ok(name) = String::from_utf8(name) else { continue };
            let path = directory.join(&name);
            let is_directory = match self.files.facts(&path) {
                Ok(facts) => facts.kind == FileKind::Directory,
                Err(_) => false,
            };
            if !is_directory {
                let target = path.to_string_lossy().into_owned();
                self.include(caller, &target, depth, Missing::IsAnError);
            }
        }
    }

    /// A name in an include: relative ones start where the including file lies
    /// (`AbsoluteConfigLocation()`).
    fn absolute(&self, caller: &Caller<'_>, target: &str) -> PathBuf {
        let base = caller.file.parent().unwrap_or(self.data_directory);
        normalize(&base.join(target))
    }

    fn complain(&mut self, caller: &Caller<'_>, what: impl Into<String>) {
        self.conf.errors.push(ConfError {
            file: Arc::clone(caller.file),
            line: Some(caller.line),
            what: what.into(),
        });
    }
}

/// Whether an included file must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    IsAnError,
    IsFine,
}

/// Resolves `.` and `..` in the text alone (`canonicalize_path()` in `src/port/path.c`).
fn normalize(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            Component::ParentDir if out.has_root() => {}
            other => out.push(other),
        }
    }
    out
}
