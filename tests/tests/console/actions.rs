//! Acting on a real server: what is confirmed happens, the truth is told and written down.

use pgdeck_tests::pty::keys;
use pgdeck_tests::{Console, Major, TestInstance, proc};

use crate::{PATIENCE, Stage, answer, escape, press, quit, ready};

fn prepare(stage: &Stage, database: &str, gid: &str) {
    let session = stage.instance.session(database);
    session.run("create table if not exists t (a int)");
    session.run(&format!("begin; insert into t values (1); prepare transaction '{gid}'"));
}

fn prepared(stage: &Stage) -> Vec<String> {
    stage.instance.query_texts("postgres", "select gid from pg_prepared_xacts order by gid")
}

fn count(stage: &Stage, database: &str) -> String {
    stage.instance.query_one_text(database, "select count(*) from t")
}

#[test]
fn commit_and_rollback_prepared_reach_their_databases_and_tell_the_truth() {
    let stage = Stage::new();
    stage.instance.sql("postgres", "create database bank");
    stage.instance.sql("postgres", "create database shop");
    prepare(&stage, "bank", "transfer-7001");
    prepare(&stage, "shop", "export-17");
    let console = stage.open();
    press(&console, "5", "2 prepared transactions");
    console.send("/transfer\r");
    console.wait_gone("export-17");
    press(&console, "C", "COMMIT PREPARED 'transfer-7001'");
    assert!(console.find("Database  bank").is_some());
    answer(&console, "wrong\r", "that is not it");
    assert_eq!(prepared(&stage), ["export-17", "transfer-7001"]);
    console.send(&keys::BACKSPACE.repeat(5));
    press(&console, "r-7001\r", "committed");
    console.wait_gone("transfer-7001 ");
    assert_eq!(
        (prepared(&stage), count(&stage, "bank")),
        (vec!["export-17".to_owned()], "1".to_owned())
    );
    escape(&console, "filter: transfer");
    console.wait_for("export-17");
    press(&console, "B", "ROLLBACK PREPARED 'export-17'");
    answer(&console, "ort-17\r", "rolled back");
    console.wait_for("No transaction is prepared");
    assert_eq!((prepared(&stage).len(), count(&stage, "shop")), (0, "0".to_owned()));
    // Both stand in the operations log, with the exact SQL and the result.
    press(&console, "O", "Operations log");
    console.wait_for("COMMIT PREPARED 'transfer-7001'");
    console.wait_for("ROLLBACK PREPARED 'export-17'");
    escape(&console, "Operations log");
    quit(&console);
}

#[test]
fn one_that_was_resolved_elsewhere_is_told_as_it_is() {
    let stage = Stage::new();
    prepare(&stage, "postgres", "elsewhere");
    let console = stage.open();
    press(&console, "5", "1 prepared transaction");
    press(&console, "C", "Type the end of the gid");
    stage.instance.sql("postgres", "rollback prepared 'elsewhere'");
    answer(&console, "sewhere\r", "that is not it");
    console.send(&keys::BACKSPACE.repeat(7));
    console.send("sewher");
    console.send(&keys::BACKSPACE.repeat(6));
    console.send("ewhere\r");
    console.wait_gone("Type the end");
    // Either seen before it was asked, or refused by the server: never "committed".
    let said = proc::wait_for(PATIENCE, || {
        console.find("no longer prepared").is_some()
            || console.find("there is no prepared transaction").is_some()
    });
    assert!(said, "{}", console.screen_text());
    assert!(console.find(" committed").is_none());
    console.wait_for("No transaction is prepared");
    quit(&console);
}

#[test]
fn a_query_is_cancelled_and_marked_sessions_are_terminated() {
    let instance = TestInstance::builder(Major::V15)
        .allow_log("canceling statement due to user request")
        .start();
    let stage = Stage::of(instance);
    let sleeper = stage.instance.session("postgres");
    let sleeps = sleeper.begin("select pg_sleep(600)");
    let others: Vec<_> = (0..3).map(|_| stage.instance.session("postgres")).collect();
    let console = stage.open();
    press(&console, "3", "4 clients");
    console.send("/pg_sleep\r");
    console.wait_gone(&others[0].pid().to_string());
    press(&console, "c", "Cancel query");
    assert!(console.find(&format!("SELECT pg_cancel_backend({})", sleeper.pid())).is_some());
    answer(&console, "y", "cancel: sent to 1 session");
    assert!(sleeps.wait().is_err());
    assert!(!sleeper.is_closed());
    escape(&console, "filter: pg_sleep");
    console.wait_for("4 clients");
    console.send(&format!("/!{}\r", sleeper.pid()));
    console.wait_for("filter: !");
    // Rows that were active a moment ago still change places: paused, they keep them.
    press(&console, "p", "PAUSED");
    press(&console, "g   ", "3 marked");
    press(&console, "t", "Terminate session");
    for session in &others {
        assert!(console.find(&session.pid().to_string()).is_some());
    }
    answer(&console, "y", "terminate: sent to 3 sessions");
    assert!(proc::wait_for(PATIENCE, || others.iter().all(|session| session.is_closed())));
    assert!(!sleeper.is_closed());
    console.send("p");
    console.wait_for("1 client:");
    quit(&console);
}

