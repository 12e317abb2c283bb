//! `pgdeck prepared`.

use pgdeck_engine::api::{
    Command, Error, ErrorCode, Event, PreparedOutcome, PreparedTransaction, Result,
};

use super::args::{GidArgs, GlobalArgs, PreparedAction, PreparedArgs};
use super::oneshot::{OneShot, connected, engine_config};
use super::output::{self, Table};
use super::report::PreparedReport;

/// Lists prepared transactions, or resolves one.
///
/// # Errors
/// `InstanceNotFound`, `InstanceAmbiguous`, why it cannot be asked, `NotConfirmed`,
/// `PreparedNotFound`, `PreparedFailed`, `PreparedOutcomeUnknown`.
pub async fn run(global: &GlobalArgs, args: &PreparedArgs) -> Result<u8> {
    let mut config = engine_config(global);
    config.interest.lock_names = true;
    let (outcome, gid) = match &args.action {
        None => return list(OneShot::start(config)?, args).await,
        Some(PreparedAction::Commit(gid)) => (PreparedOutcome::Commit, gid),
        Some(PreparedAction::Rollback(gid)) => (PreparedOutcome::Rollback, gid),
    };
    confirmed(outcome, gid)?;
    let mut engine = OneShot::start(config)?;
    let snapshot = engine.only_instance().await?;
    connected(&snapshot)?;
    let prepared = snapshot.prepared.get().cloned().unwrap_or_default();
    let target = find(&prepared, &gid.gid)?.target();
    let instance = snapshot.identity.id.clone();
    match engine.ask(Command::ResolvePrepared { instance, target, outcome }).await? {
        Event::Done { text, .. } => {
            output::line(&text);
            Ok(0)
        }
        _ => Ok(2),
    }
}

fn confirmed(outcome: PreparedOutcome, gid: &GidArgs) -> Result<()> {
    if gid.yes {
        return Ok(());
    }
    Err(Error::new(ErrorCode::NotConfirmed, format!("{} is not confirmed", outcome.verb()))
        .detail(format!("it would resolve \"{}\" for good", gid.gid)))
}

fn find<'a>(prepared: &'a [PreparedTransaction], gid: &str) -> Result<&'a PreparedTransaction> {
    prepared.iter().find(|one| one.gid == gid).ok_or_else(|| {
        let known: Vec<_> = prepared.iter().map(|one| one.gid.as_str()).take(5).collect();
        let detail = match known.is_empty() {
            true => "no transaction is prepared".to_owned(),
            false => format!("prepared are: {}", known.join(", ")),
        };
        Error::new(
            ErrorCode::PreparedNotFound,
            format!("there is no prepared transaction \"{gid}\""),
        )
        .detail(detail)
    })
}

async fn list(mut engine: OneShot, args: &PreparedArgs) -> Result<u8> {
    let snapshot = engine.only_instance().await?;
    connected(&snapshot)?;
    if let Some(error) = &snapshot.prepared.error {
        return Err(error.as_ref().clone());
    }
    let prepared = snapshot.prepared.get().cloned().unwrap_or_default();
    if args.json {
        let reports: Vec<_> = prepared.iter().map(PreparedReport::of).collect();
        output::json(&reports);
        return Ok(0);
    }
    let mut table = Table::new(&[
        "gid",
        "xid",
        "database",
        "owner",
        "prepared at",
        "locks",
        "blocked",
        "checks",
    ]);
    for one in &prepared {
        table.row(&[
            &one.gid,
            &one.transaction.to_string(),
            &one.database,
            &one.owner,
            &one.prepared_at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            &one.locks.len().to_string(),
            &one.blocked.len().to_string(),
            &one.seen_checks.to_string(),
        ]);
    }
    table.print();
    Ok(0)
}
