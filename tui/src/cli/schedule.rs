//! `pgdeck schedule`: a daily backup as a systemd timer or a cron line.

use std::path::{Path, PathBuf};

use pgdeck_engine::api::{Error, ErrorCode, Result, Snapshot};

use super::args::GlobalArgs;
use super::backup_args::{ScheduleArgs, ScheduleKind};
use super::oneshot::{OneShot, engine_config};
use super::output;

/// What a schedule is made of.
struct Facts {
    /// The instance's name, fit for a file name.
    name: String,
    data_directory: PathBuf,
    owner: String,
    program: PathBuf,
    hour: u8,
    minute: u8,
}

/// Prints a schedule, or writes it into a directory.
///
/// # Errors
/// `InstanceRemote`, `UsageInvalid` for a time that is none, `FileAccess`.
pub async fn run(global: &GlobalArgs, args: &ScheduleArgs) -> Result<u8> {
    let mut engine = OneShot::start(engine_config(global))?;
    let snapshot = engine.only_instance().await?;
    let facts = facts(&snapshot, args)?;
    let files = match args.kind {
        ScheduleKind::Systemd => systemd(&facts),
        ScheduleKind::Cron => vec![(format!("pgdeck-{}", facts.name), cron(&facts))],
    };
    match &args.output {
        Some(directory) => write(directory, &files, args.kind, &facts),
        None => {
            for (name, content) in &files {
                if files.len() > 1 {
                    output::line(&format!("# {name}"));
                }
                output::raw(content);
            }
            Ok(0)
        }
    }
}

fn facts(snapshot: &Snapshot, args: &ScheduleArgs) -> Result<Facts> {
    let name = &snapshot.identity.name;
    let data_directory = snapshot.identity.data_directory.clone().ok_or_else(|| {
        Error::new(ErrorCode::InstanceRemote, format!("\"{name}\" is on another machine"))
    })?;
    let program = std::env::current_exe().map_err(|error| {
        Error::new(ErrorCode::ProgramFailed, "this program does not know its own path")
            .detail(error.to_string())
    })?;
    let (hour, minute) = time_of(&args.at)?;
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
    Ok(Facts {
        name: name.chars().map(safe).collect(),
        data_directory,
        owner: snapshot.status.owner.clone().unwrap_or_else(|| "postgres".to_owned()),
        program,
        hour,
        minute,
    })
}

fn time_of(text: &str) -> Result<(u8, u8)> {
    let parts = text.split_once(':').and_then(|(hour, minute)| {
        let (hour, minute) = (hour.parse::<u8>().ok()?, minute.parse::<u8>().ok()?);
        (hour < 24 && minute < 60).then_some((hour, minute))
    });
    parts.ok_or_else(|| {
        Error::new(ErrorCode::UsageInvalid, format!("\"{text}\" is not a time of day"))
            .detail("hours and minutes are expected")
            .hint("Write it as 02:30.")
    })
}

/// A path in a unit file: percent signs are specifiers there ("systemd.unit", SPECIFIERS).
fn unit_path(path: &Path) -> String {
    let text = path.display().to_string();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

fn systemd(facts: &Facts) -> Vec<(String, String)> {
    let unit = format!("pgdeck-backup-{}", facts.name);
    let service = format!(
        "[Unit]\nDescription=pgdeck backup of PostgreSQL instance {name}\n\n[Service]\n\
         Type=oneshot\nUser={owner}\nNice=10\nIOSchedulingClass=idle\n\
         ExecStart={program} backup -D {data}\n",
        name = facts.name,
        owner = facts.owner,
        program = unit_path(&facts.program),
        data = unit_path(&facts.data_directory),
    );
    let timer = format!(
        "[Unit]\nDescription=daily pgdeck backup of PostgreSQL instance {name}\n\n[Timer]\n\
         OnCalendar=*-*-* {hour:02}:{minute:02}:00\nPersistent=true\nRandomizedDelaySec=60\n\n\
         [Install]\nWantedBy=timers.target\n",
        name = facts.name,
        hour = facts.hour,
        minute = facts.minute,
    );
    vec![(format!("{unit}.service"), service), (format!("{unit}.timer"), timer)]
}

/// A file for `/etc/cron.d`: with a user, and percent signs escaped (`crontab(5)`).
fn cron(facts: &Facts) -> String {
    let quoted = |path: &Path| {
        let text = path.display().to_string();
        format!("'{}'", text.replace('\'', r"'\''").replace('%', r"\%"))
    };
    format!(
        "# daily pgdeck backup of PostgreSQL instance {name}; for /etc/cron.d\n\
         {minute} {hour} * * * {owner} {program} backup -D {data}\n",
        name = facts.name,
        minute = facts.minute,
        hour = facts.hour,
        owner = facts.owner,
        program = quoted(&facts.program),
        data = quoted(&facts.data_directory),
    )
}

fn write(
    directory: &Path,
    files: &[(String, String)],
    kind: ScheduleKind,
    facts: &Facts,
) -> Result<u8> {
    for (name, content) in files {
        let path = directory.join(name);
        std::fs::write(&path, content).map_err(|error| {
            Error::new(ErrorCode::FileAccess, format!("\"{}\" cannot be written", path.display()))
                .detail(error.to_string())
        })?;
        output::line(&path.display().to_string());
    }
    if kind == ScheduleKind::Systemd {
        let name = &facts.name;
        output::note(&format!(
            "next: systemctl daemon-reload && systemctl enable --now pgdeck-backup-{name}.timer"
        ));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Facts {
        Facts {
            name: "inst1".into(),
            data_directory: "/data 100%/inst1".into(),
            owner: "postgres".into(),
            program: "/usr/local/bin/pgdeck".into(),
            hour: 2,
            minute: 5,
        }
    }

    #[test]
    fn percent_signs_survive() {
        let cron = cron(&example());
        assert!(cron.ends_with(
            "5 2 * * * postgres '/usr/local/bin/pgdeck' backup -D '/data 100\\%/inst1'\n"
        ));
        let files = systemd(&example());
        assert_eq!(files[0].0, "pgdeck-backup-inst1.service");
        let exec = "ExecStart=\"/usr/local/bin/pgdeck\" backup -D \"/data 100%%/inst1\"\n";
        assert!(files[0].1.contains(exec), "{}", files[0].1);
        assert!(files[1].1.contains("OnCalendar=*-*-* 02:05:00\n"));
    }

    #[test]
    fn times_of_day() {
        assert_eq!(time_of("02:30").unwrap(), (2, 30));
        for bad in ["24:00", "1:60", "noon", "", "1"] {
            assert_eq!(time_of(bad).unwrap_err().code, ErrorCode::UsageInvalid, "{bad}");
        }
    }
}
