//! `postmaster.pid` and `postmaster.opts`: what a server wrote about itself as it started.
//!
//! Owns the layout of both files; knows no processes, so it cannot say whether the server
//! still runs. Works on bytes, because a data directory's name need not be UTF-8.
//!
//! Source: `src/include/utils/pidfile.h`, `CreateLockFile()` and `AddToDataDirLockFile()`
//! in `src/backend/utils/init/miscinit.c`, `CreateOptsFile()` in
//! `src/backend/postmaster/postmaster.c`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

/// The file's name in the data directory.
pub const PID_FILE: &str = "postmaster.pid";

/// The name of the file with the server's command line.
pub const OPTS_FILE: &str = "postmaster.opts";

/// What the server says of itself in the last line of `postmaster.pid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PostmasterStatus {
    /// `starting`: takes no connections yet.
    Starting,
    /// `stopping`: shuts down.
    Stopping,
    /// `ready`: takes connections.
    Ready,
    /// `standby`: recovers and takes no connections (`hot_standby = off`).
    Standby,
}

/// The content of `postmaster.pid`, as far as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostmasterPid {
    /// The server process, always above zero.
    pub pid: i32,
    /// Whether that is a single-user backend (`postgres --single`), not a postmaster: the
    /// file then holds the process id with a minus sign.
    pub is_single_user: bool,
    /// The data directory.
    pub data_directory: Option<PathBuf>,
    /// When the server started, to the second.
    pub started_at: Option<DateTime<Utc>>,
    /// The TCP port, also the suffix of the socket.
    pub port: Option<u16>,
    /// The first directory of `unix_socket_directories`; `None` without a socket.
    pub socket_directory: Option<PathBuf>,
    /// The first address of `listen_addresses`, such as `localhost` or `*`; `None` without TCP.
    pub listen_address: Option<String>,
    /// Key and id of the System V shared memory segment.
    pub shared_memory: Option<(u64, u64)>,
    /// The status.
    pub status: Option<PostmasterStatus>,
}

/// Why a pid file names no process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PidFileError {
    /// It is empty: just being made, or left over from a crash of the machine.
    #[error("it is empty")]
    Empty,
    /// Its first line is not a process id.
    #[error("its first line is not a process id")]
    NotAPid,
}

/// Reads `postmaster.pid`.
///
/// The server writes five lines at once and adds the others as it gets on, so lines may be
/// missing; a line without its newline is half written and counts as missing, save the pid.
///
/// # Errors
/// [`PidFileError::Empty`] and [`PidFileError::NotAPid`].
pub fn parse_pid_file(content: &[u8]) -> Result<PostmasterPid, PidFileError> {
    let first = content.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if content.iter().all(u8::is_ascii_whitespace) {
        return Err(PidFileError::Empty);
    }
    let signed = number::<i32>(first).ok_or(PidFileError::NotAPid)?;
    let pid = signed.checked_abs().filter(|&pid| pid > 0).ok_or(PidFileError::NotAPid)?;

    let mut lines: Vec<&[u8]> = content.split(|&byte| byte == b'\n').collect();
    // What follows the last newline is no whole line.
    lines.pop();
    let line = |index: usize| lines.get(index).copied().filter(|line| !line.is_empty());
    Ok(PostmasterPid {
        pid,
        is_single_user: signed < 0,
        data_directory: line(1).map(path),
        started_at: line(2).and_then(number).and_then(|s| DateTime::from_timestamp(s, 0)),
        port: line(3).and_then(number).filter(|&port| port != 0),
        socket_directory: line(4).map(path),
        listen_address: line(5).map(|text| String::from_utf8_lossy(text).into_owned()),
        shared_memory: line(6).and_then(shared_memory),
        status: line(7).and_then(status),
    })
}

fn status(line: &[u8]) -> Option<PostmasterStatus> {
    // The words are padded to eight characters, so that the line can be rewritten in place.
    match line.trim_ascii() {
        b"starting" => Some(PostmasterStatus::Starting),
        b"stopping" => Some(PostmasterStatus::Stopping),
        b"ready" => Some(PostmasterStatus::Ready),
        b"standby" => Some(PostmasterStatus::Standby),
        _ => None,
    }
}

fn shared_memory(line: &[u8]) -> Option<(u64, u64)> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    Some((number(words.next()?)?, number(words.next()?)?))
}

fn number<T: std::str::FromStr>(line: &[u8]) -> Option<T> {
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

fn path(line: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(line)).to_owned()
}

/// The command line a server was started with, from `postmaster.opts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCommand {
    /// The server program.
    pub program: PathBuf,
    /// Its arguments, the program's name excluded.
    pub arguments: Vec<String>,
}

