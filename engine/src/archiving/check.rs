//! Proving that archiving works: settings, the archiver's record, and one segment sent through.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::api::{ArchiveReport, Error, ErrorCode, Finding, Result, Severity};
use crate::instance::access::Access;
use crate::instance::lifecycle::Site;
use crate::pg::connect::Connected;
use crate::pg::query::sql::{self, Query};
use crate::pg::query::{column, optional_text, text};
use crate::pg::wal::WalFileName;
use crate::sys::credentials::Credentials;
use crate::sys::disk::Disk;
use crate::wal::archive::Archive;

use super::plan::not_as_owner;
use super::settings::RunningSettings;

const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Checks the archive of a running instance and sends a segment through.
///
/// What is wrong is a finding, not an error: an error means that it could not be looked at.
///
/// # Errors
/// What connecting gives, `QueryFailed`.
pub async fn check(site: &Site, access: &Access, limit: Duration) -> Result<ArchiveReport> {
    let connected = access.connect(None).await?;
    let running = RunningSettings::load(&connected).await?;
    let mut report = ArchiveReport { findings: Vec::new(), segment: None, seconds: None };
    let is_archiving = settings_findings(&running, &mut report.findings);
    let destination = running.value("pgx.backup_destination");
    if !is_archiving || destination.is_empty() {
        return Ok(report);
    }
    if connected.server.in_hot_standby == Some(true) || is_standby(&connected).await? {
        report.findings.push(info("a standby closes no segments; the archive was not tried"));
        return Ok(report);
    }
    send_through(&connected, site, Path::new(destination), limit, &mut report).await?;
    Ok(report)
}

fn info(text: impl Into<String>) -> Finding {
    Finding { severity: Severity::Info, text: text.into(), hint: String::new() }
}

fn wrong(severity: Severity, text: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { severity, text: text.into(), hint: hint.into() }
}

/// Judges the settings; whether a segment can be sent through at all.
fn settings_findings(running: &RunningSettings, findings: &mut Vec<Finding>) -> bool {
    let set_up = "Set it up: pgdeck backup setup -D DIR -B DEST";
    let mode = running.value("archive_mode");
    let is_pending = running.get("archive_mode").is_some_and(|setting| setting.pending_restart);
    if mode == "off" {
        let hint = if is_pending { "Restart: pgdeck instance restart" } else { set_up };
        findings.push(wrong(Severity::Error, "archive_mode is off", hint));
        return false;
    }
    findings.push(info(format!("archive_mode is {mode}")));
    let library = running.value("archive_library");
    let command = running.value("archive_command");
    match (library.is_empty(), command.is_empty()) {
        (false, _) => findings.push(wrong(
            Severity::Warning,
            format!("archiving goes through archive_library \"{library}\", not through pgdeck"),
            set_up,
        )),
        (true, true) => {
            findings.push(wrong(Severity::Error, "archive_command is empty", set_up));
            return false;
        }
        (true, false) if !command.contains("wal-push") && !command.contains("pgx_xlogcopy") => {
            findings.push(wrong(
                Severity::Warning,
                format!("archive_command is not pgdeck's: {command}"),
                set_up,
            ));
        }
        (true, false) => findings.push(info("archive_command is pgdeck's")),
    }
    if running.value("pgx.backup_destination").is_empty() {
        findings.push(wrong(Severity::Error, "pgx.backup_destination is not set", set_up));
    }
    true
}

async fn one(connected: &Connected, query: &Query) -> Result<tokio_postgres::Row> {
    let statement = query.text_for(connected.server.version.major()).unwrap_or_default();
    connected.client.query_one(statement, &[]).await.map_err(|error| connected.map_error(&error))
}

/// 13 does not report `in_hot_standby`.
async fn is_standby(connected: &Connected) -> Result<bool> {
    column(&one(connected, &sql::SERVER).await?, "in_recovery")
}

