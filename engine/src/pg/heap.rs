//! Pages of tables: the rows that stand on them, dead ones as well.
//!
//! Works on bytes alone. Source: `src/include/storage/bufpage.h`, `itemid.h` and
//! `access/htup_details.h`, the same in 13 to 18.

use super::wal::bytes::{u16_at, u32_at};

/// Bytes of a page (`BLCKSZ`); servers built with another one are not read.
pub const BLOCK_BYTES: usize = 8192;

/// Bytes of a page's header, behind which the item pointers begin.
const HEADER_BYTES: usize = 24;
const ITEM_BYTES: usize = 4;
/// Bytes of a row's header without the bitmap of nulls (`SizeofHeapTupleHeader`).
pub(crate) const TUPLE_HEADER_BYTES: usize = 23;
/// Page size and version of the layout in one number: 8192 and 4.
const SIZE_AND_VERSION: u16 = 0x2004;

/// A row of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapTuple<'a> {
    /// Its number on the page, from 1.
    pub offset: u16,
    /// Whether nobody has removed or replaced it, as far as its header says.
    pub is_last: bool,
    /// Its columns.
    pub data: &'a [u8],
}

/// The position up to which a page's changes are in it, in bytes of WAL.
#[must_use]
pub fn page_lsn(page: &[u8]) -> u64 {
    let half = |at| u64::from(u32_at(page, at).unwrap_or(0));
    half(0) << 32 | half(4)
}

/// The rows of a page; none when it is no page of a table.
#[must_use]
pub fn tuples(page: &[u8]) -> Vec<HeapTuple<'_>> {
    let lower = u16_at(page, 12).map_or(0, usize::from);
    let is_page = page.len() == BLOCK_BYTES
        && u16_at(page, 18) == Some(SIZE_AND_VERSION)
        && (HEADER_BYTES..=BLOCK_BYTES).contains(&lower);
    if !is_page {
        return Vec::new();
    }
    let items = (lower - HEADER_BYTES) / ITEM_BYTES;
    (0..items).filter_map(|index| tuple(page, index)).collect()
}

fn tuple(page: &[u8], index: usize) -> Option<HeapTuple<'_>> {
    const NORMAL: u32 = 1;
    const XMAX_INVALID: u16 = 0x0800;
    let item = u32_at(page, HEADER_BYTES + index * ITEM_BYTES)?;
    if item >> 15 & 3 != NORMAL {
        return None;
    }
    let start = usize::try_from(item & 0x7FFF).ok()?;
    let bytes = page.get(start..start.checked_add(usize::try_from(item >> 17).ok()?)?)?;
    let header_bytes = usize::from(*bytes.get(22)?);
    let is_last = u32_at(bytes, 4)? == 0 || u16_at(bytes, 20)? & XMAX_INVALID != 0;
    if header_bytes < TUPLE_HEADER_BYTES {
        return None;
    }
    let offset = u16::try_from(index + 1).ok()?;
    Some(HeapTuple { offset, is_last, data: bytes.get(header_bytes..)? })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A page with these rows, each with whether it was removed.
    pub(crate) fn page(lsn: u64, rows: &[(&[u8], bool)]) -> Vec<u8> {
        let mut page = vec![0; BLOCK_BYTES];
        page[..4].copy_from_slice(&u32::try_from(lsn >> 32).unwrap().to_le_bytes());
        page[4..8].copy_from_slice(&u32::try_from(lsn & 0xFFFF_FFFF).unwrap().to_le_bytes());
        let lower = u16::try_from(HEADER_BYTES + rows.len() * ITEM_BYTES).unwrap();
        page[12..14].copy_from_slice(&lower.to_le_bytes());
        page[18..20].copy_from_slice(&SIZE_AND_VERSION.to_le_bytes());
        let mut end = BLOCK_BYTES;
        for (index, (data, is_removed)) in rows.iter().enumerate() {
            let length = 24 + data.len();
            end -= length.next_multiple_of(8);
            page[end + 4] = u8::from(*is_removed);
            page[end + 22] = 24;
            page[end + 24..end + length].copy_from_slice(data);
            let item = u32::try_from(end | 1 << 15 | length << 17).unwrap();
            let at = HEADER_BYTES + index * ITEM_BYTES;
            page[at..at + ITEM_BYTES].copy_from_slice(&item.to_le_bytes());
        }
        page
    }

    #[test]
    fn rows_are_found_with_their_numbers() {
        let page = page(0x1_0000_0002, &[(b"one", false), (b"second", true)]);
        assert_eq!(page_lsn(&page), 0x1_0000_0002);
        let found = tuples(&page);
        assert_eq!(found[0], HeapTuple { offset: 1, is_last: true, data: b"one" });
        assert_eq!(found[1], HeapTuple { offset: 2, is_last: false, data: b"second" });
        assert_eq!(tuples(&page[1..]), []);
        assert_eq!(tuples(&[0; BLOCK_BYTES]), []);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_no_rows_or_some(mut bytes in prop::collection::vec(any::<u8>(), BLOCK_BYTES)) {
            bytes[18..20].copy_from_slice(&SIZE_AND_VERSION.to_le_bytes());
            let _ = tuples(&bytes);
        }
    }
}
