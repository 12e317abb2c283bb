//! A rehearsal by keys: what it shows, and that the instance is not touched.

use std::fs;

use pgdeck_tests::pty::keys;

use super::{Scene, seek};
use crate::{answer, escape, press, quit};

#[test]
fn a_rehearsal_to_a_restore_point_leaves_its_figures_and_nothing_else() {
    let scene = Scene::with_points();
    let console = scene.open(80, 24);
    press(&console, "R", "What happened?");
    press(&console, "j", "> Nothing: rehearse a recovery");
    console.wait_for("[1 what]");
    press(&console, keys::ENTER, "everything there is: the latest position");
    seek(&console, "point two");
    press(&console, keys::ENTER, ">No<");
    console.wait_for("[3 confirm]");
    answer(&console, "y", "recovery   works");
    console.wait_for("page checksums: ");
    assert_eq!(scene.words(), "one three two", "the instance goes on");
    escape(&console, "page checksums: ");
    console.wait_for("RTO ");
    let beside = scene.repository.instance.data_directory().parent().unwrap();
    let left = fs::read_dir(beside).unwrap().flatten();
    let left: Vec<_> = left
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().contains("rehearsal"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    quit(&console);
}
