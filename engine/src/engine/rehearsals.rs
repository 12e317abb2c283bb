//! Rehearsals as jobs, and how a recovery stands.

use tokio::sync::mpsc;

use super::operate::{Answer, Log};
use super::recoveries::{self, Recoveries};
use crate::api::{
    Error, ErrorCode, Event, JobKind, RehearsalRecord, RehearsalRequest, RequestId, Result,
};
use crate::jobs::runner::{self, JobContext, JobSetup};
use crate::recovery::rehearse::{self, Rehearsal};
use crate::recovery::step;

impl Recoveries {
    /// How the recovery of the data directory stands.
    pub(super) async fn status(self, request: RequestId) -> Result<Event> {
        let directory = self.site.backup.target.data_directory.clone();
        let found = self.site.as_owner(move |site| {
            let found = step::status(&site.backup, &directory)?;
            found.ok_or_else(|| {
                let fact = format!("there is no recovery of \"{}\"", directory.display());
                Error::new(ErrorCode::RecoveryNone, fact)
                    .detail("it has no pgdeck_recovery/state.json")
                    .hint("None is under way, and no data from before one is kept.")
            })
        });
        Ok(Event::RecoveryStands { request, state: Box::new(found.await?) })
    }

    /// Rehearses. The instance may be worked on meanwhile: nothing of it is touched.
    pub(super) async fn rehearse(
        self,
        request: RequestId,
        what: RehearsalRequest,
        told: mpsc::Sender<Answer>,
    ) {
        let log = Log::of(&self.orders, &self.identity).await;
        let kind = JobKind::Rehearse;
        let operation = log.begin(kind.word(), &what.recovery.target.describe()).await;
        let (registered, mut context) = runner::register(JobSetup {
            kind,
            instance: self.identity.id.clone(),
            instance_name: self.identity.name.clone(),
            journal: log.journal.clone(),
            board: self.board.clone(),
        })
        .await;
        let id = registered.id().clone();
        let _ = told.send(Answer::Accepted(id.clone())).await;
        let said = told.clone();
        let body = async |context: &mut JobContext| {
            let program = recoveries::program()?;
            let work = Rehearsal { site: self.site.clone(), request: what, program };
            let record = rehearse::run(&work, context).await?;
            let outcome = result(&record);
            let event = Event::Rehearsed { request, record: Box::new(record) };
            let _ = said.send(Answer::Said(Box::new(event))).await;
            outcome
        };
        let outcome = registered.run(body(&mut context)).await;
        log.end(operation, &outcome).await;
        let _ = told.send(Answer::Ended(id, outcome)).await;
    }
}

/// The record in one line, or as an error.
fn result(record: &RehearsalRecord) -> Result<String> {
    let seconds = record.restore_seconds + record.replay_seconds;
    match &record.error {
        None => Ok(format!("recovery from {} works, and takes {seconds:.1} s", record.backup)),
        Some(error) => {
            let fact = format!("the rehearsal of {} failed", record.target);
            let detail: Vec<&str> =
                error.lines().filter(|line| !line.starts_with("HINT:")).collect();
            Err(Error::new(ErrorCode::RehearsalFailed, fact).detail(detail.join("; ")))
        }
    }
}
