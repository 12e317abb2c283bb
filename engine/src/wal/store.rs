//! How one file of the archive is stored: names, compression, checksums.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Write};
use std::ops::Deref;

use lz4_flex::frame::{BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use zstd::zstd_safe;

use crate::api::WalCompression;
use crate::pg::wal::WalFileName;
use crate::sys::memory::{Memory, Scratch};

/// The largest segment there is.
pub const CONTENT_BYTES_MAX: u64 = 1 << 30;

/// Suffix of a segment's index.
pub const INDEX_SUFFIX: &str = ".idx";

/// Content that does not get smaller than this share of itself, in percent, is stored as it
/// is: encrypted or random bytes cost time at every reading and save nothing.
const WORTHWHILE_PERCENT: usize = 95;

/// The form of a stored file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoredForm {
    /// A Zstandard frame with its checksum.
    Zstd,
    /// An LZ4 frame with its checksums.
    Lz4,
    /// The file itself.
    Plain,
}

impl StoredForm {
    /// Every form, in the order they are looked for.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Lz4, Self::Plain];

    /// The form of what a compression makes smaller.
    #[must_use]
    pub fn of(compression: WalCompression) -> Self {
        match compression {
            WalCompression::Zstd(_) => Self::Zstd,
            WalCompression::Lz4 => Self::Lz4,
            WalCompression::None => Self::Plain,
        }
    }

    /// What it adds to the name.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Lz4 => ".lz4",
            Self::Plain => "",
        }
    }
}

/// The name and form behind a file name in the archive; `None` when it is neither.
#[must_use]
pub fn parse_stored_name(text: &str) -> Option<(WalFileName, StoredForm)> {
    for form in [StoredForm::Zstd, StoredForm::Lz4] {
        if let Some(name) = text.strip_suffix(form.suffix()) {
            return WalFileName::parse(name).map(|name| (name, form));
        }
    }
    WalFileName::parse(text).map(|name| (name, StoredForm::Plain))
}

/// Makes one frame of content that comes in pieces.
pub struct Encoder(Stream);

enum Stream {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
    Plain(Vec<u8>),
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// An encoder for content of this length.
    ///
    /// # Errors
    /// When the compressor has no memory, or does not know the level.
    pub fn new(compression: WalCompression, content_bytes: usize) -> io::Result<Self> {
        // Memory is used only as far as it is written to.
        let out = || Vec::with_capacity(content_bytes / 2);
        Ok(Self(match compression {
            WalCompression::None => Stream::Plain(Vec::new()),
            WalCompression::Zstd(level) => {
                let mut encoder = zstd::stream::write::Encoder::new(out(), level)?;
                encoder.include_checksum(true)?;
                encoder.set_pledged_src_size(u64::try_from(content_bytes).ok())?;
                Stream::Zstd(encoder)
            }
            WalCompression::Lz4 => {
                let info = FrameInfo::new()
                    .block_size(BlockSize::Max1MB)
                    .content_size(u64::try_from(content_bytes).ok())
                    .content_checksum(true);
                Stream::Lz4(Box::new(FrameEncoder::with_frame_info(info, out())))
            }
        }))
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// When the compressor fails.
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Stream::Zstd(encoder) => encoder.write_all(piece),
            Stream::Lz4(encoder) => encoder.write_all(piece),
            Stream::Plain(out) => out.write_all(piece),
        }
    }

    /// The frame.
    ///
    /// # Errors
    /// When the compressor fails, or was given another length than it was told.
    pub fn end(self) -> io::Result<Vec<u8>> {
        match self.0 {
            Stream::Zstd(encoder) => encoder.finish(),
            Stream::Lz4(encoder) => encoder.finish().map_err(io::Error::other),
            Stream::Plain(out) => Ok(out),
        }
    }
}

/// Content in the form it is stored in.
#[derive(Debug)]
pub struct Stored<'a> {
    /// How.
    pub form: StoredForm,
    /// The file's parts, one after the other.
    pub parts: Vec<Cow<'a, [u8]>>,
}

