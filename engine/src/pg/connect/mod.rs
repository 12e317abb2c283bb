//! Connections: hosts in order, encryption with its fallbacks, and errors in plain words.
//!
//! Owns what libpq does between the parameters and the first query. Knows no queries but
//! the one that tells a primary from a standby, and no screens.
//!
//! Source: "Database Connection Control Functions" in the PostgreSQL manual;
//! `PQconnectPoll()` in `src/interfaces/libpq/fe-connect.c`.

mod attempt;
mod driver;
mod encryption;
mod error;
mod said;
mod stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Client;

use crate::api::{Error, ErrorCode, ServerVersion};

use super::conninfo::{ConnectParams, HostSpec, TargetSession};
use attempt::{Failure, Next};

pub use driver::{Canceller, Driver};
pub use error::{ErrorContext, map_error};
pub use stream::{DirectOpener, Opener, Opening};

/// An open connection.
///
/// Dropped as a whole, it ends in the right order: the client first, then its driver.
pub struct Connected {
    /// Sends queries.
    pub client: Client,
    /// What the server said of itself at the start of the session.
    pub server: ServerInfo,
    /// Cancels the running query.
    pub canceller: Canceller,
    /// For the errors of this connection's queries, by [`map_error`].
    pub context: ErrorContext,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
    /// Runs the connection.
    pub driver: Driver,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected")
            .field("server", &self.server)
            .field("context", &self.context)
            .field("is_encrypted", &self.is_encrypted)
            .finish_non_exhaustive()
    }
}

impl Connected {
    /// Turns an error of a query on this connection into one for the user.
    #[must_use]
    pub fn map_error(&self, error: &tokio_postgres::Error) -> Error {
        map_error(error, &self.context)
    }

    /// The error for a query that was given up on this side after `limit`.
    ///
    /// The server's own `statement_timeout` does not help when the server hangs.
    #[must_use]
    pub fn query_timed_out(&self, limit: Duration) -> Error {
        let seconds = limit.as_secs_f32();
        let fact = format!("{} did not answer a query within {seconds} s", self.context.server);
        Error::new(ErrorCode::QueryTimeout, fact)
    }
}

/// Parameters the server reports at the start of a session ("Asynchronous Operations" in the
/// chapter on the frontend/backend protocol).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// `server_version` as a number.
    pub version: ServerVersion,
    /// `server_version` as the server words it, such as `15.18 (Debian 15.18-0+deb12u1)`.
    pub version_text: String,
    /// `in_hot_standby`; 14 and later report it.
    pub in_hot_standby: Option<bool>,
    /// `is_superuser`.
    pub is_superuser: Option<bool>,
    /// `server_encoding`.
    pub encoding: Option<String>,
}

/// Opens a connection to the first host that can be used.
///
/// Each host may take [`ConnectParams::connect_timeout`] in all. As in libpq, the next host
/// is tried when one cannot be reached, does not answer, is not ready or is not the kind of
/// server asked for; a host that refuses the role or its certificate ends the search.
///
/// # Errors
/// Of the only host, or of the last one with the reasons of all in the detail:
/// - [`ErrorCode::HostNotFound`], [`ErrorCode::ConnectRefused`], [`ErrorCode::ConnectTimeout`],
///   [`ErrorCode::ConnectionLost`]: the network or the server's processes;
/// - [`ErrorCode::TlsFailed`]: encryption or certificates;
/// - [`ErrorCode::PasswordWrong`], [`ErrorCode::PasswordMissing`], [`ErrorCode::RoleUnknown`],
///   [`ErrorCode::AuthenticationRefused`], [`ErrorCode::DatabaseUnknown`],
///   [`ErrorCode::PermissionDenied`]: the server does not let this role in;
/// - [`ErrorCode::NoConnectionSlots`], [`ErrorCode::ServerNotReady`]: it does not now;
/// - [`ErrorCode::VersionUnsupported`]: it is older than 13 or newer than 18.
pub async fn connect(params: &ConnectParams, opener: &Arc<dyn Opener>) -> Result<Connected, Error> {
    let passes: &[TargetSession] = match params.target_session {
        TargetSession::PreferStandby => &[TargetSession::Standby, TargetSession::Any],
        ref one => std::slice::from_ref(one),
    };
    let mut failures = Vec::new();
    for target in passes {
        failures.clear();
        for host in &params.hosts {
            match try_host(params, host, *target, opener).await {
                Ok(connected) => return Ok(connected),
                Err(Failure { error, next: Next::Stop }) => return Err(error),
                Err(Failure { error, next: Next::Host }) => failures.push(error),
            }
        }
    }
    Err(sum_up(failures))
}

async fn try_host(
    params: &ConnectParams,
    host: &HostSpec,
    target: TargetSession,
    opener: &Arc<dyn Opener>,
) -> Result<Connected, Failure> {
    let attempt = attempt::host(params, host, target, opener);
    let Some(limit) = params.connect_timeout else { return attempt.await };
    tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| {
        let context = attempt::context(params, host);
        Err(Failure { error: error::timed_out(&context), next: Next::Host })
    })
}

/// One error of several: the last, with what each host said.
fn sum_up(mut failures: Vec<Error>) -> Error {
    let count = failures.len();
    // Each fact names its host.
    let said: Vec<String> = failures
        .iter()
        .map(|error| match error.detail.as_str() {
            "" => error.fact.clone(),
            detail => format!("{} ({detail})", error.fact),
        })
        .collect();
    match failures.pop() {
        // resolve() never gives an empty list, but the field is public.
        None => Error::new(ErrorCode::ConnectionStringInvalid, "no host to connect to"),
        Some(only) if count == 1 => only,
        Some(last) => Error::new(last.code, format!("none of {count} hosts can be used"))
            .detail(said.join("; "))
            .hint(last.hint),
    }
}

