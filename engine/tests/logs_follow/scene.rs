//! A directory with a log, and a follower of it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use pgdeck_engine::api::{LogFormat, LogSource, Result};
use pgdeck_engine::logs::{FileBytes, Follower, ParserSettings};
use tempfile::TempDir;

/// A directory with a log, and a follower of it.
pub(crate) struct Scene {
    pub(crate) directory: TempDir,
    pub(crate) follower: Follower<FileBytes>,
    clock: u32,
}

pub(crate) fn file_source(path: PathBuf) -> LogSource {
    LogSource::File { path, format: LogFormat::Stderr }
}

pub(crate) fn open(source: &LogSource) -> FileBytes {
    match source {
        LogSource::File { path, .. } => FileBytes::new(path),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn follower(path: PathBuf) -> Follower<FileBytes> {
    let source = file_source(path);
    let bytes = open(&source);
    Follower::new(source, bytes, ParserSettings::default())
}

impl Scene {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap_or_else(|error| panic!("{error}"));
        let follower = follower(directory.path().join("a.log"));
        Self { directory, follower, clock: 0 }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A line of the server, one second after the one before.
    pub(crate) fn line(&mut self, text: &str) -> String {
        self.clock += 1;
        let (hour, minute, second) = (self.clock / 3600, self.clock / 60 % 60, self.clock % 60);
        format!("2026-01-02 {hour:02}:{minute:02}:{second:02}.000 UTC [7] {text}\n")
    }

    pub(crate) fn append(&mut self, name: &str, texts: &[&str]) {
        let lines: String = texts.iter().map(|text| self.line(text)).collect();
        append(&self.path(name), lines.as_bytes());
    }

    /// Polls twice, so that nothing is waiting for more lines.
    pub(crate) fn poll(&mut self) -> Result<usize> {
        Ok(self.follower.poll()?.added + self.follower.poll()?.added)
    }

    pub(crate) fn messages(&self) -> Vec<&str> {
        self.follower.entries().iter().map(|entry| entry.message.as_str()).collect()
    }
}

pub(crate) fn append(path: &Path, bytes: &[u8]) {
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(bytes));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
