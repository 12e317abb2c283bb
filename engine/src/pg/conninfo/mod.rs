//! Connection parameters as libpq takes them.
//!
//! Owns keywords, precedence (connection string, service file, environment, defaults), the
//! password file and the checks of values. Opens no socket, and reads the environment and
//! files only through what the caller hands in.
//!
//! Source: "Database Connection Control Functions" in the PostgreSQL manual, and
//! `src/interfaces/libpq/fe-connect.c`.
//!
//! Where this differs from libpq: the client encoding is always UTF-8; without
//! `connect_timeout` a host has [`CONNECT_TIMEOUT_DEFAULT`]; GSSAPI, OAuth, LDAP services,
//! `requirepeer`, `require_auth` and `sslcrldir` are refused, not ignored, because ignoring
//! them would be less safe than what was asked for.

mod keywords;
mod passfile;
mod resolve;
mod secret;
mod service;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use resolve::resolve;
pub use secret::Secret;

use super::files::ReadFiles;

/// The port a server has when nothing else is said (`DEF_PGPORT`).
pub const PORT_DEFAULT: u16 = 5432;

/// How long one host may take to answer when `connect_timeout` is not given.
pub const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// The name sessions of pgdeck carry unless `application_name` says otherwise.
pub const APPLICATION_NAME_DEFAULT: &str = "pgdeck";

/// What resolving a connection string needs of the world around it.
pub struct Environment<'a> {
    /// Reads an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Reads the service, password and certificate files.
    pub files: &'a dyn ReadFiles,
    /// The name of the user this process runs as: the default of `user`.
    pub os_user: Option<String>,
    /// That user's home directory, from the user database; the variable `HOME` goes before it.
    pub home_directory: Option<PathBuf>,
    /// Where servers of this system put their sockets, likeliest first.
    pub socket_directories: Vec<PathBuf>,
    /// Where `pg_service.conf` of the whole system may be, likeliest first.
    pub system_directories: Vec<PathBuf>,
}

impl Environment<'_> {
    /// Socket directories that packages compile in: Debian's and Red Hat's, then PostgreSQL's
    /// own (`DEFAULT_PGSOCKET_DIR`).
    #[must_use]
    pub fn usual_socket_directories() -> Vec<PathBuf> {
        ["/var/run/postgresql", "/tmp"].map(PathBuf::from).to_vec()
    }

    /// Directories of the system-wide service file that packages compile in (`SYSCONFDIR`).
    #[must_use]
    pub fn usual_system_directories() -> Vec<PathBuf> {
        ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc/postgresql", "/usr/local/etc"]
            .map(PathBuf::from)
            .to_vec()
    }

    /// The home directory as libpq finds it (`pqGetHomeDirectory()`).
    fn home(&self) -> Option<PathBuf> {
        match (self.variable)("HOME") {
            Some(home) if !home.is_empty() => Some(home.into()),
            _ => self.home_directory.clone(),
        }
    }
}

/// How a connection is encrypted (`sslmode`), weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only when the server refuses without.
    Allow,
    /// If the server can; unencrypted otherwise.
    Prefer,
    /// Always, with any certificate; with a root certificate at hand as `verify-ca`.
    Require,
    /// Always, with a certificate of a trusted issuer.
    VerifyCa,
    /// Always, with a certificate of a trusted issuer for this very host.
    VerifyFull,
}

impl SslMode {
    const ALL: [(&'static str, Self); 6] = [
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    /// The word of `sslmode`.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, mode)| *mode == self).map_or("", |(word, _)| word)
    }
}

/// How encryption begins (`sslnegotiation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslNegotiation {
    /// By asking the server first.
    Postgres,
    /// At once; servers from 17 on understand it.
    Direct,
}

/// Which session the connection must be (`target_session_attrs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetSession {
    /// Any.
    Any,
    /// One that takes writes.
    ReadWrite,
    /// One that takes no writes.
    ReadOnly,
    /// A server that is not a standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby, or any if no host is one.
    PreferStandby,
}

impl TargetSession {
    const ALL: [(&'static str, Self); 6] = [
        ("any", Self::Any),
        ("read-write", Self::ReadWrite),
        ("read-only", Self::ReadOnly),
        ("primary", Self::Primary),
        ("standby", Self::Standby),
        ("prefer-standby", Self::PreferStandby),
    ];

    /// The word of `target_session_attrs`.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, target)| *target == self).map_or("", |(word, _)| word)
    }
}

/// Whether authentication is tied to the encrypted channel (`channel_binding`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// If both sides can.
    Prefer,
    /// Always.
    Require,
}

