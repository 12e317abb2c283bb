//! `pgdeck recover`: shows the plan, asks, carries it out. `pgx_rcvall` is the same without a
//! question, as the operations guide shows it.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use pgdeck_engine::api::{
    Command, Error, ErrorCode, Event, InstanceId, OldData, RecoveryAction, RecoveryPhase,
    RecoveryPlan, RecoveryRequest, RecoveryRole, RecoveryState, RecoveryTarget, Result, Snapshot,
    StopMode, recovery_log_end,
};

use super::args::GlobalArgs;
use super::instance::operate;
use super::oneshot::{OneShot, engine_config};
use super::output;
use super::recover_args::{ActionArg, PlaceArgs, RecoverArgs, TargetArgs, WayArgs};
use super::recover_step;
use super::watched::{named, watched, with_last_seen};
use super::{moment, recover_map};
use crate::text;

const EXIT_FAILED: u8 = 2;

/// Recovers, plans, shows the map, or acts on a recovery.
///
/// # Errors
/// `NotConfirmed` without `--yes` where nobody can be asked; why the target cannot be reached,
/// the place not be used, the recovery not be done.
pub async fn run(global: &GlobalArgs, args: &RecoverArgs) -> Result<u8> {
    if let Some(step) = &args.step {
        return recover_step::run(global, args.destination.as_deref(), step).await;
    }
    if !args.as_guide {
        return recover(global, args).await;
    }
    match recover(global, args).await {
        Err(error) if error.code != ErrorCode::UsageInvalid => {
            as_guide(&error, args, global);
            Ok(EXIT_FAILED)
        }
        outcome => outcome,
    }
}

/// The message of the operations guide, the end of the server's log, and what pgdeck makes of it.
fn as_guide(error: &Error, args: &RecoverArgs, global: &GlobalArgs) {
    output::note("pgx_rcvall: an error occurred during recovery");
    let named = named(global, args.destination.as_deref()).data_directory;
    let pgdata = || std::env::var_os("PGDATA").map(PathBuf::from);
    let directory = args.place.to.clone().or(named).or_else(pgdata);
    let has_log = matches!(error.code, ErrorCode::ReplayFailed | ErrorCode::ReplayShort);
    for line in directory.filter(|_| has_log).iter().flat_map(|path| recovery_log_end(path)) {
        output::note(&line);
    }
    output::error_of("pgx_rcvall", error);
}

async fn recover(global: &GlobalArgs, args: &RecoverArgs) -> Result<u8> {
    let global = named(global, args.destination.as_deref());
    let mut engine = OneShot::start(engine_config(&global))?;
    let snapshot = engine.only_instance().await?;
    let instance = snapshot.identity.id.clone();
    let asked = args.destination.as_deref();
    if args.map {
        let shown = recover_map::run(&mut engine, instance, args).await;
        return shown.map_err(|error| with_last_seen(error, asked, &snapshot));
    }
    let request = request(args);
    let planned = planned(&mut engine, &instance, &request).await;
    let plan = planned.map_err(|error| with_last_seen(error, asked, &snapshot))?;
    if args.dry_run && args.json {
        output::json(&plan);
        return Ok(0);
    }
    if !args.dry_run {
        plan.check_stopped()?;
    }
    if !args.json {
        show(args, &plan);
    }
    if args.dry_run {
        return Ok(0);
    }
    confirm(args, &snapshot, &plan)?;
    let fingerprint = Some(plan.fingerprint());
    let command =
        Command::Recover { instance: instance.clone(), request: Box::new(request), fingerprint };
    let (text, state) = carried_out(&mut engine, command).await?;
    if args.as_guide {
        return stopped(&mut engine, instance, &text).await;
    }
    tell(&text, state.as_ref(), args.json);
    Ok(0)
}

/// What the command line asks for.
fn request(args: &RecoverArgs) -> RecoveryRequest {
    let PlaceArgs { to, port, tablespaces, wal_dir, delta, discard_old } = &args.place;
    let action = match args.action {
        Some(ActionArg::Promote) => RecoveryAction::Promote,
        Some(ActionArg::Shutdown) => RecoveryAction::Shutdown,
        Some(ActionArg::Pause) => RecoveryAction::Pause,
        None if args.as_guide => RecoveryAction::Promote,
        None => RecoveryAction::Pause,
    };
    RecoveryRequest {
        old_data: match (delta, discard_old) {
            (true, _) => OldData::Rewrite,
            (_, true) => OldData::Discard,
            (false, false) => OldData::Keep,
        },
        tablespaces: tablespaces.clone(),
        wal_directory: wal_dir.as_deref().map(absolute),
        to: to.as_deref().map(absolute),
        port: *port,
        action,
        role: if args.standby {
            RecoveryRole::Standby(args.primary_conninfo.clone())
        } else {
            RecoveryRole::Primary
        },
        ..asked(args.destination.as_deref(), &args.target, &args.way)
    }
}

