//! An instance with a backup destination, and restoring by hand as `docs/FORMATS.md` says, with
//! stock tools only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::instance::InstanceBuilder;
use crate::majors::Major;
use crate::restored::Restored;
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
        // How a server that is ended at once treats the command that runs at this moment.
        instance.allow_log("archive command was terminated by signal 3");
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
        self.run_nameless(arguments).arg("-D").arg(self.instance.data_directory())
    }

    /// A pgdeck command that names no instance.
    pub fn run_nameless(&self, arguments: &[&str]) -> Run {
        Run::pgdeck().args(arguments).arg("--state-dir").arg(self.state_directory())
    }

    /// Starts a pgdeck command that the test will end, or whose end it will wait for.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(bin::pgdeck());
        command
            .args(arguments)
            .arg("-D")
            .arg(self.instance.data_directory())
            .arg("--state-dir")
            .arg(self.state_directory())
            .env_clear()
            .env("PATH", crate::hermetic::PATH)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        crate::forks::spawn(&mut command).expect("pgdeck can be started")
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
