//! Backups taken and verified inside of the test's own process: hundreds of them, each with a
//! disk that fails elsewhere, in the time a few programs would take.

use pgdeck_engine::api::{
    BackupKind, BackupRequest, InstanceId, JobKind, Result, VerifyDepth, VerifyReport,
};
use pgdeck_engine::backup::run::Finished;
use pgdeck_engine::backup::site::{self, BackupSite};
use pgdeck_engine::backup::{run, verify};
use pgdeck_engine::instance::access::Access;
use pgdeck_engine::instance::target::LocalTarget;
use pgdeck_engine::jobs::board::JobBoard;
use pgdeck_engine::jobs::runner::{self, JobContext, JobSetup};
use pgdeck_engine::sys::credentials::Credentials;
use pgdeck_engine::sys::disk::Disk;
use pgdeck_engine::sys::faults::Plan as Faults;

use crate::{Major, Repository, TestInstance, account};

impl Repository {
    /// A cluster of a few megabytes, with small segments and a table `rows` of 5000 rows.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn start_small(major: Major) -> Self {
        let builder = TestInstance::builder(major).initdb_option("--wal-segsize=1");
        let repository = Self::start_with(builder);
        repository.instance.sql(
            "postgres",
            "update pg_database set datistemplate = false;
             create table rows as
             select g as id, md5(g::text) as b, 0 as n from generate_series(1, 5000) g",
        );
        for name in ["template0", "template1"] {
            repository.instance.sql("postgres", &format!("drop database {name}"));
        }
        repository.instance.allow_log("aborting backup due to backend exiting");
        repository
    }

    /// Takes a backup with one thread, over a disk that fails as planned.
    ///
    /// # Errors
    /// Those of the backup.
    ///
    /// # Panics
    /// When there is no runtime to be had.
    pub fn backup_inside(&self, kind: BackupKind, faults: &Faults) -> Result<Finished> {
        let site = self.backup_site(Disk::with_plan(faults.clone()));
        let request = BackupRequest {
            kind: Some(kind),
            jobs: Some(1),
            compression: Some("lz4".to_owned()),
            // A look at the archive that fails counts as one that found nothing.
            archive_timeout_s: Some(20),
            ..BackupRequest::default()
        };
        blocking(async move {
            let planned = site.as_owner(move |site| site::plan(site, &request)).await?;
            run::run(&site, &planned, &mut context(JobKind::Backup).await).await
        })
    }

    /// Verifies every stored byte.
    ///
    /// # Errors
    /// Those of verifying.
    ///
    /// # Panics
    /// When there is no runtime to be had.
    pub fn verify_inside(&self, depth: VerifyDepth) -> Result<VerifyReport> {
        let site = self.backup_site(Disk::real());
        let destination = self.destination().to_path_buf();
        let request = verify::VerifyRequest { destination, depth, jobs: Some(1) };
        blocking(
            async move { verify::run(&site, request, &mut context(JobKind::Verify).await).await },
        )
    }

    fn backup_site(&self, disk: Disk) -> BackupSite {
        let mut target = LocalTarget::from_directory(self.instance.data_directory());
        target.connection = Some(self.instance.conninfo());
        let owner = account::other()
            .map_or_else(Credentials::current, |(uid, _)| Credentials::of_uid(uid.as_raw()));
        BackupSite { access: Access::local(target.clone()), target, credentials: owner, disk }
    }
}

async fn context(kind: JobKind) -> JobContext {
    let setup = JobSetup {
        kind,
        instance: InstanceId::new("inside"),
        instance_name: "inside".to_owned(),
        journal: None,
        board: JobBoard::default(),
    };
    runner::register(setup).await.1
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a tokio runtime can be made").block_on(work)
}
