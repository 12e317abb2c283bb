//! Reading the content of a file out of a pack.

use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3Default;

use super::codec::{Codec, Decoder};
use super::filelist::{Content, FileEntry, Place};
use super::layout::DELTA_DIRECTORY;
use super::tar::{self, ReadError};
use crate::sys::disk::DiskFile;

/// The content of the members at a place of a pack, one after the other.
///
/// Names and sizes in the archive are compared with the list on the way. Used for one place
/// after the other it keeps its buffers.
pub struct ContentStream<'a> {
    file: Arc<DiskFile>,
    decoder: Decoder,
    entry: &'a FileEntry,
    /// Stored bytes still to be read.
    at: u64,
    end: u64,
    /// Stored bytes that were read: those from `taken` to `filled` are not yet decoded.
    stored: Vec<u8>,
    filled: usize,
    taken: usize,
    /// Decoded bytes, from `position` on not yet given out.
    decoded: Vec<u8>,
    position: usize,
    frame: Vec<u8>,
    /// Bytes of content and padding left of the member at hand.
    content_left: u64,
    padding_left: usize,
    members: u32,
    digest: Box<Xxh3Default>,
}

impl<'a> ContentStream<'a> {
    /// A stream over the place of an entry in an open pack.
    ///
    /// # Errors
    /// When zstd has no memory.
    pub fn new(
        file: Arc<DiskFile>,
        codec: Codec,
        entry: &'a FileEntry,
        place: Place,
    ) -> io::Result<Self> {
        let mut stream = Self {
            file: Arc::clone(&file),
            decoder: Decoder::new(codec)?,
            entry,
            at: 0,
            end: 0,
            stored: Vec::new(),
            filled: 0,
            taken: 0,
            decoded: Vec::new(),
            position: 0,
            frame: Vec::new(),
            content_left: 0,
            padding_left: 0,
            members: 0,
            digest: Box::default(),
        };
        stream.reset(file, entry, place);
        Ok(stream)
    }

    /// Begins again with another place, in a pack of the same compression.
    pub fn reset(&mut self, file: Arc<DiskFile>, entry: &'a FileEntry, place: Place) {
        self.file = file;
        self.entry = entry;
        self.at = place.offset;
        self.end = place.offset.saturating_add(place.stored);
        (self.filled, self.taken, self.position) = (0, 0, 0);
        (self.content_left, self.padding_left, self.members) = (0, 0, 0);
        self.decoded.clear();
        self.digest.reset();
    }

    /// The next piece of content, never empty; `None` at the end.
    ///
    /// # Errors
    /// `InvalidData` when it is not what the list says; as reading files.
    pub fn piece(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let waiting = self.decoded.len() - self.position;
            if self.content_left > 0 && waiting > 0 {
                let left = usize::try_from(self.content_left).unwrap_or(usize::MAX);
                let from = self.position;
                let length = left.min(waiting);
                self.position += length;
                self.content_left -= u64::try_from(length).unwrap_or(0);
                return Ok(Some(&self.decoded[from..from + length]));
            }
            if self.content_left == 0 && self.padding_left > 0 && waiting > 0 {
                let length = self.padding_left.min(waiting);
                self.position += length;
                self.padding_left -= length;
                continue;
            }
            if self.content_left == 0 && self.padding_left == 0 && self.header()? {
                continue;
            }
            if !self.fill()? {
                let is_whole = self.content_left == 0
                    && self.padding_left == 0
                    && self.position == self.decoded.len();
                return if is_whole { Ok(None) } else { Err(self.invalid("it is cut")) };
            }
        }
    }

    /// Passes over the next frame when all of it is content that nobody wants: `is_wanted` is
    /// given its length. The bytes passed over; `None` when it is to be read. What is passed over
    /// is not verified, and not in [`Self::digest`].
    ///
    /// # Errors
    /// As [`Self::piece`].
    pub fn skip(&mut self, is_wanted: impl FnOnce(u64) -> bool) -> io::Result<Option<u64>> {
        if self.content_left == 0 || self.position < self.decoded.len() {
            return Ok(None);
        }
        if self.filled - self.taken < Decoder::stored_bytes_max() {
            self.read_more()?;
        }
        let lengths = self.decoder.lengths(&self.stored[self.taken..self.filled]);
        match lengths {
            Some((stored, content)) if content > 0 && content <= self.content_left => {
                if is_wanted(content) {
                    return Ok(None);
                }
                self.taken += stored;
                self.content_left -= content;
                Ok(Some(content))
            }
            _ => Ok(None),
        }
    }

    /// XXH3 of the stored bytes read so far.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.digest()
    }

    /// Takes a member's headers; false when there are not enough bytes for them.
    fn header(&mut self) -> io::Result<bool> {
        if self.position == self.decoded.len() {
            return Ok(false);
        }
        match tar::read(&self.decoded[self.position..]) {
            Ok(Some((member, length))) => {
                let expected = match &self.entry.content {
                    Content::Delta(..) => {
                        format!("{DELTA_DIRECTORY}/{}/{:06}", self.entry.path, self.members)
                    }
                    _ => self.entry.path.to_string(),
                };
                let is_whole = matches!(self.entry.content, Content::Whole(_));
                if member.path != expected || (is_whole && member.size != self.entry.stamp.size) {
                    return Err(self.invalid("the archive holds something else there"));
                }
                self.position += length;
                self.content_left = member.size;
                self.padding_left = tar::padding(member.size);
                self.members += 1;
                Ok(true)
            }
            Err(ReadError::Cut) => Ok(false),
            Ok(None) => Err(self.invalid("the archive ends there")),
            Err(error) => Err(self.invalid(&error.to_string())),
        }
    }

    /// Decodes the next frame; false when there is none.
    fn fill(&mut self) -> io::Result<bool> {
        if self.filled - self.taken < Decoder::stored_bytes_max() {
            self.read_more()?;
        }
        let stored = &self.stored[self.taken..self.filled];
        if stored.is_empty() {
            return Ok(false);
        }
        let length = match self.decoder.frame(stored, &mut self.frame) {
            Ok(Some(length)) if length > 0 => length,
            Ok(_) => return Err(self.invalid("the pack is cut")),
            Err(error) => return Err(self.invalid(&error.to_string())),
        };
        self.digest.update(&stored[..length]);
        self.taken += length;
        if self.position == self.decoded.len() {
            // As a rule: nothing is copied.
            std::mem::swap(&mut self.decoded, &mut self.frame);
        } else {
            self.decoded.drain(..self.position);
            self.decoded.append(&mut self.frame);
        }
        self.position = 0;
        Ok(true)
    }

    /// Reads on until one whole frame is surely there, or the place ends.
    fn read_more(&mut self) -> io::Result<()> {
        if self.stored.is_empty() {
            self.stored.resize(2 * Decoder::stored_bytes_max(), 0);
        }
        self.stored.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = left.min(self.stored.len() - self.filled);
        let space = &mut self.stored[self.filled..self.filled + wanted];
        if self.file.read_at(space, self.at)? != wanted {
            return Err(self.invalid("the pack is cut"));
        }
        self.filled += wanted;
        self.at += u64::try_from(wanted).unwrap_or(0);
        Ok(())
    }

    fn invalid(&self, what: &str) -> io::Error {
        let text = format!("{}: {what}", self.entry.path);
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}
