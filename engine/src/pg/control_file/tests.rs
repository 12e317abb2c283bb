//! Files captured from real servers; the expected values are what those servers' own SQL
//! functions (`*.txt`) and `pg_controldata` (`*.controldata`) said of them.

use proptest::prelude::*;

use super::*;

macro_rules! captured {
    ($name:literal) => {
        whole(include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/control/",
            $name,
            ".bin"
        )))
    };
}

macro_rules! said {
    ($name:literal, $kind:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/control/", $name, $kind))
    };
}

/// Captured files hold the first 512 bytes; the rest of every one was zero.
fn whole(head: &[u8; 512]) -> Vec<u8> {
    let mut bytes = head.to_vec();
    bytes.resize(CONTROL_FILE_BYTES, 0);
    bytes
}

fn columns_text(file: &ControlFile) -> String {
    let line = |c: &ControlColumn| format!("{}.{}={}\n", c.function, c.column, c.value);
    file.columns().iter().map(line).collect()
}

macro_rules! check_major {
    ($test:ident: $running:literal, $down:literal, $standby:literal, $standby_down:literal) => {
        #[test]
        fn $test() {
            let running = decode(&captured!($running)).unwrap();
            assert_eq!(columns_text(&running), said!($running, ".txt"));
            assert_eq!((running.state_word(), running.is_clean()), ("in production", false));
            let settings = &running.standby_settings;
            assert_eq!(settings.wal_level, Some(WalLevel::Logical));
            assert_eq!((settings.max_connections, settings.max_prepared_transactions), (33, 7));
            assert!(settings.track_commit_timestamp && !settings.wal_log_hints);
            assert!(running.build.float_format_matches);

            let down = decode(&captured!($down)).unwrap();
            assert_eq!((down.state_word(), down.is_clean()), ("shut down", true));
            assert_eq!(down.system_identifier, running.system_identifier);
            assert_eq!(down.checkpoint, down.checkpoint_copy.redo);

            let standby = decode(&captured!($standby)).unwrap();
            assert_eq!(columns_text(&standby), said!($standby, ".txt"));
            assert_eq!((standby.state_word(), standby.is_clean()), ("in archive recovery", false));
            assert!(standby.min_recovery_point.is_some());

            let down = decode(&captured!($standby_down)).unwrap();
            assert_eq!((down.state_word(), down.is_clean()), ("shut down in recovery", true));
        }
    };
}

check_major!(decodes_13: "13-in-production", "13-shut-down",
    "13-in-archive-recovery", "13-shut-down-in-recovery");
check_major!(decodes_14: "14-in-production", "14-shut-down",
    "14-in-archive-recovery", "14-shut-down-in-recovery");
check_major!(decodes_15: "15-in-production", "15-shut-down",
    "15-in-archive-recovery", "15-shut-down-in-recovery");
check_major!(decodes_16: "16-in-production", "16-shut-down",
    "16-in-archive-recovery", "16-shut-down-in-recovery");
check_major!(decodes_17: "17-in-production", "17-shut-down",
    "17-in-archive-recovery", "17-shut-down-in-recovery");
check_major!(decodes_18: "18-in-production", "18-shut-down",
    "18-in-archive-recovery", "18-shut-down-in-recovery");

#[test]
fn versions_store_what_they_added() {
    let of_17 = decode(&captured!("17-in-production")).unwrap();
    let of_18 = decode(&captured!("18-in-production")).unwrap();
    assert_eq!(of_17.checkpoint_copy.wal_level, Some(WalLevel::Logical));
    assert_eq!(of_18.checkpoint_copy.wal_level, Some(WalLevel::Logical));
    assert_eq!(of_17.build.default_char_signedness, None);
    assert_eq!(of_18.build.default_char_signedness, Some(true));
}

