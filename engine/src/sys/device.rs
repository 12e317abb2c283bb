//! File systems: where a path is mounted, how full it is, what `/etc/fstab` expects.

use std::io;
use std::path::{Path, PathBuf};

use super::file;

const MOUNT_TABLE_BYTES_MAX: u64 = 4 << 20;

/// One mounted file system (`/proc/self/mountinfo`, see `proc(5)`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: PathBuf,
    /// Its type.
    pub fs_type: String,
    /// The device or source.
    pub source: String,
    /// Whether the mount or its file system is read-only.
    pub read_only: bool,
}

/// How full a file system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in all.
    pub total_bytes: u64,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes an unprivileged user may take.
    pub free_bytes: u64,
    /// Free file names; `None` when not counted.
    pub free_inodes: Option<u64>,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}

/// Asks the file system of `path`. May hang on a dead device.
///
/// # Errors
/// As `statvfs(3)`.
pub fn usage(path: &Path) -> io::Result<Usage> {
    let stat = rustix::fs::statvfs(path)?;
    let unit = if stat.f_frsize > 0 { stat.f_frsize } else { stat.f_bsize };
    Ok(Usage {
        total_bytes: stat.f_blocks.saturating_mul(unit),
        used_bytes: stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(unit),
        free_bytes: stat.f_bavail.saturating_mul(unit),
        free_inodes: (stat.f_files > 0).then_some(stat.f_favail),
        read_only: stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
    })
}

/// The mounted file systems.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn mounts() -> io::Result<Vec<Mount>> {
    let text = file::read_text(Path::new("/proc/self/mountinfo"), MOUNT_TABLE_BYTES_MAX)?;
    Ok(text.lines().filter_map(parse_mountinfo_line).collect())
}

/// The mount points `/etc/fstab` names; empty when there is none.
#[must_use]
pub fn expected_mount_points() -> Vec<PathBuf> {
    let text = file::read_text(Path::new("/etc/fstab"), MOUNT_TABLE_BYTES_MAX);
    text.map(|text| parse_fstab(&text)).unwrap_or_default()
}

/// The mount a path lies on: the longest mount point that is a prefix, the last one when
/// several are stacked.
#[must_use]
pub fn mount_of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count())
}

/// The longest of `points` that is a prefix of `path`, the root excepted.
#[must_use]
pub fn nearest_point<'a>(points: &'a [PathBuf], path: &Path) -> Option<&'a PathBuf> {
    points
        .iter()
        .filter(|point| point.as_path() != Path::new("/") && path.starts_with(point))
        .max_by_key(|point| point.components().count())
}

fn parse_mountinfo_line(line: &str) -> Option<Mount> {
    let (front, back) = line.split_once(" - ")?;
    let mut front = front.split(' ').skip(4);
    let point = unescape(front.next()?);
    let options = front.next()?;
    let mut back = back.split(' ');
    let fs_type = back.next()?.to_owned();
    let source = unescape(back.next()?).to_string_lossy().into_owned();
    let super_options = back.next().unwrap_or("");
    let is_read_only = |text: &str| text.split(',').any(|word| word == "ro");
    Some(Mount {
        point,
        fs_type,
        source,
        read_only: is_read_only(options) || is_read_only(super_options),
    })
}

fn parse_fstab(text: &str) -> Vec<PathBuf> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let point = fields.nth(1)?;
            let fs_type = fields.next()?;
            let options = fields.next().unwrap_or("");
            let on_demand = options.split(',').any(|word| word == "noauto");
            (point.starts_with('/') && fs_type != "swap" && !on_demand).then(|| unescape(point))
        })
        .collect()
}

/// Undoes the octal escapes of `mountinfo` and `fstab` (`\040` for a space).
fn unescape(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = (bytes[at] == b'\\')
            .then(|| text.get(at + 1..at + 4))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_mountinfo() {
        let line =
            r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let mount = parse_mountinfo_line(line).unwrap();
        assert_eq!(mount.point, Path::new("/mnt 2"));
        assert_eq!((mount.fs_type.as_str(), mount.source.as_str()), ("ext3", "/dev/root"));
        assert!(!mount.read_only);
        let line = "1 0 0:1 / /ro ro - tmpfs tmpfs rw";
        assert!(parse_mountinfo_line(line).unwrap().read_only);
        assert_eq!(parse_mountinfo_line("nonsense"), None);
    }

    #[test]
    fn longest_mount_point_wins_and_names_are_whole() {
        let mount = |point: &str| Mount {
            point: point.into(),
            fs_type: "ext4".into(),
            source: "d".into(),
            read_only: false,
        };
        let mounts = [mount("/"), mount("/data"), mount("/data/pg")];
        let of = |path: &str| mount_of(&mounts, Path::new(path)).map(|m| m.point.clone());
        assert_eq!(of("/data/pg/base"), Some("/data/pg".into()));
        assert_eq!(of("/data/pgx"), Some("/data".into()));
        assert_eq!(of("/srv"), Some("/".into()));
    }

    #[test]
    fn fstab_gives_points_that_should_be_mounted() {
        let text = "# comment\nUUID=1 / ext4 defaults 0 1\n/dev/b /data\\040x xfs rw 0 2\n\
                    /dev/c none swap sw 0 0\n/dev/d /cd iso9660 ro,noauto 0 0\n";
        let points = parse_fstab(text);
        assert_eq!(points, [PathBuf::from("/"), PathBuf::from("/data x")]);
        assert_eq!(nearest_point(&points, Path::new("/data x/pg")), Some(&points[1]));
        assert_eq!(nearest_point(&points, Path::new("/srv")), None);
    }

    #[test]
    fn this_machine_has_a_root() {
        let mounts = mounts().unwrap();
        assert_eq!(mount_of(&mounts, Path::new("/")).unwrap().point, Path::new("/"));
        let usage = usage(Path::new("/")).unwrap();
        assert!(usage.total_bytes >= usage.used_bytes && usage.total_bytes > 0);
    }
}
