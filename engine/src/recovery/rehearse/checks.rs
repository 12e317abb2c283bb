//! What is checked of a server that was recovered for a rehearsal: everything is read, indexes
//! are compared with their tables where `pg_amcheck` can be had, the user's queries run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::SimpleQueryMessage;

use super::statements::{self, Part};
use crate::api::{Error, ErrorCode, JobProgress, Result};
use crate::instance::access::Access;
use crate::jobs::runner::Reporter;
use crate::pg::connect::Connected;
use crate::pg::query::sql::{self, Query};
use crate::pg::query::{column, text};
use crate::sys::credentials::Credentials;
use crate::sys::file;
use crate::sys::process::Program;

/// The first major version whose `amcheck` looks at tables.
const AMCHECK_MAJOR_MIN: u32 = 14;
/// Checking a large cluster may take long.
const AMCHECK_LIMIT: Duration = Duration::from_secs(7 * 86_400);
const QUERIES_BYTES_MAX: u64 = 16 << 20;
/// Lines of a program's output that stand in the report.
const OUTPUT_LINES_MAX: usize = 20;
/// Characters of a statement that stand in the report.
const STATEMENT_CHARS_MAX: usize = 80;

/// A recovered server that is checked.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    /// The way to it.
    pub(super) access: Access,
    /// The directory of its socket.
    pub(super) sockets: PathBuf,
    /// Its port, a part of the socket's name.
    pub(super) port: u16,
    /// Whom to connect as.
    pub(super) role: String,
    /// Its major version.
    pub(super) major: u32,
    /// Where programs are that may check it, its own first.
    pub(super) programs: Vec<PathBuf>,
    /// Whom to run them as.
    pub(super) credentials: Credentials,
}

/// Runs every check; one line for each in `report`, also for those that failed.
///
/// # Errors
/// `RehearsalFailed` with what was found.
pub(super) async fn run(
    server: &Checked,
    queries: Option<&Path>,
    tell: &Reporter,
    report: &mut Vec<String>,
) -> Result<()> {
    let amcheck = server.amcheck(tell, report).await;
    let read = server.read_everything(tell, report).await;
    let asked = match queries {
        Some(path) => server.ask(path, tell, report).await,
        None => Ok(()),
    };
    amcheck.and(read).and(asked)
}

impl Checked {
    /// Runs `pg_amcheck`, if there is one that fits, on every database.
    async fn amcheck(&self, tell: &Reporter, report: &mut Vec<String>) -> Result<()> {
        let program = match self.amcheck_program().await? {
            Ok(program) => program,
            Err(reason) => {
                report.push(format!("pg_amcheck: not done, {reason}"));
                return Ok(());
            }
        };
        phase(tell, "checking tables and indexes (pg_amcheck)");
        let started = std::time::Instant::now();
        let ended = tokio::task::spawn_blocking(move || program.run()).await;
        let ended = ended.map_err(std::io::Error::other).and_then(|ended| ended);
        let ended =
            ended.map_err(|error| failed("pg_amcheck cannot be run", &error.to_string()))?;
        if ended.code == Some(0) {
            let seconds = started.elapsed().as_secs_f64();
            report.push(format!("pg_amcheck: nothing found in {seconds:.1} s"));
            return Ok(());
        }
        let lines: Vec<&str> = ended.output.lines().take(OUTPUT_LINES_MAX).collect();
        let said = lines.join("; ");
        report.push(format!("pg_amcheck: FAILED: {said}"));
        Err(failed("pg_amcheck found damage, or could not go on", &said))
    }

