//! A plan over an archive of ten thousand indexed segments. The segments are copies of nothing:
//! only names, sizes and indexes are looked at.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]
// The note about the time is for whoever runs this test.
#![allow(clippy::print_stdout)]

use std::fs;
use std::time::Instant;

use pgdeck_engine::api::{RecoveryRequest, RecoveryTarget};
use pgdeck_engine::pg::types::Lsn;
use pgdeck_engine::pg::wal::{SegmentName, SegmentSize};
use pgdeck_engine::recovery::plan;
use pgdeck_engine::wal::index::SegmentIndex;
use pgdeck_tests::planning::{as_owner, site};
use pgdeck_tests::{Major, Repository};

const SEGMENTS: u64 = 10_000;

#[test]
fn ten_thousand_indexed_segments_take_no_time() {
    let repository = Repository::start(Major::V16);
    let instance = &repository.instance;
    instance.sql("postgres", "create table marker (name text)");
    repository.backup(&[]);
    instance.sql("postgres", "insert into marker values ('a')");
    let last = instance.switch_and_wait_archived();
    let archive = repository.destination().join("archived_wal");
    let size = SegmentSize::DEFAULT;
    let last = SegmentName::parse(&last).unwrap();
    let number = last.number(size).unwrap();
    let text = fs::read(archive.join(format!("{last}.idx"))).unwrap();
    let index = SegmentIndex::from_text(&text).unwrap();
    for further in 1..=SEGMENTS {
        let name = SegmentName::new(last.timeline(), number + further, size).unwrap();
        let moved = further * u64::from(size.bytes());
        let shift = |lsn: Option<Lsn>| lsn.and_then(|lsn| Lsn::from_u64(lsn.as_u64() + moved));
        let mut copy = index.clone();
        copy.segment = name;
        copy.first_lsn = shift(copy.first_lsn);
        copy.last_lsn = shift(copy.last_lsn);
        copy.end_lsn = shift(copy.end_lsn);
        fs::write(archive.join(format!("{name}.zst")), "not looked at").unwrap();
        fs::write(archive.join(format!("{name}.idx")), copy.to_text()).unwrap();
    }
    let gone = site(&instance.directory().join("gone"), repository.destination());
    let request = RecoveryRequest {
        destination: Some(repository.destination().to_path_buf()),
        target: RecoveryTarget::Latest,
        ..RecoveryRequest::default()
    };
    let begun = Instant::now();
    let plan = as_owner(&gone, |site| plan::plan(site, &request)).unwrap();
    let took = begun.elapsed();
    println!("a plan over {SEGMENTS} segments took {took:?}");
    assert_eq!(plan.wal.len(), 1);
    assert!(plan.wal[0].segments > SEGMENTS);
    // A build for tests on a machine that does other things; optimised it is below a second.
    assert!(took.as_secs() < 60, "{took:?}");
}
