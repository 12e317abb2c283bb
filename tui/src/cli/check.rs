//! `pgdeck check`: proves that archiving works, fit for cron and for monitoring systems.

use pgdeck_engine::api::{
    ArchiveReport, Command, Error, ErrorCode, Event, InstanceId, Result, Severity,
};

use super::args::GlobalArgs;
use super::backup_args::CheckArgs;
use super::oneshot::{OneShot, connected, engine_config};
use super::output;
use super::setup::nagios_word;
use crate::text;

/// What monitoring systems take for "cannot tell".
const EXIT_UNKNOWN: u8 = 3;

/// Checks the archive. Exit 0 sound, 1 warnings, 2 broken, 3 cannot tell.
///
/// # Errors
/// None: what cannot be looked at is told and gives 3.
pub async fn run(global: &GlobalArgs, args: &CheckArgs) -> Result<u8> {
    match report(global, args).await {
        Ok(report) => {
            if args.json {
                output::json(&report);
            } else {
                print(&report);
            }
            Ok(nagios_word(report.worst()).1)
        }
        Err(error) => {
            output::line(&format!("UNKNOWN - {}", text::clean(&error.fact)));
            output::error(&error);
            Ok(EXIT_UNKNOWN)
        }
    }
}

async fn report(global: &GlobalArgs, args: &CheckArgs) -> Result<ArchiveReport> {
    let mut engine = OneShot::start(engine_config(global))?;
    let snapshot = engine.only_instance().await?;
    connected(&snapshot)?;
    ask(&mut engine, snapshot.identity.id.clone(), args.timeout).await
}

async fn ask(engine: &mut OneShot, instance: InstanceId, seconds: u32) -> Result<ArchiveReport> {
    match engine.ask(Command::CheckArchive { instance, limit_seconds: seconds }).await? {
        Event::ArchiveChecked { report, .. } => Ok(report.as_ref().clone()),
        _ => Err(Error::new(ErrorCode::EngineBusy, "the engine gave no report")),
    }
}

/// Sends a segment through after a set-up.
///
/// # Errors
/// What asking the engine gives.
pub async fn send_segment(engine: &mut OneShot, instance: InstanceId, seconds: u32) -> Result<u8> {
    let report = ask(engine, instance, seconds).await?;
    print(&report);
    Ok(if report.worst() == Severity::Error { 2 } else { 0 })
}

/// The first line is the verdict, as monitoring systems show it; the rest says why.
fn print(report: &ArchiveReport) {
    let worst = report.worst();
    let verdict = report.findings.iter().rfind(|finding| finding.severity == worst);
    let told = verdict.map_or("nothing was found", |finding| finding.text.as_str());
    output::line(&format!("{} - {}", nagios_word(worst).0, text::clean(told)));
    for finding in &report.findings {
        let (word, _) = nagios_word(finding.severity);
        output::line(&format!("  {word}: {}", text::clean(&finding.text)));
        if !finding.hint.is_empty() {
            output::line(&format!("    HINT: {}", text::clean(&finding.hint)));
        }
    }
}
