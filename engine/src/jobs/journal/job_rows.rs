//! Jobs as rows: how one process shows its work to the others and takes their requests.

use rusqlite::params;

use super::{Journal, from_millis, millis, schema::failed, signed, unsigned};
use crate::api::{InstanceId, JobId, JobKind, JobProgress, JobState, JobStatus, Result, StopMode};
use crate::sys::{clock, process};

/// A job's row as read, with the requests other processes have left in it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRow {
    /// Its number.
    pub number: i64,
    /// What it does, how far it is.
    pub status: JobStatus,
    /// A harsher stop mode somebody asked for.
    pub requested_mode: Option<StopMode>,
}

/// New state of a running job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobUpdate {
    /// Its number.
    pub number: i64,
    /// State.
    pub state: JobState,
    /// Progress.
    pub progress: JobProgress,
    /// Result so far, empty while running.
    pub result: String,
}

/// What others have asked of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobRequests {
    /// To cancel.
    pub cancel: bool,
    /// To stop in a harsher mode.
    pub mode: Option<StopMode>,
}

impl Journal {
    /// Registers a job of this process.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn begin_job(&mut self, kind: JobKind, instance_name: &str) -> Result<i64> {
        let pid = std::process::id();
        let now = millis(clock::now());
        self.connection
            .execute(
                "INSERT INTO job (kind, instance_name, state, phase, lines, started_ms, updated_ms,
                 result, owner_pid, owner_start_ticks)
                 VALUES (?1, ?2, 'running', '', '', ?3, ?3, '', ?4, ?5)",
                params![kind.word(), instance_name, now, pid, own_start_ticks()],
            )
            .map_err(|error| failed(&error))?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Writes a job's progress or end, and reads what others have asked of it.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn update_job(&mut self, update: &JobUpdate) -> Result<JobRequests> {
        let now = millis(clock::now());
        let ended = (update.state != JobState::Running).then_some(now);
        let progress = &update.progress;
        self.connection
            .query_row(
                "UPDATE job SET state = ?2, phase = ?3, lines = ?4, done = ?5, total = ?6, rate = ?7,
                 eta_seconds = ?8, stop_mode = ?9, updated_ms = ?10, ended_ms = ?11, result = ?12
                 WHERE id = ?1 RETURNING cancel_requested, requested_mode",
                params![
                    update.number,
                    update.state.word(),
                    progress.phase,
                    progress.lines.join("\n"),
                    progress.done.map(signed),
                    progress.total.map(signed),
                    progress.rate,
                    progress.eta_seconds.map(signed),
                    progress.stop_mode.map(StopMode::word),
                    now,
                    ended,
                    update.result
                ],
                |row| {
                    let mode: Option<String> = row.get(1)?;
                    Ok(JobRequests {
                        cancel: row.get(0)?,
                        mode: mode.as_deref().and_then(StopMode::from_word),
                    })
                },
            )
            .map_err(|error| failed(&error))
    }

    /// Asks the process that runs a job to cancel it.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn request_cancel(&mut self, number: i64) -> Result<bool> {
        self.request(
            "UPDATE job SET cancel_requested = 1 WHERE id = ?1 AND state = 'running'",
            number,
        )
    }

    /// Asks the process that runs a stop to use a harsher mode.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn request_mode(&mut self, number: i64, mode: StopMode) -> Result<bool> {
        let sql = match mode {
            StopMode::Smart => {
                "UPDATE job SET requested_mode = 'smart' WHERE id = ?1 AND state = 'running'"
            }
            StopMode::Fast => {
                "UPDATE job SET requested_mode = 'fast' WHERE id = ?1 AND state = 'running'"
            }
            StopMode::Immediate => {
                "UPDATE job SET requested_mode = 'immediate' WHERE id = ?1 AND state = 'running'"
            }
            StopMode::Kill => {
                "UPDATE job SET requested_mode = 'kill' WHERE id = ?1 AND state = 'running'"
            }
        };
        self.request(sql, number)
    }

    fn request(&mut self, sql: &str, number: i64) -> Result<bool> {
        let changed = self.connection.execute(sql, [number]).map_err(|error| failed(&error))?;
        Ok(changed == 1)
    }

    /// The newest `limit` jobs, newest first. Jobs whose process is gone are marked as
    /// interrupted on the way.
    ///
    /// # Errors
    /// `JournalFailed`.
    pub fn jobs(&mut self, instance: &InstanceId, limit: u32) -> Result<Vec<JobRow>> {
        let rows = self.read_jobs(instance, limit).map_err(|error| failed(&error))?;
        let mut jobs = Vec::with_capacity(rows.len());
        for (mut job, start_ticks) in rows {
            if job.status.state == JobState::Running && !is_alive(job.status.owner_pid, start_ticks)
            {
                self.mark_interrupted(job.number).map_err(|error| failed(&error))?;
                job.status.state = JobState::Interrupted;
                job.status.ended_at = Some(clock::now());
            }
            jobs.push(job);
        }
        Ok(jobs)
    }

    fn mark_interrupted(&self, number: i64) -> rusqlite::Result<()> {
        self.connection.execute(
            "UPDATE job SET state = 'interrupted', ended_ms = ?2,
             result = 'the pgdeck process that ran it was killed' WHERE id = ?1 AND state = 'running'",
            params![number, millis(clock::now())],
        )?;
        Ok(())
    }

    fn read_jobs(&self, instance: &InstanceId, limit: u32) -> rusqlite::Result<Vec<(JobRow, u64)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, kind, instance_name, state, phase, lines, done, total, rate, eta_seconds,
             stop_mode, started_ms, ended_ms, result, owner_pid, owner_start_ticks,
             cancel_requested, requested_mode FROM job ORDER BY id DESC LIMIT ?1",
        )?;
        let rows = statement.query_map([limit], |row| decode(instance, row))?;
        rows.filter_map(std::result::Result::transpose).collect()
    }
}

