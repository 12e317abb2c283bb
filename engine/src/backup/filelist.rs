//! The list of files of a backup: what each is and where its content is stored.

use std::collections::HashMap;
use std::fmt::Write;

use super::layout::Label;
use crate::sys::source::FileStamp;

/// The first line of a list.
pub const HEADING: &str = "# pgdeck files 1: path size modified_ns changed_ns inode mode sha256 kind pack offset stored_bytes blocks detail";

/// A file or directory of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Path below the data directory.
    pub path: Box<str>,
    /// What `fstat` said before it was read. The size is the size of the content in the backup.
    /// `changed_ns` is 0 when the file had been changed too shortly before to be recognised.
    pub stamp: FileStamp,
    /// SHA-256 of the content; zeros for a directory.
    pub sha256: [u8; 32],
    /// Where the content is.
    pub content: Content,
    /// Where the hashes of its blocks begin in the map, counted in hashes; `None` for files
    /// that are not relations.
    pub blocks: Option<u64>,
}

/// Where the content of a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// It is a directory.
    Directory,
    /// As a member of a pack.
    Whole(Place),
    /// Changed blocks as members of a pack, the others in the parent.
    Delta(Place, Vec<Run>),
    /// As it is in this backup.
    Same(Label),
}

/// A place in the packs of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the pack.
    pub pack: u32,
    /// Where it begins, in stored bytes.
    pub offset: u64,
    /// Stored bytes.
    pub stored: u64,
}

/// Consecutive blocks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first one, from 0.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl Run {
    /// Adds a block to ascending runs.
    pub fn push(runs: &mut Vec<Self>, block: u32) {
        match runs.last_mut() {
            Some(last) if last.first + last.count == block => last.count += 1,
            _ => runs.push(Self { first: block, count: 1 }),
        }
    }

    /// Blocks in all.
    #[must_use]
    pub fn total(runs: &[Self]) -> u64 {
        runs.iter().map(|run| u64::from(run.count)).sum()
    }
}

impl FileEntry {
    /// Whether the content is stored in this backup.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        match &self.content {
            Content::Whole(place) | Content::Delta(place, _) => Some(*place),
            Content::Directory | Content::Same(_) => None,
        }
    }

    /// Appends the entry as a line.
    pub fn write(&self, out: &mut String) {
        let stamp = &self.stamp;
        escape(&self.path, out);
        // Writing into a String never fails.
        let _ = write!(
            out,
            "\t{}\t{}\t{}\t{}\t{:o}\t",
            stamp.size, stamp.modified_ns, stamp.changed_ns, stamp.inode, stamp.mode
        );
        hex(&self.sha256, out);
        let word = match &self.content {
            Content::Directory => "dir",
            Content::Whole(_) => "whole",
            Content::Delta(..) => "delta",
            Content::Same(_) => "same",
        };
        let _ = write!(out, "\t{word}\t");
        match self.place() {
            Some(place) => {
                let _ = write!(out, "{}\t{}\t{}\t", place.pack, place.offset, place.stored);
            }
            None => out.push_str("-\t-\t-\t"),
        }
        match self.blocks {
            Some(first) => {
                let _ = write!(out, "{first}\t");
            }
            None => out.push_str("-\t"),
        }
        match &self.content {
            Content::Directory | Content::Whole(_) => out.push('-'),
            Content::Same(label) => out.push_str(label.as_str()),
            Content::Delta(_, runs) => {
                for (number, run) in runs.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "," };
                    let _ = write!(out, "{comma}{}+{}", run.first, run.count);
                }
            }
        }
        out.push('\n');
    }

    /// Reads a line; `None` when it is none.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let columns: Vec<&str> = line.split('\t').collect();
        let [
            path,
            size,
            modified,
            changed,
            inode,
            mode,
            sha256,
            kind,
            pack,
            offset,
            stored,
            blocks,
            detail,
        ] = columns.as_slice()
        else {
            return None;
        };
        let stamp = FileStamp {
            size: size.parse().ok()?,
            modified_ns: modified.parse().ok()?,
            changed_ns: changed.parse().ok()?,
            inode: inode.parse().ok()?,
            mode: u32::from_str_radix(mode, 8).ok()?,
        };
        let place = || {
            Some(Place {
                pack: pack.parse().ok()?,
                offset: offset.parse().ok()?,
                stored: stored.parse().ok()?,
            })
        };
        let content = match *kind {
            "dir" => Content::Directory,
            "whole" => Content::Whole(place()?),
            "delta" => Content::Delta(place()?, runs(detail)?),
            "same" => Content::Same(detail.parse().ok()?),
            _ => return None,
        };
        let blocks = match *blocks {
            "-" => None,
            first => Some(first.parse().ok()?),
        };
        let path = unescape(path)?.into_boxed_str();
        Some(Self { path, stamp, sha256: unhex(sha256)?, content, blocks })
    }
}

