//! `pgdeck recover status`, `promote`, `further`, `undo`, `discard` and `mistakes`.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use pgdeck_engine::api::{
    Command, Error, ErrorCode, Event, Mistake, MistakeKind, MistakeQuery, RecoveryState,
    RecoveryStep, Result, Snapshot,
};

use super::args::GlobalArgs;
use super::moment;
use super::oneshot::{OneShot, engine_config};
use super::output::{self, Table};
use super::recover::{carried_out, next_steps, tell};
use super::recover_args::{MistakesArgs, RecoverStep};
use super::watched::{named, watched};
use crate::text;

/// Carries out a subcommand.
///
/// # Errors
/// `RecoveryNone`, `NotConfirmed`, and what the step gives.
pub async fn run(
    global: &GlobalArgs,
    destination: Option<&Path>,
    step: &RecoverStep,
) -> Result<u8> {
    let mut engine = OneShot::start(engine_config(&named(global, destination)))?;
    let snapshot = engine.only_instance().await?;
    let step = match step {
        RecoverStep::Status { json } => return status(&mut engine, &snapshot, *json).await,
        RecoverStep::Mistakes(args) => {
            return mistakes(&mut engine, &snapshot, destination, args).await;
        }
        RecoverStep::Promote => RecoveryStep::Promote,
        RecoverStep::Further(target) if target.immediate => {
            let fact = "the end of the backup lies behind already";
            return Err(Error::new(ErrorCode::UsageInvalid, fact)
                .hint("Name a later target, or none for the latest position."));
        }
        RecoverStep::Further(target) => RecoveryStep::GoFurther(target.target(), target.bound()),
        RecoverStep::Undo { yes } => {
            confirm(*yes, &snapshot, "What was recovered is removed and the old data put back.")?;
            RecoveryStep::Undo
        }
        RecoverStep::Discard { yes } => {
            confirm(*yes, &snapshot, "The old data is removed for good.")?;
            RecoveryStep::DiscardKept
        }
    };
    let instance = snapshot.identity.id.clone();
    let command = Command::StepRecovery { instance, step };
    let (text, state) = carried_out(&mut engine, command).await?;
    tell(&text, state.as_ref(), false);
    Ok(0)
}

/// On a terminal a person types the instance's name; a script must say `--yes`.
fn confirm(is_confirmed: bool, snapshot: &Snapshot, consequence: &str) -> Result<()> {
    let name = &snapshot.identity.name;
    let is_asked = std::io::stdin().is_terminal() && output::is_interactive();
    let question =
        || format!("{consequence} Type the instance's name, {}, to go on: ", text::clean(name));
    if is_confirmed || (is_asked && output::ask_typed(&question(), name)) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::NotConfirmed, "this is not confirmed")
        .detail(format!("nothing was touched. {consequence}")))
}

async fn status(engine: &mut OneShot, snapshot: &Snapshot, as_json: bool) -> Result<u8> {
    let instance = snapshot.identity.id.clone();
    let Event::RecoveryStands { state, .. } =
        engine.ask(Command::FetchRecovery { instance }).await?
    else {
        return Err(Error::new(ErrorCode::EngineBusy, "the engine gave no answer"));
    };
    if as_json {
        output::json(&state);
    } else {
        output::raw(&described(&state));
        for line in next_steps(&state) {
            output::note(&line);
        }
    }
    Ok(0)
}

fn described(state: &RecoveryState) -> String {
    let plan = &state.plan;
    let mut lines = vec![
        format!("{}: {}", plan.directory.display(), state.phase.words()),
        format!("begun: {}", moment::local(state.started_at)),
        format!("target: {}", plan.target.describe()),
        format!(
            "planned position: {} on timeline {}",
            plan.stop.reached,
            plan.stop.timeline.as_u32()
        ),
        format!("backups: {}", plan.chain.join(", ")),
    ];
    if let Some(at) = plan.stop.last_commit_at {
        lines.push(format!("last commit: {}", moment::local(at)));
    }
    let seconds = [("restore", state.restore_seconds), ("replay", state.replay_seconds)];
    for (word, seconds) in seconds {
        if let Some(seconds) = seconds {
            lines.push(format!("{word} took: {seconds:.1} s"));
        }
    }
    lines.push(match state.kept_bytes {
        Some(bytes) => format!("old data: kept, {}", text::bytes(bytes)),
        None => "old data: none is kept".to_owned(),
    });
    lines.iter().map(|line| format!("{}\n", text::clean(line))).collect()
}

async fn mistakes(
    engine: &mut OneShot,
    snapshot: &Snapshot,
    destination: Option<&Path>,
    args: &MistakesArgs,
) -> Result<u8> {
    let query = MistakeQuery {
        destination: destination.map(Path::to_path_buf),
        timeline: args.timeline,
        from: args.from.map(|at| at.to_utc()),
        to: args.to.map(|at| at.to_utc()),
        relation: args.relation.clone(),
        relation_files: Vec::new(),
        deleted_rows_min: args.rows,
    };
    let instance = snapshot.identity.id.clone();
    let command = Command::FindMistakes { instance, query: Box::new(query) };
    let mut found = None;
    let ended = watched(engine, command, |event| {
        if let Event::MistakesFound { mistakes, .. } = event {
            found = Some(Arc::clone(mistakes));
        }
    });
    ended.await?;
    let mistakes = found.unwrap_or_default();
    if args.json {
        output::json(&mistakes.as_slice());
    } else if mistakes.is_empty() {
        output::note("nothing of the kind was found");
    } else {
        table(&mistakes);
    }
    Ok(0)
}

fn table(mistakes: &[Mistake]) {
    let mut table = Table::new(&[
        "committed",
        "what",
        "rows",
        "transaction",
        "timeline",
        "commit",
        "relations",
    ]);
    for mistake in mistakes {
        let rows = match mistake.kind {
            MistakeKind::Delete => mistake.rows.to_string(),
            MistakeKind::Drop | MistakeKind::Truncate => String::new(),
        };
        table.row(&[
            &mistake.committed_at.map_or_else(|| "unknown".to_owned(), moment::local),
            word(mistake.kind),
            &rows,
            &mistake.xid.to_string(),
            &mistake.timeline.as_u32().to_string(),
            &mistake.commit_lsn.to_string(),
            &mistake.relations.join(", "),
        ]);
    }
    table.print();
    output::note("the moment before one of them: pgdeck recover --xid TRANSACTION --exclusive");
}

fn word(kind: MistakeKind) -> &'static str {
    match kind {
        MistakeKind::Drop => "DROP",
        MistakeKind::Truncate => "TRUNCATE",
        MistakeKind::Delete => "DELETE",
    }
}
