//! What went wrong with a connection or a query, as the user reads it.
//!
//! Owns the errors of the driver, of TLS and of the operating system; what the server itself
//! says is in [`super::said`].

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::api::{Error, ErrorCode};
use crate::pg::tls::explain;

use super::said::{Said, map_said};

/// Whom an error is about: the words that name server, database and role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorContext {
    /// `db1:5432` or the socket's path.
    pub server: String,
    /// The database.
    pub database: String,
    /// The role.
    pub user: String,
    /// The password file that gave the password; `None` when it came from elsewhere.
    pub password_from: Option<PathBuf>,
    /// The password file that was looked into in vain.
    pub passwords_missed_in: Option<PathBuf>,
    /// The time allowed, for the message when it has passed.
    pub timeout: Option<Duration>,
}

/// Turns any error of the driver into one for the user.
///
/// Works for connecting and for queries alike: servers mark the end of a session by `FATAL`.
#[must_use]
pub fn map_error(error: &tokio_postgres::Error, context: &ErrorContext) -> Error {
    if let Some(said) = error.as_db_error() {
        return map_said(&Said::of(said), context);
    }
    let server = &context.server;
    if error.is_closed() {
        return closed(context).detail("the server closed the connection without a word");
    }
    if let Some(tls) = find_cause::<rustls::Error>(error) {
        let explanation = explain(tls);
        let mapped = tls_failed(context).detail(explanation.detail);
        return match explanation.hint {
            Some(hint) => mapped.hint(hint),
            None => mapped,
        };
    }
    // The driver tells its kinds apart only by their text.
    let kind = error.to_string();
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    if kind.starts_with("error performing TLS handshake") {
        return handshake(error, &cause, context);
    }
    if kind.starts_with("authentication error") {
        return authentication(&cause, context);
    }
    if cause == "password missing" {
        return password_missing(context);
    }
    if let Some(io) = find_cause::<io::Error>(error) {
        return map_io(io, context);
    }
    let fact = format!("the answer of {server} was not understood");
    Error::new(ErrorCode::QueryFailed, fact).detail(join(&kind, &cause))
}

fn join(first: &str, second: &str) -> String {
    if second.is_empty() { first.to_owned() } else { format!("{first}: {second}") }
}

/// The first cause of a type, also inside I/O errors, which hide theirs from `source`.
pub(super) fn find_cause<'a, T: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = inner.downcast_ref::<T>()
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn tls_failed(context: &ErrorContext) -> Error {
    let fact = format!("no encrypted connection to {}", context.server);
    Error::new(ErrorCode::TlsFailed, fact)
}

fn closed(context: &ErrorContext) -> Error {
    let fact = format!("the connection to {} broke", context.server);
    Error::new(ErrorCode::ConnectionLost, fact)
}

fn handshake(error: &tokio_postgres::Error, cause: &str, context: &ErrorContext) -> Error {
    if cause == "server does not support TLS" {
        return tls_failed(context)
            .detail("the server does not offer encryption")
            .hint("Set ssl = on in the server's postgresql.conf, or allow sslmode=prefer.");
    }
    let is_end =
        find_cause::<io::Error>(error).is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof);
    if is_end {
        return tls_failed(context)
            .detail("the server closed the connection during the handshake")
            .hint(
                "sslnegotiation=direct needs a server of 17 or later; otherwise look at its log.",
            );
    }
    tls_failed(context).detail(cause.to_owned())
}

fn authentication(cause: &str, context: &ErrorContext) -> Error {
    let fact = format!("role \"{}\" cannot log in to {}", context.user, context.server);
    let error = Error::new(ErrorCode::AuthenticationRefused, fact);
    if cause.contains("unsupported") {
        return error
            .detail("the server asks for a method that pgdeck does not have (GSSAPI, SSPI, OAuth)")
            .hint(
                "Add a line to pg_hba.conf that lets this role in by scram-sha-256, peer or cert.",
            );
    }
    if cause.contains("channel binding") {
        return error
            .detail("channel_binding=require, and the server did not use channel binding")
            .hint("It needs encryption and scram-sha-256 on the server; or use channel_binding=prefer.");
    }
    error.detail(cause.to_owned())
}

fn password_missing(context: &ErrorContext) -> Error {
    let ErrorContext { server, database, user, passwords_missed_in, .. } = context;
    let fact = format!("{server} asks for a password of role \"{user}\" and there is none");
    let error = Error::new(ErrorCode::PasswordMissing, fact);
    match passwords_missed_in {
        Some(file) => error.detail(format!(
            "no line of \"{}\" is for this host and port, database \"{database}\" and role \"{user}\"",
            file.display()
        )),
        None => error,
    }
}

