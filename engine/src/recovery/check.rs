//! Whether the place is as planned, and where a recovery that was begun before is. Blocking.

use std::path::Path;

use super::aside;
use super::layout::{DIRECTORY, Place, PlaceKind};
use super::machine::Found;
use super::restore::make_place;
use super::run::Asked;
use super::server;
use super::site::RecoverySite;
use super::state::{self, StateDocument};
use super::undo;
use crate::api::{
    Error, ErrorCode, InstanceStatus, OldData, RecoveryPhase, RecoveryRequest, RecoveryState,
    Result,
};
use crate::pg::wal::WalFileName;
use crate::sys::clock;
use crate::sys::disk::Disk;

/// Names by which a directory is known as a cluster's, whatever else of it is gone.
const CLUSTER_NAMES: [&str; 7] =
    ["PG_VERSION", "base", "global", "pg_wal", "pg_xact", "pg_tblspc", "postgresql.auto.conf"];
/// Directories that a server makes in `pg_wal`, and what pgdeck puts there.
const WAL_DIRECTORIES: [&str; 3] = ["archive_status", "summaries", "pgdeck-prefetch"];

/// Finds where the recovery is, or begins it: makes the places and writes the first state.
/// `status` is that of the server in the directory.
///
/// # Errors
/// `RecoveryRunning`, `RecoveryUnfinished`, `RecoveryPlace`, `RecoveryPlanChanged`,
/// `RestoreFailed`.
pub(super) fn look(
    site: &RecoverySite,
    asked: &Asked,
    status: &InstanceStatus,
) -> Result<(Found, StateDocument)> {
    let known = as_owner(site, |disk| state::load(disk, &asked.plan.directory))?;
    match known {
        Some(document) if !is_over(&document, &asked.request) => resume(document, asked, status),
        _ => begin(site, asked, status).map(|document| (Found::Begun, document)),
    }
}

fn as_owner<T: Send>(
    site: &RecoverySite,
    work: impl FnOnce(&Disk) -> Result<T> + Send,
) -> Result<T> {
    let disk = &site.backup.disk;
    let done = site.backup.credentials.run(|| work(disk));
    done.map_err(|error| {
        Error::new(ErrorCode::DataDirectoryAccess, "the work cannot be done as the owner")
            .detail(error.to_string())
    })?
}

/// Whether an older recovery stands in nobody's way: something else is asked, and there is
/// nothing of it that could be put back.
pub(super) fn is_over(document: &StateDocument, request: &RecoveryRequest) -> bool {
    !document.is_of(request)
        && document.state.phase >= RecoveryPhase::Restoring
        && document.state.phase != RecoveryPhase::Undoing
        && undo::possible(document).is_err()
}

/// Goes on with what was begun, if that is what is asked.
fn resume(
    mut document: StateDocument,
    asked: &Asked,
    status: &InstanceStatus,
) -> Result<(Found, StateDocument)> {
    let phase = document.state.phase;
    can_go_on(&document, &asked.request)?;
    document.state.plan.action = asked.plan.action;
    let is_running = status.state.has_process();
    let found = match phase {
        RecoveryPhase::Replaying | RecoveryPhase::Paused if is_running => Found::Running,
        RecoveryPhase::Replaying | RecoveryPhase::Paused => Found::Startable,
        _ if is_running => return Err(runs(&asked.plan.directory, &status.detail)),
        RecoveryPhase::MovingAside if document.is_rescued => Found::Rescued,
        RecoveryPhase::MovingAside => Found::Begun,
        _ => Found::Cleared,
    };
    Ok((found, document))
}

/// Whether a recovery can be gone on with for a request.
///
/// # Errors
/// `RecoveryUnfinished` when it is being undone, when it is done and its old data is kept, or
/// when something else was begun.
pub(super) fn can_go_on(document: &StateDocument, request: &RecoveryRequest) -> Result<()> {
    let plan = &document.state.plan;
    let (directory, phase) = (plan.directory.display(), document.state.phase);
    let unfinished = |fact: String| Error::new(ErrorCode::RecoveryUnfinished, fact);
    match phase {
        RecoveryPhase::Undoing => {
            let fact = format!("the old data of \"{directory}\" is being put back");
            Err(unfinished(fact).hint("Finish that with 'pgdeck recover undo'."))
        }
        RecoveryPhase::Promoted | RecoveryPhase::Standby => {
            let fact =
                format!("\"{directory}\" still keeps the data from before its last recovery");
            Err(unfinished(fact).hint(
                "Remove it with 'pgdeck recover discard', or put it back with 'pgdeck recover undo'.",
            ))
        }
        _ if document.is_of(request) => Ok(()),
        _ => {
            let begun = plan.target.describe();
            let fact = format!("another recovery of \"{directory}\" was begun");
            Err(unfinished(fact).detail(format!("its target is {begun}; it is {}", phase.words())).hint(
                "Put the old data back with 'pgdeck recover undo', then recover to this target.",
            ))
        }
    }
}

