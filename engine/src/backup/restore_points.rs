//! The register of restore points: PostgreSQL keeps none, as the operations guide says.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};

use super::layout::RESTORE_POINTS_FILE;
use crate::api::{Lsn, RestorePointInfo, Result, TimelineId};
use crate::pg::wal::{SegmentName, SegmentSize, WalFileName};
use crate::sys::disk::Disk;
use crate::wal::archive::{Archive, Inventory};
use crate::wal::identity;

const BYTES_MAX: u64 = 64 << 20;
/// Bytes of a restore point's name at most (`MAXFNAMELEN` in `xlog_internal.h`, less its end).
pub const NAME_BYTES_MAX: usize = 63;

/// Appends a restore point, durably.
///
/// # Errors
/// As writing and syncing files.
pub fn register(disk: &Disk, destination: &Path, point: &RestorePointInfo) -> io::Result<()> {
    let path = destination.join(RESTORE_POINTS_FILE);
    let mut file = match disk.create(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.open_for_update(&path)?
        }
        Err(error) => return Err(error),
    };
    let end = file.seek(SeekFrom::End(0))?;
    let mut last = *b"\n";
    if end > 0 {
        file.read_at(&mut last, end - 1)?;
    }
    // A line that was cut, by a kill or a power cut, must not swallow this one.
    let begun = if last == *b"\n" { "" } else { "\n" };
    file.write_all(format!("{begun}{}", line(point)).as_bytes())?;
    file.sync()?;
    disk.sync_directory(destination)
}

/// The restore points of a destination, oldest first. Lines that make no sense are left out:
/// the last one may be cut.
///
/// # Errors
/// As reading files, but for a register that is not there.
pub fn read(disk: &Disk, destination: &Path) -> io::Result<Vec<RestorePointInfo>> {
    match disk.read(&destination.join(RESTORE_POINTS_FILE), BYTES_MAX) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).lines().filter_map(parse).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The register, and the restore points that the indexes of archived WAL tell of: those made
/// with `psql`. Oldest first. Points whose WAL is gone are left out: see [`is_reachable`].
///
/// # Errors
/// `RepositoryUnreadable`, `RepositoryDamaged`.
pub fn all(disk: &Disk, destination: &Path) -> Result<Vec<RestorePointInfo>> {
    let mut points =
        read(disk, destination).map_err(|error| identity::unreadable(destination, &error))?;
    // Without an archive there is nothing more to be found.
    let Some(archive) = Archive::open_if_there(disk, destination)? else { return Ok(points) };
    let inventory = archive.list()?;
    for name in inventory.names() {
        let WalFileName::Segment(segment) = name else { continue };
        let Some(index) = archive.index(name)? else { continue };
        for found in index.restore_points {
            let lsn = found.end.to_string();
            if points.iter().any(|point| point.name == found.name && point.lsn == lsn) {
                continue;
            }
            points.push(RestorePointInfo {
                name: found.name,
                lsn,
                timeline: segment.timeline().as_u32(),
                created_at: found.at.unwrap_or_default(),
            });
        }
    }
    if let Some(size) = archive.segment_size(&inventory)? {
        points.retain(|point| is_reachable(point, &inventory, size));
    }
    points.sort_by_key(|point| point.created_at);
    Ok(points)
}

/// Whether a recovery may still get to a point: its segment is in the archive, or was not
/// archived yet. What is older than everything in the archive has expired, and what lies
/// between two segments that are there is lost. The register itself keeps every line: it is
/// only ever appended to.
pub fn is_reachable(point: &RestorePointInfo, inventory: &Inventory, size: SegmentSize) -> bool {
    let timeline = TimelineId::from_u32(point.timeline);
    let (Some(timeline), Ok(lsn)) = (timeline, point.lsn.parse::<Lsn>()) else { return false };
    let number = size.number_before(lsn);
    let Some(name) = SegmentName::new(timeline, number, size) else { return false };
    // A segment that a timeline ended in is there as its `.partial`, or as the child's first.
    let is_there = inventory.contains(WalFileName::Segment(name))
        || inventory.contains(WalFileName::Partial(name));
    let is_childs = || {
        let later = inventory.timelines().into_iter().filter(|other| *other > timeline);
        let mut same = later.filter_map(|other| SegmentName::new(other, number, size));
        same.any(|name| inventory.contains(WalFileName::Segment(name)))
    };
    let is_newer = || {
        let newest = inventory.newest(timeline).and_then(|name| name.number(size));
        let has_ended = inventory.timelines().into_iter().any(|other| other > timeline);
        newest.map_or(!has_ended, |newest| number > newest && !has_ended)
    };
    is_there || is_childs() || is_newer()
}

