//! Checks the checksum of every page of a stopped data directory.

use std::path::Path;

use crate::api::{Error, ErrorCode, Result};
use crate::backup::exclude;
use crate::backup::listing::{ListedFile, Listing};
use crate::backup::page::{Checker, PageState};
use crate::backup::site::read_control;
use crate::sys::source::SourceFile;

const BUFFER_BYTES: usize = 1 << 20;
/// Damaged pages told.
const TOLD_MAX: usize = 20;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pages {
    /// Pages read.
    pub(super) checked: u64,
    /// Pages whose checksum does not fit.
    pub(super) damaged: u64,
    /// The first of them.
    pub(super) first: Vec<String>,
}

/// Reads every page of every relation; `None` without checksums. Blocking.
///
/// # Errors
/// `RehearsalFailed` when a file cannot be read.
pub(super) fn check(data: &Path, version_directory: &str) -> Result<Option<Pages>> {
    let (_, control) = read_control(data)?;
    if !control.data_checksums() {
        return Ok(None);
    }
    let listing = Listing::read(data, version_directory)?;
    let page_bytes = usize::try_from(control.build.block_bytes).unwrap_or(8192);
    let mut walk = Walk {
        checker: Checker::default(),
        page_bytes,
        segment_blocks: control.build.relation_segment_blocks,
        buffer: vec![0; BUFFER_BYTES],
        found: Pages::default(),
    };
    for file in &listing.files {
        walk.file(data, file).map_err(|error| {
            let fact = format!("\"{}\" cannot be read", data.join(&file.path).display());
            Error::new(ErrorCode::RehearsalFailed, fact).detail(error.to_string())
        })?;
    }
    Ok(Some(walk.found))
}

struct Walk {
    checker: Checker,
    page_bytes: usize,
    segment_blocks: u32,
    buffer: Vec<u8>,
    found: Pages,
}

impl Walk {
    fn file(&mut self, data: &Path, file: &ListedFile) -> std::io::Result<()> {
        let Some(relation) = exclude::relation(&file.path) else { return Ok(()) };
        let Some(source) = SourceFile::open(&data.join(&file.path))? else { return Ok(()) };
        let mut block = relation.segment.wrapping_mul(self.segment_blocks);
        let mut offset = 0;
        loop {
            let read = source.read_at(&mut self.buffer, offset)?;
            for page in self.buffer[..read].chunks_exact(self.page_bytes) {
                self.found.checked += 1;
                if self.checker.state(page, block) == PageState::Damaged {
                    self.found.damaged += 1;
                    if self.found.first.len() < TOLD_MAX {
                        self.found.first.push(format!("block {block} of {}", file.path));
                    }
                }
                block = block.wrapping_add(1);
            }
            if read < self.buffer.len() {
                return Ok(());
            }
            offset = offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        }
    }
}
