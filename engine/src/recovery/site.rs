//! The instance that is recovered, and whom its files are read and written as.

use std::path::PathBuf;

use crate::api::Result;
use crate::backup::site::BackupSite;

/// An instance with what is needed to recover it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RecoverySite {
    /// The instance and its destination. The credentials are those of the data directory's owner; when
    /// the data directory is gone, of the destination's.
    pub backup: BackupSite,
    /// `--bin-dir`.
    pub bin_directory: Option<PathBuf>,
}

impl RecoverySite {
    /// Runs blocking work with the owner's credentials, away from the engine's thread.
    ///
    /// # Errors
    /// As [`BackupSite::as_owner`].
    pub async fn as_owner<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let bin_directory = self.bin_directory.clone();
        let work = move |backup: &BackupSite| work(&Self { backup: backup.clone(), bin_directory });
        self.backup.as_owner(work).await
    }
}
