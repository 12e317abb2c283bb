//! `pgdeck.toml`: the console's own settings and the list of instances.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::api::{ConsoleSettings, Error, ErrorCode, Limits, Result};
use crate::sys::file;

const BYTES_MAX: u64 = 1 << 20;

/// The file as written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// `[console]`.
    pub console: ConsoleTable,
    /// `[limits]`.
    pub limits: LimitsTable,
    /// `[[instance]]`, in order.
    pub instance: Vec<InstanceEntry>,
    /// `state_directory`.
    pub state_directory: Option<PathBuf>,
}

/// `[console]`: how the console looks and how often it refreshes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleTable {
    /// Theme name.
    pub theme: Option<String>,
    /// Directory with more themes.
    pub theme_directory: Option<PathBuf>,
    /// Seconds between refreshes, 0.25 to 60.
    pub refresh_seconds: Option<f64>,
    /// Refuse everything that changes an instance.
    pub read_only: Option<bool>,
    /// ASCII only.
    pub ascii: Option<bool>,
    /// `auto`, `never`, `8`, `16`, `256` or `truecolor`.
    pub color: Option<String>,
    /// Mouse reports.
    pub mouse: Option<bool>,
}

/// `[limits]`: when a condition becomes a message. Units last.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsTable {
    destination_percent: Option<u8>,
    forecast_days: Option<u32>,
    prepared_minutes: Option<u32>,
    idle_in_transaction_minutes: Option<u32>,
    connections_percent: Option<u8>,
    lock_wait_seconds: Option<u32>,
    xid_age: Option<u32>,
    slot_wal_bytes: Option<u64>,
    backup_hours: Option<u32>,
    archive_wait_seconds: Option<u32>,
    kept_data_days: Option<u32>,
    rehearsal_days: Option<u32>,
}

/// `[[instance]]`: one instance to watch. Either `data_directory` or `connection`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceEntry {
    /// Its name.
    pub name: String,
    /// The data storage destination of a local instance.
    pub data_directory: Option<PathBuf>,
    /// Where its `postgresql.conf` is, when elsewhere.
    pub config_directory: Option<PathBuf>,
    /// Where its server programs are.
    pub bin_directory: Option<PathBuf>,
    /// Where `pg_ctl` sends the server's output when it is started.
    pub log_file: Option<PathBuf>,
    /// The connection string of a remote instance, or extra parameters for a local one.
    pub connection: Option<String>,
}

impl ConfigFile {
    /// Reads the file named, or the first of the usual places that exists; an absent file is
    /// an empty one.
    ///
    /// # Errors
    /// `ConfigInvalid` naming file, line and what is wrong; also when a file named with
    /// `--config` does not exist.
    pub fn load(named: Option<&Path>) -> Result<(Self, Option<PathBuf>)> {
        let path = match named {
            Some(path) => Some(path.to_path_buf()),
            None => usual_places().into_iter().find(|path| file::exists(path)),
        };
        let Some(path) = path else { return Ok((Self::default(), None)) };
        let text = file::read_text(&path, BYTES_MAX).map_err(|error| {
            Error::new(ErrorCode::ConfigInvalid, format!("cannot read {}", path.display()))
                .detail(error.to_string())
        })?;
        let parsed = Self::parse(&text, &path)?;
        Ok((parsed, Some(path)))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// `ConfigInvalid`.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let invalid = |detail: String| {
            Error::new(ErrorCode::ConfigInvalid, format!("{} is not valid", path.display()))
                .detail(detail)
        };
        let parsed: Self = toml::from_str(text).map_err(|error| invalid(one_line(text, &error)))?;
        parsed.check().map_err(invalid)?;
        Ok(parsed)
    }

    fn check(&self) -> std::result::Result<(), String> {
        let mut names = std::collections::HashSet::new();
        for entry in &self.instance {
            if entry.name.is_empty() {
                return Err("an [[instance]] has an empty name".to_owned());
            }
            if !names.insert(&entry.name) {
                return Err(format!("two instances are named \"{}\"", entry.name));
            }
            if entry.data_directory.is_none() && entry.connection.is_none() {
                let name = &entry.name;
                return Err(format!(
                    "instance \"{name}\" has neither data_directory nor connection"
                ));
            }
            if entry.data_directory.as_ref().is_some_and(|path| path.is_relative()) {
                return Err(format!("data_directory of \"{}\" is not absolute", entry.name));
            }
        }
        match self.console.refresh_seconds {
            Some(seconds) if !(0.25..=60.0).contains(&seconds) => {
                Err(format!("refresh_seconds is {seconds}; it must be 0.25 to 60"))
            }
            _ => self.limits.check(),
        }
    }

    /// The thresholds, with the defaults for what is not said.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let table = &self.limits;
        let usual = Limits::default();
        Limits {
            destination_percent: table.destination_percent.unwrap_or(usual.destination_percent),
            forecast_days: table.forecast_days.unwrap_or(usual.forecast_days),
            prepared_minutes: table.prepared_minutes.unwrap_or(usual.prepared_minutes),
            idle_in_transaction_minutes: table
                .idle_in_transaction_minutes
                .unwrap_or(usual.idle_in_transaction_minutes),
            connections_percent: table.connections_percent.unwrap_or(usual.connections_percent),
            lock_wait_seconds: table.lock_wait_seconds.unwrap_or(usual.lock_wait_seconds),
            xid_age: table.xid_age.unwrap_or(usual.xid_age),
            slot_wal_bytes: table.slot_wal_bytes.unwrap_or(usual.slot_wal_bytes),
            backup_hours: table.backup_hours.unwrap_or(usual.backup_hours),
            archive_wait_seconds: table.archive_wait_seconds.unwrap_or(usual.archive_wait_seconds),
            kept_data_days: table.kept_data_days.unwrap_or(usual.kept_data_days),
            rehearsal_days: table.rehearsal_days.unwrap_or(usual.rehearsal_days),
        }
    }

    /// The console's part.
    #[must_use]
    pub fn console_settings(&self) -> ConsoleSettings {
        let table = &self.console;
        ConsoleSettings {
            theme: table.theme.clone(),
            theme_directory: table.theme_directory.clone(),
            refresh_seconds: table.refresh_seconds,
            read_only: table.read_only.unwrap_or(false),
            ascii: table.ascii.unwrap_or(false),
            color: table.color.clone(),
            mouse: table.mouse.unwrap_or(false),
        }
    }
}

