//! Settings that the recovered server must not have lower than its source had.
//!
//! Source: `CheckRequiredParameterValues()` in `xlogrecovery.c` (up to 14 in `xlog.c`).

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::super::facts::SegmentFacts;
use super::super::site::RecoverySite;
use super::Chosen;
use crate::api::{Result, SettingNeed};
use crate::backup::chain::Chain;
use crate::backup::content::ContentReader;
use crate::backup::filelist::Content;
use crate::backup::layout;
use crate::instance::target::RealFiles;
use crate::pg::conf::{BaseUnit, CONF_FILE, Conf, as_int_with_unit};
use crate::pg::control_file;
use crate::pg::files::{FileFacts, FileKind, ReadFiles};
use crate::pg::wal::SourceSettings;

/// A configuration file larger than this is not read.
const FILE_BYTES_MAX: u64 = 4 << 20;
const CONTROL_BYTES_MAX: u64 = 1 << 16;

type OfSource = fn(&SourceSettings) -> u32;

/// The settings, what a server has without being told, and what the source says of each.
const SETTINGS: [(&str, i64, OfSource); 5] = [
    ("max_connections", 100, |one| one.max_connections),
    ("max_worker_processes", 8, |one| one.max_worker_processes),
    ("max_wal_senders", 10, |one| one.max_wal_senders),
    ("max_prepared_transactions", 0, |one| one.max_prepared_transactions),
    ("max_locks_per_transaction", 64, |one| one.max_locks_per_transaction),
];

/// The settings that must be raised for replay up to the stop point. `conf` is the configuration
/// as it will be.
pub(super) fn needed(
    site: &RecoverySite,
    chosen: &Chosen<'_>,
    conf: Option<&Conf>,
) -> Vec<SettingNeed> {
    let mut sources: Vec<SourceSettings> = control_settings(site, chosen).into_iter().collect();
    let facts = chosen.legs.iter().filter_map(|leg| leg.facts.as_ref().ok());
    let before =
        facts.flat_map(SegmentFacts::changes).filter(|change| change.lsn < chosen.stop.reached);
    sources.extend(before.map(|change| change.settings));
    if sources.is_empty() {
        return Vec::new();
    }
    let mut needs = Vec::new();
    for (name, default, of) in SETTINGS {
        let needed = sources.iter().map(|one| i64::from(of(one))).max().unwrap_or(0);
        let text = conf.and_then(|conf| conf.value(name));
        let configured = text
            .and_then(|text| as_int_with_unit(text, BaseUnit::Number))
            .map_or(default, i64::from);
        if configured < needed {
            needs.push(SettingNeed { name: name.to_owned(), needed, configured });
        }
    }
    needs
}

/// What the backup's control file says.
fn control_settings(site: &RecoverySite, chosen: &Chosen<'_>) -> Option<SourceSettings> {
    let path = chosen.backup_directory.join(layout::CONTROL_FILE);
    let bytes = site.backup.disk.read(&path, CONTROL_BYTES_MAX).ok()?;
    let settings = control_file::decode(&bytes).ok()?.standby_settings;
    let count = |value: i32| u32::try_from(value).unwrap_or(0);
    Some(SourceSettings {
        max_connections: count(settings.max_connections),
        max_worker_processes: count(settings.max_worker_processes),
        max_wal_senders: count(settings.max_wal_senders),
        max_prepared_transactions: count(settings.max_prepared_transactions),
        max_locks_per_transaction: count(settings.max_locks_per_transaction),
    })
}

/// The configuration as it will be: the backup's files in the data directory, others as they
/// are on this machine. `None` when it cannot be read.
///
/// # Errors
/// As reading the backup.
pub(super) fn restored_conf(
    site: &RecoverySite,
    chosen: &Chosen<'_>,
    data_directory: &Path,
) -> Result<Option<Conf>> {
    let Some(destination) = chosen.backup_directory.parent() else { return Ok(None) };
    let chain = Chain::load(&site.backup.disk, destination, &chosen.backup.label)?;
    let files = BackupFiles {
        site,
        chain: &chain,
        root: data_directory,
        block_bytes: chosen.backup.cluster.block_bytes,
    };
    // A rehearsal's server goes by files in its own place only.
    let elsewhere = site.backup.target.config_directory.as_deref();
    let elsewhere = elsewhere.filter(|_| site.private.is_none());
    let directory = elsewhere.unwrap_or(data_directory);
    Ok(Conf::load(&files, &directory.join(CONF_FILE), data_directory).ok())
}

/// The files of a data directory as a backup has them.
struct BackupFiles<'a> {
    site: &'a RecoverySite,
    chain: &'a Chain,
    root: &'a Path,
    block_bytes: u32,
}

impl BackupFiles<'_> {
    /// The path below the data directory.
    fn inside<'p>(&self, path: &'p Path) -> Option<&'p str> {
        path.strip_prefix(self.root).ok()?.to_str()
    }
}

impl ReadFiles for BackupFiles<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let Some(inside) = self.inside(path) else { return RealFiles.read(path) };
        let head = self.chain.head().ok_or(io::ErrorKind::NotFound)?;
        let entry = head.list.get(inside).ok_or(io::ErrorKind::NotFound)?;
        if entry.stamp.size > FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let disk = &self.site.backup.disk;
        let mut reader = ContentReader::open(disk, self.chain, inside, self.block_bytes)?;
        let mut content = Vec::new();
        while reader.next_block(&mut content)? {}
        Ok(content)
    }

    fn facts(&self, path: &Path) -> io::Result<FileFacts> {
        let Some(inside) = self.inside(path) else { return RealFiles.facts(path) };
        let head = self.chain.head().ok_or(io::ErrorKind::NotFound)?;
        let entry = head.list.get(inside).ok_or(io::ErrorKind::NotFound)?;
        let kind = match entry.content {
            Content::Directory => FileKind::Directory,
            _ => FileKind::Regular,
        };
        Ok(FileFacts { kind, owner: 0, mode: entry.stamp.mode & 0o7777 })
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let Some(inside) = self.inside(directory) else { return RealFiles.list(directory) };
        let head = self.chain.head().ok_or(io::ErrorKind::NotFound)?;
        let names = head.list.entries.iter().filter_map(|entry| {
            let rest = entry.path.strip_prefix(inside)?.strip_prefix('/')?;
            (!rest.contains('/')).then(|| OsString::from(rest))
        });
        Ok(names.collect())
    }
}
