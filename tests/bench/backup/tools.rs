//! The tools that are compared: how each is asked for the same.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cluster::Cluster;
use super::host::{self, Took};
use super::options::{JOBS, Options};

/// Who takes a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tool {
    /// pgdeck.
    Pgdeck,
    /// pgBackRest.
    PgBackRest,
    /// `pg_basebackup`, one connection; the server compresses.
    BaseBackup,
}

/// How content is compressed. Levels are each tool's own default: pgdeck zstd:1, the others 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Codec {
    /// Not at all.
    None,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// What kind of backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Everything.
    Full,
    /// What has changed since the one before.
    Incremental,
}

/// The programs.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    pgdeck: PathBuf,
    pgbackrest: Option<PathBuf>,
    is_alone: bool,
}

impl Tools {
    /// Finds them: what `run.sh` says in the environment. pgdeck is copied to where the owner
    /// of the clusters can run it.
    pub(crate) fn find(options: &Options) -> Result<Self, String> {
        std::fs::create_dir_all(&options.cache).map_err(|error| error.to_string())?;
        let pgdeck = options.cache.join("pgdeck");
        let _ = std::fs::remove_file(&pgdeck);
        std::fs::copy(pgdeck_tests::bin::pgdeck(), &pgdeck).map_err(|error| error.to_string())?;
        let pgbackrest = std::env::var_os("BENCH_PGBACKREST").map(PathBuf::from);
        Ok(Self { pgdeck, pgbackrest, is_alone: options.is_alone })
    }

    /// Those that are here, pgdeck first.
    pub(crate) fn all(&self) -> Vec<Tool> {
        let mut all = vec![Tool::Pgdeck];
        if !self.is_alone {
            all.extend(self.pgbackrest.as_ref().map(|_| Tool::PgBackRest));
            all.push(Tool::BaseBackup);
        }
        all
    }

    /// The copy of pgdeck that is measured.
    pub(crate) fn program(&self) -> &Path {
        &self.pgdeck
    }

    /// An empty destination, and WAL going into it.
    pub(crate) fn prepare(&self, tool: Tool, cluster: &Cluster) -> Result<(), String> {
        let place = destination(tool, cluster);
        host::empty_directory(&place)?;
        match tool {
            Tool::Pgdeck => {
                host::empty_directory(&cluster.beside("state"))?;
                let (program, place) = (self.pgdeck.display(), place.display());
                cluster.archive_with(&format!("{program} wal-push \"%p\" {place}"))
            }
            Tool::PgBackRest => {
                write_configuration(cluster)?;
                host::run(self.pgbackrest(cluster)?.arg("stanza-create"))?;
                let push = self.pgbackrest_push(cluster, Codec::Lz4)?;
                let words = push.get_args().map(|word| word.to_string_lossy().into_owned());
                let words = words.collect::<Vec<_>>().join(" ");
                cluster.archive_with(&format!("{} {words} %p", push.get_program().display()))
            }
            Tool::BaseBackup => cluster.archive_with("/bin/true"),
        }
    }

    /// Removes what it has stored.
    pub(crate) fn clear(tool: Tool, cluster: &Cluster) -> Result<(), String> {
        cluster.archive_with("/bin/true")?;
        host::empty_directory(&destination(tool, cluster))
    }

    /// Takes a backup; what it cost, the server's sessions included, and the bytes it stored.
    pub(crate) fn backup(
        &self,
        tool: Tool,
        cluster: &Cluster,
        codec: Codec,
        kind: Kind,
    ) -> Result<(Took, u64), String> {
        cluster.sql("checkpoint")?;
        let before = stored(tool, cluster)?;
        let server = host::sessions_cpu(cluster.postmaster());
        let mut took = host::measure(&mut self.backup_command(tool, cluster, codec, kind)?)?;
        took.cpu += host::sessions_cpu(cluster.postmaster()) - server;
        Ok((took, stored(tool, cluster)?.saturating_sub(before)))
    }

    fn backup_command(
        &self,
        tool: Tool,
        cluster: &Cluster,
        codec: Codec,
        kind: Kind,
    ) -> Result<Command, String> {
        let jobs = JOBS.to_string();
        Ok(match tool {
            Tool::Pgdeck => {
                let name = match codec {
                    Codec::None => "none",
                    Codec::Lz4 => "lz4",
                    Codec::Zstd => "zstd",
                };
                let kind = if kind == Kind::Full { "full" } else { "incremental" };
                let mut command = self.pgdeck(cluster, "backup");
                command.args(["--type", kind, "--jobs", &jobs, "--compress", name]);
                command
            }
            Tool::PgBackRest => {
                let kind = if kind == Kind::Full { "full" } else { "incr" };
                let mut command = self.pgbackrest(cluster)?;
                command.arg(format!("--type={kind}")).arg(pgbackrest_codec(codec)).arg("backup");
                command
            }
            Tool::BaseBackup => {
                let mut command = cluster.program("pg_basebackup");
                command.args(["-c", "fast", "-X", "none", "-D"]);
                command.arg(destination(tool, cluster));
                match codec {
                    Codec::None => command.arg("-Fp"),
                    Codec::Lz4 => command.args(["-Ft", "--compress=server-lz4"]),
                    Codec::Zstd => command.args(["-Ft", "--compress=server-zstd:3"]),
                };
                command
            }
        })
    }

