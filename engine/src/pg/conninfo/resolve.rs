//! From a connection string and its surroundings to checked parameters.

use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use crate::api::{Error, ErrorCode};
use crate::pg::tls::TlsSetup;

use super::keywords::{Settings, invalid};
use super::passfile::{PassFile, Target};
use super::{
    APPLICATION_NAME_DEFAULT, CONNECT_TIMEOUT_DEFAULT, ChannelBinding, ConnectParams, Environment,
    HostSpec, Keepalives, PORT_DEFAULT, RootCert, Secret, SslFile, SslMode, SslNegotiation,
    SslParams, TargetSession, TlsVersion, service, text,
};

/// What pgdeck cannot do: keyword, the values that ask for nothing, what is missing.
const UNSUPPORTED: &[(&str, &[&str], &str)] = &[
    ("requirepeer", &[""], "pgdeck does not check the owner of the server process"),
    ("require_auth", &[""], "pgdeck does not restrict authentication methods"),
    ("sslcrldir", &[""], "pgdeck reads revocation lists from one file; use sslcrl"),
    ("sslcertmode", &["disable", "allow"], "pgdeck cannot tell whether the server asked for it"),
    ("gssencmode", &["disable", "prefer"], "pgdeck has no GSSAPI encryption"),
    ("min_protocol_version", &["", "3.0"], "pgdeck speaks protocol 3.0"),
    ("replication", &["", "false", "off", "no", "0"], "pgdeck opens no replication connections"),
    ("scram_client_key", &[""], "pgdeck authenticates with passwords"),
    ("scram_server_key", &[""], "pgdeck authenticates with passwords"),
    ("oauth_issuer", &[""], "pgdeck has no OAuth"),
];

/// Resolves a connection string (it may be empty) into checked parameters.
///
/// Reads, in libpq's precedence: the string, the service file, the environment, defaults;
/// then the password file, and for TCP hosts the certificates. May block on files. Resolve
/// anew before connecting again: passwords and certificates may have been replaced.
///
/// # Errors
/// - [`ErrorCode::ConnectionStringInvalid`]: syntax, an unknown keyword, a value out of
///   range, or something pgdeck does not support.
/// - [`ErrorCode::ServiceNotFound`]: the service is in no file, or `PGSERVICEFILE` is missing.
///
/// A certificate that cannot be read is no error here but in [`ConnectParams::tls`],
/// because a Unix socket needs none.
pub fn resolve(text: &str, environment: &Environment<'_>) -> Result<ConnectParams, Error> {
    let mut settings = text::parse(text)?;
    service::add_service(&mut settings, environment)?;
    settings.add_environment(environment.variable);
    refuse_unsupported(&settings)?;

    let user = match (settings.non_empty("user"), &environment.os_user) {
        (Some(user), _) => user.to_owned(),
        (None, Some(user)) => user.clone(),
        (None, None) => {
            let fact = "no user is named and this process's user has no name";
            return Err(Error::new(ErrorCode::ConnectionStringInvalid, fact));
        }
    };
    let ssl = ssl_params(&settings, environment)?;
    let hosts = hosts(&settings, environment)?;
    let needs_tls =
        ssl.mode != SslMode::Disable && hosts.iter().any(|host| host.socket_path().is_none());
    let tls = match needs_tls {
        true => TlsSetup::load(&ssl, environment.files),
        false => TlsSetup::NotNeeded,
    };
    let mut params = ConnectParams {
        hosts,
        database: settings.non_empty("dbname").unwrap_or(&user).to_owned(),
        user,
        password: settings.non_empty("password").map(|text| Secret::new(text.into())),
        passfile: None,
        ssl,
        tls,
        application_name: settings
            .non_empty("application_name")
            .or_else(|| settings.non_empty("fallback_application_name"))
            .unwrap_or(APPLICATION_NAME_DEFAULT)
            .to_owned(),
        connect_timeout: connect_timeout(&settings)?,
        options: settings.non_empty("options").map(str::to_owned),
        target_session: word(
            &settings,
            "target_session_attrs",
            TargetSession::Any,
            &TargetSession::ALL,
        )?,
        channel_binding: word(
            &settings,
            "channel_binding",
            ChannelBinding::Prefer,
            &[
                ("disable", ChannelBinding::Disable),
                ("prefer", ChannelBinding::Prefer),
                ("require", ChannelBinding::Require),
            ],
        )?,
        keepalives: keepalives(&settings)?,
        warnings: Vec::new(),
    };
    if let (SslMode::Prefer, TlsSetup::Failed(error)) = (params.ssl.mode, &params.tls) {
        params.warnings.push(format!("connections are not encrypted: {}", error.fact));
    }
    if params.password.is_none() {
        look_up_passwords(&mut params, &settings, environment);
    }
    Ok(params)
}

fn refuse_unsupported(settings: &Settings) -> Result<(), Error> {
    for (keyword, harmless, why) in UNSUPPORTED {
        if let Some(setting) = settings.get(keyword)
            && !harmless.contains(&setting.value.as_str())
        {
            return Err(invalid(keyword, setting, why).hint(format!("Leave {keyword} out.")));
        }
    }
    Ok(())
}

