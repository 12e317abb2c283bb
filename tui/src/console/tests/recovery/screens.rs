//! How every step looks.

use pgdeck_engine::api::*;

use super::*;
use crate::console::tests::screens::golden;
use crate::console::tests::{LARGE, SMALL};

#[test]
fn every_step_at_two_sizes() {
    for (size, suffix) in [(SMALL, "80x24"), (LARGE, "200x60")] {
        let mut driver = Driver::with(vec![down()], size, false);
        driver.keys("8R");
        golden(&format!("recovery-what-{suffix}"), &driver);
        driver.keys("<Enter>");
        golden(&format!("recovery-map-awaited-{suffix}"), &driver);
        golden(&format!("recovery-map-{suffix}"), &at_map(down(), size, "<Enter>"));
        let mut driver = at_mistakes(down(), size);
        golden(&format!("recovery-mistakes-{suffix}"), &driver);
        driver.keys("<Enter>");
        golden(&format!("recovery-map-mistake-{suffix}"), &driver);
        driver.keys("<Enter>");
        golden(&format!("recovery-how-{suffix}"), &driver);
        let mut driver = at_plan(down(), size);
        golden(&format!("recovery-plan-{suffix}"), &driver);
        driver.keys("y");
        golden(&format!("recovery-confirm-{suffix}"), &driver);
        let mut driver = Driver::with(vec![with_recovery(RecoveryPhase::Paused)], size, false);
        golden(&format!("recovery-paused-overview-{suffix}"), &driver);
        driver.keys("8");
        golden(&format!("recovery-paused-backups-{suffix}"), &driver);
        driver.keys("R");
        golden(&format!("recovery-paused-{suffix}"), &driver);
        let mut driver = Driver::with(vec![with_recovery(RecoveryPhase::Promoted)], size, false);
        driver.keys("8R");
        golden(&format!("recovery-promoted-{suffix}"), &driver);
        let mut driver = Driver::with(vec![sample::busy("main")], size, false);
        driver.keys("8T");
        golden(&format!("recovery-rehearse-{suffix}"), &driver);
    }
}

#[test]
fn the_map_in_utf8() {
    for (size, suffix) in [(SMALL, "80x24"), (LARGE, "200x60")] {
        let driver = at_map(down(), size, "<Enter>");
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_path("golden");
        settings.set_omit_expression(true);
        settings
            .bind(|| insta::assert_snapshot!(format!("recovery-map-utf8-{suffix}"), driver.utf8()));
    }
}

#[test]
fn every_step_at_every_size() {
    for columns in [60, 61, 80, 141, 250] {
        for rows in [20, 24, 50] {
            let mut driver = at_plan(down(), (columns, rows));
            driver.screen();
            for keys in ["y", "<Esc>", "<Esc>", "<Esc>", "?", "<Esc>", "m", "<Esc>", "<Esc>"] {
                driver.keys(keys);
                driver.screen();
            }
            let mut driver =
                Driver::with(vec![with_recovery(RecoveryPhase::Paused)], (columns, rows), false);
            driver.keys("8R");
            driver.screen();
        }
    }
}
