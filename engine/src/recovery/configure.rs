//! The settings of a recovery: which they are, and how they stand in `postgresql.auto.conf`.
//! Pure.
//!
//! Source: "Archive Recovery" and "Recovery Target" in the manual; `xlogrecovery.c`.

use std::path::Path;

use super::state::OwnSetting;
use crate::api::{Error, ErrorCode, RecoveryPlan, RecoveryRole, Result, TargetBound};
use crate::pg::conf::{self, AUTO_CONF_FILE, Conf, ConfItemKind};

/// The line before the recovery's own settings.
pub const BEGIN: &str = "# pgdeck recovery: begin";
/// The line behind them.
pub const END: &str = "# pgdeck recovery: end";

/// Segments that are fetched ahead of the one that is replayed.
const PREFETCH: u32 = 4;

/// Settings that would say something else about a recovery; those in `postgresql.auto.conf`
/// are removed, those in other files overruled.
const OTHERS: [&str; 8] = [
    "restore_command",
    "archive_cleanup_command",
    "recovery_end_command",
    "recovery_min_apply_delay",
    "primary_conninfo",
    "primary_slot_name",
    "promote_trigger_file",
    "hot_standby",
];
/// Of all targets only one may be set, in whichever file (`error_multiple_recovery_targets()`).
const TARGETS: [&str; 5] = [
    "recovery_target",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_time",
    "recovery_target_xid",
];

/// How WAL is fetched.
#[derive(Clone, Copy, Debug)]
pub struct Fetching<'a> {
    /// This program, absolute.
    pub program: &'a Path,
    /// WAL that is not in the archive.
    pub rescued: &'a Path,
    /// Whether the history of the timeline that is followed can be fetched. A server ends when
    /// it is told a timeline without one, unless that is the backup's own
    /// (`validateRecoveryParameters()` in `xlogrecovery.c`).
    pub has_history: bool,
}

/// The `restore_command`. It goes to a shell; `%f` and `%p` are the server's.
///
/// # Errors
/// `RecoveryPlace` for a path with a line break, which the files cannot hold.
pub fn restore_command(plan: &RecoveryPlan, fetching: Fetching<'_>) -> Result<String> {
    let word = |path: &Path| {
        let text = path.display().to_string();
        if text.contains(['\n', '\r', '\0']) {
            let fact = format!("\"{}\" has a line break", path.display().to_string().trim());
            return Err(
                Error::new(ErrorCode::RecoveryPlace, fact).detail("a setting cannot hold it")
            );
        }
        Ok(crate::archiving::shell_word(&text))
    };
    // The shell becomes the program: the server waits for one process less.
    let mut command = format!(
        "exec {} wal-get %f \"%p\" -B {} --rescued {} --prefetch {PREFETCH}",
        word(fetching.program)?,
        word(&plan.destination)?,
        word(fetching.rescued)?
    );
    // The server reads ahead of what it replays: a fault behind the target must not end it.
    if let (RecoveryRole::Primary, Some(last)) = (&plan.role, plan.wal.last()) {
        command.push_str(&format!(" --until {}", last.last));
    }
    Ok(command)
}

