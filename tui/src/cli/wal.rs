//! `wal-push` and `wal-get`, under their own names and those of the operations guide.
//!
//! The server waits for each of them, so [`fast`] reads their command line by itself, before
//! anything else of the program starts. What it does not know it leaves to the full parser.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pgdeck_engine::api::{
    self, Error, ErrorCode, Result, WalCompression, WalGet, WalPlace, WalPush,
};

use super::args::{GlobalArgs, WalGetArgs, WalPushArgs};
use super::{EXIT_ERROR, EXIT_USAGE, output};

/// The archive ends here: the only answer between 1 and 125, which PostgreSQL takes as the end
/// of WAL (`RestoreArchivedFile()` in `xlogarchive.c`).
const EXIT_ABSENT: u8 = 1;
/// `wal-get` failed; all of these stop a recovery. `docs/ERRORS.md` lists them. 143 must not be
/// among them: the server takes it for its own SIGTERM.
const EXIT_GET_FAILED: u8 = 126;
const EXIT_DAMAGED: u8 = 201;
const EXIT_GAP: u8 = 202;
const EXIT_FOREIGN: u8 = 203;
const EXIT_UNREADABLE: u8 = 204;

/// Which of the two a command line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Push,
    Get,
}

/// Whether a restore command runs: then every failure must have a code above 125, that of a
/// misspelt option and that of a panic, too.
#[must_use]
pub fn is_restore(arguments: &[OsString]) -> bool {
    called_as(arguments) == Some(Side::Get) || arguments.iter().any(|word| word == "wal-get")
}

/// The exit code of a restore command, whatever went wrong.
#[must_use]
pub fn restore_exit(code: Option<u8>) -> u8 {
    match code {
        Some(code) if code <= EXIT_ABSENT || code > 125 => code,
        _ => EXIT_GET_FAILED,
    }
}

/// Runs a command line that is plainly one of the two; `None` leaves it to the full parser.
#[must_use]
pub fn fast(arguments: &[OsString]) -> Option<u8> {
    if let Some(side) = called_as(arguments) {
        return Some(guide(side, arguments));
    }
    let command = arguments.get(1)?.to_str()?;
    if !matches!(command, "wal-push" | "wal-get" | "wal-ahead") {
        return None;
    }
    let words = Words::read(&arguments[2..])?;
    match command {
        "wal-push" => push_request(&words).map(|request| push(&request)),
        "wal-get" => get_request(&words).map(|request| get(&request)),
        _ => get_request(&words).map(|request| ahead(&request)),
    }
}

/// What [`api::wal_get`] starts beside the server; nobody else calls it.
fn ahead(request: &WalGet) -> u8 {
    api::wal_ahead(request).map_or(EXIT_ERROR, |()| 0)
}

/// By the name the program is called by.
fn called_as(arguments: &[OsString]) -> Option<Side> {
    let name = Path::new(arguments.first()?).file_name()?.to_str()?;
    match name.strip_suffix(".cmd").unwrap_or(name) {
        "pgx_xlogcopy" => Some(Side::Push),
        "pgx_walcopy" => Some(Side::Get),
        _ => None,
    }
}

/// Options and the rest of a command line.
#[derive(Debug, Default)]
struct Words {
    positional: Vec<OsString>,
    compression: Option<WalCompression>,
    data_directory: Option<PathBuf>,
    destination: Option<PathBuf>,
    prefetch: u32,
    rescued: Option<PathBuf>,
    until: Option<String>,
}

