//! A plan of a build in which operations fail on demand.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::power::Ledger;
use super::{Change, Fault, Loss, Operation, Path, Spell, io};

/// Which operation is to fail, counted over all clones.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    armed: Option<Arc<Armed>>,
}

#[derive(Debug)]
struct Armed {
    number: u64,
    fault: Fault,
    spell: Spell,
    done: AtomicU64,
    syncs: AtomicU64,
    has_struck: AtomicBool,
    /// For a power cut: what is not durable.
    ledger: Option<Mutex<Ledger>>,
}

impl Plan {
    /// Operation `number`, from 1, fails.
    #[must_use]
    pub fn new(number: u64, fault: Fault, spell: Spell) -> Self {
        let (done, syncs) = (AtomicU64::new(0), AtomicU64::new(0));
        let has_struck = AtomicBool::new(false);
        let ledger = matches!(fault, Fault::Power(_)).then(|| Mutex::new(Ledger::new()));
        let armed = Armed { number, fault, spell, done, syncs, has_struck, ledger };
        Self { armed: Some(Arc::new(armed)) }
    }

    /// What `PGDECK_FAULT` asks for.
    #[must_use]
    pub fn from_environment() -> Self {
        std::env::var("PGDECK_FAULT").ok().and_then(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let number = parts.next()?.parse().ok()?;
        let (kind, rest) = (parts.next()?, parts.next());
        let fault = match kind {
            "eio" => Fault::Eio,
            "enospc" => Fault::Enospc,
            "short" => Fault::ShortWrite,
            "sync" => Fault::Sync,
            "kill" => Fault::Kill,
            "power" => Fault::Power(match rest {
                Some(seed) => Loss::Part(seed.parse().ok()?),
                None => Loss::Everything,
            }),
            _ => return None,
        };
        let spell = if rest == Some("on") { Spell::FromThenOn } else { Spell::Once };
        Some(Self::new(number, fault, spell))
    }

    /// Whether the operation was reached.
    #[must_use]
    pub fn has_struck(&self) -> bool {
        self.armed.as_ref().is_some_and(|armed| armed.has_struck.load(Ordering::Acquire))
    }

    /// Operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.armed.as_ref().map_or(0, |armed| armed.done.load(Ordering::Acquire))
    }

    /// Operations so far that make something durable.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.armed.as_ref().map_or(0, |armed| armed.syncs.load(Ordering::Acquire))
    }

    /// Called before each operation.
    ///
    /// # Errors
    /// The planned one.
    pub fn step(&self, operation: Operation, _path: &Path) -> io::Result<()> {
        match self.due(operation) {
            Some(fault) => self.strike(fault),
            None => Ok(()),
        }
    }

    /// Called before a write: how many of the bytes it may take.
    ///
    /// # Errors
    /// The planned one.
    pub fn write_step(&self, bytes: usize) -> io::Result<usize> {
        match self.due(Operation::Write) {
            Some(Fault::ShortWrite) => Ok(bytes.div_ceil(2)),
            Some(fault) => self.strike(fault).map(|()| bytes),
            None => Ok(bytes),
        }
    }

    /// Makes a change, and writes down how it is undone when a power cut is planned.
    ///
    /// # Errors
    /// Those of the change; what the look before it gives.
    pub fn change<T>(
        &self,
        change: Change<'_>,
        perform: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        match self.ledger() {
            // Held while it is made: the cut takes whole changes.
            Some(mut ledger) => ledger.record(change, perform),
            None => perform(),
        }
    }

    /// Takes what a power cut would take now. Without a planned one nothing.
    ///
    /// # Errors
    /// What undoing gives: then what is left is no state that a power cut leaves.
    pub fn lose(&self) -> io::Result<()> {
        match (self.armed.as_deref(), self.ledger()) {
            (Some(Armed { fault: Fault::Power(loss), .. }), Some(mut ledger)) => ledger.lose(*loss),
            _ => Ok(()),
        }
    }

    fn ledger(&self) -> Option<MutexGuard<'_, Ledger>> {
        let ledger = self.armed.as_deref()?.ledger.as_ref()?;
        Some(ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn due(&self, operation: Operation) -> Option<Fault> {
        let armed = self.armed.as_ref()?;
        let done = armed.done.fetch_add(1, Ordering::AcqRel) + 1;
        let is_sync = matches!(operation, Operation::Sync | Operation::SyncDirectory);
        let makes_durable = is_sync || operation == Operation::SyncFileSystem;
        let one = u64::from(makes_durable);
        let syncs = armed.syncs.fetch_add(one, Ordering::AcqRel) + one;
        let number = match armed.fault {
            Fault::Power(_) if !makes_durable => return None,
            Fault::Power(_) => syncs,
            _ => done,
        };
        if number < armed.number {
            return None;
        }
        let is_due = match (armed.fault, armed.spell) {
            (Fault::Sync, Spell::Once) => is_sync && !armed.has_struck.load(Ordering::Acquire),
            (Fault::Sync, Spell::FromThenOn) => is_sync,
            (_, Spell::Once) => number == armed.number,
            (_, Spell::FromThenOn) => true,
        };
        if is_due {
            armed.has_struck.store(true, Ordering::Release);
        }
        is_due.then_some(armed.fault)
    }

    fn strike(&self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Eio | Fault::Sync => Err(rustix::io::Errno::IO.into()),
            Fault::Enospc => Err(rustix::io::Errno::NOSPC.into()),
            Fault::ShortWrite => Ok(()),
            Fault::Kill => end(),
            Fault::Power(loss) => {
                // Held to the end: nobody may make another change.
                let mut ledger = self.ledger();
                ledger.as_deref_mut().map_or(Ok(()), |ledger| ledger.cut(loss))?;
                match self.armed.as_ref().map(|armed| armed.spell) {
                    Some(Spell::FromThenOn) => Err(rustix::io::Errno::IO.into()),
                    _ => end(),
                }
            }
        }
    }
}

fn end() -> io::Result<()> {
    let own = rustix::process::getpid();
    rustix::process::kill_process(own, rustix::process::Signal::KILL)?;
    // The signal is on its way; nothing more may be done.
    loop {
        std::thread::park();
    }
}
