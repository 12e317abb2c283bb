//! The whole program in a real pseudo-terminal, driven by keys, on real servers.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

mod actions;
mod backups;
mod recovery;
mod states;
mod survival;
mod terminals;

use std::path::PathBuf;
use std::time::Duration;

use pgdeck_tests::pty::{ConsoleBuilder, keys};
use pgdeck_tests::{Console, Major, TestInstance};

/// A console that shows something starts slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than a dangerous dialog is deaf for.
const UNHEARD: Duration = Duration::from_millis(200);

/// An instance and where consoles on it keep their journal.
struct Stage {
    instance: TestInstance,
    state: PathBuf,
}

impl Stage {
    fn new() -> Self {
        Self::of(TestInstance::start_plain(Major::V15))
    }

    fn of(instance: TestInstance) -> Self {
        let state = instance.make_directory("state");
        Self { instance, state }
    }

    /// A console on this instance alone.
    fn console(&self) -> ConsoleBuilder {
        Console::pgdeck().args(self.arguments()).timeout(PATIENCE)
    }

    fn arguments(&self) -> [String; 4] {
        [
            "-D".to_owned(),
            self.instance.data_directory().display().to_string(),
            "--state-dir".to_owned(),
            self.state.display().to_string(),
        ]
    }

    /// Opens one and waits until it shows the server's figures.
    fn open(&self) -> Console {
        ready(self.console().spawn())
    }
}

/// Waits until a console shows a connected instance.
fn ready(console: Console) -> Console {
    console.wait_for("STARTED");
    console.wait_for("timeline 1");
    console
}

/// Types a key and waits for what it leads to.
fn press(console: &Console, key: &str, text: &str) {
    console.send(key);
    console.wait_for(text);
}

/// Answers a dialog that asks before something dangerous: keys that arrive within a moment of
/// its opening do not count.
fn answer(console: &Console, answer: &str, text: &str) {
    std::thread::sleep(UNHEARD);
    press(console, answer, text);
}

fn quit(console: &Console) {
    console.send("q");
    assert_eq!(console.wait_exit().code(), Some(0));
}

/// Presses Esc. Alone, so that it is not taken for the beginning of another key.
fn escape(console: &Console, gone: &str) {
    std::thread::sleep(UNHEARD);
    console.send(keys::ESC);
    console.wait_gone(gone);
}
