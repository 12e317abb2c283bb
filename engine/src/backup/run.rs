//! Taking a backup: the one place that carries the steps of the machine out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;

use super::adopt::Adopted;
use super::copy::{self, Copied, CopyProgress};
use super::document::BackupDocument;
use super::layout::Label;
use super::listing::Listing;
use super::machine::{Outcome, Start, State, Step, Stop};
use super::outcome::{rate, seconds};
use super::plan::Plan;
use super::prepare::{copy_work, lock, possible, prepare};
use super::seal::LabelLeft;
use super::session::{BackupSession, ServerFacts, Stopped};
use super::site::{self, BackupSite};
use super::{archive, expire};
use crate::api::{Error, ErrorCode, JobProgress, Result, TimelineId, bytes};
use crate::jobs::runner::{JobContext, JobControl, Reporter};
use crate::pg::wal::SegmentSize;
use crate::sys::clock;
use crate::sys::lock::LockFile;

/// How often the session is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// How long a backup that is given up may take to end in the server.
const FAREWELL_LIMIT: Duration = Duration::from_secs(10);

/// A finished backup.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its label.
    pub document: BackupDocument,
    /// The result in words.
    pub text: String,
    /// What should be looked at.
    pub warnings: Vec<String>,
}

/// Everything a running backup holds.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) site: &'a BackupSite,
    pub(super) plan: &'a Plan,
    pub(super) reporter: Reporter,
    pub(super) started_at: DateTime<Utc>,
    pub(super) lock: Option<LockFile>,
    pub(super) session: Option<BackupSession>,
    pub(super) server: Option<ServerFacts>,
    pub(super) adopted: Option<Adopted>,
    pub(super) progress: Arc<CopyProgress>,
    pub(super) copying: Option<JoinHandle<Result<Copied>>>,
    pub(super) copied: Option<(Copied, Listing, Duration)>,
    pub(super) control: Vec<u8>,
    pub(super) stopped: Option<Stopped>,
    pub(super) document: Option<BackupDocument>,
    pub(super) label_left: LabelLeft,
    pub(super) removed: String,
}

/// Takes a backup as planned.
///
/// # Errors
/// `BackupRunning`, `BackupNotPossible`, `BackupNoSpace`, `BackupAbandoned`, `ArchiveStuck`,
/// `RepositoryWrite`, `RepositoryForeign`, `BackupSourceOdd`, `DataDirectoryAccess`,
/// `Cancelled`. The destination is sound after each.
pub async fn run(site: &BackupSite, plan: &Plan, context: &mut JobContext) -> Result<Finished> {
    let mut run = Run {
        site,
        plan,
        reporter: context.reporter(),
        started_at: clock::now(),
        lock: None,
        session: None,
        server: None,
        adopted: None,
        progress: Arc::default(),
        copying: None,
        copied: None,
        control: Vec::new(),
        stopped: None,
        document: None,
        label_left: LabelLeft::Absent,
        removed: String::new(),
    };
    let mut state = State::Planned;
    while let Some(step) = state.next() {
        run.tell(step.phase());
        let outcome = tokio::select! {
            outcome = run.perform(&state, step) => outcome,
            error = cancelled(context), if step.can_be_cancelled() => Err(error),
        };
        let is_open = state.is_open_in_server();
        let outcome = outcome.unwrap_or_else(Outcome::Failed);
        let has_failed = matches!(outcome, Outcome::Failed(_));
        state = state.after(outcome);
        if has_failed && step != Step::Expire {
            run.give_up(is_open).await;
        }
    }
    run.result(state)
}

async fn cancelled(context: &mut JobContext) -> Error {
    while context.order().await != JobControl::Cancel {}
    Error::new(ErrorCode::Cancelled, "the backup was cancelled")
        .detail("the server has ended it; the destination is sound")
        .hint("The next backup uses what was copied.")
}

