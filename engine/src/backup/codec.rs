//! Compression by frames: each piece of a pack is a frame of its own, and frames one after the
//! other are a valid stream for the stock `zstd` and `lz4` programs.

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh32::xxh32;

/// Bytes of one frame's content at most.
pub const FRAME_BYTES: usize = 1 << 20;
/// Content beyond file data that a frame may hold: headers of the archive.
pub const FRAME_EXTRA_BYTES: usize = 16 << 10;
/// Bytes of a compressed frame at most: both formats store what does not shrink as it is.
const STORED_BYTES_MAX: usize = FRAME_BYTES + FRAME_EXTRA_BYTES + 64;

/// `0x184D2204`, little-endian ("LZ4 Frame Format Description").
const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4D, 0x18];
/// Version 01, blocks independent, no checksums, no content size.
const LZ4_FLAGS: u8 = 0x60;
/// Blocks of at most 4 MiB.
const LZ4_BLOCK_CODE: u8 = 0x70;
/// A block that is stored as it is has this bit in its length.
const LZ4_PLAIN: u32 = 1 << 31;
const LZ4_HEADER_BYTES: usize = 7;

/// How packs are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Codec {
    /// Zstandard with a level from 1 to 19.
    Zstd(u8),
    /// LZ4.
    Lz4,
    /// Not at all.
    None,
}

/// The text names no compression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression: expected zstd, zstd:1 to zstd:19, lz4 or none")]
pub struct ParseCodecError;

impl Codec {
    /// What comes after `.tar` in a pack's name.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Zstd(_) => ".zst",
            Self::Lz4 => ".lz4",
            Self::None => "",
        }
    }

    /// The compression of a pack with this name.
    #[must_use]
    pub fn of_pack(name: &str) -> Option<Self> {
        let (_, suffix) = name.split_once(".tar")?;
        [Self::Zstd(1), Self::Lz4, Self::None].into_iter().find(|codec| codec.suffix() == suffix)
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::Zstd(1)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zstd(level) => write!(f, "zstd:{level}"),
            Self::Lz4 => f.write_str("lz4"),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for Codec {
    type Err = ParseCodecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "zstd" => Ok(Self::default()),
            None if text == "lz4" => Ok(Self::Lz4),
            None if text == "none" => Ok(Self::None),
            Some(("zstd", level)) => match level.parse() {
                Ok(level @ 1..=19) => Ok(Self::Zstd(level)),
                _ => Err(ParseCodecError),
            },
            _ => Err(ParseCodecError),
        }
    }
}

impl TryFrom<String> for Codec {
    type Error = ParseCodecError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Codec> for String {
    fn from(codec: Codec) -> Self {
        codec.to_string()
    }
}

/// Makes frames. Buffers and contexts are kept from frame to frame.
pub struct Encoder {
    codec: Codec,
    zstd: Option<zstd::bulk::Compressor<'static>>,
    out: Vec<u8>,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("codec", &self.codec).finish_non_exhaustive()
    }
}

impl Encoder {
    /// An encoder.
    ///
    /// # Errors
    /// When zstd has no memory.
    pub fn new(codec: Codec) -> io::Result<Self> {
        let zstd = match codec {
            Codec::Zstd(level) => Some(zstd::bulk::Compressor::new(i32::from(level))?),
            Codec::Lz4 | Codec::None => None,
        };
        Ok(Self { codec, zstd, out: Vec::with_capacity(STORED_BYTES_MAX) })
    }

    /// Makes one frame.
    ///
    /// # Errors
    /// What zstd says; `InvalidInput` when the content is too long for a frame.
    pub fn frame(&mut self, content: &[u8]) -> io::Result<&[u8]> {
        if content.len() > FRAME_BYTES + FRAME_EXTRA_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too much for one frame"));
        }
        self.out.clear();
        match &mut self.zstd {
            Some(zstd) => {
                self.out.reserve(zstd::zstd_safe::compress_bound(content.len()));
                zstd.compress_to_buffer(content, &mut self.out)?;
            }
            None if self.codec == Codec::Lz4 => lz4_frame(content, &mut self.out)?,
            None => self.out.extend_from_slice(content),
        }
        Ok(&self.out)
    }
}