impl Words {
    /// `None` for anything out of the ordinary.
    fn read(arguments: &[OsString]) -> Option<Self> {
        let mut words = Self::default();
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            let Some(option) = word.to_str().filter(|text| text.starts_with('-')) else {
                words.positional.push(word.clone());
                continue;
            };
            let (option, value) = match option.split_once('=') {
                Some((option, value)) => (option, OsString::from(value)),
                None => (option, rest.next()?.clone()),
            };
            match option {
                "--compress" => words.compression = Some(value.to_str()?.parse().ok()?),
                "-D" | "--data-directory" => words.data_directory = Some(value.into()),
                "-B" | "--backup-destination" => words.destination = Some(value.into()),
                "--rescued" => words.rescued = Some(value.into()),
                "--until" => words.until = Some(value.to_str()?.to_owned()),
                "--prefetch" => words.prefetch = value.to_str()?.parse().ok()?,
                _ => return None,
            }
        }
        Some(words)
    }
}

fn push_request(words: &Words) -> Option<WalPush> {
    let [source, destination] = words.positional.as_slice() else { return None };
    if words.destination.is_some() || words.rescued.is_some() || words.prefetch > 0 {
        return None;
    }
    Some(WalPush {
        source: source.into(),
        place: WalPlace::Destination(destination.into()),
        compression: words.compression.unwrap_or_default(),
        data_directory: words.data_directory.clone(),
    })
}

fn get_request(words: &Words) -> Option<WalGet> {
    let [name, target] = words.positional.as_slice() else { return None };
    if words.compression.is_some() {
        return None;
    }
    Some(WalGet {
        name: name.to_str()?.to_owned(),
        target: target.into(),
        place: words.destination.clone().map(WalPlace::Destination),
        data_directory: words.data_directory.clone(),
        prefetch: words.prefetch,
        program: std::env::current_exe().ok(),
        rescued: words.rescued.clone(),
        until: words.until.clone(),
    })
}

