//! What the monitor remembers through the journal. Without a journal everything else goes on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::api::{Error, Forecast, Message, PreparedTransaction, Result};
use crate::jobs::journal::{
    self, JournalHandle, MountRecord, SeenDestination, SeenPrepared, UsageSample,
};
use crate::storage::forecast;
use crate::sys::clock;
use crate::sys::credentials::Credentials;

/// A journal that could not be opened is tried again after this: what hindered may be over soon.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Open messages are written when they change, and this often so that `last_seen_ms` is right.
const MESSAGES_AT_LEAST: Duration = Duration::from_secs(300);
/// A backup destination is written when it is another one, and this often.
const DESTINATION_AT_LEAST: Duration = Duration::from_secs(600);
const PRUNE_EVERY: Duration = Duration::from_secs(6 * 3_600);
/// Samples looked at for a forecast.
const FORECAST_DAYS: i64 = 7;

/// The journal of one instance, opened when it is first known whose it is.
#[derive(Debug)]
pub struct Memory {
    state_directory: Option<PathBuf>,
    subject: String,
    handle: Option<JournalHandle>,
    error: Option<Error>,
    tried_at: Option<Instant>,
    pruned_at: Option<Instant>,
    messages_written: Option<(Instant, Vec<MessageKey>)>,
    destination_written: Option<(Instant, PathBuf)>,
}

type MessageKey = (crate::api::MessageCode, String, String);

impl Memory {
    /// A memory for `subject` (see [`journal::directory_of`]), not opened yet.
    #[must_use]
    pub fn new(state_directory: Option<PathBuf>, subject: String) -> Self {
        Self {
            state_directory,
            subject,
            handle: None,
            error: None,
            tried_at: None,
            pruned_at: None,
            messages_written: None,
            destination_written: None,
        }
    }

    /// Opens the journal if it is not open, and prunes it now and then.
    pub async fn tend(&mut self, owner: &Credentials) {
        let due = self.tried_at.is_none_or(|at| at.elapsed() >= RETRY_AFTER);
        if self.handle.is_none() && due {
            self.tried_at = Some(Instant::now());
            let path = self.path(owner);
            match JournalHandle::open(path, owner.clone()).await {
                Ok(handle) => {
                    self.handle = Some(handle);
                    self.error = None;
                }
                Err(error) => self.error = Some(error),
            }
        }
        if self.pruned_at.is_none_or(|at| at.elapsed() >= PRUNE_EVERY) {
            self.pruned_at = Some(Instant::now());
            if let Some(handle) = &self.handle {
                let pruned = handle.prune().await;
                self.note(pruned);
            }
        }
    }

    /// The directory of this instance's journal and lock.
    #[must_use]
    pub fn directory(&self, owner: &Credentials) -> PathBuf {
        let root =
            self.state_directory.clone().unwrap_or_else(|| journal::state_directory_of(owner));
        journal::directory_of(&root, &self.subject)
    }

    fn path(&self, owner: &Credentials) -> PathBuf {
        self.directory(owner).join("journal.sqlite")
    }

    /// The journal, when it is open.
    #[must_use]
    pub fn handle(&self) -> Option<&JournalHandle> {
        self.handle.as_ref()
    }

    /// Why nothing is remembered.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    fn note<T>(&mut self, outcome: Result<T>) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.error = None;
                Some(value)
            }
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }

    /// Writes the open messages when they have changed, and fills in since when each holds.
    pub async fn sync_messages(&mut self, messages: &mut [Message]) {
        let keys: Vec<MessageKey> = messages
            .iter()
            .map(|message| {
                (message.code, message.subject.clone(), message.severity.word().to_owned())
            })
            .collect();
        let is_current = self
            .messages_written
            .as_ref()
            .is_some_and(|(at, written)| *written == keys && at.elapsed() < MESSAGES_AT_LEAST);
        let Some(handle) = self.handle.clone().filter(|_| !is_current) else { return };
        let synced = handle.sync_messages(messages.to_vec()).await;
        if let Some(known) = self.note(synced) {
            self.messages_written = Some((Instant::now(), keys));
            for message in messages.iter_mut() {
                let found = known.iter().find(|known| {
                    known.code == message.code.as_str() && known.subject == message.subject
                });
                message.since = found.map(|known| known.since).or(message.since);
            }
        }
    }

    /// Counts a check for each prepared transaction.
    pub async fn count_checks(&mut self, prepared: &mut [PreparedTransaction]) {
        let Some(handle) = self.handle.clone().filter(|_| !prepared.is_empty()) else { return };
        let seen: Vec<SeenPrepared> = prepared
            .iter()
            .map(|one| SeenPrepared {
                database: one.database.clone(),
                gid: one.gid.clone(),
                prepared_at: one.prepared_at,
            })
            .collect();
        let counted = handle.see_prepared(seen).await;
        for (one, checks) in prepared.iter_mut().zip(self.note(counted).unwrap_or_default()) {
            one.seen_checks = checks;
        }
    }

    /// Adds a usage sample (at most one a minute is kept).
    pub async fn add_usage(&mut self, path: &str, sample: UsageSample) {
        let Some(handle) = self.handle.clone() else { return };
        let added = handle.add_usage(path.to_owned(), sample).await;
        self.note(added);
    }

    /// The forecast of a destination from its samples.
    pub async fn forecast(&mut self, path: &str) -> Forecast {
        let Some(handle) = self.handle.clone() else { return Forecast::Unknown };
        let since = clock::now() - chrono::Duration::days(FORECAST_DAYS);
        let samples = handle.usage_since(path.to_owned(), since).await;
        self.note(samples).map_or(Forecast::Unknown, |samples| forecast::from_samples(&samples))
    }

    /// Where a destination was last seen mounted.
    pub async fn known_mount(&mut self, path: &str) -> Option<MountRecord> {
        let handle = self.handle.clone()?;
        let known = handle.known_mount(path.to_owned()).await;
        self.note(known).flatten()
    }

    /// Remembers where a healthy destination is mounted.
    pub async fn remember_mount(&mut self, path: &str, mount: MountRecord) {
        let Some(handle) = self.handle.clone() else { return };
        let remembered = handle.remember_mount(path.to_owned(), mount).await;
        self.note(remembered);
    }

    /// Remembers where the backups are. A name that is no UTF-8 is not kept.
    pub async fn see_destination(&mut self, path: &Path) {
        let is_current = self
            .destination_written
            .as_ref()
            .is_some_and(|(at, known)| known == path && at.elapsed() < DESTINATION_AT_LEAST);
        let (Some(handle), Some(text), false) = (self.handle.clone(), path.to_str(), is_current)
        else {
            return;
        };
        let written = handle.see_destination(text.to_owned(), clock::now()).await;
        if self.note(written).is_some() {
            self.destination_written = Some((Instant::now(), path.to_path_buf()));
        }
    }

    /// Where the backups were seen last.
    pub async fn last_destination(&mut self) -> Option<SeenDestination> {
        let handle = self.handle.clone()?;
        let known = handle.last_destination().await;
        self.note(known).flatten()
    }
}

/// Gives each message the beginning it had a look ago, or now.
pub fn keep_beginnings(messages: &mut [Message], earlier: &[Message]) {
    let same =
        |one: &Message, other: &Message| one.code == other.code && one.subject == other.subject;
    for message in messages.iter_mut() {
        let known = earlier.iter().find(|old| same(old, message));
        message.since = known.and_then(|old| old.since).or_else(|| Some(clock::now()));
    }
}
