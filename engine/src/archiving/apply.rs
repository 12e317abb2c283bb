//! Carrying out a set-up: files are replaced whole, checked by the server itself, and put back
//! when it does not like them.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::api::{
    Error, ErrorCode, InstanceState, InstanceStatus, JobProgress, Result, SetupRequest, SetupThen,
};
use crate::instance::access::Access;
use crate::instance::lifecycle::Site;
use crate::instance::reload;
use crate::jobs::runner::JobContext;
use crate::pg::conf::edit::Edit;
use crate::sys::credentials::Credentials;
use crate::sys::disk::Disk;
use crate::sys::file;
use crate::sys::process::Program;
use crate::wal::archive::ARCHIVE_DIRECTORIES;
use crate::wal::identity::{self, RepositoryIdentity};

use super::plan::{self, Prepared};

/// A server reads its files and says so within this.
const CHECK_LIMIT: Duration = Duration::from_secs(30);

/// Carries out the plan that has this fingerprint. The result says what is left to do.
///
/// # Errors
/// `SetupConflict` when the plan would be another one now: nothing was done.
/// `ConfigurationErrors` when the server refuses the files: they are as they were.
/// `FileAccess`, `RepositoryWrite`, and what planning gives.
pub async fn apply(
    site: &Site,
    access: &Access,
    request: &SetupRequest,
    fingerprint: u32,
    context: &mut JobContext,
) -> Result<String> {
    report(context, "looking again");
    let prepared = plan::prepare(site, access, request).await?;
    if prepared.plan.fingerprint != fingerprint {
        return Err(Error::new(
            ErrorCode::SetupConflict,
            "files or server have changed since the plan was shown",
        )
        .detail("nothing was done")
        .hint("Look at the new plan and confirm that."));
    }
    report(context, "preparing the destination");
    let identity = identity_of(site, &prepared.status).await?;
    let place = prepared.plan.destination.clone();
    as_owner(&site.credentials, move || make_destination(&place, &identity)).await?;
    report(context, "writing the configuration files");
    write(&prepared.edit, Side::After).await?;
    report(context, "letting the server check them");
    if let Err(error) = check_files(site, access, &prepared).await {
        write(&prepared.edit, Side::Before).await?;
        return Err(error.hint("The files are as they were; correct the cause and try again."));
    }
    Ok(result(&prepared))
}

fn report(context: &JobContext, phase: &str) {
    context.report(JobProgress { phase: phase.to_owned(), ..JobProgress::default() });
}

fn result(prepared: &Prepared) -> String {
    let done = match prepared.plan.changes.len() {
        0 => "every setting was right already".to_owned(),
        1 => "1 setting changed".to_owned(),
        count => format!("{count} settings changed"),
    };
    let rest = match prepared.plan.then {
        SetupThen::Nothing => "nothing is left to do",
        SetupThen::Reload => "the server has loaded them",
        SetupThen::Restart => "they are in force after a restart",
        SetupThen::Start => "they are in force when the instance starts",
    };
    format!("{done}; {rest}")
}

async fn identity_of(site: &Site, status: &InstanceStatus) -> Result<RepositoryIdentity> {
    let major = status.major.ok_or_else(|| {
        Error::new(ErrorCode::NotACluster, "the cluster's PostgreSQL version is not known")
    })?;
    let site = site.clone();
    let looked = tokio::task::spawn_blocking(move || site.control_file()).await;
    let control = looked.map_err(|error| {
        Error::new(ErrorCode::ControlFileDamaged, "the control file was not read")
            .detail(error.to_string())
    })??;
    let segment_bytes = control.build.wal_segment_bytes;
    Ok(RepositoryIdentity::new(control.system_identifier, major, segment_bytes))
}

async fn as_owner(
    owner: &Credentials,
    work: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<()> {
    let owner = owner.clone();
    let run = move || {
        owner.run(work).map_err(|error| plan::not_as_owner(&error)).and_then(|outcome| outcome)
    };
    tokio::task::spawn_blocking(run).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorCode::FileAccess, "the work was not finished")
            .detail(error.to_string()))
    })
}

