//! Larger shared buffers for a long replay.
//!
//! A single process replays. With buffers smaller than the data it writes a changed page out for
//! nearly every page it needs, and then waits for its own writing (measured: 51 segments of
//! `pgbench` over 1 GB in 9.1 s with 128 MB, in 5.5 s with 1 GB).

use super::super::site::RecoverySite;
use crate::api::{RecoveryRole, ReplayBuffers};
use crate::pg::conf::{BaseUnit, Conf, as_int_with_unit};
use crate::sys::memory;

/// WAL of less than this is replayed in seconds anyhow.
const REPLAY_MIN: u64 = 256 << 20;
/// Of the memory that is available, one part in so many: what "Resource Consumption" in the manual
/// calls a reasonable starting value.
const MEMORY_SHARE: u64 = 4;
/// `shared_buffers` and a page, when the configuration does not say
/// (`src/backend/utils/misc/guc_tables.c`).
const DEFAULT_BYTES: u64 = 128 << 20;
const BLOCK_BYTES: u64 = 8192;
const MEGABYTE: u64 = 1 << 20;

/// The buffers for a replay of so many bytes over a cluster of so many; `None` where it goes with
/// its own.
pub(super) fn decide(
    site: &RecoverySite,
    role: &RecoveryRole,
    conf: Option<&Conf>,
    cluster_bytes: u64,
    replay_bytes: u64,
) -> Option<ReplayBuffers> {
    // A rehearsal leaves the memory to the instance, and a standby never stops replaying.
    if site.private.is_some() || *role != RecoveryRole::Primary {
        return None;
    }
    let configured_bytes = configured(conf?)?;
    let bytes = wanted(cluster_bytes, replay_bytes, memory::available())?;
    (bytes > configured_bytes && memory::can_be_mapped(bytes))
        .then_some(ReplayBuffers { bytes, configured_bytes })
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
    Some(u64::try_from(blocks).ok()? * BLOCK_BYTES)
}

/// Bytes, whole megabytes: the cluster with room to grow, and no more than its share of memory.
fn wanted(cluster_bytes: u64, replay_bytes: u64, available: u64) -> Option<u64> {
    let grown = cluster_bytes.saturating_add(replay_bytes.min(cluster_bytes / 4));
    let bytes = grown.min(available / MEMORY_SHARE).next_multiple_of(MEGABYTE);
    (replay_bytes >= REPLAY_MIN).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::pg::conf::Conf;
    use crate::pg::files::fake::FakeFiles;

    const GB: u64 = 1 << 30;

    #[test]
    fn the_cluster_fits_or_a_quarter_of_the_memory_is_taken() {
        assert_eq!(wanted(GB, 10 * GB, 64 * GB), Some(GB + GB / 4));
        assert_eq!(wanted(GB, GB / 4, 64 * GB), Some(GB + GB / 4));
        assert_eq!(wanted(100 * GB, GB, 64 * GB), Some(16 * GB));
        assert_eq!(wanted(GB, REPLAY_MIN - 1, 64 * GB), None);
        assert_eq!(wanted(GB + 1, GB, 64 * GB).unwrap() % MEGABYTE, 0);
    }

    #[test]
    fn what_is_configured_is_known() {
        let of = |text: &str| {
            let files = FakeFiles::default().with("/d/postgresql.conf", text);
            let file = Path::new("/d/postgresql.conf");
            configured(&Conf::load(&files, file, Path::new("/d")).unwrap())
        };
        assert_eq!(of(""), Some(128 << 20));
        assert_eq!(of("shared_buffers = 16384\n"), Some(128 << 20));
        assert_eq!(of("shared_buffers = '2GB'\nhuge_pages = try\n"), Some(2 * GB));
        assert_eq!(of("shared_buffers = 'much'\n"), None);
        assert_eq!(of("huge_pages = 'on'\n"), None);
        assert_eq!(of("shared_memory_type = sysv\n"), None);
    }
}
