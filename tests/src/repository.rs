//! An instance with a backup destination, a load on it, and restoring by hand as
//! `docs/FORMATS.md` says, with stock tools only.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::instance::{InstanceBuilder, Session};
use crate::majors::Major;
use crate::run::{Finished, Run};
use crate::{TestInstance, account, bin, place, tidy};

/// An instance that archives into a destination of its own.
pub struct Repository {
    /// The instance.
    pub instance: TestInstance,
    destination: PathBuf,
}

impl Repository {
    /// Starts an instance with page checksums whose WAL goes into its destination.
    #[must_use]
    pub fn start(major: Major) -> Self {
        Self::start_with(TestInstance::builder(major))
    }

    /// The same for an instance described further.
    #[must_use]
    pub fn start_with(builder: InstanceBuilder) -> Self {
        let instance = builder.initdb_option("--data-checksums").create();
        let destination = instance.make_directory("backup");
        let push = format!("{} wal-push \"%p\" {}", bin::pgdeck().display(), destination.display());
        instance.set("wal_level", "replica");
        instance.set("archive_mode", "on");
        instance.set("archive_command", &push);
        instance.set("pgx.backup_destination", &destination.display().to_string());
        instance.start();
        Self { instance, destination }
    }

    /// The destination.
    #[must_use]
    pub fn destination(&self) -> &Path {
        &self.destination
    }

    /// A pgdeck command on the instance.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.state_directory();
        Run::pgdeck()
            .args(arguments)
            .arg("-D")
            .arg(self.instance.data_directory())
            .arg("--state-dir")
            .arg(self.state_directory())
    }

    fn state_directory(&self) -> PathBuf {
        let path = self.instance.directory().join("state");
        if !path.exists() {
            fs::create_dir(&path).expect("a directory can be made");
            account::give(&path);
        }
        path
    }

    /// Takes a backup that must succeed; its label.
    ///
    /// # Panics
    /// When it does not, with what it printed.
    #[track_caller]
    pub fn backup(&self, options: &[&str]) -> String {
        let arguments: Vec<&str> =
            std::iter::once("backup").chain(options.iter().copied()).collect();
        let done = self.run(&arguments).finish().expect_code(0);
        let label = done.stdout.split_whitespace().nth(2).unwrap_or_default().to_owned();
        assert!(done.stdout.contains("is complete"), "{}", done.stdout);
        label
    }

    /// The catalog.
    ///
    /// # Panics
    /// When it cannot be listed.
    #[must_use]
    #[track_caller]
    pub fn backups(&self) -> Vec<serde_json::Value> {
        let done = self.run(&["backups", "--json"]).finish().expect_code(0);
        serde_json::from_str(&done.stdout).expect("the catalog is JSON")
    }

    /// Verifies the destination.
    #[track_caller]
    pub fn verify(&self, options: &[&str]) -> Finished {
        let arguments: Vec<&str> =
            std::iter::once("verify").chain(options.iter().copied()).collect();
        self.run(&arguments).finish()
    }

    /// The directory of a backup.
    #[must_use]
    pub fn directory(&self, label: &str) -> PathBuf {
        self.destination.join(label)
    }

    /// The label's document.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn document(&self, label: &str) -> serde_json::Value {
        let text = fs::read_to_string(self.directory(label).join("backup.json"));
        serde_json::from_str(&text.expect("the label can be read")).expect("the label is JSON")
    }

    /// Restores a chain, full backup first, by the shell commands in `docs/FORMATS.md`.
    /// Tablespaces go to `ts` plus the number of the restore.
    ///
    /// # Panics
    /// When a command fails.
    #[must_use]
    #[track_caller]
    pub fn restore_by_hand(&self, chain: &[String]) -> Restored {
        static COUNT: AtomicU64 = AtomicU64::new(10);
        let number = COUNT.fetch_add(1, Ordering::AcqRel);
        let directory = self.instance.make_directory(&format!("restored{number}"));
        fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .expect("own directory");
        let last = chain.last().expect("a chain has backups");
        if let Ok(map) = fs::read_to_string(self.directory(last).join("tablespace_map")) {
            // Of the same length, so that the manifest's size of it stays right.
            let map = map.replace("/space", &format!("/spc{number}"));
            let path = directory.join("tablespace_map");
            fs::write(&path, map).expect("the map can be written");
            account::give(&path);
        }
        let script = self.instance.directory().join(format!("restore{number}.sh"));
        fs::write(&script, script_of_the_manual()).expect("the script can be written");
        account::give(&script);
        let mut command = account::command("sh");
        command
            .arg(&script)
            .env("DEST", &self.destination)
            .env("DIR", &directory)
            .env("CHAIN", chain.join(" "));
        account::output_of(command).unwrap_or_else(|error| panic!("restoring by hand: {error}"));
        Restored {
            directory,
            major: self.instance.major(),
            destination: self.destination.clone(),
            port: place::reserve_port(),
            started: false,
        }
    }
}

