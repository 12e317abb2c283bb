//! The data disk is lost while clients write: what was archived, or is in a `pg_wal` that
//! survives, is there after recovery to the latest position, and the dry run said so before.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use pgdeck_tests::{Major, Repository, TestInstance, proc};

/// Clients that insert numbers and note those whose commit the server has confirmed.
struct Writers {
    stop: Arc<AtomicBool>,
    confirmed: Arc<Mutex<BTreeSet<u32>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    fn start(repository: &Repository) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let confirmed = Arc::new(Mutex::new(BTreeSet::new()));
        let next = Arc::new(AtomicU32::new(1));
        let threads = (0..3).map(|_| {
            let session = repository.instance.session("postgres");
            let (stop, confirmed, next) =
                (Arc::clone(&stop), Arc::clone(&confirmed), Arc::clone(&next));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Acquire) {
                    let number = next.fetch_add(1, Ordering::AcqRel);
                    let text = format!("insert into written values ({number}, repeat('x', 200))");
                    if session.begin(&text).wait().is_err() {
                        return;
                    }
                    confirmed.lock().unwrap().insert(number);
                }
            })
        });
        let threads = threads.collect();
        Self { stop, confirmed, threads }
    }

    fn count(&self) -> usize {
        self.confirmed.lock().unwrap().len()
    }

    fn wait_for(&self, more: usize) {
        let goal = self.count() + more;
        assert!(proc::wait_for(Duration::from_secs(60), || self.count() >= goal));
    }

    /// Waits until the clients have noticed; what was confirmed.
    fn end(self) -> BTreeSet<u32> {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let confirmed = self.confirmed.lock().unwrap();
        confirmed.clone()
    }
}

/// Confirmed numbers that were in a segment of the archive, and all that were confirmed.
struct Lost {
    archived: BTreeSet<u32>,
    confirmed: BTreeSet<u32>,
}

/// Lets clients write, archives in between, and takes the data directory away under them.
fn lose(repository: &Repository) -> Lost {
    let instance = &repository.instance;
    instance.sql("postgres", "create table written (n int primary key, filler text)");
    repository.backup(&["--type", "full"]);
    let writers = Writers::start(repository);
    writers.wait_for(200);
    let archived = writers.confirmed.lock().unwrap().clone();
    repository.archive();
    writers.wait_for(200);
    fs::remove_dir_all(instance.data_directory()).unwrap_or_else(|_| {
        // The server makes files while they are removed.
        fs::remove_dir_all(instance.data_directory()).unwrap();
    });
    writers.wait_for(1);
    instance.end_orphan();
    let confirmed = writers.end();
    assert!(confirmed.len() > archived.len());
    Lost { archived, confirmed }
}

fn recovered(repository: &Repository) -> (serde_json::Value, BTreeSet<u32>) {
    let destination = repository.destination().display().to_string();
    // Only the destination is named: the data directory is known from the newest backup.
    let plan = repository.recover_from_destination(&["-B", &destination, "--dry-run", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan.expect_code(0).stdout).unwrap();
    let directory = repository.instance.data_directory().to_str().unwrap();
    assert_eq!(plan["directory"], directory);
    assert_eq!(plan["replaced"], serde_json::Value::Null);
    let done =
        repository.recover_from_destination(&["-B", &destination, "--yes", "--action", "promote"]);
    done.expect_code(0);
    let found = repository.instance.query_texts("postgres", "select n from written");
    (plan, found.iter().map(|text| text.parse().unwrap()).collect())
}

#[test]
fn with_pg_wal_on_another_disk_nothing_is_lost() {
    let builder = TestInstance::builder(Major::V16).wal_elsewhere();
    let repository = Repository::start_with(builder);
    let lost = lose(&repository);
    let (plan, found) = recovered(&repository);
    let sources: Vec<_> =
        plan["wal"].as_array().unwrap().iter().map(|run| &run["source"]).collect();
    assert!(sources.contains(&&serde_json::json!("old_wal")), "{plan:#}");
    let missing: Vec<_> = lost.confirmed.difference(&found).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn without_it_what_was_archived_is_there_and_the_plan_says_up_to_when() {
    let builder = TestInstance::builder(Major::V14).setting("track_commit_timestamp", "on");
    let repository = Repository::start_with(builder);
    let lost = lose(&repository);
    // Without the settings nothing names the destination, but pgdeck has seen it.
    let refused = repository.run(&["recover", "--dry-run"]).finish().expect_code(2);
    let seen = format!("name them with -B {}", repository.destination().display());
    assert!(refused.stderr.contains(&seen), "{}", refused.stderr);
    let (plan, found) = recovered(&repository);
    let missing: Vec<_> = lost.archived.difference(&found).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(found.len() < lost.confirmed.len(), "some were in the lost segment only");
    let last = repository.instance.query_one_text(
        "postgres",
        "select to_char(max(pg_xact_commit_timestamp(xmin)) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') from written",
    );
    let said = plan["stop"]["last_commit_at"].as_str().unwrap().trim_end_matches('Z');
    assert_eq!(last.trim_end_matches('0'), said.trim_end_matches('0'), "{plan:#}");
}
