//! Carrying out a recovery: the one place that performs the steps of the machine.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

pub use super::asked::{Asked, begun, version_directory};
use super::layout::{DIRECTORY, LOCK_FILE, Place};
use super::machine::{End, Left, Outcome, State, Step};
use super::pushing::Pushed;
use super::replay::Watch;
use super::restore::{self, Existing, Progress, Restored};
use super::server::Starting;
use super::site::RecoverySite;
use super::state::StateDocument;
use super::{act, aside, check, replay, rescue, server, settle, telling};
use crate::api::{
    Error, ErrorCode, JobProgress, Lsn, OldData, RecoveryPhase, RecoveryPlan, RecoveryState, Result,
};
use crate::backup::chain::Chain;
use crate::instance::lifecycle;
use crate::jobs::runner::{JobContext, JobControl, Reporter};
use crate::sys::lock::{Attempt, LockFile};

/// How a recovery ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The result in words.
    pub text: String,
    /// Its state.
    pub state: RecoveryState,
    /// Where it ended.
    pub reached: Lsn,
}

/// Everything a running recovery holds.
struct Run<'a> {
    site: &'a RecoverySite,
    asked: &'a Asked,
    reporter: Reporter,
    progress: Arc<Progress>,
    lock: Option<LockFile>,
    document: Option<StateDocument>,
    existing: Existing,
    chain: Option<Arc<Chain>>,
    restored: Option<Restored>,
    starting: Option<Starting>,
    replay_began: Option<Instant>,
    pushed: Pushed,
}

/// Recovers as planned, or goes on with what was begun.
///
/// # Errors
/// `RecoveryRunning`, `RecoveryUnfinished`, `RecoveryPlace`, `RecoveryPlanChanged`,
/// `OperationRunning`, `RestoreFailed`, `ReplayFailed`, `ReplayShort`, `RepositoryDamaged`,
/// `RepositoryUnreadable`, `BackupNotFound`, `Cancelled`. After each the directory is as it was,
/// or in a state that the next run goes on from.
pub async fn run(site: &RecoverySite, asked: &Asked, context: &mut JobContext) -> Result<Finished> {
    let mut run = Run {
        site,
        asked,
        reporter: context.reporter(),
        progress: Arc::default(),
        lock: None,
        document: None,
        existing: Existing::Compared,
        chain: None,
        restored: None,
        starting: None,
        replay_began: None,
        pushed: Pushed::default(),
    };
    let progress = Arc::clone(&run.progress);
    let mut state = State::Asked;
    while let Some(step) = state.next() {
        run.tell(step.phase());
        let outcome = {
            let mut work = std::pin::pin!(run.perform(&state, step));
            loop {
                tokio::select! {
                    outcome = &mut work => break outcome,
                    // Every step heeds it where what it leaves is sound.
                    order = context.order() => if order == JobControl::Cancel {
                        progress.stop.store(true, Ordering::Release);
                    },
                }
            }
        };
        state = state.after(outcome.unwrap_or_else(Outcome::Failed));
    }
    run.result(state)
}

