//! The fixture proves itself: an instance of every major, its log, its end, and a terminal.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use pgdeck_tests::instance::InstanceBuilder;
use pgdeck_tests::proc::{self, ProcessState};
use pgdeck_tests::{Major, Run, StopMode, TestInstance, for_every_major};

const SOON: Duration = Duration::from_secs(10);

/// What an instance leaves behind in the kernel and in `/tmp`.
struct Traces {
    directory: PathBuf,
    pid: i32,
    segment: String,
}

impl Traces {
    fn of(instance: &TestInstance) -> Self {
        let pid_file = instance.data_directory().join("postmaster.pid");
        let pid_file = fs::read_to_string(pid_file).unwrap();
        let segment = pid_file.lines().nth(6).unwrap().split_whitespace().nth(1).unwrap();
        let pid = instance.postmaster_pid().unwrap();
        assert!(Run::program("ipcs").arg("-m").finish().stdout.contains(&format!(" {segment} ")));
        Self { directory: instance.directory().to_owned(), pid, segment: segment.to_owned() }
    }

    fn assert_gone(&self) {
        assert!(proc::is_gone(self.pid), "the postmaster {} lives", self.pid);
        assert!(!self.directory.exists(), "{} exists", self.directory.display());
        let segments = Run::program("ipcs").arg("-m").finish().stdout;
        assert!(!segments.contains(&format!(" {} ", self.segment)), "{segments}");
    }
}

fn starts_reports_stops_and_leaves_nothing(major: Major) {
    let instance = TestInstance::start_plain(major);
    let traces = Traces::of(&instance);
    let number = instance.query_one_text("postgres", "show server_version_num");
    assert_eq!(number[..2], major.to_string(), "{number}");
    assert_eq!(instance.query_one_text("postgres", "show max_prepared_transactions"), "64");
    assert!(major.version().starts_with(&format!("{major}.")));

    instance.stop(StopMode::Fast);
    assert!(!instance.is_running());
    assert_eq!(instance.processes(), Vec::<i32>::new());
    instance.start();
    assert!(instance.is_running());
    instance.finish().unwrap();
    traces.assert_gone();
}

for_every_major! { starts_reports_stops_and_leaves_nothing }

#[test]
fn builder_shapes_the_instance() {
    let instance = TestInstance::builder(Major::V17)
        .name("inst1")
        .setting("max_connections", "20")
        .setting("cluster_name", "it's")
        .initdb_option("--data-checksums")
        .wal_elsewhere()
        .hba("local all postgres trust\n")
        .start();
    let show = |name: &str| instance.query_one_text("postgres", &format!("show {name}"));
    assert_eq!(show("max_connections"), "20");
    assert_eq!(show("cluster_name"), "it's");
    assert_eq!(show("data_checksums"), "on");
    assert_eq!(show("port"), instance.port().to_string());
    assert!(instance.data_directory().ends_with("inst1"));
    assert!(fs::read_link(instance.data_directory().join("pg_wal")).is_ok());

    // pg_hba.conf has no line for TCP.
    let mut only_tcp = tokio_postgres::Config::new();
    only_tcp.host("127.0.0.1").port(instance.port()).user("postgres");
    assert!(pgdeck_tests::Session::open(&only_tcp).is_err());
    instance.allow_log("FATAL:  no pg_hba.conf entry");
    instance.set_hba("local all all trust\nhost all all 127.0.0.1/32 trust\n");
    instance.reload();
    assert!(pgdeck_tests::Session::open(&only_tcp).is_ok());
    instance.finish().unwrap();
}

#[test]
fn two_instances_live_side_by_side() {
    let one = TestInstance::start_plain(Major::V15);
    let two = TestInstance::start_plain(Major::V15);
    assert_ne!(one.port(), two.port());
    let identifier = |instance: &TestInstance| {
        instance.query_one_text("postgres", "select system_identifier from pg_control_system()")
    };
    assert_ne!(identifier(&one), identifier(&two));
    one.sql("postgres", "create table only_here (a int)");
    assert!(two.try_sql("postgres", "select * from only_here").is_err());
    two.allow_log("relation \"only_here\" does not exist");
    one.finish().unwrap();
    two.finish().unwrap();
}

