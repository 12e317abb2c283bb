//! The settings the archive depends on: as the files have them, as the server runs with them,
//! and as they should be. Pure but for the query.

use std::collections::BTreeMap;
use std::path::Path;

use crate::api::{Error, ErrorCode, Result, SetupRequest, TakesEffect};
use crate::pg::conf::Conf;
use crate::pg::conf::edit::Wish;
use crate::pg::connect::Connected;
use crate::pg::query::sql;
use crate::pg::query::{column, optional_text, text};

/// Values a server has when no file says otherwise (`guc_parameters.dat`, before it
/// `guc_tables.c`).
const DEFAULTS: [(&str, &str); 5] = [
    ("archive_mode", "off"),
    ("archive_command", ""),
    ("archive_library", ""),
    ("archive_timeout", "0"),
    ("wal_level", "replica"),
];

/// One setting as a running server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Running {
    /// Its value; `archive_timeout` in seconds.
    pub(super) value: String,
    /// Where it comes from (`pg_settings.source`).
    pub(super) source: String,
    /// Whether the files already say something else that needs a restart.
    pub(super) pending_restart: bool,
}

/// The settings of a running server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RunningSettings(BTreeMap<String, Running>);

impl RunningSettings {
    /// Asks the server.
    pub(super) async fn load(connected: &Connected) -> Result<Self> {
        let query = sql::ARCHIVE_SETTINGS.text_for(connected.server.version.major());
        let rows = connected.client.query(query.unwrap_or_default(), &[]).await;
        let rows = rows.map_err(|error| connected.map_error(&error))?;
        let mut found = BTreeMap::new();
        for row in rows {
            let running = Running {
                value: optional_text(&row, "setting")?.unwrap_or_default(),
                source: text(&row, "source")?,
                pending_restart: column(&row, "pending_restart")?,
            };
            found.insert(text(&row, "name")?, running);
        }
        Ok(Self(found))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Running> {
        self.0.get(name)
    }

    pub(super) fn value(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |running| running.value.as_str())
    }

    #[cfg(test)]
    pub(super) fn of(settings: &[(&str, &str, &str)]) -> Self {
        let running = |value: &str, source: &str| Running {
            value: value.to_owned(),
            source: source.to_owned(),
            pending_restart: false,
        };
        Self(settings.iter().map(|(n, v, s)| ((*n).to_owned(), running(v, s))).collect())
    }
}

/// The value the files give, or the server's default.
pub(super) fn in_files<'a>(conf: &'a Conf, name: &str) -> &'a str {
    let default = DEFAULTS.iter().find(|(known, _)| *known == name).map_or("", |(_, v)| *v);
    conf.value(name).unwrap_or(default)
}

/// The command that archives into `destination`.
///
/// `%p` and `%f` are the server's; a percent sign of our own is doubled.
///
/// Source: "Setting Up WAL Archiving" in the PostgreSQL manual; the command goes to a shell.
pub(super) fn archive_command(
    program: &Path,
    destination: &Path,
    compression: Option<&str>,
) -> String {
    let option = compression.map(|method| format!(" --compress {method}")).unwrap_or_default();
    let place = destination.display().to_string();
    format!(
        "{} wal-push{option} \"%p\" {}",
        shell_word(&program.display().to_string()),
        shell_word(&place)
    )
}

/// A path as a word of a command that the server gives to a shell.
pub(crate) fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("\"{}\"", shell_escaped(text))
    }
}

