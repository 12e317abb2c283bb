//! Panics: the terminal first, then the report.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use color_eyre::config::{HookBuilder, Theme};

use super::glyph::ascii_text;
use super::policy::Charset;
use super::screen;
use crate::text::clean_block;

/// Reports of panics in other threads that are kept until the screen is left.
const BACKGROUND_REPORTS_MAX: usize = 8;

static BACKGROUND_REPORTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Installs color-eyre's report and our way of giving it out.
///
/// A panic of the drawing thread gives the terminal back and then prints. A panic of any other
/// thread (a probe, a copy) must not write over the screen: its report is kept, see
/// [`background_reports`], and printed when the screen is left.
///
/// # Errors
///
/// When a hook for error reports was installed before.
pub fn install_hooks(charset: Charset) -> color_eyre::Result<()> {
    // Without colours: the report is made to be copied into an issue.
    let (panic_hook, eyre_hook) = HookBuilder::default().theme(Theme::new()).try_into_hooks()?;
    eyre_hook.install()?;
    std::panic::set_hook(Box::new(move |info| {
        let report = panic_hook.panic_report(info).to_string();
        if screen::is_open() && !screen::is_drawing_thread() {
            keep(report);
        } else {
            screen::give_back();
            tell(&report, charset);
        }
    }));
    CHARSET.set(charset).ok();
    Ok(())
}

static CHARSET: std::sync::OnceLock<Charset> = std::sync::OnceLock::new();

/// The reports of panics in other threads so far, for the console to show.
#[must_use]
pub fn background_reports() -> Vec<String> {
    BACKGROUND_REPORTS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Prints and forgets them; for when the screen is left.
pub(super) fn tell_background_reports() {
    let reports =
        std::mem::take(&mut *BACKGROUND_REPORTS.lock().unwrap_or_else(PoisonError::into_inner));
    let charset = CHARSET.get().copied().unwrap_or(Charset::Ascii);
    for report in reports {
        tell(&report, charset);
    }
}

fn keep(report: String) {
    let mut reports = BACKGROUND_REPORTS.lock().unwrap_or_else(PoisonError::into_inner);
    if reports.len() < BACKGROUND_REPORTS_MAX {
        reports.push(report);
    }
}

/// To standard error; a terminal that is gone is no reason for another panic.
fn tell(report: &str, charset: Charset) {
    let report = match charset {
        Charset::Ascii => ascii_text(report),
        Charset::Utf8 => clean_block(report).into_owned(),
    };
    let _gone = writeln!(std::io::stderr(), "{report}");
}
