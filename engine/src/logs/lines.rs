//! Bytes to lines, incrementally and in bounded memory.

/// Bytes of one line that are kept; the rest of a longer one is dropped.
///
/// A line of the server is one line of a message or statement (`stderr`) or a whole entry
/// (`jsonlog`), so this bounds what one hostile query can make us hold.
pub const LINE_BYTES_MAX: usize = 256 * 1024;

/// One line without its newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its first [`LINE_BYTES_MAX`] bytes.
    pub bytes: &'a [u8],
    /// Whether there was more.
    pub is_cut: bool,
    /// Whether the part that was dropped holds an odd number of `"`: `csvlog` must know whether
    /// a quoted field is still open.
    pub dropped_odd_quotes: bool,
}

/// Puts lines together from pieces of any size.
#[derive(Debug, Default)]
pub struct LineAssembler {
    buffer: Vec<u8>,
    dropped: bool,
    dropped_odd_quotes: bool,
}

impl LineAssembler {
    /// Takes the next bytes and calls `each` for every line they complete.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if self.is_empty() && line.len() <= LINE_BYTES_MAX {
                each(Line { bytes: line, is_cut: false, dropped_odd_quotes: false });
            } else {
                self.keep(line);
                self.end_line(&mut each);
            }
        }
        self.keep(rest);
    }

    /// Hands over what has no newline yet, because no more will come.
    pub fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        if !self.is_empty() {
            self.end_line(&mut each);
        }
    }

    /// Whether no part of a line is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && !self.dropped
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.buffer.len();
        let (kept, dropped) = bytes.split_at(bytes.len().min(room));
        self.buffer.extend_from_slice(kept);
        if !dropped.is_empty() {
            self.dropped = true;
            self.dropped_odd_quotes ^= has_odd_quotes(dropped);
        }
    }

    fn end_line(&mut self, each: &mut impl FnMut(Line<'_>)) {
        each(Line {
            bytes: &self.buffer,
            is_cut: self.dropped,
            dropped_odd_quotes: self.dropped_odd_quotes,
        });
        if self.dropped {
            // A long line is rare: do not hold its memory for ever.
            self.buffer = Vec::new();
        } else {
            self.buffer.clear();
        }
        self.dropped = false;
        self.dropped_odd_quotes = false;
    }
}

/// Whether the number of `"` is odd.
#[must_use]
pub fn has_odd_quotes(bytes: &[u8]) -> bool {
    bytes.iter().filter(|&&byte| byte == b'"').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool, bool)> {
        let mut assembler = LineAssembler::default();
        let mut seen = Vec::new();
        for piece in pieces {
            assembler.feed(piece, |line| {
                seen.push((line.bytes.to_vec(), line.is_cut, line.dropped_odd_quotes));
            });
        }
        seen
    }

    #[test]
    fn puts_pieces_together() {
        let seen = lines(&[b"a", b"b\n\nc", b"\nrest"]);
        let texts: Vec<&[u8]> = seen.iter().map(|line| line.0.as_slice()).collect();
        assert_eq!(texts, [b"ab".as_slice(), b"", b"c"]);
    }

    #[test]
    fn cuts_long_lines_and_counts_their_quotes() {
        let long = vec![b'x'; LINE_BYTES_MAX];
        for pieces in
            [vec![[&long[..], b"a\"b\nnext\n"].concat()], vec![long, b"a\"b\nnext\n".to_vec()]]
        {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let seen = lines(&pieces);
            assert_eq!((seen[0].0.len(), seen[0].1, seen[0].2), (LINE_BYTES_MAX, true, true));
            assert_eq!(seen[1], (b"next".to_vec(), false, false));
        }
    }
}
