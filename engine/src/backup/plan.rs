//! What a backup will do, decided before it is done. Pure: a dry run shows the value that the
//! real run carries out.

use std::path::{Path, PathBuf};

use super::catalog::{self, CatalogEntry, EntryState};
use super::codec::Codec;
use super::document::{BackupDocument, ClusterFacts, FORMAT, Sizes};
use super::layout::Label;
use super::retention::Policy;
use crate::api::{BackupKind, BackupRequest, Error, ErrorCode, Result};

/// Backups in a chain at most, the full one included, unless an incremental is asked for.
pub const CHAIN_MAX: usize = 7;
/// Copying threads unless the user says otherwise, and at most.
const JOBS_DEFAULT_MAX: u32 = 8;
const JOBS_MAX: u32 = 64;
/// Assumed until a backup has been measured: bytes a second of one thread.
const SPEED_ASSUMED: f64 = 100e6;
/// Of the changed files' bytes, what an incremental stores, until one has been measured.
const CHANGED_SHARE: f64 = 0.3;
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

/// Bytes for people, in powers of 1024 as PostgreSQL writes them.
#[must_use]
pub fn bytes(count: u64) -> String {
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

struct Expected {
    read_bytes: u64,
    stored_bytes: u64,
    seconds: u64,
    is_measured: bool,
}

/// From the newest backup of the same kind and compression; else from experience.
fn expect(input: &PlanInput<'_>, kind: BackupKind, codec: Codec, jobs: u32) -> Expected {
    let like = input.entries.iter().rev().filter_map(CatalogEntry::complete).find(|one| {
        one.kind == kind
            && std::mem::discriminant(&one.compression) == std::mem::discriminant(&codec)
    });
    let read_bytes = match kind {
        BackupKind::Full => input.cluster_bytes,
        BackupKind::Incremental => input.changed_bytes.unwrap_or(input.cluster_bytes),
    };
    let assumed_ratio = match codec {
        Codec::Zstd(_) => 0.35,
        Codec::Lz4 => 0.45,
        Codec::None => 1.0,
    };
    let share = if kind == BackupKind::Full { 1.0 } else { CHANGED_SHARE };
    let ratio = like.and_then(|one| measured_ratio(&one.sizes)).unwrap_or(assumed_ratio * share);
    let speed = like.and_then(|one| measured_speed(&one.sizes));
    let mut speed = speed.unwrap_or(SPEED_ASSUMED * f64::from(jobs));
    if let Some(rate) = input.request.rate_bytes {
        speed = speed.min(float(rate));
    }
    Expected {
        read_bytes,
        stored_bytes: whole(float(read_bytes) * ratio),
        seconds: whole(float(read_bytes) / speed).saturating_add(1),
        is_measured: like.is_some(),
    }
}

fn measured_ratio(sizes: &Sizes) -> Option<f64> {
    (sizes.read_bytes > 0).then(|| float(sizes.stored_bytes) / float(sizes.read_bytes))
}

fn measured_speed(sizes: &Sizes) -> Option<f64> {
    let is_long = sizes.copy_ms >= 100 && sizes.read_bytes >= 1 << 20;
    is_long.then(|| float(sizes.read_bytes) * 1000.0 / float(sizes.copy_ms))
}

/// Exact below 2^53, which is enough for an estimate.
#[allow(clippy::cast_precision_loss)]
fn float(value: u64) -> f64 {
    value as f64
}

/// The whole part; what is negative or no number is 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::document::tests::sample;
    use crate::backup::document::{ProgressDocument, VerifyDocument};

    fn complete(label: &str, parent: Option<&str>) -> CatalogEntry {
        let document = sample(label, parent);
        let label = document.label.clone();
        let state = EntryState::Complete(Box::new(document));
        CatalogEntry { directory: label.directory(Path::new("/b")), label, state, verified: None }
    }

    fn day(number: usize) -> String {
        format!("2026-07-{number:02}_00-00-00")
    }

    fn chain_of(length: usize) -> Vec<CatalogEntry> {
        let parent = |at: usize| (at > 1).then(|| day(at - 1));
        (1..=length).map(|at| complete(&day(at), parent(at).as_deref())).collect()
    }

    fn decide(entries: &[CatalogEntry], change: impl Fn(&mut PlanInput<'_>)) -> Result<Plan> {
        let cluster = sample(&day(1), None).cluster;
        let request = BackupRequest::default();
        let mut input = PlanInput {
            request: &request,
            destination: Path::new("/b"),
            entries,
            cluster: &cluster,
            timeline: 1,
            files: 1000,
            cluster_bytes: 10 << 30,
            changed_bytes: Some(1 << 30),
            free_bytes: 100 << 30,
            processors: 32,
            policy: Policy::Generations(2),
        };
        change(&mut input);
        Plan::decide(&input)
    }

    #[test]
    fn the_type_follows_from_what_is_there() {
        let of = |entries: &[CatalogEntry]| {
            let plan = decide(entries, |_| {}).unwrap();
            (plan.kind, plan.parent.map(|label| label.to_string()))
        };
        assert_eq!(of(&[]), (BackupKind::Full, None));
        assert_eq!(of(&chain_of(1)), (BackupKind::Incremental, Some(day(1))));
        assert_eq!(of(&chain_of(6)), (BackupKind::Incremental, Some(day(6))));
        assert_eq!(of(&chain_of(7)), (BackupKind::Full, None));
        let mut damaged = chain_of(2);
        damaged[1].verified = Some(VerifyDocument {
            format: 1,
            verified_at: damaged[1].label.moment(),
            sound: false,
            findings: Vec::new(),
        });
        assert_eq!(of(&damaged), (BackupKind::Full, None));
    }

    #[test]
    fn what_is_asked_for_is_done_or_refused() {
        let ask = |kind| BackupRequest { kind: Some(kind), ..BackupRequest::default() };
        let full = ask(BackupKind::Full);
        let plan = |entries: &[CatalogEntry], request: &BackupRequest| {
            let cluster = sample(&day(1), None).cluster;
            Plan::decide(&PlanInput {
                request,
                destination: Path::new("/b"),
                entries,
                cluster: &cluster,
                timeline: 1,
                files: 1,
                cluster_bytes: 1,
                changed_bytes: None,
                free_bytes: 1,
                processors: 2,
                policy: Policy::Generations(2),
            })
        };
        assert_eq!(plan(&chain_of(1), &full).unwrap().kind, BackupKind::Full);
        let incremental = ask(BackupKind::Incremental);
        assert_eq!(plan(&chain_of(9), &incremental).unwrap().parent.unwrap().as_str(), day(9));
        assert_eq!(plan(&[], &incremental).unwrap_err().code, ErrorCode::BackupNotFound);
        assert_eq!(plan(&[], &full).unwrap().fits().unwrap_err().code, ErrorCode::BackupNoSpace);
        let bad = BackupRequest { compression: Some("gzip".into()), ..BackupRequest::default() };
        assert_eq!(plan(&[], &bad).unwrap_err().code, ErrorCode::UsageInvalid);
        let bad = BackupRequest { jobs: Some(1000), ..BackupRequest::default() };
        assert_eq!(plan(&[], &bad).unwrap_err().code, ErrorCode::UsageInvalid);
    }

    #[test]
    fn another_timeline_needs_a_full_one() {
        let plan = decide(&chain_of(2), |input| input.timeline = 2).unwrap();
        assert_eq!(plan.kind, BackupKind::Full);
        assert!(plan.why.contains("timeline 1"), "{}", plan.why);
    }

    #[test]
    fn an_interrupted_backup_of_the_same_kind_is_used() {
        let document = sample(&day(3), Some(&day(2)));
        let progress = ProgressDocument {
            format: 1,
            kind: BackupKind::Incremental,
            parent: document.parent.clone(),
            started_at: document.started_at,
            cluster: document.cluster.clone(),
            timeline: 1,
            pid: 1,
            pid_start_ticks: 1,
            host: String::new(),
        };
        let mut entries = chain_of(2);
        entries.push(CatalogEntry {
            label: document.label.clone(),
            directory: PathBuf::new(),
            state: EntryState::Incomplete(Some(Box::new(progress))),
            verified: None,
        });
        let plan = decide(&entries, |_| {}).unwrap();
        assert_eq!(plan.resume, Some(document.label));
        assert_eq!(decide(&entries, |input| input.timeline = 2).unwrap().resume, None);
    }

    #[test]
    fn sizes_are_expected_from_what_was_measured() {
        let plan = decide(&[], |_| {}).unwrap();
        assert!(!plan.is_measured && plan.jobs == 8);
        assert_eq!(plan.stored_bytes, whole(float(10 << 30) * 0.35));
        let mut entries = chain_of(7);
        if let EntryState::Complete(document) = &mut entries[0].state {
            document.sizes.read_bytes = 4 << 30;
            document.sizes.stored_bytes = 1 << 30;
            document.sizes.copy_ms = 4096;
        }
        let plan = decide(&entries, |_| {}).unwrap();
        assert!(plan.is_measured);
        assert_eq!((plan.stored_bytes, plan.seconds), (10 << 28, 11));
        assert!(plan.fits().is_ok());
        assert_eq!(bytes(10 << 28), "2560 MB");
    }
}
