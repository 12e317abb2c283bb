//! Going on with a recovery that waits or is done: promoting, going further, undoing, removing
//! the old data for good.

use std::path::{Path, PathBuf};

use super::layout::{DIRECTORY, LOCK_FILE};
use super::machine::End;
use super::plan::{self, Further};
use super::restore::{self, Progress};
use super::run::{self, Asked, Finished};
use super::site::RecoverySite;
use super::state::{self, StateDocument};
use super::{act, rescue, server, settle, undo};
use crate::api::{
    Error, ErrorCode, JobProgress, RecoveryAction, RecoveryPhase, RecoveryRequest, RecoveryState,
    RecoveryTarget, Result, TargetBound,
};
use crate::backup::site::BackupSite;
use crate::jobs::runner::JobContext;
use crate::sys::file;
use crate::sys::lock::{Attempt, LockFile};

/// The recovery of a data directory; `None` when there is none. Blocking; as the owner.
///
/// # Errors
/// `FileAccess` when its state cannot be read.
pub fn status(site: &BackupSite, data_directory: &Path) -> Result<Option<RecoveryState>> {
    Ok(state::load(&site.disk, data_directory)?.map(|document| document.state))
}

/// The recovery to go on with. Blocking; as the owner.
///
/// # Errors
/// `RecoveryNone`, `FileAccess`.
pub fn begun(site: &BackupSite, data_directory: &Path) -> Result<StateDocument> {
    state::load(&site.disk, data_directory)?.ok_or_else(|| {
        let fact = format!("there is no recovery of \"{}\"", data_directory.display());
        Error::new(ErrorCode::RecoveryNone, fact).detail("it has no pgdeck_recovery/state.json")
    })
}

/// The site with the configuration directory that the recovery began with, where its data
/// directory has no configuration file: in Debian's layout nothing else names that directory while
/// no server runs. Blocking; as the owner.
#[must_use]
pub fn placed(site: &RecoverySite) -> RecoverySite {
    let mut placed = site.clone();
    let own = &mut placed.backup.target;
    if own.config_directory.is_none()
        && !file::exists(&own.config_file())
        && let Ok(Some(document)) = state::load(&site.backup.disk, &own.data_directory)
    {
        own.config_directory = document.config_directory;
    }
    placed
}

/// Promotes the server that waits at its target; one that was stopped is brought there again.
///
/// # Errors
/// `RecoveryNone`, `RecoveryUnfinished` when it is not that far; as [`run::run`].
pub async fn promote(
    site: &RecoverySite,
    program: PathBuf,
    context: &mut JobContext,
) -> Result<Finished> {
    let directory = site.backup.target.data_directory.clone();
    let asked = site
        .backup
        .as_owner(move |site| {
            let mut document = begun(site, &directory)?;
            waits(&document)?;
            let disk = &site.disk;
            document.update(disk, |one| one.state.plan.action = RecoveryAction::Promote)?;
            Ok(asked(document, program))
        })
        .await?;
    run::run(site, &asked, context).await
}

/// Replays on to a later target, and waits there.
///
/// # Errors
/// `TargetUnreachable` when it cannot be reached or is not later; `RecoveryNone`,
/// `RecoveryUnfinished`; as [`run::run`].
pub async fn go_further(
    site: &RecoverySite,
    target: RecoveryTarget,
    bound: TargetBound,
    program: PathBuf,
    context: &mut JobContext,
) -> Result<Finished> {
    let directory = site.backup.target.data_directory.clone();
    let known = site.backup.as_owner(move |site| begun(site, &directory)).await?;
    waits(&known)?;
    tell(context, "proving the target");
    let now = &known.state.plan;
    let request = RecoveryRequest {
        target,
        bound,
        timeline: Some(now.stop.timeline),
        backup: now.chain.last().cloned(),
        ..known.request.clone()
    };
    // A copy without configuration files of its own has no setting that names it.
    let destination = Some(now.destination.clone());
    let asked_for = RecoveryRequest { destination, ..request.clone() };
    let place = now.directory.clone();
    let further = site.as_owner(move |site| plan::further(site, &asked_for, &place)).await?;
    let (at, to) = (now.stop.reached, further.stop.reached);
    if to < at || further.stop.timeline != now.stop.timeline {
        let fact = format!("{} is not behind the present position", request.target.describe());
        return Err(Error::new(ErrorCode::TargetUnreachable, fact)
            .detail(format!("the server is at {at}, the target at {to}"))
            .hint("Undo the recovery and recover to it from the beginning."));
    }
    let old = server::site_of(site, &known.state.plan);
    tell(context, "stopping the server");
    server::stop(&old).await?;
    let (own, settings_program) = (site.clone(), program.clone());
    let asked = site
        .backup
        .as_owner(move |_| {
            let mut document = known;
            let chain = restore::load_chain(&own.backup, &document.state.plan)?;
            let mut plan = document.state.plan.clone();
            plan.wal.clone_from(&further.wal);
            rescue::run(&own.backup, &plan, &chain, &Progress::default())?;
            document.update(&own.backup.disk, |one| change_target(one, request, further))?;
            settle::write_settings(&own, &mut document, &settings_program)?;
            Ok(asked(document, program))
        })
        .await?;
    run::run(site, &asked, context).await
}

