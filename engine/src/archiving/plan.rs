//! What a set-up will do, as a value: shown first, then carried out as it was shown.

use std::path::PathBuf;

use crate::api::{
    ControlSummary, Error, ErrorCode, InstanceState, InstanceStatus, Result, SettingChange,
    SetupPlan, SetupRequest, SetupThen,
};
use crate::instance::access::Access;
use crate::instance::lifecycle::Site;
use crate::instance::target::RealFiles;
use crate::pg::conf::edit::{self, Edit};
use crate::sys::disk::Disk;
use crate::sys::file;
use crate::wal::identity;

use super::destination::{self, Usable};
use super::settings::{self, RunningSettings};

/// A plan with all that is needed to carry it out.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) plan: SetupPlan,
    pub(super) edit: Edit,
    pub(super) status: InstanceStatus,
}

/// Plans a set-up and changes nothing.
///
/// # Errors
/// `DestinationInvalid`, `RepositoryForeign`, `SetupConflict`, `ProgramFailed` when the server's
/// user may not run this program, `ConfigurationErrors` and `FileAccess` when the files cannot
/// be read as they are, and what looking at the instance gives.
pub async fn plan(site: &Site, access: &Access, request: &SetupRequest) -> Result<SetupPlan> {
    Ok(prepare(site, access, request).await?.plan)
}

pub(super) async fn prepare(
    site: &Site,
    access: &Access,
    request: &SetupRequest,
) -> Result<Prepared> {
    let status = site.look_async().await;
    let control = cluster(site, &status)?;
    let running = match status.state {
        InstanceState::Started => {
            access.learn(&status, Some(site.credentials.clone()));
            Some(RunningSettings::load(&access.connect(None).await?).await?)
        }
        InstanceState::Stopped | InstanceState::Crashed => None,
        other => {
            let fact = format!("instance \"{}\" is {}", site.target.name, other.word());
            return Err(Error::new(ErrorCode::SetupConflict, fact)
                .detail("settings are changed while it is started or stopped")
                .hint("Wait until it is one of these."));
        }
    };
    let (site, request) = (site.clone(), request.clone());
    let work = move || {
        let owner = site.credentials.clone();
        let inner = || of_files(&site, &request, &control, status, running.as_ref());
        owner.run(inner).map_err(|error| not_as_owner(&error)).and_then(|outcome| outcome)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorCode::FileAccess, "the plan was not finished")
            .detail(error.to_string()))
    })
}

pub(super) fn not_as_owner(error: &std::io::Error) -> Error {
    Error::new(ErrorCode::DataDirectoryAccess, "cannot act as the data directory's owner")
        .detail(error.to_string())
}

fn cluster(site: &Site, status: &InstanceStatus) -> Result<ControlSummary> {
    status.control.clone().ok_or_else(|| {
        let fact = format!("the control file of \"{}\" cannot be read", site.target.name);
        Error::new(ErrorCode::ControlFileDamaged, fact).detail(status.detail.clone())
    })
}

/// The part that reads files, as their owner.
fn of_files(
    site: &Site,
    request: &SetupRequest,
    control: &ControlSummary,
    status: InstanceStatus,
    running: Option<&RunningSettings>,
) -> Result<Prepared> {
    may_run(&request.program, site)?;
    let usable = destination::look(
        &request.destination,
        &site.target.data_directory,
        &site.credentials,
        request.create,
    )?;
    if !usable.is_missing
        && let Some(found) = identity::load(&Disk::real(), &usable.path)?
        && found.system_identifier != control.system_identifier
    {
        return Err(foreign(&usable, control));
    }
    let conf = site.target.load_conf()?;
    refuse_broken(&conf)?;
    settings::refuse_conflicts(&conf, running)?;
    let wishes = settings::wishes(&conf, request, &usable.path);
    let edit = edit::plan(&RealFiles, &conf, &site.target.config_file(), &wishes)?;
    let plan = value(usable, &conf, &edit, running);
    Ok(Prepared { plan, edit, status })
}

fn foreign(usable: &Usable, control: &ControlSummary) -> Error {
    let fact = format!("\"{}\" holds the backups of another cluster", usable.path.display());
    Error::new(ErrorCode::RepositoryForeign, fact)
        .detail(format!("this cluster's system identifier is {}", control.system_identifier))
        .hint("Choose another directory: one destination serves one cluster.")
}

