//! `pgdeck connections`.

use std::sync::Arc;

use pgdeck_engine::api::{
    BackendTarget, Command, Error, ErrorCode, Event, Result, Session, SignalKind, Snapshot,
};

use super::args::{ConnectionsAction, ConnectionsArgs, GlobalArgs, PidArgs};
use super::oneshot::{OneShot, connected, engine_config};
use super::output::{self, Table};
use super::report::SessionReport;
use crate::text;

/// Characters of a query in the table.
const QUERY_COLUMNS: usize = 60;
/// Whole queries are fetched for `--json`; of more sessions than this only the beginnings.
const WHOLE_QUERIES_MAX: usize = 1_000;

/// Lists sessions, or ends some.
///
/// # Errors
/// `InstanceNotFound`, `InstanceAmbiguous`, why it cannot be asked, `NotConfirmed`.
pub async fn run(global: &GlobalArgs, args: &ConnectionsArgs) -> Result<u8> {
    let mut engine = OneShot::start(engine_config(global))?;
    let (kind, pids) = match &args.action {
        None => return list(&mut engine, args).await,
        Some(ConnectionsAction::Cancel(pids)) => (SignalKind::Cancel, pids),
        Some(ConnectionsAction::Terminate(pids)) => (SignalKind::Terminate, pids),
    };
    confirmed(kind, pids)?;
    let snapshot = engine.only_instance().await?;
    connected(&snapshot)?;
    signal(&mut engine, &snapshot, kind, &pids.pids).await
}

fn confirmed(kind: SignalKind, pids: &PidArgs) -> Result<()> {
    if pids.yes {
        return Ok(());
    }
    let list: Vec<_> = pids.pids.iter().map(ToString::to_string).collect();
    Err(Error::new(ErrorCode::NotConfirmed, format!("{} is not confirmed", kind.word()))
        .detail(format!("it would concern {}", list.join(", "))))
}

async fn list(engine: &mut OneShot, args: &ConnectionsArgs) -> Result<u8> {
    let snapshot = engine.only_instance().await?;
    connected(&snapshot)?;
    let sessions = snapshot.sessions.get().cloned().unwrap_or_default();
    let wanted: Vec<Arc<Session>> =
        sessions.into_iter().filter(|session| is_wanted(session, args)).collect();
    if !args.json {
        print(&wanted);
        return Ok(0);
    }
    let mut reports = Vec::with_capacity(wanted.len());
    for (index, session) in wanted.iter().enumerate() {
        let query = match session.query_is_cut && index < WHOLE_QUERIES_MAX {
            true => whole_query(engine, &snapshot, session.target()).await,
            false => None,
        };
        reports.push(SessionReport::of(session, query));
    }
    output::json(&reports);
    Ok(0)
}

fn is_wanted(session: &Session, args: &ConnectionsArgs) -> bool {
    let by_kind = args.all || session.is_client();
    let by_rule = args.idle_in_transaction.is_none_or(|minutes| {
        let limit = f64::from(minutes) * 60.0;
        session.state.is_idle_in_transaction()
            && session.state_age_seconds.is_some_and(|age| age >= limit)
    });
    by_kind && by_rule
}

async fn whole_query(
    engine: &mut OneShot,
    snapshot: &Snapshot,
    target: BackendTarget,
) -> Option<String> {
    let command = Command::FetchQuery { instance: snapshot.identity.id.clone(), target };
    match engine.ask(command).await {
        Ok(Event::QueryText { text, .. }) => Some(text.to_string()),
        _ => None,
    }
}

fn print(sessions: &[Arc<Session>]) {
    let mut table = Table::new(&[
        "pid",
        "database",
        "user",
        "application",
        "client",
        "state",
        "wait",
        "xact",
        "query",
        "blocked by",
        "text",
    ]);
    let age = |seconds: Option<f64>| {
        seconds.map_or_else(String::new, |seconds| text::age(whole_seconds(seconds)))
    };
    for session in sessions {
        let blockers: Vec<String> = session
            .blocked_by
            .iter()
            .filter(|pid| **pid != 0)
            .map(ToString::to_string)
            .chain(session.blocked_by_prepared.iter().map(|gid| format!("prepared {gid}")))
            .collect();
        let query = text::clean_start(&session.query, 400);
        table.row(&[
            &session.pid.to_string(),
            session.database.as_deref().unwrap_or(""),
            session.user.as_deref().unwrap_or(""),
            &session.application,
            &session.client,
            session.state.word(),
            &session.wait(),
            &age(session.xact_age_seconds),
            &age(session.query_age_seconds),
            &blockers.join(" "),
            &text::fit(&query, QUERY_COLUMNS, "..."),
        ]);
    }
    table.print();
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates; a negative age is clock noise"
)]
fn whole_seconds(seconds: f64) -> u64 {
    seconds as u64
}

async fn signal(
    engine: &mut OneShot,
    snapshot: &Snapshot,
    kind: SignalKind,
    pids: &[i32],
) -> Result<u8> {
    let sessions = snapshot.sessions.get().cloned().unwrap_or_default();
    let targets: Vec<BackendTarget> = pids
        .iter()
        .map(|pid| {
            let found = sessions.iter().find(|session| session.pid == *pid);
            found.map_or(BackendTarget { pid: *pid, backend_start: None }, |one| one.target())
        })
        .collect();
    let instance = snapshot.identity.id.clone();
    let Event::Signalled { results, .. } =
        engine.ask(Command::Signal { instance, kind, targets }).await?
    else {
        return Ok(2);
    };
    let mut code = 0;
    for result in results {
        match result.outcome {
            Ok(()) => output::line(&format!("{}: {} sent", result.pid, kind.word())),
            Err(error) => {
                output::error(&error);
                code = 2;
            }
        }
    }
    Ok(code)
}