/// A parameter whose value is one of a few words.
fn word<T: Copy>(
    settings: &Settings,
    keyword: &str,
    default: T,
    words: &[(&str, T)],
) -> Result<T, Error> {
    let Some(setting) = settings.get(keyword) else { return Ok(default) };
    let found = words.iter().find(|(word, _)| *word == setting.value.as_str());
    found.map(|(_, value)| *value).ok_or_else(|| {
        let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        invalid(keyword, setting, &format!("it must be one of {}", allowed.join(", ")))
    })
}

/// An integer parameter; blanks around it are fine (`pqParseIntParam()`).
fn integer(settings: &Settings, keyword: &str) -> Result<Option<i32>, Error> {
    let Some(setting) = settings.get(keyword) else { return Ok(None) };
    let text = setting.value.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0B');
    let number = text.strip_prefix('+').unwrap_or(text).parse();
    number.map(Some).map_err(|_| invalid(keyword, setting, "it must be a whole number"))
}

fn connect_timeout(settings: &Settings) -> Result<Option<Duration>, Error> {
    Ok(match integer(settings, "connect_timeout")? {
        None => Some(CONNECT_TIMEOUT_DEFAULT),
        Some(seconds) => {
            u64::try_from(seconds).ok().filter(|&seconds| seconds > 0).map(Duration::from_secs)
        }
    })
}

fn keepalives(settings: &Settings) -> Result<Keepalives, Error> {
    // Zero and below mean the system's own value.
    let positive = |keyword| -> Result<Option<u32>, Error> {
        let number = integer(settings, keyword)?;
        Ok(number.and_then(|number| u32::try_from(number).ok()).filter(|&number| number > 0))
    };
    let seconds = |keyword| -> Result<Option<Duration>, Error> {
        Ok(positive(keyword)?.map(|seconds| Duration::from_secs(seconds.into())))
    };
    Ok(Keepalives {
        is_on: integer(settings, "keepalives")?.unwrap_or(1) != 0,
        idle: seconds("keepalives_idle")?,
        interval: seconds("keepalives_interval")?,
        count: positive("keepalives_count")?,
        user_timeout: positive("tcp_user_timeout")?.map(|ms| Duration::from_millis(ms.into())),
    })
}

/// The lists of `host`, `hostaddr` and `port` put together (`pqConnectOptions2()`).
fn hosts(settings: &Settings, environment: &Environment<'_>) -> Result<Vec<HostSpec>, Error> {
    let list = |keyword| -> Vec<&str> {
        settings.non_empty(keyword).map_or_else(Vec::new, |text| text.split(',').collect())
    };
    let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = [addresses.len(), names.len(), 1].into_iter().find(|&n| n > 0).unwrap_or(1);
    let mismatch = |what: &str, has: usize| {
        let fact = format!("{has} {what} do not match {count} hosts");
        Error::new(ErrorCode::ConnectionStringInvalid, fact)
    };
    if !names.is_empty() && names.len() != count {
        return Err(mismatch("host names", names.len()));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(mismatch("ports", ports.len()));
    }
    let mut hosts = Vec::with_capacity(count);
    for index in 0..count {
        let hostaddr = match addresses.get(index).filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                let fact = format!("invalid hostaddr \"{text}\"");
                Error::new(ErrorCode::ConnectionStringInvalid, fact)
                    .detail("it must be an IPv4 or IPv6 address; names belong into host")
            })?),
        };
        let port = port(ports.get(index).or(ports.first()).copied().unwrap_or_default())?;
        let mut host = (*names.get(index).unwrap_or(&"")).to_owned();
        if host.is_empty() && hostaddr.is_none() {
            host = default_socket_directory(environment, port);
        }
        hosts.push(HostSpec { host, hostaddr, port, password: None });
    }
    if word(settings, "load_balance_hosts", false, &[("disable", false), ("random", true)])? {
        // Each RandomState has keys of its own, so this is a shuffle.
        let state = RandomState::new();
        hosts.sort_by_cached_key(|host| state.hash_one(host.to_string()));
    }
    Ok(hosts)
}

fn port(text: &str) -> Result<u16, Error> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0B');
    if trimmed.is_empty() && trimmed.len() == text.len() {
        return Ok(PORT_DEFAULT);
    }
    trimmed.parse().ok().filter(|&port| port != 0).ok_or_else(|| {
        Error::new(ErrorCode::ConnectionStringInvalid, format!("invalid port \"{text}\""))
            .detail("it must be a number from 1 to 65535")
    })
}

/// The first usual directory that has a socket of this port; the first of all otherwise.
///
/// libpq has one directory compiled in; pgdeck runs on every system with the same binary.
fn default_socket_directory(environment: &Environment<'_>, port: u16) -> String {
    let directories = &environment.socket_directories;
    let has_socket = |directory: &&PathBuf| {
        environment.files.facts(&directory.join(format!(".s.PGSQL.{port}"))).is_ok()
    };
    let chosen = directories.iter().find(has_socket).or(directories.first());
    chosen.map_or_else(|| "localhost".to_owned(), |directory| directory.display().to_string())
}

