//! From a dropped table to the moment before it, a look, the promotion; and back to the data from
//! before.

use pgdeck_tests::pty::keys;

use super::{ASKED, Scene, carry_out, name, open_map};
use crate::{answer, escape, press, quit};

#[test]
fn to_the_moment_before_a_mistake_and_on() {
    let scene = Scene::with_a_mistake();
    let console = scene.open(120, 40);
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
    assert_eq!(scene.words(), "before new");
    escape(&console, "take a backup");
    console.wait_for("old data is kept");
    quit(&console);
}

#[test]
fn and_back_to_what_was_there_before() {
    let scene = Scene::with_a_mistake();
    let console = scene.open(120, 40);
    open_map(&console);
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
    assert_eq!(scene.words(), "after before");
    assert_eq!(scene.ask("select to_regclass('precious') is null"), "t");
    quit(&console);
}
