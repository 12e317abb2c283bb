//! Servers that fail: each is a state with a next step, and recovers by itself.

use std::os::unix::fs::PermissionsExt;

use pgdeck_tests::pty::keys;
use pgdeck_tests::{Console, Major, TestInstance, proc};

use crate::{PATIENCE, Stage, answer, escape, press, quit};

#[test]
fn a_killed_server_is_a_state_with_a_next_step_and_comes_back() {
    let stage = Stage::new();
    let console = stage.open();
    stage.instance.kill9();
    console.wait_for("CRASHED");
    console.wait_for("s starts it: it recovers by itself");
    console.wait_for("in production");
    press(&console, "s", "Start instance");
    answer(&console, "y", "done  ");
    console.send(keys::ESC);
    console.wait_for("STARTED");
    console.wait_for("timeline 1");
    quit(&console);
}

#[test]
fn a_restart_elsewhere_is_followed() {
    let stage = Stage::new();
    let console = stage.open();
    stage.instance.stop(pgdeck_tests::StopMode::Fast);
    console.wait_for("STOPPED");
    console.wait_for("s starts it");
    press(&console, "3", "3 Connections");
    stage.instance.start();
    console.wait_for("STARTED");
    console.wait_for("0 clients");
    quit(&console);
}

#[test]
fn a_server_that_hangs_freezes_nothing() {
    let stage = Stage::new();
    let _session = stage.instance.session("postgres");
    let console = stage.open();
    press(&console, "3", "1 client");
    stage.instance.sigstop_all();
    console.wait_for("STALE");
    // Keys work on, and the old values stand.
    press(&console, "2", "2 Storage");
    press(&console, "3", "1 client");
    press(&console, "1", "Health");
    console.wait_for("SUSPENDED");
    stage.instance.sigcont();
    console.wait_for("STARTED");
    console.wait_gone("STALE");
    quit(&console);
}

#[test]
fn a_wrong_password_is_told_with_the_next_step_and_retried() {
    let instance = TestInstance::builder(Major::V15)
        .allow_log("password authentication failed")
        .allow_log("no password supplied")
        .start();
    instance.sql("postgres", "create role watcher login superuser password 'right'");
    let stage = Stage::of(instance);
    let dsn = format!("{} user=watcher", stage.instance.tcp_conninfo());
    stage.instance.set_hba("local all all trust\nhost all watcher all scram-sha-256\n");
    stage.instance.reload();
    let home = pgdeck_tests::Home::new();
    home.write(".pgpass", "*:*:*:watcher:wrong\n");
    let console = Console::pgdeck()
        .args(["--dsn".as_ref(), dsn.as_ref(), "--state-dir".as_ref(), stage.state.as_os_str()])
        .home(&home)
        .timeout(PATIENCE)
        .spawn();
    console.wait_for("password");
    console.wait_for("UNREACHABLE");
    press(&console, "7", "1 message");
    press(&console, "\r", "SOLUTION");
    escape(&console, "SOLUTION");
    home.write(".pgpass", "*:*:*:watcher:right\n");
    console.send("1");
    console.send("R");
    console.wait_for("STARTED");
    console.wait_for("timeline 1");
    press(&console, "2", "Its disks are on another machine.");
    quit(&console);
}

#[test]
fn a_log_that_cannot_be_read_says_so() {
    let instance = TestInstance::builder(Major::V15).logging_collector("stderr").start();
    let stage = Stage::of(instance);
    let console = stage.open();
    press(&console, "6", "following");
    console.wait_for("database system is ready");
    let directory = stage.instance.data_directory().join("log");
    let before = std::fs::metadata(&directory).unwrap().permissions();
    let away = stage.instance.data_directory().join("log.away");
    std::fs::rename(&directory, &away).unwrap();
    console.send("R");
    let is_told = || console.try_wait_for("STALE").or_else(|_| console.try_wait_for("log"));
    is_told().unwrap();
    press(&console, "7", "log");
    std::fs::rename(&away, &directory).unwrap();
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(before.mode())).unwrap();
    quit(&console);
}

#[test]
fn five_hundred_sessions_scroll_and_are_found() {
    let instance = TestInstance::builder(Major::V15)
        .setting("max_connections", "540")
        .setting("shared_buffers", "16MB")
        .start();
    let stage = Stage::of(instance);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let clients: Vec<_> = runtime.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..500 {
            clients.push(stage.instance.connect("postgres").await);
        }
        clients
    });
    let console = stage.open();
    press(&console, "3", "500 clients");
    let first = console.rows()[4].clone();
    console.send("G");
    console.wait_gone(&first);
    let last = console.rows();
    console.send("g");
    console.wait_for(&first);
    assert_ne!(last, console.rows());
    for _ in 0..20 {
        console.send(keys::PAGE_DOWN);
    }
    console.wait_gone(&first);
    console.send("g");
    console.wait_for(&first);
    // One of them by its pid.
    let pid = stage.instance.query_one_text(
        "postgres",
        "select max(pid) from pg_stat_activity where backend_type = 'client backend' \
         and application_name = 'pgdeck-tests' and pid <> pg_backend_pid()",
    );
    console.send(&format!("/{pid}\r"));
    console.wait_for("filter:");
    console.wait_for(&format!("{pid} pgdeck-tests"));
    quit(&console);
    drop(clients);
}

#[test]
fn no_free_connection_slot_is_told() {
    let instance = TestInstance::builder(Major::V15)
        .setting("max_connections", "8")
        .setting("superuser_reserved_connections", "0")
        .setting("max_wal_senders", "0")
        .allow_log("too many clients already")
        .start();
    let stage = Stage::of(instance);
    let sessions: Vec<_> = (0..8).map(|_| stage.instance.session("postgres")).collect();
    let console = stage.console().spawn();
    console.wait_for("STARTED");
    console.wait_for("NOT CONNECTED");
    console.wait_for("too many clients");
    drop(sessions);
    console.wait_for("timeline 1");
    console.wait_gone("NOT CONNECTED");
    quit(&console);
}

/// When the selected message began, as its detail view says.
fn beginning(console: &Console) -> String {
    press(console, "\r", "SOLUTION");
    let rows = console.rows();
    let since = rows.iter().find_map(|row| row.split_once("since ")).unwrap().1;
    let since = since.trim_matches([' ', '|']).to_owned();
    escape(console, "SOLUTION");
    since
}

#[test]
fn a_condition_that_holds_keeps_its_beginning_when_no_console_looks() {
    let instance = TestInstance::builder(Major::V15).setting("max_connections", "14").start();
    let stage = Stage::of(instance);
    let _sessions: Vec<_> = (0..11).map(|_| stage.instance.session("postgres")).collect();
    let console = stage.open();
    press(&console, "7", "of 14 connection");
    // Long enough for the journal to be written.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let first = beginning(&console);
    quit(&console);
    let next = stage.open();
    press(&next, "7", "of 14 connection");
    let is_kept = proc::wait_for(PATIENCE, || beginning(&next) == first);
    assert!(is_kept, "{first} has become {}", beginning(&next));
    quit(&next);
}
