//! One `initdb` per major version and set of options; each instance is a copy.
//!
//! A copy gets a system identifier of its own, as `initdb` would have given it: two
//! instances of one test must not look like one cluster.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::majors::Major;
use crate::{account, cache};

/// Raise it when the base options change, so that older templates are not used any more.
const FORMAT: u32 = 1;

const BASE_OPTIONS: [&str; 5] =
    ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];

/// Copies a fresh cluster to `target`, which must not exist.
pub(crate) fn copy_to(target: &Path, major: Major, options: &[String]) {
    let template = template(major, options);
    let mut copy = Command::new("cp");
    // As root the owner is kept; copy-on-write where the file system can.
    copy.arg("-a").arg("--reflink=auto").arg(&template).arg(target);
    account::output_of(copy).unwrap_or_else(|error| panic!("{error}"));
    adopt_system_identifier(target, new_system_identifier());
}

/// The template's directory; makes it first when there is none.
fn template(major: Major, options: &[String]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    (FORMAT, BASE_OPTIONS, options).hash(&mut hasher);
    let key = format!("{}-{:016x}", major.version(), hasher.finish());
    let templates = cache::directory().join("templates");
    let ready = templates.join(&key);
    if ready.exists() {
        return ready;
    }
    let _lock = cache::lock(&format!("template-{key}"));
    if ready.exists() {
        return ready;
    }
    let making = templates.join(format!(".making-{key}"));
    if making.exists() {
        fs::remove_dir_all(&making).expect("a half-made template can be removed");
    }
    fs::create_dir_all(&making).expect("the template's directory can be made");
    account::give(&making);
    let data = making.join("data");
    let mut initdb = account::command(major.program("initdb"));
    initdb.arg("-D").arg(&data).args(BASE_OPTIONS).args(options);
    account::output_of(initdb).unwrap_or_else(|error| panic!("{error}"));
    fs::rename(&data, &ready).expect("the template can be put in its place");
    fs::remove_dir(&making).expect("the template's making place can be removed");
    ready
}

/// A new identifier, made as PostgreSQL makes it: seconds, microseconds, process id
/// (`BootStrapXLOG` in `xlog.c`); a counter stands in for the process id's low bits.
fn new_system_identifier() -> u64 {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let low =
        u64::from(std::process::id()).wrapping_mul(61) + COUNTER.fetch_add(1, Ordering::Relaxed);
    (now.as_secs() << 32) | (u64::from(now.subsec_micros()) << 12) | (low & 0xFFF)
}

/// Writes the identifier into the control file and the first page of each WAL segment.
///
/// The control file begins with it and ends with a CRC-32C of all before (`pg_control.h`);
/// the CRC's offset depends on the version and is found by its value. A WAL segment's long
/// page header has it at byte 24 (`XLogLongPageHeaderData`), outside of every record's CRC.
fn adopt_system_identifier(data: &Path, identifier: u64) {
    let path = data.join("global/pg_control");
    let mut control = fs::read(&path).expect("the template has a control file");
    let old: [u8; 8] = control[..8].try_into().expect("eight bytes");
    let crc_at = (200..512)
        .step_by(4)
        .find(|&at| crc32c::crc32c(&control[..at]).to_le_bytes() == control[at..at + 4])
        .expect("the control file has its CRC");
    control[..8].copy_from_slice(&identifier.to_le_bytes());
    let crc = crc32c::crc32c(&control[..crc_at]);
    control[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, control).expect("the control file can be written");
    for entry in fs::read_dir(data.join("pg_wal")).expect("the template has WAL") {
        let path = entry.expect("pg_wal can be listed").path();
        if path.is_file() {
            let mut segment = fs::read(&path).expect("a WAL segment can be read");
            assert_eq!(segment[24..32], old, "{} has no long page header", path.display());
            segment[24..32].copy_from_slice(&identifier.to_le_bytes());
            fs::write(&path, segment).expect("a WAL segment can be written");
        }
    }
}
