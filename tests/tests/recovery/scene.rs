//! A cluster with a backup and markers around a moment to recover to.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pgdeck_engine::api::{
    Estimate, Lost, Lsn, OldData, RecoveryAction, RecoveryPlan, RecoveryRequest, RecoveryRole,
    RecoveryTarget, Replaced, StopPoint, TablespacePlan, TargetBound, TimelineId,
};
use pgdeck_tests::{InstanceBuilder, Major, Repository, StopMode, TestInstance, bin};

use super::driver::{self, Order, Outcome};

/// Markers `a` before the backup, `b` before the moment, `c` after it; all WAL is archived.
pub(crate) struct Scene {
    pub(crate) repository: Repository,
    pub(crate) chain: Vec<String>,
    /// Behind the record of marker `b`.
    pub(crate) moment: Lsn,
    owner: u32,
}

impl Scene {
    pub(crate) fn new(major: Major) -> Self {
        Self::with(TestInstance::builder(major), |_| {})
    }

    /// With more in the cluster before the backup.
    pub(crate) fn with(builder: InstanceBuilder, prepare: impl FnOnce(&TestInstance)) -> Self {
        let repository = Repository::start_with(builder);
        let instance = &repository.instance;
        let owner = fs::metadata(instance.data_directory()).unwrap().uid();
        instance.sql("postgres", "create table marker (name text)");
        instance.sql("postgres", "insert into marker values ('a')");
        prepare(instance);
        let chain = vec![repository.backup(&[])];
        let mut scene = Self { repository, chain, moment: Lsn::from_u64(1).unwrap(), owner };
        scene.mark();
        scene
    }

    /// With `pg_wal` and a tablespace outside of the data directory.
    pub(crate) fn elsewhere(major: Major) -> Self {
        Self::with(TestInstance::builder(major).wal_elsewhere(), |instance| {
            let space = instance.make_directory("space");
            let space = space.display();
            instance.sql("postgres", &format!("create tablespace space location '{space}'"));
            instance.sql(
                "postgres",
                "create table elsewhere tablespace space as select generate_series(1, 1000) as g",
            );
        })
    }

    /// With a few segments between the backup and the moment; their names, the last one holds
    /// the moment.
    pub(crate) fn long(major: Major) -> (Self, Vec<String>) {
        let mut scene = Self::new(major);
        let instance = &scene.repository.instance;
        let mut names = Vec::new();
        for round in 0..3 {
            instance.sql("postgres", &format!("insert into marker values ('d{round}')"));
            names.push(instance.switch_and_wait_archived());
        }
        let held = "select pg_walfile_name(pg_current_wal_insert_lsn())";
        names.push(instance.query_one_text("postgres", held));
        scene.mark();
        (scene, names)
    }

    /// Where a segment is stored in the archive.
    pub(crate) fn archived(&self, name: &str) -> PathBuf {
        let archive = self.repository.destination().join("archived_wal");
        archive.join(format!("{name}.zst"))
    }

    /// One more marker whose WAL is not archived, and the end of the server at once. The
    /// position behind it.
    pub(crate) fn unarchived(&self, marker: &str) -> Lsn {
        let instance = self.instance();
        instance.sql("postgres", "alter system set archive_command = 'false'");
        instance.sql("postgres", "select pg_reload_conf()");
        instance.allow_log("archive command failed with exit code 1");
        instance.allow_log("archiving write-ahead log file");
        instance.sql("postgres", &format!("insert into marker values ('{marker}')"));
        let at = instance.query_one_text("postgres", "select pg_current_wal_insert_lsn()");
        instance.sql("postgres", "insert into marker values ('too late')");
        instance.stop(StopMode::Immediate);
        at.parse().unwrap()
    }

    fn instance(&self) -> &TestInstance {
        &self.repository.instance
    }

    /// The moment, with `b` before and `c` after it, all archived.
    fn mark(&mut self) {
        let instance = self.instance();
        instance.sql("postgres", "insert into marker values ('b')");
        let moment = instance.query_one_text("postgres", "select pg_current_wal_insert_lsn()");
        instance.sql("postgres", "insert into marker values ('c')");
        instance.switch_and_wait_archived();
        self.moment = moment.parse().unwrap();
    }

