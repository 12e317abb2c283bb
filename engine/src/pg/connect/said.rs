//! What the server said, as the user reads it: SQLSTATEs mapped to codes.
//!
//! Source of the SQLSTATEs: "PostgreSQL Error Codes" in the manual. Messages may come in any
//! language (`lc_messages`), so where one code covers several conditions the C function that
//! raised it decides (field `R` of "Error and Notice Message Fields"); it is not translated.

use tokio_postgres::error::{DbError, Severity};

use crate::api::{Error, ErrorCode};

use super::error::ErrorContext;

/// What the server said, taken out of the driver's type so that the mapping can be tested.
pub(super) struct Said<'a> {
    pub(super) is_fatal: bool,
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    pub(super) detail: Option<&'a str>,
    pub(super) hint: Option<&'a str>,
    pub(super) routine: &'a str,
}

impl<'a> Said<'a> {
    pub(super) fn of(error: &'a DbError) -> Self {
        let severity = error.parsed_severity();
        Self {
            is_fatal: matches!(severity, Some(Severity::Fatal | Severity::Panic))
                || severity.is_none() && error.severity() == "FATAL",
            code: error.code().code(),
            message: error.message(),
            detail: error.detail(),
            hint: error.hint(),
            routine: error.routine().unwrap_or_default(),
        }
    }

    /// The server's words on one line, its SQLSTATE last.
    fn words(&self) -> String {
        let mut words = self.message.to_owned();
        for more in [self.detail, self.hint].into_iter().flatten() {
            words.push_str("; ");
            words.push_str(more);
        }
        format!("{words} (SQLSTATE {})", self.code)
    }
}

/// Maps what the server said.
pub(super) fn map_said(said: &Said<'_>, context: &ErrorContext) -> Error {
    if said.is_fatal { map_fatal(said, context) } else { map_query(said, context) }
}

fn new(code: ErrorCode, fact: String, said: &Said<'_>) -> Error {
    Error::new(code, fact).detail(said.words())
}

/// What ends a session, or keeps it from beginning.
fn map_fatal(said: &Said<'_>, context: &ErrorContext) -> Error {
    let ErrorContext { server, database, user, .. } = context;
    match said.code {
        "28P01" => {
            let fact = format!("{server} does not accept the password of role \"{user}\"");
            new(ErrorCode::PasswordWrong, fact, said).hint(match &context.password_from {
                Some(file) => format!("Correct the line for it in \"{}\".", file.display()),
                None => "Correct password= or PGPASSWORD, or the entry of ~/.pgpass.".to_owned(),
            })
        }
        // InitializeSessionUserId() in miscinit.c: does not exist, or has no LOGIN.
        "28000" if said.routine == "InitializeSessionUserId" => {
            let fact = format!("role \"{user}\" cannot log in to {server}");
            new(ErrorCode::RoleUnknown, fact, said)
        }
        code if code.starts_with("28") => authentication_refused(said, context),
        "3D000" => {
            let fact = format!("database \"{database}\" does not exist on {server}");
            new(ErrorCode::DatabaseUnknown, fact, said)
        }
        // CheckMyDatabase() in postinit.c: datallowconn is false, or a drop was cut short.
        "55000" => {
            let fact = format!("database \"{database}\" on {server} takes no connections");
            new(ErrorCode::DatabaseUnknown, fact, said).hint(
                "Name another database, or allow it: ALTER DATABASE … ALLOW_CONNECTIONS true.",
            )
        }
        "42501" => {
            let fact = format!("role \"{user}\" may not connect to database \"{database}\"");
            new(ErrorCode::PermissionDenied, fact, said)
                .hint(format!("GRANT CONNECT ON DATABASE \"{database}\" TO \"{user}\"."))
        }
        "53300" => no_slots(said, context),
        "57P03" => not_ready(said, context),
        // Options are applied as the session starts (process_startup_options() in postinit.c).
        "42704" | "42601" | "22023" => {
            let fact = format!("{server} does not accept the options of this connection");
            new(ErrorCode::ConnectionStringInvalid, fact, said)
                .hint("Correct options= in the connection string, or PGOPTIONS.")
        }
        _ => new(ErrorCode::ConnectionLost, format!("{server} ended the session"), said),
    }
}

