//! Destinations of a local instance: gathering what the machine says about each, and judging it.
//!
//! Gathering may hang on a dead device and runs behind a time limit; judging is pure.

use std::io;
use std::path::{Path, PathBuf};

use crate::api::{
    Destination, DestinationHealth, DestinationKind, FileSystemUsage, Forecast, MountState,
};
use crate::sys::device::{self, Mount, Usage};
use crate::sys::file;

/// Tablespaces listed; a cluster with more shows the first ones.
const TABLESPACES_MAX: usize = 200;

/// A place to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What is kept here.
    pub kind: DestinationKind,
    /// Its name for people.
    pub name: String,
    /// The path as configured.
    pub path: PathBuf,
}

/// What the machine says about a place.
#[derive(Debug)]
pub struct Facts {
    /// The place.
    pub place: Place,
    /// The path with symbolic links followed, and its device.
    pub real: io::Result<(PathBuf, u64)>,
    /// The file system, if it answers.
    pub usage: Option<io::Result<Usage>>,
    /// The mount it lies on.
    pub mount: Option<Mount>,
    /// The mount point `/etc/fstab` has for it.
    pub expected: Option<PathBuf>,
}

/// The places of the cluster in `data_directory`: itself, `pg_wal` when it is elsewhere, and
/// what `pg_tblspc` links to. Blocking.
///
/// Source: "Database File Layout" in the PostgreSQL manual.
#[must_use]
pub fn places_of(data_directory: &Path, backup_destination: Option<&Path>) -> Vec<Place> {
    let place = |kind: DestinationKind, name: &str, path: PathBuf| Place {
        kind,
        name: name.to_owned(),
        path,
    };
    let mut places = vec![place(DestinationKind::Data, "data", data_directory.to_path_buf())];
    if let Ok(target) = file::link_target(&data_directory.join("pg_wal")) {
        places.push(place(DestinationKind::Wal, "wal", target));
    }
    let links = data_directory.join("pg_tblspc");
    for oid in file::list(&links, TABLESPACES_MAX).unwrap_or_default() {
        if let Ok(target) = file::link_target(&links.join(&oid)) {
            places.push(place(DestinationKind::Tablespace, &oid, target));
        }
    }
    if let Some(path) = backup_destination {
        places.push(place(DestinationKind::Backup, "backup", path.to_path_buf()));
    }
    places
}

/// Looks at one place. Blocking; may hang on a dead device.
#[must_use]
pub fn look_at(place: Place, mounts: &[Mount], expected_points: &[PathBuf]) -> Facts {
    let real = file::canonical(&place.path)
        .and_then(|path| file::stat(&path).map(|stat| (path, stat.device)));
    let path = real.as_ref().map_or(place.path.as_path(), |(path, _)| path.as_path());
    let mount = device::mount_of(mounts, path).cloned();
    let expected = device::nearest_point(expected_points, path).cloned();
    let usage = real.as_ref().ok().map(|(path, _)| device::usage(path));
    Facts { expected, mount, usage, real, place }
}

/// Judges one place.
///
/// `known_mount_point` is where it was mounted when pgdeck last saw it healthy.
#[must_use]
pub fn judge(
    facts: &Facts,
    known_mount_point: Option<&Path>,
    percent_max: u8,
    forecast: Forecast,
) -> Destination {
    let path = facts.real.as_ref().map_or(&facts.place.path, |(path, _)| path);
    let usage = file_system(facts);
    let (mount, trouble) = mount_state(facts, known_mount_point);
    let (health, reason) = match trouble {
        Some(reason) => (DestinationHealth::Error, reason),
        None => fullness(usage.as_ref(), percent_max),
    };
    Destination {
        kind: facts.place.kind,
        name: facts.place.name.clone(),
        path: path.clone(),
        health,
        reason,
        usage,
        mount,
        own_bytes: None,
        forecast,
        shares_device_with: Vec::new(),
    }
}

