//! The keywords of a connection string and where each value came from.
//!
//! Source: `PQconninfoOptions[]` in `src/interfaces/libpq/fe-connect.c` of PostgreSQL 18.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::api::{Error, ErrorCode};

/// Keyword and environment variable; an empty variable means there is none.
const KEYWORDS: &[(&str, &str)] = &[
    ("service", "PGSERVICE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("dbname", "PGDATABASE"),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("client_encoding", "PGCLIENTENCODING"),
    ("options", "PGOPTIONS"),
    ("application_name", "PGAPPNAME"),
    ("fallback_application_name", ""),
    ("keepalives", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("keepalives_count", ""),
    ("tcp_user_timeout", ""),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslcompression", "PGSSLCOMPRESSION"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("sslpassword", ""),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcrl", "PGSSLCRL"),
    ("sslcrldir", "PGSSLCRLDIR"),
    ("sslsni", "PGSSLSNI"),
    ("requirepeer", "PGREQUIREPEER"),
    ("require_auth", "PGREQUIREAUTH"),
    ("min_protocol_version", "PGMINPROTOCOLVERSION"),
    ("max_protocol_version", "PGMAXPROTOCOLVERSION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("gssencmode", "PGGSSENCMODE"),
    ("krbsrvname", "PGKRBSRVNAME"),
    ("gsslib", "PGGSSLIB"),
    ("gssdelegation", "PGGSSDELEGATION"),
    ("replication", ""),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("scram_client_key", ""),
    ("scram_server_key", ""),
    ("oauth_issuer", ""),
    ("oauth_client_id", ""),
    ("oauth_client_secret", ""),
    ("oauth_scope", ""),
    ("sslkeylogfile", ""),
];

/// Where a value came from, as a message names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    ConnectionString,
    ServiceFile { file: String, line: usize },
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionString => f.write_str("it stands in the connection string"),
            Self::ServiceFile { file, line } => write!(f, "it stands in {file}:{line}"),
            Self::Variable(name) => write!(f, "it stands in the environment variable {name}"),
        }
    }
}

pub(super) struct Setting {
    pub(super) value: Zeroizing<String>,
    pub(super) origin: Origin,
}

/// Values by keyword. All are wiped when dropped, because some are passwords.
#[derive(Default)]
pub(super) struct Settings(BTreeMap<&'static str, Setting>);

impl Settings {
    /// Sets a value over an earlier one.
    ///
    /// # Errors
    /// [`ErrorCode::ConnectionStringInvalid`] when the keyword does not exist.
    pub(super) fn set(&mut self, name: &str, value: &str, origin: Origin) -> Result<(), Error> {
        let (name, value) = match (name, value.starts_with('1')) {
            ("requiressl", true) => ("sslmode", "require"),
            ("requiressl", false) => ("sslmode", "prefer"),
            _ => (name, value),
        };
        let known = KEYWORDS.iter().find(|(keyword, _)| *keyword == name);
        let (keyword, _) = known.ok_or_else(|| unknown(name, &origin))?;
        self.0.insert(keyword, Setting { value: Zeroizing::new(value.to_owned()), origin });
        Ok(())
    }

    /// Sets a value unless there is one.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub(super) fn set_default(
        &mut self,
        name: &str,
        value: &str,
        origin: Origin,
    ) -> Result<(), Error> {
        if self.0.contains_key(name) { Ok(()) } else { self.set(name, value, origin) }
    }

    /// Fills what is missing from environment variables.
    pub(super) fn add_environment(&mut self, variable: &dyn Fn(&str) -> Option<String>) {
        for (keyword, name) in KEYWORDS {
            if name.is_empty() || self.0.contains_key(keyword) {
                continue;
            }
            if let Some(value) = variable(name) {
                let (value, origin) = (Zeroizing::new(value), Origin::Variable(name));
                self.0.insert(keyword, Setting { value, origin });
            } else if *keyword == "sslmode"
                && variable("PGREQUIRESSL").is_some_and(|value| value.starts_with('1'))
            {
                let value = Zeroizing::new("require".to_owned());
                let origin = Origin::Variable("PGREQUIRESSL");
                self.0.insert(keyword, Setting { value, origin });
            }
        }
    }

    pub(super) fn get(&self, keyword: &str) -> Option<&Setting> {
        self.0.get(keyword)
    }

    /// The value unless it is missing or empty, which libpq mostly treats alike.
    pub(super) fn non_empty(&self, keyword: &str) -> Option<&str> {
        self.get(keyword).map(|setting| setting.value.as_str()).filter(|value| !value.is_empty())
    }

    #[cfg(test)]
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(keyword, setting)| (*keyword, setting.value.as_str()))
    }
}

fn unknown(name: &str, origin: &Origin) -> Error {
    let fact = format!("\"{name}\" is not a connection parameter");
    let error = Error::new(ErrorCode::ConnectionStringInvalid, fact).detail(origin.to_string());
    let near = KEYWORDS.iter().find(|(keyword, _)| {
        let alias = match name {
            "username" => "user",
            "database" | "db" => "dbname",
            "hostname" | "server" => "host",
            "passwd" | "pass" => "password",
            "timeout" => "connect_timeout",
            "ssl" => "sslmode",
            other => other,
        };
        keyword.eq_ignore_ascii_case(alias)
    });
    match near {
        Some((keyword, _)) => error.hint(format!("Did you mean {keyword}?")),
        None => error,
    }
}

/// An error about one parameter's value.
pub(super) fn invalid(keyword: &str, setting: &Setting, why: &str) -> Error {
    let hides = ["key", "secret", "password"].iter().any(|part| keyword.contains(part));
    let shown = if hides { "***" } else { setting.value.as_str() };
    let fact = format!("invalid {keyword} \"{shown}\"");
    Error::new(ErrorCode::ConnectionStringInvalid, fact)
        .detail(format!("{}; {why}", setting.origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keywords_are_named_and_near_ones_proposed() {
        let mut settings = Settings::default();
        let error = settings.set("database", "x", Origin::ConnectionString).unwrap_err();
        assert_eq!(error.code, ErrorCode::ConnectionStringInvalid);
        assert_eq!(error.fact, "\"database\" is not a connection parameter");
        assert_eq!(error.hint, "Did you mean dbname?");
        let error = settings.set("HOST", "x", Origin::ConnectionString).unwrap_err();
        assert_eq!(error.hint, "Did you mean host?");
        let error = settings.set("frobnicate", "x", Origin::ConnectionString).unwrap_err();
        assert_eq!(error.hint, ErrorCode::ConnectionStringInvalid.default_hint());
    }

    #[test]
    fn the_old_ssl_switch() {
        let mut settings = Settings::default();
        settings.set("requiressl", "1", Origin::ConnectionString).unwrap();
        assert_eq!(settings.non_empty("sslmode"), Some("require"));
        settings.set("requiressl", "0", Origin::ConnectionString).unwrap();
        assert_eq!(settings.non_empty("sslmode"), Some("prefer"));

        let mut settings = Settings::default();
        settings.add_environment(&|name| (name == "PGREQUIRESSL").then(|| "1".to_owned()));
        assert_eq!(settings.non_empty("sslmode"), Some("require"));
    }
}