/// What ends a query and leaves the session alive.
fn map_query(said: &Said<'_>, context: &ErrorContext) -> Error {
    let ErrorContext { server, user, .. } = context;
    match said.code {
        "57014" if said.message.contains("user request") => {
            new(ErrorCode::Cancelled, format!("the query on {server} was cancelled"), said)
        }
        "57014" => {
            let fact = format!("the query on {server} took longer than it may");
            new(ErrorCode::QueryTimeout, fact, said)
        }
        "55P03" => {
            let fact = format!("the query on {server} did not get its lock in time");
            new(ErrorCode::QueryTimeout, fact, said)
                .hint("See who holds the lock in the Locks pane, then try again.")
        }
        "42501" => {
            let fact = format!("role \"{user}\" lacks a privilege on {server}");
            new(ErrorCode::PermissionDenied, fact, said)
        }
        _ => new(ErrorCode::QueryFailed, format!("{server} refused a query"), said),
    }
}

fn not_ready(said: &Said<'_>, context: &ErrorContext) -> Error {
    let fact = format!("{} takes no connections now", context.server);
    let error = new(ErrorCode::ServerNotReady, fact, said);
    match said.detail {
        // From 14 on the detail says how far recovery is, or that hot_standby is off; 13 says
        // "starting up" to all of it.
        Some(_) => error.hint(
            "Wait until recovery has got far enough; a standby with hot_standby = off never \
             takes connections.",
        ),
        None => error,
    }
}

fn authentication_refused(said: &Said<'_>, context: &ErrorContext) -> Error {
    let fact = format!(
        "{} refuses role \"{}\" for database \"{}\"",
        context.server, context.user, context.database
    );
    let error = Error::new(ErrorCode::AuthenticationRefused, fact).detail(said.words());
    // auth_failed() in auth.c; the method is named only in words, which English ones tell.
    if said.message.to_ascii_lowercase().contains("peer authentication") {
        return error.hint(
            "Peer lets in the operating system user of the role's name: run pgdeck as that \
             user, or add a line with scram-sha-256 to pg_hba.conf.",
        );
    }
    if said.message.contains("certificate") {
        return error
            .hint("Name a certificate and key that the server trusts with sslcert and sslkey.");
    }
    error
}