/// For use between double quotes in a command with the server's percent signs.
fn shell_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' | '$' | '`' => escaped.extend(['\\', c]),
            '%' => escaped.push_str("%%"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// The values that are to be, given what the files say now.
///
/// `archive_mode = always` and `wal_level = logical` are more than enough and stay.
pub(super) fn wishes(conf: &Conf, request: &SetupRequest, destination: &Path) -> Vec<Wish> {
    let mut wishes = vec![Wish::new("pgx.backup_destination", destination.display().to_string())];
    if in_files(conf, "wal_level").eq_ignore_ascii_case("minimal") {
        wishes.push(Wish::new("wal_level", "replica"));
    }
    if !matches!(in_files(conf, "archive_mode").to_ascii_lowercase().as_str(), "on" | "always") {
        wishes.push(Wish::new("archive_mode", "on"));
    }
    let command = archive_command(&request.program, destination, request.compression.as_deref());
    wishes.push(Wish::new("archive_command", command));
    if let Some(seconds) = request.archive_timeout_seconds {
        let bare = in_files(conf, "archive_timeout");
        // The file may say 5min; both mean 300.
        let now = crate::pg::conf::as_int_with_unit(bare, crate::pg::conf::BaseUnit::Seconds);
        if now != Some(i64::from(seconds)) {
            wishes.push(Wish::new("archive_timeout", seconds.to_string()));
        }
    }
    wishes
}

/// What a change of this setting takes ("Write Ahead Log" in the PostgreSQL manual).
pub(super) fn takes_effect(name: &str) -> TakesEffect {
    match name {
        "wal_level" | "archive_mode" => TakesEffect::Restart,
        _ => TakesEffect::Reload,
    }
}

/// What no change of the files could overrule.
///
/// # Errors
/// `SetupConflict`.
pub(super) fn refuse_conflicts(conf: &Conf, running: Option<&RunningSettings>) -> Result<()> {
    let library = running.map_or_else(
        || in_files(conf, "archive_library").to_owned(),
        |running| running.value("archive_library").to_owned(),
    );
    if !library.is_empty() {
        return Err(Error::new(
            ErrorCode::SetupConflict,
            format!("archive_library is \"{library}\""),
        )
        .detail("a server archives by a library or by a command, not by both")
        .hint("Empty archive_library first if pgdeck is to archive."));
    }
    let Some(running) = running else { return Ok(()) };
    for name in ["archive_mode", "archive_command", "wal_level"] {
        let source = running.get(name).map_or("", |setting| setting.source.as_str());
        if matches!(source, "command line" | "environment variable") {
            return Err(Error::new(
                ErrorCode::SetupConflict,
                format!("{name} was given on the server's command line"),
            )
            .detail("the command line overrules the configuration files")
            .hint("Start the server without that option, then set up again."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::CreateDestination;
    use crate::pg::files::fake::FakeFiles;

    fn conf(content: &str) -> Conf {
        let files = FakeFiles::default().with("/d/postgresql.conf", content);
        Conf::load(&files, Path::new("/d/postgresql.conf"), Path::new("/d")).unwrap()
    }

    fn request() -> SetupRequest {
        SetupRequest {
            destination: "/backup/inst1".into(),
            create: CreateDestination::Refuse,
            compression: None,
            archive_timeout_seconds: None,
            program: "/usr/local/bin/pgdeck".into(),
        }
    }

    #[test]
    fn the_command_survives_shell_and_server() {
        let command = |program: &str, place: &str, compression| {
            archive_command(Path::new(program), Path::new(place), compression)
        };
        assert_eq!(
            command("/usr/bin/pgdeck", "/backup/inst1", None),
            r#"/usr/bin/pgdeck wal-push "%p" /backup/inst1"#
        );
        assert_eq!(
            command("/opt/my tools/pgdeck", "/b 100%/$HOME/\"x\"", Some("lz4")),
            r#""/opt/my tools/pgdeck" wal-push --compress lz4 "%p" "/b 100%%/\$HOME/\"x\"""#
        );
    }

    #[test]
    fn only_what_is_needed_is_wished_for() {
        let names = |content: &str, request: &SetupRequest| {
            wishes(&conf(content), request, Path::new("/backup/inst1"))
                .into_iter()
                .map(|wish| format!("{}={}", wish.name, wish.value))
                .collect::<Vec<_>>()
        };
        let fresh = names("", &request());
        assert_eq!(fresh[..2], ["pgx.backup_destination=/backup/inst1", "archive_mode=on"]);
        let minimal = names("wal_level = minimal\narchive_mode = always\n", &request());
        assert_eq!(minimal[1], "wal_level=replica");
        assert_eq!(minimal.len(), 3);
        let timed = SetupRequest { archive_timeout_seconds: Some(300), ..request() };
        assert_eq!(names("archive_timeout = 5min\n", &timed).len(), 3);
        assert_eq!(names("archive_timeout = 1min\n", &timed)[3], "archive_timeout=300");
    }

    #[test]
    fn what_cannot_be_overruled_is_refused() {
        assert!(refuse_conflicts(&conf(""), None).is_ok());
        let error = refuse_conflicts(&conf("archive_library = 'basic_archive'\n"), None);
        assert_eq!(error.unwrap_err().code, ErrorCode::SetupConflict);
        let running = RunningSettings::of(&[("archive_mode", "off", "command line")]);
        let error = refuse_conflicts(&conf(""), Some(&running)).unwrap_err();
        assert!(error.fact.contains("archive_mode"), "{error}");
        let running = RunningSettings::of(&[("archive_mode", "off", "default")]);
        assert!(refuse_conflicts(&conf(""), Some(&running)).is_ok());
    }
}
