//! One recovery in a process of its own: the test program runs itself, so that it can be killed.
#![allow(clippy::print_stdout, reason = "the process tells its result to the one that started it")]

use std::path::PathBuf;
use std::process::{Command, Stdio};

use pgdeck_engine::api::{InstanceId, JobKind, JobStatus, RecoveryPlan, RecoveryRequest};
use pgdeck_engine::backup::site::BackupSite;
use pgdeck_engine::instance::access::Access;
use pgdeck_engine::instance::target::LocalTarget;
use pgdeck_engine::jobs::board::JobBoard;
use pgdeck_engine::jobs::runner::{self, JobContext, JobControl, JobSetup};
use pgdeck_engine::recovery::run::{self, Asked};
use pgdeck_engine::recovery::site::RecoverySite;
use pgdeck_engine::recovery::step;
use pgdeck_engine::sys::credentials::Credentials;
use pgdeck_engine::sys::disk::Disk;
use pgdeck_engine::sys::faults::Plan;
use serde::{Deserialize, Serialize};

/// Names the variable that the order comes in, as JSON.
const ORDER: &str = "PGDECK_TEST_RECOVERY";

/// What the process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) data_directory: PathBuf,
    pub(crate) bin_directory: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) owner: u32,
    /// To recover.
    pub(crate) recover: Option<(RecoveryRequest, RecoveryPlan)>,
    /// Or a step: `promote`, `undo`, `discard`.
    pub(crate) step: String,
    /// Cancelled when it says that it does this.
    pub(crate) cancel_in: String,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) is_killed: bool,
}

impl Outcome {
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        let text = self.text.split_once("OK: ").map(|(_, text)| text.to_owned());
        text.unwrap_or_else(|| panic!("{}", self.text))
    }

    /// Operations of the file system, when faults were counted.
    pub(crate) fn operations(&self) -> u64 {
        self.number("OPERATIONS: ")
    }

    /// Of these the ones that make something durable.
    pub(crate) fn syncs(&self) -> u64 {
        self.number("SYNCS: ")
    }

    fn number(&self, name: &str) -> u64 {
        let rest = self.text.split_once(name).unwrap().1;
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The code, the fact, the detail and the hint.
    #[track_caller]
    pub(crate) fn err(self) -> String {
        let text = self.text.split_once("ERR: ").map(|(_, text)| text.to_owned());
        text.unwrap_or_else(|| panic!("{}", self.text))
    }
}

/// Runs an order to its end, with a fault when one is given.
pub(crate) fn carry_out(order: &Order, fault: Option<&str>) -> Outcome {
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new(own);
    command
        .args(["--exact", "recovery::driver::process", "--nocapture"])
        .env(ORDER, serde_json::to_string(order).unwrap())
        .env_remove("PGDECK_FAULT")
        .stdin(Stdio::null());
    if let Some(fault) = fault {
        command.env("PGDECK_FAULT", fault);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    Outcome { is_killed: output.status.code().is_none(), text }
}

/// The process itself; without an order it does nothing.
#[test]
fn process() {
    let Ok(text) = std::env::var(ORDER) else { return };
    let order: Order = serde_json::from_str(&text).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    match runtime.block_on(local.run_until(perform(order))) {
        Ok(text) => println!("OK: {text}"),
        Err(error) => println!("ERR: {}: {error}", error.code),
    }
}

async fn perform(order: Order) -> pgdeck_engine::api::Result<String> {
    // Every clone counts the same operations.
    let faults = Plan::from_environment();
    let outcome = perform_with(order, Disk::with_plan(faults.clone())).await;
    println!("OPERATIONS: {}", faults.operations());
    println!("SYNCS: {}", faults.syncs());
    // A power cut that was never reached comes at the end.
    faults.lose().unwrap();
    outcome
}

async fn perform_with(order: Order, disk: Disk) -> pgdeck_engine::api::Result<String> {
    let target = LocalTarget::from_directory(&order.data_directory);
    let site = RecoverySite {
        private: None,
        backup: BackupSite {
            access: Access::local(target.clone()),
            target,
            credentials: Credentials::of_uid(order.owner),
            disk,
        },
        bin_directory: Some(order.bin_directory.clone()),
    };
    let setup = JobSetup {
        kind: JobKind::Recover,
        instance: InstanceId::new(order.data_directory.to_string_lossy()),
        instance_name: "test".to_owned(),
        journal: None,
        board: JobBoard::default(),
    };
    let board = setup.board.clone();
    let (job, mut context) = runner::register(setup).await;
    let (id, phase) = (job.id().clone(), order.cancel_in.clone());
    tokio::task::spawn_local(async move {
        let mut jobs = board.subscribe();
        let is_there = |jobs: &std::sync::Arc<Vec<JobStatus>>| {
            jobs.iter().any(|one| one.progress.phase == phase)
        };
        if !phase.is_empty() && jobs.wait_for(is_there).await.is_ok() {
            board.control(&id, JobControl::Cancel).unwrap();
        }
    });
    job.run(work(&site, order, &mut context)).await
}

async fn work(
    site: &RecoverySite,
    order: Order,
    context: &mut JobContext,
) -> pgdeck_engine::api::Result<String> {
    match order.recover {
        Some((request, plan)) => {
            let asked = Asked::new(site, request, plan, 1, order.program)?;
            Ok(run::run(site, &asked, context).await?.text)
        }
        None => match order.step.as_str() {
            "promote" => Ok(step::promote(site, order.program, context).await?.text),
            "undo" => step::undo(site, context).await,
            "discard" => step::discard_kept(site, context).await,
            other => panic!("unknown step {other}"),
        },
    }
}
