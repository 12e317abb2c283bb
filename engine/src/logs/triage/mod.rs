//! What the entries of a log mean: which are harmless, why a start failed, what a restart
//! recovered, how many errors are new.
//!
//! Messages are recognised by their English text, which is the same on 13 to 18 but for quotes
//! around names of settings; those are ignored. Of a server with another `lc_messages`, starts,
//! stops, crashes and prepared transactions are understood in every language; what is harmless
//! as far as SQLSTATE tells; a cause is quoted, not explained.

mod benign;
mod cause;
mod cause_rules;
mod count;
mod known;
mod restart;

pub use benign::benign;
pub use cause::{Cause, cause_in_output, cause_of_failed_start};
pub use cause_rules::slugs;
pub use count::{LogCounts, new_errors_since};
pub use restart::{LastStart, RecoveredTransaction, last_start};

use crate::api::LogEntry;

/// The first line of a message without quotes and without the name of the program before it:
/// the form in which messages are compared.
fn plain(entry: &LogEntry) -> String {
    let first = entry.message.lines().next().unwrap_or_default();
    let first = ["postgres: ", "pg_ctl: "]
        .into_iter()
        .filter(|_| entry.severity.is_none())
        .find_map(|program| first.strip_prefix(program))
        .unwrap_or(first);
    first.replace('"', "")
}