impl Run<'_> {
    async fn perform(&mut self, state: &State, step: Step) -> Result<Outcome> {
        if self.progress.stop.load(Ordering::Acquire) {
            match step {
                // Replay stops the server that was started.
                Step::Replay | Step::Prove | Step::Finish => {}
                Step::Act => return Err(act::cancelled()),
                _ => return Err(restore::cancelled()),
            }
        }
        match (step, state) {
            (Step::Lock, _) => self.lock().await,
            (Step::Check, _) => self.check().await,
            (Step::Rescue, _) => self.rescue().await,
            (Step::Clear, _) => self.clear().await,
            (Step::Prepare, _) => self.prepare().await,
            (Step::Restore, _) => self.restore().await,
            (Step::Configure, _) => self.configure().await,
            (Step::Settle, _) => self.settle().await,
            (Step::Arm, _) => self.arm().await,
            (Step::Start, _) => self.start().await,
            (Step::Replay, _) => self.replay().await,
            (Step::Prove, State::Waiting(reached)) => {
                act::prove(self.plan(), *reached).map(|()| Outcome::Done)
            }
            (Step::Act, State::Proven(reached)) => {
                let server = server::site_of(self.site, self.plan());
                act::act(&server, self.plan(), *reached).await.map(Outcome::Ended)
            }
            (Step::Finish, State::Acted(end)) => self.finish(*end).await,
            _ => Err(Error::new(ErrorCode::RestoreFailed, "a step came at the wrong time")),
        }
    }

    /// The plan that was begun; before that the one that was asked for.
    fn plan(&self) -> &RecoveryPlan {
        self.document.as_ref().map_or(&self.asked.plan, |document| &document.state.plan)
    }

    /// Runs blocking work as the owner, with the plan and the chain.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&RecoverySite, &mut StateDocument, &Chain) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Some(mut document) = self.document.take() else {
            return Err(Error::new(ErrorCode::RestoreFailed, "the recovery has no state"));
        };
        let (site, known) = (self.site.clone(), self.chain.clone());
        let kept = document.clone();
        let done = self.site.backup.as_owner(move |_| {
            let chain = match known {
                Some(chain) => chain,
                None => Arc::new(restore::load_chain(&site.backup, &document.state.plan)?),
            };
            let outcome = work(&site, &mut document, &chain);
            Ok((outcome, document, chain))
        });
        match done.await {
            Ok((outcome, document, chain)) => {
                self.document = Some(document);
                self.chain = Some(chain);
                outcome
            }
            Err(error) => {
                self.document = Some(kept);
                Err(error)
            }
        }
    }

    async fn lock(&mut self) -> Result<Outcome> {
        let (site, directory) = (self.site.backup.clone(), self.asked.plan.directory.clone());
        let path = directory.join(DIRECTORY).join(LOCK_FILE);
        let note = format!("recovery by pid {}", std::process::id());
        let attempt = tokio::task::spawn_blocking(move || {
            restore::make_place(&site.disk, &site.credentials, &directory)?;
            let taken = site.credentials.run(|| LockFile::try_take(&path, &note));
            taken.and_then(|inner| inner).map_err(|error| {
                let fact = format!("\"{}\" cannot be locked", path.display());
                Error::new(ErrorCode::RecoveryPlace, fact).detail(error.to_string())
            })
        });
        match attempt.await {
            Ok(Ok(Attempt::Held(lock))) => {
                self.lock = Some(lock);
                Ok(Outcome::Done)
            }
            Ok(Ok(Attempt::Taken(by))) => {
                let fact = format!(
                    "another recovery works on \"{}\"",
                    self.asked.plan.directory.display()
                );
                Err(Error::new(ErrorCode::OperationRunning, fact).detail(by))
            }
            Ok(Err(error)) => Err(error),
            Err(error) => Err(panicked(&error.to_string())),
        }
    }

    async fn check(&mut self) -> Result<Outcome> {
        let (site, asked) = (self.site.clone(), self.asked.clone());
        let server = server::site_of(&site, &asked.plan);
        let mut status = server.look_async().await;
        // One that was just killed does not run, although its process is not collected yet.
        lifecycle::wait_for_zombie(&server, &mut status).await;
        let look = move || check::look(&site, &asked, &status);
        let looked = tokio::task::spawn_blocking(look).await;
        let (found, document) = looked.map_err(|error| panicked(&error.to_string()))??;
        self.document = Some(document);
        Ok(Outcome::Found(found))
    }

    async fn rescue(&mut self) -> Result<Outcome> {
        let progress = Arc::clone(&self.progress);
        self.work(move |site, document, chain| {
            rescue::run(&site.backup, &document.state.plan, chain, &progress)?;
            document.update(&site.backup.disk, |document| document.is_rescued = true)?;
            Ok(Outcome::Done)
        })
        .await
    }

    async fn clear(&mut self) -> Result<Outcome> {
        let is_new = self.plan().old_data != OldData::Rewrite;
        let outcome = self
            .work(move |site, document, _| {
                let disk = &site.backup.disk;
                let places = Place::all(&document.state.plan, &document.version_directory);
                aside::clear(disk, &document.state.plan, &places, &document.unused)?;
                document.enter(disk, RecoveryPhase::Restoring)?;
                Ok(Outcome::Done)
            })
            .await;
        if is_new && outcome.is_ok() {
            self.existing = Existing::Absent;
        }
        outcome
    }

    async fn prepare(&mut self) -> Result<Outcome> {
        self.work(|site, document, chain| {
            restore::make_directories(&site.backup.disk, &document.state.plan, chain)?;
            Ok(Outcome::Done)
        })
        .await
    }

    async fn restore(&mut self) -> Result<Outcome> {
        let (progress, existing) = (Arc::clone(&self.progress), self.existing);
        let reporter = self.reporter.clone();
        let began = Instant::now();
        let teller = tokio::task::spawn_local(telling::restoring(
            reporter,
            Arc::clone(&self.progress),
            self.plan().restore_bytes,
            began,
        ));
        let outcome = self
            .work(move |site, document, chain| {
                let plan = &document.state.plan;
                let restored = restore::run(&site.backup, plan, chain, existing, &progress)?;
                document.state.restore_seconds = Some(began.elapsed().as_secs_f64());
                Ok(restored)
            })
            .await;
        teller.abort();
        self.restored = Some(outcome?);
        Ok(Outcome::Done)
    }

    async fn configure(&mut self) -> Result<Outcome> {
        let program = self.asked.program.clone();
        self.work(move |site, document, chain| {
            settle::configure(site, document, chain, &program)?;
            Ok(Outcome::Done)
        })
        .await
    }

    async fn settle(&mut self) -> Result<Outcome> {
        self.work(|site, document, _| {
            let places = Place::all(&document.state.plan, &document.version_directory);
            settle::make_durable(&site.backup.disk, &places)?;
            Ok(Outcome::Done)
        })
        .await
    }

    async fn arm(&mut self) -> Result<Outcome> {
        self.work(|site, document, chain| {
            settle::arm(&site.backup, &document.state.plan, chain)?;
            document.enter(&site.backup.disk, RecoveryPhase::Replaying)?;
            Ok(Outcome::Done)
        })
        .await
    }

    async fn start(&mut self) -> Result<Outcome> {
        if self.restored.is_none() {
            // Begun by a run that may have ended between the plan of a later target and its
            // settings.
            let program = self.asked.program.clone();
            let write = move |site: &RecoverySite, document: &mut StateDocument, _: &Chain| {
                settle::write_settings(site, document, &program)
            };
            self.work(write).await?;
        }
        let server = server::site_of(self.site, self.plan());
        self.starting = Some(server::start(&server).await?);
        Ok(Outcome::Done)
    }

    async fn replay(&mut self) -> Result<Outcome> {
        self.replay_began = self.starting.as_ref().map(|_| Instant::now());
        let starting = self.starting.take();
        let (from, segment_size) = self.work(|_, _, chain| replay::start(chain)).await?;
        let server = server::site_of(self.site, self.plan());
        let watch = Watch {
            server: &server,
            plan: self.plan(),
            from,
            segment_size,
            reporter: &self.reporter,
            stop: &self.progress.stop,
        };
        match watch.run(starting).await {
            Ok(reached) => Ok(Outcome::Reached(reached)),
            Err(error) => {
                self.distrust_enlarged(&error).await;
                Err(error)
            }
        }
    }

    /// A server that ended may have had too little memory: the next try goes with its own
    /// settings.
    async fn distrust_enlarged(&mut self, error: &Error) {
        if error.code != ErrorCode::ReplayFailed || self.plan().enlarged.is_empty() {
            return;
        }
        // Not written down they are tried again, no worse than this time.
        let _ = self
            .work(|site, document, _| {
                document.update(&site.backup.disk, |one| one.state.plan.enlarged.clear())
            })
            .await;
    }

    async fn finish(&mut self, end: End) -> Result<Outcome> {
        let seconds = self.replay_began.map(|began| began.elapsed().as_secs_f64());
        let pushed = self
            .work(move |site, document, _| {
                document.state.replay_seconds = seconds.or(document.state.replay_seconds);
                act::finish(site, document, end)
            })
            .await?;
        self.pushed = pushed;
        Ok(Outcome::Done)
    }

    fn result(mut self, state: State) -> Result<Finished> {
        match (state, self.document.take()) {
            (State::Done(end), Some(document)) => Ok(Finished {
                text: act::describe(end, &document, &self.pushed),
                reached: act::position(end),
                state: document.state,
            }),
            (State::Failed(error, Left::Untouched), _) => {
                self.leave_nothing();
                Err(error)
            }
            (State::Failed(error, Left::Continuable), _) => Err(error),
            _ => Err(Error::new(ErrorCode::RestoreFailed, "the recovery ended in an unknown way")),
        }
    }

    /// A recovery that was refused leaves no directory of its own.
    fn leave_nothing(&self) {
        if self.lock.is_none() || self.document.is_some() {
            return;
        }
        let own = self.asked.plan.directory.join(DIRECTORY);
        let disk = &self.site.backup.disk;
        let _ = self.site.backup.credentials.run(|| {
            if matches!(disk.stat(&own.join(super::layout::STATE_FILE)), Ok(None)) {
                let _ = disk.remove_file(&own.join(LOCK_FILE));
                let _ = disk.remove_directory(&own);
            }
        });
    }

    fn tell(&self, phase: &str) {
        self.reporter.report(JobProgress { phase: phase.to_owned(), ..JobProgress::default() });
    }
}

fn panicked(reason: &str) -> Error {
    Error::new(ErrorCode::RestoreFailed, "a part of the recovery failed").detail(reason)
}
