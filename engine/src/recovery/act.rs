//! What happens where replay ended: comparing with the plan, then pausing, promoting or
//! stopping, then tidying up.

use std::time::Duration;

use super::configure;
use super::layout::{DIRECTORY, Place};
use super::machine::{End, Reached, Standing};
use super::pushing::{self, Pushed};
use super::server::{self, Session};
use super::site::RecoverySite;
use super::state::{self, StateDocument};
use super::undo;
use crate::api::{
    Error, ErrorCode, Lsn, RecoveryAction, RecoveryPhase, RecoveryPlan, RecoveryRole, Result, bytes,
};
use crate::backup::site::BackupSite;
use crate::instance::lifecycle::Site;
use crate::pg::conf::AUTO_CONF_FILE;

const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// A promotion writes a record and a checkpoint request; the disk may be slow.
const PROMOTE_LIMIT: Duration = Duration::from_secs(300);
const CONF_BYTES_MAX: u64 = 16 << 20;

/// Compares where the server stands with the plan.
///
/// # Errors
/// `ReplayShort`.
pub(super) fn prove(plan: &RecoveryPlan, reached: Reached) -> Result<()> {
    let goal = plan.stop.reached;
    let is_there = match (&plan.role, plan.stop.record) {
        (RecoveryRole::Standby(_), _) => true,
        // Where a backup becomes consistent the server alone decides.
        (RecoveryRole::Primary, None) => reached.lsn >= goal,
        (RecoveryRole::Primary, Some(_)) => reached.lsn == goal,
    };
    if is_there {
        return Ok(());
    }
    let at = reached.lsn;
    let fact = format!("replay ended at {at}, not at {goal} as planned");
    let detail = match reached.how {
        Standing::Promoted => "the server is out of recovery; pgdeck did not promote it",
        Standing::Paused | Standing::Standby => {
            "the server waits there, readable only, and is not promoted"
        }
    };
    Err(Error::new(ErrorCode::ReplayShort, fact).detail(detail))
}

/// Does what the plan says for the target.
///
/// # Errors
/// `ReplayFailed` when the promotion does not end; what asking and stopping give.
pub(super) async fn act(server: &Site, plan: &RecoveryPlan, reached: Reached) -> Result<End> {
    let lsn = reached.lsn;
    match (reached.how, plan.action) {
        (Standing::Promoted, _) => Ok(End::Promoted(lsn)),
        (Standing::Standby, _) => Ok(End::Standby(lsn)),
        (Standing::Paused, RecoveryAction::Pause) => Ok(End::Paused(lsn)),
        (Standing::Paused, RecoveryAction::Shutdown) => {
            server::stop(server).await?;
            Ok(End::ShutDown(lsn))
        }
        (Standing::Paused, RecoveryAction::Promote) => {
            promote(server).await?;
            Ok(End::Promoted(lsn))
        }
    }
}

/// The error of a recovery that was told to stop where its server waits already.
pub(super) fn cancelled() -> Error {
    Error::new(ErrorCode::Cancelled, "the recovery was cancelled")
        .detail("the server waits at its target, readable only")
        .hint("Promote it with 'pgdeck recover promote', or 'pgdeck recover undo'.")
}

