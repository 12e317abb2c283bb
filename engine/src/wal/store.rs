//! How one file of the archive is stored: names, compression, checksums.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Write};

use lz4_flex::frame::{BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use crate::api::WalCompression;
use crate::pg::wal::WalFileName;

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

/// Brings content into the form it is stored in, also when it comes in pieces.
pub struct Encoder {
    stream: Stream,
    /// Bytes it was given.
    taken: usize,
}

enum Stream {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
    Plain,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("taken", &self.taken).finish_non_exhaustive()
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
        let stream = match compression {
            WalCompression::None => Stream::Plain,
            WalCompression::Zstd(level) => {
                let mut encoder = zstd::stream::write::Encoder::new(out(), level)?;
                encoder.include_checksum(true)?;
                encoder.set_pledged_src_size(u64::try_from(content_bytes).ok())?;
                Stream::Zstd(encoder)
            }
            WalCompression::Lz4 => {
                let info = FrameInfo::new()
                    .block_size(BlockSize::Max4MB)
                    .content_size(u64::try_from(content_bytes).ok())
                    .block_checksums(true)
                    .content_checksum(true);
                Stream::Lz4(Box::new(FrameEncoder::with_frame_info(info, out())))
            }
        };
        Ok(Self { stream, taken: 0 })
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// When the compressor fails.
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Zstd(encoder) => encoder.write_all(piece)?,
            Stream::Lz4(encoder) => encoder.write_all(piece)?,
            Stream::Plain => {}
        }
        self.taken += piece.len();
        Ok(())
    }

    /// Takes what it was not given yet of the content, and ends. What does not get smaller is
    /// stored as it is.
    ///
    /// # Errors
    /// When the compressor fails, or was given more than the content.
    pub fn finish(mut self, content: &[u8]) -> io::Result<(StoredForm, Cow<'_, [u8]>)> {
        let rest = content.get(self.taken..).ok_or(io::ErrorKind::InvalidInput)?;
        self.write(rest)?;
        let (form, encoded) = match self.stream {
            Stream::Plain => return Ok((StoredForm::Plain, Cow::Borrowed(content))),
            Stream::Zstd(encoder) => (StoredForm::Zstd, encoder.finish()?),
            Stream::Lz4(encoder) => (StoredForm::Lz4, encoder.finish().map_err(io::Error::other)?),
        };
        let worthwhile = content.len() / 100 * WORTHWHILE_PERCENT;
        if encoded.len() > worthwhile {
            return Ok((StoredForm::Plain, Cow::Borrowed(content)));
        }
        Ok((form, Cow::Owned(encoded)))
    }
}

/// Brings content into the form it is stored in.
///
/// # Errors
/// When the compressor fails.
pub fn encode(
    content: &[u8],
    compression: WalCompression,
) -> io::Result<(StoredForm, Cow<'_, [u8]>)> {
    Encoder::new(compression, content.len())?.finish(content)
}

/// Brings stored bytes back; the checksums of the compressed forms are verified.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode(form: StoredForm, stored: Vec<u8>) -> io::Result<Vec<u8>> {
    let content = match form {
        StoredForm::Plain => return Ok(stored),
        StoredForm::Zstd => {
            let mut content = Vec::new();
            let decoder = zstd::stream::read::Decoder::new(stored.as_slice())?;
            decoder.take(CONTENT_BYTES_MAX + 1).read_to_end(&mut content)?;
            content
        }
        StoredForm::Lz4 => decode_lz4(&stored)?,
    };
    if content.len() as u64 > CONTENT_BYTES_MAX {
        return Err(io::Error::other("it unpacks to more than the largest segment"));
    }
    Ok(content)
}

fn decode_lz4(stored: &[u8]) -> io::Result<Vec<u8>> {
    let mut rest = stored;
    let mut content = Vec::new();
    let decoder = FrameDecoder::new(&mut rest);
    let mut limited = decoder.take(CONTENT_BYTES_MAX + 1);
    limited.read_to_end(&mut content)?;
    // The decoder takes an end between two blocks for the end of the frame.
    let is_whole = stored.len() >= 8 && stored[stored.len() - 8..stored.len() - 4] == [0; 4];
    if !is_whole || !rest.is_empty() {
        return Err(io::Error::other("the LZ4 frame has no end where the file ends"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::wal::SegmentName;

    fn content() -> Vec<u8> {
        (0..300_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect()
    }

    #[test]
    fn every_form_comes_back() {
        let content = content();
        for compression in [WalCompression::Zstd(1), WalCompression::Lz4, WalCompression::None] {
            let (form, stored) = encode(&content, compression).unwrap();
            assert_eq!(stored.len() < content.len(), compression != WalCompression::None);
            assert!(decode(form, stored.into_owned()).unwrap() == content, "{compression:?}");
        }
    }

    #[test]
    fn pieces_become_one_frame_that_knows_its_length() {
        let content = content();
        for compression in [WalCompression::Zstd(1), WalCompression::Lz4] {
            let (form, whole) = encode(&content, compression).unwrap();
            let mut encoder = Encoder::new(compression, content.len()).unwrap();
            content[..700_000].chunks(77_777).for_each(|piece| encoder.write(piece).unwrap());
            let (_, stored) = encoder.finish(&content).unwrap();
            assert!(decode(form, stored.to_vec()).unwrap() == content, "{compression:?}");
            if form == StoredForm::Zstd {
                let said = zstd::zstd_safe::get_frame_content_size(&whole).unwrap();
                assert_eq!(said, u64::try_from(content.len()).ok());
                let frame = zstd::zstd_safe::find_frame_compressed_size(&stored).unwrap();
                assert_eq!(frame, stored.len());
            }
            // More than the content is a mistake, and a frame must not be cut off for it.
            let mut encoder = Encoder::new(compression, content.len()).unwrap();
            encoder.write(&content).unwrap();
            assert!(encoder.finish(&content[1..]).is_err());
        }
    }

    #[test]
    fn every_cut_and_flipped_byte_is_noticed() {
        let content = content();
        for compression in [WalCompression::Zstd(1), WalCompression::Lz4] {
            let (form, stored) = encode(&content, compression).unwrap();
            let cuts = (0..stored.len()).step_by(997).chain([stored.len() - 1, stored.len() - 4]);
            for length in cuts.chain([stored.len() - 8]) {
                assert!(decode(form, stored[..length].to_vec()).is_err(), "{form:?} cut {length}");
            }
            let mut longer = stored.to_vec();
            longer.push(0);
            assert!(decode(form, longer).is_err(), "{form:?} with a byte more");
            for at in (0..stored.len()).step_by(1009) {
                let mut flipped = stored.to_vec();
                flipped[at] ^= 0x10;
                let outcome = decode(form, flipped);
                assert!(outcome.map_or(true, |got| got == content), "{form:?} flipped {at}");
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
            let (form, stored) = encode(&random, compression).unwrap();
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
