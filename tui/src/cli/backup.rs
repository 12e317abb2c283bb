//! `pgdeck backup`, `backups`, `verify`, `restore-point`, and the names of the operations
//! guide for them.

use std::ffi::OsString;
use std::path::Path;

use pgdeck_engine::api::{
    BackupInfo, BackupKind, BackupRequest, Command, Error, ErrorCode, Event, Result, Soundness,
    VerifyDepth, VerifyReport,
};

use super::args::GlobalArgs;
use super::backup_args::{
    BackupAction, BackupArgs, BackupsArgs, RestorePointArgs, TypeArg, VerifyArgs,
};
use super::oneshot::{OneShot, engine_config};
use super::output;
use super::watched::{named, watched};
use crate::text;

const EXIT_WARNINGS: u8 = 1;
const EXIT_DAMAGED: u8 = 2;

/// Turns the commands of the operations guide, which are names of the program, into pgdeck's.
#[must_use]
pub fn translated(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let name = Path::new(arguments.first()?).file_name()?.to_str()?;
    let rest = &arguments[1..];
    let is_list = |argument: &OsString| argument == "-l";
    let command = match name {
        "pgx_dmpall" => "backup",
        "pgx_rcvall" if rest.iter().any(is_list) => "backups",
        "pgx_rcvall" => "recover",
        _ => return None,
    };
    let mut words: Vec<OsString> = vec!["pgdeck".into(), command.into()];
    if command == "recover" {
        words.push("--as-guide".into());
    }
    words
        .extend(rest.iter().filter(|argument| command != "backups" || !is_list(argument)).cloned());
    Some(words)
}

/// Takes or deletes a backup.
///
/// # Errors
/// Why not.
pub async fn run(global: &GlobalArgs, args: &BackupArgs) -> Result<u8> {
    if let Some(BackupAction::Setup(setup)) = &args.action {
        return super::setup::run(global, setup, args.destination.as_deref()).await;
    }
    if let Some(BackupAction::Delete(delete)) = &args.action {
        if !delete.yes {
            let fact = "deleting a backup is not confirmed";
            return Err(Error::new(ErrorCode::NotConfirmed, fact)
                .detail(format!("it would remove {} for good", delete.label)));
        }
        let mut engine = OneShot::start(engine_config(global))?;
        let instance = engine.only_instance().await?.identity.id.clone();
        let destination = args.destination.clone();
        let command = Command::DeleteBackup { instance, destination, label: delete.label.clone() };
        return done(engine.ask(command).await?);
    }
    let mut engine = OneShot::start(engine_config(global))?;
    let instance = engine.only_instance().await?.identity.id.clone();
    let command = Command::Backup { instance, request: Box::new(request(args)) };
    let mut code = 0;
    let ended = watched(&mut engine, command, |event| {
        if let Event::BackedUp { warnings, .. } = event {
            for warning in warnings {
                output::note(&format!("WARNING: {warning}"));
            }
            code = if warnings.is_empty() { 0 } else { EXIT_WARNINGS };
        }
    });
    let text = ended.await?;
    output::line(&text::clean_block(&text));
    Ok(code)
}

fn request(args: &BackupArgs) -> BackupRequest {
    BackupRequest {
        destination: args.destination.clone(),
        kind: match args.kind {
            TypeArg::Auto => None,
            TypeArg::Full => Some(BackupKind::Full),
            TypeArg::Incremental => Some(BackupKind::Incremental),
        },
        jobs: args.jobs,
        compression: args.compress.clone(),
        rate_bytes: args.rate,
        dry_run: args.dry_run,
        archive_timeout_s: args.archive_timeout,
    }
}

fn done(event: Event) -> Result<u8> {
    if let Event::Done { text, .. } = event {
        output::line(&text::clean(&text));
    }
    Ok(0)
}

/// Lists the backups of a destination.
///
/// # Errors
/// Why they cannot be listed.
pub async fn list(global: &GlobalArgs, args: &BackupsArgs) -> Result<u8> {
    let mut engine = OneShot::start(engine_config(&named(global, args.destination.as_deref())))?;
    let instance = engine.only_instance().await?.identity.id.clone();
    let command = Command::FetchBackups { instance, destination: args.destination.clone() };
    let Event::Backups { backups, .. } = engine.ask(command).await? else {
        return Ok(EXIT_DAMAGED);
    };
    if args.json {
        output::json(&backups.as_slice());
    } else {
        output::raw(&table(&backups));
    }
    Ok(0)
}

