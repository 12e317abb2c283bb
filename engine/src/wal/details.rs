//! The part of a segment's index that only recovery asks about: which transactions ended, the
//! latest time, changed settings, and the records that go over the segment's borders.
//!
//! A record that begins in one segment and ends in the next is in neither index. The first
//! bytes of both parts are kept instead: together they say what the record is, and when.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::index::optional;
use crate::pg::types::Lsn;
use crate::pg::wal::{Carry, Meaning, Record, Segment, SourceSettings};

/// Bytes kept of each part of a record that goes over a border: a restore point has 98.
pub const HEAD_BYTES: usize = 128;
/// Changes of settings kept; each is a start of the server.
const CHANGES_MAX: usize = 1000;

/// What else a segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexDetails {
    /// The lowest and the highest number of a transaction that ended here.
    pub xids: Option<(u32, u32)>,
    /// The latest commit or abort.
    pub end_last: Option<DateTime<Utc>>,
    /// The latest time of any record that carries one.
    pub time_last: Option<DateTime<Utc>>,
    /// The record that begins here and goes on in the next segment.
    pub begun: Option<BegunRecord>,
    /// The rest of a record of the segment before.
    pub rest: Option<RecordRest>,
    /// Changes of settings, in order.
    pub changes: Vec<SettingsChange>,
}

/// The beginning of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BegunRecord {
    /// Where it begins.
    pub lsn: Lsn,
    /// Its first bytes, [`HEAD_BYTES`] at most.
    pub head: Vec<u8>,
}

/// The rest of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRest {
    /// Its bytes in all.
    pub bytes: u32,
    /// The first of them, [`HEAD_BYTES`] at most.
    pub head: Vec<u8>,
}

/// `XLOG_PARAMETER_CHANGE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingsChange {
    /// Where the record begins.
    pub lsn: Lsn,
    /// `wal_level` as a number; 0 is minimal, which recovery cannot pass.
    pub wal_level: u32,
    /// The others.
    pub settings: SourceSettings,
}

impl IndexDetails {
    pub(super) fn begin(&mut self, segment: Segment<'_>) {
        let rest = segment.rest_of_previous(HEAD_BYTES);
        self.rest = rest.map(|(bytes, head)| RecordRest { bytes, head: head.to_vec() });
    }

    pub(super) fn add(&mut self, record: &Record<'_>, meaning: &Meaning) {
        self.time_last = self.time_last.max(time_of(meaning));
        match meaning {
            Meaning::Transaction(end) if end.outcome.is_end() => {
                let xid = end.xid.as_u32();
                let (low, high) = self.xids.unwrap_or((xid, xid));
                self.end_last = self.end_last.max(end.at);
                self.xids = Some((low.min(xid), high.max(xid)));
            }
            Meaning::ParameterChange { wal_level: Some(wal_level), settings: Some(settings) } => {
                if let Some(lsn) = record.lsn().filter(|_| self.changes.len() < CHANGES_MAX) {
                    let (wal_level, settings) = (*wal_level, *settings);
                    self.changes.push(SettingsChange { lsn, wal_level, settings });
                }
            }
            _ => {}
        }
    }

    pub(super) fn end(&mut self, carry: Option<&Carry>) {
        self.begun = carry.and_then(|carry| {
            let (lsn, bytes) = carry.begun();
            Some(BegunRecord { lsn: lsn?, head: bytes[..bytes.len().min(HEAD_BYTES)].to_vec() })
        });
    }
}

/// The time a record carries.
#[must_use]
pub fn time_of(meaning: &Meaning) -> Option<DateTime<Utc>> {
    match meaning {
        Meaning::Transaction(end) => end.at,
        Meaning::RestorePoint { at, .. } | Meaning::EndOfRecovery { at, .. } => *at,
        Meaning::Checkpoint(checkpoint) => checkpoint.at,
        _ => None,
    }
}

/// Its form in the file.
#[derive(Deserialize, Serialize)]
pub(super) struct DetailsDocument {
    xids: Option<[u32; 2]>,
    end_last: Option<String>,
    time_last: Option<String>,
    begun: Option<BegunDocument>,
    rest: Option<RestDocument>,
    changes: Vec<ChangeDocument>,
}

#[derive(Deserialize, Serialize)]
struct BegunDocument {
    lsn: String,
    head: String,
}

#[derive(Deserialize, Serialize)]
struct RestDocument {
    bytes: u32,
    head: String,
}

#[derive(Deserialize, Serialize)]
struct ChangeDocument {
    lsn: String,
    wal_level: u32,
    settings: [u32; 5],
}

pub(super) fn time_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub(super) fn time(text: Option<String>) -> Option<Option<DateTime<Utc>>> {
    optional(text, |text| Some(DateTime::parse_from_rfc3339(&text).ok()?.with_timezone(&Utc)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    text.len().is_multiple_of(2).then(|| (0..text.len()).step_by(2).map(pair).collect()).flatten()
}

impl From<&IndexDetails> for DetailsDocument {
    fn from(details: &IndexDetails) -> Self {
        let change = |change: &SettingsChange| {
            let settings = &change.settings;
            ChangeDocument {
                lsn: change.lsn.to_string(),
                wal_level: change.wal_level,
                settings: [
                    settings.max_connections,
                    settings.max_worker_processes,
                    settings.max_wal_senders,
                    settings.max_prepared_transactions,
                    settings.max_locks_per_transaction,
                ],
            }
        };
        Self {
            xids: details.xids.map(|(low, high)| [low, high]),
            end_last: details.end_last.map(time_text),
            time_last: details.time_last.map(time_text),
            begun: details
                .begun
                .as_ref()
                .map(|one| BegunDocument { lsn: one.lsn.to_string(), head: hex(&one.head) }),
            rest: details
                .rest
                .as_ref()
                .map(|one| RestDocument { bytes: one.bytes, head: hex(&one.head) }),
            changes: details.changes.iter().map(change).collect(),
        }
    }
}

impl DetailsDocument {
    pub(super) fn into_details(self) -> Option<IndexDetails> {
        let change = |one: ChangeDocument| {
            let [connections, workers, senders, prepared, locks] = one.settings;
            Some(SettingsChange {
                lsn: one.lsn.parse().ok()?,
                wal_level: one.wal_level,
                settings: SourceSettings {
                    max_connections: connections,
                    max_worker_processes: workers,
                    max_wal_senders: senders,
                    max_prepared_transactions: prepared,
                    max_locks_per_transaction: locks,
                },
            })
        };
        let begun = match self.begun {
            Some(one) => {
                Some(BegunRecord { lsn: one.lsn.parse().ok()?, head: from_hex(&one.head)? })
            }
            None => None,
        };
        let rest = match self.rest {
            Some(one) => Some(RecordRest { bytes: one.bytes, head: from_hex(&one.head)? }),
            None => None,
        };
        Some(IndexDetails {
            xids: self.xids.map(|[low, high]| (low, high)),
            end_last: time(self.end_last)?,
            time_last: time(self.time_last)?,
            begun,
            rest,
            changes: self.changes.into_iter().map(change).collect::<Option<_>>()?,
        })
    }
}
