//! What of a data directory is backed up, and what kind of file it is. Pure: decides by paths.
//!
//! Sources: `excludeDirContents`, `excludeFiles`, `noChecksumFiles` and `sendDir()` in
//! `src/backend/backup/basebackup.c`; `parse_filename_for_nontemp_relation()` in
//! `src/backend/storage/file/reinit.c`; "Making a Base Backup Using the Low Level API" in the
//! manual.

/// Directories whose contents are left out; they themselves are kept, empty.
const EMPTIED: [&str; 8] = [
    "pg_wal",
    "pg_replslot",
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    "pg_stat_tmp",
    "pg_subtrans",
];

/// Files left out wherever they are.
const FILES: [&str; 12] = [
    "postmaster.pid",
    "postmaster.opts",
    "recovery.signal",
    "standby.signal",
    "recovery.conf",
    "recovery.done",
    "backup_label",
    "backup_label.old",
    "tablespace_map",
    "tablespace_map.old",
    "postgresql.auto.conf.tmp",
    "current_logfiles.tmp",
];

/// Files left out by the beginning of their names.
const PREFIXES: [&str; 3] = ["pgsql_tmp", "pg_internal.init", "backup_manifest"];

/// What a recovery keeps: data from before it, of which there are backups.
const RECOVERY_DIRECTORY: &str = crate::recovery::layout::DIRECTORY;

/// The control file: it is stored beside the packs, last.
pub const CONTROL_FILE: &str = "global/pg_control";

/// One of the files of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationFile<'a> {
    /// File number (`relfilenode`).
    pub number: &'a str,
    /// Which of its forks.
    pub fork: Fork,
    /// Which part of a large relation, from 0.
    pub segment: u32,
}

/// A fork of a relation (`ForkNumber`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The data.
    Main,
    /// The free space map.
    FreeSpace,
    /// The visibility map.
    Visibility,
    /// How an unlogged relation looks after a crash.
    Init,
}

/// What to do with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is backed up.
    Take,
    /// The directory is backed up without its contents.
    Empty,
    /// It is left out.
    Leave,
}

/// Judges a directory by its path below the data directory.
#[must_use]
pub fn directory(path: &str) -> Verdict {
    if EMPTIED.contains(&path) {
        return Verdict::Empty;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_left = name.starts_with("pgsql_tmp") || path == RECOVERY_DIRECTORY;
    if is_left { Verdict::Leave } else { Verdict::Take }
}

/// Judges a file by its path, all but unlogged relations, which need their directory's list.
#[must_use]
pub fn file(path: &str) -> Verdict {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_left = FILES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || path == CONTROL_FILE
        || (holds_relations(path) && is_temporary_relation(name));
    if is_left { Verdict::Leave } else { Verdict::Take }
}

/// Whether a path is of a file in a directory where relations are.
fn holds_relations(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let is_oid = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match parts.as_slice() {
        ["global", _] => true,
        ["base", database, _] => is_oid(database),
        ["pg_tblspc", space, version, database, _] => {
            is_oid(space) && version.starts_with("PG_") && is_oid(database)
        }
        _ => false,
    }
}

/// The relation file that a path names.
#[must_use]
pub fn relation(path: &str) -> Option<RelationFile<'_>> {
    let name = path.rsplit('/').next()?;
    if holds_relations(path) { relation_name(name) } else { None }
}

/// Reads `16384`, `16384_fsm`, `16384_init`, `16384.1`, `16384_vm.2`.
fn relation_name(name: &str) -> Option<RelationFile<'_>> {
    let digits = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    let (number, rest) = name.split_at(digits);
    if number.is_empty() || number.len() > 10 || number.starts_with('0') {
        return None;
    }
    let (fork, rest) = match rest.strip_prefix('_') {
        None => (Fork::Main, rest),
        Some(rest) => {
            let end = rest.find('.').unwrap_or(rest.len());
            let fork = match &rest[..end] {
                "fsm" => Fork::FreeSpace,
                "vm" => Fork::Visibility,
                "init" => Fork::Init,
                _ => return None,
            };
            (fork, &rest[end..])
        }
    };
    let segment = match rest.strip_prefix('.') {
        None if rest.is_empty() => 0,
        Some(digits) if !digits.starts_with('0') => digits.parse().ok()?,
        _ => return None,
    };
    Some(RelationFile { number, fork, segment })
}