impl LimitsTable {
    fn check(&self) -> std::result::Result<(), String> {
        for (name, value) in [
            ("destination_percent", self.destination_percent),
            ("connections_percent", self.connections_percent),
        ] {
            if value.is_some_and(|percent| !(1..=100).contains(&percent)) {
                return Err(format!("{name} must be 1 to 100"));
            }
        }
        Ok(())
    }
}

/// What is wrong and where, in one line: an error has three, and this is its detail.
fn one_line(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', ", ");
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(directory) = std::env::var_os("XDG_CONFIG_HOME").filter(|value| !value.is_empty()) {
        places.push(PathBuf::from(directory).join("pgdeck/pgdeck.toml"));
    } else if let Some(home) = std::env::var_os("HOME").filter(|value| !value.is_empty()) {
        places.push(PathBuf::from(home).join(".config/pgdeck/pgdeck.toml"));
    }
    places.push("/etc/pgdeck/pgdeck.toml".into());
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConfigFile> {
        ConfigFile::parse(text, Path::new("pgdeck.toml"))
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        let empty = parse("").unwrap();
        assert_eq!(empty, ConfigFile::default());
        assert_eq!(empty.limits(), Limits::default());
    }

    #[test]
    fn reads_everything() {
        let text = r#"
            state_directory = "/var/lib/pgdeck"
            [console]
            theme = "light"
            refresh_seconds = 2
            [limits]
            prepared_minutes = 5
            [[instance]]
            name = "inst1"
            data_directory = "/database/inst1"
            [[instance]]
            name = "db1"
            connection = "host=db1 sslmode=verify-full"
        "#;
        let config = parse(text).unwrap();
        assert_eq!(config.instance.len(), 2);
        assert_eq!(config.limits().prepared_minutes, 5);
        assert_eq!(config.console_settings().theme.as_deref(), Some("light"));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, wanted) in [
            ("[consol]", "consol"),
            ("[console]\nrefresh_seconds = 0.1", "0.25 to 60"),
            ("[[instance]]\nname = \"a\"", "neither data_directory nor connection"),
            ("[[instance]]\nname = \"a\"\ndata_directory = \"x\"", "not absolute"),
            (
                "[[instance]]\nname=\"a\"\nconnection=\"\"\n[[instance]]\nname=\"a\"\nconnection=\"\"",
                "two instances",
            ),
            ("[limits]\ndestination_percent = 101", "1 to 100"),
            ("x = ", "line 1"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.code, ErrorCode::ConfigInvalid);
            assert!(error.detail.contains(wanted), "{text:?}: {}", error.detail);
        }
    }

    #[test]
    fn a_named_file_must_exist() {
        let error = ConfigFile::load(Some(Path::new("/nonexistent/pgdeck.toml"))).unwrap_err();
        assert_eq!(error.code, ErrorCode::ConfigInvalid);
    }
}