fn file_system(facts: &Facts) -> Option<FileSystemUsage> {
    let usage = facts.usage.as_ref()?.as_ref().ok()?;
    let mount = facts.mount.as_ref();
    Some(FileSystemUsage {
        device: mount.map(|mount| mount.source.clone()).unwrap_or_default(),
        mount_point: mount.map(|mount| mount.point.clone()).unwrap_or_default(),
        fs_type: mount.map(|mount| mount.fs_type.clone()).unwrap_or_default(),
        total_bytes: usage.total_bytes,
        used_bytes: usage.used_bytes,
        free_bytes: usage.free_bytes,
        free_inodes: usage.free_inodes,
    })
}

fn mount_state(facts: &Facts, known: Option<&Path>) -> (MountState, Option<String>) {
    let point = facts.mount.as_ref().map_or(Path::new("/"), |mount| mount.point.as_path());
    let deeper = |expected: &&Path| expected.starts_with(point) && *expected != point;
    let expected = facts.expected.as_deref().filter(deeper).or_else(|| known.filter(deeper));
    if let Some(expected) = expected {
        let reason = format!("{} is not mounted", expected.display());
        return (MountState::Unmounted { expected: expected.to_path_buf() }, Some(reason));
    }
    match (&facts.real, &facts.usage) {
        (Err(error), _) => {
            let reason = match error.kind() {
                io::ErrorKind::NotFound => "does not exist".to_owned(),
                io::ErrorKind::PermissionDenied => "cannot be looked at by this user".to_owned(),
                io::ErrorKind::TimedOut => "does not answer: the device hangs".to_owned(),
                _ => error.to_string(),
            };
            (MountState::Unknown, Some(reason))
        }
        (Ok(_), Some(Err(error))) => (MountState::Unknown, Some(error.to_string())),
        (Ok(_), Some(Ok(usage))) if usage.read_only => {
            (MountState::ReadOnly, Some("is mounted read-only".to_owned()))
        }
        (Ok(_), _) => (MountState::Mounted, None),
    }
}

fn fullness(usage: Option<&FileSystemUsage>, percent_max: u8) -> (DestinationHealth, String) {
    let Some(usage) = usage else { return (DestinationHealth::Normal, String::new()) };
    let percent = usage.used_percent();
    if usage.free_bytes == 0 {
        (DestinationHealth::Error, "is full".to_owned())
    } else if usage.free_inodes == Some(0) {
        (DestinationHealth::Error, "has no file names left (inodes)".to_owned())
    } else if percent >= percent_max {
        (DestinationHealth::Warning, format!("is {percent} % full"))
    } else {
        (DestinationHealth::Normal, String::new())
    }
}