fn ssl_params(settings: &Settings, environment: &Environment<'_>) -> Result<SslParams, Error> {
    let home = environment.home();
    let file = |keyword: &str, default: &str| match settings.non_empty(keyword) {
        Some(path) => Some(SslFile { path: path.into(), is_explicit: true }),
        None => home.as_ref().map(|home| SslFile {
            path: home.join(".postgresql").join(default),
            is_explicit: false,
        }),
    };
    let root_cert = match (settings.non_empty("sslrootcert"), file("sslrootcert", "root.crt")) {
        (Some("system"), _) => {
            RootCert::System { bundle: (environment.variable)("SSL_CERT_FILE").map(PathBuf::from) }
        }
        (_, Some(file)) => RootCert::File(file),
        (_, None) => RootCert::None,
    };
    let is_system = matches!(root_cert, RootCert::System { .. });
    let strict = if is_system { SslMode::VerifyFull } else { SslMode::Prefer };
    let mode = word(settings, "sslmode", strict, &SslMode::ALL)?;
    if is_system && mode != SslMode::VerifyFull {
        let fact =
            format!("weak sslmode \"{}\" may not be used with sslrootcert=system", mode.word());
        return Err(Error::new(ErrorCode::ConnectionStringInvalid, fact)
            .hint("Use sslmode=verify-full, or name a root certificate file."));
    }
    let negotiation = word(
        settings,
        "sslnegotiation",
        SslNegotiation::Postgres,
        &[("postgres", SslNegotiation::Postgres), ("direct", SslNegotiation::Direct)],
    )?;
    if negotiation == SslNegotiation::Direct && mode < SslMode::Require {
        let fact =
            format!("weak sslmode \"{}\" may not be used with sslnegotiation=direct", mode.word());
        return Err(Error::new(ErrorCode::ConnectionStringInvalid, fact)
            .hint("Use sslmode=require, verify-ca or verify-full."));
    }
    let sends_certificate = settings.non_empty("sslcertmode") != Some("disable");
    let (min_version, max_version) = tls_versions(settings)?;
    Ok(SslParams {
        mode,
        negotiation,
        root_cert,
        cert: file("sslcert", "postgresql.crt").filter(|_| sends_certificate),
        key: file("sslkey", "postgresql.key").filter(|_| sends_certificate),
        crl: file("sslcrl", "root.crl"),
        // Only the digit 1 turns it on (`conn->sslsni[0] == '1'` in fe-secure-openssl.c).
        sni: settings.get("sslsni").is_none_or(|setting| setting.value.starts_with('1')),
        min_version,
        max_version,
    })
}

/// The oldest and newest TLS version allowed; older ones than 1.2 count as 1.2.
fn tls_versions(settings: &Settings) -> Result<(TlsVersion, TlsVersion), Error> {
    let version = |keyword, default: u8| -> Result<u8, Error> {
        let Some(setting) = settings.get(keyword).filter(|setting| !setting.value.is_empty())
        else {
            return Ok(default);
        };
        let names = ["tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"];
        let lower = setting.value.to_ascii_lowercase();
        let found = (0_u8..).zip(names).find(|(_, name)| *name == lower);
        let allowed = "it must be TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3";
        found.map(|(index, _)| index).ok_or_else(|| invalid(keyword, setting, allowed))
    };
    let (min, max) =
        (version("ssl_min_protocol_version", 2)?, version("ssl_max_protocol_version", 3)?);
    if min > max {
        let fact = "ssl_min_protocol_version is above ssl_max_protocol_version";
        return Err(Error::new(ErrorCode::ConnectionStringInvalid, fact));
    }
    if max < 2 {
        let fact = "ssl_max_protocol_version is below TLSv1.2, which pgdeck does not speak";
        return Err(Error::new(ErrorCode::ConnectionStringInvalid, fact));
    }
    let known = |index| if index < 3 { TlsVersion::V12 } else { TlsVersion::V13 };
    Ok((known(min), known(max)))
}

/// Looks each host up in the password file, as libpq does only without a given password.
fn look_up_passwords(
    params: &mut ConnectParams,
    settings: &Settings,
    environment: &Environment<'_>,
) {
    let named = settings.non_empty("passfile").map(PathBuf::from);
    let Some(path) = named.or_else(|| environment.home().map(|home| home.join(".pgpass"))) else {
        return;
    };
    match PassFile::open(environment.files, &path) {
        Err(warning) => params.warnings.push(warning),
        Ok(None) => {}
        Ok(Some(passwords)) => {
            let sockets = &environment.socket_directories;
            for host in &mut params.hosts {
                let address = host.hostaddr.map(|address| address.to_string());
                let key = match (host.host.as_str(), address.as_deref()) {
                    ("", Some(address)) => address,
                    // A socket in the directory compiled into libpq is "localhost".
                    (name, _) if sockets.iter().any(|d| d.as_os_str() == name) => "localhost",
                    (name, _) => name,
                };
                host.password = passwords.find(&Target {
                    host: key,
                    port: host.port,
                    database: &params.database,
                    user: &params.user,
                });
            }
        }
    }
    params.passfile = Some(path);
}
