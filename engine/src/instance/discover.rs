//! Finding instances: the process table, `pgdeck.toml`, `-D` and `PGDATA`, Debian's clusters.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::config_file::{ConfigFile, InstanceEntry};
use super::target::{LocalTarget, RemoteTarget, Target};
use crate::api::{Error, ErrorCode, Result, Scope};
use crate::pg::conf;
use crate::pg::postmaster_pid::ServerCommand;
use crate::sys::file;
use crate::sys::process_table::ServerProcess;

/// Where Debian and its relatives keep `VERSION/CLUSTER/postgresql.conf`.
const DEBIAN_ROOT: &str = "/etc/postgresql";
const NAMES_MAX: usize = 1_000;

/// What of the environment matters here.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `PGDATA`.
    pub pgdata: Option<PathBuf>,
    /// Whether `PGHOST`, `PGHOSTADDR` or `PGSERVICE` names a server.
    pub names_server: bool,
    /// Postmasters of this machine.
    pub processes: Vec<ServerProcess>,
}

impl Surroundings {
    /// Those of this process. Blocking.
    #[must_use]
    pub fn look() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            pgdata: set("PGDATA").map(PathBuf::from),
            names_server: ["PGHOST", "PGHOSTADDR", "PGSERVICE"]
                .iter()
                .any(|name| set(name).is_some()),
            processes: crate::sys::process_table::server_processes().unwrap_or_default(),
        }
    }
}

/// The instances a scope means, configured ones first, no data directory twice.
///
/// # Errors
/// `InstanceNotFound` when a named one is not there.
pub fn discover(scope: &Scope, config: &ConfigFile, around: &Surroundings) -> Result<Vec<Target>> {
    match scope {
        Scope::DataDirectory(path) => Ok(vec![Target::Local(by_directory(path, config, around))]),
        Scope::Connection(connection) => Ok(vec![Target::Remote(RemoteTarget {
            name: String::new(),
            connection: connection.clone(),
        })]),
        Scope::All => Ok(all(config, around)),
        Scope::Named(name) => {
            let known = all(config, around);
            let found = known.iter().find(|target| name_of(target) == name);
            found.cloned().map(|target| vec![target]).ok_or_else(|| unknown(name, &known))
        }
    }
}

fn name_of(target: &Target) -> &str {
    match target {
        Target::Local(local) => &local.name,
        Target::Remote(remote) => &remote.name,
    }
}

fn unknown(name: &str, known: &[Target]) -> Error {
    let names: Vec<_> = known.iter().map(name_of).collect();
    let detail = if names.is_empty() {
        "no instance is known".to_owned()
    } else {
        format!("known are: {}", names.join(", "))
    };
    Error::new(ErrorCode::InstanceNotFound, format!("there is no instance \"{name}\""))
        .detail(detail)
}

fn all(config: &ConfigFile, around: &Surroundings) -> Vec<Target> {
    let mut found = Found::default();
    for entry in &config.instance {
        found.add(from_entry(entry, around));
    }
    for local in debian_clusters(Path::new(DEBIAN_ROOT)) {
        found.add(Target::Local(with_process(local, around)));
    }
    for process in &around.processes {
        if let Some(local) = from_process(process) {
            found.add(Target::Local(local));
        }
    }
    if let Some(path) = &around.pgdata {
        found.add(Target::Local(by_directory(path, config, around)));
    }
    if around.names_server {
        found.add(Target::Remote(RemoteTarget { name: String::new(), connection: String::new() }));
    }
    found.targets
}

#[derive(Default)]
struct Found {
    targets: Vec<Target>,
    directories: HashSet<PathBuf>,
    names: HashSet<String>,
}

impl Found {
    fn add(&mut self, mut target: Target) {
        if let Target::Local(local) = &mut target {
            if !self.directories.insert(local.data_directory.clone()) {
                return;
            }
            // Two clusters called "data": the second goes by its whole path.
            if self.names.contains(&local.name) {
                local.name = local.data_directory.display().to_string();
            }
            self.names.insert(local.name.clone());
        }
        self.targets.push(target);
    }
}

