//! What a recovery is to carry out: what was planned now, or what was begun before.

use std::path::{Path, PathBuf};

use super::site::RecoverySite;
use super::{check, state};
use crate::api::{Error, ErrorCode, RecoveryPlan, RecoveryRequest, Result};
use crate::backup::document::{self, ClusterFacts};
use crate::backup::layout::Label;

/// What is to be carried out.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What was asked.
    pub request: RecoveryRequest,
    /// What was planned for it.
    pub plan: RecoveryPlan,
    /// Of the plan.
    pub fingerprint: u32,
    /// This program, for `restore_command`; absolute.
    pub program: PathBuf,
    /// The directory of this version in a tablespace.
    pub version_directory: String,
}

impl Asked {
    /// Completes what was asked with what the backup says of itself. Blocking; as the owner.
    ///
    /// # Errors
    /// `BackupNotFound` when the plan's backup cannot be used.
    pub fn new(
        site: &RecoverySite,
        request: RecoveryRequest,
        plan: RecoveryPlan,
        fingerprint: u32,
        program: PathBuf,
    ) -> Result<Self> {
        let label = plan.chain.last().and_then(|text| text.parse::<Label>().ok());
        let found = label.as_ref().map(|label| {
            document::load_label(&site.backup.disk, &label.directory(&plan.destination))
        });
        let Some(Ok(document)) = found else {
            let fact = format!("there is no complete backup {}", plan.chain.join(", "));
            return Err(Error::new(ErrorCode::BackupNotFound, fact));
        };
        let version_directory = version_directory(&document.cluster);
        Ok(Self { request, plan, fingerprint, program, version_directory })
    }
}

/// What was begun for a request and not finished; `None` when there is nothing to go on with.
/// Blocking; as the owner.
///
/// # Errors
/// `RecoveryUnfinished` when something else was begun, or old data of a recovery that is done
/// is still kept; `FileAccess`.
pub fn begun(
    site: &RecoverySite,
    request: &RecoveryRequest,
    program: &Path,
) -> Result<Option<Asked>> {
    let own = &site.backup.target.data_directory;
    let directory = request.to.as_ref().unwrap_or(own);
    let Some(document) = state::load(&site.backup.disk, directory)? else { return Ok(None) };
    if check::is_over(&document, request) {
        return Ok(None);
    }
    check::can_go_on(&document, request)?;
    let mut plan = document.state.plan;
    plan.action = request.action;
    let words = document.state.phase.words();
    plan.warnings.insert(0, format!("this recovery was begun before ({words}) and goes on"));
    Ok(Some(Asked {
        request: request.clone(),
        plan,
        fingerprint: document.fingerprint,
        program: program.to_path_buf(),
        version_directory: document.version_directory,
    }))
}

/// The directory of a cluster's version in a tablespace (`TABLESPACE_VERSION_DIRECTORY`).
#[must_use]
pub fn version_directory(cluster: &ClusterFacts) -> String {
    format!("PG_{}_{}", cluster.server_version_num / 10_000, cluster.catalog_version)
}
