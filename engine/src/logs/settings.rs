//! The log's settings from wherever settings are at hand: the server, or its files.

use std::path::Path;

use super::locate::LogSettings;

impl LogSettings {
    /// The settings that `lookup` knows, the server's defaults for the rest.
    #[must_use]
    pub fn from_lookup(data_directory: &Path, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let mut settings = Self::defaults(data_directory);
        let text = |name: &str, field: &mut String| {
            if let Some(value) = lookup(name) {
                *field = value;
            }
        };
        text("log_destination", &mut settings.log_destination);
        text("log_directory", &mut settings.log_directory);
        text("log_filename", &mut settings.log_filename);
        text("syslog_facility", &mut settings.syslog_facility);
        text("syslog_ident", &mut settings.syslog_ident);
        text("log_line_prefix", &mut settings.log_line_prefix);
        text("log_timezone", &mut settings.log_timezone);
        let collector = lookup("logging_collector");
        settings.logging_collector =
            collector.as_deref().and_then(crate::pg::conf::as_bool).unwrap_or(false);
        if let Some(directory) = lookup("data_directory").filter(|text| !text.is_empty()) {
            settings.data_directory = directory.into();
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_the_default() {
        let lookup = |name: &str| match name {
            "logging_collector" => Some("on".to_owned()),
            "log_directory" => Some("/var/log/pg".to_owned()),
            _ => None,
        };
        let settings = LogSettings::from_lookup(Path::new("/data"), lookup);
        assert!(settings.logging_collector);
        assert_eq!(settings.log_directory, "/var/log/pg");
        assert_eq!(settings.log_line_prefix, LogSettings::defaults("/data").log_line_prefix);
        assert_eq!(settings.data_directory, Path::new("/data"));
    }
}