/// The name the cluster gives itself goes before that of its directory.
fn named_by_itself(mut local: LocalTarget) -> LocalTarget {
    let conf = local.load_conf();
    if let Some(name) = conf.as_ref().ok().and_then(|conf| conf.value("cluster_name"))
        && !name.is_empty()
    {
        name.clone_into(&mut local.name);
    }
    local
}

fn by_directory(path: &Path, config: &ConfigFile, around: &Surroundings) -> LocalTarget {
    let found = from_directory(path);
    let entry = config.instance.iter().find(|entry| {
        let configured = entry.data_directory.as_ref();
        configured.is_some_and(|path| canonical(path) == found.data_directory)
    });
    if let Some(Target::Local(local)) = entry.map(|entry| from_entry(entry, around)) {
        return local;
    }
    // Its configuration is elsewhere, and only the distribution's layout tells where.
    let known = debian_clusters(Path::new(DEBIAN_ROOT));
    match known.into_iter().find(|local| local.data_directory == found.data_directory) {
        Some(local) => with_process(local, around),
        None => named_by_itself(with_process(found, around)),
    }
}

/// A data directory, or a configuration directory that names one (as `pg_ctl -D` takes both).
fn from_directory(path: &Path) -> LocalTarget {
    if !file::exists(&path.join("PG_VERSION"))
        && let Some(local) = from_config_directory(path)
    {
        return local;
    }
    LocalTarget::from_directory(path)
}

fn from_config_directory(path: &Path) -> Option<LocalTarget> {
    let conf_file = path.join(conf::CONF_FILE);
    let conf = conf::Conf::load(&super::target::RealFiles, &conf_file, path).ok()?;
    let data_directory = PathBuf::from(conf.value("data_directory")?);
    let mut local = LocalTarget::from_directory(&data_directory);
    local.config_directory = Some(canonical(path));
    Some(local)
}

fn from_entry(entry: &InstanceEntry, around: &Surroundings) -> Target {
    let Some(path) = &entry.data_directory else {
        return Target::Remote(RemoteTarget {
            name: entry.name.clone(),
            connection: entry.connection.clone().unwrap_or_default(),
        });
    };
    let mut local = with_process(from_directory(path), around);
    local.name.clone_from(&entry.name);
    local.log_file.clone_from(&entry.log_file);
    local.connection.clone_from(&entry.connection);
    if let Some(directory) = &entry.config_directory {
        local.config_directory = Some(directory.clone());
    }
    if let Some(directory) = &entry.bin_directory {
        local.bin_directory = Some(directory.clone());
    }
    Target::Local(local)
}

fn from_process(process: &ServerProcess) -> Option<LocalTarget> {
    let command = command_of(process);
    let directory = process.working_directory.clone().or_else(|| command.data_directory())?;
    // `postgres --version` and its like are no servers. What may not be looked into counts.
    let is_cluster = match file::list(&directory, 1) {
        Ok(_) => file::exists(&directory.join("PG_VERSION")),
        Err(_) => true,
    };
    if !is_cluster {
        return None;
    }
    let mut local = from_directory(&directory);
    enrich(&mut local, process);
    Some(named_by_itself(local))
}

/// Adds what the running server's command line tells: where its configuration and programs are.
fn with_process(mut local: LocalTarget, around: &Surroundings) -> LocalTarget {
    let own = around
        .processes
        .iter()
        .find(|process| process.working_directory.as_deref() == Some(&local.data_directory));
    if let Some(process) = own {
        enrich(&mut local, process);
    }
    local
}

fn enrich(local: &mut LocalTarget, process: &ServerProcess) {
    let config_file = command_of(process).config_file();
    let directory = config_file.as_deref().and_then(Path::parent).map(PathBuf::from);
    if local.config_directory.is_none() {
        local.config_directory = directory.filter(|path| *path != local.data_directory);
    }
    if local.bin_directory.is_none() {
        local.bin_directory = process.program.as_deref().and_then(Path::parent).map(PathBuf::from);
    }
}

fn command_of(process: &ServerProcess) -> ServerCommand {
    let mut args = process.args.iter();
    let program = args.next().map(PathBuf::from).unwrap_or_default();
    ServerCommand { program, arguments: args.cloned().collect() }
}