/// What changes with the target; everything else is as it was begun.
fn change_target(document: &mut StateDocument, request: RecoveryRequest, further: Further) {
    let own = &mut document.state.plan;
    own.target = request.target.clone();
    own.stop = further.stop;
    own.wal = further.wal;
    own.lost = further.lost;
    own.replay_bytes = further.replay_bytes;
    // On the way the source may have raised more of them: 13 would end there, later ones pause.
    own.settings = further.settings;
    document.request = request;
    let own = &mut document.state.plan;
    own.action = RecoveryAction::Pause;
    document.state.phase = RecoveryPhase::Replaying;
}

fn waits(document: &StateDocument) -> Result<()> {
    let phase = document.state.phase;
    if matches!(phase, RecoveryPhase::Paused | RecoveryPhase::Replaying) {
        return Ok(());
    }
    let directory = document.state.plan.directory.display();
    let fact = format!("the recovery of \"{directory}\" does not wait at a target");
    let hint = match phase {
        RecoveryPhase::Promoted | RecoveryPhase::Standby => "It is done.",
        _ => "Run the recovery again, or put the old data back with 'pgdeck recover undo'.",
    };
    let detail = format!("it is {}", phase.words());
    Err(Error::new(ErrorCode::RecoveryUnfinished, fact).detail(detail).hint(hint))
}

fn asked(document: StateDocument, program: PathBuf) -> Asked {
    Asked {
        request: document.request,
        plan: document.state.plan,
        fingerprint: document.fingerprint,
        program,
        version_directory: document.version_directory,
    }
}

/// Stops the server, removes what was restored and puts the old data back.
///
/// # Errors
/// `RecoveryNone` when nothing is kept, `RestoreFailed`, what stopping gives. After each it can
/// be undone again.
pub async fn undo(site: &RecoverySite, context: &mut JobContext) -> Result<String> {
    let (document, _lock) = locked(site).await?;
    undo::possible(&document)?;
    tell(context, "stopping the server");
    server::stop(&server::site_of(site, &document.state.plan)).await?;
    tell(context, "putting the old data back");
    site.backup
        .as_owner(move |site| {
            let mut document = document;
            let has_kept = document.keeps_old_data();
            undo::run(&site.disk, &mut document)?;
            let directory = document.state.plan.directory.display();
            Ok(if has_kept {
                format!("\"{directory}\" is as it was before the recovery; the server is stopped")
            } else {
                format!("what was restored to \"{directory}\" is removed")
            })
        })
        .await
}

/// Removes the old data for good.
///
/// # Errors
/// `RecoveryNone`, `RecoveryUnfinished`, `RestoreFailed`.
pub async fn discard_kept(site: &RecoverySite, context: &mut JobContext) -> Result<String> {
    let (document, _lock) = locked(site).await?;
    tell(context, "removing the old data");
    let own = site.clone();
    site.backup
        .as_owner(move |_| {
            let mut document = document;
            undo::discard_kept(&own.backup.disk, &mut document)?;
            let is_standby = document.state.phase == RecoveryPhase::Standby;
            let at = document.state.plan.stop.reached;
            let end = if is_standby { End::Standby(at) } else { End::Promoted(at) };
            act::finish(&own, &mut document, end)?;
            let directory = document.state.plan.directory.display();
            Ok(format!("the data from before the recovery of \"{directory}\" is removed"))
        })
        .await
}

/// The state, and the lock of the directory.
async fn locked(site: &RecoverySite) -> Result<(StateDocument, LockFile)> {
    let directory = site.backup.target.data_directory.clone();
    site.backup
        .as_owner(move |site| {
            begun(site, &directory)?;
            let path = directory.join(DIRECTORY).join(LOCK_FILE);
            let note = format!("recovery by pid {}", std::process::id());
            let busy = |detail: String| {
                let fact = format!("another recovery works on \"{}\"", directory.display());
                Error::new(ErrorCode::OperationRunning, fact).detail(detail)
            };
            match LockFile::try_take(&path, &note) {
                Ok(Attempt::Held(lock)) => Ok((begun(site, &directory)?, lock)),
                Ok(Attempt::Taken(by)) => Err(busy(by)),
                Err(error) => Err(busy(error.to_string())),
            }
        })
        .await
}

fn tell(context: &JobContext, phase: &str) {
    context.report(JobProgress { phase: phase.to_owned(), ..JobProgress::default() });
}
