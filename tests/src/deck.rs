//! pgdeck as a script uses it: one-shot commands on one instance, and what they print.
//!
//! ```no_run
//! use pgdeck_tests::{Deck, Major, TestInstance};
//!
//! let instance = TestInstance::start_plain(Major::V18);
//! let deck = Deck::of(&instance);
//! let status = deck.status();
//! assert_eq!((status.state(), status.code), ("started", 0));
//! deck.run(["instance", "stop"]).finish().expect_code(0);
//! ```

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::hermetic::Home;
use crate::run::{Finished, Run};
use crate::{TestInstance, account};

/// pgdeck with the options that lead it to one instance, and a state directory of its own:
/// the journal outlives a command, not the test.
#[derive(Clone)]
pub struct Deck {
    home: Home,
    state: PathBuf,
    options: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Deck {
    /// By the data directory, with the server programs of its version.
    #[must_use]
    pub fn of(instance: &TestInstance) -> Self {
        Self::of_directory(instance.data_directory()).option("--bin-dir", instance.bin_directory())
    }

    /// By a data directory, whatever is there.
    #[must_use]
    pub fn of_directory(directory: &Path) -> Self {
        let deck = Self::nowhere();
        // Journals belong to the data directory's owner.
        std::fs::create_dir(&deck.state).expect("a state directory can be made");
        account::give(&deck.state);
        deck.option("-D", directory)
    }

    /// By a connection string.
    #[must_use]
    pub fn dsn(connection: &str) -> Self {
        Self::nowhere().option("--dsn", connection)
    }

    /// By nothing: what the environment and the machine say.
    #[must_use]
    pub fn nowhere() -> Self {
        let home = Home::new();
        let state = home.path().join("state");
        Self { home, state, options: Vec::new(), environment: Vec::new() }
    }

    /// One more option of every command, with its value.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.options.extend([name.into(), value.as_ref().to_owned()]);
        self
    }

    /// One more option of every command, without a value.
    #[must_use]
    pub fn flag(mut self, name: &str) -> Self {
        self.options.push(name.into());
        self
    }

    /// One variable of every command's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Its home directory: configuration, password and service files.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Where its journals are.
    #[must_use]
    pub fn state_directory(&self) -> &Path {
        &self.state
    }

    /// A command, ready to run.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        let run = Run::pgdeck().home(&self.home).args(arguments).args(&self.options);
        let run = run.arg("--state-dir").arg(&self.state);
        self.environment.iter().fold(run, |run, (name, value)| run.env(name, value))
    }

    /// A command that must succeed; its standard output.
    ///
    /// # Panics
    /// When it does not end with 0, with all it printed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).finish().expect_code(0).stdout
    }

    /// A command that must fail; its error.
    ///
    /// # Panics
    /// When it does not end with 2, with all it printed.
    #[track_caller]
    pub fn refused(&self, arguments: &[&str]) -> Refusal {
        Refusal::of(&self.run(arguments).finish().expect_code(2))
    }

    /// The JSON document of a command that must succeed.
    ///
    /// # Panics
    /// When it does not end with 0, or prints something else.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(arguments);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
    }

    /// What `status --json` says of the only instance.
    ///
    /// # Panics
    /// When it prints something else, or about another number of instances.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.run(["status", "--json"]).finish())
    }

    /// Looks again and again until the status is as wanted.
    ///
    /// # Panics
    /// When it never is, with the last one.
    #[track_caller]
    pub fn wait_status(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut last = None;
        let came = crate::proc::wait_for(std::time::Duration::from_secs(45), || {
            let status = last.insert(self.status());
            wanted(status)
        });
        let last = last.expect("it was asked at least once");
        assert!(came, "the status never is as wanted: {:#}", last.instance);
        last
    }
}

/// `status --json` of one instance.
#[derive(Clone, Debug)]
pub struct Status {
    /// The exit code: 0 healthy, 1 warnings, 2 errors, 3 cannot tell.
    pub code: i32,
    /// The element of `instances`.
    pub instance: Value,
}

impl Status {
    /// Reads it from a finished command.
    ///
    /// # Panics
    /// When it is not about exactly one instance.
    #[track_caller]
    #[must_use]
    pub fn of(done: &Finished) -> Self {
        let document: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| {
            panic!("{error}: {:?}\nstdout:\n{}\nstderr:\n{}", done.status, done.stdout, done.stderr)
        });
        let instances = document["instances"].as_array().expect("instances is a list");
        assert_eq!(instances.len(), 1, "{document:#}");
        let code = done.code().expect("no signal ended it");
        Self { code, instance: instances[0].clone() }
    }

    /// `state`.
    #[must_use]
    pub fn state(&self) -> &str {
        self.instance["state"].as_str().unwrap_or("?")
    }

    /// The codes of all messages, in their order.
    #[must_use]
    pub fn codes(&self) -> Vec<&str> {
        let messages = self.instance["messages"].as_array().into_iter().flatten();
        messages.filter_map(|message| message["code"].as_str()).collect()
    }

    /// Whether there is a message of this code.
    #[must_use]
    pub fn has(&self, code: &str) -> bool {
        self.codes().contains(&code)
    }

    /// The first message of this code.
    ///
    /// # Panics
    /// When there is none, with everything there is.
    #[track_caller]
    #[must_use]
    pub fn message(&self, code: &str) -> Spoken {
        let messages = self.instance["messages"].as_array().into_iter().flatten();
        let found = messages.into_iter().find(|message| message["code"] == code);
        let found = found.unwrap_or_else(|| panic!("no message {code}: {:#}", self.instance));
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        Spoken {
            severity: text("severity"),
            subject: text("subject"),
            text: text("text"),
            detail: text("detail"),
            solution: text("solution"),
        }
    }

    /// The destination of this name.
    ///
    /// # Panics
    /// When there is none, with everything there is.
    #[track_caller]
    #[must_use]
    pub fn destination(&self, name: &str) -> &Value {
        let destinations = self.instance["destinations"].as_array().into_iter().flatten();
        let found = destinations.into_iter().find(|one| one["name"] == name);
        found.unwrap_or_else(|| panic!("no destination {name}: {:#}", self.instance))
    }
}

/// A message of an instance.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// `info`, `warning` or `error`.
    pub severity: String,
    /// What it is about.
    pub subject: String,
    /// The fact.
    pub text: String,
    /// What was seen.
    pub detail: String,
    /// What to do.
    pub solution: String,
}

/// An error as a command prints it: fact, `DETAIL:`, `HINT:`.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The fact, without the program's name.
    pub fact: String,
    /// What was seen; may be empty.
    pub detail: String,
    /// What to do.
    pub hint: String,
}

impl Refusal {
    /// Reads it from a finished command.
    ///
    /// # Panics
    /// When its standard error holds no such error.
    #[track_caller]
    #[must_use]
    pub fn of(done: &Finished) -> Self {
        let lines = || done.stderr.lines();
        let line = |label: &str| lines().find_map(|line| line.strip_prefix(label));
        let fact = line("pgdeck: ");
        Self {
            fact: fact.unwrap_or_else(|| panic!("no error in: {}", done.stderr)).to_owned(),
            detail: line("DETAIL: ").unwrap_or_default().to_owned(),
            hint: line("HINT: ")
                .unwrap_or_else(|| panic!("no hint in: {}", done.stderr))
                .to_owned(),
        }
    }
}
