//! Paused at a target: further, and back to an earlier one.

use pgdeck_tests::pty::keys;

use super::{ASKED, Scene, carry_out, name, open_map, say_yes, seek};
use crate::{answer, press, quit};

/// How a recovery that is paused at a restore point says so.
fn stands_at(point: &str) -> String {
    format!("Target    restore point \"{point}\"")
}

#[test]
fn further_and_then_an_earlier_target() {
    let scene = Scene::with_points();
    let console = scene.open(200, 60);
    open_map(&console);
    seek(&console, "point two");
    press(&console, keys::ENTER, "[3 how]");
    carry_out(&console);
    console.wait_for(&stands_at("point two"));
    assert_eq!(scene.words(), "one three");

    press(&console, "f", "How far is to be replayed? The server is at");
    console.wait_for("reachable: backup");
    seek(&console, "point one");
    press(&console, keys::ENTER, "that is not further");
    seek(&console, "point three");
    press(&console, keys::ENTER, ">No<");
    console.wait_for("[2 confirm]");
    answer(&console, "y", &stands_at("point three"));
    console.wait_for("[7 look]");
    assert_eq!(scene.words(), "one three two");

    // What is earlier has to be restored again: the old data comes back first.
    press(&console, "e", ASKED);
    answer(&console, &format!("{}\r", name(&console)), "[2 where to]");
    console.wait_for("everything there is: the latest position");
    seek(&console, "point one");
    press(&console, keys::ENTER, "[3 how]");
    press(&console, keys::ENTER, "[4 plan]");
    say_yes(&console);
    console.wait_for(&stands_at("point one"));
    assert_eq!(scene.words(), "one");
    quit_paused(&console);
}

fn quit_paused(console: &pgdeck_tests::Console) {
    crate::escape(console, "promote it");
    quit(console);
}
