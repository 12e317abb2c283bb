//! The documents of a backup: its label, what is in progress, what was verified.
//!
//! The label ends with a checksum of everything before it, as PostgreSQL's manifest does.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::codec::Codec;
use super::filelist::hex_text;
use super::layout::{self, Label};
use super::pack::PackRecord;
use crate::api::BackupKind;
use crate::sys::disk::Disk;

/// The format this pgdeck writes; a higher one is not read.
pub const FORMAT: u32 = 1;
/// Bytes of a document at most: a label lists its packs.
const BYTES_MAX: u64 = 64 << 20;
const CHECKSUM_KEY: &str = "\n  \"checksum\": \"";

/// The label of a complete backup.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct BackupDocument {
    /// Version of the format.
    pub format: u32,
    /// Its name.
    pub label: Label,
    /// Full or incremental.
    pub kind: BackupKind,
    /// The backup this one is based on.
    pub parent: Option<Label>,
    /// When it was begun.
    pub started_at: DateTime<Utc>,
    /// When it was complete.
    pub ended_at: DateTime<Utc>,
    /// Where it comes from.
    pub cluster: ClusterFacts,
    /// `START WAL LOCATION`.
    pub start_lsn: String,
    /// What the server gave at the stop: replay must reach it.
    pub stop_lsn: String,
    /// The timeline of both.
    pub timeline: u32,
    /// Whether it was taken from a standby.
    pub from_standby: bool,
    /// Compression of its packs.
    pub compression: Codec,
    /// Threads that copied.
    pub jobs: u32,
    /// Figures.
    pub sizes: Sizes,
    /// Tablespaces outside of the data directory.
    pub tablespaces: Vec<TablespaceFacts>,
    /// Where `pg_wal` was, when it was a symbolic link.
    pub wal_location: Option<PathBuf>,
    /// Pages whose checksum did not fit.
    pub checksum_failures: Vec<ChecksumFailure>,
    /// What was left out although nobody said so.
    pub warnings: Vec<String>,
    /// The other files of the backup but the packs.
    pub parts: Vec<Part>,
    /// The packs.
    pub packs: Vec<PackRecord>,
    /// SHA-256 of the public half of the keystore, when the cluster is encrypted.
    pub keystore_fingerprint: Option<String>,
    /// The pgdeck that took it.
    pub pgdeck_version: String,
}

/// What a database cluster is told from others by, and how it is built.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ClusterFacts {
    /// `system_identifier`, in decimal.
    pub system_identifier: String,
    /// `server_version_num`.
    pub server_version_num: u32,
    /// `catalog_version_no`.
    pub catalog_version: u32,
    /// Bytes of a data page.
    pub block_bytes: u32,
    /// Pages of one file of a relation.
    pub segment_blocks: u32,
    /// Bytes of a WAL segment.
    pub wal_segment_bytes: u32,
    /// Whether pages carry checksums.
    pub data_checksums: bool,
    /// The data directory.
    pub data_directory: PathBuf,
    /// The machine.
    pub host: String,
}

/// Figures of a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Sizes {
    /// Files of the cluster that are part of the backup.
    pub files: u64,
    /// Their bytes.
    pub cluster_bytes: u64,
    /// Bytes read of the cluster; unchanged files are not read.
    pub read_bytes: u64,
    /// Bytes of content that were stored, before compression.
    pub copied_bytes: u64,
    /// Bytes in the destination.
    pub stored_bytes: u64,
    /// Files taken over from an interrupted backup.
    pub adopted_files: u64,
    /// Milliseconds from the first file to the last.
    pub copy_ms: u64,
}

/// A tablespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TablespaceFacts {
    /// Its OID.
    pub oid: String,
    /// Where it was.
    pub location: PathBuf,
}

/// Damaged pages of one file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ChecksumFailure {
    /// Path below the data directory.
    pub path: String,
    /// Damaged pages in it.
    pub count: u64,
    /// The first of them, counted from the beginning of the relation.
    pub blocks: Vec<u32>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Part {
    /// File name.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Part {
    /// What is to be known of a file with this content.
    #[must_use]
    pub fn of(name: &str, content: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            bytes: u64::try_from(content.len()).unwrap_or(0),
            sha256: hex_text(&Sha256::digest(content)),
        }
    }
}

/// What is being done in a directory without a label.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ProgressDocument {
    /// Version of the format.
    pub format: u32,
    /// Full or incremental.
    pub kind: BackupKind,
    /// What it is based on.
    pub parent: Option<Label>,
    /// When it was begun.
    pub started_at: DateTime<Utc>,
    /// Where it comes from.
    pub cluster: ClusterFacts,
    /// The timeline.
    pub timeline: u32,
    /// Process that takes it.
    pub pid: u32,
    /// When that process began, in clock ticks since boot.
    pub pid_start_ticks: u64,
    /// Machine of the process.
    pub host: String,
}

/// What the last verification of a backup found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct VerifyDocument {
    /// Version of the format.
    pub format: u32,
    /// When it ended.
    pub verified_at: DateTime<Utc>,
    /// Whether nothing was wrong.
    pub sound: bool,
    /// What was wrong, in words.
    pub findings: Vec<String>,
}

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is not there.
    #[error("it is missing")]
    Missing,
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(io::Error),
    /// It makes no sense or its checksum does not fit.
    #[error("{0}")]
    Damaged(String),
}

