//! Parsing against what libpq says, precedence, and the checks of values.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::api::{Error, ErrorCode};
use crate::pg::files::fake::FakeFiles;
use crate::pg::tls::TlsSetup;

/// Connection strings and what `PQconninfoParse()` of libpq 15 made of them; `!` where it
/// refused.
const LIBPQ_SAYS: &[(&str, &str)] = &[
    ("host=db1 port=5432", "host=db1|port=5432"),
    ("host = db1   port= 5432", "host=db1|port=5432"),
    ("host=''", "host="),
    ("host='' user='a b' dbname='it\\'s'", "dbname=it's|host=|user=a b"),
    ("user=a\\ b", "user=a b"),
    ("user='a\\\\b'", "user=a\\b"),
    ("user=a\\", "user=a"),
    ("user='a", "!"),
    ("user", "!"),
    ("user=a dbname", "!"),
    ("=x", "!"),
    ("host=a host=b", "host=b"),
    ("user=a'b", "user=a'b"),
    ("user='a'dbname=b", "dbname=b|user=a"),
    ("user='a' 'b'", "!"),
    ("Host=a", "!"),
    ("nosuch=1", "!"),
    ("requiressl=1", "sslmode=require"),
    ("requiressl=0 sslmode=verify-ca", "sslmode=verify-ca"),
    ("postgresql://", ""),
    ("postgres://", ""),
    ("postgresql://host", "host=host"),
    ("postgresql://host:5433", "host=host|port=5433"),
    ("postgresql://user@host/db", "dbname=db|host=host|user=user"),
    (
        "postgresql://user:pw@host:5433/db?sslmode=require&application_name=x",
        "application_name=x|dbname=db|host=host|password=pw|port=5433|sslmode=require|user=user",
    ),
    ("postgresql://user:p%40ss@host/db", "dbname=db|host=host|password=p@ss|user=user"),
    ("postgresql://user:p@ss@host/db", "dbname=db|host=ss@host|password=p|user=user"),
    ("postgresql://:pw@host", "host=host|password=pw"),
    ("postgresql://user:@host", "host=host|user=user"),
    ("postgresql://@host", "host=host"),
    ("postgresql:///db", "dbname=db"),
    ("postgresql:///db?host=/tmp&port=1", "dbname=db|host=/tmp|port=1"),
    ("postgresql://%2Ftmp%2Fsock:5433/db", "dbname=db|host=/tmp/sock|port=5433"),
    ("postgresql://[::1]:5433/db", "dbname=db|host=::1|port=5433"),
    ("postgresql://[::1]", "host=::1"),
    ("postgresql://[::1]x", "!"),
    ("postgresql://[]", "!"),
    ("postgresql://[::1", "!"),
    ("postgresql://h1,h2,h3/db", "dbname=db|host=h1,h2,h3|port=,,"),
    ("postgresql://h1:1,h2:2/db", "dbname=db|host=h1,h2|port=1,2"),
    ("postgresql://h1:1,h2/db", "dbname=db|host=h1,h2|port=1,"),
    ("postgresql://h1,:2/db", "dbname=db|host=h1,|port=,2"),
    ("postgresql://,/db", "dbname=db|host=,|port=,"),
    ("postgresql://h?sslmode=require", "host=h|sslmode=require"),
    ("postgresql://h/?user=u", "host=h|user=u"),
    ("postgresql://h/db?", "dbname=db|host=h"),
    ("postgresql://h/db?a", "!"),
    ("postgresql://h/db?user=a=b", "!"),
    ("postgresql://h/db?user", "!"),
    ("postgresql://h/db?nosuch=1", "!"),
    ("postgresql://h/db?ssl=true", "dbname=db|host=h|sslmode=require"),
    ("postgresql://h/db?ssl=false", "!"),
    ("postgresql://h/db?user=a&&dbname=x", "!"),
    ("postgresql://h/db?&user=a", "!"),
    ("postgresql://h/db?user=a&", "dbname=db|host=h|user=a"),
    ("postgresql://h/d%62", "dbname=db|host=h"),
    ("postgresql://h/d%6", "!"),
    ("postgresql://h/d%zz", "!"),
    ("postgresql://h/d%00", "!"),
    ("postgresql://h/db?%75ser=x", "dbname=db|host=h|user=x"),
    ("postgresql://h/db?application_name=a%20b%C3%A9", "application_name=a bé|dbname=db|host=h"),
    ("postgresql://u%3Aser@h", "host=h|user=u:ser"),
    ("postgresql://h/a/b", "dbname=a/b|host=h"),
    ("postgresql://h/a@b", "dbname=a@b|host=h"),
    ("postgresql://a/b@c", "dbname=b@c|host=a"),
    ("postgresql://a?b@c/d", "dbname=d|host=c|user=a?b"),
    ("postgresql://u:p/w@h", "dbname=w@h|host=u|port=p"),
    ("postgresql://u@h@i", "host=h@i|user=u"),
    ("postgresql://h:5432:1", "host=h|port=5432:1"),
    ("postgresql://h:abc", "host=h|port=abc"),
    ("postgresql://h/db?options=-c%20a%3Db", "dbname=db|host=h|options=-c a=b"),
    ("postgresql://h/db?requiressl=1", "dbname=db|host=h|sslmode=require"),
    ("POSTGRESQL://h", "!"),
    ("postgresql:/h", "!"),
    ("postgresql://h/db?host=other", "dbname=db|host=other"),
    ("postgresql://h/db?password=a%26b", "dbname=db|host=h|password=a&b"),
    ("postgresql://::1/db", "dbname=db|port=:1"),
    ("postgresql://h:/db", "dbname=db|host=h"),
    ("postgresql://:5433", "port=5433"),
    ("host=a#b", "host=a#b"),
    ("  host=x  ", "host=x"),
    ("options='-c geqo=off'", "options=-c geqo=off"),
    ("dbname=postgresql://x", "dbname=postgresql://x"),
    ("user=a\tdbname=b\nhost=c\u{b}port=1", "dbname=b|host=c|port=1|user=a"),
    ("", ""),
    ("   ", ""),
];

