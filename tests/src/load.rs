//! Sessions that change a database while something else is done to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::TestInstance;
use crate::instance::Session;

/// Sessions that change the database in every way while a backup is taken.
pub struct Load {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Makes the tables and starts the sessions. `ledger` keeps a sum of zero in every
    /// committed state.
    #[must_use]
    pub fn start(instance: &TestInstance) -> Self {
        instance.sql(
            "postgres",
            "create table ledger (id int primary key, amount bigint not null);
             insert into ledger select g, 0 from generate_series(1, 2000) g;
             create table growing (id bigserial, filler text);
             create unlogged table scratch (a int, b text);
             insert into scratch select g, repeat('x', 100) from generate_series(1, 2000) g",
        );
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let work: [fn(&Session, u64); 3] = [transfer, grow, come_and_go];
        let threads = work.into_iter().map(|work| {
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            let config = instance.config("postgres");
            std::thread::spawn(move || {
                let session = Session::open(&config).expect("a session can be opened");
                let mut round = 0;
                while !stop.load(Ordering::Acquire) {
                    work(&session, round);
                    round += 1;
                    rounds.fetch_add(1, Ordering::AcqRel);
                }
            })
        });
        let threads = threads.collect();
        let load = Self { stop, rounds, threads };
        load.wait(20);
        load
    }

    /// Waits until the sessions have done so many rounds more.
    ///
    /// # Panics
    /// When they do not within half a minute.
    pub fn wait(&self, rounds: u64) {
        let goal = self.rounds.load(Ordering::Acquire) + rounds;
        let reached = crate::proc::wait_for(std::time::Duration::from_secs(30), || {
            self.rounds.load(Ordering::Acquire) >= goal
        });
        assert!(reached, "the load stands still");
    }

    /// Ends the sessions.
    ///
    /// # Panics
    /// When one of them failed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.join().expect("the load does not fail");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            // A failing test has said enough already.
            let _ = thread.join();
        }
    }
}

fn transfer(session: &Session, round: u64) {
    let (from, to) = (round * 7 % 2000 + 1, round * 13 % 2000 + 1);
    session.run(&format!(
        "begin; update ledger set amount = amount - 5 where id = {from};
         update ledger set amount = amount + 5 where id = {to}; commit"
    ));
}

fn grow(session: &Session, round: u64) {
    session.run(
        "insert into growing (filler) select repeat('y', 500) from generate_series(1, 200);
         update scratch set a = a + 1 where a % 10 = 0",
    );
    if round % 20 == 19 {
        session.run("delete from growing where id % 2 = 0");
        session.run("vacuum growing");
    }
}

fn come_and_go(session: &Session, round: u64) {
    session.run(&format!(
        "create table visitor{round} as select g as a, md5(g::text) as b from generate_series(1, 500) g;
         create index on visitor{round} (a)"
    ));
    match round % 3 {
        0 => session.run(&format!("drop table visitor{round}")),
        1 => session.run(&format!("truncate visitor{round}")),
        _ => session.run(&format!("insert into visitor{round} select a, b from visitor{round}")),
    }
    if round > 20 && round.is_multiple_of(5) {
        session.run(&format!("drop table if exists visitor{}", round - 19));
    }
}
