//! Making, starting and stopping the demo's server. Blocking.

use std::time::{Duration, Instant};

use super::{DATABASES, Demo, MARKER, MARKER_TEXT, failed};
use crate::api::{Error, ErrorCode, InstanceState, Result, ServerVersion};
use crate::instance::binaries::BinaryFinder;
use crate::instance::lifecycle::start::StartPlan;
use crate::sys::file;
use crate::sys::process::{self, Program, Signal};

/// Names the socket; nothing listens on TCP.
pub(super) const PORT: u16 = 54_329;
const INITDB_LIMIT: Duration = Duration::from_secs(120);
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(20);

const SCHEMA: &str = include_str!("schema.sql");

/// Makes directory, cluster and databases. What was half made is removed.
pub(super) fn make(demo: &Demo, tell: &mut dyn FnMut(&str)) -> Result<()> {
    let mut finder = BinaryFinder::new(None);
    let majors = ServerVersion::MAJOR_MIN..=ServerVersion::MAJOR_MAX;
    let Some((major, bin_directory)) = finder.newest(majors) else {
        return Err(Error::new(
            ErrorCode::BinariesMissing,
            "no server programs of PostgreSQL were found",
        )
        .detail("initdb and postgres are needed to make the demo")
        .hint("Install PostgreSQL 13 to 18 (Debian: apt-get install postgresql), or set PGBIN."));
    };
    make_directory(demo)?;
    tell(&format!("making a PostgreSQL {major} cluster in {}", demo.directory().display()));
    let made = make_cluster(demo, &bin_directory);
    if made.is_err() {
        let directory = demo.directory().to_path_buf();
        let _ = demo.owner.run(|| file::remove_tree(&directory));
    }
    made
}

/// The usual place lies in a directory that everybody may write: whatever is there is refused.
fn make_directory(demo: &Demo) -> Result<()> {
    let directory = demo.directory().to_path_buf();
    if file::list(&directory, 1).is_ok_and(|names| !names.is_empty()) {
        let place = directory.display();
        return Err(Error::new(ErrorCode::DemoFailed, format!("{place} is not empty"))
            .detail("it is not a demo made by pgdeck")
            .hint("Choose another place with --dir."));
    }
    let owner_uid = demo.owner.uid();
    let made = demo.owner.run(|| {
        file::make_private_directory(&directory)?;
        let stat = file::stat(&directory)?;
        if stat.uid != owner_uid {
            return Err(std::io::Error::other(format!("it belongs to user {}", stat.uid)));
        }
        for name in ["run", "log", "tablespace", "state"] {
            file::make_private_directory(&directory.join(name))?;
        }
        Ok(())
    });
    made.and_then(|inner| inner)
        .map_err(|error| failed(&format!("{} cannot be made", directory.display()), &error))
}

fn make_cluster(demo: &Demo, bin_directory: &std::path::Path) -> Result<()> {
    let data_directory = demo.data_directory().into_os_string();
    let program = Program {
        path: bin_directory.join("initdb"),
        args: vec![
            "-D".into(),
            data_directory,
            "-U".into(),
            demo.role().into(),
            "-A".into(),
            "trust".into(),
            "-E".into(),
            "UTF8".into(),
            "--locale=C".into(),
            "--data-checksums".into(),
            // It may be lost: made again in seconds.
            "--no-sync".into(),
        ],
        env: Vec::new(),
        credentials: demo.owner.clone(),
        limit: INITDB_LIMIT,
    };
    let ended = program.run().map_err(|error| failed("initdb could not be run", &error))?;
    if ended.code != Some(0) {
        let said = ended.output.lines().last().unwrap_or_default().to_owned();
        return Err(Error::new(ErrorCode::DemoFailed, "initdb failed").detail(said));
    }
    let conf = settings(demo);
    demo.write("data/postgresql.auto.conf", conf.as_bytes())?;
    // Last: only a complete demo is one.
    demo.write(MARKER, MARKER_TEXT.as_bytes())
}

