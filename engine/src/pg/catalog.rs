//! Rows of the few system catalogs that name relations, read from their bytes, and the map of
//! catalogs whose files `pg_class` does not name.
//!
//! Source: `src/include/catalog/pg_class.h`, `pg_namespace.h`, `pg_database.h` and
//! `src/backend/utils/cache/relmapper.c` of 13 to 18. Only columns of fixed width and never
//! null are read: they stand at the beginning of a row.

use super::wal::bytes::u32_at;

/// `RelationRelationId`.
pub const PG_CLASS: u32 = 1259;
/// `NamespaceRelationId`.
pub const PG_NAMESPACE: u32 = 2615;
/// `DatabaseRelationId`.
pub const PG_DATABASE: u32 = 1262;

/// Bytes of a name (`NAMEDATALEN`).
const NAME_BYTES: usize = 64;

/// A row of `pg_class`, as far as it tells whose a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassRow {
    /// The relation's oid.
    pub oid: u32,
    /// `relname`.
    pub name: String,
    /// `relnamespace`.
    pub namespace: u32,
    /// `relfilenode`; `None` for what has no file, or one that the map names.
    pub file: Option<u32>,
    /// `relkind`: `r` a table, `i` an index, `t` a TOAST table.
    pub kind: u8,
}

impl ClassRow {
    /// Reads a row of a major version; `None` when it is none.
    #[must_use]
    pub fn read(data: &[u8], major: u32) -> Option<Self> {
        const KINDS: &[u8] = b"rimStvcfpI";
        // 18 has relallfrozen in between.
        let kind_at = if major >= 18 { 119 } else { 115 };
        let named = NamedRow::read(data)?;
        let kind = *data.get(kind_at)?;
        KINDS.contains(&kind).then_some(Self {
            oid: named.oid,
            name: named.name,
            namespace: u32_at(data, 68)?,
            file: Some(u32_at(data, 88)?).filter(|file| *file != 0),
            kind,
        })
    }
}

/// A row of `pg_namespace` or `pg_database`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRow {
    /// The oid.
    pub oid: u32,
    /// `nspname` or `datname`.
    pub name: String,
}

impl NamedRow {
    /// Reads a row; `None` when it is none.
    #[must_use]
    pub fn read(data: &[u8]) -> Option<Self> {
        let oid = u32_at(data, 0).filter(|oid| *oid != 0)?;
        let field = data.get(4..4 + NAME_BYTES)?;
        let end = field.iter().position(|byte| *byte == 0).filter(|end| *end > 0)?;
        let is_padded = field[end..].iter().all(|byte| *byte == 0);
        let name = String::from_utf8_lossy(&field[..end]).into_owned();
        is_padded.then_some(Self { oid, name })
    }
}

/// The file of a mapped catalog by `pg_filenode.map`; `None` when the bytes are no map, or it
/// is not in it.
#[must_use]
pub fn mapped_file(map: &[u8], oid: u32) -> Option<u32> {
    // RELMAPPER_FILEMAGIC; MAX_MAPPINGS is 62, from 16 on 64.
    const MAGIC: u32 = 0x0059_2717;
    let count = usize::try_from(u32_at(map, 4)?).ok().filter(|count| *count <= 64)?;
    let crc_fits = [62, 64].into_iter().any(|slots: usize| {
        let at = 8 + slots * 8;
        map.get(..at).is_some_and(|bytes| u32_at(map, at) == Some(crc32c::crc32c(bytes)))
    });
    if u32_at(map, 0)? != MAGIC || !crc_fits {
        return None;
    }
    let found = (0..count).find(|slot| u32_at(map, 8 + slot * 8) == Some(oid))?;
    u32_at(map, 12 + found * 8)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A row of `pg_class` of 13 to 17.
    pub(crate) fn class_row(oid: u32, name: &str, file: u32, kind: u8) -> Vec<u8> {
        let mut row = vec![0; 144];
        row[..4].copy_from_slice(&oid.to_le_bytes());
        row[4..4 + name.len()].copy_from_slice(name.as_bytes());
        row[68..72].copy_from_slice(&2200_u32.to_le_bytes());
        row[88..92].copy_from_slice(&file.to_le_bytes());
        row[115] = kind;
        row
    }

    #[test]
    fn rows_and_what_is_none() {
        let row = class_row(16_402, "orders", 16_450, b'r');
        let read = ClassRow::read(&row, 17).unwrap();
        assert_eq!((read.oid, read.name.as_str(), read.namespace), (16_402, "orders", 2200));
        assert_eq!((read.file, read.kind), (Some(16_450), b'r'));
        assert_eq!(ClassRow::read(&row, 18), None, "the kind stands elsewhere");
        assert_eq!(ClassRow::read(&row[..100], 17), None);
        assert_eq!(NamedRow::read(&[0; 80]), None);
        assert_eq!(ClassRow::read(&class_row(1, "v", 0, b'v'), 13).unwrap().file, None);
    }

    #[test]
    fn the_map_of_either_length() {
        for slots in [62, 64] {
            let mut map = 0x0059_2717_u32.to_le_bytes().to_vec();
            map.extend(2_u32.to_le_bytes());
            for number in [1262_u32, 1262, 1259, 90_000] {
                map.extend(number.to_le_bytes());
            }
            map.resize(8 + slots * 8, 0);
            map.extend(crc32c::crc32c(&map).to_le_bytes());
            assert_eq!(mapped_file(&map, PG_CLASS), Some(90_000));
            assert_eq!(mapped_file(&map, PG_NAMESPACE), None);
            map[9] ^= 1;
            assert_eq!(mapped_file(&map, PG_CLASS), None);
        }
    }
}
