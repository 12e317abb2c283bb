//! Recovery by keys on a real server: from a dropped table to the moment before it, a look, the
//! promotion; and back to the data from before.

use std::path::PathBuf;

use pgdeck_tests::pty::keys;
use pgdeck_tests::{Console, Major, Repository};

use crate::{PATIENCE, answer, escape, press, quit, ready};

/// An instance with a backup and a table that was dropped since, all archived.
struct Scene {
    repository: Repository,
    state: PathBuf,
}

impl Scene {
    fn new() -> Self {
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
        sql("insert into story values ('before')");
        sql("drop table precious");
        sql("insert into story values ('after')");
        instance.switch_and_wait_archived();
        let state = instance.make_directory("console-state");
        Self { repository, state }
    }

    fn open(&self) -> Console {
        let builder = Console::pgdeck()
            .arg("-D")
            .arg(self.repository.instance.data_directory())
            .arg("--state-dir")
            .arg(&self.state);
        let console = ready(builder.size(120, 40).timeout(PATIENCE * 3).spawn());
        press(&console, "8", "1 complete");
        console
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

/// From the options to the server that is paused: the plan, the instance stopped, the plan
/// again, the typed yes.
fn carry_out(console: &Console) {
    press(console, keys::ENTER, "The instance runs: s stops it first");
    answer(console, "s", "how?");
    answer(console, keys::ENTER, ">No<");
    answer(console, "y", "y asks for the name");
    answer(console, "y", ASKED);
    answer(console, keys::ENTER, ASKED);
    press(console, &format!("{}\r", name(console)), "promote it");
    console.wait_for("paused at the target");
}

#[test]
fn to_the_moment_before_a_mistake_and_on() {
    let scene = Scene::new();
    let console = scene.open();
    press(&console, "R", "> Somebody did something wrong");
    press(&console, keys::ENTER, " DROP ");
    press(&console, keys::ENTER, "just before the DROP of");
    console.wait_for("reachable: backup");
    press(&console, keys::ENTER, "[3 how]");
    carry_out(&console);
    assert_eq!(scene.ask("select pg_is_in_recovery()::text"), "true");
    assert_eq!(scene.ask("select word from story"), "before");
    // Replay holds the lock of the transaction that it stopped in, as the screen says.
    console.wait_for("locked by the transaction");
    assert_eq!(scene.ask("select to_regclass('precious') is not null"), "t");

    // The decision can wait: every way back leads here.
    escape(&console, "promote it");
    console.wait_for("PAUSED at");
    press(&console, "1", "p promotes, f goes further");
    press(&console, "8", "PAUSED at");
    press(&console, "R", "promote it");
    press(&console, "p", ">No<");
    answer(&console, "y", "take a backup");
    assert_eq!(scene.ask("select pg_is_in_recovery()::text"), "false");
    assert_eq!(scene.ask("select count(*)::text from precious"), "5000");
    scene.ask("insert into story values ('new') returning word");
    assert_eq!(scene.ask("select word from story order by 1"), "before new");
    escape(&console, "take a backup");
    console.wait_for("old data is kept");
    quit(&console);
}

#[test]
fn and_back_to_what_was_there_before() {
    let scene = Scene::new();
    let console = scene.open();
    press(&console, "R", "What happened?");
    console.send("kkk");
    console.wait_for("> The disk or the data directory is lost");
    press(&console, keys::ENTER, "everything there is: the latest position");
    press(&console, "N", "the end of backup");
    press(&console, keys::ENTER, "[3 how]");
    carry_out(&console);
    assert_eq!(scene.ask("select count(*)::text from precious"), "5000");
    assert_eq!(scene.ask("select count(*)::text from story"), "0");
    press(&console, "u", ASKED);
    answer(&console, "wrong\r", "that is not it");
    console.send(&keys::BACKSPACE.repeat(5));
    press(&console, &format!("{}\r", name(&console)), "STOPPED");
    console.wait_for("Esc closes");
    escape(&console, "Esc closes");
    console.wait_gone("PAUSED at");
    scene.repository.instance.start();
    assert_eq!(scene.ask("select word from story order by 1"), "after before");
    assert_eq!(scene.ask("select to_regclass('precious') is null"), "t");
    quit(&console);
}
