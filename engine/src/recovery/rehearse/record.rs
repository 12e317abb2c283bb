//! The evidence of rehearsals: `rehearsals.jsonl` of the destination, one object a line.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::api::RehearsalRecord;
use crate::sys::disk::Disk;

/// In the destination.
pub(super) const FILE: &str = "rehearsals.jsonl";
/// More is not read.
const BYTES_MAX: u64 = 64 << 20;

/// The rehearsals of a destination, oldest first. Lines that make no sense are left out: the
/// last one may be cut.
///
/// # Errors
/// As reading files, but for a file that is not there.
pub fn records(disk: &Disk, destination: &Path) -> io::Result<Vec<RehearsalRecord>> {
    match disk.read(&destination.join(FILE), BYTES_MAX) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Appends a rehearsal, durably. A line that was cut before is ended first.
///
/// # Errors
/// As writing and syncing files.
pub(super) fn append(disk: &Disk, destination: &Path, record: &RehearsalRecord) -> io::Result<()> {
    let path = destination.join(FILE);
    let mut file = match disk.create(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.open_for_update(&path)?
        }
        Err(error) => return Err(error),
    };
    let mut line = serde_json::to_string(record).map_err(io::Error::other)?;
    line.push('\n');
    let size = file.size()?;
    if size > 0 {
        let mut last = [0];
        file.seek(SeekFrom::Start(size - 1))?;
        file.read_exact(&mut last)?;
        if last != [b'\n'] {
            line.insert(0, '\n');
        }
    }
    file.seek(SeekFrom::End(0))?;
    file.write_all(line.as_bytes())?;
    file.sync()?;
    disk.sync_directory(destination)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rehearsal that went well.
    fn sample(backup: &str) -> RehearsalRecord {
        RehearsalRecord {
            at: "2026-07-01T13:30:40Z".parse().unwrap(),
            ok: true,
            target: "the latest position".into(),
            backup: backup.into(),
            reached: Some("0/3000148".parse().unwrap()),
            last_commit_at: None,
            restore_seconds: 1.5,
            restore_bytes: 1 << 20,
            replay_seconds: 0.25,
            replay_bytes: 1 << 10,
            checks: vec!["pg_amcheck: nothing found".into()],
            error: None,
        }
    }

    #[test]
    fn what_is_appended_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::real();
        assert_eq!(records(&disk, directory.path()).unwrap(), []);
        let all: Vec<_> = ["a", "b", "c"].map(sample).into();
        for record in &all[..2] {
            append(&disk, directory.path(), record).unwrap();
        }
        let path = directory.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 4]).unwrap();
        assert_eq!(records(&disk, directory.path()).unwrap(), all[..1]);
        // The next one is not lost in the cut line.
        append(&disk, directory.path(), &all[2]).unwrap();
        assert_eq!(records(&disk, directory.path()).unwrap(), [sample("a"), sample("c")]);
    }
}
