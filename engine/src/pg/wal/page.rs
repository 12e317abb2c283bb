//! Pages of the WAL: their headers, and whose they are.

use super::bytes::{u16_at, u32_at, u64_at};

/// Bytes of a WAL page (`XLOG_BLCKSZ`); no distribution builds with another size.
pub const PAGE_BYTES: usize = 8192;

/// Bytes of a page's header (`SizeOfXLogShortPHD`), and of that of a segment's first page.
pub(super) const SHORT_HEADER: usize = 24;
pub(super) const LONG_HEADER: usize = 40;

/// `XLP_FIRST_IS_CONTRECORD`, `XLP_LONG_HEADER`, `XLP_FIRST_IS_OVERWRITE_CONTRECORD`.
const CONTINUES: u16 = 0x0001;
const LONG: u16 = 0x0002;
const OVERWRITES: u16 = 0x0008;

/// `XLP_ALL_FLAGS`. A bit beyond marks a page that the server module encrypted: its first 16
/// bytes stay clear, the rest does not.
const KNOWN_FLAGS: u16 = 0x000F;

/// Who wrote a page: `XLOG_PAGE_MAGIC` of each major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalVersion {
    major: u32,
}

impl WalVersion {
    const MAGICS: [(u16, u32); 6] =
        [(0xD106, 13), (0xD10D, 14), (0xD110, 15), (0xD113, 16), (0xD116, 17), (0xD118, 18)];

    /// The version with this magic number, if it is a supported one.
    #[must_use]
    pub fn from_magic(magic: u16) -> Option<Self> {
        let found = Self::MAGICS.iter().find(|(known, _)| *known == magic);
        found.map(|&(_, major)| Self { major })
    }

    /// The version of a major version's number.
    #[must_use]
    pub fn from_major(major: u32) -> Option<Self> {
        Self::MAGICS.iter().any(|&(_, known)| known == major).then_some(Self { major })
    }

    /// The major version, such as 15.
    #[must_use]
    pub fn major(self) -> u32 {
        self.major
    }
}

/// A page's header (`XLogPageHeaderData`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub(super) magic: u16,
    info: u16,
    pub(super) timeline: u32,
    pub(super) address: u64,
    /// Bytes of a record of the page before that are still to come here and further.
    pub(super) remaining: u32,
}

impl PageHeader {
    pub(super) fn read(page: &[u8]) -> Option<Self> {
        Some(Self {
            magic: u16_at(page, 0)?,
            info: u16_at(page, 2)?,
            timeline: u32_at(page, 4)?,
            address: u64_at(page, 8)?,
            remaining: u32_at(page, 16)?,
        })
    }

    pub(super) fn continues(self) -> bool {
        self.info & CONTINUES != 0
    }

    pub(super) fn is_long(self) -> bool {
        self.info & LONG != 0
    }

    /// The record that should go on here was given up by a crash.
    pub(super) fn overwrites(self) -> bool {
        self.info & OVERWRITES != 0
    }

    pub(super) fn is_encrypted(self) -> bool {
        self.info & !KNOWN_FLAGS != 0
    }

    pub(super) fn size(self) -> usize {
        if self.is_long() { LONG_HEADER } else { SHORT_HEADER }
    }
}

/// What a page within a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageState {
    /// Of this version and position.
    Written,
    /// The same, encrypted.
    Encrypted,
    /// Zeros: never written.
    Zero,
    /// Of an earlier position: the file was recycled and this page not written since.
    Stale,
    /// None of these.
    Foreign,
}

/// Judges a page that should be at `address`, in a segment of `version`.
pub(super) fn state_of(page: &[u8], version: WalVersion, address: u64, long: bool) -> PageState {
    let Some(header) = PageHeader::read(page) else { return PageState::Foreign };
    let of_version = WalVersion::from_magic(header.magic) == Some(version);
    if of_version && header.address == address && header.is_encrypted() {
        return PageState::Encrypted;
    }
    if of_version && header.address == address && header.is_long() == long {
        return PageState::Written;
    }
    // Recycling keeps a file's content, whichever version wrote it.
    let is_wal = header.magic & 0xFF00 == 0xD100;
    let is_aligned = header.address % (PAGE_BYTES as u64) == 0;
    if is_wal && is_aligned && header.address < address {
        return PageState::Stale;
    }
    if page.iter().all(|&byte| byte == 0) { PageState::Zero } else { PageState::Foreign }
}
