//! The end of a restore: settings and signals, everything durable, and last the control file.

use std::io::{self, Write};
use std::path::Path;

use super::configure::{self, Fetching};
use super::layout::Place;
use super::rescue;
use super::restore;
use super::server;
use super::site::RecoverySite;
use super::state::StateDocument;
use crate::api::{Error, ErrorCode, RecoveryPlan, RecoveryRole, Result};
use crate::backup::chain::Chain;
use crate::backup::document;
use crate::backup::layout;
use crate::backup::site::BackupSite;
use crate::pg::conf::{AUTO_CONF_FILE, CONF_FILE, Conf};
use crate::pg::control_file::{self, CONTROL_FILE_PATH};
use crate::pg::wal::WalFileName;
use crate::sys::disk::Disk;
use crate::wal::archive::Archive;

const CONF_BYTES_MAX: u64 = 16 << 20;
const FILE_MODE: u32 = 0o600;
const RECOVERY_SIGNAL: &str = "recovery.signal";
const STANDBY_SIGNAL: &str = "standby.signal";

/// Writes settings, signals, `backup_label`, `tablespace_map` and the manifest. Runs as the
/// owner.
///
/// # Errors
/// `RestoreFailed`, `RepositoryDamaged`, `RepositoryUnreadable`.
pub(super) fn configure(
    site: &RecoverySite,
    document: &mut StateDocument,
    chain: &Chain,
    program: &Path,
) -> Result<()> {
    write_settings(site, document, program)?;
    let plan = &document.state.plan;
    let Some(head) = chain.head() else { return Ok(()) };
    let part =
        |name: &str| restore::read_part(&site.backup, &head.directory, &head.document.parts, name);
    let disk = &site.backup.disk;
    let put = |name: &str, content: &[u8]| {
        put(disk, &plan.directory, name, content)
            .map_err(|error| failed(&plan.directory, name, &error))
    };
    put(layout::BACKUP_LABEL_FILE, &part(layout::BACKUP_LABEL_FILE)?)?;
    put(layout::MANIFEST_FILE, &part(layout::MANIFEST_FILE)?)?;
    if !plan.tablespaces.is_empty() {
        put(layout::TABLESPACE_MAP_FILE, tablespace_map(plan).as_bytes())?;
    }
    let (signal, other) = match plan.role {
        RecoveryRole::Primary => (RECOVERY_SIGNAL, STANDBY_SIGNAL),
        RecoveryRole::Standby(_) => (STANDBY_SIGNAL, RECOVERY_SIGNAL),
    };
    let path = plan.directory.join(other);
    disk.remove_tree(&path).map_err(|error| failed(&plan.directory, other, &error))?;
    put(signal, b"")
}

/// Writes the recovery's settings into `postgresql.auto.conf`, in place of an older
/// recovery's. Runs as the owner.
///
/// # Errors
/// `RestoreFailed`; `RecoveryPlace` for a path that no setting can hold.
pub(super) fn write_settings(
    site: &RecoverySite,
    document: &mut StateDocument,
    program: &Path,
) -> Result<()> {
    let plan = document.state.plan.clone();
    let files = server::site_of(site, &plan).target.load_conf();
    let files = files.unwrap_or_else(|_| Conf::default());
    let rescued = rescue::directory(&plan.directory);
    let has_history = has_history(&site.backup.disk, &plan, &rescued)?;
    let fetching = Fetching { program, rescued: &rescued, has_history };
    let mut own = configure::settings(&plan, fetching, &files)?;
    if !document.is_copy {
        own.extend(configure::quiet(&plan, &files, &document.settings));
    }
    let mut lasting = configure::lasting(&plan, document.is_copy, &files);
    if let Some(private) = &site.private {
        lasting.extend(private.settings.iter().cloned());
        write_private_conf(&site.backup.disk, &plan.directory)?;
    }
    let path = plan.directory.join(AUTO_CONF_FILE);
    let disk = &site.backup.disk;
    let failed = |error: &io::Error| failed(&plan.directory, AUTO_CONF_FILE, error);
    let before = match disk.read(&path, CONF_BYTES_MAX) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(&error)),
    };
    let after = configure::with(&before, &lasting, &own);
    // Known before they stand there: whoever tidies up must know them.
    document.update(disk, |document| document.settings = own)?;
    document::store(disk, &plan.directory, AUTO_CONF_FILE, &after).map_err(|error| failed(&error))
}