#[test]
fn agrees_with_libpq() {
    for (text, expected) in LIBPQ_SAYS {
        let said = match text::parse(text) {
            Err(error) => {
                assert_eq!(error.code, ErrorCode::ConnectionStringInvalid, "{text:?}");
                "!".to_owned()
            }
            Ok(settings) => {
                let pairs = settings.pairs().map(|(keyword, value)| format!("{keyword}={value}"));
                pairs.collect::<Vec<_>>().join("|")
            }
        };
        assert_eq!(said, *expected, "{text:?}");
    }
}

#[test]
fn errors_never_repeat_a_password() {
    for text in [
        "password=my secret",
        "postgresql://u:secret%zz@h/d",
        "postgresql://u:secret@[::1/d",
        "password='secret",
        "postgresql://h/d?password=sec=ret",
    ] {
        let error = text::parse(text).err().unwrap().to_string();
        assert!(!error.contains("secret") && !error.contains("ret\""), "{error}");
    }
}

/// A world in which to resolve connection strings.
#[derive(Default)]
struct World {
    variables: BTreeMap<&'static str, &'static str>,
    files: FakeFiles,
}

impl World {
    fn set(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.insert(name, value);
        self
    }

    fn file(mut self, path: &str, content: &str) -> Self {
        self.files = std::mem::take(&mut self.files).with(path, content);
        self
    }

    fn resolve(&self, text: &str) -> Result<ConnectParams, Error> {
        let variable = |name: &str| self.variables.get(name).map(|&value| value.to_owned());
        resolve(
            text,
            &Environment {
                variable: &variable,
                files: &self.files,
                os_user: Some("me".into()),
                home_directory: Some("/home/me".into()),
                socket_directories: Environment::usual_socket_directories(),
                system_directories: Environment::usual_system_directories(),
            },
        )
    }

