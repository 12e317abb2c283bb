//! The data directory is lost, or the console is killed in the middle of a recovery: the next
//! console knows what there is to know, and goes on.

use std::fs;
use std::time::Duration;

use pgdeck_tests::pty::keys;
use pgdeck_tests::{Signal, StopMode, proc};

use super::{ASKED, Scene, name, open_map, say_yes};
use crate::{answer, escape, press, quit};

#[test]
fn the_next_console_remembers_where_the_backups_of_a_lost_directory_are() {
    let scene = Scene::with_a_mistake();
    quit(&scene.open(80, 24));
    let instance = &scene.repository.instance;
    instance.stop(StopMode::Fast);
    fs::remove_dir_all(instance.data_directory()).unwrap();
    let console = scene.console().spawn();
    console.wait_for("DATA DIRECTORY MISSING");
    press(&console, "8", "(seen last ");
    press(&console, "R", "> The disk or the data directory is lost");
    press(&console, keys::ENTER, "pgdeck remembers where it saw");
    let offered = format!("> {}", scene.repository.destination().display());
    console.wait_for(&offered);
    press(&console, keys::ENTER, "everything there is: the latest position");
    press(&console, keys::ENTER, "[3 how]");
    press(&console, keys::ENTER, "[4 plan]");
    say_yes(&console);
    assert_eq!(scene.words(), "after before");
    press(&console, "p", ">No<");
    console.wait_for("[8 promote]");
    answer(&console, "y", "take a backup");
    assert_eq!(scene.ask("select pg_is_in_recovery()::text"), "false");
    escape(&console, "take a backup");
    quit(&console);
}

#[test]
fn a_console_that_is_killed_leaves_a_recovery_that_the_next_one_goes_on_with() {
    let scene = Scene::with_points();
    let instance = &scene.repository.instance;
    let console = scene.open(80, 24);
    instance.stop(StopMode::Fast);
    console.wait_for("STOPPED");
    open_map(&console);
    press(&console, keys::ENTER, "[3 how]");
    press(&console, keys::ENTER, "y asks for the name");
    answer(&console, "y", ASKED);
    answer(&console, keys::ENTER, ASKED);
    console.send(&format!("{}\r", name(&console)));
    let state = instance.data_directory().join("pgdeck_recovery/state.json");
    let is_restoring =
        || fs::read_to_string(&state).is_ok_and(|text| text.contains("\"restoring\""));
    assert!(proc::wait_for(Duration::from_secs(60), is_restoring));
    console.signal(Signal::KILL);
    console.wait_exit();
    assert!(is_restoring(), "it was faster than the signal");

    let console = scene.console().spawn();
    console.wait_for("UNFINISHED: restoring");
    press(&console, "8", "R goes on or undoes");
    press(&console, "R", "run it again");
    console.wait_for("[6 recover]");
    press(&console, "c", ">No<");
    answer(&console, "y", "promote it");
    console.wait_for("[7 look]");
    assert_eq!(scene.words(), "one three two");
    escape(&console, "promote it");
    quit(&console);
}