/// The settings for the time of the recovery. `files` is what all configuration files say.
///
/// # Errors
/// As [`restore_command`].
pub fn settings(
    plan: &RecoveryPlan,
    fetching: Fetching<'_>,
    files: &Conf,
) -> Result<Vec<OwnSetting>> {
    let mut all = Vec::new();
    let mut set = |name: &str, value: &str| {
        all.push(OwnSetting { name: name.to_owned(), value: value.to_owned() });
    };
    // Those of other files first: an empty target behind the real one would take it back.
    for name in TARGETS.iter().chain(&OTHERS[1..3]) {
        if elsewhere(files, name).is_some_and(|value| !value.is_empty()) {
            set(name, "");
        }
    }
    if elsewhere(files, "recovery_min_apply_delay").is_some() {
        set("recovery_min_apply_delay", "0");
    }
    set("restore_command", &restore_command(plan, fetching)?);
    set("hot_standby", "on");
    match &plan.role {
        RecoveryRole::Primary => {
            // Without a history the plan has found the way on the backup's own timeline.
            let own = plan.stop.timeline.decimal();
            set("recovery_target_timeline", if fetching.has_history { &own } else { "current" });
            set("recovery_target_action", "pause");
            match plan.stop.record {
                Some(record) => {
                    set("recovery_target_lsn", &record.to_string());
                    let bound =
                        if plan.stop.bound == TargetBound::Inclusive { "on" } else { "off" };
                    set("recovery_target_inclusive", bound);
                }
                None => set("recovery_target", "immediate"),
            }
        }
        RecoveryRole::Standby(primary) => {
            set("recovery_target_timeline", "latest");
            match primary {
                Some(primary) => set("primary_conninfo", primary),
                None if elsewhere(files, "primary_conninfo").is_some() => {
                    set("primary_conninfo", "");
                }
                None => {}
            }
            if elsewhere(files, "primary_slot_name").is_some() {
                set("primary_slot_name", "");
            }
        }
    }
    for one in &plan.enlarged {
        set(&one.name, &format!("{}MB", one.bytes >> 20));
    }
    for need in plan.settings.iter().filter(|need| need.configured < need.needed) {
        set(&need.name, &need.needed.to_string());
    }
    Ok(all)
}

/// The value outside of `postgresql.auto.conf`.
fn elsewhere<'a>(files: &'a Conf, name: &str) -> Option<&'a str> {
    let others = files.settings.iter().rev().filter(|one| !one.file.ends_with(AUTO_CONF_FILE));
    let mut others = others.filter(|one| one.name.eq_ignore_ascii_case(name));
    others.next().map(|setting| setting.value.as_str())
}

/// Settings that stay after the recovery: a copy has its own port, archives nothing and leaves
/// the instance's files alone.
#[must_use]
pub fn lasting(plan: &RecoveryPlan, is_copy: bool, files: &Conf) -> Vec<OwnSetting> {
    let own = |name: &str, value: String| OwnSetting { name: name.to_owned(), value };
    let port = plan.port.map(|port| own("port", port.to_string()));
    let archive = is_copy.then(|| own("archive_mode", "off".to_owned()));
    let pid_file = elsewhere(files, "external_pid_file").filter(|_| is_copy);
    let pid_file = pid_file.map(|_| own("external_pid_file", String::new()));
    port.into_iter().chain(archive).chain(pid_file).collect()
}

/// What keeps a recovery quiet that the instance's own `archive_mode = always` would make archive
/// every segment it fetches, those that were rescued included: they would be in the way of the old
/// server's, if its data is put back. `before` are the recovery's settings of an earlier start.
#[must_use]
pub fn quiet(plan: &RecoveryPlan, files: &Conf, before: &[OwnSetting]) -> Option<OwnSetting> {
    const NAME: &str = "archive_mode";
    let is_always = files.value(NAME).is_some_and(|value| value.eq_ignore_ascii_case("always"));
    let was_always = before.iter().any(|one| one.name == NAME);
    (plan.role == RecoveryRole::Primary && (is_always || was_always))
        .then(|| OwnSetting { name: NAME.to_owned(), value: "on".to_owned() })
}

/// `postgresql.auto.conf` with the settings of a recovery: those of an older one are gone,
/// lasting ones come before the marks, its own between them.
#[must_use]
pub fn with(text: &str, lasting: &[OwnSetting], own: &[OwnSetting]) -> String {
    let is_recoverys = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.starts_with("recovery_target")
            || OTHERS.contains(&name.as_str())
            || lasting.iter().any(|one| one.name == name)
    };
    let mut out = without_lines(&without_block(text), |name, _| is_recoverys(name));
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    for one in lasting {
        out.push_str(&line(one));
    }
    out.push_str(&format!("{BEGIN}\n"));
    for one in own {
        out.push_str(&line(one));
    }
    out.push_str(&format!("{END}\n"));
    out
}

/// `postgresql.auto.conf` after the recovery. `ALTER SYSTEM` removes comments, and the marks
/// with them: then the settings are known by name and value.
#[must_use]
pub fn without(text: &str, own: &[OwnSetting]) -> String {
    if text.lines().any(|line| line == BEGIN) {
        return without_block(text);
    }
    without_lines(text, |name, value| {
        own.iter().any(|one| one.name.eq_ignore_ascii_case(name) && one.value == value)
    })
}

