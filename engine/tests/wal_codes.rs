//! What `wal-push` and `wal-get` say when they cannot: by code, as programs see it. What a
//! server makes of it is tested with real servers.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use pgdeck_engine::api::{ErrorCode, WalCompression, WalGet, WalPlace, WalPush};
use pgdeck_engine::sys::disk::Disk;
use pgdeck_engine::wal::{get, push};

const SECOND: &str = "000000010000000000000002";
const THIRD: &str = "000000010000000000000003";
const FOURTH: &str = "000000010000000000000004";

/// A destination whose archive holds files of these names, empty ones.
fn destination(names: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let archive = root.path().join("archived_wal");
    fs::create_dir(&archive).unwrap();
    for name in names {
        fs::write(archive.join(name), "").unwrap();
    }
    root
}

fn code_of_get(destination: &Path, name: &str) -> ErrorCode {
    let target = tempfile::tempdir().unwrap();
    let request = WalGet {
        name: name.to_owned(),
        target: target.path().join("RECOVERYXLOG"),
        place: Some(WalPlace::Destination(destination.to_path_buf())),
        data_directory: None,
        prefetch: 0,
        program: None,
        rescued: None,
        until: None,
    };
    let error = get::get(&Disk::real(), &request).unwrap_err();
    assert!(!request.target.exists(), "nothing is delivered");
    error.code
}

#[test]
fn an_absent_segment_is_the_end_only_when_nothing_later_is_there() {
    let root = destination(&[SECOND]);
    assert_eq!(code_of_get(root.path(), THIRD), ErrorCode::WalAbsent);
    let root = destination(&[SECOND, FOURTH]);
    assert_eq!(code_of_get(root.path(), THIRD), ErrorCode::WalGap);
    // A stored file that is no segment is never given to a server.
    assert_eq!(code_of_get(root.path(), FOURTH), ErrorCode::RepositoryDamaged);
}

#[test]
fn an_archive_that_is_not_there_is_not_an_empty_one() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(code_of_get(root.path(), THIRD), ErrorCode::RepositoryUnreadable);
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_refused() {
    let root = destination(&[]);
    let source = tempfile::tempdir().unwrap();
    let push = |name: &str, content: &[u8]| {
        let source = source.path().join(name);
        fs::write(&source, content).unwrap();
        let request = WalPush {
            source,
            place: WalPlace::Destination(root.path().to_path_buf()),
            compression: WalCompression::None,
            data_directory: None,
        };
        push::push(&Disk::real(), &request).unwrap_err().code
    };
    assert_eq!(push("letter", b"x"), ErrorCode::WalInvalid);
    assert_eq!(push(SECOND, &vec![0; 16 << 20]), ErrorCode::WalInvalid);
    assert_eq!(push(SECOND, b"short"), ErrorCode::WalInvalid);
    let kept = fs::read_dir(root.path().join("archived_wal")).unwrap().count();
    assert_eq!(kept, 0, "nothing was stored");
}
