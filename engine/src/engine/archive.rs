//! The archive commands, as front ends call them: no thread, no runtime, no journal.

use crate::api::{Result, WalGet, WalPush, WalPushed};
use crate::sys::disk::Disk;
use crate::wal;

/// `archive_command`: see [`wal::push::push`].
///
/// # Errors
/// As there.
pub fn wal_push(request: &WalPush) -> Result<WalPushed> {
    wal::push::push(&Disk::real(), request)
}

/// `restore_command`: the path in the archive that the file came from.
///
/// # Errors
/// As [`wal::get::get`]; `WalAbsent` alone is the end of the archive.
pub fn wal_get(request: &WalGet) -> Result<std::path::PathBuf> {
    wal::get::get(&Disk::real(), request).map(|got| got.path)
}

/// Fetches ahead for [`wal_get`], beside the server, until server or archive have ended.
///
/// # Errors
/// As [`wal::ahead::run`].
pub fn wal_ahead(request: &WalGet) -> Result<()> {
    wal::ahead::run(&Disk::real(), request)
}
