//! Where a recovery takes place.

use std::path::PathBuf;

use crate::backup::site::BackupSite;

/// An instance with what is needed to recover it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RecoverySite {
    /// The instance, whose it is, and the door to files.
    pub backup: BackupSite,
    /// `--bin-dir`.
    pub bin_directory: Option<PathBuf>,
}