fn make_destination(place: &Path, identity: &RepositoryIdentity) -> Result<()> {
    let make = |path: &Path| {
        file::make_private_directory(path).map_err(|error| {
            Error::new(ErrorCode::RepositoryWrite, format!("\"{}\" cannot be made", path.display()))
                .detail(error.to_string())
        })
    };
    let disk = Disk::real();
    let not_durable = |error: io::Error| {
        let fact = format!("\"{}\" cannot be made durable", place.display());
        Error::new(ErrorCode::RepositoryWrite, fact).detail(error.to_string())
    };
    let missing: Vec<&Path> = place.ancestors().take_while(|path| !file::exists(path)).collect();
    make(place)?;
    // What is archived is durable only in a destination that is.
    for above in missing.iter().filter_map(|path| path.parent()) {
        match disk.sync_directory(above) {
            // Who may not read the directory cannot sync it.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                return Err(not_durable(error));
            }
            _ => {}
        }
    }
    identity::ensure(&disk, place, identity)?;
    make(&place.join(ARCHIVE_DIRECTORIES[0]))?;
    disk.sync_directory(place).map_err(not_durable)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Replaces every file, each as its own owner; when one cannot be, those before are put back.
async fn write(edit: &Edit, side: Side) -> Result<()> {
    let edit = edit.clone();
    let work = move || {
        let owners = plan::owned(&edit)?;
        for (nth, (one, (path, uid))) in edit.files.iter().zip(&owners).enumerate() {
            let content = if side == Side::After { &one.after } else { &one.before };
            if let Err(error) = replace(path, *uid, content) {
                for (one, (path, uid)) in edit.files.iter().zip(&owners).take(nth) {
                    let _ = replace(path, *uid, &one.before);
                }
                let fact = format!("\"{}\" cannot be written", path.display());
                return Err(Error::new(ErrorCode::FileAccess, fact).detail(error.to_string()));
            }
        }
        Ok(())
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorCode::FileAccess, "the files were not written")
            .detail(error.to_string()))
    })
}

fn replace(path: &Path, uid: u32, content: &[u8]) -> std::io::Result<()> {
    let owner = Credentials::of_uid(uid);
    let me = Credentials::current();
    if me.is_root() && !owner.is_current() {
        return owner.run(|| file::replace(path, content))?;
    }
    file::replace(path, content)
}

/// A running server loads the files or names what is wrong; for one that is down its program
/// reads them.
async fn check_files(site: &Site, access: &Access, prepared: &Prepared) -> Result<()> {
    if prepared.edit.files.is_empty() {
        return Ok(());
    }
    match prepared.status.state {
        InstanceState::Started => reload::reload(access).await.map(drop),
        _ => read_by_program(site, &prepared.status).await,
    }
}

async fn read_by_program(site: &Site, status: &InstanceStatus) -> Result<()> {
    let Some(bin_directory) = &status.bin_directory else { return Ok(()) };
    let config = site.target.config_file().display().to_string();
    let program = Program {
        path: bin_directory.join("postgres"),
        args: vec![
            "-D".into(),
            site.target.data_directory.clone().into_os_string(),
            "-c".into(),
            format!("config_file={config}").into(),
            "-C".into(),
            "archive_command".into(),
        ],
        env: Vec::new(),
        credentials: site.credentials.clone(),
        limit: CHECK_LIMIT,
    };
    let ran = tokio::task::spawn_blocking(move || program.run()).await;
    let ended =
        ran.map_err(|error| error.to_string()).and_then(|ran| ran.map_err(|e| e.to_string()));
    match ended {
        Ok(ended) if ended.code == Some(0) => Ok(()),
        Ok(ended) => Err(refused(ended.output.trim())),
        Err(error) => Err(refused(&error)),
    }
}

fn refused(said: &str) -> Error {
    Error::new(ErrorCode::ConfigurationErrors, "the server refuses the changed files")
        .detail(said.to_owned())
}