    fn fails(&self, text: &str) -> Error {
        self.resolve(text).expect_err(text)
    }
}

fn exposed(secret: Option<&Secret>) -> Option<&str> {
    secret.map(|secret| std::str::from_utf8(secret.expose()).unwrap())
}

#[test]
fn nothing_said_means_the_local_server() {
    let params = World::default().resolve("").unwrap();
    assert_eq!(params.display(), "me on /var/run/postgresql/.s.PGSQL.5432 as me");
    assert_eq!((params.user.as_str(), params.database.as_str()), ("me", "me"));
    assert_eq!(params.application_name, "pgdeck");
    assert_eq!(params.connect_timeout, Some(Duration::from_secs(5)));
    assert_eq!((params.ssl.mode, params.target_session), (SslMode::Prefer, TargetSession::Any));
    assert!(matches!(params.tls, TlsSetup::NotNeeded));
    assert!(params.keepalives.is_on && params.password.is_none() && params.warnings.is_empty());
}

#[test]
fn the_socket_directory_is_the_one_with_a_socket() {
    let world = World::default().file("/tmp/.s.PGSQL.5433", "");
    assert_eq!(world.resolve("port=5433").unwrap().hosts[0].host, "/tmp");
    assert_eq!(world.resolve("port=5434").unwrap().hosts[0].host, "/var/run/postgresql");
}

#[test]
fn string_goes_before_service_before_environment() {
    let world = World::default()
        .set("PGSERVICE", "app")
        .set("PGUSER", "from_env")
        .set("PGDATABASE", "from_env")
        .set("PGPORT", "1")
        .set("PGAPPNAME", "from_env")
        .file(
            "/home/me/.pg_service.conf",
            "# mine\n[other]\nuser=other\n\n[app]\nhost=from_service\n  user=from_service \ndbname=from_service\n[next]\nport=9\n",
        );
    let params = world.resolve("user=from_string").unwrap();
    assert_eq!(params.display(), "from_service on from_service:1 as from_string");
    assert_eq!(params.application_name, "from_env");
}

#[test]
fn services_are_looked_for_as_libpq_does() {
    let own = ("/home/me/.pg_service.conf", "[a]\nhost=own\n");
    let system = ("/etc/postgresql-common/pg_service.conf", "[a]\nhost=system\n[b]\nhost=b\n");
    let world = World::default().file(own.0, own.1).file(system.0, system.1);
    let host = |world: &World, text: &str| world.resolve(text).unwrap().hosts[0].host.clone();
    assert_eq!(host(&world, "service=a"), "own");
    assert_eq!(host(&world, "service=b"), "b", "the system's file is asked when ours has none");

    let named = world.set("PGSERVICEFILE", "/x/s.conf").file("/x/s.conf", "[c]\nhost=c\n");
    assert_eq!(host(&named, "service=c"), "c");
    assert_eq!(host(&named, "service=a"), "system", "the named file stands for our own");

    let elsewhere = World::default().set("PGSYSCONFDIR", "/y").file("/y/pg_service.conf", "[d]\n");
    assert_eq!(host(&elsewhere, "service=d host=h"), "h");
}

