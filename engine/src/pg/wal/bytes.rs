//! Little-endian numbers out of a structure's bytes, each read checked.
//!
//! PostgreSQL writes the byte order of its machine; every platform pgdeck runs on has the
//! little-endian one, and WAL of the other kind is refused by its magic number.

use chrono::{DateTime, Utc};

/// Microseconds from 1970-01-01 to 2000-01-01, PostgreSQL's epoch (`POSTGRES_EPOCH_JDATE`).
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

pub(in crate::pg) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(in crate::pg) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(in crate::pg) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// A `TimestampTz`: microseconds since 2000-01-01 UTC.
pub(in crate::pg) fn timestamp_at(bytes: &[u8], at: usize) -> Option<DateTime<Utc>> {
    let since_2000 = i64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?);
    DateTime::from_timestamp_micros(since_2000.checked_add(EPOCH_MICROSECONDS)?)
}

/// A count as an index.
pub(in crate::pg) fn count_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_at(bytes, at)?).ok()
}

/// A text that ends with a zero byte, or with the bytes; what is not UTF-8 is replaced.
pub(in crate::pg) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
