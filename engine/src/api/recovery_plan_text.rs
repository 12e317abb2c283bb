//! A recovery's plan in words, and the number by which a plan is known again.

use std::fmt::Write;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::{
    OldData, RecoveryAction, RecoveryPlan, RecoveryRole, RecoveryTarget, Replaced, SettingNeed,
    StopPoint, TablespacePlan, TargetBound, WalSource,
};

/// Columns a line takes at most, where paths allow it.
const COLUMNS: usize = 79;
/// Columns of the words that begin lines.
const INDENT: usize = 13;

impl RecoveryPlan {
    /// The plan in words, a line each; what `--dry-run` prints.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let mut text = Text::default();
        self.describe_end(&mut text);
        self.describe_sources(&mut text);
        self.describe_lost(&mut text);
        self.describe_place(&mut text);
        self.describe_needs(&mut text);
        for warning in &self.warnings {
            text.add("WARNING", warning);
        }
        text.lines
    }

    fn describe_end(&self, text: &mut Text) {
        text.add("target", &self.target.describe());
        let stop = &self.stop;
        let timeline = stop.timeline.decimal();
        let end = match (&self.role, stop.record) {
            (RecoveryRole::Standby(_), _) => {
                format!("replays without end; WAL that is here ends at {}", stop.reached)
            }
            (_, None) => format!("ends where the backup becomes consistent, {}", stop.reached),
            (_, Some(record)) => match stop.bound {
                TargetBound::Inclusive => format!("ends behind the record at {record}"),
                TargetBound::Exclusive => format!("ends before the record at {record}"),
            },
        };
        text.add("replay", &format!("{end}, timeline {timeline}"));
        if let Some(at) = stop.last_commit_at {
            text.add("", &format!("the last commit in it is of {}", time(at)));
        }
        let action = match (&self.role, self.action) {
            (RecoveryRole::Standby(None), _) => "goes on as a standby".to_owned(),
            (RecoveryRole::Standby(Some(_)), _) => "goes on as a standby of a primary".to_owned(),
            (_, RecoveryAction::Pause) => "pauses there, readable only, until told".to_owned(),
            (_, RecoveryAction::Promote) => "is promoted there, to a new timeline".to_owned(),
            (_, RecoveryAction::Shutdown) => "is shut down there".to_owned(),
        };
        text.add("then", &action);
    }

    fn describe_sources(&self, text: &mut Text) {
        text.add("from", &self.destination.display().to_string());
        let files = count(self.files, "file");
        text.add("backup", &format!("{} in {files}", bytes(self.restore_bytes)));
        text.add("", &self.chain.join(" + "));
        text.add("WAL", &format!("{} to replay", bytes(self.replay_bytes)));
        for run in &self.wal {
            let source = match run.source {
                WalSource::Archive => "archive",
                WalSource::Mirror => "mirror",
                WalSource::OldWal => "old pg_wal",
            };
            let segments = count(run.segments, "segment");
            text.add("", &format!("{source}: {segments}"));
            let range = if run.first == run.last {
                run.first.clone()
            } else {
                format!("{} to {}", run.first, run.last)
            };
            text.add("", &format!("  {range}"));
        }
    }

    fn describe_lost(&self, text: &mut Text) {
        let lost = &self.lost;
        if lost.commits == 0 {
            text.add("lost", "no commit that is known");
        } else {
            text.add("lost", &format!("{} behind that point", count(lost.commits, "commit")));
            if let (Some(from), Some(to)) = (lost.from_at, lost.to_at) {
                text.add("", &format!("from {}", time(from)));
                text.add("", &format!("to   {}", time(to)));
            }
        }
        if let Some(beyond) = &lost.beyond {
            text.add("", &format!("and what cannot be read: {beyond}"));
        }
    }

    fn describe_place(&self, text: &mut Text) {
        text.add("to", &self.directory.display().to_string());
        if let Some(wal) = &self.wal_directory {
            text.add("", &format!("pg_wal in {}", wal.display()));
        }
        for one in &self.tablespaces {
            text.add("", &format!("tablespace {} in {}", one.oid, one.directory.display()));
        }
        if let Some(port) = self.port {
            text.add("", &format!("port {port}"));
        }
        match &self.replaced {
            None => text.add("replaces", "nothing"),
            Some(replaced) => {
                text.add("REPLACES", &replaced.path.display().to_string());
                text.add("", &describe_replaced(replaced));
                let becomes = match self.old_data {
                    OldData::Keep => "it is kept aside and can be put back (undo)",
                    OldData::Discard => "it is REMOVED and cannot be put back",
                    OldData::Rewrite => "it is REWRITTEN and cannot be put back",
                };
                text.add("", becomes);
            }
        }
    }

    fn describe_needs(&self, text: &mut Text) {
        for need in &self.space {
            text.add(
                "room",
                &format!("{} of {} free", bytes(need.needed_bytes), bytes(need.free_bytes)),
            );
            text.add("", &format!("  on the file system of {}", need.path.display()));
        }
        for directory in &self.new_directories {
            text.add("makes", &format!("{} for {}", directory.display(), self.owner));
        }
        for setting in &self.settings {
            let SettingNeed { name, needed, configured } = setting;
            text.add("raises", &format!("{name} from {configured} to {needed} for the replay"));
        }
        if let Some(fingerprint) = &self.keystore_fingerprint {
            text.add("keystore", &format!("that with the fingerprint {fingerprint}"));
        }
        let estimate = &self.estimate;
        let known = if estimate.is_measured { "measured" } else { "assumed speeds" };
        let (restore, replay) =
            (seconds(estimate.restore_seconds), seconds(estimate.replay_seconds));
        let all = seconds(estimate.restore_seconds + estimate.replay_seconds);
        text.add("takes about", &format!("{all} ({known}): {restore} restore, {replay} replay"));
    }

    /// A number over what must not change between the yes and the doing. What grows while a
    /// server is running (the latest position, what is lost, room) is not part of it.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        let grows = self.target == RecoveryTarget::Latest && self.replaced.is_none();
        let essence = Essence {
            destination: &self.destination,
            directory: &self.directory,
            wal_directory: self.wal_directory.as_deref(),
            tablespaces: &self.tablespaces,
            port: self.port,
            target: &self.target,
            timeline: self.stop.timeline.as_u32(),
            stop: (!grows).then_some(&self.stop),
            chain: &self.chain,
            replaced: self.replaced.as_ref().map(|one| (&one.host, one.path.as_path())),
            old_data: self.old_data,
            action: self.action,
            role: &self.role,
            settings: &self.settings,
            keystore_fingerprint: self.keystore_fingerprint.as_deref(),
        };
        // Texts and numbers always have a JSON form.
        crc32c::crc32c(&serde_json::to_vec(&essence).unwrap_or_default())
    }
}

