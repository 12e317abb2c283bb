//! How much a backup will read, store and last, from what earlier ones took. Pure.

use super::catalog::CatalogEntry;
use super::codec::Codec;
use super::document::Sizes;
use super::plan::PlanInput;
use crate::api::BackupKind;

/// Assumed until a backup has been measured: bytes a second of one thread.
const SPEED_ASSUMED: f64 = 100e6;
/// Of the changed files' bytes, what an incremental stores, until one has been measured.
const CHANGED_SHARE: f64 = 0.3;

/// What a backup is expected to take.
pub(super) struct Expected {
    pub(super) read_bytes: u64,
    pub(super) stored_bytes: u64,
    pub(super) seconds: u64,
    pub(super) is_measured: bool,
}

/// From the newest backup of the same kind and compression; else from experience.
pub(super) fn expect(input: &PlanInput<'_>, kind: BackupKind, codec: Codec, jobs: u32) -> Expected {
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
