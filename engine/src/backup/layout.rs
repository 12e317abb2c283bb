//! Names in a backup destination.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

/// The label: a backup is complete when it is there and whole. Written last.
pub const LABEL_FILE: &str = "backup.json";
/// What is being done; there until the label is.
pub const PROGRESS_FILE: &str = "in-progress.json";
/// What the last verification found.
pub const VERIFY_FILE: &str = "verify.json";
/// The list of files.
pub const LIST_FILE: &str = "files.tsv.zst";
/// The hashes of blocks.
pub const MAP_FILE: &str = "blocks.map";
/// `global/pg_control`, as read at the end.
pub const CONTROL_FILE: &str = "pg_control";
/// `backup_label`, byte for byte as the server gave it.
pub const BACKUP_LABEL_FILE: &str = "backup_label";
/// `tablespace_map`, byte for byte as the server gave it.
pub const TABLESPACE_MAP_FILE: &str = "tablespace_map";
/// The manifest that `pg_verifybackup` reads.
pub const MANIFEST_FILE: &str = "backup_manifest";
/// Where the changed blocks of an incremental backup are inside of the packs.
pub const DELTA_DIRECTORY: &str = "pgdeck_delta";
/// The register of restore points.
pub const RESTORE_POINTS_FILE: &str = "restore_points.tsv";
/// Held with `flock(2)` by whoever changes backups in the destination.
pub const LOCK_FILE: &str = "backup.lock";

const LABEL_FORMAT: &str = "%Y-%m-%d_%H-%M-%S";

/// The name of a backup: when it was begun, in UTC, such as `2026-07-01_13-30-40`. Cheap to
/// clone: a list of files names a few backups very often.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(Arc<str>);

/// The text is not the name of a backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a backup, which looks like 2026-07-01_13-30-40")]
pub struct ParseLabelError;

impl Label {
    /// The name of a backup begun then.
    #[must_use]
    pub fn at(moment: DateTime<Utc>) -> Self {
        Self(moment.format(LABEL_FORMAT).to_string().into())
    }

    /// When the backup was begun.
    #[must_use]
    pub fn moment(&self) -> DateTime<Utc> {
        NaiveDateTime::parse_from_str(&self.0, LABEL_FORMAT)
            .map(|naive| naive.and_utc())
            .unwrap_or_default()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The backup's directory.
    #[must_use]
    pub fn directory(&self, destination: &Path) -> PathBuf {
        destination.join(self.as_str())
    }
}

impl FromStr for Label {
    type Err = ParseLabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = NaiveDateTime::parse_from_str(text, LABEL_FORMAT);
        let naive = parsed.map_err(|_| ParseLabelError)?;
        // The parser takes single digits, too; a name has one form only.
        if naive.format(LABEL_FORMAT).to_string() == text {
            Ok(Self(text.into()))
        } else {
            Err(ParseLabelError)
        }
    }
}

impl TryFrom<String> for Label {
    type Error = ParseLabelError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0.as_ref().to_owned()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pack's file name; packs are numbered from 1.
#[must_use]
pub fn pack_name(number: u32, suffix: &str) -> String {
    format!("pack-{number:04}.tar{suffix}")
}

/// The name of the journal of a pack that is being written.
#[must_use]
pub fn journal_name(number: u32) -> String {
    format!("pack-{number:04}.journal")
}

/// The number in a pack's or a pack journal's name.
#[must_use]
pub fn pack_number(name: &str) -> Option<u32> {
    let rest = name.strip_prefix("pack-")?;
    let digits = rest.split('.').next()?;
    if digits.len() < 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_one_form() {
        let label: Label = "2026-07-01_13-30-40".parse().unwrap();
        assert_eq!(label.moment().to_rfc3339(), "2026-07-01T13:30:40+00:00");
        assert_eq!(Label::at(label.moment()), label);
        for text in ["", "2026-7-1_13-30-40", "2026-07-01_13-30-40x", "2026-13-01_00-00-00", "x"] {
            assert_eq!(text.parse::<Label>(), Err(ParseLabelError), "{text}");
        }
    }

    #[test]
    fn pack_names() {
        assert_eq!(pack_name(7, ".zst"), "pack-0007.tar.zst");
        for (name, expected) in [
            ("pack-0007.tar.zst", Some(7)),
            ("pack-0007.journal", Some(7)),
            ("pack-12345.tar", Some(12_345)),
            ("pack-0000.tar", None),
            ("pack-7.tar", None),
            ("pack-.tar", None),
            ("files.tsv.zst", None),
        ] {
            assert_eq!(pack_number(name), expected, "{name}");
        }
    }
}