    pub(crate) fn data(&self) -> &Path {
        self.instance().data_directory()
    }

    pub(crate) fn stop(&self) {
        self.instance().stop(StopMode::Fast);
    }

    pub(crate) fn start(&self) {
        self.instance().start();
    }

    pub(crate) fn sql(&self, query: &str) -> String {
        self.instance().query_texts("postgres", query).join(" ")
    }

    pub(crate) fn markers(&self) -> String {
        self.sql("select name from marker order by name")
    }

    /// What is asked: the moment by its position.
    pub(crate) fn request(&self, plan: &RecoveryPlan) -> RecoveryRequest {
        RecoveryRequest {
            destination: Some(plan.destination.clone()),
            target: plan.target.clone(),
            bound: plan.stop.bound,
            old_data: plan.old_data,
            ..RecoveryRequest::default()
        }
    }

    /// To just before the first record behind the moment.
    pub(crate) fn plan(&self) -> RecoveryPlan {
        self.plan_to(self.moment)
    }

    /// The same for another position.
    pub(crate) fn plan_to(&self, moment: Lsn) -> RecoveryPlan {
        let document = self.repository.document(self.chain.last().unwrap());
        let spaces = document["tablespaces"].as_array().unwrap().iter().map(|space| {
            let source = PathBuf::from(space["location"].as_str().unwrap());
            let oid = space["oid"].as_str().unwrap().parse().unwrap();
            TablespacePlan { oid, source: source.clone(), directory: source }
        });
        let replaced = self.data().exists().then(|| Replaced {
            host: "here".into(),
            path: self.data().to_path_buf(),
            bytes: 1,
            as_of: None,
            state: "stopped".into(),
        });
        RecoveryPlan {
            destination: self.repository.destination().to_path_buf(),
            directory: self.data().to_path_buf(),
            wal_directory: document["wal_location"].as_str().map(PathBuf::from),
            tablespaces: spaces.collect(),
            port: None,
            target: RecoveryTarget::Lsn(moment),
            stop: StopPoint {
                timeline: TimelineId::from_u32(1).unwrap(),
                record: Some(moment),
                bound: TargetBound::Exclusive,
                reached: moment,
                last_commit_at: None,
            },
            chain: self.chain.clone(),
            major: self.instance().major().number(),
            wal: Vec::new(),
            lost: Lost::default(),
            replaced,
            old_data: OldData::Keep,
            running: None,
            action: RecoveryAction::Pause,
            role: RecoveryRole::Primary,
            space: Vec::new(),
            new_directories: Vec::new(),
            owner: "postgres".into(),
            settings: Vec::new(),
            keystore_fingerprint: None,
            files: document["sizes"]["files"].as_u64().unwrap(),
            restore_bytes: document["sizes"]["cluster_bytes"].as_u64().unwrap(),
            replay_bytes: 0,
            estimate: Estimate::default(),
            jobs: 2,
            warnings: Vec::new(),
        }
    }

    fn order(&self) -> Order {
        Order {
            data_directory: self.data().to_path_buf(),
            bin_directory: self.instance().bin_directory(),
            program: bin::pgdeck(),
            owner: self.owner,
            recover: None,
            step: String::new(),
            cancel_in: String::new(),
        }
    }

    pub(crate) fn recover(&self, plan: &RecoveryPlan) -> Outcome {
        self.recover_with(plan, None)
    }

    pub(crate) fn recover_with(&self, plan: &RecoveryPlan, fault: Option<&str>) -> Outcome {
        let recover = Some((self.request(plan), plan.clone()));
        driver::carry_out(&Order { recover, ..self.order() }, fault)
    }

    /// Cancelled when it comes to this phase.
    pub(crate) fn cancelled_in(&self, plan: &RecoveryPlan, phase: &str) -> Outcome {
        let recover = Some((self.request(plan), plan.clone()));
        driver::carry_out(&Order { recover, cancel_in: phase.to_owned(), ..self.order() }, None)
    }

    pub(crate) fn step(&self, step: &str) -> Outcome {
        self.step_with(step, None)
    }

    pub(crate) fn step_with(&self, step: &str, fault: Option<&str>) -> Outcome {
        driver::carry_out(&Order { step: step.to_owned(), ..self.order() }, fault)
    }
}
