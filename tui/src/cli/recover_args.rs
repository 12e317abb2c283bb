//! The command line of recovery and rehearsal.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};
use clap::{Args, Subcommand, ValueEnum};
use pgdeck_engine::api::{Lsn, RecoveryTarget, TablespaceMove, TargetBound, TimelineId};

use super::moment;

/// Where to end.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Target (the latest position without one)")]
pub struct TargetArgs {
    /// Last commit up to this moment: 'YYYY-MM-DD hh:mm:ss[.ffffff][+hh:mm|Z]', in the time zone of this machine unless an offset is written
    #[arg(short = 'e', long = "time", value_name = "TIME", group = "target", value_parser = moment::parse)]
    pub time: Option<DateTime<FixedOffset>>,
    /// A restore point
    #[arg(short = 'n', long = "restore-point", value_name = "NAME", group = "target")]
    pub restore_point: Option<String>,
    /// The end of this transaction
    #[arg(long, value_name = "XID", group = "target", value_parser = clap::value_parser!(u32).range(3..))]
    pub xid: Option<u32>,
    /// The first record at or behind this position
    #[arg(long, value_name = "X/Y", group = "target")]
    pub lsn: Option<Lsn>,
    /// The end of the backup
    #[arg(long, group = "target", conflicts_with = "exclusive")]
    pub immediate: bool,
    /// End just before the target
    #[arg(long, requires = "target")]
    pub exclusive: bool,
}

impl TargetArgs {
    /// The target.
    #[must_use]
    pub fn target(&self) -> RecoveryTarget {
        if let Some(at) = self.time {
            return RecoveryTarget::Time(at.to_utc());
        }
        if let Some(name) = &self.restore_point {
            return RecoveryTarget::RestorePoint(name.clone());
        }
        if self.immediate {
            return RecoveryTarget::BackupEnd;
        }
        match (self.xid, self.lsn) {
            (Some(xid), _) => RecoveryTarget::Xid(xid),
            (_, Some(lsn)) => RecoveryTarget::Lsn(lsn),
            (None, None) => RecoveryTarget::Latest,
        }
    }

    /// Whether with it.
    #[must_use]
    pub fn bound(&self) -> TargetBound {
        if self.exclusive { TargetBound::Exclusive } else { TargetBound::Inclusive }
    }
}

/// The way to the target.
#[derive(Clone, Debug, Default, Args)]
pub struct WayArgs {
    /// On this timeline, in decimal [default: the one in use]
    #[arg(long, value_name = "NUMBER", value_parser = parse_timeline)]
    pub timeline: Option<TimelineId>,
    /// From this backup [default: the newest that ends before the target]
    #[arg(long, value_name = "LABEL")]
    pub backup: Option<String>,
    /// Threads that restore [default: one for each processor, at most 8]
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub jobs: Option<u32>,
}

/// `pgdeck recover`.
#[derive(Clone, Debug, Args)]
pub struct RecoverArgs {
    /// Backup destination [default: pgx.backup_destination]
    #[arg(short = 'B', long = "backup-destination", value_name = "DEST", global = true)]
    pub destination: Option<PathBuf>,
    /// Where to end.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to get there.
    #[command(flatten, next_help_heading = "Options")]
    pub way: WayArgs,
    /// What to make of it.
    #[command(flatten, next_help_heading = "Place")]
    pub place: PlaceArgs,
    /// What happens at the target, once the server has paused there and its position was compared with the plan [default: pause]
    #[arg(long, value_enum, value_name = "ACTION", help_heading = "Result")]
    pub action: Option<ActionArg>,
    /// Make a standby: it goes on replaying what the archive or its primary gives
    #[arg(long, conflicts_with_all = ["target", "action"], help_heading = "Result")]
    pub standby: bool,
    /// How the standby reaches its primary
    #[arg(long, value_name = "CONNINFO", requires = "standby", help_heading = "Result")]
    pub primary_conninfo: Option<String>,
    /// Ask for the passphrase of the keystore
    #[arg(long, help_heading = "Options")]
    pub keystore_passphrase: bool,
    /// Prove that the target can be reached and show the plan; touch nothing
    #[arg(long, conflicts_with = "map", help_heading = "Options")]
    pub dry_run: bool,
    /// Show what can be recovered to
    #[arg(long, help_heading = "Options")]
    pub map: bool,
    /// The plan, the map or the result as JSON (docs/FORMATS.md describes it)
    #[arg(long, help_heading = "Options")]
    pub json: bool,
    /// Confirm
    #[arg(long, help_heading = "Options")]
    pub yes: bool,
    /// As the operations guide shows `pgx_rcvall`
    #[arg(long, hide = true)]
    pub as_guide: bool,
    /// What to do with a recovery instead
    #[command(subcommand)]
    pub step: Option<RecoverStep>,
}