fn not_postgres(server: &str) -> Error {
    let fact = format!("the answer of {server} is not that of a PostgreSQL server");
    Error::new(ErrorCode::ConnectRefused, fact).hint("Check host and port.")
}

/// Maps an error of the operating system met while connecting or talking.
pub(super) fn map_io(error: &io::Error, context: &ErrorContext) -> Error {
    use io::ErrorKind as Kind;
    let server = &context.server;
    let is_socket = server.starts_with(['/', '@']);
    let os = error.to_string();
    match error.kind() {
        Kind::ConnectionRefused if is_socket => {
            let fact = format!("nothing listens at the socket \"{server}\"");
            Error::new(ErrorCode::ConnectRefused, fact)
                .detail(os)
                .hint("The server that made this socket is gone; start it.")
        }
        Kind::NotFound if is_socket => {
            let fact = format!("there is no socket \"{server}\"");
            Error::new(ErrorCode::ConnectRefused, fact)
                .detail(os)
                .hint("Check that the server runs, and its port and unix_socket_directories.")
        }
        Kind::PermissionDenied if is_socket => {
            let fact = format!("the socket \"{server}\" may not be opened by this user");
            Error::new(ErrorCode::PermissionDenied, fact)
                .detail(os)
                .hint("Run pgdeck as the server's owner, or join the group of unix_socket_group.")
        }
        Kind::ConnectionRefused => {
            Error::new(ErrorCode::ConnectRefused, format!("nothing listens at {server}")).detail(os)
        }
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
            let fact = format!("{server} cannot be reached");
            Error::new(ErrorCode::ConnectRefused, fact)
                .detail(os)
                .hint("Check the network between this machine and the server.")
        }
        // A socket whose queue of waiting clients is full answers so at once.
        Kind::TimedOut | Kind::WouldBlock => timed_out(context).detail(os),
        Kind::UnexpectedEof
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::NotConnected => closed(context).detail(os),
        Kind::InvalidData | Kind::InvalidInput => not_postgres(server).detail(os),
        // The driver's way to say that the peer closed amid what should be a message.
        Kind::Other if os == "bytes remaining on stream" => not_postgres(server).detail(os),
        _ => Error::new(ErrorCode::ConnectRefused, format!("no connection to {server}")).detail(os),
    }
}

/// The error for a host that took longer than it may.
pub(super) fn timed_out(context: &ErrorContext) -> Error {
    let fact = match context.timeout {
        Some(timeout) => {
            format!("{} did not answer within {} s", context.server, timeout.as_secs_f32())
        }
        None => format!("{} did not answer", context.server),
    };
    Error::new(ErrorCode::ConnectTimeout, fact)
}

/// The error for a host name without an address.
pub(super) fn host_not_found(host: &str, error: &io::Error) -> Error {
    Error::new(ErrorCode::HostNotFound, format!("host \"{host}\" has no address"))
        .detail(error.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ErrorCode as C;

    pub(in crate::pg::connect) fn context() -> ErrorContext {
        ErrorContext {
            server: "db1:5432".into(),
            database: "app".into(),
            user: "me".into(),
            password_from: None,
            passwords_missed_in: None,
            timeout: Some(Duration::from_secs(5)),
        }
    }

    #[test]
    fn operating_system_errors_have_their_codes() {
        use io::ErrorKind as K;
        let socket = ErrorContext { server: "/tmp/.s.PGSQL.5432".into(), ..context() };
        for (kind, on_tcp, on_socket) in [
            (K::ConnectionRefused, C::ConnectRefused, C::ConnectRefused),
            (K::NotFound, C::ConnectRefused, C::ConnectRefused),
            (K::PermissionDenied, C::ConnectRefused, C::PermissionDenied),
            (K::HostUnreachable, C::ConnectRefused, C::ConnectRefused),
            (K::TimedOut, C::ConnectTimeout, C::ConnectTimeout),
            (K::WouldBlock, C::ConnectTimeout, C::ConnectTimeout),
            (K::ConnectionReset, C::ConnectionLost, C::ConnectionLost),
            (K::UnexpectedEof, C::ConnectionLost, C::ConnectionLost),
        ] {
            assert_eq!(map_io(&kind.into(), &context()).code, on_tcp, "{kind:?}");
            let error = map_io(&kind.into(), &socket);
            assert_eq!(error.code, on_socket, "{kind:?}");
            assert!(error.fact.contains("/tmp/.s.PGSQL.5432"), "{error}");
        }
    }

    #[test]
    fn causes_hidden_in_io_errors_are_found() {
        let tls = rustls::Error::NoCertificatesPresented;
        let io = io::Error::other(tls);
        assert!(find_cause::<rustls::Error>(&io).is_some());
        assert!(find_cause::<rustls::Error>(&io::Error::other("x")).is_none());
    }
}
