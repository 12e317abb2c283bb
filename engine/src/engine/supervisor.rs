//! The engine's main task: discovers instances, hands commands to whom they concern.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::backups::{self, Backups};
use super::catalog::{Catalog, Shared};
use super::operate;
use super::recoveries::Recoveries;
use crate::api::{
    Command, EngineConfig, Error, ErrorCode, Event, InstanceId, JobId, RequestId, Result, Scope,
};
use crate::instance::config_file::ConfigFile;
use crate::instance::discover::{self, Surroundings};
use crate::jobs::board::JobBoard;
use crate::jobs::runner::JobControl;
use crate::monitor::publisher::Publisher;
use crate::monitor::task::Order;

const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
const INTERVAL_MIN_MS: u32 = 250;
const INTERVAL_MAX_MS: u32 = 60_000;
const DISCOVER_EVERY: Duration = Duration::from_secs(5);

/// The main task.
#[derive(Debug)]
pub(super) struct Supervisor {
    config: EngineConfig,
    file: ConfigFile,
    pub(super) catalog: Catalog,
    pub(super) events: mpsc::Sender<Event>,
    host: String,
}

impl Supervisor {
    pub(super) fn new(
        config: EngineConfig,
        file: ConfigFile,
        publisher: Publisher,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let shared = Shared {
            publisher,
            board: JobBoard::default(),
            limits: Rc::new(config.limits.clone().unwrap_or_else(|| file.limits())),
            bin_directory: config.bin_directory.clone(),
            run_as: config.run_as.clone(),
            interest: config.interest,
            state_directory: config
                .state_directory
                .clone()
                .or_else(|| file.state_directory.clone()),
        };
        let interval = config.interval.unwrap_or(INTERVAL_DEFAULT);
        let catalog = Catalog::new(shared, interval);
        Self { config, file, catalog, events, host: host_name() }
    }

