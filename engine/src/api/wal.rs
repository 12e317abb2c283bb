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
    /// This program, which is started once more to fetch ahead; `None` looks not ahead.
    pub program: Option<PathBuf>,
    /// Where a recovery has saved WAL that is not in the archive.
    pub rescued: Option<PathBuf>,
    /// The last segment that the recovery's plan needs; for what lies behind it every fault is
    /// the end. See [`WalGet::is_behind`].
    pub until: Option<String>,
}

impl WalGet {
    /// Whether a segment is asked for that lies behind the last one of the plan. Servers of 15
    /// and later read WAL ahead of what they replay (`recovery_prefetch`) and would end because
    /// of a fault that the recovery never reaches. To say that WAL ends there is safe: a server
    /// with a target that it has not reached ends with FATAL and is never promoted.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.is_behind_plan(&self.name)
    }

    /// The same of another segment.
    #[must_use]
    pub fn is_behind_plan(&self, name: &str) -> bool {
        // Timeline, then the number in two parts, eight hexadecimal digits each.
        let number = |name: &str| {
            let is_segment = name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_segment { u64::from_str_radix(&name[8..], 16).ok() } else { None }
        };
        let until = self.until.as_deref().and_then(number);
        until.is_some_and(|until| number(name).is_some_and(|asked| asked > until))
    }
}