/// A configuration file without the settings that name places of its instance.
#[must_use]
pub fn without_places(text: &str) -> String {
    const PLACES: [&str; 4] = ["data_directory", "hba_file", "ident_file", "external_pid_file"];
    without_lines(text, |name, _| PLACES.contains(&name.to_ascii_lowercase().as_str()))
}

fn without_block(text: &str) -> String {
    let mut is_inside = false;
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.trim_end() {
            BEGIN => is_inside = true,
            END => is_inside = false,
            _ if !is_inside => out.push_str(line),
            _ => {}
        }
    }
    out
}

/// The text without the lines of some settings.
fn without_lines(text: &str, is_meant: impl Fn(&str, &str) -> bool) -> String {
    let mut spans = Vec::new();
    for item in conf::scan(text.as_bytes()) {
        if let ConfItemKind::Assignment { name, value, name_span, value_span } = item.kind
            && is_meant(&name, &value)
        {
            let from = text[..name_span.start].rfind('\n').map_or(0, |at| at + 1);
            let to =
                text[value_span.end..].find('\n').map_or(text.len(), |at| value_span.end + at + 1);
            spans.push(from..to);
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        out.push_str(&text[at..span.start.max(at)]);
        at = span.end.max(at);
    }
    out.push_str(&text[at..]);
    out
}

/// One setting as `ALTER SYSTEM` writes it (`escape_single_quotes_ascii()`).
fn line(setting: &OwnSetting) -> String {
    let value = setting.value.replace('\\', "\\\\").replace('\'', "''");
    format!("{} = '{value}'\n", setting.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::files::fake::FakeFiles;
    use crate::recovery::layout::tests::plan;

    fn fetching() -> Fetching<'static> {
        Fetching {
            program: Path::new("/usr/bin/pgdeck"),
            rescued: Path::new("/d/pgdeck_recovery/wal"),
            has_history: true,
        }
    }

    fn conf(main: &str, auto: &str) -> Conf {
        let files = FakeFiles::default()
            .with("/d/postgresql.conf", main)
            .with("/d/postgresql.auto.conf", auto);
        Conf::load(&files, Path::new("/d/postgresql.conf"), Path::new("/d")).unwrap()
    }

    fn lines(plan: &RecoveryPlan, files: &Conf) -> Vec<String> {
        let settings = settings(plan, fetching(), files).unwrap();
        settings.iter().map(|one| format!("{}={}", one.name, one.value)).collect()
    }

    #[test]
    fn a_target_is_one_record_of_one_timeline() {
        let mut plan = plan(Path::new("/r"));
        assert_eq!(
            lines(&plan, &Conf::default()),
            [
                "restore_command=exec /usr/bin/pgdeck wal-get %f \"%p\" -B /r/backup \
                 --rescued /d/pgdeck_recovery/wal --prefetch 4",
                "hot_standby=on",
                "recovery_target_timeline=1",
                "recovery_target_action=pause",
                "recovery_target_lsn=0/3000100",
                "recovery_target_inclusive=on",
            ]
        );
        let without = Fetching { has_history: false, ..fetching() };
        let follows = settings(&plan, without, &Conf::default()).unwrap().remove(2);
        assert_eq!((&*follows.name, &*follows.value), ("recovery_target_timeline", "current"));
        plan.stop.record = None;
        assert_eq!(lines(&plan, &Conf::default())[4..], ["recovery_target=immediate"]);
        plan.role = RecoveryRole::Standby(Some("host=db1".into()));
        let standby = lines(&plan, &Conf::default());
        assert_eq!(standby[2..], ["recovery_target_timeline=latest", "primary_conninfo=host=db1"]);
    }

    #[test]
    fn what_other_files_say_is_overruled_before() {
        let files = conf(
            "recovery_target_time = '2026-01-01'\narchive_cleanup_command = 'rm'\n\
             recovery_target_xid = ''\nrecovery_min_apply_delay = 1h\n",
            "recovery_target_name = 'x'\n",
        );
        let found = lines(&plan(Path::new("/r")), &files);
        assert_eq!(
            found[..3],
            ["recovery_target_time=", "archive_cleanup_command=", "recovery_min_apply_delay=0"]
        );
        assert!(!found.iter().any(|line| line.starts_with("recovery_target_name")), "{found:?}");
    }

    #[test]
    fn settings_come_and_go() {
        let before = "# ALTER SYSTEM\nwork_mem = '8MB'\nRestore_Command = 'cp'\nport = 1\n\
                      recovery_target_time = 'x'\nprimary_conninfo = 'host=a'\nmax_connections = 5";
        let own = [OwnSetting { name: "restore_command".into(), value: "it's \\ %f".into() }];
        let port = [OwnSetting { name: "port".into(), value: "2".into() }];
        let during = with(before, &port, &own);
        assert_eq!(
            during,
            "# ALTER SYSTEM\nwork_mem = '8MB'\nmax_connections = 5\nport = '2'\n\
             # pgdeck recovery: begin\nrestore_command = 'it''s \\\\ %f'\n# pgdeck recovery: end\n"
        );
        assert_eq!(with(&during, &port, &own), during, "a second time nothing changes");
        let after = "# ALTER SYSTEM\nwork_mem = '8MB'\nmax_connections = 5\nport = '2'\n";
        assert_eq!(without(&during, &own), after);
        assert_eq!(conf("", &during).value("restore_command"), Some("it's \\ %f"));
        // ALTER SYSTEM has rewritten the file.
        let rewritten = during.replace(BEGIN, "").replace(END, "work_mem = '9MB'");
        let left = without(&rewritten, &own);
        assert!(!left.contains("restore_command") && left.contains("9MB"), "{left}");
    }

    #[test]
    fn paths_survive_shell_and_server() {
        let mut plan = plan(Path::new("/r"));
        plan.destination = "/b 100%/it's $HOME".into();
        let command = restore_command(&plan, fetching()).unwrap();
        assert!(command.contains(r#" -B "/b 100%%/it's \$HOME" "#), "{command}");
        plan.destination = "/b\n".into();
        let error = restore_command(&plan, fetching()).unwrap_err();
        assert_eq!(error.code, ErrorCode::RecoveryPlace);
    }

    #[test]
    fn nothing_is_archived_before_the_promotion() {
        let mut plan = plan(Path::new("/r"));
        let always = conf("archive_mode = 'always'\n", "");
        let quiet_on = Some(OwnSetting { name: "archive_mode".into(), value: "on".into() });
        assert_eq!(quiet(&plan, &always, &[]), quiet_on);
        // The recovery's own setting hides the instance's the next time.
        let hidden = conf("archive_mode = 'always'\n", "archive_mode = 'on'\n");
        let before: Vec<OwnSetting> = quiet_on.iter().cloned().collect();
        assert_eq!(quiet(&plan, &hidden, &before), quiet_on);
        assert_eq!(quiet(&plan, &conf("archive_mode = 'on'\n", ""), &[]), None);
        assert_eq!(quiet(&plan, &conf("archive_mode = 'off'\n", ""), &[]), None);
        plan.role = RecoveryRole::Standby(None);
        assert_eq!(quiet(&plan, &always, &[]), None, "a standby goes on as it is told");
    }

    #[test]
    fn a_copy_archives_nothing_and_settings_are_raised() {
        let mut plan = plan(Path::new("/r"));
        plan.port = Some(5555);
        let names = |files: &Conf, is_copy| {
            lasting(&plan, is_copy, files).into_iter().map(|one| one.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&Conf::default(), false), ["port"]);
        assert_eq!(names(&Conf::default(), true), ["port", "archive_mode"]);
        let files = conf("external_pid_file = '/run/1.pid'\n", "");
        assert_eq!(names(&files, true), ["port", "archive_mode", "external_pid_file"]);
        plan.settings = vec![crate::api::SettingNeed {
            name: "max_connections".into(),
            needed: 200,
            configured: 100,
        }];
        assert_eq!(lines(&plan, &Conf::default()).last().unwrap(), "max_connections=200");
        plan.settings.clear();
        plan.enlarged = vec![crate::api::Enlarged {
            name: "shared_buffers".into(),
            bytes: 300 << 20,
            configured_bytes: 128 << 20,
        }];
        assert_eq!(lines(&plan, &Conf::default()).last().unwrap(), "shared_buffers=300MB");
    }
}