    /// Runs until the front end drops its end of the commands.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<(RequestId, Command)>) {
        let mut jobs = self.catalog.shared().board.subscribe();
        let mut discover = tokio::time::interval(DISCOVER_EVERY);
        discover.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_first = true;
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some((request, command)) => self.command(request, command).await,
                    None => return self.catalog.close().await,
                },
                Ok(()) = jobs.changed() => {
                    let jobs = jobs.borrow_and_update().clone();
                    self.catalog.shared().publisher.publish_jobs(jobs);
                }
                _ = discover.tick() => {
                    if is_first || self.config.scope == Scope::All {
                        self.discover().await;
                        is_first = false;
                    }
                }
            }
        }
    }

    async fn discover(&mut self) {
        let scope = self.config.scope.clone();
        let file = self.file.clone();
        let looked = tokio::task::spawn_blocking(move || {
            discover::discover(&scope, &file, &Surroundings::look())
        });
        let outcome = looked.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorCode::InstanceNotFound, "instances could not be looked for")
                .detail(error.to_string()))
        });
        let error = match outcome {
            Ok(targets) => {
                for target in targets {
                    self.catalog.add(target, &self.host).await;
                }
                None
            }
            Err(error) => Some(error),
        };
        self.catalog.shared().publisher.discovered(error);
    }

    async fn command(&mut self, request: RequestId, command: Command) {
        let outcome = if self.config.read_only && command.is_mutating() {
            Err(Error::new(ErrorCode::ReadOnly, "pgdeck runs read-only")
                .detail("it was started with --read-only, or pgdeck.toml says so"))
        } else {
            self.carry_out(request, command).await
        };
        if let Err(error) = outcome {
            self.tell(Event::Refused { request, error }).await;
        }
    }

    async fn tell(&self, event: Event) {
        let _ = self.events.send(event).await;
    }

    async fn carry_out(&mut self, request: RequestId, command: Command) -> Result<()> {
        match command {
            Command::Watch { instance, interest } => {
                for entry in self.catalog.all() {
                    let is_shown = entry.identity.id == instance;
                    let interest = if is_shown { interest } else { Default::default() };
                    let _ = entry.orders.try_send(Order::Interest(interest));
                }
                Ok(())
            }
            Command::SetInterval { interval_ms } => {
                let interval_ms = interval_ms.clamp(INTERVAL_MIN_MS, INTERVAL_MAX_MS);
                self.catalog.set_interval(Duration::from_millis(interval_ms.into()));
                Ok(())
            }
            Command::Recheck { instance } => {
                self.order(&instance, Order::Recheck)?;
                Ok(())
            }
            Command::FetchQuery { .. }
            | Command::FetchOperations { .. }
            | Command::Signal { .. } => self.ask_monitor(request, command),
            Command::Escalate { job, mode } => {
                self.job_order(request, job, JobControl::Mode(mode)).await
            }
            Command::CancelJob { job } => self.job_order(request, job, JobControl::Cancel).await,
            Command::ResolvePrepared { instance, target, outcome } => {
                let shared = self.catalog.shared();
                let work = operate::resolve(self.catalog.get(&instance)?, shared, target, outcome);
                self.operation(request, instance, work);
                Ok(())
            }
            Command::Reload { instance } => {
                let shared = self.catalog.shared();
                let work = operate::reload(self.catalog.get(&instance)?, shared);
                self.operation(request, instance, work);
                Ok(())
            }
            Command::Backup { .. }
            | Command::Verify { .. }
            | Command::FetchBackups { .. }
            | Command::DeleteBackup { .. }
            | Command::CreateRestorePoint { .. } => self.backups(request, command),
            Command::Start { instance } => self.job(request, instance, operate::Work::Start),
            Command::Stop { instance, mode } => {
                self.job(request, instance, operate::Work::Stop(mode))
            }
            Command::Restart { instance, mode } => {
                self.job(request, instance, operate::Work::Restart(mode))
            }
            Command::Setup { .. } | Command::PlanSetup { .. } | Command::CheckArchive { .. } => {
                self.archiving(request, command)
            }
            Command::FetchRecoveryMap { .. }
            | Command::PlanRecovery { .. }
            | Command::Recover { .. }
            | Command::StepRecovery { .. }
            | Command::FetchRecovery { .. }
            | Command::Rehearse { .. }
            | Command::FindMistakes { .. } => self.recovery(request, command),
        }
    }

    /// Commands about recovery: those that change something are jobs.
    fn recovery(&self, request: RequestId, command: Command) -> Result<()> {
        let shared = self.catalog.shared();
        match command {
            Command::FetchRecoveryMap { instance, destination } => {
                let entry = self.catalog.get(&instance)?;
                let site = Recoveries::new(entry, shared, destination.as_deref())?;
                self.answer(request, site.map(request, destination), |event| event);
            }
            Command::PlanRecovery { instance, request: what } => {
                let entry = self.catalog.get(&instance)?;
                let site = Recoveries::new(entry, shared, what.destination.as_deref())?;
                self.answer(request, site.plan(request, *what), |event| event);
            }
            Command::Recover { instance, request: what, fingerprint } => {
                let entry = self.catalog.get(&instance)?;
                let site = Recoveries::new(entry, shared, what.destination.as_deref())?;
                // Beside the instance, it may go on being started and stopped.
                let lock = match &what.to {
                    Some(_) => None,
                    None => Some(site.lock(entry, shared)?),
                };
                self.tracked(request, entry, |told| {
                    site.recover(request, *what, fingerprint, lock, told)
                });
            }
            Command::StepRecovery { instance, step } => {
                let entry = self.catalog.get(&instance)?;
                let site = Recoveries::new(entry, shared, None)?;
                let lock = site.lock(entry, shared)?;
                self.tracked(request, entry, |told| site.step(request, step, lock, told));
            }
            Command::FetchRecovery { instance } => {
                let site = Recoveries::new(self.catalog.get(&instance)?, shared, None)?;
                self.answer(request, site.status(request), |event| event);
            }
            Command::Rehearse { instance, request: what } => {
                let entry = self.catalog.get(&instance)?;
                let destination = what.recovery.destination.clone();
                let site = Recoveries::new(entry, shared, destination.as_deref())?;
                self.tracked(request, entry, |told| site.rehearse(request, *what, told));
            }
            Command::FindMistakes { instance, query } => {
                let entry = self.catalog.get(&instance)?;
                let site = Recoveries::new(entry, shared, query.destination.as_deref())?;
                self.tracked(request, entry, |told| site.mistakes(request, *query, told));
            }
            _ => {}
        }
        Ok(())
    }

    /// Commands about the WAL archive.
    fn archiving(&mut self, request: RequestId, command: Command) -> Result<()> {
        match command {
            Command::Setup { instance, request: setup, fingerprint } => {
                self.job(request, instance, operate::Work::Setup(*setup, fingerprint))
            }
            Command::PlanSetup { instance, request: setup } => {
                let entry = self.catalog.get(&instance)?;
                let work = operate::plan_setup(entry, self.catalog.shared(), *setup)?;
                self.answer(request, work, move |plan| Event::SetupPlanned {
                    request,
                    plan: std::sync::Arc::new(plan),
                });
                Ok(())
            }
            Command::CheckArchive { instance, limit_seconds } => {
                let entry = self.catalog.get(&instance)?;
                let limit = Duration::from_secs(limit_seconds.into());
                let work = operate::check_archive(entry, self.catalog.shared(), limit)?;
                self.answer(request, work, move |report| Event::ArchiveChecked {
                    request,
                    report: std::sync::Arc::new(report),
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Commands that the instance's monitor answers, over its own connection.
    fn ask_monitor(&self, request: RequestId, command: Command) -> Result<()> {
        match command {
            Command::FetchQuery { instance, target } => {
                let (reply, answer) = oneshot::channel();
                self.order(&instance, Order::QueryText(target, reply))?;
                self.answer_later(request, answer, move |text: String| Event::QueryText {
                    request,
                    target,
                    text: text.into(),
                });
                Ok(())
            }
            Command::FetchOperations { instance } => {
                let (reply, answer) = oneshot::channel();
                self.order(&instance, Order::Operations(reply))?;
                self.answer_later(request, answer, move |records| Event::Operations {
                    request,
                    records: std::sync::Arc::new(records),
                });
                Ok(())
            }
            Command::Signal { instance, kind, targets } => {
                let (reply, answer) = oneshot::channel();
                self.order(&instance, Order::Signal(kind, targets, reply))?;
                let wrapped = async move { answer.await.map(Ok) };
                self.answer_later(request, wrapped, move |results| Event::Signalled {
                    request,
                    kind,
                    results,
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn order(&self, instance: &InstanceId, order: Order) -> Result<()> {
        let sent = self.catalog.get(instance)?.orders.try_send(order);
        sent.map_err(|_| {
            Error::new(ErrorCode::EngineBusy, "the instance's monitor takes no more orders now")
        })
    }

    fn job(&self, request: RequestId, instance: InstanceId, work: operate::Work) -> Result<()> {
        let entry = self.catalog.get(&instance)?;
        let job = operate::job(entry, self.catalog.shared(), work)?;
        self.tracked(request, entry, |told| job.run(told));
        Ok(())
    }

    /// Commands about backups: long ones are jobs.
    fn backups(&self, request: RequestId, command: Command) -> Result<()> {
        let shared = self.catalog.shared();
        match command {
            Command::Backup { instance, request: what } => {
                let entry = self.catalog.get(&instance)?;
                let site = Backups::new(entry, shared, what.destination.as_deref())?;
                self.tracked(request, entry, |told| site.take(request, *what, told));
            }
            Command::Verify { instance, destination, depth, jobs } => {
                let entry = self.catalog.get(&instance)?;
                let site = Backups::new(entry, shared, destination.as_deref())?;
                let what = backups::VerifyWork { destination, depth, jobs };
                self.tracked(request, entry, |told| site.verify(request, what, told));
            }
            Command::FetchBackups { instance, destination } => {
                let site =
                    Backups::new(self.catalog.get(&instance)?, shared, destination.as_deref())?;
                let events = self.events.clone();
                tokio::task::spawn_local(async move {
                    let outcome = site.list(request, destination).await;
                    let told = outcome.unwrap_or_else(|error| Event::Refused { request, error });
                    let _ = events.send(told).await;
                });
            }
            Command::DeleteBackup { instance, destination, label } => {
                let site =
                    Backups::new(self.catalog.get(&instance)?, shared, destination.as_deref())?;
                self.operation(request, instance, site.delete(destination, label));
            }
            Command::CreateRestorePoint { instance, destination, name } => {
                let site =
                    Backups::new(self.catalog.get(&instance)?, shared, destination.as_deref())?;
                self.operation(request, instance, site.restore_point(destination, name));
            }
            _ => {}
        }
        Ok(())
    }

    async fn job_order(&self, request: RequestId, job: JobId, order: JobControl) -> Result<()> {
        let board = &self.catalog.shared().board;
        if board.is_own(&job) {
            board.control(&job, order)?;
        } else {
            operate::ask_other_process(self.catalog.get(&job.instance)?, &job, order).await?;
        }
        let text = match order {
            JobControl::Cancel => "the job was told to stop".to_owned(),
            JobControl::Mode(mode) => format!("the stop goes on in {} mode", mode.word()),
        };
        self.tell(Event::Done { request, text }).await;
        Ok(())
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