/// A row of a kind this version does not know is left out.
fn decode(
    instance: &InstanceId,
    row: &rusqlite::Row<'_>,
) -> rusqlite::Result<Option<(JobRow, u64)>> {
    let word = |index: usize| row.get::<_, String>(index);
    let kind = JobKind::from_word(&word(1)?);
    let state = JobState::from_word(&word(3)?);
    let (Some(kind), Some(state)) = (kind, state) else { return Ok(None) };
    let number = row.get(0)?;
    let figure = |index: usize| row.get::<_, Option<i64>>(index).map(|v| v.map(unsigned));
    let mode = |index: usize| {
        let word: Option<String> = row.get(index)?;
        Ok::<_, rusqlite::Error>(word.as_deref().and_then(StopMode::from_word))
    };
    let owner_pid: u32 = row.get(14)?;
    let start_ticks = unsigned(row.get(15)?);
    let status = JobStatus {
        id: JobId { instance: instance.clone(), number },
        kind,
        instance_name: word(2)?,
        state,
        progress: JobProgress {
            phase: word(4)?,
            lines: word(5)?.lines().map(str::to_owned).collect(),
            done: figure(6)?,
            total: figure(7)?,
            rate: row.get(8)?,
            eta_seconds: figure(9)?,
            stop_mode: mode(10)?,
        },
        started_at: from_millis(row.get(11)?),
        ended_at: row.get::<_, Option<i64>>(12)?.map(from_millis),
        result: word(13)?,
        owner_pid,
        is_own: owner_pid == std::process::id(),
        cancel_requested: row.get(16)?,
    };
    Ok(Some((JobRow { number, status, requested_mode: mode(17)? }, start_ticks)))
}

fn own_start_ticks() -> i64 {
    let pid = i32::try_from(std::process::id()).unwrap_or(0);
    process::info(pid).map_or(0, |info| signed(info.start_ticks))
}

fn is_alive(pid: u32, start_ticks: u64) -> bool {
    let found = i32::try_from(pid).ok().and_then(process::info);
    found.is_some_and(|info| info.start_ticks == start_ticks && !info.is_zombie())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> (tempfile::TempDir, Journal) {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(&directory.path().join("j")).unwrap();
        (directory, journal)
    }

    #[test]
    fn progress_and_requests_meet_in_the_row() {
        let (_directory, mut journal) = journal();
        let number = journal.begin_job(JobKind::Stop, "inst1").unwrap();
        let progress = JobProgress {
            phase: "waiting".into(),
            lines: vec!["a".into(), "b".into()],
            done: Some(1),
            stop_mode: Some(StopMode::Smart),
            ..JobProgress::default()
        };
        let update =
            JobUpdate { number, state: JobState::Running, progress, result: String::new() };
        assert_eq!(journal.update_job(&update).unwrap(), JobRequests::default());
        assert!(journal.request_mode(number, StopMode::Fast).unwrap());
        assert!(journal.request_cancel(number).unwrap());
        let requests = journal.update_job(&update).unwrap();
        assert_eq!(requests, JobRequests { cancel: true, mode: Some(StopMode::Fast) });
        let jobs = journal.jobs(&InstanceId::new("/d"), 5).unwrap();
        assert_eq!(jobs[0].status.progress, update.progress);
        assert!(jobs[0].status.is_own && jobs[0].status.cancel_requested);
        let ended = JobUpdate { state: JobState::Done, result: "stopped".into(), ..update };
        journal.update_job(&ended).unwrap();
        assert!(!journal.request_cancel(number).unwrap(), "an ended job takes no requests");
    }

    #[test]
    fn a_job_of_a_dead_process_is_interrupted() {
        let (_directory, mut journal) = journal();
        let number = journal.begin_job(JobKind::Start, "inst1").unwrap();
        let sql = "UPDATE job SET owner_start_ticks = owner_start_ticks + 1";
        journal.connection.execute_batch(sql).unwrap();
        for _ in 0..2 {
            let jobs = journal.jobs(&InstanceId::new("/d"), 5).unwrap();
            assert_eq!((jobs[0].number, jobs[0].status.state), (number, JobState::Interrupted));
        }
    }
}
