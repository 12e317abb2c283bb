//! Looking for mistakes in WAL, for a front end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::mpsc;

use super::job::Answer;
use super::recoveries::Recoveries;
use crate::api::{Event, JobKind, JobProgress, Mistake, MistakeQuery, RequestId, Result};
use crate::instance::access::Access;
use crate::jobs::runner::{JobContext, JobControl, Reporter};
use crate::pg::query::column;
use crate::pg::query::sql::RELATION_FILENODE;
use crate::recovery::mistakes::{self, Extent};
use crate::recovery::telling;

impl Recoveries {
    /// What may have been mistakes. Nothing is changed, and the instance may be worked on.
    pub(super) async fn mistakes(
        self,
        request: RequestId,
        query: MistakeQuery,
        told: mpsc::Sender<Answer>,
    ) {
        let said = told.clone();
        let command = match &query.relation {
            Some(name) => format!("recover mistakes --relation {name}"),
            None => "recover mistakes".to_owned(),
        };
        let body = async |context: &mut JobContext| {
            let found = self.look_for_mistakes(query, context).await?;
            let count = found.len();
            let event = Event::MistakesFound { request, mistakes: Arc::new(found) };
            let _ = said.send(Answer::Said(Box::new(event))).await;
            Ok(match count {
                0 => "nothing that may have been a mistake was found".to_owned(),
                1 => "1 transaction may have been a mistake".to_owned(),
                count => format!("{count} transactions may have been mistakes"),
            })
        };
        self.subject.run_job(JobKind::FindMistakes, &command, &told, body).await;
    }

    async fn look_for_mistakes(
        &self,
        mut query: MistakeQuery,
        context: &mut JobContext,
    ) -> Result<Vec<Mistake>> {
        let reporter = context.reporter();
        reporter.report(JobProgress {
            phase: "looking at backups and WAL".to_owned(),
            ..JobProgress::default()
        });
        if let Some(name) = &query.relation {
            // A server that does not answer is no reason: backups and WAL know names as well.
            query.relation_files.extend(filenode(&self.site.backup.access, name).await);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let heeded = Arc::clone(&stop);
        let work = self.site.as_owner(move |site| {
            let began = Instant::now();
            mistakes::find(site, &query, &heeded, &mut |done, extent| {
                tell(&reporter, done, extent, began);
            })
        });
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                found = &mut work => return found,
                order = context.order() => if order == JobControl::Cancel {
                    stop.store(true, Ordering::Release);
                },
            }
        }
    }
}

fn tell(reporter: &Reporter, segments: u64, extent: Extent, began: Instant) {
    let done = segments.saturating_mul(extent.segment_bytes);
    let total = extent.segments.saturating_mul(extent.segment_bytes);
    let (rate, eta_seconds) = telling::rate(done, total, began.elapsed());
    reporter.report(JobProgress {
        phase: "reading WAL".to_owned(),
        lines: vec![format!("segment {segments} of {}", extent.segments)],
        done: Some(done),
        total: Some(total),
        rate,
        eta_seconds,
        ..JobProgress::default()
    });
}

/// The number of a relation's file, as the server knows it now.
async fn filenode(access: &Access, name: &str) -> Option<u32> {
    let connected = access.connect(None).await.ok()?;
    let text = RELATION_FILENODE.text_for(connected.server.version.major())?;
    let row = connected.client.query_one(text, &[&name]).await.ok()?;
    column::<Option<u32>>(&row, "filenode").ok().flatten()
}
