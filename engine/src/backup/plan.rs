//! What a backup will do, decided before it is done. Pure: a dry run shows the value that the
//! real run carries out.

use std::path::{Path, PathBuf};

use super::catalog::{self, CatalogEntry, EntryState};
use super::codec::Codec;
use super::document::{BackupDocument, ClusterFacts, FORMAT};
use super::expect::expect;
use super::layout::Label;
use super::retention::Policy;
use crate::api::{BackupKind, BackupRequest, Error, ErrorCode, Result, bytes};

/// Backups in a chain at most, the full one included, unless an incremental is asked for.
pub const CHAIN_MAX: usize = 7;
/// Copying threads unless the user says otherwise, and at most.
const JOBS_DEFAULT_MAX: u32 = 8;
const JOBS_MAX: u32 = 64;
/// Free bytes that must be left.
const RESERVE_BYTES: u64 = 64 << 20;
const ARCHIVE_TIMEOUT_S: u64 = 60;

/// What decides.
#[derive(Debug)]
pub struct PlanInput<'a> {
    /// What was asked for.
    pub request: &'a BackupRequest,
    /// Where to.
    pub destination: &'a Path,
    /// What is there.
    pub entries: &'a [CatalogEntry],
    /// Where from.
    pub cluster: &'a ClusterFacts,
    /// Its timeline.
    pub timeline: u32,
    /// Files of the cluster.
    pub files: u64,
    /// Their bytes.
    pub cluster_bytes: u64,
    /// Bytes of files that are not as in the newest backup; `None` when not known.
    pub changed_bytes: Option<u64>,
    /// Free bytes in the destination.
    pub free_bytes: u64,
    /// Processors.
    pub processors: u32,
    /// What to keep.
    pub policy: Policy,
}

/// What will be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where to.
    pub destination: PathBuf,
    /// Full or incremental.
    pub kind: BackupKind,
    /// Why that.
    pub why: String,
    /// What it is based on.
    pub parent: Option<Label>,
    /// The interrupted backup whose files are used.
    pub resume: Option<Label>,
    /// Where from.
    pub cluster: ClusterFacts,
    /// Its timeline.
    pub timeline: u32,
    /// Compression.
    pub codec: Codec,
    /// Threads.
    pub jobs: u32,
    /// Bytes read per second at most.
    pub rate_bytes: Option<u64>,
    /// Files of the cluster.
    pub files: u64,
    /// Their bytes.
    pub cluster_bytes: u64,
    /// Bytes that will have to be read.
    pub read_bytes: u64,
    /// Bytes expected in the destination.
    pub stored_bytes: u64,
    /// Free bytes there.
    pub free_bytes: u64,
    /// Seconds expected.
    pub seconds: u64,
    /// Whether ratio and speed come from an earlier backup.
    pub is_measured: bool,
    /// Seconds to wait for a WAL segment.
    pub archive_timeout_s: u64,
    /// What is kept afterwards.
    pub policy: Policy,
}

impl Plan {
    /// Decides.
    ///
    /// # Errors
    /// `UsageInvalid` for values out of range, `BackupNotFound` when an incremental backup is
    /// asked for and nothing can be its base.
    pub fn decide(input: &PlanInput<'_>) -> Result<Self> {
        let codec = match &input.request.compression {
            Some(text) => text.parse().map_err(|error: super::codec::ParseCodecError| {
                Error::new(ErrorCode::UsageInvalid, format!("--compress {text} is not possible"))
                    .detail(error.to_string())
            })?,
            None => Codec::default(),
        };
        let jobs = input.request.jobs.unwrap_or(input.processors.min(JOBS_DEFAULT_MAX)).max(1);
        if jobs > JOBS_MAX {
            let fact = format!("--jobs {jobs} is too much");
            return Err(Error::new(ErrorCode::UsageInvalid, fact)
                .detail(format!("at most {JOBS_MAX} threads can be used")));
        }
        let base = base(input);
        let (kind, why, parent) = choose(input, &base)?;
        let resume = resumable(input, kind, parent.as_ref());
        let expected = expect(input, kind, codec, jobs);
        Ok(Self {
            destination: input.destination.to_path_buf(),
            kind,
            why,
            parent,
            resume,
            cluster: input.cluster.clone(),
            timeline: input.timeline,
            codec,
            jobs,
            rate_bytes: input.request.rate_bytes.filter(|rate| *rate > 0),
            files: input.files,
            cluster_bytes: input.cluster_bytes,
            read_bytes: expected.read_bytes,
            stored_bytes: expected.stored_bytes,
            free_bytes: input.free_bytes,
            seconds: expected.seconds,
            is_measured: expected.is_measured,
            archive_timeout_s: input.request.archive_timeout_s.unwrap_or(ARCHIVE_TIMEOUT_S),
            policy: input.policy,
        })
    }