/// Whether the history of the timeline that is followed is where `wal-get` looks. The first
/// timeline has none and needs none.
fn has_history(disk: &Disk, plan: &RecoveryPlan, rescued: &Path) -> Result<bool> {
    let timeline = plan.stop.timeline;
    let name = WalFileName::History(timeline);
    if timeline.as_u32() == 1 || matches!(disk.stat(&rescued.join(name.to_string())), Ok(Some(_))) {
        return Ok(true);
    }
    Ok(!Archive::open(disk, &plan.destination)?.find(name)?.is_empty())
}

/// A configuration file that names no files of the instance: some are only on the command line
/// of its server, and some could not be overruled in `postgresql.auto.conf`.
fn write_private_conf(disk: &Disk, directory: &Path) -> Result<()> {
    let failed = |error: &io::Error| failed(directory, CONF_FILE, error);
    let before = match disk.read(&directory.join(CONF_FILE), CONF_BYTES_MAX) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        // Debian keeps it elsewhere.
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(&error)),
    };
    let after = configure::without_places(&before);
    put(disk, directory, CONF_FILE, after.as_bytes()).map_err(|error| failed(&error))
}

/// Each tablespace and where it goes, as `do_pg_backup_start()` writes it.
fn tablespace_map(plan: &RecoveryPlan) -> String {
    let mut text = String::new();
    for space in &plan.tablespaces {
        text.push_str(&format!("{} ", space.oid));
        for c in space.directory.display().to_string().chars() {
            if matches!(c, '\n' | '\r' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('\n');
    }
    text
}

/// Puts a file in place, replacing one that is there. Durable with everything else.
fn put(disk: &Disk, directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let path = directory.join(name);
    disk.remove_tree(&path)?;
    disk.create_with_mode(&path, FILE_MODE)?.write_all(content)
}

fn failed(directory: &Path, name: &str, error: &io::Error) -> Error {
    let fact = format!("\"{}\" cannot be written", directory.join(name).display());
    Error::new(ErrorCode::RestoreFailed, fact).detail(error.to_string())
}

/// Makes everything durable, once for each file system. Runs as the owner.
///
/// # Errors
/// `RestoreFailed`.
pub(super) fn make_durable(disk: &Disk, places: &[Place]) -> Result<()> {
    let mut done = Vec::new();
    for place in places {
        let synced = disk.stat(&place.path).and_then(|stat| {
            let device = stat.map(|stat| stat.device);
            if done.contains(&device) {
                return Ok(());
            }
            done.push(device);
            disk.sync_file_system(&place.path)
        });
        synced.map_err(|error| {
            let fact = format!("\"{}\" cannot be made durable", place.path.display());
            Error::new(ErrorCode::RestoreFailed, fact).detail(error.to_string())
        })?;
    }
    Ok(())
}

/// Puts the control file in place, whole and durable: from now on the server can be started.
/// Runs as the owner.
///
/// # Errors
/// `RepositoryDamaged`, `RepositoryUnreadable`, `RestoreFailed`.
pub(super) fn arm(site: &BackupSite, plan: &RecoveryPlan, chain: &Chain) -> Result<()> {
    let Some(head) = chain.head() else { return Ok(()) };
    let part =
        restore::read_part(site, &head.directory, &head.document.parts, layout::CONTROL_FILE)?;
    let path = plan.directory.join(CONTROL_FILE_PATH);
    control_file::decode(&part).map_err(|error| {
        error.into_api(&head.directory.join(layout::CONTROL_FILE).display().to_string())
    })?;
    let disk = &site.disk;
    let new = path.with_extension("pgdeck-new");
    let armed = disk
        .remove_tree(&new)
        .and_then(|()| disk.create_with_mode(&new, FILE_MODE))
        .and_then(|mut file| file.write_all(&part).and_then(|()| file.sync()))
        .and_then(|()| disk.replace(&new, &path))
        .and_then(|()| disk.sync_directory(&plan.directory.join("global")));
    armed.map_err(|error| failed(&plan.directory, CONTROL_FILE_PATH, &error))
}
