//! What is wrong with a theme file.

use std::fmt;

/// What is wrong, where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThemeError {
    /// The file, or the name of an embedded theme.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The role or palette entry concerned.
    pub role: Option<String>,
    /// The fact, in lower case.
    pub fact: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for ThemeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(role) = &self.role {
            write!(f, ": role \"{role}\"")?;
        }
        write!(f, ": {}", self.fact)
    }
}

impl std::error::Error for ThemeError {}
