//! Settings that are larger for a long replay: the shared buffers.
//!
//! A single process replays. With buffers smaller than the data it writes a changed page out for
//! nearly every page it needs, and then waits for its own writing.

use super::super::site::RecoverySite;
use crate::api::{Enlarged, RecoveryRole};
use crate::pg::conf::{BaseUnit, Conf, as_int_with_unit};
use crate::sys::memory;

/// WAL of less than this is replayed in seconds anyhow.
const REPLAY_MIN: u64 = 256 << 20;
/// Of the memory that is available, one part in so many: what "Resource Consumption" in the manual
/// calls a reasonable starting value.
const MEMORY_SHARE: u64 = 4;
/// Of the WAL that is replayed, one part in so many: buffers that are used for the first time cost as
/// much as several pages of WAL (measured: 600 MB for 1 GB of WAL made it slower by a tenth).
const REPLAY_SHARE: u64 = 4;
/// Less than so many times what is configured is not worth it.
const TIMES_MIN: u64 = 2;
/// `shared_buffers` and a page, when the configuration does not say
/// (`src/backend/utils/misc/guc_tables.c`).
const DEFAULT_BYTES: u64 = 128 << 20;
const BLOCK_BYTES: u64 = 8192;
const MEGABYTE: u64 = 1 << 20;

/// What the sizes are reckoned from, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Of the cluster.
    pub(super) cluster: u64,
    /// Of the WAL to replay.
    pub(super) replay: u64,
    /// Of memory that is available.
    pub(super) memory: u64,
}

/// The settings for a replay; none where it goes with its own.
pub(super) fn decide(
    site: &RecoverySite,
    role: &RecoveryRole,
    conf: Option<&Conf>,
    sizes: Sizes,
) -> Vec<Enlarged> {
    // A rehearsal leaves the memory to the instance, and a standby never stops replaying.
    let is_meant = site.private.is_none() && *role == RecoveryRole::Primary;
    let Some(conf) = conf.filter(|_| is_meant && sizes.replay >= REPLAY_MIN) else {
        return Vec::new();
    };
    let buffers = configured(conf).and_then(|now| larger("shared_buffers", now, buffers(sizes)));
    buffers.filter(|one| memory::can_be_mapped(one.bytes)).into_iter().collect()
}

fn larger(name: &str, configured_bytes: u64, bytes: u64) -> Option<Enlarged> {
    let is_worth_it = bytes / TIMES_MIN >= configured_bytes;
    is_worth_it.then(|| Enlarged { name: name.to_owned(), bytes, configured_bytes })
}

/// `shared_buffers`: the cluster with room to grow, and no more than its share of memory and of the
/// WAL.
fn buffers(sizes: Sizes) -> u64 {
    let grown = sizes.cluster.saturating_add(sizes.cluster / 4);
    let share = (sizes.memory / MEMORY_SHARE).min(sizes.replay / REPLAY_SHARE);
    grown.min(share).next_multiple_of(MEGABYTE)
}

/// What the configuration says; `None` when more cannot simply be taken: huge pages that must be
/// there are set aside for what is configured.
fn configured(conf: &Conf) -> Option<u64> {
    let is = |name: &str, value: &str| {
        conf.value(name).is_some_and(|text| text.trim().eq_ignore_ascii_case(value))
    };
    if is("huge_pages", "on") || is("shared_memory_type", "sysv") {
        return None;
    }
    let Some(text) = conf.value("shared_buffers") else { return Some(DEFAULT_BYTES) };
    let blocks = as_int_with_unit(text, BaseUnit::Blocks)?;
    u64::try_from(blocks).ok()?.checked_mul(BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::pg::files::fake::FakeFiles;

    const GB: u64 = 1 << 30;

    fn sizes(cluster: u64, replay: u64) -> Sizes {
        Sizes { cluster, replay, memory: 64 * GB }
    }

    #[test]
    fn the_cluster_fits_or_a_share_of_memory_or_wal_is_taken() {
        assert_eq!(buffers(sizes(GB, 10 * GB)), GB + GB / 4);
        assert_eq!(buffers(sizes(GB, 2 * GB)), GB / 2);
        assert_eq!(buffers(sizes(100 * GB, 100 * GB)), 16 * GB);
        assert_eq!(buffers(sizes(GB, 2 * GB + 4)) % MEGABYTE, 0);
    }

    #[test]
    fn what_is_configured_is_known_and_never_lowered() {
        let of = |text: &str| {
            let files = FakeFiles::default().with("/d/postgresql.conf", text);
            let file = Path::new("/d/postgresql.conf");
            let conf = Conf::load(&files, file, Path::new("/d")).unwrap();
            configured(&conf)
        };
        assert_eq!(of(""), Some(128 << 20));
        assert_eq!(of("shared_buffers = 16384\n"), Some(128 << 20));
        assert_eq!(of("shared_buffers = '2GB'\nhuge_pages = try\n"), Some(2 * GB));
        assert_eq!(of("shared_buffers = 'much'\n"), None);
        assert_eq!(of("huge_pages = 'on'\n"), None);
        assert_eq!(of("shared_memory_type = sysv\n"), None);
        assert_eq!(larger("x", 4, 7), None);
        assert_eq!(larger("x", 4, 8).unwrap().bytes, 8);
    }
}