/// The commands between the two marks.
fn script_of_the_manual() -> String {
    let path = tidy::root().join("docs/FORMATS.md");
    let text = fs::read_to_string(path).expect("docs/FORMATS.md can be read");
    let (_, rest) = text.split_once("<!-- restore by hand: begin -->").expect("the mark is there");
    let (script, _) = rest.split_once("<!-- restore by hand: end -->").expect("the end is there");
    script.lines().filter(|line| !line.starts_with("```")).map(|line| format!("{line}\n")).collect()
}

/// A data directory restored by hand.
pub struct Restored {
    directory: PathBuf,
    major: Major,
    destination: PathBuf,
    port: place::Port,
    started: bool,
}

impl Restored {
    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the stock `pg_verifybackup` of PostgreSQL 15 finds; `Ok` when nothing.
    ///
    /// It knows version 1 of the manifest only: one of version 2 is rewritten, which takes
    /// nothing away but the system identifier.
    ///
    /// # Errors
    /// All it printed.
    pub fn verifybackup(&self) -> Result<String, String> {
        let path = self.directory.join("backup_manifest");
        let original = fs::read_to_string(&path).expect("the manifest can be read");
        let manifest = as_version_1(&original);
        fs::write(&path, manifest).expect("the manifest can be written");
        let mut command = account::command(Major::V15.program("pg_verifybackup"));
        // The places of tablespaces are not those of the backup.
        command.arg("-n").arg("-i").arg("tablespace_map").arg(&self.directory);
        let outcome = account::output_of(command);
        fs::write(&path, original).expect("the manifest can be written");
        outcome
    }

    /// Starts it: it recovers from the archive to its end, or to `target`, settings for
    /// `postgresql.auto.conf`.
    ///
    /// # Panics
    /// When it does not start, with its log.
    pub fn start(&mut self, target: &[(&str, &str)]) {
        let get = format!(
            "{} wal-get %f \"%p\" -B {}",
            bin::pgdeck().display(),
            self.destination.display()
        );
        let socket = self.directory.parent().expect("it has a parent").display().to_string();
        let port = self.port.number.to_string();
        let own = [
            ("restore_command", get.as_str()),
            ("archive_mode", "off"),
            ("port", port.as_str()),
            ("unix_socket_directories", socket.as_str()),
            ("recovery_target_action", "promote"),
        ];
        let mut text = String::new();
        for (name, value) in own.iter().chain(target) {
            text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        let path = self.directory.join("postgresql.auto.conf");
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, before + &text).expect("settings can be written");
        fs::write(self.directory.join("recovery.signal"), "").expect("the signal can be written");
        account::give(&self.directory.join("recovery.signal"));
        let log = self.directory.with_extension("log");
        let mut command = account::command(self.major.program("pg_ctl"));
        command.args(["start", "-w", "-t", "60", "-D"]).arg(&self.directory).arg("-l").arg(&log);
        self.started = true;
        if let Err(error) = account::output_of(command) {
            panic!("{error}\n{}", fs::read_to_string(&log).unwrap_or_default());
        }
        // pg_ctl is content with hot standby.
        let promoted = crate::proc::wait_for(std::time::Duration::from_secs(60), || {
            self.try_query("select pg_is_in_recovery()").as_deref() == Ok("f")
        });
        assert!(promoted, "it stays in recovery\n{}", fs::read_to_string(&log).unwrap_or_default());
    }

    /// The first column of the first row.
    ///
    /// # Panics
    /// When the query fails.
    #[must_use]
    pub fn query(&self, query: &str) -> String {
        self.try_query(query).unwrap_or_else(|error| panic!("{query:?}: {error}"))
    }

    fn try_query(&self, query: &str) -> Result<String, String> {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(self.directory.parent().expect("it has a parent"))
            .port(self.port.number)
            .user("postgres")
            .dbname("postgres");
        let session = Session::open(&config).map_err(|error| error.to_string())?;
        Ok(session.query_one_text(query))
    }

