//! Following an instance's log: the file itself on this machine, through SQL elsewhere.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::link::Link;
use crate::api::{
    Error, ErrorCode, LogEntry, LogSeverity, LogSource, LogTail, Result, TransactionId,
};
use crate::instance::target::LocalTarget;
use crate::logs::observe::zone;
use crate::logs::source::refused_by_server;
use crate::logs::{
    FetchedBytes, FileBytes, Follower, LogBytes, LogSettings, Observed, ParserSettings, Prefix,
    locate, observe, triage,
};
use crate::messages::LogErrors;
use crate::pg::query::{column, optional_text, sql, text};
use crate::sys::clock;

const LOCATE_EVERY: Duration = Duration::from_secs(10);
const POLL_LIMIT: Duration = Duration::from_secs(3);
/// A remote log is asked for this often while nobody looks at it.
const REMOTE_EVERY: Duration = Duration::from_secs(10);
/// Errors older than this are no news.
const NEWS_MINUTES: i64 = 10;
/// A busy log is caught up with in this many reads a look.
const READS_MAX: usize = 8;

/// The follower and what it needs to find its file again.
#[derive(Debug, Default)]
pub struct LogWatch {
    local: Option<Box<Follower<FileBytes>>>,
    remote: Option<Box<Follower<FetchedBytes>>>,
    settings: Option<LogSettings>,
    also_syslog: bool,
    syslog: Option<LogTail>,
    located_at: Option<Instant>,
    polled_at: Option<Instant>,
    last_known: Option<LogSource>,
    /// Why the log of a server elsewhere could not be read when it was last asked for.
    refused: Option<Error>,
    /// Whether the role may read the log of a server elsewhere.
    may_read: bool,
}

impl LogWatch {
    /// Looks for the file anew at the next look, as after a restart.
    pub fn look_again(&mut self) {
        self.located_at = None;
        self.settings = None;
    }

    fn is_due(at: Option<Instant>, every: Duration) -> bool {
        at.is_none_or(|at| at.elapsed() >= every)
    }

    /// Looks at the log of a local instance. `None`: nothing new.
    ///
    /// # Errors
    /// `LogNotFound`, `LogUnreadable`.
    pub async fn look_local(
        &mut self,
        target: &LocalTarget,
        link: Option<&Link>,
        postmaster: Option<i32>,
    ) -> Result<Option<LogTail>> {
        if Self::is_due(self.located_at, LOCATE_EVERY) {
            self.locate_local(target, link, postmaster).await?;
            self.located_at = Some(Instant::now());
        }
        if let Some(tail) = self.syslog.clone() {
            return Ok(Some(tail));
        }
        let Some(mut follower) = self.local.take() else { return Ok(None) };
        let work = move || {
            let outcome = poll_all(&mut follower);
            (follower, outcome)
        };
        let polled = tokio::time::timeout(POLL_LIMIT, tokio::task::spawn_blocking(work)).await;
        let (follower, outcome) = match polled {
            Ok(Ok(done)) => done,
            _ => {
                self.located_at = None;
                return Err(Error::new(ErrorCode::LogUnreadable, "the log file does not answer")
                    .detail("reading it took too long")
                    .hint("Check the disk the log is on."));
            }
        };
        let follower = self.local.insert(follower);
        if outcome.is_err() {
            self.located_at = None;
        }
        Ok((outcome? > 0).then(|| follower.tail(self.also_syslog)))
    }