fn debian_clusters(root: &Path) -> Vec<LocalTarget> {
    let list = |path: &Path| file::list(path, NAMES_MAX).unwrap_or_default();
    let mut clusters = Vec::new();
    for version in list(root) {
        for name in list(&root.join(&version)) {
            let directory = root.join(&version).join(&name);
            if let Some(mut local) = from_config_directory(&directory) {
                local.name = format!("{version}-{name}");
                local.log_file =
                    Some(format!("/var/log/postgresql/postgresql-{version}-{name}.log").into());
                clusters.push(local);
            }
        }
    }
    clusters
}

fn canonical(path: &Path) -> PathBuf {
    file::canonical(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(root: &Path, name: &str) -> PathBuf {
        let path = root.join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("PG_VERSION"), "15\n").unwrap();
        file::canonical(&path).unwrap()
    }

    fn process(directory: &Path) -> ServerProcess {
        ServerProcess {
            pid: 7,
            working_directory: Some(directory.to_path_buf()),
            program: Some("/opt/pg/bin/postgres".into()),
            args: vec![
                "postgres".into(),
                "-c".into(),
                "config_file=/etc/pg/postgresql.conf".into(),
            ],
        }
    }

    fn names(targets: &[Target]) -> Vec<&str> {
        targets.iter().map(name_of).collect()
    }

    #[test]
    fn one_cluster_found_three_ways_is_one() {
        let root = tempfile::tempdir().unwrap();
        let data = cluster(root.path(), "inst1");
        let text =
            format!("[[instance]]\nname = \"prod\"\ndata_directory = \"{}\"", data.display());
        let config = ConfigFile::parse(&text, Path::new("x")).unwrap();
        let around = Surroundings {
            pgdata: Some(data.clone()),
            names_server: false,
            processes: vec![process(&data)],
        };
        let found = all(&config, &around);
        let mine: Vec<_> = found
            .iter()
            .filter_map(|target| match target {
                Target::Local(local) if local.data_directory == data => Some(local),
                _ => None,
            })
            .collect();
        assert_eq!(mine.len(), 1);
        assert_eq!(mine[0].name, "prod");
        assert_eq!(mine[0].config_directory.as_deref(), Some(Path::new("/etc/pg")));
        assert_eq!(mine[0].bin_directory.as_deref(), Some(Path::new("/opt/pg/bin")));
    }

    #[test]
    fn equal_names_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let one = cluster(root.path(), "a/pg");
        let two = cluster(root.path(), "b/pg");
        let mut found = Found::default();
        found.add(Target::Local(LocalTarget::from_directory(&one)));
        found.add(Target::Local(LocalTarget::from_directory(&two)));
        assert_eq!(names(&found.targets), ["pg", two.to_str().unwrap()]);
    }

    #[test]
    fn a_configuration_directory_leads_to_its_data() {
        let root = tempfile::tempdir().unwrap();
        let data = cluster(root.path(), "lib/15/main");
        let etc = root.path().join("etc/15/main");
        std::fs::create_dir_all(&etc).unwrap();
        let text = format!("data_directory = '{}'\n", data.display());
        std::fs::write(etc.join("postgresql.conf"), text).unwrap();
        let local = from_directory(&etc);
        assert_eq!(local.data_directory, data);
        assert_eq!(local.config_directory, file::canonical(&etc).ok());
        let debian = debian_clusters(&root.path().join("etc"));
        assert_eq!(debian[0].name, "15-main");
    }

    #[test]
    fn a_name_nobody_has_lists_those_there_are() {
        let config =
            ConfigFile::parse("[[instance]]\nname = \"a\"\nconnection = \"\"", Path::new("x"))
                .unwrap();
        let around = Surroundings::default();
        let scope = Scope::Named("b".into());
        let error = discover(&scope, &config, &around).unwrap_err();
        assert_eq!(error.code, ErrorCode::InstanceNotFound);
        assert!(error.detail.contains('a'), "{error}");
        let scope = Scope::Named("a".into());
        assert_eq!(names(&discover(&scope, &config, &around).unwrap()), ["a"]);
    }

    #[test]
    fn a_directory_that_is_not_there_is_still_an_instance() {
        let scope = Scope::DataDirectory("/nonexistent/inst".into());
        let found = discover(&scope, &ConfigFile::default(), &Surroundings::default()).unwrap();
        assert_eq!(names(&found), ["inst"]);
    }
}