fn line(point: &RestorePointInfo) -> String {
    // A tab or newline in a name would end its column.
    let name: String = point.name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let at = point.created_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("{at}\t{}\t{}\t{name}\n", point.timeline, point.lsn)
}

fn parse(line: &str) -> Option<RestorePointInfo> {
    let mut columns = line.splitn(4, '\t');
    let created_at = DateTime::parse_from_rfc3339(columns.next()?).ok()?.with_timezone(&Utc);
    let timeline = columns.next()?.parse().ok()?;
    let lsn = columns.next()?.to_owned();
    let name = columns.next().filter(|name| !name.is_empty())?.to_owned();
    Some(RestorePointInfo { name, lsn, timeline, created_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_without_its_wal_is_not_listed() {
        let directory = tempfile::tempdir().unwrap();
        let (disk, place) = (Disk::real(), directory.path());
        let point = |name: &str, timeline, lsn: &str| RestorePointInfo {
            name: name.into(),
            lsn: lsn.into(),
            timeline,
            created_at: "2026-07-01T13:30:40Z".parse().unwrap(),
        };
        for one in [
            point("expired", 1, "0/10000E8"),
            point("kept", 1, "0/20000E8"),
            // It ends with the segment.
            point("last byte", 1, "0/3000000"),
            point("in a gap", 1, "0/30000E8"),
            point("in the child's", 1, "0/50000E8"),
            point("behind the end", 1, "0/60000E8"),
            point("not archived yet", 2, "0/60000E8"),
            point("nonsense", 0, "0/20000E8"),
        ] {
            register(&disk, place, &one).unwrap();
        }
        let listed = || -> Vec<String> {
            all(&disk, place).unwrap().into_iter().map(|point| point.name).collect()
        };
        assert_eq!(listed().len(), 8, "without an archive all may be true");
        let archive = place.join("archived_wal");
        std::fs::create_dir(&archive).unwrap();
        let identity = crate::wal::identity::RepositoryIdentity::new(
            crate::api::SystemIdentifier::from_u64(1),
            17,
            16 << 20,
        );
        crate::wal::identity::ensure(&disk, place, &identity).unwrap();
        for name in
            ["000000010000000000000002", "000000010000000000000004", "000000020000000000000005"]
        {
            std::fs::write(archive.join(name), "").unwrap();
        }
        assert_eq!(listed(), ["kept", "last byte", "in the child's", "not archived yet"]);
    }

    #[test]
    fn what_is_registered_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::real();
        assert_eq!(read(&disk, directory.path()).unwrap(), []);
        let mut points = Vec::new();
        for name in ["batch_20130703_1", "with blank", "ü"] {
            let point = RestorePointInfo {
                name: name.into(),
                lsn: "0/20000E8".into(),
                timeline: 1,
                created_at: "2026-07-01T13:30:40Z".parse().unwrap(),
            };
            register(&disk, directory.path(), &point).unwrap();
            points.push(point);
        }
        assert_eq!(read(&disk, directory.path()).unwrap(), points);
        let path = directory.path().join(RESTORE_POINTS_FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 4]).unwrap();
        assert_eq!(read(&disk, directory.path()).unwrap(), points[..2]);
        // A line that was cut does not take the next one with it.
        register(&disk, directory.path(), &points[2]).unwrap();
        assert_eq!(read(&disk, directory.path()).unwrap(), points);
    }
}
