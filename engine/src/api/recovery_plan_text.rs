//! A recovery's plan in words.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};

use super::{
    Enlarged, OldData, RecoveryAction, RecoveryPlan, RecoveryRole, Replaced, SettingNeed,
    StillRunning, TargetBound, WalRun, WalSource, bytes,
};

/// Columns a line of a terminal has, less one.
const COLUMNS: usize = 79;
/// Columns of the words that begin lines.
const INDENT: usize = 13;

impl RecoveryPlan {
    /// The plan in words, a line each; what `--dry-run` prints.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        self.describe_within(COLUMNS)
    }

    /// The same in lines of so many columns, where paths allow it.
    #[must_use]
    pub fn describe_within(&self, columns: usize) -> Vec<String> {
        let mut text = Text { columns, lines: Vec::new() };
        if let Some(running) = &self.running {
            describe_running(&mut text, running);
        }
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
            text.add("", &format!("  {}", range(run)));
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
        for Enlarged { name, bytes: to, configured_bytes } in &self.enlarged {
            let (from, to) = (bytes(*configured_bytes), bytes(*to));
            text.add("raises", &format!("{name} from {from} to {to} for a faster replay"));
        }
        if !self.enlarged.is_empty() {
            text.add("", "  until the server is started again after it");
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
}

/// What has to be stopped first, and what of its WAL is nowhere else now.
fn describe_running(text: &mut Text, running: &StillRunning) {
    text.add("RUNS", &format!("{}: it must be stopped before this can be done", running.detail));
    text.add("", "as it is at this moment; planned again once it is stopped");
    match running.unarchived.as_deref() {
        None => text.add("", "its pg_wal is gone: what was not archived is lost"),
        Some([]) => text.add("", "all its WAL on the way is in the archive"),
        Some(runs) => {
            let segments = runs.iter().map(|run| run.segments).sum();
            text.add(
                "",
                &format!("not archived yet, only in pg_wal: {}", count(segments, "segment")),
            );
            for run in runs {
                text.add("", &format!("  {}", range(run)));
            }
        }
    }
    if let Some(end) = running.wal_end {
        text.add("", &format!("its WAL can be read up to {end} now"));
    }
}

fn range(run: &WalRun) -> String {
    if run.first == run.last {
        return run.first.clone();
    }
    format!("{} to {}", run.first, run.last)
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
struct Text {
    columns: usize,
    lines: Vec<String>,
}

impl Text {
    fn add(&mut self, word: &str, text: &str) {
        let mut front = format!("{word:<INDENT$}");
        let words = text.trim_start();
        let leading = " ".repeat(text.len() - words.len());
        let mut line = leading.clone();
        for part in words.split(' ') {
            let columns = front.chars().count() + line.chars().count() + 1 + part.chars().count();
            if line.len() > leading.len() {
                if columns > self.columns {
                    self.lines.push(format!("{front}{line}"));
                    front = " ".repeat(INDENT);
                    line.clone_from(&leading);
                } else {
                    line.push(' ');
                }
            }
            line.push_str(part);
        }
        self.lines.push(format!("{front}{line}"));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::api::{Estimate, Lost, Lsn, RecoveryTarget, SpaceNeed, StopPoint, TimelineId};

    pub(in crate::api) fn lsn(text: &str) -> Lsn {
        text.parse().unwrap()
    }

    pub(in crate::api) fn plan() -> RecoveryPlan {
        let moment: DateTime<Utc> = "2026-07-01T13:30:40.123456Z".parse().unwrap();
        RecoveryPlan {
            destination: "/backup/inst1".into(),
            directory: "/database/inst1".into(),
            wal_directory: Some("/wal/inst1".into()),
            tablespaces: Vec::new(),
            port: None,
            target: RecoveryTarget::Time(moment),
            stop: StopPoint {
                timeline: TimelineId::from_u32(1).unwrap(),
                record: Some(lsn("16/B374D848")),
                bound: TargetBound::Exclusive,
                reached: lsn("16/B374D848"),
                last_commit_at: Some(moment),
            },
            chain: vec!["2026-07-01_00-00-00".into(), "2026-07-01_12-00-00".into()],
            major: 17,
            wal: vec![WalRun {
                source: WalSource::Archive,
                first: "000000010000001600000001".into(),
                last: "0000000100000016000000B3".into(),
                segments: 179,
            }],
            lost: Lost {
                commits: 3,
                from_at: Some(moment),
                to_at: Some(moment),
                beyond: Some("segment 000000010000001600000001 is missing".into()),
            },
            replaced: Some(Replaced {
                host: "db1".into(),
                path: "/database/inst1".into(),
                bytes: 5 << 30,
                as_of: Some(moment),
                state: "crashed".into(),
            }),
            old_data: OldData::Keep,
            running: None,
            action: RecoveryAction::Pause,
            role: RecoveryRole::Primary,
            space: vec![SpaceNeed {
                path: "/database/inst1".into(),
                needed_bytes: 6 << 30,
                free_bytes: 60 << 30,
            }],
            new_directories: vec!["/wal/inst1".into()],
            owner: "postgres".into(),
            settings: vec![SettingNeed {
                name: "max_connections".into(),
                needed: 200,
                configured: 100,
            }],
            enlarged: vec![Enlarged {
                name: "shared_buffers".into(),
                bytes: 2 << 30,
                configured_bytes: 128 << 20,
            }],
            keystore_fingerprint: None,
            files: 1234,
            restore_bytes: 5 << 30,
            replay_bytes: 3 << 30,
            estimate: Estimate { restore_seconds: 50.2, replay_seconds: 139.0, is_measured: true },
            jobs: 2,
            warnings: vec![
                "2 restore points have this name and the newest of them is meant".into(),
            ],
        }
    }

    #[test]
    fn a_plan_says_everything_in_eighty_columns() {
        let lines = plan().describe();
        let text = lines.join("\n");
        for line in &lines {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line.trim_end(), line);
        }
        for words in [
            "ends before the record at 16/B374D848, timeline 1",
            "the last commit in it is of 2026-07-01T13:30:40.123456Z",
            "2026-07-01_00-00-00 + 2026-07-01_12-00-00",
            "archive: 179 segments",
            "lost         3 commits behind that point",
            "and what cannot be read: segment 000000010000001600000001 is",
            "REPLACES     /database/inst1",
            "on db1, 5120 MB, crashed, last written 2026-07-01T13:30:40Z",
            "it is kept aside and can be put back (undo)",
            "raises       max_connections from 100 to 200 for the replay",
            "raises       shared_buffers from 128 MB to 2048 MB for a faster replay",
            "3 m 10 s (measured): 51 s restore, 2 m 19 s replay",
            "WARNING      2 restore points",
        ] {
            assert!(text.contains(words), "{text}\n\nlacks {words:?}");
        }
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        let mut text = Text { columns: COLUMNS, lines: Vec::new() };
        text.add("word", &"abcdefghi ".repeat(8));
        text.add("", &format!("  {}", "x".repeat(90)));
        assert_eq!(text.lines[0].len(), 13 + 6 * 10 - 1);
        assert_eq!(text.lines[1].trim_end(), format!("{}abcdefghi abcdefghi", " ".repeat(13)));
        assert_eq!(text.lines[2], format!("{}{}", " ".repeat(15), "x".repeat(90)));
    }

    #[test]
    fn a_running_server_comes_first() {
        let mut plan = plan();
        let first = "000000010000001600000003".to_owned();
        let run = WalRun { source: WalSource::OldWal, last: first.clone(), first, segments: 1 };
        plan.running = Some(StillRunning {
            detail: "process 4711 runs".to_owned(),
            unarchived: Some(vec![run]),
            wal_end: Some(lsn("16/3000110")),
        });
        let lines = plan.describe();
        assert_eq!(
            lines[..4],
            [
                "RUNS         process 4711 runs: it must be stopped before this can be done",
                "             as it is at this moment; planned again once it is stopped",
                "             not archived yet, only in pg_wal: 1 segment",
                "               000000010000001600000003",
            ]
        );
        assert!(lines[4].ends_with("its WAL can be read up to 16/3000110 now"), "{}", lines[4]);
        let narrow = plan.describe_within(60);
        assert!(narrow.iter().all(|line| line.chars().count() <= 60), "{narrow:#?}");
        let error = plan.check_stopped().unwrap_err();
        assert_eq!(error.code, crate::api::ErrorCode::RecoveryRunning);
        let told = |unarchived| {
            plan.running = plan.running.take().map(|one| StillRunning { unarchived, ..one });
            plan.describe().join("\n")
        };
        let mut told = told;
        assert!(told(Some(Vec::new())).contains("all its WAL on the way is in the archive"));
        assert!(told(None).contains("its pg_wal is gone"));
    }
}
