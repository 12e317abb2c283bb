//! The WAL that the backups need: whether it is there, whole and continuous.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::{Findings, VerifyProgress, VerifyRequest, heed_stop};
use crate::api::{Lsn, Result, TimelineId, VerifyDepth};
use crate::backup::document::BackupDocument;
use crate::pg::wal::{SegmentName, SegmentSize, TimelineHistory};
use crate::sys::disk::Disk;
use crate::wal::archive::{Archive, Inventory};
use crate::wal::continuity::gaps_between;
use crate::wal::inspect::{self, Expected};

/// Checks the archive of a destination against its backups.
pub(super) fn check(
    disk: &Disk,
    request: &VerifyRequest,
    documents: &[&BackupDocument],
    found: &mut Findings,
    progress: &VerifyProgress,
) -> Result<()> {
    let archive = match Archive::open(disk, &request.destination) {
        Ok(archive) => archive,
        Err(error) if documents.is_empty() => {
            found.warnings.push(error.fact);
            return Ok(());
        }
        Err(error) => {
            found.damages.push(format!("{}: {}", error.fact, error.detail));
            return Ok(());
        }
    };
    let inventory = archive.list()?;
    for path in &inventory.strangers {
        found.warnings.push(format!("{} is no WAL file", path.display()));
    }
    if request.depth == VerifyDepth::Full {
        files(&archive, &inventory, documents, found, progress)?;
    }
    let mut histories = Vec::new();
    for timeline in inventory.timelines() {
        match archive.history(timeline) {
            Ok(history) => histories.extend(history),
            Err(error) => found.damages.push(format!("{}: {}", error.fact, error.detail)),
        }
    }
    let mut told = BTreeSet::new();
    for document in documents {
        for text in gaps(document, &inventory, &histories) {
            if told.insert(text.clone()) {
                found.damages.push(text);
            }
        }
    }
    Ok(())
}

/// Every archived file is read and compared with its name.
fn files(
    archive: &Archive,
    inventory: &Inventory,
    documents: &[&BackupDocument],
    found: &mut Findings,
    progress: &VerifyProgress,
) -> Result<()> {
    let cluster = documents.last().map(|document| &document.cluster);
    let number = cluster.and_then(|cluster| cluster.system_identifier.parse().ok());
    let expected = Expected {
        system_identifier: number.map(crate::pg::types::SystemIdentifier::from_u64),
        major: cluster.map(|cluster| cluster.server_version_num / 10_000),
        segment_size: cluster.and_then(|one| SegmentSize::from_bytes(one.wal_segment_bytes)),
    };
    for name in inventory.names() {
        heed_stop(progress)?;
        for file in archive.find(name)? {
            progress.stored_bytes.fetch_add(file.stored_bytes, Ordering::Relaxed);
            let content = match archive.read(&file) {
                Ok(content) => content,
                Err(error) => {
                    found.damages.push(format!("{}: {}", error.fact, error.detail));
                    continue;
                }
            };
            let length = u64::try_from(content.len()).unwrap_or(0);
            progress.content_bytes.fetch_add(length, Ordering::Relaxed);
            if let Err(refused) = inspect::check(name, &content, &expected) {
                let path = file.path.display();
                found.damages.push(format!("archived WAL file \"{path}\": {}", refused.detail()));
            }
        }
    }
    Ok(())
}

/// What is missing on the way from a backup to the newest segment of each timeline that it can
/// be recovered to.
fn gaps(
    document: &BackupDocument,
    inventory: &Inventory,
    histories: &[TimelineHistory],
) -> Vec<String> {
    let positions = (document.start_lsn.parse::<Lsn>(), document.stop_lsn.parse::<Lsn>());
    let size = SegmentSize::from_bytes(document.cluster.wal_segment_bytes);
    let timeline = TimelineId::from_u32(document.timeline);
    let ((Ok(start), Ok(stop)), Some(size), Some(timeline)) = (positions, size, timeline) else {
        return vec![format!("the positions in the label of {} make no sense", document.label)];
    };
    let own = TimelineHistory::root(timeline);
    let own = histories.iter().find(|one| one.timeline() == timeline).unwrap_or(&own);
    // A timeline that left before the end of the backup cannot be recovered to with it.
    let reaches =
        |history: &&TimelineHistory| history.end_of(timeline).is_some_and(|end| end >= stop);
    let mut texts = Vec::new();
    for history in std::iter::once(own).chain(histories.iter().filter(reaches)) {
        let newest = inventory.newest(history.timeline());
        let tip = newest.and_then(|name| tip_of(name, size));
        let to = tip.map_or(stop, |tip| tip.max(stop));
        for gap in gaps_between(inventory, history, size, start, to) {
            texts.push(match gap.segments {
                1 => format!("WAL segment {} is missing", gap.first),
                count => format!("{count} WAL segments are missing: {} to {}", gap.first, gap.last),
            });
        }
    }
    texts
}

/// The position after a segment.
fn tip_of(name: SegmentName, size: SegmentSize) -> Option<Lsn> {
    Lsn::from_u64(name.start_byte(size)?.checked_add(u64::from(size.bytes()))?)
}
