//! PostgreSQL's own scalar types as newtypes. Owns their text forms; knows no I/O.
//!
//! There are no sentinel values: where PostgreSQL uses zero for "none"
//! (`InvalidXLogRecPtr`, `InvalidOid`), this crate uses `Option`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A position in the write-ahead log, in bytes from its beginning.
///
/// Source: `XLogRecPtr` in `src/include/access/xlogdefs.h`; the text form is the one of
/// the SQL type `pg_lsn`, two hexadecimal halves split by a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// A position from its byte offset; `None` for zero, PostgreSQL's "invalid".
    #[must_use]
    pub fn from_u64(value: u64) -> Option<Self> {
        (value != 0).then_some(Self(value))
    }

    /// The byte offset.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// Bytes of write-ahead log from `earlier` to `self`; zero when `earlier` is ahead.
    #[must_use]
    pub fn bytes_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// The text is not a `pg_lsn`: two hexadecimal numbers of at most eight digits with a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a WAL position: expected two hexadecimal numbers with a slash, such as 16/B374D848")]
pub struct ParseLsnError;

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let half = |part: &str| {
            let digits = (1..=8).contains(&part.len());
            let hex = part.bytes().all(|b| b.is_ascii_hexdigit());
            if digits && hex { u64::from_str_radix(part, 16).ok() } else { None }
        };
        let (high, low) = text.split_once('/').ok_or(ParseLsnError)?;
        let high = half(high).ok_or(ParseLsnError)?;
        let low = half(low).ok_or(ParseLsnError)?;
        Self::from_u64(high << 32 | low).ok_or(ParseLsnError)
    }
}

impl Serialize for Lsn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lsn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A timeline of the database cluster, from 1.
///
/// Prints in two ways that must not be confused: decimal in SQL
/// ([`TimelineId::decimal`]), eight hexadecimal digits in file names
/// ([`TimelineId::file_name_part`]). There is deliberately no `Display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct TimelineId(u32);

impl TryFrom<u32> for TimelineId {
    type Error = &'static str;

    fn try_from(value: u32) -> Result<Self, Self::Error> {
        Self::from_u32(value).ok_or("timelines are counted from 1")
    }
}

impl From<TimelineId> for u32 {
    fn from(timeline: TimelineId) -> Self {
        timeline.0
    }
}

impl TimelineId {
    /// A timeline from its number; `None` for zero.
    #[must_use]
    pub fn from_u32(value: u32) -> Option<Self> {
        (value != 0).then_some(Self(value))
    }

    /// The form SQL functions and messages use, such as `10`.
    #[must_use]
    pub fn decimal(self) -> String {
        self.0.to_string()
    }

    /// The form WAL segment and history file names use, such as `0000000A`.
    #[must_use]
    pub fn file_name_part(self) -> String {
        format!("{:08X}", self.0)
    }

    /// The number.
    #[must_use]
    pub fn as_u32(self) -> u32 {
        self.0
    }
}

/// An object identifier of the catalogs, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Oid(u32);

impl Oid {
    /// An identifier from its number; `None` for zero (`InvalidOid`).
    #[must_use]
    pub fn from_u32(value: u32) -> Option<Self> {
        (value != 0).then_some(Self(value))
    }

    /// The number.
    #[must_use]
    pub fn as_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number `initdb` gives a database cluster, equal in all its WAL and standbys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemIdentifier(u64);

impl SystemIdentifier {
    /// From the number in the control file.
    #[must_use]
    pub fn from_u64(value: u64) -> Self {
        Self(value)
    }

    /// The number.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SystemIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A transaction identifier as the catalogs show it: 32 bits, wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct TransactionId(u32);

impl TransactionId {
    /// From the number.
    #[must_use]
    pub fn from_u32(value: u32) -> Self {
        Self(value)
    }

    /// The number.
    #[must_use]
    pub fn as_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A server version as `server_version_num` gives it, such as 150018 for 15.18.
///
/// Source: "Preset Options" in the PostgreSQL manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct ServerVersion(u32);

impl ServerVersion {
    /// The oldest supported major version.
    pub const MAJOR_MIN: u32 = 13;
    /// The newest supported major version.
    pub const MAJOR_MAX: u32 = 18;

    /// From `server_version_num`.
    #[must_use]
    pub fn from_num(num: u32) -> Self {
        Self(num)
    }

    /// The major version, such as 15.
    #[must_use]
    pub fn major(self) -> u32 {
        self.0 / 10_000
    }

    /// The minor version, such as 18.
    #[must_use]
    pub fn minor(self) -> u32 {
        self.0 % 10_000
    }

    /// Whether pgdeck knows this major version.
    #[must_use]
    pub fn is_supported(self) -> bool {
        (Self::MAJOR_MIN..=Self::MAJOR_MAX).contains(&self.major())
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.minor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lsn_text_is_pg_lsn() {
        let lsn: Lsn = "16/B374D848".parse().unwrap();
        assert_eq!(lsn.as_u64(), 0x16_B374_D848);
        assert_eq!(lsn.to_string(), "16/B374D848");
    }

    #[test]
    fn lsn_refuses_what_pg_lsn_refuses() {
        for text in ["", "/", "0/0", "1", "1/", "/1", "G/1", "123456789/0", "1/+2", " 1/2"] {
            assert_eq!(text.parse::<Lsn>(), Err(ParseLsnError), "{text:?}");
        }
    }

    #[test]
    fn timeline_has_two_forms() {
        let ten = TimelineId::from_u32(10).unwrap();
        assert_eq!((ten.decimal(), ten.file_name_part()), ("10".into(), "0000000A".into()));
    }

    #[test]
    fn version_splits_into_major_and_minor() {
        let version = ServerVersion::from_num(130_023);
        assert_eq!((version.major(), version.minor()), (13, 23));
        assert_eq!(version.to_string(), "13.23");
        assert!(version.is_supported());
        assert!(!ServerVersion::from_num(120_022).is_supported());
    }

    proptest! {
        #[test]
        fn lsn_text_round_trips(value in 1_u64..) {
            let lsn = Lsn::from_u64(value).unwrap();
            prop_assert_eq!(lsn.to_string().parse::<Lsn>(), Ok(lsn));
        }
    }
}
