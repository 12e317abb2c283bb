//! The catalogs' pages as WAL changes them: enough of replay to know the rows that are written.
//!
//! A record that replaces a row carries only the bytes that differ from the row before. So rows
//! are kept by their place, from the image that WAL has of each page after a checkpoint, or from
//! a backup when the WAL is read from its beginning on. Source: `heap_xlog_insert()`,
//! `heap_xlog_update()` and `heap_xlog_inplace()`, in 13 to 17 of `heapam.c`.

use std::collections::HashMap;

use super::Relations;
use crate::pg::catalog::{self, mapped_file};
use crate::pg::heap::{self, TUPLE_HEADER_BYTES};
use crate::pg::types::TransactionId;
use crate::pg::wal::{BlockContent, Record, RelationFile, ResourceManager};

/// Pages kept; a catalog of more is known by its images alone.
const PAGES_MAX: usize = 32_768;
/// Rows of a page at most (`MaxHeapTuplesPerPage`).
const OFFSET_MAX: u16 = 291;
/// Bytes of `xl_heap_header`.
const ROW_HEADER: usize = 5;

/// A page's place: the database, the file's number, the block.
type PageKey = (u32, u32, u32);

/// Pages whose rows are known for certain.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Catalogs {
    pages: HashMap<PageKey, Page>,
}

#[derive(Clone, Debug, Default)]
struct Page {
    /// Changes up to here are in it.
    lsn: u64,
    rows: HashMap<u16, Vec<u8>>,
}

impl Page {
    fn of(page: &[u8]) -> Self {
        let rows = heap::tuples(page).into_iter().map(|row| (row.offset, row.data.to_vec()));
        Self { lsn: heap::page_lsn(page), rows: rows.collect() }
    }
}

/// What a record does to a row.
enum Change<'a> {
    Insert,
    /// Replaces the row at this place of the same page, of which it keeps so much.
    Update {
        old: u16,
        prefix: usize,
        suffix: usize,
        rest: &'a [u8],
    },
    InPlace,
}

impl Catalogs {
    /// Forgets all: WAL is missing.
    pub(in super::super) fn clear(&mut self) {
        self.pages.clear();
    }

    /// Takes a page of a backup.
    pub(super) fn add(&mut self, file: RelationFile, block: u32, page: &[u8]) {
        let key = (file.database, file.number, block);
        // What WAL has said already is as sound, and goes on from where it is.
        if self.pages.len() < PAGES_MAX && !self.pages.contains_key(&key) {
            self.pages.insert(key, Page::of(page));
        }
    }

    /// Takes a record.
    pub(in super::super) fn take(&mut self, record: &Record<'_>, relations: &mut Relations) {
        const XLOG_IMAGES: [u8; 2] = [0xA0, 0xB0];
        let manager = record.resource_manager();
        let is_of_pages = match manager {
            ResourceManager::HEAP | ResourceManager::HEAP2 => true,
            ResourceManager::XLOG => XLOG_IMAGES.contains(&(record.info() & 0xF0)),
            _ => false,
        };
        if is_of_pages {
            // All blocks of such a record are of one relation.
            let file = record.first_file();
            if file.and_then(|file| relations.catalog_of(file)).is_none() {
                return;
            }
            let blocks = record.block_contents().unwrap_or_default();
            for (number, block) in blocks.iter().enumerate() {
                self.take_block(record, number, block, relations);
            }
        } else if manager == ResourceManager::RELATION_MAP {
            take_map(record, relations);
        } else if manager == ResourceManager::DATABASE {
            self.take_database(record, relations);
        }
    }

    fn take_block(
        &mut self,
        record: &Record<'_>,
        number: usize,
        block: &BlockContent<'_>,
        relations: &mut Relations,
    ) {
        const INIT_PAGE: u8 = 0x80;
        let reference = block.reference;
        let (database, file) = (reference.file.database, reference.file);
        let Some(catalog) = relations.catalog_of(file).filter(|_| reference.fork == 0) else {
            return;
        };
        let key = (database, file.number, reference.block);
        let image = block.image.and_then(|image| image.page());
        if let Some(page) = &image {
            learn_page(page, catalog, database, relations);
            if self.pages.len() >= PAGES_MAX && !self.pages.contains_key(&key) {
                self.pages.clear();
            }
            self.pages.insert(key, Page::of(page));
        } else if record.info() & INIT_PAGE != 0
            && record.resource_manager() == ResourceManager::HEAP
            && number == 0
        {
            self.pages.insert(key, Page::default());
        }
        if number != 0 || record.resource_manager() != ResourceManager::HEAP {
            return;
        }
        let Some((offset, change)) = change(record, block.data) else { return };
        let end = record.end().map_or(0, |end| end.as_u64());
        let page = self.pages.get_mut(&key);
        let is_in_it = image.is_some() || page.as_ref().is_some_and(|page| page.lsn >= end);
        let row = match &page {
            Some(page) if is_in_it => page.rows.get(&offset).cloned(),
            known => row(&change, block.data, known.as_deref()),
        };
        if let Some(row) = &row {
            relations.learn(catalog, database, row, Some(record.xid()));
        }
        if let Some(page) = page.filter(|_| !is_in_it && offset <= OFFSET_MAX) {
            match row {
                Some(row) => drop(page.rows.insert(offset, row)),
                None => drop(page.rows.remove(&offset)),
            }
        }
    }