fn lz4_frame(content: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let descriptor = [LZ4_FLAGS, LZ4_BLOCK_CODE];
    let [_, check, _, _] = xxh32(&descriptor, 0).to_le_bytes();
    out.extend_from_slice(&LZ4_MAGIC);
    out.extend_from_slice(&descriptor);
    out.push(check);
    if !content.is_empty() {
        let at = out.len();
        let bound = lz4_flex::block::get_maximum_output_size(content.len());
        out.resize(at + 4 + bound, 0);
        let length = lz4_flex::block::compress_into(content, &mut out[at + 4..])
            .map_err(io::Error::other)?;
        let (length, mark) = if length < content.len() {
            (length, 0)
        } else {
            out[at + 4..at + 4 + content.len()].copy_from_slice(content);
            (content.len(), LZ4_PLAIN)
        };
        let word = u32::try_from(length).map_err(io::Error::other)? | mark;
        out[at..at + 4].copy_from_slice(&word.to_le_bytes());
        out.truncate(at + 4 + length);
    }
    out.extend_from_slice(&[0; 4]);
    Ok(())
}

/// Takes frames apart.
pub struct Decoder {
    codec: Codec,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("codec", &self.codec).finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder.
    ///
    /// # Errors
    /// When zstd has no memory.
    pub fn new(codec: Codec) -> io::Result<Self> {
        let zstd = match codec {
            Codec::Zstd(_) => Some(zstd::bulk::Decompressor::new()?),
            Codec::Lz4 | Codec::None => None,
        };
        Ok(Self { codec, zstd })
    }

    /// Decodes the frame at the beginning of `stored` into `content`, replacing what is in it.
    /// Returns the frame's stored length. `None` when the frame is not there as a whole.
    ///
    /// # Errors
    /// `InvalidData` when it is no frame, or one that cannot be decoded.
    pub fn frame(&mut self, stored: &[u8], content: &mut Vec<u8>) -> io::Result<Option<usize>> {
        if self.codec != Codec::Lz4 {
            content.clear();
        }
        match &mut self.zstd {
            Some(zstd) => {
                let Ok(length) = zstd::zstd_safe::find_frame_compressed_size(stored) else {
                    return damaged_or_short(stored, &zstd::zstd_safe::MAGICNUMBER.to_le_bytes());
                };
                content.reserve(FRAME_BYTES + FRAME_EXTRA_BYTES);
                zstd.decompress_to_buffer(&stored[..length], content).map_err(invalid)?;
                Ok(Some(length))
            }
            None if self.codec == Codec::Lz4 => {
                // Filled from the last frame on: zeroing what is overwritten costs as much as
                // decoding it.
                content.resize(FRAME_BYTES + FRAME_EXTRA_BYTES, 0);
                let mut filled = 0;
                let outcome = lz4_content(stored, content, &mut filled);
                content.truncate(filled);
                outcome
            }
            None => {
                let length = stored.len().min(FRAME_BYTES);
                content.extend_from_slice(&stored[..length]);
                Ok(Some(length))
            }
        }
    }

    /// Stored length and content length of the frame at the beginning of `stored`, without
    /// decoding it; `None` when that cannot be told.
    #[must_use]
    pub fn lengths(&self, stored: &[u8]) -> Option<(usize, u64)> {
        self.zstd.as_ref()?;
        let length = zstd::zstd_safe::find_frame_compressed_size(stored).ok()?;
        let content = zstd::zstd_safe::get_frame_content_size(&stored[..length]).ok()??;
        Some((length, content))
    }

    /// Stored bytes that surely hold one whole frame.
    #[must_use]
    pub fn stored_bytes_max() -> usize {
        STORED_BYTES_MAX + STORED_BYTES_MAX / 255
    }
}