impl<'a> Stored<'a> {
    /// Of content and its frames: what does not get smaller is stored as it is.
    #[must_use]
    pub fn of(content: &'a [u8], compression: WalCompression, frames: Vec<Vec<u8>>) -> Self {
        let worthwhile = content.len() / 100 * WORTHWHILE_PERCENT;
        let bytes: usize = frames.iter().map(Vec::len).sum();
        if compression == WalCompression::None || bytes > worthwhile {
            return Self { form: StoredForm::Plain, parts: vec![Cow::Borrowed(content)] };
        }
        let parts = frames.into_iter().map(Cow::Owned).collect();
        Self { form: StoredForm::of(compression), parts }
    }
}

/// Brings content into the form it is stored in.
///
/// # Errors
/// When the compressor fails.
pub fn encode(content: &[u8], compression: WalCompression) -> io::Result<Stored<'_>> {
    if compression == WalCompression::None {
        return Ok(Stored::of(content, compression, Vec::new()));
    }
    let mut encoder = Encoder::new(compression, content.len())?;
    encoder.write(content)?;
    Ok(Stored::of(content, compression, vec![encoder.end()?]))
}

/// A file's content.
#[derive(Debug)]
pub enum Content {
    /// As it was read.
    Read(Vec<u8>),
    /// As it was decompressed.
    Decoded(Memory),
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Decoded(memory) => memory,
        }
    }
}

/// Brings stored bytes back, into memory of `scratch` where their length is known before; the
/// checksums of the compressed forms are verified.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode(form: StoredForm, stored: Vec<u8>, scratch: &Scratch) -> io::Result<Content> {
    let content = match form {
        StoredForm::Plain => Content::Read(stored),
        StoredForm::Zstd => decode_zstd(&stored, scratch)?,
        StoredForm::Lz4 => Content::Read(decode_lz4(&stored)?),
    };
    if content.len() as u64 > CONTENT_BYTES_MAX {
        return Err(io::Error::other("it unpacks to more than the largest segment"));
    }
    Ok(content)
}

fn decode_zstd(stored: &[u8], scratch: &Scratch) -> io::Result<Content> {
    // At once into memory of that length, when the frames say how much there is.
    if let Some(bytes) = zstd_content_bytes(stored).filter(|bytes| *bytes <= CONTENT_BYTES_MAX) {
        let mut content = scratch.memory(usize::try_from(bytes).map_err(io::Error::other)?)?;
        let mut decoder = zstd::bulk::Decompressor::new()?;
        let count = decoder.decompress_to_buffer(stored, &mut content[..])?;
        content.truncate(count);
        return Ok(Content::Decoded(content));
    }
    let mut content = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(stored)?;
    decoder.take(CONTENT_BYTES_MAX + 1).read_to_end(&mut content)?;
    Ok(Content::Read(content))
}

/// What the frames' headers say together; `None` when there is no frame.
fn zstd_content_bytes(stored: &[u8]) -> Option<u64> {
    let (mut rest, mut sum) = (stored, 0_u64);
    while !rest.is_empty() || sum == 0 {
        let (frame, behind) = rest.split_at(zstd_safe::find_frame_compressed_size(rest).ok()?);
        sum = sum.checked_add(zstd_safe::get_frame_content_size(frame).ok()??)?;
        rest = behind;
    }
    Some(sum)
}

