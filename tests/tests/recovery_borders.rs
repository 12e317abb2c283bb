//! Records that begin in one segment and end in the next: what two indexes keep of them against
//! the records themselves, in segments of 1 MB full of commits.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use pgdeck_engine::recovery::facts::{Carried, RecordKind, SegmentFacts};
use pgdeck_engine::recovery::sources::WalSources;
use pgdeck_engine::recovery::way::Way;
use pgdeck_engine::sys::disk::Disk;
use pgdeck_engine::wal::inspect::Expected;
use pgdeck_tests::planning::as_owner;
use pgdeck_tests::{Major, Repository, TestInstance};

fn known_by_their_beginnings(major: Major) {
    let builder = TestInstance::builder(major).initdb_option("--wal-segsize=1");
    let repository = Repository::start_with(builder.setting("autovacuum", "off"));
    let instance = &repository.instance;
    instance.sql("postgres", "create table marker (g int)");
    repository.backup(&[]);
    instance.sql(
        "postgres",
        "do $$ begin for i in 1..150000 loop insert into marker values (i); commit; end loop; end $$",
    );
    instance.switch_and_wait_archived();
    let site = repository.site();
    as_owner(&site, |_| {
        let expected = Expected { major: Some(major.number()), ..Expected::default() };
        let disk = Disk::real();
        let sources = WalSources::open(&disk, repository.destination(), &[], expected).unwrap();
        let timeline = *sources.timelines().first().unwrap();
        let first = *sources.numbers(timeline).first().unwrap();
        let way = Way::load(&sources, &sources.history(timeline), first);
        assert_eq!(way.broken, None);
        let (mut carried, mut commits) = (0, 0);
        for (at, leg) in way.legs.iter().enumerate() {
            let records = way.records(&sources, at).unwrap();
            let is_commit = |kind: &RecordKind| matches!(kind, RecordKind::Commit { .. });
            let read = records.iter().filter(|record| is_commit(&record.kind)).count() as u64;
            let facts = leg.facts.as_ref().unwrap();
            assert_eq!(facts.commits(), read, "{}", leg.found.segment);
            let last = records.iter().filter_map(|record| record.kind.commit_at()).max();
            assert_eq!(SegmentFacts::commit_last(facts), last);
            commits += read;
            match leg.carried() {
                Carried::Known(known) => {
                    assert_eq!((known.lsn, &known.kind), (records[0].lsn, &records[0].kind));
                    carried += 1;
                }
                Carried::None => assert!(!facts.index.continues_previous || at == 0),
                Carried::Unknown => panic!("{} is not known by its beginning", leg.found.segment),
            }
        }
        assert!(carried >= 3 && commits >= 150_000, "{carried} over borders, {commits} commits");
    });
}

#[test]
fn records_over_borders_on_13() {
    known_by_their_beginnings(Major::V13);
}

#[test]
fn records_over_borders_on_18() {
    known_by_their_beginnings(Major::V18);
}