fn begin(site: &RecoverySite, asked: &Asked, status: &InstanceStatus) -> Result<StateDocument> {
    let plan = &asked.plan;
    if status.state.has_process() {
        return Err(runs(&plan.directory, &status.detail));
    }
    if let Some(text) = super::plan::server_of_removed(&plan.directory) {
        return Err(runs(&plan.directory, &text));
    }
    let places = Place::all(plan, &asked.version_directory);
    let disk = &site.backup.disk;
    for place in &places {
        make_place(disk, &site.backup.credentials, &place.path)?;
    }
    as_owner(site, |disk| {
        for place in &places {
            check_place(disk, place, site)?;
        }
        check_replaced(disk, &places[0], asked)?;
        let own = plan.directory.join(DIRECTORY);
        aside::make(disk, &own).and_then(|()| disk.sync_directory(&plan.directory)).map_err(
            |error| {
                let fact = format!("\"{}\" cannot be made", own.display());
                Error::new(ErrorCode::RecoveryPlace, fact).detail(error.to_string())
            },
        )?;
        let mut document = first_state(disk, asked, &places, server::is_copy(site, plan));
        let configuration = server::site_of(site, plan).target.config_directory;
        document.config_directory = configuration.filter(|path| *path != plan.directory);
        state::store(disk, &document)?;
        Ok(document)
    })
}

fn first_state(disk: &Disk, asked: &Asked, places: &[Place], is_copy: bool) -> StateDocument {
    let plan = &asked.plan;
    // Of a lost data directory tablespaces or pg_wal may be left.
    let has_old = places.iter().any(|place| place.names(disk).is_ok_and(|names| !names.is_empty()));
    let bytes = plan.replaced.as_ref().map_or(0, |replaced| replaced.bytes);
    let state = RecoveryState {
        started_at: clock::now(),
        phase: RecoveryPhase::MovingAside,
        plan: plan.clone(),
        kept_bytes: (has_old && plan.old_data == OldData::Keep).then_some(bytes),
        restore_seconds: None,
        replay_seconds: None,
    };
    let mut document = StateDocument::new(
        state,
        asked.request.clone(),
        asked.fingerprint,
        asked.version_directory.clone(),
        is_copy,
    );
    document.unused = aside::unused(disk, plan, places);
    document
}

fn runs(directory: &Path, detail: &str) -> Error {
    let fact = format!("a server runs in \"{}\"", directory.display());
    Error::new(ErrorCode::RecoveryRunning, fact).detail(detail)
}

/// Nothing that is not a cluster's is moved or removed.
fn check_place(disk: &Disk, place: &Place, site: &RecoverySite) -> Result<()> {
    let refuse = |detail: String| {
        let fact = format!("\"{}\" cannot be recovered to", place.path.display());
        Err(Error::new(ErrorCode::RecoveryPlace, fact).detail(detail))
    };
    let stat = match disk.stat(&place.path) {
        Ok(Some(stat)) => stat,
        Ok(None) => return refuse("it is not there".to_owned()),
        Err(error) => return refuse(error.to_string()),
    };
    if stat.uid != site.backup.credentials.uid() {
        let owner = site.backup.credentials.name();
        return refuse(format!("it does not belong to {owner}"));
    }
    let names = match place.names(disk) {
        Ok(names) => names,
        Err(error) => return refuse(error.to_string()),
    };
    let stranger = match place.kind {
        PlaceKind::Data => {
            let is_cluster = names.iter().any(|name| CLUSTER_NAMES.contains(&name.as_str()));
            names.first().filter(|_| !is_cluster)
        }
        PlaceKind::Wal => names.iter().find(|name| !is_of_wal(name)),
        PlaceKind::Tablespace(_) => None,
    };
    match stranger {
        Some(name) => refuse(format!("it holds \"{name}\", which is no part of a cluster")),
        None => Ok(()),
    }
}

fn is_of_wal(name: &str) -> bool {
    WAL_DIRECTORIES.contains(&name)
        || WalFileName::parse(name).is_some()
        || name.starts_with("xlogtemp.")
        || name.starts_with("RECOVERY")
}

/// What is replaced must have been in the plan.
fn check_replaced(disk: &Disk, data: &Place, asked: &Asked) -> Result<()> {
    let is_empty = data.names(disk).is_ok_and(|names| names.is_empty());
    if is_empty || asked.plan.replaced.is_some() {
        return Ok(());
    }
    let fact = format!("\"{}\" is not empty any more", data.path.display());
    Err(Error::new(ErrorCode::RecoveryPlanChanged, fact)
        .detail("the plan says that nothing is replaced"))
}