/// What is replaced, and what is made.
#[derive(Clone, Debug, Default, Args)]
pub struct PlaceArgs {
    /// Another data directory than the instance's, such as one on a larger disk
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Another port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Put a tablespace into another directory
    #[arg(long = "tablespace", value_name = "OID=DIR", value_parser = parse_tablespace)]
    pub tablespaces: Vec<TablespaceMove>,
    /// Put pg_wal into another directory
    #[arg(long, value_name = "DIR")]
    pub wal_dir: Option<PathBuf>,
    /// Rewrite only what differs from the backup; the old data cannot be put back
    #[arg(long, conflicts_with = "discard_old")]
    pub delta: bool,
    /// Remove the old data first instead of keeping it; it cannot be put back
    #[arg(long)]
    pub discard_old: bool,
}

/// What happens at the target, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ActionArg {
    /// The server stays there, readable only, until you promote, go further or undo.
    Pause,
    /// It is promoted.
    Promote,
    /// It is stopped.
    Shutdown,
}

/// What to do with a recovery that is under way or done.
#[derive(Clone, Debug, Subcommand)]
pub enum RecoverStep {
    /// Show how the recovery of a data directory stands
    Status {
        /// One JSON document (docs/FORMATS.md describes it)
        #[arg(long)]
        json: bool,
    },
    /// Promote the server that is paused at its target
    Promote,
    /// Replay on to a later target
    Further(TargetArgs),
    /// Stop the server, remove what was restored and put the old data back
    Undo {
        /// Confirm
        #[arg(long)]
        yes: bool,
    },
    /// Remove the old data for good
    Discard {
        /// Confirm
        #[arg(long)]
        yes: bool,
    },
    /// Find what may have been a mistake: DROP, TRUNCATE and large DELETEs in the WAL
    Mistakes(MistakesArgs),
}

/// `pgdeck recover mistakes`.
#[derive(Clone, Debug, Args)]
pub struct MistakesArgs {
    /// Not before
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub from: Option<DateTime<FixedOffset>>,
    /// Not after
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub to: Option<DateTime<FixedOffset>>,
    /// Only this relation, which may be gone: [[DATABASE.]SCHEMA.]NAME, or the number of a file
    #[arg(long, value_name = "NAME")]
    pub relation: Option<String>,
    /// Rows that one transaction must have deleted from a relation
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    pub rows: u64,
    /// On this timeline, in decimal [default: the one in use]
    #[arg(long, value_name = "NUMBER", value_parser = parse_timeline)]
    pub timeline: Option<TimelineId>,
    /// A JSON array (docs/FORMATS.md describes it)
    #[arg(long)]
    pub json: bool,
}

/// `pgdeck rehearse`.
#[derive(Clone, Debug, Args)]
pub struct RehearseArgs {
    /// Backup destination [default: pgx.backup_destination]
    #[arg(short = 'B', long = "backup-destination", value_name = "DEST")]
    pub destination: Option<PathBuf>,
    /// Where to end.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to get there.
    #[command(flatten, next_help_heading = "Options")]
    pub way: WayArgs,
    /// Make the scratch directory in this one [default: beside the data directory, else /var/tmp]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// A file of SQL; each statement must run without error on the result
    #[arg(long, value_name = "FILE")]
    pub queries: Option<PathBuf>,
    /// The evidence as JSON (docs/FORMATS.md describes it)
    #[arg(long)]
    pub json: bool,
}

fn parse_timeline(text: &str) -> Result<TimelineId, String> {
    let number: u32 = text.parse().map_err(|_| "expected a decimal number from 1".to_owned())?;
    TimelineId::from_u32(number).ok_or_else(|| "timelines are counted from 1".to_owned())
}

fn parse_tablespace(text: &str) -> Result<TablespaceMove, String> {
    let expected = || "expected OID=DIR, such as 16384=/disk2/space".to_owned();
    let (oid, directory) = text.split_once('=').ok_or_else(expected)?;
    let oid: u32 = oid.parse().map_err(|_| expected())?;
    if oid == 0 || directory.is_empty() {
        return Err(expected());
    }
    let directory = std::path::absolute(directory).map_err(|error| error.to_string())?;
    Ok(TablespaceMove { oid, directory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tablespaces_and_timelines() {
        let moved = parse_tablespace("16384=/disk2/a=b").unwrap();
        assert_eq!((moved.oid, moved.directory), (16_384, PathBuf::from("/disk2/a=b")));
        for text in ["16384", "0=/d", "x=/d", "16384="] {
            assert!(parse_tablespace(text).is_err(), "{text}");
        }
        assert_eq!(parse_timeline("12").unwrap().as_u32(), 12);
        assert!(parse_timeline("0").is_err() && parse_timeline("C").is_err());
    }
}
