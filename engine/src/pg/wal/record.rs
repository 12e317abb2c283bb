//! One record of the WAL: its header, the blocks it touches, its own data.

use crate::pg::types::{Lsn, TransactionId};

use super::bytes::{u16_at, u32_at, u64_at};
use super::page::WalVersion;

/// Bytes of a record's header (`SizeOfXLogRecord`), and where its checksum stands.
pub(super) const RECORD_HEADER: usize = 24;
const CRC_AT: usize = 20;

/// Which part of the server a record belongs to (`RmgrId`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResourceManager(u8);

impl ResourceManager {
    /// Checkpoints, switches, restore points.
    pub const XLOG: Self = Self(0);
    /// Commits and aborts.
    pub const TRANSACTION: Self = Self(1);
    /// Relation files made and cut.
    pub const STORAGE: Self = Self(2);
    /// Databases made and dropped.
    pub const DATABASE: Self = Self(4);
    /// Files of catalogs that have none in `pg_class`.
    pub const RELATION_MAP: Self = Self(7);
    /// Pages of tables cleaned and frozen.
    pub const HEAP2: Self = Self(9);
    /// Tables.
    pub const HEAP: Self = Self(10);

    /// `rmgrlist.h`, in the words of `pg_waldump`.
    const NAMES: [&'static str; 22] = [
        "XLOG",
        "Transaction",
        "Storage",
        "CLOG",
        "Database",
        "Tablespace",
        "MultiXact",
        "RelMap",
        "Standby",
        "Heap2",
        "Heap",
        "Btree",
        "Hash",
        "Gin",
        "Gist",
        "Sequence",
        "SPGist",
        "BRIN",
        "CommitTs",
        "ReplicationOrigin",
        "Generic",
        "LogicalMessage",
    ];

    /// From its number.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// What `pg_waldump` calls it; extensions' own (128 and up, from 15 on) have no name here.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Self::NAMES.get(usize::from(self.0)).copied()
    }

    fn is_valid(self, version: WalVersion) -> bool {
        self.name().is_some() || (self.0 >= 128 && version.major() >= 15)
    }
}

/// The file of a relation (`RelFileLocator`, before 16 `RelFileNode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationFile {
    /// The tablespace's oid.
    pub tablespace: u32,
    /// The database's oid; zero for shared catalogs.
    pub database: u32,
    /// The file's number (`pg_class.relfilenode`).
    pub number: u32,
}

impl RelationFile {
    /// Bytes it has in records.
    pub(super) const BYTES: usize = 12;

    pub(super) fn read(bytes: &[u8], at: usize) -> Option<Self> {
        Some(Self {
            tablespace: u32_at(bytes, at)?,
            database: u32_at(bytes, at.checked_add(4)?)?,
            number: u32_at(bytes, at.checked_add(8)?)?,
        })
    }
}

/// A block that a record changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockReference {
    /// The relation's file.
    pub file: RelationFile,
    /// The fork: 0 main, 1 free space map, 2 visibility map, 3 init.
    pub fork: u8,
    /// The block's number.
    pub block: u32,
}

/// A record, its checksum verified.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    bytes: &'a [u8],
    lsn: u64,
    end: u64,
    version: WalVersion,
}

/// The parts behind a record's header.
pub(super) struct Parts<'a> {
    pub(super) blocks: Vec<BlockHeader>,
    /// The content of blocks, one after the other.
    pub(super) content: &'a [u8],
    pub(super) data: &'a [u8],
}

/// What stands of a block in front.
pub(super) struct BlockHeader {
    pub(super) reference: BlockReference,
    pub(super) image: Option<ImageHeader>,
    pub(super) data_bytes: usize,
}

/// `XLogRecordBlockImageHeader`.
#[derive(Clone, Copy)]
pub(super) struct ImageHeader {
    pub(super) bytes: usize,
    pub(super) hole_offset: usize,
    /// Only of a compressed image.
    pub(super) hole_bytes: Option<usize>,
    pub(super) info: u8,
}