/// What recovery and rehearsal ask for alike.
pub(super) fn asked(
    destination: Option<&Path>,
    target: &TargetArgs,
    way: &WayArgs,
) -> RecoveryRequest {
    RecoveryRequest {
        destination: destination.map(absolute),
        target: target.target(),
        bound: target.bound(),
        timeline: way.timeline,
        backup: way.backup.clone(),
        jobs: way.jobs,
        ..RecoveryRequest::default()
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

async fn planned(
    engine: &mut OneShot,
    instance: &InstanceId,
    request: &RecoveryRequest,
) -> Result<RecoveryPlan> {
    let command =
        Command::PlanRecovery { instance: instance.clone(), request: Box::new(request.clone()) };
    match engine.ask(command).await? {
        Event::RecoveryPlanned { plan, .. } => Ok(plan.as_ref().clone()),
        _ => Err(Error::new(ErrorCode::EngineBusy, "the engine gave no plan")),
    }
}

fn show(args: &RecoverArgs, plan: &RecoveryPlan) {
    if let (RecoveryTarget::Time(_), Some(at)) = (&plan.target, args.target.time) {
        output::line(&format!("time asked for: {}", moment::written(at)));
    }
    for line in plan.describe() {
        output::line(&text::clean(&line));
    }
    if args.keystore_passphrase && plan.keystore_fingerprint.is_none() {
        output::note("--keystore-passphrase: this instance has no keystore; nothing is asked");
    }
}

/// On a terminal a person types the instance's name; a script must say `--yes`.
fn confirm(args: &RecoverArgs, snapshot: &Snapshot, plan: &RecoveryPlan) -> Result<()> {
    if args.yes || args.as_guide {
        return Ok(());
    }
    let name = &snapshot.identity.name;
    let is_asked = std::io::stdin().is_terminal() && output::is_interactive() && !args.json;
    let directory = plan.directory.display().to_string();
    let question = format!(
        "This makes {} anew. Type the instance's name, {}, to recover: ",
        text::clean(&directory),
        text::clean(name)
    );
    if is_asked && output::ask_typed(&question, name) {
        return Ok(());
    }
    let error = Error::new(ErrorCode::NotConfirmed, "the recovery is not confirmed");
    Err(error.detail("nothing was touched"))
}

/// Runs a recovery or a step of one; what it said, and how it stands then.
///
/// # Errors
/// The refusal, or what the job gives.
pub(super) async fn carried_out(
    engine: &mut OneShot,
    command: Command,
) -> Result<(String, Option<RecoveryState>)> {
    let mut stands = None;
    let ended = watched(engine, command, |event| {
        if let Event::RecoveryStands { state, .. } = event {
            stands = Some(state.as_ref().clone());
        }
    });
    let text = ended.await?;
    Ok((text, stands))
}

/// Prints the result, and on standard error what comes next.
pub(super) fn tell(text: &str, state: Option<&RecoveryState>, as_json: bool) {
    match state {
        Some(state) if as_json => output::json(state),
        _ => output::line(&text::clean_block(text)),
    }
    for line in state.into_iter().flat_map(next_steps) {
        output::note(&line);
    }
}

/// What can be done from here.
pub(super) fn next_steps(state: &RecoveryState) -> Vec<String> {
    let directory = state.plan.directory.display();
    let mut steps = match state.phase {
        RecoveryPhase::Paused => vec![
            "next: look at the data, it is readable; then".to_owned(),
            format!("  pgdeck recover promote -D {directory}"),
            format!("  pgdeck recover further -D {directory} [-e TIME | -n NAME | ...]"),
        ],
        RecoveryPhase::Promoted => {
            vec!["next:".to_owned(), format!("  pgdeck backup -D {directory}")]
        }
        RecoveryPhase::MovingAside | RecoveryPhase::Restoring | RecoveryPhase::Replaying => {
            vec!["next: run the recovery again, it goes on where it was; or".to_owned()]
        }
        RecoveryPhase::Undoing => {
            vec!["next:".to_owned(), format!("  pgdeck recover undo -D {directory}")]
        }
        RecoveryPhase::Standby => Vec::new(),
    };
    if let Some(bytes) = state.kept_bytes
        && state.phase != RecoveryPhase::Undoing
    {
        let kept = text::bytes(bytes);
        steps.push(format!(
            "  pgdeck recover undo -D {directory}     (back to the old data, {kept})"
        ));
        if matches!(state.phase, RecoveryPhase::Promoted | RecoveryPhase::Standby) {
            steps.push(format!("  pgdeck recover discard -D {directory}  (remove the old data)"));
        }
    }
    steps
}

/// The operations guide starts the instance after `pgx_rcvall`: it is left stopped.
async fn stopped(engine: &mut OneShot, instance: InstanceId, text: &str) -> Result<u8> {
    output::line(&text::clean_block(text));
    let command = Command::Stop { instance, mode: StopMode::Fast };
    let code = operate(engine, command, None, ErrorCode::StopTimeout).await?;
    output::note("next: start the instance, as with pgdeck instance start");
    Ok(code)
}
