//! Whose a file was: names of relations, learned from the catalogs of a backup and from what
//! WAL says of the catalogs, for every file a relation has had.

mod backup;
mod pages;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use crate::pg::catalog::{self, ClassRow, NamedRow};
use crate::pg::types::TransactionId;
use crate::pg::wal::RelationFile;

pub(super) use backup::{Base, load};
pub(super) use pages::Catalogs;

/// Files whose names are remembered; more are numbers.
const FILES_MAX: usize = 2_000_000;
/// Names of one file; a relation is not renamed that often.
const NAMES_MAX: usize = 50;
/// Rows of `pg_class` that open transactions have written; more are forgotten.
const WRITTEN_MAX: usize = 100_000;

/// A file of a database, in whichever tablespace.
type FileKey = (u32, u32);

/// What is known of a file.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    oid: u32,
    namespace: u32,
    kind: u8,
    /// Every name the relation had while it had this file, the latest last.
    names: Vec<String>,
}

/// What a transaction has written into `pg_class`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    oid: u32,
    file: FileKey,
    is_transient: bool,
}

/// What became of a file that a transaction has removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its relation was dropped, as far as anybody knows.
    Dropped,
    /// Its relation has a new file, without the rows.
    Emptied,
    /// Its relation has a new file with the same rows, or is an index or TOAST table.
    Rewritten,
}

/// Whether a file is the one that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matching {
    Yes,
    No,
    /// Nobody has said yet whose it is.
    Unknown,
}

/// The files of all relations that are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Relations {
    major: u32,
    owners: HashMap<FileKey, Owner>,
    schemas: HashMap<FileKey, String>,
    databases: HashMap<u32, String>,
    /// Files of `pg_class` and `pg_namespace` of a database, and of `pg_database`, which
    /// `VACUUM FULL` has given them in place of the first ones.
    catalog_files: HashSet<(u32, FileKey)>,
    written: HashMap<u32, Vec<Written>>,
    written_count: usize,
}

impl Relations {
    pub(super) fn new(major: u32) -> Self {
        Self { major, ..Self::default() }
    }

    /// The catalog that a file belongs to, of those that are read.
    fn catalog_of(&self, file: RelationFile) -> Option<u32> {
        let key = (file.database, file.number);
        let all = [catalog::PG_CLASS, catalog::PG_NAMESPACE, catalog::PG_DATABASE];
        all.into_iter().find(|oid| {
            let is_shared = *oid == catalog::PG_DATABASE;
            is_shared == (file.database == 0)
                && (file.number == *oid || self.catalog_files.contains(&(*oid, key)))
        })
    }

    fn add_catalog_file(&mut self, oid: u32, key: FileKey) {
        self.catalog_files.insert((oid, key));
    }

    /// Learns a row of a catalog; `xid` is whose it is, when it was written just now.
    fn learn(&mut self, catalog: u32, database: u32, row: &[u8], xid: Option<TransactionId>) {
        if catalog == catalog::PG_CLASS {
            if let Some(row) = ClassRow::read(row, self.major) {
                self.learn_class(database, row, xid);
            }
            return;
        }
        let Some(row) = NamedRow::read(row) else { return };
        if catalog == catalog::PG_DATABASE {
            self.databases.insert(row.oid, row.name);
        } else {
            self.schemas.insert((database, row.oid), row.name);
        }
    }