fn invalid(error: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

/// What does not even begin as a frame is damaged; the rest may only be cut.
fn damaged_or_short(stored: &[u8], magic: &[u8; 4]) -> io::Result<Option<usize>> {
    let enough = stored.len() >= Decoder::stored_bytes_max();
    if enough || !magic.starts_with(&stored[..stored.len().min(4)]) {
        return Err(invalid("not a compressed frame"));
    }
    Ok(None)
}

/// Decodes into a buffer that has room for a frame; `filled` says how far it is.
fn lz4_content(stored: &[u8], content: &mut [u8], filled: &mut usize) -> io::Result<Option<usize>> {
    let mut header = Vec::with_capacity(LZ4_HEADER_BYTES);
    lz4_frame(&[], &mut header)?;
    let header = &header[..LZ4_HEADER_BYTES];
    let Some(start) = stored.get(..LZ4_HEADER_BYTES) else {
        return damaged_or_short(stored, &LZ4_MAGIC);
    };
    if start != header {
        return Err(invalid("not a frame as pgdeck writes them"));
    }
    let mut at = LZ4_HEADER_BYTES;
    loop {
        let Some(word) = stored.get(at..at + 4) else {
            return damaged_or_short(stored, &LZ4_MAGIC);
        };
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        at += 4;
        if word == 0 {
            return Ok(Some(at));
        }
        let length = usize::try_from(word & !LZ4_PLAIN).map_err(invalid)?;
        if length > STORED_BYTES_MAX {
            return Err(invalid("a block is too long"));
        }
        let Some(block) = stored.get(at..at + length) else {
            return damaged_or_short(stored, &LZ4_MAGIC);
        };
        let room = &mut content[*filled..];
        *filled += if word & LZ4_PLAIN == 0 {
            lz4_flex::block::decompress_into(block, room).map_err(invalid)?
        } else {
            room.get_mut(..block.len())
                .ok_or_else(|| invalid("a block is too long"))?
                .copy_from_slice(block);
            block.len()
        };
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Codec; 3] = [Codec::Zstd(1), Codec::Lz4, Codec::None];

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 88_172_645_463_325_252_u64;
        let next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn frames_come_back() {
        let contents = [Vec::new(), b"short".to_vec(), vec![7; FRAME_BYTES], noise(FRAME_BYTES)];
        for codec in ALL {
            let (mut encoder, mut decoder) =
                (Encoder::new(codec).unwrap(), Decoder::new(codec).unwrap());
            for content in &contents {
                let stored = encoder.frame(content).unwrap().to_vec();
                assert!(stored.len() <= Decoder::stored_bytes_max(), "{codec}");
                let mut found = Vec::new();
                let length = decoder.frame(&stored, &mut found).unwrap();
                assert_eq!((length, &found), (Some(stored.len()), content), "{codec}");
            }
        }
    }

    #[test]
    fn cut_frames_are_not_taken_for_whole() {
        for codec in [Codec::Zstd(1), Codec::Lz4] {
            let stored = Encoder::new(codec).unwrap().frame(&noise(5000)).unwrap().to_vec();
            let mut decoder = Decoder::new(codec).unwrap();
            for length in [0, 3, 6, 9, 2000, stored.len() - 1] {
                let outcome = decoder.frame(&stored[..length], &mut Vec::new());
                assert!(matches!(outcome, Ok(None)), "{codec} {length} {outcome:?}");
            }
        }
    }

    #[test]
    fn names() {
        for (text, codec) in
            [("zstd", Codec::Zstd(1)), ("zstd:19", Codec::Zstd(19)), ("lz4", Codec::Lz4)]
        {
            assert_eq!(text.parse(), Ok(codec));
        }
        for text in ["", "zstd:0", "zstd:20", "zstd:", "lz4:1", "gzip", "none:1"] {
            assert_eq!(text.parse::<Codec>(), Err(ParseCodecError), "{text}");
        }
        assert_eq!(Codec::of_pack("pack-0001.tar.lz4"), Some(Codec::Lz4));
        assert_eq!(Codec::of_pack("pack-0001.tar"), Some(Codec::None));
        assert_eq!(Codec::of_pack("pack-0001.journal"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for codec in ALL {
                let mut decoder = Decoder::new(codec).unwrap();
                let _ = decoder.frame(&bytes, &mut Vec::new());
                let header = [&LZ4_MAGIC[..], &[LZ4_FLAGS, LZ4_BLOCK_CODE, 0x73], &bytes].concat();
                let _ = decoder.frame(&header, &mut Vec::new());
            }
        }
    }
}
