//! The control file as the server itself shows it, column by column.
//!
//! Source: "Control Data Functions" in the PostgreSQL manual (System Information Functions)
//! and `src/backend/utils/misc/pg_controldata.c`.

use chrono::{DateTime, Utc};

use crate::pg::types::{Lsn, Oid, TimelineId, TransactionId};

use super::ControlFile;

/// One column of `pg_control_system()`, `pg_control_checkpoint()`, `pg_control_recovery()`
/// or `pg_control_init()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlColumn {
    /// The function.
    pub function: &'static str,
    /// The column.
    pub column: &'static str,
    /// The value as `column::text` gives it; a time as its whole seconds since 1970.
    pub value: String,
}

impl ControlFile {
    /// What the four SQL functions show of this file, in their order.
    ///
    /// The same names and values on a running server prove the decoding; without a server
    /// they are what `pg_controldata` would print.
    #[must_use]
    pub fn columns(&self) -> Vec<ControlColumn> {
        let mut columns = Vec::new();
        self.system_columns(&mut columns);
        self.checkpoint_columns(&mut columns);
        self.recovery_columns(&mut columns);
        self.init_columns(&mut columns);
        columns
    }

    fn system_columns(&self, into: &mut Vec<ControlColumn>) {
        let mut add = adder("pg_control_system", into);
        add("pg_control_version", self.control_version.to_string());
        add("catalog_version_no", self.catalog_version.to_string());
        // The function returns bigint: the number's bits, read with a sign.
        add("system_identifier", self.system_identifier.as_u64().cast_signed().to_string());
        add("pg_control_last_modified", seconds(self.modified_at));
    }

    fn checkpoint_columns(&self, into: &mut Vec<ControlColumn>) {
        let copy = &self.checkpoint_copy;
        let mut add = adder("pg_control_checkpoint", into);
        add("checkpoint_lsn", lsn(self.checkpoint));
        add("redo_lsn", lsn(copy.redo));
        add("redo_wal_file", self.redo_wal_file().unwrap_or_default());
        add("timeline_id", timeline(copy.timeline));
        add("prev_timeline_id", timeline(copy.previous_timeline));
        add("full_page_writes", copy.full_page_writes.to_string());
        let (epoch, next_xid) = (copy.next_full_xid >> 32, copy.next_full_xid & 0xFFFF_FFFF);
        add("next_xid", format!("{epoch}:{next_xid}"));
        add("next_oid", oid(copy.next_oid));
        add("next_multixact_id", copy.next_multixact.to_string());
        add("next_multi_offset", copy.next_multixact_offset.to_string());
        add("oldest_xid", copy.oldest_xid.to_string());
        add("oldest_xid_dbid", oid(copy.oldest_xid_database));
        add("oldest_active_xid", xid(copy.oldest_active_xid));
        add("oldest_multi_xid", copy.oldest_multixact.to_string());
        add("oldest_multi_dbid", oid(copy.oldest_multixact_database));
        add("oldest_commit_ts_xid", xid(copy.oldest_commit_ts_xid));
        add("newest_commit_ts_xid", xid(copy.newest_commit_ts_xid));
        add("checkpoint_time", seconds(copy.time));
    }

    fn recovery_columns(&self, into: &mut Vec<ControlColumn>) {
        let mut add = adder("pg_control_recovery", into);
        add("min_recovery_end_lsn", lsn(self.min_recovery_point));
        add("min_recovery_end_timeline", timeline(self.min_recovery_point_timeline));
        add("backup_start_lsn", lsn(self.backup_start_point));
        add("backup_end_lsn", lsn(self.backup_end_point));
        add("end_of_backup_record_required", self.backup_end_required.to_string());
    }

    fn init_columns(&self, into: &mut Vec<ControlColumn>) {
        let build = &self.build;
        let mut add = adder("pg_control_init", into);
        add("max_data_alignment", build.max_align.to_string());
        add("database_block_size", build.block_bytes.to_string());
        add("blocks_per_segment", build.relation_segment_blocks.to_string());
        add("wal_block_size", build.wal_block_bytes.to_string());
        add("bytes_per_wal_segment", build.wal_segment_bytes.to_string());
        add("max_identifier_length", build.name_bytes.to_string());
        add("max_index_columns", build.index_columns_max.to_string());
        add("max_toast_chunk_size", build.toast_chunk_bytes_max.to_string());
        add("large_object_chunk_size", build.large_object_chunk_bytes.to_string());
        add("float8_pass_by_value", build.float8_by_value.to_string());
        add("data_page_checksum_version", build.data_checksum_version.to_string());
        if let Some(signed) = build.default_char_signedness {
            add("default_char_signedness", signed.to_string());
        }
    }
}

fn adder<'a>(
    function: &'static str,
    into: &'a mut Vec<ControlColumn>,
) -> impl FnMut(&'static str, String) + 'a {
    move |column, value| into.push(ControlColumn { function, column, value })
}

fn lsn(position: Option<Lsn>) -> String {
    position.map_or_else(|| "0/0".to_owned(), |position| position.to_string())
}

fn timeline(timeline: Option<TimelineId>) -> String {
    timeline.map_or(0, TimelineId::as_u32).to_string()
}

fn oid(oid: Option<Oid>) -> String {
    oid.map_or(0, Oid::as_u32).to_string()
}

fn xid(xid: Option<TransactionId>) -> String {
    xid.map_or(0, TransactionId::as_u32).to_string()
}

fn seconds(time: Option<DateTime<Utc>>) -> String {
    time.map_or(0, |time| time.timestamp()).to_string()
}
