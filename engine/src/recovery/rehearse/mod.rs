//! Rehearsals: the same plan and the same run as a recovery, into a scratch directory; then the
//! result is checked, the evidence written, and everything removed.

mod checks;
mod pages;
mod private;
mod record;
mod run;
mod scratch;
mod statements;

pub use record::records;
pub use run::{Rehearsal, run};