#[test]
fn service_errors() {
    let world = World::default().file(
        "/home/me/.pg_service.conf",
        "[nested]\nservice=a\n[bad]\nhost\n[typo]\n\nhoost=a\n[ldap]\nldap://x\n[value]\nport=x\n",
    );
    let error = world.fails("service=gone");
    assert_eq!(error.code, ErrorCode::ServiceNotFound);
    assert_eq!(error.fact, "definition of service \"gone\" not found");
    assert_eq!(error.detail, "it is not in \"/home/me/.pg_service.conf\"");
    assert_eq!(World::default().fails("service=x").detail, "there is no service file");
    let missing = World::default().set("PGSERVICEFILE", "/x/s.conf").fails("service=x");
    assert_eq!(missing.code, ErrorCode::ServiceNotFound);
    assert_eq!(missing.fact, "service file \"/x/s.conf\" cannot be read");
    for (service, line) in [("nested", 2), ("bad", 4), ("typo", 7), ("ldap", 9)] {
        let error = world.fails(&format!("service={service}"));
        assert_eq!(error.code, ErrorCode::ConnectionStringInvalid, "{service}");
        let place = format!("it stands in /home/me/.pg_service.conf:{line}");
        assert_eq!(error.detail, place, "{service}");
    }
}

#[test]
fn hosts_addresses_and_ports_are_matched() {
    let hosts = |text: &str| {
        let params = World::default().resolve(text).unwrap();
        params.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(hosts("host=a,b,c port=1"), "a:1 b:1 c:1");
    assert_eq!(hosts("host=a,b,c port=1,,3"), "a:1 b:5432 c:3");
    assert_eq!(hosts("host=a,,/s"), "a:5432 /var/run/postgresql/.s.PGSQL.5432 /s/.s.PGSQL.5432");
    assert_eq!(hosts("hostaddr=10.0.0.1,::1"), "10.0.0.1:5432 [::1]:5432");
    assert_eq!(hosts("host=a,b hostaddr=10.0.0.1,::1 port=7"), "a:7 b:7");
    assert_eq!(hosts("host=@abstract"), "@abstract/.s.PGSQL.5432");
    assert_eq!(hosts("postgresql://[::1]:7,[::2]/d"), "[::1]:7 [::2]:5432");
    assert_eq!(hosts("postgresql://%2Ftmp:7/d"), "/tmp/.s.PGSQL.7");

    let mut shuffled = hosts("host=a,b,c load_balance_hosts=random").replace(":5432", "");
    let mut letters: Vec<&str> = shuffled.split(' ').collect();
    letters.sort_unstable();
    shuffled = letters.concat();
    assert_eq!(shuffled, "abc");
}

#[test]
fn an_address_goes_before_a_socket_directory() {
    let params = World::default().resolve("host=/tmp hostaddr=127.0.0.1").unwrap();
    assert_eq!(params.hosts[0].socket_path(), None);
}

#[test]
fn bad_values_are_named_with_their_place() {
    let world = World::default().set("PGCONNECT_TIMEOUT", "soon");
    let error = world.fails("");
    assert_eq!(error.code, ErrorCode::ConnectionStringInvalid);
    assert_eq!(error.fact, "invalid connect_timeout \"soon\"");
    assert_eq!(
        error.detail,
        "it stands in the environment variable PGCONNECT_TIMEOUT; it must be a whole number"
    );
    for (text, fact) in [
        ("port=0", "invalid port \"0\""),
        ("port=65536", "invalid port \"65536\""),
        ("port=abc", "invalid port \"abc\""),
        ("port=1,2", "2 ports do not match 1 hosts"),
        ("host=a,b port=1,2,3", "3 ports do not match 2 hosts"),
        ("host=a,b hostaddr=1.1.1.1", "2 host names do not match 1 hosts"),
        ("hostaddr=db1", "invalid hostaddr \"db1\""),
        ("sslmode=on", "invalid sslmode \"on\""),
        ("sslmode=''", "invalid sslmode \"\""),
        ("channel_binding=maybe", "invalid channel_binding \"maybe\""),
        ("target_session_attrs=master", "invalid target_session_attrs \"master\""),
        ("keepalives_idle=1s", "invalid keepalives_idle \"1s\""),
        ("load_balance_hosts=on", "invalid load_balance_hosts \"on\""),
        ("sslnegotiation=none", "invalid sslnegotiation \"none\""),
        (
            "sslrootcert=system sslmode=require",
            "weak sslmode \"require\" may not be used with sslrootcert=system",
        ),
        (
            "sslnegotiation=direct",
            "weak sslmode \"prefer\" may not be used with sslnegotiation=direct",
        ),
        ("ssl_min_protocol_version=SSLv3", "invalid ssl_min_protocol_version \"SSLv3\""),
        (
            "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
            "ssl_min_protocol_version is above ssl_max_protocol_version",
        ),
        (
            "ssl_min_protocol_version=TLSv1 ssl_max_protocol_version=TLSv1.1",
            "ssl_max_protocol_version is below TLSv1.2, which pgdeck does not speak",
        ),
        ("requirepeer=postgres", "invalid requirepeer \"postgres\""),
        ("require_auth=scram-sha-256", "invalid require_auth \"scram-sha-256\""),
        ("gssencmode=require", "invalid gssencmode \"require\""),
        ("replication=database", "invalid replication \"database\""),
    ] {
        let error = World::default().fails(text);
        assert_eq!((error.code, error.fact.as_str()), (ErrorCode::ConnectionStringInvalid, fact));
    }
}

#[test]
fn timeouts_and_keepalives() {
    let resolve = |text: &str| World::default().resolve(text).unwrap();
    assert_eq!(resolve("connect_timeout=7").connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(resolve("connect_timeout=' 7 '").connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(resolve("connect_timeout=0").connect_timeout, None);
    assert_eq!(resolve("connect_timeout=-1").connect_timeout, None);
    let keepalives =
        resolve("keepalives=0 keepalives_idle=60 keepalives_count=3 tcp_user_timeout=1500")
            .keepalives;
    assert!(!keepalives.is_on);
    assert_eq!(keepalives.idle, Some(Duration::from_secs(60)));
    assert_eq!((keepalives.count, keepalives.interval), (Some(3), None));
    assert_eq!(keepalives.user_timeout, Some(Duration::from_millis(1500)));
}

#[test]
fn passwords_come_from_string_variable_or_file() {
    let world = World::default().file(
        "/home/me/.pgpass",
        "db1:5432:*:me:one\ndb2:*:app:me:two\nlocalhost:*:*:me:socket\n10.0.0.9:*:*:*:address\n",
    );
    let params = world.resolve("host=db1,db2,db3 dbname=app").unwrap();
    let found: Vec<_> = params.hosts.iter().map(|h| exposed(params.password_for(h))).collect();
    assert_eq!(found, [Some("one"), Some("two"), None]);
    assert_eq!(params.passfile.as_deref(), Some(Path::new("/home/me/.pgpass")));

    let first = |world: &World, text: &str| {
        let params = world.resolve(text).unwrap();
        exposed(params.password_for(&params.hosts[0])).map(str::to_owned)
    };
    assert_eq!(first(&world, "").as_deref(), Some("socket"), "the default socket is localhost");
    assert_eq!(first(&world, "host=/elsewhere"), None);
    assert_eq!(first(&world, "hostaddr=10.0.0.9").as_deref(), Some("address"));
    assert_eq!(first(&world, "host=db1 hostaddr=10.0.0.9").as_deref(), Some("one"));
    assert_eq!(first(&world, "host=db1 password=given").as_deref(), Some("given"));
    assert_eq!(first(&world, "host=db1 password=''").as_deref(), Some("one"));
    assert_eq!(first(&world, "host=db1 passfile=/gone"), None);
    let world = world.set("PGPASSWORD", "variable");
    assert_eq!(first(&world, "host=db1").as_deref(), Some("variable"));
}

#[test]
fn an_open_password_file_is_not_used_and_said_so() {
    let files = FakeFiles::default().with_mode("/home/me/.pgpass", "*:*:*:*:x", 0o644);
    let world = World { files, ..World::default() };
    let params = world.resolve("host=db1").unwrap();
    assert_eq!(params.hosts[0].password, None);
    assert_eq!(
        params.warnings,
        [
            "password file \"/home/me/.pgpass\" has group or world access and is not used; set its mode to 0600"
        ]
    );
    assert!(world.resolve("host=db1 password=x").unwrap().warnings.is_empty());
}

#[test]
fn nothing_printed_shows_a_password() {
    let world = World::default().file("/home/me/.pgpass", "*:*:*:*:hunter2");
    for text in ["host=db1", "host=db1 password=hunter2", "postgresql://u:hunter2@db1/d"] {
        let params = world.resolve(text).unwrap();
        let printed = format!("{} {params:?} {params:#?}", params.display());
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn home_is_the_variable_first() {
    let world = World::default().set("HOME", "/other").file("/other/.pgpass", "*:*:*:*:other");
    let params = world.resolve("host=db1").unwrap();
    assert_eq!(exposed(params.hosts[0].password.as_ref()), Some("other"));
}

#[test]
fn certificates_have_default_places() {
    let ssl = World::default().resolve("host=db1").unwrap().ssl;
    let place = |file: Option<SslFile>| {
        file.map(|file| (file.path.display().to_string(), file.is_explicit))
    };
    assert_eq!(place(ssl.cert), Some(("/home/me/.postgresql/postgresql.crt".into(), false)));
    assert_eq!(place(ssl.key), Some(("/home/me/.postgresql/postgresql.key".into(), false)));
    assert_eq!(place(ssl.crl), Some(("/home/me/.postgresql/root.crl".into(), false)));
    let ssl = World::default()
        .set("PGSSLROOTCERT", "/ca.pem")
        .resolve("host=db1 sslcert=/c sslcertmode=disable sslsni=0")
        .unwrap()
        .ssl;
    assert_eq!(
        ssl.root_cert,
        RootCert::File(SslFile { path: "/ca.pem".into(), is_explicit: true })
    );
    assert_eq!((ssl.cert, ssl.sni), (None, false));
    let ssl = World::default().resolve("host=db1 sslrootcert=system").unwrap().ssl;
    assert_eq!(
        ssl.mode,
        SslMode::VerifyFull,
        "stronger when the system's certificates are asked for"
    );
}

#[test]
fn a_missing_root_certificate_matters_only_to_tcp() {
    let world = World::default();
    assert!(matches!(world.resolve("sslmode=verify-full").unwrap().tls, TlsSetup::NotNeeded));
    let TlsSetup::Failed(error) = world.resolve("host=db1 sslmode=verify-full").unwrap().tls else {
        panic!("accepted");
    };
    assert_eq!(error.code, ErrorCode::TlsFailed);
    assert_eq!(
        error.fact,
        "root certificate file \"/home/me/.postgresql/root.crt\" does not exist"
    );
    assert!(matches!(world.resolve("host=db1").unwrap().tls, TlsSetup::Ready(_)));
    assert!(matches!(world.resolve("host=db1 sslmode=disable").unwrap().tls, TlsSetup::NotNeeded));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,60}") {
        let _ = World::default().resolve(&text);
        let _ = World::default().resolve(&format!("postgresql://{text}"));
    }

    /// A value written between quotes with quotes and backslashes escaped comes back.
    #[test]
    fn quoted_values_come_back(value in "[^\\x00]{0,20}") {
        let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");
        let settings = text::parse(&format!("dbname = '{quoted}' user=x")).unwrap();
        prop_assert_eq!(settings.get("dbname").unwrap().value.as_str(), &value);
        prop_assert_eq!(settings.non_empty("user"), Some("x"));
    }

    /// Any database name survives percent encoding.
    #[test]
    fn percent_encoding_comes_back(value in "[^\\x00]{1,20}") {
        let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let settings = text::parse(&format!("postgresql://h/{encoded}")).unwrap();
        prop_assert_eq!(settings.non_empty("dbname"), Some(value.as_str()));
    }
}
