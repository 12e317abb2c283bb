//! What `wal-push` and `wal-get` are asked and what they answer.

use std::path::PathBuf;
use std::str::FromStr;

/// How a segment is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalCompression {
    /// Zstandard with this level, 1 to 19.
    Zstd(i32),
    /// An LZ4 frame.
    Lz4,
    /// As it is.
    None,
}

impl Default for WalCompression {
    fn default() -> Self {
        Self::Zstd(1)
    }
}

/// The text names no compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected zstd, zstd:LEVEL (1 to 19), lz4 or none")]
pub struct ParseCompressionError;

impl FromStr for WalCompression {
    type Err = ParseCompressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None => match text {
                "zstd" => Ok(Self::default()),
                "lz4" => Ok(Self::Lz4),
                "none" => Ok(Self::None),
                _ => Err(ParseCompressionError),
            },
            Some(("zstd", level)) => match level.parse() {
                Ok(level @ 1..=19) => Ok(Self::Zstd(level)),
                _ => Err(ParseCompressionError),
            },
            Some(_) => Err(ParseCompressionError),
        }
    }
}

/// Where the archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalPlace {
    /// In this backup destination, in the directory pgdeck chooses.
    Destination(PathBuf),
    /// This file in the archive, as the operations guide's commands name it
    /// (`DEST/archived_wal/%f` or `DEST/archived_xlog/%f`).
    File(PathBuf),
}

/// `archive_command`: put a file into the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalPush {
    /// The file, `%p`.
    pub source: PathBuf,
    /// Where to.
    pub place: WalPlace,
    /// How.
    pub compression: WalCompression,
    /// The cluster's data directory, when `source` does not tell.
    pub data_directory: Option<PathBuf>,
}

/// What a push did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalPushed {
    /// The name in the archive, with its suffix.
    pub stored_name: String,
    /// Whether it was there before with the same content.
    pub was_there: bool,
    /// What did not go well and does not matter for the push.
    pub warnings: Vec<String>,
}

/// `restore_command`: get a file out of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalGet {
    /// The name, `%f`; not used with [`WalPlace::File`], which has it.
    pub name: String,
    /// Where to put it, `%p`.
    pub target: PathBuf,
    /// Where from; `None` takes `pgx.backup_destination` of the data directory.
    pub place: Option<WalPlace>,
    /// The cluster's data directory; the current directory when it is one.
    pub data_directory: Option<PathBuf>,
    /// Segments to fetch ahead.
    pub prefetch: u32,
    /// Where a recovery has saved WAL that is not in the archive.
    pub rescued: Option<PathBuf>,
}