/// Reads `postmaster.opts`; `None` when it is empty.
///
/// The server puts each argument between double quotes and escapes nothing: an argument
/// that itself contains `" "` comes out as two.
#[must_use]
pub fn parse_opts_file(content: &[u8]) -> Option<ServerCommand> {
    let line = content.split(|&byte| byte == b'\n').next()?;
    if line.is_empty() {
        return None;
    }
    let quote = line.windows(2).position(|pair| pair == b" \"");
    let (program, rest) = match quote {
        Some(at) => line.split_at_checked(at)?,
        None => (line, &line[..0]),
    };
    let rest = String::from_utf8_lossy(rest);
    let rest = rest.strip_prefix(" \"").unwrap_or_default();
    let arguments = match rest.strip_suffix('"').unwrap_or(rest) {
        "" if rest.is_empty() => Vec::new(),
        rest => rest.split("\" \"").map(str::to_owned).collect(),
    };
    Some(ServerCommand { program: path(program), arguments })
}

/// Options of `postgres` that take a value (`getopt` in `PostmasterMain()`, 13 to 18).
const OPTIONS_WITH_VALUE: &str = "BCcDdfhkNprStW";

impl ServerCommand {
    /// The data directory named by `-D`.
    #[must_use]
    pub fn data_directory(&self) -> Option<PathBuf> {
        self.options().filter(|(name, _)| *name == 'D').last().map(|(_, value)| value.into())
    }