fn provoke_an_error(builder: InstanceBuilder, from: &str) {
    let instance = builder.start();
    assert!(instance.try_sql("postgres", "select 1/0").is_err());
    let directory = instance.directory().to_owned();
    let findings = instance.finish().unwrap_err();
    assert!(directory.exists(), "the directory is kept for a look");
    assert!(!findings.lines.is_empty());
    for line in &findings.lines {
        assert!(line.contains("ERROR:  division by zero"), "{line}");
    }
    assert!(findings.lines.iter().any(|line| line.contains(from)), "{findings}");
    findings.discard();
    assert!(!directory.exists());
}

#[test]
fn an_error_in_the_log_is_a_finding() {
    provoke_an_error(TestInstance::builder(Major::V16), "server.log");
}

#[test]
fn an_error_in_a_collected_log_is_a_finding() {
    let builder = |destination| TestInstance::builder(Major::V16).logging_collector(destination);
    provoke_an_error(builder("stderr"), ".log");
    provoke_an_error(builder("csvlog"), ".csv");
    provoke_an_error(builder("jsonlog"), ".json");
}

#[test]
fn an_expected_error_is_none() {
    let instance = TestInstance::builder(Major::V14).allow_log("division by zero").start();
    assert!(instance.try_sql("postgres", "select 1/0").is_err());
    instance.finish().unwrap();
}

#[test]
fn dropping_fails_the_test_on_a_finding() {
    let instance = TestInstance::start_plain(Major::V15);
    let directory = instance.directory().to_owned();
    assert!(instance.try_sql("postgres", "select 1/0").is_err());
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(instance)));
    let message = *dropped.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("ERROR:  division by zero"), "{message}");
    assert!(message.contains(&format!("kept: {}", directory.display())), "{message}");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_failing_test_keeps_the_directory_without_its_server() {
    let instance = TestInstance::start_plain(Major::V15);
    let (directory, pid) = (instance.directory().to_owned(), instance.postmaster_pid().unwrap());
    let failed = std::thread::spawn(move || {
        let _instance = instance;
        panic!("this panic is part of the test");
    });
    assert!(failed.join().is_err());
    assert!(directory.join("server.log").exists());
    assert!(proc::is_gone(pid));
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn kill9_leaves_no_process() {
    let instance = TestInstance::start_plain(Major::V15);
    let session = instance.session("postgres");
    let backend = session.pid();
    let traces = Traces::of(&instance);
    instance.kill9();
    assert!(proc::is_gone(traces.pid));
    assert!(proc::is_gone(backend));
    assert!(instance.data_directory().join("postmaster.pid").exists());
    // The next start recovers and takes the leftovers over.
    instance.start();
    instance.kill9();
    instance.finish().unwrap();
    traces.assert_gone();
}

#[test]
fn a_server_that_was_killed_and_not_restarted_leaves_no_memory() {
    let instance = TestInstance::start_plain(Major::V18);
    let traces = Traces::of(&instance);
    instance.kill9();
    instance.finish().unwrap();
    traces.assert_gone();
}

#[test]
fn stop_modes_do_what_they_say() {
    let instance = TestInstance::start_plain(Major::V15);
    let session = instance.session("postgres");
    instance.request_stop(StopMode::Smart);
    std::thread::sleep(Duration::from_millis(300));
    assert!(instance.is_running(), "a smart stop waits for the session");
    drop(session);
    assert!(proc::wait_for(SOON, || !instance.is_running()));

    for mode in [StopMode::Fast, StopMode::Immediate, StopMode::Kill] {
        instance.start();
        let session = instance.session("postgres");
        instance.stop(mode);
        assert_eq!(instance.processes(), Vec::<i32>::new(), "after {mode:?}");
        assert!(proc::wait_for(SOON, || session.is_closed()));
    }
    instance.finish().unwrap();
}

#[test]
fn sigstop_hangs_the_postmaster_only() {
    let instance = TestInstance::start_plain(Major::V15);
    let session = instance.session("postgres");
    let postmaster = instance.postmaster_pid().unwrap();
    instance.sigstop();
    assert_eq!(proc::state(postmaster), Some(ProcessState::Stopped));
    assert_eq!(session.query_one_text("select 1"), "1");
    instance.sigcont();
    assert_eq!(instance.query_one_text("postgres", "select 2"), "2");

    instance.sigstop_all();
    assert_eq!(proc::state(session.pid()), Some(ProcessState::Stopped));
    // An instance that hangs does not hang its end.
    instance.finish().unwrap();
}

#[test]
fn sessions_hold_locks_and_wait_for_them() {
    let instance = TestInstance::start_plain(Major::V15);
    instance.sql("postgres", "create table t (a int)");
    let (holder, waiter) = (instance.session("postgres"), instance.session("postgres"));
    holder.run("begin; lock table t");
    let waiting = waiter.begin("insert into t values (1)");
    let blockers = format!("select pg_blocking_pids({})::text", waiter.pid());
    let expected = format!("{{{}}}", holder.pid());
    assert!(proc::wait_for(SOON, || instance.query_one_text("postgres", &blockers) == expected));
    holder.run("commit");
    waiting.wait().unwrap();
    assert_eq!(instance.query_one_text("postgres", "select count(*) from t"), "1");
    instance.finish().unwrap();
}

#[test]
fn blocking_helpers_work_inside_of_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let instance = TestInstance::start_plain(Major::V15);
        let client = instance.connect("postgres").await;
        client.batch_execute("create table t as select 7 as a").await.unwrap();
        assert_eq!(instance.query_texts("postgres", "select a from t"), ["7"]);
        drop(instance.session("postgres"));
        drop(client);
        instance.finish().unwrap();
    });
}