/// `t3_16384`, `t3_16384_fsm`, `t3_16384.1`: relations of one session
/// (`looks_like_temp_rel_name()` in `src/backend/storage/file/fd.c`).
fn is_temporary_relation(name: &str) -> bool {
    let Some(rest) = name.strip_prefix('t') else { return false };
    let Some((backend, relation)) = rest.split_once('_') else { return false };
    !backend.is_empty()
        && backend.bytes().all(|byte| byte.is_ascii_digit())
        && relation_name(relation).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_or_left() {
        for (path, expected) in [
            ("PG_VERSION", Verdict::Take),
            ("base/5/16384", Verdict::Take),
            ("base/5/pg_filenode.map", Verdict::Take),
            ("global/pg_control", Verdict::Leave),
            ("base/5/t3_16384", Verdict::Leave),
            ("base/5/t3_16384_fsm", Verdict::Leave),
            ("base/5/t12_16384.1", Verdict::Leave),
            ("base/5/t12_16384x", Verdict::Take),
            ("t3_16384", Verdict::Take),
            ("base/5/t_16384", Verdict::Take),
            ("pg_tblspc/16400/PG_15_202209061/5/t1_2", Verdict::Leave),
            ("base/5/pg_internal.init", Verdict::Leave),
            ("global/pg_internal.init.4711", Verdict::Leave),
            ("postmaster.pid", Verdict::Leave),
            ("postmaster.opts", Verdict::Leave),
            ("recovery.signal", Verdict::Leave),
            ("standby.signal", Verdict::Leave),
            ("backup_label.old", Verdict::Leave),
            ("tablespace_map", Verdict::Leave),
            ("backup_manifest", Verdict::Leave),
            ("backup_manifest.tmp", Verdict::Leave),
            ("postgresql.auto.conf.tmp", Verdict::Leave),
            ("postgresql.auto.conf", Verdict::Take),
            ("postgresql.conf", Verdict::Take),
            ("pg_xact/0000", Verdict::Take),
            ("base/pgsql_tmp123.0", Verdict::Leave),
        ] {
            assert_eq!(file(path), expected, "{path}");
        }
    }

    #[test]
    fn directories_are_taken_emptied_or_left() {
        for (path, expected) in [
            ("base", Verdict::Take),
            ("pg_wal", Verdict::Empty),
            ("pg_subtrans", Verdict::Empty),
            ("pg_stat_tmp", Verdict::Empty),
            ("pg_stat", Verdict::Take),
            ("pgdeck_recovery", Verdict::Leave),
            ("base/pgdeck_recovery", Verdict::Take),
            ("base/pgsql_tmp", Verdict::Leave),
            ("base/pgsql_tmp/pgsql_tmp12.fileset", Verdict::Leave),
            ("pg_logical/snapshots", Verdict::Take),
            ("my/pg_wal", Verdict::Take),
        ] {
            assert_eq!(directory(path), expected, "{path}");
        }
    }

    #[test]
    fn relation_files_are_told_from_others() {
        let of = |number, fork, segment| Some(RelationFile { number, fork, segment });
        for (path, expected) in [
            ("base/5/16384", of("16384", Fork::Main, 0)),
            ("base/5/16384.1", of("16384", Fork::Main, 1)),
            ("base/5/16384_vm", of("16384", Fork::Visibility, 0)),
            ("base/5/16384_fsm.2", of("16384", Fork::FreeSpace, 2)),
            ("base/5/16384_init", of("16384", Fork::Init, 0)),
            ("global/1262", of("1262", Fork::Main, 0)),
            ("pg_tblspc/16400/PG_15_202209061/5/7", of("7", Fork::Main, 0)),
            ("base/5/16384.0", None),
            ("base/5/16384.x", None),
            ("base/5/16384_foo", None),
            ("base/5/016384", None),
            ("base/5/pg_filenode.map", None),
            ("base/5/PG_VERSION", None),
            ("pg_xact/0000", None),
            ("pg_multixact/offsets/1000", None),
            ("16384", None),
        ] {
            assert_eq!(relation(path), expected, "{path}");
        }
    }
}
