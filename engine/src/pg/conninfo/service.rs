//! `pg_service.conf`: named sets of connection parameters.
//!
//! Source: "The Connection Service File" in the PostgreSQL manual; `parseServiceInfo()` and
//! `parseServiceFile()` in `src/interfaces/libpq/fe-connect.c`.

use std::io;
use std::path::{Path, PathBuf};

use crate::api::{Error, ErrorCode};

use super::Environment;
use super::keywords::{Origin, Settings};

/// Whether the section was in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Yes,
    No,
}

/// Adds what the service says to what the connection string left open.
///
/// # Errors
/// [`ErrorCode::ServiceNotFound`] when no file has the section or `PGSERVICEFILE` is not
/// there; [`ErrorCode::ConnectionStringInvalid`] for a line that libpq refuses, too.
pub(super) fn add_service(
    settings: &mut Settings,
    environment: &Environment<'_>,
) -> Result<(), Error> {
    let named = settings.get("service").map(|setting| setting.value.to_string());
    let Some(service) = named.or_else(|| (environment.variable)("PGSERVICE")) else {
        return Ok(());
    };
    let mut looked_at = Vec::new();
    for (file, missing_is_fine) in candidates(environment) {
        let content = match environment.files.read(&file) {
            Ok(content) => content,
            Err(error) if missing_is_fine && error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                let fact = format!("service file \"{}\" cannot be read", file.display());
                return Err(Error::new(ErrorCode::ServiceNotFound, fact).detail(error.to_string()));
            }
        };
        if read_file(settings, &file, &content, &service)? == Found::Yes {
            return Ok(());
        }
        looked_at.push(format!("\"{}\"", file.display()));
    }
    let detail = if looked_at.is_empty() {
        "there is no service file".to_owned()
    } else {
        format!("it is not in {}", looked_at.join(" and "))
    };
    let fact = format!("definition of service \"{service}\" not found");
    Err(Error::new(ErrorCode::ServiceNotFound, fact).detail(detail))
}

/// The files in libpq's order, each with whether it may be missing: the user's own, then
/// the first system-wide one that exists.
fn candidates(environment: &Environment<'_>) -> Vec<(PathBuf, bool)> {
    let mut candidates = Vec::new();
    if let Some(file) = (environment.variable)("PGSERVICEFILE") {
        candidates.push((file.into(), false));
    } else if let Some(home) = environment.home() {
        candidates.push((home.join(".pg_service.conf"), true));
    }
    let system = match (environment.variable)("PGSYSCONFDIR") {
        Some(directory) => vec![directory.into()],
        None => environment.system_directories.clone(),
    };
    let files = system.iter().map(|directory: &PathBuf| directory.join("pg_service.conf"));
    let first = files.into_iter().find(|file| environment.files.facts(file).is_ok());
    candidates.extend(first.map(|file| (file, true)));
    candidates
}

fn read_file(
    settings: &mut Settings,
    file: &Path,
    content: &[u8],
    service: &str,
) -> Result<Found, Error> {
    let file = file.display().to_string();
    let content = String::from_utf8_lossy(content);
    let mut found = Found::No;
    for (index, line) in content.lines().enumerate() {
        let line = line.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0B');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if found == Found::Yes {
                break;
            }
            if header.strip_prefix(service).is_some_and(|rest| rest.starts_with(']')) {
                found = Found::Yes;
            }
            continue;
        }
        if found == Found::No {
            continue;
        }
        let origin = Origin::ServiceFile { file: file.clone(), line: index + 1 };
        let (keyword, value) = match line.split_once('=') {
            Some(("service", _)) => {
                return Err(refused(&origin, "a service may not name a service"));
            }
            Some(pair) => pair,
            None if line.starts_with("ldap") => {
                return Err(refused(&origin, "pgdeck does not look services up by LDAP"));
            }
            None => return Err(refused(&origin, "a line of the service has no \"=\"")),
        };
        settings.set_default(keyword, value, origin)?;
    }
    Ok(found)
}

fn refused(origin: &Origin, fact: &str) -> Error {
    Error::new(ErrorCode::ConnectionStringInvalid, fact)
        .detail(origin.to_string())
        .hint("Correct the line of the service file.")
}
