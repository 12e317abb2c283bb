//! How a recovery of a data directory stands: `pgdeck_recovery/state.json`.

use std::io;
use std::path::Path;

use crate::api::{Error, ErrorCode, RecoveryState, Result};
use crate::sys::disk::Disk;

const STATE_FILE: &str = "pgdeck_recovery/state.json";
const BYTES_MAX: u64 = 1 << 20;

/// Reads the state; `None` when no recovery is under way or kept.
///
/// # Errors
/// `RecoveryUnfinished` when it is there and cannot be read.
pub fn read(disk: &Disk, data_directory: &Path) -> Result<Option<RecoveryState>> {
    let path = data_directory.join(STATE_FILE);
    let unreadable = |reason: String| {
        Error::new(ErrorCode::RecoveryUnfinished, format!("\"{}\" cannot be read", path.display()))
            .detail(reason)
    };
    match disk.read(&path, BYTES_MAX) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(error.to_string()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(unreadable(error.to_string())),
    }
}
