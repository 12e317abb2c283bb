//! Recovery by keys on a real server.

mod lost;
mod paused;
mod rehearsal;
mod whole;

use std::path::PathBuf;

use pgdeck_tests::pty::{ConsoleBuilder, keys};
use pgdeck_tests::{Console, Major, Repository};

use crate::{PATIENCE, answer, press, ready};

/// An instance with a backup and what was done since, all archived.
struct Scene {
    repository: Repository,
    state: PathBuf,
}

impl Scene {
    /// With these statements behind the backup, each a transaction of its own.
    fn after(statements: &[&str]) -> Self {
        let repository = Repository::start(Major::V15);
        let instance = &repository.instance;
        // The console knocks while the server starts.
        instance.allow_log("the database system is starting up");
        instance.allow_log("the database system is not yet accepting connections");
        instance.allow_log("the database system is shutting down");
        let sql = |text: &str| instance.sql("postgres", text);
        sql("create table story (word text)");
        sql("create table precious as select g from generate_series(1, 5000) g");
        repository.backup(&[]);
        statements.iter().for_each(|text| sql(text));
        instance.switch_and_wait_archived();
        let state = instance.make_directory("console-state");
        Self { repository, state }
    }

    /// A table was dropped between two words.
    fn with_a_mistake() -> Self {
        Self::after(&[
            "insert into story values ('before')",
            "drop table precious",
            "insert into story values ('after')",
        ])
    }

    /// Three words, each with a restore point behind it: `point one` and so on.
    fn with_points() -> Self {
        Self::after(&[
            "insert into story values ('one')",
            "select pg_create_restore_point('point one')",
            "insert into story values ('three')",
            "select pg_create_restore_point('point two')",
            "insert into story values ('two')",
            "select pg_create_restore_point('point three')",
        ])
    }

    /// A console on this instance alone, of 80x24.
    fn console(&self) -> ConsoleBuilder {
        Console::pgdeck()
            .arg("-D")
            .arg(self.repository.instance.data_directory())
            .arg("--state-dir")
            .arg(&self.state)
            .arg("--bin-dir")
            .arg(self.repository.instance.bin_directory())
            .timeout(PATIENCE * 3)
    }

    /// Opens one at the backups.
    fn open(&self, columns: u16, rows: u16) -> Console {
        let console = ready(self.console().size(columns, rows).spawn());
        press(&console, "8", "1 complete");
        console
    }

    /// The words of the story in the order of the alphabet.
    fn words(&self) -> String {
        self.ask("select word from story order by 1")
    }

    fn ask(&self, query: &str) -> String {
        self.repository.instance.query_texts("postgres", query).join(" ")
    }
}

const ASKED: &str = "Type the instance's name: ";

/// The name that has to be typed, as the screen shows it.
fn name(console: &Console) -> String {
    console.wait_for(ASKED);
    let rows = console.rows();
    let asked = rows.iter().find_map(|row| row.split_once(ASKED)).expect("a name is asked for");
    asked.1.split_whitespace().next().expect("it is shown").to_owned()
}

/// To the map by way of a lost disk.
fn open_map(console: &Console) {
    press(console, "R", "What happened?");
    console.send("kkk");
    console.wait_for("> The disk or the data directory is lost");
    press(console, keys::ENTER, "everything there is: the latest position");
}

/// On the map: the cursor to a restore point.
fn seek(console: &Console, point: &str) {
    press(console, "t", "Time, position or restore point:");
    press(console, &format!("{point}\r"), &format!("Target  restore point \"{point}\""));
}

/// From the options to the server that is paused: the plan, the instance stopped, the plan
/// again, the typed yes.
fn carry_out(console: &Console) {
    press(console, keys::ENTER, "The instance runs: s stops it first");
    console.wait_for("[4 plan]");
    answer(console, "s", "how?");
    answer(console, keys::ENTER, ">No<");
    answer(console, "y", "y asks for the name");
    say_yes(console);
}

/// From the plan of an instance that is stopped to the server that is paused.
fn say_yes(console: &Console) {
    console.wait_for("y asks for the name");
    answer(console, "y", ASKED);
    console.wait_for("[5 confirm]");
    answer(console, keys::ENTER, ASKED);
    press(console, &format!("{}\r", name(console)), "promote it");
    console.wait_for("paused at the target");
    console.wait_for("[7 look]");
}