    fn learn_class(&mut self, database: u32, row: ClassRow, xid: Option<TransactionId>) {
        let Some(number) = row.file else { return };
        let file = (database, number);
        if row.oid == catalog::PG_NAMESPACE {
            self.add_catalog_file(row.oid, file);
        }
        let is_transient = is_transient(&row.name);
        if let Some(xid) = xid.filter(|xid| xid.as_u32() != 0) {
            if self.written_count >= WRITTEN_MAX {
                self.written.clear();
                self.written_count = 0;
            }
            let written = Written { oid: row.oid, file, is_transient };
            self.written.entry(xid.as_u32()).or_default().push(written);
            self.written_count += 1;
        }
        // A relation that is being rewritten lends its old file to one that is then dropped.
        let is_known = self.owners.contains_key(&file);
        if is_transient && is_known || !is_known && self.owners.len() >= FILES_MAX {
            return;
        }
        let ClassRow { oid, namespace, kind, name, .. } = row;
        let owner = self.owners.entry(file);
        let owner = owner.or_insert_with(|| Owner { oid, namespace, kind, names: Vec::new() });
        (owner.oid, owner.namespace, owner.kind) = (oid, namespace, kind);
        owner.names.retain(|known| *known != name && !self::is_transient(known));
        if owner.names.len() < NAMES_MAX {
            owner.names.push(name);
        }
    }

    /// A database begins as a copy of another one's files.
    fn copy_database(&mut self, from: u32, to: u32) {
        let of = |key: &FileKey| key.0 == from;
        let to_key = |key: FileKey| (to, key.1);
        let owners: Vec<_> = self.owners.iter().filter(|(key, _)| of(key)).collect();
        let owners: Vec<_> =
            owners.into_iter().map(|(key, owner)| (to_key(*key), owner.clone())).collect();
        let schemas: Vec<_> = self.schemas.iter().filter(|(key, _)| of(key)).collect();
        let schemas: Vec<_> =
            schemas.into_iter().map(|(key, name)| (to_key(*key), name.clone())).collect();
        let files: Vec<_> = self.catalog_files.iter().filter(|(_, key)| of(key)).collect();
        let files: Vec<_> = files.into_iter().map(|(oid, key)| (*oid, to_key(*key))).collect();
        self.owners.extend(owners);
        self.schemas.extend(schemas);
        self.catalog_files.extend(files);
    }

    /// A transaction has ended: what it and its subtransactions made of the files it removed.
    pub(super) fn end<'a>(&mut self, xids: impl Iterator<Item = &'a TransactionId>) -> Ended {
        let all: Vec<Written> =
            xids.filter_map(|xid| self.written.remove(&xid.as_u32())).flatten().collect();
        self.written_count = self.written_count.saturating_sub(all.len());
        Ended { written: all }
    }

    /// The rank of a file in a list: tables first, then indexes, then TOAST, then numbers.
    pub(super) fn rank(&self, file: RelationFile) -> u8 {
        match self.owner(file).map(|owner| owner.kind) {
            Some(b'i' | b'I') => 1,
            Some(b't') => 2,
            Some(_) => 0,
            None => 3,
        }
    }

    /// Whether a file is of one of the system's own catalogs (`FirstNormalObjectId` in
    /// `transam.h`). Dropping a large table deletes many rows of them.
    pub(super) fn is_system(&self, file: RelationFile) -> bool {
        const FIRST_OF_USERS: u32 = 16_384;
        file.number < FIRST_OF_USERS
            || self.owner(file).is_some_and(|owner| owner.oid < FIRST_OF_USERS)
    }

    fn owner(&self, file: RelationFile) -> Option<&Owner> {
        self.owners.get(&(file.database, file.number))
    }

    /// `database/schema.relation` as far as it is known; `None` for a file of no known relation.
    pub(super) fn name(&self, file: RelationFile) -> Option<String> {
        let owner = self.owner(file)?;
        let name = owner.names.last()?;
        let database = self.database(file.database);
        Some(match self.schemas.get(&(file.database, owner.namespace)) {
            Some(schema) => format!("{database}/{schema}.{name}"),
            None => format!("{database}/{name}"),
        })
    }

    /// `database/number`.
    pub(super) fn number(&self, file: RelationFile) -> String {
        format!("{}/{}", self.database(file.database), file.number)
    }

    fn database(&self, oid: u32) -> String {
        self.databases.get(&oid).cloned().unwrap_or_else(|| oid.to_string())
    }

    /// Whether a file is, or was, of the relation that is asked for.
    pub(super) fn matching(&self, asked: &Asked, file: RelationFile) -> Matching {
        let is = |it: bool| if it { Matching::Yes } else { Matching::No };
        let name = match asked {
            Asked::Any => return Matching::Yes,
            Asked::File(number) => return is(*number == file.number),
            Asked::Name(name) => name,
        };
        if name.files.contains(&file.number) {
            return Matching::Yes;
        }
        let Some(owner) = self.owner(file) else { return Matching::Unknown };
        let fits = |asked: &Option<String>, known: Option<&String>| {
            asked.as_ref().is_none_or(|asked| known.is_none_or(|known| known == asked))
        };
        let schema = self.schemas.get(&(file.database, owner.namespace));
        is(owner.names.contains(&name.relation)
            && fits(&name.schema, schema)
            && fits(&name.database, self.databases.get(&file.database)))
    }

    /// Whether any file is known to be of the relation that is asked for.
    pub(super) fn knows(&self, asked: &Asked) -> bool {
        let file = |key: &FileKey| RelationFile { tablespace: 0, database: key.0, number: key.1 };
        match asked {
            Asked::Any | Asked::File(_) => true,
            Asked::Name(name) if !name.files.is_empty() => true,
            Asked::Name(_) => {
                self.owners.keys().any(|key| self.matching(asked, file(key)) == Matching::Yes)
            }
        }
    }
}