#[test]
fn a_failed_start_shows_the_log() {
    let instance = TestInstance::builder(Major::V15).setting("shared_buffers", "no").create();
    assert!(!instance.is_running());
    let error = instance.try_start().unwrap_err();
    assert!(error.contains("invalid value for parameter \"shared_buffers\""), "{error}");
    instance.allow_log("invalid value for parameter");
    instance.allow_log("contains errors");
    instance.finish().unwrap();
}

#[test]
fn the_program_under_test_is_built() {
    let program = pgdeck_tests::bin::pgdeck();
    assert!(program.is_file(), "{}", program.display());
    assert!(program.ends_with("pgdeck"));
}

#[test]
fn a_killed_run_is_cleaned_up_by_the_next() {
    let left = leave_an_instance_behind();
    let pid = fs::read_to_string(left.join("data/postmaster.pid")).unwrap();
    let pid: i32 = pid.lines().next().unwrap().parse().unwrap();
    assert!(!proc::is_gone(pid), "the server outlives its test");
    // Sweeping is done once a process: let a new one do it.
    run_own_test("an_expected_error_is_none");
    assert!(proc::wait_gone(pid, SOON));
    assert!(proc::wait_for(SOON, || !left.exists()));
}

/// A child process of this very test program makes an instance and is killed.
fn leave_an_instance_behind() -> PathBuf {
    let marker = tempfile::NamedTempFile::new().unwrap();
    let mut child = own_program()
        .args(["--exact", "victim", "--nocapture"])
        .env(VICTIM, marker.path())
        .spawn()
        .unwrap();
    let named = || fs::read_to_string(marker.path()).unwrap();
    assert!(proc::wait_for(Duration::from_secs(60), || named().ends_with('\n')));
    child.kill().unwrap();
    child.wait().unwrap();
    PathBuf::from(named().trim_end())
}

const VICTIM: &str = "PGDECK_TEST_VICTIM";

/// Does nothing by itself: the part of [`leave_an_instance_behind`] that gets killed.
#[test]
fn victim() {
    if let Some(marker) = std::env::var_os(VICTIM) {
        let instance = TestInstance::start_plain(Major::V15);
        fs::write(marker, format!("{}\n", instance.directory().display())).unwrap();
        std::thread::sleep(Duration::from_secs(600));
    }
}

fn own_program() -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.stdout(std::process::Stdio::null()).env_remove(VICTIM);
    command
}

fn run_own_test(name: &str) {
    assert!(own_program().args(["--exact", name]).status().unwrap().success());
}