fn no_slots(said: &Said<'_>, context: &ErrorContext) -> Error {
    let ErrorContext { server, database, user, .. } = context;
    let (fact, hint) = match said.routine {
        "InitializeSessionUserId" => (
            format!("role \"{user}\" has used up its connections to {server}"),
            Some(format!(
                "End some, or raise its limit: ALTER ROLE \"{user}\" CONNECTION LIMIT …."
            )),
        ),
        "CheckMyDatabase" => (
            format!("database \"{database}\" on {server} has used up its connections"),
            Some(format!(
                "End some, or raise its limit: ALTER DATABASE \"{database}\" CONNECTION LIMIT …."
            )),
        ),
        _ => (format!("all connection slots of {server} are taken"), None),
    };
    let error = Error::new(ErrorCode::NoConnectionSlots, fact).detail(said.words());
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::tests::context;
    use super::*;
    use ErrorCode as C;

    fn said(is_fatal: bool, code: &str, routine: &str, message: &str) -> Error {
        let said = Said { is_fatal, code, message, detail: None, hint: None, routine };
        map_said(&said, &context())
    }

    /// SQLSTATE, C function and message as real servers send them, and what they are here. The
    /// German ones stand for every translation: the server's language must not matter.
    const REFUSALS: &[(&str, &str, &str, C)] = &[
        (
            "28P01",
            "auth_failed",
            "password authentication failed for user \"me\"",
            C::PasswordWrong,
        ),
        (
            "28000",
            "ClientAuthentication",
            "no pg_hba.conf entry for host \"10.0.0.1\", user \"me\", database \"app\", no encryption",
            C::AuthenticationRefused,
        ),
        (
            "28000",
            "ClientAuthentication",
            "pg_hba.conf rejects connection for host \"10.0.0.1\", user \"me\", database \"app\", no encryption",
            C::AuthenticationRefused,
        ),
        (
            "28000",
            "auth_failed",
            "Peer authentication failed for user \"me\"",
            C::AuthenticationRefused,
        ),
        (
            "28000",
            "auth_failed",
            "certificate authentication failed for user \"me\"",
            C::AuthenticationRefused,
        ),
        (
            "28000",
            "ClientAuthentication",
            "connection requires a valid client certificate",
            C::AuthenticationRefused,
        ),
        ("28000", "InitializeSessionUserId", "role \"me\" does not exist", C::RoleUnknown),
        ("28000", "InitializeSessionUserId", "Rolle »me« existiert nicht", C::RoleUnknown),
        (
            "28000",
            "InitializeSessionUserId",
            "role \"me\" is not permitted to log in",
            C::RoleUnknown,
        ),
        ("3D000", "InitPostgres", "database \"app\" does not exist", C::DatabaseUnknown),
        (
            "55000",
            "CheckMyDatabase",
            "database \"app\" is not currently accepting connections",
            C::DatabaseUnknown,
        ),
        ("53300", "InitProcess", "sorry, too many clients already", C::NoConnectionSlots),
        (
            "53300",
            "InitPostgres",
            "remaining connection slots are reserved for roles with the SUPERUSER attribute",
            C::NoConnectionSlots,
        ),
        (
            "53300",
            "InitializeSessionUserId",
            "too many connections for role \"me\"",
            C::NoConnectionSlots,
        ),
        (
            "53300",
            "CheckMyDatabase",
            "too many connections for database \"app\"",
            C::NoConnectionSlots,
        ),
        ("57P03", "ProcessStartupPacket", "the database system is starting up", C::ServerNotReady),
        (
            "57P03",
            "ProcessStartupPacket",
            "the database system is shutting down",
            C::ServerNotReady,
        ),
        (
            "57P03",
            "ProcessStartupPacket",
            "the database system is not accepting connections",
            C::ServerNotReady,
        ),
        (
            "57P01",
            "ProcessInterrupts",
            "terminating connection due to administrator command",
            C::ConnectionLost,
        ),
        (
            "57P02",
            "quickdie",
            "terminating connection because of crash of another server process",
            C::ConnectionLost,
        ),
        (
            "57P05",
            "ProcessInterrupts",
            "terminating connection due to idle-session timeout",
            C::ConnectionLost,
        ),
        (
            "25P03",
            "ProcessInterrupts",
            "terminating connection due to idle-in-transaction timeout",
            C::ConnectionLost,
        ),
        ("42501", "CheckMyDatabase", "permission denied for database \"app\"", C::PermissionDenied),
        (
            "42704",
            "find_option",
            "unrecognized configuration parameter \"nosuch\"",
            C::ConnectionStringInvalid,
        ),
        ("XX000", "x", "something else", C::ConnectionLost),
    ];

    #[test]
    fn every_refusal_has_its_code() {
        for (code, routine, message, expected) in REFUSALS {
            let error = said(true, code, routine, message);
            assert_eq!(error.code, *expected, "{message}");
            assert_eq!(error.detail, format!("{message} (SQLSTATE {code})"));
            assert!(error.fact.contains("db1:5432") || error.fact.contains("app"), "{error}");
        }
    }

    #[test]
    fn failed_queries_have_their_codes() {
        for (code, message, expected) in [
            ("57014", "canceling statement due to statement timeout", C::QueryTimeout),
            ("57014", "breche Anfrage wegen Zeitüberschreitung ab", C::QueryTimeout),
            ("57014", "canceling statement due to user request", C::Cancelled),
            ("55P03", "canceling statement due to lock timeout", C::QueryTimeout),
            ("42501", "permission denied for function pg_ls_waldir", C::PermissionDenied),
            ("42P01", "relation \"x\" does not exist", C::QueryFailed),
            ("55000", "recovery is in progress", C::QueryFailed),
        ] {
            assert_eq!(said(false, code, "ProcessInterrupts", message).code, expected, "{message}");
        }
    }

    #[test]
    fn the_servers_own_words_are_kept() {
        let error = map_said(
            &Said {
                is_fatal: true,
                code: "57P03",
                message: "the database system is not accepting connections",
                detail: Some("Hot standby mode is disabled."),
                hint: Some("Look elsewhere."),
                routine: "",
            },
            &context(),
        );
        assert_eq!(
            error.detail,
            "the database system is not accepting connections; Hot standby mode is disabled.; \
             Look elsewhere. (SQLSTATE 57P03)"
        );
    }

    #[test]
    fn a_wrong_password_says_where_it_is_from() {
        let context = ErrorContext { password_from: Some("/home/me/.pgpass".into()), ..context() };
        let said = Said {
            is_fatal: true,
            code: "28P01",
            message: "",
            detail: None,
            hint: None,
            routine: "auth_failed",
        };
        let error = map_said(&said, &context);
        assert_eq!(error.hint, "Correct the line for it in \"/home/me/.pgpass\".");
    }
}
