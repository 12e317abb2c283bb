//! One host: its addresses, its encryption methods, its authentication, its kind.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::{ChannelBinding as DriverBinding, SslMode as DriverMode};
use tokio_postgres::tls::{MakeTlsConnect, NoTls};
use tokio_postgres::{Client, Config, Connection, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::api::{Error, ErrorCode, ServerVersion};
use crate::pg::conninfo::{ChannelBinding, ConnectParams, HostSpec, SslNegotiation, TargetSession};
use crate::pg::tls::TlsSetup;

use super::driver::{Canceller, Driver, Place};
use super::encryption::{Encryption, Noting, both, may_try_next, methods};
use super::error::{ErrorContext, host_not_found, map_error, map_io, timed_out};
use super::stream::{Opener, Stream};
use super::{CANCEL_TIMEOUT, Connected, ServerInfo, server_version};

/// Why a host could not be used, and what follows from it.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) next: Next,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Try the next host.
    Host,
    /// No other host would be better: the role, database or certificate is refused.
    Stop,
}

impl Failure {
    /// libpq goes on to the next host unless the server itself refused.
    fn of(error: Error) -> Self {
        let next = match error.code {
            ErrorCode::HostNotFound
            | ErrorCode::ConnectRefused
            | ErrorCode::ConnectTimeout
            | ErrorCode::ServerNotReady => Next::Host,
            _ => Next::Stop,
        };
        Self { error, next }
    }
}

/// The words for errors of a host.
pub(super) fn context(params: &ConnectParams, host: &HostSpec) -> ErrorContext {
    let is_from_file = params.password.is_none() && host.password.is_some();
    ErrorContext {
        server: host.to_string(),
        database: params.database.clone(),
        user: params.user.clone(),
        password_from: params.passfile.clone().filter(|_| is_from_file),
        passwords_missed_in: params.passfile.clone().filter(|_| !is_from_file),
        timeout: params.connect_timeout,
    }
}

struct Attempt<'a> {
    params: &'a ConnectParams,
    host: &'a HostSpec,
    opener: &'a Arc<dyn Opener>,
    context: ErrorContext,
}

/// Tries one host with all its addresses.
pub(super) async fn host(
    params: &ConnectParams,
    host: &HostSpec,
    target: TargetSession,
    opener: &Arc<dyn Opener>,
) -> Result<Connected, Failure> {
    let attempt = Attempt { params, host, opener, context: context(params, host) };
    let (place, stream) =
        attempt.reach().await.map_err(|error| Failure { error, next: Next::Host })?;
    let connected = attempt.negotiate(&place, stream).await.map_err(Failure::of)?;
    check_version(&connected).map_err(Failure::of)?;
    check_target(&connected, target).await?;
    Ok(connected)
}