impl<'a> Record<'a> {
    /// Takes a whole record after checking it; `previous` is where the record before began.
    pub(super) fn check(
        bytes: &'a [u8],
        lsn: u64,
        end: u64,
        version: WalVersion,
        previous: Option<u64>,
    ) -> Result<Self, &'static str> {
        let record = Self { bytes, lsn, end, version };
        if !record.resource_manager().is_valid(version) {
            return Err("a record has an unknown resource manager");
        }
        let stored = record.previous_byte();
        if previous.map_or(stored >= lsn, |previous| stored != previous) {
            return Err("a record does not point to the one before it");
        }
        let header = bytes.get(..CRC_AT).ok_or("a record is too short")?;
        let rest = bytes.get(RECORD_HEADER..).ok_or("a record is too short")?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(rest), header);
        if u32_at(bytes, CRC_AT) != Some(crc) {
            return Err("a record's checksum is wrong");
        }
        Ok(record)
    }

    /// A record whose first bytes are known, the rest filled with zeros: good for what stands in
    /// front. Nothing is verified.
    #[must_use]
    pub fn glimpse(bytes: &'a [u8], lsn: Lsn, end: Lsn, version: WalVersion) -> Option<Self> {
        let record = Self { bytes, lsn: lsn.as_u64(), end: end.as_u64(), version };
        let is_record = bytes.len() >= RECORD_HEADER && record.resource_manager().is_valid(version);
        is_record.then_some(record)
    }

    /// The length that a record's first bytes name (`xl_tot_len`).
    #[must_use]
    pub fn length_in(bytes: &[u8]) -> Option<usize> {
        usize::try_from(u32_at(bytes, 0)?).ok().filter(|length| *length >= RECORD_HEADER)
    }

    /// The same for bytes that [`Self::check`] has passed.
    pub(super) fn checked(bytes: &'a [u8], lsn: u64, end: u64, version: WalVersion) -> Self {
        Self { bytes, lsn, end, version }
    }

    /// Where it begins; `pg_waldump` prints it as `lsn`.
    #[must_use]
    pub fn lsn(&self) -> Option<Lsn> {
        Lsn::from_u64(self.lsn)
    }

    /// The position behind it, aligned; the SQL functions name this one.
    #[must_use]
    pub fn end(&self) -> Option<Lsn> {
        Lsn::from_u64(self.end)
    }

    /// Who wrote it.
    #[must_use]
    pub fn version(&self) -> WalVersion {
        self.version
    }

    /// Its length with the header, in bytes (`xl_tot_len`).
    #[must_use]
    pub fn bytes_total(&self) -> usize {
        self.bytes.len()
    }

    /// The transaction; 0 is none.
    #[must_use]
    pub fn xid(&self) -> TransactionId {
        TransactionId::from_u32(u32_at(self.bytes, 4).unwrap_or(0))
    }

    /// Where the record before begins, in bytes.
    #[must_use]
    pub fn previous_byte(&self) -> u64 {
        u64_at(self.bytes, 8).unwrap_or(0)
    }

    /// What its resource manager makes of it (`xl_info`).
    #[must_use]
    pub fn info(&self) -> u8 {
        self.bytes.get(16).copied().unwrap_or(0)
    }

    /// Whose it is.
    #[must_use]
    pub fn resource_manager(&self) -> ResourceManager {
        ResourceManager(self.bytes.get(17).copied().unwrap_or(0))
    }

    /// Its own data, without blocks; `None` when the parts do not fit the record.
    #[must_use]
    pub fn data(&self) -> Option<&'a [u8]> {
        self.parts().map(|parts| parts.data)
    }

    /// The blocks it changes; `None` when the parts do not fit the record.
    #[must_use]
    pub fn blocks(&self) -> Option<Vec<BlockReference>> {
        self.parts().map(|parts| parts.blocks.into_iter().map(|one| one.reference).collect())
    }

    /// The file of the first block it changes; cheaper than [`Self::blocks`].
    #[must_use]
    pub fn first_file(&self) -> Option<RelationFile> {
        let mut reader = self.part_reader();
        let is_block = reader.u8()? <= 32;
        is_block.then(|| reader.block()).flatten().map(|block| block.reference.file)
    }

    fn part_reader(&self) -> PartReader<'a> {
        PartReader {
            bytes: self.bytes,
            at: RECORD_HEADER,
            version: self.version,
            following: 0,
            file: None,
        }
    }

    /// `DecodeXLogRecord()` in `xlogreader.c`: headers of all parts, then block data, then
    /// the record's own.
    pub(super) fn parts(&self) -> Option<Parts<'a>> {
        let mut reader = self.part_reader();
        let mut blocks = Vec::new();
        let mut data_bytes = 0;
        while self.bytes.len().checked_sub(reader.at)? > reader.following {
            match reader.u8()? {
                255 => {
                    data_bytes = usize::from(reader.u8()?);
                    break;
                }
                254 => {
                    data_bytes = usize::try_from(reader.u32()?).ok()?;
                    break;
                }
                // Origin of replication; transaction on top of a subtransaction.
                253 => reader.skip(2)?,
                252 => reader.skip(4)?,
                id if id <= 32 => blocks.push(reader.block()?),
                _ => return None,
            }
        }
        let start = reader.at.checked_add(reader.following)?;
        let data = self.bytes.get(start..start.checked_add(data_bytes)?)?;
        let content = self.bytes.get(reader.at..start)?;
        Some(Parts { blocks, content, data })
    }
}