impl Run<'_> {
    async fn perform(&mut self, state: &State, step: Step) -> Result<Outcome> {
        match (step, state) {
            (Step::Lock, _) => self.lock().await,
            (Step::Connect, _) => self.connect().await,
            (Step::Start, _) => self.start().await,
            (Step::SeeArchive, State::Started(start)) => self.see_archive(*start).await,
            (Step::Prepare, State::Seen(start)) => self.prepare(*start).await,
            (Step::Copy, State::Prepared(_, label)) => self.copy(label).await,
            (Step::Stop, State::Copied(start, _)) => self.stop(*start).await,
            (Step::AwaitArchive, State::Stopped(start, _, stop)) => {
                self.await_archive(*start, *stop).await
            }
            (Step::Seal, State::Archived(start, label, stop)) => {
                self.seal(*start, label, *stop).await
            }
            (Step::Expire, _) => self.expire().await,
            _ => Err(Error::new(ErrorCode::BackupAbandoned, "a step came at the wrong time")),
        }
    }

    async fn lock(&mut self) -> Result<Outcome> {
        self.lock = Some(lock(self.site, &self.plan.destination, "backup").await?);
        self.plan.fits()?;
        Ok(Outcome::Done)
    }

    async fn connect(&mut self) -> Result<Outcome> {
        let name = format!("pgdeck backup {} pid {}", super::host_name(), std::process::id());
        let (session, facts) = BackupSession::open(&self.site.access, &name).await?;
        possible(&facts, self.plan)?;
        session.lock().await?;
        self.session = Some(session);
        self.server = Some(facts);
        let destination = self.plan.destination.clone();
        self.site
            .as_owner(move |site| {
                let cluster = site.cluster()?;
                crate::wal::identity::ensure(&site.disk, &destination, &cluster.identity)
            })
            .await?;
        Ok(Outcome::Done)
    }

    async fn start(&mut self) -> Result<Outcome> {
        let session = self.session()?;
        let at = self.started_at.format("%Y-%m-%d %H:%M:%S UTC");
        let lsn = session.start(&format!("pgdeck {at}")).await?;
        let facts = session.look().await?;
        self.same_timeline(facts.timeline)?;
        Ok(Outcome::Started(Start { lsn, timeline: facts.timeline }))
    }

    fn same_timeline(&self, timeline: TimelineId) -> Result<()> {
        if timeline.as_u32() == self.plan.timeline {
            return Ok(());
        }
        let (planned, now) = (self.plan.timeline, timeline.decimal());
        Err(Error::new(ErrorCode::BackupAbandoned, "the timeline of the cluster has changed")
            .detail(format!("it was {planned} and is {now}")))
    }

    /// On a standby nothing can be made to arrive; the end of the backup waits all the same.
    async fn see_archive(&mut self, start: Start) -> Result<Outcome> {
        let session = self.session()?;
        if self.server.as_ref().is_some_and(|facts| facts.in_recovery) {
            return Ok(Outcome::Done);
        }
        session.switch_wal().await?;
        self.wait_for_wal(start, start.lsn).await?;
        Ok(Outcome::Done)
    }

    async fn wait_for_wal(&self, start: Start, to: crate::api::Lsn) -> Result<()> {
        let wait = archive::Wait {
            site: self.site,
            session: self.session()?,
            destination: &self.plan.destination,
            size: SegmentSize::from_bytes(self.plan.cluster.wal_segment_bytes)
                .unwrap_or(SegmentSize::DEFAULT),
            timeline: start.timeline,
            from: start.lsn,
            to,
            limit: Duration::from_secs(self.plan.archive_timeout_s),
            is_standby: self.server.as_ref().is_some_and(|facts| facts.in_recovery),
        };
        wait.run(|what| self.tell(&what)).await
    }

    async fn prepare(&mut self, start: Start) -> Result<Outcome> {
        let plan = self.plan.clone();
        let started_at = self.started_at;
        let timeline = start.timeline.as_u32();
        let work = move |site: &BackupSite| prepare(site, &plan, started_at, timeline);
        let (label, adopted) = self.site.as_owner(work).await?;
        self.adopted = Some(adopted);
        Ok(Outcome::Prepared(label))
    }

    async fn copy(&mut self, label: &Label) -> Result<Outcome> {
        let (plan, label) = (self.plan.clone(), label.clone());
        let (progress, adopted) = (Arc::clone(&self.progress), self.adopted.take());
        let adopted = adopted.unwrap_or_default();
        let work = self
            .site
            .as_owner(move |site| copy_work(site, &plan, &label, adopted, progress))
            .await?;
        let listing = Listing { files: Vec::new(), ..work.listing.clone() };
        let total = work.listing.bytes();
        let began = Instant::now();
        self.copying = Some(tokio::task::spawn_blocking(move || copy::run(work)));
        let mut tell = tokio::time::interval(TELL_EVERY);
        let mut ping = tokio::time::interval(PING_EVERY);
        while let Some(copying) = &mut self.copying {
            tokio::select! {
                ended = copying => {
                    self.copying = None;
                    let copied = ended.map_err(|error| panicked(&error.to_string()))??;
                    self.copied = Some((copied, listing, began.elapsed()));
                    break;
                }
                _ = tell.tick() => self.tell_copy(total, began),
                _ = ping.tick() => self.session()?.ping().await?,
            }
        }
        self.tell_copy(total, began);
        Ok(Outcome::Done)
    }

    fn tell_copy(&self, total: u64, began: Instant) {
        let done = self.progress.done_bytes.load(Ordering::Relaxed);
        let rate = rate(done, began.elapsed());
        let left = total.saturating_sub(done);
        let read = self.progress.read_bytes.load(Ordering::Relaxed);
        let stored = self.progress.stored_bytes.load(Ordering::Relaxed);
        self.reporter.report(JobProgress {
            phase: Step::Copy.phase().to_owned(),
            lines: vec![format!("{} read, {} stored", bytes(read), bytes(stored))],
            done: Some(done),
            total: Some(total),
            rate,
            eta_seconds: rate.and_then(|rate| seconds(left, rate)),
            stop_mode: None,
        });
    }

    async fn stop(&mut self, start: Start) -> Result<Outcome> {
        self.control = self
            .site
            .as_owner(|site| {
                site::read_control(&site.target.data_directory).map(|(bytes, _)| bytes)
            })
            .await?;
        let stopped = self.session()?.stop().await?;
        let label = String::from_utf8_lossy(&stopped.label_file).into_owned();
        let line = format!("START TIMELINE: {}", start.timeline.decimal());
        if !label.lines().any(|one| one == line) {
            return Err(Error::new(ErrorCode::BackupAbandoned, "the timeline has changed")
                .detail(format!("the server's backup_label has no line \"{line}\"")));
        }
        let stop = Stop { lsn: stopped.lsn };
        self.stopped = Some(stopped);
        Ok(Outcome::Stopped(stop))
    }

    async fn await_archive(&mut self, start: Start, stop: Stop) -> Result<Outcome> {
        self.wait_for_wal(start, stop.lsn).await?;
        Ok(Outcome::Done)
    }

    async fn expire(&mut self) -> Result<Outcome> {
        let (destination, policy) = (self.plan.destination.clone(), self.plan.policy);
        let removed = self
            .site
            .as_owner(move |site| expire::expire(&site.disk, &destination, policy, clock::now()))
            .await?;
        self.removed = removed.describe();
        Ok(Outcome::Done)
    }

    /// Ends the threads and tells the server, as far as both still answer.
    async fn give_up(&mut self, is_open_in_server: bool) {
        self.tell("giving up");
        self.progress.stop.store(true, Ordering::Release);
        if let Some(copying) = self.copying.take() {
            let _ = copying.await;
        }
        if let Some(session) = self.session.take()
            && is_open_in_server
        {
            let _ = tokio::time::timeout(FAREWELL_LIMIT, session.stop()).await;
        }
    }

    fn session(&self) -> Result<&BackupSession> {
        self.session.as_ref().ok_or_else(|| panicked("there is no session"))
    }

    fn tell(&self, phase: &str) {
        self.reporter.report(JobProgress { phase: phase.to_owned(), ..JobProgress::default() });
    }
}

pub(super) fn panicked(what: &str) -> Error {
    Error::new(ErrorCode::BackupAbandoned, "the backup could not go on").detail(what)
}