impl Attempt<'_> {
    /// Finds an address that takes the connection and opens it.
    async fn reach(&self) -> Result<(Place, Stream), Error> {
        if let Some(path) = self.host.socket_path() {
            let place = Place::Unix(path);
            let stream = self.open(&place).await.map_err(|error| map_io(&error, &self.context))?;
            return Ok((place, stream));
        }
        let addresses = self.addresses().await?;
        let begun = Instant::now();
        let mut last = host_not_found(&self.host.host, &io::ErrorKind::NotFound.into());
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for address in addresses {
            let place = Place::Tcp { address, name: self.server_name(address.ip()) };
            // What is left of the time is shared out, so that an address that swallows
            // packets does not take the turn of the others.
            let limit = self.params.connect_timeout.map(|total| {
                let rest = total.saturating_sub(begun.elapsed());
                (rest / left.max(1)).max(Duration::from_millis(100))
            });
            left = left.saturating_sub(1);
            let opening = self.open(&place);
            let opened = match limit {
                Some(limit) if left > 0 => tokio::time::timeout(limit, opening).await,
                _ => Ok(opening.await),
            };
            last = match opened {
                Ok(Ok(stream)) => return Ok((place, stream)),
                Ok(Err(error)) => map_io(&error, &self.context),
                Err(_) => timed_out(&self.context),
            };
        }
        Err(last)
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        let port = self.host.port;
        let literal = self.host.hostaddr.or_else(|| self.host.host.parse().ok());
        if let Some(address) = literal {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = self.opener.look_up(&self.host.host, port).await;
        found.map_err(|error| host_not_found(&self.host.host, &error))
    }

    async fn open(&self, place: &Place) -> io::Result<Stream> {
        match place {
            Place::Unix(path) => Stream::unix(self.opener.unix(path).await?),
            Place::Tcp { address, .. } => {
                Stream::tcp(self.opener.tcp(*address).await?, &self.params.keepalives)
            }
        }
    }

    /// The name the certificate is compared with. What cannot stand in a certificate gives
    /// way to the address; under verify-full that never matches by accident.
    fn server_name(&self, address: IpAddr) -> String {
        let host = &self.host.host;
        let is_usable = ServerName::try_from(host.as_str()).is_ok();
        if is_usable { host.clone() } else { address.to_string() }
    }

    /// Goes through the encryption methods until one gets in.
    async fn negotiate(&self, place: &Place, stream: Stream) -> Result<Connected, Error> {
        let mut first_stream = Some(stream);
        let mut earlier: Option<Error> = None;
        let methods = methods(self.params.ssl.mode, matches!(place, Place::Unix(_)));
        for (index, method) in methods.iter().enumerate() {
            let tls = match (method, &self.params.tls) {
                (Encryption::Off, _) => None,
                (_, TlsSetup::Ready(config)) => Some(config),
                (Encryption::IfOffered, _) => continue,
                (Encryption::Required, TlsSetup::Failed(error)) => {
                    return Err(earlier.unwrap_or_else(|| error.clone()));
                }
                (Encryption::Required, TlsSetup::NotNeeded) => {
                    let fact = "certificates were not read for this connection";
                    return Err(Error::new(ErrorCode::TlsFailed, fact));
                }
            };
            let stream = match first_stream.take() {
                Some(stream) => stream,
                None => self.open(place).await.map_err(|error| map_io(&error, &self.context))?,
            };
            let (error, was_encrypted) = match self.log_in(place, stream, *method, tls).await {
                Ok(connected) => return Ok(connected),
                Err(failed) => failed,
            };
            let is_last = index + 1 == methods.len();
            if is_last || !may_try_next(*method, &error, was_encrypted) {
                return Err(both(earlier, error));
            }
            earlier = Some(error);
        }
        Err(earlier.unwrap_or_else(|| timed_out(&self.context)))
    }

    /// Logs in on an open socket. On failure says whether encryption had begun.
    async fn log_in(
        &self,
        place: &Place,
        stream: Stream,
        method: Encryption,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Connected, (Error, bool)> {
        let config = self.driver_config(method);
        let begun = Arc::new(AtomicBool::new(false));
        let name = match place {
            Place::Tcp { name, .. } => name.as_str(),
            Place::Unix(_) => "",
        };
        let opened = match tls {
            None => {
                let opened = config.connect_raw(stream, NoTls).await;
                opened.map(|(client, connection)| self.run(client, connection))
            }
            Some(tls) => {
                let mut make = MakeRustlsConnect::new(ClientConfig::clone(tls));
                let inner = match MakeTlsConnect::<Stream>::make_tls_connect(&mut make, name) {
                    Ok(inner) => inner,
                    Err(never) => match never {},
                };
                let tls = Noting { inner, begun: Arc::clone(&begun) };
                let opened = config.connect_raw(stream, tls).await;
                opened.map(|(client, connection)| self.run(client, connection))
            }
        };
        let is_encrypted = begun.load(Ordering::Relaxed);
        let failed = |error| (error, is_encrypted);
        let (client, server, driver) =
            opened.map_err(|error| failed(map_error(&error, &self.context)))?.map_err(failed)?;
        let canceller = Canceller {
            token: client.cancel_token(),
            opener: Arc::clone(self.opener),
            place: place.clone(),
            tls: tls.filter(|_| is_encrypted).cloned(),
            timeout: self.params.connect_timeout.unwrap_or(CANCEL_TIMEOUT),
            context: self.context.clone(),
        };
        let context = self.context.clone();
        Ok(Connected { client, server, canceller, context, is_encrypted, driver })
    }

    fn driver_config(&self, method: Encryption) -> Config {
        let params = self.params;
        let mut config = Config::new();
        config
            .user(&params.user)
            .dbname(&params.database)
            .application_name(&params.application_name)
            .ssl_mode(match method {
                Encryption::Off => DriverMode::Disable,
                Encryption::IfOffered => DriverMode::Prefer,
                Encryption::Required => DriverMode::Require,
            })
            .ssl_negotiation(match params.ssl.negotiation {
                SslNegotiation::Postgres => tokio_postgres::config::SslNegotiation::Postgres,
                SslNegotiation::Direct => tokio_postgres::config::SslNegotiation::Direct,
            })
            .channel_binding(match params.channel_binding {
                ChannelBinding::Disable => DriverBinding::Disable,
                ChannelBinding::Prefer => DriverBinding::Prefer,
                ChannelBinding::Require => DriverBinding::Require,
            });
        if let Some(options) = &params.options {
            config.options(options);
        }
        if let Some(password) = params.password_for(self.host) {
            config.password(password.expose());
        }
        config
    }

    /// Reads what the server reported and sets the connection to work.
    fn run<S, T>(
        &self,
        client: Client,
        connection: Connection<S, T>,
    ) -> Result<(Client, ServerInfo, Driver), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let text = |name| connection.parameter(name).map(str::to_owned);
        let switch = |name| connection.parameter(name).map(|value| value == "on");
        let version_text = text("server_version").unwrap_or_default();
        let server = ServerInfo {
            version: server_version(&version_text).ok_or_else(|| {
                let fact = format!("{} does not say its version", self.context.server);
                Error::new(ErrorCode::VersionUnsupported, fact)
                    .detail(format!("server_version is \"{version_text}\""))
            })?,
            version_text,
            in_hot_standby: switch("in_hot_standby"),
            is_superuser: switch("is_superuser"),
            encoding: text("server_encoding"),
        };
        Ok((client, server, Driver::spawn(connection, self.context.clone())))
    }
}

