//! What a power cut leaves of the last WAL: the plan ends where the server's own crash recovery
//! would, and the recovery gets there.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use pgdeck_engine::api::{Lsn, RecoveryPlan, RecoveryRequest, WalSource};
use pgdeck_engine::pg::wal::{SegmentName, SegmentSize};
use pgdeck_tests::{Major, Repository};

const PAGE: usize = 8192;
const COUNT: &str = "select count(*)::text from rows where n > 0";
const NO_OPTIONS: [&str; 0] = [];

/// A cluster that ended at once, with a few segments that were never archived.
struct Crashed {
    repository: Repository,
    size: SegmentSize,
}

/// The last segment of the old `pg_wal`.
struct Last {
    path: PathBuf,
    content: Vec<u8>,
    start: u64,
}

impl Last {
    fn offset(&self, lsn: Lsn) -> usize {
        usize::try_from(lsn.as_u64() - self.start).unwrap()
    }

    /// Writes what a power cut may have left of it.
    fn tear(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut content = self.content.clone();
        change(&mut content);
        fs::write(&self.path, content).unwrap();
    }

    /// Fills from an offset with bytes that are neither WAL nor zeros, up to the segment's end.
    fn garbage(content: &mut [u8], from: usize) {
        for (at, byte) in content.iter_mut().enumerate().skip(from) {
            *byte = u8::try_from((at * 31 + 7) % 251).unwrap();
        }
    }

    /// Makes a page look as one that was written, with nothing before it that was.
    fn later_page(&self, content: &mut [u8], page: usize) {
        let at = page * PAGE;
        let header: Vec<u8> = self.content[PAGE..PAGE + 24].to_vec();
        content[at..at + 24].copy_from_slice(&header);
        let address = self.start + u64::try_from(at).unwrap();
        content[at + 8..at + 16].copy_from_slice(&address.to_le_bytes());
        content[at + 64..at + 4000].fill(0x5A);
    }
}

impl Crashed {
    fn new(major: Major) -> Self {
        let repository = Repository::start_small(major);
        let _ = repository.backup(&[]);
        let instance = &repository.instance;
        for line in ["archive command failed", "The failed archive", "archiving write-ahead"] {
            instance.allow_log(line);
        }
        instance.set("archive_command", "false");
        instance.reload();
        for round in 1..=3 {
            let update =
                format!("update rows set n = {round} where id <= {round} * 1000 and n = 0");
            instance.sql("postgres", &update);
        }
        // The last commit is a transaction of its own.
        instance.sql("postgres", "update rows set n = 9 where id = 5000");
        instance.kill9();
        let size = SegmentSize::from_bytes(1 << 20).unwrap();
        Self { repository, size }
    }

    fn plan(&self) -> RecoveryPlan {
        self.repository.plan(RecoveryRequest::default()).unwrap()
    }

    fn last(&self, plan: &RecoveryPlan) -> Last {
        let run = plan.wal.last().unwrap();
        assert_eq!(run.source, WalSource::OldWal);
        let name = SegmentName::parse(&run.last).unwrap();
        let path = self.repository.instance.data_directory().join("pg_wal").join(name.to_string());
        let content = fs::read(&path).unwrap();
        Last { path, content, start: name.start_byte(self.size).unwrap() }
    }

    /// Recovers to the latest position, which must be what the plan said, and undoes it.
    /// Rows that were changed.
    fn reaches(&self, plan: &RecoveryPlan) -> u64 {
        let recovered = self.repository.recovered_in_place(&NO_OPTIONS);
        let reached = recovered.query("select pg_last_wal_replay_lsn()::text");
        assert_eq!(reached, plan.stop.reached.to_string());
        let count = recovered.query(COUNT).parse().unwrap();
        self.repository.recover(&["undo", "--yes"]).finish().expect_code(0);
        count
    }

    fn starts_as_before(&self) {
        self.repository.instance.allow_log("database system was not properly shut down");
        self.repository.instance.start();
        assert_eq!(self.repository.instance.query_one_text("postgres", COUNT), "3001");
    }
}

/// Pages behind the end that no server would have left; a page with the end that is lost while
/// later ones are there.
#[test]
fn pages_out_of_order_on_17() {
    let crashed = Crashed::new(Major::V17);
    let whole = crashed.plan();
    let last = crashed.last(&whole);
    let end = last.offset(whole.stop.reached);
    last.tear(|content| {
        Last::garbage(content, end);
        last.later_page(content, end / PAGE + 3);
    });
    let plan = crashed.plan();
    assert_eq!(plan.stop, whole.stop);
    assert_eq!(crashed.reaches(&plan), 3001);

    let page = last.offset(whole.stop.record.unwrap()) / PAGE;
    last.tear(|content| {
        content[page * PAGE..(page + 1) * PAGE].fill(0);
        last.later_page(content, page + 1);
        last.later_page(content, page + 2);
    });
    let plan = crashed.plan();
    assert!(plan.stop.reached < whole.stop.record.unwrap());
    assert!(crashed.reaches(&plan) <= 3000);

    fs::write(&last.path, &last.content).unwrap();
    crashed.starts_as_before();
}

/// Half of the last record, whose transaction then never was; a last segment of garbage.
#[test]
fn half_a_record_and_a_lost_segment_on_13() {
    let crashed = Crashed::new(Major::V13);
    let whole = crashed.plan();
    let last = crashed.last(&whole);
    let record = last.offset(whole.stop.record.unwrap());
    last.tear(|content| {
        content[record + 12..].fill(0);
        last.later_page(content, record / PAGE + 1);
    });
    let plan = crashed.plan();
    assert_eq!(Some(plan.stop.reached), whole.stop.record);
    assert_eq!(crashed.reaches(&plan), 3000);

    last.tear(|content| Last::garbage(content, 0));
    let plan = crashed.plan();
    assert!(plan.stop.reached.as_u64() <= last.start);
    assert!(crashed.reaches(&plan) <= 3000);

    fs::write(&last.path, &last.content).unwrap();
    crashed.starts_as_before();
}
