//! The catalogs as a backup has them.

use super::pages::{add_mapped, learn_page};
use super::{Catalogs, Relations};
use crate::backup::chain::Chain;
use crate::backup::content::ContentReader;
use crate::backup::layout::Label;
use crate::backup::site::BackupSite;
use crate::pg::catalog;
use crate::pg::heap::BLOCK_BYTES;
use crate::pg::wal::RelationFile;

const MAP_FILE: &str = "pg_filenode.map";

/// A backup that catalogs may be read from.
#[derive(Clone, Debug)]
pub(in super::super) struct Base {
    /// The backup.
    pub(in super::super) label: Label,
    /// The number of the segment in which its replay begins.
    pub(in super::super) segment: u64,
}

/// A directory of a database, `database` 0 for the shared catalogs.
struct Directory<'a> {
    path: &'a str,
    database: u32,
}

/// Learns the names that a backup's catalogs have; its pages go to `catalogs`, when WAL is read
/// from the backup's beginning on. What cannot be read is not known: the search goes on
/// without it.
pub(in super::super) fn load(
    site: &BackupSite,
    destination: &std::path::Path,
    base: &Base,
    relations: &mut Relations,
    mut catalogs: Option<&mut Catalogs>,
) {
    let Ok(chain) = Chain::load(&site.disk, destination, &base.label) else { return };
    let Some(head) = chain.head() else { return };
    let is_readable = head.document.keystore_fingerprint.is_none()
        && usize::try_from(head.document.cluster.block_bytes) == Ok(BLOCK_BYTES);
    if !is_readable {
        return;
    }
    for entry in &head.list.entries {
        let Some(path) = entry.path.strip_suffix(MAP_FILE) else { continue };
        let Some(path) = path.strip_suffix('/') else { continue };
        let database = match path.rsplit('/').next() {
            Some("global") => 0,
            Some(name) => match name.parse() {
                Ok(database) => database,
                Err(_) => continue,
            },
            None => continue,
        };
        let reading = Reading { site, chain: &chain };
        reading.read(&Directory { path, database }, relations, catalogs.as_deref_mut());
    }
}

struct Reading<'a> {
    site: &'a BackupSite,
    chain: &'a Chain,
}

impl Reading<'_> {
    fn read(
        &self,
        directory: &Directory<'_>,
        relations: &mut Relations,
        mut catalogs: Option<&mut Catalogs>,
    ) {
        let Directory { path, database } = directory;
        let mut map = Vec::new();
        let read = self.each_block(&format!("{path}/{MAP_FILE}"), &mut |block| {
            map.extend_from_slice(block);
        });
        if read.is_none() {
            return;
        }
        add_mapped(relations, *database, &map);
        let oids: &[u32] = match database {
            0 => &[catalog::PG_DATABASE],
            // Where the schemas are stands in pg_class.
            _ => &[catalog::PG_CLASS, catalog::PG_NAMESPACE],
        };
        for oid in oids {
            let key = |number: u32| (*oid, (*database, number));
            let mapped = relations
                .catalog_files
                .iter()
                .filter(|(known, file)| known == oid && file.0 == *database);
            let mut numbers: Vec<u32> = mapped.map(|(_, file)| file.1).collect();
            if !relations.catalog_files.contains(&key(*oid)) {
                numbers.push(*oid);
            }
            for number in numbers {
                self.file(directory, *oid, number, relations, catalogs.as_deref_mut());
            }
        }
    }

    /// All segments of a catalog's file.
    fn file(
        &self,
        directory: &Directory<'_>,
        oid: u32,
        number: u32,
        relations: &mut Relations,
        mut catalogs: Option<&mut Catalogs>,
    ) {
        let file = RelationFile { tablespace: 0, database: directory.database, number };
        let mut block = 0;
        for part in 0_u32.. {
            let name = match part {
                0 => format!("{}/{number}", directory.path),
                _ => format!("{}/{number}.{part}", directory.path),
            };
            let read = self.each_block(&name, &mut |page| {
                learn_page(page, oid, directory.database, relations);
                if let Some(catalogs) = &mut catalogs {
                    catalogs.add(file, block, page);
                }
                block += 1;
            });
            if read.is_none() {
                return;
            }
        }
    }

    /// Each block of a file; `None` when it is not there or cannot be read.
    fn each_block(&self, path: &str, told: &mut dyn FnMut(&[u8])) -> Option<()> {
        self.chain.head()?.list.get(path)?;
        let unit = u32::try_from(BLOCK_BYTES).ok()?;
        let mut reader = ContentReader::open(&self.site.disk, self.chain, path, unit).ok()?;
        let mut block = Vec::new();
        while reader.next_block(&mut block).ok()? {
            told(&block);
            block.clear();
        }
        Some(())
    }
}