/// `pgx_xlogcopy.cmd "%p" "DEST/archived_wal/%f"`, `pgx_walcopy.cmd "DEST/archived_wal/%f" "%p"`.
fn guide(side: Side, arguments: &[OsString]) -> u8 {
    let words = Words::read(arguments.get(1..).unwrap_or_default());
    let words = words.filter(|words| words.destination.is_none());
    let paths = words.as_ref().and_then(|words| match words.positional.as_slice() {
        [from, to] => Some((PathBuf::from(from), PathBuf::from(to), words)),
        _ => None,
    });
    match (side, paths) {
        (Side::Push, Some((source, file, words))) => push(&WalPush {
            source,
            place: WalPlace::File(file),
            compression: words.compression.unwrap_or_default(),
            data_directory: words.data_directory.clone(),
        }),
        (Side::Get, Some((file, target, words))) => get(&WalGet {
            name: String::new(),
            target,
            place: Some(WalPlace::File(file)),
            data_directory: words.data_directory.clone(),
            prefetch: words.prefetch,
            program: std::env::current_exe().ok(),
            rescued: words.rescued.clone(),
            until: words.until.clone(),
        }),
        (Side::Push, None) => {
            usage(r#"archive_command = 'pgx_xlogcopy.cmd "%p" "DEST/archived_wal/%f"'"#);
            EXIT_USAGE
        }
        (Side::Get, None) => {
            usage(r#"restore_command = 'pgx_walcopy.cmd "DEST/archived_wal/%f" "%p"'"#);
            EXIT_GET_FAILED
        }
    }
}

fn usage(example: &str) {
    let error = Error::new(ErrorCode::UsageInvalid, "two paths are needed, from and to");
    output::error(&error.hint(format!("Write {example}.")));
}

/// `pgdeck wal-push`, read by the full parser.
///
/// # Errors
/// `UsageInvalid`.
pub fn run_push(global: &GlobalArgs, arguments: &WalPushArgs) -> Result<u8> {
    Ok(push(&WalPush {
        source: arguments.path.clone(),
        place: WalPlace::Destination(arguments.destination.clone()),
        compression: arguments.compress,
        data_directory: global.data_directory.clone(),
    }))
}

/// `pgdeck wal-get`, read by the full parser.
///
/// # Errors
/// `UsageInvalid`.
pub fn run_get(global: &GlobalArgs, arguments: &WalGetArgs) -> Result<u8> {
    Ok(get(&WalGet {
        name: arguments.name.clone(),
        target: arguments.path.clone(),
        place: arguments.backup_destination.clone().map(WalPlace::Destination),
        data_directory: global.data_directory.clone(),
        prefetch: arguments.prefetch,
        program: std::env::current_exe().ok(),
        rescued: arguments.rescued.clone(),
        until: arguments.until.clone(),
    }))
}

fn push(request: &WalPush) -> u8 {
    match api::wal_push(request) {
        Ok(pushed) => {
            for warning in &pushed.warnings {
                output::note(&format!("pgdeck: warning: {warning}"));
            }
            0
        }
        Err(error) => {
            output::error(&error);
            if error.code == ErrorCode::UsageInvalid { EXIT_USAGE } else { EXIT_ERROR }
        }
    }
}

fn get(request: &WalGet) -> u8 {
    let error = match api::wal_get(request) {
        Ok(_) => return 0,
        Err(error) => error,
    };
    // A recovery asks for files that do not exist as a matter of course, a standby every few
    // seconds: no words about it in the server's log.
    if error.code == ErrorCode::WalAbsent || request.is_behind() {
        return EXIT_ABSENT;
    }
    output::error(&error);
    match error.code {
        ErrorCode::RepositoryDamaged => EXIT_DAMAGED,
        ErrorCode::WalGap => EXIT_GAP,
        ErrorCode::RepositoryForeign => EXIT_FOREIGN,
        ErrorCode::RepositoryUnreadable => EXIT_UNREADABLE,
        _ => EXIT_GET_FAILED,
    }
}

/// The name of a stored compression, for the full parser.
///
/// # Errors
/// What is allowed.
pub fn parse_compression(text: &str) -> std::result::Result<WalCompression, String> {
    text.parse().map_err(|error: api::ParseCompressionError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_ordinary_forms_are_read_fast() {
        let read = |line: &str| Words::read(&words(line));
        let push = push_request(&read("pg_wal/X /dest --compress=lz4 -D /data").unwrap()).unwrap();
        assert_eq!(push.place, WalPlace::Destination("/dest".into()));
        assert_eq!(push.compression, WalCompression::Lz4);
        assert_eq!(push.data_directory.as_deref(), Some(Path::new("/data")));
        let get = get_request(&read("X pg_wal/RECOVERYXLOG -B /dest --prefetch 4").unwrap());
        let get = get.unwrap();
        assert_eq!((get.name.as_str(), get.prefetch), ("X", 4));
        let get = |name: &str| {
            let line = format!("{name} pg_wal/X -B /dest --until 000000020000000000000007");
            get_request(&read(&line).unwrap()).unwrap()
        };
        assert!(get("000000020000000000000008").is_behind());
        assert!(get("000000010000000100000000").is_behind());
        assert!(!get("000000020000000000000007").is_behind());
        assert!(!get("00000003.history").is_behind());
        for line in ["X", "X Y Z"] {
            assert!(push_request(&read(line).unwrap()).is_none(), "{line}");
        }
        for line in ["--help", "X Y --compress", "X Y --compress gzip", "X Y --prefetch -1", "-x y"]
        {
            assert!(read(line).is_none(), "{line}");
        }
    }

    #[test]
    fn a_restore_never_ends_with_another_low_code() {
        for (code, expect) in [(0, 0), (1, 1), (2, 126), (64, 126), (101, 126), (202, 202)] {
            assert_eq!(restore_exit(Some(code)), expect);
        }
        assert_eq!(restore_exit(None), 126);
        assert!(is_restore(&words("pgdeck -D x wal-get")));
        assert!(is_restore(&words("/usr/bin/pgx_walcopy.cmd a b")));
        assert!(!is_restore(&words("pgx_xlogcopy.cmd a b")));
        for code in [EXIT_DAMAGED, EXIT_GAP, EXIT_FOREIGN, EXIT_UNREADABLE, EXIT_GET_FAILED] {
            assert!(code > 125 && code != 143);
        }
    }
}