    /// The program with its arguments, or why there is none.
    async fn amcheck_program(&self) -> Result<std::result::Result<Program, &'static str>> {
        if self.major < AMCHECK_MAJOR_MIN {
            return Ok(Err("before PostgreSQL 14 it does not look at tables"));
        }
        let found = self.programs.iter().map(|directory| directory.join("pg_amcheck"));
        let Some(path) = found.into_iter().find(|path| file::is_executable(path)) else {
            return Ok(Err("the program is not installed"));
        };
        let session = self.session(None).await?;
        let row = session.row(&sql::AMCHECK).await?;
        if !column::<bool>(&row, "is_available")? {
            return Ok(Err("the extension amcheck is not installed for this version"));
        }
        let args = ["--all", "--install-missing", "--no-password", "--username"];
        let mut args: Vec<std::ffi::OsString> = args.map(Into::into).into();
        args.extend([self.role.clone().into(), "--host".into()]);
        args.extend([self.sockets.clone().into_os_string(), "--port".into()]);
        args.push(self.port.to_string().into());
        Ok(Ok(Program {
            path,
            args,
            env: Vec::new(),
            credentials: self.credentials.clone(),
            limit: AMCHECK_LIMIT,
        }))
    }

    /// Reads every row of every database; the server checks checksums of pages on the way.
    async fn read_everything(&self, tell: &Reporter, report: &mut Vec<String>) -> Result<()> {
        let databases = self.session(None).await?.names(&sql::DATABASES).await?;
        let (mut relations, mut rows) = (0_u64, 0_u64);
        for database in &databases {
            phase(tell, &format!("reading database \"{database}\""));
            let session = self.session(Some(database)).await?;
            for row in session.rows(&sql::READABLE_RELATIONS).await? {
                let (name, query) = (text(&row, "name")?, text(&row, "query")?);
                let counted = session.connected.client.query_one(&query, &[]).await;
                let counted = counted.map_err(|error| session.connected.map_error(&error));
                match counted {
                    Ok(row) => rows += crate::pg::query::count(&row, "rows")?,
                    Err(error) => {
                        let what = format!("{name} of database \"{database}\"");
                        report.push(format!("reading: FAILED at {what}: {}", error.detail));
                        return Err(failed(&format!("{what} cannot be read"), &error.detail));
                    }
                }
                relations += 1;
            }
        }
        report.push(format!(
            "reading: {rows} rows of {relations} relations in {} databases",
            databases.len()
        ));
        Ok(())
    }

    /// Runs a file of SQL; the first statement that fails ends it.
    async fn ask(&self, path: &Path, tell: &Reporter, report: &mut Vec<String>) -> Result<()> {
        phase(tell, "running your queries");
        let file = path.to_path_buf();
        let read = tokio::task::spawn_blocking(move || file::read(&file, QUERIES_BYTES_MAX)).await;
        let bytes = read.map_err(std::io::Error::other).and_then(|read| read).map_err(|error| {
            failed(&format!("\"{}\" cannot be read", path.display()), &error.to_string())
        })?;
        let parts = statements::split(&String::from_utf8_lossy(&bytes));
        let mut session = self.users_session(None).await?;
        for (number, part) in parts.iter().enumerate() {
            let outcome = match part {
                Part::Connect(name) => {
                    session = self.users_session(Some(name)).await?;
                    continue;
                }
                Part::Unknown(line) => Err(format!("psql's command {line} is not known here")),
                Part::Statement(statement) => session.answer(statement).await,
            };
            let shown = shown(part);
            match outcome {
                Ok(answer) => report.push(format!("query {}: {shown}: {answer}", number + 1)),
                Err(error) => {
                    report.push(format!("query {}: {shown}: FAILED: {error}", number + 1));
                    return Err(failed(&format!("a query failed: {shown}"), &error));
                }
            }
        }
        Ok(())
    }

    /// A session in which names mean what they mean to the user.
    async fn users_session(&self, database: Option<&str>) -> Result<CheckSession> {
        let session = self.session(database).await?;
        let reset = session.connected.client.batch_execute("RESET search_path").await;
        reset.map_err(|error| session.connected.map_error(&error))?;
        Ok(session)
    }

    async fn session(&self, database: Option<&str>) -> Result<CheckSession> {
        let session = CheckSession { connected: self.access.connect(database).await? };
        let limits: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&"0", &"0"];
        let text = sql::SESSION_SETUP.text_for(self.major).unwrap_or_default();
        let set = session.connected.client.query(text, &limits).await;
        set.map_err(|error| session.connected.map_error(&error))?;
        Ok(session)
    }
}

/// A session with the recovered server.
struct CheckSession {
    connected: Connected,
}

impl CheckSession {
    async fn rows(&self, query: &Query) -> Result<Vec<tokio_postgres::Row>> {
        let text = query.text_for(self.connected.server.version.major()).unwrap_or_default();
        let rows = self.connected.client.query(text, &[]).await;
        rows.map_err(|error| self.connected.map_error(&error))
    }

    async fn row(&self, query: &Query) -> Result<tokio_postgres::Row> {
        self.rows(query).await?.into_iter().next().ok_or_else(|| {
            Error::new(ErrorCode::QueryFailed, format!("the query {} gave no row", query.name))
        })
    }

    async fn names(&self, query: &Query) -> Result<Vec<String>> {
        self.rows(query).await?.iter().map(|row| text(row, "name")).collect()
    }

    /// What a statement gave, in words: its only value, or how many rows.
    async fn answer(&self, statement: &str) -> std::result::Result<String, String> {
        let messages = self.connected.client.simple_query(statement).await;
        let messages = messages.map_err(|error| {
            error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned())
        })?;
        let rows: Vec<_> = messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            })
            .collect();
        Ok(match rows.as_slice() {
            [row] if row.len() == 1 => row.get(0).unwrap_or("null").to_owned(),
            [] => "done".to_owned(),
            rows => format!("{} rows", rows.len()),
        })
    }
}

fn phase(tell: &Reporter, phase: &str) {
    tell.report(JobProgress { phase: phase.to_owned(), ..JobProgress::default() });
}

/// The beginning of a statement on one line.
fn shown(part: &Part) -> String {
    let text = match part {
        Part::Statement(text) | Part::Connect(text) | Part::Unknown(text) => text,
    };
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(STATEMENT_CHARS_MAX) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}

fn failed(fact: &str, detail: &str) -> Error {
    Error::new(ErrorCode::RehearsalFailed, fact).detail(detail)
}