fn check_version(connected: &Connected) -> Result<(), Error> {
    let version = connected.server.version;
    if version.is_supported() {
        return Ok(());
    }
    let server = &connected.context.server;
    let fact = format!("{server} runs PostgreSQL {}", connected.server.version_text);
    let (min, max) = (ServerVersion::MAJOR_MIN, ServerVersion::MAJOR_MAX);
    Err(Error::new(ErrorCode::VersionUnsupported, fact)
        .detail(format!("pgdeck knows the major versions {min} to {max}")))
}

/// Whether the session is of the kind asked for (`CONNECTION_CHECK_TARGET`).
async fn check_target(connected: &Connected, target: TargetSession) -> Result<(), Failure> {
    // 13 does not report its state, and `default_transaction_read_only` may be set for the
    // role; both servers and sessions are asked in one query that every version knows.
    let question = "SELECT pg_catalog.pg_is_in_recovery(), \
                    pg_catalog.current_setting('transaction_read_only')";
    if target == TargetSession::Any {
        return Ok(());
    }
    let answer = connected.client.simple_query(question).await;
    let answer = answer.map_err(|error| Failure::of(connected.map_error(&error)))?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0) == Some("t"), row.get(1) == Some("on"))),
        _ => None,
    });
    let (is_standby, is_read_only) = row.unwrap_or_default();
    let (fits, is) = match target {
        TargetSession::Any | TargetSession::PreferStandby => (true, ""),
        TargetSession::ReadWrite => (!is_read_only, "read-only"),
        TargetSession::ReadOnly => (is_read_only, "not read-only"),
        TargetSession::Primary => (!is_standby, "a standby"),
        TargetSession::Standby => (is_standby, "not a standby"),
    };
    if fits {
        return Ok(());
    }
    let fact = format!("{} is {is}", connected.context.server);
    let error = Error::new(ErrorCode::ConnectRefused, fact)
        .detail(format!("target_session_attrs={} asks for another", target.word()))
        .hint("Name a host of that kind, or leave target_session_attrs out.");
    Err(Failure { error, next: Next::Host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreachable_hosts_give_way_and_refusals_do_not() {
        for (code, next) in [
            (ErrorCode::ConnectRefused, Next::Host),
            (ErrorCode::HostNotFound, Next::Host),
            (ErrorCode::ConnectTimeout, Next::Host),
            (ErrorCode::ServerNotReady, Next::Host),
            (ErrorCode::PasswordWrong, Next::Stop),
            (ErrorCode::TlsFailed, Next::Stop),
            (ErrorCode::NoConnectionSlots, Next::Stop),
        ] {
            assert_eq!(Failure::of(Error::new(code, "")).next, next, "{code}");
        }
    }
}
