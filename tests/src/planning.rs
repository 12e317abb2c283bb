//! Plans of recoveries, made by the engine itself as the owner of the cluster.

use std::path::Path;

use pgdeck_engine::api::{Error, RecoveryPlan, RecoveryRequest};
use pgdeck_engine::backup::site::BackupSite;
use pgdeck_engine::instance::access::Access;
use pgdeck_engine::instance::target::LocalTarget;
use pgdeck_engine::recovery::{plan, site::RecoverySite};
use pgdeck_engine::sys::credentials::Credentials;
use pgdeck_engine::sys::disk::Disk;
use pgdeck_engine::sys::file;

use crate::Repository;

/// The site of a data directory whose backups are in a destination.
///
/// # Panics
/// When the destination is not there.
#[must_use]
pub fn site(data_directory: &Path, destination: &Path) -> RecoverySite {
    let target = LocalTarget::from_directory(data_directory);
    let owner = file::stat(destination).expect("the destination is there").uid;
    RecoverySite {
        backup: BackupSite {
            access: Access::local(target.clone()),
            target,
            credentials: Credentials::of_uid(owner),
            disk: Disk::real(),
        },
        bin_directory: None,
        private: None,
    }
}

/// Runs work of the engine as the owner.
///
/// # Panics
/// When the credentials cannot be taken.
pub fn as_owner<T: Send>(site: &RecoverySite, work: impl FnOnce(&RecoverySite) -> T + Send) -> T {
    site.backup.credentials.run(|| work(site)).expect("the owner's credentials can be taken")
}

impl Repository {
    /// The site of its instance.
    #[must_use]
    pub fn site(&self) -> RecoverySite {
        site(self.instance.data_directory(), self.destination())
    }

    /// The plan of a recovery into `beside`, an empty directory, while the instance runs.
    ///
    /// # Errors
    /// Those of the plan.
    pub fn plan_beside(&self, mut request: RecoveryRequest) -> Result<RecoveryPlan, Error> {
        request.to = Some(self.instance.directory().join("beside"));
        self.plan(request)
    }

    /// The plan of a recovery.
    ///
    /// # Errors
    /// Those of the plan.
    pub fn plan(&self, mut request: RecoveryRequest) -> Result<RecoveryPlan, Error> {
        request.destination = Some(self.destination().to_path_buf());
        as_owner(&self.site(), |site| plan::plan(site, &request))
    }
}
