//! The write-ahead log as PostgreSQL 13 to 18 write it: file names, pages, records, timeline
//! histories.
//!
//! Works on bytes alone and knows no paths. What is not WAL never panics: it is named as
//! damage, with its position. Source of the layouts: `src/include/access/xlog_internal.h`,
//! `xlogrecord.h`, `xact.h` and `src/backend/access/transam/xlogreader.c` of each version.

mod blocks;
pub(in crate::pg) mod bytes;
mod history;
mod meaning;
mod names;
mod page;
mod record;
mod scan;
mod segment;
#[cfg(test)]
mod tests;
mod xact;

pub use blocks::{BlockContent, PageImage};
pub use history::{BackupHistory, HistoryError, TimelineHistory, TimelineSwitch};
pub use meaning::{Meaning, SourceSettings, WalCheckpoint};
pub use names::{SegmentName, SegmentSize, WalFileName};
pub use page::{PAGE_BYTES, PageState, WalVersion};
pub use record::{BlockReference, Record, RelationFile, ResourceManager};
pub use scan::{Carry, Reading, Scan, Step, Stop};
pub use segment::{FirstPage, Segment, SegmentError, first_page};
pub use xact::{TransactionEnd, TransactionOutcome};