/// As the operations guide prints it; the date is that in the backup's name, in UTC.
fn table(backups: &[BackupInfo]) -> String {
    let mut out = format!("{:<19}  {:<14}  Dir\n", "Date", "Status");
    for backup in backups {
        let date = backup.started_at.format("%Y-%m-%d %H:%M:%S");
        let directory = backup.directory.display().to_string();
        let directory = text::clean(&directory);
        out.push_str(&format!("{date}  {:<14}  {directory}\n", backup.status.word()));
    }
    out
}

/// Verifies a destination.
///
/// # Errors
/// Why it cannot be verified.
pub async fn verify(global: &GlobalArgs, args: &VerifyArgs) -> Result<u8> {
    let mut engine = OneShot::start(engine_config(&named(global, args.destination.as_deref())))?;
    let instance = engine.only_instance().await?.identity.id.clone();
    let command = Command::Verify {
        instance,
        destination: args.destination.clone(),
        depth: if args.quick { VerifyDepth::Quick } else { VerifyDepth::Full },
        jobs: args.jobs,
    };
    let mut found = None;
    let ended = watched(&mut engine, command, |event| {
        if let Event::Verified { report, .. } = event {
            found = Some(report.clone());
        }
    });
    let text = ended.await?;
    let Some(report) = found else { return Ok(EXIT_DAMAGED) };
    if args.json {
        output::json(&report);
    } else {
        output::raw(&report_text(&report, &text));
    }
    Ok(match report.soundness {
        Soundness::Sound => 0,
        Soundness::Warnings => EXIT_WARNINGS,
        Soundness::Damaged => EXIT_DAMAGED,
    })
}

fn report_text(report: &VerifyReport, summary: &str) -> String {
    let mut out = String::new();
    for damage in &report.damages {
        out.push_str(&format!("DAMAGED: {}\n", text::clean(damage)));
    }
    for warning in &report.warnings {
        out.push_str(&format!("WARNING: {}\n", text::clean(warning)));
    }
    out.push_str(&format!("{}\n", text::clean(summary)));
    out.push_str(&format!(
        "{} stored and {} of content checked in {:.1} s\n",
        text::bytes(report.stored_bytes),
        text::bytes(report.content_bytes),
        report.seconds
    ));
    out
}

/// Makes a restore point, or lists those in the register.
///
/// # Errors
/// Why not.
pub async fn restore_point(global: &GlobalArgs, args: &RestorePointArgs) -> Result<u8> {
    let mut engine = OneShot::start(engine_config(global))?;
    let instance = engine.only_instance().await?.identity.id.clone();
    let destination = args.destination.clone();
    if let Some(name) = &args.name {
        let name = name.clone();
        let command = Command::CreateRestorePoint { instance, destination, name };
        return done(engine.ask(command).await?);
    }
    let command = Command::FetchBackups { instance, destination };
    let Event::Backups { restore_points, .. } = engine.ask(command).await? else {
        return Ok(EXIT_DAMAGED);
    };
    if args.json {
        output::json(&restore_points.as_slice());
        return Ok(0);
    }
    let mut table = output::Table::new(&["made (UTC)", "timeline", "position", "name"]);
    for point in restore_points.iter() {
        let at = point.created_at.format("%Y-%m-%d %H:%M:%S").to_string();
        table.row(&[&at, &point.timeline.to_string(), &point.lsn, &point.name]);
    }
    table.print();
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_guide() {
        let of = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            translated(&words).map(|words| {
                let words: Vec<_> =
                    words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
                words.join(" ")
            })
        };
        let dmpall = of(&["/usr/bin/pgx_dmpall", "-D", "/d"]);
        assert_eq!(dmpall.as_deref(), Some("pgdeck backup -D /d"));
        let listed = of(&["pgx_rcvall", "-l", "-D", "/d", "-B", "/b"]);
        assert_eq!(listed.as_deref(), Some("pgdeck backups -D /d -B /b"));
        let recovered = of(&["pgx_rcvall", "-D", "/d", "-B", "/b", "-n", "x"]);
        let expected = "pgdeck recover --as-guide -D /d -B /b -n x";
        assert_eq!(recovered.as_deref(), Some(expected));
        assert_eq!(of(&["pgdeck", "backup", "-l"]), None);
    }
}
