//! `pgdeck rehearse`: recovers into a scratch directory and reports what came of it.

use pgdeck_engine::api::{Command, Event, RehearsalRecord, RehearsalRequest, Result};

use super::args::GlobalArgs;
use super::oneshot::{OneShot, engine_config};
use super::recover::asked;
use super::recover_args::RehearseArgs;
use super::watched::{named, watched, with_last_seen};
use super::{moment, output};
use crate::text;

/// Rehearses a recovery.
///
/// # Errors
/// Why it could not be done, or `RehearsalFailed`; the report is printed in both cases.
pub async fn run(global: &GlobalArgs, args: &RehearseArgs) -> Result<u8> {
    let mut engine = OneShot::start(engine_config(&named(global, args.destination.as_deref())))?;
    let snapshot = engine.only_instance().await?;
    let instance = snapshot.identity.id.clone();
    let absolute =
        |path: &std::path::PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let request = RehearsalRequest {
        recovery: asked(args.destination.as_deref(), &args.target, &args.way),
        scratch: args.scratch.as_ref().map(absolute),
        queries: args.queries.as_ref().map(absolute),
    };
    let command = Command::Rehearse { instance, request: Box::new(request) };
    let ended = watched(&mut engine, command, |event| {
        if let Event::Rehearsed { record, .. } = event {
            output::progress_end();
            if args.json {
                output::json(record);
            } else {
                output::raw(&report(record));
            }
        }
    });
    let asked = args.destination.as_deref();
    let text = ended.await.map_err(|error| with_last_seen(error, asked, &snapshot))?;
    if !args.json {
        output::line(&text::clean(&text));
    }
    Ok(0)
}

fn report(record: &RehearsalRecord) -> String {
    let mut lines = vec![
        format!("rehearsed: {}", moment::local(record.at)),
        format!("target: {} from backup {}", record.target, record.backup),
        format!(
            "restore: {} in {:.1} s",
            text::bytes(record.restore_bytes),
            record.restore_seconds
        ),
        format!(
            "replay: {} of WAL in {:.1} s",
            text::bytes(record.replay_bytes),
            record.replay_seconds
        ),
    ];
    if let Some(lsn) = record.reached {
        let at = record.last_commit_at.map_or_else(|| "none".to_owned(), moment::local);
        lines.push(format!("reached: {lsn}, last commit {at}"));
    }
    lines.extend(record.checks.iter().map(|check| format!("check: {check}")));
    if let Some(error) = &record.error {
        lines.push(format!("FAILED: {}", error.replace('\n', "; ")));
    }
    lines.iter().map(|line| format!("{}\n", text::clean(line))).collect()
}