    /// `dbcommands_xlog.h`: a database whose files are copied, all at once.
    fn take_database(&mut self, record: &Record<'_>, relations: &mut Relations) {
        if record.info() & 0xF0 != 0 {
            return;
        }
        let number = |at: usize| {
            let bytes = record.data()?.get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let (Some(to), Some(from)) = (number(0), number(8)) else { return };
        relations.copy_database(from, to);
        let pages: Vec<_> = self.pages.iter().filter(|(key, _)| key.0 == from).collect();
        let pages: Vec<_> = pages
            .into_iter()
            .map(|(key, page)| ((to, key.1, key.2), page.clone()))
            .take(PAGES_MAX.saturating_sub(self.pages.len()))
            .collect();
        self.pages.extend(pages);
    }
}

/// `xl_relmap_update`: a mapped catalog has another file.
fn take_map(record: &Record<'_>, relations: &mut Relations) {
    let Some(data) = record.data() else { return };
    let (Some(database), Some(map)) = (data.get(..4), data.get(12..)) else { return };
    let Ok(database) = database.try_into().map(u32::from_le_bytes) else { return };
    add_mapped(relations, database, map);
}

/// The files that a map gives the catalogs that are read.
pub(super) fn add_mapped(relations: &mut Relations, database: u32, map: &[u8]) {
    let oid = if database == 0 { catalog::PG_DATABASE } else { catalog::PG_CLASS };
    if let Some(file) = mapped_file(map, oid) {
        relations.add_catalog_file(oid, (database, file));
    }
}

/// All rows of a page: those that were replaced first, so that the latest names are last.
pub(super) fn learn_page(page: &[u8], catalog: u32, database: u32, relations: &mut Relations) {
    let mut rows = heap::tuples(page);
    rows.sort_by_key(|row| row.is_last);
    for row in rows {
        relations.learn(catalog, database, row.data, None::<TransactionId>);
    }
}

/// What a record does, and to the row of which number.
fn change<'a>(record: &Record<'a>, data: &'a [u8]) -> Option<(u16, Change<'a>)> {
    const PREFIX_FROM_OLD: u8 = 1 << 5;
    const SUFFIX_FROM_OLD: u8 = 1 << 6;
    let own = record.data()?;
    let number =
        |bytes: &[u8], at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    match record.info() & 0x70 {
        0x00 => Some((number(own, 0)?, Change::Insert)),
        0x20 | 0x40 => {
            let (old, flags, offset) = (number(own, 4)?, *own.get(7)?, number(own, 12)?);
            let mut rest = data;
            let mut length = |flag: u8| {
                if flags & flag == 0 || rest.is_empty() {
                    return Some(0);
                }
                let length = number(rest, 0)?;
                rest = rest.get(2..)?;
                Some(usize::from(length))
            };
            let (prefix, suffix) = (length(PREFIX_FROM_OLD)?, length(SUFFIX_FROM_OLD)?);
            Some((offset, Change::Update { old, prefix, suffix, rest }))
        }
        0x70 => Some((number(own, 0)?, Change::InPlace)),
        _ => None,
    }
}

/// The columns of the row that is written; `None` when that cannot be told.
fn row(change: &Change<'_>, data: &[u8], page: Option<&Page>) -> Option<Vec<u8>> {
    let columns = |data: &[u8]| {
        let header_bytes = usize::from(*data.get(4)?);
        let bitmap = header_bytes.checked_sub(TUPLE_HEADER_BYTES)?;
        data.get(ROW_HEADER + bitmap..).map(<[u8]>::to_vec)
    };
    match change {
        Change::Insert => columns(data),
        Change::InPlace => Some(data.to_vec()),
        Change::Update { prefix: 0, suffix: 0, rest, .. } => columns(rest),
        Change::Update { old, prefix, suffix, rest } => {
            let old = page?.rows.get(old)?;
            let mut row = old.get(..*prefix)?.to_vec();
            row.extend(columns(rest)?);
            row.extend(old.get(old.len().checked_sub(*suffix)?..)?);
            Some(row)
        }
    }
}