/// What the SQL functions do not show, `pg_controldata` does.
#[test]
fn agrees_with_pg_controldata() {
    let file = decode(&captured!("15-in-production")).unwrap();
    let text = said!("15-in-production", ".controldata");
    let shown = |label: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(label)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    };
    let nonce: String = file.mock_authentication_nonce.map(|b| format!("{b:02x}")).concat();
    assert_eq!(shown("Mock authentication nonce"), nonce);
    assert_eq!(shown("Database cluster state"), file.state_word());
    assert_eq!(shown("Fake LSN counter for unlogged rels"), file.unlogged_lsn.unwrap().to_string());
    assert_eq!(shown("wal_level setting"), file.standby_settings.wal_level.unwrap().word());
    assert_eq!(shown("max_worker_processes setting"), "8");
    assert_eq!(file.standby_settings.max_worker_processes, 8);
    assert_eq!(shown("max_wal_senders setting"), "10");
    assert_eq!(file.standby_settings.max_wal_senders, 10);
    assert_eq!(shown("max_locks_per_xact setting"), "64");
    assert_eq!(file.standby_settings.max_locks_per_transaction, 64);
}

#[test]
fn summary_is_for_people() {
    let summary = decode(&captured!("14-shut-down")).unwrap().summary();
    assert_eq!((summary.state, summary.is_clean), ("shut down", true));
    assert_eq!(summary.timeline.map(TimelineId::as_u32), Some(1));
    assert!(summary.data_checksums);
    assert!(summary.modified_at >= summary.checkpoint_at);
}

#[test]
fn damage_is_named() {
    let good = captured!("15-shut-down");
    assert_eq!(decode(&[]), Err(ControlFileError::TooShort { bytes: 0 }));
    assert_eq!(decode(&good[..291]), Err(ControlFileError::TooShort { bytes: 291 }));
    assert!(decode(&good[..292]).is_ok(), "the zeros after the structure are not needed");
    for at in 16..292 {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        let error = decode(&bad).unwrap_err();
        assert!(matches!(error, ControlFileError::Checksum { .. }), "byte {at}: {error}");
        assert!(error.may_be_torn());
    }
}

#[test]
fn other_layouts_are_refused() {
    let with_version = |version: [u8; 4]| {
        let mut bytes = captured!("15-shut-down");
        bytes[8..12].copy_from_slice(&version);
        decode(&bytes).unwrap_err()
    };
    let swapped = with_version(1300_u32.swap_bytes().to_ne_bytes());
    assert_eq!(swapped, ControlFileError::ByteOrder);
    let old = with_version(1201_u32.to_ne_bytes());
    assert_eq!(old, ControlFileError::UnknownVersion { version: 1201 });
    assert!(!old.may_be_torn());
    assert_eq!(old.into_api("x").code, crate::api::ErrorCode::VersionUnsupported);
    let zeroed = decode(&[0; CONTROL_FILE_BYTES]).unwrap_err();
    assert_eq!(zeroed.into_api("x").code, crate::api::ErrorCode::ControlFileDamaged);
}

#[test]
fn unknown_state_needs_a_right_checksum() {
    let mut bytes = captured!("15-shut-down");
    bytes[16..20].copy_from_slice(&7_u32.to_ne_bytes());
    let crc = crc32c::crc32c(&bytes[..288]);
    bytes[288..292].copy_from_slice(&crc.to_ne_bytes());
    assert_eq!(decode(&bytes), Err(ControlFileError::UnknownState { number: 7 }));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode(&bytes);
    }

    /// Bytes that pass the checksum reach every field, whatever they hold.
    #[test]
    fn arbitrary_fields_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 296..297),
        version in prop::sample::select(vec![1300_u32, 1700, 1800]),
    ) {
        let crc_at = if version == 1800 { 292 } else { 288 };
        bytes[8..12].copy_from_slice(&version.to_ne_bytes());
        bytes[16..20].copy_from_slice(&6_u32.to_ne_bytes());
        let crc = crc32c::crc32c(&bytes[..crc_at]);
        bytes[crc_at..crc_at + 4].copy_from_slice(&crc.to_ne_bytes());
        let file = decode(&bytes).unwrap();
        prop_assert!(!file.columns().is_empty());
        let _ = file.summary();
    }
}