fn settings(demo: &Demo) -> String {
    let run = demo.socket_directory();
    let log = demo.directory().join("log");
    format!(
        "port = {PORT}\nunix_socket_directories = '{}'\nlisten_addresses = ''\n\
         cluster_name = 'demo'\nmax_connections = 60\nmax_prepared_transactions = 10\n\
         shared_buffers = '32MB'\nmin_wal_size = '32MB'\nmax_wal_size = '128MB'\n\
         logging_collector = on\nlog_directory = '{}'\nlog_filename = 'postgresql-%a.log'\n\
         log_truncate_on_rotation = on\nlog_rotation_age = '1d'\n\
         log_line_prefix = '%m [%p] %u@%d '\nlog_lock_waits = on\nlog_checkpoints = on\n\
         synchronous_commit = off\n",
        run.display(),
        log.display()
    )
}

/// Starts the server if it is down, and fills the databases if they are not there.
pub(super) fn start(demo: &Demo, tell: &mut dyn FnMut(&str)) -> Result<()> {
    let site = demo.site()?;
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let status = site.look();
        match status.state {
            InstanceState::Started => break,
            InstanceState::Stopped | InstanceState::Crashed => {
                tell("starting the server");
                let plan = StartPlan::new(&site, &status)?;
                plan.run_blocking(&site)?;
            }
            _ if Instant::now() >= deadline => {
                return Err(Error::new(ErrorCode::StartTimeout, "the demo's server is not ready")
                    .detail(status.detail));
            }
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
    tell("filling its databases");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed("no runtime", &error))?;
    runtime.block_on(fill(demo))
}

async fn fill(demo: &Demo) -> Result<()> {
    let admin = super::load::connect(demo, "postgres", "pgdeck demo").await?;
    let map = |error: tokio_postgres::Error| admin.map_error(&error);
    for database in DATABASES {
        let known = admin
            .client
            .query_opt("SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1", &[&database])
            .await
            .map_err(map)?;
        if known.is_some() {
            continue;
        }
        let create = format!("CREATE DATABASE {database}");
        admin.client.batch_execute(&create).await.map_err(map)?;
        let one = super::load::connect(demo, database, "pgdeck demo").await?;
        let script = schema_of(database);
        one.client.batch_execute(script).await.map_err(|error| one.map_error(&error))?;
    }
    make_tablespace(demo, &admin).await
}

async fn make_tablespace(demo: &Demo, admin: &crate::pg::connect::Connected) -> Result<()> {
    let map = |error: tokio_postgres::Error| admin.map_error(&error);
    let query = "SELECT 1 FROM pg_catalog.pg_tablespace WHERE spcname = 'archive'";
    if admin.client.query_opt(query, &[]).await.map_err(map)?.is_some() {
        return Ok(());
    }
    let place = demo.directory().join("tablespace");
    let literal = crate::pg::query::quote::literal(&place.to_string_lossy()).map_err(|error| {
        Error::new(ErrorCode::DemoFailed, "a bad path").detail(error.to_string())
    })?;
    let create = format!("CREATE TABLESPACE archive LOCATION {literal}");
    admin.client.batch_execute(&create).await.map_err(map)
}

/// The part of the script between a database's line and the next.
fn schema_of(database: &str) -> &'static str {
    let head = format!("-- database {database} ");
    let Some(start) = SCHEMA.find(&head) else { return "" };
    let rest = &SCHEMA[start + head.len()..];
    let body = rest.split_once('\n').map_or("", |(_, body)| body);
    body.split("-- database ").next().unwrap_or(body)
}

/// Stops the server, gently first.
pub(super) fn stop(demo: &Demo, tell: &mut dyn FnMut(&str)) -> Result<()> {
    for signal in [Signal::INT, Signal::QUIT, Signal::KILL] {
        let status = demo.site()?.look();
        let Some(pid) = status.pid.filter(|_| status.state.has_process()) else { return Ok(()) };
        if status.state == InstanceState::Zombie {
            return Ok(());
        }
        tell("stopping the server");
        let sent = demo.owner.run(|| process::send_signal(pid, signal)).and_then(|inner| inner);
        sent.map_err(|error| failed("the server cannot be stopped", &error))?;
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if !demo.state()?.has_process() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Err(Error::new(ErrorCode::DemoFailed, "the demo's server does not end").detail("even SIGKILL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_has_its_part_of_the_script() {
        for (database, table) in [("shop", "orders"), ("bank", "accounts"), ("analytics", "events")]
        {
            let script = schema_of(database);
            assert!(script.contains(&format!("CREATE TABLE {table} ")), "{database}");
            assert!(!script.contains("-- database"), "{database}");
        }
        assert_eq!(schema_of("other"), "");
    }
}