/// What a transaction that has ended wrote into `pg_class`.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended {
    written: Vec<Written>,
}

impl Ended {
    /// What became of a file that it has removed.
    pub(super) fn fate(&self, relations: &Relations, file: RelationFile) -> Fate {
        let key = (file.database, file.number);
        if self.written.iter().any(|one| one.file == key && one.is_transient) {
            return Fate::Rewritten;
        }
        let Some(owner) = relations.owner(file) else { return Fate::Dropped };
        let has_new =
            |one: &Written| one.oid == owner.oid && one.file.0 == key.0 && one.file != key;
        match (self.written.iter().any(has_new), owner.kind) {
            (false, _) => Fate::Dropped,
            // What was emptied is told of the table.
            (true, b'i' | b'I' | b't') => Fate::Rewritten,
            (true, _) => Fate::Emptied,
        }
    }
}

/// The name of a relation that is made while another one is rewritten (`make_new_heap()`).
fn is_transient(name: &str) -> bool {
    let rest = name.strip_prefix("pg_temp_").unwrap_or_default();
    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())
}

/// Which relation is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Every one.
    Any,
    /// The one with this file.
    File(u32),
    /// The one of this name.
    Name(AskedName),
}

/// A name as SQL has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AskedName {
    database: Option<String>,
    schema: Option<String>,
    relation: String,
    /// Its file as the server says.
    files: Vec<u32>,
}

impl Asked {
    /// Reads a relation's name, maybe with its schema and database, or a number; `None` when
    /// it is neither.
    pub(super) fn parse(text: &str, files: &[u32]) -> Option<Self> {
        if let Ok(number) = text.parse() {
            return Some(Self::File(number));
        }
        // As a list shows it: database/schema.relation.
        let (shown, text) = text.split_once('/').map_or((None, text), |(a, b)| (Some(a), b));
        let mut parts = identifiers(text)?;
        let relation = parts.pop().filter(|name| !name.is_empty())?;
        let (schema, database) = (parts.pop(), parts.pop());
        let database = database.or(shown.map(str::to_owned));
        let name = AskedName { database, schema, relation, files: files.to_vec() };
        parts.is_empty().then_some(Self::Name(name))
    }
}

/// The parts of a qualified name, folded as the server does (`SplitIdentifierString()`).
fn identifiers(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut part, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => parts.push(std::mem::take(&mut part)),
            _ if is_quoted => part.push(c),
            _ => part.extend(c.to_lowercase()),
        }
    }
    parts.push(part);
    (!is_quoted).then_some(parts)
}