fn decode_lz4(stored: &[u8]) -> io::Result<Vec<u8>> {
    let mut rest = stored;
    let mut content = Vec::new();
    // One frame after the other; an empty file is none.
    loop {
        let before = rest.len();
        let decoder = FrameDecoder::new(&mut rest);
        let left = (CONTENT_BYTES_MAX + 1).saturating_sub(content.len() as u64);
        decoder.take(left).read_to_end(&mut content)?;
        // The decoder takes an end between two blocks for the end of the frame.
        let end = stored.len() - rest.len();
        let is_whole = end >= 8 && stored[end - 8..end - 4] == [0; 4] && rest.len() < before;
        if !is_whole {
            return Err(io::Error::other("the LZ4 frame has no end where the file ends"));
        }
        if rest.is_empty() {
            return Ok(content);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::wal::SegmentName;

    fn decode(form: StoredForm, stored: Vec<u8>) -> io::Result<Content> {
        super::decode(form, stored, &Scratch::default())
    }

    fn content() -> Vec<u8> {
        (0..300_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect()
    }

    fn stored(content: &[u8], compression: WalCompression) -> (StoredForm, Vec<u8>) {
        let stored = encode(content, compression).unwrap();
        (stored.form, stored.parts.concat())
    }

    #[test]
    fn every_form_comes_back() {
        let content = content();
        for compression in [WalCompression::Zstd(1), WalCompression::Lz4, WalCompression::None] {
            let (form, stored) = stored(&content, compression);
            assert_eq!(stored.len() < content.len(), compression != WalCompression::None);
            assert!(decode(form, stored).unwrap()[..] == content, "{compression:?}");
        }
    }

    #[test]
    fn pieces_become_one_frame_that_knows_its_length() {
        let content = content();
        for compression in [WalCompression::Zstd(1), WalCompression::Lz4] {
            let (form, whole) = stored(&content, compression);
            let mut encoder = Encoder::new(compression, content.len()).unwrap();
            content.chunks(77_777).for_each(|piece| encoder.write(piece).unwrap());
            let pieces = encoder.end().unwrap();
            if form == StoredForm::Zstd {
                let said = zstd_safe::get_frame_content_size(&whole).unwrap();
                assert_eq!(said, u64::try_from(content.len()).ok());
                let frame = zstd_safe::find_frame_compressed_size(&pieces).unwrap();
                assert_eq!(frame, pieces.len());
            }
            assert!(decode(form, pieces).unwrap()[..] == content, "{compression:?}");
            // Another length than was told is a mistake, and must not become a file.
            let mut encoder = Encoder::new(compression, content.len()).unwrap();
            let written = encoder.write(&content[1..]);
            assert!(written.and_then(|()| encoder.end()).is_err());
        }
    }

    #[test]
    fn frames_one_after_the_other_are_one_content() {
        let content = content();
        for compression in [WalCompression::Zstd(1), WalCompression::Lz4] {
            let halves = [&content[..400_000], &content[400_000..]];
            let [(form, first), (_, second)] = halves.map(|half| stored(half, compression));
            let both = [first, second].concat();
            assert!(decode(form, both.clone()).unwrap()[..] == content, "{form:?}");
            assert!(decode(form, both[..both.len() - 1].to_vec()).is_err(), "{form:?}");
        }
    }

    #[test]
    fn every_cut_and_flipped_byte_is_noticed() {
        let content = content();
        for compression in [WalCompression::Zstd(1), WalCompression::Lz4] {
            let (form, stored) = stored(&content, compression);
            let cuts = (0..stored.len()).step_by(997).chain([stored.len() - 1, stored.len() - 4]);
            for length in cuts.chain([stored.len() - 8]) {
                assert!(decode(form, stored[..length].to_vec()).is_err(), "{form:?} cut {length}");
            }
            let mut longer = stored.clone();
            longer.push(0);
            assert!(decode(form, longer).is_err(), "{form:?} with a byte more");
            for at in (0..stored.len()).step_by(1009) {
                let mut flipped = stored.clone();
                flipped[at] ^= 0x10;
                let outcome = decode(form, flipped);
                assert!(outcome.map_or(true, |got| got[..] == content), "{form:?} flipped {at}");
            }
        }
    }

    #[test]
    fn what_does_not_shrink_is_stored_as_it_is() {
        let mut state = 1_u64;
        let random: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(1 << 20)
        .collect();
        for compression in [WalCompression::Zstd(1), WalCompression::Lz4] {
            let (form, stored) = stored(&random, compression);
            assert_eq!((form, stored.len()), (StoredForm::Plain, random.len()));
        }
    }

    #[test]
    fn names_are_told_from_others() {
        let name = SegmentName::parse("0000000A00000001000000FF").unwrap();
        let parsed = parse_stored_name("0000000A00000001000000FF.partial.lz4");
        assert_eq!(parsed, Some((WalFileName::Partial(name), StoredForm::Lz4)));
        for other in ["0000000A00000001000000FF.gz", "0000000A00000001000000FF.idx", ".incoming"] {
            assert_eq!(parse_stored_name(other), None, "{other}");
        }
    }
}
