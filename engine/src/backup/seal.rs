//! Making a backup complete: everything that is not in a pack, and the label last.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::document::{self, BackupDocument, Part};
use super::filelist::{FileList, hex_text};
use super::layout;
use super::manifest::{ExtraFile, Manifest};
use super::pack::write_new;
use crate::api::{Error, ErrorCode, Lsn, TimelineId};
use crate::sys::disk::Disk;

/// What the label is made durable after.
#[derive(Debug)]
pub struct Sealing<'a> {
    /// The file system.
    pub disk: &'a Disk,
    /// The backup destination.
    pub destination: &'a Path,
    /// The label without its parts.
    pub document: BackupDocument,
    /// The files.
    pub list: &'a FileList,
    /// Bytes and SHA-256 of the map.
    pub map: (u64, [u8; 32]),
    /// `pg_control`.
    pub control: Vec<u8>,
    /// `backup_label`.
    pub label_file: Vec<u8>,
    /// `tablespace_map`, empty without tablespaces.
    pub map_file: Vec<u8>,
    /// Where replay begins.
    pub start: Lsn,
    /// What it must reach.
    pub stop: Lsn,
    /// On which timeline.
    pub timeline: TimelineId,
}

/// Why a backup could not be made complete.
#[derive(Debug)]
pub struct Unsealed {
    /// What failed.
    pub error: Error,
    /// Whether it counts as complete all the same.
    pub label: LabelLeft,
}

/// What became of the label of a backup that could not be made complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelLeft {
    /// It is not there.
    Absent,
    /// It has its name, may be lost in a power cut, and could not be taken back.
    Standing,
}

impl Sealing<'_> {
    /// Writes everything, durably; the label as it stands then.
    ///
    /// # Errors
    /// `RepositoryWrite`. A label that has its name but is perhaps not durable is taken back:
    /// nobody may find a backup complete that was told to have failed.
    pub fn seal(mut self) -> Result<BackupDocument, Unsealed> {
        let directory = self.document.label.directory(self.destination);
        self.write(&directory).map_err(|error| {
            let label = self.take_back(&directory);
            Unsealed { error: failed(&directory, &error), label }
        })?;
        tidy_up(self.disk, &directory);
        Ok(self.document)
    }

    fn write(&mut self, directory: &Path) -> io::Result<()> {
        self.parts(directory)?;
        self.document.sizes.stored_bytes = self.document.parts.iter().map(|part| part.bytes).sum();
        let packed: u64 = self.document.packs.iter().map(|pack| pack.bytes).sum();
        self.document.sizes.stored_bytes += packed;
        let text = document::label_text(&self.document);
        self.disk.sync_directory(directory)?;
        self.disk.sync_directory(self.destination)?;
        document::store(self.disk, directory, layout::LABEL_FILE, &text)
    }

    fn take_back(&self, directory: &Path) -> LabelLeft {
        match self.disk.remove_file(&directory.join(layout::LABEL_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => LabelLeft::Standing,
            _ => LabelLeft::Absent,
        }
    }

    fn parts(&mut self, directory: &Path) -> io::Result<()> {
        let text = self.list.to_text();
        let listed = zstd::bulk::compress(text.as_bytes(), 3)?;
        drop(text);
        let mut files = vec![
            (layout::LIST_FILE, listed),
            (layout::CONTROL_FILE, self.control.clone()),
            (layout::BACKUP_LABEL_FILE, self.label_file.clone()),
        ];
        if !self.map_file.is_empty() {
            files.push((layout::TABLESPACE_MAP_FILE, self.map_file.clone()));
        }
        for (name, content) in &files {
            write_new(self.disk, &directory.join(name), content)?;
            self.document.parts.push(Part::of(name, content));
        }
        let (bytes, sum) = self.map;
        let map = Part { name: layout::MAP_FILE.to_owned(), bytes, sha256: hex_text(&sum) };
        self.document.parts.push(map);
        let extra = self.extra();
        let manifest = Manifest {
            list: self.list,
            extra: &extra,
            major: self.document.cluster.server_version_num / 10_000,
            system_identifier: &self.document.cluster.system_identifier,
            timeline: self.timeline,
            start: self.start,
            stop: self.stop,
        };
        self.document.parts.push(manifest.write(self.disk, directory)?);
        Ok(())
    }

    fn extra(&self) -> Vec<ExtraFile> {
        let modified_s = self.document.ended_at.timestamp();
        let file = |path: &str, content: &[u8]| ExtraFile {
            path: path.to_owned(),
            modified_s,
            content: content.to_vec(),
        };
        let mut extra = vec![
            file(super::exclude::CONTROL_FILE, &self.control),
            file(layout::BACKUP_LABEL_FILE, &self.label_file),
        ];
        if !self.map_file.is_empty() {
            extra.push(file(layout::TABLESPACE_MAP_FILE, &self.map_file));
        }
        extra
    }
}

/// What only an unfinished backup needs. It does no harm when it stays.
fn tidy_up(disk: &Disk, directory: &Path) {
    let Ok(entries) = disk.list(directory) else { return };
    for entry in entries {
        if is_leftover(&entry.name) {
            let _ = disk.remove_file(&directory.join(&entry.name));
        }
    }
}

/// Whether a name in a backup's directory is of an unfinished backup only.
#[must_use]
pub fn is_leftover(name: &str) -> bool {
    let is_journal = layout::pack_number(name).is_some() && name.ends_with(".journal");
    is_journal || name == layout::PROGRESS_FILE || (name.starts_with('.') && name.ends_with(".tmp"))
}

/// Whether the SHA-256 of a part's content is the one in the label.
#[must_use]
pub fn is_part(part: &Part, content: &[u8]) -> bool {
    u64::try_from(content.len()) == Ok(part.bytes)
        && hex_text(&Sha256::digest(content)) == part.sha256
}

fn failed(directory: &Path, error: &io::Error) -> Error {
    let fact = format!("the backup in \"{}\" cannot be completed", directory.display());
    Error::new(ErrorCode::RepositoryWrite, fact).detail(error.to_string())
}