    async fn locate_local(
        &mut self,
        target: &LocalTarget,
        link: Option<&Link>,
        postmaster: Option<i32>,
    ) -> Result<()> {
        let settings = match link {
            Some(link) => server_settings(link, &target.data_directory).await?,
            None => file_settings(target.clone()).await?,
        };
        let last_known = self.last_known.clone();
        let wanted = settings.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let observed = Observed { last_known, ..observe(&wanted, postmaster) };
            let lines = parser_settings(&wanted);
            (locate(&wanted, &observed), lines)
        });
        let (located, lines) = looked.await.map_err(|error| {
            Error::new(ErrorCode::LogNotFound, "the log cannot be looked for")
                .detail(error.to_string())
        })?;
        let located = located?;
        self.settings = Some(settings);
        self.also_syslog = located.also_syslog;
        self.syslog = None;
        match &located.source {
            LogSource::File { .. } => {
                self.last_known = Some(located.source.clone());
                match &mut self.local {
                    Some(follower) => {
                        follower.set_source(located.source, open_file);
                        follower.set_settings(lines);
                    }
                    None => {
                        let bytes = open_file(&located.source);
                        self.local = Some(Box::new(Follower::new(located.source, bytes, lines)));
                    }
                }
            }
            LogSource::Syslog { .. } | LogSource::Server { .. } => {
                self.local = None;
                self.syslog = Some(LogTail {
                    source: located.source,
                    also_syslog: located.also_syslog,
                    entries: Vec::new(),
                });
            }
        }
        Ok(())
    }

    /// Looks at the log of a server elsewhere. `None`: nothing new.
    ///
    /// # Errors
    /// `LogNotFound`, `LogUnreadable`, and what the connection gives.
    pub async fn look_remote(&mut self, link: &Link, is_watched: bool) -> Result<Option<LogTail>> {
        let every = if is_watched { Duration::ZERO } else { REMOTE_EVERY };
        if !Self::is_due(self.polled_at, every) {
            // What stood in the way is taken to stand there still.
            return self.refused.clone().map_or(Ok(None), Err);
        }
        self.polled_at = Some(Instant::now());
        let outcome = self.poll_remote(link).await;
        self.refused = outcome.as_ref().err().cloned();
        outcome
    }

    async fn poll_remote(&mut self, link: &Link) -> Result<Option<LogTail>> {
        if Self::is_due(self.located_at, LOCATE_EVERY) {
            self.locate_remote(link).await?;
            self.located_at = Some(Instant::now());
        }
        if let Some(tail) = self.syslog.clone() {
            return Ok(Some(tail));
        }
        let Some(follower) = &mut self.remote else { return Ok(None) };
        if !self.may_read {
            let said = "the role has no EXECUTE privilege on the functions that read files";
            return Err(refused_by_server(follower.bytes_mut().path(), said));
        }
        let mut added = 0;
        let is_first = follower.sequence() == 0;
        for _ in 0..READS_MAX {
            let path = follower.bytes_mut().path().to_owned();
            let refused = |error: Error| refused_by_server(&path, error.fact + " " + &error.detail);
            let stat = link.rows(&sql::STAT_SERVER_FILE, &[&path]).await.map_err(&refused)?;
            let size: i64 = match stat.first() {
                Some(row) => column::<Option<i64>>(row, "size")?.unwrap_or(0),
                None => 0,
            };
            follower.bytes_mut().set_size(Ok(u64::try_from(size).unwrap_or(0)));
            if let Some(range) = follower.wants()? {
                let offset = i64::try_from(range.offset).unwrap_or(i64::MAX);
                let length = i64::try_from(range.length).unwrap_or(0);
                let row = link
                    .row(&sql::READ_SERVER_FILE, &[&path, &offset, &length])
                    .await
                    .map_err(&refused)?;
                let bytes: Option<Vec<u8>> = column(&row, "bytes")?;
                follower.bytes_mut().fill(range.offset, bytes.unwrap_or_default());
            }
            let polled = follower.poll()?;
            added += polled.added;
            if polled.behind_bytes == 0 {
                break;
            }
        }
        if is_first {
            added += give_out(follower)?;
        }
        Ok((added > 0).then(|| follower.tail(self.also_syslog)))
    }

    async fn locate_remote(&mut self, link: &Link) -> Result<()> {
        let settings = server_settings(link, &PathBuf::new()).await?;
        let mut observed = Observed {
            is_remote: true,
            last_known: self.last_known.clone(),
            ..Observed::default()
        };
        let row = link.row(&sql::LOG_PRIVILEGES, &[]).await?;
        let may_locate: bool = column(&row, "may_locate")?;
        self.may_read = column(&row, "may_read")?;
        let formats = crate::logs::locate::formats(link.connected().server.version);
        for format in formats.iter().filter(|_| may_locate) {
            let row = link.row(&sql::CURRENT_LOGFILE, &[&format.word()]).await?;
            if let Some(path) = optional_text(&row, "path")? {
                observed.reported.push((*format, path));
            }
        }
        let located = locate(&settings, &observed)?;
        self.also_syslog = located.also_syslog;
        self.syslog = None;
        let lines = parser_settings(&settings);
        self.settings = Some(settings);
        if !matches!(located.source, LogSource::Server { .. }) {
            self.remote = None;
            self.syslog = Some(LogTail {
                source: located.source,
                also_syslog: located.also_syslog,
                entries: Vec::new(),
            });
            return Ok(());
        }
        self.last_known = Some(located.source.clone());
        match &mut self.remote {
            Some(follower) => {
                follower.set_source(located.source, open_fetched);
                follower.set_settings(lines);
            }
            None => {
                let bytes = open_fetched(&located.source);
                self.remote = Some(Box::new(Follower::new(located.source, bytes, lines)));
            }
        }
        Ok(())
    }

    fn entries(&self) -> Vec<&std::sync::Arc<LogEntry>> {
        match (&self.local, &self.remote) {
            (Some(follower), _) => follower.entries().iter().collect(),
            (None, Some(follower)) => follower.entries().iter().collect(),
            (None, None) => Vec::new(),
        }
    }

    /// Errors within the last ten minutes that are not known to be harmless.
    #[must_use]
    pub fn errors(&self) -> LogErrors {
        let since = clock::now() - chrono::Duration::minutes(NEWS_MINUTES);
        let mut found = LogErrors::default();
        let news = self.entries().into_iter().rev();
        for entry in news.take_while(|entry| entry.at.is_none_or(|at| at >= since)) {
            if entry.benign.is_some() || entry.at.is_none() {
                continue;
            }
            match entry.severity {
                Some(LogSeverity::Error) => found.errors += 1,
                Some(LogSeverity::Fatal) => found.fatals += 1,
                Some(LogSeverity::Panic) => found.panics += 1,
                _ => {}
            }
        }
        found
    }

    /// The server's lines about prepared transactions from its last start, if that followed a
    /// crash (or is not known not to have).
    #[must_use]
    pub fn restart_lines(&self) -> Vec<(TransactionId, String)> {
        let start = triage::last_start(self.entries());
        if start.after_crash == Some(false) {
            return Vec::new();
        }
        let line = |recovered: &triage::RecoveredTransaction| {
            let at =
                recovered.entry.at.map(|at| format!("{} ", at.format("%Y-%m-%d %H:%M:%S UTC")));
            let text = format!("{}LOG: {}", at.unwrap_or_default(), recovered.entry.message);
            (recovered.transaction, text)
        };
        start.recovered.iter().map(line).collect()
    }
}