/// Fills in who shares a device with whom, and warns where the backup destination shares one
/// with what it protects. `devices` are in the order of `destinations`.
pub fn note_shared_devices(destinations: &mut [Destination], devices: &[Option<u64>]) {
    let names: Vec<(DestinationKind, String)> =
        destinations.iter().map(|one| (one.kind, one.name.clone())).collect();
    for (index, destination) in destinations.iter_mut().enumerate() {
        let Some(device) = devices.get(index).copied().flatten() else { continue };
        let shares = names
            .iter()
            .zip(devices)
            .enumerate()
            .filter(|(other, (_, its_device))| *other != index && **its_device == Some(device))
            .map(|(_, ((_, name), _))| name.clone());
        destination.shares_device_with = shares.collect();
        let is_backup = destination.kind == DestinationKind::Backup;
        if is_backup && !destination.shares_device_with.is_empty() {
            let with = destination.shares_device_with.join(", ");
            if destination.health == DestinationHealth::Normal {
                destination.health = DestinationHealth::Warning;
                destination.reason = format!("is on the same device as {with}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(used_bytes: u64, free_bytes: u64) -> Usage {
        Usage {
            total_bytes: used_bytes + free_bytes,
            used_bytes,
            free_bytes,
            free_inodes: Some(1),
            read_only: false,
        }
    }

    fn mount(point: &str) -> Option<Mount> {
        Some(Mount {
            point: point.into(),
            fs_type: "ext4".into(),
            source: "/dev/sda1".into(),
            read_only: false,
        })
    }

    fn facts(usage: Usage) -> Facts {
        Facts {
            place: Place {
                kind: DestinationKind::Data,
                name: "data".into(),
                path: "/data/pg".into(),
            },
            real: Ok(("/data/pg".into(), 1)),
            usage: Some(Ok(usage)),
            mount: mount("/data"),
            expected: Some("/data".into()),
        }
    }

    fn check(facts: &Facts, known: Option<&str>, health: DestinationHealth, reason: &str) {
        let judged = judge(facts, known.map(Path::new), 80, Forecast::Unknown);
        assert_eq!((judged.health, judged.reason.as_str()), (health, reason));
    }

    #[test]
    fn eighty_percent_is_a_warning_and_full_an_error() {
        check(&facts(usage(79, 21)), None, DestinationHealth::Normal, "");
        check(&facts(usage(80, 20)), None, DestinationHealth::Warning, "is 80 % full");
        check(&facts(usage(100, 0)), None, DestinationHealth::Error, "is full");
        let no_names = Usage { free_inodes: Some(0), ..usage(1, 99) };
        let reason = "has no file names left (inodes)";
        check(&facts(no_names), None, DestinationHealth::Error, reason);
    }

    #[test]
    fn an_unmounted_disk_is_told_by_fstab_or_by_memory() {
        let on_root = Facts { mount: mount("/"), ..facts(usage(1, 99)) };
        check(&on_root, None, DestinationHealth::Error, "/data is not mounted");
        let unlisted = Facts { mount: mount("/"), expected: None, ..facts(usage(1, 99)) };
        check(&unlisted, None, DestinationHealth::Normal, "");
        check(&unlisted, Some("/data"), DestinationHealth::Error, "/data is not mounted");
        check(&facts(usage(1, 99)), Some("/data"), DestinationHealth::Normal, "");
        check(&facts(usage(1, 99)), Some("/"), DestinationHealth::Normal, "");
    }

    #[test]
    fn missing_read_only_and_hanging_are_errors() {
        let gone = |kind: io::ErrorKind| Facts {
            real: Err(kind.into()),
            usage: None,
            ..facts(usage(1, 1))
        };
        check(&gone(io::ErrorKind::NotFound), None, DestinationHealth::Error, "does not exist");
        let reason = "does not answer: the device hangs";
        check(&gone(io::ErrorKind::TimedOut), None, DestinationHealth::Error, reason);
        let read_only = Usage { read_only: true, ..usage(1, 99) };
        check(&facts(read_only), None, DestinationHealth::Error, "is mounted read-only");
    }

    #[test]
    fn a_backup_beside_its_data_is_warned_about() {
        let mut both: Vec<_> = [DestinationKind::Data, DestinationKind::Backup]
            .into_iter()
            .map(|kind| {
                let mut facts = facts(usage(1, 99));
                facts.place.kind = kind;
                facts.place.name = kind.word().to_owned();
                judge(&facts, None, 80, Forecast::Unknown)
            })
            .collect();
        note_shared_devices(&mut both, &[Some(1), Some(1)]);
        assert_eq!(both[0].health, DestinationHealth::Normal);
        assert_eq!(both[1].reason, "is on the same device as data");
        assert_eq!(both[0].shares_device_with, ["backup"]);
    }

    #[test]
    fn places_follow_links() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        let wal = root.path().join("wal");
        let space = root.path().join("space");
        for directory in [&data, &data.join("pg_tblspc"), &wal, &space] {
            std::fs::create_dir_all(directory).unwrap();
        }
        std::os::unix::fs::symlink(&wal, data.join("pg_wal")).unwrap();
        std::os::unix::fs::symlink(&space, data.join("pg_tblspc/16400")).unwrap();
        let places = places_of(&data, Some(Path::new("/backup")));
        let found: Vec<_> = places.iter().map(|p| (p.kind, p.path.as_path())).collect();
        assert_eq!(
            found,
            [
                (DestinationKind::Data, data.as_path()),
                (DestinationKind::Wal, wal.as_path()),
                (DestinationKind::Tablespace, space.as_path()),
                (DestinationKind::Backup, Path::new("/backup")),
            ]
        );
    }
}
