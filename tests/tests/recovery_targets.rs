//! Markers around every kind of target, inclusive and exclusive, on every major version: exactly
//! the right ones survive, and the server is where the plan said.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use pgdeck_tests::{Major, Recovered, Repository, StopMode, TestInstance};
use serde_json::Value;

/// Where the markers are.
struct Marks {
    /// The moment the second marker committed.
    time: String,
    /// The transaction of the fourth.
    xid: String,
    /// The commit record of the fifth.
    lsn: String,
}

/// A target, an action, and the markers that must be there.
struct Case {
    options: Vec<String>,
    markers: &'static str,
}

fn mark(repository: &Repository, number: u32) {
    let text = format!("insert into marker values ({number})");
    repository.instance.sql("postgres", &text);
}

/// Inserts a marker and finds the beginning of its commit record. Another process may write a
/// record in between; then the distance shows it, and it is tried again.
fn mark_with_commit_lsn(repository: &Repository, number: u32) -> String {
    let session = repository.instance.session("postgres");
    for _ in 0..20 {
        session.run(&format!("begin; insert into marker values ({number})"));
        let before = session.query_one_text("select pg_current_wal_insert_lsn()");
        session.run("commit");
        let length = session
            .query_one_text(&format!("select pg_current_wal_insert_lsn() - '{before}'::pg_lsn"));
        if length.parse::<u64>().unwrap() <= 64 {
            return before;
        }
        session.run(&format!("delete from marker where n = {number}"));
    }
    panic!("other processes write WAL all the time");
}

fn chain(major: Major) -> (Repository, Marks) {
    let builder = TestInstance::builder(major)
        .initdb_option("--wal-segsize=1")
        .setting("track_commit_timestamp", "on")
        .setting("autovacuum", "off");
    let repository = Repository::start_with(builder);
    let instance = &repository.instance;
    instance.sql("postgres", "create table marker (n int)");
    mark(&repository, 0);
    repository.backup(&["--type", "full"]);
    mark(&repository, 1);
    mark(&repository, 2);
    let time = instance.query_one_text(
        "postgres",
        "select to_char(pg_xact_commit_timestamp(xmin) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || 'Z'
           from marker where n = 2",
    );
    repository.archive();
    mark(&repository, 3);
    instance.sql("postgres", "select pg_create_restore_point('batch')");
    mark(&repository, 4);
    let xid = instance.query_one_text("postgres", "select xmin from marker where n = 4");
    repository.archive();
    let lsn = mark_with_commit_lsn(&repository, 5);
    mark(&repository, 6);
    repository.archive();
    // Never archived: it is in the old pg_wal only.
    mark(&repository, 7);
    (repository, Marks { time, xid, lsn })
}

fn cases(marks: &Marks) -> Vec<Case> {
    let case = |words: &[&str], markers| Case {
        options: words.iter().map(|word| (*word).to_owned()).collect(),
        markers,
    };
    vec![
        case(&["--immediate"], "0"),
        case(&["-e", &marks.time], "0 1 2"),
        case(&["-e", &marks.time, "--exclusive"], "0 1"),
        case(&["-n", "batch"], "0 1 2 3"),
        case(&["-n", "batch", "--exclusive"], "0 1 2 3"),
        case(&["--xid", &marks.xid], "0 1 2 3 4"),
        case(&["--xid", &marks.xid, "--exclusive"], "0 1 2 3"),
        case(&["--lsn", &marks.lsn], "0 1 2 3 4 5"),
        case(&["--lsn", &marks.lsn, "--exclusive"], "0 1 2 3 4"),
        case(&[], "0 1 2 3 4 5 6 7"),
    ]
}

/// What the plan says of the end is so.
#[track_caller]
fn assert_where_planned(plan: &Value, recovered: &Recovered, is_paused: bool) {
    let reached = plan["stop"]["reached"].as_str().unwrap();
    assert_eq!(recovered.state["plan"]["stop"], plan["stop"], "the plan that was carried out");
    if is_paused {
        assert_eq!(recovered.state["phase"], "paused");
        assert_eq!(recovered.query("select pg_last_wal_replay_lsn()"), reached);
        assert_eq!(recovered.query("select pg_is_in_recovery()"), "t");
        return;
    }
    assert_eq!(recovered.state["phase"], "promoted");
    assert_eq!(recovered.query("select pg_is_in_recovery()"), "f");
    let history = std::fs::read_to_string(recovered.directory().join("pg_wal/00000002.history"));
    let fork = history.unwrap().split_whitespace().nth(1).unwrap().to_owned();
    assert_eq!(fork, reached, "the timeline begins where replay ended");
}

fn every_target(major: Major) {
    let (repository, marks) = chain(major);
    repository.instance.stop(StopMode::Fast);
    for (number, case) in cases(&marks).iter().enumerate() {
        let is_paused = number % 2 == 0;
        let plan = repository.dry_run(&case.options);
        let mut options = case.options.clone();
        options.extend([
            "--action".to_owned(),
            if is_paused { "pause" } else { "promote" }.to_owned(),
        ]);
        let recovered = repository.recovered(&options);
        assert_eq!(recovered.markers(), case.markers, "{:?}", case.options);
        assert_where_planned(&plan, &recovered, is_paused);
    }
    // Nothing of this has touched the instance.
    repository.instance.start();
    let all = "select string_agg(n::text, ' ' order by n) from marker";
    assert_eq!(repository.instance.query_one_text("postgres", all), "0 1 2 3 4 5 6 7");
    repository.instance.finish().unwrap();
}

macro_rules! for_every_major {
    ($($name:ident = $major:ident;)*) => { $(
        #[test]
        fn $name() {
            every_target(Major::$major);
        }
    )* };
}

for_every_major! {
    targets_on_13 = V13;
    targets_on_14 = V14;
    targets_on_15 = V15;
    targets_on_16 = V16;
    targets_on_17 = V17;
    targets_on_18 = V18;
}