/// A poll keeps the newest entries back until the next one, for lines that may still belong to
/// them. What stood in the log before the first look is complete, and a command that looks once
/// has no next one.
fn give_out<B: LogBytes>(follower: &mut Follower<B>) -> Result<usize> {
    follower.poll().map(|polled| polled.added)
}

fn poll_all(follower: &mut Follower<FileBytes>) -> Result<usize> {
    let mut added = 0;
    let is_first = follower.sequence() == 0;
    for _ in 0..READS_MAX {
        let polled = follower.poll()?;
        added += polled.added;
        if polled.behind_bytes == 0 {
            break;
        }
    }
    if is_first {
        added += give_out(follower)?;
    }
    Ok(added)
}

fn open_file(source: &LogSource) -> FileBytes {
    match source {
        LogSource::File { path, .. } => FileBytes::new(path),
        LogSource::Server { .. } | LogSource::Syslog { .. } => FileBytes::new("/dev/null"),
    }
}

fn open_fetched(source: &LogSource) -> FetchedBytes {
    match source {
        LogSource::Server { path, .. } => FetchedBytes::new(path.clone()),
        LogSource::File { .. } | LogSource::Syslog { .. } => FetchedBytes::new(""),
    }
}

fn parser_settings(settings: &LogSettings) -> ParserSettings {
    ParserSettings {
        prefix: Prefix::compile(&settings.log_line_prefix),
        zone: zone(&settings.log_timezone),
    }
}

async fn server_settings(link: &Link, data_directory: &std::path::Path) -> Result<LogSettings> {
    let rows = link.rows(&sql::LOG_SETTINGS, &[]).await?;
    let mut pairs = Vec::with_capacity(rows.len());
    for row in &rows {
        pairs.push((text(row, "name")?, text(row, "setting")?));
    }
    let lookup = |name: &str| {
        pairs.iter().find(|(known, _)| known == name).map(|(_, setting)| setting.clone())
    };
    Ok(LogSettings::from_lookup(data_directory, lookup))
}

async fn file_settings(target: LocalTarget) -> Result<LogSettings> {
    let read = tokio::task::spawn_blocking(move || {
        let conf = target.load_conf();
        let lookup = |name: &str| conf.as_ref().ok()?.value(name).map(str::to_owned);
        LogSettings::from_lookup(&target.data_directory, lookup)
    });
    read.await.map_err(|error| {
        Error::new(ErrorCode::LogNotFound, "the log's settings cannot be read")
            .detail(error.to_string())
    })
}
