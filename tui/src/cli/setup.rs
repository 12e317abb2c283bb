//! `pgdeck backup setup`: shows what changes, asks, changes it, and proves that WAL arrives.

use std::io::IsTerminal;
use std::path::Path;

use pgdeck_engine::api::{
    Command, CreateDestination, Error, ErrorCode, Event, InstanceId, Result, SetupPlan,
    SetupRequest, SetupThen, Severity,
};

use super::args::GlobalArgs;
use super::backup_args::SetupArgs;
use super::check;
use super::instance::operate;
use super::oneshot::{OneShot, engine_config};
use super::output;
use crate::text;

/// Sets up the archive.
///
/// # Errors
/// `NotConfirmed` without `--yes` where nobody can be asked, `DestinationInvalid`,
/// `SetupConflict`, `ConfigurationErrors`, and what reaching the instance gives.
pub async fn run(global: &GlobalArgs, args: &SetupArgs, destination: Option<&Path>) -> Result<u8> {
    let request = request(args, destination)?;
    let mut engine = OneShot::start(engine_config(global))?;
    let instance = engine.only_instance().await?.identity.id.clone();
    let plan = planned(&mut engine, &instance, &request).await?;
    if args.json {
        output::json(&plan);
    } else {
        show(&plan);
    }
    if args.dry_run {
        return Ok(0);
    }
    confirm(args, &plan)?;
    let then = plan.then;
    let command = Command::Setup {
        instance: instance.clone(),
        request: Box::new(request),
        fingerprint: plan.fingerprint,
    };
    let code = operate(&mut engine, command, None, ErrorCode::QueryTimeout).await?;
    match then {
        SetupThen::Nothing | SetupThen::Reload if code == 0 => {
            check::send_segment(&mut engine, instance, args.timeout).await
        }
        SetupThen::Restart => {
            output::note("next: pgdeck instance restart, then pgdeck check");
            Ok(code)
        }
        SetupThen::Start => {
            output::note("next: pgdeck instance start, then pgdeck check");
            Ok(code)
        }
        _ => Ok(code),
    }
}

fn request(args: &SetupArgs, destination: Option<&Path>) -> Result<SetupRequest> {
    let destination = destination.ok_or_else(|| {
        Error::new(ErrorCode::UsageInvalid, "no backup destination is named")
            .hint("Name one: pgdeck backup setup -D DIR -B DEST.")
    })?;
    let program = std::env::current_exe().map_err(|error| {
        Error::new(ErrorCode::ProgramFailed, "this program does not know its own path")
            .detail(error.to_string())
    })?;
    let destination = std::path::absolute(destination).map_err(|error| {
        Error::new(ErrorCode::DestinationInvalid, "the destination is no path")
            .detail(error.to_string())
    })?;
    Ok(SetupRequest {
        destination,
        create: if args.create { CreateDestination::Make } else { CreateDestination::Refuse },
        compression: args.compress.clone(),
        archive_timeout_seconds: args.archive_timeout,
        retention: args.keep,
        program,
    })
}

async fn planned(
    engine: &mut OneShot,
    instance: &InstanceId,
    request: &SetupRequest,
) -> Result<SetupPlan> {
    let command =
        Command::PlanSetup { instance: instance.clone(), request: Box::new(request.clone()) };
    match engine.ask(command).await? {
        Event::SetupPlanned { plan, .. } => Ok(plan.as_ref().clone()),
        _ => Err(Error::new(ErrorCode::EngineBusy, "the engine gave no plan")),
    }
}

fn show(plan: &SetupPlan) {
    let made = if plan.creates_destination { " (will be made, mode 0700)" } else { "" };
    output::line(&format!(
        "backup destination: {}{made}",
        text::clean(&plan.destination.display().to_string())
    ));
    for line in plan.diff.lines() {
        output::line(&text::clean(line));
    }
    if plan.changes.is_empty() {
        output::line("every setting is right already");
    }
    for warning in &plan.warnings {
        output::line(&format!("warning: {}", text::clean(warning)));
    }
    output::line(match plan.then {
        SetupThen::Nothing => "afterwards: nothing; everything is in force",
        SetupThen::Reload => "afterwards: the server loads its configuration (no interruption)",
        SetupThen::Restart => "afterwards: the instance must be restarted (sessions end)",
        SetupThen::Start => "afterwards: nothing; the instance is down and reads them at its start",
    });
}

/// On a terminal a person is asked; a script must say `--yes`.
fn confirm(args: &SetupArgs, plan: &SetupPlan) -> Result<()> {
    if args.yes || (plan.changes.is_empty() && !plan.creates_destination) {
        return Ok(());
    }
    let is_asked = std::io::stdin().is_terminal() && output::is_interactive() && !args.json;
    if is_asked && output::ask("Change these files? [y/N] ") {
        return Ok(());
    }
    Err(Error::new(ErrorCode::NotConfirmed, "the set-up is not confirmed")
        .detail("nothing was changed"))
}

/// The word monitoring systems know a severity by.
pub(super) fn nagios_word(severity: Severity) -> (&'static str, u8) {
    match severity {
        Severity::Info => ("OK", 0),
        Severity::Warning => ("WARNING", 1),
        Severity::Error => ("CRITICAL", 2),
    }
}