fn may_run(program: &std::path::Path, site: &Site) -> Result<()> {
    if file::is_executable(program) {
        return Ok(());
    }
    let user = site.credentials.name();
    let fact = format!("the server's user {user} cannot run {}", program.display());
    Err(Error::new(ErrorCode::ProgramFailed, fact)
        .detail("the server runs the archive command with this program")
        .hint(
            "Install pgdeck where everybody can run it: make install, or a copy in /usr/local/bin.",
        ))
}

fn refuse_broken(conf: &crate::pg::conf::Conf) -> Result<()> {
    let Some(first) = conf.errors.first() else { return Ok(()) };
    let fact = format!("the configuration files have {} errors already", conf.errors.len());
    Err(Error::new(ErrorCode::ConfigurationErrors, fact)
        .detail(first.to_string())
        .hint("Correct the lines first; nothing was changed."))
}

fn value(
    usable: Usable,
    conf: &crate::pg::conf::Conf,
    edit: &Edit,
    running: Option<&RunningSettings>,
) -> SetupPlan {
    let changes: Vec<SettingChange> = edit
        .changes
        .iter()
        .map(|change| SettingChange {
            name: change.name.clone(),
            old: change.old.clone(),
            new: change.new.clone(),
            file: change.file.display().to_string(),
            takes_effect: settings::takes_effect(&change.name),
        })
        .collect();
    let mut warnings = usable.warnings.clone();
    warnings.extend(replaced_command(conf, &changes));
    let diff: String = edit.files.iter().map(edit::unified_diff).collect();
    let then = then(&changes, running);
    let mut named = format!("{}\n{}\n{then:?}\n", usable.path.display(), usable.is_missing);
    named.push_str(&diff);
    SetupPlan {
        fingerprint: crc32c::crc32c(named.as_bytes()),
        creates_destination: usable.is_missing,
        destination: usable.path,
        changes,
        diff,
        warnings,
        then,
    }
}

/// Another archive command loses its work to ours: that must be said.
fn replaced_command(conf: &crate::pg::conf::Conf, changes: &[SettingChange]) -> Option<String> {
    let old = settings::in_files(conf, "archive_command");
    let is_changed = changes.iter().any(|change| change.name == "archive_command");
    (is_changed && !old.is_empty()).then(|| {
        format!("the archive command in use is replaced; where it archived to now ends: {old}")
    })
}

fn then(changes: &[SettingChange], running: Option<&RunningSettings>) -> SetupThen {
    let Some(running) = running else { return SetupThen::Start };
    let archives = matches!(running.value("archive_mode"), "on" | "always");
    if !archives || running.value("wal_level") == "minimal" {
        SetupThen::Restart
    } else if changes.is_empty() {
        SetupThen::Nothing
    } else {
        SetupThen::Reload
    }
}

/// The files of an edit, each with its owner's number.
pub(super) fn owned(edit: &Edit) -> Result<Vec<(PathBuf, u32)>> {
    edit.files
        .iter()
        .map(|file_edit| {
            let path = file_edit.path.to_path_buf();
            let stat = file::stat(&path).map_err(|error| {
                Error::new(ErrorCode::FileAccess, format!("\"{}\" is gone", path.display()))
                    .detail(error.to_string())
            })?;
            Ok((path, stat.uid))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TakesEffect;

    fn change(name: &str) -> SettingChange {
        SettingChange {
            name: name.into(),
            old: None,
            new: "x".into(),
            file: "/d/postgresql.conf".into(),
            takes_effect: TakesEffect::Reload,
        }
    }

    #[test]
    fn what_comes_after_depends_on_what_runs() {
        let archiving =
            RunningSettings::of(&[("archive_mode", "on", "file"), ("wal_level", "replica", "x")]);
        let fresh =
            RunningSettings::of(&[("archive_mode", "off", "x"), ("wal_level", "replica", "x")]);
        let minimal =
            RunningSettings::of(&[("archive_mode", "on", "x"), ("wal_level", "minimal", "x")]);
        let command = [change("archive_command")];
        assert_eq!(then(&command, None), SetupThen::Start);
        assert_eq!(then(&command, Some(&archiving)), SetupThen::Reload);
        assert_eq!(then(&[], Some(&archiving)), SetupThen::Nothing);
        assert_eq!(
            then(&[], Some(&fresh)),
            SetupThen::Restart,
            "the files are ahead of the server"
        );
        assert_eq!(then(&command, Some(&minimal)), SetupThen::Restart);
    }
}