/// The label as text, with its checksum.
#[must_use]
pub fn label_text(document: &BackupDocument) -> String {
    // Texts, numbers and lists of them always have a JSON form.
    let json = serde_json::to_string_pretty(document).unwrap_or_default();
    let open = json.trim_end_matches('}').trim_end();
    let sum = hex_text(&Sha256::digest(open.as_bytes()));
    format!("{open},{CHECKSUM_KEY}{sum}\"\n}}\n")
}

/// Reads a label.
///
/// # Errors
/// What does not fit, in words.
pub fn parse_label(text: &str) -> Result<BackupDocument, String> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let (open, rest) = text.rsplit_once(CHECKSUM_KEY).ok_or("it has no checksum")?;
    let open = open.strip_suffix(',').ok_or("it has no checksum")?;
    let sum = hex_text(&Sha256::digest(open.as_bytes()));
    if rest.strip_suffix("\"\n}\n") != Some(sum.as_str()) {
        return Err("its checksum does not fit".to_owned());
    }
    let version: Version = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if version.format != FORMAT {
        return Err(format!("its format is {}; this pgdeck knows {FORMAT}", version.format));
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Reads the label of a backup.
///
/// # Errors
/// [`DocumentError`].
pub fn load_label(disk: &Disk, directory: &Path) -> Result<BackupDocument, DocumentError> {
    let text = read(disk, &directory.join(layout::LABEL_FILE))?;
    parse_label(&text).map_err(DocumentError::Damaged)
}

/// Reads another document of a backup.
///
/// # Errors
/// [`DocumentError`].
pub fn load<T: for<'a> Deserialize<'a>>(
    disk: &Disk,
    directory: &Path,
    name: &str,
) -> Result<T, DocumentError> {
    let text = read(disk, &directory.join(name))?;
    serde_json::from_str(&text).map_err(|error| DocumentError::Damaged(error.to_string()))
}

fn read(disk: &Disk, path: &Path) -> Result<String, DocumentError> {
    let bytes = disk.read(path, BYTES_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => DocumentError::Missing,
        _ => DocumentError::Unreadable(error),
    })?;
    String::from_utf8(bytes).map_err(|_| DocumentError::Damaged("it is no text".to_owned()))
}

/// Writes a document durably: whole or not at all, replacing an older one.
///
/// # Errors
/// As writing, syncing and renaming files.
pub fn store(disk: &Disk, directory: &Path, name: &str, text: &str) -> io::Result<()> {
    let temporary = directory.join(format!(".{name}.tmp"));
    match disk.remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = disk.create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync()?;
    disk.replace(&temporary, &directory.join(name))?;
    disk.sync_directory(directory)
}

/// A document as text.
#[must_use]
pub fn to_text(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A label with everything in it.
    pub(crate) fn sample(label: &str, parent: Option<&str>) -> BackupDocument {
        let label: Label = label.parse().unwrap();
        BackupDocument {
            format: FORMAT,
            kind: if parent.is_some() { BackupKind::Incremental } else { BackupKind::Full },
            parent: parent.map(|text| text.parse().unwrap()),
            started_at: label.moment(),
            ended_at: label.moment() + chrono::Duration::seconds(10),
            label,
            cluster: ClusterFacts {
                system_identifier: "7649182736450918273".into(),
                server_version_num: 170_002,
                catalog_version: 202_406_281,
                block_bytes: 8192,
                segment_blocks: 131_072,
                wal_segment_bytes: 16 << 20,
                data_checksums: true,
                data_directory: "/data/\"inst1\"".into(),
                host: "db1".into(),
            },
            start_lsn: "0/2000028".into(),
            stop_lsn: "0/2000158".into(),
            timeline: 1,
            from_standby: false,
            compression: Codec::Zstd(1),
            jobs: 2,
            sizes: Sizes { files: 900, cluster_bytes: 30 << 20, ..Sizes::default() },
            tablespaces: Vec::new(),
            wal_location: None,
            checksum_failures: Vec::new(),
            warnings: vec!["\"checksum\": \"".into()],
            parts: vec![Part::of("pg_control", b"x")],
            packs: Vec::new(),
            keystore_fingerprint: None,
            pgdeck_version: "0.1.0".into(),
        }
    }

    #[test]
    fn a_label_comes_back_and_any_change_is_seen() {
        let document = sample("2026-07-01_13-30-40", Some("2026-06-30_13-30-40"));
        let text = label_text(&document);
        assert_eq!(parse_label(&text).unwrap(), document);
        let is_json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(is_json["checksum"].as_str().unwrap().len(), 64);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8_lossy(&bytes).into_owned();
            assert!(parse_label(&changed).is_err(), "byte {at}");
            assert!(parse_label(&text[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn newer_formats_are_not_read() {
        let mut document = sample("2026-07-01_13-30-40", None);
        document.format = 2;
        assert!(parse_label(&label_text(&document)).unwrap_err().contains("format is 2"));
    }
}