    /// A command of pgdeck on the cluster and its destination.
    pub(crate) fn pgdeck(&self, cluster: &Cluster, word: &str) -> Command {
        self.pgdeck_on(cluster, &cluster.data(), word)
    }

    /// The same on another data directory.
    pub(crate) fn pgdeck_on(&self, cluster: &Cluster, data: &Path, word: &str) -> Command {
        let mut command = host::command(&self.pgdeck);
        command.arg(word).arg("-D").arg(data).arg("-B");
        command.arg(destination(Tool::Pgdeck, cluster));
        command.arg("--state-dir").arg(cluster.beside("state"));
        command
    }

    /// The command that reads everything stored; `None` for a tool without one.
    pub(crate) fn verify(&self, tool: Tool, cluster: &Cluster) -> Result<Option<Command>, String> {
        Ok(match tool {
            Tool::Pgdeck => {
                let mut command = self.pgdeck(cluster, "verify");
                command.args(["--jobs", &JOBS.to_string()]);
                Some(command)
            }
            Tool::PgBackRest => {
                let mut command = self.pgbackrest(cluster)?;
                command.arg("verify");
                Some(command)
            }
            Tool::BaseBackup => None,
        })
    }

    /// The command that archives a file, whose path is still to be added.
    pub(crate) fn push(
        &self,
        tool: Tool,
        cluster: &Cluster,
        codec: Codec,
        file: &Path,
    ) -> Result<Command, String> {
        if tool == Tool::PgBackRest {
            let mut command = self.pgbackrest_push(cluster, codec)?;
            command.arg(file);
            return Ok(command);
        }
        let mut command = host::command(&self.pgdeck);
        command.arg("wal-push").arg(file).arg(destination(tool, cluster));
        match codec {
            Codec::None => command.args(["--compress", "none"]),
            Codec::Lz4 => command.args(["--compress", "lz4"]),
            Codec::Zstd => command.args(["--compress", "zstd:1"]),
        };
        Ok(command)
    }

    /// A command of pgBackRest on the cluster and its repository.
    pub(crate) fn pgbackrest(&self, cluster: &Cluster) -> Result<Command, String> {
        let program = self.pgbackrest.as_ref().ok_or("pgBackRest is not here")?;
        let mut command = host::command(program);
        command.arg(format!("--config={}", configuration(cluster).display()));
        command.arg("--stanza=bench");
        Ok(command)
    }

    fn pgbackrest_push(&self, cluster: &Cluster, codec: Codec) -> Result<Command, String> {
        let mut command = self.pgbackrest(cluster)?;
        command.arg(pgbackrest_codec(codec)).arg("archive-push");
        Ok(command)
    }
}

fn pgbackrest_codec(codec: Codec) -> &'static str {
    match codec {
        Codec::None => "--compress-type=none",
        Codec::Lz4 => "--compress-type=lz4",
        Codec::Zstd => "--compress-type=zst",
    }
}

/// Where a tool stores.
pub(crate) fn destination(tool: Tool, cluster: &Cluster) -> PathBuf {
    cluster.beside(match tool {
        Tool::Pgdeck => "stored-pgdeck",
        Tool::PgBackRest => "stored-pgbackrest",
        Tool::BaseBackup => "stored-basebackup",
    })
}

/// Bytes of backups, without archived WAL.
fn stored(tool: Tool, cluster: &Cluster) -> Result<u64, String> {
    let place = destination(tool, cluster);
    let archive = place.join(if tool == Tool::Pgdeck { "archived_wal" } else { "archive" });
    let archived = if archive.exists() { host::stored_bytes(&archive)? } else { 0 };
    Ok(host::stored_bytes(&place)?.saturating_sub(archived))
}

fn configuration(cluster: &Cluster) -> PathBuf {
    cluster.beside("pgbackrest.conf")
}

/// Defaults but for what a run on one machine needs, and for deleting, which is not measured.
fn write_configuration(cluster: &Cluster) -> Result<(), String> {
    let work = cluster.beside("pgbackrest-work");
    host::empty_directory(&work)?;
    let (repository, work) = (destination(Tool::PgBackRest, cluster), work.display());
    let (data, socket) = (cluster.data(), cluster.socket().display());
    let text = format!(
        "[global]
repo1-path={repository}
repo1-retention-full=9
log-path={work}
lock-path={work}
spool-path={work}
log-level-console=error
log-level-file=off
process-max={JOBS}
start-fast=y
expire-auto=n
[bench]
pg1-path={data}
pg1-socket-path={socket}
pg1-user=postgres
",
        repository = repository.display(),
        data = data.display(),
    );
    std::fs::write(configuration(cluster), text).map_err(|error| error.to_string())
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pgdeck => "pgdeck",
            Self::PgBackRest => "pgBackRest",
            Self::BaseBackup => "pg_basebackup",
        })
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}