/// Reads the headers of a record's parts.
struct PartReader<'a> {
    bytes: &'a [u8],
    at: usize,
    version: WalVersion,
    /// Bytes of block data that follow the headers.
    following: usize,
    /// The relation of the block before, for those that name none.
    file: Option<RelationFile>,
}

impl PartReader<'_> {
    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at = self.at.checked_add(bytes).filter(|&at| at <= self.bytes.len())?;
        Some(())
    }

    fn u8(&mut self) -> Option<u8> {
        let value = *self.bytes.get(self.at)?;
        self.skip(1)?;
        Some(value)
    }

    fn u16(&mut self) -> Option<u16> {
        let value = u16_at(self.bytes, self.at)?;
        self.skip(2)?;
        Some(value)
    }

    fn u32(&mut self) -> Option<u32> {
        let value = u32_at(self.bytes, self.at)?;
        self.skip(4)?;
        Some(value)
    }

    /// `XLogRecordBlockHeader` and what belongs to it.
    fn block(&mut self) -> Option<BlockHeader> {
        const HAS_IMAGE: u8 = 0x10;
        const SAME_FILE: u8 = 0x80;
        let flags = self.u8()?;
        let data_bytes = usize::from(self.u16()?);
        self.following = self.following.checked_add(data_bytes)?;
        let image = if flags & HAS_IMAGE == 0 { None } else { Some(self.image()?) };
        if flags & SAME_FILE == 0 {
            self.file = Some(RelationFile::read(self.bytes, self.at)?);
            self.skip(RelationFile::BYTES)?;
        }
        let (file, fork) = (self.file?, flags & 0x0F);
        let reference = BlockReference { file, fork, block: self.u32()? };
        Some(BlockHeader { reference, image, data_bytes })
    }

    /// `XLogRecordBlockImageHeader`, with the hole's length when the image is compressed.
    fn image(&mut self) -> Option<ImageHeader> {
        const HAS_HOLE: u8 = 0x01;
        // 13 and 14 know one compression; 15 and later three, in other bits.
        let compressed = if self.version.major() >= 15 { 0x1C } else { 0x02 };
        let bytes = usize::from(self.u16()?);
        self.following = self.following.checked_add(bytes)?;
        let hole_offset = usize::from(self.u16()?);
        let info = self.u8()?;
        let has_length = info & HAS_HOLE != 0 && info & compressed != 0;
        let hole_bytes = if has_length { Some(usize::from(self.u16()?)) } else { None };
        Some(ImageHeader { bytes, hole_offset, hole_bytes, info })
    }
}
