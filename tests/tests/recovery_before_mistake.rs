//! Mistakes are found in the WAL, and the moment before them is a target.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

#[path = "planned/mod.rs"]
mod planned;

use std::sync::atomic::AtomicBool;

use pgdeck_engine::api::{MistakeKind, MistakeQuery, RecoveryRequest, RecoveryTarget, TargetBound};
use pgdeck_engine::recovery::mistakes;
use pgdeck_tests::Major;
use pgdeck_tests::planning::as_owner;
use planned::with_backup;

#[test]
fn mistakes_are_found_with_the_moment_before_them() {
    let (repository, _) = with_backup(Major::V15);
    let instance = &repository.instance;
    let text = |query: &str| instance.query_one_text("postgres", query);
    instance.sql(
        "postgres",
        "create table big as select g from generate_series(1, 5000) g;
         create table small as select g from generate_series(1, 10) g;
         create table gone as select 1 as a",
    );
    let number = |name: &str| text(&format!("select pg_relation_filenode('{name}')::text"));
    let (big, gone) = (number("big"), number("gone"));
    instance.sql("postgres", "delete from small");
    instance.sql("postgres", "begin; savepoint one; delete from big; release one; commit");
    instance.sql("postgres", "begin; delete from big; rollback");
    instance.sql("postgres", "drop table gone");
    instance.switch_and_wait_archived();
    let search = |relation: Option<String>| {
        let query = MistakeQuery {
            destination: Some(repository.destination().to_path_buf()),
            relation,
            deleted_rows_min: 1000,
            ..MistakeQuery::default()
        };
        let stop = AtomicBool::new(false);
        let found = as_owner(&repository.site(), |site| {
            mistakes::find(site, &query, &stop, &mut |_, _| ())
        });
        found.unwrap()
    };
    let deleted = search(Some(big));
    assert_eq!(deleted.len(), 1, "{deleted:?}");
    assert_eq!((deleted[0].kind, deleted[0].rows), (MistakeKind::Delete, 5000));
    let dropped = search(Some(gone));
    assert_eq!(dropped.len(), 1, "{dropped:?}");
    assert_eq!(dropped[0].kind, MistakeKind::Drop);
    let all = search(None);
    assert!(all.len() >= 2 && all[0].commit_lsn >= all[1].commit_lsn, "{all:?}");
    // The moment before is a target.
    let request = RecoveryRequest {
        target: RecoveryTarget::Lsn(dropped[0].commit_lsn),
        bound: TargetBound::Exclusive,
        ..RecoveryRequest::default()
    };
    let plan = repository.plan_beside(request).unwrap();
    assert_eq!(plan.stop.record, Some(dropped[0].commit_lsn));
    let by_xid = RecoveryRequest {
        target: RecoveryTarget::Xid(dropped[0].xid),
        bound: TargetBound::Exclusive,
        ..RecoveryRequest::default()
    };
    assert_eq!(repository.plan_beside(by_xid).unwrap().stop, plan.stop);
}
