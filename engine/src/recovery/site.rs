//! The instance that is recovered, and whom its files are read and written as.

use std::path::PathBuf;

use super::state::OwnSetting;
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
    /// The place of a rehearsal: nothing is made outside of it, and nobody but the rehearsal
    /// reaches its server.
    pub private: Option<Private>,
}

/// The place of a rehearsal.
#[derive(Clone, Debug)]
pub struct Private {
    /// Everything is made in this directory.
    pub root: PathBuf,
    /// Settings of its server, above all others.
    pub settings: Vec<OwnSetting>,
}

impl Private {
    /// The data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The directory of a tablespace.
    #[must_use]
    pub fn tablespace(&self, oid: &str) -> PathBuf {
        self.root.join(format!("space-{oid}"))
    }
}

impl RecoverySite {
    /// A site for recoveries.
    #[must_use]
    pub fn new(backup: BackupSite, bin_directory: Option<PathBuf>) -> Self {
        Self { backup, bin_directory, private: None }
    }

    /// Runs blocking work with the owner's credentials, away from the engine's thread.
    ///
    /// # Errors
    /// As [`BackupSite::as_owner`].
    pub async fn as_owner<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let site = self.clone();
        self.backup.as_owner(move |_| work(&site)).await
    }
}