fn runs(text: &str) -> Option<Vec<Run>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(',')
        .map(|run| {
            let (first, count) = run.split_once('+')?;
            Some(Run { first: first.parse().ok()?, count: count.parse().ok()? })
        })
        .collect()
}

/// A whole list, found by path.
#[derive(Clone, Debug, Default)]
pub struct FileList {
    /// The entries, sorted by path.
    pub entries: Vec<FileEntry>,
}

impl FileList {
    /// A list of these entries.
    #[must_use]
    pub fn new(mut entries: Vec<FileEntry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self { entries }
    }

    /// The entry of a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&FileEntry> {
        let at = self.entries.binary_search_by(|entry| entry.path.as_ref().cmp(path)).ok()?;
        self.entries.get(at)
    }

    /// The list as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(self.entries.len() * 220 + HEADING.len() + 1);
        out.push_str(HEADING);
        out.push('\n');
        for entry in &self.entries {
            entry.write(&mut out);
        }
        out
    }

    /// Reads a list; `Err` is the number of the line that makes no sense.
    ///
    /// # Errors
    /// The number of the first line that is no entry, or 1 for another heading.
    pub fn from_text(text: &str) -> Result<Self, usize> {
        let mut lines = text.lines();
        if lines.next() != Some(HEADING) {
            return Err(1);
        }
        let mut entries = Vec::new();
        let mut known = HashMap::<Label, Label>::new();
        for (line, number) in lines.zip(2_usize..) {
            let mut entry = FileEntry::read(line).ok_or(number)?;
            // Most entries of an incremental name the same few backups.
            if let Content::Same(label) = &mut entry.content {
                *label = known.entry(label.clone()).or_insert_with(|| label.clone()).clone();
            }
            entries.push(entry);
        }
        let is_sorted = entries.is_sorted_by(|a, b| a.path < b.path);
        if is_sorted { Ok(Self { entries }) } else { Err(2) }
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next()? {
            '\\' => '\\',
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            _ => return None,
        });
    }
    Some(out)
}

/// Appends bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
}

/// Bytes in lower-case hexadecimal.
#[must_use]
pub fn hex_text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    hex(bytes, &mut out);
    out
}

/// Reads 64 hexadecimal digits.
#[must_use]
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(value(pair[0])? << 4 | value(pair[1])?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(path: &str, content: Content, blocks: Option<u64>) -> FileEntry {
        let stamp = FileStamp {
            size: 8192,
            modified_ns: 1_700_000_000_123_456_789,
            changed_ns: -5,
            inode: 42,
            mode: 0o640,
        };
        FileEntry { path: path.into(), stamp, sha256: [0xA5; 32], content, blocks }
    }

    #[test]
    fn a_list_comes_back() {
        let place = Place { pack: 3, offset: 1 << 40, stored: 77 };
        let mut runs = Vec::new();
        for block in [1, 2, 3, 9, 131_071] {
            Run::push(&mut runs, block);
        }
        assert_eq!((runs.len(), Run::total(&runs)), (3, 5));
        let list = FileList::new(vec![
            entry("base", Content::Directory, None),
            entry("base/5/16384", Content::Delta(place, runs), Some(0)),
            entry("base/5/16385", Content::Whole(place), Some(5)),
            entry("a\\b\t\nc", Content::Same("2026-07-01_13-30-40".parse().unwrap()), None),
        ]);
        let text = list.to_text();
        assert_eq!(FileList::from_text(&text).unwrap().entries, list.entries);
        assert!(text.contains("\tdelta\t3\t1099511627776\t77\t0\t1+3,9+1,131071+1\n"), "{text}");
        assert!(list.get("base/5/16385").is_some() && list.get("base/5").is_none());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(FileList::from_text("").unwrap_err(), 1);
        assert_eq!(FileList::from_text(&format!("{HEADING}\nx\n")).unwrap_err(), 2);
    }

    proptest! {
        #[test]
        fn every_path_comes_back(path in "\\PC{1,40}") {
            let one = entry(&path, Content::Directory, None);
            let mut line = String::new();
            one.write(&mut line);
            prop_assert_eq!(FileEntry::read(line.trim_end_matches('\n')), Some(one));
        }

        #[test]
        fn no_line_makes_it_panic(line in "[-0-9a-f\t+,\\\\x]{0,200}") {
            let _ = FileEntry::read(&line);
        }
    }
}