async fn send_through(
    connected: &Connected,
    site: &Site,
    destination: &Path,
    limit: Duration,
    report: &mut ArchiveReport,
) -> Result<()> {
    let began = Instant::now();
    let segment = text(&one(connected, &sql::ARCHIVE_MARK).await?, "segment")?;
    if let Err(error) = one(connected, &sql::ARCHIVE_SWITCH).await {
        if error.code != ErrorCode::PermissionDenied {
            return Err(error);
        }
        report.findings.push(wrong(
            Severity::Warning,
            "the segment in use cannot be closed by this role",
            "GRANT EXECUTE ON FUNCTION pg_switch_wal() to it, or connect as a superuser.",
        ));
        return Ok(());
    }
    report.segment = Some(segment.clone());
    let name = WalFileName::parse(&segment).ok_or_else(|| {
        Error::new(ErrorCode::QueryFailed, format!("\"{segment}\" is no name of a WAL segment"))
    })?;
    loop {
        if arrived(destination, name, &site.credentials).await? {
            let seconds = began.elapsed().as_secs_f64();
            report.seconds = Some(seconds);
            let text = format!("segment {segment} arrived after {seconds:.1} s");
            report.findings.push(info(text));
            return Ok(());
        }
        if began.elapsed() >= limit {
            break;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    let seconds = limit.as_secs();
    let text = format!("segment {segment} did not arrive within {seconds} s");
    report.findings.push(wrong(Severity::Error, text, reason(connected).await?));
    Ok(())
}

async fn arrived(destination: &Path, segment: WalFileName, owner: &Credentials) -> Result<bool> {
    let (owner, destination) = (owner.clone(), destination.to_path_buf());
    let look = move || {
        let find = || Archive::open(&Disk::real(), &destination)?.find(segment);
        owner.run(find).map_err(|error| not_as_owner(&error)).and_then(|found| found)
    };
    let found = tokio::task::spawn_blocking(look).await.map_err(|error| {
        Error::new(ErrorCode::FileAccess, "the archive was not looked at").detail(error.to_string())
    })?;
    Ok(!found?.is_empty())
}

/// Why nothing arrives, as far as the server knows.
async fn reason(connected: &Connected) -> Result<String> {
    let row = one(connected, &sql::ARCHIVER).await?;
    let is_failing: bool = column(&row, "is_failing")?;
    let failed = optional_text(&row, "last_failed_wal")?.unwrap_or_default();
    let count: i64 = column(&row, "failed_count")?;
    Ok(if is_failing {
        format!(
            "The archiver fails with {failed} ({count} failures): see pgdeck logs --severity log"
        )
    } else {
        "The archiver reports no failure: is it another destination than archive_command's?".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(settings: &[(&str, &str, &str)]) -> (bool, Vec<(Severity, String)>) {
        let mut findings = Vec::new();
        let goes_on = settings_findings(&RunningSettings::of(settings), &mut findings);
        (goes_on, findings.into_iter().map(|one| (one.severity, one.text)).collect())
    }

    #[test]
    fn settings_are_judged() {
        let (goes_on, found) = findings(&[("archive_mode", "off", "default")]);
        assert!(!goes_on);
        assert_eq!(found, [(Severity::Error, "archive_mode is off".to_owned())]);
        let ours = "/usr/bin/pgdeck wal-push \"%p\" /b";
        let good = [
            ("archive_mode", "on", "x"),
            ("archive_command", ours, "x"),
            ("pgx.backup_destination", "/b", "x"),
        ];
        let (goes_on, found) = findings(&good);
        assert!(goes_on && found.iter().all(|(severity, _)| *severity == Severity::Info));
        let (goes_on, found) = findings(&good[..2]);
        assert!(goes_on);
        assert_eq!(found.last().unwrap().0, Severity::Error);
        let other = [good[0], ("archive_command", "cp %p /x/%f", "x"), good[2]];
        assert_eq!(findings(&other).1[1].0, Severity::Warning);
        let empty = [good[0], ("archive_command", "", "x"), good[2]];
        assert!(!findings(&empty).0);
    }
}
