//! What a record carries of the blocks it changes: images of whole pages, and data.
//!
//! Source: `xlogrecord.h`, `RestoreBlockImage()` in `xlogreader.c`, `pg_lzcompress.c`.

use super::page::WalVersion;
use super::record::{BlockReference, ImageHeader, Record};
use crate::pg::heap::BLOCK_BYTES;

/// A block of a record.
#[derive(Clone, Copy, Debug)]
pub struct BlockContent<'a> {
    /// Which one.
    pub reference: BlockReference,
    /// The page as it is after the record.
    pub image: Option<PageImage<'a>>,
    /// What the record's resource manager has written for it; with an image mostly nothing.
    pub data: &'a [u8],
}

/// The image of a page, as it stands in WAL: without the hole in its middle, and maybe
/// compressed.
#[derive(Clone, Copy, Debug)]
pub struct PageImage<'a> {
    bytes: &'a [u8],
    hole_offset: usize,
    hole_bytes: usize,
    compression: Compression,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Pglz,
    Lz4,
    Zstd,
}

impl<'a> Record<'a> {
    /// The blocks it changes, with what it carries of them; `None` when the parts do not fit
    /// the record.
    #[must_use]
    pub fn block_contents(&self) -> Option<Vec<BlockContent<'a>>> {
        let parts = self.parts()?;
        let mut rest = parts.content;
        let mut take = |bytes: usize| {
            let (taken, left) = rest.split_at_checked(bytes)?;
            rest = left;
            Some(taken)
        };
        let mut blocks = Vec::with_capacity(parts.blocks.len());
        for header in &parts.blocks {
            let image = match header.image {
                Some(image) => Some(PageImage::new(image, take(image.bytes)?, self.version())),
                None => None,
            };
            let data = take(header.data_bytes)?;
            blocks.push(BlockContent { reference: header.reference, image, data });
        }
        Some(blocks)
    }
}

impl<'a> PageImage<'a> {
    fn new(header: ImageHeader, bytes: &'a [u8], version: WalVersion) -> Self {
        const HAS_HOLE: u8 = 0x01;
        let compression = match (version.major() >= 15, header.info) {
            (false, info) if info & 0x02 != 0 => Compression::Pglz,
            (true, info) if info & 0x04 != 0 => Compression::Pglz,
            (true, info) if info & 0x08 != 0 => Compression::Lz4,
            (true, info) if info & 0x10 != 0 => Compression::Zstd,
            _ => Compression::None,
        };
        let hole_bytes = match header.hole_bytes {
            Some(hole) => hole,
            None if header.info & HAS_HOLE != 0 => BLOCK_BYTES.saturating_sub(bytes.len()),
            None => 0,
        };
        Self { bytes, hole_offset: header.hole_offset, hole_bytes, compression }
    }

    /// The page; `None` when the bytes are no page.
    #[must_use]
    pub fn page(&self) -> Option<Vec<u8>> {
        let length = BLOCK_BYTES.checked_sub(self.hole_bytes)?;
        let mut page = match self.compression {
            Compression::None => self.bytes.to_vec(),
            Compression::Pglz => pglz(self.bytes, length)?,
            Compression::Lz4 => lz4_flex::block::decompress(self.bytes, length).ok()?,
            Compression::Zstd => zstd::bulk::decompress(self.bytes, length).ok()?,
        };
        if page.len() != length || self.hole_offset > length {
            return None;
        }
        page.splice(self.hole_offset..self.hole_offset, std::iter::repeat_n(0, self.hole_bytes));
        Some(page)
    }
}

/// `pglz_decompress()`: groups of eight items, each a byte or a piece of what came before.
fn pglz(bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(length);
    let mut input = bytes.iter().copied().map(usize::from);
    while out.len() < length {
        let Some(control) = input.next() else { break };
        for bit in 0..8 {
            if out.len() >= length {
                break;
            }
            let Some(first) = input.next() else { break };
            if control >> bit & 1 == 0 {
                out.push(u8::try_from(first).ok()?);
                continue;
            }
            let distance = (first & 0xF0) << 4 | input.next()?;
            let mut count = (first & 0x0F) + 3;
            if count == 18 {
                count += input.next()?;
            }
            let start = out.len().checked_sub(distance).filter(|_| distance > 0)?;
            for at in start..start + count.min(length - out.len()) {
                out.push(out[at]);
            }
        }
    }
    (out.len() == length).then_some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_of_what_came_before_may_overlap() {
        // Two bytes, then a piece of seven from two back, then one of 20 from one back.
        let bytes = [0b0000_1100, b'a', b'b', 0x04, 0x02, 0x0F, 0x01, 0x02];
        let text = pglz(&bytes, 29).unwrap();
        assert_eq!(text, [b"ababababa".to_vec(), vec![b'a'; 20]].concat());
        assert_eq!(pglz(&bytes, 30), None);
        assert_eq!(pglz(&[1, 0x00, 0x05], 3), None, "it points before the beginning");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = pglz(&bytes, BLOCK_BYTES);
        }
    }
}