    /// A setting given on the command line, by `-c`, `--name=value` or its own letter.
    ///
    /// The last one counts, as for the server. In `--name` a hyphen stands for an
    /// underscore (`ParseLongOption()` in `guc.c`); the letters are those of "postgres" in
    /// the manual's reference of server applications.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<String> {
        let mut found = None;
        for (option, value) in self.options() {
            let (set, value) = match option {
                'c' | '-' => match value.split_once('=') {
                    Some((set, value)) => (set.replace('-', "_"), value),
                    None => continue,
                },
                'p' => ("port".to_owned(), value),
                'k' => ("unix_socket_directories".to_owned(), value),
                'h' => ("listen_addresses".to_owned(), value),
                'N' => ("max_connections".to_owned(), value),
                'B' => ("shared_buffers".to_owned(), value),
                _ => continue,
            };
            if set.eq_ignore_ascii_case(name) {
                found = Some(value.to_owned());
            }
        }
        found
    }

    /// The configuration file, when it is not `postgresql.conf` in the data directory.
    #[must_use]
    pub fn config_file(&self) -> Option<PathBuf> {
        self.setting("config_file").map(PathBuf::from)
    }

    /// The port, when the command line names it.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.setting("port")?.trim().parse().ok()
    }

    /// Options with values, split as `getopt` does; `-` stands for a long option.
    fn options(&self) -> impl Iterator<Item = (char, &str)> {
        let mut arguments = self.arguments.iter();
        std::iter::from_fn(move || {
            loop {
                let argument = arguments.next()?;
                if let Some(long) = argument.strip_prefix("--") {
                    return Some(('-', long));
                }
                let Some(letters) = argument.strip_prefix('-') else { continue };
                // Letters without a value may stand before the one that takes it.
                let Some(at) = letters.find(|c| OPTIONS_WITH_VALUE.contains(c)) else { continue };
                let (option, value) = letters.get(at..)?.split_at_checked(1)?;
                let value = if value.is_empty() { arguments.next()?.as_str() } else { value };
                return Some((option.chars().next()?, value));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const READY: &[u8] = b"19184\n/data/inst1\n1795368821\n5432\n/var/run/postgresql\nlocalhost\n  5432001    131072\nready   \n";

    #[test]
    fn reads_every_line() {
        let file = parse_pid_file(READY).unwrap();
        assert_eq!((file.pid, file.is_single_user), (19184, false));
        assert_eq!(file.data_directory.as_deref(), Some(Path::new("/data/inst1")));
        assert_eq!(file.started_at.unwrap().timestamp(), 1_795_368_821);
        assert_eq!(file.port, Some(5432));
        assert_eq!(file.socket_directory.as_deref(), Some(Path::new("/var/run/postgresql")));
        assert_eq!(file.listen_address.as_deref(), Some("localhost"));
        assert_eq!(file.shared_memory, Some((5_432_001, 131_072)));
        assert_eq!(file.status, Some(PostmasterStatus::Ready));
    }

    #[test]
    fn knows_the_four_statuses() {
        for (word, status) in [
            ("starting", PostmasterStatus::Starting),
            ("stopping", PostmasterStatus::Stopping),
            ("ready   ", PostmasterStatus::Ready),
            ("standby ", PostmasterStatus::Standby),
        ] {
            let content = format!("7\n/d\n1\n5432\n\n\n\n{word}\n");
            assert_eq!(parse_pid_file(content.as_bytes()).unwrap().status, Some(status));
        }
    }

    #[test]
    fn without_socket_and_tcp() {
        let file = parse_pid_file(b"7\n/d\n1\n5432\n\n\n").unwrap();
        assert_eq!((file.socket_directory, file.listen_address), (None, None));
    }

    #[test]
    fn half_written_lines_are_missing_lines() {
        for length in 0..READY.len() {
            let Ok(file) = parse_pid_file(&READY[..length]) else {
                assert_eq!(length, 0);
                continue;
            };
            assert!(file.port.is_none_or(|port| port == 5432), "{length}");
            assert!(file.started_at.is_none_or(|at| at.timestamp() == 1_795_368_821), "{length}");
            assert!(file.data_directory.is_none_or(|d| d == Path::new("/data/inst1")), "{length}");
        }
    }

    #[test]
    fn a_single_user_backend_has_a_minus() {
        let file = parse_pid_file(b"-4711\n/d\n1795368821\n5432\n\n\n").unwrap();
        assert_eq!((file.pid, file.is_single_user), (4711, true));
    }

    #[test]
    fn what_is_no_pid_file() {
        assert_eq!(parse_pid_file(b""), Err(PidFileError::Empty));
        assert_eq!(parse_pid_file(b"\n\n"), Err(PidFileError::Empty));
        for content in ["hello\n", "0\n", "99999999999\n", "-2147483648\n", "\n12\n"] {
            assert_eq!(parse_pid_file(content.as_bytes()), Err(PidFileError::NotAPid));
        }
    }

    #[test]
    fn a_directory_need_not_be_utf8() {
        let file = parse_pid_file(b"7\n/d\xFF\n1\n").unwrap();
        assert_eq!(file.data_directory.unwrap().as_os_str().as_bytes(), b"/d\xFF");
    }

    #[test]
    fn splits_the_command_line() {
        let command = parse_opts_file(
            b"/usr/lib/postgresql/15/bin/postgres \"-D\" \"/var/lib/postgresql/15/main\" \"-c\" \"config_file=/etc/postgresql/15/main/postgresql.conf\"\n",
        )
        .unwrap();
        assert_eq!(command.program, Path::new("/usr/lib/postgresql/15/bin/postgres"));
        assert_eq!(command.arguments.len(), 4);
        assert_eq!(command.data_directory().unwrap(), Path::new("/var/lib/postgresql/15/main"));
        let config = Path::new("/etc/postgresql/15/main/postgresql.conf");
        assert_eq!(command.config_file().unwrap(), config);
        assert_eq!(command.port(), None);
    }

    #[test]
    fn finds_settings_however_they_are_written() {
        let command = |arguments: &[&str]| ServerCommand {
            program: "postgres".into(),
            arguments: arguments.iter().map(|&a| a.to_owned()).collect(),
        };
        assert_eq!(command(&["-p", "5433"]).port(), Some(5433));
        assert_eq!(command(&["-p5433", "-D/a b"]).port(), Some(5433));
        assert_eq!(command(&["-p5433", "-D/a b"]).data_directory().unwrap(), Path::new("/a b"));
        assert_eq!(command(&["-ip", "5434"]).port(), Some(5434), "-i takes no value");
        assert_eq!(command(&["--port=1", "-c", "port=2"]).port(), Some(2), "the last one counts");
        let config = command(&["--config-file=/x.conf"]).config_file();
        assert_eq!(config.unwrap(), Path::new("/x.conf"));
        assert_eq!(command(&["-k", "-p"]).port(), None, "-p is the value of -k here");
        assert_eq!(command(&["-D"]).data_directory(), None);
    }

    #[test]
    fn programs_and_arguments_may_contain_blanks() {
        let command = parse_opts_file(b"/opt/my pg/postgres \"-D\" \"/a b\" \"\"\n").unwrap();
        assert_eq!(command.program, Path::new("/opt/my pg/postgres"));
        assert_eq!(command.arguments, ["-D", "/a b", ""]);
        let bare = parse_opts_file(b"/usr/bin/postgres\n").unwrap();
        assert_eq!(bare.arguments, [""; 0]);
        assert_eq!(parse_opts_file(b""), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_pid_file(&bytes);
            if let Some(command) = parse_opts_file(&bytes) {
                let _ = (command.port(), command.data_directory(), command.config_file());
            }
        }

        #[test]
        fn arguments_survive(arguments in prop::collection::vec("[^\"\n]{0,8}", 0..5)) {
            let mut line = "/bin/postgres".to_owned();
            for argument in &arguments {
                line.push_str(&format!(" \"{argument}\""));
            }
            line.push('\n');
            prop_assert_eq!(parse_opts_file(line.as_bytes()).unwrap().arguments, arguments);
        }
    }
}
