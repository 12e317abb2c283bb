//! Standard output for results, standard error for diagnostics. A closed pipe ends output
//! quietly, as `head` expects.

use std::io::{IsTerminal, Write};

use pgdeck_engine::api::Error;

use crate::text;

/// Writes a line of results. Text that came from a server must be cleaned before.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
}

/// Writes results as they are.
pub fn raw(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Writes a JSON document.
pub fn json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(&text),
        Err(error) => note(&format!("the result cannot be written as JSON: {error}")),
    }
}

/// Writes a line of diagnostics.
pub fn note(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{}", text::clean(text));
}

/// Writes an error in its three lines.
pub fn error(error: &Error) {
    error_of("pgdeck", error);
}

/// Writes an error under the name the program was called by.
pub fn error_of(program: &str, error: &Error) {
    let mut out = std::io::stderr().lock();
    for line in format!("{program}: {error}").lines() {
        let _ = writeln!(out, "{}", text::clean(line));
    }
}

/// Whether progress may be shown.
#[must_use]
pub fn is_interactive() -> bool {
    std::io::stderr().is_terminal()
}

/// Shows progress on one line of a terminal, over the one before.
pub fn progress(text: &str) {
    if is_interactive() {
        let mut out = std::io::stderr().lock();
        let _ = write!(out, "\r\x1b[K{}", text::clean(text));
        let _ = out.flush();
    }
}

/// Asks a question on a terminal; only `y` or `yes` is a yes.
#[must_use]
pub fn ask(question: &str) -> bool {
    matches!(answer(question).to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Asks for a name to be typed, for what cannot be taken back lightly.
#[must_use]
pub fn ask_typed(question: &str, name: &str) -> bool {
    answer(question) == name
}

/// The answer to a question; empty when there is none.
fn answer(question: &str) -> String {
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{question}");
    let _ = err.flush();
    drop(err);
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(_) => answer.trim().to_owned(),
        Err(_) => String::new(),
    }
}

/// Ends the progress line.
pub fn progress_end() {
    if is_interactive() {
        let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
    }
}

/// A plain table: columns as wide as their widest cell, the last one unpadded.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a heading.
    #[must_use]
    pub fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    /// Adds a row; its cells are cleaned.
    pub fn row(&mut self, cells: &[&str]) {
        self.rows.push(cells.iter().map(|cell| text::clean(cell).into_owned()).collect());
    }

    /// Rows without the heading.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len().saturating_sub(1)
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes it.
    pub fn print(&self) {
        raw(&self.render());
    }

    fn render(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| text::width(cell)).max().unwrap_or(0)
            })
            .collect();
        let mut out = String::new();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                out.push_str(cell);
                if column + 1 < row.len() {
                    let padding = widths[column].saturating_sub(text::width(cell)) + 2;
                    out.extend(std::iter::repeat_n(' ', padding));
                }
            }
            while out.ends_with(' ') {
                out.pop();
            }
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_texts_are_harmless() {
        let mut table = Table::new(&["pid", "query"]);
        table.row(&["7", "select\n\u{1b}[31m1"]);
        table.row(&["1234", ""]);
        let rendered = table.render();
        assert!(!rendered.contains('\u{1b}'));
        let lines: Vec<_> = rendered.lines().collect();
        assert_eq!(lines[0], "pid   query");
        assert!(lines[1].starts_with("7     select"));
        assert_eq!(lines[2], "1234");
    }
}
