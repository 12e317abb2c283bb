//! Who is measured: pgdeck and its peers, each at one refresh a second.

use std::path::PathBuf;
use std::process::Command;

use pgdeck_tests::{Console, Home, TestInstance};

use super::options::Options;

/// A console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// The one this is about.
    Pgdeck,
    /// Python, curses-like.
    PgActivity,
    /// C, curses.
    PgTop,
    /// C++; watches the machine, not PostgreSQL.
    Btop,
}

/// What `run.sh` calls each, and how each tells its version.
const PEERS: [(Kind, &str, &str); 3] = [
    (Kind::PgActivity, "pg_activity", "PG_ACTIVITY"),
    (Kind::PgTop, "pg_top", "PG_TOP"),
    (Kind::Btop, "btop", "BTOP"),
];

/// A console that may be here.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) kind: Kind,
    /// How the table calls it.
    pub(crate) name: &'static str,
    /// Its version, or why it cannot be measured.
    pub(crate) version: Result<String, String>,
    path: PathBuf,
}

impl Program {
    /// pgdeck first, then its peers, present or not.
    pub(crate) fn all(options: &Options) -> Vec<Self> {
        let path = pgdeck_tests::bin::pgdeck();
        let version = version_of(&path).expect("pgdeck tells its version");
        let mut all = vec![Self { kind: Kind::Pgdeck, name: "pgdeck", version: Ok(version), path }];
        if !options.is_alone {
            all.extend(PEERS.into_iter().map(|(kind, name, variable)| peer(kind, name, variable)));
        }
        all
    }

    /// Those that are here.
    pub(crate) fn present(programs: &[Self]) -> impl Iterator<Item = &Self> {
        programs.iter().filter(|program| program.version.is_ok())
    }

    /// Whether it watches PostgreSQL.
    pub(crate) fn knows_postgresql(&self) -> bool {
        self.kind != Kind::Btop
    }

    /// Makes the kernel forget the program's file, so that it is read from the disk.
    pub(crate) fn forget_file(&self) -> std::io::Result<()> {
        let file = std::fs::File::open(&self.path)?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }

    /// Starts it on an instance, by its Unix socket.
    pub(crate) fn start(&self, size: (u16, u16), instance: &TestInstance) -> Console {
        let socket = instance.socket_directory().display().to_string();
        let port = instance.port().to_string();
        let mut builder = self.builder(size);
        builder = match self.kind {
            Kind::Pgdeck => builder.arg("-D").arg(instance.data_directory()),
            _ => builder.args(self.connection(&socket, &port)),
        };
        builder.spawn()
    }

    /// Starts it on a server at a host.
    pub(crate) fn start_at(&self, size: (u16, u16), host: &str, port: u16) -> Console {
        self.builder_at(size, host, port).spawn()
    }

    /// The same under another program, such as `unshare`.
    pub(crate) fn start_under(&self, size: (u16, u16), under: &[&str], host: &str) -> Console {
        let (program, arguments) = under.split_first().expect("there is a program");
        let builder = Console::builder(program).size(size.0, size.1).utf8();
        builder
            .env("PGUSER", "postgres")
            .args(arguments)
            .arg(&self.path)
            .args(self.connection(host, "5432"))
            .spawn()
    }

    fn builder_at(
        &self,
        size: (u16, u16),
        host: &str,
        port: u16,
    ) -> pgdeck_tests::pty::ConsoleBuilder {
        self.builder(size).args(self.connection(host, &port.to_string()))
    }

    fn builder(&self, size: (u16, u16)) -> pgdeck_tests::pty::ConsoleBuilder {
        let home = Home::new();
        if self.kind == Kind::Btop {
            home.write(".config/btop/btop.conf", "update_ms=1000\n");
        }
        Console::builder(&self.path)
            .size(size.0, size.1)
            .utf8()
            .home(&home)
            .env("PGUSER", "postgres")
            .env("PGDATABASE", "postgres")
    }

    /// Arguments: where the server is, and a refresh every second.
    fn connection(&self, host: &str, port: &str) -> Vec<String> {
        let words: Vec<&str> = match self.kind {
            Kind::Pgdeck => vec!["--dsn"],
            Kind::PgActivity => {
                vec!["--refresh", "1", "-d", "postgres", "-U", "postgres", "-h", host, "-p", port]
            }
            Kind::PgTop => {
                vec!["-s", "1", "-d", "postgres", "-U", "postgres", "-h", host, "-p", port]
            }
            Kind::Btop => Vec::new(),
        };
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        if self.kind == Kind::Pgdeck {
            words.push(format!("host={host} port={port} user=postgres dbname=postgres"));
        }
        words
    }
}

/// Names and versions.
pub(crate) fn describe(programs: &[Program]) -> String {
    let describe = |program: &Program| match &program.version {
        Ok(version) => format!("{} {version}", program.name),
        Err(reason) => format!("{} missing ({reason})", program.name),
    };
    programs.iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// `BENCH_NAME` is its path; `BENCH_NAME_MISSING` says why there is none.
fn peer(kind: Kind, name: &'static str, variable: &str) -> Program {
    let get = |name: String| std::env::var(name).ok().filter(|value| !value.is_empty());
    let path = get(format!("BENCH_{variable}"));
    let reason = get(format!("BENCH_{variable}_MISSING"));
    let version = match &path {
        Some(path) => version_of(&PathBuf::from(path)),
        None => Err(reason.unwrap_or_else(|| "run.sh did not look for it".to_owned())),
    };
    Program { kind, name, version, path: path.unwrap_or_default().into() }
}

/// The first word that begins with a digit.
fn version_of(path: &PathBuf) -> Result<String, String> {
    let output = Command::new(path)
        .arg("--version")
        .output()
        .map_err(|error| format!("{} does not run: {error}", path.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version =
        text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    version.map(str::to_owned).ok_or_else(|| format!("{} --version says {text:?}", path.display()))
}