async fn promote(server: &Site) -> Result<()> {
    let mut session = Session::new(server);
    let mut status = server.look_async().await;
    session.resume(&status).await?;
    let began = std::time::Instant::now();
    loop {
        let outcome = session.replayed(&status).await;
        if outcome.as_ref().is_ok_and(|replayed| !replayed.in_recovery) {
            return Ok(());
        }
        status = server.look_async().await;
        if !status.state.has_process() || began.elapsed() > PROMOTE_LIMIT {
            let fact = "the server was told to end recovery and did not";
            let detail = outcome.err().map_or_else(|| status.detail.clone(), |error| error.fact);
            return Err(Error::new(ErrorCode::ReplayFailed, fact).detail(detail).hint(
                "Look at the server log, then run the recovery again, or 'pgdeck recover undo'.",
            ));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Tidies up after the end. Runs as the owner.
///
/// # Errors
/// `RestoreFailed` when the state or the settings cannot be written.
pub(super) fn finish(
    site: &RecoverySite,
    document: &mut StateDocument,
    end: End,
) -> Result<Pushed> {
    let disk = &site.backup.disk;
    match end {
        End::Paused(_) => document.enter(disk, RecoveryPhase::Paused).map(|()| Pushed::default()),
        End::ShutDown(_) => {
            // It has replayed: started again, it is promoted or waits.
            let paused = document.update(disk, |one| {
                one.state.phase = RecoveryPhase::Paused;
                one.state.plan.enlarged.clear();
            });
            paused.map(|()| Pushed::default())
        }
        End::Standby(_) => {
            document.enter(disk, RecoveryPhase::Standby)?;
            settle_kept(&site.backup, document).map(|()| Pushed::default())
        }
        End::Promoted(_) => {
            document.enter(disk, RecoveryPhase::Promoted)?;
            remove_settings(&site.backup, document)?;
            let plan = &document.state.plan;
            // A copy's own archive is nobody's business: its source still has the WAL.
            let pushed = if document.is_copy {
                Pushed::default()
            } else {
                pushing::run(&site.backup, &plan.destination, &plan.directory)
            };
            if pushed.left.is_none() {
                settle_kept(&site.backup, document)?;
            }
            Ok(pushed)
        }
    }
}

/// Takes the recovery's settings out of `postgresql.auto.conf`.
fn remove_settings(site: &BackupSite, document: &StateDocument) -> Result<()> {
    let directory = &document.state.plan.directory;
    let path = directory.join(AUTO_CONF_FILE);
    let failed = |error: std::io::Error| {
        let fact = format!("the settings of the recovery still stand in \"{}\"", path.display());
        Error::new(ErrorCode::RestoreFailed, fact).detail(error.to_string())
    };
    let text = site.disk.read(&path, CONF_BYTES_MAX).map_err(failed)?;
    let text = String::from_utf8_lossy(&text);
    let after = configure::without(&text, &document.settings);
    if after == text {
        return Ok(());
    }
    crate::backup::document::store(&site.disk, directory, AUTO_CONF_FILE, &after).map_err(failed)
}

/// Without kept data a recovery that is done leaves nothing behind; but a standby still needs
/// what was rescued.
fn settle_kept(site: &BackupSite, document: &StateDocument) -> Result<()> {
    if document.keeps_old_data() {
        return Ok(());
    }
    let plan = &document.state.plan;
    let places = Place::all(plan, &document.version_directory);
    let rescued = super::rescue::directory(&plan.directory);
    let is_needed = document.state.phase == RecoveryPhase::Standby
        && matches!(site.disk.stat(&rescued), Ok(Some(_)));
    let disk = &site.disk;
    let remove = || {
        undo::remove_others(disk, &places).map_err(|(_, error)| error)?;
        if is_needed {
            return state::remove(disk, &plan.directory);
        }
        disk.remove_tree(&rescued)?;
        state::remove(disk, &plan.directory)?;
        disk.remove_tree(&plan.directory.join(DIRECTORY))?;
        disk.sync_directory(&plan.directory)
    };
    remove().map_err(|error| {
        Error::new(ErrorCode::RestoreFailed, "what the recovery kept could not be removed")
            .detail(error.to_string())
    })
}

/// The result in words.
pub(super) fn describe(end: End, document: &StateDocument, pushed: &Pushed) -> String {
    let directory = document.state.plan.directory.display();
    let mut text = match end {
        End::Paused(lsn) => format!(
            "\"{directory}\" is recovered to {lsn}, as planned, and waits, readable only; look at \
             the data, then promote it ('pgdeck recover promote'), go further, or undo"
        ),
        End::ShutDown(lsn) => {
            format!("\"{directory}\" is recovered to {lsn}, as planned, and stopped there")
        }
        End::Standby(lsn) => format!("\"{directory}\" is a standby, at {lsn} now"),
        End::Promoted(lsn) => format!(
            "\"{directory}\" is recovered to {lsn}, as planned, and promoted; take a backup now: \
             'pgdeck backup'"
        ),
    };
    let is_promoted = matches!(end, End::Promoted(_));
    for one in document.state.plan.enlarged.iter().filter(|_| is_promoted) {
        let (name, size) = (&one.name, bytes(one.bytes));
        text.push_str(&format!("; {name} is {size} until the server is started again"));
    }
    if is_promoted && document.state.plan.action != RecoveryAction::Promote {
        text.push_str(
            "; it could not wait there, because it took no read-only connections yet, or somebody \
             else has promoted it",
        );
    }
    if document.keeps_old_data() {
        text.push_str("; the old data is kept until 'pgdeck recover discard'");
    }
    if let Some((count, why)) = &pushed.left {
        text.push_str(&format!("; {count} saved WAL files could not be archived ({why})"));
    }
    text
}

/// The position of an end.
#[must_use]
pub(super) fn position(end: End) -> Lsn {
    match end {
        End::Paused(lsn) | End::Promoted(lsn) | End::ShutDown(lsn) | End::Standby(lsn) => lsn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::layout::tests::plan;

    #[test]
    fn only_the_planned_position_is_right() {
        let mut plan = plan(std::path::Path::new("/r"));
        let at = |text: &str| Reached { lsn: text.parse().unwrap(), how: Standing::Paused };
        assert!(prove(&plan, at("0/3000148")).is_ok());
        for text in ["0/3000140", "0/3000150"] {
            assert_eq!(prove(&plan, at(text)).unwrap_err().code, ErrorCode::ReplayShort, "{text}");
        }
        plan.stop.record = None;
        assert!(prove(&plan, at("0/3000150")).is_ok());
        assert!(prove(&plan, at("0/3000140")).is_err());
        plan.role = RecoveryRole::Standby(None);
        assert!(prove(&plan, at("0/3000140")).is_ok());
    }
}
