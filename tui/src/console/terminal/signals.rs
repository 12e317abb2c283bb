//! The signals that concern the console, as one stream.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What a signal asks of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: the terminal or the connection is lost. Leave the terminal at once
    /// ([`super::detach`]), finish running jobs, then end.
    Hangup,
    /// SIGTERM, or SIGQUIT from outside: restore the terminal and end.
    Terminate,
    /// SIGINT from outside; Ctrl-C is a key while the screen is open.
    Interrupt,
    /// SIGWINCH: the size may have changed.
    Resize,
    /// SIGCONT: we were stopped and go on.
    Continue,
}

/// The stream of signals. From its installation on, none of them ends the process by itself,
/// and none can be taken back; a process has one.
#[derive(Debug)]
pub struct Signals {
    hangup: Stream,
    terminate: Stream,
    quit: Stream,
    interrupt: Stream,
    resize: Stream,
    resumed: Stream,
}

impl Signals {
    /// Begins to listen. Must be called inside a tokio runtime with its signal driver enabled.
    ///
    /// # Errors
    ///
    /// When a handler cannot be installed.
    pub fn install() -> io::Result<Self> {
        // SIGCONT has no name of its own in tokio.
        let resumed = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            interrupt: signal(SignalKind::interrupt())?,
            resize: signal(SignalKind::window_change())?,
            resumed: signal(resumed)?,
        })
    }

    /// The next signal; the gravest first. May be dropped and called again without losing any.
    /// Several of one kind may arrive as one.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            Some(()) = self.hangup.recv() => Signal::Hangup,
            Some(()) = self.terminate.recv() => Signal::Terminate,
            Some(()) = self.quit.recv() => Signal::Terminate,
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            Some(()) = self.resumed.recv() => Signal::Continue,
            Some(()) = self.resize.recv() => Signal::Resize,
            // Only when the runtime shuts down.
            else => Signal::Terminate,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal as Raw, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn signals_arrive_by_name() {
        let mut signals = Signals::install().unwrap();
        for (raw, expected) in [
            (Raw::HUP, Signal::Hangup),
            (Raw::TERM, Signal::Terminate),
            (Raw::INT, Signal::Interrupt),
            (Raw::WINCH, Signal::Resize),
            (Raw::CONT, Signal::Continue),
        ] {
            kill_process(getpid(), raw).unwrap();
            assert_eq!(signals.next().await, expected);
        }
    }
}