    /// Reads every page of every relation; the server verifies their checksums.
    ///
    /// # Panics
    /// When it finds one that is damaged.
    pub fn read_everything(&self) {
        let count = self.query(
            "select count(*) from pg_class c where relkind in ('r', 'm', 't')
             and pg_relation_size(c.oid) >= 0
             and (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %s',
                  c.oid::regclass), false, true, '')))[1]::text::bigint >= 0",
        );
        assert_ne!(count, "0");
    }

    /// Stops it.
    pub fn stop(&mut self) {
        if std::mem::replace(&mut self.started, false) {
            let mut command = account::command(self.major.program("pg_ctl"));
            command.args(["stop", "-m", "fast", "-w", "-D"]).arg(&self.directory);
            // A failing test may have killed it already.
            let _ = account::output_of(command);
        }
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        self.stop();
        place::end_processes(&self.directory);
    }
}

/// A manifest of version 2 without what version 1 does not have, summed up anew.
fn as_version_1(manifest: &str) -> String {
    let mut lines: Vec<&str> = manifest.lines().collect();
    lines.retain(|line| !line.starts_with("\"System-Identifier\""));
    lines.pop();
    let body = lines.join("\n").replace("Manifest-Version\": 2", "Manifest-Version\": 1") + "\n";
    let mut command = account::command("sha256sum");
    let path =
        std::env::temp_dir().join(format!("pgdeck-manifest-{}-{}", std::process::id(), body.len()));
    fs::write(&path, &body).expect("a file can be written");
    let file = fs::File::open(&path).expect("it can be read");
    command.stdin(file);
    let sum = account::output_of(command).expect("sha256sum runs");
    fs::remove_file(&path).expect("it can be removed");
    let sum = sum.split_whitespace().next().expect("it prints a sum");
    format!("{body}\"Manifest-Checksum\": \"{sum}\"}}\n")
}

/// Sessions that change the database in every way while a backup is taken.
pub struct Load {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Makes the tables and starts the sessions. `ledger` keeps a sum of zero in every
    /// committed state.
    #[must_use]
    pub fn start(instance: &TestInstance) -> Self {
        instance.sql(
            "postgres",
            "create table ledger (id int primary key, amount bigint not null);
             insert into ledger select g, 0 from generate_series(1, 2000) g;
             create table growing (id bigserial, filler text);
             create unlogged table scratch (a int, b text);
             insert into scratch select g, repeat('x', 100) from generate_series(1, 2000) g",
        );
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let work: [fn(&Session, u64); 3] = [transfer, grow, come_and_go];
        let threads = work.into_iter().map(|work| {
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            let config = instance.config("postgres");
            std::thread::spawn(move || {
                let session = Session::open(&config).expect("a session can be opened");
                let mut round = 0;
                while !stop.load(Ordering::Acquire) {
                    work(&session, round);
                    round += 1;
                    rounds.fetch_add(1, Ordering::AcqRel);
                }
            })
        });
        let threads = threads.collect();
        let load = Self { stop, rounds, threads };
        load.wait(20);
        load
    }

    /// Waits until the sessions have done so many rounds more.
    ///
    /// # Panics
    /// When they do not within half a minute.
    pub fn wait(&self, rounds: u64) {
        let goal = self.rounds.load(Ordering::Acquire) + rounds;
        let reached = crate::proc::wait_for(std::time::Duration::from_secs(30), || {
            self.rounds.load(Ordering::Acquire) >= goal
        });
        assert!(reached, "the load stands still");
    }

    /// Ends the sessions.
    ///
    /// # Panics
    /// When one of them failed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.join().expect("the load does not fail");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            // A failing test has said enough already.
            let _ = thread.join();
        }
    }
}

fn transfer(session: &Session, round: u64) {
    let (from, to) = (round * 7 % 2000 + 1, round * 13 % 2000 + 1);
    session.run(&format!(
        "begin; update ledger set amount = amount - 5 where id = {from};
         update ledger set amount = amount + 5 where id = {to}; commit"
    ));
}

fn grow(session: &Session, round: u64) {
    session.run(
        "insert into growing (filler) select repeat('y', 500) from generate_series(1, 200);
         update scratch set a = a + 1 where a % 10 = 0",
    );
    if round % 20 == 19 {
        session.run("delete from growing where id % 2 = 0");
        session.run("vacuum growing");
    }
}

fn come_and_go(session: &Session, round: u64) {
    session.run(&format!(
        "create table visitor{round} as select g as a, md5(g::text) as b from generate_series(1, 500) g;
         create index on visitor{round} (a)"
    ));
    match round % 3 {
        0 => session.run(&format!("drop table visitor{round}")),
        1 => session.run(&format!("truncate visitor{round}")),
        _ => session.run(&format!("insert into visitor{round} select a, b from visitor{round}")),
    }
    if round > 20 && round % 5 == 0 {
        session.run(&format!("drop table if exists visitor{}", round - 19));
    }
}