#[derive(Serialize)]
struct Essence<'a> {
    destination: &'a Path,
    directory: &'a Path,
    wal_directory: Option<&'a Path>,
    tablespaces: &'a [TablespacePlan],
    port: Option<u16>,
    target: &'a RecoveryTarget,
    timeline: u32,
    stop: Option<&'a StopPoint>,
    chain: &'a [String],
    replaced: Option<(&'a String, &'a Path)>,
    old_data: OldData,
    action: RecoveryAction,
    role: &'a RecoveryRole,
    settings: &'a [SettingNeed],
    keystore_fingerprint: Option<&'a str>,
}

fn describe_replaced(replaced: &Replaced) -> String {
    let mut text = format!("on {}, {}, {}", replaced.host, bytes(replaced.bytes), replaced.state);
    if let Some(at) = replaced.as_of {
        // Writing into a String never fails.
        let _ = write!(text, ", last written {}", at.to_rfc3339_opts(SecondsFormat::Secs, true));
    }
    text
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Bytes for people, in powers of 1024 as PostgreSQL writes them.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 10_240 {
        return format!("{count} bytes");
    }
    let (mut whole, mut unit) = (count / 1024, 0);
    while whole >= 10_240 && unit + 1 < UNITS.len() {
        whole /= 1024;
        unit += 1;
    }
    format!("{whole} {}", UNITS[unit])
}

/// Seconds for people: `45 s`, `3 m 10 s`, `2 h 5 m`.
fn seconds(count: f64) -> String {
    let count = if count.is_finite() { count.clamp(1.0, 1e12).ceil() } else { 1e12 };
    let whole = format!("{count:.0}").parse::<u64>().unwrap_or(1);
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} m {} s", whole / 60, whole % 60),
        _ => format!("{} h {} m", whole / 3600, whole % 3600 / 60),
    }
}

/// Lines with a word in front, broken where they get too long.
#[derive(Default)]
struct Text {
    lines: Vec<String>,
}

impl Text {
    fn add(&mut self, word: &str, text: &str) {
        let mut front = format!("{word:<INDENT$}");
        let leading = text.len() - text.trim_start().len();
        let mut line = String::new();
        for part in text.split(' ') {
            let is_full =
                front.chars().count() + line.chars().count() + 1 + part.chars().count() > COLUMNS;
            if !line.trim().is_empty() && is_full {
                self.lines.push(format!("{front}{line}").trim_end().to_owned());
                front = " ".repeat(INDENT);
                line = format!("{}{part}", " ".repeat(leading));
                continue;
            }
            if !line.is_empty() || (leading > 0 && part.is_empty()) {
                line.push(' ');
            }
            line.push_str(part);
        }
        self.lines.push(format!("{front}{line}").trim_end().to_owned());
    }
}
