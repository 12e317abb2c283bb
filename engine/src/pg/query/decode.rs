//! Values of result columns that the driver cannot decode the way we need them.

use std::error::Error;
use std::fmt;

use tokio_postgres::types::{FromSql, Type};

use crate::api::{Lsn, Oid, TransactionId};

type Decoded<T> = Result<T, Box<dyn Error + Sync + Send>>;

/// Text of any origin, made UTF-8 with replacement characters where it is not.
///
/// `pg_stat_activity` and `pg_prepared_xacts` show bytes of sessions in other databases,
/// whose encoding may be another, cut at a byte count; the server passes them on unchecked.
/// The driver's own `String` would fail the whole row.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(String);

impl Text {
    /// The text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// The text, borrowed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl<'a> FromSql<'a> for Text {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Decoded<Self> {
        // The type "char" is one byte; its zero stands for no character at all.
        let raw = if *ty == Type::CHAR && raw == [0] { &[] } else { raw };
        Ok(Self(String::from_utf8_lossy(raw).into_owned()))
    }

    fn accepts(ty: &Type) -> bool {
        [Type::TEXT, Type::VARCHAR, Type::NAME, Type::BPCHAR, Type::CHAR, Type::UNKNOWN]
            .contains(ty)
    }
}

/// A column of type `pg_lsn`: `None` for null and for `0/0`, which PostgreSQL calls invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsnColumn(pub Option<Lsn>);

impl<'a> FromSql<'a> for LsnColumn {
    /// Source: `pg_lsn_send()` in `src/backend/utils/adt/pg_lsn.c`.
    fn from_sql(_: &Type, raw: &'a [u8]) -> Decoded<Self> {
        Ok(Self(Lsn::from_u64(u64::from_be_bytes(raw.try_into()?))))
    }

    fn from_sql_null(_: &Type) -> Decoded<Self> {
        Ok(Self(None))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::PG_LSN
    }
}

/// A column of type `oid` or of one of its aliases: `None` for null and for zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OidColumn(pub Option<Oid>);

impl<'a> FromSql<'a> for OidColumn {
    /// Source: `oidsend()` in `src/backend/utils/adt/oid.c`.
    fn from_sql(_: &Type, raw: &'a [u8]) -> Decoded<Self> {
        Ok(Self(Oid::from_u32(u32::from_be_bytes(raw.try_into()?))))
    }

    fn from_sql_null(_: &Type) -> Decoded<Self> {
        Ok(Self(None))
    }

    fn accepts(ty: &Type) -> bool {
        [Type::OID, Type::REGCLASS, Type::REGTYPE, Type::REGPROC, Type::REGROLE].contains(ty)
    }
}

/// A transaction id of a column of type `xid`; read a nullable one as an `Option`.
impl<'a> FromSql<'a> for TransactionId {
    /// Source: `xidsend()` in `src/backend/utils/adt/xid.c`.
    fn from_sql(_: &Type, raw: &'a [u8]) -> Decoded<Self> {
        Ok(Self::from_u32(u32::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::XID
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(ty: &Type, raw: &[u8]) -> String {
        Text::from_sql(ty, raw).unwrap().into_string()
    }

    #[test]
    fn text_of_every_kind_and_encoding() {
        assert_eq!(text(&Type::TEXT, "naïve".as_bytes()), "naïve");
        assert_eq!(text(&Type::NAME, b"caf\xE9"), "caf\u{FFFD}");
        assert_eq!(text(&Type::VARCHAR, b"cut \xE2\x82"), "cut \u{FFFD}");
        assert_eq!(text(&Type::TEXT, b""), "");
        assert_eq!(text(&Type::CHAR, b"r"), "r");
        assert_eq!(text(&Type::CHAR, b"\0"), "");
        for ty in [Type::BPCHAR, Type::UNKNOWN] {
            assert!(<Text as FromSql<'_>>::accepts(&ty));
        }
        assert!(!<Text as FromSql<'_>>::accepts(&Type::BYTEA));
        let null: Option<Text> = FromSql::from_sql_nullable(&Type::TEXT, None).unwrap();
        assert_eq!(null, None);
    }

    #[test]
    fn positions() {
        let lsn = |raw: &[u8]| LsnColumn::from_sql(&Type::PG_LSN, raw).unwrap().0;
        let position = lsn(&[0, 0, 0, 0x16, 0xB3, 0x74, 0xD8, 0x48]).unwrap();
        assert_eq!(position.to_string(), "16/B374D848");
        assert_eq!(lsn(&[0; 8]), None);
        assert_eq!(LsnColumn::from_sql_null(&Type::PG_LSN).unwrap().0, None);
        assert!(LsnColumn::from_sql(&Type::PG_LSN, &[0; 7]).is_err());
        assert!(!<LsnColumn as FromSql<'_>>::accepts(&Type::INT8));
    }

    #[test]
    fn identifiers() {
        let oid = |raw: &[u8]| OidColumn::from_sql(&Type::OID, raw).unwrap().0;
        assert_eq!(oid(&[0, 0, 0x40, 0]).map(Oid::as_u32), Some(16384));
        assert_eq!(oid(&[0xFF; 4]).map(Oid::as_u32), Some(u32::MAX));
        assert_eq!(oid(&[0; 4]), None);
        assert_eq!(OidColumn::from_sql_null(&Type::OID).unwrap().0, None);
        let xid = |raw: &[u8]| TransactionId::from_sql(&Type::XID, raw);
        assert_eq!(xid(&[0, 0, 3, 3]).unwrap().as_u32(), 771);
        assert!(xid(&[1]).is_err());
        assert!(!<TransactionId as FromSql<'_>>::accepts(&Type::INT4));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(raw in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = Text::from_sql(&Type::TEXT, &raw);
            let _ = LsnColumn::from_sql(&Type::PG_LSN, &raw);
            let _ = OidColumn::from_sql(&Type::OID, &raw);
            let _ = TransactionId::from_sql(&Type::XID, &raw);
        }

        #[test]
        fn valid_text_is_itself(valid in "\\PC*") {
            prop_assert_eq!(text(&Type::TEXT, valid.as_bytes()), valid);
        }
    }
}
