//! Right after recovery: prepared transactions, large objects, unlogged tables, tablespaces, hash
//! indexes, and databases that were created in the WAL that is replayed.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use pgdeck_tests::{Major, Recovered, Repository, StopMode, TestInstance};

fn everything(major: Major) {
    let repository = Repository::start_with(TestInstance::builder(major).wal_elsewhere());
    let instance = &repository.instance;
    let space = instance.make_directory("space");
    let sql = |text: &str| instance.sql("postgres", text);
    sql(&format!("create tablespace space location '{}'", space.display()));
    sql("create table marker (n int)");
    sql("create table before_backup tablespace space as select g from generate_series(1, 1000) g");
    sql("create table hashed (k text); create index hashed_k on hashed using hash (k)");
    sql("create unlogged table scratch as select g from generate_series(1, 100) g");
    sql("create unlogged table emptied (a int)");
    sql("create table old_file as select g from generate_series(1, 50) g");
    sql("begin; insert into marker values (1); prepare transaction 'before the backup'");
    repository.backup(&["--type", "full"]);
    sql("commit prepared 'before the backup'");
    sql("begin; insert into marker values (2); prepare transaction 'left over'");
    sql("begin; insert into marker values (3); prepare transaction 'undone'");
    sql("rollback prepared 'undone'");
    sql("select lo_from_bytea(4711, decode(repeat('ab', 100000), 'hex'))");
    sql("insert into hashed select md5(g::text) from generate_series(1, 5000) g");
    sql("create table behind_backup tablespace space as select g from generate_series(1, 2000) g");
    sql("insert into emptied values (1)");
    sql("truncate old_file");
    sql(
        "create table wide as select repeat(md5(g::text), 2000) as t from generate_series(1, 20) g",
    );
    sql("create database made");
    instance.sql("made", "create table inside as select g from generate_series(1, 300) g");
    if major >= Major::V15 {
        sql("create database copied strategy = file_copy");
    }
    sql("create database dropped");
    sql("drop database dropped");
    let oid = instance
        .query_one_text("postgres", "select oid from pg_tablespace where spcname = 'space'");
    instance.stop(StopMode::Fast);

    let moved = instance.directory().join("moved");
    let wal = instance.directory().join("moved_wal");
    let tablespace = format!("{oid}={}", moved.display());
    let options = ["--tablespace", &tablespace, "--wal-dir", wal.to_str().unwrap()];
    let plan = repository.dry_run(&options);
    assert_eq!(plan["tablespaces"][0]["source"], space.to_str().unwrap());
    assert_eq!(plan["tablespaces"][0]["directory"], moved.to_str().unwrap());
    assert_eq!(plan["wal_directory"], wal.to_str().unwrap());
    let recovered = repository.recovered(&[&options[..], &["--action", "promote"]].concat());
    assert!(wal.join("archive_status").is_dir() && moved.read_dir().unwrap().count() > 0);
    check(&recovered, major);
    drop(recovered);
    // The instance's own tablespace and WAL are where they were.
    assert!(space.read_dir().unwrap().count() > 0);
    instance.start();
    instance.sql("postgres", "commit prepared 'left over'");
    assert_eq!(instance.query_one_text("postgres", "select count(*) from behind_backup"), "2000");
}

#[track_caller]
fn check(recovered: &Recovered, major: Major) {
    assert_eq!(recovered.markers(), "1");
    assert_eq!(recovered.query("select string_agg(gid, ' ') from pg_prepared_xacts"), "left over");
    recovered.session("postgres").run("commit prepared 'left over'");
    assert_eq!(recovered.markers(), "1 2");
    assert_eq!(recovered.query("select length(lo_get(4711))"), "100000");
    assert_eq!(recovered.query("select count(*) from before_backup"), "1000");
    assert_eq!(recovered.query("select count(*) from behind_backup"), "2000");
    assert_eq!(recovered.query("select count(*) from old_file"), "0");
    assert_eq!(recovered.query("select count(distinct length(t)) from wide"), "1");
    for unlogged in ["scratch", "emptied"] {
        let count = recovered.query(&format!("select count(*) from {unlogged}"));
        assert_eq!(count, "0", "{unlogged} is unlogged: it is there, and empty");
    }
    let by_hash = recovered.session("postgres");
    by_hash.run("set enable_seqscan = off; set enable_bitmapscan = off");
    let plan = by_hash.query_one_text("explain select * from hashed where k = md5('77')");
    assert!(plan.contains("hashed_k"), "{plan}");
    for number in [1, 77, 5000] {
        let text = format!("select count(*) from hashed where k = md5('{number}')");
        assert_eq!(by_hash.query_one_text(&text), "1");
    }
    let databases = recovered.query(
        "select string_agg(datname, ' ' order by datname) from pg_database where not datistemplate",
    );
    let expected = if major >= Major::V15 { "copied made postgres" } else { "made postgres" };
    assert_eq!(databases, expected);
    let inside = recovered.session("made").query_one_text("select count(*) from inside");
    assert_eq!(inside, "300");
}

pgdeck_tests::for_every_major! { everything }