#[test]
fn a_query_of_a_megabyte_is_read_to_its_end() {
    let instance =
        TestInstance::builder(Major::V15).setting("track_activity_query_size", "1048576").start();
    let stage = Stage::of(instance);
    let session = stage.instance.session("postgres");
    // One statement: the whole text of a simple query is what pg_stat_activity shows.
    let mut text = String::from("select '\u{202e}\u{1b}[2J'\n");
    while text.len() < 900_000 {
        text.push_str("-- a line of a generated query \u{1b}[2J\n");
    }
    session.run(&format!("{text} as \"the end\""));
    // In ASCII: the emulator drops U+FFFD, which stands for what is not shown as itself.
    let console = stage.open();
    press(&console, "3", "1 client");
    press(&console, "\r", "Session ");
    // The whole text is fetched when it is asked for.
    console.wait_for("of 250");
    console.wait_gone("fetching the rest");
    press(&console, "G", "the end");
    press(&console, "g", "select '");
    let raw = String::from_utf8_lossy(&console.raw_output()).into_owned();
    assert!(!raw.contains("query \u{1b}[2J") && !raw.contains('\u{202e}'));
    escape(&console, "lines 1-");
    quit(&console);
}

#[test]
fn read_only_does_nothing_by_any_key() {
    let stage = Stage::new();
    prepare(&stage, "postgres", "kept");
    let session = stage.instance.session("postgres");
    let console = ready(stage.console().arg("--read-only").spawn());
    console.wait_for("READ-ONLY");
    press(&console, "3", "1 client");
    press(&console, "t", "terminate: pgdeck is read-only");
    press(&console, "c", "cancel: pgdeck is read-only");
    press(&console, "5", "1 prepared");
    press(&console, "C", "commit-prepared: pgdeck is read-only");
    press(&console, "B", "rollback-prepared: pgdeck is read-only");
    console.send("1");
    press(&console, "S", "stop: pgdeck is read-only");
    console.send(":stop\r");
    console.send(keys::ESC);
    console.wait_gone("Commands:");
    quit(&console);
    assert!(!session.is_closed());
    assert_eq!(prepared(&stage), ["kept"]);
    assert!(stage.instance.is_running());
}

#[test]
fn keys_typed_ahead_confirm_nothing() {
    let stage = Stage::new();
    let session = stage.instance.session("postgres");
    let console = stage.open();
    press(&console, "3", "1 client");
    // As pasted, or typed before the dialog could be seen.
    console.send("ty");
    console.wait_for("Terminate session");
    escape(&console, "Terminate session");
    assert!(!session.is_closed());
    quit(&console);
}

#[test]
fn several_instances_are_switched_between() {
    let (one, other) = (
        TestInstance::builder(Major::V15).name("alpha").start(),
        TestInstance::builder(Major::V18).name("beta").start(),
    );
    let home = pgdeck_tests::Home::new();
    let entry = |instance: &TestInstance| {
        format!(
            "[[instance]]\nname = \"{}\"\ndata_directory = \"{}\"\n",
            instance.name(),
            instance.data_directory().display()
        )
    };
    let file = home.write("pgdeck.toml", &format!("{}{}", entry(&one), entry(&other)));
    let state = one.make_directory("state");
    let console = Console::pgdeck()
        .args(["--config".as_ref(), file.as_os_str(), "--state-dir".as_ref(), state.as_os_str()])
        .timeout(PATIENCE)
        .spawn();
    console.wait_for("STARTED");
    press(&console, "i", "alpha");
    console.wait_for("beta");
    // Others of this machine may be listed, too: the filter of the list is its order by name.
    let goes = proc::wait_for(PATIENCE, || {
        console.send(keys::ESC);
        console.wait_gone("Instances");
        console.send("n");
        let _ = console.try_wait_for("beta@");
        console.find("beta@").is_some()
    });
    assert!(goes, "{}", console.screen_text());
    console.wait_for("18.");
    quit(&console);
}