    /// Whether the backup is expected to fit.
    ///
    /// # Errors
    /// `BackupNoSpace` with the figures.
    pub fn fits(&self) -> Result<()> {
        if self.stored_bytes.saturating_add(RESERVE_BYTES) <= self.free_bytes {
            return Ok(());
        }
        let fact = format!("the backup does not fit into {}", self.destination.display());
        Err(Error::new(ErrorCode::BackupNoSpace, fact).detail(format!(
            "{} are expected, {} are free",
            bytes(self.stored_bytes),
            bytes(self.free_bytes)
        )))
    }

    /// The plan in words, a line each.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let mut lines = vec![
            format!("type         {}: {}", self.kind.word(), self.why),
            format!("from         {}", self.cluster.data_directory.display()),
            format!("to           {}", self.destination.display()),
        ];
        if let Some(label) = &self.resume {
            lines.push(format!("resumes      {label}: what it has copied is used"));
        }
        let source = if self.is_measured { "measured" } else { "assumed" };
        lines.push(format!(
            "cluster      {} in {} files, {} to be read",
            bytes(self.cluster_bytes),
            self.files,
            bytes(self.read_bytes)
        ));
        lines.push(format!(
            "expected     {} stored, {} free, about {} s ({source})",
            bytes(self.stored_bytes),
            bytes(self.free_bytes),
            self.seconds
        ));
        let rate = match self.rate_bytes {
            Some(rate) => format!(", at most {}/s", bytes(rate)),
            None => String::new(),
        };
        lines.push(format!("how          {}, {} threads{rate}", self.codec, self.jobs));
        lines.push(format!("afterwards   {}", self.policy.describe()));
        lines
    }
}

/// What an incremental backup could be based on.
enum Base<'a> {
    Usable { newest: &'a BackupDocument, chain: usize },
    None(String),
}

fn base<'a>(input: &PlanInput<'a>) -> Base<'a> {
    let Some(entry) = input.entries.iter().rev().find(|entry| entry.complete().is_some()) else {
        return Base::None("there is no complete backup yet".to_owned());
    };
    let Some(newest) = entry.complete() else {
        return Base::None("there is no complete backup yet".to_owned());
    };
    let label = &newest.label;
    if entry.verified.as_ref().is_some_and(|verified| !verified.sound) {
        return Base::None(format!("{label} was found damaged"));
    }
    let (then, now) = (&newest.cluster, input.cluster);
    let is_same_build = then.system_identifier == now.system_identifier
        && then.catalog_version == now.catalog_version
        && then.block_bytes == now.block_bytes
        && then.segment_blocks == now.segment_blocks;
    if !is_same_build {
        return Base::None(format!("{label} is of another cluster or version"));
    }
    if newest.timeline != input.timeline {
        let (then, now) = (newest.timeline, input.timeline);
        return Base::None(format!("{label} is of timeline {then}, the cluster is on {now}"));
    }
    Base::Usable { newest, chain: catalog::chain(input.entries, label).len() }
}

fn choose(input: &PlanInput<'_>, base: &Base<'_>) -> Result<(BackupKind, String, Option<Label>)> {
    let full = |why: String| Ok((BackupKind::Full, why, None));
    match (input.request.kind, base) {
        (Some(BackupKind::Full), _) => full("asked for".to_owned()),
        (Some(BackupKind::Incremental), Base::None(why)) => {
            let fact = "an incremental backup is not possible";
            Err(Error::new(ErrorCode::BackupNotFound, fact)
                .detail(why.clone())
                .hint("Take a full backup: pgdeck backup --type full."))
        }
        (Some(BackupKind::Incremental), Base::Usable { newest, chain }) => {
            let why = format!("asked for; based on {}, number {}", newest.label, chain + 1);
            Ok((BackupKind::Incremental, why, Some(newest.label.clone())))
        }
        (None, Base::None(why)) => full(why.clone()),
        (None, Base::Usable { newest, chain }) if *chain >= CHAIN_MAX => {
            full(format!("the chain that ends in {} has {chain} backups", newest.label))
        }
        (None, Base::Usable { newest, chain }) => {
            let number = chain + 1;
            let why = format!(
                "{} is usable and the chain is short (this is {number} of {CHAIN_MAX})",
                newest.label
            );
            Ok((BackupKind::Incremental, why, Some(newest.label.clone())))
        }
    }
}

/// The newest interrupted backup that wanted the same.
fn resumable(input: &PlanInput<'_>, kind: BackupKind, parent: Option<&Label>) -> Option<Label> {
    input.entries.iter().rev().find_map(|entry| {
        let EntryState::Incomplete(Some(progress)) = &entry.state else { return None };
        let is_same = progress.format == FORMAT
            && progress.kind == kind
            && progress.parent.as_ref() == parent
            && progress.timeline == input.timeline
            && progress.cluster.system_identifier == input.cluster.system_identifier
            && progress.cluster.catalog_version == input.cluster.catalog_version
            && progress.cluster.block_bytes == input.cluster.block_bytes;
        is_same.then(|| entry.label.clone())
    })
}

#[cfg(test)]
mod tests;