/// Reads `server_version`: `15.18 (Debian …)`, `18.0`, `18beta1`, `17devel`.
fn server_version(text: &str) -> Option<ServerVersion> {
    let number = |text: &str| -> Option<(u32, usize)> {
        let length = text.bytes().take_while(u8::is_ascii_digit).count();
        Some((text.get(..length)?.parse().ok()?, length))
    };
    let (major, length) = number(text)?;
    let rest = text.get(length..)?;
    let minor = rest.strip_prefix('.').and_then(number).map_or(0, |(minor, _)| minor);
    let num = major.checked_mul(10_000)?.checked_add(minor)?;
    Some(ServerVersion::from_num(num))
}

/// How long a request to cancel may take when connecting itself has no limit.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::path::Path;
    use std::time::Instant;

    use tokio::net::TcpStream;

    use super::*;
    use crate::pg::conninfo::{Environment, resolve};
    use crate::pg::files::fake::FakeFiles;

    /// A network where the host name has two addresses: 10.0.0.1 swallows everything and
    /// 10.0.0.2 refuses; so does every socket.
    struct HalfDead;

    impl Opener for HalfDead {
        fn unix<'a>(&'a self, _: &'a Path) -> Opening<'a, std::os::unix::net::UnixStream> {
            Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
        }

        fn tcp(&self, address: SocketAddr) -> Opening<'_, TcpStream> {
            Box::pin(async move {
                if address.ip().to_string() == "10.0.0.1" {
                    std::future::pending::<()>().await;
                }
                Err(io::ErrorKind::ConnectionRefused.into())
            })
        }

        fn look_up<'a>(&'a self, host: &'a str, port: u16) -> Opening<'a, Vec<SocketAddr>> {
            Box::pin(async move {
                match host {
                    "two" => Ok(vec![
                        SocketAddr::new([10, 0, 0, 1].into(), port),
                        SocketAddr::new([10, 0, 0, 2].into(), port),
                    ]),
                    _ => Err(io::Error::other("Name or service not known")),
                }
            })
        }
    }

    async fn refused(text: &str) -> Error {
        let files = FakeFiles::default();
        let environment = Environment {
            variable: &|_| None,
            files: &files,
            os_user: Some("me".into()),
            home_directory: None,
            socket_directories: Environment::usual_socket_directories(),
            system_directories: Vec::new(),
        };
        let mut params = resolve(text, &environment).unwrap();
        params.connect_timeout = Some(Duration::from_millis(400));
        let opener: Arc<dyn Opener> = Arc::new(HalfDead);
        connect(&params, &opener).await.unwrap_err()
    }

    #[tokio::test]
    async fn an_address_that_swallows_packets_leaves_time_for_the_next() {
        let begun = Instant::now();
        let error = refused("host=two").await;
        assert_eq!(error.code, ErrorCode::ConnectRefused, "{error}");
        let elapsed = begun.elapsed();
        assert!(elapsed >= Duration::from_millis(200) && elapsed < Duration::from_millis(390));
    }

    #[tokio::test]
    async fn each_host_has_its_own_time() {
        let error = refused("host=10.0.0.1,10.0.0.1,nowhere,/tmp").await;
        assert_eq!(error.code, ErrorCode::ConnectRefused);
        assert_eq!(error.fact, "none of 4 hosts can be used");
        let seen = [
            "10.0.0.1:5432 did not answer within 0.4 s",
            "host \"nowhere\" has no address (Name or service not known)",
            "nothing listens at the socket \"/tmp/.s.PGSQL.5432\"",
        ];
        for part in seen {
            assert!(error.detail.contains(part), "{error}");
        }
        assert_eq!(refused("host=10.0.0.1").await.code, ErrorCode::ConnectTimeout);
        assert_eq!(refused("host=nowhere").await.code, ErrorCode::HostNotFound);
    }

    #[test]
    fn versions_as_servers_word_them() {
        for (text, expected) in [
            ("15.18 (Debian 15.18-0+deb12u1)", Some(150_018)),
            ("13.23", Some(130_023)),
            ("18beta1", Some(180_000)),
            ("17devel", Some(170_000)),
            ("9.6.24", Some(90_006)),
            ("", None),
            ("beta", None),
            ("99999999999", None),
            ("999999999", None),
        ] {
            assert_eq!(server_version(text), expected.map(ServerVersion::from_num), "{text}");
        }
        assert!(!server_version("9.6.24").unwrap().is_supported());
    }

    #[test]
    fn several_failures_become_one_error() {
        let refused = Error::new(ErrorCode::ConnectRefused, "nothing listens at db1:5432")
            .detail("Connection refused");
        let late = Error::new(ErrorCode::ConnectTimeout, "db2:5432 did not answer within 5 s");
        assert_eq!(sum_up(vec![refused.clone()]), refused);
        let error = sum_up(vec![refused, late.clone()]);
        assert_eq!((error.code, error.hint), (late.code, late.hint));
        assert_eq!(error.fact, "none of 2 hosts can be used");
        assert_eq!(
            error.detail,
            "nothing listens at db1:5432 (Connection refused); \
             db2:5432 did not answer within 5 s"
        );
        assert_eq!(sum_up(Vec::new()).code, ErrorCode::ConnectionStringInvalid);
    }
}