/// Encryption and certificates. Paths are those to look at; a missing default file is fine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SslParams {
    /// `sslmode`.
    pub mode: SslMode,
    /// `sslnegotiation`.
    pub negotiation: SslNegotiation,
    /// `sslrootcert`.
    pub root_cert: RootCert,
    /// `sslcert`, or `~/.postgresql/postgresql.crt`; `None` with `sslcertmode=disable`.
    pub cert: Option<SslFile>,
    /// `sslkey`, or `~/.postgresql/postgresql.key`.
    pub key: Option<SslFile>,
    /// `sslcrl`, or `~/.postgresql/root.crl`.
    pub crl: Option<SslFile>,
    /// `sslsni`: whether the host name is sent in clear so that a proxy can route by it.
    pub sni: bool,
    /// `ssl_min_protocol_version`, at least 1.2.
    pub min_version: TlsVersion,
    /// `ssl_max_protocol_version`.
    pub max_version: TlsVersion,
}

/// A TLS protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2.
    V12,
    /// 1.3.
    V13,
}

/// A file of `SslParams`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SslFile {
    /// Where.
    pub path: PathBuf,
    /// Whether it was named; libpq's default files may be missing.
    pub is_explicit: bool,
}

/// Whom to trust (`sslrootcert`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCert {
    /// The certificates in this file, if it exists.
    File(SslFile),
    /// Those the operating system trusts (`sslrootcert=system`).
    System {
        /// The file to take instead of the usual ones: OpenSSL's variable `SSL_CERT_FILE`.
        bundle: Option<PathBuf>,
    },
    /// Nothing is named and there is no home directory to look in.
    None,
}

/// TCP keepalives; `None` leaves the system's own value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalives {
    /// `keepalives`.
    pub is_on: bool,
    /// `keepalives_idle`: silence before the first probe, seconds.
    pub idle: Option<Duration>,
    /// `keepalives_interval`: time between probes, seconds.
    pub interval: Option<Duration>,
    /// `keepalives_count`: lost probes before the connection counts as dead.
    pub count: Option<u32>,
    /// `tcp_user_timeout`: how long sent data may stay unacknowledged, milliseconds.
    pub user_timeout: Option<Duration>,
}

/// One server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSpec {
    /// `host`: a name, an address, or a socket directory (absolute, or `@` for an abstract
    /// one); empty when only `hostaddr` is given.
    pub host: String,
    /// `hostaddr`: the address to use without looking the name up.
    pub hostaddr: Option<IpAddr>,
    /// The port, also the suffix of a socket.
    pub port: u16,
    /// The password the password file has for this host.
    pub password: Option<Secret>,
}

impl HostSpec {
    /// The socket's path when this is a Unix socket (`UNIXSOCK_PATH` in `pqcomm.h`).
    #[must_use]
    pub fn socket_path(&self) -> Option<PathBuf> {
        let is_socket = self.hostaddr.is_none() && self.host.starts_with(['/', '@']);
        is_socket.then(|| Path::new(&self.host).join(format!(".s.PGSQL.{}", self.port)))
    }
}

impl fmt::Display for HostSpec {
    /// `db1:5432`, `[::1]:5432` or `/tmp/.s.PGSQL.5432`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.socket_path() {
            return write!(f, "{}", path.display());
        }
        match (self.host.as_str(), self.hostaddr) {
            ("", Some(IpAddr::V6(address))) => write!(f, "[{address}]:{}", self.port),
            ("", Some(address)) => write!(f, "{address}:{}", self.port),
            (host, _) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            (host, _) => write!(f, "{host}:{}", self.port),
        }
    }
}

/// Everything a connection needs.
#[derive(Clone, Debug)]
pub struct ConnectParams {
    /// The servers to try, in order; never empty.
    pub hosts: Vec<HostSpec>,
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// `password` or `PGPASSWORD`; without it, [`HostSpec::password`] counts.
    pub password: Option<Secret>,
    /// The password file that was looked into.
    pub passfile: Option<PathBuf>,
    /// Encryption.
    pub ssl: SslParams,
    /// What encryption works with, read from the files of `ssl`.
    pub tls: super::tls::TlsSetup,
    /// `application_name`.
    pub application_name: String,
    /// How long one host may take; `None` waits without end.
    pub connect_timeout: Option<Duration>,
    /// `options`: command-line options for the backend.
    pub options: Option<String>,
    /// `target_session_attrs`.
    pub target_session: TargetSession,
    /// `channel_binding`.
    pub channel_binding: ChannelBinding,
    /// TCP keepalives.
    pub keepalives: Keepalives,
    /// What the user should know and libpq would print, such as an unused password file.
    pub warnings: Vec<String>,
}

impl ConnectParams {
    /// The password for one of the hosts.
    #[must_use]
    pub fn password_for<'a>(&'a self, host: &'a HostSpec) -> Option<&'a Secret> {
        self.password.as_ref().or(host.password.as_ref())
    }

    /// The target for people, without the password: `app on db1:5432,db2:5432 as me`.
    #[must_use]
    pub fn display(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        format!("{} on {} as {}", self.database, hosts.join(","), self.user)
    }
}
