//! Looks where a local server's log may be, for [`super::locate()`].

use std::io;
use std::path::Path;

use crate::sys::log_file;

use super::locate::{
    LogFileSeen, LogSettings, Observed, StandardError, conventional_path, current_logfiles,
};
use super::zone::Zone;

/// Bytes of `current_logfiles` that are read: three lines.
const CURRENT_LOGFILES_BYTES_MAX: u64 = 16 * 1024;

/// Files of `log_directory` that are looked at.
const LOG_FILES_MAX: usize = 20_000;

/// Bytes of a time zone file that are read; real ones have less than four thousand.
const ZONE_BYTES_MAX: u64 = 256 * 1024;

/// Directory of the compiled time zones on every Linux distribution.
const ZONE_DIRECTORY: &str = "/usr/share/zoneinfo";

/// Looks at the files of a server on this machine; `postmaster` is the process of one that runs.
///
/// Costs two small reads; `log_directory` is listed only when `current_logfiles` names nothing.
/// What may not be read counts as not there: opening the log itself will tell why.
#[must_use]
pub fn observe(settings: &LogSettings, postmaster: Option<i32>) -> Observed {
    let mut observed = Observed {
        standard_error: postmaster.map_or(StandardError::NotSeen, standard_error),
        ..Observed::default()
    };
    if settings.logging_collector {
        let path = settings.data_directory.join("current_logfiles");
        observed.current_logfiles = log_file::read_small(&path, CURRENT_LOGFILES_BYTES_MAX)
            .ok()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let named =
            observed.current_logfiles.as_deref().is_some_and(|t| !current_logfiles(t).is_empty());
        if !named {
            observed.log_files = log_file::list(&settings.log_directory_path(), LOG_FILES_MAX)
                .unwrap_or_default()
                .into_iter()
                .map(|file| LogFileSeen { name: file.name, modified: file.modified })
                .collect();
        }
    } else {
        observed.conventional =
            conventional_path(&settings.data_directory).filter(|path| log_file::stat(path).is_ok());
    }
    observed
}

/// The rule of `log_timezone`, from this machine's time zones or as a POSIX rule. Empty when it
/// is known to neither; times with a name are then left out.
#[must_use]
pub fn zone(log_timezone: &str) -> Zone {
    Zone::file_below(ZONE_DIRECTORY, log_timezone)
        .and_then(|path| log_file::read_small(&path, ZONE_BYTES_MAX).ok())
        .map_or_else(|| Zone::from_posix(log_timezone), |bytes| Zone::from_tzif(&bytes))
}

fn standard_error(postmaster: i32) -> StandardError {
    match log_file::link_target(Path::new(&format!("/proc/{postmaster}/fd/2"))) {
        Ok(target) => StandardError::Target(target),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => StandardError::Refused,
        Err(_) => StandardError::NotSeen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_only_as_far_as_needed() {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = LogSettings::defaults(directory.path());
        settings.logging_collector = true;
        let observed = observe(&settings, None);
        assert_eq!((observed.current_logfiles, observed.log_files.len()), (None, 0));
    }

    #[test]
    fn sees_standard_error_of_a_process() {
        let own = i32::try_from(std::process::id()).unwrap();
        let observed = observe(&LogSettings::defaults("/nowhere"), Some(own));
        assert!(matches!(observed.standard_error, StandardError::Target(_)));
        let gone = observe(&LogSettings::defaults("/nowhere"), Some(i32::MAX));
        assert_eq!(gone.standard_error, StandardError::NotSeen);
    }

    #[test]
    fn reads_this_machines_zones() {
        // A machine without time zone files has the rule by itself or no times.
        assert_eq!(zone("CET-1CEST,M3.5.0,M10.5.0/3").offset("CEST"), Some(7200));
        assert_eq!(zone("../../etc/passwd"), Zone::default());
        if log_file::stat(Path::new("/usr/share/zoneinfo/Asia/Kolkata")).is_ok() {
            assert_eq!(zone("Asia/Kolkata").offset("IST"), Some(19_800));
        }
    }
}
