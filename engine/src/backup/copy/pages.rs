//! Checking pages on the way, while the server may be writing them.

use std::io;
use std::time::Duration;

use crate::backup::document::ChecksumFailure;
use crate::backup::page::{Checker, PageState};
use crate::sys::source::SourceFile;

/// A page that looks damaged is read so often again, with a pause before each.
const READ_AGAIN: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);
/// Damaged pages of a file that are named.
const NAMED_MAX: usize = 100;

/// Checks the pages of one file.
#[derive(Debug)]
pub(super) struct PageCheck<'a> {
    pub(super) checker: Checker,
    pub(super) source: &'a SourceFile,
    pub(super) path: &'a str,
    /// The file's first block, counted over all segments of the relation.
    pub(super) first_block: u32,
    pub(super) block_bytes: usize,
}

impl PageCheck<'_> {
    /// Checks the pages in `bytes`, read at `offset`. One that looks damaged is read again:
    /// the server may have been in the middle of writing it. What is read then takes its place.
    pub(super) fn check(
        &self,
        bytes: &mut [u8],
        offset: u64,
        failure: &mut Option<ChecksumFailure>,
    ) -> io::Result<()> {
        let unit = u64::try_from(self.block_bytes).map_err(io::Error::other)?;
        let first = u32::try_from(offset / unit).map_err(io::Error::other)?;
        for (page, number) in bytes.chunks_exact_mut(self.block_bytes).zip(first..) {
            let block = self.first_block.wrapping_add(number);
            if self.checker.state(page, block) != PageState::Damaged {
                continue;
            }
            if self.is_damaged(page, block, u64::from(number) * unit)? {
                note(failure, self.path, block);
            }
        }
        Ok(())
    }

    /// Whether a page stays damaged and as it is. One that changes is being written: WAL
    /// replay puts the whole page back, as after a crash.
    fn is_damaged(&self, page: &mut [u8], block: u32, at: u64) -> io::Result<bool> {
        let mut again = vec![0; page.len()];
        for _ in 0..READ_AGAIN {
            std::thread::sleep(PAUSE);
            if self.source.read_at(&mut again, at)? != again.len() {
                // Truncated meanwhile: what is past the end is replayed or not needed.
                return Ok(false);
            }
            let has_changed = page != again.as_slice();
            page.copy_from_slice(&again);
            if has_changed || self.checker.state(page, block) != PageState::Damaged {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn note(failure: &mut Option<ChecksumFailure>, path: &str, block: u32) {
    let failure = failure.get_or_insert_with(|| ChecksumFailure {
        path: path.to_owned(),
        count: 0,
        blocks: Vec::new(),
    });
    failure.count += 1;
    if failure.blocks.len() < NAMED_MAX {
        failure.blocks.push(block);
    }
}
